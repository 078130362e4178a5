//! A stage that is killed at any commit goes on as one that was not: same windows, same numbers, same alerts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::clock::Clock;
use super::restore::Behind;
use super::{Inferrer, Models, Stage};
use crate::config::infer::{Alone, InferConfig};
use crate::infer::scorer::pool::{Engine, Pool, Scorers};
use crate::infer::scorer::{ScoreError, Scorer, Scores, Wants};
use crate::infer::window::Histories;
use crate::infer::{Tensors, Track};
use crate::model::class::Class;
use crate::model::event::Event;
use crate::model::field;
use crate::model::finding::{Finding, RuleInfo};
use crate::model::inference::{Inference, Outcome, Prediction};
use crate::model::platform::Platform;
use crate::model::severity::Severity;
use crate::pipeline::infer::models::Facts;
use crate::stdx::id::IdHasher;
use crate::stdx::time::{SECOND_US, Timestamp};
use crate::store::{Commit, LogPlace, Placed};

/// 2026-11-22T08:00:00Z
const START_S: i64 = 1_795_334_400;

/// Scores by the number of nodes: more than eight look like an attack; seven make it panic.
struct Counting;

impl Scorer for Counting {
    fn model(&self) -> &str {
        "counting 1"
    }

    fn runtime(&self) -> &str {
        "test"
    }

    fn score(&mut self, window: &Tensors, _: Wants) -> Result<Scores, ScoreError> {
        assert_ne!(window.nodes, 7, "seven nodes");
        let score = (window.nodes as f32 / 16.0).min(1.0);
        let members = vec![score, (score + 0.1).min(1.0)];
        Ok(Scores { score, spread: 0.1, members, ..Scores::default() })
    }
}

fn rule(level: Severity) -> Arc<RuleInfo> {
    Arc::new(RuleInfo {
        id: "watchfloor.model.linux".to_owned(),
        title: "model".to_owned(),
        level,
        tags: Vec::new(),
        description: String::new(),
        false_positives: Vec::new(),
        file: String::new(),
        line: 1,
        group_by: Vec::new(),
    })
}

fn models() -> Models {
    let facts = Facts {
        id: "counting 1".to_owned(),
        track: Track::Full,
        threshold: 0.5,
        sure: 0.5,
        disagreement: 0.2,
        rule: rule(Severity::Medium),
        confirmed: rule(Severity::High),
    };
    Models {
        facts: BTreeMap::from([(Platform::Linux, facts)]),
        histories: Histories::default(),
        engine: Engine::new("counting", || {
            Ok(Scorers::from([(Platform::Linux, Box::new(Counting) as Box<dyn Scorer>)]))
        }),
        line: String::new(),
    }
}

struct Site {
    models: Arc<Models>,
    inferrer: Inferrer,
    rows: BTreeMap<String, Vec<u8>>,
    log: Vec<Vec<Event>>,
    said: BTreeMap<String, String>,
    findings: Vec<String>,
    shard: Arc<str>,
    config: InferConfig,
}

impl Site {
    fn new(config: InferConfig) -> Site {
        let models = Arc::new(models());
        let pool = Pool::start(models.engine.clone(), config.threads(), None).unwrap();
        let (inferrer, _) =
            Inferrer::start(&Arc::new(Mutex::new(Arc::clone(&models))), pool).unwrap();
        Site {
            models,
            inferrer,
            rows: BTreeMap::new(),
            log: Vec::new(),
            said: BTreeMap::new(),
            findings: Vec::new(),
            shard: "".into(),
            config,
        }
    }

    /// As a start does it.
    fn stage(&self) -> Stage {
        let mut stage = Stage::new(Arc::clone(&self.models), &self.config, false);
        let mut behind = Behind::default();
        for (key, value) in &self.rows {
            assert!(stage.restore(key, value, &mut behind));
        }
        let from = behind.from.offset as usize;
        if stage.has_mark() {
            for (at, events) in self.log.iter().enumerate().skip(from) {
                let end = LogPlace { segment: 1, offset: at as u64 + 1 };
                stage.read_again(events, end, &behind);
            }
        }
        stage.restored();
        stage
    }

    /// One commit: everything that waits is scored before it. `stands`: it reaches the store.
    fn commit(&mut self, stage: &mut Stage, events: &[Event], findings: &[Finding], stands: bool) {
        stage.see(events, findings);
        let mut commit = Commit { events: events.to_vec(), ..Commit::default() };
        let done = self.inferrer.take_of("");
        let found = stage.settle(&mut commit, &self.shard, done, &self.inferrer);
        while self.inferrer.queue().0 > 0 {
            std::thread::yield_now();
        }
        if stands {
            self.log.push(commit.events.clone());
            let place = LogPlace { segment: 1, offset: self.log.len() as u64 };
            let placed = Placed::rows(&commit.placed, place);
            for (key, value) in commit.detection.into_iter().chain(placed) {
                match value {
                    Some(value) => drop(self.rows.insert(key, value)),
                    None => drop(self.rows.remove(&key)),
                }
            }
            for said in commit.events.iter().filter_map(Inference::of_event) {
                let text = format!(
                    "{:?} {} {:?} {:?} {:?} {:?} {}",
                    said.prediction,
                    said.host,
                    said.end,
                    said.score,
                    said.outcome,
                    said.p,
                    said.nodes
                );
                let twice = self.said.insert(said.id.to_string(), text);
                assert_eq!(twice, None, "a window is judged once");
            }
            self.findings.extend(found.iter().map(|finding| {
                format!("{} {:?} {}", finding.event, finding.timestamp, finding.rule.level.as_str())
            }));
        }
    }

    fn quiet(&mut self, stage: &mut Stage) {
        for _ in 0..2_000 {
            if stage.pending() == 0 {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
            self.commit(stage, &[], &[], true);
        }
        panic!("{} windows have no result", stage.pending());
    }
}

/// Programs start on two hosts; more of them in some minutes than in others.
fn events() -> Vec<Event> {
    let mut events = Vec::new();
    for step in 0..400_i64 {
        let host = if step % 3 == 0 { "db" } else { "web" };
        let busy = (step / 60) % 2 == 1;
        if !busy && step % 5 != 0 {
            continue;
        }
        let at = Timestamp::from_seconds(START_S + step * 7);
        let mut event = Event::with_capacity(10, 200);
        event.id = IdHasher::new("test").number(step as u64).finish();
        (event.timestamp, event.ingested) = (at, at.plus_micros(SECOND_US));
        event.class = Class::ProcessStart;
        event.push_str(field::HOST_NAME, host);
        event.push_str(field::HOST_OS_TYPE, "linux");
        event.push_int(field::PROCESS_PID, 1_000 + step);
        event.push_int(field::PROCESS_PARENT_PID, 1_000 + step / 10);
        event.push_str(field::PROCESS_EXECUTABLE, &format!("/usr/bin/tool{}", step % 11));
        event.push_str(field::PROCESS_COMMAND_LINE, "tool --all");
        events.push(event);
    }
    events
}

fn hit(event: &Event) -> Finding {
    Finding {
        rule: Arc::new(RuleInfo {
            id: "sigma".to_owned(),
            ..RuleInfo::clone(&rule(Severity::High))
        }),
        timestamp: event.timestamp,
        tenant: "".into(),
        host: event.host().to_owned(),
        user: String::new(),
        event: event.id,
        contributing: Vec::new(),
        matched: Vec::new(),
        group: Vec::new(),
        backfill: false,
        origin: crate::model::origin::Origin::default(),
    }
}

/// Everything in commits of five events; `killed` says whether the program dies after a commit, and whether the commit stood.
fn run(killed: impl Fn(usize) -> Option<bool>) -> Site {
    run_under(InferConfig::default(), killed)
}

fn run_under(config: InferConfig, killed: impl Fn(usize) -> Option<bool>) -> Site {
    let mut site = Site::new(config);
    let mut stage = site.stage();
    let events = events();
    let pieces: Vec<&[Event]> = events.chunks(5).collect();
    let mut at = 0;
    let mut tried = 0;
    while let Some(piece) = pieces.get(at) {
        let findings: Vec<Finding> =
            piece.iter().filter(|event| event.id.0[0] % 16 == 0).map(hit).collect();
        let killed = killed(tried);
        tried += 1;
        site.commit(&mut stage, piece, &findings, killed != Some(false));
        if killed.is_some() {
            // What was on its way to a result is gone with the program.
            while stage.pending() > 0 && site.inferrer.queue().0 > 0 {
                std::thread::yield_now();
            }
            site.inferrer = Site::new(site.config.clone()).inferrer;
            stage = site.stage();
        }
        at += usize::from(killed != Some(false));
    }
    site.quiet(&mut stage);
    site
}

#[test]
fn kills_between_commits_change_no_window_no_score_and_no_alert() {
    let calm = run(|_| None);
    assert!(calm.said.len() > 60, "{}", calm.said.len());
    for word in ["Attack", "Benign", "Error", "Alert", "More", "OverBudget"] {
        assert!(
            calm.said.values().any(|text| text.contains(word)),
            "{word} is met: {:?}",
            calm.said
        );
    }
    let alerts = calm.findings.len();
    assert!(alerts > 1);
    for seed in 0..12_usize {
        let wild = run(|tried| match (tried * 7 + seed) % 12 {
            0 => Some(true),
            5 => Some(false),
            _ => None,
        });
        for (id, text) in &calm.said {
            assert_eq!(wild.said.get(id), Some(text), "seed {seed}");
        }
        assert_eq!(wild.said.len(), calm.said.len());
        assert_eq!(wild.findings, calm.findings, "seed {seed}");
    }
}

#[test]
fn the_number_of_threads_changes_no_judgement_and_no_explanation() {
    let said = |threads| -> Vec<Inference> {
        let site = run_under(InferConfig { threads, ..InferConfig::default() }, |_| None);
        let mut said: Vec<_> = site.log.iter().flatten().filter_map(Inference::of_event).collect();
        said.sort_by_key(|one| one.id);
        said
    };
    let (one, four) = (said(1), said(4));
    assert!(one.iter().any(|one| one.ablation.as_ref().is_some_and(|found| found.tried > 3)));
    assert_eq!(one, four);
}

#[test]
fn damaged_rows_begin_anew_and_are_counted() {
    let mut site = run(|_| None);
    for value in site.rows.values_mut() {
        value.truncate(value.len() / 2);
    }
    let stage = site.stage();
    assert!(stage.counts().unreadable > 3, "{:?}", stage.counts());
}

#[test]
fn where_the_model_may_not_speak_alone_its_windows_go_to_the_watch_list() {
    let said = |alone| -> Vec<Inference> {
        // So many alerts a day need little history: the model is known here after a few windows.
        let site = run_under(InferConfig { alone, budget: 48, ..InferConfig::default() }, |_| None);
        site.log.iter().flatten().filter_map(Inference::of_event).collect()
    };
    let alone = |one: &&Inference| {
        one.hits.is_empty() && matches!(one.outcome, Outcome::Alert | Outcome::More)
    };
    assert!(said(Alone::Sure).iter().any(|one| alone(&one)));
    let never = said(Alone::Never);
    assert_eq!(never.iter().find(alone), None);
    assert!(never.iter().any(|one| one.hits.is_empty() && one.outcome == Outcome::Watch));
    assert!(never.iter().any(|one| one.outcome == Outcome::Alert), "with a rule it speaks");
}

#[test]
fn a_rule_hit_of_the_same_lineage_confirms_a_window() {
    let site = run(|_| None);
    let said: Vec<Inference> = site.log.iter().flatten().filter_map(Inference::of_event).collect();
    let confirmed = said.iter().find(|one| one.hits.iter().any(|hit| hit.same_lineage));
    let confirmed = confirmed.unwrap();
    assert!(confirmed.rules_say().starts_with("confirmed by 1 rule"), "{}", confirmed.rules_say());
    assert!(said.iter().any(|one| one.hits.is_empty() && one.prediction == Prediction::Benign));
    let alert = said.iter().find(|one| one.outcome == Outcome::Alert).unwrap();
    // Its own window is explained, or the one that it goes on with.
    let explained = said.iter().filter(|one| one.host == alert.host && one.end <= alert.end);
    let explained = explained.rev().find(|one| one.ablation.is_some()).unwrap();
    let ablation = explained.ablation.as_ref().unwrap();
    assert!(!ablation.nodes.is_empty() && ablation.nodes.len() <= 15);
    assert!(!explained.contributing().is_empty());
}

/// A few starts on one host, of which rules find the first.
fn few(site: &mut Site) -> (Stage, Vec<Event>) {
    let mut stage = site.stage();
    let mut few: Vec<Event> = events().into_iter().filter(|one| one.host() == "web").collect();
    few.truncate(3);
    let found = hit(&few[0]);
    site.commit(&mut stage, &few, &[found], true);
    (stage, few)
}

/// As if nothing came for so long.
fn wait(site: &mut Site, stage: &mut Stage, seconds: u64) {
    let later = Instant::now() + Duration::from_secs(seconds);
    let mut commit = Commit::default();
    stage.look_at_clock(later, &mut commit);
    let place = LogPlace { segment: 1, offset: site.log.len() as u64 };
    for (key, value) in Placed::rows(&commit.placed, place) {
        site.rows.insert(key, value.unwrap());
    }
    site.commit(stage, &[], &[], true);
    site.quiet(stage);
}

#[test]
fn what_only_rules_tell_of_is_told_once_and_not_with_every_window_that_still_shows_it() {
    let mut site = Site::new(InferConfig::default());
    let (mut stage, _) = few(&mut site);
    wait(&mut site, &mut stage, 600);
    let said: Vec<Inference> = site.log.iter().flatten().filter_map(Inference::of_event).collect();
    let of = |outcome| said.iter().filter(|one| one.outcome == outcome).count();
    assert_eq!((of(Outcome::Alert), site.findings.len()), (1, 1), "{said:?}");
    assert!(of(Outcome::More) >= 3, "the windows that overlap belong to it: {said:?}");
    assert!(said.iter().all(|one| one.prediction != Prediction::Attack));
}

#[test]
fn after_a_start_the_time_of_a_quiet_endpoint_goes_on_from_where_it_had_come() {
    let mut site = Site::new(InferConfig::default());
    let (mut stage, few) = few(&mut site);
    let span = few[2].timestamp.micros_since(few[0].timestamp) / SECOND_US;
    assert!(span > 60, "{span}");
    wait(&mut site, &mut stage, 95);
    let again = site.stage();
    let due = |seconds| again.clock_is_due(Instant::now() + Duration::from_secs(seconds));
    // Windows were closed by the clock until less than an interval ago.
    assert!(!due(20) && due(31));
}

#[test]
fn time_goes_on_from_the_first_event_of_a_second() {
    let mut site = Site::new(InferConfig::default());
    let (mut stage, few) = few(&mut site);
    let clock = |stage: &Stage, now: Instant| {
        stage.clocks.values().map(|clock| clock.now_ms(now)).max().unwrap()
    };
    let see = |stage: &mut Stage, number: u64, plus_us: i64| {
        let mut event = few[2].clone();
        event.id = IdHasher::new("again").number(number).finish();
        event.timestamp = event.timestamp.plus_micros(plus_us);
        let now = Instant::now();
        let before = clock(stage, now);
        std::thread::sleep(Duration::from_millis(2));
        stage.see(&[event], &[]);
        clock(stage, now) - before
    };
    assert!(see(&mut stage, 1, SECOND_US) > 900, "it is set by the first of a second");
    assert_eq!(see(&mut stage, 2, SECOND_US), 0, "and not turned back by the next");
    let ahead = Clock::new(clock(&stage, Instant::now()) + 5_000, Instant::now());
    stage.clocks.values_mut().for_each(|clock| *clock = ahead);
    assert_eq!(see(&mut stage, 3, 0), 0, "one that comes late says nothing of the time");
    assert!(see(&mut stage, 4, 2 * SECOND_US) < -900, "a newer time that is far behind does");
    assert!(see(&mut stage, 5, 3 * SECOND_US) > 900);
}
