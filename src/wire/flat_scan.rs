//! Walks a flat event line without building an event: for the index, which looks at a few of many fields.
//!
//! It reads what [`FlatWriter`](super::event_v1::FlatWriter) writes. Anything else is refused as a whole, and the caller takes the
//! slow way.

use super::event_v1::BEHIND;

/// A value as it stands in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raw<'a> {
    /// Between the quotes, escapes and all.
    Text(&'a [u8]),
    /// A number, `true` or `false`.
    Bare(&'a [u8]),
}

/// The record as it came: half of a line, and full of escapes.
const ORIGINAL: &[u8] = b"event.original";

/// Give every key with each of its values to `take`, but for nulls and for `event.original` where it stands last. `false`:
/// the line is something else, and what was given so far does not count.
pub fn each_value<'a>(line: &'a [u8], mut take: impl FnMut(&'a [u8], Raw<'a>)) -> bool {
    walk(line, &mut take).is_some()
}

fn walk<'a>(line: &'a [u8], take: &mut impl FnMut(&'a [u8], Raw<'a>)) -> Option<()> {
    let mut rest = line.strip_prefix(b"{")?;
    if let Some(behind) = rest.strip_prefix(b"}") {
        return is_end(behind).then_some(());
    }
    loop {
        let (key, tail) = text(rest)?;
        // Names with escapes are rare and hostile.
        if memchr::memchr(b'\\', key).is_some() {
            return None;
        }
        rest = tail.strip_prefix(b":")?;
        // The blank is the writer's word that it is the last one.
        if rest.starts_with(b" \"") && key == ORIGINAL {
            return rest.ends_with(b"\"}").then_some(());
        }
        match rest.strip_prefix(b"[") {
            Some(list) => {
                rest = list;
                if let Some(tail) = rest.strip_prefix(b"]") {
                    rest = tail;
                } else {
                    loop {
                        rest = value(key, rest, take)?;
                        match rest.split_first()? {
                            (b',', tail) => rest = tail,
                            (b']', tail) => {
                                rest = tail;
                                break;
                            }
                            _ => return None,
                        }
                    }
                }
            }
            None => rest = value(key, rest, take)?,
        }
        match rest.split_first()? {
            (b',', tail) => rest = tail,
            (b'}', behind) => return is_end(behind).then_some(()),
            _ => return None,
        }
    }
}

/// Nothing is behind the object, or the record as it came.
fn is_end(behind: &[u8]) -> bool {
    behind.first().is_none_or(|byte| *byte == BEHIND)
}

/// One plain value; returns what follows it.
fn value<'a>(
    key: &'a [u8],
    rest: &'a [u8],
    take: &mut impl FnMut(&'a [u8], Raw<'a>),
) -> Option<&'a [u8]> {
    match rest.first()? {
        b'"' => {
            let (inner, tail) = text(rest)?;
            take(key, Raw::Text(inner));
            Some(tail)
        }
        b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
            let end = rest.iter().position(|byte| matches!(byte, b',' | b'}' | b']'))?;
            let (word, tail) = rest.split_at_checked(end)?;
            if word != b"null" {
                take(key, Raw::Bare(word));
            }
            Some(tail)
        }
        _ => None,
    }
}

/// A quoted text without its quotes, and what follows.
fn text(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = rest.strip_prefix(b"\"")?;
    let mut at = 0;
    loop {
        let found = at + memchr::memchr2(b'"', b'\\', inner.get(at..)?)?;
        if inner.get(found)? == &b'"' {
            return Some((inner.get(..found)?, inner.get(found + 1..)?));
        }
        at = found + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<Vec<(String, String)>> {
        let mut found = Vec::new();
        let whole = each_value(line.as_bytes(), |key, value| {
            let (Raw::Text(value) | Raw::Bare(value)) = value;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            found.push((text(key), text(value)));
        });
        whole.then_some(found)
    }

    #[test]
    fn keys_and_values_are_walked_and_everything_else_is_refused() {
        let found = read(r#"{"a":"x\"y","b":[1,"z",null],"c":null,"d":true,"e":[]}"#).unwrap();
        let wanted = [("a", r#"x\"y"#), ("b", "1"), ("b", "z"), ("d", "true")];
        let found: Vec<_> =
            found.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(found, wanted);
        assert_eq!(read("{}").unwrap().len(), 0);
        let last = read(r#"{"a":1,"event.original": "{\"b\":\"2\"}"}"#).unwrap();
        assert_eq!(last, [("a".to_owned(), "1".to_owned())]);
        assert_eq!(read("{\"a\":1}\t{\"b\":\"2\"}").unwrap(), last);
        assert_eq!(read("{}\tx").unwrap().len(), 0);
        for bad in [
            r#"{"event.original": "x","b":2}"#,
            r#"{"event.original": 7}"#,
            r#"{"a": "b"}"#,
            "",
            "{",
            "[]",
            r#"{"a":{}}"#,
            r#"{"a":[[1]]}"#,
            r#"{"a":1"#,
            r#"{"a":"\"#,
            r#"{"a":1}x"#,
            r#"{"a\u0062":1}"#,
            r#"{"a" :1}"#,
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
