//! Bundles: a new alert joins what happened on its endpoint by lineage or by time, or begins a bundle of its own.
//!
//! Membership is decided once, when the alert begins, and never changes. A late link between two bundles does not
//! merge them: the alert that brings it joins one, and the rows an analyst has seen, judged and noted stay what they
//! were. Everything is a function of the sequence of findings; nothing looks at batches or clocks.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::config::alert::AlertConfig;
use crate::model::alert::AlertId;
use crate::model::bundle::{BundleChange, BundleId, OpenBundle};
use crate::model::finding::Finding;
use crate::model::inference;
use crate::stdx::id::{Id128, IdHasher};
use crate::stdx::time::{SECOND_US, Timestamp, micros};

/// Bundles that can be open at once; beyond it the one touched longest ago is closed.
pub const BUNDLES_MAX: usize = 20_000;
/// Links that one bundle keeps: the newest.
pub const LINKS_MAX: usize = 256;
/// Rules whose latest match one bundle keeps.
pub const RULES_MAX: usize = 32;
/// Rules of one bundle that fired within this time of each other raise the risk.
pub const NEAR_US: i64 = 600 * SECOND_US;
/// How far behind its endpoint's newest match, beyond its own reach, a bundle is still open for late ones.
const LATENESS_US: i64 = 3_600 * SECOND_US;

/// Open bundles. Part of the alert stage.
pub(super) struct Bundler {
    gap_us: i64,
    lineage_us: i64,
    span_us: i64,
    alerts_max: u64,
    pub(super) bundles_max: usize,
    open: HashMap<BundleId, OpenBundle>,
    by_host: HashMap<Id128, SmallVec<[BundleId; 2]>>,
    by_touch: BTreeMap<u64, BundleId>,
    touched: u64,
    changed: BTreeSet<BundleId>,
    /// Rows that were closed only because the table was full.
    pub(super) evicted: u64,
}

impl Bundler {
    pub(super) fn new(config: &AlertConfig) -> Bundler {
        Bundler {
            gap_us: micros(config.bundle_gap),
            lineage_us: micros(config.bundle_lineage),
            span_us: micros(config.bundle_span),
            alerts_max: config.bundle_alerts_max.max(1),
            bundles_max: BUNDLES_MAX,
            open: HashMap::new(),
            by_host: HashMap::new(),
            by_touch: BTreeMap::new(),
            touched: 0,
            changed: BTreeSet::new(),
            evicted: 0,
        }
    }

    pub(super) fn restore(&mut self, rows: Vec<OpenBundle>) {
        for row in rows {
            self.touched = self.touched.max(row.touched);
            self.insert(row);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Rows that changed since the last call, for the commit.
    pub(super) fn take_changes(&mut self) -> Vec<BundleChange> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().map(|id| (id, self.open.get(&id).cloned())).collect()
    }

    /// The bundle of an alert that begins, and how many rules fired near each other there. A finding that names no
    /// endpoint has none.
    pub(super) fn place(&mut self, alert: AlertId, finding: &Finding) -> (Option<BundleId>, u64) {
        if finding.host.is_empty() {
            return (None, 0);
        }
        let host = host_key(finding);
        self.expire(host, finding.timestamp);
        let own = IdHasher::new("bundle").bytes(alert.as_bytes()).finish();
        // An old first event met again after its episode closed: the bundle it began may still be open.
        let known = self.open.contains_key(&own).then_some(own);
        let id = match known.or_else(|| self.best(host, finding)) {
            Some(id) => id,
            None => {
                self.insert(OpenBundle {
                    id: own,
                    tenant: finding.tenant.to_string(),
                    host: finding.host.clone(),
                    first: finding.timestamp,
                    last: finding.timestamp,
                    alerts: 0,
                    links: Vec::new(),
                    rules: Vec::new(),
                    touched: 0,
                    models: is_models(finding),
                });
                own
            }
        };
        if is_models(finding) && id != own {
            // When a score comes depends on the machine: it must not decide what rules' alerts join.
            return (Some(id), 0);
        }
        if let Some(bundle) = self.open.get_mut(&id) {
            bundle.alerts += 1;
        }
        let near = self.touch(id, finding);
        self.make_room();
        (Some(id), near)
    }

    /// Another match of an alert: its bundle reaches further. Nothing happens to one that is closed.
    pub(super) fn grow(&mut self, id: BundleId, finding: &Finding) -> u64 {
        if is_models(finding) && !self.is_models(id) {
            return 0;
        }
        self.expire(host_key(finding), finding.timestamp);
        self.touch(id, finding)
    }

    fn touch(&mut self, id: BundleId, finding: &Finding) -> u64 {
        let Some(bundle) = self.open.get_mut(&id) else { return 0 };
        self.touched += 1;
        self.by_touch.remove(&bundle.touched);
        bundle.touched = self.touched;
        self.by_touch.insert(self.touched, id);
        self.changed.insert(id);
        bundle.first = bundle.first.min(finding.timestamp);
        bundle.last = bundle.last.max(finding.timestamp);
        for link in &finding.origin.links {
            bundle.links.retain(|known| known != link);
            bundle.links.push(*link);
        }
        let over = bundle.links.len().saturating_sub(LINKS_MAX);
        bundle.links.drain(..over);
        fired(bundle, finding)
    }

    /// Of the bundles that the finding may join: one of its lineage before one of its time, the nearest, the oldest.
    fn best(&self, host: Id128, finding: &Finding) -> Option<BundleId> {
        let at = finding.timestamp;
        let rows = self.by_host.get(&host)?.iter().filter_map(|id| self.open.get(id));
        rows.filter_map(|bundle| {
            let span = bundle.last.max(at).micros_since(bundle.first.min(at));
            let away = distance(bundle, at);
            let related = away <= self.lineage_us
                && finding.origin.links.iter().any(|link| bundle.links.contains(link));
            let joins = (is_models(finding) || !bundle.models)
                && bundle.alerts < self.alerts_max
                && span <= self.span_us
                && (related || away <= self.gap_us);
            joins.then_some((!related, away, bundle.first, bundle.id))
        })
        .min()
        .map(|(.., id)| id)
    }

    /// Was it begun by a model's alert? Alerts of rules begin bundles of their own.
    fn is_models(&self, id: BundleId) -> bool {
        self.open.get(&id).is_some_and(|bundle| bundle.models)
    }

    /// Close what the endpoint's event time has left behind: at every finding, so that it depends on nothing else.
    fn expire(&mut self, host: Id128, at: Timestamp) {
        let Some(ids) = self.by_host.get(&host) else { return };
        let rows = || ids.iter().filter_map(|id| self.open.get(id));
        let newest = rows().map(|bundle| bundle.last).max().unwrap_or(at).max(at);
        let reach = self.lineage_us.max(self.gap_us).saturating_add(LATENESS_US);
        let gone: SmallVec<[BundleId; 4]> = rows()
            .filter(|bundle| newest.micros_since(bundle.last) > reach)
            .map(|bundle| bundle.id)
            .collect();
        for id in gone {
            self.remove(id);
        }
    }

    fn make_room(&mut self) {
        while self.open.len() > self.bundles_max {
            let Some((_, id)) = self.by_touch.pop_first() else { return };
            self.remove(id);
            self.evicted += 1;
        }
    }

    fn insert(&mut self, bundle: OpenBundle) {
        let ids = self.by_host.entry(endpoint(&bundle.tenant, &bundle.host)).or_default();
        if !ids.contains(&bundle.id) {
            ids.push(bundle.id);
        }
        if bundle.touched > 0 {
            self.by_touch.insert(bundle.touched, bundle.id);
        }
        self.open.insert(bundle.id, bundle);
    }

    fn remove(&mut self, id: BundleId) {
        let Some(bundle) = self.open.remove(&id) else { return };
        self.by_touch.remove(&bundle.touched);
        self.changed.insert(id);
        let host = endpoint(&bundle.tenant, &bundle.host);
        if let Some(ids) = self.by_host.get_mut(&host) {
            ids.retain(|known| *known != id);
            if ids.is_empty() {
                self.by_host.remove(&host);
            }
        }
    }
}

fn is_models(finding: &Finding) -> bool {
    finding.rule.id.starts_with(inference::RULE_PREFIX)
}

/// Note that a rule fired; how many did so near this match, itself among them.
fn fired(bundle: &mut OpenBundle, finding: &Finding) -> u64 {
    let rule = IdHasher::new("rule").text(&finding.rule.id).finish();
    let at = finding.timestamp;
    match bundle.rules.iter_mut().find(|(known, _)| *known == rule) {
        Some((_, latest)) => *latest = (*latest).max(at),
        None => bundle.rules.push((rule, at)),
    }
    if bundle.rules.len() > RULES_MAX {
        let oldest = bundle.rules.iter().map(|(rule, at)| (*at, *rule)).min();
        bundle.rules.retain(|(rule, at)| Some((*at, *rule)) != oldest);
    }
    let near = |latest: Timestamp| latest.micros_since(at).abs() <= NEAR_US;
    let others = bundle.rules.iter().filter(|(known, latest)| *known != rule && near(*latest));
    others.count() as u64 + 1
}

/// How far a time lies outside a bundle.
fn distance(bundle: &OpenBundle, at: Timestamp) -> i64 {
    bundle.first.micros_since(at).max(at.micros_since(bundle.last)).max(0)
}

fn host_key(finding: &Finding) -> Id128 {
    endpoint(&finding.tenant, &finding.host)
}

fn endpoint(tenant: &str, host: &str) -> Id128 {
    IdHasher::new("endpoint").text(tenant).text(host).finish()
}

#[cfg(test)]
mod tests;
