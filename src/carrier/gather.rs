//! The record that a carrier is gathering, of which only the head is kept once it is over the limit.

use super::{Chunk, head_len};
use crate::model::record::{Framing, Shape};
use crate::stdx::limits::REJECT_HEAD_BYTES_MAX;

/// Bytes of one record, bounded.
#[derive(Debug, Default)]
pub struct Gather {
    bytes: Vec<u8>,
    max: usize,
    too_long: bool,
    /// Where the record begins in the stream.
    pub offset: u64,
}

impl Gather {
    /// Nothing gathered; a record of more than `max` bytes is too long.
    pub fn new(max: usize) -> Gather {
        Gather { max, ..Gather::default() }
    }

    /// Forget what there is and begin a record at `offset`.
    pub fn begin(&mut self, offset: u64) {
        self.bytes.clear();
        self.bytes.shrink_to(REJECT_HEAD_BYTES_MAX);
        self.too_long = false;
        self.offset = offset;
    }

    /// Add bytes; what is over the limit is let go.
    pub fn extend(&mut self, bytes: &[u8]) {
        if self.too_long {
            return;
        }
        if self.bytes.len() + bytes.len() > self.max {
            self.too_long = true;
            // The same however the bytes come.
            let head = head_len(self.max.saturating_add(1));
            let room = head.saturating_sub(self.bytes.len());
            self.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            self.bytes.truncate(head);
            return;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Add one byte.
    pub fn push(&mut self, byte: u8) {
        self.extend(&[byte]);
    }

    /// Take back the last bytes, unless some were let go already.
    pub fn shorten(&mut self, by: usize) {
        if !self.too_long {
            self.bytes.truncate(self.bytes.len().saturating_sub(by));
        }
    }

    /// What is there; only the head if it is too long.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Is it over the limit?
    pub fn is_too_long(&self) -> bool {
        self.too_long
    }

    /// How the record ends if it ends here.
    pub fn framing(&self) -> Framing {
        if self.too_long { Framing::TooLong } else { Framing::Whole }
    }

    /// The record is complete.
    pub fn end(&mut self, chunk: &mut Chunk, shape: Shape) {
        chunk.push(&self.bytes, self.offset, self.framing(), shape);
        self.begin(self.offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_head_of_too_much_is_kept_however_it_comes() {
        let text: Vec<u8> = (0..20_000_u32).map(|at| at as u8).collect();
        for piece in [1, 7, 4096, 20_000] {
            let mut gather = Gather::new(10_000);
            gather.begin(5);
            text.chunks(piece).for_each(|piece| gather.extend(piece));
            assert_eq!(gather.framing(), Framing::TooLong);
            assert_eq!(gather.bytes(), &text[..4096], "{piece}");
        }
        let mut gather = Gather::new(3);
        gather.extend(b"abcd");
        assert_eq!((gather.bytes(), gather.framing()), (&b"abcd"[..], Framing::TooLong));
        gather.begin(0);
        gather.extend(b"abc");
        gather.shorten(1);
        assert_eq!((gather.bytes(), gather.framing()), (&b"ab"[..], Framing::Whole));
    }
}
