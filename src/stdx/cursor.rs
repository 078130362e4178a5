//! Reading and writing of what we keep as bytes: little-endian numbers, texts with their length before them. Reading
//! never fails loudly; what is too short or no text is `None`.

/// What is left to read.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'b>(&'b [u8]);

impl<'b> Cursor<'b> {
    /// From the first byte on.
    pub fn new(bytes: &'b [u8]) -> Cursor<'b> {
        Cursor(bytes)
    }

    /// Has everything been read?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next `N` bytes.
    pub fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    /// One byte.
    pub fn byte(&mut self) -> Option<u8> {
        self.take().map(|[byte]| byte)
    }

    /// Two bytes.
    pub fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    /// Eight bytes with a sign.
    pub fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_le_bytes)
    }

    /// Eight bytes with a fraction.
    pub fn f64(&mut self) -> Option<f64> {
        self.take().map(f64::from_le_bytes)
    }

    /// How many of something follow. Nothing may be reserved for it: it is what the bytes say.
    pub fn length(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.take()?)).ok()
    }

    /// A text behind its length.
    pub fn text(&mut self) -> Option<&'b str> {
        let length = self.length()?;
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(head).ok()
    }
}

/// Write how many of something follow.
pub fn put_length(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

/// Write a text behind its length.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_length(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_cut_is_nothing() {
        let mut bytes = vec![7];
        put_text(&mut bytes, "mañana");
        bytes.extend_from_slice(&(-5_i64).to_le_bytes());
        bytes.extend_from_slice(&1.5_f64.to_le_bytes());
        let read = |bytes: &[u8]| {
            let mut rest = Cursor::new(bytes);
            let all = (rest.byte()?, rest.text()?.to_owned(), rest.i64()?, rest.f64()?);
            rest.is_empty().then_some(all)
        };
        assert_eq!(read(&bytes), Some((7, "mañana".to_owned(), -5, 1.5)));
        for end in 0..bytes.len() {
            assert_eq!(read(bytes.get(..end).unwrap()), None, "cut at {end}");
        }
        assert_eq!(Cursor::new(&[1, 0, 0, 0, 0xff]).text(), None, "no UTF-8");
    }
}
