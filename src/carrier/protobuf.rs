//! The outermost structure of protobuf messages: which field is how long. No more is needed to split them.

/// One field of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its number.
    pub number: u32,
    /// Its bytes with tag and length.
    pub whole: &'a [u8],
    /// Its content if it has a length of its own (a message, a text).
    pub content: Option<&'a [u8]>,
}

/// A number of variable length and the bytes after it; `None`: it is not complete, or too long.
pub fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f).checked_shl(7 * at as u32).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(at + 1..).unwrap_or_default()));
        }
    }
    None
}

/// Write a number of variable length.
pub fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The first field and the bytes after it; `None`: no field begins here, or it is cut short.
pub fn field(bytes: &[u8]) -> Option<(Field<'_>, &[u8])> {
    let (tag, after) = varint(bytes)?;
    let number = u32::try_from(tag >> 3).ok().filter(|number| *number > 0)?;
    let (content, rest) = match tag & 7 {
        0 => (None, varint(after)?.1),
        1 => (None, after.get(8..)?),
        2 => {
            let (len, after) = varint(after)?;
            let (content, rest) = after.split_at_checked(usize::try_from(len).ok()?)?;
            (Some(content), rest)
        }
        5 => (None, after.get(4..)?),
        _ => return None,
    };
    let whole = bytes.get(..bytes.len() - rest.len())?;
    Some((Field { number, whole, content }, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_of_every_kind() {
        let bytes =
            b"\x0a\x02hi\x10\x96\x01\x19\x01\x02\x03\x04\x05\x06\x07\x08\x25\x01\x02\x03\x04";
        let (mut rest, mut numbers) = (&bytes[..], Vec::new());
        while let Some((field, after)) = field(rest) {
            numbers.push((field.number, field.content));
            rest = after;
        }
        assert!(rest.is_empty());
        assert_eq!(numbers, [(1, Some(&b"hi"[..])), (2, None), (3, None), (4, None)]);
        assert_eq!(field(b"\x0a\x05hi"), None);
        assert_eq!(field(b"\x0b"), None);
        assert_eq!(field(b"\x02\x00"), None);
    }

    proptest! {
        #[test]
        fn numbers_come_back(value: u64) {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, value);
            bytes.push(7);
            prop_assert_eq!(varint(&bytes), Some((value, &[7][..])));
        }

        #[test]
        fn any_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut rest = &bytes[..];
            while let Some((field, after)) = field(rest) {
                prop_assert!(!field.whole.is_empty());
                rest = after;
            }
        }
    }
}
