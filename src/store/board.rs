//! The alerts in memory: what lists are made of, changed only after a commit. Pure.

use std::ops::Deref;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::model::alert::{Alert, AlertId, Pending};
use crate::model::desk::AlertPage;
use crate::model::lifecycle;
use crate::model::severity::Severity;
use crate::model::sort::{LEADING_MAX, SortKey, compare, leading};

/// An alert with the last change by a person.
#[derive(Clone, Debug)]
pub(crate) struct BoardRow {
    pub alert: Arc<Alert>,
    pub touched_revision: u64,
    pub touched_actor: Arc<str>,
}

/// An alert of a list being sorted, with its first keys as numbers.
type Ranked<'a> = ([i64; LEADING_MAX], Shown<'a>);

/// What an actor sees of an alert. Small, because long lists of it are sorted.
enum Shown<'a> {
    /// As it is stored.
    Stored(&'a Alert),
    /// With the actor's own pending actions carried out.
    Overlaid(Box<Alert>),
}

impl Deref for Shown<'_> {
    type Target = Alert;

    fn deref(&self) -> &Alert {
        match self {
            Shown::Stored(alert) => alert,
            Shown::Overlaid(alert) => alert,
        }
    }
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

    pub(crate) fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.rows.iter().map(|row| &*row.alert)
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

    /// All of them as the database has them.
    pub(crate) fn set_pending(&mut self, pending: Vec<Pending>) {
        self.pending = pending;
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
        let mut found: Vec<Ranked<'_>> = Vec::new();
        for row in &self.rows {
            let alert = match changed.get(&row.alert.id) {
                Some(actions) => {
                    Shown::Overlaid(Box::new(overlay(&row.alert, actions.iter().copied())))
                }
                None => Shown::Stored(&row.alert),
            };
            if filter(&alert) {
                found.push((leading(&alert, sort), alert));
            }
        }
        let order =
            |a: &Ranked<'_>, b: &Ranked<'_>| a.0.cmp(&b.0).then_with(|| compare(&a.1, &b.1, sort));
        let matching = found.len();
        let end = offset.saturating_add(limit).min(matching);
        // Only the head of the list must be in order.
        if end > 0 && end < matching {
            found.select_nth_unstable_by(end - 1, order);
        }
        found.truncate(end);
        found.sort_unstable_by(order);
        let rows = found.into_iter().skip(offset).map(|(_, alert)| Alert::clone(&alert)).collect();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::alert::{Action, Status};
    use crate::model::sort;
    use crate::stdx::id::Id128;
    use crate::stdx::time::Timestamp;
    use proptest::prelude::*;

    fn alert(number: u8, risk: u8, last: i64, host: &str) -> Alert {
        Alert {
            id: Id128([number; 16]),
            tenant: String::new(),
            status: Status::Open,
            severity: Severity::High,
            risk,
            risk_parts: Vec::new(),
            rule_id: String::new(),
            rule_name: String::new(),
            tags: Vec::new(),
            host: host.to_owned(),
            user: String::new(),
            group: Vec::new(),
            count: u64::from(risk),
            first_seen: Timestamp(last),
            last_seen: Timestamp(last),
            created: Timestamp(last),
            updated: Timestamp(last),
            matched: Vec::new(),
            evidence: Vec::new(),
            assignee: None,
            verdict: None,
            snoozed_until: None,
            backfill: number.is_multiple_of(2),
            bundle: None,
            changed_since_closed: false,
            revision: 1,
        }
    }

    proptest! {
        #[test]
        fn a_page_is_a_window_on_the_whole_sorted_list(
            values in proptest::collection::vec((0_u8..4, -2_i64..3, "[ab]"), 0..40),
            words in "(-?(risk|last_seen|host|backfill|count),){0,4}(-?)severity",
            limit in 0_usize..20,
            offset in 0_usize..20,
        ) {
            let keys = sort::parse(&words).unwrap();
            let mut board = Board::default();
            let mut plain = Vec::new();
            for (number, (risk, last, host)) in (0_u8..).zip(&values) {
                let alert = alert(number, *risk, *last, host);
                plain.push(alert.clone());
                let (touched_revision, touched_actor) = (0, "".into());
                board.put(BoardRow { alert: Arc::new(alert), touched_revision, touched_actor });
            }
            if let Some(first) = plain.first_mut() {
                let action = Action::Assign(Some("ana".to_owned()));
                board.add_pending(Pending {
                    id: 1,
                    actor: "ana".to_owned(),
                    place: String::new(),
                    alerts: vec![first.id],
                    action: action.clone(),
                    at: Timestamp(9),
                    deadline: Timestamp(10),
                });
                lifecycle::apply(first, &action, "ana", Timestamp(9));
                first.revision = 1;
            }
            plain.retain(|alert| alert.risk != 2);
            plain.sort_by(|a, b| compare(a, b, &keys));
            let wanted: Vec<Alert> = plain.iter().skip(offset).take(limit).cloned().collect();
            let page = board.page("ana", &|alert| alert.risk != 2, &keys, limit, offset);
            prop_assert_eq!(page.matching, plain.len());
            prop_assert_eq!(page.rows, wanted);
        }
    }
}
