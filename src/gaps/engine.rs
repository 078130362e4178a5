//! The stage: every stream's numbers, bounded, saved with the commit, and findings where a hole means something.

use std::collections::BTreeMap;
use std::sync::Arc;

use ahash::{AHashMap, AHashSet};

use crate::config::gaps::GapsConfig;
use crate::gaps::KEY_PREFIX;
use crate::gaps::number::{self, Kind};
use crate::gaps::saved::{Saved, Whose};
use crate::gaps::track::{Hole, Track, Trust, Voice};
use crate::model::event::{Event, EventId};
use crate::model::finding::{Finding, RuleInfo};
use crate::model::gap::{Gap, GapReport, NumberedStream};
use crate::model::origin::Origin;
use crate::model::record::Batch;
use crate::model::severity::Severity;
use crate::stdx::id::{Id128, IdHasher};
use crate::stdx::time::{Timestamp, micros};

/// The id that alerts about missing records carry in place of a rule's.
pub const RULE_ID: &str = "watchfloor-records-missing";
/// The row of what is counted over all streams.
const COUNTS_KEY: &str = "gaps/@counts";
/// Holes that a finding lists; `watchfloor gaps list` has all.
const HOLES_SHOWN_MAX: usize = 32;

struct Seat {
    whose: Whose,
    track: Track,
    complete: bool,
    touched: u64,
}

/// Source, tenant, host, kind, name.
type Named<'a> = (&'a str, &'a str, &'a str, Kind, &'a str);

/// All numbered streams.
pub struct Engine {
    config: GapsConfig,
    /// Sources that leave nothing out.
    complete: AHashSet<String>,
    seats: AHashMap<Id128, Seat>,
    by_touch: BTreeMap<u64, Id128>,
    /// Streams with holes that wait for their grace.
    waiting: AHashSet<Id128>,
    changed: AHashSet<Id128>,
    uses: u64,
    evicted: u64,
    evicted_saved: u64,
    removed: Vec<String>,
}

impl Engine {
    /// No stream yet. `complete` are the sources that leave nothing out.
    pub fn new(config: &GapsConfig, complete: impl IntoIterator<Item = String>) -> Engine {
        Engine {
            config: config.clone(),
            complete: complete.into_iter().collect(),
            seats: AHashMap::new(),
            by_touch: BTreeMap::new(),
            waiting: AHashSet::new(),
            changed: AHashSet::new(),
            uses: 0,
            evicted: 0,
            evicted_saved: 0,
            removed: Vec::new(),
        }
    }

    /// Go on with other settings.
    pub fn reconfigure(&mut self, config: &GapsConfig) {
        self.config = config.clone();
    }

    /// Take back saved rows. One that cannot be read is dropped: its stream begins anew.
    pub fn restore(&mut self, rows: impl IntoIterator<Item = (String, Vec<u8>)>) {
        for (key, value) in rows {
            if key == COUNTS_KEY {
                let bytes = <[u8; 8]>::try_from(value.as_slice()).unwrap_or_default();
                self.evicted = u64::from_le_bytes(bytes);
                self.evicted_saved = self.evicted;
                continue;
            }
            let Some(saved) = Saved::decode(&value) else {
                tracing::warn!(key, "the numbers of a stream cannot be read and begin anew");
                self.removed.push(key);
                continue;
            };
            let Saved { whose, track, complete, touched } = saved;
            let id = id_of(&whose.source, &whose.tenant, &whose.host, whose.kind, &whose.name);
            self.uses = self.uses.max(touched);
            if track.waits() {
                self.waiting.insert(id);
            }
            self.by_touch.insert(touched, id);
            self.seats.insert(id, Seat { whose, track, complete, touched });
        }
    }

    /// Records of a batch and the events made of them.
    pub fn see(&mut self, batch: &Batch, events: &[Event], now: Timestamp) {
        let (source, tenant) = (&*batch.stream.source, &*batch.stream.tenant);
        if let Some(seen) = &batch.delivery.numbering {
            let whose = (source, &*seen.tenant, "", Kind::Offset, &*seen.name);
            self.take(whose, |track, trust| track.see_runs(seen, now, trust));
        }
        for event in events {
            if let Some(seen) = number::of_event(event) {
                let whose = (source, tenant, seen.host, seen.kind, seen.name);
                self.take(whose, |track, trust| track.see(&seen, now, trust));
            }
        }
    }

    fn take(&mut self, whose: Named<'_>, see: impl FnOnce(&mut Track, Trust)) {
        let (source, tenant, host, kind, name) = whose;
        let id = id_of(source, tenant, host, kind, name);
        if !self.seats.contains_key(&id) {
            self.make_room();
        }
        self.uses += 1;
        let (uses, complete) = (self.uses, self.complete.contains(source));
        let seat = self.seats.entry(id).or_insert_with(|| Seat {
            whose: Whose {
                source: source.to_owned(),
                tenant: tenant.to_owned(),
                host: host.to_owned(),
                kind,
                name: name.to_owned(),
            },
            track: Track::default(),
            complete,
            touched: 0,
        });
        self.by_touch.remove(&seat.touched);
        (seat.touched, seat.complete) = (uses, complete);
        self.by_touch.insert(uses, id);
        let trust = Trust { complete, consecutive: self.config.consecutive.max(1) };
        see(&mut seat.track, trust);
        self.changed.insert(id);
        if seat.track.waits() {
            self.waiting.insert(id);
        }
    }

    fn make_room(&mut self) {
        while self.seats.len() >= self.config.streams_max.max(1) {
            let Some((_, id)) = self.by_touch.pop_first() else { return };
            self.seats.remove(&id);
            self.waiting.remove(&id);
            self.changed.remove(&id);
            self.removed.push(format!("{KEY_PREFIX}{id}"));
            self.evicted += 1;
        }
    }

    /// Holes whose grace is over, where holes mean something: one finding a stream.
    pub fn tell(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        if self.waiting.is_empty() {
            return;
        }
        let until = now.plus_micros(-micros(self.config.grace));
        let mut waiting: Vec<Id128> = self.waiting.iter().copied().collect();
        // The order of findings must not depend on a hash table.
        waiting.sort_unstable();
        for id in waiting {
            let Some(seat) = self.seats.get_mut(&id) else { continue };
            let holes = seat.track.ripe(until);
            if !seat.track.waits() {
                self.waiting.remove(&id);
            }
            if let Some(finding) = finding(&seat.whose, &holes) {
                self.changed.insert(id);
                findings.push(finding);
            }
        }
    }

    /// Rows that changed since this was asked last.
    pub fn take_changes(&mut self) -> Vec<(String, Option<Vec<u8>>)> {
        let removed = std::mem::take(&mut self.removed);
        let mut rows: Vec<_> = removed.into_iter().map(|key| (key, None)).collect();
        for id in std::mem::take(&mut self.changed) {
            let Some(seat) = self.seats.get(&id) else { continue };
            let value = Saved::encode(&seat.whose, &seat.track, seat.complete, seat.touched);
            rows.push((format!("{KEY_PREFIX}{id}"), Some(value)));
        }
        if self.evicted != self.evicted_saved {
            self.evicted_saved = self.evicted;
            rows.push((COUNTS_KEY.to_owned(), Some(self.evicted.to_le_bytes().to_vec())));
        }
        rows
    }

    /// Streams, holes that are not waited for any more, and numbers in them, by source.
    pub fn totals(&self, now: Timestamp) -> BTreeMap<&str, (i64, i64, i64)> {
        let until = now.plus_micros(-micros(self.config.grace));
        let mut totals: BTreeMap<&str, (i64, i64, i64)> = BTreeMap::new();
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        for seat in self.seats.values() {
            let total = totals.entry(&seat.whose.source).or_default();
            total.0 += 1;
            total.1 = total.1.saturating_add(number(seat.track.given_up.0));
            total.2 = total.2.saturating_add(number(seat.track.given_up.1));
            for hole in seat.track.holes().filter(|hole| hole.noticed <= until) {
                total.1 += 1;
                total.2 = total.2.saturating_add(number(hole.numbers()));
            }
        }
        totals
    }
}

/// What saved rows say, for people.
pub fn report_of(
    rows: impl IntoIterator<Item = (String, Vec<u8>)>,
    config: &GapsConfig,
    now: Timestamp,
) -> GapReport {
    let mut engine = Engine::new(config, None);
    engine.config.streams_max = usize::MAX;
    engine.restore(rows);
    let until = now.plus_micros(-micros(config.grace));
    let mut streams: Vec<NumberedStream> = Vec::new();
    let mut seats: Vec<&Seat> = engine.seats.values().collect();
    seats.sort_by(|one, other| one.whose.cmp(&other.whose));
    for seat in seats {
        let (whose, track) = (&seat.whose, &seat.track);
        let trusted = match (seat.complete, track.proved) {
            (true, _) => "complete",
            (false, true) => "proved",
            (false, false) => "no",
        };
        streams.push(NumberedStream {
            source: whose.source.clone(),
            tenant: whose.tenant.clone(),
            host: whose.host.clone(),
            kind: whose.kind.as_str().to_owned(),
            name: whose.name.clone(),
            last: whose.kind.written(track.last()),
            trusted: trusted.to_owned(),
            restarts: track.restarts,
            filled: track.filled,
            gaps: track.holes().map(|hole| gap(whose.kind, hole, until)).collect(),
            given_up: track.given_up,
        });
    }
    GapReport { streams, streams_evicted: engine.evicted }
}

fn gap(kind: Kind, hole: &Hole, until: Timestamp) -> Gap {
    let state = match hole.voice {
        Voice::Told => "alerted",
        _ if hole.noticed > until => "waiting",
        _ => "missing",
    };
    Gap {
        from: kind.written(hole.from),
        to: kind.written(hole.to),
        noticed: hole.noticed,
        at: hole.at,
        state: state.to_owned(),
    }
}

fn finding(whose: &Whose, holes: &[Hole]) -> Option<Finding> {
    let (first, last) = (holes.first()?, holes.last()?);
    let kind = whose.kind;
    let numbers: u64 = holes.iter().map(Hole::numbers).sum();
    let place = if whose.host.is_empty() { &whose.name } else { &whose.host };
    // The numbers that did come, on both sides.
    let before = kind.written(first.from.saturating_sub(1));
    let behind = kind.written(last.to.saturating_add(1));
    let title = format!("records missing on {place}: {numbers} between {before} and {behind}");
    let listed = holes.iter().take(HOLES_SHOWN_MAX).map(|hole| {
        let (from, to) = (kind.written(hole.from), kind.written(hole.to));
        let text = if from == to { from.to_string() } else { format!("{from}-{to}") };
        ("missing".to_owned(), text)
    });
    let mut matched = vec![("numbers".to_owned(), kind.as_str().to_owned())];
    matched.extend(listed);
    if holes.len() > HOLES_SHOWN_MAX {
        let more = holes.len() - HOLES_SHOWN_MAX;
        matched.push(("missing".to_owned(), format!("{more} more: watchfloor gaps list")));
    }
    let mut group = vec![("numbers".to_owned(), kind.as_str().to_owned())];
    if !whose.name.is_empty() {
        group.push(("of".to_owned(), whose.name.clone()));
    }
    Some(Finding {
        rule: Arc::new(rule(title)),
        timestamp: if last.at == Timestamp::default() { last.noticed } else { last.at },
        tenant: whose.tenant.as_str().into(),
        host: whose.host.clone(),
        user: String::new(),
        event: if last.event == EventId::default() { own_id(whose, last) } else { last.event },
        contributing: Vec::new(),
        matched,
        group,
        backfill: false,
        origin: Origin::default(),
    })
}

fn rule(title: String) -> RuleInfo {
    RuleInfo {
        id: RULE_ID.to_owned(),
        title,
        level: Severity::High,
        tags: vec!["attack.stealth".to_owned(), "attack.t1070".to_owned()],
        description: "Records that their sender numbered did not arrive: they were deleted, or lost on the way."
            .to_owned(),
        false_positives: vec![
            "A shipper that began to filter".to_owned(),
            "A queue that overflowed between the sender and here".to_owned(),
        ],
        file: "builtin:gaps".to_owned(),
        line: 1,
        group_by: Vec::new(),
    }
}

fn own_id(whose: &Whose, hole: &Hole) -> EventId {
    let mut hasher = IdHasher::new("gap");
    hasher.text(&whose.source).text(&whose.tenant).text(&whose.name).number(hole.from);
    hasher.finish()
}

fn id_of(source: &str, tenant: &str, host: &str, kind: Kind, name: &str) -> Id128 {
    let mut hasher = IdHasher::new("numbers");
    hasher.text(source).text(tenant).text(host).text(kind.as_str()).text(name).finish()
}
