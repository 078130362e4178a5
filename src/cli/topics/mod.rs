//! `watchfloor topics`: are the Kafka topics there, and make those that are missing. One file a verb.

mod check;
mod create;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use crate::cli::{Common, Outcome, load};
use crate::config::Config;
use crate::config::brokers::{BrokerConfig, PARTITIONS, TOPICS};
use crate::config::sinks::SinkKind;
use crate::config::sources::SourceKind;
use crate::model::desk::{Problem, ProblemKind};
use crate::stdx::kafka::{self, Asking, Ears, Topic};

/// How long the brokers may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor topics check                                 what is missing for this configuration
  watchfloor topics create --partitions 6 --replication 3
  watchfloor topics create --brokers kafka1:9092 --partitions 12
  watchfloor topics check --configured-only --format json

Without names: those of the configuration, and the standard ones of the data path. Nothing else ever makes a topic.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Say which topics are missing or have other partition counts (exit 1 if there is any)
    Check(check::Arguments),
    /// Make the topics that are missing; what is there stays as it is
    Create(create::Arguments),
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    match &arguments.verb {
        Verb::Check(arguments) => check::run(common, arguments),
        Verb::Create(arguments) => create::run(common, arguments),
    }
}

/// Which topics, and where.
#[derive(Args)]
struct Which {
    /// Topics [default: those of the configuration and the standard ones]
    topics: Vec<String>,
    /// host:port of a broker, without login [default: the clusters of the configuration]
    #[arg(long, value_name = "HOST:PORT")]
    brokers: Vec<String>,
    /// Leave out the standard topics that the configuration does not name
    #[arg(long)]
    configured_only: bool,
}

/// A cluster and the topics that should be on it, with the partitions that the configuration demands.
struct Wanted {
    cluster: BrokerConfig,
    topics: BTreeMap<String, Option<u64>>,
}

impl Which {
    /// What should be where.
    fn wanted(&self, common: &Common) -> anyhow::Result<Vec<Wanted>> {
        let config = load::config(common)?;
        let mut wanted = match self.brokers.is_empty() {
            true => clusters(&config),
            false => {
                let cluster = BrokerConfig {
                    brokers: self.brokers.clone(),
                    client_id: "watchfloor".to_owned(),
                    ..BrokerConfig::default()
                };
                vec![Wanted { cluster, topics: BTreeMap::new() }]
            }
        };
        if wanted.is_empty() {
            return Err(Problem::new(ProblemKind::Invalid, "no Kafka cluster is configured")
                .hint("name one: --brokers HOST:PORT, or a source or sink with type = \"kafka\"")
                .into());
        }
        if !self.topics.is_empty() {
            let named: BTreeSet<&String> = self.topics.iter().collect();
            for part in &mut wanted {
                part.topics.retain(|name, _| named.contains(name));
            }
            // A name that no section claims belongs to the first cluster.
            let claimed: BTreeSet<String> =
                wanted.iter().flat_map(|part| part.topics.keys().cloned()).collect();
            if let Some(first) = wanted.first_mut() {
                let rest = named.into_iter().filter(|name| !claimed.contains(*name));
                first.topics.extend(rest.map(|name| (name.clone(), None)));
            }
        } else if !self.configured_only
            && let Some(first) = wanted.first_mut()
        {
            for name in TOPICS {
                first.topics.entry(name.to_owned()).or_insert(None);
            }
        }
        wanted.retain(|part| !part.topics.is_empty());
        Ok(wanted)
    }
}

/// The clusters of the configuration, each once, with the topics that its sections name.
fn clusters(config: &Config) -> Vec<Wanted> {
    let mut wanted: Vec<Wanted> = Vec::new();
    for source in &config.sources {
        let SourceKind::Kafka(kafka) = &source.kind else { continue };
        let partitions = Some(kafka.partitions).filter(|count| *count > 0);
        add(&mut wanted, &kafka.cluster, kafka.topics.iter(), partitions);
    }
    if !config.collect.cluster.brokers.is_empty() {
        add(&mut wanted, &config.collect.cluster, std::iter::once(&config.collect.topic), None);
    }
    for sink in &config.sinks {
        let SinkKind::Kafka(kafka) = &sink.kind else { continue };
        let topics = [&kafka.events_topic, &kafka.alerts_topic, &kafka.inference_topic];
        let topics = topics.into_iter().flatten();
        add(&mut wanted, &kafka.cluster, topics, None);
    }
    wanted
}

fn add<'t>(
    wanted: &mut Vec<Wanted>,
    cluster: &BrokerConfig,
    topics: impl Iterator<Item = &'t String>,
    partitions: Option<u64>,
) {
    let same = |part: &Wanted| part.cluster.brokers == cluster.brokers;
    if !wanted.iter().any(same) {
        wanted.push(Wanted { cluster: cluster.clone(), topics: BTreeMap::new() });
    }
    let Some(part) = wanted.iter_mut().find(|part| same(part)) else { return };
    for name in topics {
        let known = part.topics.entry(name.clone()).or_insert(None);
        *known = known.or(partitions);
    }
}

/// Connect to a cluster and ask for its topics.
fn ask(cluster: &BrokerConfig) -> anyhow::Result<(Asking, BTreeMap<String, Topic>)> {
    let name = cluster.brokers.join(",");
    let settings = cluster.settings().with_context(|| format!("cannot log in at {name}"))?;
    let token = cluster.token_source();
    let asking = Asking::new(kafka::config(&settings), Ears::new(token))
        .with_context(|| format!("cannot connect to {name}"))?;
    let there = asking.topics(PATIENCE).with_context(|| name.clone())?;
    Ok((asking, there))
}

/// One line of the result.
struct Row {
    cluster: String,
    topic: String,
    state: &'static str,
    partitions: usize,
    replication: usize,
    detail: String,
}

/// The columns, in CSV's order.
const COLUMNS: [&str; 6] = ["brokers", "topic", "state", "partitions", "replication", "detail"];

impl Row {
    fn json(self) -> serde_json::Value {
        serde_json::json!({
            "brokers": self.cluster, "topic": self.topic, "state": self.state,
            "partitions": self.partitions, "replication": self.replication, "detail": self.detail,
        })
    }
}

/// Hold one topic against the cluster.
fn look(
    cluster: &BrokerConfig,
    name: &str,
    demanded: Option<u64>,
    there: &BTreeMap<String, Topic>,
) -> Row {
    let row = |state, topic: Option<Topic>, detail| Row {
        cluster: cluster.brokers.join(","),
        topic: name.to_owned(),
        state,
        partitions: topic.map_or(0, |topic| topic.partitions),
        replication: topic.map_or(0, |topic| topic.replication),
        detail,
    };
    match there.get(name).copied() {
        None => {
            let known = there.keys().map(String::as_str).collect();
            row("missing", None, crate::config::reader::nearest(name, known))
        }
        Some(topic) => match demanded {
            Some(count) if u64::try_from(topic.partitions).ok() != Some(count) => {
                row("differs", Some(topic), format!("partitions = {count} is wanted"))
            }
            _ => row("ok", Some(topic), String::new()),
        },
    }
}

/// The partition count of new topics where nothing else is said.
fn partitions_of(demanded: Option<u64>, given: Option<u64>) -> u64 {
    demanded.or(given).unwrap_or(PARTITIONS)
}
