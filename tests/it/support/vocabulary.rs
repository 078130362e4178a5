//! A strict reader of what a program sent to its terminal, written apart from the program's own guard: an allow-list
//! of sequences, and a list of characters that must never arrive.

/// Why a byte stream is not clean: the offset and what stands there.
pub fn check(bytes: &[u8]) -> Result<(), String> {
    let mut at = 0;
    while at < bytes.len() {
        at += unit(&bytes[at..]).map_err(|what| {
            let end = (at + 40).min(bytes.len());
            format!("at {at}: {what}: {:?}", String::from_utf8_lossy(&bytes[at..end]))
        })?;
    }
    Ok(())
}

/// The bytes between taking the alternate screen and giving it back.
pub fn inside(bytes: &[u8]) -> &[u8] {
    let find = |needle: &[u8]| bytes.windows(needle.len()).position(|window| window == needle);
    let start = find(b"\x1b[?1049h").expect("the alternate screen was never taken");
    let end = bytes.windows(8).rposition(|window| window == b"\x1b[?1049l").unwrap_or(bytes.len());
    &bytes[start..end]
}

fn unit(bytes: &[u8]) -> Result<usize, &'static str> {
    match bytes[0] {
        0x1b => sequence(bytes),
        0x20..=0x7e => Ok(1),
        0x00..=0x1f | 0x7f => Err("a control character"),
        _ => character(bytes),
    }
}

fn sequence(bytes: &[u8]) -> Result<usize, &'static str> {
    if bytes.get(1) != Some(&b'[') {
        return Err("a sequence that is no CSI");
    }
    let length = bytes[2..]
        .iter()
        .position(|byte| (0x40..=0x7e).contains(byte))
        .ok_or("an unfinished sequence")?;
    let body = std::str::from_utf8(&bytes[2..2 + length]).map_err(|_| "a broken sequence")?;
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == ';');
    let modes =
        ["?25", "?1049", "?2004", "?1004", "?1000", "?1002", "?1003", "?1006", "?1015", "?2026"];
    let fine = match bytes[2 + length] {
        b'H' | b'm' | b'r' => digits(body),
        b'J' => body == "2",
        b'S' | b'T' => digits(body) && !body.is_empty(),
        b'h' | b'l' => modes.contains(&body),
        b'q' => body == "0 ",
        b'u' => body == "<1",
        _ => false,
    };
    if fine { Ok(length + 3) } else { Err("a sequence outside the vocabulary") }
}

fn character(bytes: &[u8]) -> Result<usize, &'static str> {
    let width = match bytes[0] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Err("no UTF-8"),
    };
    let text = bytes.get(..width).and_then(|bytes| std::str::from_utf8(bytes).ok());
    let code = u32::from(text.and_then(|text| text.chars().next()).ok_or("broken UTF-8")?);
    match code {
        0x80..=0x9f => Err("a C1 control"),
        0xad
        | 0x61c
        | 0x180e
        | 0x200b..=0x200f
        | 0x2028..=0x202e
        | 0x2060..=0x206f
        | 0xfeff
        | 0xfff9..=0xfffb => Err("a hidden or bidirectional character"),
        0xfe00..=0xfe0f | 0xe0100..=0xe01ef => Err("a variation selector"),
        0xe0000..=0xe007f => Err("a tag character"),
        0xe000..=0xf8ff | 0xf0000..=0x10ffff => Err("a private character"),
        0x3164 | 0xffa0 | 0x115f | 0x1160 | 0x2800 => Err("a blank letter"),
        _ => Ok(width),
    }
}
