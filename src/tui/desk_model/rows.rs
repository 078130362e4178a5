//! The rows: every alert the desk knows, the order of the list as it was at the last merge, and what came since.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::model::alert::{Alert, AlertId};
use crate::model::severity::Severity;
use crate::tui::desk_model::bundles::Bundles;
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
    bundles: Bundles,
    counts: Counts,
    open: usize,
    /// All alerts of the store, as the workbench counts them (it may hold more than were read).
    pub total: usize,
}

impl Rows {
    /// One alert, with our own pending actions in it, or the row of a bundle.
    pub fn get(&self, id: AlertId) -> Option<&Arc<Alert>> {
        self.alerts.get(&id).or_else(|| self.bundles.get(id).map(|bundle| &bundle.row))
    }

    /// The bundles of the list.
    pub fn bundles(&self) -> &Bundles {
        &self.bundles
    }

    pub(super) fn bundles_mut(&mut self) -> &mut Bundles {
        &mut self.bundles
    }

    /// The alerts of a row: of a bundle all that are listed, else the alert itself.
    pub fn alerts_of(&self, id: AlertId) -> Vec<AlertId> {
        self.bundles.get(id).map_or_else(|| vec![id], |bundle| bundle.members.clone())
    }

    /// Is it in the list, as a row or behind one?
    pub fn is_listed(&self, id: AlertId) -> bool {
        self.place.contains_key(&id) || self.bundles.of(id).is_some()
    }

    /// Every alert of the list once, in its order, those behind closed bundles too.
    pub fn listed(&self) -> Vec<AlertId> {
        let mut ids = Vec::with_capacity(self.order.len());
        for id in &self.order {
            match self.bundles.get(*id) {
                Some(bundle) if !self.bundles.is_open(*id) => ids.extend(&bundle.members),
                Some(_) => {}
                None => ids.push(*id),
            }
        }
        ids
    }

    /// The row that stands for one that is not in the list: an alert's bundle, a bundle's first alert.
    pub fn stand_in(&self, id: AlertId) -> Option<AlertId> {
        let row = self.bundles.of(id);
        row.or_else(|| {
            let of_it = |known: &&AlertId| {
                self.alerts.get(*known).is_some_and(|alert| alert.bundle == Some(id))
            };
            self.order.iter().find(of_it).copied()
        })
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

    /// Alerts known that are not closed, in the list or not.
    pub fn open(&self) -> usize {
        self.open
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
        match self.bundles.get(id) {
            Some(bundle) => bundle.members.iter().all(|member| self.handled.contains(member)),
            None => self.handled.contains(&id),
        }
    }

    pub(super) fn put(&mut self, alert: Arc<Alert>) {
        let (id, listed) = (alert.id, self.is_listed(alert.id));
        let (severity, closed) = (alert.severity, alert.status.is_closed());
        let before = self.alerts.insert(alert.id, alert);
        let before = before.filter(|before| !before.status.is_closed());
        self.open =
            (self.open + usize::from(!closed)).saturating_sub(usize::from(before.is_some()));
        if listed {
            if let Some(before) = before {
                self.counts.take(before.severity);
            }
            if !closed {
                self.counts.add(severity);
            }
            self.bundles.refresh(id, &self.alerts);
        }
    }

    pub(super) fn note_arrival(&mut self, id: AlertId, matches: bool) {
        if matches && !self.is_listed(id) {
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
        self.order = self.bundles.arrange(&list, sort);
        self.place = self.order.iter().enumerate().map(|(place, id)| (*id, place)).collect();
        self.arrived.clear();
    }

    /// Arrange what is listed again, after bundles were opened or closed.
    pub(super) fn rearrange(&mut self, sort: &Sort) {
        let listed = self.listed_as_arranged();
        let mut list: Vec<&Arc<Alert>> =
            listed.iter().filter_map(|id| self.alerts.get(id)).collect();
        list.sort_unstable_by(|one, two| sort.compare(one, two));
        self.order = self.bundles.arrange(&list, sort);
        self.place = self.order.iter().enumerate().map(|(place, id)| (*id, place)).collect();
    }

    /// Like `listed`, but whatever was opened or closed since the list was made.
    fn listed_as_arranged(&self) -> Vec<AlertId> {
        let rows = self.order.iter().filter(|id| self.bundles.of(**id).is_none());
        rows.flat_map(|id| self.alerts_of(*id)).collect()
    }
}
