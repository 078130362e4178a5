//! Words of one event that were met before: texts say most of their words more than once.

use std::ops::Range;

use crate::store::index::terms::Terms;

/// Words of an event that are remembered.
const SLOTS: usize = 1_024;
/// Places that are looked at for one.
const STEPS: usize = 4;
/// Odd constants with as many ones as zeros.
const MIX: [u64; 2] = [0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db];

/// What tells a word from every other one without looking at its bytes, if it is short; of a long one its hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Word {
    /// First and last bytes, which overlap or meet; of a long word its hash, and nothing.
    ends: (u64, u64),
    /// Length and column.
    kind: (u16, u8),
}

impl Word {
    /// A word of at most sixteen bytes. `None`: it is longer.
    fn short(code: u8, word: &[u8]) -> Option<Word> {
        let four = |bytes: &[u8; 4]| u64::from(u32::from_le_bytes(*bytes));
        let ends = match (word.first_chunk::<8>(), word.last_chunk::<8>()) {
            _ if word.len() > 16 => return None,
            (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            _ => match (word.first_chunk::<4>(), word.last_chunk::<4>(), word) {
                (Some(first), Some(last), _) => (four(first), four(last)),
                (.., [one]) => (u64::from(*one), 0),
                (.., [one, two]) => (u64::from(*one), u64::from(*two)),
                (.., [one, two, three]) => {
                    (u64::from(*one) | u64::from(*two) << 8, u64::from(*three))
                }
                _ => (0, 0),
            },
        };
        Some(Word { ends, kind: (word.len() as u16, code) })
    }

    /// As wyhash mixes two words: the halves of their product. (<https://github.com/wangyi-fudan/wyhash>)
    fn hash(self) -> u64 {
        let kind = u64::from(self.kind.0) << 8 | u64::from(self.kind.1);
        let [one, two] = MIX;
        let product = u128::from(self.ends.0 ^ one ^ kind.rotate_left(32))
            * u128::from(self.ends.1 ^ two ^ kind);
        (product >> 64) as u64 ^ product as u64
    }
}

/// Words of one event that were met; forgets some where many fall together, which does no harm.
#[derive(Debug)]
pub(super) struct Seen {
    slots: Vec<Slot>,
    turn: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// Number of the event.
    turn: u32,
    /// Where a long word stands among the terms, its code before it.
    start: u32,
    word: Word,
}

impl Default for Seen {
    fn default() -> Seen {
        Seen { slots: vec![Slot::default(); SLOTS], turn: 0 }
    }
}

impl Seen {
    pub(super) fn begin(&mut self) {
        self.turn = self.turn.wrapping_add(1);
        if self.turn == 0 {
            self.slots.fill(Slot::default());
            self.turn = 1;
        }
    }

    /// The hash of a column's word that was not met before and will be the next term; `None`: it was.
    pub(super) fn hash_of_new(&mut self, (code, text): (u8, &[u8]), terms: &Terms) -> Option<u32> {
        let word = Word::short(code, text);
        let is_long = word.is_none();
        let word = word.unwrap_or_else(|| Word {
            ends: (terms.hash_long(code, text), 0),
            kind: (u16::try_from(text.len()).unwrap_or(u16::MAX), code),
        });
        let hash = word.hash();
        let low = hash as usize % SLOTS;
        for step in 0..STEPS {
            let Some(slot) = self.slots.get_mut((low + step) % SLOTS) else { break };
            if slot.turn != self.turn {
                let start = u32::try_from(terms.open()).unwrap_or(u32::MAX);
                *slot = Slot { turn: self.turn, start, word };
                break;
            }
            let start = slot.start as usize + 1;
            if slot.word == word && (!is_long || terms.bytes(place(start, text)) == text) {
                return None;
            }
        }
        Some((hash >> 32) as u32)
    }
}

fn place(start: usize, text: &[u8]) -> Range<usize> {
    start..start + text.len()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Words that differ in any byte, in length or in their column are different.
        #[test]
        fn short_words_are_told_apart(
            one in "[ab0]{1,17}", other in "[ab0]{1,17}", codes in (1_u8..3, 1_u8..3),
        ) {
            let words = (Word::short(codes.0, one.as_bytes()), Word::short(codes.1, other.as_bytes()));
            prop_assert_eq!(words.0.is_none(), one.len() > 16);
            if let (Some(left), Some(right)) = words {
                prop_assert_eq!(left == right, (codes.0, &one) == (codes.1, &other));
                prop_assert!(left != right || left.hash() == right.hash());
            }
        }
    }

    #[test]
    fn as_many_hashes_as_words() {
        let words = (0..20_000).map(|number: u64| format!("{:x}", number * 7_919));
        let hashes: BTreeSet<u32> = words
            .filter_map(|word| Word::short(2, word.as_bytes()))
            .map(|word| (word.hash() >> 32) as u32)
            .collect();
        assert!(hashes.len() > 19_990, "{} of 20,000", hashes.len());
    }
}
