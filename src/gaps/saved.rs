//! A stream's row in the commit, as JSON: small, and readable by who looks into the store.

use serde::{Deserialize, Serialize};

use crate::gaps::number::Kind;
use crate::gaps::track::{Epoch, Hole, Track, Voice};
use crate::stdx::id::Id128;
use crate::stdx::time::Timestamp;

/// Whose numbers they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Whose {
    pub source: String,
    pub tenant: String,
    pub host: String,
    pub kind: Kind,
    pub name: String,
}

/// From, to, noticed, at, event, voice.
type HoleRow = (u64, u64, i64, i64, String, u8);
/// Low, high, and when; holes.
type EpochRow = (u64, u64, i64, i64, Vec<HoleRow>);

#[derive(Serialize, Deserialize)]
struct Row {
    whose: (String, String, String, String, String),
    epochs: Vec<EpochRow>,
    restarts: u64,
    filled: u64,
    proved: bool,
    given_up: (u64, u64),
    complete: bool,
    touched: u64,
}

/// What a row says.
pub(super) struct Saved {
    pub whose: Whose,
    pub track: Track,
    /// Its source said so when the row was written.
    pub complete: bool,
    /// Higher: used later.
    pub touched: u64,
}

impl Saved {
    pub(super) fn encode(whose: &Whose, track: &Track, complete: bool, touched: u64) -> Vec<u8> {
        let Whose { source, tenant, host, kind, name } = whose.clone();
        let row = Row {
            whose: (source, tenant, host, kind.as_str().to_owned(), name),
            epochs: track.epochs.iter().map(epoch_row).collect(),
            restarts: track.restarts,
            filled: track.filled,
            proved: track.proved,
            given_up: track.given_up,
            complete,
            touched,
        };
        serde_json::to_vec(&row).unwrap_or_default()
    }

    /// `None`: it cannot be read.
    pub(super) fn decode(bytes: &[u8]) -> Option<Saved> {
        let row: Row = serde_json::from_slice(bytes).ok()?;
        let (source, tenant, host, kind, name) = row.whose;
        let whose = Whose { source, tenant, host, kind: Kind::parse(&kind)?, name };
        let epochs = row.epochs.into_iter().map(epoch).collect::<Option<Vec<_>>>()?;
        let track = Track {
            epochs,
            restarts: row.restarts,
            filled: row.filled,
            proved: row.proved,
            given_up: row.given_up,
        };
        Some(Saved { whose, track, complete: row.complete, touched: row.touched })
    }
}

fn epoch_row(epoch: &Epoch) -> EpochRow {
    let holes = epoch.holes.iter().map(|hole| {
        let voice = match hole.voice {
            Voice::Silent => 0,
            Voice::Waits => 1,
            Voice::Told => 2,
        };
        (hole.from, hole.to, hole.noticed.0, hole.at.0, hole.event.to_string(), voice)
    });
    (epoch.low, epoch.high, epoch.low_at.0, epoch.high_at.0, holes.collect())
}

fn epoch((low, high, low_at, high_at, holes): EpochRow) -> Option<Epoch> {
    let holes = holes.into_iter().map(|(from, to, noticed, at, event, voice)| {
        let voice = match voice {
            0 => Voice::Silent,
            1 => Voice::Waits,
            _ => Voice::Told,
        };
        let event = Id128::parse(&event)?;
        // Arithmetic elsewhere relies on the order.
        let whole = from <= to && low <= from && to <= high;
        let (noticed, at) = (Timestamp(noticed), Timestamp(at));
        whole.then_some(Hole { from, to, noticed, at, event, voice })
    });
    let holes = holes.collect::<Option<Vec<_>>>()?;
    let ordered = holes.windows(2).all(|pair| matches!(pair, [one, other] if one.to < other.from));
    let whole = ordered && low <= high;
    whole.then_some(Epoch {
        low,
        high,
        low_at: Timestamp(low_at),
        high_at: Timestamp(high_at),
        holes,
    })
}
