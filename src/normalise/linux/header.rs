//! The head of a syslog line: priority, time, host, program, process id, structured data; and the message after it.
//!
//! Written here instead of using `syslog_loose`: that crate takes any text for a message, so it cannot say that a line is
//! no syslog, and it resolves years line by line without memory of the lines before.

use crate::normalise::linux::stamp::{Wall, parse_bsd, parse_iso};

/// What stands before the message, borrowed from the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// `<N>`: facility × 8 + severity.
    pub priority: Option<u8>,
    /// The time, if there is one.
    pub wall: Option<Wall>,
    /// The host, if the line names one.
    pub host: Option<&'a str>,
    /// The program.
    pub program: Option<&'a str>,
    /// The process id as written.
    pub pid: Option<&'a str>,
    /// RFC 5424 message id.
    pub message_id: Option<&'a str>,
    /// RFC 5424 structured data, as written, with its brackets.
    pub structured: &'a str,
    /// The rest of the line.
    pub message: &'a str,
}

impl<'a> Header<'a> {
    /// The head of a message whose program is known from elsewhere.
    pub fn of_message(program: &'a str, pid: Option<&'a str>, message: &'a str) -> Header<'a> {
        Header {
            priority: None,
            wall: None,
            host: None,
            program: Some(program),
            pid,
            message_id: None,
            structured: "",
            message,
        }
    }
}

const PRIORITY_MAX: u8 = 191;
/// A longer word before a colon is no program.
const TAG_BYTES_MAX: usize = 64;
const HOST_BYTES_MAX: usize = 255;

/// Read the head of a line. `None`: it begins with neither a priority nor a time, so it is no syslog.
pub fn parse(line: &str) -> Option<Header<'_>> {
    let line = line.trim_start();
    let (priority, rest) = match priority(line) {
        Some((priority, rest)) => (Some(priority), rest),
        None => (None, line),
    };
    if priority.is_some()
        && let Some(rest) = rest.strip_prefix("1 ")
        && let Some(header) = rfc5424(priority, rest)
    {
        return Some(header);
    }
    let stamped = parse_bsd(rest).or_else(|| parse_iso(rest));
    let (wall, rest) = match stamped {
        Some((wall, rest)) if rest.starts_with([' ', ':']) => (Some(wall), rest),
        Some((wall, "")) => (Some(wall), ""),
        _ if priority.is_some() => (None, rest),
        _ => return None,
    };
    let rest = rest.trim_start_matches([':', ' ']);
    let (level, rest) = written_priority(rest);
    let mut header = after_stamp(rest, wall.is_some());
    header.priority = priority.or(level);
    header.wall = wall;
    Some(header)
}

fn priority(line: &str) -> Option<(u8, &str)> {
    let (digits, rest) = line.strip_prefix('<')?.split_once('>')?;
    if digits.is_empty() || digits.len() > 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value = digits.parse::<u8>().ok().filter(|value| *value <= PRIORITY_MAX)?;
    Some((value, rest))
}

/// FreeBSD's verbose form writes `<auth.info>` or `<4.6>` after the time.
fn written_priority(text: &str) -> (Option<u8>, &str) {
    let parsed = text.strip_prefix('<').and_then(|rest| {
        let (names, rest) = rest.split_once("> ")?;
        let (facility, severity) = names.split_once('.')?;
        let facility = position(&FACILITIES, facility)?;
        let severity = position(&SEVERITIES, severity)?;
        Some((facility * 8 + severity, rest))
    });
    match parsed {
        Some((value, rest)) => (Some(value), rest.trim_start()),
        None => (None, text),
    }
}

fn position(names: &[&str], word: &str) -> Option<u8> {
    let index = match word.parse::<usize>() {
        Ok(number) => number,
        Err(_) => names.iter().position(|name| *name == word)?,
    };
    u8::try_from(index).ok().filter(|index| usize::from(*index) < names.len())
}

/// Facility names by number.
pub const FACILITIES: [&str; 24] = [
    "kern",
    "user",
    "mail",
    "daemon",
    "auth",
    "syslog",
    "lpr",
    "news",
    "uucp",
    "cron",
    "authpriv",
    "ftp",
    "ntp",
    "security",
    "console",
    "solaris-cron",
    "local0",
    "local1",
    "local2",
    "local3",
    "local4",
    "local5",
    "local6",
    "local7",
];

/// Severity names by number.
pub const SEVERITIES: [&str; 8] =
    ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

/// `[host ][program[pid]: ]message`.
fn after_stamp(rest: &str, stamped: bool) -> Header<'_> {
    let mut header = Header {
        priority: None,
        wall: None,
        host: None,
        program: None,
        pid: None,
        message_id: None,
        structured: "",
        message: rest,
    };
    // A local socket's line has no host: the first word is the program already.
    if let Some(tag) = tag(rest) {
        header.set_tag(tag);
        return header;
    }
    // Without a time there is no telling a host from a word of the message.
    if !stamped {
        return header;
    }
    let Some((host, after)) = rest.split_once(' ') else { return header };
    if !is_host(host) {
        return header;
    }
    header.host = Some(host);
    let after = after.trim_start();
    header.message = after;
    if let Some(tag) = tag(after) {
        header.set_tag(tag);
    }
    header
}

struct Tag<'a> {
    program: &'a str,
    pid: Option<&'a str>,
    message: &'a str,
}

impl<'a> Header<'a> {
    fn set_tag(&mut self, tag: Tag<'a>) {
        self.program = Some(tag.program);
        self.pid = tag.pid;
        self.message = tag.message;
    }
}

/// `program[pid]: message`, `program: message`, `program[pid] message`.
fn tag(text: &str) -> Option<Tag<'_>> {
    let end =
        text.bytes().take(TAG_BYTES_MAX).position(|byte| matches!(byte, b':' | b'[' | b' '))?;
    if end == 0 {
        return None;
    }
    let (program, rest) = text.split_at_checked(end)?;
    if let Some(rest) = rest.strip_prefix('[') {
        let (pid, rest) = rest.split_once(']')?;
        if pid.len() > 20 || pid.contains(' ') {
            return None;
        }
        let message = rest.strip_prefix(':').unwrap_or(rest);
        return Some(Tag {
            program,
            pid: Some(pid),
            message: message.strip_prefix(' ').unwrap_or(message),
        });
    }
    // `a:b` is an address or a path, not a program and its message.
    let message = rest.strip_prefix(':')?;
    let message = match message.strip_prefix(' ') {
        Some(message) => message,
        None if message.is_empty() => "",
        None => return None,
    };
    Some(Tag { program, pid: None, message })
}

/// A name or address; the level words of application logs are none.
fn is_host(word: &str) -> bool {
    const LEVELS: [&str; 9] =
        ["INFO", "WARN", "WARNING", "ERROR", "DEBUG", "TRACE", "FATAL", "NOTICE", "CRITICAL"];
    !word.is_empty()
        && word.len() <= HOST_BYTES_MAX
        && word.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'%')
        })
        && word.bytes().any(|byte| byte.is_ascii_alphanumeric())
        && !LEVELS.contains(&word)
}

/// The part of RFC 5424 after `<PRI>1 `.
fn rfc5424(priority: Option<u8>, rest: &str) -> Option<Header<'_>> {
    let (stamp, rest) = rest.split_once(' ')?;
    let wall = match stamp {
        "-" => None,
        _ => match parse_iso(stamp) {
            Some((wall, "")) => Some(wall),
            _ => return None,
        },
    };
    let (host, rest) = rest.split_once(' ')?;
    let (program, rest) = rest.split_once(' ')?;
    let (pid, rest) = rest.split_once(' ')?;
    let (message_id, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let end = structured_end(rest)?;
    let (structured, message) = rest.split_at_checked(end)?;
    let message = message.strip_prefix(' ').unwrap_or(message);
    let message = message.strip_prefix('\u{feff}').unwrap_or(message);
    let known = |word: &'static str| move |text: &&str| *text != word;
    Some(Header {
        priority,
        wall,
        host: Some(host).filter(known("-")),
        program: Some(program).filter(known("-")),
        pid: Some(pid).filter(known("-")),
        message_id: Some(message_id).filter(|text| !matches!(*text, "-" | "")),
        structured: if structured == "-" { "" } else { structured },
        message,
    })
}

/// Where the structured data ends: `-`, or `[…]` elements one after the other; quotes and `\` are followed.
fn structured_end(text: &str) -> Option<usize> {
    if text.is_empty() {
        return Some(0);
    }
    if let Some(rest) = text.strip_prefix('-') {
        return (rest.is_empty() || rest.starts_with(' ')).then_some(1);
    }
    let mut open = false;
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if open => quoted = !quoted,
            _ if quoted => {}
            b'[' if !open => open = true,
            b']' if open => open = false,
            _ if open => {}
            b' ' if at > 0 => return Some(at),
            _ => return None,
        }
    }
    (!open).then_some(text.len())
}

/// Every `(element id, name, value)` of structured data; escapes are undone.
pub fn structured_params(text: &str, emit: &mut dyn FnMut(&str, &str, &str)) {
    let mut rest = text;
    while let Some(inner) = rest.strip_prefix('[') {
        let id_end = inner.find([' ', ']']).unwrap_or(inner.len());
        let (id, mut params) = inner.split_at_checked(id_end).unwrap_or((inner, ""));
        while let Some(param) = params.strip_prefix(' ') {
            let Some((name, value)) = param.split_once("=\"") else { return };
            let (value, after) = unescaped(value);
            emit(id, name, &value);
            params = after;
        }
        rest = params.strip_prefix(']').unwrap_or("");
    }
}

fn unescaped(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, character)) = chars.next() {
        match character {
            '"' => return (value, text.get(at + 1..).unwrap_or("")),
            '\\' => match chars.next() {
                Some((_, next @ ('"' | '\\' | ']'))) => value.push(next),
                Some((_, next)) => value.extend(['\\', next]),
                None => {}
            },
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_lines() {
        for (line, host, program, pid, message) in [
            (
                "Mar 27 13:06:56 web1 sshd[1291]: Server",
                Some("web1"),
                Some("sshd"),
                Some("1291"),
                "Server",
            ),
            (
                "<38>Mar  7 13:06:56 web1 sudo:   bob : x",
                Some("web1"),
                Some("sudo"),
                None,
                "  bob : x",
            ),
            (
                "2026-11-22T10:00:00+00:00 vm-host sshd[1234]: Failed",
                Some("vm-host"),
                Some("sshd"),
                Some("1234"),
                "Failed",
            ),
            (
                "2020-03-23 06:47:42.801612-0700  localhost sshd[3186]: x",
                Some("localhost"),
                Some("sshd"),
                Some("3186"),
                "x",
            ),
            (
                "Mar 27 13:06:56 web1 last message repeated 2 times",
                Some("web1"),
                None,
                None,
                "last message repeated 2 times",
            ),
            ("Mar 27 13:06:56 kernel: hi", None, Some("kernel"), None, "hi"),
            ("<13>bob: hello", None, Some("bob"), None, "hello"),
            ("<13>hello world", None, None, None, "hello world"),
            (
                "Jun 21 16:47:46 <auth.info> box sshd[1]: x",
                Some("box"),
                Some("sshd"),
                Some("1"),
                "x",
            ),
            ("2026-11-22 10:00:00 INFO started", None, None, None, "INFO started"),
            ("Mar 27 13:06:56 fe80::1 app: x", Some("fe80::1"), Some("app"), None, "x"),
        ] {
            let header = parse(line).unwrap();
            assert_eq!(
                (header.host, header.program, header.pid, header.message),
                (host, program, pid, message),
                "{line}"
            );
        }
        for line in [
            "",
            "hello",
            "{\"a\":1}",
            "Foo 27 13:06:56 x",
            "<999>x",
            "type=SYSCALL msg=audit(1:1): x",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn rfc5424_with_structured_data() {
        let line = "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog 77 ID47 \
                    [a@32473 iut=\"3\" b=\"x\\\"] y\"][c@1 d=\"\"] \u{feff}An event";
        let header = parse(line).unwrap();
        assert_eq!(header.priority, Some(165));
        assert_eq!(header.host, Some("mymachine.example.com"));
        assert_eq!(header.program, Some("evntslog"));
        assert_eq!(header.message_id, Some("ID47"));
        assert_eq!(header.message, "An event");
        let mut seen = Vec::new();
        structured_params(header.structured, &mut |id, name, value| {
            seen.push(format!("{id} {name}={value}"))
        });
        assert_eq!(seen, ["a@32473 iut=3", "a@32473 b=x\"] y", "c@1 d="]);
        let header = parse("<34>1 - - su - - - 'su root' failed").unwrap();
        assert_eq!((header.wall, header.host, header.message), (None, None, "'su root' failed"));
    }
}
