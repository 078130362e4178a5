//! The kinds of Windows event that we know: per provider and event id, what happened and which event data goes
//! to which ECS field. Pure tables are in [`sysmon`](super::sysmon), [`security`](super::security) and
//! [`others`](super::others); here they are compiled once for the process.

use ahash::AHashMap;

use crate::model::class::Class;
use crate::model::field::FieldId;
use crate::model::windows_fields::{EVENT_DATA, moved_to};
use crate::normalise::windows::{others, security, sysmon};

/// How a value of event data becomes an ECS value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The same text.
    Copy,
    /// A whole number, decimal or `0x…`.
    Number,
    /// An address.
    Ip,
    /// A GUID without braces, lower case.
    Guid,
    /// `DOMAIN\name`: the name here, the domain to `user.domain`.
    Account,
    /// A program: its path here, its base name to the second field.
    Program(FieldId),
    /// A file: its path here; name, directory and extension beside.
    File,
    /// A registry path: hive, key and value beside.
    Registry,
    /// `SHA1=…,MD5=…`: split to the fields of a process, a file or a library.
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

/// One mapping: (name in event data, how, field).
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
    /// Sorted by the event data field.
    rules: Vec<(FieldId, Rule)>,
}

impl Kind {
    /// What to do with an event data field.
    pub fn rule(&self, data: FieldId) -> Option<Rule> {
        let at = self.rules.binary_search_by_key(&data, |(field, _)| *field).ok()?;
        self.rules.get(at).map(|(_, rule)| *rule)
    }
}

/// Every kind, by provider and event id.
pub struct Kinds {
    by_code: AHashMap<(Provider, u32), usize>,
    kinds: Vec<Kind>,
}

impl Default for Kinds {
    fn default() -> Kinds {
        let mut all = Kinds { by_code: AHashMap::new(), kinds: Vec::new() };
        all.add(Provider::Sysmon, sysmon::KINDS);
        all.add(Provider::Security, security::KINDS);
        for (provider, kinds) in others::KINDS {
            all.add(*provider, kinds);
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
    pub fn find(&self, provider: Option<Provider>, code: u32) -> Option<&Kind> {
        let at = self.by_code.get(&(provider?, code))?;
        self.kinds.get(*at)
    }

    fn add(&mut self, provider: Provider, specs: &'static [Spec]) {
        for spec in specs {
            let mut rules = Vec::new();
            for (name, how, to) in spec.maps.iter().copied().flatten() {
                let Some(data) = FieldId::intern(&format!("{EVENT_DATA}{name}")) else { continue };
                let moved = moved_to(name) == Some(to.name());
                rules.push((data, Rule { how: *how, to: *to, moved }));
            }
            rules.sort_by_key(|(data, _)| *data);
            rules.dedup_by_key(|(data, _)| *data);
            for code in spec.codes {
                self.by_code.insert((provider, *code), self.kinds.len());
            }
            self.kinds.push(Kind { spec, rules });
        }
    }
}

/// The providers whose events we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Sysmon, for Windows and Linux.
    Sysmon,
    /// Security auditing, and the event log service's own events in the Security log.
    Security,
    /// The event log service.
    EventLog,
    /// The service control manager.
    Services,
    /// Windows PowerShell, the classic log.
    PowerShellClassic,
    /// PowerShell, operational, also PowerShell Core.
    PowerShell,
    /// The task scheduler.
    TaskScheduler,
    /// WMI activity.
    Wmi,
    /// Windows Defender.
    Defender,
    /// Background transfers.
    Bits,
    /// The DNS client.
    DnsClient,
    /// Terminal services.
    TerminalServices,
    /// The firewall.
    Firewall,
}

impl Provider {
    /// By the provider's name.
    pub fn parse(name: &str) -> Option<Provider> {
        Some(match name {
            "Microsoft-Windows-Sysmon" | "Linux-Sysmon" => Provider::Sysmon,
            "Microsoft-Windows-Security-Auditing"
            | "Microsoft Windows security auditing."
            | "Security" => Provider::Security,
            "Microsoft-Windows-Eventlog" | "Eventlog" | "EventLog" => Provider::EventLog,
            "Service Control Manager" => Provider::Services,
            "PowerShell" => Provider::PowerShellClassic,
            "Microsoft-Windows-PowerShell" | "PowerShellCore" => Provider::PowerShell,
            "Microsoft-Windows-TaskScheduler" => Provider::TaskScheduler,
            "Microsoft-Windows-WMI-Activity" => Provider::Wmi,
            "Microsoft-Windows-Windows Defender" | "Microsoft Antimalware" | "Windows Defender" => {
                Provider::Defender
            }
            "Microsoft-Windows-Bits-Client" => Provider::Bits,
            "Microsoft-Windows-DNS-Client" => Provider::DnsClient,
            "Microsoft-Windows-TerminalServices-LocalSessionManager"
            | "Microsoft-Windows-TerminalServices-RemoteConnectionManager" => {
                Provider::TerminalServices
            }
            "Microsoft-Windows-Windows Firewall With Advanced Security" => Provider::Firewall,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::field;

    #[test]
    fn providers_do_not_share_event_ids() {
        let kinds = Kinds::default();
        let class = |provider, code| kinds.find(Some(provider), code).map(|kind| kind.spec.class);
        assert_eq!(class(Provider::Sysmon, 1), Some(Class::ProcessStart));
        assert_eq!(class(Provider::Security, 1), None);
        assert_eq!(class(Provider::Security, 4688), Some(Class::ProcessStart));
        assert_eq!(class(Provider::Sysmon, 4688), None);
        assert!(kinds.find(None, 1).is_none());
    }

    #[test]
    fn a_field_is_moved_only_where_the_common_table_says_so() {
        let kinds = Kinds::default();
        let kind = kinds.find(Some(Provider::Security), 4688).unwrap();
        let rule = |name: &str| kind.rule(FieldId::intern(&format!("{EVENT_DATA}{name}")).unwrap());
        let creator = rule("ProcessId").unwrap();
        assert_eq!((creator.to, creator.moved), (field::PROCESS_PARENT_PID, false));
        assert!(rule("NewProcessName").unwrap().moved);
        assert!(rule("Unknown").is_none());
    }

    #[test]
    fn every_event_id_stands_once_per_provider() {
        let count = |specs: &[Spec]| specs.iter().map(|spec| spec.codes.len()).sum::<usize>();
        let others: usize = others::KINDS.iter().map(|(_, specs)| count(specs)).sum();
        let written = count(sysmon::KINDS) + count(security::KINDS) + others;
        assert_eq!(Kinds::default().by_code.len(), written);
    }
}
