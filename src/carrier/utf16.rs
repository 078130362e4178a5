//! UTF-16 to UTF-8, piece by piece, with the place of every character in the stream: Windows programs write logs so.

/// The encoding of a stream, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, or anything else that is no UTF-16.
    Bytes,
    /// Little-endian UTF-16.
    Little,
    /// Big-endian UTF-16.
    Big,
}

impl Encoding {
    /// By a byte order mark, or by a first character that has a zero byte beside it.
    pub fn of(head: &[u8]) -> Encoding {
        match head {
            [0xff, 0xfe, ..] => Encoding::Little,
            [0xfe, 0xff, ..] => Encoding::Big,
            [1..=0x7f, 0, 1..=0x7f, 0, ..] => Encoding::Little,
            [0, 1..=0x7f, 0, 1..=0x7f, ..] => Encoding::Big,
            _ => Encoding::Bytes,
        }
    }
}

/// Decodes one stream of UTF-16.
#[derive(Debug)]
pub struct Utf16 {
    big: bool,
    /// The first byte of a unit whose second has not come.
    half: Option<u8>,
    /// The first unit of a pair.
    high: Option<u16>,
}

impl Utf16 {
    /// A decoder for an encoding; `None` for one that needs none.
    pub fn new(encoding: Encoding) -> Option<Utf16> {
        let big = match encoding {
            Encoding::Bytes => return None,
            Encoding::Little => false,
            Encoding::Big => true,
        };
        Some(Utf16 { big, half: None, high: None })
    }

    /// Take one byte. Gives the characters that are complete with it (a lone half of a pair is one, and is replaced),
    /// each with the number of bytes from its begin up to and with this byte.
    pub fn push(&mut self, byte: u8) -> [Option<(char, u64)>; 2] {
        let Some(first) = self.half.take() else {
            self.half = Some(byte);
            return [None, None];
        };
        let unit = match self.big {
            true => u16::from_be_bytes([first, byte]),
            false => u16::from_le_bytes([first, byte]),
        };
        let lone = (char::REPLACEMENT_CHARACTER, 4);
        match (self.high.take(), unit) {
            (high, 0xd800..=0xdbff) => {
                self.high = Some(unit);
                [high.map(|_| lone), None]
            }
            (Some(high), 0xdc00..=0xdfff) => {
                let code =
                    0x1_0000 + ((u32::from(high) - 0xd800) << 10) + (u32::from(unit) - 0xdc00);
                [Some((char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 4)), None]
            }
            (high, unit) => {
                let char = char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER);
                match high {
                    Some(_) => [Some(lone), Some((char, 2))],
                    None => [Some((char, 2)), None],
                }
            }
        }
    }
}

/// The first characters of a stream as UTF-8, whatever its encoding; for looking at only.
pub fn head_text(head: &[u8]) -> Vec<u8> {
    let Some(mut units) = Utf16::new(Encoding::of(head)) else {
        return head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).to_vec();
    };
    let chars = head.iter().flat_map(|byte| units.push(*byte)).flatten().map(|(char, _)| char);
    chars.filter(|char| *char != '\u{feff}').collect::<String>().into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn marks_and_zero_bytes_tell_the_encoding() {
        assert_eq!(Encoding::of(b"\xff\xfe<\0"), Encoding::Little);
        assert_eq!(Encoding::of(b"\xfe\xff\0<"), Encoding::Big);
        assert_eq!(Encoding::of(b"<\0E\0"), Encoding::Little);
        assert_eq!(Encoding::of(b"\0<\0E"), Encoding::Big);
        for other in [&b"<Event"[..], b"", b"\0\0\0\0", b"a\0"] {
            assert_eq!(Encoding::of(other), Encoding::Bytes);
        }
        assert_eq!(head_text(b"\xff\xfe<\0E\0"), b"<E");
        assert_eq!(head_text(b"\xef\xbb\xbf<E"), b"<E");
    }

    proptest! {
        #[test]
        fn text_comes_back_with_its_places(text in "\\PC{0,40}", big in any::<bool>()) {
            let bytes: Vec<u8> = text
                .encode_utf16()
                .flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() })
                .collect();
            let mut units =
                Utf16::new(if big { Encoding::Big } else { Encoding::Little }).unwrap();
            let mut back = String::new();
            let mut place = 0;
            for (at, byte) in bytes.iter().enumerate() {
                for (char, before) in units.push(*byte).into_iter().flatten() {
                    prop_assert_eq!(at as u64 + 1 - before, place);
                    place += char.len_utf16() as u64 * 2;
                    back.push(char);
                }
            }
            prop_assert_eq!(back, text);
        }

        #[test]
        fn any_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut units = Utf16::new(Encoding::Little).unwrap();
            let count = bytes.iter().flat_map(|byte| units.push(*byte)).flatten().count();
            prop_assert!(count <= bytes.len() / 2);
            let _ = head_text(&bytes);
        }
    }
}
