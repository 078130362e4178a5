//! Payment-card numbers: the beginnings and lengths that issuers use, the check digit, and the ways they are written.
//!
//! In one piece or in the groups that are printed on the card, with the same blank or dash between them. Not within
//! longer runs of digits, words, decimal numbers, hexadecimal or GUIDs. Left out because other numbers look the same
//! more often than cards do: Visa's 13 digits, which are no longer issued, and 14 or 17 to 19 digits in one piece.

use std::ops::Range;

/// The kind that is counted and shown.
pub const KIND: &str = "card_number";
/// Digits of the shortest number taken.
const DIGITS_MIN: usize = 14;
/// Digits of the longest.
const DIGITS_MAX: usize = 19;
/// Bits of a number that is a set of flags. One card number in 5,000 has as few.
const MASK_BITS_MAX: u32 = 12;
/// Digits in a row, also in groups, are followed this far: longer ones are a table.
const STRETCH_BYTES_MAX: usize = 1 << 10;

/// Is there a card number of which some stands in the eight bytes here or the four before them?
pub fn around(bytes: &[u8], at: usize) -> bool {
    let Some(seed) = (at.saturating_sub(4)..at + 8)
        .rev()
        .find(|at| bytes.get(*at).is_some_and(u8::is_ascii_digit))
    else {
        return false;
    };
    let stretch = start_of_stretch(bytes, seed)..end_of_stretch(bytes, seed);
    stretch.len() >= DIGITS_MIN && cards_in(bytes, stretch).next().is_some()
}

/// Every card number of a text.
pub fn find(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = next_digit(bytes, at) {
        let end = end_of_stretch(bytes, first);
        found.extend(cards_in(bytes, first..end));
        at = end;
    }
    found
}

fn next_digit(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.iter().position(u8::is_ascii_digit).map(|at| from + at)
}

fn is_digit(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(u8::is_ascii_digit)
}

/// Where the digits, with single blanks or dashes between them, that go on from here end.
fn end_of_stretch(bytes: &[u8], from: usize) -> usize {
    let mut end = from;
    while is_digit(bytes, end) || (is_between(bytes.get(end)) && is_digit(bytes, end + 1)) {
        if end - from > STRETCH_BYTES_MAX {
            break;
        }
        end += 1;
    }
    end
}

/// Where the same begin.
fn start_of_stretch(bytes: &[u8], from: usize) -> usize {
    let mut start = from;
    while let Some(before) = start.checked_sub(1) {
        let between = is_between(bytes.get(before));
        let goes_on = is_digit(bytes, before)
            || (between && before.checked_sub(1).is_some_and(|at| is_digit(bytes, at)));
        if !goes_on || from - start > STRETCH_BYTES_MAX {
            break;
        }
        start = before;
    }
    start
}

fn is_between(byte: Option<&u8>) -> bool {
    matches!(byte, Some(b' ' | b'-'))
}

/// The card numbers among the groups of one stretch.
fn cards_in(bytes: &[u8], stretch: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let groups = groups(bytes, stretch);
    let mut found = Vec::new();
    let mut at = 0;
    while at < groups.len() {
        let rest = groups.get(at..).unwrap_or_default();
        match card_of(bytes, &groups, at, rest) {
            Some((range, taken)) => {
                found.push(range);
                at += taken;
            }
            None => at += 1,
        }
    }
    found.into_iter()
}

fn groups(bytes: &[u8], stretch: Range<usize>) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    for at in stretch {
        if is_between(bytes.get(at)) {
            continue;
        }
        match groups.last_mut() {
            Some(group) if group.end == at => group.end = at + 1,
            _ => groups.push(at..at + 1),
        }
    }
    groups
}

/// A card number that begins with the first of `rest`, and how many groups it takes.
fn card_of(
    bytes: &[u8],
    groups: &[Range<usize>],
    at: usize,
    rest: &[Range<usize>],
) -> Option<(Range<usize>, usize)> {
    let lengths: Vec<usize> = rest.iter().take(5).map(|group| group.len()).collect();
    let counts: &[usize] = match lengths.as_slice() {
        [15 | 16, ..] => &[1],
        [4, 6, 4 | 5, ..] => &[3],
        [4, 4, 4, 4, 1..=3, ..] => &[5, 4],
        [4, 4, 4, 4, ..] => &[4],
        _ => &[],
    };
    counts.iter().find_map(|taken| Some((card_in(bytes, groups, at, *taken)?, *taken)))
}

/// A card number in so many groups from this one.
fn card_in(bytes: &[u8], groups: &[Range<usize>], at: usize, taken: usize) -> Option<Range<usize>> {
    let rest = groups.get(at..)?;
    if !between_same(bytes, rest, taken) {
        return None;
    }
    let range = rest.first()?.start..rest.get(taken - 1)?.end;
    // A dash joins: with a further group before or after, it is another number (an id, a GUID).
    let joined = |from: Option<&Range<usize>>, to: Option<&Range<usize>>| match (from, to) {
        (Some(from), Some(to)) => bytes.get(from.end..to.start) == Some(b"-"),
        _ => false,
    };
    let before = at.checked_sub(1).and_then(|before| groups.get(before));
    let first = rest.first();
    let last = rest.get(taken - 1);
    if joined(before, first) || joined(last, rest.get(taken)) || !stands_alone(bytes, &range) {
        return None;
    }
    let digits: Vec<u8> = bytes
        .get(range.clone())?
        .iter()
        .filter(|byte| byte.is_ascii_digit())
        .map(|byte| byte - b'0')
        .collect();
    (is_issued(&digits) && luhn(&digits) && !is_mask(&digits)).then_some(range)
}

/// The first `count` groups have the same character between them.
fn between_same(bytes: &[u8], groups: &[Range<usize>], count: usize) -> bool {
    let Some(groups) = groups.get(..count) else { return false };
    let mut between = groups.windows(2).filter_map(|pair| match pair {
        [one, two] => bytes.get(one.end..two.start),
        _ => None,
    });
    let first = between.next();
    between.all(|other| Some(other) == first)
}

/// Nothing that would make it part of something else stands beside it.
fn stands_alone(bytes: &[u8], range: &Range<usize>) -> bool {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
    let joins = |byte: u8| matches!(byte, b'.' | b'-' | b'+' | b'/' | b'\\' | b'%' | b'#' | b'@');
    let before = range.start.checked_sub(1).and_then(|at| bytes.get(at)).copied();
    let before_that = range.start.checked_sub(2).and_then(|at| bytes.get(at)).copied();
    let escape = before_that == Some(b'\\') && matches!(before, Some(b'n' | b'r' | b't'));
    let after = bytes.get(range.end).copied();
    let after_that = bytes.get(range.end + 1).copied();
    let alone_before = escape || !before.is_some_and(|byte| part(byte) || joins(byte));
    let alone_after = !after.is_some_and(|byte| {
        part(byte) || (byte != b'\\' && joins(byte) && after_that.is_some_and(part))
    });
    alone_before && alone_after
}

/// Beginnings and lengths that card schemes use.
fn is_issued(digits: &[u8]) -> bool {
    let start = |count: usize| {
        digits.iter().take(count).fold(0_u32, |number, digit| number * 10 + u32::from(*digit))
    };
    let (two, three, four, six) = (start(2), start(3), start(4), start(6));
    match digits.len() {
        14 => matches!(three, 300..=305 | 309) || matches!(two, 36 | 38 | 39),
        15 => matches!(two, 34 | 37),
        16 => {
            digits.first() == Some(&4)
                || matches!(two, 51..=55 | 62 | 65)
                || matches!(four, 2221..=2720 | 3528..=3589 | 6011)
                || matches!(four, 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763)
                || matches!(three, 644..=649)
                || matches!(six, 220_000..=220_499)
        }
        17..=DIGITS_MAX => digits.first() == Some(&4) || matches!(two, 62 | 65),
        _ => false,
    }
}

/// Flags in one number, as the options of DNS queries are logged: few bits are set, where of a card number half are.
fn is_mask(digits: &[u8]) -> bool {
    let number = digits
        .iter()
        .fold(0_u64, |number, digit| number.wrapping_mul(10).wrapping_add(u64::from(*digit)));
    number.count_ones() <= MASK_BITS_MAX
}

/// The check digit of ISO/IEC 7812.
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit) if digit < 5 => 2 * digit,
            (_, digit) => 2 * digit - 9,
        })
        .sum();
    sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(text: &str) -> Vec<&str> {
        find(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn the_schemes_and_the_ways_of_writing() {
        // Numbers that the schemes publish for tests.
        for card in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "3782 822463 10005",
            "6011111111111117",
            "3530111333300000",
            "3056 930902 5904",
            "6200000000000005",
        ] {
            for (before, after) in
                [("", ""), ("card ", " ok"), ("card=", ","), ("\"", "\""), (": ", "."), ("(", ")")]
            {
                let text = format!("{before}{card}{after}");
                assert_eq!(found(&text), [card], "{text}");
                let place = before.len() + 8;
                assert!(around(text.as_bytes(), place - place % 4), "{text}");
            }
        }
        assert_eq!(
            found("4111111111111111, 5555-5555-5555-4444 and 378282246310005."),
            ["4111111111111111", "5555-5555-5555-4444", "378282246310005"]
        );
        assert_eq!(found("paid by 4111 1111 1111 1111 12/27"), ["4111 1111 1111 1111"]);
    }

    #[test]
    fn what_only_looks_like_one() {
        for text in [
            "30569309025904",
            "4111111111111112",
            "9999999999999995",
            "41111111111111111",
            "411111111111111",
            "x4111111111111111",
            "4111111111111111a",
            "0x4111111111111111",
            "4111111111111111.5",
            "1.4111111111111111",
            "4111 1111-1111 1111",
            "4111  1111 1111 1111",
            "411 1111 1111 11111",
            "4111-1111-1111-1111-2222",
            "12345678-4111-1111-1111-111111111111",
            "2020-09-04 11 26 18 4111",
            "id/4111111111111111/x",
            "0000000000000000",
            "options 2251803035049992",
            "msg=audit(1669100000.123:4567)",
            "4111111111111111111",
            "-4111111111111111",
        ] {
            assert_eq!(found(text), Vec::<&str>::new(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_wrong_check_digit_is_seen(place in 0_usize..16, digit in 0_u8..10) {
            let mut card = *b"4111111111111111";
            let changed = b'0' + digit;
            prop_assume!(card[place] != changed && place > 0);
            card[place] = changed;
            prop_assert!(find(std::str::from_utf8(&card).unwrap()).is_empty());
        }

        #[test]
        fn any_text_is_fine(text in "\\PC{0,60}|[0-9 -]{0,60}") {
            for range in find(&text) {
                prop_assert!(text.get(range).is_some());
            }
            for at in 0..text.len() {
                let _ = around(text.as_bytes(), at);
            }
        }
    }
}
