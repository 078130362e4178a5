//! The rows: every alert the desk knows, the order of the list as it was at the last merge, and what came since.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::model::alert::{Alert, AlertId};
use crate::model::severity::Severity;
use crate::tui::desk_model::sort::Sort;

/// New rows that wait for a merge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// How many.
    pub count: usize,
    /// The worst of them.
    pub worst: Option<Severity>,
}

/// Counts of rows by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([usize; 5]);

impl Counts {
    /// Rows of one severity.
    pub fn of(&self, severity: Severity) -> usize {
        self.0.get(usize::from(severity.rank())).copied().unwrap_or(0)
    }

    fn add(&mut self, severity: Severity) {
        if let Some(count) = self.0.get_mut(usize::from(severity.rank())) {
            *count += 1;
        }
    }

    fn take(&mut self, severity: Severity) {
        if let Some(count) = self.0.get_mut(usize::from(severity.rank())) {
            *count = count.saturating_sub(1);
        }
    }
}

/// The rows.
#[derive(Debug, Default)]
pub struct Rows {
    alerts: HashMap<AlertId, Arc<Alert>>,
    order: Vec<AlertId>,
    place: HashMap<AlertId, usize>,
    arrived: HashSet<AlertId>,
    handled: HashSet<AlertId>,
    counts: Counts,
    /// All alerts of the store, as the workbench counts them (it may hold more than were read).
    pub total: usize,
}

impl Rows {
    /// One alert, with our own pending actions in it.
    pub fn get(&self, id: AlertId) -> Option<&Arc<Alert>> {
        self.alerts.get(&id)
    }

    /// Rows in the list.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Is the list empty?
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Alerts known, in the list or not.
    pub fn known(&self) -> usize {
        self.alerts.len()
    }

    /// All alerts there are: as counted by the workbench, or more when we know more.
    pub fn total(&self) -> usize {
        self.total.max(self.alerts.len())
    }

    /// Every alert known, in no order.
    pub fn iter_known(&self) -> impl Iterator<Item = &Arc<Alert>> {
        self.alerts.values()
    }

    /// The id at a place of the list.
    pub fn id_at(&self, index: usize) -> Option<AlertId> {
        self.order.get(index).copied()
    }

    /// The alert at a place of the list.
    pub fn at(&self, index: usize) -> Option<&Arc<Alert>> {
        self.id_at(index).and_then(|id| self.get(id))
    }

    /// The place of an alert in the list.
    pub fn place(&self, id: AlertId) -> Option<usize> {
        self.place.get(&id).copied()
    }

    /// The list's ids in order.
    pub fn order(&self) -> &[AlertId] {
        &self.order
    }

    /// The rows from `top`, at most `height`: all that is ever drawn.
    pub fn window(&self, top: usize, height: usize) -> impl Iterator<Item = &Arc<Alert>> {
        self.order.iter().skip(top).take(height).filter_map(|id| self.get(*id))
    }

    /// Rows of the list that are not closed, by severity.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What came since the last merge and matches the filter.
    pub fn arrived(&self) -> Arrived {
        Arrived {
            count: self.arrived.len(),
            worst: self
                .arrived
                .iter()
                .filter_map(|id| self.get(*id))
                .map(|alert| alert.severity)
                .max(),
        }
    }

    /// Was it dealt with since the last merge?
    pub fn is_handled(&self, id: AlertId) -> bool {
        self.handled.contains(&id)
    }

    pub(super) fn put(&mut self, alert: Arc<Alert>) {
        let listed = self.place.contains_key(&alert.id);
        let (severity, closed) = (alert.severity, alert.status.is_closed());
        let before = self.alerts.insert(alert.id, alert);
        if listed {
            if let Some(before) = before.filter(|before| !before.status.is_closed()) {
                self.counts.take(before.severity);
            }
            if !closed {
                self.counts.add(severity);
            }
        }
    }

    pub(super) fn note_arrival(&mut self, id: AlertId, matches: bool) {
        if matches && !self.place.contains_key(&id) {
            self.arrived.insert(id);
        } else {
            self.arrived.remove(&id);
        }
    }

    pub(super) fn set_handled(&mut self, id: AlertId, handled: bool) {
        if handled {
            self.handled.insert(id);
        } else {
            self.handled.remove(&id);
        }
    }

    pub(super) fn handled_clear(&mut self) {
        self.handled.clear();
    }

    pub(super) fn order_taken(&mut self) -> Vec<AlertId> {
        std::mem::take(&mut self.order)
    }

    pub(super) fn rebuild(&mut self, sort: &Sort, matches: impl Fn(&Alert) -> bool) {
        let mut list: Vec<&Arc<Alert>> =
            self.alerts.values().filter(|alert| matches(alert)).collect();
        list.sort_unstable_by(|one, two| sort.compare(one, two));
        self.counts = Counts::default();
        for alert in list.iter().filter(|alert| !alert.status.is_closed()) {
            self.counts.add(alert.severity);
        }
        self.order = list.into_iter().map(|alert| alert.id).collect();
        self.place = self.order.iter().enumerate().map(|(place, id)| (*id, place)).collect();
        self.arrived.clear();
    }
}
