//! A record's fields decoded: names for numbers, text for hexadecimal, by the type of the record and of the field.
//!
//! What the kernel and the audit library call an untrusted string is written in quotes when it is harmless and as
//! hexadecimal when it is not. So only these fields are decoded, and never a quoted value: `"DEADBEEF"` is a name.

use std::borrow::Cow;

use crate::normalise::linux::auditd::line::{Fields, Line, Quoting, RawField};
use crate::normalise::linux::auditd::saddr::{self, SocketAddress, unhex};
use crate::normalise::linux::auditd::tables::{Tables, arch_name};

/// An id that means "not set".
const UNSET: [&str; 2] = ["4294967295", "-1"];

/// One decoded field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The key as written (or `addr`, `port`, `path`, `family` for the parts of `saddr`).
    pub key: Cow<'a, str>,
    /// The value, decoded.
    pub value: Cow<'a, str>,
    /// The value as written, where decoding changed it.
    pub raw: Option<&'a str>,
}

/// One decoded record.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// The type's name, `SYSCALL`; `UNKNOWN[n]` for one that is not in the table.
    pub kind: &'a str,
    /// The fields, those of an inner `msg='…'` in its place.
    pub fields: Vec<Field<'a>>,
    /// Names an enriching daemon added: (key in capitals, name).
    pub names: Vec<(&'a str, &'a str)>,
}

impl Record<'_> {
    /// The first value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.fields.iter().find(|field| field.key == key).map(|field| field.value.as_ref())
    }

    /// The name added for a key (`UID`), unless it says that there is none.
    pub fn name(&self, key: &str) -> Option<&str> {
        let found = self.names.iter().find(|(known, _)| *known == key).map(|(_, name)| *name);
        found.filter(|name| {
            !matches!(*name, "unset" | "unknown" | "?" | "" | "(null)")
                && !name.starts_with("unknown(")
        })
    }
}

/// Decode the fields of one line.
pub fn decode<'a>(line: &Line<'a>, tables: &Tables) -> Record<'a> {
    let kind = tables.record_type(line.kind);
    let mut record = Record { kind, fields: Vec::with_capacity(32), names: Vec::new() };
    if kind.ends_with("AVC") {
        permissions(line.body, &mut record.fields);
    }
    for raw in Fields::new(line.body) {
        if raw.quoting == Quoting::Single && raw.key == "msg" {
            said(kind, raw.value, &mut record.fields);
            for inner in Fields::new(raw.value) {
                push(kind, inner, tables, &mut record.fields);
            }
        } else if is_added_name(raw.key) {
            // The separator before the added names was lost on the way.
            record.names.push((raw.key, raw.value));
        } else {
            push(kind, raw, tables, &mut record.fields);
        }
    }
    if !line.enriched.is_empty() {
        record.names.extend(Fields::new(line.enriched).map(|field| (field.key, field.value)));
    }
    if kind.starts_with("DAEMON_") {
        said(kind, line.body, &mut record.fields);
    }
    name_syscall(tables, &mut record);
    record
}

/// `UID`, `OAUID`, `SYSCALL`: the kernel's own keys are in small letters.
fn is_added_name(key: &str) -> bool {
    key.len() >= 2 && key.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Older programs say what they do in words before the first field: `PAM: session open acct=root : exe=…`.
fn said<'a>(kind: &str, text: &'a str, fields: &mut Vec<Field<'a>>) {
    let end = text
        .find('=')
        .map_or(text.len(), |at| text.get(..at).and_then(|head| head.rfind(' ')).unwrap_or(0));
    let words = text.get(..end).unwrap_or("").trim_matches([' ', ',', ':']);
    let other = kind.ends_with("AVC") || words.contains(['"', '\'', '{']);
    if !words.is_empty() && !other {
        fields.push(Field { key: "op".into(), value: words.into(), raw: None });
    }
}

fn push<'a>(kind: &str, raw: RawField<'a>, tables: &Tables, fields: &mut Vec<Field<'a>>) {
    if raw.key == "saddr" && socket(raw.value, fields) {
        return;
    }
    let value = decode_value(kind, &raw, tables);
    let changed = value != raw.value;
    fields.push(Field { key: raw.key.into(), value, raw: changed.then_some(raw.value) });
}

fn decode_value<'a>(kind: &str, raw: &RawField<'a>, tables: &Tables) -> Cow<'a, str> {
    let text = raw.value;
    if is_string(kind, raw.key) {
        if raw.quoting != Quoting::Bare {
            return text.into();
        }
        // An account whose name is a number is no hexadecimal.
        if matches!(raw.key, "acct" | "grp" | "new_group")
            && text.bytes().all(|b| b.is_ascii_digit())
        {
            return text.into();
        }
        return unescape(raw.key, text).map_or(text.into(), Cow::Owned);
    }
    match raw.key {
        "code" if kind == "SECCOMP" => seccomp_action(text).unwrap_or(text).into(),
        "uring_op" => tables.uring(text).unwrap_or(text).into(),
        "arch" => arch_name(text).unwrap_or(text).into(),
        "exit" => tables.errno(text).unwrap_or(text).into(),
        "sig" => signal_name(text).unwrap_or(text).into(),
        "auid" | "old-auid" | "new-auid" | "ses" | "old-ses" | "new-ses" | "uid" | "oauid"
            if UNSET.contains(&text) =>
        {
            "unset".into()
        }
        _ => text.into(),
    }
}

/// What a seccomp filter decided, from the `code=` it gave.
fn seccomp_action(code: &str) -> Option<&'static str> {
    let code = u32::from_str_radix(code.strip_prefix("0x")?, 16).ok()?;
    Some(match code & 0xffff_0000 {
        0x0000_0000 => "kill",
        0x0003_0000 => "trap",
        0x0005_0000 => "errno",
        0x7fc0_0000 => "notify",
        0x7ff0_0000 => "trace",
        0x7ffc_0000 => "log",
        0x7fff_0000 => "allow",
        0x8000_0000 => "kill-process",
        _ => return None,
    })
}

/// The name of a signal given by number.
fn signal_name(number: &str) -> Option<&'static str> {
    const SIGNALS: [&str; 31] = [
        "SIGHUP",
        "SIGINT",
        "SIGQUIT",
        "SIGILL",
        "SIGTRAP",
        "SIGABRT",
        "SIGBUS",
        "SIGFPE",
        "SIGKILL",
        "SIGUSR1",
        "SIGSEGV",
        "SIGUSR2",
        "SIGPIPE",
        "SIGALRM",
        "SIGTERM",
        "SIGSTKFLT",
        "SIGCHLD",
        "SIGCONT",
        "SIGSTOP",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGXCPU",
        "SIGXFSZ",
        "SIGVTALRM",
        "SIGPROF",
        "SIGWINCH",
        "SIGIO",
        "SIGPWR",
        "SIGSYS",
    ];
    SIGNALS.get(number.parse::<usize>().ok()?.checked_sub(1)?).copied()
}

/// Fields that hold what the audit library calls untrusted strings.
fn is_string(kind: &str, key: &str) -> bool {
    match key {
        "comm" | "exe" | "name" | "cwd" | "cmd" | "acct" | "key" | "path" | "proctitle"
        | "file" | "dir" | "watch" | "vm" | "ocomm" | "device" | "cgroup" | "grp" | "new_group"
        | "root_dir" | "sw" | "apparmor" | "operation" | "denied_mask" | "info" | "profile"
        | "requested_mask" | "peer" | "invalid_context" | "old-chardev" | "new-chardev"
        | "old-disk" | "new-disk" | "old-fs" | "new-fs" | "old-net" | "new-net" => true,
        "data" => matches!(kind, "TTY" | "USER_TTY"),
        _ => kind == "EXECVE" && argument(key).is_some(),
    }
}

/// `a12` → 12, `a1[3]` → 1.
pub fn argument(key: &str) -> Option<usize> {
    let digits = key.strip_prefix('a')?;
    let digits = digits.split('[').next()?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// Hexadecimal to text. The kernel and the library write capitals only, so a bare lower-case word stays a word.
fn unescape(key: &str, text: &str) -> Option<String> {
    if text.bytes().any(|byte| !matches!(byte, b'0'..=b'9' | b'A'..=b'F')) {
        return None;
    }
    let mut bytes = unhex(text)?;
    match key {
        // Arguments are set apart by zero bytes; the last may be followed by more.
        "proctitle" => {
            while bytes.last() == Some(&0) {
                bytes.pop();
            }
            bytes.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b' ');
        }
        "name" | "path" | "exe" | "cwd" => {
            // An abstract socket's name begins with a zero byte.
            if let Some(first) = bytes.first_mut().filter(|byte| **byte == 0) {
                *first = b'@';
            }
            bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
        }
        _ => {}
    }
    Some(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

/// `avc:  denied  { read write } for …`.
fn permissions<'a>(body: &'a str, fields: &mut Vec<Field<'a>>) {
    let Some((head, rest)) = body.split_once('{') else { return };
    let Some((inside, _)) = rest.split_once('}') else { return };
    let result = if head.contains("granted") {
        "granted"
    } else if head.contains("denied") {
        "denied"
    } else {
        return;
    };
    fields.push(Field { key: "seresult".into(), value: result.into(), raw: None });
    let words: Vec<&str> = inside.split_ascii_whitespace().collect();
    fields.push(Field { key: "seperms".into(), value: words.join(",").into(), raw: None });
}

fn socket<'a>(hex: &'a str, fields: &mut Vec<Field<'a>>) -> bool {
    let Some(address) = saddr::decode(hex) else { return false };
    let mut add = |key: &'static str, value: String| {
        fields.push(Field { key: key.into(), value: value.into(), raw: None });
    };
    add("family", address.family());
    match address {
        SocketAddress::V4(ip, port) => {
            add("addr", ip.to_string());
            add("port", port.to_string());
        }
        SocketAddress::V6(ip, port) => {
            add("addr", ip.to_string());
            add("port", port.to_string());
        }
        SocketAddress::Unix(path) => add("path", path),
        SocketAddress::Netlink(_) | SocketAddress::Other(_) => add("saddr", hex.to_owned()),
    }
    true
}

/// The name needs the architecture, which stands before it in the same record. Where we have no table, what an
/// enriching daemon added is taken.
fn name_syscall(tables: &Tables, record: &mut Record<'_>) {
    let Record { fields, names, .. } = record;
    let added = |key: &str| names.iter().find(|(known, _)| *known == key).map(|(_, name)| *name);
    let arch = fields.iter().find(|field| field.key == "arch").map(|field| field.value.to_string());
    let Some(field) = fields.iter_mut().find(|field| field.key == "syscall") else { return };
    let known = arch.and_then(|arch| tables.syscall(&arch, &field.value)).map(Cow::Borrowed);
    let name = known.or_else(|| {
        let name = added("SYSCALL").filter(|name| !name.starts_with("unknown"))?;
        Some(Cow::Owned(name.to_owned()))
    });
    if let Some(name) = name {
        if let Cow::Borrowed(number) = field.value {
            field.raw = Some(number);
        }
        field.value = name;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalise::linux::auditd::line::parse;

    fn decoded(text: &str) -> Vec<(String, String)> {
        let line = parse(text).unwrap();
        let record = decode(&line, &Tables::new());
        record.fields.iter().map(|field| (field.key.to_string(), field.value.to_string())).collect()
    }

    fn value(text: &str, key: &str) -> String {
        decoded(text).into_iter().find(|(known, _)| known == key).unwrap().1
    }

    #[test]
    fn hexadecimal_by_type_and_never_in_quotes() {
        assert_eq!(value("type=SYSCALL msg=audit(1.0:1): comm=\"DEADBEEF\"", "comm"), "DEADBEEF");
        assert_eq!(value("type=SYSCALL msg=audit(1.0:1): exe=2F62696E2F736820", "exe"), "/bin/sh ");
        assert_eq!(value("type=SYSCALL msg=audit(1.0:1): a0=2F62", "a0"), "2F62");
        assert_eq!(value("type=EXECVE msg=audit(1.0:1): argc=1 a0=2F62", "a0"), "/b");
        assert_eq!(
            value("type=USER_ACCT msg=audit(1.0:1): msg='acct=root : exe=\"/x\"'", "acct"),
            "root"
        );
        assert_eq!(
            value("type=PROCTITLE msg=audit(1.0:1): proctitle=6C73002D6C00", "proctitle"),
            "ls -l"
        );
        assert_eq!(
            value("type=SYSCALL msg=audit(1.0:1): key=65786563013634626974", "key"),
            "exec\u{1}64bit"
        );
    }

    #[test]
    fn what_an_older_or_a_shortened_record_says() {
        let old = "type=USER_ACCT msg=audit(1.0:1): user pid=1 msg='PAM: accounting acct=root : exe=\"/x\" res=success'";
        assert_eq!(value(old, "op"), "PAM: accounting");
        let daemon = "type=DAEMON_END msg=audit(1.0:1): auditd normal halt, sending auid=? pid=?";
        assert_eq!(value(daemon, "op"), "auditd normal halt, sending");
        let number = "type=USER_ACCT msg=audit(1.0:1): msg='op=x acct=4142 res=success'";
        assert_eq!(value(number, "acct"), "4142");
        let lost =
            "type=USER_AUTH msg=audit(1.0:1): msg='op=x res=failed'UID=\"root\" AUID=\"unset\"";
        let line = parse(lost).unwrap();
        let record = decode(&line, &Tables::new());
        assert_eq!((record.name("UID"), record.name("AUID")), (Some("root"), None));
        assert!(record.get("UID").is_none());
    }

    #[test]
    fn numbers_get_names() {
        let other = "type=SYSCALL msg=audit(1.0:1): arch=40000028 syscall=322\u{1d}ARCH=armeb SYSCALL=openat";
        assert_eq!(value(other, "syscall"), "openat");
        let seccomp = "type=SECCOMP msg=audit(1.0:1): arch=c000003e syscall=59 code=0x7ffc0000";
        assert_eq!(value(seccomp, "code"), "log");
        let text = "type=SYSCALL msg=audit(1.0:1): arch=c000003e syscall=59 success=no exit=-2 auid=4294967295 uid=-1";
        assert_eq!(value(text, "arch"), "x86_64");
        assert_eq!(value(text, "syscall"), "execve");
        assert_eq!(value(text, "exit"), "ENOENT");
        assert_eq!(value(text, "auid"), "unset");
        let avc = "type=AVC msg=audit(1.0:1): avc:  denied  { read write } for  pid=1 comm=\"x\"";
        assert_eq!(value(avc, "seperms"), "read,write");
        assert_eq!(value(avc, "seresult"), "denied");
        let socket = "type=SOCKADDR msg=audit(1.0:1): saddr=02000050A9FEA9FE0000000000000000";
        assert_eq!(value(socket, "addr"), "169.254.169.254");
    }
}
