//! The kinds of Windows event that we know: per provider and event id, what happened and which event data goes
//! to which ECS field. Pure tables are in the files that [`TABLES`] names; here they are compiled once for the
//! process.

use ahash::AHashMap;

use crate::model::class::Class;
use crate::model::field::FieldId;
use crate::model::windows_fields::{EVENT_DATA, moved_to};
use crate::normalise::windows::{
    application, network, policy, powershell, protection, security, sysmon, system, tasks,
};

/// How a value of event data becomes an ECS value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The same text.
    Copy,
    /// A whole number, decimal or `0x…`.
    Number,
    /// An address.
    Ip,
    /// An address with or without a port: the port to the second field.
    Endpoint(FieldId),
    /// A GUID without braces, lower case.
    Guid,
    /// `DOMAIN\name`: the name here, the domain to the `domain` beside it.
    Account,
    /// `CN=name,OU=…` or `example.org/Users/name`: the name.
    Member,
    /// A program: its path here, its base name to the second field.
    Program(FieldId),
    /// `C:\a.exe (HOST)`: as [`How::Program`].
    ProgramOn(FieldId),
    /// A file: its path here; name, directory and extension beside.
    File,
    /// `file:_C:\a; containerfile:_C:\b`: the first file as [`How::File`].
    Scanned,
    /// A registry path: hive, key and value beside.
    Registry,
    /// `SHA1=…,MD5=…`, or a bare digest: split to the fields of a process, a file or a library.
    Hashes(HashesOf),
    /// An IANA protocol number or a name: its lower-case name.
    Transport,
    /// Sysmon's `Initiated`: `egress` or `ingress`.
    Initiated,
    /// The filtering platform's direction: `egress` or `ingress`.
    Direction,
    /// A mandatory label's SID: `Low`, `Medium`, `High`, `System`.
    Integrity,
    /// `a;b;c` or `type: 5 a;…`: each a value.
    Answers,
    /// The number of a DNS record type: its name.
    RecordType,
    /// The text between two marks, which is an address.
    Between(&'static str, &'static str),
    /// Also kept as event data of this name: what an unnamed value of a classic log is called.
    Named(&'static str),
}

/// What a list of hashes describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashesOf {
    /// `process.hash.*`
    Process,
    /// `file.hash.*`
    File,
    /// `dll.hash.*`
    Dll,
}

/// How to tell success from failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// By the audit keywords, if there are any.
    Keywords,
    /// `Status` is `0x0` or not; a failed logon becomes [`Class::LogonFailure`].
    Status,
    /// Always this.
    Always(&'static str),
}

/// [`Outcome::Keywords`], in tables.
pub const AUDIT: Outcome = Outcome::Keywords;
/// [`Outcome::Status`], in tables.
pub const STATUS: Outcome = Outcome::Status;
/// Always success, in tables.
pub const SUCCESS: Outcome = Outcome::Always("success");
/// Always failure, in tables.
pub const FAILURE: Outcome = Outcome::Always("failure");

/// One mapping: (name in event data, how, field). The name `#0` means the first unnamed value, `#1` the second, …
pub type Map = (&'static str, How, FieldId);

/// A kind of event as written in the tables.
pub struct Spec {
    /// The event ids.
    pub codes: &'static [u32],
    /// The class.
    pub class: Class,
    /// `event.category`.
    pub category: &'static [&'static str],
    /// `event.type`.
    pub types: &'static [&'static str],
    /// `event.action`.
    pub action: &'static str,
    /// `event.outcome`.
    pub outcome: Outcome,
    /// Groups of mappings; of two for one field the first with a value counts.
    pub maps: &'static [&'static [Map]],
}

/// Rows of a table of kinds: ids, class, category, type, action, outcome, groups of mappings.
macro_rules! kinds {
    ($($codes:tt $class:ident $category:tt $types:tt $action:literal $outcome:ident $maps:tt;)*) => {
        &[$($crate::normalise::windows::kinds::Spec {
            codes: &$codes,
            class: $crate::model::class::Class::$class,
            category: &$category,
            types: &$types,
            action: $action,
            outcome: $crate::normalise::windows::kinds::$outcome,
            maps: &$maps,
        },)*]
    };
}
pub(crate) use kinds;

/// The events of one provider, or of a few that write the same.
pub struct Family {
    /// The providers' names; compared without case.
    pub providers: &'static [&'static str],
    /// The account that the record itself names is who did it, where event data names none.
    pub by_reporter: bool,
    /// What each event id means.
    pub kinds: &'static [Spec],
}

/// A family whose record's own account says nothing.
pub const fn family(providers: &'static [&'static str], kinds: &'static [Spec]) -> Family {
    Family { providers, by_reporter: false, kinds }
}

/// A family whose record's own account is who did it.
pub const fn by_reporter(providers: &'static [&'static str], kinds: &'static [Spec]) -> Family {
    Family { providers, by_reporter: true, kinds }
}

/// A table of kinds, in the file of its name.
pub struct Table {
    /// The file's name, and the family's word in lists of formats.
    pub name: &'static str,
    /// What it is about, for a person.
    pub what: &'static str,
    /// Its providers and their kinds.
    pub families: &'static [Family],
}

const fn table(name: &'static str, what: &'static str, families: &'static [Family]) -> Table {
    Table { name, what, families }
}

/// Every table.
pub const TABLES: &[Table] = &[
    table("sysmon", "Sysmon 1 to 29 and 255, for Windows and Linux", sysmon::FAMILIES),
    table(
        "security",
        "Security: logons, tickets, accounts, processes, objects",
        security::FAMILIES,
    ),
    table("policy", "Security: audit and domain policy, firewall, keys, devices", policy::FAMILIES),
    table("powershell", "PowerShell, both logs, script blocks joined", powershell::FAMILIES),
    table(
        "system",
        "System: services, start and stop, drivers, updates, directory",
        system::FAMILIES,
    ),
    table(
        "network",
        "DNS, BITS, firewall, SMB, remote desktop, WinRM, SSH, NTLM",
        network::FAMILIES,
    ),
    table("protection", "Defender, AppLocker, code integrity, mitigations", protection::FAMILIES),
    table("tasks", "task scheduler, WMI, packages, printing, IIS, Exchange", tasks::FAMILIES),
    table("application", "installers, crashes, SQL Server, databases", application::FAMILIES),
];

/// One compiled mapping.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// How.
    pub how: How,
    /// Where to.
    pub to: FieldId,
    /// The ECS field stands for the event data field when it has the same text.
    pub moved: bool,
}

/// A compiled kind.
pub struct Kind {
    /// As written.
    pub spec: &'static Spec,
    /// The table of [`TABLES`] it is from.
    pub family: &'static str,
    /// The account that the record itself names is who did it, where event data names none.
    pub by_reporter: bool,
    /// Sorted by the event data field.
    rules: Vec<(FieldId, Rule)>,
    /// For unnamed values, by place.
    unnamed: Vec<Option<Rule>>,
}

impl Kind {
    /// What to do with an event data field.
    pub fn rule(&self, data: FieldId) -> Option<Rule> {
        let at = self.rules.binary_search_by_key(&data, |(field, _)| *field).ok()?;
        self.rules.get(at).map(|(_, rule)| *rule)
    }

    /// What to do with the unnamed value at a place.
    pub fn unnamed(&self, place: usize) -> Option<Rule> {
        self.unnamed.get(place).copied().flatten()
    }

    fn new(spec: &'static Spec, family: &'static str, by_reporter: bool) -> Kind {
        let mut kind = Kind { spec, family, by_reporter, rules: Vec::new(), unnamed: Vec::new() };
        for (name, how, to) in spec.maps.iter().copied().flatten() {
            let to = match how {
                How::Named(name) => FieldId::intern(&format!("{EVENT_DATA}{name}")),
                _ => Some(*to),
            };
            let Some(to) = to else { continue };
            let place = name.strip_prefix('#').and_then(|place| place.parse::<usize>().ok());
            let rule = Rule { how: *how, to, moved: moved_to(name) == Some(to.name()) };
            // winlogbeat gives unnamed values the names param1, param2, …
            let name = match place {
                Some(place) => {
                    let more = (place + 1).max(kind.unnamed.len());
                    kind.unnamed.resize(more, None);
                    if let Some(slot) = kind.unnamed.get_mut(place) {
                        slot.get_or_insert(rule);
                    }
                    format!("{EVENT_DATA}param{}", place + 1)
                }
                None => format!("{EVENT_DATA}{name}"),
            };
            kind.rules.extend(FieldId::intern(&name).map(|data| (data, rule)));
        }
        kind.rules.sort_by_key(|(data, _)| *data);
        kind.rules.dedup_by_key(|(data, _)| *data);
        kind
    }
}

/// A provider that some table names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProviderId(u16);

/// Every kind, by provider and event id.
pub struct Kinds {
    providers: AHashMap<&'static str, ProviderId>,
    by_code: AHashMap<(ProviderId, u32), usize>,
    kinds: Vec<Kind>,
}

/// Longer names of providers are none that we know.
const PROVIDER_BYTES_MAX: usize = 96;
/// An instance of SQL Server is a provider of its own.
const SQL_INSTANCE: &str = "mssql$";

impl Default for Kinds {
    fn default() -> Kinds {
        let mut all =
            Kinds { providers: AHashMap::new(), by_code: AHashMap::new(), kinds: Vec::new() };
        for table in TABLES {
            table.families.iter().for_each(|family| all.add(table.name, family));
        }
        all
    }
}

impl std::fmt::Debug for Kinds {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Kinds({})", self.kinds.len())
    }
}

impl Kinds {
    /// The kind of an event, if we know it.
    pub fn find(&self, provider: &str, code: u32) -> Option<&Kind> {
        let at = self.by_code.get(&(self.provider(provider)?, code))?;
        self.kinds.get(*at)
    }

    /// The provider of this name, written in any case.
    fn provider(&self, name: &str) -> Option<ProviderId> {
        let mut lower = [0_u8; PROVIDER_BYTES_MAX];
        let lower = lower.get_mut(..name.len())?;
        lower.copy_from_slice(name.as_bytes());
        lower.make_ascii_lowercase();
        let lower = std::str::from_utf8(lower).ok()?;
        let lower = if lower.starts_with(SQL_INSTANCE) { "mssqlserver" } else { lower };
        self.providers.get(lower).copied()
    }

    fn add(&mut self, name: &'static str, family: &Family) {
        let mut providers = Vec::new();
        for name in family.providers {
            let next = ProviderId(u16::try_from(self.providers.len()).unwrap_or(u16::MAX));
            providers.push(*self.providers.entry(name).or_insert(next));
        }
        for spec in family.kinds {
            let at = self.kinds.len();
            for provider in &providers {
                for code in spec.codes {
                    self.by_code.insert((*provider, *code), at);
                }
            }
            self.kinds.push(Kind::new(spec, name, family.by_reporter));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::field;

    const AUDITING: &str = "Microsoft-Windows-Security-Auditing";

    #[test]
    fn providers_do_not_share_event_ids() {
        let kinds = Kinds::default();
        let class = |provider, code| kinds.find(provider, code).map(|kind| kind.spec.class);
        assert_eq!(class("Microsoft-Windows-Sysmon", 1), Some(Class::ProcessStart));
        assert_eq!(class(AUDITING, 1), None);
        assert_eq!(class(AUDITING, 4688), Some(Class::ProcessStart));
        assert_eq!(class("microsoft-windows-SECURITY-auditing", 4688), Some(Class::ProcessStart));
        assert_eq!(class("Microsoft-Windows-Sysmon", 4688), None);
        assert_eq!(class("MSSQL$RADAR", 18456), Some(Class::LogonFailure));
        assert_eq!(class("nobody", 1), None);
        assert_eq!(class(&"x".repeat(PROVIDER_BYTES_MAX + 1), 1), None);
    }

    #[test]
    fn a_field_is_moved_only_where_the_common_table_says_so() {
        let kinds = Kinds::default();
        let kind = kinds.find(AUDITING, 4688).unwrap();
        let rule = |name: &str| kind.rule(FieldId::intern(&format!("{EVENT_DATA}{name}")).unwrap());
        let creator = rule("ProcessId").unwrap();
        assert_eq!((creator.to, creator.moved), (field::PROCESS_PARENT_PID, false));
        assert!(rule("NewProcessName").unwrap().moved);
        assert!(rule("Unknown").is_none());
    }

    #[test]
    fn unnamed_values_go_by_their_place() {
        let kinds = Kinds::default();
        let kind = kinds.find("MSSQLSERVER", 18456).unwrap();
        assert_eq!(kind.unnamed(0).unwrap().to, field::USER_NAME);
        let first = FieldId::intern(&format!("{EVENT_DATA}param1")).unwrap();
        assert_eq!(kind.rule(first).unwrap().to, field::USER_NAME);
        assert!(kind.unnamed(99).is_none());
    }

    #[test]
    fn every_event_id_stands_once_per_provider() {
        let mut seen = BTreeSet::new();
        for family in TABLES.iter().flat_map(|table| table.families) {
            for provider in family.providers {
                assert!(provider.len() <= PROVIDER_BYTES_MAX);
                assert_eq!(*provider, provider.to_ascii_lowercase());
                for code in family.kinds.iter().flat_map(|spec| spec.codes) {
                    assert!(seen.insert((*provider, *code)), "{provider} {code} stands twice");
                }
            }
        }
    }

    /// What ECS allows for `event.category` and `event.type`.
    const CATEGORIES: &[&str] = &[
        "api",
        "authentication",
        "configuration",
        "database",
        "driver",
        "email",
        "file",
        "host",
        "iam",
        "intrusion_detection",
        "library",
        "malware",
        "network",
        "package",
        "process",
        "registry",
        "session",
        "threat",
        "vulnerability",
        "web",
    ];
    const TYPES: &[&str] = &[
        "access",
        "admin",
        "allowed",
        "change",
        "connection",
        "creation",
        "deletion",
        "denied",
        "end",
        "error",
        "group",
        "indicator",
        "info",
        "installation",
        "protocol",
        "start",
        "user",
    ];

    #[test]
    fn categories_and_types_are_words_of_ecs() {
        for kind in Kinds::default().kinds {
            let spec = kind.spec;
            assert!(spec.category.iter().all(|word| CATEGORIES.contains(word)), "{}", spec.action);
            assert!(spec.types.iter().all(|word| TYPES.contains(word)), "{}", spec.action);
            assert!(!spec.category.is_empty() && !spec.types.is_empty(), "{}", spec.action);
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(spec.action.chars().all(plain), "{}", spec.action);
        }
    }
}
