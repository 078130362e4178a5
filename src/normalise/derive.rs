//! Fields that follow from others, filled at the end for every format: the parts of addresses and paths, and `related.*`.
//! What a decoder said itself is never changed.

use std::sync::LazyLock;

use crate::model::event::{Event, Value};
use crate::model::field::{self, FieldId};

/// Values that one `related.*` field takes.
pub const RELATED_MAX: usize = 64;

/// What a field means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
enum Part {
    #[default]
    Nothing,
    Ip,
    User,
    Host,
    Hash,
    RelatedIp,
    RelatedUser,
    RelatedHost,
    RelatedHash,
    UrlOriginal,
    UrlSplit,
    FilePath,
    FileSplit,
    Executable,
    ProcessName,
}

const PARTS: &[(Part, &[&str])] = &[
    (
        Part::Ip,
        &[
            "source.ip",
            "destination.ip",
            "client.ip",
            "server.ip",
            "host.ip",
            "source.nat.ip",
            "destination.nat.ip",
            "network.forwarded_ip",
            "dns.resolved_ip",
            "observer.ip",
        ],
    ),
    (
        Part::User,
        &[
            "user.name",
            "user.target.name",
            "user.effective.name",
            "user.changes.name",
            "source.user.name",
            "destination.user.name",
            "client.user.name",
            "server.user.name",
            "user.email",
        ],
    ),
    (
        Part::Host,
        &[
            "host.name",
            "host.hostname",
            "source.domain",
            "destination.domain",
            "client.domain",
            "server.domain",
            "observer.name",
        ],
    ),
    (
        Part::Hash,
        &[
            "process.hash.md5",
            "process.hash.sha1",
            "process.hash.sha256",
            "process.hash.sha512",
            "file.hash.md5",
            "file.hash.sha1",
            "file.hash.sha256",
            "file.hash.sha512",
            "dll.hash.md5",
            "dll.hash.sha1",
            "dll.hash.sha256",
            "process.pe.imphash",
            "file.pe.imphash",
            "dll.pe.imphash",
            "process.parent.hash.md5",
            "process.parent.hash.sha1",
            "process.parent.hash.sha256",
            "tls.client.ja3",
        ],
    ),
    (Part::RelatedIp, &["related.ip"]),
    (Part::RelatedUser, &["related.user"]),
    (Part::RelatedHost, &["related.hosts"]),
    (Part::RelatedHash, &["related.hash"]),
    (Part::UrlOriginal, &["url.original", "url.full"]),
    (Part::UrlSplit, &["url.path", "url.query"]),
    (Part::FilePath, &["file.path"]),
    (Part::FileSplit, &["file.name"]),
    (Part::Executable, &["process.executable"]),
    (Part::ProcessName, &["process.name"]),
];

/// By field id. Names met for the first time later mean nothing here.
static TABLE: LazyLock<Vec<Part>> = LazyLock::new(|| {
    let mut table = Vec::new();
    for (part, names) in PARTS {
        for id in names.iter().filter_map(|name| FieldId::intern(name)) {
            let at = usize::from(id.0);
            if table.len() <= at {
                table.resize(at + 1, Part::Nothing);
            }
            if let Some(slot) = table.get_mut(at) {
                *slot = *part;
            }
        }
    }
    table
});

struct Names {
    url_path: Option<FieldId>,
    url_query: Option<FieldId>,
    url_domain: Option<FieldId>,
    url_scheme: Option<FieldId>,
    url_extension: Option<FieldId>,
    related: [Option<FieldId>; 4],
}

static NAMES: LazyLock<Names> = LazyLock::new(|| Names {
    url_path: FieldId::intern("url.path"),
    url_query: FieldId::intern("url.query"),
    url_domain: FieldId::intern("url.domain"),
    url_scheme: FieldId::intern("url.scheme"),
    url_extension: FieldId::intern("url.extension"),
    related: ["related.ip", "related.user", "related.hosts", "related.hash"].map(FieldId::intern),
});

/// Fill what follows from the event's fields.
pub fn fill(event: &mut Event) {
    domain(event);
    let table: &[Part] = &TABLE;
    let mut seen: [Option<usize>; 16] = [None; 16];
    let mut related: Vec<(usize, usize)> = Vec::new();
    for (place, id) in event.places().enumerate() {
        let part = table.get(usize::from(id.0)).copied().unwrap_or_default();
        let kind = match part {
            Part::Nothing => continue,
            Part::Ip => 0,
            Part::User => 1,
            Part::Host => 2,
            Part::Hash => 3,
            _ => {
                if let Some(slot) = seen.get_mut(part as usize) {
                    slot.get_or_insert(place);
                }
                continue;
            }
        };
        related.push((kind, place));
    }
    let has = |part: Part| seen.get(part as usize).copied().flatten();
    if let (Some(place), None) = (has(Part::UrlOriginal), has(Part::UrlSplit)) {
        url(event, place);
    }
    if let (Some(place), None) = (has(Part::FilePath), has(Part::FileSplit)) {
        file(event, place);
    }
    if let (Some(place), None) = (has(Part::Executable), has(Part::ProcessName)) {
        let path = text(event, place);
        event.push_str(field::PROCESS_NAME, base_name(&path));
    }
    for (kind, field) in NAMES.related.iter().enumerate() {
        if let Some(field) = field {
            relate(
                event,
                *field,
                related.iter().filter(|(of, _)| *of == kind).map(|(_, place)| *place),
            );
        }
    }
}

fn text(event: &Event, place: usize) -> String {
    event.at(place).map(|value| value.to_text().into_owned()).unwrap_or_default()
}

fn relate(event: &mut Event, field: FieldId, places: impl Iterator<Item = usize>) {
    for place in places.take(RELATED_MAX) {
        let Some(Value::Str(value)) = event.at(place) else { continue };
        if value.is_empty() || event.all(field).any(|known| known == Value::Str(value)) {
            continue;
        }
        let value = value.to_owned();
        event.push_str(field, &value);
    }
}

/// `DOMAIN\user` is two fields.
fn domain(event: &mut Event) {
    let Some(name) = event.str(field::USER_NAME) else { return };
    let Some((domain, user)) = name.split_once('\\') else { return };
    let whole = !domain.is_empty() && !user.is_empty() && !user.contains('\\');
    if !whole || event.all(field::USER_NAME).count() > 1 || event.has(field::USER_DOMAIN) {
        return;
    }
    let (domain, user) = (domain.to_owned(), user.to_owned());
    event.set_str(field::USER_NAME, &user);
    event.push_str(field::USER_DOMAIN, &domain);
}

/// The part after the last slash of either kind.
pub fn base_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

fn file(event: &mut Event, place: usize) {
    let path = text(event, place);
    let name = base_name(&path);
    if name.is_empty() {
        return;
    }
    event.push_str(field::FILE_NAME, name);
    let folder = path.get(..path.len().saturating_sub(name.len() + 1)).unwrap_or("");
    event.fill_str(field::FILE_DIRECTORY, folder);
    if let Some((stem, extension)) = name.rsplit_once('.')
        && !stem.is_empty()
        && !extension.is_empty()
        && extension.len() <= 16
    {
        event.fill_str(field::FILE_EXTENSION, extension);
    }
}

/// RFC 3986, as far as logs keep to it: `[scheme://host[:port]]path[?query][#fragment]`.
fn url(event: &mut Event, place: usize) {
    let whole = text(event, place);
    let mut rest = whole.as_str();
    let fill = |event: &mut Event, field: Option<FieldId>, text: &str| {
        if let Some(field) = field {
            event.fill_str(field, text);
        }
    };
    if let Some((scheme, after)) = rest.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) {
        fill(event, NAMES.url_scheme, &scheme.to_ascii_lowercase());
        let end = after.find(['/', '?', '#']).unwrap_or(after.len());
        let (authority, path) = after.split_at_checked(end).unwrap_or((after, ""));
        let host = authority.rsplit('@').next().unwrap_or(authority);
        let host = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        fill(event, NAMES.url_domain, host.trim_matches(['[', ']']));
        rest = path;
    } else if !rest.starts_with('/') {
        return;
    }
    let rest = rest.split('#').next().unwrap_or(rest);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    fill(event, NAMES.url_path, path);
    fill(event, NAMES.url_query, query);
    if let Some((_, extension)) = base_name(path).rsplit_once('.')
        && !extension.is_empty()
        && extension.len() <= 16
    {
        fill(event, NAMES.url_extension, extension);
    }
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 16
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(fields: &[(&str, &str)]) -> Event {
        let mut event = Event::default();
        for (name, value) in fields {
            event.push_str(FieldId::intern(name).unwrap(), value);
        }
        fill(&mut event);
        event
    }

    fn all(event: &Event, name: &str) -> Vec<String> {
        let field = FieldId::intern(name).unwrap();
        event.all(field).map(|value| value.to_text().into_owned()).collect()
    }

    #[test]
    fn addresses_are_split() {
        let event = filled(&[("url.original", "https://bob@www.example.org:8443/a/b.php?x=1#top")]);
        for (name, value) in [
            ("url.scheme", "https"),
            ("url.domain", "www.example.org"),
            ("url.path", "/a/b.php"),
            ("url.query", "x=1"),
            ("url.extension", "php"),
        ] {
            assert_eq!(all(&event, name), [value], "{name}");
        }
        assert_eq!(all(&filled(&[("url.original", "/only/path")]), "url.path"), ["/only/path"]);
        assert!(all(&filled(&[("url.original", "example.org:443")]), "url.path").is_empty());
    }

    #[test]
    fn paths_of_both_kinds_have_names() {
        let event = filled(&[
            ("file.path", r"C:\Users\bob\run.EXE"),
            ("process.executable", "/usr/bin/id"),
        ]);
        assert_eq!(all(&event, "file.name"), ["run.EXE"]);
        assert_eq!(all(&event, "file.directory"), [r"C:\Users\bob"]);
        assert_eq!(all(&event, "file.extension"), ["EXE"]);
        assert_eq!(all(&event, "process.name"), ["id"]);
        assert_eq!(
            all(&filled(&[("file.path", "/etc/passwd"), ("file.name", "x")]), "file.name"),
            ["x"]
        );
    }

    #[test]
    fn accounts_are_split() {
        let event = filled(&[("user.name", r"CORP\bob")]);
        assert_eq!(
            (event.str(field::USER_NAME), event.str(field::USER_DOMAIN)),
            (Some("bob"), Some("CORP"))
        );
        assert_eq!(all(&event, "related.user"), ["bob"]);
    }

    #[test]
    fn related_values_stand_once() {
        let event = filled(&[
            ("source.ip", "192.0.2.1"),
            ("destination.ip", "192.0.2.1"),
            ("related.ip", "192.0.2.9"),
            ("user.name", "bob"),
            ("file.hash.md5", "d41d8cd98f00b204e9800998ecf8427e"),
        ]);
        assert_eq!(all(&event, "related.ip"), ["192.0.2.9", "192.0.2.1"]);
        assert_eq!(all(&event, "related.user"), ["bob"]);
        assert_eq!(all(&event, "related.hash").len(), 1);
    }
}
