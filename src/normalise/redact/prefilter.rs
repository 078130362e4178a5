//! The first of the two steps: does anything in these bytes announce a secret? One pass over them, whatever the number
//! of words; nearly all records end here, so this is what redaction costs.
//!
//! Every second position is looked at: three bytes there, folded to lower case, against a small table. Of each word two
//! neighbouring runs of three bytes are in the table, so that one of them lies on an even position wherever the word
//! stands; the two rarest of the word, so that ordinary text seldom hits. What hits is compared with the words
//! themselves. In the same pass stretches of digits are seen, which may be payment-card numbers.
//!
//! Vector searches take 32 words each and grow with the number of words; this one does not. It takes as long as two of
//! them, for six times as many words.

use std::sync::LazyLock;

use ahash::AHashMap;

use crate::normalise::redact::cards;
use crate::normalise::redact::rules::words;

/// Bytes of a run.
const RUN: usize = 3;
/// Bytes of the table, a power of two; it stays in the first cache. Each bit is a slot.
const TABLE_BYTES: usize = 1 << 14;
/// Parts of the list of runs that a hit leads to.
const BUCKETS: usize = 1 << 10;
/// Sets the bit that lower case has, and does the same to every other character every time.
const FOLD: u64 = 0x2020_2020_2020_2020;
/// Bits that digits and what stands between them do not have.
const NO_DIGIT: u64 = 0xC0C0_C0C0_C0C0_C0C0;
/// How far an address is followed for credentials.
const AUTHORITY_BYTES_MAX: usize = 512;
/// What records look like: runs that stand here are not chosen. Nothing else depends on it.
const ORDINARY: &[u8] = include_bytes!("ordinary.txt");

/// A set of words, by their numbers in [`words`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Words([u64; 4]);

impl Words {
    /// How many words there may be.
    pub const MAX: usize = 256;
    /// Every word.
    pub const ALL: Words = Words([u64::MAX; 4]);

    /// Add the n-th word.
    pub fn add(&mut self, number: usize) {
        if let Some(part) = self.0.get_mut(number / 64) {
            *part |= 1 << (number % 64);
        }
    }

    /// Is there a word in both?
    pub fn meets(&self, other: &Words) -> bool {
        self.0.iter().zip(&other.0).any(|(one, two)| one & two != 0)
    }
}

/// What was found in some bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Near {
    /// Words of the rules.
    pub words: Words,
    /// An address with credentials in it.
    pub address: bool,
    /// A number of a payment card.
    pub card: bool,
}

impl Near {
    /// Anything at all?
    pub fn any(&self) -> bool {
        self.address || self.card || self.words != Words::default()
    }
}

/// A run of a word in the table.
#[derive(Clone, Copy, Debug)]
struct Entry {
    run: u32,
    word: u16,
    /// Where in the word the run stands.
    offset: u8,
}

/// Looks for the words.
#[derive(Debug)]
pub struct Prefilter {
    words: Vec<&'static str>,
    table: Box<[u8; TABLE_BYTES]>,
    /// Sorted by bucket.
    entries: Vec<Entry>,
    /// Where the entries of each bucket begin, and where the last end.
    buckets: Vec<u16>,
}

static SHARED: LazyLock<Prefilter> = LazyLock::new(Prefilter::new);

impl Prefilter {
    /// The one of this process.
    pub fn shared() -> &'static Prefilter {
        &SHARED
    }

    /// Build the table.
    pub fn new() -> Prefilter {
        let words = words();
        let ordinary = ordinary();
        let mut entries = Vec::with_capacity(2 * words.len());
        for (number, word) in words.iter().enumerate() {
            for offset in rarest(word.as_bytes(), &ordinary) {
                let Some(run) = run_at(word.as_bytes(), offset) else { continue };
                let (Ok(word), Ok(offset)) = (u16::try_from(number), u8::try_from(offset)) else {
                    continue;
                };
                entries.push(Entry { run, word, offset });
            }
        }
        entries.sort_unstable_by_key(|entry| bucket(entry.run));
        let before = |at: usize| entries.partition_point(|entry| bucket(entry.run) < at);
        let buckets =
            (0..=BUCKETS).map(|at| u16::try_from(before(at)).unwrap_or(u16::MAX)).collect();
        let mut table = Box::new([0_u8; TABLE_BYTES]);
        for entry in &entries {
            let (byte, bit) = slot(entry.run);
            if let Some(bits) = table.get_mut(byte) {
                *bits |= 1 << bit;
            }
        }
        Prefilter { words, table, entries, buckets }
    }

    /// Everything that is in the bytes.
    pub fn which(&self, bytes: &[u8]) -> Near {
        let mut near = Near { address: holds_credentials(bytes), ..Near::default() };
        self.scan(bytes, &mut |found| {
            match found {
                Found::Word(number) => near.words.add(number),
                Found::Card => near.card = true,
            }
            false
        });
        near
    }

    /// Is anything in the bytes?
    pub fn finds(&self, bytes: &[u8]) -> bool {
        self.scan(bytes, &mut |_| true) || holds_credentials(bytes)
    }

    /// Hand on everything that is found until `done` says that it is enough; whether it did.
    fn scan(&self, bytes: &[u8], done: &mut dyn FnMut(Found) -> bool) -> bool {
        let (chunks, rest) = bytes.as_chunks::<8>();
        let mut before = FOLD;
        for (index, chunk) in chunks.iter().enumerate() {
            let now = u64::from_le_bytes(*chunk) | FOLD;
            if self.hits(before, now) && self.look(bytes, index * 8, before, now, done) {
                return true;
            }
            if now & NO_DIGIT == 0
                && are_digits(now)
                && cards::around(bytes, index * 8)
                && done(Found::Card)
            {
                return true;
            }
            before = now;
        }
        let mut last = [b' '; 8];
        for (slot, byte) in last.iter_mut().zip(rest) {
            *slot = *byte;
        }
        let (at, now) = (chunks.len() * 8, u64::from_le_bytes(last) | FOLD);
        self.hits(before, now) && self.look(bytes, at, before, now, done)
    }

    /// The whole cost for most bytes: four looks at the table for eight bytes, no branch among them.
    fn hits(&self, before: u64, now: u64) -> bool {
        runs(before, now).iter().fold(0, |hit, run| hit | self.hit(*run)) != 0
    }

    /// 1 if the run may be one of a word.
    fn hit(&self, run: u32) -> u8 {
        let (byte, bit) = slot(run);
        (self.table.get(byte).copied().unwrap_or(u8::MAX) >> bit) & 1
    }

    /// What of a hit at these eight bytes is real.
    #[cold]
    fn look(
        &self,
        bytes: &[u8],
        at: usize,
        before: u64,
        now: u64,
        done: &mut dyn FnMut(Found) -> bool,
    ) -> bool {
        for (index, run) in runs(before, now).into_iter().enumerate() {
            if self.hit(run) == 0 {
                continue;
            }
            for entry in self.entries_of(run).iter().filter(|entry| entry.run == run) {
                if self.stands(bytes, at + 2 * index, *entry)
                    && done(Found::Word(entry.word.into()))
                {
                    return true;
                }
            }
        }
        false
    }

    fn entries_of(&self, run: u32) -> &[Entry] {
        let at = |bucket: usize| self.buckets.get(bucket).copied().map_or(0, usize::from);
        self.entries.get(at(bucket(run))..at(bucket(run) + 1)).unwrap_or_default()
    }

    /// Does the word stand there? `at` is two bytes behind the place of the run.
    fn stands(&self, bytes: &[u8], at: usize, entry: Entry) -> bool {
        let Some(word) = self.words.get(usize::from(entry.word)) else { return false };
        let Some(start) = at.checked_sub(2 + usize::from(entry.offset)) else { return false };
        bytes
            .get(start..start + word.len())
            .is_some_and(|there| there.eq_ignore_ascii_case(word.as_bytes()))
    }
}

impl Default for Prefilter {
    fn default() -> Prefilter {
        Prefilter::new()
    }
}

enum Found {
    Word(usize),
    Card,
}

/// The runs that begin two bytes before these eight, at their first, third and fifth.
fn runs(before: u64, now: u64) -> [u32; 4] {
    let across = (before >> 48) | (now << 16);
    [across, now, now >> 16, now >> 32].map(|bytes| (bytes & 0x00FF_FFFF) as u32)
}

/// Are these eight characters below `@` digits with at most two blanks or dashes? Every way to write a card number holds
/// eight such characters, wherever it begins.
fn are_digits(bytes: u64) -> bool {
    let each = |byte: u8| u64::from_le_bytes([byte; 8]);
    // A digit becomes 0 to 9, and only with more does adding this set the highest bit.
    let others = ((bytes ^ each(b'0')) + each(0x76)) & each(0x80);
    others.count_ones() <= 2
        && bytes
            .to_le_bytes()
            .iter()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b' ' | b'-'))
}

/// The byte of the table, and the bit in it.
fn slot(run: u32) -> (usize, u32) {
    let hash = hash(run);
    ((hash >> 18) as usize, (hash >> 15) & 7)
}

fn bucket(run: u32) -> usize {
    (hash(run) >> 22) as usize
}

fn hash(run: u32) -> u32 {
    run.wrapping_mul(0x9E37_79B1)
}

/// A run of a word, folded.
fn run_at(word: &[u8], offset: usize) -> Option<u32> {
    let run = word.get(offset..offset + RUN)?;
    Some(run.iter().rev().fold(0, |bytes, byte| bytes << 8 | u32::from(byte | 0x20)))
}

/// How often each run stands in ordinary records.
fn ordinary() -> AHashMap<u32, usize> {
    let mut counts = AHashMap::new();
    for at in 0..ORDINARY.len() {
        if let Some(run) = run_at(ORDINARY, at) {
            *counts.entry(run).or_default() += 1;
        }
    }
    counts
}

/// The two neighbouring places in the word whose runs are rarest in ordinary records.
fn rarest(word: &[u8], ordinary: &AHashMap<u32, usize>) -> [usize; 2] {
    let often = |offset: usize| -> usize {
        let count = |at| run_at(word, at).and_then(|run| ordinary.get(&run)).copied();
        count(offset).unwrap_or(0) + count(offset + 1).unwrap_or(0)
    };
    let last = word.len().saturating_sub(RUN + 1);
    let best = (0..=last).min_by_key(|offset| often(*offset)).unwrap_or(0);
    [best, best + 1]
}

/// `scheme://user:secret@host` or `scheme://long-token@host` somewhere.
fn holds_credentials(bytes: &[u8]) -> bool {
    memchr::memmem::find_iter(bytes, b"://").any(|at| {
        let rest = bytes.get(at + 3..).unwrap_or_default();
        let rest = rest.get(..AUTHORITY_BYTES_MAX).unwrap_or(rest);
        for byte in rest {
            match byte {
                b'@' => return true,
                b' ' | b'\t' | b'\r' | b'\n' | b'/' | b'"' | b'\'' | b'<' | b'>' => return false,
                _ => {}
            }
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number_of(near: Words) -> Vec<usize> {
        (0..Words::MAX)
            .filter(|number| {
                let mut one = Words::default();
                one.add(*number);
                one.meets(&near)
            })
            .collect()
    }

    proptest! {
        #[test]
        fn finds_every_word_wherever_it_stands(
            before in 0_usize..900, which in 0..words().len(), upper: bool, after in 0_usize..20
        ) {
            let word = words()[which];
            let word = if upper { word.to_ascii_uppercase() } else { word.to_owned() };
            let text = format!("{}{word}{}", "x".repeat(before), "x".repeat(after));
            prop_assert!(Prefilter::shared().finds(text.as_bytes()));
            let near = Prefilter::shared().which(text.as_bytes());
            prop_assert!(number_of(near.words).contains(&which));
        }

        #[test]
        fn finds_exactly_the_words_that_a_plain_search_finds(text in "(pass|[:=/@ -]|pwd|tok|en|secre|t|\\PC|[0-9]{1,4}){0,30}") {
            let lower = text.to_ascii_lowercase();
            let all = words();
            let plain: Vec<usize> =
                (0..all.len()).filter(|number| lower.contains(all[*number])).collect();
            let near = Prefilter::shared().which(text.as_bytes());
            prop_assert_eq!(number_of(near.words), plain);
            prop_assert_eq!(near.any(), Prefilter::shared().finds(text.as_bytes()));
        }

        #[test]
        fn finds_cards_wherever_they_stand(before in 0_usize..40, after in 0_usize..20) {
            for card in ["4111111111111111", "378282246310005", "3714 496353 98431", "3056 930902 5904"] {
                let text = format!("{} {card} {}", "x".repeat(before), "x".repeat(after));
                prop_assert!(Prefilter::shared().which(text.as_bytes()).card, "{}", text);
            }
        }

        #[test]
        fn any_bytes_are_fine(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let near = Prefilter::shared().which(&bytes);
            prop_assert_eq!(near.any(), Prefilter::shared().finds(&bytes));
        }
    }

    #[test]
    fn the_words_fit_the_table() {
        assert!(words().len() <= Words::MAX);
        for word in words() {
            assert!(word.len() > RUN, "{word:?} is too short for every second position");
            assert_eq!(word, word.to_ascii_lowercase());
        }
        let used: u32 = Prefilter::new().table.iter().map(|bits| bits.count_ones()).sum();
        assert!(used < 1_000, "{used} slots are taken: ordinary text would hit too often");
    }

    #[test]
    fn an_ordinary_text_has_none() {
        let text =
            b"C:\\Windows\\System32\\svchost.exe -k netsvcs -p -s Schedule http://a.example/x@y ";
        assert!(!Prefilter::shared().finds(&text.repeat(300)));
        assert!(Prefilter::shared().finds(b"see ftp://bob:x@host/"));
    }
}
