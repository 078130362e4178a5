//! JSON text, written fast: runs of bytes that need no escape are found many at a time and copied whole.

/// Append a JSON string with its quotes.
pub(crate) fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let clean = clean_prefix(rest);
        let (head, tail) = rest.split_at_checked(clean).unwrap_or((rest, &[]));
        out.extend_from_slice(head);
        let Some((byte, tail)) = tail.split_first() else { break };
        write_escape(*byte, out);
        rest = tail;
    }
    out.push(b'"');
}

/// How many bytes at the start need no escape. Eight at a time in one register: the lowest set bit
/// stands in the first byte to escape (bits above it may lie, the lowest does not).
fn clean_prefix(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let mut clean = 0;
    let mut rest = bytes;
    while let Some((eight, tail)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*eight);
        let quote = word ^ (ONES * 0x22);
        let slash = word ^ (ONES * 0x5c);
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let quote = quote.wrapping_sub(ONES) & !quote;
        let slash = slash.wrapping_sub(ONES) & !slash;
        let hits = (control | quote | slash) & HIGH;
        if hits != 0 {
            return clean + (hits.trailing_zeros() / 8) as usize;
        }
        clean += 8;
        rest = tail;
    }
    clean + rest.iter().position(|byte| must_escape(*byte)).unwrap_or(rest.len())
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
