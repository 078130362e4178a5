//! The few MessagePack values that we say ourselves.

/// A text; longer than 64 KiB is cut, and nothing that we say is.
pub fn text(bytes: &[u8]) -> Vec<u8> {
    let bytes = bytes.get(..usize::from(u16::MAX)).unwrap_or(bytes);
    let mut out = match u8::try_from(bytes.len()) {
        Ok(length @ 0..=31) => vec![0xa0 | length],
        Ok(length) => vec![0xd9, length],
        Err(_) => {
            let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
            [&[0xda][..], &length.to_be_bytes()].concat()
        }
    };
    out.extend_from_slice(bytes);
    out
}

/// Up to 255 bytes that are no text.
pub fn binary(bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    let mut out = vec![0xc4, length];
    out.extend_from_slice(bytes.get(..usize::from(length)).unwrap_or(bytes));
    out
}

/// True or false.
pub fn truth(is: bool) -> Vec<u8> {
    vec![if is { 0xc3 } else { 0xc2 }]
}

/// Up to 15 values.
pub fn array(values: &[Vec<u8>]) -> Vec<u8> {
    let count = u8::try_from(values.len()).unwrap_or(15).min(15);
    [vec![0x90 | count], values.concat()].concat()
}

/// Up to 15 named values.
pub fn map(values: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let count = u8::try_from(values.len()).unwrap_or(15).min(15);
    let mut out = vec![0x80 | count];
    for (name, value) in values {
        out.extend(text(name.as_bytes()));
        out.extend_from_slice(value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_read_what_we_say() {
        let long = "x".repeat(300);
        let bytes = array(&[
            text(b"HELO"),
            map(&[
                ("nonce", binary(&[1, 2])),
                ("keepalive", truth(true)),
                ("x", text(long.as_bytes())),
            ]),
        ]);
        let value = rmpv::decode::read_value(&mut bytes.as_slice()).unwrap();
        let shown = value.to_string();
        assert!(
            shown.contains("HELO") && shown.contains("true") && shown.contains(&long),
            "{shown}"
        );
    }
}
