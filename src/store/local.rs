//! What a commit writes of this node's own: places of evidence, lengths of segments, states, positions, rejects, the ledger.
//! Endpoints, which nodes share, stand with the events that they are counted from.

use hashbrown::HashMap;

use crate::store::StoreError;
use crate::store::commit::{Commit, Stored};
use crate::store::event_log::Appended;
use crate::store::frame::{Frame, Hosts, Place};
use crate::store::recent::EvidenceRow;
use crate::store::rows::signed;
use crate::store::sql::{self, Connection, Kind, Table};

const EVIDENCE: Table<7> = Table {
    name: "evidence",
    keys: 1,
    columns: [
        ("event", Kind::Bytes),
        ("segment", Kind::Int),
        ("block", Kind::Int),
        ("block_bytes", Kind::Int),
        ("raw_bytes", Kind::Int),
        ("start", Kind::Int),
        ("length", Kind::Int),
    ],
    replace: false,
};

const DETECTION: Table<2> = Table {
    name: "detection",
    keys: 1,
    columns: [("key", Kind::Text), ("value", Kind::Bytes)],
    replace: true,
};

const REJECTS: Table<8> = Table {
    name: "rejects",
    keys: 1,
    columns: [
        ("id", Kind::Bytes),
        ("source", Kind::Text),
        ("path", Kind::Text),
        ("start", Kind::Int),
        ("at", Kind::Int),
        ("reason", Kind::Text),
        ("detail", Kind::Text),
        ("head", Kind::Bytes),
    ],
    replace: false,
};

/// Places of evidence, the durable length of the event log, endpoints.
pub(crate) async fn write_events(
    sql: &mut Connection,
    stored: &Stored<'_>,
) -> Result<(), StoreError> {
    write_evidence(sql, stored.evidence).await?;
    write_segment(sql, stored.log).await?;
    match stored.log.map(|(frame, _)| &frame.hosts).or(stored.elsewhere) {
        Some(hosts) => write_endpoints(sql, hosts).await,
        None => Ok(()),
    }
}

/// Where events of alerts lie.
pub(crate) async fn write_evidence(
    sql: &mut Connection,
    evidence: &[EvidenceRow],
) -> Result<(), StoreError> {
    let values = evidence.iter().map(|row| {
        let Place { start, length, .. } = row.place;
        [
            row.event.as_bytes().as_slice().into(),
            signed(row.segment).into(),
            signed(row.block_offset).into(),
            i64::from(row.block_bytes).into(),
            i64::from(row.raw_bytes).into(),
            i64::from(start).into(),
            i64::from(length).into(),
        ]
    });
    let done = EVIDENCE.put(sql, values.collect()).await;
    done.map_err(|source| StoreError::sql("write evidence places", source))?;
    Ok(())
}

/// The durable length of the segment that a frame was appended to.
pub(crate) async fn write_segment(
    sql: &mut Connection,
    stored: Option<(&Frame, Appended)>,
) -> Result<(), StoreError> {
    let Some((frame, place)) = stored else { return Ok(()) };
    let grown = Grown {
        number: place.segment,
        length: place.end,
        events: u64::from(frame.header.count),
        raw_bytes: frame.raw_bytes,
        first_us: frame.header.first.0,
        last_us: frame.header.last.0,
    };
    grow_segment(sql, &grown).await
}

/// What a segment grew by, and where it ends now.
pub(crate) struct Grown {
    pub number: u64,
    pub length: u64,
    pub events: u64,
    pub raw_bytes: u64,
    pub first_us: i64,
    pub last_us: i64,
}

/// Take a segment's growth into the books.
pub(crate) async fn grow_segment(sql: &mut Connection, grown: &Grown) -> Result<(), StoreError> {
    sql::query(
        "INSERT INTO segments (number, length, events, raw_bytes, first_us, last_us)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (number) DO UPDATE SET
           length = excluded.length, events = segments.events + excluded.events,
           raw_bytes = segments.raw_bytes + excluded.raw_bytes,
           first_us = CASE WHEN excluded.first_us < segments.first_us
             THEN excluded.first_us ELSE segments.first_us END,
           last_us = CASE WHEN excluded.last_us > segments.last_us
             THEN excluded.last_us ELSE segments.last_us END",
    )
    .bind(signed(grown.number))
    .bind(signed(grown.length))
    .bind(signed(grown.events))
    .bind(signed(grown.raw_bytes))
    .bind(grown.first_us)
    .bind(grown.last_us)
    .execute(sql)
    .await
    .map_err(|source| StoreError::sql("record the durable length", source))?;
    Ok(())
}

async fn write_endpoints(sql: &mut Connection, hosts: &Hosts) -> Result<(), StoreError> {
    // In the order of their names, so that nodes never wait for each other in a circle.
    // Of judgements alone an endpoint was not seen.
    let mut hosts: Vec<_> = hosts.iter().filter(|(_, summary)| summary.events > 0).collect();
    hosts.sort_unstable_by_key(|(host, _)| *host);
    for (host, summary) in hosts {
        sql::query(
            "INSERT INTO endpoints (host, os, events, first_seen, last_seen) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (host) DO UPDATE SET
               os = CASE WHEN excluded.os = '' THEN endpoints.os ELSE excluded.os END,
               events = endpoints.events + excluded.events,
               first_seen = CASE WHEN excluded.first_seen < endpoints.first_seen
                 THEN excluded.first_seen ELSE endpoints.first_seen END,
               last_seen = CASE WHEN excluded.last_seen > endpoints.last_seen
                 THEN excluded.last_seen ELSE endpoints.last_seen END",
        )
        .bind(host.as_str())
        .bind(summary.os.as_str())
        .bind(signed(summary.events))
        .bind(summary.first.0)
        .bind(summary.last.0)
        .execute(&mut *sql)
        .await
        .map_err(|source| StoreError::sql("write endpoints", source))?;
    }
    Ok(())
}

/// States of stages and positions of sources.
pub(crate) async fn write_states(sql: &mut Connection, commit: &Commit) -> Result<(), StoreError> {
    write_detection(sql, &commit.detection).await?;
    write_detection(sql, &commit.counts).await?;
    for (stream, value) in &commit.decoders {
        let stream = stream.as_bytes().as_slice();
        let query = match value {
            Some(value) => {
                let text = "INSERT INTO decoders (stream, value) VALUES ($1, $2)
                     ON CONFLICT (stream) DO UPDATE SET value = excluded.value";
                sql::query(text).bind(stream).bind(value.as_slice())
            }
            None => sql::query("DELETE FROM decoders WHERE stream = $1").bind(stream),
        };
        let done = query.execute(&mut *sql).await;
        done.map_err(|source| StoreError::sql("write decoder state", source))?;
    }
    for position in &commit.positions {
        let (source, key) = (&*position.source, position.key.as_str());
        let query = match &position.value {
            Some(value) => sql::query(
                "INSERT INTO positions (source, key, value) VALUES ($1, $2, $3)
                 ON CONFLICT (source, key) DO UPDATE SET value = excluded.value",
            )
            .bind(source)
            .bind(key)
            .bind(value.as_str()),
            None => sql::query("DELETE FROM positions WHERE source = $1 AND key = $2")
                .bind(source)
                .bind(key),
        };
        let done = query.execute(&mut *sql).await;
        done.map_err(|source| StoreError::sql("write positions", source))?;
    }
    Ok(())
}

/// Rows of stages; `None` removes one.
pub(crate) async fn write_detection(
    sql: &mut Connection,
    changes: &[(String, Option<Vec<u8>>)],
) -> Result<(), StoreError> {
    let failed = |source| StoreError::sql("write detection state", source);
    // One key may have changed twice in a commit: the last value counts.
    let last: HashMap<&str, Option<&[u8]>> =
        changes.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
    let kept = last.iter().filter_map(|(key, value)| Some((*key, (*value)?)));
    let values = kept.map(|(key, value)| [key.into(), value.into()]);
    DETECTION.put(sql, values.collect()).await.map_err(failed)?;
    for (key, _) in last.iter().filter(|(_, value)| value.is_none()) {
        let query = sql::query("DELETE FROM detection WHERE key = $1").bind(*key);
        query.execute(&mut *sql).await.map_err(failed)?;
    }
    Ok(())
}

/// Rejects and the ledger.
pub(crate) async fn write_books(sql: &mut Connection, commit: &Commit) -> Result<(), StoreError> {
    let values = commit.rejects.iter().map(|reject| {
        [
            reject.id.as_bytes().as_slice().into(),
            (&*reject.source).into(),
            (&*reject.path).into(),
            signed(reject.offset).into(),
            reject.at.0.into(),
            reject.reason.into(),
            reject.detail.as_str().into(),
            reject.head.as_slice().into(),
        ]
    });
    let done = REJECTS.put(sql, values.collect()).await;
    done.map_err(|source| StoreError::sql("write rejects", source))?;
    for delta in &commit.ledger {
        sql::query(
            "INSERT INTO ledger (source, received, stored, rejected, duplicate, shed, in_flight,
               events, newest_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (source) DO UPDATE SET
               received = ledger.received + excluded.received,
               stored = ledger.stored + excluded.stored,
               rejected = ledger.rejected + excluded.rejected,
               duplicate = ledger.duplicate + excluded.duplicate,
               shed = ledger.shed + excluded.shed,
               in_flight = ledger.in_flight + excluded.in_flight,
               events = ledger.events + excluded.events,
               newest_us = CASE WHEN excluded.newest_us > ledger.newest_us
                 THEN excluded.newest_us ELSE ledger.newest_us END",
        )
        .bind(delta.source.as_str())
        .bind(signed(delta.received))
        .bind(signed(delta.stored))
        .bind(signed(delta.rejected))
        .bind(signed(delta.duplicate))
        .bind(signed(delta.shed))
        .bind(delta.in_flight)
        .bind(signed(delta.events))
        .bind(delta.newest_event_us)
        .execute(&mut *sql)
        .await
        .map_err(|source| StoreError::sql("write the ledger", source))?;
    }
    Ok(())
}
