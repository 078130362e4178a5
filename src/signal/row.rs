//! The state of one series of one signal, as it lies in memory and in the store.

use std::collections::{BTreeMap, VecDeque};

use crate::model::event::EventId;
use crate::signal::condition::{Condition, Outcome};
use crate::signal::entries::Entry;
use crate::signal::slices::Slice;
use crate::signal::travel::Spot;
use crate::stdx::cursor::{Cursor, put_length, put_text};
use crate::stdx::id::Id128;
use crate::stdx::time::Timestamp;

/// Changes when the form does; rows of another form are given up and counted.
const VERSION: u8 = 1;
/// Ids of the events seen last that are kept: evidence, and a guard against repeats.
pub const RECENT_MAX: usize = 32;

/// A value that was seen, by its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The value's hash.
    pub hash: u64,
    /// When it was seen last.
    pub last: Timestamp,
}

/// What a condition keeps.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Data {
    /// Nothing.
    #[default]
    Nothing,
    /// Events or values one by one.
    Entries(Vec<Entry>),
    /// Sums by slices of time.
    Slices(BTreeMap<i64, Slice>),
    /// Values seen.
    Known(Vec<Known>),
    /// Where it was last.
    Spot(Option<Spot>),
    /// Whether its silence was reported, and the longest silence so far in microseconds.
    Quiet(bool, i64),
}

impl Data {
    /// What the condition starts with.
    pub fn of(condition: &Condition) -> Data {
        match condition {
            Condition::Count { .. } | Condition::Distinct { .. } => Data::Entries(Vec::new()),
            Condition::Rate { .. }
            | Condition::Ratio { .. }
            | Condition::Sum { .. }
            | Condition::Percentile { .. }
            | Condition::Burst { .. } => Data::Slices(BTreeMap::new()),
            Condition::FirstSeen { .. } => Data::Known(Vec::new()),
            Condition::Travel { .. } => Data::Spot(None),
            Condition::Absence { .. } => Data::Quiet(false, 0),
            Condition::Never
            | Condition::Each
            | Condition::Value { .. }
            | Condition::OffHours
            | Condition::Allow { .. }
            | Condition::Deny { .. } => Data::Nothing,
        }
    }
}

/// One series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// When it was used, as a running number.
    pub touched: u64,
    /// `organization.id`.
    pub tenant: String,
    /// The source of the event counted last: silence is measured by its events.
    pub source: String,
    /// The values of the signal's labels.
    pub labels: Vec<String>,
    /// Host and user of the event counted last.
    pub host: String,
    /// See `host`.
    pub user: String,
    /// It came from a first read of old logs.
    pub backfill: bool,
    /// Event time of the oldest event.
    pub first: Timestamp,
    /// Event time of the newest event.
    pub newest: Timestamp,
    /// Events counted.
    pub total: u64,
    /// How often the condition said pass, warning and fail.
    pub results: [u64; 3],
    /// When there was a finding last, and which.
    pub fired: Option<(Timestamp, Outcome)>,
    /// The events counted last, oldest first.
    pub recent: VecDeque<EventId>,
    /// What the condition keeps.
    pub data: Data,
}

impl Row {
    /// The row as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer(Vec::with_capacity(160 + self.recent.len() * 16));
        out.0.push(VERSION);
        out.number(self.touched);
        out.text(&self.tenant);
        out.text(&self.source);
        out.length(self.labels.len());
        self.labels.iter().for_each(|label| out.text(label));
        out.text(&self.host);
        out.text(&self.user);
        out.0.push(u8::from(self.backfill));
        out.time(self.first);
        out.time(self.newest);
        out.number(self.total);
        self.results.iter().for_each(|count| out.number(*count));
        match self.fired {
            None => out.0.push(u8::MAX),
            Some((at, outcome)) => {
                out.0.push(outcome as u8);
                out.time(at);
            }
        }
        out.length(self.recent.len());
        self.recent.iter().for_each(|id| out.id(*id));
        out.data(&self.data);
        out.0
    }

    /// A row from bytes; `None` if they are not a row's.
    pub fn decode(bytes: &[u8]) -> Option<Row> {
        let mut rest = Cursor::new(bytes);
        if rest.byte()? != VERSION {
            return None;
        }
        let mut row = Row {
            touched: rest.u64()?,
            tenant: rest.text()?.to_owned(),
            source: rest.text()?.to_owned(),
            ..Row::default()
        };
        for _ in 0..rest.length()? {
            row.labels.push(rest.text()?.to_owned());
        }
        (row.host, row.user) = (rest.text()?.to_owned(), rest.text()?.to_owned());
        row.backfill = rest.byte()? != 0;
        (row.first, row.newest) = (time(&mut rest)?, time(&mut rest)?);
        row.total = rest.u64()?;
        for count in &mut row.results {
            *count = rest.u64()?;
        }
        row.fired = match rest.byte()? {
            u8::MAX => None,
            word => {
                let outcome = *Outcome::ALL.get(usize::from(word))?;
                Some((time(&mut rest)?, outcome))
            }
        };
        for _ in 0..rest.length()? {
            row.recent.push_back(id(&mut rest)?);
        }
        row.data = data(&mut rest)?;
        rest.is_empty().then_some(row)
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn float(&mut self, number: f64) {
        self.number(number.to_bits());
    }

    fn time(&mut self, at: Timestamp) {
        self.0.extend_from_slice(&at.0.to_le_bytes());
    }

    fn id(&mut self, id: EventId) {
        self.0.extend_from_slice(id.as_bytes());
    }

    fn length(&mut self, length: usize) {
        put_length(&mut self.0, length);
    }

    fn text(&mut self, text: &str) {
        put_text(&mut self.0, text);
    }

    fn data(&mut self, data: &Data) {
        match data {
            Data::Nothing => self.0.push(0),
            Data::Entries(entries) => {
                self.0.push(1);
                self.length(entries.len());
                for entry in entries {
                    self.time(entry.time);
                    self.id(entry.id);
                    self.number(entry.value);
                }
            }
            Data::Slices(slices) => {
                self.0.push(2);
                self.length(slices.len());
                for (number, slice) in slices {
                    self.0.extend_from_slice(&number.to_le_bytes());
                    self.number(slice.count);
                    self.number(slice.hits);
                    self.float(slice.sum);
                    self.length(slice.marks.len());
                    for (mark, count) in &slice.marks {
                        self.0.extend_from_slice(&mark.to_le_bytes());
                        self.0.extend_from_slice(&count.to_le_bytes());
                    }
                }
            }
            Data::Known(known) => {
                self.0.push(3);
                self.length(known.len());
                for value in known {
                    self.number(value.hash);
                    self.time(value.last);
                }
            }
            Data::Spot(None) => self.0.push(4),
            Data::Spot(Some(spot)) => {
                self.0.push(5);
                self.time(spot.time);
                self.text(&spot.country);
                let (latitude, longitude) = spot.point.unwrap_or((f64::NAN, f64::NAN));
                self.float(latitude);
                self.float(longitude);
            }
            Data::Quiet(reported, gap) => {
                self.0.extend_from_slice(&[6, u8::from(*reported)]);
                self.0.extend_from_slice(&gap.to_le_bytes());
            }
        }
    }
}

fn time(rest: &mut Cursor<'_>) -> Option<Timestamp> {
    rest.i64().map(Timestamp)
}

fn id(rest: &mut Cursor<'_>) -> Option<EventId> {
    rest.take().map(Id128)
}

fn data(rest: &mut Cursor<'_>) -> Option<Data> {
    Some(match rest.byte()? {
        0 => Data::Nothing,
        1 => {
            let mut entries = Vec::new();
            for _ in 0..rest.length()? {
                let (time, id, value) = (time(rest)?, id(rest)?, rest.u64()?);
                entries.push(Entry { time, id, value });
            }
            Data::Entries(entries)
        }
        2 => {
            let mut slices = BTreeMap::new();
            for _ in 0..rest.length()? {
                let number = rest.i64()?;
                slices.insert(number, slice(rest)?);
            }
            Data::Slices(slices)
        }
        3 => {
            let mut known = Vec::new();
            for _ in 0..rest.length()? {
                known.push(Known { hash: rest.u64()?, last: time(rest)? });
            }
            Data::Known(known)
        }
        4 => Data::Spot(None),
        5 => {
            let (time, country) = (time(rest)?, rest.text()?.to_owned());
            let (latitude, longitude) = (rest.f64()?, rest.f64()?);
            let point = (!latitude.is_nan()).then_some((latitude, longitude));
            Data::Spot(Some(Spot { time, country, point }))
        }
        6 => Data::Quiet(rest.byte()? != 0, rest.i64()?),
        _ => return None,
    })
}

fn slice(rest: &mut Cursor<'_>) -> Option<Slice> {
    let mut slice =
        Slice { count: rest.u64()?, hits: rest.u64()?, sum: rest.f64()?, ..Slice::default() };
    for _ in 0..rest.length()? {
        let mark = i16::from_le_bytes(rest.take()?);
        slice.marks.insert(mark, u32::from_le_bytes(rest.take()?));
    }
    Some(slice)
}
