//! Budgets, windows and memories against a plain reading of what they promise, with restarts anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::{HELD_MAX, Policy, Window};
use crate::alert::Engine;
use crate::alert::Restored;
use crate::config::alert::AlertConfig;
use crate::model::alert::AlertId;
use crate::model::episode::{AlertChange, OpenEpisode};
use crate::model::finding::{Finding, RuleInfo};
use crate::model::noise::{FieldRarity, NoiseChanges, Release};
use crate::model::origin::Origin;
use crate::model::severity::Severity;
use crate::stdx::id::Id128;
use crate::stdx::time::{SECOND_US, Timestamp};

const MINUTE: i64 = 60 * SECOND_US;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const GAP: i64 = 5 * MINUTE;
/// 2026-11-22T00:00:00Z
const START: i64 = 1_795_305_600 * SECOND_US;

fn finding(rule: &str, host: &str, at: i64, number: u64, value: &str) -> Finding {
    let mut event = [0_u8; 16];
    event[..8].copy_from_slice(&number.to_be_bytes());
    Finding {
        rule: Arc::new(RuleInfo {
            id: rule.to_owned(),
            title: rule.to_owned(),
            level: Severity::Low,
            tags: Vec::new(),
            description: String::new(),
            false_positives: Vec::new(),
            file: String::new(),
            line: 1,
            group_by: Vec::new(),
        }),
        timestamp: Timestamp(START + at),
        tenant: Arc::from("default"),
        host: host.to_owned(),
        user: String::new(),
        event: Id128(event),
        contributing: Vec::new(),
        matched: vec![("user.name".to_owned(), value.to_owned())],
        group: Vec::new(),
        backfill: false,
        origin: Origin::default(),
    }
}

/// What the store does with changes: only what it holds survives a restart.
#[derive(Default)]
struct Books {
    alerts: BTreeMap<AlertId, OpenEpisode>,
    open: BTreeMap<AlertId, OpenEpisode>,
    held: BTreeMap<AlertId, (OpenEpisode, bool)>,
    rows: BTreeMap<String, Vec<u8>>,
    rarity: BTreeMap<AlertId, Vec<FieldRarity>>,
    resolved: BTreeSet<AlertId>,
}

impl Books {
    fn take(&mut self, changes: Vec<AlertChange>, noise: NoiseChanges) {
        for released in &noise.released {
            let kept = std::mem::take(&mut self.held);
            for (id, (episode, open)) in kept {
                if episode.rule_id == released.rule {
                    self.alerts.insert(id, episode);
                } else {
                    self.held.insert(id, (episode, open));
                }
            }
            self.resolved.insert(released.marker);
        }
        for (key, value) in noise.rows {
            match value {
                Some(value) => drop(self.rows.insert(key, value)),
                None => drop(self.rows.remove(&key)),
            }
        }
        for episode in noise.held {
            self.held.insert(episode.alert, (episode, true));
        }
        self.rarity.extend(noise.rarity);
        for change in changes {
            match change {
                AlertChange::Grown(episode) => {
                    self.alerts.insert(episode.alert, OpenEpisode::clone(&episode));
                    self.open.insert(episode.alert, *episode);
                }
                AlertChange::Closed(id) => {
                    self.open.remove(&id);
                    if let Some((_, open)) = self.held.get_mut(&id) {
                        *open = false;
                    }
                }
            }
        }
    }

    fn engine(&self, firings: usize) -> Engine {
        let held = self.held.values().filter(|(_, open)| *open).map(|(episode, _)| episode);
        let episodes = self.open.values().chain(held).cloned().collect();
        let rows = self.rows.clone().into_iter().collect();
        Engine::new(AlertConfig::default())
            .with_noise(firings, rows)
            .restore(Restored { episodes, ..Restored::default() })
    }

    fn marker(&self) -> Option<&OpenEpisode> {
        self.alerts.values().find(|one| one.rule_name.starts_with("rule parked: "))
    }
}

fn step(
    engine: &mut Engine,
    books: &mut Books,
    budget: Option<u64>,
    window: i64,
    findings: Vec<Finding>,
) {
    let by_value = |finding: &Finding| {
        (window > 0).then(|| Window { values: finding.matched.clone(), micros: window })
    };
    let policy = Policy { budget: &|_| budget, window: &by_value };
    let changes = engine.apply_under(&policy, findings);
    books.take(changes, engine.take_noise());
}

#[test]
fn a_window_begins_with_its_first_match_and_ends_before_its_length() {
    for (late, at, count) in [
        (0, HOUR - 1, 2),
        (0, HOUR, 1),
        (0, 2 * HOUR, 1),
        // Late events: before the first as after it.
        (2 * HOUR, HOUR + 1, 2),
        (2 * HOUR, HOUR, 1),
    ] {
        let (mut engine, mut books) = (Books::default().engine(0), Books::default());
        step(&mut engine, &mut books, None, HOUR, vec![finding("r", "h", late, 1, "ana")]);
        // A restart between them changes nothing.
        engine = books.engine(0);
        step(&mut engine, &mut books, None, HOUR, vec![finding("r", "h", at, 2, "ana")]);
        let counts: u64 = books.alerts.values().map(|one| one.count).max().unwrap();
        assert_eq!(counts, count, "{late} {at}");
        assert_eq!(books.alerts.len() as u64, 3 - count);
        assert_eq!(engine.noise_counts().suppressed, count - 1);
    }
}

#[test]
fn a_window_does_not_slide_and_other_values_hosts_and_rules_have_their_own() {
    let (mut engine, mut books) = (Books::default().engine(0), Books::default());
    let every_half_hour: Vec<Finding> =
        (0..8).map(|n| finding("r", "h", n * HOUR / 2, n as u64, "ana")).collect();
    step(&mut engine, &mut books, None, HOUR, every_half_hour);
    assert_eq!(books.alerts.len(), 4, "two matches an hour, one alert an hour");
    let others = vec![
        finding("r", "h", 0, 20, "ben"),
        finding("r", "g", 0, 21, "ana"),
        finding("q", "h", 0, 22, "ana"),
    ];
    step(&mut engine, &mut books, None, HOUR, others);
    assert_eq!(books.alerts.len(), 7);
}

#[test]
fn a_rule_over_its_budget_is_parked_and_comes_back_with_everything() {
    let (mut engine, mut books) = (Books::default().engine(10), Books::default());
    let many: Vec<Finding> =
        (0..5).map(|n| finding("r", &format!("h{n}"), n * MINUTE, n as u64, "ana")).collect();
    step(&mut engine, &mut books, Some(2), 0, many);
    let marker = books.marker().cloned().unwrap();
    assert_eq!((books.alerts.len(), books.held.len()), (3, 3), "two alerts and the marker");
    assert!(books.held.values().all(|(episode, _)| episode.bundle.is_none()));
    assert_eq!((marker.count, marker.first_seen), (3, Timestamp(START + 2 * MINUTE)));
    assert_eq!(marker.rule_name, "rule parked: r");
    assert!(!books.open.contains_key(&marker.alert), "nothing can join a marker");
    // A repeat of an alert that stands is no new alert; the next day has no budget while it is parked.
    step(&mut engine, &mut books, Some(2), 0, vec![finding("r", "h0", 3 * MINUTE, 10, "ana")]);
    engine = books.engine(10);
    step(&mut engine, &mut books, Some(2), 0, vec![finding("r", "h9", DAY, 11, "ana")]);
    assert_eq!((books.alerts.len(), books.held.len()), (3, 4));
    assert_eq!(engine.noise_counts().parked, 1);
    let release = Release { change: 7, rule: "r".into(), actor: "ana".into() };
    engine.release(std::slice::from_ref(&release));
    step(&mut engine, &mut books, Some(2), 0, vec![finding("r", "h9", DAY + 1, 12, "ana")]);
    assert_eq!((books.alerts.len(), books.held.len()), (7, 0));
    assert!(books.resolved.contains(&marker.alert));
    let times: Vec<i64> = books.alerts.values().map(|one| one.first_seen.0 - START).collect();
    assert!(times.contains(&(4 * MINUTE)), "alerts come with their own times: {times:?}");
    let grown = books.alerts.values().find(|one| one.host == "h9").unwrap();
    assert_eq!(grown.count, 2, "an open one that was kept back goes on as an alert");
    // The same release again, as after a restart: nothing.
    engine = books.engine(10);
    engine.release(&[release]);
    step(&mut engine, &mut books, Some(2), 0, Vec::new());
    assert_eq!(engine.noise_counts().parked, 0);
    assert_eq!(books.rarity.values().flatten().filter(|one| one.of == 0).count(), 6);
}

#[test]
fn what_is_over_the_bound_of_alerts_kept_back_is_counted() {
    let (mut engine, mut books) = (Books::default().engine(0), Books::default());
    let many = HELD_MAX + 8;
    let all = (0..many).map(|n| finding("r", &format!("h{n}"), 0, n, "ana")).collect();
    step(&mut engine, &mut books, Some(5), 0, all);
    assert_eq!((books.alerts.len(), books.held.len() as u64), (6, HELD_MAX));
    assert_eq!(books.marker().unwrap().count, HELD_MAX + 3);
}

#[test]
fn values_are_compared_with_the_last_matches_of_the_rule_on_the_host() {
    let mut books = Books::default();
    for (number, value) in ["ana", "ben", "ana", "ana", "ben", "eve"].into_iter().enumerate() {
        let mut engine = books.engine(3);
        let at = number as i64 * HOUR;
        step(&mut engine, &mut books, None, 0, vec![finding("r", "h", at, number as u64, value)]);
    }
    let mut notes: Vec<(Timestamp, u64, u64)> = Vec::new();
    for (id, note) in &books.rarity {
        notes.push((books.alerts[id].first_seen, note[0].seen, note[0].of));
    }
    notes.sort_unstable();
    let notes: Vec<(u64, u64)> = notes.into_iter().map(|(_, seen, of)| (seen, of)).collect();
    assert_eq!(notes, [(0, 0), (0, 1), (1, 2), (2, 3), (1, 3), (0, 3)]);
}

/// An alert as the plain reading keeps it.
struct Plain {
    key: (String, String, String),
    anchor: i64,
    first: i64,
    last: i64,
    count: u64,
    held: bool,
    id: AlertId,
}

/// What is promised, without tables, bounds or rows.
#[derive(Default)]
struct Reference {
    alerts: Vec<Plain>,
    made: BTreeMap<(String, i64), u64>,
    parked: BTreeSet<String>,
}

impl Reference {
    fn take(&mut self, finding: &Finding, budget: u64, window: i64) {
        let rule = finding.rule.id.clone();
        let value = if window > 0 { finding.matched[0].1.clone() } else { String::new() };
        let key = (rule.clone(), finding.host.clone(), value);
        let at = finding.timestamp.0;
        let joins = self.alerts.iter_mut().filter(|one| {
            one.key == key
                && ((at - one.last <= GAP && one.first - at <= GAP)
                    || (at - one.anchor).abs() < window)
        });
        if let Some(one) = joins.min_by_key(|one| (one.first, one.id)) {
            one.first = one.first.min(at);
            one.last = one.last.max(at);
            one.count += 1;
            return;
        }
        let made = self.made.entry((rule.clone(), at.div_euclid(DAY))).or_insert(0);
        let held = self.parked.contains(&rule) || *made == budget;
        if held {
            self.parked.insert(rule);
        } else {
            *made += 1;
        }
        let id = crate::alert::alert_id(finding);
        self.alerts.push(Plain { key, anchor: at, first: at, last: at, count: 1, held, id });
    }

    fn release(&mut self, rule: &str) {
        if self.parked.remove(rule) {
            self.made.retain(|(known, _), _| known != rule);
            let of_rule = self.alerts.iter_mut().filter(|one| one.key.0 == rule);
            of_rule.for_each(|one| one.held = false);
        }
    }

    fn shown(&self, held: bool) -> BTreeMap<AlertId, (u64, i64, i64)> {
        let wanted = self.alerts.iter().filter(|one| one.held == held);
        wanted.map(|one| (one.id, (one.count, one.first, one.last))).collect()
    }
}

type Seen = BTreeMap<AlertId, (u64, i64, i64)>;

fn seen<'a>(episodes: impl Iterator<Item = &'a OpenEpisode>) -> Seen {
    let own = episodes.filter(|one| !one.rule_name.starts_with("rule parked"));
    own.map(|one| (one.alert, (one.count, one.first_seen.0, one.last_seen.0))).collect()
}

proptest! {
    #[test]
    fn budgets_and_windows_are_what_a_plain_reading_says_wherever_it_restarts(
        steps in prop::collection::vec(
            (0_i64..40, 0_i64..20, "[qr]", "[gh]", "[ab]", prop::sample::select(vec![0, 1, 1, 2])), 1..120),
        budget in 1_u64..5,
        window in prop::sample::select(vec![0, 30 * MINUTE, HOUR, 3 * HOUR]),
        releases in prop::collection::btree_set(0_usize..120, 0..4),
    ) {
        let (mut engine, mut books) = (Books::default().engine(20), Books::default());
        let mut reference = Reference::default();
        let mut batch = Vec::new();
        let mut clock = 0;
        for (number, (pause, late, rule, host, value, end)) in steps.into_iter().enumerate() {
            clock += pause * MINUTE;
            // Within the hour of lateness that is promised.
            let at = clock - late * MINUTE;
            let one = finding(&rule, &host, at, number as u64, &value);
            reference.take(&one, budget, window);
            batch.push(one);
            let releasing = releases.contains(&number);
            if end == 0 && !releasing {
                continue;
            }
            step(&mut engine, &mut books, Some(budget), window, std::mem::take(&mut batch));
            if releasing {
                reference.release("r");
                let release = Release { change: number as u64 + 1, rule: "r".into(), actor: "ana".into() };
                engine.release(&[release]);
            }
            if end == 2 && !releasing {
                engine = books.engine(20);
            }
        }
        step(&mut engine, &mut books, Some(budget), window, batch);
        prop_assert_eq!(seen(books.alerts.values()), reference.shown(false));
        prop_assert_eq!(seen(books.held.values().map(|(one, _)| one)), reference.shown(true));
        prop_assert_eq!(engine.noise_counts().parked, reference.parked.len() as u64);
        let kept: u64 = reference.alerts.iter().filter(|one| one.held).map(|one| one.count).sum();
        let open = books.alerts.values().filter(|one| !books.resolved.contains(&one.alert));
        let told: u64 = open.filter(|one| one.rule_name.starts_with("rule parked")).map(|one| one.count).sum();
        prop_assert_eq!(told, kept, "every match kept back is told");
    }
}
