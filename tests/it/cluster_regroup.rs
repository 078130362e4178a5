//! Correlations whose group-by is not what the topic is partitioned by: nodes count them together, whichever is killed.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::cluster::{PARTITIONS, TOPIC, World, wait_for_alerts};
use crate::kill::Numbers;
use crate::kill_correlations::{alerts, line};
use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, command, run_json, run_text};
use crate::support::kafka::Broker;
use crate::support::services::postgres::{self, Postgres};
use crate::support::services::search::SearchNode;

const MATCHES: &str = "correlation-matches";
const PIECE: usize = 150;
const PIECES: usize = 16;
const HOSTS: u64 = 12;
/// Of a rule with many alerts none is held back: which it would be depends on who is first.
const ALL: &str = "budget = 0\n";

/// Types of which more events never make the condition false: what they find does not depend on who reads faster. The
/// timespan is longer than the stream, so nothing comes too late.
const CORRELATIONS: [(&str, &str); 6] = [
    ("count", "type: event_count, rules: [missing], condition: {gte: 40}"),
    ("values", "type: value_count, rules: [missing], condition: {gte: 7, field: host.name}"),
    ("together", "type: temporal, rules: [login, admin, missing]"),
    ("ordered", "type: temporal_ordered, rules: [login, admin]"),
    ("everything", "type: event_count, rules: [login], condition: {gte: 200}"),
    ("chain", "type: event_count, rules: [ordered], condition: {gte: 3}"),
];

fn rules(folder: &Path) {
    std::fs::create_dir_all(folder.join("rules")).unwrap();
    std::fs::create_dir_all(folder.join("signals")).unwrap();
    let mut text = String::new();
    for (name, asks) in [
        ("missing", "http.response.status_code: 404"),
        ("login", "url.path: /login"),
        ("admin", "url.path: /admin"),
    ] {
        text += &format!(
            "title: {name}\nid: {name}\nname: {name}\nlogsource: {{category: webserver}}\n\
             detection:\n  it:\n    {asks}\n  condition: it\nlevel: informational\n---\n"
        );
    }
    for (name, body) in CORRELATIONS {
        let group = if name == "everything" { "" } else { ", group-by: [source.ip]" };
        let also = if name == "chain" { ", generate: true" } else { "" };
        text += &format!(
            "title: {name}\nid: {name}\nname: {name}\nlevel: high\n\
             correlation: {{{body}{group}, timespan: 6h{also}}}\n---\n"
        );
    }
    std::fs::write(folder.join("rules/all.yml"), text).unwrap();
}

/// A group of its own for each run: what brokers remember of a topic that was deleted is not forgotten at once.
fn section(broker: &Broker, group: &str) -> String {
    format!(
        "[regroup]\nbrokers = [\"{}\"]\ngroup = \"{group}\"\nsession_timeout = \"3s\"\n",
        broker.address()
    )
}

/// By rule, endpoint and group: how many findings there are in all alerts.
type Found = BTreeMap<(String, String, String), u64>;

/// Lines of every address come from every host. Every so many pieces a node is killed.
fn run(
    nodes: usize,
    kill_every: Option<usize>,
    servers: (&Broker, &SearchNode, &Postgres),
    more: &str,
) -> Found {
    let mut world = World::start_with(nodes, servers, &rules, (ALL, more));
    let producer = world.broker.producer();
    let (mut lines, mut places) = (Numbers(5), Numbers(11));
    let mut kills = 0;
    for piece in 0..PIECES {
        for number in piece * PIECE..(piece + 1) * PIECE {
            let text = line(number, &mut lines);
            let host = places.below(HOSTS);
            let key = format!("web{host:02}");
            let (partition, text) = (host as i32 % PARTITIONS, text.trim_end().as_bytes());
            producer.send(TOPIC, partition, Some(key.as_bytes()), Some(text), &[]);
        }
        producer.flush();
        if kill_every.is_some_and(|every| piece % every == every - 1) {
            if kills % 2 == 1 {
                world.wait_for("before a kill", piece * PIECE);
            }
            world.kill(kills % nodes, Duration::from_millis(300));
            kills += 1;
        }
    }
    world.wait_for("the end", PIECES * PIECE);
    assert_eq!(kills > 0, kill_every.is_some());
    assert_eq!(world.books("rejected"), 0);
    assert_eq!(world.books("duplicate"), 0);
    let config = world.config(0);
    world.nodes[0].as_ref().unwrap().wait_ready();
    // Until everything that was handed on is counted, and the node has seen what others made of it.
    let deadline = Instant::now() + PATIENCE;
    // The lag is measured every five seconds.
    let mut looks = 0;
    while !more.is_empty() && looks < 3 {
        assert!(Instant::now() < deadline, "matches are left: {}", world.said());
        std::thread::sleep(Duration::from_millis(2_500));
        looks = if lag(&config) == 0 { looks + 1 } else { 0 };
    }
    wait_for_alerts(&config);
    servers.1.ask(reqwest::Method::POST, "/_refresh", None);
    let mut found = Found::new();
    for alert in alerts(&config).into_values() {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let group = alert["group"].to_string();
        let key = (text(&alert["rule"]["id"]), text(&alert["host"]["name"]), group);
        *found.entry(key).or_default() += alert["count"].as_u64().unwrap();
    }
    for node in world.nodes.iter_mut().flatten() {
        node.stop();
    }
    servers.0.delete(TOPIC);
    found
}

/// Records behind, over all partitions that a node has.
fn lag(config: &Path) -> i64 {
    let status = run_json(config, &["status", "--format", "json"]);
    let nodes = status["nodes"].as_array().unwrap().iter();
    let shards = nodes.flat_map(|node| node["shards"].as_array().unwrap());
    shards.map(|shard| shard["lag"].as_i64().unwrap()).sum()
}

#[test]
fn groups_that_no_partition_holds_are_counted_over_all_nodes_and_kills_change_nothing() {
    let Some(server) = postgres::shared() else { return };
    let Some(broker) = Broker::start("group.min.session.timeout.ms=2000") else { return };
    let Some(search) = SearchNode::start("opensearch") else { return };
    let servers = (&broker, &search, server);
    let apart = run(1, None, servers, "");
    broker.create(MATCHES, 4);
    let expected = run(1, None, servers, &section(&broker, "one"));
    broker.delete(MATCHES);
    let rules = |found: &Found| {
        found.keys().map(|(rule, ..)| rule.clone()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(rules(&expected).len(), CORRELATIONS.len(), "{:?}", rules(&expected));
    for rule in ["count", "values", "everything"] {
        assert!(!rules(&apart).contains(rule), "{rule} must need more than one partition");
    }
    broker.create(MATCHES, 4);
    let found = run(2, Some(3), servers, &section(&broker, "two"));
    broker.delete(MATCHES);
    assert_eq!(found, expected);
}

#[test]
fn a_missing_topic_of_matches_stops_the_start_and_checks_name_it() {
    let Some(broker) = Broker::start("") else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("watchfloor.toml");
    std::fs::write(&config, section(&broker, "g")).unwrap();
    let mut check = command(&config);
    let check = check.args(["topics", "check", "--configured-only"]).output().unwrap();
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(!check.status.success() && said.contains(MATCHES), "{said}");
    let mut serve = command(&config);
    let serve = serve.arg("serve").arg("--data-dir").arg(folder.path().join("data"));
    let serve = serve.output().unwrap();
    let said = String::from_utf8_lossy(&serve.stderr).into_owned();
    assert!(!serve.status.success() && said.contains("topics create"), "{said}");
    run_text(&config, &["topics", "create", "--configured-only", "--partitions", "2"]);
    assert!(broker.topics().contains_key(MATCHES));
}

/// One node that reads a file; what it hands on it counts itself.
#[test]
fn brokers_that_are_away_hold_the_commit_and_what_waited_is_counted_once() {
    let Some(broker) = Broker::start("") else { return };
    broker.create(MATCHES, 2);
    let folder = tempfile::tempdir().unwrap();
    rules(folder.path());
    let log = folder.path().join("access.log");
    std::fs::write(&log, "").unwrap();
    let config = |name: &str, more: &str| {
        let path = folder.path().join(name);
        let text = format!(
            "{more}[rules]\n{ALL}paths = [\"{0}/rules\"]\n[signals]\npaths = [\"{0}/signals\"]\n\
             [[sources]]\nname = \"web\"\npaths = [\"{0}/access.log\"]\nhost = \"web01\"\nidle = \"500ms\"\nrescan = \"200ms\"\n",
            folder.path().display()
        );
        std::fs::write(&path, text).unwrap();
        path
    };
    let config_apart = config("apart.toml", "");
    let config = config("regroup.toml", &section(&broker, "g"));
    let mut apart = Daemon::start(&config_apart, &folder.path().join("apart"));
    let mut node = Daemon::start(&config, &folder.path().join("data"));
    // It ends with an error where something is wrong, and says what all the same.
    let status = |config: &Path| -> serde_json::Value {
        let asked = command(config).args(["status", "--format", "json"]).output().unwrap();
        serde_json::from_slice(&asked.stdout).unwrap_or_default()
    };
    let wait = |what: &str, config: &Path, holds: &dyn Fn(&serde_json::Value) -> bool| {
        let deadline = Instant::now() + PATIENCE;
        while !holds(&status(config)) {
            assert!(Instant::now() < deadline, "{what}: {}", status(config));
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    let stored = |status: &serde_json::Value| {
        let mut rows = status["sources"].as_array().into_iter().flatten();
        rows.find(|row| row["name"] == "web").and_then(|row| row["stored"].as_u64())
    };
    let mut lines = Numbers(5);
    let mut write = |from: usize, to: usize| {
        let text: String = (from..to).map(|number| line(number, &mut lines)).collect();
        let mut file = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    };
    // Less than an hour of event time: what one partition is behind the other does not matter to alerts then.
    write(0, 500);
    wait("before", &config, &|status| stored(status) == Some(500));
    broker.kill();
    write(500, 1_400);
    wait("no brokers", &config, &|status| status.to_string().contains("cannot be handed on"));
    assert_eq!(stored(&status(&config)), Some(500), "nothing is committed that is not handed on");
    // Killed while it waits: what it had in hand comes again.
    node.kill();
    node = Daemon::spawn(&config, &folder.path().join("data"));
    broker.restart();
    wait("after", &config, &|status| stored(status) == Some(1_400));
    let poison = broker.producer();
    poison.send(MATCHES, 0, None, Some(b"{\"no\": \"match\"}"), &[]);
    poison.flush();
    let rejected = |status: &serde_json::Value| {
        let mut rows = status["sources"].as_array().into_iter().flatten();
        rows.any(|row| row["name"] == "regroup" && row["rejected"] == 1)
    };
    wait("poison", &config, &rejected);
    wait("apart", &config_apart, &|status| stored(status) == Some(1_400));
    wait_for_alerts(&config);
    let counted = |config: &Path| {
        let count = |alert: &serde_json::Value| alert["count"].as_u64().unwrap();
        let all = alerts(config).into_iter();
        all.map(|(id, alert)| (id, count(&alert))).collect::<BTreeMap<_, _>>()
    };
    let (with, without) = (counted(&config), counted(&config_apart));
    assert!(without.len() > 10, "{} alerts are too few to say anything", without.len());
    assert_eq!(with, without);
    node.stop();
    apart.stop();
}
