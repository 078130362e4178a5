//! Folding of texts for the index, the same for what is kept and for what is looked for.
//!
//! Texts that are equal in any case become the same bytes: ASCII becomes lower case, the two letters outside of ASCII that
//! equal an ASCII letter in another case become that letter, every other letter becomes [`OTHER`]. So an index term may
//! stand for more than one text, never for fewer: events that it leads to are asked again.

/// A letter outside of ASCII.
pub(crate) const OTHER: u8 = 0xFE;

/// By byte: is it part of a word? Looked up, which is twice as quick as comparing.
#[expect(
    clippy::indexing_slicing,
    reason = "while it is compiled: a place outside would be an error there"
)]
static IN_WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || byte == b'_';
        byte += 1;
    }
    table
};

/// Is the byte part of a word?
pub(crate) fn in_word(byte: u8) -> bool {
    IN_WORD.get(usize::from(byte)).copied().unwrap_or_default()
}

/// The words of a folded text.
pub(crate) fn words(folded: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = folded;
    std::iter::from_fn(move || {
        let start = rest.iter().position(|byte| in_word(*byte))?;
        let from = rest.get(start..)?;
        let end = from.iter().position(|byte| !in_word(*byte)).unwrap_or(from.len());
        let (word, tail) = from.split_at_checked(end)?;
        rest = tail;
        Some(word)
    })
}

/// Fold a text.
pub(crate) fn fold(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len());
    for letter in text.chars() {
        out.push(fold_letter(letter));
    }
}

fn fold_letter(letter: char) -> u8 {
    match letter {
        '\u{17f}' => b's',
        '\u{212a}' => b'k',
        other => {
            u8::try_from(other).ok().filter(u8::is_ascii).map_or(OTHER, |b| b.to_ascii_lowercase())
        }
    }
}

/// Fold the inside of a JSON text.
pub(crate) fn fold_escaped(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len());
    let mut rest = text;
    loop {
        let (plain, tail) = rest.split_at(plain_prefix(rest));
        let start = out.len();
        out.extend_from_slice(plain);
        out.get_mut(start..).unwrap_or_default().make_ascii_lowercase();
        let Some((&byte, tail)) = tail.split_first() else { return };
        rest = tail;
        match byte {
            b'\\' => rest = fold_escape(rest, out),
            0..=0x7f => out.push(byte.to_ascii_lowercase()),
            // Inside of a letter that was dealt with.
            0x80..=0xbf => {}
            0xc5 if rest.first() == Some(&0xbf) => out.push(b's'),
            0xe2 if rest.starts_with(&[0x84, 0xaa]) => out.push(b'k'),
            _ => out.push(OTHER),
        }
    }
}

/// How many bytes at the start are ASCII and no backslash: sixteen at a time.
fn plain_prefix(bytes: &[u8]) -> usize {
    let mut plain = 0;
    let mut rest = bytes;
    while let Some((some, tail)) = rest.split_first_chunk::<16>() {
        if some.iter().fold(false, |odd, byte| odd | (*byte >= 0x80) | (*byte == b'\\')) {
            break;
        }
        plain += some.len();
        rest = tail;
    }
    let odd = rest.iter().position(|byte| *byte >= 0x80 || *byte == b'\\');
    plain + odd.unwrap_or(rest.len())
}

fn fold_escape<'a>(rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let Some((&kind, rest)) = rest.split_first() else { return rest };
    let plain = match kind {
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => {
            let digits = rest.get(..4).and_then(|four| std::str::from_utf8(four).ok());
            let code = digits.and_then(|four| u32::from_str_radix(four, 16).ok()).unwrap_or(0xfffd);
            let rest = rest.get(4..).unwrap_or_default();
            // The second half of a pair follows; both are one letter.
            if (0xd800..0xdc00).contains(&code) {
                out.push(OTHER);
                return rest.get(6..).unwrap_or_default();
            }
            out.push(char::from_u32(code).map_or(OTHER, fold_letter));
            return rest;
        }
        other => other.to_ascii_lowercase(),
    };
    out.push(plain);
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_any_case_fold_to_the_same_byte() {
        let folded = |text: &str| {
            let mut out = Vec::new();
            fold(text, &mut out);
            out
        };
        assert_eq!(folded("PowerſHell\u{212a}"), b"powershellk");
        assert_eq!(folded("É"), folded("é"));
    }
}
