//! The PATH records of an event: names made absolute, and the file the event is about.

use crate::model::event::Event;
use crate::model::field;
use crate::normalise::linux::auditd::names::Names;
use crate::normalise::linux::auditd::record::Record;

/// `auditd.data.name` for every item, as recorded and, where that differs, made absolute; `file.*` for the one
/// that the event is about.
pub fn push(records: &[Record<'_>], names: &mut Names, event: &mut Event) {
    let Some(name_field) = names.data("name") else { return };
    let base = Base::of(records);
    let mut primary: Option<(u8, String, &Record<'_>)> = None;
    let mut children = 0;
    for record in records.iter().filter(|record| record.kind == "PATH") {
        let Some(name) = record.get("name").filter(|name| !matches!(*name, "(null)" | "")) else {
            continue;
        };
        let kind = kind_of(record);
        let full = base.absolute(name, kind, children);
        if kind != "PARENT" {
            children += 1;
        }
        event.push_str(name_field, name);
        if full != name {
            event.push_str(name_field, &full);
        }
        let rank = rank(kind);
        if primary.as_ref().is_none_or(|(best, _, _)| rank > *best) {
            primary = Some((rank, full, record));
        }
    }
    if let Some((_, path, record)) = primary {
        push_file(&path, event);
        push_attributes(record, names, event);
    }
}

fn kind_of<'a>(record: &'a Record<'_>) -> &'a str {
    record.get("nametype").or_else(|| record.get("objtype")).unwrap_or("")
}

/// What was made or deleted is what the event is about; else the first item; a parent directory last.
fn rank(kind: &str) -> u8 {
    match kind {
        "CREATE" => 4,
        "DELETE" => 3,
        "PARENT" => 1,
        _ => 2,
    }
}

/// `file.path` and its parts.
pub fn push_file(path: &str, event: &mut Event) {
    event.push_str(field::FILE_PATH, path);
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    event.push_str(field::FILE_NAME, name);
    if path.starts_with('/') {
        event.push_str(field::FILE_DIRECTORY, if directory.is_empty() { "/" } else { directory });
    }
    if let Some((stem, extension)) = name.rsplit_once('.')
        && !stem.is_empty()
        && !extension.is_empty()
    {
        event.push_str(field::FILE_EXTENSION, extension);
    }
}

/// Inode, owner, type and permissions of the file the event is about.
fn push_attributes(record: &Record<'_>, names: &mut Names, event: &mut Event) {
    let mut one = |name: &'static str, value: Option<&str>| {
        if let (Some(field), Some(value)) = (names.ecs(name), value) {
            event.push_str(field, value);
        }
    };
    one("file.inode", record.get("inode"));
    one("file.uid", record.get("ouid"));
    one("file.gid", record.get("ogid"));
    let mode = record.get("mode").and_then(|mode| u32::from_str_radix(mode, 8).ok());
    if let Some(mode) = mode {
        one("file.mode", Some(&format!("{:04o}", mode & 0o7777)));
        one("file.type", file_type(mode));
    }
}

fn file_type(mode: u32) -> Option<&'static str> {
    Some(match mode & 0o170_000 {
        0o100_000 => "file",
        0o040_000 => "dir",
        0o120_000 => "symlink",
        0o020_000 | 0o060_000 => "device",
        0o140_000 => "socket",
        0o010_000 => "fifo",
        _ => return None,
    })
}

/// What relative names are relative to.
struct Base<'a> {
    directory: Option<&'a str>,
    /// The absolute names of parent directories, in order.
    parents: Vec<&'a str>,
    /// The call names its own directory, so the working directory is not the base.
    own_directory: bool,
}

impl<'a> Base<'a> {
    fn of(records: &'a [Record<'_>]) -> Base<'a> {
        let directory =
            records.iter().find(|record| record.kind == "CWD").and_then(|record| record.get("cwd"));
        let own_directory =
            records.iter().find(|record| record.kind == "SYSCALL").is_some_and(names_its_directory);
        let parents = records
            .iter()
            .filter(|record| record.kind == "PATH" && kind_of(record) == "PARENT")
            .filter_map(|record| record.get("name"))
            .filter(|name| name.starts_with('/'))
            // The kernel writes the working directory for a parent whose name it does not have, even where the call
            // names another directory.
            .filter(|name| !(own_directory && Some(*name) == directory))
            .collect();
        Base { directory, parents, own_directory }
    }

    /// `child`: how many items that are no parents stood before this one. A rename has two parents: the old
    /// name's and that of everything after.
    fn absolute(&self, name: &str, kind: &str, child: usize) -> String {
        if name.starts_with(['/', '@']) {
            return clean(name);
        }
        let last_parent = self.parents.len().saturating_sub(1);
        if let Some(parent) = self.parents.get(child.min(last_parent)).filter(|_| kind != "PARENT")
        {
            let last = name.trim_end_matches('/').rsplit('/').next().unwrap_or(name);
            return clean(&format!("{parent}/{last}"));
        }
        match self.directory {
            Some(directory) if !self.own_directory => clean(&format!("{directory}/{name}")),
            _ => name.to_owned(),
        }
    }
}

/// Is the call's directory an open one instead of the working directory?
fn names_its_directory(record: &Record<'_>) -> bool {
    let name = record.get("syscall").unwrap_or("");
    let argument = match name {
        "symlinkat" => "a1",
        _ if name.ends_with("at") || name.ends_with("at2") => "a0",
        _ => return false,
    };
    // -100 in 32 and 64 bits is AT_FDCWD.
    !matches!(record.get(argument), None | Some("ffffff9c" | "ffffffffffffff9c"))
}

/// Without `.` and empty parts, with `..` followed as text (links are not known here).
fn clean(path: &str) -> String {
    if !path.starts_with('/') {
        return path.to_owned();
    }
    let plain =
        !path.contains("//") && !path.contains("/.") && (path.len() == 1 || !path.ends_with('/'));
    if plain {
        return path.to_owned();
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Value;
    use crate::normalise::linux::auditd::line;
    use crate::normalise::linux::auditd::record::decode;
    use crate::normalise::linux::auditd::tables::Tables;

    fn built(text: &str) -> Event {
        let tables = Tables::new();
        let lines: Vec<_> = text.split('\n').map(|text| line::parse(text).unwrap()).collect();
        let records: Vec<Record<'_>> = lines.iter().map(|line| decode(line, &tables)).collect();
        let mut event = Event::default();
        push(&records, &mut Names::default(), &mut event);
        event
    }

    #[test]
    fn relative_names_stand_on_their_base() {
        let event = built(
            "type=CWD msg=audit(1.0:1): cwd=\"/home/bob\"\n\
             type=PATH msg=audit(1.0:1): item=0 name=\"../eve/./x.sh\" nametype=NORMAL",
        );
        assert_eq!(event.str(field::FILE_PATH), Some("/home/eve/x.sh"));
        assert_eq!(event.str(field::FILE_EXTENSION), Some("sh"));
        let names = field::FieldId::intern("auditd.data.name").unwrap();
        let all: Vec<Value<'_>> = event.all(names).collect();
        assert_eq!(all, [Value::Str("../eve/./x.sh"), Value::Str("/home/eve/x.sh")]);
    }

    #[test]
    fn a_directory_of_its_own_is_not_the_working_directory() {
        let text = "type=SYSCALL msg=audit(1.0:1): arch=c000003e syscall=263 a0=5 a1=0\n\
                    type=CWD msg=audit(1.0:1): cwd=\"/home/bob\"\n\
                    type=PATH msg=audit(1.0:1): item=0 name=\"x\" nametype=DELETE";
        assert_eq!(built(text).str(field::FILE_PATH), Some("x"));
        let with_parent =
            format!("{text}\ntype=PATH msg=audit(1.0:1): item=1 name=\"/var/log\" nametype=PARENT");
        assert_eq!(built(&with_parent).str(field::FILE_PATH), Some("/var/log/x"));
        // The working directory in place of a parent that the kernel has no name for.
        let with_lie = format!(
            "{text}\ntype=PATH msg=audit(1.0:1): item=1 name=\"/home/bob\" nametype=PARENT"
        );
        assert_eq!(built(&with_lie).str(field::FILE_PATH), Some("x"));
    }

    #[test]
    fn a_rename_between_directories() {
        let event = built(
            "type=SYSCALL msg=audit(1.0:1): arch=c000003e syscall=82 success=yes a0=1 a1=2\n\
             type=CWD msg=audit(1.0:1): cwd=\"/home/bob\"\n\
             type=PATH msg=audit(1.0:1): item=0 name=\"/a\" nametype=PARENT\n\
             type=PATH msg=audit(1.0:1): item=1 name=\"/b\" nametype=PARENT\n\
             type=PATH msg=audit(1.0:1): item=2 name=\"old\" inode=7 nametype=DELETE\n\
             type=PATH msg=audit(1.0:1): item=3 name=\"new\" inode=7 mode=0104755 ouid=0 nametype=CREATE",
        );
        let names = field::FieldId::intern("auditd.data.name").unwrap();
        let all: Vec<String> = event.all(names).map(|name| name.to_text().into_owned()).collect();
        assert_eq!(all, ["/a", "/b", "old", "/a/old", "new", "/b/new"]);
        assert_eq!(event.str(field::FILE_PATH), Some("/b/new"));
        for (name, value) in
            [("file.inode", "7"), ("file.mode", "4755"), ("file.type", "file"), ("file.uid", "0")]
        {
            assert_eq!(event.str(field::FieldId::intern(name).unwrap()), Some(value), "{name}");
        }
    }
}
