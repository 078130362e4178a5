//! Sinks on the store: what they read, where their places are kept, and their threads.

use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context as _;
use tokio::runtime::Handle;

use crate::config::Config;
use crate::config::sinks::{SinkConfig, SinkKind};
use crate::export::{self, Chunk, Lent, Reading, Sink};
use crate::model::alert::Alert;
use crate::model::event::Event;
use crate::model::record::Position;
use crate::pipeline::shared::{Health, Shared};
use crate::stdx::gauges::Gauges;
use crate::stdx::stop::StopToken;
use crate::stdx::task;
use crate::store::{LogPlace, Store};

/// The store as sinks see it.
struct Behind {
    store: Arc<Store>,
    runtime: Handle,
}

/// Rows of sinks stand beside those of sources, under names that no source's can be mistaken for.
fn owner(sink: &str) -> String {
    format!("sinks[{sink}]")
}

/// A place, and up to which segment copies are new to the sink.
fn write(place: LogPlace, copies: u64) -> String {
    format!("[{},{},{copies}]", place.segment, place.offset)
}

fn read(text: &str) -> (LogPlace, u64) {
    let numbers: Vec<u64> = serde_json::from_str(text).unwrap_or_default();
    let number = |at: usize| numbers.get(at).copied().unwrap_or(0);
    (LogPlace { segment: number(0), offset: number(1) }, number(2))
}

/// Sinks that take events: what they have not read stays where it is.
pub(super) fn readers(config: &Config) -> Vec<String> {
    let takes = |sink: &&SinkConfig| match &sink.kind {
        SinkKind::Kafka(kafka) => kafka.events_topic.is_some() || kafka.inference_topic.is_some(),
        SinkKind::Watchfloor(_) => true,
    };
    config.sinks.iter().filter(takes).map(|sink| owner(&sink.name)).collect()
}

impl Reading for Behind {
    fn events(&self, after: &str) -> anyhow::Result<Chunk<Event>> {
        let log = self.store.events();
        let (place, copies) = read(after);
        // Copies that are there when a sink begins were handed to it by nobody.
        let copies = if after.is_empty() { log.log_end().segment } else { copies };
        let found = log.follow(place, copies)?;
        let lost = found.gone.then(|| {
            format!("events behind segment {} were deleted before the sink had them", place.segment)
        });
        Ok(Chunk { items: found.events, next: write(found.next, copies), left: found.left, lost })
    }

    fn alerts(&self, after: &str) -> anyhow::Result<Chunk<Alert>> {
        let after = after.parse().unwrap_or(0);
        let found = self.runtime.block_on(self.store.alerts_after(after))?;
        let alerts = found.alerts.iter().filter_map(|id| self.store.alert(id, ""));
        Ok(Chunk {
            items: alerts.collect(),
            next: found.next.to_string(),
            left: found.left,
            lost: None,
        })
    }

    fn ends(&self) -> anyhow::Result<(String, String)> {
        let alerts = self.runtime.block_on(self.store.audit_end())?;
        Ok((write(self.store.events().log_end(), 0), alerts.to_string()))
    }

    fn place(&self, sink: &str, key: &str) -> anyhow::Result<Option<String>> {
        let rows = self.runtime.block_on(self.store.positions(&owner(sink)))?;
        Ok(rows.into_iter().find(|row| row.key == key).and_then(|row| row.value))
    }

    fn save(&self, sink: &str, places: &[(&str, String)]) -> anyhow::Result<()> {
        let source: Arc<str> = owner(sink).into();
        let rows: Vec<Position> = places
            .iter()
            .map(|(key, value)| Position {
                source: Arc::clone(&source),
                key: (*key).to_owned(),
                value: Some(value.clone()),
            })
            .collect();
        Ok(self.runtime.block_on(self.store.save_positions(&rows))?)
    }
}

/// Set up every sink, before anything runs. Call on a runtime.
pub(crate) fn open(
    config: &Config,
    store: &Arc<Store>,
    shared: &Arc<Shared>,
) -> anyhow::Result<Vec<Sink>> {
    let reading = Arc::new(Behind { store: Arc::clone(store), runtime: Handle::current() });
    let mut sinks = Vec::new();
    for section in &config.sinks {
        let (key, told) = (format!("sink {}", section.name), Arc::clone(shared));
        let gauges = Arc::new(Gauges::default());
        shared.add_gauges(&key, Arc::clone(&gauges));
        let lent = Lent {
            runtime: Handle::current(),
            gauges,
            reading: Arc::<Behind>::clone(&reading),
            say: Arc::new(move |trouble| {
                told.set_problem(&key, trouble.map(|text| (Health::Degraded, text)));
            }),
        };
        let failed = || format!("cannot set up the sink {}", section.name);
        sinks.push(export::open(section, lent).with_context(failed)?);
    }
    Ok(sinks)
}

/// Start the threads of the sinks.
pub(crate) fn start(
    sinks: Vec<Sink>,
    stop: &StopToken,
) -> anyhow::Result<Vec<(&'static str, JoinHandle<()>)>> {
    let mut threads = Vec::new();
    for sink in sinks {
        let stop = stop.clone();
        let name = format!("sink {}", sink.name());
        threads.push(("sink", task::thread(&name, move || sink.run(&stop))?));
    }
    Ok(threads)
}
