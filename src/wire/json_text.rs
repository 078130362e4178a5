//! JSON text, written fast: runs of bytes that need no escape are found many at a time and copied whole.

/// Bytes looked at together for something to escape; the compiler makes vector code of it.
const STRIDE: usize = 32;

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

fn clean_prefix(bytes: &[u8]) -> usize {
    let mut clean = 0;
    let mut chunks = bytes.chunks_exact(STRIDE);
    for chunk in chunks.by_ref() {
        if chunk.iter().fold(false, |any, byte| any | must_escape(*byte)) {
            let inside = chunk.iter().position(|byte| must_escape(*byte));
            return clean + inside.unwrap_or(STRIDE);
        }
        clean += STRIDE;
    }
    let rest = chunks.remainder();
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
