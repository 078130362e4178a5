//! The life of rules for every front end: states, packs, history and the way back.

use std::sync::Arc;

use crate::model::desk::{Problem, ProblemKind};
use crate::model::noise::Release;
use crate::model::rule_life::{
    RuleBook, RuleChange, RuleRequest, RuleState, RuleView, Selector, StateRow,
};
use crate::pipeline::rule_life::adopt;
use crate::pipeline::rule_life::plan::{self, Known, Plan};
use crate::service::Workbench;
use crate::service::problem::{failed, not_done};
use crate::stdx::task;
use crate::stdx::time::Timestamp;
use crate::store::{RELEASE, Said};

/// Changes of a page of history when the caller names no limit, and at most.
pub const HISTORY_ROWS_DEFAULT: usize = 50;
/// Changes of a page of history at most: each has two books in it.
pub const HISTORY_ROWS_MAX: usize = 1_000;

impl Workbench {
    /// What was decided, with what was counted under it.
    pub async fn rule_view(&self) -> Result<RuleView, Problem> {
        let book = self.core.store.rule_book().await.map_err(|error| not_done(&error))?;
        let counted = |counts: std::collections::BTreeMap<String, u64>| {
            counts.into_iter().filter(|(_, count)| *count > 0).collect()
        };
        let muted = &self.core.muted;
        let parked = self.core.store.parked_rules().await.map_err(|error| not_done(&error))?;
        let (dry_run, hidden) = (counted(muted.dry_run()), counted(muted.hidden()));
        Ok(RuleView { book, dry_run, hidden, parked })
    }

    /// The newest changes, newest first.
    pub async fn rule_history(&self, limit: usize) -> Result<Vec<RuleChange>, Problem> {
        let limit = if limit == 0 { HISTORY_ROWS_DEFAULT } else { limit.min(HISTORY_ROWS_MAX) };
        self.core.store.rule_changes(limit).await.map_err(|error| not_done(&error))
    }

    /// Change something, with the reason. `None`: it was that way already.
    pub async fn rule_change(
        &self,
        request: RuleRequest,
        reason: &str,
    ) -> Result<Option<RuleChange>, Problem> {
        // One change at a time: each is planned on the book that the one before left.
        let _one = self.core.rules_changing.lock().await;
        if let RuleRequest::State { selector, state } = &request {
            return self.change_state(selector, *state, reason).await;
        }
        if let RuleRequest::Release { rule } = &request {
            return self.release(rule, reason).await;
        }
        let target = match &request {
            RuleRequest::Rollback { to } => self.rollback_target(*to).await?,
            _ => None,
        };
        self.record_edits().await?;
        let book = self.core.store.rule_book().await.map_err(|error| not_done(&error))?;
        let data_dir = self.core.store.dir().to_owned();
        let planned = task::blocking("plan a change of rules", move || {
            let known = Known { data_dir: &data_dir, book: &book, target: target.as_ref() };
            plan::plan(&known, &request)
        })
        .await
        .map_err(|panic| failed(&panic))??;
        match planned {
            Some(plan) => self.make(plan, reason).await,
            None => Ok(None),
        }
    }

    /// Let a parked rule go on: durable at once, carried out by the next commit. `None`: it is not parked.
    async fn release(&self, rule: &str, reason: &str) -> Result<Option<RuleChange>, Problem> {
        let parked = self.core.store.parked_rules().await.map_err(|error| not_done(&error))?;
        if !parked.iter().any(|one| one.rule == rule) {
            return Ok(None);
        }
        let said = Said { kind: RELEASE, subject: rule, reason };
        let now = Timestamp::now();
        let done = self.core.store.change_rules(said, self.by(), now, |_| true).await;
        let done = done.map_err(|error| not_done(&error))?;
        if let Some(change) = &done {
            let (rule, actor) = (rule.to_owned(), change.actor.clone());
            self.core.muted.releases().put(Release { change: change.id, rule, actor });
        }
        Ok(done)
    }

    async fn change_state(
        &self,
        selector: &Selector,
        state: Option<RuleState>,
        reason: &str,
    ) -> Result<Option<RuleChange>, Problem> {
        let book = self.core.store.rule_book().await.map_err(|error| not_done(&error))?;
        if state.is_some() {
            self.check_known(selector)?;
        }
        let row = StateRow {
            selector: selector.clone(),
            state: RuleState::On,
            reason: reason.to_owned(),
            actor: self.actor.to_string(),
            at: Timestamp::now(),
        };
        match plan::state(&book, selector, state, row) {
            Some(plan) => self.make(plan, reason).await,
            None => Ok(None),
        }
    }

    /// A decision about something that is not there is a slip of the pen.
    fn check_known(&self, selector: &Selector) -> Result<(), Problem> {
        let rules = self.core.shared.snapshot().rules;
        let book = self.core.muted.book();
        let missing = |what: String, hint: &str| {
            Err(Problem::new(ProblemKind::NotFound, format!("there is no {what}")).hint(hint))
        };
        if let Some(id) = &selector.rule {
            // Without a pipeline no rules are loaded here, and those of packs that are off never are: nothing can be said
            // about them.
            let all = !rules.is_empty() && book.packs.iter().all(|pack| book.is_wanted(&pack.name));
            if all && !rules.iter().any(|rule| rule.id == *id) {
                return missing(format!("rule {id}"), "watchfloor rules list shows the ids");
            }
        }
        if let Some(name) = &selector.pack
            && name != "builtin"
            && book.pack(name).is_none()
        {
            return missing(format!("pack {name}"), "watchfloor rules packs lists them");
        }
        Ok(())
    }

    /// The change whose book is wanted: the named one, else a stand-in with what was before the last.
    async fn rollback_target(&self, to: Option<u64>) -> Result<Option<RuleChange>, Problem> {
        let store = &self.core.store;
        if let Some(id) = to {
            return store.rule_change(id).await.map_err(|error| not_done(&error));
        }
        let mut last = store.rule_changes(1).await.map_err(|error| not_done(&error))?;
        // A release changes no book: what is taken back is what was decided before it.
        while let Some(id) = last.first().filter(|one| one.kind == RELEASE).map(|one| one.id - 1) {
            let before = store.rule_change(id).await.map_err(|error| not_done(&error))?;
            last = before.into_iter().collect();
        }
        let before = |last: RuleChange| RuleChange {
            id: last.id.saturating_sub(1),
            after: last.before.clone(),
            ..last
        };
        Ok(last.into_iter().next().map(before))
    }

    /// Edits made by hand since the last change become one of their own, so that there is a way back to them.
    async fn record_edits(&self) -> Result<(), Problem> {
        let book = self.core.store.rule_book().await.map_err(|error| not_done(&error))?;
        let data_dir = self.core.store.dir().to_owned();
        let work = move || plan::edits_by_hand(&data_dir, &book);
        let edits = task::blocking("look at local edits", work).await;
        if let Some(plan) = edits.map_err(|panic| failed(&panic))?? {
            self.make(plan, "files were edited by hand").await?;
        }
        Ok(())
    }

    /// The change stands when it is in the history; then the folder follows.
    async fn make(&self, plan: Plan, reason: &str) -> Result<Option<RuleChange>, Problem> {
        let plan = Arc::new(plan);
        let on_disk = |work: fn(&std::path::Path, &Plan) -> Result<(), Problem>| {
            let (plan, data_dir) = (Arc::clone(&plan), self.core.store.dir().to_owned());
            async move {
                let done = task::blocking("change rules", move || work(&data_dir, &plan)).await;
                done.map_err(|panic| failed(&panic))?
            }
        };
        on_disk(adopt::promise).await?;
        let said = Said { kind: &plan.kind, subject: &plan.subject, reason };
        let after = plan.book.clone();
        let change = |book: &mut RuleBook| {
            *book = after;
            true
        };
        let done = self.core.store.change_rules(said, self.by(), Timestamp::now(), change).await;
        let done = done.map_err(|error| not_done(&error))?;
        on_disk(adopt::fulfil).await?;
        let before = self.core.muted.book();
        self.core.muted.set_book(plan.book.clone());
        // A decision about states changes what findings become; the set only where a pack comes or goes by it.
        if loaded(&before) != loaded(&plan.book) || !plan.replaced.is_empty() {
            self.core.shared.ask_for_rules();
        }
        Ok(done)
    }

    /// Switch a rule off.
    pub async fn rule_off(&self, id: &str, reason: &str) -> Result<(), Problem> {
        let selector = Selector::of_rule(id);
        let request = RuleRequest::State { selector, state: Some(RuleState::Off) };
        self.rule_change(request, reason).await.map(drop)
    }

    /// Switch a rule on: take back what was decided about it, and say that it is on where a wider decision would still
    /// hide it.
    pub async fn rule_on(&self, id: &str) -> Result<(), Problem> {
        let (selector, reason) = (Selector::of_rule(id), "switched on");
        let forget = RuleRequest::State { selector: selector.clone(), state: None };
        self.rule_change(forget, reason).await?;
        let rules = self.core.shared.snapshot().rules;
        let Some(rule) = rules.iter().find(|rule| rule.id == id) else { return Ok(()) };
        if self.core.muted.decision(rule, "").is_some_and(|row| row.state != RuleState::On) {
            let on = RuleRequest::State { selector, state: Some(RuleState::On) };
            self.rule_change(on, reason).await?;
        }
        Ok(())
    }
}

/// The packs that are loaded: name, version and edits.
fn loaded(book: &RuleBook) -> Vec<(&str, &str, &str)> {
    let wanted = book.packs.iter().filter(|pack| book.is_wanted(&pack.name));
    wanted.map(|pack| (&*pack.name, &*pack.version, &*pack.local)).collect()
}
