//! Sinks: what became real goes out, to Kafka topics or to another Watchfloor.
//!
//! A sink reads behind the commit: from the event log, and along the audit log for alerts. So the commit never waits for it,
//! nothing is held twice, and a sink that was away for a day goes on where it was. Its place is a row of the store, written
//! when the other side has answered: what lies between goes out again after a crash, under the same ids.

mod acknowledged;
mod forward;
mod kafka;
pub mod raw;
pub mod regroup;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::config::sinks::{SinkConfig, SinkKind};
use crate::model::alert::Alert;
use crate::model::event::{Event, Value};
use crate::model::field::FieldId;
use crate::stdx::gauges::Gauges;
use crate::stdx::stop::StopToken;

/// How often an idle sink looks for more.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often its place is written while it works.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// First and last pause when the other side does not answer.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// What lies behind a place.
#[derive(Debug)]
pub struct Chunk<T> {
    /// In the order in which they became real; empty: nothing more is there.
    pub items: Vec<T>,
    /// The place behind them.
    pub next: String,
    /// How much is still behind that, in bytes of the event log or entries of the audit log.
    pub left: u64,
    /// Something that should be there is gone, for a person.
    pub lost: Option<String>,
}

/// The store as a sink sees it. Every method may wait for the disk.
pub trait Reading: Send + Sync {
    /// Events behind a place; an empty one is the beginning.
    ///
    /// # Errors
    /// The store cannot be read.
    fn events(&self, after: &str) -> anyhow::Result<Chunk<Event>>;
    /// Alerts that were raised or changed behind a place.
    ///
    /// # Errors
    /// The store cannot be read.
    fn alerts(&self, after: &str) -> anyhow::Result<Chunk<Alert>>;
    /// The places behind everything there is: of events, of alerts.
    ///
    /// # Errors
    /// The store cannot be read.
    fn ends(&self) -> anyhow::Result<(String, String)>;
    /// The saved place under a key.
    ///
    /// # Errors
    /// The store cannot be read.
    fn place(&self, sink: &str, key: &str) -> anyhow::Result<Option<String>>;
    /// Save places.
    ///
    /// # Errors
    /// The store cannot be written.
    fn save(&self, sink: &str, places: &[(&str, String)]) -> anyhow::Result<()>;
}

/// What the pipeline lends a sink.
#[derive(Clone)]
pub struct Lent {
    /// Runs what waits for the network.
    pub runtime: Handle,
    /// Numbers shown in status and metrics.
    pub gauges: Arc<Gauges>,
    /// The store.
    pub reading: Arc<dyn Reading>,
    /// Says what hinders the sink, or that nothing does.
    pub say: Arc<dyn Fn(Option<String>) + Send + Sync>,
}

/// The other side took what it was given, or did not.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// It cannot work as it is configured.
    #[error("{what}: {why}")]
    Start {
        /// The topic, address or file.
        what: String,
        /// What is wrong and what to do.
        why: String,
    },
    /// It may work later; what was not taken is sent again.
    #[error("{0}")]
    Later(String),
    /// The same, and the other side says when.
    #[error("{why}")]
    Wait {
        /// What it said.
        why: String,
        /// When to come back.
        after: Duration,
    },
}

/// One kind of sink. Called on the sink's own thread.
trait Outgoing: Send {
    /// Are events wanted?
    fn takes_events(&self) -> bool;
    /// Are alerts wanted?
    fn takes_alerts(&self) -> bool;
    /// Is this event wanted?
    fn takes(&self, event: &Event) -> bool;
    /// Look whether it can work, before anything is sent.
    fn open(&mut self) -> Result<(), SinkError>;
    /// Send events and wait until they are taken. Returns how many the other side refused for good.
    fn events(&mut self, events: &[Event]) -> Result<u64, SinkError>;
    /// The same for alerts.
    fn alerts(&mut self, alerts: &[Alert]) -> Result<u64, SinkError>;
}

/// A sink that is set up.
pub struct Sink {
    config: SinkConfig,
    out: Box<dyn Outgoing>,
    lent: Lent,
    opened: bool,
    labels: Vec<(FieldId, String)>,
}

/// Set a sink up and look whether it can work.
///
/// # Errors
/// Only what cannot heal by itself: a topic that is not there, a file that cannot be read.
pub fn open(config: &SinkConfig, lent: Lent) -> Result<Sink, SinkError> {
    let mut out: Box<dyn Outgoing> = match &config.kind {
        SinkKind::Kafka(kafka) => Box::new(kafka::ToKafka::new(kafka)?),
        SinkKind::Watchfloor(forward) => {
            Box::new(forward::Forward::new(forward, lent.runtime.clone())?)
        }
    };
    let opened = match out.open() {
        Ok(()) => true,
        Err(error @ SinkError::Start { .. }) => return Err(error),
        Err(error) => {
            (lent.say)(Some(error.to_string()));
            false
        }
    };
    let labels = config.labels.iter().filter_map(|(name, value)| {
        let field = match name.as_str() {
            "tenant" => "organization.id".to_owned(),
            name => format!("labels.{name}"),
        };
        Some((FieldId::intern(&field)?, value.clone()))
    });
    let labels = labels.collect();
    Ok(Sink { config: config.clone(), out, lent, opened, labels })
}

/// One of the two streams: how far it was read, how far that is saved.
#[derive(Debug, Default)]
struct Cursor {
    at: String,
    saved: String,
}

impl Sink {
    /// The configured name.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Send until a stop is asked for.
    pub fn run(mut self, stop: &StopToken) {
        let (mut pause, mut troubled) = (PAUSE.0, false);
        let mut cursors: Option<[Cursor; 2]> = None;
        let mut saved = Instant::now();
        while !stop.is_stopped() {
            let turn = match &mut cursors {
                None => self.begin().map(|begun| {
                    cursors = Some(begun);
                    true
                }),
                Some(cursors) => self.turn(cursors),
            };
            let wait = match turn {
                Ok(more) => {
                    if troubled {
                        (self.lent.say)(None);
                        troubled = false;
                    }
                    pause = PAUSE.0;
                    if more { Duration::ZERO } else { LOOK_EVERY }
                }
                Err(error) => {
                    let text = format!(
                        "sink {}: {error:#}; it is tried again until it works",
                        self.config.name
                    );
                    tracing::warn!("{text}");
                    (self.lent.say)(Some(text));
                    self.lent.gauges.add("failures", 1);
                    troubled = true;
                    let wait = match error.downcast_ref::<SinkError>() {
                        Some(SinkError::Wait { after, .. }) => (*after).min(PAUSE.1),
                        _ => pause,
                    };
                    pause = (pause * 2).min(PAUSE.1);
                    wait
                }
            };
            if let Some(cursors) = &mut cursors
                && (saved.elapsed() >= SAVE_EVERY || wait > Duration::ZERO)
            {
                saved = Instant::now();
                self.save(cursors);
            }
            let until = Instant::now() + wait;
            while !stop.is_stopped() && Instant::now() < until {
                std::thread::sleep(wait.min(Duration::from_millis(50)));
            }
        }
        if let Some(cursors) = &mut cursors {
            self.save(cursors);
        }
    }

    /// Where it was when it last stopped; a new one where the configuration says.
    fn begin(&mut self) -> anyhow::Result<[Cursor; 2]> {
        if !self.opened {
            self.out.open()?;
            self.opened = true;
        }
        let reading = &self.lent.reading;
        let known = [
            reading.place(&self.config.name, "events")?,
            reading.place(&self.config.name, "alerts")?,
        ];
        let (events, alerts) = match self.config.from_start || known.iter().any(Option::is_some) {
            true => (String::new(), String::new()),
            false => reading.ends()?,
        };
        let [first, second] = known;
        let cursor = |known: Option<String>, new: String| {
            // A new one is saved even when nothing is sent: a restart must not begin somewhere else.
            let saved = known.clone().unwrap_or_else(|| "new".to_owned());
            Cursor { at: known.unwrap_or(new), saved }
        };
        Ok([cursor(first, events), cursor(second, alerts)])
    }

    /// Send one chunk of each stream. Is there more?
    fn turn(&mut self, [events, alerts]: &mut [Cursor; 2]) -> anyhow::Result<bool> {
        if !self.opened {
            self.out.open()?;
            self.opened = true;
        }
        let (lent, mut more) = (self.lent.clone(), false);
        if self.out.takes_events() {
            let mut chunk = lent.reading.events(&events.at)?;
            more |= !chunk.items.is_empty();
            note_loss(&lent, chunk.lost.as_deref());
            let all = chunk.items.len();
            chunk.items.retain(|event| self.out.takes(event) && self.is_chosen(event));
            if !chunk.items.is_empty() {
                let refused = self.out.events(&chunk.items)?;
                count(&lent.gauges, "events_sent", chunk.items.len() as u64 - refused);
                count(&lent.gauges, "events_refused", refused);
            }
            count(&lent.gauges, "events_not_chosen", (all - chunk.items.len()) as u64);
            lent.gauges.set("lag_bytes", i64::try_from(chunk.left).unwrap_or(i64::MAX));
            events.at = chunk.next;
        }
        if self.out.takes_alerts() {
            let chunk = lent.reading.alerts(&alerts.at)?;
            more |= !chunk.items.is_empty();
            if !chunk.items.is_empty() {
                let refused = self.out.alerts(&chunk.items)?;
                count(&lent.gauges, "alerts_sent", chunk.items.len() as u64 - refused);
                count(&lent.gauges, "alerts_refused", refused);
            }
            lent.gauges.set("lag_alert_entries", i64::try_from(chunk.left).unwrap_or(i64::MAX));
            alerts.at = chunk.next;
        }
        Ok(more)
    }

    fn is_chosen(&self, event: &Event) -> bool {
        self.labels.iter().all(|(field, wanted)| {
            event.all(*field).any(|value| matches!(value, Value::Str(text) if text == wanted))
        })
    }

    fn save(&self, [events, alerts]: &mut [Cursor; 2]) {
        let changed: Vec<(&str, String)> = [("events", &*events), ("alerts", &*alerts)]
            .into_iter()
            .filter(|(_, cursor)| cursor.at != cursor.saved)
            .map(|(key, cursor)| (key, cursor.at.clone()))
            .collect();
        if changed.is_empty() {
            return;
        }
        match self.lent.reading.save(&self.config.name, &changed) {
            Ok(()) => {
                events.saved.clone_from(&events.at);
                alerts.saved.clone_from(&alerts.at);
            }
            Err(error) => {
                tracing::warn!("sink {}: its place is not saved: {error:#}", self.config.name)
            }
        }
    }
}

fn note_loss(lent: &Lent, lost: Option<&str>) {
    if let Some(what) = lost {
        tracing::error!("{what}");
        lent.gauges.add("segments_gone", 1);
    }
}

fn count(gauges: &Gauges, name: &'static str, by: u64) {
    gauges.add(name, i64::try_from(by).unwrap_or(i64::MAX));
}
