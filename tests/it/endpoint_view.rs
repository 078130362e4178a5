//! Everything about one endpoint, and where models and analysts do not agree: the same for a desk on its own store and for
//! one attached over a real socket.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use watchfloor::alert::Engine;
use watchfloor::api;
use watchfloor::config::alert::AlertConfig;
use watchfloor::config::store::StoreConfig;
use watchfloor::desk::Desk;
use watchfloor::model::alert::Action;
use watchfloor::model::class::Class;
use watchfloor::model::desk::{AlertQuery, ProblemKind};
use watchfloor::model::disagreement::Side;
use watchfloor::model::endpoint_view::{EVENTS_MAX, EndpointView, HabitKind};
use watchfloor::model::event::Event;
use watchfloor::model::field;
use watchfloor::model::finding::{Finding, RuleInfo};
use watchfloor::model::inference::{Inference, Prediction, window_id};
use watchfloor::model::severity::Severity;
use watchfloor::model::verdict::{Confidence, Verdict, VerdictKind};
use watchfloor::pipeline::muted::Muted;
use watchfloor::pipeline::shared::Shared;
use watchfloor::service::Workbench;
use watchfloor::stdx::id::IdHasher;
use watchfloor::stdx::stop::StopToken;
use watchfloor::stdx::time::Timestamp;
use watchfloor::store::{Commit, Store};

const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{202e}abc\r\n\" é 🦀";
const NOW_US: i64 = 1_795_334_400_000_000;
const HOST: &str = "fin-ws-044.corp.example";
const SHORT: &str = "fin-ws-044";

struct Scene {
    local: Desk,
    remote: Desk,
    stop: StopToken,
    _dir: TempDir,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp(NOW_US + seconds * 1_000_000)
}

fn start(number: i64, parent: i64, name: &str) -> Event {
    let mut event = Event::with_capacity(8, 128);
    event.id = IdHasher::new("start").number(number.unsigned_abs()).finish();
    event.timestamp = at(number);
    event.ingested = at(number);
    event.class = Class::ProcessStart;
    event.push_str(field::HOST_NAME, HOST);
    event.push_str(field::HOST_OS_TYPE, "windows");
    event.push_str(field::USER_NAME, HOSTILE);
    event.push_int(field::PROCESS_PID, 100 + number);
    event.push_int(field::PROCESS_PARENT_PID, 100 + parent);
    event.push_str(field::PROCESS_NAME, name);
    event.push_str(field::PROCESS_COMMAND_LINE, HOSTILE);
    event
}

fn judged(second: i64, score: f64) -> Event {
    let end = at(second);
    let judgement = Inference {
        id: window_id("", HOST, "windows", end.micros() / 1_000),
        host: HOST.to_owned(),
        platform: "windows".to_owned(),
        start: end.plus_micros(-180_000_000),
        end,
        prediction: if score >= 0.5 { Prediction::Attack } else { Prediction::Benign },
        score: Some(score),
        threshold: 0.5,
        events: 9,
        nodes: 5,
        model: "m 1".to_owned(),
        ..Inference::default()
    };
    judgement.to_event(end)
}

fn finding(rule: &str, second: i64) -> Finding {
    let rule = RuleInfo {
        id: rule.to_owned(),
        title: format!("{rule} {HOSTILE}"),
        level: Severity::High,
        tags: Vec::new(),
        description: String::new(),
        false_positives: Vec::new(),
        file: "builtin/x.yml".to_owned(),
        line: 1,
        group_by: Vec::new(),
    };
    Finding {
        rule: Arc::new(rule),
        timestamp: at(second),
        tenant: "default".into(),
        host: HOST.to_owned(),
        user: String::new(),
        event: start(2, 1, "x").id,
        contributing: Vec::new(),
        matched: Vec::new(),
        group: Vec::new(),
        backfill: false,
        origin: Default::default(),
    }
}

impl Scene {
    async fn new(extra: i64) -> Scene {
        let dir = tempfile::tempdir().unwrap();
        let alerts = AlertConfig { undo: Duration::from_millis(20), ..AlertConfig::default() };
        let store = Store::open(&dir.path().join("data"), &StoreConfig::default(), &alerts).await;
        let store = Arc::new(store.unwrap());
        let mut events = vec![start(1, 0, "a.exe"), start(2, 1, "b.exe"), start(3, 2, "c.exe")];
        events.extend((0..extra).map(|number| {
            let mut event = start(-1_000 - number, 1, "early.exe");
            event.class = Class::Dns;
            event.push_str(field::DNS_QUESTION_NAME, "intranet.example");
            event
        }));
        // Benign about the rule's alert, an attack about the model's, far away from it.
        events.extend([judged(30, 0.1), judged(60, 0.3), judged(5_000, 0.9)]);
        let found = vec![finding("rule", 10), finding("watchfloor.model.windows", 5_000)];
        let commit = Commit {
            at: Timestamp::now(),
            alerts: Engine::new(AlertConfig::default()).apply(found),
            events,
            ..Commit::default()
        };
        store.commit(&commit).await.unwrap();
        let (shared, muted) = (Arc::new(Shared::default()), Arc::new(Muted::default()));
        let bench = Workbench::new(store, shared, muted);
        let stop = StopToken::new();
        tokio::spawn(bench.clone().run(stop.clone()));
        let socket = dir.path().join("w.sock");
        let listener = api::listen(&socket, None).unwrap();
        let (served, stopping) = (bench.clone(), stop.clone());
        tokio::spawn(async move { api::serve(listener, served, stopping).await.unwrap() });
        let remote = Desk::attach(&socket).await.unwrap();
        Scene { local: Desk::Local(bench), remote, stop, _dir: dir }
    }

    /// The same from both, apart from when it was put together.
    async fn view(&self, host: &str) -> EndpointView {
        let mut local = self.local.endpoint_view(host).await.unwrap();
        let remote = self.remote.endpoint_view(host).await.unwrap();
        local.at = remote.at;
        assert_eq!(local, remote);
        remote
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_is_shown_with_everything_whatever_its_name_is_written_like() {
    let scene = Scene::new(0).await;
    let view = scene.view(HOST).await;
    assert_eq!((&*view.host, view.looked.events, view.looked.events_more), (HOST, 3, false));
    let names: Vec<(&str, usize)> =
        view.processes.iter().map(|one| (&*one.name, one.depth)).collect();
    assert_eq!(names, [("", 0), ("a.exe", 1), ("b.exe", 2), ("c.exe", 3)]);
    let scores: Vec<Option<f64>> = view.judgements.iter().map(|one| one.score).collect();
    assert_eq!(scores, [Some(0.9), Some(0.3), Some(0.1)], "the newest first");
    assert_eq!((view.alerts.len(), view.looked.alerts), (2, 2), "that of the model too");
    assert_eq!(view.recent, [(Class::ProcessStart, 3)]);
    let users = view.habits.iter().find(|habits| habits.kind == HabitKind::User).unwrap();
    assert_eq!((&*users.usual[0].name, users.usual[0].count), (HOSTILE, 3));
    assert_eq!(scene.view(SHORT).await.host, HOST, "the short name means the only one it can");
    assert_eq!(scene.view(&HOST.to_uppercase()).await.host, HOST);
    for desk in [&scene.local, &scene.remote] {
        for host in ["nowhere", "", "..", "a\" or host:*", HOSTILE] {
            let problem = desk.endpoint_view(host).await.unwrap_err();
            assert_eq!(problem.kind, ProblemKind::NotFound, "{host:?}: {problem:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_bound_bites_the_answer_says_so() {
    let scene = Scene::new(EVENTS_MAX as i64).await;
    let view = scene.view(HOST).await;
    assert_eq!((view.looked.events, view.looked.events_more), (EVENTS_MAX as u64, true));
    assert!(view.looked_words().contains("there are older ones"), "{}", view.looked_words());
    assert_eq!(view.looked.starts, 3, "starts are looked for on their own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disagreements_have_side_score_verdict_and_who() {
    let scene = Scene::new(0).await;
    let desk = &scene.remote;
    assert!(desk.disagreements().await.unwrap().rows.is_empty());
    let rows = desk.alerts(&AlertQuery::default()).await.unwrap().rows;
    for alert in rows {
        let of_model = alert.rule_id.starts_with("watchfloor.model.");
        let kind = if of_model { VerdictKind::FalsePositive } else { VerdictKind::TruePositive };
        let verdict = Verdict {
            kind,
            reasons: Vec::new(),
            confidence: Confidence::High,
            note: HOSTILE.to_owned(),
        };
        desk.act(&[(alert.id, None)], Action::Verdict(verdict)).await.unwrap();
    }
    desk.settle().await.unwrap();
    let found = desk.disagreements().await.unwrap();
    assert_eq!(found, scene.local.disagreements().await.unwrap());
    let rows: Vec<(Side, Option<f64>, &str)> =
        found.rows.iter().map(|row| (row.side, row.score, &*row.note)).collect();
    assert_eq!(
        rows,
        [(Side::ModelOnly, Some(0.9), HOSTILE), (Side::AnalystOnly, Some(0.3), HOSTILE)]
    );
    assert!(found.rows.iter().all(|row| row.who == desk.actor()), "{found:?}");
    assert_eq!((found.model_judged, found.model_right), (1, 0));
    assert_eq!((found.rule_true, found.unseen, found.more), (1, 0, false));
}
