//! Layer 5: what an analyst or an operator can do, once, for every front end.
//!
//! [`Workbench`] is the only thing front ends call. It is cheap to clone and knows who acts and from where;
//! [`Workbench::with_actor`] gives the same workbench for somebody else.

mod disagreement;
mod endpoint;
pub(crate) mod events;
mod feed;
mod gaps;
mod keys;
mod problem;
mod retention;
mod rule_life;
mod similar;
mod status;
mod upkeep;
mod who;
mod why;

use std::sync::Arc;

use hashbrown::HashSet;

use crate::model::alert::{Action, AlertId, Pending};
use crate::model::desk::{
    Acted, AlertDetail, AlertPage, AlertQuery, AuditReport, Problem, ProblemKind, Undone,
};
use crate::model::endpoint::Endpoint;
use crate::model::finding::RuleInfo;
use crate::model::inference;
use crate::model::query::{AlertFilter, Viewpoint};
use crate::model::record::StoredReject;
use crate::model::{alert, sort};
use crate::pipeline::muted::Muted;
use crate::pipeline::shared::Shared;
use crate::service::problem::{invalid_filter, not_done};
use crate::stdx::task;
use crate::stdx::time::Timestamp;
use crate::store::{By, RejectQuery, Store};

pub use feed::{Feed, Numbered, NumberedFeed};
pub use who::{local_actor, user_name};

/// Rows of a page when the caller names no limit.
pub const PAGE_ROWS_DEFAULT: usize = 1_000;
/// Rows of a page at most.
pub const PAGE_ROWS_MAX: usize = 100_000;

/// Everything the front ends can do.
#[derive(Clone)]
pub struct Workbench {
    core: Arc<Core>,
    actor: Arc<str>,
    place: Arc<str>,
}

struct Core {
    store: Arc<Store>,
    shared: Arc<Shared>,
    muted: Arc<Muted>,
    /// Held while rules are changed.
    rules_changing: tokio::sync::Mutex<()>,
    /// Wakes the upkeep when an action gets a deadline.
    acted: tokio::sync::Notify,
}

impl std::fmt::Debug for Workbench {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Workbench")
            .field("actor", &self.actor)
            .field("place", &self.place)
            .finish()
    }
}

impl Workbench {
    /// The workbench on an open store, for the user who runs this program. `shared` and `muted` are those
    /// of the running pipeline; without one, fresh ones do.
    pub fn new(store: Arc<Store>, shared: Arc<Shared>, muted: Arc<Muted>) -> Workbench {
        let (actor, place) = local_actor();
        let core = Core {
            store,
            shared,
            muted,
            rules_changing: tokio::sync::Mutex::default(),
            acted: tokio::sync::Notify::new(),
        };
        Workbench { core: Arc::new(core), actor: actor.into(), place: place.into() }
    }

    /// The same workbench for somebody else.
    #[must_use]
    pub fn with_actor(&self, actor: &str, place: &str) -> Workbench {
        Workbench { core: Arc::clone(&self.core), actor: actor.into(), place: place.into() }
    }

    /// Who acts here.
    pub fn actor(&self) -> String {
        self.actor.to_string()
    }

    fn by(&self) -> By<'_> {
        By { actor: &self.actor, place: &self.place }
    }

    /// A page of alerts as the actor sees them.
    pub async fn alerts(&self, query: &AlertQuery) -> Result<AlertPage, Problem> {
        let filter = AlertFilter::parse(&query.filter).map_err(|error| invalid_filter(&error))?;
        let order = if query.sort.is_empty() { filter.sort().unwrap_or("") } else { &query.sort };
        let keys = sort::parse(order)
            .map_err(|error| Problem::new(ProblemKind::Invalid, error.to_string()))?;
        let noted: HashSet<AlertId> = if filter.asks_for_notes() {
            self.core.store.noted().await.map_err(|error| not_done(&error))?
        } else {
            HashSet::new()
        };
        let limit = match query.limit {
            0 => PAGE_ROWS_DEFAULT,
            wanted => wanted.min(PAGE_ROWS_MAX),
        };
        let offset = query.offset;
        let bench = self.clone();
        // Judging and sorting every alert is work for the pool, not for the runtime.
        task::blocking("list alerts", move || {
            let now = Timestamp::now();
            let noted = |id| noted.contains(&id);
            let from = Viewpoint { now, actor: &bench.actor, noted: &noted };
            let matches = |alert: &alert::Alert| filter.matches(alert, &from);
            bench.core.store.alerts_page(&bench.actor, &matches, &keys, limit, offset)
        })
        .await
        .map_err(|panic| problem::failed(&panic))
    }

    /// Everything about one alert.
    pub async fn alert(&self, id: AlertId) -> Result<AlertDetail, Problem> {
        let store = &self.core.store;
        let alert = store.alert(&id, &self.actor).ok_or_else(|| problem::no_alert(id))?;
        let events = store.evidence(&alert).await.map_err(|error| not_done(&error))?;
        let history = store.history("alert", &id.to_string()).await;
        let history = history.map_err(|error| not_done(&error))?;
        let rules = self.core.shared.snapshot().rules;
        let rule = rules.iter().find(|rule| rule.id == alert.rule_id);
        let rule = rule.map(|rule| RuleInfo::clone(rule));
        let rarity = store.rarity(id).await.map_err(|error| not_done(&error))?;
        let similar = match alert.rule_id.starts_with(inference::RULE_PREFIX) {
            true => self.similar(&events).await?,
            false => Vec::new(),
        };
        Ok(AlertDetail { alert, rule, events, history, rarity, similar })
    }

    /// Do something to alerts, each with the revision that was seen (`None`: whatever it is now). It is
    /// durable at once, and carried out for others at its deadline.
    pub async fn act(
        &self,
        alerts: &[(AlertId, Option<u64>)],
        action: Action,
    ) -> Result<Acted, Problem> {
        check_action(&action)?;
        let done = self.core.store.act(alerts, action, self.by(), Timestamp::now()).await;
        let acted = done.map_err(|error| not_done(&error))?;
        self.core.acted.notify_one();
        Ok(acted)
    }

    /// Take back this action, or the actor's last.
    pub async fn undo(&self, pending_id: Option<u64>) -> Result<Undone, Problem> {
        let now = Timestamp::now();
        self.apply_due(now).await?;
        let undone = self.core.store.undo(pending_id, self.by(), now).await;
        let (undone, changed) = undone.map_err(|error| not_done(&error))?;
        self.publish(changed);
        Ok(undone)
    }

    /// The actor's actions that are not yet applied for others.
    pub async fn pending(&self) -> Result<Vec<Pending>, Problem> {
        Ok(self.core.store.pending(&self.actor))
    }

    /// Carry out the actor's waiting actions now: scripts do not undo.
    pub async fn settle(&self) -> Result<(), Problem> {
        let changed = self.core.store.apply_now(&self.actor, Timestamp::now()).await;
        self.publish(changed.map_err(|error| not_done(&error))?);
        Ok(())
    }

    /// The endpoints.
    pub async fn endpoints(&self) -> Result<Vec<Endpoint>, Problem> {
        let mut rows = self.core.store.endpoints().await.map_err(|error| not_done(&error))?;
        endpoint::add_scores(&mut rows, &self.core.shared.scores());
        Ok(rows)
    }

    /// Records that could not be read, newest first.
    pub async fn rejects(&self, limit: usize, offset: usize) -> Result<Vec<StoredReject>, Problem> {
        let limit = if limit == 0 { PAGE_ROWS_DEFAULT } else { limit.min(PAGE_ROWS_MAX) };
        let query = RejectQuery { limit, offset, ..RejectQuery::default() };
        self.core.store.rejects(&query).await.map_err(|error| not_done(&error))
    }

    /// The rules and, where one is off, who said so and why.
    pub async fn rules(&self) -> Result<Vec<(RuleInfo, Option<String>)>, Problem> {
        let book = self.core.store.rule_book().await.map_err(|error| not_done(&error))?;
        self.core.muted.set_book(book);
        let why = |rule: &RuleInfo| {
            let row = self.core.muted.decision(rule, "")?;
            let off = row.state == crate::model::rule_life::RuleState::Off;
            off.then(|| format!("{}: {}", row.actor, row.reason))
        };
        let rules = self.core.shared.snapshot().rules;
        Ok(rules.iter().map(|rule| (RuleInfo::clone(rule), why(rule))).collect())
    }

    /// The actor's draft note about an alert.
    pub async fn draft(&self, alert: AlertId) -> Result<Option<String>, Problem> {
        self.core.store.draft(&self.actor, alert).await.map_err(|error| not_done(&error))
    }

    /// Keep the actor's draft note about an alert, or drop it.
    pub async fn save_draft(&self, alert: AlertId, text: Option<String>) -> Result<(), Problem> {
        let now = Timestamp::now();
        let saved = self.core.store.save_draft(&self.actor, alert, text.as_deref(), now).await;
        saved.map_err(|error| not_done(&error))
    }

    /// Check the chain of hashes of the audit log.
    pub async fn audit_verify(&self) -> Result<AuditReport, Problem> {
        let verdict = self.core.store.audit_verify().await.map_err(|error| not_done(&error))?;
        Ok(AuditReport {
            entries: verdict.entries,
            broken_at: verdict.broken.map(|(sequence, _)| sequence),
            head: verdict.head,
        })
    }

    /// Changes from now on. Subscribe first, then read: no change falls between.
    pub fn subscribe(&self) -> Feed {
        Feed(self.subscribe_after(None))
    }

    /// Changes after one that was seen (its run and number), or from now on.
    pub fn subscribe_after(&self, seen: Option<(i64, u64)>) -> NumberedFeed {
        NumberedFeed::open(self.core.shared.changes(), seen)
    }

    fn publish(&self, changed: Vec<Arc<alert::Alert>>) {
        if changed.iter().any(|alert| alert.rule_id.starts_with(inference::RULE_PREFIX)) {
            self.core.shared.note_feedback();
        }
        self.core.shared.publish_alerts(changed.into_iter().map(Arc::unwrap_or_clone));
    }

    async fn apply_due(&self, now: Timestamp) -> Result<(), Problem> {
        let changed = self.core.store.apply_due(now).await.map_err(|error| not_done(&error))?;
        self.publish(changed);
        Ok(())
    }
}

/// What the store cannot know: the reason code `other` says nothing without a note.
fn check_action(action: &Action) -> Result<(), Problem> {
    match action {
        Action::Verdict(verdict)
            if verdict.reasons.iter().any(|code| code == "other")
                && verdict.note.trim().is_empty() =>
        {
            let problem = Problem::new(ProblemKind::Invalid, "the reason other needs a note");
            Err(problem.hint("say in the note why"))
        }
        _ => Ok(()),
    }
}
