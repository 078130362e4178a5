//! What belongs to one part of the stream: rows of rules and signals, open episodes, decoders. Records of local sources
//! are one shard, the unnamed one; a partition of a topic is another, which moves between nodes with everything it holds.

use std::sync::Arc;
use std::time::Instant;

use ahash::AHashMap;
use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::alert::{Engine, Restored};
use crate::config::{Config, regroup};
use crate::detect::{Detector, RuleSet, StateRow};
use crate::gaps;
use crate::model::event::Event;
use crate::model::finding::Finding;
use crate::model::ledger::LedgerDelta;
use crate::model::record::{Batch, Flush, Stream};
use crate::normalise::{Decoder, Output, Settings};
use crate::pipeline::canary;
use crate::pipeline::in_order;
use crate::pipeline::infer::{self, Models};
use crate::pipeline::muted;
use crate::signal::{self, SignalSet};
use crate::stdx::id::Id128;
use crate::store::{Commit, EventStore, Store};

/// One stream's decoder and what the store last heard of it.
struct Seat {
    decoder: Decoder,
    source: Arc<str>,
    saved: Option<Vec<u8>>,
    /// The stream fell quiet while something was too young to be closed: it is looked at again.
    restless: Option<Arc<Stream>>,
}

/// The state of one shard, owned by the analyst.
pub(crate) struct Shard {
    pub(crate) detector: Detector,
    pub(crate) signals: signal::Engine,
    pub(crate) engine: Engine,
    pub(crate) gaps: gaps::Engine,
    /// Windows of endpoints, where models judge them.
    pub(crate) infer: Option<infer::Stage>,
    /// A parked rule was released since the last commit.
    pub(crate) released: bool,
    /// When it was last looked whether something fell silent.
    pub(crate) looked: Instant,
    seats: AHashMap<Id128, Seat>,
    /// Decoder states of the last run whose streams have not come up yet.
    restored: AHashMap<Id128, Vec<u8>>,
}

/// Builds shards as the last commit left them.
pub(crate) struct Loader {
    pub(crate) store: Arc<Store>,
    pub(crate) config: Arc<Config>,
    pub(crate) runtime: Handle,
    /// The models in force, if there are any.
    pub(crate) models: Option<Arc<Mutex<Arc<Models>>>>,
}

impl Loader {
    /// The shard with this key, under these rules and signals.
    pub(crate) async fn load(
        &self,
        key: &str,
        rules: Arc<RuleSet>,
        signals: Arc<SignalSet>,
    ) -> anyhow::Result<Shard> {
        let (store, config) = (&self.store, &self.config);
        let mut detector = Detector::new(rules, config.limits.correlation_rows_max);
        if regroup::in_force(config).is_some() {
            detector = detector.in_parts();
        }
        let mut signals = signal::Engine::new(signals, &config.signals);
        let saved = store.saved(key).await?;
        let other =
            |key: &str| key.starts_with(muted::KEY_PREFIX) || key.starts_with(canary::KEY_PREFIX);
        let rows = saved.detection.into_iter().filter(|(key, _)| !other(key));
        let (windows, rows): (Vec<_>, Vec<_>) =
            rows.partition(|(key, _)| key.starts_with(infer::KEY_PREFIX));
        let infer = self.windows(key, windows)?;
        let rows = rows.into_iter();
        let (own, rules): (Vec<_>, Vec<_>) =
            rows.partition(|(key, _)| key.starts_with(signal::KEY_PREFIX));
        let (numbers, rules): (Vec<_>, Vec<_>) =
            rules.into_iter().partition(|(key, _)| key.starts_with(gaps::KEY_PREFIX));
        let complete = config.sources.iter().filter(|source| source.complete);
        let complete = complete.map(|source| source.name.clone());
        let mut gaps = gaps::Engine::new(&config.gaps, complete);
        gaps.restore(numbers);
        let rules = rules.into_iter().map(|(key, value)| StateRow { key, value: Some(value) });
        detector.restore(rules.collect());
        let own = own.into_iter().map(|(key, value)| signal::StateRow { key, value: Some(value) });
        signals.restore(own.collect());
        let mut engine = Engine::new(config.alert.clone())
            .with_noise(config.rules.noise.rarity, saved.noise)
            .with_assets(&config.assets)
            .restore(Restored {
                episodes: saved.episodes,
                bundles: saved.bundles,
                counts: saved.rule_counts,
            });
        engine.release(&saved.releases);
        let restored = saved.decoders.into_iter().collect();
        let seats = AHashMap::new();
        Ok(Shard {
            detector,
            signals,
            engine,
            gaps,
            infer,
            released: !saved.releases.is_empty(),
            looked: Instant::now(),
            seats,
            restored,
        })
    }
}

impl Loader {
    /// The windows of a shard as they were: rows, then, where events stand in a log of this node's own, the events behind.
    fn windows(
        &self,
        key: &str,
        rows: Vec<(String, Vec<u8>)>,
    ) -> anyhow::Result<Option<infer::Stage>> {
        let Some(models) = &self.models else { return Ok(None) };
        let models = Arc::clone(&models.lock());
        let log = match self.store.event_store() {
            EventStore::Embedded(reader) if !self.store.is_shared() && key.is_empty() => {
                Some(reader)
            }
            _ => None,
        };
        let mut stage = infer::Stage::new(models, &self.config.infer, log.is_none());
        let mut behind = infer::restore::Behind::default();
        for (key, value) in &rows {
            stage.restore(key, value, &mut behind);
        }
        if let Some(log) = log.filter(|_| stage.has_mark()) {
            let mut place = behind.from;
            loop {
                let followed = log.follow(place, 0)?;
                if followed.gone {
                    tracing::warn!(
                        "events behind the state of windows are gone: windows have holes"
                    );
                }
                if followed.events.is_empty() {
                    break;
                }
                stage.read_again(&followed.events, followed.next, &behind);
                place = followed.next;
            }
        }
        stage.restored();
        Ok(Some(stage))
    }
}

impl Shard {
    /// Judge events in order.
    pub(crate) fn judge(&mut self, events: &[Event], backfill: bool, findings: &mut Vec<Finding>) {
        in_order::judge(&mut self.detector, &mut self.signals, events, backfill, findings);
    }

    /// Decode a batch with the decoder of its stream.
    pub(crate) fn decode(
        &mut self,
        batch: &Batch,
        settings: &Arc<Settings>,
        delta: &mut LedgerDelta,
    ) -> Output {
        let restored = &mut self.restored;
        let seat = self.seats.entry(batch.stream.id).or_insert_with(|| {
            let mut decoder = Decoder::new(&batch.stream, Arc::clone(settings));
            let saved = restored.remove(&batch.stream.id);
            if let Some(state) = &saved {
                decoder.restore(state);
            }
            let source = Arc::clone(&batch.stream.source);
            Seat { decoder, source, saved, restless: None }
        });
        debug_assert_eq!(seat.source, batch.stream.source, "a stream belongs to one source");
        let open_before = seat.decoder.open_records();
        let mut output = Output::default();
        seat.decoder.decode(batch, &mut output);
        let open = seat.decoder.open_records();
        let restless = batch.flush == Flush::Idle && open > 0;
        seat.restless = restless.then(|| Arc::clone(&batch.stream));
        delta.received += output.received;
        delta.stored += output.stored;
        delta.rejected += output.rejected;
        delta.events += output.events.len() as u64;
        delta.in_flight += signed(open) - signed(open_before);
        let newest = output.events.iter().map(|event| event.timestamp.micros()).max();
        delta.newest_event_us = delta.newest_event_us.max(newest.unwrap_or(0));
        output
    }

    /// What closes records of quiet streams that were too young when their sources said so: a source says it once.
    pub(crate) fn unrested(&self) -> Vec<Batch> {
        let streams = self.seats.values().filter_map(|seat| seat.restless.as_ref());
        streams.map(|stream| Batch::new(Arc::clone(stream), Flush::Idle)).collect()
    }

    /// Hand the decoder's state to the commit if it changed; forget the decoder of a finished stream.
    pub(crate) fn save_decoder(&mut self, batch: &Batch, commit: &mut Commit) {
        let id = batch.stream.id;
        let Some(seat) = self.seats.get_mut(&id) else { return };
        let over = batch.flush == Flush::End && seat.decoder.open_records() == 0;
        let state = if over { None } else { seat.decoder.state() };
        if state != seat.saved {
            // A later batch of the same stream in this commit replaces what an earlier one said.
            commit.decoders.retain(|(known, _)| *known != id);
            commit.decoders.push((id, state.clone()));
            seat.saved = state;
        }
        if over {
            self.seats.remove(&id);
        }
    }

    /// All state that changed, for the commit.
    pub(crate) fn take_changes(&mut self, commit: &mut Commit) {
        commit.bundles = self.engine.take_bundles();
        commit.rule_counts = self.engine.take_counts();
        commit.matches = self.detector.take_away();
        let rows = self.detector.take_changes();
        // What windows came to is in it already.
        commit.detection.extend(rows.into_iter().map(|row| (row.key, row.value)));
        let rows = self.signals.take_changes();
        commit.detection.extend(rows.into_iter().map(|row| (row.key, row.value)));
        commit.detection.extend(self.gaps.take_changes());
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
