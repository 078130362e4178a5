//! `[regroup]`: where nodes hand each other what belongs to groups that no single partition holds.

use std::time::Duration;

use crate::config::Config;
use crate::config::brokers::{BrokerConfig, REGROUP_TOPIC};
use crate::config::reader::Reader;
use crate::config::sources::{KafkaSource, SESSION_TIMEOUT, SourceConfig, SourceKind};
use crate::model::correlation_match::FORMAT;

/// The name of the source that reads the topic.
pub const SOURCE: &str = "regroup";

/// The section; it is there where brokers are named.
#[derive(Clone, Debug, PartialEq)]
pub struct RegroupConfig {
    /// The cluster.
    pub cluster: BrokerConfig,
    /// The topic of matches.
    pub topic: String,
    /// The consumer group.
    pub group: String,
    /// After this long without a sign the group gives our partitions away.
    pub session_timeout: Duration,
}

/// Take the section.
pub fn read(reader: &mut Reader) -> Option<RegroupConfig> {
    let config = RegroupConfig {
        cluster: BrokerConfig::read(reader, "regroup"),
        topic: reader.text(
            "regroup.topic",
            REGROUP_TOPIC,
            "The topic through which nodes count correlations together whose group-by is not what their topics are partitioned by.",
        ),
        group: reader.text(
            "regroup.group",
            "watchfloor-regroup",
            "The consumer group that reads it; one for all nodes of a cluster.",
        ),
        session_timeout: reader.duration(
            "regroup.session_timeout",
            SESSION_TIMEOUT,
            "After this long without a sign of life the group gives our partitions of it away.",
        ),
    };
    (!config.cluster.brokers.is_empty()).then_some(config)
}

impl RegroupConfig {
    /// The source that reads the topic.
    pub fn source(&self) -> SourceConfig {
        let kafka = KafkaSource {
            session_timeout: self.session_timeout,
            ..KafkaSource::of(self.cluster.clone(), &self.topic, &self.group)
        };
        SourceConfig {
            kind: SourceKind::Kafka(Box::new(kafka)),
            format: FORMAT.to_owned(),
            ..SourceConfig::files(SOURCE, Vec::new())
        }
    }
}

/// The section, where its source runs: who opens old evidence or a demonstration beside a configuration takes the sources
/// out, and hands nothing on.
pub fn in_force(config: &Config) -> Option<&RegroupConfig> {
    let runs = config.sources.iter().any(|source| source.name == SOURCE);
    config.regroup.as_ref().filter(|_| runs && config.roles.analyse)
}

/// Add the source of the section to those that are configured.
pub fn add_source(
    reader: &mut Reader,
    config: Option<&RegroupConfig>,
    sources: &mut Vec<SourceConfig>,
) {
    let Some(config) = config else { return };
    if let Some(index) = sources.iter().position(|source| source.name == SOURCE) {
        let message = format!("{SOURCE:?} is the source that [regroup] makes");
        let hint = "give this source another name".to_owned();
        reader.complain(&format!("sources[{index}].name"), message, hint);
        return;
    }
    sources.push(config.source());
}

#[cfg(test)]
mod tests {
    use crate::config::check::{Written, check};

    use super::*;

    fn checked(text: &str) -> crate::config::check::Checked {
        let file = Some(("w.toml".into(), text.to_owned()));
        check(&Written { file, ..Written::default() })
    }

    #[test]
    fn the_section_makes_a_source_where_brokers_are_named() {
        assert_eq!(checked("").config.regroup, None);
        let found = checked("[regroup]\nbrokers=['k:9092']\ntopic='m'\n");
        assert_eq!(found.problems, []);
        let source = found.config.sources.first().unwrap();
        assert_eq!((source.name.as_str(), source.format.as_str()), (SOURCE, FORMAT));
        let SourceKind::Kafka(kafka) = &source.kind else { panic!("{source:?}") };
        assert_eq!(
            (kafka.topics.as_slice(), kafka.group.as_str()),
            (&["m".to_owned()][..], "watchfloor-regroup")
        );
        let mut config = found.config;
        assert!(in_force(&config).is_some());
        config.sources.clear();
        assert_eq!(in_force(&config), None, "evidence is handed to nobody");
        let twice =
            checked("[regroup]\nbrokers=['k:1']\n[[sources]]\nname='regroup'\npaths=['/x']\n");
        assert!(
            twice.problems.iter().any(|it| it.to_string().contains("another name")),
            "{:?}",
            twice.problems
        );
    }
}
