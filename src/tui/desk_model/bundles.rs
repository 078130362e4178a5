//! Bundles in the list: alerts of one bundle stand behind one row, which opens and closes.
//!
//! A bundle's row is an alert that nobody stored: its id is the bundle's, its values are taken together from the
//! alerts that the filter lets through. So the cursor, the order and the columns treat it like any other row. A
//! bundle of which one alert is listed is that alert.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::model::alert::{Alert, AlertId, Status};
use crate::model::attack;
use crate::model::bundle::BundleId;
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::cursor::Move;
use crate::tui::desk_model::edit::Tone;
use crate::tui::desk_model::sort::Sort;

/// Points that every further rule of a bundle adds to the risk of its worst alert.
pub const FURTHER_RULE: u8 = 5;
/// Most points that further rules add.
pub const FURTHER_RULES_MAX: u8 = 30;

/// A change of how bundles show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BundleEdit {
    /// Open the bundle under the cursor, or close it.
    Toggle,
    /// Close the bundle of the row under the cursor and stand on it.
    Close,
    /// One row a bundle, or one row an alert.
    ToggleView,
}

/// One row of several alerts.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// What the list shows.
    pub row: Arc<Alert>,
    /// The listed alerts, in the order of the list.
    pub members: Vec<AlertId>,
}

/// The bundles of the list as it was made last.
#[derive(Debug, Default)]
pub struct Bundles {
    flat: bool,
    open: HashSet<BundleId>,
    rows: HashMap<BundleId, Bundle>,
    of: HashMap<AlertId, BundleId>,
}

impl Bundles {
    /// One row an alert?
    pub fn is_flat(&self) -> bool {
        self.flat
    }

    /// The bundle of a row, if it is one.
    pub fn get(&self, id: AlertId) -> Option<&Bundle> {
        self.rows.get(&id)
    }

    /// Does the bundle show its alerts?
    pub fn is_open(&self, id: BundleId) -> bool {
        self.open.contains(&id)
    }

    /// The row that an alert stands behind or under.
    pub fn of(&self, id: AlertId) -> Option<BundleId> {
        self.of.get(&id).copied()
    }

    /// Make the rows of a list: bundles in the place of their alerts, in order, open ones with their alerts below.
    pub(super) fn arrange(&mut self, list: &[&Arc<Alert>], sort: &Sort) -> Vec<AlertId> {
        self.rows.clear();
        self.of.clear();
        if self.flat {
            return list.iter().map(|alert| alert.id).collect();
        }
        let mut groups: HashMap<BundleId, Vec<&Arc<Alert>>> = HashMap::new();
        for alert in list {
            if let Some(bundle) = alert.bundle {
                groups.entry(bundle).or_default().push(alert);
            }
        }
        groups.retain(|_, alerts| alerts.len() > 1);
        if groups.is_empty() {
            return list.iter().map(|alert| alert.id).collect();
        }
        for (id, alerts) in &groups {
            let members: Vec<AlertId> = alerts.iter().map(|alert| alert.id).collect();
            self.of.extend(members.iter().map(|member| (*member, *id)));
            self.rows.insert(*id, Bundle { row: Arc::new(taken_together(*id, alerts)), members });
        }
        let singles = list.iter().filter(|alert| !self.of.contains_key(&alert.id)).copied();
        let mut rows: Vec<&Arc<Alert>> =
            singles.chain(self.rows.values().map(|bundle| &bundle.row)).collect();
        rows.sort_unstable_by(|one, two| sort.compare(one, two));
        let mut order = Vec::with_capacity(list.len());
        for row in rows {
            order.push(row.id);
            if self.open.contains(&row.id)
                && let Some(bundle) = self.rows.get(&row.id)
            {
                order.extend(&bundle.members);
            }
        }
        order
    }

    /// An alert of the list changed: its bundle's row says so at once, in its place.
    pub(super) fn refresh(&mut self, id: AlertId, alerts: &HashMap<AlertId, Arc<Alert>>) {
        let Some(bundle) = self.of.get(&id) else { return };
        let Some(rows) = self.rows.get_mut(bundle) else { return };
        let members: Vec<&Arc<Alert>> =
            rows.members.iter().filter_map(|member| alerts.get(member)).collect();
        rows.row = Arc::new(taken_together(*bundle, &members));
    }
}

/// The values of several alerts as one row. `alerts` is in the order of the list and not empty.
fn taken_together(id: BundleId, alerts: &[&Arc<Alert>]) -> Alert {
    let open = || alerts.iter().filter(|alert| !alert.status.is_closed());
    let none_open = open().next().is_none();
    let counted: Vec<&Alert> = alerts
        .iter()
        .filter(|alert| none_open || !alert.status.is_closed())
        .map(|alert| &***alert)
        .collect();
    let worst = counted.iter().copied().max_by_key(|alert| (alert.risk, alert.severity, alert.id));
    let Some(worst) = worst else { return Alert { id, ..blank() } };
    let rules: BTreeSet<&str> = counted.iter().map(|alert| alert.rule_id.as_str()).collect();
    let further = rules.len().saturating_sub(1);
    let points = u8::try_from(further).unwrap_or(u8::MAX).saturating_mul(FURTHER_RULE);
    let points = points.min(FURTHER_RULES_MAX);
    let mut risk_parts = vec![("worst alert".to_owned(), worst.risk)];
    if further > 0 {
        risk_parts.push((format!("further rules ({further})"), points));
    }
    let same = |field: fn(&Alert) -> &str| {
        let first = field(worst);
        if alerts.iter().all(|alert| field(alert) == first) { first } else { "" }
    };
    let user = same(|alert| &alert.user).to_owned();
    let owner = same(|alert| alert.assignee.as_deref().unwrap_or_default()).to_owned();
    let awake = alerts.iter().any(|alert| alert.snoozed_until.is_none());
    Alert {
        id,
        tenant: worst.tenant.clone(),
        status: counted
            .iter()
            .map(|alert| alert.status)
            .min_by_key(|status| life(*status))
            .unwrap_or(Status::Open),
        severity: counted.iter().map(|alert| alert.severity).max().unwrap_or(worst.severity),
        risk: worst.risk.saturating_add(points).min(100),
        risk_parts,
        rule_id: String::new(),
        rule_name: worst.rule_name.clone(),
        tags: tags(alerts),
        host: worst.host.clone(),
        user,
        group: Vec::new(),
        count: alerts.len() as u64,
        first_seen: alerts.iter().map(|alert| alert.first_seen).min().unwrap_or_default(),
        last_seen: alerts.iter().map(|alert| alert.last_seen).max().unwrap_or_default(),
        created: alerts.iter().map(|alert| alert.created).min().unwrap_or_default(),
        updated: alerts.iter().map(|alert| alert.updated).max().unwrap_or_default(),
        matched: Vec::new(),
        evidence: Vec::new(),
        assignee: Some(owner).filter(|owner| !owner.is_empty()),
        verdict: worst
            .verdict
            .clone()
            .filter(|_| alerts.iter().all(|alert| alert.verdict.is_some())),
        snoozed_until: alerts
            .iter()
            .filter_map(|alert| alert.snoozed_until)
            .min()
            .filter(|_| !awake),
        backfill: alerts.iter().all(|alert| alert.backfill),
        bundle: Some(id),
        changed_since_closed: alerts.iter().any(|alert| alert.changed_since_closed),
        revision: alerts.iter().map(|alert| alert.revision).sum(),
    }
}

fn blank() -> Alert {
    Alert {
        id: AlertId::default(),
        tenant: String::new(),
        status: Status::Open,
        severity: crate::model::severity::Severity::Info,
        risk: 0,
        risk_parts: Vec::new(),
        rule_id: String::new(),
        rule_name: String::new(),
        tags: Vec::new(),
        host: String::new(),
        user: String::new(),
        group: Vec::new(),
        count: 0,
        first_seen: Default::default(),
        last_seen: Default::default(),
        created: Default::default(),
        updated: Default::default(),
        matched: Vec::new(),
        evidence: Vec::new(),
        assignee: None,
        verdict: None,
        snoozed_until: None,
        backfill: false,
        bundle: None,
        changed_since_closed: false,
        revision: 0,
    }
}

fn life(status: Status) -> usize {
    Status::ALL.iter().position(|known| *known == status).unwrap_or(0)
}

/// Every tag once, tactics first and in the order of an attack.
fn tags(alerts: &[&Arc<Alert>]) -> Vec<String> {
    let all: BTreeSet<&String> = alerts.iter().flat_map(|alert| &alert.tags).collect();
    let mut tags: Vec<String> = all.into_iter().cloned().collect();
    tags.sort_by_key(|tag| tactic_place(tag));
    tags
}

fn tactic_place(tag: &str) -> usize {
    let plain = tag.strip_prefix("attack.").unwrap_or(tag).replace('_', "-");
    // The old name stands where its first successor does.
    let plain = if plain == attack::OLD_TACTIC { "stealth" } else { plain.as_str() };
    attack::TACTICS.iter().position(|(known, _)| *known == plain).unwrap_or(usize::MAX)
}

/// The tactics of a row in the order of an attack: `execution > credential-access`.
pub fn tactics(row: &Alert) -> String {
    let known = row.tags.iter().filter(|tag| tactic_place(tag) < usize::MAX);
    let mut words: Vec<String> =
        known.map(|tag| tag.strip_prefix("attack.").unwrap_or(tag).replace('_', "-")).collect();
    words.dedup();
    words.join(" > ")
}

impl DeskModel {
    pub(super) fn bundle(&mut self, edit: BundleEdit) {
        let Some(id) = self.cursor.id() else { return };
        let bundles = self.rows.bundles_mut();
        match edit {
            BundleEdit::Toggle => {
                let Some(bundle) = bundles.rows.get(&id).map(|_| id) else { return };
                if !bundles.open.remove(&bundle) {
                    bundles.open.insert(bundle);
                }
            }
            BundleEdit::Close => {
                let Some(bundle) = bundles.rows.get(&id).map(|_| id).or_else(|| bundles.of(id))
                else {
                    return;
                };
                bundles.open.remove(&bundle);
                let height = self.cursor.height();
                self.move_cursor(Move::To(bundle), height);
            }
            BundleEdit::ToggleView => {
                bundles.flat = !bundles.flat;
                let flat = bundles.flat;
                self.say(Tone::Info, if flat { "one row an alert" } else { "one row a bundle" });
            }
        }
        // Only what is listed is arranged anew: nothing that arrived comes in by this.
        self.rearrange();
    }

    /// Arrange the listed alerts again; the cursor stays on what it stood on.
    fn rearrange(&mut self) {
        let before = self.rows.order().to_vec();
        self.rows.rearrange(&self.sort);
        self.cursor.settle(&before, &self.rows);
    }
}
