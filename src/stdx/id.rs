//! 128-bit ids derived from content and position, never random.
//!
//! BLAKE3 is used because ids are derived from text an attacker writes: two records must not be
//! made to share one id on purpose.

use std::fmt;

/// A 128-bit id, shown as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Id128(pub [u8; 16]);

impl Id128 {
    /// The id's bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Read 32 hexadecimal digits, in either case.
    pub fn parse(text: &str) -> Option<Id128> {
        if text.len() != 32 || !text.is_ascii() {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|number| Id128(number.to_be_bytes()))
    }

    /// Read an id from exactly sixteen bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Id128> {
        bytes.try_into().ok().map(Id128)
    }
}

impl fmt::Display for Id128 {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Id128 {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// Builds an id from parts; each part is length-prefixed, so `("ab","c")` and `("a","bc")` differ.
#[derive(Clone)]
pub struct IdHasher(blake3::Hasher);

impl IdHasher {
    /// Start an id of one kind ("event", "alert", …): ids of two kinds never meet.
    pub fn new(kind: &str) -> IdHasher {
        let mut hasher = IdHasher(blake3::Hasher::new());
        hasher.text(kind);
        hasher
    }

    /// Add one part as bytes.
    pub fn bytes(&mut self, part: &[u8]) -> &mut IdHasher {
        self.0.update(&(part.len() as u64).to_le_bytes());
        self.0.update(part);
        self
    }

    /// Add one part as text.
    pub fn text(&mut self, part: &str) -> &mut IdHasher {
        self.bytes(part.as_bytes())
    }

    /// Add one part as a number.
    pub fn number(&mut self, part: u64) -> &mut IdHasher {
        self.bytes(&part.to_le_bytes())
    }

    /// The id of everything added so far.
    pub fn finish(&self) -> Id128 {
        let mut out = [0_u8; 16];
        self.0.finalize_xof().fill(&mut out);
        Id128(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_delimited_and_text_round_trips() {
        let one = IdHasher::new("t").text("ab").text("c").finish();
        let two = IdHasher::new("t").text("a").text("bc").finish();
        assert_ne!(one, two);
        assert_eq!(Id128::parse(&one.to_string()), Some(one));
        assert_eq!(Id128::parse("xyz"), None);
    }
}
