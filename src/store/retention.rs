//! What is old enough to go: whole segments of events, rejects, endpoints, and closed alerts where the policy says so.
//!
//! Rows go in one transaction that also remembers which files are left to remove, so a crash in between leaves nothing
//! behind and nothing short. Evidence of open alerts is copied to the newest segment in that same transaction: an old alert
//! keeps one event, not 64 MiB. Alerts that are open, verdicts and the audit log never go.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use hashbrown::{HashMap, HashSet};

use crate::config::retention::RetentionConfig;
use crate::model::alert::AlertId;
use crate::model::event::{Event, EventId};
use crate::model::retention::{RetentionReport, SegmentGone};
use crate::stdx::time::{Timestamp, micros};
use crate::store::audit::{self, NewEntry};
use crate::store::backup::LOCK;
use crate::store::event_log::{segment_path, sync_folder};
use crate::store::events::Segment;
use crate::store::recent::EvidenceRow;
use crate::store::rows::signed;
use crate::store::{By, Store, StoreError, Writer, folder, local, read_board, read_segments, sql};

/// Ids of one question.
const IDS_AT_ONCE: usize = 500;
/// After the disk was too full, so many per cent are made free below the mark.
const DISK_SLACK: u64 = 5;
/// Where the transaction says which files are left to remove.
const LEFT_KEY: &str = "segments_dropped";

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
        Ok(self.plan_retention(config, now).await?.report)
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
        let mut guard = self.hold().await?;
        let mut plan = self.plan_retention(config, now).await?;
        if !is_free && !plan.report.segments.is_empty() {
            plan.report.segments.clear();
            plan.carried.clear();
            plan.report.events_carried = 0;
            plan.report.postponed = "a backup reads the segments".to_owned();
        }
        if plan.report.is_empty() {
            return Ok(plan.report);
        }
        self.carry_out(&mut guard, &plan, by, now).await?;
        Ok(plan.report)
    }

    async fn plan_retention(
        &self,
        config: &RetentionConfig,
        now: Timestamp,
    ) -> Result<Plan, StoreError> {
        let mut report =
            RetentionReport { disk_used: disk_used(&self.dir).0, ..Default::default() };
        report.segments = self.old_segments(config, now);
        let gone: HashSet<u64> = report.segments.iter().map(|segment| segment.number).collect();
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

    /// Segments that go: by age, by size, by the disk. The newest, which is written to, never does.
    fn old_segments(&self, config: &RetentionConfig, now: Timestamp) -> Vec<SegmentGone> {
        let mut segments = self.events.segments();
        segments.sort_unstable_by_key(|segment| segment.number);
        segments.pop();
        let mut rows: Vec<SegmentGone> = segments.iter().map(|one| self.dated(one)).collect();
        rows.sort_by_key(|row| (row.newest, row.number));
        let limit = until(now, config.events);
        let keep = now.plus_micros(-micros(config.disk_keep));
        let mut bytes = self.events.totals().1;
        let (used, total) = disk_used(&self.dir);
        let mut too_full = if used >= config.disk_drop && config.disk_drop < 100 {
            total / 100 * (used + DISK_SLACK).saturating_sub(config.disk_drop)
        } else {
            0
        };
        let mut gone = Vec::new();
        for mut row in rows {
            let is_over = config.events_bytes_max > 0 && bytes > config.events_bytes_max;
            row.why = if limit.is_some_and(|limit| row.newest < limit) {
                "age".to_owned()
            } else if is_over {
                "size".to_owned()
            } else if too_full > 0 && row.newest < keep {
                "disk".to_owned()
            } else {
                continue;
            };
            bytes = bytes.saturating_sub(row.bytes);
            too_full = too_full.saturating_sub(row.bytes);
            gone.push(row);
        }
        gone
    }

    /// A segment with its age: old logs that were read yesterday are a day old.
    fn dated(&self, segment: &Segment) -> SegmentGone {
        let path = segment_path(&folder::events_folder(&self.dir), segment.number);
        let written = std::fs::metadata(&path).and_then(|meta| meta.modified());
        let written = written.map_or(segment.last, Timestamp::from);
        SegmentGone {
            number: segment.number,
            bytes: segment.length,
            events: segment.events,
            newest: segment.last.max(written),
            why: String::new(),
        }
    }

    /// The evidence of open alerts that lies in these segments.
    async fn evidence_in(&self, gone: &HashSet<u64>) -> Result<Vec<Event>, StoreError> {
        if gone.is_empty() {
            return Ok(Vec::new());
        }
        let ids: BTreeSet<EventId> = {
            let board = self.board.read();
            let open = board.alerts().filter(|alert| !alert.status.is_closed());
            open.flat_map(|alert| alert.evidence.iter().copied()).collect()
        };
        let ids: Vec<EventId> = ids.into_iter().collect();
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
        let Some(limit) = until(now, config.closed_alerts) else { return Ok(Vec::new()) };
        let growing: HashSet<AlertId> =
            self.all_episodes().await?.iter().map(|episode| episode.alert).collect();
        let board = self.board.read();
        let old = board.alerts().filter(|alert| alert.status.is_closed() && alert.updated < limit);
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
            writer.log.discard();
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
        remove_files(&mut writer.sql, &folder::events_folder(&self.dir)).await
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
        for text in
            ["DELETE FROM segments WHERE number = $1", "DELETE FROM evidence WHERE segment = $1"]
        {
            let query = sql::query(text).bind(signed(segment.number));
            query.execute(&mut *link).await.map_err(failed)?;
        }
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
    let mut left = files_left(link).await?;
    left.extend(plan.report.segments.iter().map(|segment| segment.number));
    let text = serde_json::json!(left).to_string();
    sql::query("INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
        .bind(LEFT_KEY)
        .bind(text)
        .execute(&mut *link)
        .await
        .map_err(failed)?;
    Ok(())
}

async fn files_left(link: &mut sql::Connection) -> Result<Vec<u64>, StoreError> {
    let text: Option<String> = sql::scalar("SELECT value FROM meta WHERE key = $1")
        .bind(LEFT_KEY)
        .fetch_optional(&mut *link)
        .await
        .map_err(|source| StoreError::sql("read which files are left to remove", source))?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// Remove the files of segments that are gone by the books; also at start, after a crash in between.
pub(crate) async fn remove_files(
    link: &mut sql::Connection,
    events: &Path,
) -> Result<(), StoreError> {
    let left = files_left(link).await?;
    if left.is_empty() {
        return Ok(());
    }
    // A number that is in the books again (a restored database) is no file to remove.
    let known: HashSet<u64> = read_segments(link).await?.iter().map(|one| one.number).collect();
    for number in left.iter().filter(|number| !known.contains(*number)) {
        let path = segment_path(events, *number);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::io("remove the event segment", &path, error));
            }
            _ => {}
        }
    }
    sync_folder(events).map_err(|source| StoreError::io("sync the folder", events, source))?;
    sql::query("DELETE FROM meta WHERE key = $1")
        .bind(LEFT_KEY)
        .execute(&mut *link)
        .await
        .map_err(|source| StoreError::sql("note that files are removed", source))?;
    Ok(())
}

/// Per cent of the disk in use, rounded down, and its bytes, as `df` counts: of what is used and what we may still use. What
/// is kept for root, or by the layer below, counts as neither. Unknown: nothing is in use.
pub fn disk_used(dir: &Path) -> (u64, u64) {
    let Ok(disk) = rustix::fs::statvfs(dir) else { return (0, 0) };
    let used = disk.f_blocks.saturating_sub(disk.f_bfree);
    let total = used.saturating_add(disk.f_bavail);
    let per_cent = if total == 0 { 0 } else { u128::from(used) * 100 / u128::from(total) };
    (u64::try_from(per_cent).unwrap_or(0), total.saturating_mul(disk.f_frsize))
}
