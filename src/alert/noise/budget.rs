//! Budgets: a rule that makes more new alerts in a day than it may is parked until somebody releases it.
//!
//! The day is that of the event, not of the clock on the wall: the same logs then park the same rule, whether they are
//! read once, read again after a crash or read a week late, and a backlog of a month has the budget of a month.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;

use crate::model::alert::AlertId;
use crate::model::episode::OpenEpisode;
use crate::model::finding::Finding;
use crate::model::noise::{EpisodeNoise, ParkedRule, Release, Released};
use crate::stdx::id::IdHasher;
use crate::wire::noise_v1::{self, RuleDays};

/// Alerts of a parked rule that are kept back; matches beyond them are counted only.
pub const HELD_MAX: u64 = 1_000;
/// Days of a rule that are counted apart; the oldest is forgotten first.
const DAYS_MAX: usize = 32;
/// Risk of the alert that says that a rule is parked: between medium and high, because somebody has to decide.
const MARKER_RISK: u8 = 50;
/// Key of the row that says which releases were carried out.
const RELEASED_KEY: &str = "released";
/// Keys of rules' rows.
const PREFIX: &str = "budget/";

/// What becomes of a match that would begin an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admitted {
    /// It does.
    Alert,
    /// It does, and the alert is kept back.
    Held,
    /// It is counted, and that is all.
    Counted,
}

/// A tenant and a rule: one tenant's noise parks nothing of another's.
type Key = (String, String);

/// The state of every rule that has a budget and made alerts.
#[derive(Default)]
pub(crate) struct Budgets {
    rules: HashMap<Key, RuleDays>,
    changed: BTreeSet<Key>,
    /// Parked rules whose alert must be written again.
    grown: BTreeSet<Key>,
    released_to: u64,
    released_changed: bool,
    findings_held: u64,
}

impl Budgets {
    /// Read a row back. `false`: it is none of ours, or cannot be read.
    pub(crate) fn restore(&mut self, key: &str, value: &[u8]) -> bool {
        if key == RELEASED_KEY {
            let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            self.released_to = number.unwrap_or(0);
            return number.is_some();
        }
        if !key.starts_with(PREFIX) {
            return false;
        }
        let Ok(row) = noise_v1::read_rule(value) else { return false };
        self.rules.insert((row.tenant.clone(), row.rule.clone()), row);
        true
    }

    /// Rows that changed.
    pub(crate) fn take_rows(&mut self) -> Vec<(String, Option<Vec<u8>>)> {
        let mut rows = Vec::new();
        for key in std::mem::take(&mut self.changed) {
            let value = self.rules.get(&key).map(noise_v1::write_rule);
            rows.push((row_key(&key), value));
        }
        if std::mem::take(&mut self.released_changed) {
            rows.push((RELEASED_KEY.to_owned(), Some(self.released_to.to_string().into_bytes())));
        }
        rows
    }

    /// May this match begin an alert?
    pub(crate) fn admit(&mut self, finding: &Finding, budget: Option<u64>) -> Admitted {
        let key = (finding.tenant.to_string(), finding.rule.id.clone());
        if let Some(parked) = self.rules.get_mut(&key).and_then(|rule| rule.parked.as_mut()) {
            // Parked stays parked until it is released, whatever the configuration says now.
            let room = parked.held < HELD_MAX;
            parked.held += u64::from(room);
            parked.counted += u64::from(!room);
            self.keep(key, finding);
            return if room { Admitted::Held } else { Admitted::Counted };
        }
        let Some(budget) = budget else { return Admitted::Alert };
        let rule = self.rules.entry(key.clone()).or_insert_with(|| RuleDays {
            tenant: key.0.clone(),
            rule: key.1.clone(),
            days: BTreeMap::new(),
            parked: None,
        });
        self.changed.insert(key.clone());
        let day = finding.timestamp.seconds().div_euclid(86_400);
        let made = rule.days.entry(day).or_insert(0);
        if *made < budget {
            *made += 1;
            while rule.days.len() > DAYS_MAX {
                rule.days.pop_first();
            }
            return Admitted::Alert;
        }
        rule.parked = Some(park(finding, budget));
        self.keep(key, finding);
        Admitted::Held
    }

    /// A further match of an alert that is kept back.
    pub(crate) fn repeat(&mut self, finding: &Finding) {
        self.keep((finding.tenant.to_string(), finding.rule.id.clone()), finding);
    }

    fn keep(&mut self, key: Key, finding: &Finding) {
        let parked = self.rules.get_mut(&key).and_then(|rule| rule.parked.as_mut());
        let Some(parked) = parked else { return };
        parked.findings += 1;
        parked.since = parked.since.min(finding.timestamp);
        parked.last = parked.last.max(finding.timestamp);
        parked.backfill &= finding.backfill;
        parked.evidence.truncate(1);
        if parked.evidence.first() != Some(&finding.event) {
            parked.evidence.push(finding.event);
        }
        self.findings_held += 1;
        self.changed.insert(key.clone());
        self.grown.insert(key);
    }

    /// Let a rule go on, with a whole budget again. `None`: that was carried out already.
    pub(crate) fn release(&mut self, release: &Release) -> Option<Vec<Released>> {
        if release.change <= self.released_to {
            return None;
        }
        self.released_to = release.change;
        self.released_changed = true;
        let mut released = Vec::new();
        for (key, rule) in &mut self.rules {
            if key.1 != release.rule {
                continue;
            }
            let Some(parked) = rule.parked.take() else { continue };
            rule.days.clear();
            self.changed.insert(key.clone());
            released.push(Released {
                tenant: key.0.clone(),
                rule: key.1.clone(),
                marker: parked.marker,
                actor: release.actor.clone(),
            });
        }
        released.sort_by(|one, other| one.tenant.cmp(&other.tenant));
        Some(released)
    }

    /// The alerts that say which rules are parked, where that changed.
    pub(crate) fn take_markers(&mut self) -> Vec<OpenEpisode> {
        let grown = std::mem::take(&mut self.grown);
        let parked = |key| self.rules.get(&key)?.parked.as_ref().map(marker);
        grown.into_iter().filter_map(parked).collect()
    }

    /// Rules that are parked.
    pub(crate) fn parked(&self) -> usize {
        self.rules.values().filter(|rule| rule.parked.is_some()).count()
    }

    /// Matches kept back since the start.
    pub(crate) fn findings_held(&self) -> u64 {
        self.findings_held
    }
}

fn row_key((tenant, rule): &Key) -> String {
    // A hash, because both are texts from outside and may hold the divider.
    format!("{PREFIX}{}", IdHasher::new("budget").text(tenant).text(rule).finish())
}

fn park(finding: &Finding, budget: u64) -> ParkedRule {
    ParkedRule {
        tenant: finding.tenant.to_string(),
        rule: finding.rule.id.clone(),
        title: finding.rule.title.clone(),
        level: finding.rule.level,
        tags: finding.rule.tags.clone(),
        budget,
        since: finding.timestamp,
        last: finding.timestamp,
        findings: 0,
        held: 1,
        counted: 0,
        marker: marker_id(finding),
        evidence: Vec::new(),
        backfill: finding.backfill,
    }
}

fn marker_id(finding: &Finding) -> AlertId {
    let mut hasher = IdHasher::new("parked");
    hasher.text(&finding.tenant).text(&finding.rule.id).bytes(finding.event.as_bytes()).finish()
}

fn marker(parked: &ParkedRule) -> OpenEpisode {
    OpenEpisode {
        alert: parked.marker,
        key: parked.marker,
        tenant: parked.tenant.clone(),
        rule_id: parked.rule.clone(),
        // Since when is the alert's first time: a late match moves that, and a name stays as it was stored.
        rule_name: format!("rule parked: {}", parked.title),
        severity: parked.level,
        tags: parked.tags.clone(),
        host: String::new(),
        user: String::new(),
        group: Vec::new(),
        matched: vec![
            ("rules.budget".to_owned(), format!("{} new alerts a day", parked.budget)),
            (
                "what to do".to_owned(),
                format!("p on the desk, or watchfloor rules release {}", parked.rule),
            ),
        ],
        count: parked.findings,
        first_seen: parked.since,
        last_seen: parked.last,
        evidence: parked.evidence.clone(),
        correlated: false,
        backfill: parked.backfill,
        risk: MARKER_RISK,
        risk_parts: vec![("a parked rule needs a decision".to_owned(), MARKER_RISK)],
        touched: 0,
        // It speaks of a rule, not of an endpoint.
        bundle: None,
        near: 0,
        fixed_parts: Vec::new(),
        noise: EpisodeNoise::default(),
    }
}
