//! Where a MessagePack value ends, found piece by piece and without building anything.

/// Values within values are followed so deep.
pub const DEPTH_MAX: usize = 64;

/// What a look at the bytes says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The value goes on behind the bytes.
    More,
    /// It ends here.
    End(usize),
    /// This is no value, or one that nests too deep.
    Broken,
}

/// Follows one value.
#[derive(Debug, Default)]
pub struct Scan {
    /// Values that are to come in each open one, innermost last.
    left: Vec<u64>,
    /// Where the next value within begins.
    at: usize,
    done: bool,
}

impl Scan {
    /// Go on with the bytes of the value; they must begin where they began before.
    pub fn go(&mut self, bytes: &[u8]) -> Found {
        while !self.done {
            let rest = bytes.get(self.at..).unwrap_or_default();
            let Some(marker) = rest.first() else { return Found::More };
            let (head, content, within) = match measure(*marker, rest) {
                Measure::Known(head, content, within) => (head, content, within),
                Measure::More => return Found::More,
                Measure::Broken => return Found::Broken,
            };
            self.at = self.at.saturating_add(head).saturating_add(content);
            if within > 0 {
                if self.left.len() >= DEPTH_MAX {
                    return Found::Broken;
                }
                self.left.push(within);
                continue;
            }
            while let Some(last) = self.left.last_mut() {
                *last -= 1;
                if *last > 0 {
                    break;
                }
                self.left.pop();
            }
            self.done = self.left.is_empty();
        }
        if self.at <= bytes.len() { Found::End(self.at) } else { Found::More }
    }

    /// The first `count` bytes were let go.
    pub fn forget(&mut self, count: usize) {
        self.at = self.at.saturating_sub(count);
    }

    /// Where the next value within begins: bytes before it are not looked at again.
    pub fn place(&self) -> usize {
        self.at
    }
}

enum Measure {
    /// Bytes of marker and length, bytes of content, values within.
    Known(usize, usize, u64),
    More,
    Broken,
}

fn measure(marker: u8, bytes: &[u8]) -> Measure {
    use Measure::{Broken, Known, More};
    let number = |width: usize| {
        let digits = bytes.get(1..1 + width)?;
        Some(digits.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte)))
    };
    let sized = |width: usize, more: usize| match number(width) {
        Some(len) => Known(1 + width + more, usize::try_from(len).unwrap_or(usize::MAX), 0),
        None => More,
    };
    let several = |width: usize, each: u64| match number(width) {
        Some(count) => Known(1 + width, 0, count * each),
        None => More,
    };
    match marker {
        0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => Known(1, 0, 0),
        0x80..=0x8f => Known(1, 0, u64::from(marker & 0x0f) * 2),
        0x90..=0x9f => Known(1, 0, u64::from(marker & 0x0f)),
        0xa0..=0xbf => Known(1, usize::from(marker & 0x1f), 0),
        0xc1 => Broken,
        0xc4 | 0xd9 => sized(1, 0),
        0xc5 | 0xda => sized(2, 0),
        0xc6 | 0xdb => sized(4, 0),
        0xc7 => sized(1, 1),
        0xc8 => sized(2, 1),
        0xc9 => sized(4, 1),
        0xcc | 0xd0 => Known(1, 1, 0),
        0xcd | 0xd1 => Known(1, 2, 0),
        0xca | 0xce | 0xd2 => Known(1, 4, 0),
        0xcb | 0xcf | 0xd3 => Known(1, 8, 0),
        0xd4..=0xd8 => Known(1, 1 + (1 << (marker - 0xd4)), 0),
        0xdc => several(2, 1),
        0xdd => several(4, 1),
        0xde => several(2, 2),
        0xdf => several(4, 2),
    }
}

/// The first value and the bytes after it; `None`: it is broken or cut short.
pub fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    match Scan::default().go(bytes) {
        Found::End(at) => bytes.split_at_checked(at),
        Found::More | Found::Broken => None,
    }
}

/// How many values a list has, and the bytes of the first; `None`: it is no list.
pub fn list(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let marker = *bytes.first()?;
    match (marker, measure(marker, bytes)) {
        (0x90..=0x9f | 0xdc | 0xdd, Measure::Known(head, _, within)) => {
            Some((within, bytes.get(head..)?))
        }
        _ => None,
    }
}

/// The bytes of a text or of binary data.
pub fn data(bytes: &[u8]) -> Option<&[u8]> {
    let marker = *bytes.first()?;
    match (marker, measure(marker, bytes)) {
        (0xa0..=0xbf | 0xc4..=0xc6 | 0xd9..=0xdb, Measure::Known(head, content, _)) => {
            bytes.get(head..head.checked_add(content)?)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_of_every_kind_end_where_they_end() {
        let value = rmpv::Value::Array(vec![
            rmpv::Value::Nil,
            rmpv::Value::from(true),
            rmpv::Value::from(-5),
            rmpv::Value::from(300),
            rmpv::Value::from(1_u64 << 40),
            rmpv::Value::from(0.5),
            rmpv::Value::from("x".repeat(300)),
            rmpv::Value::from(vec![1_u8; 70_000]),
            rmpv::Value::Ext(0, vec![0; 8]),
            rmpv::Value::Ext(1, vec![0; 300]),
            rmpv::Value::Map(vec![(
                rmpv::Value::from("k"),
                rmpv::Value::Array(vec![rmpv::Value::Nil; 20]),
            )]),
        ]);
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &value).unwrap();
        let len = bytes.len();
        assert_eq!(Scan::default().go(&bytes), Found::End(len));
        let mut scan = Scan::default();
        for end in (0..len).step_by(97) {
            assert_eq!(scan.go(&bytes[..end]), Found::More);
        }
        bytes.push(7);
        assert_eq!(scan.go(&bytes), Found::End(len));
        assert_eq!(split(&bytes).unwrap().1, [7]);
        assert_eq!(Scan::default().go(&[0x91; 100]), Found::Broken);
        assert_eq!(Scan::default().go(&[0xc1]), Found::Broken);
        assert_eq!(data(b"\xa2hi"), Some(&b"hi"[..]));
        assert_eq!(list(b"\x92\x01\x02"), Some((2, &b"\x01\x02"[..])));
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let whole = Scan::default().go(&bytes);
            let mut scan = Scan::default();
            let mut last = Found::More;
            for end in 0..=bytes.len() {
                last = scan.go(&bytes[..end]);
                if last != Found::More {
                    break;
                }
            }
            prop_assert_eq!(last, whole);
            let _ = (data(&bytes), list(&bytes), split(&bytes));
        }
    }
}
