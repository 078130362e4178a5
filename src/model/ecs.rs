//! The Elastic Common Schema: which names it has and of what type their values are.
//!
//! The table is `config/ecs/fields.csv`, embedded. Names of our own stand under the prefixes that [`EXTENSIONS`]
//! declares; a test holds everything that decoders emit against both.

use std::sync::LazyLock;

use ahash::AHashMap;

/// The version of the schema that the table holds.
pub const VERSION: &str = "9.4";

/// The type of a field's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Text.
    Keyword,
    /// A whole number.
    Long,
    /// A number with a fraction.
    Float,
    /// True or false.
    Boolean,
    /// An IPv4 or IPv6 address.
    Ip,
    /// An instant.
    Date,
    /// Further names follow; any are allowed.
    Object,
}

/// Prefixes (with the dot) and whole names beyond the schema.
pub const EXTENSIONS: &[(&str, &str)] = &[
    ("watchfloor.", "where an event came from"),
    ("winlog.", "what a Windows event says beyond ECS"),
    ("powershell.", "what PowerShell says beyond ECS, by winlogbeat's names"),
    ("auditd.", "what audit records say beyond ECS"),
    ("system.auth.", "log-in details of sshd, PAM and the account tools"),
    ("log.syslog.", "syslog header and structured data beyond ECS"),
    ("user.audit.", "the log-in user of the audit system"),
    ("session.id", "a log-in session of a host, where its log gives it a number"),
    ("powershell.", "script texts and engine data as shippers of Windows events name them"),
    ("gen_ai.", "OpenTelemetry's names for model calls beyond ECS"),
    ("otel.", "spans and log records of OpenTelemetry beyond ECS"),
    ("parent.id", "the span that a span belongs to"),
    ("azure.", "Azure and Entra records beyond ECS"),
    ("gcp.", "Google Cloud records beyond ECS"),
    ("cri.", "what container runtimes write before a line"),
    ("zeek.", "Zeek logs beyond ECS"),
    ("rule.level", "severity of a rule as its sensor names it"),
    ("event.time_problem", "why @timestamp is not what the record said"),
    ("event.repeats", "how often a repeated message stands for more events than are made"),
    ("log.offset", "place in the stream"),
];

static TABLE: LazyLock<AHashMap<&'static str, (Type, bool)>> = LazyLock::new(|| {
    include_str!("../../config/ecs/fields.csv").lines().filter_map(entry).collect()
});

fn entry(line: &'static str) -> Option<(&'static str, (Type, bool))> {
    let (name, kind) = line.split_once(',').filter(|_| !line.starts_with('#'))?;
    let list = kind.ends_with('*');
    let kind = match kind.trim_end_matches('*') {
        "keyword" => Type::Keyword,
        "long" => Type::Long,
        "float" => Type::Float,
        "boolean" => Type::Boolean,
        "ip" => Type::Ip,
        "date" => Type::Date,
        "object" | "geo_point" => Type::Object,
        _ => return None,
    };
    Some((name, (kind, list)))
}

/// The type of a name of the schema; `None`: it is not in it. Names below an object count as text.
pub fn type_of(name: &str) -> Option<Type> {
    if let Some((kind, _)) = TABLE.get(name) {
        return Some(*kind);
    }
    let mut rest = name;
    while let Some((above, _)) = rest.rsplit_once('.') {
        if TABLE.get(above).is_some_and(|(kind, _)| *kind == Type::Object) {
            return Some(Type::Keyword);
        }
        rest = above;
    }
    None
}

/// Does the schema say that the field holds a list?
pub fn is_list(name: &str) -> bool {
    TABLE.get(name).is_some_and(|(_, list)| *list)
}

/// Is the name one of our declared extensions?
pub fn is_extension(name: &str) -> bool {
    EXTENSIONS
        .iter()
        .any(|(known, _)| name == *known || (known.ends_with('.') && name.starts_with(known)))
}

/// Every name of the schema.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.keys().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_types() {
        for (name, kind) in [
            ("source.ip", Type::Ip),
            ("source.port", Type::Long),
            ("event.category", Type::Keyword),
            ("event.start", Type::Date),
            ("process.parent.pid", Type::Long),
            ("labels.environment", Type::Keyword),
            ("dns.answers.data", Type::Keyword),
        ] {
            assert_eq!(type_of(name), Some(kind), "{name}");
        }
        assert_eq!(type_of("winlog.channel"), None);
        assert!(is_extension("winlog.channel") && !is_extension("nobody.knows"));
        assert!(names().count() > 1_500);
    }
}
