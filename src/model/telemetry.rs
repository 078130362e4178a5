//! What the program measures about itself, as `/metrics` and `/stats` show it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::desk::StatusReport;
use crate::model::noise::NoiseCounts;
use crate::model::severity::Severity;
use crate::stdx::time::Timestamp;

/// Everything at one time.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    /// Health, books, queues, rules, the store.
    pub status: StatusReport,
    /// Findings since the program started, by level, hidden ones included.
    pub findings: BTreeMap<Severity, u64>,
    /// Of them those of rules and signals that are off.
    pub findings_hidden: u64,
    /// What was kept from the queue.
    pub noise: NoiseCounts,
    /// Problems in signal files.
    pub signals_failed: usize,
    /// What signals counted.
    pub signals: Arc<SignalReport>,
}

/// How often a signal said pass, warning and fail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignalResults {
    /// The signal's id.
    pub signal: String,
    /// It is a check of agents.
    pub check: bool,
    /// Pass, warning, fail.
    pub counts: [u64; 3],
}

/// One series of a signal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignalSeries {
    /// The signal's id.
    pub signal: String,
    /// `organization.id`.
    pub tenant: String,
    /// Label and value.
    pub labels: Vec<(String, String)>,
    /// Events counted.
    pub events: u64,
}

/// The state of all signals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignalReport {
    /// Signals that run.
    pub signals: usize,
    /// Rows of state, which are the series.
    pub rows: usize,
    /// Rows there may be.
    pub rows_max: usize,
    /// Rows that made room for others.
    pub rows_evicted: u64,
    /// Saved rows of signals that changed or are gone.
    pub rows_discarded: u64,
    /// Events that were there already.
    pub duplicates: u64,
    /// Events older than the state that is kept.
    pub late: u64,
    /// Events without a label that their signal needs.
    pub unlabelled: u64,
    /// Known values that made room for others.
    pub forgotten: u64,
    /// Findings of signals.
    pub findings: u64,
    /// Event time of the newest event.
    pub clock: Timestamp,
    /// Signals that cannot say anything of what arrives, with the reason.
    pub dead: Vec<(String, String)>,
    /// By signal.
    pub results: Vec<SignalResults>,
    /// By series, as many as are exported.
    pub series: Vec<SignalSeries>,
    /// Series that are not.
    pub series_left_out: u64,
    /// Event types that are counted apart.
    pub event_series: usize,
    /// Data set, action and count of every event type.
    pub events: Vec<(String, String, u64)>,
    /// Events of types beyond the bound.
    pub events_other: u64,
}

impl SignalReport {
    /// Add what another part of the stream counted under the same signals.
    pub fn absorb(&mut self, other: SignalReport) {
        self.rows += other.rows;
        self.rows_evicted += other.rows_evicted;
        self.rows_discarded += other.rows_discarded;
        self.duplicates += other.duplicates;
        self.late += other.late;
        self.unlabelled += other.unlabelled;
        self.forgotten += other.forgotten;
        self.findings += other.findings;
        self.clock = self.clock.max(other.clock);
        // A signal that can say something in one part is not dead.
        self.dead.retain(|(id, _)| other.dead.iter().any(|(known, _)| known == id));
        for row in other.results {
            match self.results.iter_mut().find(|known| known.signal == row.signal) {
                Some(known) => {
                    known.counts.iter_mut().zip(row.counts).for_each(|(sum, more)| *sum += more);
                }
                None => self.results.push(row),
            }
        }
        for row in other.series {
            let same = |known: &&mut SignalSeries| {
                (&known.signal, &known.tenant, &known.labels)
                    == (&row.signal, &row.tenant, &row.labels)
            };
            match self.series.iter_mut().find(same) {
                Some(known) => known.events += row.events,
                None => self.series.push(row),
            }
        }
        self.series_left_out += other.series_left_out;
        self.event_series = self.event_series.max(other.event_series);
        for (set, action, count) in other.events {
            let same = |known: &&mut (String, String, u64)| known.0 == set && known.1 == action;
            match self.events.iter_mut().find(same) {
                Some(known) => known.2 += count,
                None => self.events.push((set, action, count)),
            }
        }
        self.events_other += other.events_other;
    }
}
