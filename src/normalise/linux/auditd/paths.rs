//! The PATH records of an event: names made absolute, and the file the event is about.

use crate::model::event::Event;
use crate::model::field;
use crate::normalise::linux::auditd::record::Record;

/// `auditd.data.name` for every item, as recorded and, where that differs, made absolute; `file.*` for the one
/// that the event is about.
pub fn push(records: &[Record<'_>], event: &mut Event) {
    let Some(name_field) = field::FieldId::intern("auditd.data.name") else { return };
    let base = Base::of(records);
    let mut primary: Option<(u8, String)> = None;
    for record in records.iter().filter(|record| record.kind == "PATH") {
        let Some(name) = record.get("name").filter(|name| !matches!(*name, "(null)" | "")) else {
            continue;
        };
        let kind = record.get("nametype").or_else(|| record.get("objtype")).unwrap_or("");
        let full = base.absolute(name, kind);
        event.push_str(name_field, name);
        if full != name {
            event.push_str(name_field, &full);
        }
        let rank = rank(kind);
        if primary.as_ref().is_none_or(|(best, _)| rank > *best) {
            primary = Some((rank, full));
        }
    }
    if let Some((_, path)) = primary {
        push_file(&path, event);
    }
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

fn push_file(path: &str, event: &mut Event) {
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

/// What relative names are relative to.
struct Base<'a> {
    directory: Option<&'a str>,
    parent: Option<&'a str>,
    /// The call names its own directory, so the working directory is not the base.
    own_directory: bool,
}

impl<'a> Base<'a> {
    fn of(records: &'a [Record<'_>]) -> Base<'a> {
        let directory =
            records.iter().find(|record| record.kind == "CWD").and_then(|record| record.get("cwd"));
        let parent = records
            .iter()
            .filter(|record| record.kind == "PATH" && record.get("nametype") == Some("PARENT"))
            .filter_map(|record| record.get("name"))
            .find(|name| name.starts_with('/'));
        let call = records.iter().find(|record| record.kind == "SYSCALL");
        let own_directory = call.is_some_and(|record| {
            let name = record.get("syscall").unwrap_or("");
            let at_call = name.ends_with("at") || name.ends_with("at2");
            // -100 in 32 and 64 bits is AT_FDCWD.
            at_call && !matches!(record.get("a0"), None | Some("ffffff9c" | "ffffffffffffff9c"))
        });
        Base { directory, parent, own_directory }
    }

    fn absolute(&self, name: &str, kind: &str) -> String {
        if name.starts_with(['/', '@']) {
            return clean(name);
        }
        if let Some(parent) = self.parent.filter(|_| kind != "PARENT") {
            let last = name.trim_end_matches('/').rsplit('/').next().unwrap_or(name);
            return clean(&format!("{parent}/{last}"));
        }
        match self.directory {
            Some(directory) if !self.own_directory => clean(&format!("{directory}/{name}")),
            _ => name.to_owned(),
        }
    }
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
        push(&records, &mut event);
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
    }
}
