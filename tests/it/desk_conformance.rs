//! One suite for `Desk::Local` and for `Desk::Remote` over a real socket: a front end must not be able to
//! tell them apart.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::support::PATIENCE;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use watchfloor::alert::Engine;
use watchfloor::api;
use watchfloor::config::alert::AlertConfig;
use watchfloor::config::store::StoreConfig;
use watchfloor::desk::{Desk, Feed};
use watchfloor::model::alert::{Action, Alert, AlertId, Status};
use watchfloor::model::class::Class;
use watchfloor::model::desk::{AlertQuery, Change, Problem, ProblemKind};
use watchfloor::model::event::{Event, Value};
use watchfloor::model::field;
use watchfloor::model::finding::{Finding, RuleInfo};
use watchfloor::model::key::{KeyRequest, KeyScope};
use watchfloor::model::ledger::LedgerDelta;
use watchfloor::model::record::Reject;
use watchfloor::model::severity::Severity;
use watchfloor::model::verdict::{Confidence, Verdict, VerdictKind};
use watchfloor::pipeline::muted::Muted;
use watchfloor::pipeline::shared::Shared;
use watchfloor::service::Workbench;
use watchfloor::stdx::api_key;
use watchfloor::stdx::id::{Id128, IdHasher};
use watchfloor::stdx::stop::StopToken;
use watchfloor::stdx::time::Timestamp;
use watchfloor::store::{Commit, Store};

const HOSTILE: &str =
    "\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}abc\0\u{feff}\r\n'; DROP TABLE audit;-- \"\\ é 🦀";
/// Longer than any test: the deadline never passes by itself.
const LONG: Duration = Duration::from_secs(3_600);
/// The deadline passes at once.
const SHORT: Duration = Duration::from_millis(50);

#[derive(Clone, Copy)]
enum Kind {
    Local,
    Remote,
}

struct Scene {
    desk: Desk,
    bench: Workbench,
    store: Arc<Store>,
    shared: Arc<Shared>,
    muted: Arc<Muted>,
    stop: StopToken,
    socket: PathBuf,
    _upkeep: JoinHandle<()>,
    _dir: TempDir,
}

fn start_api(socket: &Path, bench: &Workbench, stop: &StopToken) -> JoinHandle<()> {
    let listener = api::listen(socket, None).unwrap();
    let (bench, stop) = (bench.clone(), stop.clone());
    tokio::spawn(async move { api::serve(listener, bench, stop).await.unwrap() })
}

impl Scene {
    async fn new(kind: Kind, undo: Duration) -> Scene {
        let dir = tempfile::tempdir().unwrap();
        let config = AlertConfig { undo, ..AlertConfig::default() };
        let store = Store::open(&dir.path().join("data"), &StoreConfig::default(), &config).await;
        let store = Arc::new(store.unwrap());
        store.commit(&commit()).await.unwrap();
        let (shared, muted) = (Arc::new(Shared::default()), Arc::new(Muted::default()));
        let bench = Workbench::new(Arc::clone(&store), Arc::clone(&shared), Arc::clone(&muted));
        let stop = StopToken::new();
        let upkeep = tokio::spawn(bench.clone().run(stop.clone()));
        let socket = dir.path().join("w.sock");
        let desk = match kind {
            Kind::Local => Desk::Local(bench.clone()),
            Kind::Remote => {
                start_api(&socket, &bench, &stop);
                Desk::attach(&socket).await.unwrap()
            }
        };
        Scene { desk, bench, store, shared, muted, stop, socket, _upkeep: upkeep, _dir: dir }
    }

    /// Somebody else's desk on the same store.
    fn bob(&self) -> Desk {
        Desk::Local(self.bench.with_actor("bob", "elsewhere"))
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

const NOW_US: i64 = 1_795_334_400_000_000;

fn event(number: u64) -> Event {
    let mut event = Event::with_capacity(4, 64);
    event.id = IdHasher::new("event").number(number).finish();
    event.timestamp = Timestamp(NOW_US + number as i64 * 60_000_000);
    event.class = Class::LogonFailure;
    event.push_str(field::HOST_NAME, "web01");
    event.push_str(field::HOST_OS_TYPE, "linux");
    event.push_str(field::MESSAGE, HOSTILE);
    event.push_int(field::SOURCE_PORT, 22 + number as i64);
    event
}

fn rule(id: &str, level: Severity) -> Arc<RuleInfo> {
    Arc::new(RuleInfo {
        id: id.to_owned(),
        title: format!("rule {id} {HOSTILE}"),
        level,
        tags: vec!["attack.t1110.001".to_owned()],
        description: String::new(),
        false_positives: Vec::new(),
        file: "builtin/x.yml".to_owned(),
        line: 1,
        group_by: Vec::new(),
    })
}

fn rules() -> Vec<Arc<RuleInfo>> {
    vec![rule("a/b ?", Severity::High), rule("quiet", Severity::Low)]
}

/// Four events, two alerts, one reject.
fn commit() -> Commit {
    let found = rules().into_iter().zip(0..).map(|(rule, number)| Finding {
        rule,
        timestamp: event(number).timestamp,
        tenant: "default".into(),
        host: "web01".to_owned(),
        user: HOSTILE.to_owned(),
        event: event(number).id,
        contributing: Vec::new(),
        matched: vec![("process.command_line".to_owned(), HOSTILE.to_owned())],
        group: vec![("source.ip".to_owned(), "192.0.2.7".to_owned())],
        backfill: false,
        origin: Default::default(),
    });
    let mut engine = Engine::new(AlertConfig::default());
    Commit {
        at: Timestamp::now(),
        alerts: engine.apply(found.collect()),
        events: (0..4).map(event).collect(),
        ledger: vec![LedgerDelta {
            source: "auth".to_owned(),
            received: 5,
            stored: 4,
            rejected: 1,
            events: 4,
            newest_event_us: event(3).timestamp.micros(),
            ..LedgerDelta::default()
        }],
        rejects: vec![Reject {
            id: Id128([9; 16]),
            source: "auth".into(),
            path: "/var/log/auth.log".into(),
            offset: 17,
            at: Timestamp(NOW_US),
            reason: "not_json",
            detail: HOSTILE.to_owned(),
            head: vec![0, 0xff, 0x1b, b'['],
        }],
        ..Commit::default()
    }
}

fn filter(text: &str) -> AlertQuery {
    AlertQuery { filter: text.to_owned(), ..AlertQuery::default() }
}

async fn rows(desk: &Desk, text: &str) -> Vec<Alert> {
    desk.alerts(&filter(text)).await.unwrap().rows
}

async fn worst(desk: &Desk) -> Alert {
    rows(desk, "sev:high").await.pop().unwrap()
}

async fn history(desk: &Desk, id: AlertId) -> Vec<String> {
    let detail = desk.alert(id).await.unwrap();
    detail.history.into_iter().map(|entry| entry.action).collect()
}

/// The next pushed alert; everything else is passed over.
async fn pushed(feed: &mut Feed) -> Alert {
    let wait = async {
        loop {
            match feed.next().await.unwrap() {
                Change::Alert(alert) => return *alert,
                Change::Status(_) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    timeout(PATIENCE, wait).await.unwrap()
}

fn false_positive() -> Action {
    Action::Verdict(Verdict {
        kind: VerdictKind::FalsePositive,
        reasons: vec!["other".to_owned()],
        confidence: Confidence::High,
        note: HOSTILE.to_owned(),
    })
}

/// The reason `other` without a word of explanation.
fn bare_other() -> Action {
    let Action::Verdict(verdict) = false_positive() else { unreachable!() };
    Action::Verdict(Verdict { note: String::new(), ..verdict })
}

async fn list_filter_sort_and_page(kind: Kind) {
    let scene = Scene::new(kind, LONG).await;
    let desk = &scene.desk;
    let page = desk.alerts(&filter("is:open")).await.unwrap();
    assert_eq!((page.rows.len(), page.matching, page.total), (2, 2, 2));
    assert!(page.rows[0].risk >= page.rows[1].risk, "worst first");
    let one = AlertQuery { sort: "risk".into(), limit: 1, offset: 1, ..filter("") };
    let second = desk.alerts(&one).await.unwrap();
    assert_eq!((second.rows.len(), second.matching), (1, 2));
    assert_eq!(second.rows[0].severity, Severity::High);
    assert_eq!(rows(desk, "sev>=high").await.len(), 1);
    assert_eq!(rows(desk, "ip:192.0.2.0/24 tech:T1110 -rule:quiet").await.len(), 1);
    assert_eq!(rows(desk, "is:closed").await.len(), 0);
    assert_eq!(rows(desk, "sort:risk").await[0].severity, Severity::Low);
}

async fn everything_about_an_alert_arrives_unchanged(kind: Kind) {
    let scene = Scene::new(kind, LONG).await;
    scene.shared.update(|snapshot| snapshot.rules = rules());
    let id = worst(&scene.desk).await.id;
    let detail = scene.desk.alert(id).await.unwrap();
    assert_eq!(Some(detail.alert.clone()), scene.store.alert(&id, "nobody"));
    assert_eq!(detail.alert.user, HOSTILE);
    assert_eq!(detail.alert.matched[0].1, HOSTILE);
    assert_eq!(detail.rule.as_ref(), Some(&*rules()[0]));
    assert_eq!(detail.events, [event(0)]);
    assert_eq!(detail.events[0].get(field::MESSAGE), Some(Value::Str(HOSTILE)));
    assert_eq!(detail.history[0].action, "created");
}

async fn undo_before_the_deadline_leaves_no_trace(kind: Kind) {
    let scene = Scene::new(kind, LONG).await;
    let (desk, bob) = (&scene.desk, scene.bob());
    let alert = worst(desk).await;
    let acted = desk.act(&[(alert.id, Some(alert.revision))], false_positive()).await.unwrap();
    assert_eq!((acted.alerts, acted.conflicts.len()), (1, 0));
    assert!(acted.deadline > Timestamp::now());

    let mine = desk.alerts(&filter("verdict:fp")).await.unwrap();
    assert_eq!(mine.rows[0].verdict.as_ref().unwrap().note, HOSTILE);
    assert_eq!(
        (mine.rows[0].status, mine.pending[0].id),
        (Status::FalsePositive, acted.pending_id)
    );
    assert_eq!(desk.pending().await.unwrap(), mine.pending);
    assert_eq!(rows(&bob, "verdict:fp").await, []);
    assert!(bob.undo(Some(acted.pending_id)).await.is_err(), "not bob's to take back");

    let undone = desk.undo(Some(acted.pending_id)).await.unwrap();
    assert!(undone.without_trace);
    assert_eq!((undone.action, undone.alerts), (false_positive(), vec![alert.id]));
    assert_eq!(worst(desk).await, alert);
    assert_eq!(desk.pending().await.unwrap(), []);
    assert_eq!(history(desk, alert.id).await, ["created"]);
    assert_eq!(desk.undo(None).await.unwrap_err().kind, ProblemKind::NotFound);
}

async fn the_deadline_applies_pushes_and_undo_counters(kind: Kind) {
    let scene = Scene::new(kind, SHORT).await;
    let (desk, bob) = (&scene.desk, scene.bob());
    let mut feed = desk.subscribe().await;
    let alert = worst(desk).await;
    desk.act(&[(alert.id, Some(alert.revision))], false_positive()).await.unwrap();
    let changed = pushed(&mut feed).await;
    assert_eq!((changed.id, changed.status), (alert.id, Status::FalsePositive));
    assert_eq!(changed.verdict.as_ref().unwrap().note, HOSTILE);
    assert_eq!(worst(&bob).await, changed);

    let undone = desk.undo(None).await.unwrap();
    assert!(!undone.without_trace);
    let back = pushed(&mut feed).await;
    assert_eq!((back.status, back.verdict), (Status::Open, None));
    assert_eq!(history(desk, alert.id).await, ["created", "verdict", "undo"]);
    let audit = desk.audit_verify().await.unwrap();
    assert_eq!((audit.broken_at, audit.entries), (None, 4));
    let entry = desk.alert(alert.id).await.unwrap().history.pop().unwrap();
    assert_eq!(entry.actor, desk.actor());
    match kind {
        Kind::Local => assert!(entry.place.starts_with("local pid "), "{}", entry.place),
        Kind::Remote => assert!(entry.place.starts_with("socket uid "), "{}", entry.place),
    }
}

async fn keys_are_made_listed_and_revoked(kind: Kind) {
    let scene = Scene::new(kind, LONG).await;
    let (desk, bob) = (&scene.desk, scene.bob());
    let source = Some("push".to_owned());
    let request = KeyRequest { scope: KeyScope::Ingest, source, name: HOSTILE.into() };
    let made = desk.key_create(&request).await.unwrap();
    assert_eq!(api_key::id_of(&made.text), Some(made.key.id.as_str()));
    assert_eq!((&*made.key.name, &made.key.creator), (HOSTILE.trim(), &desk.actor()));
    assert_eq!(bob.keys().await.unwrap(), std::slice::from_ref(&made.key));
    bob.key_revoke(&made.key.id).await.unwrap();
    desk.key_revoke(&made.key.id).await.unwrap();
    let revoked = desk.keys().await.unwrap();
    assert_eq!(revoked[0].revoker.as_deref(), Some("bob"), "the first revoked it");
    assert_eq!(desk.key_revoke("none").await.unwrap_err().kind, ProblemKind::NotFound);
    let nameless = KeyRequest { name: " ".into(), ..request };
    assert_eq!(desk.key_create(&nameless).await.unwrap_err().kind, ProblemKind::Invalid);
}

async fn what_somebody_else_changed_is_a_conflict(kind: Kind) {
    let scene = Scene::new(kind, LONG).await;
    let (desk, bob) = (&scene.desk, scene.bob());
    let seen = worst(desk).await;
    bob.act(&[(seen.id, None)], Action::Assign(Some("bob".into()))).await.unwrap();
    bob.settle().await.unwrap();
    let now = worst(desk).await;
    assert_eq!((now.assignee.as_deref(), now.status), (Some("bob"), Status::Acknowledged));
    let other = rows(desk, "sev:low").await[0].clone();

    let both = [(seen.id, Some(seen.revision)), (other.id, Some(other.revision))];
    let acted = desk.act(&both, Action::Status(Status::Resolved)).await.unwrap();
    assert_eq!((acted.alerts, acted.conflicts), (1, vec![(seen.id, now.revision)]));
    let again = desk.act(&[(seen.id, Some(now.revision))], Action::Status(Status::Resolved)).await;
    assert_eq!(again.unwrap().conflicts, []);
    desk.settle().await.unwrap();
    assert_eq!(rows(&bob, "is:resolved").await.len(), 2);
}

async fn notes_snoozes_and_owners(kind: Kind) {
    let scene = Scene::new(kind, LONG).await;
    let desk = &scene.desk;
    let id = worst(desk).await.id;
    desk.act(&[(id, None)], Action::Note(HOSTILE.into())).await.unwrap();
    desk.settle().await.unwrap();
    assert_eq!(rows(desk, "has:note").await[0].id, id);
    let entry = desk.alert(id).await.unwrap().history.pop().unwrap();
    let detail: serde_json::Value = serde_json::from_str(&entry.detail).unwrap();
    assert_eq!((entry.action.as_str(), &detail["note"]), ("note", &HOSTILE.into()));

    let until = Timestamp(Timestamp::now().micros() + 3_600_000_000);
    desk.act(&[(id, None)], Action::Snooze(Some(until))).await.unwrap();
    assert_eq!(rows(desk, "is:snoozed").await[0].snoozed_until, Some(until));
    desk.act(&[(id, None)], Action::Snooze(None)).await.unwrap();
    assert_eq!(rows(desk, "is:snoozed").await, []);

    desk.act(&[(id, None)], Action::Assign(Some(desk.actor()))).await.unwrap();
    assert_eq!(rows(desk, "is:mine owner:me").await[0].status, Status::Acknowledged);
    desk.act(&[(id, None)], Action::ClearVerdict).await.unwrap();
    assert_eq!(rows(desk, "is:mine").await[0].status, Status::Open);
}

async fn drafts_are_the_actors_own(kind: Kind) {
    let scene = Scene::new(kind, LONG).await;
    let (desk, bob) = (&scene.desk, scene.bob());
    let id = worst(desk).await.id;
    assert_eq!(desk.draft(id).await.unwrap(), None);
    desk.save_draft(id, Some(HOSTILE.into())).await.unwrap();
    assert_eq!(desk.draft(id).await.unwrap().as_deref(), Some(HOSTILE));
    assert_eq!(bob.draft(id).await.unwrap(), None);
    desk.save_draft(id, None).await.unwrap();
    assert_eq!(desk.draft(id).await.unwrap(), None);
}

async fn rules_are_switched_with_a_reason(kind: Kind) {
    let scene = Scene::new(kind, LONG).await;
    let desk = &scene.desk;
    scene.shared.update(|snapshot| snapshot.rules = rules());
    assert_eq!(desk.rules().await.unwrap()[0], (RuleInfo::clone(&rules()[0]), None));
    desk.rule_off("a/b ?", HOSTILE).await.unwrap();
    let off = desk.rules().await.unwrap()[0].1.clone().unwrap();
    assert_eq!(off, format!("{}: {HOSTILE}", desk.actor()));
    assert!(scene.muted.hidden().contains_key("a/b ?"), "the detector knows");
    let status = desk.status().await.unwrap();
    assert_eq!((status.rules_loaded, status.rules_off), (1, 1));
    desk.rule_on("a/b ?").await.unwrap();
    assert_eq!(desk.rules().await.unwrap()[0].1, None);
    assert!(scene.muted.hidden().is_empty());
    assert_eq!(desk.rule_off("a/b ?", " ").await.unwrap_err().kind, ProblemKind::Invalid);
    assert_eq!(desk.rule_off("none", "x").await.unwrap_err().kind, ProblemKind::NotFound);
}

async fn events_are_found_and_unchanged(kind: Kind) {
    let scene = Scene::new(kind, LONG).await;
    let desk = &scene.desk;
    let all = desk.events_search("class:logon_failure owned", None, None, 0).await.unwrap();
    assert_eq!(all, [event(3), event(2), event(1), event(0)], "newest first");
    let some = desk.events_search("source.port>22", Some(event(1).timestamp), None, 2).await;
    assert_eq!(some.unwrap(), [event(3), event(2)]);
    let to = desk.events_search("", None, Some(event(1).timestamp), 0).await.unwrap();
    assert_eq!(to, [event(1), event(0)]);
    let at_host = desk.events_search("host:WEB01 port:23", None, None, 0).await.unwrap();
    assert_eq!(at_host, [event(1)]);
    let around = desk.events_around("WEB01", event(1).timestamp, 1).await.unwrap();
    assert_eq!(around, [event(0), event(1), event(2)], "oldest first");
    assert_eq!(desk.events_around("other", event(1).timestamp, 1).await.unwrap(), []);
}

async fn the_house_is_shown_as_it_is(kind: Kind) {
    let scene = Scene::new(kind, LONG).await;
    let desk = &scene.desk;
    let status = desk.status().await.unwrap();
    assert_eq!((status.alerts, status.events, status.health.as_str()), (2, 4, "ok"));
    assert!(status.sources[0].ledger.balances() && status.sources[0].ledger.received == 5);
    let endpoints = desk.endpoints().await.unwrap();
    assert_eq!((endpoints[0].host.as_str(), endpoints[0].alerts_open), ("web01", 2));
    assert_eq!(endpoints[0].worst, Some(Severity::High));
    let rejects = desk.rejects(10, 0).await.unwrap();
    assert_eq!((rejects.len(), rejects[0].detail.as_str()), (1, HOSTILE));
    assert_eq!(rejects[0].head, [0, 0xff, 0x1b, b'[']);
    assert_eq!(desk.rejects(10, 1).await.unwrap(), []);
}

async fn refusals_say_the_same(kind: Kind) {
    let scene = Scene::new(kind, LONG).await;
    let desk = &scene.desk;
    let id = worst(desk).await.id;
    let unknown = Id128([1; 16]);
    let refused = |problem: Problem| (problem.kind, problem.message, problem.hint);
    let filtered = desk.alerts(&filter("hots:x")).await.unwrap_err();
    assert_eq!(filtered.detail, "in the filter, at bytes 0 to 4");
    assert_eq!(
        refused(filtered),
        (
            ProblemKind::Invalid,
            "there is no field hots".into(),
            "did you mean host? to search for the text, quote it".into()
        )
    );
    for (problem, wanted) in [
        (desk.alert(unknown).await.unwrap_err(), ProblemKind::NotFound),
        (desk.alert_why(unknown).await.unwrap_err(), ProblemKind::NotFound),
        // The scene has no rules.
        (desk.alert_why(id).await.unwrap_err(), ProblemKind::NotFound),
        (
            desk.act(&[(unknown, None)], Action::ClearVerdict).await.unwrap_err(),
            ProblemKind::NotFound,
        ),
        (desk.act(&[], Action::ClearVerdict).await.unwrap_err(), ProblemKind::Invalid),
        (
            desk.act(&[(id, None)], Action::Note(" ".into())).await.unwrap_err(),
            ProblemKind::Invalid,
        ),
        (desk.act(&[(id, None)], bare_other()).await.unwrap_err(), ProblemKind::Invalid),
        (
            desk.act(&[(id, None)], Action::Note("x".repeat(100_000))).await.unwrap_err(),
            ProblemKind::Invalid,
        ),
        (
            desk.alerts(&AlertQuery { sort: "x".into(), ..filter("") }).await.unwrap_err(),
            ProblemKind::Invalid,
        ),
        (desk.events_search("nope:x", None, None, 1).await.unwrap_err(), ProblemKind::Invalid),
        (
            desk.events_search("", Some(Timestamp(2)), Some(Timestamp(1)), 1).await.unwrap_err(),
            ProblemKind::Invalid,
        ),
        (
            desk.events_around("web01", Timestamp(0), 100_000).await.unwrap_err(),
            ProblemKind::Invalid,
        ),
    ] {
        assert_eq!(problem.kind, wanted, "{problem:?}");
        assert!(!problem.message.is_empty() && !problem.message.ends_with('.'), "{problem:?}");
    }
}

async fn raised_alerts_are_pushed(kind: Kind) {
    let scene = Scene::new(kind, LONG).await;
    let mut feed = scene.desk.subscribe().await;
    let alert = worst(&scene.desk).await;
    scene.shared.publish_alerts([alert.clone()]);
    assert_eq!(pushed(&mut feed).await, alert);
    let moved = timeout(PATIENCE, async {
        scene.shared.update(|snapshot| snapshot.rules_failed = 7);
        loop {
            if let Change::Status(report) = feed.next().await.unwrap()
                && report.rules_failed == 7
            {
                return;
            }
        }
    });
    moved.await.unwrap();
}

macro_rules! conformance {
    ($($name:ident)*) => {
        mod local {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(super::Kind::Local).await })*
        }
        mod remote {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(super::Kind::Remote).await })*
        }
    };
}

conformance! {
    keys_are_made_listed_and_revoked
    list_filter_sort_and_page
    everything_about_an_alert_arrives_unchanged
    undo_before_the_deadline_leaves_no_trace
    the_deadline_applies_pushes_and_undo_counters
    what_somebody_else_changed_is_a_conflict
    notes_snoozes_and_owners
    drafts_are_the_actors_own
    rules_are_switched_with_a_reason
    events_are_found_and_unchanged
    the_house_is_shown_as_it_is
    refusals_say_the_same
    raised_alerts_are_pushed
}

/// What a remote feed says next, but for statuses.
async fn news(feed: &mut Feed) -> Change {
    let wait = async {
        loop {
            match feed.next().await.unwrap() {
                Change::Status(_) => {}
                other => return other,
            }
        }
    };
    timeout(PATIENCE, wait).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remote_feed_reports_a_lost_daemon_and_goes_on_where_it_was() {
    let scene = Scene::new(Kind::Local, LONG).await;
    let alert = worst(&scene.desk).await;
    let first_stop = StopToken::new();
    let first = start_api(&scene.socket, &scene.bench, &first_stop);
    let desk = Desk::attach(&scene.socket).await.unwrap();
    let mut feed = desk.subscribe().await;
    scene.shared.publish_alerts([alert.clone()]);
    assert_eq!(pushed(&mut feed).await, alert);

    first_stop.stop();
    first.await.unwrap();
    assert!(matches!(news(&mut feed).await, Change::Lost(_)));
    let gone = desk.status().await.unwrap_err();
    assert_eq!(gone.kind, ProblemKind::Unavailable);
    assert!(gone.hint.contains("watchfloor serve"), "{gone:?}");

    // Published while nobody listened, met again by the number that was seen last.
    let missed = Alert { revision: 77, ..alert };
    scene.shared.publish_alerts([missed.clone()]);
    start_api(&scene.socket, &scene.bench, &scene.stop);
    assert_eq!(pushed(&mut feed).await, missed);

    // A feed of another run of the program is told that it missed something.
    let other = Scene::new(Kind::Local, LONG).await;
    let stop = StopToken::new();
    let old = start_api(&other.socket, &other.bench, &stop);
    let mut stranger = Desk::attach(&other.socket).await.unwrap().subscribe().await;
    other.shared.publish_alerts([missed.clone()]);
    assert_eq!(pushed(&mut stranger).await, missed);
    stop.stop();
    old.await.unwrap();
    assert!(matches!(news(&mut stranger).await, Change::Lost(_)));
    start_api(&other.socket, &scene.bench, &other.stop);
    assert_eq!(news(&mut stranger).await, Change::Gap);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_sent_the_answer_is_a_problem_in_json() {
    let scene = Scene::new(Kind::Remote, LONG).await;
    let http = reqwest::Client::builder().unix_socket(scene.socket.as_path()).build().unwrap();
    let url = |path: &str| format!("http://watchfloor{path}");
    let json = "application/json";
    let huge = format!("{{\"x\":\"{}\"}}", "x".repeat(api::BODY_BYTES_MAX));
    let requests = [
        (http.get(url("/")), 404),
        (http.get(url("/api/v1/nothing")), 404),
        (http.delete(url("/api/v1/alerts")), 400),
        (http.get(url("/api/v1/alerts?filtr=x")), 400),
        (http.get(url("/api/v1/alerts?limit=-1")), 400),
        (http.get(url("/api/v1/alerts/../../etc/passwd")), 404),
        (http.get(url("/api/v1/alerts/xyz")), 400),
        (http.get(url("/api/v1/alerts/%00%ff")), 400),
        (http.get(url("/api/v1/events?from=yesterday")), 400),
        (http.post(url("/api/v1/alerts/act")).body("{"), 400),
        (http.post(url("/api/v1/alerts/act")).header("content-type", json).body("{"), 400),
        (http.post(url("/api/v1/alerts/act")).header("content-type", json).body("\u{0}"), 400),
        (http.post(url("/api/v1/alerts/act")).header("content-type", json).body(huge), 400),
        (
            http.post(url("/api/v1/alerts/act"))
                .header("content-type", json)
                .body(r#"{"alerts":[{"id":"1"}],"action":{"kind":"status","status":"open"}}"#),
            400,
        ),
        (
            http.post(url("/api/v1/alerts/act"))
                .header("content-type", json)
                .body(r#"{"alerts":[],"action":{"kind":"status","status":"gone"}}"#),
            400,
        ),
    ];
    for (number, (request, wanted)) in requests.into_iter().enumerate() {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), wanted, "request {number}");
        let body: serde_json::Value = answer.json().await.unwrap();
        assert!(!body["error"]["message"].as_str().unwrap().is_empty(), "request {number}: {body}");
    }
    assert_eq!(rows(&scene.desk, "").await.len(), 2, "and it still answers");
}
