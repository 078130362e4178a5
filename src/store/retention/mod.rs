//! What is old enough to go: whole segments of events, rejects, endpoints, and closed alerts where the policy says so. Where
//! tenants or kinds have ages of their own, a part of a segment may go while the rest stays.
//!
//! Rows go in one transaction that also remembers which files are left to remove, so a crash in between leaves nothing
//! behind and nothing short. Evidence of open alerts is copied to the newest segment in that same transaction: an old alert
//! keeps one event, not 64 MiB. Alerts that are open, verdicts and the audit log never go.

mod evidence;
mod files;
mod parts;
mod segments;
mod sieve;

use std::io::ErrorKind;
use std::time::Duration;

use hashbrown::{HashMap, HashSet};

use crate::config::retention::RetentionConfig;
use crate::model::alert::AlertId;
use crate::model::event::{Event, EventId};
use crate::model::retention::{RetentionReport, SegmentGone};
use crate::stdx::time::{Timestamp, micros};
use crate::store::audit::{self, ChainHead, NewEntry};
use crate::store::backup::LOCK;
use crate::store::event_log::Appended;
use crate::store::frame::Frame;
use crate::store::recent::{EvidenceRow, Recent};
use crate::store::{
    By, Store, StoreError, Writer, chain, folder, local, read_board, read_segments, sql,
};

use evidence::{Named, Strays, can_lie_in};
pub use files::disk_used;
pub(crate) use files::{name_kept, remove_left, remove_or_say};
use parts::Parts;

/// Segments that one run writes anew; more wait for the next.
const SIEVED_MAX: usize = 32;
/// Why segments stay.
const NAMED_MEANWHILE: &str = "alerts came to name events in them meanwhile";

/// What goes, with what must be kept of it.
struct Plan {
    report: RetentionReport,
    alerts: Vec<AlertId>,
    carried: Vec<Event>,
    /// What open alerts named when it was made.
    named: Named,
    /// Not after these times.
    rejects_until: Option<Timestamp>,
    endpoints_until: Option<Timestamp>,
}

/// Who lets what go, and when.
#[derive(Clone, Copy)]
struct Run<'a> {
    config: &'a RetentionConfig,
    by: By<'a>,
    now: Timestamp,
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
        let parts = self.parts_for(config, now).await?;
        let strays = self.strays(&self.old_segments(config, &parts, now)).await?;
        Ok(self.plan_retention(config, &parts, strays, now).await?.report)
    }

    /// Take away what is old enough.
    pub async fn retention_run(
        &self,
        config: &RetentionConfig,
        by: By<'_>,
        now: Timestamp,
    ) -> Result<RetentionReport, StoreError> {
        let run = Run { config, by, now };
        // Who copies the segments is waited for until the next time.
        let lock = folder::lock_file(&self.dir.join(LOCK))?;
        let is_free = lock.try_lock().is_ok();
        let parts = self.parts_for(config, now).await?;
        let strays = self.strays(&self.old_segments(config, &parts, now)).await?;
        self.follow().await?;
        let mut guard = self.hold().await?;
        let mut plan = self.plan_retention(config, &parts, strays, now).await?;
        if !is_free && !plan.report.segments.is_empty() {
            plan.report.segments.clear();
            plan.carried.clear();
            plan.report.events_carried = 0;
            plan.report.postponed = "a backup reads the segments".to_owned();
        }
        let sieved: Vec<SegmentGone> =
            plan.report.segments.extract_if(.., |one| !one.only.is_empty()).collect();
        if !plan.report.is_empty() {
            match self.carry_out(&mut guard, &mut plan, run).await {
                Err(StoreError::Conflict) => {
                    plan.report = RetentionReport {
                        postponed: NAMED_MEANWHILE.to_owned(),
                        disk_used: plan.report.disk_used,
                        ..RetentionReport::default()
                    };
                }
                done => done?,
            }
        }
        // Each is written anew while others go on.
        drop(guard);
        for row in sieved.into_iter().take(SIEVED_MAX) {
            self.sieve_or_say(row, &mut plan.report, run).await;
        }
        (plan.report.events_left, plan.report.bytes_left) = self.events.totals();
        Ok(plan.report)
    }

    /// One that cannot be written anew must not keep the others, and what went before it went.
    async fn sieve_or_say(&self, mut row: SegmentGone, report: &mut RetentionReport, run: Run<'_>) {
        let error = match self.sieve(&row, run.by, run.now).await {
            Ok(None) => {
                report.postponed = NAMED_MEANWHILE.to_owned();
                return;
            }
            Ok(Some(done)) => {
                report.events_carried += done.carried;
                (row.events, row.bytes) = (done.events, done.bytes);
                report.segments.push(row);
                return;
            }
            Err(error) => error,
        };
        let is_damage = matches!(&error, StoreError::Io { source, .. } if source.kind() == ErrorKind::InvalidData);
        report.problem = format!("segment {}: {}", row.number, chain_of(&error));
        // Counted anew, which finds what is damaged.
        if is_damage && let Err(error) = self.forget_parts(row.number).await {
            report.problem = chain_of(&error);
        }
    }

    /// What tenants have of each kind, where that matters.
    async fn parts_for(
        &self,
        config: &RetentionConfig,
        now: Timestamp,
    ) -> Result<Parts, StoreError> {
        match config.events_differ() {
            true => self.parts_of(&self.dated_segments(now), now).await,
            false => Ok(Parts::new()),
        }
    }

    async fn plan_retention(
        &self,
        config: &RetentionConfig,
        parts: &Parts,
        strays: Strays,
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
        let mut carried = self.evidence_in(&report.segments, &strays).await?;
        while !carried.stay.is_empty() {
            report.segments.retain(|one| !carried.stay.contains(&one.number));
            report.postponed = "evidence in them is not found yet or cannot be read now".to_owned();
            // What lies in those that stay is not copied.
            carried = self.evidence_in(&report.segments, &strays).await?;
        }
        let carried = carried.events;
        report.events_carried = carried.len() as u64;
        let whole = report.segments.iter().filter(|one| one.only.is_empty());
        let gone: HashSet<u64> = whole.map(|segment| segment.number).collect();
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
        let named = self.open_evidence();
        Ok(Plan { report, alerts, carried, named, rejects_until, endpoints_until })
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
        plan: &mut Plan,
        run: Run<'_>,
    ) -> Result<(), StoreError> {
        let frame = if plan.carried.is_empty() {
            None
        } else {
            let packed = writer.packer.pack(&plan.carried);
            Some(packed.map_err(|source| StoreError::io("pack evidence for", &self.dir, source))?)
        };
        let appended = frame.as_ref().map(|frame| writer.log.append(&frame.bytes)).transpose()?;
        let stored = frame.as_ref().zip(appended);
        sql::begin(&mut writer.sql).await.inspect_err(|_| writer.log.discard())?;
        writer.unsure = true;
        let outcome = self.write_plan(writer, plan, stored, run).await;
        let (head, change) = match sql::end(&mut writer.sql, outcome).await {
            Ok(done) => done,
            Err(error) => {
                // A failed COMMIT may have reached the disk all the same: the books know.
                if let Some((_, place)) = stored
                    && let Ok(books) = read_segments(&mut writer.sql).await
                    && books.iter().all(|one| one.number != place.segment || one.length < place.end)
                {
                    writer.log.discard();
                }
                if matches!(error, StoreError::Conflict) {
                    self.settled(writer, false);
                }
                return Err(error);
            }
        };
        writer.head = head;
        self.shared_until(writer, change);
        if let Some((frame, place)) = stored {
            writer.log.confirm(place);
            self.events.confirm(frame, place);
        }
        if !plan.alerts.is_empty() {
            let board = read_board(&mut writer.sql).await?;
            *self.board.write() = board;
        }
        let numbers: Vec<u64> = plan.report.segments.iter().map(|one| one.number).collect();
        self.events.forget(&numbers);
        writer.recent.forget(&numbers);
        writer.unsure = false;
        remove_or_say(&mut writer.sql, &folder::events_folder(&self.dir)).await;
        Ok(())
    }

    /// The transaction. Where nodes share the alerts, what the others did since the plan was made comes first.
    async fn write_plan(
        &self,
        writer: &mut Writer,
        plan: &mut Plan,
        stored: Option<(&Frame, Appended)>,
        run: Run<'_>,
    ) -> Result<(ChainHead, i64), StoreError> {
        // Commits touch endpoints before what nodes share: in another order two nodes would wait for each other.
        remove_endpoints(&mut writer.sql, plan).await?;
        let change = self.share(writer).await?;
        self.look_again(plan, run).await?;
        let mut head = writer.head.clone();
        let link = &mut writer.sql;
        remove_rows(link, plan).await?;
        if change > 0 && !plan.alerts.is_empty() {
            chain::note_removed(link, change).await?;
        }
        local::write_segment(link, stored).await?;
        // Only where they are now; older places go with their segments.
        let wanted: HashSet<EventId> = plan.carried.iter().map(|event| event.id).collect();
        let places = stored.map(|_| Recent::default().locate(stored, &wanted)).unwrap_or_default();
        let places: HashMap<EventId, EvidenceRow> =
            places.into_iter().map(|row| (row.event, row)).collect();
        let places: Vec<EvidenceRow> = places.into_values().collect();
        local::write_evidence(link, &places).await?;
        let detail = detail(&plan.report);
        let entry = NewEntry {
            at: run.now,
            actor: run.by.actor,
            place: run.by.place,
            subject: "store",
            subject_id: "retention",
            action: "removed",
            detail: &detail,
        };
        audit::append(link, &mut head, entry).await?;
        Ok((head, change))
    }

    /// Alerts that were opened again stay; what alerts came to name since must not lie in what goes.
    async fn look_again(&self, plan: &mut Plan, run: Run<'_>) -> Result<(), StoreError> {
        if !self.is_shared() {
            return Ok(());
        }
        if !plan.alerts.is_empty() {
            let old: HashSet<AlertId> =
                self.old_alerts(run.config, run.now).await?.into_iter().collect();
            plan.alerts.retain(|id| old.contains(id));
            plan.report.alerts = plan.alerts.len() as u64;
        }
        let numbers: HashSet<u64> = plan.report.segments.iter().map(|one| one.number).collect();
        let mut going = self.events.segments();
        going.retain(|segment| numbers.contains(&segment.number));
        let named = self.open_evidence();
        let mut fresh = named.iter().filter(|(id, _)| !plan.named.contains_key(*id));
        match fresh.any(|(_, time)| going.iter().any(|segment| can_lie_in(*time, segment))) {
            true => Err(StoreError::Conflict),
            false => Ok(()),
        }
    }
}

/// What went wrong and why, on one line.
fn chain_of(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
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

async fn remove_endpoints(link: &mut sql::Connection, plan: &Plan) -> Result<(), StoreError> {
    let Some(until) = plan.endpoints_until else { return Ok(()) };
    let done = sql::query("DELETE FROM endpoints WHERE last_seen < $1").bind(until.0).execute(link);
    done.await.map(|_| ()).map_err(|source| StoreError::sql("remove what is old", source))
}

async fn remove_rows(link: &mut sql::Connection, plan: &Plan) -> Result<(), StoreError> {
    let failed = |source| StoreError::sql("remove what is old", source);
    for segment in &plan.report.segments {
        sieve::forget_segment(link, segment.number).await?;
    }
    if let Some(until) = plan.rejects_until {
        let query = sql::query("DELETE FROM rejects WHERE at < $1").bind(until.0);
        query.execute(&mut *link).await.map_err(failed)?;
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
