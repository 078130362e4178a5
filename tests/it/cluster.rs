//! Several nodes of one consumer group on one PostgreSQL and one OpenSearch: however many there are and whichever is killed,
//! the alerts are the same, word for word.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::kill::Numbers;
use crate::kill_correlations::{alerts, line, rules};
use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, run_json, run_text};
use crate::support::kafka::Broker;
use crate::support::services::postgres::{self, Postgres};
use crate::support::services::search::SearchNode;

pub const TOPIC: &str = "web";
pub const PARTITIONS: i32 = 6;
const HOSTS: usize = 12;
/// Lines that are sent at once.
const PIECE: usize = 150;
const PIECES: usize = 24;
/// Each run has an index of its own.
static RUNS: AtomicUsize = AtomicUsize::new(0);

/// What nodes share.
pub struct World<'w> {
    pub broker: &'w Broker,
    pub search: &'w SearchNode,
    server: &'w Postgres,
    database: String,
    index: String,
    folder: tempfile::TempDir,
    pub nodes: Vec<Option<Daemon>>,
    /// What the configuration says beside what all have: of rules, and at its end.
    more: (String, String),
}

impl<'w> World<'w> {
    fn start(nodes: usize, servers: (&'w Broker, &'w SearchNode, &'w Postgres)) -> World<'w> {
        World::start_with(nodes, servers, &rules, ("", ""))
    }

    /// Nodes by rules that `write` puts into a folder, and with more in their configuration.
    pub fn start_with(
        nodes: usize,
        (broker, search, server): (&'w Broker, &'w SearchNode, &'w Postgres),
        write: &dyn Fn(&Path),
        (of_rules, more): (&str, &str),
    ) -> World<'w> {
        broker.create(TOPIC, PARTITIONS);
        let folder = tempfile::tempdir().unwrap();
        write(folder.path());
        let mut world = World {
            more: (of_rules.to_owned(), more.to_owned()),
            broker,
            search,
            server,
            database: server.database(),
            index: format!("nodes-{nodes}-{}", RUNS.fetch_add(1, Ordering::Relaxed)),
            folder,
            nodes: Vec::new(),
        };
        for number in 0..nodes {
            let node = Daemon::start(&world.config(number), &world.data(number));
            world.nodes.push(Some(node));
        }
        world
    }

    fn data(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("data{number}"))
    }

    pub fn config(&self, number: usize) -> PathBuf {
        let path = self.folder.path().join(format!("node{number}.toml"));
        let text = format!(
            "[store]\nalerts = \"{}\"\nevents = \"{}\"\nevents_index = \"{}\"\n[node]\nname = \"node{number}\"\n\
             [rules]\n{of_rules}paths = [\"{rules}/rules\"]\n[signals]\npaths = [\"{rules}/signals\"]\n[alert]\nevidence_max = 20\n\
             [[sources]]\nname = \"web\"\ntype = \"kafka\"\nbrokers = [\"{}\"]\ntopics = [\"{TOPIC}\"]\n\
             group = \"{}\"\nkey_is_host = true\nsession_timeout = \"3s\"\n{}",
            self.database,
            self.search.url(),
            self.index,
            self.broker.address(),
            self.index,
            self.more.1,
            of_rules = self.more.0,
            rules = self.folder.path().display(),
        );
        if !path.exists() {
            std::fs::write(&path, text).unwrap();
        }
        path
    }

    fn sql(&self, text: &str) -> String {
        self.server.sql(self.database.rsplit('/').next().unwrap(), text)
    }

    /// A node that gets so much of one core.
    fn start_limited(&mut self, number: usize, share: &Share) {
        let config = self.config(number);
        let mut node = Daemon::spawn_by(&config, &self.data(number), |command| share.wrap(command));
        node.wait_listening(&self.data(number));
        node.wait_ready();
        self.nodes.push(Some(node));
    }

    /// The sum of a column of the books of all shards.
    pub fn books(&self, column: &str) -> i64 {
        let schemas = self.sql(
            "SELECT string_agg(nspname, ' ') FROM pg_namespace WHERE nspname LIKE 'watchfloor\\_shard\\_%'",
        );
        let sums = schemas.split_whitespace().map(|schema| {
            let sum = self.sql(&format!("SELECT coalesce(sum({column}), 0) FROM {schema}.ledger"));
            sum.parse::<i64>().unwrap()
        });
        sums.sum()
    }

    pub fn wait_for(&self, what: &str, records: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.books("stored") < records as i64 {
            assert!(
                Instant::now() < deadline,
                "{what}: {} of {records} stored; {}",
                self.books("stored"),
                self.said()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The ends of the nodes' logs.
    pub fn said(&self) -> String {
        let logs = (0..self.nodes.len()).map(|number| {
            let log = self.config(number).with_extension("log");
            let text = std::fs::read_to_string(log).unwrap_or_default();
            let tail: Vec<&str> = text.lines().rev().take(15).collect();
            format!("node{number}:\n{}\n", tail.into_iter().rev().collect::<Vec<_>>().join("\n"))
        });
        logs.collect()
    }

    /// kill -9, and start again after a while or at once.
    pub fn kill(&mut self, number: usize, pause: Duration) {
        self.nodes[number].take().unwrap().kill();
        std::thread::sleep(pause);
        let node = Daemon::spawn(&self.config(number), &self.data(number));
        self.nodes[number] = Some(node);
    }
}

/// Send everything; every so many pieces one node is killed. What was alerted in the end, and by how many nodes it was read.
fn run(
    nodes: usize,
    kill_every: Option<usize>,
    servers: (&Broker, &SearchNode, &Postgres),
) -> BTreeMap<String, Value> {
    let mut world = World::start(nodes, servers);
    let producer = world.broker.producer();
    let mut lines = Numbers(5);
    let mut chance = Numbers(std::process::id().into());
    let mut kills = 0;
    for piece in 0..PIECES {
        for number in piece * PIECE..(piece + 1) * PIECE {
            let text = line(number, &mut lines);
            let address: usize = text.split([' ', '.']).nth(3).unwrap().parse().unwrap();
            let host = address % HOSTS;
            let partition = host as i32 % PARTITIONS;
            let key = format!("web{host:02}");
            let text = text.trim_end().as_bytes();
            producer.send(TOPIC, partition, Some(key.as_bytes()), Some(text), &[]);
        }
        producer.flush();
        std::thread::sleep(Duration::from_millis(chance.below(120)));
        if kill_every.is_some_and(|every| piece % every == every - 1) && piece + 1 < PIECES {
            let victim = kills % nodes;
            // Sometimes in the middle of what was sent, sometimes after the last owner has caught up.
            if kills % 2 == 1 {
                world.wait_for("before a kill", piece * PIECE);
            }
            world.kill(victim, Duration::from_millis(chance.below(1_500)));
            kills += 1;
        }
    }
    let records = PIECES * PIECE;
    world.wait_for("the end", records);
    for (column, wanted) in [("received", records), ("duplicate", 0), ("rejected", 0)] {
        assert_eq!(world.books(column), wanted as i64, "{column}, {nodes} nodes");
    }
    let owners = world.sql("SELECT count(*) FROM watchfloor.shards WHERE node <> ''");
    assert_eq!(owners, PARTITIONS.to_string(), "a partition without a node");
    assert_eq!(kills > 0, kill_every.is_some());
    let first = world.nodes[0].as_mut().unwrap();
    first.wait_listening(&world.folder.path().join("data0"));
    first.wait_ready();
    // The view of nodes is read every few seconds.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let shown = run_json(&world.config(0), &["status", "--format", "json"]);
        let all = shown["nodes"].as_array().unwrap();
        let shards = all.iter().map(|node| node["shards"].as_array().unwrap().len());
        if all.len() == nodes && shards.sum::<usize>() == PARTITIONS as usize {
            break;
        }
        assert!(Instant::now() < deadline, "{}", shown["nodes"]);
        std::thread::sleep(Duration::from_millis(500));
    }
    let config = world.config(0);
    wait_for_alerts(&config);
    // What was stored a moment ago is found a moment later.
    servers.1.ask(reqwest::Method::POST, "/_refresh", None);
    let found = alerts(&config);
    for node in world.nodes.iter_mut().flatten() {
        node.stop();
    }
    servers.0.delete(TOPIC);
    found
}

/// Wait until the node has seen what the others did.
pub fn wait_for_alerts(config: &Path) {
    let mut last = None;
    for _ in 0..100 {
        let status = run_json(config, &["status", "--format", "json"]);
        let now = status["alerts_count"].clone();
        if last.as_ref() == Some(&now) {
            return;
        }
        last = Some(now);
        std::thread::sleep(Duration::from_millis(1_500));
    }
}

#[test]
fn one_two_and_four_nodes_with_kills_raise_the_same_alerts() {
    let Some(server) = postgres::shared() else { return };
    let Some(broker) = Broker::start("group.min.session.timeout.ms=2000") else { return };
    let Some(search) = SearchNode::start("opensearch") else { return };
    let servers = (&broker, &search, server);
    let expected = run(1, None, servers);
    assert!(expected.len() > 50, "{} alerts are too few to say anything", expected.len());
    for (nodes, every) in [(1, 12), (2, 5), (4, 4)] {
        let found = run(nodes, Some(every), servers);
        for (id, alert) in &expected {
            assert_eq!(found.get(id), Some(alert), "alert {id} differs with {nodes} nodes");
        }
        assert_eq!(found.len(), expected.len(), "more alerts with {nodes} nodes");
    }
}

/// A control group with a share of one core: two cores hold a broker, two databases and several nodes, so more nodes show more
/// work only where each is held to a fixed part of what there is.
struct Share(PathBuf);

impl Share {
    /// `None`: this user may make none.
    fn new(name: &str, percent: u64) -> Option<Share> {
        let name = format!("watchfloor-{}-{name}", std::process::id());
        let old = PathBuf::from("/sys/fs/cgroup/cpu").join(&name);
        let new = PathBuf::from("/sys/fs/cgroup").join(&name);
        let limit = |folder: &Path, file: &str, text: String| {
            std::fs::create_dir(folder).ok()?;
            std::fs::write(folder.join(file), text).ok()?;
            Some(Share(folder.to_owned()))
        };
        limit(&old, "cpu.cfs_quota_us", format!("{}", percent * 1_000))
            .or_else(|| limit(&new, "cpu.max", format!("{} 100000", percent * 1_000)))
    }

    fn wrap(&self, command: Command) -> Command {
        let mut limited = Command::new("sh");
        let text = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", self.0.display());
        limited.args(["-c", &text, "sh"]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => limited.env(name, value),
                None => limited.env_remove(name),
            };
        }
        limited
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        for _ in 0..50 {
            if std::fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Records that lie in the topic are judged by so many nodes, each with a quarter of a core. How long that took, and the alerts.
fn measured(
    nodes: usize,
    records: usize,
    servers: (&Broker, &SearchNode, &Postgres),
) -> Option<(Duration, BTreeMap<String, Value>)> {
    let shares: Vec<Share> =
        (0..nodes).map(|number| Share::new(&number.to_string(), 25)).collect::<Option<_>>()?;
    let mut world = World::start(0, servers);
    for (number, share) in shares.iter().enumerate() {
        world.start_limited(number, share);
    }
    // The partitions are with their owners before there is anything to do.
    std::thread::sleep(Duration::from_secs(8));
    let producer = world.broker.producer();
    let mut lines = Numbers(5);
    for number in 0..records {
        let text = line(number, &mut lines);
        let address: usize = text.split([' ', '.']).nth(3).unwrap().parse().unwrap();
        let host = address % HOSTS;
        let key = format!("web{host:02}");
        let partition = host as i32 % PARTITIONS;
        producer.send(
            TOPIC,
            partition,
            Some(key.as_bytes()),
            Some(text.trim_end().as_bytes()),
            &[],
        );
    }
    let began = Instant::now();
    producer.flush();
    world.wait_for("all of it", records);
    let took = began.elapsed();
    let config = world.config(0);
    wait_for_alerts(&config);
    servers.1.ask(reqwest::Method::POST, "/_refresh", None);
    let found = alerts(&config);
    drop(world.nodes);
    servers.0.delete(TOPIC);
    Some((took, found))
}

#[test]
fn two_nodes_judge_more_than_one_and_the_same() {
    let Some(server) = postgres::shared() else { return };
    let Some(broker) = Broker::start("group.min.session.timeout.ms=2000") else { return };
    let Some(search) = SearchNode::start("opensearch") else { return };
    let servers = (&broker, &search, server);
    let full = std::env::var_os("WATCHFLOOR_TEST_FULL").is_some();
    let records = if full { 40_000 } else { 600 };
    let Some((one, alone)) = measured(1, records, servers) else {
        eprintln!("SKIPPED: no control group with a share of the processor can be made here");
        return;
    };
    let Some((two, both)) = measured(2, records, servers) else { return };
    assert_eq!(both.keys().collect::<Vec<_>>(), alone.keys().collect::<Vec<_>>());
    eprintln!(
        "{records} records, a quarter of a core a node: one {:.1} s, two {:.1} s, ratio {:.2}; {} alerts each",
        one.as_secs_f64(),
        two.as_secs_f64(),
        one.as_secs_f64() / two.as_secs_f64(),
        alone.len()
    );
}

#[test]
fn what_is_decided_about_a_rule_on_one_node_is_in_force_on_the_other() {
    let Some(server) = postgres::shared() else { return };
    let database = server.database();
    let folder = tempfile::tempdir().unwrap();
    let nodes = ["east", "west"].map(|name| {
        let config = folder.path().join(format!("{name}.toml"));
        let text = format!("[store]\nalerts = \"{database}\"\n[node]\nname = \"{name}\"\n");
        std::fs::write(&config, text).unwrap();
        (Daemon::start(&config, &folder.path().join(name)), config)
    });
    let off = |config: &Path| {
        let status = run_json(config, &["status", "--format", "json"]);
        status["rules_off"].as_u64().unwrap()
    };
    let [(_, east), (_, west)] = &nodes;
    let rules = run_json(east, &["rules", "list", "--format", "json"]);
    let id = rules[0]["rule.id"].as_str().unwrap();
    assert_eq!((off(east), off(west)), (0, 0));
    run_text(east, &["rules", "disable", id, "--reason", "a test"]);
    let deadline = Instant::now() + PATIENCE;
    while off(west) != 1 {
        assert!(Instant::now() < deadline, "the other node judges by what was before");
        std::thread::sleep(Duration::from_millis(100));
    }
}
