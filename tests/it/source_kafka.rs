//! `type = "kafka"` against a real broker: kills of both sides, rebalances, back-pressure, logins, topics by accident.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::support::certificates::certificates;
use crate::support::daemon::{Daemon, command, run_json};
use crate::support::free_port;
use crate::support::kafka::Broker;
use crate::support::path::{self, Books, assert_whole, wait_until};
use crate::support::proxy::Line;

const TOPIC: &str = "linux-auditd-logs";

fn line(number: usize) -> String {
    let at = jiff::Timestamp::from_second(1_795_334_400 + number as i64).unwrap();
    format!(
        "{at} web{:02} sshd[{}]: Failed password for root from 203.0.113.7 port 4022 ssh2",
        number % 3,
        number + 1
    )
}

fn section(broker: &Broker, more: &str) -> String {
    format!(
        "type = \"kafka\"\nbrokers = [\"{}\"]\ntopics = [\"{TOPIC}\"]\nsession_timeout = \"6s\"\n{more}",
        broker.address()
    )
}

fn write_config(folder: &Path, section: &str) -> PathBuf {
    let path = folder.join("watchfloor.toml");
    let text = format!(
        "data_dir = \"{}\"\n[[sources]]\nname = \"k\"\n{section}\n",
        folder.join("data").display()
    );
    std::fs::write(&path, text).unwrap();
    path
}

fn say(config: &Path, arguments: &[&str]) -> (Output, String) {
    let output = command(config).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

#[test]
fn a_misspelt_topic_stops_the_start_and_no_topic_appears_on_a_broker_that_makes_them() {
    let Some(broker) = Broker::start("auto.create.topics.enable=true") else { return };
    broker.create(TOPIC, 6);
    let folder = tempfile::tempdir().unwrap();
    let wrong = section(&broker, "").replace(TOPIC, "linux-audit-logs");
    let config = write_config(folder.path(), &wrong);
    let (output, said) = say(&config, &["serve"]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in
        ["\"linux-audit-logs\"", "did you mean linux-auditd-logs", "watchfloor topics create"]
    {
        assert!(said.contains(part), "no {part}: {said}");
    }
    let (output, said) = say(&config, &["topics", "check", "--configured-only", "--format", "csv"]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(broker.topics().into_keys().collect::<Vec<_>>(), [TOPIC], "a topic appeared");

    // What is missing is made, what is there stays.
    let (output, said) =
        say(&config, &["topics", "create", "--partitions", "3", "--format", "csv"]);
    assert!(output.status.success(), "{said}");
    let made = broker.topics();
    assert_eq!((made.len(), made[TOPIC], made["alerts"]), (9, 6, 3), "{made:?}");
    let (output, said) = say(&config, &["topics", "check"]);
    assert!(output.status.success(), "{said}");
    let (output, _) = say(&config, &["topics", "check", "--partitions", "6", "--format", "ndjson"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("partitions = 6 is wanted"));
    let (_, said) = say(&config, &["serve", "--set", "sources[0].partitions=4"]);
    assert!(said.contains("has 3 partitions where partitions = 4"), "{said}");

    // A topic that goes away while we read is shown and not made again by our questions.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _guard = runtime.enter();
    let books = Books::default();
    let running = path::run(&section(&broker, "metadata_every = \"1s\""), &books).unwrap();
    wait_until("the assignment", || running.context.gauges.get("partitions") == 6);
    broker.delete(TOPIC);
    wait_until("the complaint", || running.said().contains("watchfloor topics create"));
    std::thread::sleep(Duration::from_secs(2));
    running.stop();
    assert!(!broker.topics().contains_key(TOPIC), "it was made again");
}

#[test]
fn every_message_arrives_once_while_we_and_the_broker_are_killed() {
    const MESSAGES: usize = 6_000;
    const PARTITIONS: usize = 3;
    let Some(broker) = Broker::start("") else { return };
    broker.create(TOPIC, PARTITIONS as i32);
    let folder = tempfile::tempdir().unwrap();
    let config = write_config(folder.path(), &section(&broker, ""));
    let data = folder.path().join("data");
    let feeder = broker.producer();
    let mut daemon = Daemon::start(&config, &data);
    for piece in 0..6 {
        let per = MESSAGES / 6;
        for number in piece * per..(piece + 1) * per {
            feeder.text(TOPIC, (number % PARTITIONS) as i32, &line(number));
        }
        if piece == 3 {
            broker.kill();
            broker.restart();
        }
        feeder.flush();
        if piece % 2 == 0 {
            daemon.kill();
            daemon = Daemon::start(&config, &data);
        }
    }
    let mut last = serde_json::Value::Null;
    wait_until("all records", || {
        last = run_json(&config, &["status", "--format", "json"]);
        let count = |name: &str| last["sources"][0][name].as_u64().unwrap_or(0);
        count("stored") + count("rejected") >= MESSAGES as u64
    });
    let row = &last["sources"][0];
    assert_eq!(row["received"], MESSAGES as u64, "{row}");
    assert_eq!((&row["stored"], &row["balances"]), (&MESSAGES.into(), &true.into()), "{row}");
    // The group hears of it; the lag goes to nothing.
    let told = || broker.committed("watchfloor", TOPIC, PARTITIONS as i32);
    wait_until("the group's books", || told().iter().sum::<i64>() == MESSAGES as i64);
    wait_until("the lag", || {
        let status = run_json(&config, &["status", "--format", "json"]);
        status["sources"][0]["numbers"]["lag_total"] == 0
    });
    daemon.stop();
    let search = ["events", "search", "class:logon_failure", "--limit", "100000"];
    let found = crate::support::daemon::run_ndjson(&config, &search);
    let ids: std::collections::BTreeSet<&str> = found
        .iter()
        .filter_map(|event| event["event"]["id"].as_str().or(event["event.id"].as_str()))
        .collect();
    assert_eq!(ids.len(), MESSAGES);
}

#[test]
fn a_member_that_comes_and_goes_takes_nothing_away_and_nothing_comes_twice() {
    const MESSAGES: usize = 4_000;
    let Some(broker) = Broker::start("") else { return };
    broker.create(TOPIC, 6);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _guard = runtime.enter();
    let books = Books::default();
    let feeder = broker.producer();
    let running = path::run(&section(&broker, ""), &books).unwrap();
    for round in 0..4 {
        for number in 0..MESSAGES / 4 {
            feeder.text(TOPIC, (number % 6) as i32, &line(round * 1_000 + number));
        }
        feeder.flush();
        // It reads, tells the group nothing, and goes.
        wait_until("all partitions", || running.context.gauges.get("partitions") == 6);
        let mut other = broker.client();
        other
            .set("group.id", "watchfloor")
            .set("partition.assignment.strategy", "cooperative-sticky");
        other.set("enable.auto.commit", "false").set("auto.offset.reset", "earliest");
        let other: BaseConsumer = other.create().unwrap();
        other.subscribe(&[TOPIC]).unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        while other.assignment().unwrap().count() == 0 && Instant::now() < end {
            let _ = other.poll(Duration::from_millis(100));
        }
        assert!(other.assignment().unwrap().count() > 0, "the other member got nothing");
    }
    wait_until("all records", || books.lock().unwrap().records.len() >= MESSAGES);
    wait_until("all partitions", || running.context.gauges.get("partitions") == 6);
    assert!(running.context.gauges.get("rebalances") >= 8);
    running.stop();
    assert_whole(&books, MESSAGES);
    assert_eq!(broker.committed("watchfloor", TOPIC, 6).iter().sum::<i64>(), MESSAGES as i64);
}

#[test]
fn two_of_us_with_two_stores_share_the_work_and_a_restored_store_reads_again() {
    const MESSAGES: usize = 3_000;
    let Some(broker) = Broker::start("") else { return };
    broker.create(TOPIC, 6);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _guard = runtime.enter();
    let (one, two) = (Books::default(), Books::default());
    let feeder = broker.producer();
    let first = path::run(&section(&broker, ""), &one).unwrap();
    let send = |from: usize| {
        (from..from + MESSAGES / 3).for_each(|n| feeder.text(TOPIC, (n % 6) as i32, &line(n)));
        feeder.flush();
    };
    let count = || one.lock().unwrap().records.len() + two.lock().unwrap().records.len();
    send(0);
    wait_until("the first third", || count() == MESSAGES / 3);
    let second = path::run(&section(&broker, ""), &two).unwrap();
    wait_until("half of the partitions", || second.context.gauges.get("partitions") == 3);
    send(1_000);
    wait_until("the second third", || count() >= MESSAGES / 3 * 2);
    assert!(!two.lock().unwrap().records.is_empty());
    second.stop();
    wait_until("all partitions", || first.context.gauges.get("partitions") == 6);
    send(2_000);
    wait_until("the last third", || count() >= MESSAGES);
    first.stop();
    assert_eq!(count(), MESSAGES, "what the other had made durable was read again");

    // Yesterday's rows: the group is ahead under our own name, and the store has not what lies between.
    let old = Books::default();
    let rows = one.lock().unwrap().rows.clone();
    let number = rows.keys().find(|(_, key)| key == "linux-auditd-logs/0").unwrap().clone();
    old.lock().unwrap().rows = rows;
    old.lock().unwrap().rows.get_mut(&number).unwrap().value = Some("10".to_owned());
    let again = path::run(&section(&broker, ""), &old).unwrap();
    wait_until("what is missing", || old.lock().unwrap().records.len() >= 490);
    again.stop();
    let records = &old.lock().unwrap().records;
    assert!(records.iter().all(|(path, offset, _)| path == "linux-auditd-logs/0" && *offset >= 10));
    assert_eq!(records.len(), 490);
}

#[test]
fn partitions_that_were_paused_when_they_were_lost_are_read_when_they_come_back() {
    let Some((broker, proxy)) = Broker::behind_a_proxy() else { return };
    broker.create(TOPIC, 2);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _guard = runtime.enter();
    let books = Books::default();
    let through = section(&broker, "")
        .replace(&broker.port.to_string(), &proxy.port.to_string())
        .replace("\"6s\"", "\"1s\"");
    let running = path::run(&through, &books).unwrap();
    wait_until("the assignment", || running.context.gauges.get("partitions") == 2);
    running.blocked.store(true, Ordering::Release);
    let feeder = broker.producer();
    // More than what the queues hold.
    let text = "x".repeat(2_000);
    (0..10_000).for_each(|n| feeder.text(TOPIC, (n % 2) as i32, &format!("{} {text}", line(n))));
    feeder.flush();
    wait_until("the pause", || running.context.gauges.get("paused") == 1);
    let rebalances = running.context.gauges.get("rebalances");
    proxy.set(Line::Stall);
    // The group gives up a member that it does not hear.
    std::thread::sleep(Duration::from_secs(3));
    proxy.cut();
    proxy.set(Line::Open);
    wait_until("the partitions again", || {
        let gauges = &running.context.gauges;
        gauges.get("rebalances") >= rebalances + 2 && gauges.get("partitions") == 2
    });
    running.blocked.store(false, Ordering::Release);
    wait_until("all records", || books.lock().unwrap().records.len() >= 10_000);
    running.stop();
    assert_whole(&books, 10_000);
}

#[test]
fn a_path_that_is_blocked_for_long_keeps_its_partitions() {
    let Some(broker) = Broker::start("") else { return };
    broker.create(TOPIC, 2);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _guard = runtime.enter();
    let books = Books::default();
    let running = path::run(&section(&broker, "poll_interval = \"6s\""), &books).unwrap();
    wait_until("the assignment", || running.context.gauges.get("partitions") == 2);
    running.blocked.store(true, Ordering::Release);
    let rebalances = running.context.gauges.get("rebalances");
    let feeder = broker.producer();
    // More than what the queues hold.
    let text = "x".repeat(2_000);
    let send = |from: usize| {
        (from..from + 10_000)
            .for_each(|n| feeder.text(TOPIC, (n % 2) as i32, &format!("{} {text}", line(n))));
        feeder.flush();
    };
    send(0);
    wait_until("the pause", || running.context.gauges.get("paused") == 1);
    // Twice as long as the group waits for a member that asks for nothing.
    std::thread::sleep(Duration::from_secs(13));
    send(10_000);
    wait_until("the lag that is shown", || running.context.gauges.get("lag_total") >= 10_000);
    assert!(running.context.gauges.get("lag_worst") >= 5_000);
    running.blocked.store(false, Ordering::Release);
    wait_until("all records", || books.lock().unwrap().records.len() >= 20_000);
    assert_eq!(
        running.context.gauges.get("rebalances"),
        rebalances,
        "the group gave the partitions away"
    );
    running.stop();
    assert_whole(&books, 20_000);
}

#[test]
fn poison_tombstones_headers_and_topics_that_are_made_again() {
    let Some(broker) = Broker::start("message.max.bytes=4194304") else { return };
    broker.create(TOPIC, 1);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _guard = runtime.enter();
    let books = Books::default();
    let more = "host_header = \"host\"\ntenant_header = \"tenant\"\nkey_is_host = true\nmetadata_every = \"1s\"";
    let mut producer = broker.client();
    producer.set("message.max.bytes", "4194304");
    let feeder = broker.producer();
    feeder.send(TOPIC, 0, Some(b"WEB01"), Some(b"one"), &[]);
    feeder.send(TOPIC, 0, Some(b"WEB01"), None, &[]);
    feeder.send(TOPIC, 0, None, Some(b" \n"), &[]);
    feeder.send(TOPIC, 0, None, Some(b"two\n"), &[("host", "db01"), ("tenant", "acme")]);
    feeder.send(TOPIC, 0, Some(b"\xff\xfe"), Some(b"\xff\x00poison"), &[("host", "a\u{1b}[31m")]);
    feeder.flush();
    let running = path::run(&section(&broker, more), &books).unwrap();
    wait_until("three records", || books.lock().unwrap().records.len() == 3);
    let gauge = |name: &str| running.context.gauges.get(name);
    assert_eq!((gauge("tombstones"), gauge("empty")), (1, 1));
    {
        let books = books.lock().unwrap();
        let bytes: Vec<&[u8]> =
            books.records.iter().map(|(_, _, bytes)| bytes.as_slice()).collect();
        assert_eq!(bytes, [&b"one"[..], b"two", b"\xff\x00poison"]);
        let of = |index: usize| {
            let full: Vec<_> =
                books.batches.iter().filter(|batch| !batch.records.is_empty()).collect();
            let stream = &full[index].stream;
            (stream.host.as_deref().map(str::to_owned), stream.tenant.to_string())
        };
        assert_eq!(of(0), (Some("web01".to_owned()), "default".to_owned()));
        assert_eq!(of(1), (Some("db01".to_owned()), "acme".to_owned()));
        assert_eq!(of(2), (None, "default".to_owned()), "what is no name names nobody");
        assert_eq!(books.rows.values().filter(|row| row.value.as_deref() == Some("5")).count(), 1);
    }
    let first = books.lock().unwrap().batches[0].stream.id;
    // The same name, other messages: their events must not take the ids of the old ones.
    running.stop();
    broker.delete(TOPIC);
    wait_until("the end of the topic", || !broker.topics().contains_key(TOPIC));
    broker.create(TOPIC, 1);
    let feeder = broker.producer();
    feeder.send(TOPIC, 0, None, Some(b"three"), &[]);
    feeder.flush();
    let running = path::run(&section(&broker, more), &books).unwrap();
    wait_until("the new record", || books.lock().unwrap().records.len() == 4);
    wait_until("the note", || running.said().contains("began anew"));
    running.stop();
    let books = books.lock().unwrap();
    assert_eq!(books.records[3].1, 0);
    let last = books.batches.iter().rfind(|batch| !batch.records.is_empty()).unwrap();
    assert_ne!(last.stream.id, first);
}

fn secured(folder: &Path, port: u16, others: u16) -> Vec<(String, String)> {
    let (folder, sasl, ssl) = (folder.display(), others, others + 1);
    let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
    let extra = format!(
        "listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{},SASL_SSL://127.0.0.1:{sasl},SSL://127.0.0.1:{ssl}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL_SSL://localhost:{sasl},SSL://localhost:{ssl}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"secret\";
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config={scram}
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={scram}
listener.name.sasl_ssl.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\";
ssl.keystore.type=PEM
ssl.keystore.location={folder}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
ssl.client.auth=none
listener.name.ssl.ssl.client.auth=required",
        port + 1
    );
    let scram = "--add-scram SCRAM-SHA-256=[name=bob,password=secret2] --add-scram SCRAM-SHA-512=[name=bob,password=secret2]";
    vec![("KAFKA_EXTRA".to_owned(), extra), ("KAFKA_FORMAT".to_owned(), scram.to_owned())]
}

/// A token without signature, as Kafka's own test validator takes it.
fn token() -> String {
    use base64::Engine as _;
    let encode = |text: String| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let now = jiff::Timestamp::now().as_second();
    let claims = format!("{{\"sub\":\"watchfloor\",\"iat\":{now},\"exp\":{}}}", now + 3_600);
    format!("{}.{}.", encode("{\"alg\":\"none\"}".to_owned()), encode(claims))
}

#[test]
fn logins_and_certificates_of_every_kind_work_and_wrong_ones_are_trouble_that_heals() {
    let others = free_port();
    let Some(broker) = Broker::start_with(|folder, port| {
        certificates(folder);
        secured(folder, port, others)
    }) else {
        return;
    };
    broker.create(TOPIC, 1);
    let feeder = broker.producer();
    (0..10).for_each(|number| feeder.text(TOPIC, 0, &line(number)));
    feeder.flush();
    let folder = broker.folder();
    let at = |name: &str| folder.join(name).display().to_string();
    for (name, secret) in [("alice", "secret\n"), ("bob", "secret2"), ("wrong", "nonsense")] {
        std::fs::write(folder.join(name), secret).unwrap();
    }
    std::fs::write(folder.join("token"), token()).unwrap();
    let tls = format!("tls = true\ntls_ca = \"{}\"\n", at("ca.pem"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _guard = runtime.enter();
    let run = |port: u16, group: &str, more: &str| {
        let books = Books::default();
        let text = section(&broker, &format!("{tls}{more}\ngroup = \"{group}\""));
        let text = text.replace(&broker.address(), &format!("localhost:{port}"));
        (path::run(&text, &books).unwrap(), books)
    };
    let login = |how: &str, user: &str, file: &str| {
        format!("sasl = \"{how}\"\nuser = \"{user}\"\npassword = {{ file = \"{}\" }}", at(file))
    };
    let mutual = format!("tls_cert = \"{}\"\ntls_key = \"{}\"", at("us.crt"), at("us.key"));
    let bearer = format!("sasl = \"oauthbearer\"\ntoken = {{ file = \"{}\" }}", at("token"));
    let good = [
        (others, login("plain", "alice", "alice")),
        (others, login("scram-sha-256", "bob", "bob")),
        (others, login("scram-sha-512", "bob", "bob")),
        (others, bearer),
        (others + 1, mutual),
    ];
    for (number, (port, more)) in good.iter().enumerate() {
        let (running, books) = run(*port, &format!("good{number}"), more);
        wait_until(more, || {
            books.lock().unwrap().records.len() == 10 || !running.said().is_empty()
        });
        assert_eq!(running.said(), "", "{more}");
        running.stop();
    }
    // The start goes on: a password can be set right on the other side.
    let (running, books) = run(others, "bad1", &login("plain", "alice", "wrong"));
    wait_until("the complaint", || running.said().to_lowercase().contains("authentication"));
    assert!(!running.said().contains("nonsense"));
    running.stop();
    let (running, _) = run(others + 1, "bad2", "");
    wait_until("the complaint", || running.said().contains("does not answer"));
    running.stop();
    assert!(books.lock().unwrap().records.is_empty());
}

#[test]
fn a_broker_that_is_not_there_at_the_start_is_waited_for() {
    let Some(broker) = Broker::start("") else { return };
    broker.create(TOPIC, 1);
    let feeder = broker.producer();
    (0..10).for_each(|number| feeder.text(TOPIC, 0, &line(number)));
    feeder.flush();
    broker.kill();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _guard = runtime.enter();
    let books = Books::default();
    let running = path::run(&section(&broker, ""), &books).unwrap();
    assert!(running.said().contains("does not answer"), "{}", running.said());
    broker.restart();
    wait_until("all records", || books.lock().unwrap().records.len() == 10);
    wait_until("the all-clear", || running.said().is_empty());
    running.stop();

    // From the end: what was there before is not read, also when nothing came before the restart.
    let late = Books::default();
    let more = section(&broker, "group = \"late\"\nfrom = \"end\"");
    let running = path::run(&more, &late).unwrap();
    wait_until("the place", || late.lock().unwrap().rows.len() == 1);
    running.stop();
    let feeder = broker.producer();
    feeder.text(TOPIC, 0, "eleven");
    feeder.flush();
    let running = path::run(&more, &late).unwrap();
    wait_until("the record", || !late.lock().unwrap().records.is_empty());
    running.stop();
    assert_eq!(late.lock().unwrap().records[0].1, 10);

    // A stop does not wait for a broker that is gone.
    let running = path::run(&more, &late).unwrap();
    wait_until("the assignment", || running.context.gauges.get("partitions") == 1);
    broker.kill();
    wait_until("the complaint", || running.said().contains("does not answer"));
    running.stop();
}

#[test]
fn a_leader_that_dies_costs_nothing() {
    if std::env::var_os("WATCHFLOOR_TEST_FULL").is_none() {
        eprintln!("SKIPPED: three brokers take WATCHFLOOR_TEST_FULL=1");
        return;
    }
    const MESSAGES: usize = 6_000;
    let Some(brokers) = Broker::cluster() else { return };
    brokers[0].create_copied(TOPIC, 6, 3);
    let all = brokers
        .iter()
        .map(|broker| format!("\"{}\"", broker.address()))
        .collect::<Vec<_>>()
        .join(", ");
    let section = section(&brokers[0], "").replace(&format!("\"{}\"", brokers[0].address()), &all);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _guard = runtime.enter();
    let books = Books::default();
    let running = path::run(&section, &books).unwrap();
    let feeder = brokers[2].producer();
    let send = |from: usize, to: usize| {
        (from..to).for_each(|number| feeder.text(TOPIC, (number % 6) as i32, &line(number)));
    };
    send(0, MESSAGES / 3);
    feeder.flush();
    for (round, broker) in brokers[..2].iter().enumerate() {
        broker.kill();
        send(MESSAGES / 3 * (round + 1), MESSAGES / 3 * (round + 2));
        feeder.flush();
        broker.restart();
    }
    wait_until("all records", || books.lock().unwrap().records.len() >= MESSAGES);
    running.stop();
    assert_whole(&books, MESSAGES);
}

#[test]
fn what_a_killed_node_left_open_of_a_quiet_partition_becomes_an_event() {
    let Some(broker) = Broker::start("group.min.session.timeout.ms=1000") else { return };
    broker.create(TOPIC, 1);
    let folder = tempfile::tempdir().unwrap();
    let section = section(&broker, "format = \"auditd\"\nhost = \"web01\"\n");
    let config = write_config(folder.path(), &section.replace("\"6s\"", "\"1s\""));
    let data = folder.path().join("data");
    let daemon = Daemon::start(&config, &data);
    let source = || run_json(&config, &["status", "--format", "json"])["sources"][0].clone();
    let feeder = broker.producer();
    let record = "type=SYSCALL msg=audit(1795334400.123:77): arch=c000003e syscall=59 success=yes exit=0 ppid=1 pid=2 uid=0 comm=\"id\" exe=\"/usr/bin/id\"";
    feeder.text(TOPIC, 0, record);
    feeder.flush();
    // An event may have more records, so this one waits for two seconds.
    wait_until("the open record", || source()["in_flight"] == 1);
    daemon.kill();
    let _daemon = Daemon::start(&config, &data);
    wait_until("its event", || source()["in_flight"] == 0 && source()["events"] == 1);
    assert_eq!(source()["stored"], 1, "{}", source());
}
