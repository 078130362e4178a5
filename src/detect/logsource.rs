//! Which events a rule is for: its `logsource` as channel, provider, event code, class or program.
//!
//! An event code alone binds nothing: 4104 of another provider is another event. A logsource that names
//! something we do not read binds no event at all; its rules are counted as unbound.

use rsigma_parser::LogSource;

use crate::detect::channels::{POWERSHELL, SYSMON, home_channel, windows_channels};
use crate::detect::taxonomy::{self, Family};
use crate::model::class::Class;
use crate::model::event::{Event, Value};
use crate::model::field;

/// The operating system or product an event speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Product {
    /// Windows event logs.
    Windows,
    /// auditd, syslog of a Linux host, Sysmon for Linux.
    Linux,
}

/// What of an event decides which rules look at it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kind<'e> {
    /// The product, if it can be told.
    pub product: Option<Product>,
    /// `winlog.channel`, or for collected events the channel that the provider writes to.
    pub channel: &'e str,
    /// `winlog.provider_name`.
    pub provider: &'e str,
    /// `event.code` as a number.
    pub code: Option<u32>,
    /// The class given by the decoder.
    pub class: Class,
    /// The program that wrote a syslog line.
    pub program: &'e str,
    /// The syslog facility.
    pub facility: &'e str,
    /// Made of kernel audit records.
    pub audit: bool,
    /// `event.dataset`.
    pub dataset: &'e str,
}

impl<'e> Kind<'e> {
    /// Look at an event once.
    pub fn of(event: &'e Event) -> Kind<'e> {
        let mut kind = Kind { class: event.class, ..Kind::default() };
        let mut system = "";
        for (at, id) in event.places().enumerate() {
            let text = || event.at(at).and_then(Value::as_str).unwrap_or_default();
            match id {
                field::WINLOG_CHANNEL => kind.channel = text(),
                field::WINLOG_PROVIDER_NAME => kind.provider = text(),
                field::EVENT_CODE => {
                    let code = event.at(at).and_then(Value::as_int);
                    kind.code = code.and_then(|code| u32::try_from(code).ok());
                }
                field::SYSLOG_APPNAME => kind.program = text(),
                field::SYSLOG_FACILITY => kind.facility = text(),
                field::AUDITD_TYPE => kind.audit = true,
                field::EVENT_DATASET => kind.dataset = text(),
                field::HOST_OS_TYPE => system = text(),
                _ => {}
            }
        }
        kind.product = kind.tell_product(system);
        if kind.channel.is_empty() || kind.channel.eq_ignore_ascii_case("ForwardedEvents") {
            kind.channel = home_channel(kind.provider, kind.code).unwrap_or(kind.channel);
        }
        kind
    }

    fn tell_product(&self, system: &str) -> Option<Product> {
        if self.provider.eq_ignore_ascii_case("Linux-Sysmon") || self.audit {
            Some(Product::Linux)
        } else if !self.channel.is_empty() || !self.provider.is_empty() || system == "windows" {
            Some(Product::Windows)
        } else if !self.program.is_empty() || system == "linux" {
            Some(Product::Linux)
        } else {
            None
        }
    }
}

/// One way in which an event can be what a category or service names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Form {
    /// Any of these channels (any at all, if empty).
    pub channels: &'static [&'static str],
    /// Any of these providers.
    pub providers: &'static [&'static str],
    /// Any of these event codes.
    pub codes: &'static [u32],
    /// Any of these classes.
    pub classes: &'static [Class],
    /// None of these classes.
    pub not_classes: &'static [Class],
    /// Any of these programs (compared without case), or…
    pub programs: &'static [&'static str],
    /// …any of these facilities.
    pub facilities: &'static [&'static str],
    /// Made of kernel audit records.
    pub audit: bool,
    /// Written by some program to syslog.
    pub syslog: bool,
    /// Any of these data sets.
    pub datasets: &'static [&'static str],
}

impl Form {
    fn fits(&self, kind: &Kind<'_>) -> bool {
        let named =
            |list: &[&str], text: &str| list.iter().any(|name| name.eq_ignore_ascii_case(text));
        (self.codes.is_empty() || kind.code.is_some_and(|code| self.codes.contains(&code)))
            && (self.classes.is_empty() || self.classes.contains(&kind.class))
            && !self.not_classes.contains(&kind.class)
            && (!self.audit || kind.audit)
            && (!self.syslog || !kind.program.is_empty())
            && (self.datasets.is_empty() || self.datasets.contains(&kind.dataset))
            && (self.channels.is_empty() || named(self.channels, kind.channel))
            && (self.providers.is_empty() || named(self.providers, kind.provider))
            && (self.programs.is_empty() && self.facilities.is_empty()
                || named(self.programs, kind.program)
                || named(self.facilities, kind.facility))
    }
}

/// What a logsource means: the product, and one form of the category and one of the service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Binding {
    product: Option<Product>,
    category: Vec<Form>,
    service: Vec<Form>,
    namespaces: &'static [&'static str],
}

impl Binding {
    /// The binding of a logsource, or `None` if nothing that we read is meant.
    pub fn of(source: &LogSource) -> Option<Binding> {
        let lower = |text: &Option<String>| text.as_deref().map(str::to_ascii_lowercase);
        let (product, category, service) =
            (lower(&source.product), lower(&source.category), lower(&source.service));
        let product = match product.as_deref() {
            None => None,
            Some("windows") => Some(Product::Windows),
            Some("linux") => Some(Product::Linux),
            Some(other) => {
                let family = taxonomy::product(other, category.as_deref(), service.as_deref());
                return family.map(Binding::family);
            }
        };
        if product.is_none() && category.is_none() && service.is_none() {
            return None;
        }
        let forms = |word: &Option<String>,
                     meaning: fn(Option<Product>, &str) -> Option<Vec<Form>>| {
            match word {
                None => Some(Vec::new()),
                Some(word) => meaning(product, word),
            }
        };
        let named = category.as_deref().into_iter().chain(service.as_deref());
        let namespaces = match product {
            None => named.filter_map(taxonomy::word).map(|family| family.namespaces).next(),
            Some(_) => None,
        };
        Some(Binding {
            product,
            category: forms(&category, category_forms)?,
            service: forms(&service, service_forms)?,
            namespaces: namespaces.unwrap_or_default(),
        })
    }

    fn family(family: Family) -> Binding {
        Binding {
            product: None,
            category: Vec::new(),
            service: vec![of_datasets(family.datasets)],
            namespaces: family.namespaces,
        }
    }

    /// Prefixes of the fields that hold what a record of this kind said itself.
    pub fn namespaces(&self) -> &'static [&'static str] {
        self.namespaces
    }

    /// The only data sets whose events can fit, if the binding names data sets.
    pub fn datasets(&self) -> Option<Vec<&'static str>> {
        let named = |forms: &[Form]| {
            let all = !forms.is_empty() && forms.iter().all(|form| !form.datasets.is_empty());
            all.then(|| forms.iter().flat_map(|form| form.datasets.iter().copied()).collect())
        };
        named(&self.service).or_else(|| named(&self.category))
    }

    /// Is an event of this kind meant?
    pub fn fits(&self, kind: &Kind<'_>) -> bool {
        let one_of = |forms: &[Form]| forms.is_empty() || forms.iter().any(|form| form.fits(kind));
        self.product.is_none_or(|product| kind.product == Some(product))
            && one_of(&self.category)
            && one_of(&self.service)
    }

    /// The only channels whose events can fit, if the binding names channels.
    pub fn channels(&self) -> Option<Vec<&'static str>> {
        let named = |forms: &[Form]| {
            let all = !forms.is_empty() && forms.iter().all(|form| !form.channels.is_empty());
            all.then(|| {
                forms.iter().flat_map(|form| form.channels.iter().copied()).collect::<Vec<_>>()
            })
        };
        named(&self.service).or_else(|| named(&self.category))
    }
}

fn sysmon(codes: &'static [u32]) -> Form {
    Form { channels: &[SYSMON], codes, ..Form::default() }
}

fn of_datasets(datasets: &'static [&'static str]) -> Form {
    Form { datasets, ..Form::default() }
}

fn classes(classes: &'static [Class]) -> Vec<Form> {
    vec![Form { classes, ..Form::default() }]
}

fn category_forms(product: Option<Product>, word: &str) -> Option<Vec<Form>> {
    match product {
        Some(Product::Windows) => windows_category(word),
        Some(Product::Linux) => Some(classes(match word {
            "process_creation" => &[Class::ProcessStart],
            "process_termination" => &[Class::ProcessStop],
            "network_connection" => &[Class::NetworkConnect],
            "file_event" => &[Class::FileCreate, Class::FileModify],
            "file_change" => &[Class::FileModify],
            "file_rename" => &[Class::FileRename],
            "file_delete" => &[Class::FileDelete],
            "dns_query" | "dns" => &[Class::Dns],
            "webserver" => &[Class::WebRequest],
            _ => return None,
        })),
        None => match word {
            "process_creation" => Some(classes(&[Class::ProcessStart])),
            "network_connection" => Some(classes(&[Class::NetworkConnect])),
            "file_event" => Some(classes(&[Class::FileCreate, Class::FileModify])),
            "webserver" => Some(classes(&[Class::WebRequest])),
            "dns" => Some(classes(&[Class::Dns])),
            word => taxonomy::word(word).map(|family| vec![of_datasets(family.datasets)]),
        },
    }
}

fn windows_category(word: &str) -> Option<Vec<Form>> {
    let security = |codes| Form { channels: &["Security"], codes, ..Form::default() };
    let powershell = |codes| Form { channels: POWERSHELL, codes, ..Form::default() };
    let classic = |codes| Form { channels: &["Windows PowerShell"], codes, ..Form::default() };
    let kernel_file = || Form { providers: &["Microsoft-Windows-Kernel-File"], ..Form::default() };
    let form = match word {
        "process_creation" => return Some(vec![sysmon(&[1]), security(&[4688])]),
        "process_termination" => return Some(vec![sysmon(&[5]), security(&[4689])]),
        "file_change" => sysmon(&[2]),
        "network_connection" => sysmon(&[3]),
        "sysmon_status" => sysmon(&[4, 16]),
        "sysmon_error" => sysmon(&[255]),
        "driver_load" => sysmon(&[6]),
        "image_load" => sysmon(&[7]),
        "create_remote_thread" => sysmon(&[8]),
        "raw_access_thread" | "raw_access_read" => sysmon(&[9]),
        "process_access" => sysmon(&[10]),
        "file_event" => sysmon(&[11]),
        "registry_event" => sysmon(&[12, 13, 14]),
        "registry_add" => Form { not_classes: &[Class::RegistryDelete], ..sysmon(&[12]) },
        "registry_delete" => Form { classes: &[Class::RegistryDelete], ..sysmon(&[12]) },
        "registry_set" => sysmon(&[13]),
        "registry_rename" => sysmon(&[14]),
        "create_stream_hash" => sysmon(&[15]),
        "pipe_created" => sysmon(&[17, 18]),
        "wmi_event" => sysmon(&[19, 20, 21]),
        "dns_query" | "dns" => sysmon(&[22]),
        "file_delete" => sysmon(&[23, 26]),
        "clipboard_capture" => sysmon(&[24]),
        "process_tampering" => sysmon(&[25]),
        "file_block" | "file_block_executable" => sysmon(&[27]),
        "file_block_shredding" => sysmon(&[28]),
        "file_executable_detected" => sysmon(&[29]),
        "ps_module" => powershell(&[4103]),
        "ps_script" => powershell(&[4104]),
        "ps_classic_start" => classic(&[400]),
        "ps_classic_provider_start" => classic(&[600]),
        "ps_classic_script" => classic(&[800]),
        // Hardly anybody records what the kernel's provider says; the audit of file objects says the same.
        "file_access" => {
            return Some(vec![Form { codes: &[12], ..kernel_file() }, security(&[4663])]);
        }
        "file_rename" => Form { codes: &[19, 27], ..kernel_file() },
        "webserver" => Form { classes: &[Class::WebRequest], ..Form::default() },
        _ => return None,
    };
    Some(vec![form])
}

fn service_forms(product: Option<Product>, word: &str) -> Option<Vec<Form>> {
    match product {
        Some(Product::Windows) => {
            let channels = windows_channels(word)?;
            Some(vec![Form { channels, ..Form::default() }])
        }
        Some(Product::Linux) => linux_service(word).map(|form| vec![form]),
        None => {
            let program = linux_service(word);
            let data = taxonomy::word(word).map(|family| of_datasets(family.datasets));
            let forms: Vec<Form> = program.into_iter().chain(data).collect();
            (!forms.is_empty()).then_some(forms)
        }
    }
}

fn linux_service(word: &str) -> Option<Form> {
    let programs = |programs| Form { programs, ..Form::default() };
    Some(match word {
        "auditd" => Form { audit: true, ..Form::default() },
        "sshd" => programs(&["sshd", "sshd-session", "sshd-auth"]),
        "sudo" => programs(&["sudo"]),
        "cron" => programs(&["cron", "crond", "anacron", "crontab"]),
        "vsftpd" => programs(&["vsftpd"]),
        "clamav" => programs(&["clamd", "clamav", "clamscan", "freshclam"]),
        "guacamole" => programs(&["guacd", "guacamole"]),
        "apache" => programs(&["apache", "apache2", "httpd"]),
        "nginx" => programs(&["nginx"]),
        "modsecurity" => programs(&["modsecurity", "apache2", "httpd", "nginx"]),
        "auth" => Form {
            programs: &[
                "sshd",
                "sshd-session",
                "sudo",
                "su",
                "login",
                "passwd",
                "useradd",
                "userdel",
                "usermod",
                "groupadd",
                "groupdel",
                "chage",
                "polkitd",
                "pkexec",
                "systemd-logind",
                "gdm-password]",
                "lightdm",
            ],
            facilities: &["auth", "authpriv", "security"],
            ..Form::default()
        },
        "syslog" => Form { syslog: true, ..Form::default() },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(product: &str, category: &str, service: &str) -> Option<Binding> {
        let word = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Binding::of(&LogSource {
            product: word(product),
            category: word(category),
            service: word(service),
            ..LogSource::default()
        })
    }

    fn windows(channel: &str, provider: &str, code: i64) -> Event {
        let mut event = Event::with_capacity(4, 64);
        event.push_str(field::WINLOG_CHANNEL, channel);
        event.push_str(field::WINLOG_PROVIDER_NAME, provider);
        event.push_int(field::EVENT_CODE, code);
        event
    }

    #[test]
    fn an_event_code_alone_never_crosses_providers() {
        let process = binding("windows", "process_creation", "").unwrap();
        let sysmon = windows(SYSMON, "Microsoft-Windows-Sysmon", 1);
        let security = windows("Security", "Microsoft-Windows-Security-Auditing", 4688);
        let other = windows("Application", "Somebody", 1);
        assert!(process.fits(&Kind::of(&sysmon)));
        assert!(process.fits(&Kind::of(&security)));
        assert!(!process.fits(&Kind::of(&other)));
        let scripts = binding("windows", "ps_script", "").unwrap();
        assert!(!scripts.fits(&Kind::of(&windows("System", "Other", 4104))));
    }

    #[test]
    fn access_to_files_is_what_their_audit_says() {
        let access = binding("windows", "file_access", "").unwrap();
        let auditing = "Microsoft-Windows-Security-Auditing";
        assert!(access.fits(&Kind::of(&windows("Security", auditing, 4663))));
        assert!(!access.fits(&Kind::of(&windows("Security", auditing, 4656))));
    }

    #[test]
    fn collected_events_find_their_channel_by_provider() {
        let forwarded = windows("ForwardedEvents", "Microsoft-Windows-Sysmon", 1);
        assert!(binding("windows", "", "sysmon").unwrap().fits(&Kind::of(&forwarded)));
        assert!(!binding("windows", "", "security").unwrap().fits(&Kind::of(&forwarded)));
    }

    #[test]
    fn linux_services_go_by_program_and_products_do_not_mix() {
        let mut line = Event::with_capacity(2, 32);
        line.push_str(field::SYSLOG_APPNAME, "sshd");
        assert!(binding("linux", "", "sshd").unwrap().fits(&Kind::of(&line)));
        assert!(binding("linux", "", "auth").unwrap().fits(&Kind::of(&line)));
        assert!(!binding("linux", "", "cron").unwrap().fits(&Kind::of(&line)));
        assert!(!binding("windows", "", "security").unwrap().fits(&Kind::of(&line)));
    }

    #[test]
    fn what_we_do_not_read_is_unbound() {
        for (product, category, service) in
            [("aws", "", "nonsense"), ("qualys", "", ""), ("windows", "nonsense", ""), ("", "", "")]
        {
            assert!(
                binding(product, category, service).is_none(),
                "{product} {category} {service}"
            );
        }
    }
}
