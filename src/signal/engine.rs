//! The stage as the pipeline runs it: events in, findings and counters out, state kept between batches.

use std::sync::Arc;

use ahash::AHashMap;

use crate::config::signals::SignalsConfig;
use crate::model::event::{Event, EventId};
use crate::model::field;
use crate::model::finding::{Finding, RuleInfo};
use crate::model::origin::Origin;
use crate::model::telemetry::{SignalReport, SignalResults, SignalSeries};
use crate::signal::condition::{Condition, Outcome};
use crate::signal::counters::{EventCounters, cut};
use crate::signal::judge::{Judged, Said, judge, span};
use crate::signal::row::{Data, RECENT_MAX, Row};
use crate::signal::set::{Signal, SignalSet};
use crate::signal::state::State;
use crate::stdx::id::IdHasher;
use crate::stdx::time::{SECOND_US, Timestamp};

/// A condition that lasts gives one finding in this span of event time.
const REPEAT_US: i64 = 60 * SECOND_US;
/// Pairs of field and value that a finding shows.
const MATCHED_MAX: usize = 8;
/// What is kept of a value in a finding.
const VALUE_CHARS_MAX: usize = 256;
/// Series of signals that are exported; the rest is counted.
pub const SERIES_EXPORTED_MAX: usize = 10_000;

/// One row of state, for the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRow {
    /// The row's key.
    pub key: String,
    /// Its bytes, or nothing when the row is gone.
    pub value: Option<Vec<u8>>,
}

/// What was counted since the program started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events that were there already.
    pub duplicates: u64,
    /// Events older than the state that is kept.
    pub late: u64,
    /// Events without a label that the signal needs.
    pub unlabelled: u64,
    /// Known values that made room for others.
    pub forgotten: u64,
    /// Findings.
    pub findings: u64,
}

/// What one signal saw since the program started.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    events: u64,
    /// Of them without the field that the condition is about.
    blind: u64,
}

/// Judges batches. One owner; not shared.
pub struct Engine {
    set: Arc<SignalSet>,
    state: State,
    counters: EventCounters,
    counts: Counts,
    seen: Vec<Seen>,
    tenant: Arc<str>,
}

impl Engine {
    /// An engine without state.
    pub fn new(set: Arc<SignalSet>, config: &SignalsConfig) -> Engine {
        let signals = set.signals().len();
        Engine {
            state: State::new(signals, config.rows_max),
            counters: EventCounters::new(config.event_series_max),
            counts: Counts::default(),
            seen: vec![Seen::default(); signals],
            tenant: Arc::from(""),
            set,
        }
    }

    /// Take back the rows of the last commit. Those of signals that changed or are gone are discarded and counted.
    pub fn restore(&mut self, rows: Vec<StateRow>) {
        self.state.restore(rows, &self.set);
    }

    /// Go on with another set of signals, as a whole. Those that count as they did keep their state, under whatever
    /// title or level; rows of the others are given up and counted.
    pub fn replace(&mut self, set: Arc<SignalSet>) {
        let mut old: AHashMap<&str, Seen> = AHashMap::new();
        for (signal, seen) in self.set.signals().iter().zip(&self.seen) {
            old.insert(signal.prefix.as_str(), *seen);
        }
        let seen = |signal: &Signal| old.get(signal.prefix.as_str()).copied().unwrap_or_default();
        self.seen = set.signals().iter().map(seen).collect();
        self.state.carry_over(&self.set, &set);
        self.set = set;
    }

    /// The signals in use.
    pub fn set(&self) -> &Arc<SignalSet> {
        &self.set
    }

    /// What was counted.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Rows held, and how many made room for others.
    pub fn rows(&self) -> (usize, u64) {
        (self.state.rows(), self.state.evicted)
    }

    /// Judge a batch in order; findings are added to `out`.
    pub fn analyse(&mut self, events: &[Event], backfill: bool, out: &mut Vec<Finding>) {
        self.analyse_each(events, backfill, out, |_| ());
    }

    /// The same; `after` is told after each event how many findings there are.
    pub fn analyse_each(
        &mut self,
        events: &[Event],
        backfill: bool,
        out: &mut Vec<Finding>,
        mut after: impl FnMut(usize),
    ) {
        let set = Arc::clone(&self.set);
        let (mut scratch, mut concerned) = (String::new(), Vec::new());
        for event in events {
            self.counters.see(event);
            // A clock that is ahead must not make the others silent.
            let at = event.timestamp;
            let at = if event.ingested.micros() > 0 { at.min(event.ingested) } else { at };
            let source = event.str(field::SOURCE_NAME).unwrap_or_default();
            let clock = self.state.see(source, at);
            set.concerned(event, &mut scratch, &mut concerned);
            for number in &concerned {
                if let Some(signal) = set.get(*number) {
                    self.count(*number, signal, &set, event, (backfill, clock), out);
                }
            }
            self.quiet(source, clock, out);
            after(out.len());
        }
    }

    /// Nothing came from a source for as long (wall clock) as `idle` says: its series may have fallen silent.
    pub fn idle(&mut self, idle: impl Fn(&str) -> std::time::Duration, out: &mut Vec<Finding>) {
        let late = |(source, at): (&str, Timestamp)| {
            (source.to_owned(), at.plus_micros(crate::stdx::time::micros(idle(source))))
        };
        let clocks: Vec<(String, Timestamp)> = self.state.clocks().map(late).collect();
        for (source, now) in clocks {
            self.quiet(&source, now, out);
        }
    }

    /// The rows that changed since the last call.
    pub fn take_changes(&mut self) -> Vec<StateRow> {
        self.state.take_changes(&self.set)
    }

    fn count(
        &mut self,
        number: u32,
        signal: &Signal,
        set: &SignalSet,
        event: &Event,
        (backfill, clock): (bool, Timestamp),
        out: &mut Vec<Finding>,
    ) {
        if let Some(seen) = self.seen.get_mut(number as usize) {
            seen.events += 1;
        }
        let values: Vec<_> = signal.labels.iter().map(|(_, place)| place.text(event)).collect();
        if signal.condition.needs_labels() && values.iter().all(Option::is_none) {
            self.counts.unlabelled += 1;
            return;
        }
        let tenant = event.str(field::ORGANIZATION_ID).unwrap_or("default");
        let labels: Vec<String> = values
            .iter()
            .map(|value| value.as_deref().map_or_else(String::new, |text| cut(text).to_owned()))
            .collect();
        let key = (number, series(tenant, &labels));
        let calendar = set.calendar();
        let fresh = || Row {
            tenant: tenant.to_owned(),
            labels: labels.clone(),
            first: event.timestamp,
            newest: event.timestamp,
            data: Data::of(&signal.condition),
            ..Row::default()
        };
        let change = |row: &mut Row| {
            if row.recent.contains(&event.id) {
                return (Judged::Repeat, None);
            }
            let before = row.recent.iter().copied().collect::<Vec<EventId>>();
            note(row, event, (backfill, clock), &signal.condition);
            let judged = judge(&signal.condition, calendar, row, event);
            let report = match &judged {
                Judged::Said(said) => report(row, said, event.timestamp),
                _ => false,
            };
            (judged, report.then_some(before))
        };
        let Some((judged, report)) = self.state.change(key, set, fresh, change) else { return };
        match judged {
            Judged::Repeat => self.counts.duplicates += 1,
            Judged::Late => self.counts.late += 1,
            Judged::Blind => {
                if let Some(seen) = self.seen.get_mut(number as usize) {
                    seen.blind += 1;
                }
            }
            Judged::Said(said) => {
                self.counts.forgotten += u64::from(said.forgotten);
                if let Some(before) = report {
                    self.finding(signal, &said, &labels, before, event, backfill, out);
                }
            }
        }
    }

    #[allow(clippy::too_many_arguments)] // one call, each of another kind
    fn finding(
        &mut self,
        signal: &Signal,
        said: &Said,
        labels: &[String],
        before: Vec<EventId>,
        event: &Event,
        backfill: bool,
        out: &mut Vec<Finding>,
    ) {
        self.counts.findings += 1;
        let mut matched = vec![(signal.condition.name().to_owned(), said.why.clone())];
        if signal.check {
            matched.push(("result".to_owned(), said.outcome.as_str().to_owned()));
        }
        for place in signal.when.places() {
            if matched.len() >= MATCHED_MAX {
                break;
            }
            let known = matched.iter().any(|(name, _)| name == place.name());
            if let (false, Some(value)) = (known, place.text(event)) {
                let value: String = value.chars().take(VALUE_CHARS_MAX).collect();
                matched.push((place.name().to_owned(), value));
            }
        }
        let tenant = event.str(field::ORGANIZATION_ID).unwrap_or("default");
        if &*self.tenant != tenant {
            self.tenant = Arc::from(tenant);
        }
        out.push(Finding {
            rule: rule(signal, said.outcome),
            timestamp: event.timestamp,
            tenant: Arc::clone(&self.tenant),
            host: event.host().to_owned(),
            user: event.str(field::USER_NAME).unwrap_or_default().to_owned(),
            event: event.id,
            contributing: if said.lasts { before } else { Vec::new() },
            matched,
            group: group(signal, labels),
            backfill,
            origin: Origin::of(event),
        });
    }

    /// Report the series that are silent at a time.
    fn quiet(&mut self, source: &str, now: Timestamp, out: &mut Vec<Finding>) {
        let set = Arc::clone(&self.set);
        for (at, key) in self.state.silent(source, now) {
            let Some(signal) = set.get(key.0) else { continue };
            let finding = self.state.change(key, &set, Row::default, |row| {
                if let Data::Quiet(reported, _) = &mut row.data {
                    *reported = true;
                }
                if let Some(count) = row.results.get_mut(Outcome::Fail as usize) {
                    *count += 1;
                }
                row.fired = Some((at, Outcome::Fail));
                silence(signal, row, at)
            });
            self.counts.findings += 1;
            out.extend(finding.flatten());
        }
    }

    /// What `/metrics` and `/stats` show of signals.
    pub fn report(&self) -> SignalReport {
        let mut report = SignalReport {
            signals: self.set.signals().len(),
            rows: self.state.rows(),
            rows_max: self.state.rows_max(),
            rows_evicted: self.state.evicted,
            rows_discarded: self.state.discarded,
            duplicates: self.counts.duplicates,
            late: self.counts.late,
            unlabelled: self.counts.unlabelled,
            forgotten: self.counts.forgotten,
            findings: self.counts.findings,
            clock: self.state.clocks().map(|(_, at)| at).max().unwrap_or_default(),
            dead: self.dead(),
            event_series: self.counters.series(),
            events: self.counters.all(),
            events_other: self.counters.other,
            ..SignalReport::default()
        };
        for (number, signal) in (0_u32..).zip(self.set.signals()) {
            report.results.push(SignalResults {
                signal: signal.info.id.clone(),
                check: signal.check,
                counts: self.state.results(number),
            });
            for row in self.state.of(number) {
                if report.series.len() >= SERIES_EXPORTED_MAX {
                    report.series_left_out += 1;
                    continue;
                }
                report.series.push(SignalSeries {
                    signal: signal.info.id.clone(),
                    tenant: row.tenant.clone(),
                    labels: signal
                        .labels
                        .iter()
                        .map(|(name, _)| name.clone())
                        .zip(row.labels.iter().cloned())
                        .collect(),
                    events: row.total,
                });
            }
        }
        report.series.sort_by(|one, other| {
            (&one.signal, &one.tenant, &one.labels).cmp(&(
                &other.signal,
                &other.tenant,
                &other.labels,
            ))
        });
        report
    }

    /// Signals whose events came, and never with the field that the condition needs.
    pub fn dead(&self) -> Vec<(String, String)> {
        let each = self.set.signals().iter().zip(&self.seen);
        each.filter(|(_, seen)| seen.events > 0 && seen.blind == seen.events)
            .map(|(signal, seen)| {
                let field = needed_field(&signal.condition);
                let reason = format!("{} events came, none with {field}", seen.events);
                (signal.info.id.clone(), reason)
            })
            .collect()
    }
}

fn needed_field(condition: &Condition) -> &'static str {
    match condition {
        Condition::Value { place, .. }
        | Condition::Distinct { place, .. }
        | Condition::Sum { place, .. }
        | Condition::Percentile { place, .. }
        | Condition::FirstSeen { place, .. }
        | Condition::Allow { place, .. }
        | Condition::Deny { place, .. } => place.name(),
        Condition::Travel { .. } => "source.geo.location or source.geo.country_*",
        _ => "its field",
    }
}

/// The hash of a series.
fn series(tenant: &str, labels: &[String]) -> crate::stdx::id::Id128 {
    let mut hasher = IdHasher::new("signal series");
    hasher.text(tenant);
    labels.iter().for_each(|label| {
        hasher.text(label);
    });
    hasher.finish()
}

/// Count the event in its row.
fn note(row: &mut Row, event: &Event, (backfill, clock): (bool, Timestamp), condition: &Condition) {
    let gaps = match condition {
        // Whole numbers of gaps do for this.
        #[allow(clippy::cast_possible_truncation)]
        Condition::Absence { gaps, .. } if *gaps >= 1.0 => Some(*gaps as i64),
        _ => None,
    };
    if let Data::Quiet(reported, gap) = &mut row.data {
        let silent = if row.total > 0 { event.timestamp.micros_since(row.newest) } else { 0 };
        // After a silence that was reported, the next one must be longer than it; more would make an outage the usual.
        let learned = if *reported { gaps.map_or(0, |gaps| silent / gaps) } else { silent };
        *gap = (*gap).max(learned);
        // An event that is as late as the silence is long does not end it.
        let span = match condition {
            Condition::Absence { span, .. } => *span,
            _ => i64::MAX,
        };
        *reported = *reported && clock.micros_since(event.timestamp) >= span;
    }
    let source = event.str(field::SOURCE_NAME).unwrap_or_default();
    if row.source != source {
        source.clone_into(&mut row.source);
    }
    row.first = row.first.min(event.timestamp);
    row.newest = row.newest.max(event.timestamp);
    row.total += 1;
    row.backfill = backfill;
    if row.host != event.host() {
        event.host().clone_into(&mut row.host);
    }
    let user = event.str(field::USER_NAME).unwrap_or_default();
    if row.user != user {
        user.clone_into(&mut row.user);
    }
    if row.recent.len() >= RECENT_MAX {
        row.recent.pop_front();
    }
    row.recent.push_back(event.id);
}

/// Count the result; is there a finding?
fn report(row: &mut Row, said: &Said, at: Timestamp) -> bool {
    if let Some(count) = row.results.get_mut(said.outcome as usize) {
        *count += 1;
    }
    if said.outcome == Outcome::Pass {
        return false;
    }
    let again = said.lasts
        && row.fired.is_some_and(|(last, was)| {
            said.outcome <= was && at.micros_since(last).saturating_abs() < REPEAT_US
        });
    if again {
        return false;
    }
    row.fired = Some((at, said.outcome));
    true
}

fn rule(signal: &Signal, outcome: Outcome) -> Arc<RuleInfo> {
    Arc::clone(if outcome == Outcome::Warning { &signal.milder } else { &signal.info })
}

fn group(signal: &Signal, labels: &[String]) -> Vec<(String, String)> {
    let pairs = signal.labels.iter().map(|(_, place)| place.name().to_owned());
    pairs.zip(labels.iter().cloned()).filter(|(_, value)| !value.is_empty()).collect()
}

fn silence(signal: &Signal, row: &Row, at: Timestamp) -> Option<Finding> {
    let last = *row.recent.back()?;
    let silent = at.micros_since(row.newest);
    let why = format!("no event for {} after {} events", span(silent), row.total);
    Some(Finding {
        rule: Arc::clone(&signal.info),
        timestamp: at,
        tenant: Arc::from(row.tenant.as_str()),
        host: row.host.clone(),
        user: row.user.clone(),
        event: last,
        contributing: Vec::new(),
        matched: vec![(signal.condition.name().to_owned(), why)],
        group: group(signal, &row.labels),
        backfill: row.backfill,
        origin: Origin::default(),
    })
}
