//! New input from old: bytes, ranges, words, numbers and lines are changed, repeated, moved and mixed.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Numbers that sit on edges.
const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "1",
    "127",
    "128",
    "255",
    "256",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551616",
    "99999999999999999999999",
    "-9223372036854775808",
    "1e400",
    "NaN",
];
/// A range is repeated until the input is full at most: what takes quadratic time shows.
const REPEATS_MAX: usize = 2_000;
/// Changes made to one input.
const CHANGES_MAX: usize = 6;

/// A source of mutations that gives the same again for the same number.
pub struct Mutator {
    random: ChaCha8Rng,
}

impl Mutator {
    /// Seeded.
    pub fn new(number: u64) -> Mutator {
        Mutator { random: ChaCha8Rng::seed_from_u64(number) }
    }

    /// A number below `limit` (0 for 0).
    pub fn below(&mut self, limit: usize) -> usize {
        if limit == 0 { 0 } else { (self.random.next_u64() % limit as u64) as usize }
    }

    /// A range of the input, short more often than long.
    fn range(&mut self, len: usize) -> std::ops::Range<usize> {
        let start = self.below(len + 1);
        let longest = if self.below(3) == 0 { len - start } else { (len - start).min(16) };
        start..start + self.below(longest + 1)
    }

    /// Change `input`, with pieces of `other`.
    pub fn mutate(&mut self, input: &mut Vec<u8>, other: &[u8], words: &[&str], bytes_max: usize) {
        for _ in 0..=self.below(CHANGES_MAX) {
            self.once(input, other, words, bytes_max);
        }
        input.truncate(bytes_max);
    }

    /// Repeat a piece until the input has about `bytes`.
    pub fn stretch(&mut self, input: &mut Vec<u8>, bytes: usize) {
        let piece = input[self.range(input.len())].to_vec();
        let at = self.below(input.len() + 1);
        if !piece.is_empty() {
            insert(input, at, &piece.repeat(bytes / piece.len()));
        }
    }

    fn once(&mut self, input: &mut Vec<u8>, other: &[u8], words: &[&str], bytes_max: usize) {
        let at = self.below(input.len() + 1);
        match self.below(16) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = self.below(256) as u8,
            2 => {
                let range = self.range(input.len());
                input.drain(range);
            }
            3 => {
                let piece = input[self.range(input.len())].to_vec();
                insert(input, at, &piece);
            }
            4 => {
                let piece = input[self.range(input.len())].to_vec();
                let room = bytes_max.saturating_sub(input.len()) / piece.len().max(1);
                let times = self.below(room.min(REPEATS_MAX) + 1);
                insert(input, at, &piece.repeat(times));
            }
            5 => {
                let piece = &other[self.range(other.len())];
                insert(input, at, piece);
            }
            6 => {
                // The first part of one, the last of the other.
                input.truncate(at);
                let from = self.below(other.len() + 1);
                input.extend_from_slice(&other[from..]);
            }
            7 | 8 => {
                let word = words[self.below(words.len())];
                insert(input, at, word.as_bytes());
            }
            9 => {
                let range = self.range(input.len());
                let word = words[self.below(words.len())].bytes();
                input.splice(range, word);
            }
            10 => self.number(input, at),
            11 => input.truncate(at),
            12 => self.lines(input),
            13 => {
                let length = 1 + self.below(8);
                let bytes: Vec<u8> = (0..length).map(|_| self.below(256) as u8).collect();
                insert(input, at, &bytes);
            }
            14 => {
                let range = self.range(input.len());
                let byte = [b' ', b'0', b'"', b'=', 0xff][self.below(5)];
                input[range].fill(byte);
            }
            _ => {
                let range = self.range(input.len());
                let by = self.below(range.len() + 1);
                input[range].rotate_left(by);
            }
        }
    }

    /// Put another number where one stands.
    fn number(&mut self, input: &mut Vec<u8>, at: usize) {
        let Some(start) = input.iter().skip(at).position(u8::is_ascii_digit).map(|p| p + at) else {
            return;
        };
        let length = input[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = NUMBERS[self.below(NUMBERS.len())];
        input.splice(start..start + length, number.bytes());
    }

    /// Double, drop or swap whole lines: records that are missing, doubled or out of order.
    fn lines(&mut self, input: &mut Vec<u8>) {
        let mut lines: Vec<Vec<u8>> =
            input.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        let (one, two) = (self.below(lines.len()), self.below(lines.len()));
        match self.below(3) {
            0 => lines.swap(one, two),
            1 => drop(lines.remove(one)),
            _ => {
                let line = lines[one].clone();
                lines.insert(two, line);
            }
        }
        *input = lines.join(&b'\n');
    }
}

/// `Vec::splice` with nothing taken out.
fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    input.splice(at..at, bytes.iter().copied());
}
