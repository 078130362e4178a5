//! Are the topics there, with as many partitions as they should have?

use std::collections::BTreeMap;

use crate::config::reader::nearest;
use crate::config::sources::KafkaSource;
use crate::source::SourceError;
use crate::stdx::kafka::Topic;

/// Hold the configuration against what the cluster has.
///
/// # Errors
/// The first topic that is missing or has another number of partitions, with what to do.
pub(super) fn check(
    config: &KafkaSource,
    there: &BTreeMap<String, Topic>,
) -> Result<(), SourceError> {
    for name in &config.topics {
        let what = format!("topic {name:?}");
        let Some(topic) = there.get(name) else {
            return Err(SourceError::Start { what, why: missing(config, name, there) });
        };
        let wanted = usize::try_from(config.partitions).unwrap_or(usize::MAX);
        if wanted > 0 && topic.partitions != wanted {
            let why = format!(
                "has {} partitions where partitions = {wanted} is configured; partitions decide which endpoint's \
                 records stand together, so change one of the two on purpose",
                topic.partitions
            );
            return Err(SourceError::Start { what, why });
        }
    }
    Ok(())
}

fn missing(config: &KafkaSource, name: &str, there: &BTreeMap<String, Topic>) -> String {
    let known = there.keys().map(String::as_str).filter(|name| !name.starts_with("__")).collect();
    let near = match nearest(name, known) {
        hint if hint.is_empty() => String::new(),
        hint => format!(" ({hint})"),
    };
    format!(
        "is not on {}{near}; a topic is never made by accident: correct the name, or make it with \
         `watchfloor topics create`",
        config.cluster.brokers.join(",")
    )
}

/// What is said while no broker answers.
pub(super) fn unreachable(config: &KafkaSource, why: &str) -> String {
    format!(
        "{} does not answer: {why}; it is tried again until it does",
        config.cluster.brokers.join(",")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::check::{Written, check as check_config};
    use crate::config::sources::SourceKind;

    fn config(more: &str) -> KafkaSource {
        let text = format!(
            "[[sources]]\nname='k'\ntype='kafka'\nbrokers=['k1:9092']\ntopics=['linux-audit-logs']\n{more}"
        );
        let written = Written { file: Some(("w.toml".into(), text)), ..Written::default() };
        let checked = check_config(&written);
        assert_eq!(checked.problems, []);
        match checked.config.sources.into_iter().next().unwrap().kind {
            SourceKind::Kafka(kafka) => *kafka,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_missing_topic_names_the_nearest_and_the_command() {
        let topic = Topic { partitions: 6, replication: 1 };
        let there = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), topic)).collect();
        let said = |config: &KafkaSource, names: &[&str]| {
            check(config, &there(names)).map_err(|error| error.to_string())
        };
        let error = said(&config(""), &["linux-auditd-logs", "__consumer_offsets"]).unwrap_err();
        assert!(error.contains("did you mean linux-auditd-logs"), "{error}");
        assert!(error.contains("watchfloor topics create"), "{error}");
        assert_eq!(said(&config(""), &["linux-audit-logs"]), Ok(()));
        let error = said(&config("partitions=4"), &["linux-audit-logs"]).unwrap_err();
        assert!(error.contains("has 6 partitions where partitions = 4"), "{error}");
    }
}
