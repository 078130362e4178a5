//! How seldom a rule fires: on this host, and at all, over the alerts that are kept.
//!
//! The counts are rows of the store, written in the commit of the alerts they count, so a restart changes nothing.
//! They are bounded by the alerts, which are held in memory too.

use std::collections::BTreeSet;

use hashbrown::HashMap;

use crate::model::episode::RuleCount;
use crate::stdx::id::{Id128, IdHasher};

/// Points for a rule that never fired before, on this host or anywhere.
const FIRST: u8 = 10;
/// Points for one that fired seldom, or first here and often elsewhere.
const SELDOM: u8 = 5;
/// Up to so many alerts on a host are seldom.
const SELDOM_MAX: u64 = 3;
/// From so many alerts elsewhere on, to be the first on a host is worth less.
const COMMON_MIN: u64 = 100;

/// Alerts begun, by rule and by rule and host.
#[derive(Default)]
pub(super) struct Rarity {
    by_rule: HashMap<Id128, u64>,
    by_host: HashMap<Id128, RuleCount>,
    changed: BTreeSet<Id128>,
}

impl Rarity {
    pub(super) fn restore(&mut self, counts: Vec<RuleCount>) {
        for count in counts {
            self.add(&count.tenant, &count.rule_id, &count.host, count.alerts);
        }
        self.changed.clear();
    }

    /// Rows that changed since the last call, for the commit.
    pub(super) fn take_changes(&mut self) -> Vec<RuleCount> {
        let changed = std::mem::take(&mut self.changed);
        changed.iter().filter_map(|key| self.by_host.get(key).cloned()).collect()
    }

    /// Add to the counts; what they were: on the host, and at all.
    fn add(&mut self, tenant: &str, rule: &str, host: &str, alerts: u64) -> (u64, u64) {
        let mut hasher = IdHasher::new("rarity");
        hasher.text(tenant).text(rule);
        let by_rule = self.by_rule.entry(hasher.finish()).or_insert(0);
        let key = hasher.text(host).finish();
        let by_host = self.by_host.entry(key).or_insert_with(|| RuleCount {
            tenant: tenant.to_owned(),
            rule_id: rule.to_owned(),
            host: host.to_owned(),
            alerts: 0,
        });
        let before = (by_host.alerts, *by_rule);
        *by_rule = by_rule.saturating_add(alerts);
        by_host.alerts = by_host.alerts.saturating_add(alerts);
        self.changed.insert(key);
        before
    }

    /// Count an alert that begins; what its rarity adds to the risk.
    pub(super) fn begin(&mut self, tenant: &str, rule: &str, host: &str) -> Option<(String, u8)> {
        let (on_host, at_all) = self.add(tenant, rule, host, 1);
        let part = |why: &str, points| Some((format!("rarity ({why})"), points));
        match (on_host, at_all) {
            (0, 0) => part("first time at all", FIRST),
            (0, COMMON_MIN..) => {
                part(&format!("first time on this host, {at_all} elsewhere"), SELDOM)
            }
            (0, _) => part("first time on this host", FIRST),
            (1..=SELDOM_MAX, _) => part(&format!("{on_host} before on this host"), SELDOM),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_rare_and_the_fifth_is_not() {
        let mut rarity = Rarity::default();
        let mut say = |host: &str| rarity.begin("default", "r", host);
        assert_eq!(say("a"), Some(("rarity (first time at all)".to_owned(), 10)));
        assert_eq!(say("b"), Some(("rarity (first time on this host)".to_owned(), 10)));
        assert_eq!(say("a"), Some(("rarity (1 before on this host)".to_owned(), 5)));
        assert!(say("a").is_some() && say("a").is_some());
        assert_eq!(say("a"), None);
        (0..100).for_each(|_| drop(say("a")));
        assert_eq!(say("c").unwrap().1, 5);
    }
}
