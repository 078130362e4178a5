//! What is old enough to go: whole segments of events, rejects, endpoints, and closed alerts where the policy says so. Where
//! tenants or kinds have ages of their own, a part of a segment may go while the rest stays.
//!
//! Rows go in one transaction that also remembers which files are left to remove, so a crash in between leaves nothing
//! behind and nothing short. Evidence of open alerts is copied to the newest segment in that same transaction: an old alert
//! keeps one event, not 64 MiB. Alerts that are open, verdicts and the audit log never go.

mod files;
mod parts;
mod segments;
mod sieve;

use std::collections::BTreeSet;
use std::time::Duration;

use hashbrown::{HashMap, HashSet};

use crate::config::retention::RetentionConfig;
use crate::model::alert::AlertId;
use crate::model::event::{Event, EventId};
use crate::model::retention::{RetentionReport, SegmentGone};
use crate::stdx::time::{Timestamp, micros};
use crate::store::audit::{self, NewEntry};
use crate::store::backup::LOCK;
use crate::store::recent::EvidenceRow;
use crate::store::{By, Store, StoreError, Writer, folder, local, read_board, read_segments, sql};

pub use files::disk_used;
pub(crate) use files::settle_files;
use parts::Parts;

/// Segments that one run writes anew; more wait for the next.
const SIEVED_MAX: usize = 32;
/// Ids of one question.
const IDS_AT_ONCE: usize = 500;

/// What goes, with what must be kept of it.
struct Plan {
    report: RetentionReport,
    alerts: Vec<AlertId>,
    carried: Vec<Event>,
    /// Not after these times.
    rejects_until: Option<Timestamp>,
    endpoints_until: Option<Timestamp>,
}

fn until(now: Timestamp, age: Duration) -> Option<Timestamp> {
    (!age.is_zero()).then(|| now.plus_micros(-micros(age)))
}

impl Store {
    /// What a run would take away now.
    pub async fn retention_plan(
        &self,
        config: &RetentionConfig,
        now: Timestamp,
    ) -> Result<RetentionReport, StoreError> {
        let parts = self.parts_for(config).await?;
        Ok(self.plan_retention(config, &parts, now).await?.report)
    }

    /// Take away what is old enough.
    pub async fn retention_run(
        &self,
        config: &RetentionConfig,
        by: By<'_>,
        now: Timestamp,
    ) -> Result<RetentionReport, StoreError> {
        // Who copies the segments is waited for until the next time.
        let lock = folder::lock_file(&self.dir.join(LOCK))?;
        let is_free = lock.try_lock().is_ok();
        let parts = self.parts_for(config).await?;
        let mut guard = self.hold().await?;
        let mut plan = self.plan_retention(config, &parts, now).await?;
        if !is_free && !plan.report.segments.is_empty() {
            plan.report.segments.clear();
            plan.carried.clear();
            plan.report.events_carried = 0;
            plan.report.postponed = "a backup reads the segments".to_owned();
        }
        let sieved: Vec<SegmentGone> =
            plan.report.segments.extract_if(.., |one| !one.only.is_empty()).collect();
        if !plan.report.is_empty() {
            self.carry_out(&mut guard, &plan, by, now).await?;
        }
        // Each is written anew while others go on.
        drop(guard);
        let mut failed = None;
        for row in sieved.into_iter().take(SIEVED_MAX) {
            match self.sieve(&row, by, now).await {
                Ok(None) => {}
                Ok(Some(carried)) => {
                    plan.report.events_carried += carried;
                    plan.report.segments.push(row);
                }
                // One that cannot be read must not keep the others; it is counted anew, which finds what is damaged.
                Err(error) => {
                    self.forget_parts(row.number).await?;
                    failed = Some(error);
                }
            }
        }
        failed.map_or(Ok(plan.report), Err)
    }

    /// What tenants have of each kind, where that matters.
    async fn parts_for(&self, config: &RetentionConfig) -> Result<Parts, StoreError> {
        match config.events_differ() {
            true => self.parts_of(&self.dated_segments()).await,
            false => Ok(Parts::new()),
        }
    }

    async fn plan_retention(
        &self,
        config: &RetentionConfig,
        parts: &Parts,
        now: Timestamp,
    ) -> Result<Plan, StoreError> {
        let mut report =
            RetentionReport { disk_used: disk_used(&self.dir).0, ..Default::default() };
        report.segments = self.old_segments(config, parts, now);
        let unread = self.first_unread().await?;
        let waits = |one: &SegmentGone| !one.only.is_empty() && one.number >= unread;
        if report.segments.extract_if(.., |one| waits(one)).count() > 0 {
            report.postponed = "a sink has not read the segments yet".to_owned();
        }
        let whole = report.segments.iter().filter(|one| one.only.is_empty());
        let gone: HashSet<u64> = whole.map(|segment| segment.number).collect();
        let carried = self.evidence_in(&gone).await?;
        report.events_carried = carried.len() as u64;
        let (events, bytes) = self.events.totals();
        report.events_left = events.saturating_sub(report.events()) + report.events_carried;
        report.bytes_left = bytes.saturating_sub(report.bytes());
        let alerts = self.old_alerts(config, now).await?;
        report.alerts = alerts.len() as u64;
        let rejects_until = until(now, config.rejects);
        // An endpoint stays while an event of it may be left: old logs read today are no old endpoints.
        let left = self.events.segments().into_iter().filter(|one| !gone.contains(&one.number));
        let oldest_left = left.map(|one| one.first).min();
        let endpoints_until = until(now, config.endpoints)
            .map(|until| oldest_left.map_or(until, |oldest| until.min(oldest)));
        report.rejects = self.count("rejects", "at", rejects_until).await?;
        report.endpoints = self.count("endpoints", "last_seen", endpoints_until).await?;
        Ok(Plan { report, alerts, carried, rejects_until, endpoints_until })
    }

    /// The first segment that somebody who hands events on may not have read to its end.
    async fn first_unread(&self) -> Result<u64, StoreError> {
        let readers = self.log_readers.read().clone();
        let mut first = u64::MAX;
        for reader in readers {
            let rows = self.positions(&reader).await?;
            let place = rows.into_iter().find(|row| row.key == "events").and_then(|row| row.value);
            let place: Vec<u64> =
                place.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
            first = first.min(place.first().copied().unwrap_or(0));
        }
        Ok(first)
    }

    async fn count(
        &self,
        table: &'static str,
        column: &'static str,
        until: Option<Timestamp>,
    ) -> Result<u64, StoreError> {
        let Some(until) = until else { return Ok(0) };
        // Names of ours only.
        let text = format!("SELECT count(*) FROM {table} WHERE {column} < $1");
        let count: i64 = sql::scalar(sqlx::AssertSqlSafe(text))
            .bind(until.0)
            .fetch_one(&self.readers)
            .await
            .map_err(|source| StoreError::sql("count what is old", source))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// The events that open alerts name.
    fn open_evidence(&self) -> BTreeSet<EventId> {
        let board = self.board.read();
        let open = board.alerts().filter(|alert| !alert.status.is_closed());
        open.flat_map(|alert| alert.evidence.iter().copied()).collect()
    }

    /// The evidence of open alerts that lies in these segments.
    async fn evidence_in(&self, gone: &HashSet<u64>) -> Result<Vec<Event>, StoreError> {
        if gone.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<EventId> = self.open_evidence().into_iter().collect();
        let mut places: Vec<EvidenceRow> = Vec::new();
        for chunk in ids.chunks(IDS_AT_ONCE) {
            let found = self.evidence_places(chunk).await?;
            places.extend(found.into_iter().filter(|place| gone.contains(&place.segment)));
        }
        let mut events: Vec<Event> = self.events.by_place(&places).into_values().collect();
        events.sort_by_key(|event| (event.timestamp, event.id));
        Ok(events)
    }

    /// Closed alerts that the policy lets go; what may still grow stays.
    async fn old_alerts(
        &self,
        config: &RetentionConfig,
        now: Timestamp,
    ) -> Result<Vec<AlertId>, StoreError> {
        let ages = config.tenants.iter().map(|one| one.closed_alerts);
        if ages.chain([config.closed_alerts]).all(|age| age.is_zero()) {
            return Ok(Vec::new());
        }
        let growing: HashSet<AlertId> =
            self.all_episodes().await?.iter().map(|episode| episode.alert).collect();
        let board = self.board.read();
        let old = board.alerts().filter(|alert| {
            let limit = until(now, config.closed_alerts_of(&alert.tenant));
            alert.status.is_closed() && limit.is_some_and(|limit| alert.updated < limit)
        });
        Ok(old.map(|alert| alert.id).filter(|id| !growing.contains(id)).collect())
    }

    async fn carry_out(
        &self,
        writer: &mut Writer,
        plan: &Plan,
        by: By<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let frame = if plan.carried.is_empty() {
            None
        } else {
            let packed = writer.packer.pack(&plan.carried);
            Some(packed.map_err(|source| StoreError::io("pack evidence for", &self.dir, source))?)
        };
        let appended = frame.as_ref().map(|frame| writer.log.append(&frame.bytes)).transpose()?;
        let stored = frame.as_ref().zip(appended);
        let wanted: HashSet<EventId> = plan.carried.iter().map(|event| event.id).collect();
        let evidence: HashMap<EventId, EvidenceRow> = match stored {
            // Only where they are now; older places go with their segments.
            Some(_) => crate::store::recent::Recent::default()
                .locate(stored, &wanted)
                .into_iter()
                .map(|row| (row.event, row))
                .collect(),
            None => HashMap::new(),
        };
        let evidence: Vec<EvidenceRow> = evidence.into_values().collect();
        let mut head = writer.head.clone();
        sql::begin(&mut writer.sql).await.inspect_err(|_| writer.log.discard())?;
        writer.unsure = true;
        let outcome = async {
            let link = &mut writer.sql;
            remove_rows(link, plan).await?;
            local::write_segment(link, stored).await?;
            local::write_evidence(link, &evidence).await?;
            let detail = detail(&plan.report);
            let entry = NewEntry {
                at: now,
                actor: by.actor,
                place: by.place,
                subject: "store",
                subject_id: "retention",
                action: "removed",
                detail: &detail,
            };
            audit::append(link, &mut head, entry).await
        }
        .await;
        if let Err(error) = sql::end(&mut writer.sql, outcome).await {
            // A failed COMMIT may have reached the disk all the same: the books know.
            if let Some((_, place)) = stored
                && let Ok(books) = read_segments(&mut writer.sql).await
                && books.iter().all(|one| one.number != place.segment || one.length < place.end)
            {
                writer.log.discard();
            }
            return Err(error);
        }
        writer.head = head;
        if let Some((frame, place)) = stored {
            writer.log.confirm(place);
            self.events.confirm(frame, place);
        }
        if !plan.alerts.is_empty() {
            let board = read_board(&mut writer.sql).await?;
            *self.board.write() = board;
        }
        writer.unsure = false;
        let numbers: Vec<u64> = plan.report.segments.iter().map(|one| one.number).collect();
        self.events.forget(&numbers);
        writer.recent.forget(&numbers);
        settle_files(&mut writer.sql, &folder::events_folder(&self.dir)).await
    }
}

fn detail(report: &RetentionReport) -> String {
    let each = |why: &str| report.segments.iter().filter(|one| one.why == why).count();
    serde_json::json!({
        "segments_by_age": each("age"), "segments_by_size": each("size"), "segments_by_disk": each("disk"),
        "events": report.events(), "bytes": report.bytes(), "events_carried": report.events_carried,
        "rejects": report.rejects, "endpoints": report.endpoints, "closed_alerts": report.alerts,
    })
    .to_string()
}

async fn remove_rows(link: &mut sql::Connection, plan: &Plan) -> Result<(), StoreError> {
    let failed = |source| StoreError::sql("remove what is old", source);
    for segment in &plan.report.segments {
        sieve::forget_segment(link, segment.number).await?;
    }
    let ages = [
        ("DELETE FROM rejects WHERE at < $1", plan.rejects_until),
        ("DELETE FROM endpoints WHERE last_seen < $1", plan.endpoints_until),
    ];
    for (text, until) in ages {
        let Some(until) = until else { continue };
        sql::query(text).bind(until.0).execute(&mut *link).await.map_err(failed)?;
    }
    for id in &plan.alerts {
        for text in ["DELETE FROM alerts WHERE id = $1", "DELETE FROM rarity WHERE alert = $1"] {
            let query = sql::query(text).bind(id.as_bytes().as_slice());
            query.execute(&mut *link).await.map_err(failed)?;
        }
    }
    if plan.report.segments.is_empty() {
        return Ok(());
    }
    files::note_left(link, plan.report.segments.iter().map(|segment| segment.number)).await
}
