//! The alert stage against its rules: gaps, lateness, bounds, and independence of batches.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::config::assets::AssetConfig;
use crate::model::finding::RuleInfo;
use crate::model::severity::Severity;

const MINUTE: i64 = 60 * SECOND_US;

fn rule(id: &str, level: Severity) -> Arc<RuleInfo> {
    Arc::new(RuleInfo {
        id: id.to_owned(),
        title: format!("rule {id}"),
        level,
        tags: Vec::new(),
        description: String::new(),
        false_positives: Vec::new(),
        file: "builtin/test.yml".to_owned(),
        line: 1,
        group_by: Vec::new(),
    })
}

fn finding(rule_id: &str, host: &str, at_us: i64, number: u64) -> Finding {
    Finding {
        rule: rule(rule_id, Severity::Medium),
        timestamp: Timestamp(at_us),
        tenant: "default".into(),
        host: host.to_owned(),
        user: String::new(),
        event: event(number),
        contributing: Vec::new(),
        matched: vec![("n".to_owned(), number.to_string())],
        group: Vec::new(),
        backfill: false,
        origin: crate::model::origin::Origin::default(),
    }
}

fn event(number: u64) -> EventId {
    IdHasher::new("event").number(number).finish()
}

fn engine() -> Engine {
    Engine::new(AlertConfig::default())
}

fn grown(changes: Vec<AlertChange>) -> Vec<OpenEpisode> {
    changes
        .into_iter()
        .filter_map(|change| match change {
            AlertChange::Grown(episode) => Some(*episode),
            AlertChange::Closed(_) => None,
        })
        .collect()
}

#[test]
fn the_gap_slides_and_ends_the_episode() {
    let mut engine = engine();
    let findings = (0..4).map(|n| finding("r", "a", n * 5 * MINUTE, n as u64)).collect();
    let first = grown(engine.apply(findings));
    assert_eq!(first.len(), 1, "exactly five minutes apart is inside");
    assert_eq!(first[0].count, 4);
    let second = grown(engine.apply(vec![finding("r", "a", 20 * MINUTE + 1, 9)]));
    assert_ne!(second[0].alert, first[0].alert);
    assert_eq!(second[0].count, 1);
}

#[test]
fn late_findings_extend_backwards_without_changing_the_id() {
    let mut engine = engine();
    let first = grown(engine.apply(vec![finding("r", "a", 10 * MINUTE, 1)]));
    let later = grown(
        engine.apply(vec![finding("r", "a", 6 * MINUTE, 2), finding("r", "a", 2 * MINUTE, 3)]),
    );
    assert_eq!(later[0].alert, first[0].alert);
    assert_eq!(later[0].first_seen, Timestamp(2 * MINUTE));
    assert_eq!(later[0].last_seen, Timestamp(10 * MINUTE));
    assert_eq!(later[0].matched, first[0].matched, "those of the first match");
    let far = grown(engine.apply(vec![finding("r", "a", -4 * MINUTE, 4)]));
    assert_ne!(far[0].alert, first[0].alert);
}

#[test]
fn hosts_rules_tenants_and_groups_do_not_mix() {
    let mut engine = engine();
    let mut other_tenant = finding("r", "a", 0, 3);
    other_tenant.tenant = "blue".into();
    let mut grouped = finding("r", "a", 0, 4);
    grouped.group = vec![("source.ip".to_owned(), "192.0.2.1".to_owned())];
    let findings = vec![
        finding("r", "a", 0, 0),
        finding("r", "b", 0, 1),
        finding("s", "a", 0, 2),
        other_tenant,
        grouped,
    ];
    assert_eq!(grown(engine.apply(findings)).len(), 5);
}

#[test]
fn evidence_is_bounded_and_keeps_the_first() {
    let mut engine = Engine::new(AlertConfig { evidence_max: 5, ..AlertConfig::default() });
    let findings = (0..20).map(|n| finding("r", "a", n, n as u64)).collect();
    let episode = grown(engine.apply(findings)).remove(0);
    assert_eq!(episode.count, 20);
    let wanted: Vec<EventId> = [0, 16, 17, 18, 19].map(event).to_vec();
    assert_eq!(episode.evidence, wanted);
}

#[test]
fn the_same_event_again_is_not_counted() {
    let mut engine = engine();
    engine.apply(vec![finding("r", "a", 0, 1)]);
    assert!(engine.apply(vec![finding("r", "a", 0, 1)]).is_empty());
}

#[test]
fn backfill_ends_with_a_live_match_and_severity_rises() {
    let mut engine = engine();
    let mut old = finding("r", "a", 0, 1);
    old.backfill = true;
    assert!(grown(engine.apply(vec![old]))[0].backfill);
    let mut live = finding("r", "a", 1, 2);
    live.rule = rule("r", Severity::High);
    let episode = grown(engine.apply(vec![live])).remove(0);
    assert!(!episode.backfill);
    assert_eq!(episode.severity, Severity::High);
}

#[test]
fn event_time_of_the_endpoint_closes_and_says_so() {
    let mut engine = engine();
    let first = grown(engine.apply(vec![finding("r", "a", 0, 1)])).remove(0).alert;
    engine.apply(vec![finding("r", "b", 90 * MINUTE, 2)]);
    assert_eq!(engine.open_episodes(), 2, "another endpoint's clock closes nothing");
    let changes = engine.apply(vec![finding("s", "a", 90 * MINUTE, 3)]);
    assert!(changes.contains(&AlertChange::Closed(first)));
    assert_eq!(engine.open_episodes(), 2);
}

#[test]
fn the_table_is_bounded_and_what_is_closed_was_written() {
    let mut engine = engine();
    engine.episodes_max = 32;
    let findings = (0..500).map(|n| finding("r", &format!("h{n}"), 0, n)).collect();
    let changes = engine.apply(findings);
    assert!(engine.open_episodes() <= 32);
    assert_eq!(grown(changes).len(), 500);
    assert!(engine.newest.len() <= 33 && engine.by_key.len() <= 32);
}

/// Tables so small that they overflow.
fn small() -> Engine {
    let mut engine = engine();
    engine.episodes_max = 8;
    engine.bundler.bundles_max = 6;
    engine
}

/// Final alerts of a run: what the store would hold.
fn run(findings: &[Finding], cuts: &[usize], restart: bool) -> BTreeMap<AlertId, OpenEpisode> {
    let mut alerts = BTreeMap::new();
    let mut open: BTreeMap<AlertId, OpenEpisode> = BTreeMap::new();
    let mut bundles: BTreeMap<_, OpenBundle> = BTreeMap::new();
    let mut counts: BTreeMap<_, RuleCount> = BTreeMap::new();
    let mut engine = small();
    let mut rest = findings;
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let (batch, later) = rest.split_at((*cuts.next().unwrap()).clamp(1, rest.len()));
        rest = later;
        for change in engine.apply(batch.to_vec()) {
            match change {
                AlertChange::Grown(episode) => {
                    alerts.insert(episode.alert, (*episode).clone());
                    open.insert(episode.alert, *episode);
                }
                AlertChange::Closed(id) => {
                    open.remove(&id);
                }
            }
        }
        for count in engine.take_counts() {
            counts.insert((count.rule_id.clone(), count.host.clone()), count);
        }
        for (id, row) in engine.take_bundles() {
            match row {
                Some(row) => drop(bundles.insert(id, row)),
                None => drop(bundles.remove(&id)),
            }
        }
        if restart {
            engine = small();
            engine = engine.restore(Restored {
                episodes: open.values().cloned().collect(),
                bundles: bundles.values().cloned().collect(),
                counts: counts.values().cloned().collect(),
            });
        }
    }
    alerts
}

#[test]
fn the_risk_is_the_sum_of_its_parts_and_never_over_a_hundred() {
    let asset = AssetConfig {
        name: "domain controller".to_owned(),
        hosts: vec!["DC-*".to_owned()],
        labels: vec!["environment=prod*".to_owned()],
        weight: 15,
    };
    let mut engine = engine().with_assets(&[asset]);
    let one = |rule_id: &str, host: &str, level, number: i64| {
        let mut finding = finding(rule_id, host, number * MINUTE, number.unsigned_abs());
        let mut info = (*finding.rule).clone();
        (info.level, info.tags) = (level, vec!["attack.credential_access".to_owned()]);
        finding.rule = Arc::new(info);
        finding
    };
    let parts = |engine: &mut Engine, finding| {
        let episode = grown(engine.apply(vec![finding])).remove(0);
        let sum: u32 = episode.risk_parts.iter().map(|(_, points)| u32::from(*points)).sum();
        assert_eq!(u32::from(episode.risk), sum.min(100), "{:?}", episode.risk_parts);
        crate::model::risk::lines(episode.risk, &episode.risk_parts)
    };
    assert_eq!(
        parts(&mut engine, one("a", "dc-01", Severity::High, 1)),
        [
            "severity 60 (high)",
            "asset +15 (domain controller)",
            "rarity +10 (first time at all)",
            "tactic +5 (credential-access)"
        ]
    );
    parts(&mut engine, one("b", "dc-01", Severity::Low, 2));
    let third = parts(&mut engine, one("c", "dc-01", Severity::Critical, 3));
    assert!(third.contains(&"correlation +10 (3 rules in 10 min)".to_owned()), "{third:?}");
    assert_eq!(third.last().unwrap(), "capped at 100 (the sum is 120)");
    let mut labelled = one("a", "web-01", Severity::Low, 4);
    labelled.origin.labels = vec![("environment".to_owned(), "production".to_owned())];
    let labelled = parts(&mut engine, labelled);
    assert!(labelled.contains(&"asset +15 (domain controller)".to_owned()), "{labelled:?}");
    assert!(labelled.contains(&"rarity +10 (first time on this host)".to_owned()), "{labelled:?}");
}

proptest! {
    #[test]
    fn any_batch_split_and_any_restart_give_the_same_alerts(
        steps in proptest::collection::vec((0_u8..4, 0_u8..3, -9_i64..30, 0_u64..60), 1..120),
        cuts in proptest::collection::vec(1_usize..20, 1..6),
        restart in any::<bool>(),
    ) {
        let mut at = 0;
        let findings: Vec<Finding> = steps
            .iter()
            .map(|(rule_number, host, minutes, number)| {
                at += minutes * MINUTE;
                finding(&format!("r{rule_number}"), &format!("h{host}"), at, *number)
            })
            .collect();
        let whole = run(&findings, &[findings.len()], false);
        let split = run(&findings, &cuts, restart);
        prop_assert_eq!(whole, split);
    }
}
