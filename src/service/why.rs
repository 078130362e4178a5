//! Why an alert's rule held: its rule or signal, as it is written now, held against the alert's first event.

use crate::model::alert::AlertId;
use crate::model::desk::{Problem, ProblemKind};
use crate::model::explanation::Explanation;
use crate::pipeline::workshop::explain::of_event;
use crate::service::Workbench;
use crate::service::problem::{self, not_done};
use crate::stdx::task;

impl Workbench {
    /// Why an alert's rule held for the first of its events that is still stored.
    pub async fn alert_why(&self, id: AlertId) -> Result<Explanation, Problem> {
        let store = &self.core.store;
        let alert = store.alert(&id, &self.actor).ok_or_else(|| problem::no_alert(id))?;
        let events = store.evidence(&alert).await.map_err(|error| not_done(&error))?;
        let Some(event) = events.into_iter().next() else {
            let problem = Problem::new(ProblemKind::NotFound, "the events of the alert are gone");
            return Err(problem.hint("they were removed, or the store was moved without them"));
        };
        let snapshot = self.core.shared.snapshot();
        if let Some(signal) = snapshot.signal_set.of_id(&alert.rule_id) {
            return Ok(signal.explain(&event));
        }
        let rules = snapshot.rules_config;
        let rule = alert.rule_id.clone();
        // Reading rule files is work for the pool, not for the runtime.
        let found = task::blocking("explain an alert", move || of_event(&rules, &rule, &event));
        let found = found.await.map_err(|panic| problem::failed(&panic))?;
        found.ok_or_else(|| {
            let message = format!("no rule or signal {} is loaded here", alert.rule_id);
            let hint = "rules.paths and signals.paths say where they come from; signals are known where a daemon runs";
            Problem::new(ProblemKind::NotFound, message).hint(hint)
        })
    }
}
