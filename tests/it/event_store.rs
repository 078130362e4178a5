//! One suite for every place where events can be: the embedded log with its index, Elasticsearch, OpenSearch. The same
//! answers to the same questions, and nothing lost or doubled by repeats, crashes, deleted indices and full servers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value as Json, json};
use watchfloor::config::alert::AlertConfig;
use watchfloor::config::retention::{RetentionConfig, TenantRetention};
use watchfloor::config::secret::SecretRef;
use watchfloor::config::store::{EventServerConfig, StoreConfig};
use watchfloor::model::event::{Event, Value};
use watchfloor::model::field;
use watchfloor::model::query::EventFilter;
use watchfloor::model::retention::EventKind;
use watchfloor::stdx::id::IdHasher;
use watchfloor::stdx::time::Timestamp;
use watchfloor::store::{Commit, EventScan, EventStore, Follower, Policy, Store};

use crate::support::services::search::SearchNode;

const NOW: i64 = 1_795_334_925_000_000;
const DAY: i64 = 86_400_000_000;

/// A store whose events are somewhere.
struct Place {
    _folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    store: Store,
    /// What must be in it.
    events: Vec<Event>,
}

impl Place {
    fn open(server: Option<&str>, index: &str) -> Place {
        Place::open_on(server.map(|url| EventServerConfig {
            url: url.to_owned(),
            index: index.to_owned(),
            ..EventServerConfig::default()
        }))
    }

    fn open_on(events: Option<EventServerConfig>) -> Place {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let config = StoreConfig { segment_bytes_max: 20_000, events, ..StoreConfig::default() };
        let store =
            runtime.block_on(Store::open(folder.path(), &config, &AlertConfig::default())).unwrap();
        Place { _folder: folder, runtime, store, events: Vec::new() }
    }

    /// Commit; what it says if it cannot.
    fn try_commit(&mut self, events: &[Event]) -> Result<(), String> {
        let commit = Commit { at: Timestamp(5), events: events.to_vec(), ..Commit::default() };
        let done = self.runtime.block_on(self.store.commit(&commit));
        done.map(|_| self.events.extend_from_slice(events)).map_err(|error| error.to_string())
    }

    fn commit(&mut self, events: &[Event]) {
        self.try_commit(events).unwrap();
    }

    /// As the committer does: again until it stands.
    fn commit_until_it_stands(&mut self, events: &[Event]) {
        for _ in 0..600 {
            if self.try_commit(events).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the commit never stood");
    }

    fn find(&self, query: &str, limit: usize) -> Vec<Event> {
        let filter = EventFilter::parse(query).unwrap();
        let now = Timestamp(NOW);
        let narrow = filter.narrow(now);
        let scan = EventScan { from: narrow.from, to: narrow.to, host: narrow.host, limit };
        self.runtime.block_on(self.store.event_store().find(scan, filter, now)).unwrap().events
    }

    /// The answer must be what plain judging of every event gives.
    fn assert_answers(&self, query: &str, limit: usize) {
        let Ok(filter) = EventFilter::parse(query) else { return };
        let mut wanted: Vec<&Event> =
            self.events.iter().filter(|event| filter.matches(event, Timestamp(NOW))).collect();
        wanted.sort_by_key(|event| std::cmp::Reverse((event.timestamp, event.id)));
        wanted.dedup_by_key(|event| event.id);
        wanted.truncate(limit);
        let found = self.find(query, limit);
        let names = |events: &[&Event]| -> Vec<String> {
            events.iter().map(|event| format!("{} {}", event.timestamp, event.id)).collect()
        };
        assert_eq!(
            names(&found.iter().collect::<Vec<_>>()),
            names(&wanted),
            "{query} limit {limit}"
        );
        for (found, wanted) in found.iter().zip(wanted) {
            assert!(found.iter().eq(wanted.iter()), "{query}: {found:?} is not {wanted:?}");
        }
    }
}

const TEXTS: [&str; 16] = [
    "C:\\Windows\\System32\\cmd.exe",
    "powershell.exe -NoProfile -enc SQBFAFgA",
    "web01",
    "WEB01",
    "ſervice",
    "10.0.0.7",
    "2001:DB8::1",
    "443",
    "",
    "größe im Büro GRÖSSE",
    "a_b-c.d/e",
    "root",
    "/usr/bin/curl http://x.example/a.sh",
    "\u{212a}elvin \u{1F600} end",
    "star*and?mark",
    "two\nlines\tand \"quotes\"",
];
const NAMES: [&str; 14] = [
    "host.name",
    "user.name",
    "process.name",
    "process.executable",
    "process.command_line",
    "message",
    "event.original",
    "source.ip",
    "destination.port",
    "winlog.event_data.Odd",
    "event.code",
    "watchfloor.source",
    "registry.path",
    "user.target.name",
];

fn some_events(runner: &mut TestRunner, count: usize) -> Vec<Event> {
    let text = prop_oneof![
        6 => proptest::sample::select(&TEXTS[..]).prop_map(str::to_owned),
        1 => "[a-cſKé .\\\\]{0,12}",
        1 => proptest::sample::select(vec!["ab ".repeat(600), "q".repeat(300), "z".repeat(9_000)]),
    ];
    let fields = proptest::collection::vec((0..NAMES.len(), text, any::<u8>()), 0..7);
    let event = (fields, 0_i64..6, any::<u64>()).prop_map(|(fields, age, number)| {
        let mut event = Event::with_capacity(8, 64);
        event.id = IdHasher::new("t").number(number).finish();
        event.timestamp = Timestamp(NOW - age * DAY / 2);
        event.ingested = Timestamp(NOW);
        for (name, text, kind) in fields {
            match kind % 8 {
                0 => event.push_named(NAMES[name], Value::Int(i64::from(kind))),
                1 => event.push_named(NAMES[name], Value::Float(f64::from(kind) / 4.0)),
                2 => event.push_named(NAMES[name], Value::Bool(kind > 99)),
                3 => event.push_named(NAMES[name], Value::Null),
                _ => event.push_named(NAMES[name], Value::Str(&text)),
            }
        }
        event
    });
    let events = proptest::collection::vec(event, count);
    // Lists of one field stand together once an event was written and read: as any store gives it back.
    events.new_tree(runner).unwrap().current().iter().map(stored).collect()
}

/// The event as it comes back from any store.
fn stored(event: &Event) -> Event {
    let mut line = Vec::new();
    watchfloor::wire::event_v1::write_flat(event, &mut line);
    watchfloor::wire::event_v1::read_flat(&line).unwrap()
}

fn some_queries(runner: &mut TestRunner, count: usize) -> Vec<String> {
    let fields = vec![
        "host",
        "user",
        "process",
        "cmd",
        "message",
        "ip",
        "port",
        "code",
        "source",
        "registry.path",
        "winlog.event_data.Odd",
        "event.original",
        "process.executable",
        "class",
        "id",
    ];
    let values = vec![
        "web01",
        "WEB*",
        "*.exe",
        "*\\cmd.exe",
        "c:\\windows\\*",
        "cmd",
        "pow?rshell",
        "/enc/",
        "/(?-i)NoProfile/",
        "\"-NoProfile -enc\"",
        "\"system32\"",
        "10.0.0.0/8",
        "2001:db8::/32",
        "400..500",
        "root",
        "\"\"",
        "größe",
        "\"GRÖSSE\"",
        "kelvin",
        "ſERVICE",
        "service",
        "true",
        "*",
        "a?b*",
        "qqq",
        "abab",
        "zzzz",
        "q*",
        "0.25",
        "end",
        "x.example",
        "\"star*and?mark\"",
        "0",
    ];
    let term = (
        proptest::sample::select(fields),
        proptest::sample::select(vec![":", "=", "~", "!="]),
        proptest::sample::select(values.clone()),
    )
        .prop_map(|(field, op, value)| format!("{field}{op}{value}"));
    let leaf = prop_oneof![
        8 => term,
        1 => proptest::sample::select(vec!["port>=100", "port<443", "destination.port>443", "age<30h", "time>2026-11-21"])
            .prop_map(str::to_owned),
        1 => proptest::sample::select(values).prop_map(str::to_owned),
    ];
    let query = leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..3).prop_map(|parts| parts.join(" ")),
            proptest::collection::vec(inner.clone(), 2..3)
                .prop_map(|parts| format!("({})", parts.join(" or "))),
            inner.prop_map(|part| format!("not ({part})")),
        ]
    });
    let queries = proptest::collection::vec(query, count);
    queries.new_tree(runner).unwrap().current()
}

fn numbered(number: u64, age_days: i64) -> Event {
    let mut event = Event::with_capacity(4, 64);
    event.id = IdHasher::new("n").number(number).finish();
    event.timestamp = Timestamp(NOW - age_days * DAY + number as i64);
    event.push_named("host.name", Value::Str("numbered"));
    event.push_named("process.pid", Value::Int(number as i64));
    event
}

/// Events that no index takes as they are, or whose fields get in each other's way.
fn difficult() -> Vec<Event> {
    let mut events: Vec<Event> = (0..8).map(|number| numbered(9_000 + number, 1)).collect();
    events[0].push_named("odd", Value::Str("a plain value"));
    events[1].push_named("odd.deeper", Value::Str("where a value stands"));
    events[2].push_named("host.name.again", Value::Str("below a text"));
    events[3].push_named("two..dots", Value::Str("x"));
    events[4].push_named(".leading", Value::Str("x"));
    events[5].push_named("trailing.", Value::Str("x"));
    events[6].push_named(" ", Value::Str("x"));
    events[7].push_named("process.executable", Value::Str(&"é".repeat(40_000)));
    let mut early = numbered(9_100, 1);
    early.timestamp = Timestamp(-70_000_000_000_000_000);
    let mut late = numbered(9_101, 1);
    late.timestamp = Timestamp(253_402_207_190_000_000);
    events.extend([early, late]);
    events.iter().map(stored).collect()
}

/// What holds everywhere.
fn conforms(place: &mut Place, follow: &dyn Fn(&Store)) {
    let mut runner = TestRunner::deterministic();
    let events = some_events(&mut runner, 300);
    for some in events[..200].chunks(37) {
        place.commit(some);
    }
    follow(&place.store);
    for some in events[200..].chunks(37) {
        place.commit(some);
    }
    let hard = difficult();
    place.commit(&hard);
    for (number, query) in some_queries(&mut runner, 150).iter().enumerate() {
        place.assert_answers(query, [1, 7, 1_000][number % 3]);
    }
    for query in ["", "host:numbered", "odd:*", "process.executable:é*", "pid:9001"] {
        place.assert_answers(query, 10_000);
    }
    // A commit that stood where the program died before it knew: the same again.
    let before = place.find("", 10_000).len();
    place.commit(&events[150..260]);
    place.commit(&hard);
    assert_eq!(place.find("", 10_000).len(), before);
    place.assert_answers("host:web01", 1_000);
    let around = place.store.event_store().around("numbered", hard[0].timestamp, 1, 100);
    let around = place.runtime.block_on(around).unwrap().events;
    let ids: Vec<_> = around.iter().map(|event| event.id).collect();
    let wanted: Vec<_> = hard[..8].iter().map(|event| event.id).collect();
    assert_eq!(ids, wanted, "oldest first");
}

#[test]
fn the_embedded_store_answers_like_plain_judging() {
    let mut place = Place::open(None, "");
    conforms(&mut place, &|store| {
        let EventStore::Embedded(reader) = store.event_store() else { panic!("not embedded") };
        let mut follower = Follower::new(reader).unwrap();
        follower.prepare(true);
        follower.catch_up(&mut |_| ()).unwrap();
    });
    let status = place.store.event_store().status();
    assert_eq!(status.kind, "embedded");
    assert!(status.index.unwrap().events_behind > 0);
}

#[test]
fn elasticsearch_answers_like_plain_judging_and_heals() {
    on_a_server("elasticsearch", "Elasticsearch 9.");
}

#[test]
fn opensearch_answers_like_plain_judging_and_heals() {
    on_a_server("opensearch", "OpenSearch 3.");
}

/// TLS, a user and its password; the user may not ask who the server is.
#[test]
fn opensearch_with_security_answers_like_plain_judging_and_heals() {
    on_a_server("opensearch-secure", "OpenSearch");
}

fn on_a_server(kind: &'static str, product: &str) {
    let Some(node) = SearchNode::start(kind) else { return };
    let mut place = Place::open_on(Some(node.events("wf-events")));
    conforms(&mut place, &|_| ());
    let status = place.store.event_store().status();
    assert!(status.kind.starts_with(product), "{}", status.kind);
    let counted = |status: &watchfloor::store::EventStatus, name: &str| {
        status.numbers.iter().find(|(known, _)| *known == name).map_or(0, |(_, number)| *number)
    };
    assert_eq!(counted(&status, "events_again"), 110 + 10);
    assert!(counted(&status, "events_refused_kept_as_text") >= 4, "{status:?}");
    let policy = place.store.event_store().keep_for(Duration::from_secs(90 * 86_400));
    assert_eq!(
        place.runtime.block_on(policy).unwrap(),
        Some(Policy::None),
        "the servers here have neither"
    );
    blocked_by_its_disk(&mut place, &node);
    an_index_goes_away(&mut place, &node);
    old_days_go(&mut place);
    tenants_go_by_their_own_ages(&mut place, &node);
    // Killed while it has everything: refused, then all of it is there.
    node.kill();
    let fresh: Vec<Event> = (500..520).map(|number| numbered(number, 0)).collect();
    let said = place.try_commit(&fresh).unwrap_err();
    assert!(said.contains(&format!("the event store {}", node.url())), "{said}");
    node.start_again();
    place.commit_until_it_stands(&fresh);
    place.assert_answers("host:numbered", 10_000);
    place.assert_answers("", 10_000);
}

/// The block that a server sets on its indices when its disk passes the flood stage.
fn blocked_by_its_disk(place: &mut Place, node: &SearchNode) {
    let block = |on: Json| {
        let body = json!({"index.blocks.read_only_allow_delete": on});
        node.ask(reqwest::Method::PUT, "/wf-events-*/_settings", Some(body));
    };
    block(json!(true));
    let fresh: Vec<Event> = (200..210).map(|number| numbered(number, 1)).collect();
    let said = place.try_commit(&fresh).unwrap_err();
    assert!(said.contains("free space there"), "{said}");
    assert!(place.find("pid:200..209", 100).is_empty());
    block(Json::Null);
    place.commit_until_it_stands(&fresh);
    place.assert_answers("host:numbered", 10_000);
}

/// Somebody deletes an index, and the template with it, while events come.
fn an_index_goes_away(place: &mut Place, node: &SearchNode) {
    let day = |event: &Event| event.timestamp.to_string()[..10].replace('-', ".");
    let fresh: Vec<Event> = (300..310).map(|number| numbered(number, 0)).collect();
    place.commit(&fresh);
    let gone = day(&fresh[0]);
    node.ask(reqwest::Method::DELETE, &format!("/wf-events-{gone}"), None);
    place.events.retain(|event| day(event) != gone);
    let more: Vec<Event> = (310..320).map(|number| numbered(number, 0)).collect();
    place.commit(&more);
    place.assert_answers("host:numbered", 10_000);
    place.assert_answers("pid>=310", 10_000);
    let aliases = node.ask(reqwest::Method::GET, "/_alias/wf-events", None);
    assert!(aliases.get(format!("wf-events-{gone}")).is_some(), "{aliases}");
}

fn old_days_go(place: &mut Place) {
    let old: Vec<Event> = (400..405).map(|number| numbered(number, 30)).collect();
    place.commit(&old);
    let cut = Timestamp(NOW - 20 * DAY);
    let gone =
        place.runtime.block_on(place.store.event_store().drop_days_before(cut, cut)).unwrap();
    assert_eq!(gone, 0, "what was stored today stays, whenever it happened");
    let later = Timestamp(Timestamp::now().micros() + DAY);
    let store = place.store.event_store();
    let gone = place.runtime.block_on(store.drop_days_before(cut, later)).unwrap();
    assert_eq!(gone, 1);
    place.events.retain(|event| event.timestamp >= cut || event.timestamp.micros() < 0);
    place.assert_answers("host:numbered", 10_000);
}

fn tenants_go_by_their_own_ages(place: &mut Place, node: &SearchNode) {
    let tenant = |name: &str, days: u64| TenantRetention {
        tenant: name.to_owned(),
        events: Duration::from_secs(days * 86_400),
        inference: Duration::from_secs(days * 86_400),
        events_bytes_max: 0,
        closed_alerts: Duration::ZERO,
    };
    let whose = |event: &Event| event.str(field::ORGANIZATION_ID).unwrap_or("default").to_owned();
    let mut old: Vec<Event> = (500..512).map(|number| numbered(number, 10)).collect();
    for (event, name) in old.iter_mut().zip([None, Some("acme"), Some("initech")].iter().cycle()) {
        name.iter().for_each(|name| event.push_str(field::ORGANIZATION_ID, name));
    }
    place.commit(&old);
    let store = place.store.event_store().clone();
    // The longest age goes by whole days, which stay by when they were stored: now. The others go event by event.
    for (all, tenants) in [
        (90, [tenant("acme", 7), tenant("initech", 0)]),
        (90, [tenant("acme", 7), tenant("default", 8)]),
        (7, [tenant("acme", 90), tenant("default", 90)]),
    ] {
        node.ask(reqwest::Method::POST, "/wf-events/_refresh", None);
        let config = RetentionConfig {
            events: Duration::from_secs(all * 86_400),
            inference: Duration::from_secs(all * 86_400),
            tenants: tenants.to_vec(),
            ..RetentionConfig::default()
        };
        let goes = |event: &Event| {
            let age = config.events_of(&whose(event), EventKind::Event);
            let cut = NOW - i64::try_from(age.as_micros()).unwrap();
            !age.is_zero() && age != config.events_longest() && event.timestamp.micros() < cut
        };
        // Some were committed twice.
        let going = place.events.iter().filter(|event| goes(event)).map(|event| event.id);
        let going: BTreeSet<_> = going.collect();
        assert!(going.len() >= 4, "{tenants:?}");
        let done = place.runtime.block_on(store.forget_old(&config, Timestamp(NOW))).unwrap();
        assert_eq!(done, (0, going.len() as u64), "{tenants:?}");
        place.events.retain(|event| !goes(event));
        place.assert_answers("host:numbered", 10_000);
    }
}

/// What a bulk request with this body gets.
type Answer = fn(&str) -> (StatusCode, Json);

/// A server that answers bulk requests as its turn says; everything else as a friendly Elasticsearch.
struct Stub {
    turn: AtomicUsize,
    /// What each bulk request gets; the last for all further ones.
    answers: Vec<Answer>,
    front: StatusCode,
}

async fn answer(State(stub): State<Arc<Stub>>, request: Request) -> impl IntoResponse {
    let path = request.uri().path().to_owned();
    let body = axum::body::to_bytes(request.into_body(), 1 << 24).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let (status, json) = match path.as_str() {
        "/" => (stub.front, json!({"version": {"number": "8.1.2"}})),
        "/_bulk" => {
            let turn = stub.turn.fetch_add(1, Ordering::SeqCst);
            stub.answers[turn.min(stub.answers.len() - 1)](&body)
        }
        "/_nodes/_all/version,build" => (StatusCode::FORBIDDEN, json!({"error": "no"})),
        "/_cluster/health" => (StatusCode::OK, json!({"cluster_name": "c"})),
        path if path.ends_with("/_count") => (StatusCode::OK, json!({"count": 7})),
        _ => (StatusCode::OK, json!({"acknowledged": true})),
    };
    (status, [("x-elastic-product", "Elasticsearch")], axum::Json(json))
}

fn items(body: &str, item: impl Fn(usize) -> Json) -> (StatusCode, Json) {
    let items: Vec<Json> =
        (0..body.lines().count() / 2).map(|number| json!({"create": item(number)})).collect();
    (StatusCode::OK, json!({"errors": true, "items": items}))
}

fn stub(place: &tokio::runtime::Runtime, stub: Stub) -> (String, Arc<Stub>) {
    let stub = Arc::new(stub);
    let router = Router::new().fallback(answer).with_state(Arc::clone(&stub));
    let listener = place.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    place.spawn(async move { axum::serve(listener, router).await });
    (url, stub)
}

#[test]
fn a_busy_server_is_asked_again_and_nothing_is_acknowledged_before() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let busy = Stub {
        turn: AtomicUsize::new(0),
        front: StatusCode::FORBIDDEN,
        answers: vec![
            |_| (StatusCode::TOO_MANY_REQUESTS, json!({"error": {"reason": "queue is full"}})),
            |body| {
                items(body, |number| match number {
                    0 => json!({"status": 201}),
                    _ => {
                        json!({"status": 429, "error": {"type": "es_rejected_execution_exception", "reason": "queue"}})
                    }
                })
            },
            // Half an answer is none.
            |_| (StatusCode::OK, json!({"errors": false, "items": []})),
            |body| items(body, |number| json!({"status": if number == 0 { 409 } else { 201 }})),
        ],
    };
    let (url, stub) = stub(&runtime, busy);
    let mut place = Place::open(Some(&url), "wf");
    let events: Vec<Event> = (0..5).map(|number| numbered(number, 0)).collect();
    for _ in 0..3 {
        let said = place.try_commit(&events).unwrap_err();
        assert!(said.contains("cannot take events"), "{said}");
        assert_eq!(place.runtime.block_on(place.store.ledger()).unwrap().len(), 0);
    }
    place.commit(&events);
    assert_eq!(stub.turn.load(Ordering::SeqCst), 4);
    // Its front page is forbidden and so are its nodes.
    assert_eq!(place.store.event_store().status().kind, "Elasticsearch of unknown version");
}

#[test]
fn an_event_whose_fields_are_refused_is_sent_once_more_as_text() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let picky = Stub {
        turn: AtomicUsize::new(0),
        front: StatusCode::OK,
        answers: vec![
            |body| {
                items(body, |number| match number {
                    2 => {
                        json!({"status": 400, "error": {"type": "document_parsing_exception", "reason": "no"}})
                    }
                    _ => json!({"status": 201}),
                })
            },
            |body| {
                assert_eq!(body.lines().count(), 2);
                let document: Json = serde_json::from_str(body.lines().nth(1).unwrap()).unwrap();
                assert!(document["watchfloor.whole"].as_str().unwrap().contains("numbered"));
                assert_eq!(document["watchfloor.refused"], "document_parsing_exception: no ");
                items(body, |_| json!({"status": 201}))
            },
        ],
    };
    let (url, stub) = stub(&runtime, picky);
    let mut place = Place::open(Some(&url), "wf");
    let events: Vec<Event> = (0..5).map(|number| numbered(number, 0)).collect();
    place.commit(&events);
    assert_eq!(stub.turn.load(Ordering::SeqCst), 2);
    let status = place.store.event_store().status();
    assert_eq!(status.numbers, [("events_again", 0), ("events_refused_kept_as_text", 1)]);
    assert_eq!(place.store.event_store().totals().0, 12);
}

/// Answers as the documentation of the two says; neither can be had here as a server.
#[derive(Default)]
struct Keeper {
    opensearch: bool,
    policy: parking_lot::Mutex<Option<Json>>,
    template: parking_lot::Mutex<Json>,
    /// How often indices were told of a changed policy.
    told: AtomicUsize,
}

async fn keep(State(keeper): State<Arc<Keeper>>, request: Request) -> impl IntoResponse {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let given = request.uri().query().is_some_and(|query| query.contains("if_seq_no=4"));
    let body = axum::body::to_bytes(request.into_body(), 1 << 24).await.unwrap();
    let body: Json = serde_json::from_slice(&body).unwrap_or_default();
    let known = keeper.policy.lock().clone();
    let ok = |json: Json| (StatusCode::OK, axum::Json(json));
    match (method.as_str(), path.as_str()) {
        ("GET", "/") if keeper.opensearch => {
            ok(json!({"version": {"number": "3.6.0", "distribution": "opensearch"}}))
        }
        ("GET", "/") => ok(json!({"version": {"number": "9.3.2"}})),
        ("PUT", "/_index_template/wf") => {
            *keeper.template.lock() = body;
            ok(json!({"acknowledged": true}))
        }
        ("PUT", "/_ilm/policy/wf") => {
            *keeper.policy.lock() = Some(body);
            ok(json!({"acknowledged": true}))
        }
        ("GET", "/_ilm/policy/wf") => {
            ok(json!({"wf": {"version": 1, "policy": known.unwrap()["policy"]}}))
        }
        ("GET", "/_plugins/_ism/policies/wf") => match known {
            None => {
                let reason = "Policy not found";
                let error =
                    json!({"error": {"type": "status_exception", "reason": reason}, "status": 404});
                (StatusCode::NOT_FOUND, axum::Json(error))
            }
            Some(known) => ok(
                json!({"_id": "wf", "_seq_no": 4, "_primary_term": 1, "policy": known["policy"]}),
            ),
        },
        ("POST", "/_plugins/_ism/change_policy/wf-*") => {
            assert_eq!(body, json!({"policy_id": "wf"}));
            keeper.told.fetch_add(1, Ordering::Relaxed);
            ok(json!({"updated_indices": 1, "failures": false, "failed_indices": []}))
        }
        ("PUT", "/_plugins/_ism/policies/wf") if known.is_some() && !given => {
            (StatusCode::CONFLICT, axum::Json(json!({"error": {"reason": "version conflict"}})))
        }
        ("PUT", "/_plugins/_ism/policies/wf") => {
            *keeper.policy.lock() = Some(body);
            (StatusCode::CREATED, axum::Json(json!({"_id": "wf"})))
        }
        _ => ok(json!({"count": 0})),
    }
}

#[test]
fn the_policies_of_both_engines_are_written_changed_and_read_back() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for opensearch in [false, true] {
        let keeper = Arc::new(Keeper { opensearch, ..Keeper::default() });
        let router = Router::new().fallback(keep).with_state(Arc::clone(&keeper));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, router).await });
        let place = Place::open(Some(&url), "wf");
        for days in [90_u64, 30, 0] {
            let age = Duration::from_secs(days * 86_400);
            let policy = place.runtime.block_on(place.store.event_store().keep_for(age)).unwrap();
            assert_eq!(policy, Some(if opensearch { Policy::Ism } else { Policy::Ilm }));
            let known = keeper.policy.lock().clone().unwrap();
            let at = if opensearch {
                "/policy/states/0/transitions/0/conditions/min_index_age"
            } else {
                "/policy/phases/delete/min_age"
            };
            let wanted = (days > 0).then(|| json!(format!("{days}d")));
            assert_eq!(known.pointer(at), wanted.as_ref(), "zero: for ever");
        }
        // Each change after the first is told to the indices that are there.
        assert_eq!(keeper.told.load(Ordering::Relaxed), if opensearch { 2 } else { 0 });
        let named = keeper.template.lock()["template"]["settings"]["index.lifecycle.name"].clone();
        assert_eq!(named, if opensearch { Json::Null } else { json!("wf") });
    }
}

/// A server with TLS of its own authority, which asks for a user.
#[test]
fn a_server_with_its_own_authority_and_a_user_is_reached_and_others_are_refused() {
    use base64::Engine as _;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (ca, password) = (folder.path().join("ca.pem"), folder.path().join("password"));
    std::fs::write(&ca, made.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    let wanted = base64::engine::general_purpose::STANDARD.encode("analyst:right");
    runtime.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, wanted) = (acceptor.clone(), format!("Basic {wanted}"));
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = hyper_util::service::TowerToHyperService::new(
                    Router::new().fallback(move |request: Request| async move {
                        let given = request.headers().get("authorization");
                        if given.and_then(|value| value.to_str().ok()) != Some(&wanted) {
                            return (StatusCode::UNAUTHORIZED, axum::Json(json!({})));
                        }
                        let body = json!({"version": {"number": "9.3.2"}, "count": 3});
                        (StatusCode::OK, axum::Json(body))
                    }),
                );
                let io = hyper_util::rt::TokioIo::new(stream);
                let builder = hyper_util::server::conn::auto::Builder::new(
                    hyper_util::rt::TokioExecutor::new(),
                );
                let _ = builder.serve_connection(io, service).await;
            });
        }
    });
    let try_with = |secret: &str, ca: Option<&std::path::PathBuf>| {
        std::fs::write(&password, secret).unwrap();
        let mut place = Place::open(None, "");
        let config = StoreConfig {
            events: Some(EventServerConfig {
                url: format!("https://localhost:{port}"),
                index: "wf".to_owned(),
                user: Some("analyst".to_owned()),
                password: Some(SecretRef::File(password.clone())),
                api_key: None,
                ca: ca.cloned(),
            }),
            ..StoreConfig::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let alert = AlertConfig::default();
        let opened = Store::open(folder.path(), &config, &alert);
        place.store = place.runtime.block_on(opened).unwrap();
        let error = place.try_commit(&[numbered(1, 0)]).unwrap_err();
        (error, place.store.event_store().status().kind)
    };
    let (error, kind) = try_with("right\n", Some(&ca));
    assert_eq!(kind, "Elasticsearch 9.3.2", "{error}");
    let (error, _) = try_with("wrong", Some(&ca));
    assert!(error.contains("store.events_user"), "{error}");
    let (error, _) = try_with("right", None);
    assert!(error.to_lowercase().contains("certificate"), "{error}");
}
