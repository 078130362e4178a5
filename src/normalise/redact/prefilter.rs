//! One fast search for the words that stand near secrets. It is made with vector instructions where the processor
//! has them. The words are those of the rules.

use aho_corasick::{AhoCorasick, packed};

use crate::normalise::redact::rules::words;

/// Bytes that are folded to lower case and searched at a time.
const BLOCK: usize = 4 << 10;

/// Words that one vector search takes.
const GROUP: usize = 32;
/// The one thing that announces a secret in an address.
const ADDRESS: &[u8] = b"://";

/// Looks for any of [`words`], in any case.
#[derive(Debug)]
pub struct Prefilter {
    packed: Vec<packed::Searcher>,
    each: Option<AhoCorasick>,
    longest: usize,
}

impl Prefilter {
    /// Build the search.
    pub fn new() -> Prefilter {
        let words = words();
        let long: Vec<&str> = words.iter().copied().filter(|word| word.len() >= 4).collect();
        let packed: Option<Vec<_>> = long.chunks(GROUP).map(packed::Searcher::new).collect();
        let each = AhoCorasick::builder().ascii_case_insensitive(true).build(&words).ok();
        let longest = words.iter().map(|word| word.len()).max().unwrap_or(0);
        Prefilter { packed: packed.unwrap_or_default(), each, longest }
    }

    /// Which words are in the bytes, as bits; all if no search could be built.
    pub fn which(&self, bytes: &[u8]) -> u128 {
        let Some(each) = &self.each else { return u128::MAX };
        each.find_overlapping_iter(bytes)
            .fold(0, |bits, found| bits | 1 << found.pattern().as_u32())
    }

    /// Is one of the words in the bytes? If no search could be built, yes.
    pub fn finds(&self, bytes: &[u8]) -> bool {
        if memchr::memmem::find(bytes, ADDRESS).is_some() {
            return true;
        }
        if self.packed.is_empty() {
            return self.each.as_ref().is_none_or(|each| each.is_match(bytes));
        }
        let mut folded = [0_u8; BLOCK];
        let mut rest = bytes;
        loop {
            let (block, _) = rest.split_at(rest.len().min(BLOCK));
            let Some(room) = folded.get_mut(..block.len()) else { return true };
            room.copy_from_slice(block);
            room.make_ascii_lowercase();
            if self.packed.iter().any(|words| words.find(&*room).is_some()) {
                return true;
            }
            if block.len() < BLOCK {
                return false;
            }
            // A word may lie across the border of two blocks.
            rest = rest.get(BLOCK - self.longest..).unwrap_or_default();
        }
    }
}

impl Default for Prefilter {
    fn default() -> Prefilter {
        Prefilter::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    static PREFILTER: std::sync::LazyLock<Prefilter> = std::sync::LazyLock::new(Prefilter::new);

    proptest! {
        #[test]
        fn finds_every_word_wherever_it_stands(
            before in 0_usize..9_000, which in 0..words().len(), upper: bool
        ) {
            let word = words()[which];
            let word = if upper { word.to_ascii_uppercase() } else { word.to_owned() };
            let text = format!("{}{word}", "x".repeat(before));
            prop_assert!(PREFILTER.finds(text.as_bytes()));
            prop_assert!(PREFILTER.which(text.as_bytes()) & (1 << which) != 0);
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_fast_search_takes_all_words() {
        let short: Vec<_> = words().into_iter().filter(|word| word.len() < 4).collect();
        assert_eq!(short, [str::from_utf8(ADDRESS).unwrap()]);
        assert!(words().len() < 127, "one bit is left for own rules");
        assert!(!PREFILTER.packed.is_empty() || !std::is_x86_feature_detected!("avx2"));
    }

    #[test]
    fn an_ordinary_text_has_none() {
        assert!(
            !Prefilter::new().finds(
                &b"C:\\Windows\\System32\\svchost.exe -k netsvcs -p -s Schedule ".repeat(300)
            )
        );
    }
}
