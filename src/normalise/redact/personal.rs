//! Personal data that shows by its look: e-mail addresses, phone numbers, national ids. Each has a check after its
//! expression, because logs are full of numbers and of names with an `@`.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use regex::{Regex, RegexSet};

use crate::normalise::redact::{Counts, Hits, PASSES_MAX, national, substitute};

/// What stands before a find is looked at this far back.
const BEFORE_BYTES_MAX: usize = 48;
/// No number that is looked for has fewer.
const DIGITS_MIN: usize = 6;
/// A longer e-mail address cannot be written to.
const ADDRESS_BYTES_MAX: usize = 254;

/// Looks at what an expression found: the text before it, the find, the text behind it; which bytes of it to take.
type Verify = fn(&str, &str, &str) -> Option<Range<usize>>;

struct Shape {
    kind: Arc<str>,
    expression: Regex,
    verify: Verify,
}

/// (kind, expression, check).
const SHAPES: &[(&str, &str, Verify)] = &[
    ("email", r"([\p{L}\p{N}][\p{L}\p{N}._%+'-]*@[\p{L}\p{N}][\p{L}\p{N}.-]*\.\p{L}{2,})", email),
    ("us_ssn", r"([0-9]{3}-[0-9]{2}-[0-9]{4})", |before, found, after| {
        all(apart(before, after) && national::us_ssn(found), found)
    }),
    (
        "us_ssn",
        r#"(?i)(?:ssn|social security)(?: (?:number|no))?[.:#= "']{0,4}([0-9]{3} ?[0-9]{2} ?[0-9]{4})"#,
        |before, found, after| all(apart(before, after) && national::us_ssn(found), found),
    ),
    ("iban", r"([A-Z]{2}[0-9]{2} ?[A-Z0-9]{4}[A-Z0-9 ]{7,40})", |before, found, after| {
        let whole =
            format!("{found}{}", after.chars().next().map(String::from).unwrap_or_default());
        national::iban(&whole).filter(|_| apart(before, "")).map(|end| 0..end)
    }),
    ("uk_nino", r"([A-Z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D])", |before, found, after| {
        all(apart(before, after) && national::uk_nino(found), found)
    }),
    (
        "fr_nir",
        r"([1-478] ?[0-9]{2} ?[0-9]{2} ?(?:[0-9]{2}|2[AB]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2})",
        |before, found, after| all(apart(before, after) && national::fr_nir(found), found),
    ),
    (
        "de_tax_id",
        r"([1-9][0-9]{10}|[1-9][0-9] [0-9]{3} [0-9]{3} [0-9]{3})",
        |before, found, after| all(apart(before, after) && national::de_tax_id(found), found),
    ),
    ("phone", r"(\+[1-9][0-9]{0,3}(?:[ .()/-]{0,3}[0-9]){6,13})", international),
    ("phone", r"(\(?[2-9][0-9]{2}\)?[ .-]{1,2}[2-9][0-9]{2}[.-][0-9]{4})", north_american),
    (
        "phone",
        r#"(?i)(?:tel|telephone|telefon|phone|mobile|mobil|handy|fax)(?:\.|[ -]?(?:number|no|nr)\.?)?["']?[:= ]{1,3}["']?(\+?[0-9(][0-9 ()./-]{5,18}[0-9])"#,
        |_, found, after| {
            let digits = found.bytes().filter(u8::is_ascii_digit).count();
            all((7..=15).contains(&digits) && apart("", after), found)
        },
    ),
];

static COMPILED: LazyLock<Vec<Shape>> = LazyLock::new(|| {
    // The expressions are constants, and a test compiles every one.
    let compiled = SHAPES.iter().filter_map(|(kind, pattern, verify)| {
        let expression = Regex::new(pattern).ok()?;
        Some(Shape { kind: (*kind).into(), expression, verify: *verify })
    });
    compiled.collect()
});

/// Every expression in one.
static ANY: LazyLock<Option<RegexSet>> =
    LazyLock::new(|| RegexSet::new(SHAPES.iter().map(|(_, pattern, _)| pattern)).ok());

/// The text with its personal data replaced, counted by kind. Borrowed when there is none.
pub fn personal<'a>(text: &'a str, counts: &mut Counts) -> Cow<'a, str> {
    let at = memchr::memchr(b'@', text.as_bytes()).is_some();
    let digits = text.bytes().filter(u8::is_ascii_digit).take(DIGITS_MIN).count() == DIGITS_MIN;
    if !at && !digits {
        return Cow::Borrowed(text);
    }
    let mut current = Cow::Borrowed(text);
    for _ in 0..PASSES_MAX {
        let mut hits = Hits::default();
        // One pass says which of them need to look.
        for number in ANY.as_ref().map(|any| any.matches(&current)).into_iter().flatten() {
            let Some(shape) = COMPILED.get(number) else { continue };
            hits.take(&current, finds(shape, &current), &shape.kind);
        }
        let found = hits.in_order();
        if found.is_empty() {
            break;
        }
        current = Cow::Owned(substitute(&current, &found, counts));
    }
    current
}

fn finds(shape: &Shape, text: &str) -> Vec<Range<usize>> {
    let found = shape.expression.captures_iter(text).filter_map(|captures| {
        let found = captures.get(1)?;
        let mut from = found.start().saturating_sub(BEFORE_BYTES_MAX);
        while !text.is_char_boundary(from) {
            from -= 1;
        }
        let before = text.get(from..found.start())?;
        let after = text.get(found.end()..)?;
        let taken = (shape.verify)(before, found.as_str(), after)?;
        Some(found.start() + taken.start..found.start() + taken.end)
    });
    found.collect()
}

fn all(take: bool, found: &str) -> Option<Range<usize>> {
    take.then_some(0..found.len())
}

/// Nothing stands beside it that makes it part of something longer: of a number, a word, a path, a GUID.
fn apart(before: &str, after: &str) -> bool {
    let mut back = before.chars().rev();
    let free_before = match back.next() {
        None => true,
        Some('n' | 'r' | 't') if back.next() == Some('\\') => true,
        Some(last) => !(last.is_alphanumeric() || "_-+./\\#%&@$".contains(last)),
    };
    let mut next = after.chars();
    let free_after = match next.next() {
        None | Some('\\') => true,
        Some(first) if first.is_alphanumeric() || first == '_' => false,
        Some('-' | '.' | '/' | '@' | '%' | ':' | '+') => {
            !next.next().is_some_and(char::is_alphanumeric)
        }
        Some(_) => true,
    };
    free_before && free_after
}

/// Ends of names with an `@` that are no addresses: units of systemd, pictures in two sizes, files.
const NO_DOMAINS: &[&str] = &[
    "service",
    "socket",
    "timer",
    "mount",
    "automount",
    "target",
    "slice",
    "scope",
    "device",
    "path",
    "png",
    "jpg",
    "jpeg",
    "gif",
    "svg",
    "webp",
    "css",
    "js",
    "ts",
    "html",
    "php",
    "so",
    "dll",
    "exe",
    "local",
    "localdomain",
    "internal",
    "lan",
];
/// Where algorithms of SSH and repositories have their names, not people.
const NO_PEOPLE: &[&str] = &["openssh.com", "libssh.org", "lysator.liu.se"];

fn email(before: &str, found: &str, after: &str) -> Option<Range<usize>> {
    let (local, domain) = found.rsplit_once('@')?;
    let end = domain.rsplit('.').next().unwrap_or(domain);
    let is = |list: &[&str], text: &str| list.iter().any(|known| known.eq_ignore_ascii_case(text));
    // Part of something longer; credentials in an address; the id of a message.
    let joins = |c: char| c.is_alphanumeric() || matches!(c, '@' | '_');
    let part = before.chars().next_back().is_some_and(joins) || after.starts_with(joins);
    let tail = before.to_ascii_lowercase();
    let in_address = tail.rfind("://").is_some_and(|at| {
        let rest = tail.get(at + 3..).unwrap_or_default();
        !rest.contains(['/', ' ', '?'])
    });
    let bare = tail.trim_end_matches([' ', '<', '=', ':', '"', '\'', '\\']);
    let message = bare.ends_with("message-id") || bare.ends_with("msgid");
    let nobody = local.eq_ignore_ascii_case("git") || is(NO_PEOPLE, domain);
    let fits = found.len() <= ADDRESS_BYTES_MAX && !domain.contains("..");
    // The letter of a line end or a tab as JSON writes it.
    let escape = before.ends_with('\\') && found.starts_with(['n', 'r', 't']) && local.len() > 1;
    let take = fits && !part && !in_address && !message && !nobody && !is(NO_DOMAINS, end);
    take.then(|| usize::from(escape)..found.len())
}

/// Country codes of one and of two digits; every other begins a code of three.
const COUNTRIES_SHORT: &[&str] = &[
    "1", "7", "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45",
    "46", "47", "48", "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63",
    "64", "65", "66", "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
];
/// What codes of three digits begin with.
const COUNTRIES_LONG: &[&str] = &[
    "21", "22", "23", "24", "25", "26", "29", "35", "37", "38", "42", "50", "59", "67", "68", "69",
    "80", "85", "87", "88", "96", "97", "99",
];

fn international(before: &str, found: &str, after: &str) -> Option<Range<usize>> {
    let digits: String = found.chars().filter(char::is_ascii_digit).collect();
    let known = COUNTRIES_SHORT.iter().chain(COUNTRIES_LONG).any(|code| digits.starts_with(code));
    let written_apart = found.bytes().filter(|byte| !byte.is_ascii_digit()).count() > 1;
    let least = if written_apart { 8 } else { 10 };
    let free =
        !before.chars().next_back().is_some_and(|c| c.is_alphanumeric() || "+_.)".contains(c));
    all(known && free && (least..=15).contains(&digits.len()) && apart("", after), found)
}

fn north_american(before: &str, found: &str, after: &str) -> Option<Range<usize>> {
    let digits: Vec<u8> = found.bytes().filter(u8::is_ascii_digit).collect();
    // A code like 911 is of a service and begins no number.
    let service = |at: usize| digits.get(at + 1..at + 3) == Some(b"11");
    let between: Vec<char> = found.chars().filter(|c| matches!(c, '.' | '-')).collect();
    let paired = found.contains('(') == found.contains(')');
    let same = found.contains(") ") || matches!(between.as_slice(), [one, two] if one == two);
    all(paired && same && !service(0) && !service(3) && apart(before, after), found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clean(text: &str) -> String {
        personal(text, &mut Counts::new()).into_owned()
    }

    #[test]
    fn every_expression_compiles() {
        assert_eq!(COMPILED.len(), SHAPES.len());
        assert!(ANY.is_some());
    }

    #[test]
    fn people_are_replaced() {
        for (text, expected) in [
            ("write to eve.o'neil+x@mail.example.com.", "write to <redacted:email>."),
            ("<bob@example.org>", "<<redacted:email>>"),
            ("jürgen@müller.example", "<redacted:email>"),
            ("SSN 536-22-8716", "SSN <redacted:us_ssn>"),
            ("ssn: 536228716", "ssn: <redacted:us_ssn>"),
            ("IBAN DE89 3704 0044 0532 0130 00 now", "IBAN <redacted:iban> now"),
            ("iban=GB29NWBK60161331926819;", "iban=<redacted:iban>;"),
            ("NINO AB 12 34 56 C", "NINO <redacted:uk_nino>"),
            ("tax id 86095742719", "tax id <redacted:de_tax_id>"),
            ("NIR 1 84 12 76 451 089 46", "NIR <redacted:fr_nir>"),
            ("call +49 30 1234567 today", "call <redacted:phone> today"),
            ("call +4915112345678", "call <redacted:phone>"),
            ("+1 (415) 555-2671", "<redacted:phone>"),
            ("(415) 555-2671 or 415-555-2671", "<redacted:phone> or <redacted:phone>"),
            ("Tel.: 030 / 123 45 67", "Tel.: <redacted:phone>"),
            ("{\\\"phone\\\": \\\"x\\\"}", "{\\\"phone\\\": \\\"x\\\"}"),
            ("line\\nbob@example.org", "line\\n<redacted:email>"),
        ] {
            assert_eq!(clean(text), expected, "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_it_stays() {
        for text in [
            "getty@tty1.service user@1000.service logo@2x.png left-pad@1.3.0 react@18.2.0",
            "kex: curve25519-sha256@libssh.org chacha20-poly1305@openssh.com",
            "git@github.com:org/repo.git https://bob@example.com/x ssh bob@web01",
            "message-id=<20260101.abc@mail.example.com>",
            "2026-11-22T08:00:00+01:00 +0200 1795334400 1795334400000 1795334400000000",
            "{12345678-1234-1234-1234-123456789012} 12-34-5678 000-12-3456",
            "  234  567 8901 file",
            "10.0.19041.1 192.0.2.157 +12345 a+12345678901 +5 -3 lines",
            "sha1=AB123456C0 x/AB123456C GB123456A",
            "pid 12345678901 of 11111111111",
            "911-555-2671 411.555.2671 123-456-7890 223-456-78901",
        ] {
            assert_eq!(clean(text), text);
        }
    }

    #[test]
    fn counted_by_kind() {
        let mut counts = Counts::new();
        let _ = personal("a@example.org b@example.org +49 30 1234567", &mut counts);
        assert_eq!((counts.get("email"), counts.get("phone")), (Some(&2), Some(&1)));
    }

    proptest! {
        #[test]
        fn twice_is_once(text in "(\\+49|[0-9]{1,4}|[a-z]{1,5}|[ @.()/-]|DE89|example\\.org|AB|\\PC){0,30}") {
            let once = clean(&text);
            prop_assert_eq!(clean(&once), once);
        }
    }
}
