//! The alert stage: findings become alerts. Pure; it reads no clock and touches no store.
//!
//! An alert is an episode of one rule on one endpoint and group: a finding joins when its event time
//! lies within `alert.dedupe` of the episode's span, before or after. Everything depends on the
//! sequence of findings alone, never on how it was cut into batches, so a restart changes nothing.

mod assets;
pub mod bundle;
pub mod noise;
mod rarity;
mod risk;

use hashbrown::{HashMap, HashSet};
use smallvec::SmallVec;

use crate::alert::assets::Assets;
use crate::alert::bundle::Bundler;
use crate::alert::rarity::Rarity;
use crate::config::alert::AlertConfig;
use crate::config::assets::AssetConfig;
use crate::model::alert::AlertId;
use crate::model::bundle::{BundleChange, OpenBundle};
use crate::model::episode::{AlertChange, OpenEpisode, RuleCount};
use crate::model::event::EventId;
use crate::model::finding::Finding;
use crate::model::noise::{EpisodeNoise, NoiseChanges, NoiseCounts, Release};
use crate::stdx::id::{Id128, IdHasher};
use crate::stdx::time::{SECOND_US, Timestamp, micros};

use noise::{Admitted, Noise, Policy};

/// Episodes that can be open at once; beyond it the ones touched longest ago are closed.
pub const EPISODES_MAX: usize = 20_000;
/// How far behind the newest finding of its endpoint an episode may lie and still be joined.
const LATENESS_US: i64 = 3_600 * SECOND_US;
/// Tables up to this size are swept of expired episodes after every batch.
const SWEEP_MIN: usize = 256;

/// Turns findings into alert changes. Owned by one pipeline thread.
pub struct Engine {
    gap_us: i64,
    evidence_max: usize,
    episodes_max: usize,
    episodes: HashMap<AlertId, OpenEpisode>,
    by_key: HashMap<Id128, SmallVec<[AlertId; 1]>>,
    /// Event time of the newest finding, per tenant and endpoint.
    newest: HashMap<Id128, Timestamp>,
    touched: u64,
    /// Look for expired episodes again when there are this many: keeps the search amortised.
    sweep_at: usize,
    noise: Noise,
    /// Episodes that must be written although nothing joined them.
    shown: Vec<AlertId>,
    bundler: Bundler,
    rarity: Rarity,
    assets: Assets,
}

/// What the store holds of the alert stage.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// Open episodes.
    pub episodes: Vec<OpenEpisode>,
    /// Open bundles.
    pub bundles: Vec<OpenBundle>,
    /// Alerts by rule and endpoint.
    pub counts: Vec<RuleCount>,
}

impl Engine {
    /// An engine without open episodes.
    pub fn new(config: AlertConfig) -> Engine {
        Engine {
            gap_us: micros(config.dedupe),
            evidence_max: config.evidence_max.max(1),
            episodes_max: EPISODES_MAX,
            episodes: HashMap::new(),
            by_key: HashMap::new(),
            newest: HashMap::new(),
            touched: 0,
            sweep_at: SWEEP_MIN,
            noise: Noise::new(0),
            shown: Vec::new(),
            bundler: Bundler::new(&config),
            rarity: Rarity::default(),
            assets: Assets::default(),
        }
    }

    /// Remember so many matches of a rule on an endpoint, and take back what the store holds about noise.
    #[must_use]
    pub fn with_noise(mut self, firings: usize, rows: Vec<(String, Vec<u8>)>) -> Engine {
        self.noise = Noise::new(firings);
        self.noise.restore(rows);
        self
    }

    /// With what configuration says of endpoints.
    #[must_use]
    pub fn with_assets(mut self, assets: &[AssetConfig]) -> Engine {
        self.assets = Assets::new(assets);
        self
    }

    /// Take back what the store holds.
    #[must_use]
    pub fn restore(mut self, rows: Restored) -> Engine {
        self.bundler.restore(rows.bundles);
        self.rarity.restore(rows.counts);
        for episode in rows.episodes {
            self.touched = self.touched.max(episode.touched);
            self.note_time(&episode.tenant, &episode.host, episode.last_seen);
            self.insert(episode);
        }
        self
    }

    /// Bundle rows that changed since the last call, for the commit.
    pub fn take_bundles(&mut self) -> Vec<BundleChange> {
        self.bundler.take_changes()
    }

    /// Counts of alerts that changed since the last call, for the commit.
    pub fn take_counts(&mut self) -> Vec<RuleCount> {
        self.rarity.take_changes()
    }

    /// Bundles open now, and how many were closed early because there were too many.
    pub fn open_bundles(&self) -> (usize, u64) {
        (self.bundler.len(), self.bundler.evicted)
    }

    /// Episodes open now.
    pub fn open_episodes(&self) -> usize {
        self.episodes.len()
    }

    /// Take in findings, in order. One change an episode that grew or closed.
    pub fn apply(&mut self, findings: Vec<Finding>) -> Vec<AlertChange> {
        self.apply_under(&Policy { budget: &|_| None, window: &|_| None }, findings)
    }

    /// Let parked rules go on: what was kept back of them is told by the next call. Each release counts once.
    pub fn release(&mut self, releases: &[Release]) {
        for release in releases {
            if !self.noise.release(release) {
                continue;
            }
            let open = self.episodes.values_mut();
            let kept = open.filter(|one| one.noise.held && one.rule_id == release.rule);
            let mut shown: Vec<AlertId> = kept
                .map(|episode| {
                    episode.noise.held = false;
                    episode.alert
                })
                .collect();
            shown.sort_unstable();
            self.shown.extend(shown);
        }
    }

    /// What the commit must make real about noise, together with the changes of alerts before.
    pub fn take_noise(&mut self) -> NoiseChanges {
        self.noise.take()
    }

    /// What was kept from the queue since the start.
    pub fn noise_counts(&self) -> NoiseCounts {
        self.noise.counts()
    }

    /// As [`Engine::apply`], with budgets and windows of repeats.
    pub fn apply_under(&mut self, policy: &Policy<'_>, findings: Vec<Finding>) -> Vec<AlertChange> {
        let mut grown: Vec<AlertId> = std::mem::take(&mut self.shown);
        let mut known: HashSet<AlertId> = grown.iter().copied().collect();
        let mut closed: HashMap<AlertId, OpenEpisode> = HashMap::new();
        for finding in findings {
            let Some(id) = self.take(policy, finding) else { continue };
            if known.insert(id) {
                grown.push(id);
            }
            if self.episodes.len() > self.episodes_max {
                closed.extend(self.make_room().into_iter().map(|gone| (gone.alert, gone)));
            }
        }
        if self.episodes.len() <= SWEEP_MIN || self.episodes.len() >= self.sweep_at {
            closed.extend(self.close_expired().into_iter().map(|gone| (gone.alert, gone)));
            self.sweep_at = self.episodes.len().saturating_mul(2).max(SWEEP_MIN);
        }
        let mut changes = self.changes(grown, closed);
        for marker in self.noise.budgets.take_markers() {
            // No finding can join it: its row of open episodes goes as it comes.
            let id = marker.alert;
            changes.push(AlertChange::Grown(Box::new(marker)));
            changes.push(AlertChange::Closed(id));
        }
        changes
    }

    fn changes(
        &mut self,
        grown: Vec<AlertId>,
        closed: HashMap<AlertId, OpenEpisode>,
    ) -> Vec<AlertChange> {
        let mut changes = Vec::with_capacity(grown.len() + closed.len());
        for id in grown {
            // An episode can grow and close in one batch: its alert is written all the same.
            let episode = self.episodes.get(&id).or_else(|| closed.get(&id)).cloned();
            let Some(mut episode) = episode else { continue };
            rate(&mut episode);
            if episode.noise.held {
                self.noise.hold(episode);
            } else {
                changes.push(AlertChange::Grown(Box::new(episode)));
            }
        }
        let mut gone: Vec<AlertId> =
            closed.into_keys().filter(|id| !self.episodes.contains_key(id)).collect();
        gone.sort_unstable();
        changes.extend(gone.into_iter().map(AlertChange::Closed));
        changes
    }

    /// Join or begin an episode. `None`: this match is in it already (a redelivered event).
    fn take(&mut self, policy: &Policy<'_>, finding: Finding) -> Option<AlertId> {
        let window = (policy.window)(&finding);
        let key = match &window {
            Some(window) => noise::key_of(&finding, window),
            None => key_of(&finding),
        };
        let joins = self.find(&key, &finding);
        let known = joins.and_then(|id| self.episodes.get(&id));
        if known.is_some_and(|episode| seen(episode, &finding)) {
            // Nothing of a redelivered event may move: a restart would not know of it.
            return None;
        }
        self.note_time(&finding.tenant, &finding.host, finding.timestamp);
        self.touched += 1;
        let touched = self.touched;
        if let Some(episode) = joins.and_then(|id| self.episodes.get_mut(&id)) {
            if !within(episode, finding.timestamp, self.gap_us) {
                self.noise.count_suppressed();
            }
            if episode.noise.held {
                self.noise.budgets.repeat(&finding);
            }
            self.noise.remember(&finding);
            grow(episode, &finding, self.evidence_max);
            episode.touched = touched;
            let near = episode.bundle.map_or(0, |bundle| self.bundler.grow(bundle, &finding));
            episode.near = episode.near.max(near);
            return Some(episode.alert);
        }
        let admitted = self.noise.budgets.admit(&finding, (policy.budget)(&finding.rule));
        let id = alert_id(&finding);
        if admitted != Admitted::Counted {
            self.noise.note(id, &finding);
        }
        self.noise.remember(&finding);
        if admitted == Admitted::Counted {
            return None;
        }
        let held = admitted == Admitted::Held;
        let kept = noise::begin(&finding, window.as_ref(), held);
        let fixed = [
            self.assets.part(&finding),
            self.rarity.begin(&finding.tenant, &finding.rule.id, &finding.host),
        ];
        // What nobody sees joins no bundle: its row would count alerts that it cannot show.
        let (bundle, near) = if held { (None, 0) } else { self.bundler.place(id, &finding) };
        let mut episode = begin(key, finding, touched, self.evidence_max);
        (episode.bundle, episode.near) = (bundle, near);
        episode.fixed_parts = fixed.into_iter().flatten().collect();
        episode.noise = kept;
        self.insert(episode);
        Some(id)
    }

    /// The open episode that the finding belongs to: of several, the one that began first.
    fn find(&self, key: &Id128, finding: &Finding) -> Option<AlertId> {
        let newest = self.newest.get(&endpoint_key(&finding.tenant, &finding.host)).copied();
        let newest = newest.max(Some(finding.timestamp));
        self.by_key
            .get(key)?
            .iter()
            .filter_map(|id| self.episodes.get(id))
            .filter(|episode| !self.is_expired(episode, newest))
            .filter(|episode| {
                within(episode, finding.timestamp, self.gap_us)
                    || noise::in_window(&episode.noise, finding.timestamp)
            })
            .min_by_key(|episode| (episode.first_seen, episode.alert))
            .map(|episode| episode.alert)
    }

    fn is_expired(&self, episode: &OpenEpisode, newest: Option<Timestamp>) -> bool {
        let reach = noise::reach(episode, self.gap_us).saturating_add(LATENESS_US);
        newest.is_some_and(|newest| newest.micros_since(episode.last_seen) > reach)
    }

    fn note_time(&mut self, tenant: &str, host: &str, at: Timestamp) {
        let newest = self.newest.entry(endpoint_key(tenant, host)).or_insert(at);
        *newest = (*newest).max(at);
    }

    fn insert(&mut self, episode: OpenEpisode) {
        let ids = self.by_key.entry(episode.key).or_default();
        if !ids.contains(&episode.alert) {
            ids.push(episode.alert);
        }
        self.episodes.insert(episode.alert, episode);
    }

    fn remove(&mut self, id: &AlertId) -> Option<OpenEpisode> {
        let episode = self.episodes.remove(id)?;
        if let Some(ids) = self.by_key.get_mut(&episode.key) {
            ids.retain(|known| known != id);
            if ids.is_empty() {
                self.by_key.remove(&episode.key);
            }
        }
        Some(episode)
    }

    fn close_expired(&mut self) -> Vec<OpenEpisode> {
        let mut expired: Vec<AlertId> = self
            .episodes
            .values()
            .filter(|episode| {
                let key = endpoint_key(&episode.tenant, &episode.host);
                self.is_expired(episode, self.newest.get(&key).copied())
            })
            .map(|episode| episode.alert)
            .collect();
        expired.sort_unstable();
        expired.iter().filter_map(|id| self.remove(id)).collect()
    }

    /// Close what event time closes; if that is not enough, a sixteenth of the table by age of use.
    fn make_room(&mut self) -> Vec<OpenEpisode> {
        let mut closed = self.close_expired();
        if self.episodes.len() <= self.episodes_max {
            return closed;
        }
        let mut order: Vec<(u64, AlertId)> =
            self.episodes.values().map(|episode| (episode.touched, episode.alert)).collect();
        order.sort_unstable();
        let keep = self.episodes_max - self.episodes_max / 16;
        let excess = order.len().saturating_sub(keep);
        for (_, id) in order.into_iter().take(excess) {
            closed.extend(self.remove(&id));
        }
        // The same as a restart would find: times of endpoints that still have an episode.
        self.newest.clear();
        let times: Vec<(Id128, Timestamp)> = self
            .episodes
            .values()
            .map(|episode| (endpoint_key(&episode.tenant, &episode.host), episode.last_seen))
            .collect();
        for (key, at) in times {
            let newest = self.newest.entry(key).or_insert(at);
            *newest = (*newest).max(at);
        }
        closed
    }
}

/// Does a time lie within the sliding gap of the episode's span?
fn within(episode: &OpenEpisode, at: Timestamp, gap_us: i64) -> bool {
    at.micros_since(episode.last_seen) <= gap_us && episode.first_seen.micros_since(at) <= gap_us
}

fn key_of(finding: &Finding) -> Id128 {
    let mut hasher = IdHasher::new("episode");
    hasher.text(&finding.tenant).text(&finding.rule.id).text(&finding.host);
    add_group(&mut hasher, &finding.group);
    hasher.finish()
}

fn endpoint_key(tenant: &str, host: &str) -> Id128 {
    IdHasher::new("endpoint").text(tenant).text(host).finish()
}

fn add_group(hasher: &mut IdHasher, group: &[(String, String)]) {
    for (field, value) in group {
        hasher.text(field).text(value);
    }
}

/// The id of the alert that a finding without a group begins.
pub fn alert_id_of(tenant: &str, rule: &str, host: &str, event: EventId) -> AlertId {
    grouped_alert_id(tenant, rule, host, &[], event)
}

fn grouped_alert_id(
    tenant: &str,
    rule: &str,
    host: &str,
    group: &[(String, String)],
    event: EventId,
) -> AlertId {
    let mut hasher = IdHasher::new("alert");
    hasher.text(tenant).text(rule).text(host);
    add_group(&mut hasher, group);
    hasher.bytes(event.as_bytes()).finish()
}

fn alert_id(finding: &Finding) -> AlertId {
    let Finding { tenant, rule, host, group, event, .. } = finding;
    grouped_alert_id(tenant, &rule.id, host, group, *event)
}

fn begin(key: Id128, finding: Finding, touched: u64, evidence_max: usize) -> OpenEpisode {
    let mut episode = OpenEpisode {
        alert: alert_id(&finding),
        key,
        tenant: finding.tenant.to_string(),
        rule_id: finding.rule.id.clone(),
        rule_name: finding.rule.title.clone(),
        severity: finding.rule.level,
        tags: finding.rule.tags.clone(),
        host: finding.host,
        user: finding.user,
        group: finding.group,
        matched: finding.matched,
        count: 1,
        first_seen: finding.timestamp,
        last_seen: finding.timestamp,
        evidence: Vec::new(),
        correlated: !finding.contributing.is_empty(),
        backfill: finding.backfill,
        bundle: None,
        near: 0,
        fixed_parts: Vec::new(),
        risk: 0,
        risk_parts: Vec::new(),
        touched,
        noise: EpisodeNoise::default(),
    };
    add_evidence(&mut episode, &finding.contributing, finding.event, evidence_max);
    episode
}

fn grow(episode: &mut OpenEpisode, finding: &Finding, evidence_max: usize) {
    episode.count = episode.count.saturating_add(1);
    episode.first_seen = episode.first_seen.min(finding.timestamp);
    episode.last_seen = episode.last_seen.max(finding.timestamp);
    episode.severity = episode.severity.max(finding.rule.level);
    episode.correlated |= !finding.contributing.is_empty();
    // One live match is enough to make it news.
    episode.backfill &= finding.backfill;
    if episode.user.is_empty() {
        episode.user.clone_from(&finding.user);
    }
    add_evidence(episode, &finding.contributing, finding.event, evidence_max);
}

fn seen(episode: &OpenEpisode, finding: &Finding) -> bool {
    if finding.contributing.is_empty() {
        return episode.evidence.contains(&finding.event);
    }
    // What contributed to one correlation may complete another: only the very same end is a repeat.
    episode.evidence.last() == Some(&finding.event)
}

fn add_evidence(
    episode: &mut OpenEpisode,
    contributing: &[EventId],
    event: EventId,
    evidence_max: usize,
) {
    for id in contributing {
        if !episode.evidence.contains(id) {
            episode.evidence.push(*id);
        }
    }
    episode.evidence.retain(|id| *id != event);
    episode.evidence.push(event);
    let excess = episode.evidence.len().saturating_sub(evidence_max);
    if excess > 0 {
        // The first stays: it is the one the id is made of.
        let first = 1.min(evidence_max.saturating_sub(1));
        episode.evidence.drain(first..first + excess);
    }
}

fn rate(episode: &mut OpenEpisode) {
    let (risk, parts) = risk::score(episode);
    episode.risk = risk;
    episode.risk_parts = parts;
}

#[cfg(test)]
mod tests;
