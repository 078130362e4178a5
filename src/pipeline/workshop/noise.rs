//! How much people would get to see: alerts by rule, endpoint and clock hour, and the time over which that was.
//!
//! An endpoint counts as observed in every stretch of five minutes in which it sent an event, so that a log with a gap
//! of a night does not make rules look quiet.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::finding::Finding;
use crate::model::severity::Severity;
use crate::stdx::time::{SECOND_US, Timestamp};

/// Endpoints that are told apart; the rest is one.
const HOSTS_MAX: usize = 1_000;
/// Rows of rule, endpoint and hour; what comes after is only counted.
const ROWS_MAX: usize = 100_000;
/// Seconds of a stretch in which one event makes an endpoint observed.
const STRETCH_S: i64 = 300;
/// Stretches that are kept of one endpoint: ten years.
const STRETCHES_MAX: usize = 1_051_200;
const HOUR_S: i64 = 3_600;
/// The name of the endpoints beyond the limit.
const OTHERS: &str = "(others)";

/// Counts while events come.
#[derive(Debug, Default)]
pub(super) struct Noise {
    stretches: BTreeMap<String, BTreeSet<i64>>,
    rows: BTreeMap<(String, i64, String), HourRow>,
    left_out: u64,
}

/// What one rule said on one endpoint in one hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HourRow {
    /// The endpoint.
    pub host: String,
    /// The hour's beginning.
    pub hour: Timestamp,
    /// The rule or signal.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its level.
    pub level: Severity,
    /// Findings.
    pub findings: u64,
    /// Alerts that began in this hour.
    pub alerts: u64,
}

/// All hours.
#[derive(Clone, Debug, Default)]
pub struct NoiseReport {
    /// By endpoint, hour and rule.
    pub rows: Vec<HourRow>,
    /// Seconds for which each endpoint was observed, silent ones too.
    pub observed_s: BTreeMap<String, i64>,
    /// Findings beyond the limit of rows.
    pub left_out: u64,
}

impl Noise {
    /// An event came.
    pub fn see(&mut self, host: &str, at: Timestamp) {
        let stretch = at.seconds().div_euclid(STRETCH_S);
        let known = self.stretches.contains_key(host);
        let host = if known || self.stretches.len() < HOSTS_MAX { host } else { OTHERS };
        if let Some(all) = self.stretches.get_mut(host) {
            if all.len() < STRETCHES_MAX {
                all.insert(stretch);
            }
        } else {
            self.stretches.insert(host.to_owned(), BTreeSet::from([stretch]));
        }
    }

    /// A finding came; `is_new`: it begins an alert.
    pub fn count(&mut self, finding: &Finding, is_new: bool) {
        let known = self.stretches.contains_key(&finding.host);
        let host = if known { finding.host.clone() } else { OTHERS.to_owned() };
        let hour = finding.timestamp.seconds().div_euclid(HOUR_S);
        let key = (host, hour, finding.rule.id.clone());
        if self.rows.len() >= ROWS_MAX && !self.rows.contains_key(&key) {
            self.left_out += 1;
            return;
        }
        let row = self.rows.entry(key).or_insert_with_key(|(host, hour, id)| HourRow {
            host: host.clone(),
            hour: Timestamp(hour * HOUR_S * SECOND_US),
            id: id.clone(),
            title: finding.rule.title.clone(),
            level: finding.rule.level,
            findings: 0,
            alerts: 0,
        });
        row.findings += 1;
        row.alerts += u64::from(is_new);
    }

    pub fn finish(self) -> NoiseReport {
        let observed = |(host, all): (String, BTreeSet<i64>)| {
            let seconds = i64::try_from(all.len()).unwrap_or(i64::MAX).saturating_mul(STRETCH_S);
            (host, seconds)
        };
        NoiseReport {
            rows: self.rows.into_values().collect(),
            observed_s: self.stretches.into_iter().map(observed).collect(),
            left_out: self.left_out,
        }
    }
}

impl NoiseReport {
    /// Alerts of all rules.
    pub fn alerts(&self) -> u64 {
        self.rows.iter().map(|row| row.alerts).sum()
    }

    /// Hours for which endpoints were observed, added up.
    pub fn host_hours(&self) -> f64 {
        // Counts of seconds are far below what a float holds exactly.
        self.observed_s.values().sum::<i64>() as f64 / HOUR_S as f64
    }

    /// Alerts by endpoint and hour over all rules, most first.
    pub fn hours(&self) -> Vec<(String, Timestamp, u64)> {
        let mut sums: BTreeMap<(&str, Timestamp), u64> = BTreeMap::new();
        for row in &self.rows {
            *sums.entry((&row.host, row.hour)).or_default() += row.alerts;
        }
        let mut all: Vec<_> = sums
            .into_iter()
            .map(|((host, hour), alerts)| (host.to_owned(), hour, alerts))
            .collect();
        all.sort_by_key(|(_, _, alerts)| std::cmp::Reverse(*alerts));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp(minute * 60 * SECOND_US)
    }

    #[test]
    fn an_endpoint_is_observed_where_it_sent_something_whatever_the_order() {
        let mut noise = Noise::default();
        for minute in [61, 0, 1, 4, 62, 600] {
            noise.see("a", at(minute));
        }
        noise.see("b", at(3));
        let report = noise.finish();
        assert_eq!(report.observed_s, [("a".to_owned(), 900), ("b".to_owned(), 300)].into());
        assert!((report.host_hours() - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(report.alerts(), 0);
    }

    #[test]
    fn endpoints_beyond_the_limit_are_one() {
        let mut noise = Noise::default();
        for host in 0..HOSTS_MAX + 50 {
            noise.see(&host.to_string(), at(0));
        }
        let report = noise.finish();
        assert_eq!(report.observed_s.len(), HOSTS_MAX + 1);
        assert_eq!(report.observed_s.get(OTHERS), Some(&STRETCH_S));
    }
}
