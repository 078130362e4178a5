//! JSON text, written fast: eight bytes at a time are copied and looked at in one register.

/// Append a JSON string with its quotes.
pub(crate) fn write_text(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some((eight, tail)) = rest.split_first_chunk::<8>() {
        // All eight are copied before it is known how many are clean: of a fixed size that is one store.
        out.extend_from_slice(eight);
        let clean = clean_bytes(*eight);
        let Some((byte, tail)) =
            rest.get(clean..).filter(|_| clean < 8).and_then(<[u8]>::split_first)
        else {
            rest = tail;
            continue;
        };
        out.truncate(out.len() - 8 + clean);
        write_escape(*byte, out);
        rest = tail;
    }
    for byte in rest {
        if must_escape(*byte) {
            write_escape(*byte, out);
        } else {
            out.push(*byte);
        }
    }
    out.push(b'"');
}

/// How many of them, from the first on, need no escape. The lowest set bit stands in the first byte to escape (bits above
/// it may lie, the lowest does not).
fn clean_bytes(eight: [u8; 8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let word = u64::from_le_bytes(eight);
    let quote = word ^ (ONES * 0x22);
    let slash = word ^ (ONES * 0x5c);
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let quote = quote.wrapping_sub(ONES) & !quote;
    let slash = slash.wrapping_sub(ONES) & !slash;
    let hits = (control | quote | slash) & HIGH;
    (hits.trailing_zeros() / 8) as usize
}

fn must_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn write_escape(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            out.extend_from_slice(b"\\u00");
            write_hex(&[byte], out);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Append bytes as hexadecimal digits.
pub(crate) fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        for half in [byte >> 4, byte & 15] {
            out.extend(DIGITS.get(usize::from(half)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_comes_back(text in "(\\PC|[\\x00-\\x1f\"\\\\]){0,120}") {
            let mut out = Vec::new();
            write_text(&text, &mut out);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
