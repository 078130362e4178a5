//! Bundles against a reference that keeps everything and looks at all of it, whatever the batches and restarts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::alert::{Engine, Restored};
use crate::model::episode::{AlertChange, OpenEpisode};
use crate::model::finding::RuleInfo;
use crate::model::origin::Origin;
use crate::model::severity::Severity;

const MINUTE: i64 = 60 * SECOND_US;

fn config() -> AlertConfig {
    AlertConfig {
        bundle_gap: Duration::from_secs(600),
        bundle_lineage: Duration::from_secs(3_600),
        bundle_span: Duration::from_secs(3 * 3_600),
        bundle_alerts_max: 5,
        ..AlertConfig::default()
    }
}

fn link(number: u8) -> Id128 {
    Id128([number; 16])
}

fn finding(rule: u64, host: &str, minute: i64, links: &[u8], number: u64) -> Finding {
    Finding {
        rule: Arc::new(RuleInfo {
            id: format!("r{rule}"),
            title: String::new(),
            level: Severity::Low,
            tags: Vec::new(),
            description: String::new(),
            false_positives: Vec::new(),
            file: String::new(),
            line: 1,
            group_by: Vec::new(),
        }),
        timestamp: Timestamp(minute * MINUTE),
        tenant: "default".into(),
        host: host.to_owned(),
        user: String::new(),
        event: IdHasher::new("event").number(number).finish(),
        contributing: Vec::new(),
        matched: Vec::new(),
        group: Vec::new(),
        backfill: false,
        origin: Origin {
            links: links.iter().map(|link_of| link(*link_of)).collect(),
            labels: Vec::new(),
        },
    }
}

/// What the store would hold: (bundle, near) by alert, made in these batches.
fn run(
    findings: &[Finding],
    cuts: &[usize],
    restart: bool,
) -> BTreeMap<AlertId, (Option<BundleId>, u64)> {
    let mut alerts = BTreeMap::new();
    let mut open: BTreeMap<AlertId, OpenEpisode> = BTreeMap::new();
    let mut bundles: BTreeMap<BundleId, OpenBundle> = BTreeMap::new();
    let mut engine = Engine::new(config());
    let mut rest = findings;
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let (batch, later) = rest.split_at((*cuts.next().unwrap()).clamp(1, rest.len()));
        rest = later;
        for change in engine.apply(batch.to_vec()) {
            match change {
                AlertChange::Grown(episode) => {
                    alerts.insert(episode.alert, (episode.bundle, episode.near));
                    open.insert(episode.alert, *episode);
                }
                AlertChange::Closed(id) => drop(open.remove(&id)),
            }
        }
        for (id, row) in engine.take_bundles() {
            match row {
                Some(row) => drop(bundles.insert(id, row)),
                None => drop(bundles.remove(&id)),
            }
        }
        if restart {
            let (episodes, bundles) =
                (open.values().cloned().collect(), bundles.values().cloned().collect());
            let rows = Restored { episodes, bundles, ..Restored::default() };
            engine = Engine::new(config()).restore(rows);
        }
    }
    alerts
}

/// A bundle of the reference: every match and every link it ever had.
#[derive(Default)]
struct Naive {
    id: BundleId,
    host: String,
    times: Vec<i64>,
    alerts: usize,
    links: Vec<Id128>,
    closed: bool,
}

/// The rule in plain words, over lists. Which alert a finding is of, it is told.
fn naive(findings: &[Finding], alert_of: &[Option<AlertId>]) -> BTreeMap<AlertId, BundleId> {
    let mut all: Vec<Naive> = Vec::new();
    let mut member: BTreeMap<AlertId, BundleId> = BTreeMap::new();
    for (finding, alert) in findings.iter().zip(alert_of) {
        let Some(alert) = alert else { continue };
        let at = finding.timestamp.0;
        let newest = all
            .iter()
            .filter(|bundle| bundle.host == finding.host && !bundle.closed)
            .flat_map(|bundle| bundle.times.iter().copied())
            .chain([at])
            .max()
            .unwrap();
        for bundle in all.iter_mut().filter(|bundle| bundle.host == finding.host) {
            // An hour of lineage and an hour of lateness.
            bundle.closed |= newest - bundle.times.iter().max().unwrap() > 120 * MINUTE;
        }
        let joined = member.get(alert).copied();
        let place = joined.or_else(|| {
            let mut found = Vec::new();
            for bundle in all.iter().filter(|bundle| bundle.host == finding.host && !bundle.closed)
            {
                let first = *bundle.times.iter().min().unwrap();
                let last = *bundle.times.iter().max().unwrap();
                let away = if at < first {
                    first - at
                } else if at > last {
                    at - last
                } else {
                    0
                };
                let span = last.max(at) - first.min(at);
                let shares = finding.origin.links.iter().any(|link| bundle.links.contains(link));
                if bundle.alerts >= 5 || span > 180 * MINUTE {
                    continue;
                }
                if shares && away <= 60 * MINUTE {
                    found.push((0, away, first, bundle.id));
                } else if away <= 10 * MINUTE {
                    found.push((1, away, first, bundle.id));
                }
            }
            found.sort_unstable();
            found.first().map(|(.., id)| *id)
        });
        let id = place.unwrap_or_else(|| IdHasher::new("bundle").bytes(alert.as_bytes()).finish());
        if !all.iter().any(|bundle| bundle.id == id) {
            all.push(Naive { id, host: finding.host.clone(), ..Naive::default() });
        }
        let bundle = all.iter_mut().find(|bundle| bundle.id == id).unwrap();
        if joined.is_none() {
            bundle.alerts += 1;
            member.insert(*alert, id);
        }
        if !bundle.closed {
            bundle.times.push(at);
            bundle.links.extend(&finding.origin.links);
        }
    }
    member
}

/// The alert that each finding is of; `None` for a repeat of an event.
fn alerts_of(findings: &[Finding]) -> Vec<Option<AlertId>> {
    let mut engine = Engine::new(config());
    let of = |changes: Vec<AlertChange>| {
        changes.into_iter().find_map(|change| match change {
            AlertChange::Grown(episode) => Some(episode.alert),
            AlertChange::Closed(_) => None,
        })
    };
    findings.iter().map(|finding| of(engine.apply(vec![finding.clone()]))).collect()
}

fn bundles_of(findings: &[Finding]) -> Vec<Option<BundleId>> {
    let alerts = run(findings, &[1], false);
    alerts_of(findings).iter().map(|id| alerts.get(&id.unwrap()).unwrap().0).collect()
}

#[test]
fn time_or_lineage_joins_and_nothing_else_does() {
    let found = bundles_of(&[
        finding(1, "a", 0, &[1], 0),
        finding(2, "a", 10, &[2], 1),
        finding(3, "a", 60, &[9, 2], 2),
        finding(4, "a", 100, &[7], 3),
        finding(5, "b", 10, &[1], 4),
        finding(6, "", 10, &[1], 5),
    ]);
    assert_eq!(found[0], found[1], "ten minutes apart is inside");
    assert_eq!(found[0], found[2], "the same parent, within the hour");
    assert_ne!(found[0], found[3]);
    assert!(found[4].is_some() && found[4] != found[0], "another endpoint");
    assert_eq!(found[5], None, "no endpoint, no bundle");
}

#[test]
fn a_late_link_between_two_bundles_merges_nothing() {
    let found = bundles_of(&[
        finding(1, "a", 0, &[1], 0),
        finding(2, "a", 30, &[2], 1),
        finding(3, "a", 29, &[1, 2], 2),
        finding(4, "a", 31, &[1], 3),
    ]);
    assert_ne!(found[0], found[1]);
    assert_eq!(found[2], found[1], "the nearer of two that are related");
    assert_eq!(found[3], found[1], "its lineage is known there too");
}

#[test]
fn a_full_bundle_and_a_full_table_begin_anew() {
    let many: Vec<Finding> = (0..7).map(|number| finding(number, "a", 0, &[1], number)).collect();
    let found = bundles_of(&many);
    assert_eq!(found[0], found[4]);
    assert_ne!(found[4], found[5], "five at most");
    let mut bundler = Bundler::new(&config());
    bundler.bundles_max = 8;
    for number in 0..50 {
        bundler.place(link(number), &finding(1, &format!("h{number}"), 0, &[], u64::from(number)));
    }
    assert_eq!((bundler.len(), bundler.evicted), (8, 42));
    assert_eq!((bundler.by_host.len(), bundler.by_touch.len()), (8, 8));
}

proptest! {
    #[test]
    fn bundling_equals_the_plain_reference_whatever_the_batches_and_restarts(
        steps in proptest::collection::vec(
            (0_u64..6, 0_u8..2, -25_i64..40, proptest::collection::vec(0_u8..8, 0..3)),
            1..100,
        ),
        cuts in proptest::collection::vec(1_usize..20, 1..6),
        restart in any::<bool>(),
    ) {
        let mut minute = 0;
        let findings: Vec<Finding> = steps
            .iter()
            .zip(0_u64..)
            .map(|((rule, host, by, links), number)| {
                minute += by;
                finding(*rule, &format!("h{host}"), minute, links, number)
            })
            .collect();
        let alert_of = alerts_of(&findings);
        let found = run(&findings, &cuts, restart);
        let wanted = naive(&findings, &alert_of);
        for (alert, (bundle, _)) in &found {
            prop_assert_eq!(bundle.as_ref(), wanted.get(alert));
        }
        prop_assert_eq!(found, run(&findings, &[findings.len()], false));
    }
}
