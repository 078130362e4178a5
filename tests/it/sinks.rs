//! `[[sinks]]`: our own stream on a real Kafka broker and at another `/ingest`, with kills in between, and none by default.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;

use crate::support::daemon::{Daemon, command, run_json, run_ndjson};
use crate::support::http::Site;
use crate::support::kafka::Broker;
use crate::support::path::wait_until;

const LINES: usize = 3_000;

/// A burst of failed logins from few addresses, so that there are alerts too.
fn write_logs(folder: &Path, from: usize, count: usize) {
    let path = folder.join("auth.log");
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    for number in from..from + count {
        let at = jiff::Timestamp::from_second(1_795_334_400 + number as i64 / 4).unwrap();
        let pid = number + 1;
        writeln!(
            file,
            "{at} web{:02} sshd[{pid}]: Failed password for root from 203.0.113.7 port 4022 ssh2",
            number % 3
        )
        .unwrap();
    }
}

fn config(folder: &Path, sinks: &str) -> std::path::PathBuf {
    let path = folder.join("watchfloor.toml");
    let text = format!(
        "[[sources]]\nname = \"auth\"\npaths = [\"{}/auth.log\"]\nlabels = {{ environment = \"prod\" }}\n\
         [[sources]]\nname = \"lab\"\npaths = [\"{}/lab.log\"]\nlabels = {{ environment = \"lab\" }}\n{sinks}\n",
        folder.display(),
        folder.display()
    );
    std::fs::write(&path, text).unwrap();
    path
}

fn number(config: &Path, sink: &str, name: &str) -> i64 {
    let status = run_json(config, &["status", "--format", "json"]);
    let rows = status["sources"].as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == sink);
    row.and_then(|row| row["numbers"][name].as_i64()).unwrap_or(0)
}

/// Everything that stands in a topic: (partition, key, id, schema, document).
fn read_all(broker: &Broker, topic: &str) -> Vec<(i32, String, String, String, serde_json::Value)> {
    let mut config = broker.client();
    config
        .set("group.id", "reader")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "earliest");
    let consumer: BaseConsumer = config.create().unwrap();
    let partitions = broker.topics()[topic];
    let mut list = rdkafka::TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition as i32, rdkafka::Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let (mut ends, mut found) = (0, Vec::new());
    while ends < partitions {
        match consumer.poll(Duration::from_secs(20)).expect("an answer") {
            Err(rdkafka::error::KafkaError::PartitionEOF(_)) => ends += 1,
            Err(error) => panic!("{error}"),
            Ok(message) => {
                let header = |name: &str| {
                    let found = message
                        .headers()
                        .unwrap()
                        .iter()
                        .find(|header| header.key == name)
                        .unwrap();
                    String::from_utf8(found.value.unwrap().to_vec()).unwrap()
                };
                found.push((
                    message.partition(),
                    String::from_utf8(message.key().unwrap().to_vec()).unwrap(),
                    header("id"),
                    header("schema"),
                    serde_json::from_slice(message.payload().unwrap()).unwrap(),
                ));
            }
        }
    }
    found
}

#[test]
fn events_and_alerts_reach_kafka_while_we_and_the_broker_are_killed() {
    let Some(broker) = Broker::start("auto.create.topics.enable=true") else { return };
    let folder = tempfile::tempdir().unwrap();
    let sink = format!(
        "[[sinks]]\nname = \"soc\"\ntype = \"kafka\"\nbrokers = [\"{}\"]",
        broker.address()
    );
    let config = config(folder.path(), &sink);
    let data = folder.path().join("data");
    let output = command(&config).args(["serve", "--data-dir"]).arg(&data).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("watchfloor topics create"), "{said}");
    assert!(broker.topics().is_empty(), "a topic appeared");
    let made = command(&config).args(["topics", "create", "--configured-only"]).output().unwrap();
    assert!(made.status.success());

    let mut daemon = Daemon::start(&config, &data);
    for piece in 0..3 {
        write_logs(folder.path(), piece * LINES / 3, LINES / 3);
        wait_until("something on its way", || number(&config, "sink soc", "events_sent") > 0);
        match piece {
            0 => {
                daemon.kill();
                daemon = Daemon::start(&config, &data);
            }
            _ => {
                broker.kill();
                // Nothing waits for a sink.
                wait_until("all stored", || {
                    number_of(&config, "auth") == ((piece + 1) * LINES / 3) as i64
                });
                broker.restart();
            }
        }
    }
    let search = ["events", "search", "class:logon_failure", "--limit", "100000"];
    let stored: BTreeSet<String> = ids(&run_ndjson(&config, &search));
    assert_eq!(stored.len(), LINES);
    let mut sent = Vec::new();
    wait_until("all events", || {
        sent = read_all(&broker, "normalized-endpoint-events");
        sent.iter().map(|row| &row.2).collect::<BTreeSet<_>>().len() == LINES
    });
    assert_eq!(sent.iter().map(|row| row.2.clone()).collect::<BTreeSet<_>>(), stored);
    assert!(sent.iter().all(|row| row.3 == "event_v1" && row.4["host"]["name"].is_string()));
    let mut homes: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
    for row in &sent {
        homes.entry(&row.1).or_default().insert(row.0);
    }
    assert_eq!(
        homes.keys().copied().collect::<Vec<_>>(),
        ["default/web00", "default/web01", "default/web02"]
    );
    assert!(
        homes.values().all(|partitions| partitions.len() == 1),
        "an endpoint stands in two partitions"
    );
    let alerts: BTreeSet<String> = run_ndjson(&config, &["alerts", "list", "--format", "ndjson"])
        .iter()
        .map(|alert| alert["id"].as_str().unwrap().to_owned())
        .collect();
    assert!(!alerts.is_empty());
    wait_until("all alerts", || {
        let sent = read_all(&broker, "alerts");
        sent.iter().map(|row| row.2.clone()).collect::<BTreeSet<_>>() == alerts
    });
    daemon.stop();
}

fn number_of(config: &Path, source: &str) -> i64 {
    let status = run_json(config, &["status", "--format", "json"]);
    let rows = status["sources"].as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == source);
    row.and_then(|row| row["stored"].as_i64()).unwrap_or(0)
}

fn ids(events: &[serde_json::Value]) -> BTreeSet<String> {
    let id = |event: &serde_json::Value| {
        event["event"]["id"].as_str().or(event["event.id"].as_str()).map(str::to_owned)
    };
    events.iter().filter_map(id).collect()
}

/// One request: head lines, body.
type Asked = (Vec<String>, Vec<u8>);

/// An `/ingest` that answers as it is told: 429, 500, 413 for more than 100 lines, half an answer, else 200.
struct Peer {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Peer {
    fn start() -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (kept, turn) = (Arc::clone(&asked), Arc::new(AtomicUsize::new(0)));
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                // A client may keep one connection and open another.
                let (kept, turn) = (Arc::clone(&kept), Arc::clone(&turn));
                std::thread::spawn(move || {
                    let _ = answer(connection.unwrap(), &kept, &turn);
                });
            }
        });
        Peer { port, asked }
    }
}

fn answer(
    connection: TcpStream,
    kept: &Mutex<Vec<Asked>>,
    turn: &AtomicUsize,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut connection = connection;
    loop {
        let (mut head, mut length) = (Vec::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
            head.push(line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let lines = body.iter().filter(|byte| **byte == b'\n').count();
        let status = match turn.fetch_add(1, Ordering::AcqRel) {
            0 => "429 Too Many Requests\r\nRetry-After: 1",
            1 => "500 Internal Server Error",
            _ if lines > 100 => "413 Payload Too Large",
            5 => {
                // Taken, and the answer is lost.
                kept.lock().unwrap().push((head, body));
                return Ok(());
            }
            _ => {
                kept.lock().unwrap().push((head, body));
                "200 OK"
            }
        };
        write!(connection, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")?;
    }
}

#[test]
fn events_are_forwarded_signed_and_chosen_by_label_through_refusals() {
    let peer = Peer::start();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "ingest-key\n").unwrap();
    std::fs::write(folder.path().join("hmac"), "shared-secret\n").unwrap();
    let sink = format!(
        "[[sinks]]\nname = \"up\"\ntype = \"watchfloor\"\nurl = \"http://127.0.0.1:{}\"\n\
         api_key = {{ file = \"{2}/key\" }}\nhmac = {{ file = \"{2}/hmac\" }}\nlabels = {{ environment = \"{1}\" }}",
        peer.port,
        "prod",
        folder.path().display()
    );
    let config = config(folder.path(), &sink);
    let data = folder.path().join("data");
    write_logs(folder.path(), 0, 700);
    std::fs::write(
        folder.path().join("lab.log"),
        "2026-11-22T08:00:00Z lab01 sshd[1]: Failed password for root from 203.0.113.9 port 22 ssh2\n",
    )
    .unwrap();
    let mut daemon = Daemon::start(&config, &data);
    wait_until("all events", || number(&config, "sink up", "events_sent") >= 700);
    wait_until("the one that is not chosen", || {
        number(&config, "sink up", "events_not_chosen") == 1
    });
    assert!(number(&config, "sink up", "failures") >= 2);
    daemon.stop();
    let asked = peer.asked.lock().unwrap();
    let mut by_key: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (head, body) in asked.iter() {
        let header = |name: &str| {
            let prefix = format!("{name}: ");
            let found = head
                .iter()
                .find_map(|line| line.to_lowercase().strip_prefix(&prefix).map(str::to_owned));
            found.unwrap_or_else(|| panic!("no {name}: {head:?}"))
        };
        assert!(head[0].starts_with("POST /ingest "), "{head:?}");
        assert_eq!(header("x-api-key"), "ingest-key");
        assert_eq!(
            header("x-watchfloor-signature"),
            signature(&header("x-watchfloor-timestamp"), &header("idempotency-key"), body)
        );
        by_key.insert(header("idempotency-key"), body.clone());
    }
    assert_eq!(
        by_key.len() + 1,
        asked.len(),
        "the lost answer was asked for again, under the same key"
    );
    let documents: Vec<serde_json::Value> = by_key
        .values()
        .flat_map(|body| body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()))
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!((documents.len(), ids(&documents).len()), (700, 700));
    assert!(documents.iter().all(|event| event["host"]["name"] != "lab01"));
    drop(asked);

    // After a restart nothing goes out again.
    let before = peer.asked.lock().unwrap().len();
    let mut daemon = Daemon::start(&config, &data);
    write_logs(folder.path(), 700, 1);
    wait_until("the new event", || peer.asked.lock().unwrap().len() > before);
    daemon.stop();
    assert_eq!(peer.asked.lock().unwrap().len(), before + 1);
}

/// As `docs/sources/http.md` says, computed here and not by the program's code.
fn signature(timestamp: &str, key: &str, body: &[u8]) -> String {
    use hmac::Mac;
    use sha2::Digest;
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let hash = hex(&sha2::Sha256::digest(body));
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(b"shared-secret").unwrap();
    mac.update(format!("v1\n{timestamp}\nPOST\n/ingest\n{key}\n{hash}").as_bytes());
    format!("v1={}", hex(&mac.finalize().into_bytes()))
}

#[test]
fn another_watchfloor_takes_what_is_forwarded_signed_and_nothing_under_another_secret() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("theirs"), "shared-secret\n").unwrap();
    std::fs::write(folder.path().join("hmac"), "another-secret\n").unwrap();
    let theirs = folder.path().join("theirs");
    let site = Site::start(&format!("hmac_secret = {{ file = \"{}\" }}", theirs.display()), "");
    std::fs::write(folder.path().join("key"), &site.key).unwrap();
    let sink = format!(
        "[[sinks]]\nname = \"up\"\ntype = \"watchfloor\"\nurl = \"{}\"\ntls_ca = \"{}/cert.pem\"\n\
         api_key = {{ file = \"{2}/key\" }}\nhmac = {{ file = \"{2}/hmac\" }}",
        site.base,
        site.folder.path().display(),
        folder.path().display()
    );
    let config = config(folder.path(), &sink);
    write_logs(folder.path(), 0, 300);
    let mut daemon = Daemon::start(&config, &folder.path().join("data"));
    wait_until("a refusal", || number(&config, "sink up", "failures") >= 1);
    assert_eq!(
        site.books()["stored"].as_u64().unwrap_or(0),
        0,
        "nothing is taken under another secret"
    );
    std::fs::write(folder.path().join("hmac"), "shared-secret\n").unwrap();
    wait_until("all events", || number(&config, "sink up", "events_sent") == 300);
    daemon.stop();
    assert_eq!((&site.books()["stored"], &site.books()["events"]), (&300.into(), &300.into()));
}

#[test]
fn a_default_serve_opens_no_connection_to_the_outside() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    write_logs(folder.path(), 0, 100);
    let data = folder.path().join("data");
    let mut daemon = Daemon::start(&config, &data);
    wait_until("the events", || number_of(&config, "auth") == 100);
    // What a process ever asked the system for: sockets of the network, in any state.
    let sockets = network_sockets(daemon.pid());
    assert_eq!(sockets, Vec::<String>::new());
    daemon.stop();

    // The look sees one where there is one.
    let broker = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = broker.local_addr().unwrap().port();
    let held = std::thread::spawn(move || broker.accept().unwrap());
    let sink = format!("[[sinks]]\nname = \"soc\"\nbrokers = [\"127.0.0.1:{port}\"]");
    let config = self::config(folder.path(), &sink);
    let mut daemon = Daemon::spawn(&config, &folder.path().join("data2"));
    let _connection = held.join().unwrap();
    wait_until("the socket", || !network_sockets(daemon.pid()).is_empty());
    daemon.wait_listening(&folder.path().join("data2"));
}

/// Internet sockets of a process: those of its descriptors that stand in the kernel's tables.
fn network_sockets(pid: u32) -> Vec<String> {
    let mut own = BTreeSet::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
        let Ok(target) = std::fs::read_link(entry.unwrap().path()) else { continue };
        let target = target.display().to_string();
        if let Some(inode) = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'))
        {
            own.insert(inode.to_owned());
        }
    }
    let tables = ["tcp", "tcp6", "udp", "udp6"].map(|table| format!("/proc/{pid}/net/{table}"));
    let rows = tables.iter().filter_map(|path| std::fs::read_to_string(path).ok());
    let rows: Vec<String> =
        rows.flat_map(|text| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()).collect();
    rows.into_iter()
        .filter(|row| row.split_whitespace().nth(9).is_some_and(|inode| own.contains(inode)))
        .collect()
}
