//! The alerts in memory: what lists are made of, changed only after a commit. Pure.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::model::alert::{Alert, AlertId, Pending};
use crate::model::desk::AlertPage;
use crate::model::lifecycle;
use crate::model::severity::Severity;
use crate::model::sort::{SortKey, compare};

/// An alert with the last change by a person.
#[derive(Clone, Debug)]
pub(crate) struct BoardRow {
    pub alert: Arc<Alert>,
    pub touched_revision: u64,
    pub touched_actor: Arc<str>,
}

/// Every alert, and every action that waits for its deadline.
#[derive(Debug, Default)]
pub(crate) struct Board {
    rows: Vec<BoardRow>,
    index: HashMap<AlertId, usize>,
    pending: Vec<Pending>,
}

impl Board {
    pub(crate) fn get(&self, id: &AlertId) -> Option<&BoardRow> {
        self.rows.get(*self.index.get(id)?)
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Add or replace.
    pub(crate) fn put(&mut self, row: BoardRow) {
        let next = self.rows.len();
        let at = *self.index.entry(row.alert.id).or_insert(next);
        match self.rows.get_mut(at) {
            Some(slot) => *slot = row,
            None => self.rows.push(row),
        }
    }

    pub(crate) fn pending(&self) -> &[Pending] {
        &self.pending
    }

    pub(crate) fn add_pending(&mut self, pending: Pending) {
        self.pending.push(pending);
    }

    pub(crate) fn remove_pending(&mut self, ids: &[u64]) {
        self.pending.retain(|pending| !ids.contains(&pending.id));
    }

    /// What `actor` sees of an alert: the actor's own pending actions are carried out.
    pub(crate) fn seen_by(&self, id: &AlertId, actor: &str) -> Option<Alert> {
        let row = self.get(id)?;
        let mine = self.pending.iter().filter(|pending| pending.actor == actor);
        Some(overlay(&row.alert, mine.filter(|pending| pending.alerts.contains(id))))
    }

    /// A page of what `actor` sees.
    pub(crate) fn page(
        &self,
        actor: &str,
        filter: &(dyn Fn(&Alert) -> bool + Sync),
        sort: &[SortKey],
        limit: usize,
        offset: usize,
    ) -> AlertPage {
        let mine: Vec<&Pending> =
            self.pending.iter().filter(|pending| pending.actor == actor).collect();
        let mut changed: HashMap<AlertId, Vec<&Pending>> = HashMap::new();
        for pending in &mine {
            for id in &pending.alerts {
                changed.entry(*id).or_default().push(pending);
            }
        }
        let mut found: Vec<Arc<Alert>> = Vec::new();
        for row in &self.rows {
            if !changed.is_empty()
                && let Some(actions) = changed.get(&row.alert.id)
            {
                let alert = overlay(&row.alert, actions.iter().copied());
                if filter(&alert) {
                    found.push(Arc::new(alert));
                }
                continue;
            }
            if filter(&row.alert) {
                found.push(Arc::clone(&row.alert));
            }
        }
        let matching = found.len();
        let end = offset.saturating_add(limit).min(matching);
        // Only the head of the list must be in order.
        if end > 0 && end < matching {
            found.select_nth_unstable_by(end - 1, |a, b| compare(a, b, sort));
            found.truncate(end);
        }
        found.sort_unstable_by(|a, b| compare(a, b, sort));
        let rows = found.iter().skip(offset).map(|alert| Alert::clone(alert)).collect();
        let pending = mine.into_iter().cloned().collect();
        AlertPage { rows, matching, total: self.rows.len(), pending }
    }

    /// Open alerts and the worst of them, by endpoint.
    pub(crate) fn open_by_host(&self) -> HashMap<String, (u64, Severity)> {
        let mut hosts: HashMap<String, (u64, Severity)> = HashMap::new();
        for alert in self.rows.iter().map(|row| &row.alert) {
            if alert.status.is_closed() {
                continue;
            }
            let entry = hosts.entry_ref(alert.host.as_str()).or_insert((0, alert.severity));
            entry.0 += 1;
            entry.1 = entry.1.max(alert.severity);
        }
        hosts
    }
}

/// The revision stays that of the stored alert: it is what a later action compares with.
fn overlay<'a>(alert: &Alert, actions: impl Iterator<Item = &'a Pending>) -> Alert {
    let mut seen = alert.clone();
    for pending in actions {
        lifecycle::apply(&mut seen, &pending.action, &pending.actor, pending.at);
    }
    seen.revision = alert.revision;
    seen
}
