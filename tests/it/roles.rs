//! A collector and an analyser with a real Kafka broker between them: nothing is lost, nothing is there twice, events are
//! those of direct reading, and nobody is answered before the brokers have the records.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::faults::feeders::{self, Feeder};
use crate::support::daemon::{Daemon, command, run_json, run_ndjson};
use crate::support::free_port;
use crate::support::kafka::Broker;
use crate::support::path::wait_until;
use crate::support::proxy::{Line, Proxy};

const TOPIC: &str = "collected-records";
const PARTITIONS: i32 = 3;
/// Every so many records one is an attack, with a host of its own.
const ATTACK_EVERY: u64 = 10;
/// 2026-11-22T08:00:00Z
const START: i64 = 1_795_334_400;
/// Records in one delivery.
const AT_ONCE: u64 = 4;

const RULE: &str = "title: Marked attack
id: 7c1d1b52-5c6a-4f4b-9a55-0d6b3f0a9e12
status: test
description: A line that this test marks
logsource:
    product: linux
detection:
    selection:
        message|contains: WFATTACK
    condition: selection
level: high
";

fn record(source: &str, number: u64) -> String {
    let at = jiff::Timestamp::from_second(START + number as i64 / 50).unwrap();
    match number % ATTACK_EVERY {
        0 => format!("{at} {source}-{number} app[7]: WFATTACK {source} {number:08}"),
        _ => format!("{at} {source}-host{} app[7]: record {source} {number:08}", number % 3),
    }
}

/// A configuration for a collector and an analyser: one text, two roles.
fn configure(folder: &Path, name: &str, roles: &str, sources: &str, brokers: &str) -> PathBuf {
    let rules = folder.join("rules");
    std::fs::create_dir_all(&rules).unwrap();
    std::fs::write(rules.join("marked.yml"), RULE).unwrap();
    let text = format!(
        "{roles}\n[rules]\npaths = [\"{}\"]\nbudget = 0\n[signals]\npaths = []\n[collect]\nbrokers = [\"{brokers}\"]\n\
         transaction_timeout = \"4s\"\n{sources}\n[[sources]]\nname = \"collected\"\ntype = \"kafka\"\nbrokers = [\"{brokers}\"]\n\
         topics = [\"{TOPIC}\"]\nfrom_collectors = true\nsession_timeout = \"2s\"\n",
        rules.display(),
    );
    let path = folder.join(format!("{name}.toml"));
    std::fs::write(&path, text).unwrap();
    path
}

fn rows(config: &Path) -> BTreeMap<String, serde_json::Value> {
    let status = run_json(config, &["status", "--format", "json"]);
    let rows = status["sources"].as_array().unwrap().iter();
    rows.map(|row| (row["name"].as_str().unwrap().to_owned(), row.clone())).collect()
}

fn stored(config: &Path, source: &str) -> u64 {
    rows(config).get(source).and_then(|row| row["stored"].as_u64()).unwrap_or(0)
}

/// A broker whose clients all come through a line that can be broken.
fn broker_behind_a_line() -> Option<(Broker, Proxy)> {
    let mut line = None;
    let broker = Broker::start_with(|_, port| {
        let proxy = line.insert(Proxy::to(port));
        let extra = format!("advertised.listeners=PLAINTEXT://127.0.0.1:{}", proxy.port);
        vec![("KAFKA_EXTRA".to_owned(), extra)]
    })?;
    Some((broker, line.unwrap()))
}

#[test]
fn what_collectors_take_is_judged_once_through_kills_of_everybody_and_a_broken_line() {
    let Some((broker, line)) = broker_behind_a_line() else { return };
    broker.create(TOPIC, PARTITIONS);
    let folder = tempfile::tempdir().unwrap();
    let feeders = feeders::plain(folder.path());
    let sources: String = feeders.iter().map(|feeder| feeder.config()).collect();
    let brokers = format!("127.0.0.1:{}", line.port);
    let make = |name: &str, roles: &str| {
        configure(folder.path(), name, &format!("roles = {roles}"), &sources, &brokers)
    };
    let collect = make("collect", "[\"collect\"]");
    let analyse = make("analyse", "[\"analyse\", \"export\"]");
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let mut analyser = Daemon::start(&analyse, &two);
    let mut collector = Daemon::start(&collect, &one);

    let end = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let sent: Vec<Arc<AtomicU64>> = feeders.iter().map(|_| Arc::default()).collect();
    let threads: Vec<_> = feeders
        .iter()
        .zip(&sent)
        .map(|(feeder, sent)| {
            let (feeder, sent, end): (Arc<dyn Feeder>, _, _) =
                (Arc::clone(feeder), Arc::clone(sent), Arc::clone(&end));
            std::thread::spawn(move || {
                while !end.load(Ordering::SeqCst) {
                    let first = sent.load(Ordering::SeqCst);
                    let records: Vec<String> =
                        (first..first + AT_ONCE).map(|at| record(feeder.name(), at)).collect();
                    while !feeder.send(first, &records) {
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    sent.fetch_add(AT_ONCE, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(5));
                }
            })
        })
        .collect();
    let progress = |what: &str| {
        let before: Vec<u64> = sent.iter().map(|sent| sent.load(Ordering::SeqCst)).collect();
        wait_until(what, || {
            sent.iter().zip(&before).all(|(sent, before)| sent.load(Ordering::SeqCst) > before + 20)
        });
    };
    progress("records are taken");
    for fault in 0..8 {
        match fault {
            0 | 3 | 5 => {
                collector.kill();
                collector = Daemon::start(&collect, &one);
            }
            1 => {
                line.set(Line::Deaf);
                std::thread::sleep(Duration::from_millis(400));
                line.cut();
                line.set(Line::Open);
            }
            2 => {
                analyser.kill();
                analyser = Daemon::start(&analyse, &two);
            }
            4 => {
                broker.kill();
                // Killed while nobody can say whether its last transaction stands.
                collector.kill();
                collector = Daemon::spawn(&collect, &one);
                std::thread::sleep(Duration::from_millis(300));
                broker.restart();
            }
            6 => {
                line.set(Line::Stall);
                std::thread::sleep(Duration::from_millis(5_500));
                line.cut();
                line.set(Line::Open);
            }
            _ => {
                collector.stop();
                collector = Daemon::start(&collect, &one);
            }
        }
        progress(&format!("records are taken after fault {fault}"));
        eprintln!("fault {fault}: goes on");
    }
    end.store(true, Ordering::SeqCst);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let sent: BTreeMap<&str, u64> = feeders
        .iter()
        .zip(&sent)
        .map(|(it, sent)| (it.name(), sent.load(Ordering::SeqCst)))
        .collect();
    check(&collect, &analyse, &sent);
    drop((collector, analyser));
}

/// Both books balance, and every record and every attack is at the analyser once.
fn check(collect: &Path, analyse: &Path, sent: &BTreeMap<&str, u64>) {
    wait_until("everything is stored", || {
        sent.iter().all(|(source, sent)| {
            stored(collect, source) == *sent && stored(analyse, source) == *sent
        })
    });
    for config in [collect, analyse] {
        let rows = rows(config);
        assert!(rows.values().all(|row| row["balances"] == true), "{rows:#?}");
    }
    let status = run_json(analyse, &["status", "--format", "json"]);
    assert_eq!(status["events"], sent.values().sum::<u64>());
    let events = run_ndjson(analyse, &["events", "search", "", "--limit", "50000"]);
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for event in &events {
        let text = event["message"].as_str().unwrap();
        let mark =
            text.split_whitespace().skip_while(|word| *word != "record" && *word != "WFATTACK");
        *seen.entry(mark.collect::<Vec<_>>().join(" ")).or_default() += 1;
    }
    for (source, sent) in sent {
        for number in 0..*sent {
            let word = if number % ATTACK_EVERY == 0 { "WFATTACK" } else { "record" };
            let mark = format!("{word} {source} {number:08}");
            assert_eq!(seen.get(&mark), Some(&1), "{mark}");
        }
    }
    let alerts =
        run_ndjson(analyse, &["alerts", "list", "--limit", "100000", "--format", "ndjson"]);
    let attacks: u64 = sent.values().map(|sent| sent.div_ceil(ATTACK_EVERY)).sum();
    assert_eq!(alerts.len() as u64, attacks);
    assert!(alerts.iter().all(|alert| alert["count"] == 1), "an alert counts a record twice");
    eprintln!("{sent:?}, {attacks} alerts");
}

/// `POST /ingest`; the status that came, if one came in time.
fn post(port: u16, key: &str, body: &str, patience: Duration) -> Option<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(patience)).ok()?;
    let head = format!(
        "POST /ingest HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: {key}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).ok()?;
    std::str::from_utf8(&answer[9..]).ok()?.parse().ok()
}

fn http(port: u16) -> String {
    format!(
        "[[sources]]\nname = \"http\"\ntype = \"http\"\nlisten = \"127.0.0.1:{port}\"\nauth = \"none\"\nack_timeout = \"2s\"\n"
    )
}

/// Messages in the topic, as a reader of whole transactions sees them.
fn committed_messages(broker: &Broker) -> usize {
    use rdkafka::consumer::{BaseConsumer, Consumer};
    let mut config = broker.client();
    config.set("group.id", "look").set("enable.partition.eof", "true");
    config.set("isolation.level", "read_committed");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut list = rdkafka::TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(TOPIC, partition, rdkafka::Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let (mut ends, mut found) = (0, 0);
    while ends < PARTITIONS {
        match consumer.poll(Duration::from_secs(20)).expect("an answer") {
            Err(rdkafka::error::KafkaError::PartitionEOF(_)) => ends += 1,
            Err(error) => panic!("{error}"),
            Ok(_) => found += 1,
        }
    }
    found
}

#[test]
fn a_sender_is_answered_only_when_the_brokers_have_its_records() {
    let Some(broker) = Broker::start("message.max.bytes=100000") else { return };
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let roles = "roles = [\"collect\"]";
    let config = configure(folder.path(), "collect", roles, &http(port), &broker.address());
    let data = folder.path().join("data");
    let missing = command(&config).arg("serve").arg("--data-dir").arg(&data).output().unwrap();
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert_eq!(missing.status.code(), Some(1), "{said}");
    assert!(said.contains("watchfloor topics create"), "{said}");
    broker.create(TOPIC, PARTITIONS);

    let _daemon = Daemon::start(&config, &data);
    let body: String = (0..10).map(|number| record("http", number) + "\n").collect();
    let long = Duration::from_secs(20);
    // A broker that has just made its topic may not have leaders yet.
    wait_until("the first answer", || post(port, "one", &body, long) == Some(200));
    assert_eq!(committed_messages(&broker), 10);
    assert_eq!(post(port, "one", &body, long), Some(200));
    assert_eq!(committed_messages(&broker), 10, "a repeat is known");

    broker.kill();
    assert_eq!(post(port, "two", &body, long), Some(503), "nobody has it");
    let health = || {
        // Its exit code says that it is not well.
        let output = command(&config).args(["status", "--format", "json"]).output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()["status"].clone()
    };
    wait_until("somebody is told", || health() == "unhealthy");
    broker.restart();
    wait_until("an answer", || post(port, "two", &body, long) == Some(200));
    assert_eq!(committed_messages(&broker), 20);

    // More than a broker takes: kept here with the reason, the rest goes on.
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'!' + (state >> 33) as u8 % 90)
    });
    let huge: String = noise.take(300_000).collect();
    let body = format!("{}\n{huge}\n{}\n", record("http", 1), record("http", 2));
    assert_eq!(post(port, "three", &body, long), Some(200));
    assert_eq!(committed_messages(&broker), 22);
    wait_until("the books", || rows(&config)["http"]["rejected"] == 1);
    let row = &rows(&config)["http"];
    assert!(row["balances"] == true, "{row}");
    assert_eq!(row["stored"], 22, "{row}");
    let rejects = run_ndjson(&config, &["rejects", "list", "--format", "ndjson"]);
    assert_eq!(rejects[0]["reason"], "too_long", "{rejects:#?}");
}

/// What differs between two readings of the same record: when it was read.
fn events(config: &Path) -> Vec<serde_json::Value> {
    let mut events = run_ndjson(config, &["events", "search", "", "--limit", "50000"]);
    for event in &mut events {
        if let Some(inner) = event.get_mut("event").and_then(|inner| inner.as_object_mut()) {
            inner.remove("ingested");
        }
        event.as_object_mut().unwrap().remove("event.ingested");
    }
    events.retain(|event| !event.to_string().contains("192.0.2.99"));
    events.sort_by_key(|event| event["event"]["id"].as_str().unwrap_or_default().to_owned());
    events
}

#[test]
fn events_of_collected_records_are_those_of_direct_reading() {
    let Some(broker) = Broker::start("") else { return };
    broker.create(TOPIC, PARTITIONS);
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("web07").join("auth.log");
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    let mut text = String::new();
    for number in 0..40 {
        // No year, and no host of their own: both come from the source.
        text += &format!(
            "Nov 22 08:00:{number:02} sshd[{number}]: Failed password for root from 203.0.113.7 port 4022 ssh2\n"
        );
        text += &format!(
            "type=USER_LOGIN msg=audit(1795334400.{number:03}:{number}): pid=1 uid=0 auid=0 ses=1 msg='op=login acct=\"root\" exe=\"/usr/sbin/sshd\" hostname=? addr=192.0.2.1 terminal=ssh res=failed'\n"
        );
    }
    // What waits for more records of its event is closed by a later one; that one is left out below.
    text += "type=USER_LOGIN msg=audit(1795334500.000:999): pid=1 uid=0 auid=0 ses=1 msg='op=login acct=\"root\" exe=\"/usr/sbin/sshd\" hostname=? addr=192.0.2.99 terminal=ssh res=failed'\n";
    std::fs::write(&log, text).unwrap();
    let port = free_port();
    let sources = format!(
        "[[sources]]\nname = \"web\"\npaths = [\"{}\"]\nhost_from_path = 1\nlabels = {{ tenant = \"acme\", environment = \"prod\" }}\n{}",
        log.display(),
        http(port)
    );
    let address = broker.address();
    let make = |name: &str, roles: &str| configure(folder.path(), name, roles, &sources, &address);
    let lines: String = (1..9).map(|number| record("http", number) + "\n").collect();
    let read = |config: &Path| {
        let mut found = Vec::new();
        wait_until("all events", || {
            found = events(config);
            found.len() == 88
        });
        found
    };
    let send = || assert_eq!(post(port, "one", &lines, Duration::from_secs(20)), Some(200));

    // Nothing is in the topic yet, so the Kafka source of the first adds nothing.
    let direct = make("direct", "");
    let daemon = Daemon::start(&direct, &folder.path().join("direct"));
    send();
    let wanted = read(&direct);
    drop(daemon);
    let collect = make("collect", "roles = [\"collect\"]");
    let analyse = make("analyse", "roles = [\"analyse\"]");
    let _collector = Daemon::start(&collect, &folder.path().join("collect"));
    let _analyser = Daemon::start(&analyse, &folder.path().join("analyse"));
    send();
    let found = read(&analyse);
    for (found, wanted) in found.iter().zip(&wanted) {
        let same = without_peer(found) == without_peer(wanted);
        assert!(same, "collected: {found:#}\ndirect: {wanted:#}");
    }
    // The same delivery by another collector is known.
    let other = make("other", "roles = [\"collect\"]").with_extension("toml");
    let text = std::fs::read_to_string(&other).unwrap();
    let again = free_port();
    std::fs::write(
        &other,
        text.replace(&port.to_string(), &again.to_string()).replace("web07", "no"),
    )
    .unwrap();
    let _other = Daemon::start(&other, &folder.path().join("other"));
    assert_eq!(post(again, "one", &lines, Duration::from_secs(20)), Some(200));
    wait_until("the repeat is counted", || rows(&analyse)["http"]["duplicate"] == 8);
    assert_eq!(events(&analyse).len(), 88);
}

/// A connection's port is another each time.
fn without_peer(event: &serde_json::Value) -> String {
    let mut event = event.clone();
    if event["watchfloor.source"] == "http" || event["watchfloor"]["source"] == "http" {
        event["log.file.path"] = serde_json::Value::Null;
        event["log"]["file"] = serde_json::Value::Null;
    }
    event.to_string()
}
