//! `roles` and `[collect]`: which parts of the path this process runs, and where a collector writes what it takes.

use std::time::Duration;

use crate::config::brokers::BrokerConfig;
use crate::config::reader::{Reader, nearest};
use crate::config::sinks::SinkConfig;
use crate::config::sources::SourceKind;

/// The topic of collected records by its standard name.
pub const COLLECTED_TOPIC: &str = "collected-records";
/// The roles by name, in the order of the path.
const NAMES: [&str; 3] = ["collect", "analyse", "export"];

/// The parts of the path that run here. The default is all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    /// Sources that others send to, and files.
    pub collect: bool,
    /// Decoders, rules, alerts, the store.
    pub analyse: bool,
    /// Sinks.
    pub export: bool,
}

impl Default for Roles {
    fn default() -> Roles {
        Roles { collect: true, analyse: true, export: true }
    }
}

impl Roles {
    /// Records are taken here and judged elsewhere.
    pub fn only_collects(self) -> bool {
        self.collect && !self.analyse
    }

    /// Does a source of this kind run here? Topics are read where records are judged, a queue of a broker on either side.
    pub fn runs(self, kind: &SourceKind) -> bool {
        match kind {
            SourceKind::Kafka(_) => self.analyse,
            SourceKind::Amqp(_) => self.analyse || self.collect,
            _ => self.collect,
        }
    }

    /// Their names.
    pub fn names(self) -> Vec<&'static str> {
        let on = [self.collect, self.analyse, self.export];
        NAMES.iter().zip(on).filter(|(_, on)| *on).map(|(name, _)| *name).collect()
    }

    fn take(reader: &mut Reader) -> Roles {
        let doc = "Which parts of the path run here: collect, analyse, export.";
        let texts = reader.texts("roles", &NAMES, doc);
        // A variable or a flag holds one text.
        let words: Vec<&str> =
            texts.iter().flat_map(|text| text.split(',')).map(str::trim).collect();
        for word in words.iter().filter(|word| !NAMES.contains(word)) {
            let hint = nearest(word, NAMES.to_vec());
            let message = format!("{word:?} is none of collect, analyse, export");
            reader.complain("roles", message, hint);
        }
        if words.is_empty() {
            let hint = "leave the key out for all of them".to_owned();
            reader.complain("roles", "a process without a role does nothing".to_owned(), hint);
        }
        let has = |name: &str| words.contains(&name);
        Roles { collect: has("collect"), analyse: has("analyse"), export: has("export") }
    }
}

/// Where a collector writes.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct CollectConfig {
    /// The cluster.
    pub cluster: BrokerConfig,
    /// The topic of raw records.
    pub topic: String,
    /// After this long the brokers give up what a collector that died has begun.
    pub transaction_timeout: Duration,
}

/// Take the roles and the section.
pub fn read(reader: &mut Reader, sinks: &[SinkConfig]) -> (Roles, CollectConfig) {
    let roles = Roles::take(reader);
    if roles == (Roles { collect: false, analyse: false, export: true }) && sinks.is_empty() {
        let hint = "add a [[sinks]] table, or another role".to_owned();
        reader.complain("roles", "export has no sink to write to".to_owned(), hint);
    }
    let cluster = BrokerConfig::read(reader, "collect");
    if roles.only_collects() && cluster.brokers.is_empty() {
        let message =
            "a collector that does not analyse writes to Kafka and needs brokers".to_owned();
        let hint = "[collect] with brokers = [\"kafka1:9092\"], or add the role analyse".to_owned();
        reader.complain("collect.brokers", message, hint);
    }
    let topic = reader.text(
        "collect.topic",
        COLLECTED_TOPIC,
        "The topic that a collector writes raw records to; analysers read it with from_collectors.",
    );
    let transaction_timeout = reader.duration(
        "collect.transaction_timeout",
        Duration::from_secs(10),
        "How long the brokers wait for a collector that died in the middle of a write; readers of the topic wait with them.",
    );
    (roles, CollectConfig { cluster, topic, transaction_timeout })
}

#[cfg(test)]
mod tests {
    use crate::config::check::{Written, check};

    use super::*;

    fn roles(text: &str) -> (Roles, Vec<String>) {
        let written =
            Written { file: Some(("w.toml".into(), text.to_owned())), ..Written::default() };
        let checked = check(&written);
        (checked.config.roles, checked.problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn roles_are_all_by_default_and_what_they_lack_is_said() {
        assert_eq!(roles(""), (Roles::default(), vec![]));
        let (only, problems) = roles("roles=['collect']\n[collect]\nbrokers=['k:9092']\n");
        assert_eq!((only.names(), only.only_collects(), problems), (vec!["collect"], true, vec![]));
        let (both, problems) = roles("roles='collect, analyse'");
        assert_eq!((both.names(), problems), (vec!["collect", "analyse"], vec![]));
        for (text, word) in [
            ("roles=['colect']", "did you mean collect"),
            ("roles=[]", "without a role"),
            ("roles=['collect','export']", "needs brokers"),
            ("roles=['export']", "no sink"),
        ] {
            let (_, problems) = roles(text);
            assert!(problems.iter().any(|said| said.contains(word)), "{text}: {problems:?}");
        }
    }

    #[test]
    fn topics_are_read_where_records_are_judged_and_the_rest_where_they_are_collected() {
        let written = Written {
            file: Some((
                "w.toml".into(),
                "[[sources]]\nname='f'\npaths=['/x']\n[[sources]]\nname='k'\ntype='kafka'\nbrokers=['a:1']\ntopics=['t']\n"
                    .to_owned(),
            )),
            ..Written::default()
        };
        let sources = check(&written).config.sources;
        let ran = |roles: Roles| -> Vec<bool> {
            sources.iter().map(|source| roles.runs(&source.kind)).collect()
        };
        assert_eq!(ran(Roles::default()), [true, true]);
        assert_eq!(ran(Roles { analyse: false, ..Roles::default() }), [true, false]);
        assert_eq!(ran(Roles { collect: false, ..Roles::default() }), [false, true]);
        assert_eq!(ran(Roles { collect: false, analyse: false, export: true }), [false, false]);
    }
}
