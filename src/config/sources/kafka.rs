//! `type = "kafka"`: topics of a Kafka cluster, read as a member of a consumer group.

use std::time::Duration;

use super::From;
use crate::config::brokers::BrokerConfig;
use crate::config::reader::Reader;

/// Brokers take no longer name of a member.
const INSTANCE_BYTES_MAX: usize = 249;

/// `type = "kafka"`.
#[derive(Clone, Debug, PartialEq)]
pub struct KafkaSource {
    /// The cluster.
    pub cluster: BrokerConfig,
    /// Topics to read.
    pub topics: Vec<String>,
    /// The consumer group.
    pub group: String,
    /// Where to begin in partitions that neither we nor the group have a place in.
    pub from: From,
    /// Partitions that every topic must have; 0: as many as it has.
    pub partitions: u64,
    /// Every offset is a message: no transactions write to the topics, and they are not compacted.
    pub numbered: bool,
    /// Who we are in the group, the same again after a restart; `None`: nobody in particular.
    pub instance: Option<String>,
    /// The message header that names the host.
    pub host_header: Option<String>,
    /// The message header that names the tenant.
    pub tenant_header: Option<String>,
    /// The message key names the host.
    pub key_is_host: bool,
    /// The messages are records of our own collectors, whose headers say where they come from.
    pub from_collectors: bool,
    /// After this long without a sign the group gives our partitions away.
    pub session_timeout: Duration,
    /// After this long without asking for messages the group gives our partitions away.
    pub poll_interval: Duration,
    /// How long partitions that are taken away wait for what is under way.
    pub revoke_wait: Duration,
    /// How often topics and partition counts are looked at.
    pub metadata_every: Duration,
}

/// After this long without a sign of life the group gives our partitions away.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(45);
/// After this long without asking for messages it does too.
const POLL_INTERVAL: Duration = Duration::from_secs(300);
/// How long partitions that are taken away wait for what is under way.
const REVOKE_WAIT: Duration = Duration::from_secs(10);
/// How often topics are looked at.
const METADATA_EVERY: Duration = Duration::from_secs(60);

impl KafkaSource {
    /// One topic, and every default.
    pub fn of(cluster: BrokerConfig, topic: &str, group: &str) -> KafkaSource {
        KafkaSource {
            cluster,
            topics: vec![topic.to_owned()],
            group: group.to_owned(),
            from: From::Start,
            partitions: 0,
            numbered: false,
            instance: None,
            host_header: None,
            tenant_header: None,
            key_is_host: false,
            from_collectors: false,
            session_timeout: SESSION_TIMEOUT,
            poll_interval: POLL_INTERVAL,
            revoke_wait: REVOKE_WAIT,
            metadata_every: METADATA_EVERY,
        }
    }
}

/// Take the keys of a Kafka source.
pub(super) fn read(reader: &mut Reader, index: usize) -> KafkaSource {
    let prefix = format!("sources[{index}]");
    let key = |name: &str| format!("{prefix}.{name}");
    let cluster = BrokerConfig::take(reader, &prefix);
    let topics = reader.texts(&key("topics"), &[], "Topics to read.");
    if topics.is_empty() {
        let hint = "for example topics = [\"linux-auditd-logs\"]".to_owned();
        reader.complain(&key("topics"), "a kafka source needs at least one topic".to_owned(), hint);
    }
    for topic in topics.iter().filter(|topic| topic.starts_with('^')) {
        let message = format!("{topic:?} is a pattern; topics are named one by one");
        reader.complain(&key("topics"), message, "so that a missing one is known".to_owned());
    }
    let from = [("start", From::Start), ("end", From::End)];
    let doc = "Where to begin in topics that neither we nor the group have a place in.";
    let from = reader.choice(&key("from"), "start", &from, doc).unwrap_or_default();
    let key_is_host =
        reader.truth(&key("key_is_host"), false, "The key of a message names its host.");
    let header = "The header of a message that names its host.";
    let from_collectors = reader.truth(
        &key("from_collectors"),
        false,
        "Collectors of ours write the topics: source, tenant, host and labels stand in the headers. Only where nobody else may write.",
    );
    KafkaSource {
        cluster,
        topics,
        from,
        key_is_host,
        from_collectors,
        group: reader.text(
            &key("group"),
            "watchfloor",
            "The consumer group; one for all nodes of a cluster.",
        ),
        partitions: reader.number(
            &key("partitions"),
            0,
            0,
            "Partitions that every topic must have; 0: as many as it has.",
        ),
        numbered: reader.truth(
            &key("numbered"),
            false,
            "Every offset of the topics is a message (no transactions, no compaction): any that does not come is missing.",
        ),
        instance: read_instance(reader, &key("instance")),
        host_header: reader.optional_text(&key("host_header"), header),
        tenant_header: reader.optional_text(
            &key("tenant_header"),
            "The header of a message that names its tenant. Only where every producer is trusted.",
        ),
        session_timeout: reader.duration(
            &key("session_timeout"),
            SESSION_TIMEOUT,
            "After this long without a sign of life the group gives our partitions away.",
        ),
        poll_interval: reader.duration(
            &key("poll_interval"),
            POLL_INTERVAL,
            "After this long without asking for messages the group gives our partitions away.",
        ),
        revoke_wait: reader.duration(
            &key("revoke_wait"),
            REVOKE_WAIT,
            "How long partitions that are taken away wait for what is under way.",
        ),
        metadata_every: reader.duration(
            &key("metadata_every"),
            METADATA_EVERY,
            "How often topics and partition counts are looked at.",
        ),
    }
}

/// Who we are in the group.
fn read_instance(reader: &mut Reader, key: &str) -> Option<String> {
    let doc = "Who this node is in the group, so that it has its partitions again at once after a restart; {host} is the \
               name of the machine. No two nodes may share one.";
    let written = reader.optional_text(key, doc)?;
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let name = written.replace("{host}", &host);
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > INSTANCE_BYTES_MAX || !name.chars().all(fits) {
        let hint = "for example instance = \"{host}\" or instance = \"node-1\"".to_owned();
        let message =
            format!("{name:?} is no name of 1 to 249 letters, digits, dots, dashes or underscores");
        reader.complain(key, message, hint);
    }
    Some(name)
}
