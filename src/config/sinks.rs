//! `[[sinks]]`: where our own stream goes. None by default: then no connection leaves the program.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::config::brokers::{ALERTS_TOPIC, BrokerConfig, EVENTS_TOPIC};
use crate::config::reader::Reader;
use crate::config::secret::SecretRef;

/// One configured sink.
#[derive(Clone, Debug, PartialEq)]
pub struct SinkConfig {
    /// Names its numbers and its place; unique.
    pub name: String,
    /// What it is.
    pub kind: SinkKind,
    /// Only events with all of these labels.
    pub labels: BTreeMap<String, String>,
    /// A sink that is new begins with the first stored event, or with what comes from now on.
    pub from_start: bool,
}

/// The kinds of sink.
#[derive(Clone, Debug, PartialEq)]
pub enum SinkKind {
    /// Topics of a Kafka cluster.
    Kafka(Box<KafkaSink>),
    /// `/ingest` of another Watchfloor.
    Watchfloor(Box<ForwardSink>),
}

/// `type = "kafka"`.
#[derive(Clone, Debug, PartialEq)]
pub struct KafkaSink {
    /// The cluster.
    pub cluster: BrokerConfig,
    /// Where normalised events go; `None`: nowhere.
    pub events_topic: Option<String>,
    /// Where alerts go; `None`: nowhere.
    pub alerts_topic: Option<String>,
    /// Where what models say of windows goes; `None`: nowhere.
    pub inference_topic: Option<String>,
}

/// `type = "watchfloor"`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ForwardSink {
    /// `https://host:port` of the other one.
    pub url: String,
    /// Our ingest key over there.
    pub api_key: Option<SecretRef>,
    /// The secret that both sides sign with.
    pub secret: Option<SecretRef>,
    /// Who may have signed the other's certificate, PEM; `None`: the well-known authorities.
    pub ca: Option<PathBuf>,
    /// A request is no longer than this.
    pub request_bytes_max: u64,
}

type ReadKind = fn(&mut Reader, &str) -> SinkKind;

/// Take every `[[sinks]]`.
pub fn read(reader: &mut Reader) -> Vec<SinkConfig> {
    let sinks: Vec<SinkConfig> =
        (0..reader.tables("sinks")).map(|index| read_one(reader, index)).collect();
    let mut names = BTreeSet::new();
    for (index, sink) in sinks.iter().enumerate() {
        if !names.insert(sink.name.clone()) {
            let message = format!("the name {:?} is used twice", sink.name);
            let hint = "every sink needs its own name".to_owned();
            reader.complain(&format!("sinks[{index}].name"), message, hint);
        }
    }
    sinks
}

fn read_one(reader: &mut Reader, index: usize) -> SinkConfig {
    let prefix = format!("sinks[{index}]");
    let key = |name: &str| format!("{prefix}.{name}");
    let name = reader.text(&key("name"), "", "Names the sink's numbers and its place; unique.");
    if name.is_empty() {
        let hint = "for example name = \"soc\"".to_owned();
        reader.complain(&key("name"), "every sink needs a name".to_owned(), hint);
    }
    let kinds: [(&str, ReadKind); 2] = [
        ("kafka", |reader, prefix| SinkKind::Kafka(Box::new(read_kafka(reader, prefix)))),
        ("watchfloor", |reader, prefix| {
            SinkKind::Watchfloor(Box::new(read_forward(reader, prefix)))
        }),
    ];
    let kind =
        reader.choice(&key("type"), "kafka", &kinds, "What the sink is: kafka or watchfloor.");
    let kind = match kind {
        Some(read) => read(reader, &prefix),
        None => {
            reader.leave(&prefix);
            SinkKind::Watchfloor(Box::default())
        }
    };
    let from = [("start", true), ("end", false)];
    let doc =
        "Where a new sink begins: with the first stored event, or with what comes from now on.";
    let from_start = reader.choice(&key("from"), "start", &from, doc).unwrap_or(true);
    SinkConfig { name, kind, labels: reader.map(&key("labels")), from_start }
}

fn read_kafka(reader: &mut Reader, prefix: &str) -> KafkaSink {
    let key = |name: &str| format!("{prefix}.{name}");
    let cluster = BrokerConfig::take(reader, prefix);
    let events = reader.text(
        &key("events_topic"),
        EVENTS_TOPIC,
        "Where normalised events go; empty: nowhere.",
    );
    let alerts =
        reader.text(&key("alerts_topic"), ALERTS_TOPIC, "Where alerts go; empty: nowhere.");
    let named = |topic: String| Some(topic).filter(|topic| !topic.is_empty());
    let doc =
        "Where what models say of windows goes, for example inference-results; empty: nowhere.";
    let inference = reader.text(&key("inference_topic"), "", doc);
    let sink = KafkaSink {
        cluster,
        events_topic: named(events),
        alerts_topic: named(alerts),
        inference_topic: named(inference),
    };
    let topics = [&sink.events_topic, &sink.alerts_topic, &sink.inference_topic];
    if topics.iter().all(|topic| topic.is_none()) {
        let message = "a sink without topics sends nothing".to_owned();
        reader.complain(&key("events_topic"), message, "name one of them".to_owned());
    }
    sink
}

fn read_forward(reader: &mut Reader, prefix: &str) -> ForwardSink {
    let key = |name: &str| format!("{prefix}.{name}");
    let url = reader.text(&key("url"), "", "http:// or https:// address of the other Watchfloor.");
    if !url.starts_with("https://") && !url.starts_with("http://") {
        let hint = "for example https://soc.example:8443".to_owned();
        reader.complain(&key("url"), format!("{url:?} is no http:// or https:// address"), hint);
    }
    if url.contains('@') {
        let hint = "api_key = { file = \"PATH\" }".to_owned();
        reader.complain(&key("url"), "a login does not stand in the address".to_owned(), hint);
    }
    let names = (key("api_key"), key("api_key.env"), key("api_key.file"));
    let docs = ("Variable with our ingest key over there.", "File with our ingest key over there.");
    let api_key = SecretRef::take(reader, (&names.0, &names.1, &names.2), docs);
    let names = (key("hmac"), key("hmac.env"), key("hmac.file"));
    let docs = (
        "Variable with the secret that both sides sign with.",
        "File with the secret that both sides sign with.",
    );
    let secret = SecretRef::take(reader, (&names.0, &names.1, &names.2), docs);
    let doc = "Who may have signed the other's certificate, PEM; if not given, the well-known authorities.";
    ForwardSink {
        url: url.trim_end_matches('/').to_owned(),
        api_key,
        secret,
        ca: reader.optional_text(&key("tls_ca"), doc).map(PathBuf::from),
        request_bytes_max: reader.size(
            &key("request_bytes_max"),
            4 << 20,
            "A request is no longer than this.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn sinks_are_read_and_wrong_ones_named() {
        let mut reader = Reader::default();
        let text = "[[sinks]]\nname='a'\nbrokers=['k:1']\nalerts_topic=''\n[sinks.labels]\nenvironment='prod'\n\
                    [[sinks]]\nname='a'\ntype='watchfloor'\nurl='http://u:p@h'\nhmac='secret'\n";
        reader.add_file(Path::new("w.toml"), text);
        let sinks = read(&mut reader);
        reader.finish();
        let SinkKind::Kafka(kafka) = &sinks[0].kind else { panic!("{sinks:?}") };
        assert_eq!(
            (kafka.events_topic.as_deref(), &kafka.alerts_topic),
            (Some(EVENTS_TOPIC), &None)
        );
        assert_eq!(sinks[0].labels["environment"], "prod");
        let said: Vec<String> = reader.problems.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said.iter().all(|line| !line.contains("secret\"")), "{said:?}");
    }
}
