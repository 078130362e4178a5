//! `[[sources]]`: where records come from. One file a kind.

mod amqp;
mod file;
mod forward;
mod http;
mod journald;
mod kafka;
mod relp;
mod ssh;
mod syslog;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::config::reader::Reader;

pub use amqp::AmqpSource;
pub use file::{FileSource, From};
pub use forward::ForwardSource;
pub use http::HttpSource;
pub use journald::JournaldSource;
pub use kafka::{KafkaSource, SESSION_TIMEOUT};
pub use relp::RelpSource;
pub use ssh::SshSource;
pub use syslog::{SyslogProtocol, SyslogSource};

/// Canaries come no closer than this.
const CANARY_MIN: Duration = Duration::from_secs(1);

/// One configured source.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceConfig {
    /// Names the row in the ledger; unique.
    pub name: String,
    /// What it is.
    pub kind: SourceKind,
    /// `auto` or a name from `watchfloor formats list`.
    pub format: String,
    /// For records that do not name their host.
    pub host: HostRule,
    /// The zone of times that state none; `None`: UTC.
    pub timezone: Option<TimeZone>,
    /// Alias → the name to use, both lower case.
    pub host_aliases: BTreeMap<String, String>,
    /// Added to every event; the key `tenant` sets `organization.id`.
    pub labels: BTreeMap<String, String>,
    /// Its senders leave nothing out: a number that is missing is a record that is missing.
    pub complete: bool,
    /// How often a record of our own is sent down its path; `None`: never.
    pub canary: Option<Duration>,
}

/// The kinds of source.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceKind {
    /// Files and folders.
    File(FileSource),
    /// A queue of an AMQP broker.
    Amqp(Box<AmqpSource>),
    /// Topics of a Kafka cluster.
    Kafka(Box<KafkaSource>),
    /// Files on other machines.
    Ssh(SshSource),
    /// Standard input, read to its end.
    Stdin,
    /// What others send by HTTP or gRPC.
    Http(Box<HttpSource>),
    /// Syslog over UDP, TCP or TLS.
    Syslog(SyslogSource),
    /// rsyslog's protocol with acknowledgements.
    Relp(RelpSource),
    /// Fluentd's and Fluent Bit's protocol.
    Forward(ForwardSource),
    /// The systemd journal, live.
    Journald(JournaldSource),
}

/// How to name the host of records that do not say.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum HostRule {
    /// Records name it, or it stays empty… for live files of this machine: its host name.
    #[default]
    Record,
    /// Always this one: `host = "name"`.
    Fixed(String),
    /// The n-th component of the path from its end, 1 = the file's folder: `host_from_path = 1`.
    PathComponent(usize),
}

impl SourceConfig {
    /// A file source with every default, as the command line makes them.
    pub fn files(name: &str, paths: Vec<PathBuf>) -> SourceConfig {
        let paths = paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        SourceConfig {
            name: name.to_owned(),
            kind: SourceKind::File(FileSource { paths, ..FileSource::default() }),
            format: "auto".to_owned(),
            host: HostRule::default(),
            timezone: None,
            host_aliases: BTreeMap::new(),
            labels: BTreeMap::new(),
            complete: false,
            canary: None,
        }
    }
}

/// Reads the keys of one kind.
type ReadKind = fn(&mut Reader, usize) -> SourceKind;

/// Take the keys of the `index`-th `[[sources]]`.
pub fn read(reader: &mut Reader, index: usize) -> SourceConfig {
    let key = |name: &str| format!("sources[{index}].{name}");
    let name = reader.text(&key("name"), "", "Names the row in the ledger; unique.");
    if name.is_empty() {
        let hint = "for example name = \"auth\"".to_owned();
        reader.complain(&key("name"), "every source needs a name".to_owned(), hint);
    }
    let kinds: [(&str, ReadKind); 10] = [
        ("file", |reader, index| SourceKind::File(file::read(reader, index))),
        ("amqp", |reader, index| SourceKind::Amqp(Box::new(amqp::read(reader, index)))),
        ("kafka", |reader, index| SourceKind::Kafka(Box::new(kafka::read(reader, index)))),
        ("ssh", |reader, index| SourceKind::Ssh(ssh::read(reader, index))),
        ("stdin", |_, _| SourceKind::Stdin),
        ("http", |reader, index| SourceKind::Http(Box::new(http::read(reader, index)))),
        ("syslog", |reader, index| SourceKind::Syslog(syslog::read(reader, index))),
        ("relp", |reader, index| SourceKind::Relp(relp::read(reader, index))),
        ("forward", |reader, index| SourceKind::Forward(forward::read(reader, index))),
        ("journald", |reader, index| SourceKind::Journald(journald::read(reader, index))),
    ];
    let read_kind = reader.choice(&key("type"), "file", &kinds, "What the source is.");
    if read_kind.is_none() {
        reader.leave(&format!("sources[{index}]"));
    }
    let kind = read_kind.map_or(SourceKind::Stdin, |read| read(reader, index));
    SourceConfig {
        kind,
        format: reader.text(
            &key("format"),
            "auto",
            "`auto` or a name from `watchfloor formats list`.",
        ),
        host: read_host(reader, index),
        timezone: read_zone(reader, index),
        host_aliases: lower(reader.map(&key("host_aliases"))),
        labels: reader.map(&key("labels")),
        complete: reader.truth(
            &key("complete"),
            false,
            "Its senders leave nothing out: numbers missing in its records raise an alert at once.",
        ),
        canary: read_canary(reader, &key("canary")),
        name,
    }
}

fn read_canary(reader: &mut Reader, key: &str) -> Option<Duration> {
    let doc = "How often a record of our own is sent down the path of the source, to see that it comes through; 0s: never.";
    let every = reader.duration(key, Duration::ZERO, doc);
    if every.is_zero() {
        return None;
    }
    if every < CANARY_MIN {
        let message = "a canary is sent once a second at most".to_owned();
        reader.complain(key, message, "for example canary = \"30s\"".to_owned());
    }
    Some(every)
}

fn read_host(reader: &mut Reader, index: usize) -> HostRule {
    let fixed = reader.optional_text(
        &format!("sources[{index}].host"),
        "The host of records that do not name one.",
    );
    let from_path = reader.number(
        &format!("sources[{index}].host_from_path"),
        0,
        0,
        "The host is this component of the path, counted from its end: 1 is the file's folder.",
    );
    match (fixed, usize::try_from(from_path).unwrap_or(0)) {
        (Some(name), _) => HostRule::Fixed(name.to_lowercase()),
        (None, 0) => HostRule::Record,
        (None, component) => HostRule::PathComponent(component),
    }
}

fn read_zone(reader: &mut Reader, index: usize) -> Option<TimeZone> {
    let key = format!("sources[{index}].timezone");
    let doc =
        "The zone of times that state none, for example Europe/Berlin or +02:00; UTC if not given.";
    let name = reader.optional_text(&key, doc)?;
    let fixed = || {
        let offset = jiff::fmt::strtime::parse("%z", &name).ok()?.offset()?;
        Some(TimeZone::fixed(offset))
    };
    let zone = TimeZone::get(&name).ok().or_else(fixed);
    if zone.is_none() {
        let hint = "a name of the IANA database, or an offset such as +02:00".to_owned();
        reader.complain(&key, format!("{name:?} is no time zone"), hint);
    }
    zone
}

fn lower(map: BTreeMap<String, String>) -> BTreeMap<String, String> {
    map.into_iter().map(|(from, to)| (from.to_lowercase(), to.to_lowercase())).collect()
}
