//! One audit record as a line: its type, node, time, serial and the `key=value` text after it.
//!
//! Read in all the forms records are passed on: `type=T msg=audit(…): …` (with or without `node=`), `audit(…): …`
//! without a type, the kernel's own `audit: type=1400 audit(…): …`, and all of these behind a syslog header, where the
//! program must be the kernel or a part of the audit system: a user name in another program's line cannot pass for a record.

use crate::normalise::linux::auditd::auoms;
use crate::normalise::linux::header;
use crate::stdx::time::{SECOND_US, Timestamp};

/// What separates a record from the names an enriching daemon adds.
const ENRICHED: char = '\u{1d}';
/// `audit(` must begin within this many bytes.
const HEAD_BYTES_MAX: usize = 512;
/// More digits of seconds are no time; as many do not overflow a count of microseconds.
const SECONDS_DIGITS_MAX: usize = 12;
/// Programs whose syslog lines may hold records.
const CARRIERS: [&str; 7] =
    ["kernel", "audit", "auditd", "audispd", "audisp-syslog", "audisp-remote", "auoms"];

/// A record, borrowed from its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The host the record names, by `node=` or in the syslog header around it.
    pub node: Option<&'a str>,
    /// The record's type as written: a name, a number or `UNKNOWN[number]`; empty if the form has none.
    pub kind: &'a str,
    /// The event's time (the kernel writes milliseconds).
    pub at: Timestamp,
    /// The event's serial number.
    pub serial: u64,
    /// The fields.
    pub body: &'a str,
    /// The names added behind the group separator, or empty.
    pub enriched: &'a str,
}

/// Why a line that looks like an audit record is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLine {
    /// No `audit(` where it has to be.
    #[error("no audit(time:serial) at its start")]
    NoStamp,
    /// What stands in the brackets is not `seconds.milliseconds:serial`.
    #[error("audit(…) does not hold seconds.fraction:serial")]
    BadStamp,
}

/// Could the line be an audit record? Cheap; decides between this decoder and syslog.
pub fn is_record(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii_start();
    let head = bytes.get(..HEAD_BYTES_MAX).unwrap_or(bytes);
    let Some(at) = memchr::memmem::find(head, b"audit(") else { return false };
    if head.starts_with(b"type=") || head.starts_with(b"node=") || at == 0 {
        return true;
    }
    let Ok(text) = std::str::from_utf8(head.get(..at).unwrap_or_default()) else { return false };
    carried(text).is_some()
}

/// The host of a syslog header around a record, and the rest, if a program of the audit system wrote it.
fn carried(text: &str) -> Option<(Option<&str>, &str)> {
    let header = header::parse(text)?;
    let program = header.program?;
    let name = program.rsplit('/').next().unwrap_or(program);
    CARRIERS.contains(&name).then_some((header.host, header.message))
}

/// Read one line.
pub fn parse(text: &str) -> Result<Line<'_>, BadLine> {
    let text = text.trim_start();
    let mut at = text.find("audit(").filter(|at| *at < HEAD_BYTES_MAX).ok_or(BadLine::NoStamp)?;
    let mut head = text.get(..at).unwrap_or("");
    let mut node = None;
    if !head.is_empty() && !head.starts_with("type=") && !head.starts_with("node=") {
        let (host, inner) = carried(head).ok_or(BadLine::NoStamp)?;
        node = host;
        head = inner;
    }
    let mut kind = "";
    for word in head.split(' ') {
        if let Some(value) = word.strip_prefix("type=") {
            kind = value;
        } else if let Some(value) = word.strip_prefix("node=") {
            node = Some(value);
        }
    }
    at += "audit(".len();
    let rest = text.get(at..).unwrap_or("");
    let (stamp, rest) = rest.split_once(')').ok_or(BadLine::BadStamp)?;
    let (event_at, serial) = stamp_of(stamp).ok_or(BadLine::BadStamp)?;
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    let (body, enriched) = rest.split_once(ENRICHED).unwrap_or((rest, ""));
    if kind.starts_with(auoms::PREFIX) {
        node = node.or_else(|| auoms::node(body));
    }
    Ok(Line { node, kind, at: event_at, serial, body: body.trim(), enriched: enriched.trim() })
}

/// `1170021493.977:293`.
fn stamp_of(text: &str) -> Option<(Timestamp, u64)> {
    let (time, serial) = text.split_once(':')?;
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, ""));
    // A clock before 1970 is written with a sign. The time is not believed, but the record is kept.
    let (sign, seconds) = match seconds.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, seconds),
    };
    if seconds.len() > SECONDS_DIGITS_MAX
        || fraction.len() > 9
        || !digits(seconds)
        || !(fraction.is_empty() || digits(fraction))
    {
        return None;
    }
    let mut micros = seconds.parse::<i64>().ok()?.checked_mul(SECOND_US)?;
    let mut scale = SECOND_US;
    for digit in fraction.bytes().take(6) {
        scale /= 10;
        micros += i64::from(digit - b'0') * scale;
    }
    digits(serial).then_some(())?;
    Some((Timestamp(sign * micros), serial.parse().ok()?))
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// How a value was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quoting {
    /// `key=value`.
    Bare,
    /// `key="value"`: text as it is, never hexadecimal.
    Double,
    /// `msg='…'`: fields inside.
    Single,
}

/// One field as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawField<'a> {
    /// The key.
    pub key: &'a str,
    /// The value without its quotes.
    pub value: &'a str,
    /// How it was quoted.
    pub quoting: Quoting,
}

/// The fields of a record's text, in order. Words without `=` are passed over.
pub struct Fields<'a> {
    rest: &'a str,
    /// The word before was `old`.
    old: bool,
}

impl<'a> Fields<'a> {
    /// Of a body, an inner message or the added names.
    pub fn new(text: &'a str) -> Fields<'a> {
        Fields { rest: text, old: false }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = RawField<'a>;

    fn next(&mut self) -> Option<RawField<'a>> {
        loop {
            self.rest = self.rest.trim_start_matches([' ', ',', '\t']);
            if self.rest.is_empty() {
                return None;
            }
            let end = self.rest.find(['=', ' ']).unwrap_or(self.rest.len());
            let (key, after) = self.rest.split_at_checked(end)?;
            let Some(value) = after.strip_prefix('=') else {
                // Old kernels: `old auid=… new auid=…`. Later ones write `old-auid=… auid=…`.
                self.old = key == "old";
                self.rest = after;
                continue;
            };
            let key = match key.trim_start_matches('(') {
                "auid" if self.old => "old-auid",
                "ses" if self.old => "old-ses",
                key => key,
            };
            self.old = false;
            let (field, rest) = value_of(key, value);
            self.rest = rest;
            if !field.key.is_empty() {
                return Some(field);
            }
        }
    }
}

/// The value at the start of `text` and what follows it.
fn value_of<'a>(key: &'a str, text: &'a str) -> (RawField<'a>, &'a str) {
    if let Some(inner) = text.strip_prefix('"') {
        let end = inner.find('"').unwrap_or(inner.len());
        let (value, rest) = inner.split_at_checked(end).unwrap_or((inner, ""));
        let rest = rest.strip_prefix('"').unwrap_or(rest);
        return (RawField { key, value, quoting: Quoting::Double }, rest);
    }
    if let Some(inner) = text.strip_prefix('\'') {
        // The message runs to the last quote: what user space put in may hold quotes itself.
        let end = if key == "msg" { inner.rfind('\'') } else { inner.find('\'') };
        let (value, rest) =
            inner.split_at_checked(end.unwrap_or(inner.len())).unwrap_or((inner, ""));
        let rest = rest.strip_prefix('\'').unwrap_or(rest);
        return (RawField { key, value, quoting: Quoting::Single }, rest);
    }
    // The names an enriching daemon adds for an address: `SADDR={ saddr_fam=inet laddr=… }`.
    if key == "SADDR"
        && let Some((inner, rest)) = text.strip_prefix('{').and_then(|rest| rest.split_once('}'))
    {
        return (RawField { key, value: inner.trim(), quoting: Quoting::Bare }, rest);
    }
    let (value, rest) =
        if key == "op" { words(text) } else { text.split_once(' ').unwrap_or((text, "")) };
    // Old records put lists in brackets and commas: `(hostname=?, addr=?, terminal=cron res=success)`.
    let value = value.strip_suffix(',').unwrap_or(value);
    // A quote that was never opened is the writer's slip.
    let value = value.strip_suffix('"').filter(|text| !text.contains('"')).unwrap_or(value);
    let value = if value.contains('(') { value } else { value.trim_end_matches(')') };
    (RawField { key, value, quoting: Quoting::Bare }, rest)
}

/// What the tools of accounts do is said in words: `op=adding user to group acct="eve"`.
fn words(text: &str) -> (&str, &str) {
    let mut end = text.find(' ').unwrap_or(text.len());
    while let Some(rest) = text.get(end..).filter(|rest| !rest.is_empty()) {
        let word_end =
            rest.get(1..).and_then(|rest| rest.find(' ')).map_or(rest.len(), |at| at + 1);
        if rest.get(..word_end).is_none_or(|word| word.contains('=')) {
            break;
        }
        end += word_end;
    }
    let (value, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    (value.trim_end_matches([' ', ':']), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_head() {
        for (text, node, kind) in [
            ("type=SYSCALL msg=audit(1.5:7): a=b", None, "SYSCALL"),
            ("node=web1 type=SYSCALL msg=audit(1.5:7): a=b", Some("web1"), "SYSCALL"),
            ("audit(1.5:7): a=b", None, ""),
            (
                "Mar 27 13:06:56 web1 kernel: [ 12.3] audit: type=1400 audit(1.5:7): a=b",
                Some("web1"),
                "1400",
            ),
            (
                "Mar 27 13:06:56 web1 audispd: node=x type=EXECVE msg=audit(1.5:7): a=b",
                Some("x"),
                "EXECVE",
            ),
            (
                "<29>Mar 27 13:06:56 web1 auditd[12]: type=CWD msg=audit(1.5:7): a=b",
                Some("web1"),
                "CWD",
            ),
            ("type=DAEMON_CONFIG msg=audit(1.5:7) a=b", None, "DAEMON_CONFIG"),
        ] {
            assert!(is_record(text.as_bytes()), "{text}");
            let line = parse(text).unwrap();
            assert_eq!((line.node, line.kind), (node, kind), "{text}");
            assert_eq!(
                (line.at, line.serial, line.body),
                (Timestamp(1_500_000), 7, "a=b"),
                "{text}"
            );
        }
        let forged =
            "Mar 27 13:06:56 web1 sshd[1]: Invalid user type=CWD msg=audit(1.5:7): from 192.0.2.1";
        assert!(!is_record(forged.as_bytes()));
        assert_eq!(parse(forged), Err(BadLine::NoStamp));
        assert_eq!(parse("type=CWD msg=audit(x:7): a=b"), Err(BadLine::BadStamp));
        assert_eq!(parse("type=CWD msg=audit(1.5:7"), Err(BadLine::BadStamp));
    }

    #[test]
    fn fields_with_every_quoting() {
        let body = "user pid=1 comm=\"a b\" key=(null) msg='op=PAM:x acct=\"bob\" exe=\"/it's\" (hostname=?, addr=10.0.0.1, res=success)'";
        let fields: Vec<RawField<'_>> = Fields::new(body).collect();
        let shown: Vec<(&str, &str)> =
            fields.iter().map(|field| (field.key, field.value)).collect();
        assert_eq!(shown[..3], [("pid", "1"), ("comm", "a b"), ("key", "(null)")]);
        let inner: Vec<(&str, &str)> =
            Fields::new(shown[3].1).map(|field| (field.key, field.value)).collect();
        assert_eq!(
            inner,
            [
                ("op", "PAM:x"),
                ("acct", "bob"),
                ("exe", "/it's"),
                ("hostname", "?"),
                ("addr", "10.0.0.1"),
                ("res", "success")
            ]
        );
    }

    #[test]
    fn words_and_braces() {
        let body = "op=adding user to group acct=\"eve\" res=1 op=last words";
        let shown: Vec<_> = Fields::new(body).map(|field| (field.key, field.value)).collect();
        assert_eq!(
            shown,
            [("op", "adding user to group"), ("acct", "eve"), ("res", "1"), ("op", "last words")]
        );
        let names = "SADDR={ saddr_fam=inet laddr=192.0.2.7 lport=53 } UID=\"bob\"";
        let shown: Vec<_> = Fields::new(names).map(|field| (field.key, field.value)).collect();
        assert_eq!(shown, [("SADDR", "saddr_fam=inet laddr=192.0.2.7 lport=53"), ("UID", "bob")]);
    }

    #[test]
    fn times_that_cannot_be() {
        let at = |stamp: &str| parse(&format!("type=CWD msg=audit({stamp}): a=b")).map(|l| l.at.0);
        assert_eq!(at("-5.250:1"), Ok(-5_250_000));
        assert_eq!(at("0.000:1"), Ok(0));
        assert_eq!(at("4102444801.5:1"), Ok(4_102_444_801_500_000));
        assert_eq!(at("999999999999.999:1"), Ok(999_999_999_999_999_000));
        for stamp in
            ["9999999999999.0:1", "--1.0:1", "1.x:1", "1.0:-1", "1.0:99999999999999999999", ":"]
        {
            assert_eq!(at(stamp), Err(BadLine::BadStamp), "{stamp}");
        }
    }

    #[test]
    fn the_added_names_are_apart() {
        let line = parse("type=SYSCALL msg=audit(1.5:7): uid=0\u{1d}UID=\"root\"").unwrap();
        assert_eq!((line.body, line.enriched), ("uid=0", "UID=\"root\""));
    }
}
