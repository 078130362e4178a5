//! Splitting a text into facts: `key=value` pairs, CEF, LEEF, JSON, columns, query strings.

use crate::model::field::FieldId;
use crate::normalise::mapping::facts::Facts;
use crate::normalise::names::Names;

/// Pairs of one text that are looked at.
pub const PAIRS_MAX: usize = 500;
/// A longer key is none.
const KEY_BYTES_MAX: usize = 64;

/// One splitting step.
#[derive(Debug)]
pub struct Read {
    /// The fact whose text is split.
    pub on: FieldId,
    /// How.
    pub how: How,
    /// Put before the names of the facts.
    pub prefix: String,
}

/// The forms of structured text.
#[derive(Debug)]
pub enum How {
    /// `key=value key2="a value"`.
    Pairs {
        /// Between a key and its value.
        equals: char,
        /// Between pairs; a blank stands for any run of blanks.
        between: char,
    },
    /// ArcSight Common Event Format.
    Cef,
    /// IBM Log Event Extended Format, 1.0 and 2.0.
    Leef,
    /// A JSON object.
    Json,
    /// Columns in order, divided by one character, quoted with `"`.
    Columns {
        /// Between columns.
        divider: u8,
        /// Their names; an empty one is skipped.
        names: Vec<String>,
    },
    /// `a=1&b=2`, percent-encoded.
    Query,
    /// A list of objects that each name a value: `[{"name": "a", "value": 1}]`.
    Named {
        /// The list.
        list: String,
        /// The key of the name.
        name: String,
        /// The key of the value.
        value: String,
    },
}

/// Split a text; returns whether it had that form. Of a key that a text names twice the first counts: whoever may write
/// into a value may write a further pair behind it.
pub fn split(read: &Read, text: &str, facts: &mut Facts, names: &mut Names) -> bool {
    let before = facts.len();
    match &read.how {
        How::Json => {
            return facts.add_json(text, read.prefix.trim_end_matches('.'), names).is_ok();
        }
        How::Named { list, name, value } => {
            for (name, value) in named(facts, list, name, value) {
                facts.add(&format!("{}{name}", read.prefix), &value, names);
            }
        }
        how => {
            let known = of_text(how, text, &mut |key, value| {
                let name = format!("{}{key}", read.prefix);
                if !facts.has_since(before, &name) {
                    facts.add(&name, value, names);
                }
            });
            return known && facts.len() > before;
        }
    }
    facts.len() > before
}

/// Give every pair of a text. `false`: it is not of that form.
fn of_text(how: &How, text: &str, add: &mut dyn FnMut(&str, &str)) -> bool {
    match how {
        How::Pairs { equals, between } => pairs(text, *equals, *between, add),
        How::Cef => return cef(text, add),
        How::Leef => return leef(text, add),
        How::Columns { divider, names } => {
            for (name, value) in names.iter().zip(columns(text, *divider)) {
                if !name.is_empty() {
                    add(name, &value);
                }
            }
        }
        How::Query => query(text, add),
        How::Json | How::Named { .. } => return false,
    }
    true
}

fn pairs(text: &str, equals: char, between: char, add: &mut dyn FnMut(&str, &str)) {
    let mut rest = text;
    for _ in 0..PAIRS_MAX {
        let apart = |c: char| c == between || c.is_whitespace() || (c == ',' && between == ' ');
        rest = rest.trim_start_matches(apart);
        let Some(at) = rest.find(equals) else { return };
        let (before, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let after = after.get(equals.len_utf8()..).unwrap_or("");
        // Words before the key belong to no pair.
        let key = before.rsplit(apart).next().unwrap_or(before).trim_matches('"');
        let (value, left) = value(after, between);
        if is_key(key) {
            add(key, &value);
        }
        rest = left;
    }
}

fn is_key(key: &str) -> bool {
    !key.is_empty()
        && key.len() <= KEY_BYTES_MAX
        && key.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b'@' | b':')
        })
}

/// A quoted value, or all up to the divider.
fn value(text: &str, between: char) -> (std::borrow::Cow<'_, str>, &str) {
    let text = if between == ' ' { text } else { text.trim_start() };
    for quote in ['"', '\''] {
        let Some(inner) = text.strip_prefix(quote) else { continue };
        if let Some((value, rest)) = quoted(inner, quote) {
            return (value, rest);
        }
    }
    let end = text.find(|c: char| c == between || (between == ' ' && c.is_whitespace()));
    let (value, rest) = text.split_at_checked(end.unwrap_or(text.len())).unwrap_or((text, ""));
    (value.trim_end_matches([',', ';']).into(), rest)
}

fn quoted(text: &str, quote: char) -> Option<(std::borrow::Cow<'_, str>, &str)> {
    let mut escaped = false;
    let mut any = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => {
                escaped = true;
                any |= text.get(at + 1..).is_some_and(|next| next.starts_with(['"', '\'', '\\']));
            }
            _ if c == quote => {
                let value = text.get(..at)?;
                let rest = text.get(at + quote.len_utf8()..)?;
                return Some((if any { unescape(value).into() } else { value.into() }, rest));
            }
            _ => {}
        }
    }
    None
}

/// `\"`, `\'` and `\\` undone; other backslashes stand (Windows paths).
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(next @ ('"' | '\'' | '\\'))) => {
                out.push(*next);
                chars.next();
            }
            _ => out.push(c),
        }
    }
    out
}

/// `CEF:0|vendor|product|version|signature|name|severity|extension`.
fn cef(text: &str, add: &mut dyn FnMut(&str, &str)) -> bool {
    const HEAD: [&str; 7] =
        ["version", "vendor", "product", "product_version", "signature", "name", "severity"];
    let Some(at) = text.find("CEF:") else { return false };
    let Some((head, extension)) = bars(text.get(at + 4..).unwrap_or(""), 7) else { return false };
    for (name, value) in HEAD.iter().zip(&head) {
        add(&format!("cef.{name}"), value);
    }
    extension_pairs(extension, add);
    true
}

/// The first `count` parts between bars, escapes undone, and what follows.
fn bars(text: &str, count: usize) -> Option<(Vec<String>, &str)> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => {
                parts.last_mut()?.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '|' => {
                if parts.len() == count {
                    return Some((parts, text.get(at + 1..)?));
                }
                parts.push(String::new());
            }
            _ => parts.last_mut()?.push(c),
        }
    }
    (parts.len() == count).then_some((parts, ""))
}

/// Values run to the blank before the next `key=`; `\=`, `\\`, `\n` and `\r` are escapes.
fn extension_pairs(text: &str, add: &mut dyn FnMut(&str, &str)) {
    let mut starts: Vec<(usize, usize)> = Vec::new();
    let bytes = text.as_bytes();
    for at in memchr::memchr_iter(b'=', bytes).take(8 * PAIRS_MAX) {
        if at > 0 && bytes.get(at - 1) == Some(&b'\\') {
            continue;
        }
        let before = text.get(..at).unwrap_or("");
        let begin = before.rfind(char::is_whitespace).map_or(0, |blank| blank + 1);
        let after_last = starts.last().is_none_or(|(_, end)| begin > *end);
        if after_last && before.get(begin..).is_some_and(is_key) {
            starts.push((begin, at));
        }
    }
    for (number, (begin, equals)) in starts.iter().enumerate().take(PAIRS_MAX) {
        let end = starts.get(number + 1).map_or(text.len(), |(next, _)| *next);
        let key = text.get(*begin..*equals).unwrap_or("");
        let value = text.get(equals + 1..end).unwrap_or("").trim();
        if value.contains('\\') {
            add(key, &value.replace("\\=", "=").replace("\\n", "\n").replace("\\\\", "\\"));
        } else {
            add(key, value);
        }
    }
}

/// `LEEF:1.0|vendor|product|version|event id|` and tab-divided pairs; 2.0 may name another divider.
fn leef(text: &str, add: &mut dyn FnMut(&str, &str)) -> bool {
    const HEAD: [&str; 5] = ["version", "vendor", "product", "product_version", "event_id"];
    let Some(at) = text.find("LEEF:") else { return false };
    let Some((head, mut rest)) = bars(text.get(at + 5..).unwrap_or(""), 5) else { return false };
    for (name, value) in HEAD.iter().zip(&head) {
        add(&format!("leef.{name}"), value);
    }
    let mut divider = '\t';
    if head.first().is_some_and(|version| version.starts_with('2'))
        && let Some((named, after)) = rest.split_once('|')
        && named.len() <= 6
    {
        divider = named_divider(named).unwrap_or(divider);
        rest = after;
    }
    if !rest.contains(divider) && !rest.contains('\t') {
        extension_pairs(rest, add);
        return true;
    }
    for pair in rest.split(divider).take(PAIRS_MAX) {
        if let Some((key, value)) = pair.split_once('=').filter(|(key, _)| is_key(key.trim())) {
            add(key.trim(), value.trim());
        }
    }
    true
}

/// `^`, `x5E` or `0x5E`.
fn named_divider(text: &str) -> Option<char> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix('x'));
    match hex {
        Some(digits) if !digits.is_empty() => {
            u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)
        }
        _ => text.chars().next(),
    }
}

/// The columns of one line; a quoted one may hold the divider, a doubled quote stands for one.
pub fn columns(line: &str, divider: u8) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let Some(last) = out.last_mut() else { break };
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                last.push('"');
                chars.next();
            }
            '"' if quoted || last.is_empty() => quoted = !quoted,
            c if c == char::from(divider) && !quoted => {
                if out.len() >= PAIRS_MAX {
                    break;
                }
                out.push(String::new());
            }
            c => last.push(c),
        }
    }
    out
}

/// The pairs of a list of objects, in order. The keys of an object may stand in either order.
fn named(facts: &Facts, list: &str, name: &str, value: &str) -> Vec<(String, String)> {
    let (mut pairs, mut key, mut content) = (Vec::new(), None, None);
    for (path, found) in facts.below(list) {
        let slot = if path == name {
            &mut key
        } else if path == value {
            &mut content
        } else {
            continue;
        };
        // The same key again: the object before had no value (or name) that is a single one.
        if slot.is_some() {
            (key, content) = (None, None);
            let slot = if path == name { &mut key } else { &mut content };
            *slot = Some(found.to_text().into_owned());
        } else {
            *slot = Some(found.to_text().into_owned());
        }
        if let (Some(name), Some(text)) = (&key, &content) {
            if is_key(name) && pairs.len() < PAIRS_MAX {
                pairs.push((name.clone(), text.clone()));
            }
            (key, content) = (None, None);
        }
    }
    pairs
}

fn query(text: &str, add: &mut dyn FnMut(&str, &str)) {
    for pair in text.split('&').take(PAIRS_MAX) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if is_key(key) {
            add(key, &percent_decoded(value));
        }
    }
}

/// `%41` and `+` undone; what is no escape stands.
pub fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => out.push(b' '),
            b'%' => match after.get(..2).and_then(hex_byte) {
                Some(value) => {
                    out.push(value);
                    rest = after.get(2..).unwrap_or_default();
                }
                None => out.push(b'%'),
            },
            other => out.push(*other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(how: How, text: &str) -> Vec<(String, String)> {
        let mut facts = Facts::default();
        let mut names = Names::default();
        let on = FieldId::intern("message").unwrap();
        split(&Read { on, how, prefix: String::new() }, text, &mut facts, &mut names);
        facts
            .iter()
            .map(|(name, _, value)| (name.name().to_owned(), value.to_text().into_owned()))
            .collect()
    }

    fn texts(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn pairs_with_quotes_and_words_between() {
        let how = || How::Pairs { equals: '=', between: ' ' };
        assert_eq!(
            run(how(), r#"date=2025-01-01 msg="a \"b\" c" dst=192.0.2.1, note='x y' end="#),
            texts(&[
                ("date", "2025-01-01"),
                ("msg", "a \"b\" c"),
                ("dst", "192.0.2.1"),
                ("note", "x y"),
                ("end", "")
            ])
        );
        assert_eq!(
            run(how(), "some words src=192.0.2.9 port=22"),
            texts(&[("src", "192.0.2.9"), ("port", "22")])
        );
        let colons = How::Pairs { equals: ':', between: ';' };
        assert_eq!(
            run(colons, "user: bob; from: 192.0.2.4"),
            texts(&[("user", "bob"), ("from", "192.0.2.4")])
        );
    }

    #[test]
    fn cef_with_escapes_and_blanks_in_values() {
        let line = r"CEF:0|Ven\|dor|Prod|1.0|100|Login failed|5|src=192.0.2.1 msg=a value \= with words suser=bob";
        let all = run(How::Cef, line);
        assert!(all.contains(&("cef.vendor".into(), "Ven|dor".into())));
        assert!(all.contains(&("msg".into(), "a value = with words".into())));
        assert!(all.contains(&("suser".into(), "bob".into())));
        assert!(run(How::Cef, "CEF:0|a|b").is_empty());
    }

    #[test]
    fn a_second_value_of_a_key_does_not_count() {
        let line = "CEF:0|V|P|1|100|Login failed|5|src=192.0.2.1 suser=bob src=203.0.113.6";
        let plain = "src=192.0.2.1 user=bob src=203.0.113.6";
        let pairs = How::Pairs { equals: '=', between: ' ' };
        for found in [run(How::Cef, line), run(pairs, plain)] {
            let sources: Vec<&str> = found
                .iter()
                .filter(|(key, _)| key == "src")
                .map(|(_, value)| value.as_str())
                .collect();
            assert_eq!(sources, ["192.0.2.1"]);
        }
    }

    #[test]
    fn leef_of_both_versions() {
        let one = run(How::Leef, "LEEF:1.0|V|P|1|login|src=192.0.2.1\tusrName=bob smith");
        assert!(one.contains(&("usrName".into(), "bob smith".into())));
        let two = run(How::Leef, "LEEF:2.0|V|P|1|login|^|src=192.0.2.1^usrName=bob");
        assert!(two.contains(&("src".into(), "192.0.2.1".into())));
        let two = run(How::Leef, "LEEF:2.0|V|P|1|login|0x5E|src=192.0.2.1^usrName=bob");
        assert!(two.contains(&("usrName".into(), "bob".into())));
    }

    #[test]
    fn columns_and_queries() {
        assert_eq!(columns(r#"a,"b,c","d ""e""",f"#, b','), ["a", "b,c", "d \"e\"", "f"]);
        assert_eq!(
            run(How::Query, "a=1%202&b=x+y&c"),
            texts(&[("a", "1 2"), ("b", "x y"), ("c", "")])
        );
        assert_eq!(percent_decoded("100%"), "100%");
    }

    proptest! {
        #[test]
        fn any_text_is_split_without_panic(text in "\\PC{0,200}|[a-c=|\\\\\"', \t^]{0,80}") {
            for how in [
                How::Pairs { equals: '=', between: ' ' }, How::Pairs { equals: ':', between: ',' }, How::Cef,
                How::Leef, How::Json, How::Query,
                How::Columns { divider: b',', names: vec!["a".into(), String::new(), "c".into()] },
            ] {
                run(how, &text);
                run(How::Cef, &format!("CEF:0|a|b|c|d|e|f|{text}"));
                run(How::Leef, &format!("LEEF:2.0|a|b|c|d|{text}"));
            }
        }
    }
}
