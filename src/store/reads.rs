//! What the store can be asked: alerts, evidence, rejects, endpoints, the ledger, and the states that
//! the stages take back at start.

use hashbrown::HashMap;
use sqlx::AssertSqlSafe;

use crate::model::alert::{Alert, AlertId, Pending};
use crate::model::desk::AlertPage;
use crate::model::endpoint::Endpoint;
use crate::model::event::{Event, EventId};
use crate::model::ledger::{Ledger, SourceLedger};
use crate::model::record::{Position, StoredReject};
use crate::model::sort::SortKey;
use crate::stdx::id::Id128;
use crate::stdx::time::{SECOND_US, Timestamp};
use crate::store::events::EventScan;
use crate::store::frame::Place;
use crate::store::recent::EvidenceRow;
use crate::store::rows::{id_at, signed, unsigned};
use crate::store::sql::{self, Row, Target};
use crate::store::{Store, StoreError};

/// How far before its alert an event that took part in a correlation is looked for, and how far behind it: the event
/// that made it may have come late.
pub(crate) const CORRELATION_REACH_US: i64 = 24 * 3_600 * SECOND_US;

/// Which rejects to list.
#[derive(Clone, Debug, Default)]
pub struct RejectQuery {
    /// Only of this source.
    pub source: Option<String>,
    /// Only for this reason.
    pub reason: Option<String>,
    /// At most this many, the newest first.
    pub limit: usize,
    /// Rows to skip.
    pub offset: usize,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Alerts.
    pub alerts: u64,
    /// Events.
    pub events: u64,
    /// Bytes of the store on disk.
    pub bytes: u64,
}

impl Store {
    /// A page of alerts as `actor` sees them: the actor's own pending actions are carried out before
    /// `filter` and sorting.
    pub fn alerts_page(
        &self,
        actor: &str,
        filter: &(dyn Fn(&Alert) -> bool + Sync),
        sort: &[SortKey],
        limit: usize,
        offset: usize,
    ) -> AlertPage {
        self.board.read().page(actor, filter, sort, limit, offset)
    }

    /// One alert as `actor` sees it.
    pub fn alert(&self, id: &AlertId, actor: &str) -> Option<Alert> {
        self.board.read().seen_by(id, actor)
    }

    /// Actions of `actor` that wait for their deadline, oldest first.
    pub fn pending(&self, actor: &str) -> Vec<Pending> {
        let board = self.board.read();
        board.pending().iter().filter(|pending| pending.actor == actor).cloned().collect()
    }

    /// The evidence of an alert that is still stored, oldest first. Known places are read directly;
    /// for the rest the log is searched by host and time.
    pub async fn evidence(&self, alert: &Alert) -> Result<Vec<Event>, StoreError> {
        if let Some(mut events) = self.event_store.elsewhere_by_ids(&alert.evidence).await? {
            events.sort_by_key(Event::arrival);
            return Ok(events);
        }
        let mut events = HashMap::new();
        let mut missing = alert.evidence.clone();
        // Twice: retention may move an event between the question where it is and the look there.
        for _ in 0..2 {
            let places = self.evidence_places(&missing).await?;
            if places.is_empty() {
                break;
            }
            events.extend(self.events.by_place(&places).events);
            missing.retain(|id| !events.contains_key(id));
        }
        if !missing.is_empty() {
            let scan = EventScan {
                from: Some(alert.first_seen.plus_micros(-CORRELATION_REACH_US)),
                to: Some(alert.last_seen.plus_micros(CORRELATION_REACH_US)),
                host: Some(alert.host.clone()),
                limit: missing.len(),
            };
            let found = self.events.search(&scan, &|event| missing.contains(&event.id))?;
            events.extend(found.events.into_iter().map(|event| (event.id, event)));
        }
        let mut events: Vec<Event> = events.into_values().collect();
        events.sort_by_key(Event::arrival);
        Ok(events)
    }

    pub(crate) async fn evidence_places(
        &self,
        ids: &[EventId],
    ) -> Result<Vec<EvidenceRow>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let list = sql::list(ids.len());
        // Placeholders only.
        let text = AssertSqlSafe(format!("SELECT * FROM evidence WHERE event IN ({list})"));
        let mut query = sql::query(text).once();
        for id in ids {
            query = query.bind(id.as_bytes().as_slice());
        }
        let rows = query.fetch_all(&self.readers).await;
        let rows = rows.map_err(|source| StoreError::sql("read evidence places", source))?;
        let number = |row: &Row, column| u32::try_from(row.get::<i64>(column)).unwrap_or(0);
        let place = |row: &Row| EvidenceRow {
            event: id_at(row, "event"),
            segment: unsigned(row.get("segment")),
            block_offset: unsigned(row.get("block")),
            block_bytes: number(row, "block_bytes"),
            raw_bytes: number(row, "raw_bytes"),
            place: Place { block: 0, start: number(row, "start"), length: number(row, "length") },
        };
        Ok(rows.iter().map(place).collect())
    }

    /// Rejects, newest first.
    pub async fn rejects(&self, query: &RejectQuery) -> Result<Vec<StoredReject>, StoreError> {
        let rows = sql::query(
            "SELECT * FROM rejects WHERE ($1 IS NULL OR source = $1) AND ($2 IS NULL OR reason = $2)
             ORDER BY sequence DESC LIMIT $3 OFFSET $4",
        )
        .bind(query.source.as_deref())
        .bind(query.reason.as_deref())
        .bind(signed(query.limit as u64))
        .bind(signed(query.offset as u64))
        .fetch_all(&self.readers)
        .await
        .map_err(|source| StoreError::sql("read rejects", source))?;
        Ok(rows.iter().map(reject_of).collect())
    }

    /// One reject by its running number.
    pub async fn reject(&self, sequence: u64) -> Result<Option<StoredReject>, StoreError> {
        let row = sql::query("SELECT * FROM rejects WHERE sequence = $1")
            .bind(signed(sequence))
            .fetch_optional(&self.readers)
            .await
            .map_err(|source| StoreError::sql("read rejects", source))?;
        Ok(row.as_ref().map(reject_of))
    }

    /// One reject by its id.
    pub async fn reject_by_id(&self, id: Id128) -> Result<Option<StoredReject>, StoreError> {
        let row = sql::query("SELECT * FROM rejects WHERE id = $1")
            .bind(id.as_bytes().as_slice())
            .fetch_optional(&self.readers)
            .await
            .map_err(|source| StoreError::sql("read rejects", source))?;
        Ok(row.as_ref().map(reject_of))
    }

    /// How many rejects there are by source and reason, most first.
    pub async fn reject_counts(&self) -> Result<Vec<(String, String, u64)>, StoreError> {
        let rows = sql::query(
            "SELECT source, reason, count(*) AS total FROM rejects
             GROUP BY source, reason ORDER BY total DESC, source, reason",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(|source| StoreError::sql("count rejects", source))?;
        let counts = rows.iter().map(|row| (row.get(0), row.get(1), unsigned(row.get(2))));
        Ok(counts.collect())
    }

    /// The inventory, by name.
    pub async fn endpoints(&self) -> Result<Vec<Endpoint>, StoreError> {
        let rows = sql::query("SELECT * FROM endpoints ORDER BY host")
            .fetch_all(&self.readers)
            .await
            .map_err(|source| StoreError::sql("read endpoints", source))?;
        let open = self.board.read().open_by_host();
        let endpoints = rows.iter().map(|row| {
            let host: String = row.get("host");
            let alerts = open.get(host.as_str());
            Endpoint {
                os: row.get("os"),
                events: unsigned(row.get("events")),
                first_seen: Timestamp(row.get("first_seen")),
                last_seen: Timestamp(row.get("last_seen")),
                alerts_open: alerts.map_or(0, |(count, _)| *count),
                worst: alerts.map(|(_, worst)| *worst),
                score: None,
                scored: None,
                highest: None,
                host,
            }
        });
        Ok(endpoints.collect())
    }

    /// Alerts as they are for everybody, of which something holds.
    pub fn alerts_that(&self, holds: &dyn Fn(&Alert) -> bool) -> Vec<Alert> {
        self.board.read().alerts().filter(|alert| holds(alert)).cloned().collect()
    }

    /// The conservation ledger of what this node itself reads, a row a source, by name.
    pub async fn ledger(&self) -> Result<Vec<SourceLedger>, StoreError> {
        ledger_of(Target::Pool(&self.readers)).await
    }

    /// How much there is.
    pub fn counts(&self) -> Counts {
        let (events, event_bytes) = self.event_store.totals();
        let database = self.config.alerts.file(&self.dir);
        let log = database.as_ref().map(|path| path.with_extension("db-wal"));
        let bytes: u64 = [database, log]
            .iter()
            .flatten()
            .filter_map(|path| std::fs::metadata(path).ok())
            .map(|data| data.len())
            .sum();
        Counts { alerts: self.board.read().len() as u64, events, bytes: bytes + event_bytes }
    }

    /// The saved state of one stream's decoder.
    pub async fn decoder_state(&self, stream: Id128) -> Result<Option<Vec<u8>>, StoreError> {
        sql::scalar("SELECT value FROM decoders WHERE stream = $1")
            .bind(stream.as_bytes().as_slice())
            .fetch_optional(&self.readers)
            .await
            .map_err(|source| StoreError::sql("read decoder state", source))
    }

    /// The saved positions of a source.
    pub async fn positions(&self, source_name: &str) -> Result<Vec<Position>, StoreError> {
        let rows = sql::query("SELECT key, value FROM positions WHERE source = $1 ORDER BY key")
            .bind(source_name)
            .fetch_all(&self.readers)
            .await
            .map_err(|source| StoreError::sql("read positions", source))?;
        let positions = rows.iter().map(|row| Position {
            source: source_name.into(),
            key: row.get("key"),
            value: Some(row.get("value")),
        });
        Ok(positions.collect())
    }
}

/// A ledger, a row a source, by name.
pub(crate) async fn ledger_of(from: Target<'_>) -> Result<Vec<SourceLedger>, StoreError> {
    let rows = sql::query("SELECT * FROM ledger ORDER BY source")
        .fetch_all(from)
        .await
        .map_err(|source| StoreError::sql("read the ledger", source))?;
    let count = |row: &Row, column| unsigned(row.get(column));
    let ledgers = rows.iter().map(|row| SourceLedger {
        name: row.get("source"),
        ledger: Ledger {
            received: count(row, "received"),
            stored: count(row, "stored"),
            rejected: count(row, "rejected"),
            duplicate: count(row, "duplicate"),
            shed: count(row, "shed"),
            in_flight: count(row, "in_flight"),
            events: count(row, "events"),
        },
        newest_event_us: row.get("newest_us"),
        numbers: Vec::new(),
    });
    Ok(ledgers.collect())
}

fn reject_of(row: &Row) -> StoredReject {
    StoredReject {
        sequence: unsigned(row.get("sequence")),
        id: id_at(row, "id"),
        source: row.get("source"),
        path: row.get("path"),
        offset: unsigned(row.get("start")),
        at: Timestamp(row.get("at")),
        reason: row.get("reason"),
        detail: row.get("detail"),
        head: row.get("head"),
    }
}
