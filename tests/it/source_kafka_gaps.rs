//! Missing offsets against a real broker: what was deleted is named exactly, markers and repeats are not, and a node that
//! was killed has its partitions again.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rdkafka::admin::{NewTopic, TopicReplication};
use serde_json::Value;

use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, run_json, run_ndjson};
use crate::support::kafka::Broker;
use crate::support::path::wait_until;

const TOPIC: &str = "linux-auditd-logs";

fn line(number: usize) -> String {
    let at = jiff::Timestamp::from_second(1_795_334_400 + number as i64).unwrap();
    format!(
        "{at} web01 sshd[{}]: Failed password for root from 203.0.113.7 port 4022 ssh2",
        number + 1
    )
}

/// A node with a store of its own.
struct Node {
    folder: tempfile::TempDir,
    config: PathBuf,
}

impl Node {
    fn new(sources: &[String]) -> Node {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("watchfloor.toml");
        let head = "[rules]\npaths = []\n[signals]\npaths = []\n[gaps]\ngrace = \"1s\"\n";
        std::fs::write(&config, format!("{head}{}", sources.concat())).unwrap();
        Node { folder, config }
    }

    fn start(&self) -> Daemon {
        Daemon::start(&self.config, &self.folder.path().join("data"))
    }

    fn source(&self, name: &str) -> Value {
        let status = run_json(&self.config, &["status", "--format", "json"]);
        let all = status["sources"].as_array().unwrap();
        all.iter().find(|row| row["name"] == name).cloned().unwrap_or_default()
    }

    fn wait_stored(&self, name: &str, records: usize) {
        wait_until("the records", || self.source(name)["stored"].as_u64() >= Some(records as u64));
        assert_eq!(self.source(name)["stored"], records as u64);
    }

    /// Stream and number of all that is missing, waited for or not.
    fn missing(&self, name: &str) -> BTreeSet<(String, i64)> {
        let arguments = ["gaps", "list", "--waiting", "--source", name, "--format", "ndjson"];
        let rows = run_ndjson(&self.config, &arguments);
        let each = rows.iter().flat_map(|row| {
            let stream = row["name"].as_str().unwrap().to_owned();
            let range = row["from"].as_i64().unwrap()..=row["to"].as_i64().unwrap();
            range.map(move |number| (stream.clone(), number))
        });
        each.collect()
    }

    fn alerts(&self) -> Vec<String> {
        let rows = run_ndjson(&self.config, &["alerts", "list", "--format", "ndjson"]);
        rows.iter().map(|row| row["rule.name"].as_str().unwrap().to_owned()).collect()
    }

    fn wait_alerts(&self, wanted: usize) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        while self.alerts().len() < wanted && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(100));
        }
        self.alerts()
    }
}

fn source(name: &str, broker: &Broker, topic: &str, more: &str) -> String {
    format!(
        "[[sources]]\nname = \"{name}\"\ntype = \"kafka\"\nbrokers = [\"{}\"]\ntopics = [\"{topic}\"]\n\
         group = \"{name}\"\nsession_timeout = \"6s\"\nmetadata_every = \"1s\"\n{more}\n",
        broker.address()
    )
}

fn numbers(stream: &str, numbers: impl IntoIterator<Item = i64>) -> BTreeSet<(String, i64)> {
    numbers.into_iter().map(|number| (stream.to_owned(), number)).collect()
}

#[test]
fn offsets_that_the_broker_deleted_unread_are_named_exactly_and_a_topic_that_is_made_again_misses_none()
 {
    let Some(broker) = Broker::start("") else { return };
    broker.create(TOPIC, 2);
    let node = Node::new(&[source("k", &broker, TOPIC, "complete = true")]);
    let feeder = broker.producer();
    let send = |from: usize, to: usize| {
        for number in from..to {
            // A tombstone and an empty message have offsets and are no records.
            match number % 50 {
                7 => feeder.send(TOPIC, 0, Some(b"k"), None, &[]),
                8 => feeder.send(TOPIC, 0, None, Some(b" "), &[]),
                _ => feeder.text(TOPIC, 0, &line(number)),
            }
            feeder.text(TOPIC, 1, &line(10_000 + number));
        }
        feeder.flush();
    };
    send(0, 200);
    let mut daemon = node.start();
    node.wait_stored("k", 392);
    daemon.stop();
    // Nobody reads while these come and go; 200 to 249 of one partition are deleted, and one message of the other.
    send(200, 300);
    broker.delete_records(TOPIC, 0, 250);
    broker.delete_records(TOPIC, 1, 201);
    let mut daemon = node.start();
    node.wait_stored("k", 392 + 48 + 99);
    let stream = format!("{TOPIC}/0");
    let mut wanted = numbers(&stream, 200..250);
    wanted.extend(numbers(&format!("{TOPIC}/1"), [200]));
    assert_eq!(node.missing("k"), wanted);
    let mut titles = node.wait_alerts(2);
    titles.sort();
    let title = |partition: i32, count: i32, to: i32| {
        format!("records missing on {TOPIC}/{partition}: {count} between 199 and {to}")
    };
    assert_eq!(titles, [title(0, 50, 250), title(1, 1, 201)]);
    assert_eq!(node.source("k")["numbers"]["deleted_unread"], 51);

    // The same name, other messages: their offsets begin again and nothing of them is missing.
    daemon.stop();
    broker.delete(TOPIC);
    wait_until("the end of the topic", || !broker.topics().contains_key(TOPIC));
    broker.create(TOPIC, 2);
    let feeder = broker.producer();
    (0..20).for_each(|number| feeder.text(TOPIC, 0, &line(20_000 + number)));
    feeder.flush();
    let mut daemon = node.start();
    node.wait_stored("k", 392 + 48 + 99 + 20);
    assert_eq!(node.missing("k"), wanted);
    let arguments = ["gaps", "list", "--streams", "--format", "ndjson"];
    let streams = run_ndjson(&node.config, &arguments);
    let anew =
        streams.iter().find(|row| row["name"] == format!("{TOPIC}/0#1")).expect("a new stream");
    assert_eq!((&anew["last"], &anew["missing"]), (&19.into(), &0.into()), "{anew}");
    assert_eq!(node.wait_alerts(2).len(), 2);
    daemon.stop();
}

#[test]
fn compacted_records_are_named_where_offsets_are_numbers_and_markers_of_transactions_are_no_records()
 {
    let Some(broker) = Broker::start("log.cleaner.backoff.ms=200") else { return };
    let settings = NewTopic::new("keyed", 1, TopicReplication::Fixed(1))
        .set("cleanup.policy", "compact")
        .set("min.cleanable.dirty.ratio", "0.001")
        .set("segment.ms", "500");
    broker.create_set(settings);
    broker.create("transactions", 1);
    let feeder = broker.producer();
    let keyed = |key: usize, text: &str| {
        let key = format!("key{key}");
        feeder.send("keyed", 0, Some(key.as_bytes()), Some(text.as_bytes()), &[]);
    };
    (0..200).for_each(|number| keyed(number, &line(number)));
    // These are written once more, so the broker forgets what they were; 20 and 21 lie side by side.
    let rewritten = [20, 21, 33, 57, 58, 59, 101, 150, 198];
    rewritten.iter().for_each(|key| keyed(*key, &line(1_000 + key)));
    feeder.flush();
    let gone = |offset: &i64| rewritten.contains(&(*offset as usize));
    let left: Vec<i64> = (0..209).filter(|offset| !gone(offset)).collect();
    let mut filler = 0;
    wait_until("the compaction", || {
        // Only a segment that is closed is compacted, and one is closed when a message comes after a while.
        std::thread::sleep(Duration::from_millis(300));
        keyed(2_000 + filler, &line(2_000 + filler));
        feeder.flush();
        filler += 1;
        let there = broker.offsets("keyed", 0);
        there.iter().filter(|offset| **offset < 209).eq(left.iter())
    });

    let writer = broker.transactions("writer");
    let texts = |from: usize, count: usize| (from..from + count).map(line).collect::<Vec<_>>();
    for round in 0..6 {
        let commit = round != 3;
        writer.transaction("transactions", &texts(round * 100, 20), commit);
    }
    writer.transaction("transactions", &texts(900, 1), true);
    let both = "complete = true\nnumbered = true";
    let node = Node::new(&[
        source("keyed", &broker, "keyed", both),
        source("careful", &broker, "keyed", "complete = true"),
        source("bus", &broker, "transactions", "complete = true"),
        source("wrong", &broker, "transactions", "numbered = true"),
    ]);
    let mut daemon = node.start();
    node.wait_stored("keyed", left.len() + filler);
    node.wait_stored("careful", left.len() + filler);
    node.wait_stored("bus", 101);
    node.wait_stored("wrong", 101);
    assert_eq!(node.missing("keyed"), numbers("keyed/0", rewritten.iter().map(|key| *key as i64)));
    let titles = node.wait_alerts(1);
    // The first of them begins the episode, and the others join it when they were read a moment later.
    let one = titles.len() == 1 && titles[0].starts_with("records missing on keyed/0: ");
    assert!(one && titles[0].contains(" between 19 and "), "{titles:?}");
    // Nobody said that every offset is a message: neither compaction nor markers are missing records.
    assert_eq!(node.missing("careful"), BTreeSet::new());
    assert_eq!(node.missing("bus"), BTreeSet::new());
    // Five markers before the last message, and the twenty messages that were given up with theirs.
    assert_eq!(node.source("bus")["numbers"]["offsets_without_message"], 26);
    // Whoever says so of a topic with transactions sees them as holes; no alert, as nothing proves the stream.
    assert_eq!(node.missing("wrong").len(), 26);
    assert_eq!(node.alerts().len(), 1);
    daemon.stop();
}

#[test]
fn a_node_with_a_name_of_its_own_has_its_partitions_again_long_before_the_group_gives_it_up() {
    let Some(broker) = Broker::start("") else { return };
    broker.create(TOPIC, 3);
    let feeder = broker.producer();
    let send = |from: usize| {
        (from..from + 300)
            .for_each(|number| feeder.text(TOPIC, (number % 3) as i32, &line(number)));
        feeder.flush();
    };
    // Longer than anything in this test may take.
    let section =
        source("k", &broker, TOPIC, "instance = \"node-{host}\"").replace("\"6s\"", "\"10m\"");
    let node = Node::new(&[section]);
    let daemon = node.start();
    send(0);
    node.wait_stored("k", 300);
    daemon.kill();
    send(300);
    let mut daemon = node.start();
    node.wait_stored("k", 600);
    assert_eq!(node.source("k")["balances"], true);

    // Another process under the same name puts the first one out, which says so.
    let twin = Node::new(&[std::fs::read_to_string(&node.config)
        .unwrap()
        .split_once("[[sources]]")
        .map(|(_, text)| format!("[[sources]]{text}"))
        .unwrap()]);
    let told = || broker.committed("k", TOPIC, 3);
    wait_until("the group's books", || told().iter().sum::<i64>() == 600);
    let mut second = twin.start();
    send(600);
    twin.wait_stored("k", 300);
    wait_until("the complaint", || {
        let status = run_json(&node.config, &["status", "--format", "json"]);
        status.to_string().contains("another member of the group is called")
    });
    second.stop();
    daemon.stop();
}
