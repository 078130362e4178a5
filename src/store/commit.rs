//! The commit: the one place where a batch becomes real. Events reach the disk first, then one
//! transaction says everything that follows from them, and how far the event log counts.

use std::sync::Arc;

use hashbrown::HashSet;

use crate::model::alert::{Action, Alert, AlertId, Status};
use crate::model::bundle::BundleChange;
use crate::model::correlation_match::CorrelationMatch;
use crate::model::episode::{AlertChange, OpenEpisode, RuleCount};
use crate::model::event::{Event, EventId};
use crate::model::ledger::LedgerDelta;
use crate::model::lifecycle::{self, Absorbed};
use crate::model::noise::NoiseChanges;
use crate::model::record::{Position, Reject};
use crate::stdx::id::{Id128, IdHasher};
use crate::stdx::time::Timestamp;
use crate::store::audit::{self, ChainHead, NewEntry, PRODUCT};
use crate::store::board::{Board, BoardRow};
use crate::store::event_log::Appended;
use crate::store::frame::{Frame, Hosts};
use crate::store::placed::Placed;
use crate::store::recent::EvidenceRow;
use crate::store::rows;
use crate::store::sql::{self, Connection};
use crate::store::{
    Delivered, Store, StoreError, Writer, bundles, deliveries, folder, local, noise,
};

/// Everything that becomes real together. After an error nothing of it stands, and the same commit
/// can be tried again.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// The key of the shard whose state this is (see [`crate::store::Taken`]); empty: the node's own.
    pub shard: Arc<str>,
    /// When (wall clock): `created` and `updated` of alerts, `at` of audit entries.
    pub at: Timestamp,
    /// Events to store, in order.
    pub events: Vec<Event>,
    /// What the alert stage said.
    pub alerts: Vec<AlertChange>,
    /// What is kept from the queue, and what appears again.
    pub noise: NoiseChanges,
    /// Bundle rows that changed.
    pub bundles: Vec<BundleChange>,
    /// Counts of alerts by rule and endpoint that changed.
    pub rule_counts: Vec<RuleCount>,
    /// Counts of rules that are off or in dry run (key, value): in commits of the node's own state only.
    pub counts: Vec<(String, Option<Vec<u8>>)>,
    /// Correlation rows that changed (key, value); `None` removes the row.
    pub detection: Vec<(String, Option<Vec<u8>>)>,
    /// Rows that are kept with the place in the event log behind this commit: whoever reads one knows which events it
    /// holds already. Read them with [`Placed::split`].
    pub placed: Vec<(String, Option<Vec<u8>>)>,
    /// Decoder states by stream; `None` removes the row.
    pub decoders: Vec<(Id128, Option<Vec<u8>>)>,
    /// Source positions.
    pub positions: Vec<Position>,
    /// Deliveries whose senders would repeat them.
    pub delivered: Vec<Delivered>,
    /// What moves in the ledger.
    pub ledger: Vec<LedgerDelta>,
    /// Records that could not be read.
    pub rejects: Vec<Reject>,
    /// Matches whose groups are counted elsewhere. Not stored: whoever makes the commit real hands them on before it.
    pub matches: Vec<CorrelationMatch>,
}

/// What a commit changed, for those who look on.
#[derive(Clone, Debug, Default)]
pub struct Committed {
    /// Alerts that were raised or changed, as they are now.
    pub alerts: Vec<(Arc<Alert>, Absorbed)>,
    /// Events stored.
    pub events: u64,
}

/// A commit whose end is not known.
pub(crate) struct Attempt {
    shard: Arc<str>,
    number: u64,
    print: Id128,
}

/// Where the events of a commit are.
pub(crate) struct Stored<'a> {
    /// In the log.
    pub log: Option<(&'a Frame, Appended)>,
    /// In another engine: the endpoints that they are of.
    pub elsewhere: Option<&'a Hosts>,
    /// Where events of alerts lie.
    pub evidence: &'a [EvidenceRow],
}

/// What the alert side of a commit comes to, worked out before anything is written.
struct Plan {
    rows: Vec<BoardRow>,
    absorbed: Vec<Absorbed>,
    closed: Vec<AlertId>,
}

/// What a transaction wrote, for memory.
struct Made {
    plan: Plan,
    head: ChainHead,
    change: i64,
}

impl Attempt {
    /// Is it this commit of this shard?
    pub(crate) fn is(&self, shard: &str, number: u64) -> bool {
        *self.shard == *shard && self.number == number
    }
}

impl Plan {
    /// Merge an episode into its alert.
    fn take(&mut self, board: &Board, episode: &OpenEpisode, at: Timestamp) {
        let known = board.get(&episode.alert);
        let (alert, absorbed) = lifecycle::absorb(known.map(|row| &*row.alert), episode, at);
        self.rows.push(BoardRow {
            alert: Arc::new(alert),
            touched_revision: known.map_or(0, |row| row.touched_revision),
            touched_actor: known.map_or_else(|| "".into(), |row| row.touched_actor.clone()),
        });
        self.absorbed.push(absorbed);
    }
}

impl Store {
    /// Make a batch real: append its events, sync them, then one transaction. Call it from the thread
    /// that owns the pipeline (it waits for the disk), and poll it to its end.
    pub async fn commit(&self, commit: &Commit) -> Result<Committed, StoreError> {
        folder::check_space(&self.dir, self.config.free_bytes_min)?;
        // Another engine takes events first: each has its own id, so that a repeat of this commit changes nothing there.
        let elsewhere = self.event_store.append(&commit.events).await?;
        let mut guard = self.hold().await?;
        let writer = &mut *guard;
        let shard = &*commit.shard;
        let counted = writer.commits_of(shard)?;
        if let Some(attempt) = writer.attempt.take()
            && attempt.is(shard, counted)
            && attempt.print == print(commit)
        {
            // It stood when the connection was lost: the database said so when the books were read again.
            return Ok(self.stands(commit));
        }
        let frame = if commit.events.is_empty() || elsewhere.is_some() {
            None
        } else {
            let packed = writer.packer.pack(&commit.events);
            Some(packed.map_err(|source| StoreError::io("pack events for", &self.dir, source))?)
        };
        let appended = match &frame {
            Some(frame) => Some(writer.log.append(&frame.bytes)?),
            None => None,
        };
        let stored = frame.as_ref().zip(appended);
        let number = counted + 1;
        let evidence = writer.recent.locate(stored, &wanted(commit));
        sql::begin(&mut writer.sql).await.inspect_err(|_| writer.log.discard())?;
        writer.unsure = true;
        let mut made = None;
        let stored_at = Stored { log: stored, elsewhere: elsewhere.as_ref(), evidence: &evidence };
        let outcome = self.write(writer, commit, number, &stored_at, &mut made).await;
        let overtaken = matches!(outcome, Err(StoreError::Overtaken));
        if let Err(error) = sql::end(&mut writer.sql, outcome).await {
            // A failed COMMIT may have reached the disk all the same: the database knows.
            let counted = writer.counted(shard).await.ok();
            if overtaken || (counted.is_none() && !writer.sql.is_sqlite()) {
                // It does not say yet: the books are read again before anything else is written.
                let shard = Arc::clone(&commit.shard);
                writer.attempt = Some(Attempt { shard, number, print: print(commit) });
                return Err(error);
            }
            if counted != Some(number) {
                writer.log.discard();
                writer.unsure = false;
                return Err(error);
            }
        }
        // It was made before the transaction could end well.
        let Some(Made { plan, head, change }) = made else { return Err(StoreError::Overtaken) };
        writer.head = head;
        writer.count(shard, number);
        self.shared_until(writer, change);
        if let Some((frame, place)) = stored {
            writer.log.confirm(place);
            self.events.confirm(frame, place);
        }
        if let Some((frame, place)) = frame.zip(appended) {
            writer.recent.add(frame, place);
        }
        let shown = self.show(commit, plan);
        writer.unsure = false;
        Ok(shown)
    }

    /// The transaction: first what is the node's or the shard's own, then, where alerts change, what nodes share.
    async fn write(
        &self,
        writer: &mut Writer,
        commit: &Commit,
        number: u64,
        stored: &Stored<'_>,
        made: &mut Option<Made>,
    ) -> Result<(), StoreError> {
        writer.look_in(&commit.shard).await?;
        let sql = &mut writer.sql;
        let appearing = &*noise::appearing(sql, commit).await?;
        count_on(sql, number).await?;
        local::write_events(sql, stored).await?;
        local::write_states(sql, commit).await?;
        let place = stored.log.map_or_else(|| self.events.log_end(), |(_, place)| place.behind());
        local::write_detection(sql, &Placed::rows(&commit.placed, place)).await?;
        deliveries::write(sql, &commit.delivered, commit.at, number).await?;
        local::write_books(sql, commit).await?;
        bundles::write(sql, &commit.bundles).await?;
        bundles::write_counts(sql, &commit.rule_counts).await?;
        let grown = commit.alerts.iter().any(|change| matches!(change, AlertChange::Grown(_)));
        let change = if grown || !appearing.is_empty() || !commit.noise.released.is_empty() {
            self.share(writer).await?
        } else {
            writer.change
        };
        let plan = self.plan(commit, appearing);
        let mut head = writer.head.clone();
        let sql = &mut writer.sql;
        write_alerts(sql, commit, &plan, &mut head).await?;
        noise::write(sql, &commit.noise, &plan.closed, commit.at, &mut head).await?;
        *made = Some(Made { plan, head, change });
        Ok(())
    }

    /// A commit whose end was not known and that stands: what it changed, as it is now.
    fn stands(&self, commit: &Commit) -> Committed {
        let board = self.board.read();
        let grown = commit.alerts.iter().filter_map(|change| match change {
            AlertChange::Grown(episode) => board.get(&episode.alert),
            AlertChange::Closed(_) => None,
        });
        let alerts = grown.map(|row| {
            let new = row.alert.revision <= 1;
            let absorbed = if new { Absorbed::Created } else { Absorbed::Repeated };
            (Arc::clone(&row.alert), absorbed)
        });
        Committed { alerts: alerts.collect(), events: commit.events.len() as u64 }
    }

    /// Merge episodes into the alerts as they are now; the writer is held, so they stay that way.
    fn plan(&self, commit: &Commit, appearing: &[OpenEpisode]) -> Plan {
        let board = self.board.read();
        let mut plan = Plan { rows: Vec::new(), absorbed: Vec::new(), closed: Vec::new() };
        for change in &commit.alerts {
            match change {
                AlertChange::Grown(episode) => plan.take(&board, episode, commit.at),
                AlertChange::Closed(id) => plan.closed.push(*id),
            }
        }
        for episode in appearing {
            plan.take(&board, episode, commit.at);
        }
        for released in &commit.noise.released {
            // Nothing is left to decide about it.
            let Some(known) = board.get(&released.marker) else { continue };
            let mut alert = Alert::clone(&known.alert);
            let action = Action::Status(Status::Resolved);
            lifecycle::apply(&mut alert, &action, &released.actor, commit.at);
            plan.rows.push(BoardRow { alert: Arc::new(alert), ..known.clone() });
            plan.absorbed.push(Absorbed::Repeated);
        }
        plan
    }

    fn show(&self, commit: &Commit, plan: Plan) -> Committed {
        let changed = plan.rows.iter().map(|row| Arc::clone(&row.alert)).zip(plan.absorbed);
        let alerts = changed.filter(|(_, absorbed)| *absorbed != Absorbed::Unchanged).collect();
        let mut board = self.board.write();
        plan.rows.into_iter().for_each(|row| board.put(row));
        Committed { alerts, events: commit.events.len() as u64 }
    }
}

/// Evidence whose place should be known: of all that grew.
fn wanted(commit: &Commit) -> HashSet<EventId> {
    let grown = commit.alerts.iter().filter_map(|change| match change {
        AlertChange::Grown(episode) => Some(&**episode),
        AlertChange::Closed(_) => None,
    });
    // What is kept back is shown some day.
    grown.chain(&commit.noise.held).flat_map(|episode| episode.evidence.iter().copied()).collect()
}

/// The running number of the last commit, as the database has it.
pub(crate) async fn commits(connection: &mut Connection) -> Result<u64, StoreError> {
    let text: Option<String> = sql::scalar("SELECT value FROM meta WHERE key = 'commits'")
        .fetch_optional(connection)
        .await
        .map_err(|source| StoreError::sql("say how many commits it has", source))?;
    Ok(text.and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// Count the commit, from the number before it only: on a server, what a lost connection had begun may end meanwhile.
async fn count_on(sql: &mut Connection, number: u64) -> Result<(), StoreError> {
    let done = sql::query("UPDATE meta SET value = $1 WHERE key = 'commits' AND value = $2")
        .bind(number.to_string())
        .bind((number - 1).to_string())
        .execute(sql)
        .await
        .map_err(|source| StoreError::sql("count the commit", source))?;
    if done.rows == 0 { Err(StoreError::Overtaken) } else { Ok(()) }
}

/// What tells a commit from others: one that is tried again is the same.
fn print(commit: &Commit) -> Id128 {
    let mut hasher = IdHasher::new("commit");
    hasher.text(&commit.shard);
    hasher.number(commit.at.0.unsigned_abs()).number(commit.alerts.len() as u64);
    for event in &commit.events {
        hasher.bytes(event.id.as_bytes());
    }
    for position in &commit.positions {
        hasher.text(&position.key).text(position.value.as_deref().unwrap_or_default());
    }
    for delta in &commit.ledger {
        hasher.text(&delta.source).number(delta.received);
    }
    hasher.finish()
}

async fn write_alerts(
    sql: &mut Connection,
    commit: &Commit,
    plan: &Plan,
    head: &mut ChainHead,
) -> Result<(), StoreError> {
    rows::put_alerts(sql, &plan.rows).await?;
    let episodes: Vec<&OpenEpisode> = commit
        .alerts
        .iter()
        .filter_map(|change| match change {
            AlertChange::Grown(episode) => Some(&**episode),
            AlertChange::Closed(_) => None,
        })
        .collect();
    rows::put_episodes(sql, &episodes).await?;
    rows::delete_episodes(sql, &plan.closed).await?;
    let told = plan.rows.iter().zip(&plan.absorbed).filter_map(|(row, absorbed)| {
        let action = match absorbed {
            Absorbed::Created => "created",
            Absorbed::Reopened => "reopened",
            Absorbed::Unchanged | Absorbed::Repeated => return None,
        };
        let alert = &row.alert;
        let detail = serde_json::json!({
            "rule.id": alert.rule_id, "rule.name": alert.rule_name, "host.name": alert.host,
            "severity": alert.severity.as_str(), "count": alert.count,
        });
        Some((alert.id.to_string(), action, detail.to_string()))
    });
    let told: Vec<(String, &str, String)> = told.collect();
    let entries: Vec<NewEntry<'_>> = told
        .iter()
        .map(|(subject_id, action, detail)| NewEntry {
            at: commit.at,
            actor: PRODUCT,
            place: "pipeline",
            subject: "alert",
            subject_id,
            action,
            detail,
        })
        .collect();
    audit::append_all(sql, head, &entries).await
}
