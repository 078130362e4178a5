//! `type = "amqp"` against a real RabbitMQ: kills of both sides, redelivery with and without ids, queues by accident, TLS.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::Ordering;

use crate::support::certificates::certificates;
use crate::support::daemon::{Daemon, command, run_json};
use crate::support::path::{self, Books, wait_until};
use crate::support::rabbitmq::{Rabbit, publish};

fn section(rabbit: &Rabbit, queue: &str) -> String {
    format!("type = \"amqp\"\nurl = \"{}\"\nqueue = \"{queue}\"", rabbit.url())
}

fn line(number: usize) -> String {
    let at = jiff::Timestamp::from_second(1_795_334_400 + number as i64).unwrap();
    format!(
        "{at} web{:02} sshd[{}]: Failed password for root from 203.0.113.7 port 4022 ssh2",
        number % 3,
        number + 1
    )
}

fn bodies(books: &Books) -> Vec<String> {
    let books = books.lock().unwrap();
    books.records.iter().map(|(_, _, bytes)| String::from_utf8(bytes.clone()).unwrap()).collect()
}

#[test]
fn every_message_becomes_one_event_while_we_and_the_broker_are_killed() {
    const MESSAGES: usize = 1_200;
    let Some(rabbit) = Rabbit::start(|_| String::new()) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (config, data) = (folder.path().join("watchfloor.toml"), folder.path().join("data"));
    let text = format!("[[sources]]\nname = \"q\"\n{}\nprefetch = 50\n", section(&rabbit, "logs"));
    std::fs::write(&config, text).unwrap();

    // A queue that is not there stops the start and is not made.
    let output = command(&config).args(["serve", "--data-dir"]).arg(&data).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("queue \"logs\"") && said.contains("declare = true"), "{said}");
    assert_eq!(runtime.block_on(rabbit.waiting("logs")), None);

    let (mut connection, mut channel) = runtime.block_on(rabbit.channel());
    runtime.block_on(rabbit.declare(&channel, "logs"));
    let mut daemon = Daemon::start(&config, &data);
    for piece in 0..6 {
        let per = MESSAGES / 6;
        for number in piece * per..(piece + 1) * per {
            // Every other message has an id; bodies are all different, times of day in them.
            let id = (number % 2 == 0).then(|| format!("m{number}"));
            runtime.block_on(publish(&channel, "logs", &line(number), id.as_deref()));
        }
        if piece == 3 {
            drop((channel, connection));
            rabbit.kill();
            rabbit.restart();
            (connection, channel) = runtime.block_on(rabbit.channel());
        }
        if piece % 2 == 0 {
            daemon.kill();
            daemon = Daemon::start(&config, &data);
        }
    }
    drop(connection);
    let mut row = serde_json::Value::Null;
    wait_until("all records", || {
        row = run_json(&config, &["status", "--format", "json"])["sources"][0].clone();
        row["stored"].as_u64().unwrap_or(0) >= MESSAGES as u64
    });
    wait_until("an empty queue", || runtime.block_on(rabbit.waiting("logs")) == Some(0));
    row = run_json(&config, &["status", "--format", "json"])["sources"][0].clone();
    assert_eq!((&row["stored"], &row["balances"]), (&MESSAGES.into(), &true.into()), "{row}");
    daemon.stop();
    assert_eq!(runtime.block_on(rabbit.waiting("logs")), Some(0), "something was not answered");
    let search = ["events", "search", "class:logon_failure", "--limit", "100000"];
    let found = crate::support::daemon::run_ndjson(&config, &search);
    let ids: BTreeSet<&str> = found
        .iter()
        .filter_map(|event| event["event"]["id"].as_str().or(event["event.id"].as_str()))
        .collect();
    assert_eq!(ids.len(), MESSAGES);
}

#[test]
fn honest_repeats_count_and_what_the_broker_brings_again_does_not() {
    let Some(rabbit) = Rabbit::start(|_| String::new()) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _guard = runtime.enter();
    let (_connection, channel) = runtime.block_on(rabbit.channel());
    runtime.block_on(async {
        rabbit.declare(&channel, "logs").await;
        for body in ["same", "same", " ", "other"] {
            publish(&channel, "logs", body, None).await;
        }
        publish(&channel, "logs", "with id", Some("1")).await;
        publish(&channel, "logs", "with id", Some("1")).await;
        publish(&channel, "logs", "another body under the id", Some("1")).await;
    });
    let books = Books::default();
    let running = path::run(&section(&rabbit, "logs"), &books).unwrap();
    wait_until("the records", || {
        let books = books.lock().unwrap();
        books.records.len() + books.repeats >= 6
    });
    assert_eq!(bodies(&books), ["same", "same", "other", "with id", "another body under the id"]);
    assert_eq!((books.lock().unwrap().repeats, running.context.gauges.get("empty")), (1, 1));
    wait_until("an empty queue", || runtime.block_on(rabbit.waiting("logs")) == Some(0));

    // The broker dies while nothing is answered: all of it comes again and is known.
    running.blocked.store(true, Ordering::Release);
    std::thread::sleep(std::time::Duration::from_millis(100));
    runtime.block_on(async {
        for number in 0..20 {
            publish(&channel, "logs", &format!("late {}", number / 2), None).await;
        }
    });
    wait_until("messages under way", || runtime.block_on(rabbit.waiting("logs")) == Some(0));
    // The broker writes down what it delivered a little later; killed before, it brings it as if for the first time.
    std::thread::sleep(std::time::Duration::from_secs(3));
    rabbit.kill();
    rabbit.restart();
    running.blocked.store(false, Ordering::Release);
    wait_until("the end", || running.context.gauges.get("redelivered") >= 20);
    wait_until("an empty queue", || runtime.block_on(rabbit.waiting("logs")) == Some(0));
    wait_until("nothing under way", || running.context.gauges.get("unanswered") == 0);
    assert_eq!(running.said(), "");
    running.stop();
    let late = bodies(&books).into_iter().filter(|body| body.starts_with("late")).count();
    assert_eq!(late, 20, "each once, the equal ones twice");
}

#[test]
fn a_wrong_login_is_trouble_and_tls_is_checked() {
    let Some(rabbit) = Rabbit::start(|folder| {
        certificates(folder);
        for name in ["ca.pem", "broker.crt", "broker.key"] {
            let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
            std::fs::set_permissions(folder.join(name), readable).unwrap();
        }
        let port = crate::support::free_port();
        std::fs::write(folder.join("tls_port"), port.to_string()).unwrap();
        let at = |name: &str| folder.join(name).display().to_string();
        format!(
            "listeners.ssl.1 = 127.0.0.1:{port}\nssl_options.cacertfile = {}\nssl_options.certfile = {}\n\
             ssl_options.keyfile = {}\nssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true",
            at("ca.pem"),
            at("broker.crt"),
            at("broker.key")
        )
    }) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _guard = runtime.enter();
    let (_connection, channel) = runtime.block_on(rabbit.channel());
    runtime.block_on(async {
        rabbit.declare(&channel, "logs").await;
        publish(&channel, "logs", "one", None).await;
    });
    let folder: &Path = rabbit.folder();
    let books = Books::default();
    std::fs::write(folder.join("wrong"), "nonsense").unwrap();
    let more = format!("\npassword = {{ file = \"{}\" }}", folder.join("wrong").display());
    let running = path::run(&(section(&rabbit, "logs") + &more), &books).unwrap();
    wait_until("the complaint", || {
        running.said().contains("ACCESS_REFUSED") || running.said().contains("refused")
    });
    assert!(!running.said().contains("nonsense"), "{}", running.said());
    running.stop();

    let port = std::fs::read_to_string(folder.join("tls_port")).unwrap();
    let at = |name: &str| folder.join(name).display().to_string();
    let tls = |more: &str| {
        format!("type = \"amqp\"\nqueue = \"logs\"\nurl = \"amqps://localhost:{port}\"\n{more}")
    };
    let running = path::run(&tls(""), &books).unwrap();
    assert!(!running.said().is_empty(), "an unknown authority was taken");
    running.stop();
    let mutual = format!(
        "tls_ca = \"{}\"\ntls_cert = \"{}\"\ntls_key = \"{}\"",
        at("ca.pem"),
        at("us.crt"),
        at("us.key")
    );
    let running = path::run(&tls(&mutual), &books).unwrap();
    wait_until("the record", || {
        books.lock().unwrap().records.len() == 1 || !running.said().is_empty()
    });
    assert_eq!(running.said(), "");
    running.stop();
}
