//! Bad peers of the sources that listen: they say nonsense, nothing or too little, come by the hundred, or show a wrong
//! certificate. Each costs its own connection and is counted; the others go on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::sources_conformance::{Driver, Stage, assert_once};
use crate::support::PATIENCE;
use crate::support::wire::{Certificates, Forward, Relp, SyslogStream, SyslogUdp, Wire, plain};

fn await_gauge(stage: &Stage, name: &str, least: i64) {
    stage.wait(name, |books| books["numbers"][name].as_i64() >= Some(least));
}

/// The other side closes the connection.
fn is_closed(peer: TcpStream) {
    is_over(&mut { peer });
}

fn is_over(peer: &mut dyn Wire) {
    peer.socket().set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut buffer = [0; 1024];
    loop {
        match peer.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return,
            Err(error) => panic!("not closed: {error}"),
        }
    }
}

fn bad_peers(driver: &mut dyn Driver, nonsense: &str) {
    let bounds = "connections_max = 20\nconnections_peer_max = 10\nstall = \"1s\"\nidle = \"3s\"\n";
    let stage = Stage::new(|port| driver.section(port) + bounds);
    let mut daemon = stage.start();
    // Nonsense is kept with its reason.
    for bytes in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], b"\x16\x03\x01\x02\x00\x01\x00"] {
        let mut peer = plain(stage.port);
        peer.write_all(bytes).unwrap();
        is_closed(peer);
    }
    await_gauge(&stage, nonsense, 2);
    stage.wait("nonsense is kept", |books| books["rejected"] == 2);
    // A message that never ends, drop by drop; and silence.
    let mut slow = plain(stage.port);
    let silent = plain(stage.port);
    let begun =
        if nonsense == "not_relp" { &b"1 open 90 "[..] } else { &b"\x93\xa4conf\xda\x10\x00"[..] };
    slow.write_all(begun).unwrap();
    for _ in 0..15 {
        std::thread::sleep(Duration::from_millis(200));
        if slow.write_all(b"x").is_err() {
            break;
        }
    }
    is_closed(slow);
    is_closed(silent);
    await_gauge(&stage, "closed_stalled", 1);
    await_gauge(&stage, "closed_idle", 1);
    // Hundreds at once: ten of one address are served.
    let flood: Vec<TcpStream> = (0..200).map(|_| plain(stage.port)).collect();
    await_gauge(&stage, "connections_refused", 190);
    drop(flood);
    let deadline = Instant::now() + PATIENCE;
    while stage.gauge("connections") > 0 {
        assert!(Instant::now() < deadline, "connections do not end");
        std::thread::sleep(Duration::from_millis(50));
    }
    // And everybody else is served as before.
    driver.connect(stage.port);
    driver.send(0..10);
    let deadline = Instant::now() + PATIENCE;
    while driver.acknowledged(Duration::from_millis(50)).len() < 10 {
        assert!(Instant::now() < deadline, "not served");
    }
    daemon.stop();
    assert_once(&stage, 0..10);
}

#[test]
fn bad_peers_of_relp_cost_only_themselves() {
    bad_peers(&mut Relp::default(), "not_relp");
}

#[test]
fn bad_peers_of_forward_cost_only_themselves() {
    bad_peers(&mut Forward::default(), "not_forward");
}

#[test]
fn a_slow_peer_of_syslog_is_given_up_with_what_it_said() {
    let mut driver = SyslogStream::new(true, None);
    let stage = Stage::new(|port| driver.section(port) + "stall = \"500ms\"\n");
    let mut daemon = stage.start();
    let mut slow = plain(stage.port);
    slow.write_all(b"90 <13>record").unwrap();
    is_closed(slow);
    // Nonsense is a message too; which it is, the decoder says.
    let mut peer = plain(stage.port);
    peer.write_all(b"\x00\xff\xfe nonsense \x01\n").unwrap();
    drop(peer);
    driver.connect(stage.port);
    driver.send(0..5);
    stage.wait("both are settled", |books| {
        books["received"] == 7 && books["rejected"].as_u64() >= Some(1)
    });
    driver.disconnect();
    daemon.stop();
    let stored = stage.stored();
    assert_eq!(stored.len(), 5, "{stored:?}");
    assert_eq!(stage.books()["balances"], true);
}

#[test]
fn only_certificates_of_our_authority_are_let_in_and_ours_is_rotated() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(folder.path());
    let of = || Certificates { folder: folder.path().to_owned() };
    let mut driver = SyslogStream::new(true, Some(certificates));
    let stage = Stage::new(|port| driver.section(port));
    let mut daemon = stage.start();
    driver.connect(stage.port);
    driver.send(0..3);
    stage.wait("they arrive", |books| books["stored"] == 3);
    let refused = stage.gauge("tls_failed");
    for (count, who) in [None, Some("stranger"), Some("expired")].into_iter().enumerate() {
        // With TLS 1.3 the client learns of it with the first read.
        let said = of().connect(stage.port, who).and_then(|mut wire| {
            let _ = wire.write_all(b"17 <13>record=99; xx");
            let _ = wire.flush();
            wire.read(&mut [0; 10])
        });
        assert!(!matches!(said, Ok(count) if count > 0), "{who:?} was let in");
        await_gauge(&stage, "tls_failed", refused + count as i64 + 1);
    }
    let mut peer = plain(stage.port);
    peer.write_all(b"17 <13>record=98; xx\n").unwrap();
    is_closed(peer);
    await_gauge(&stage, "tls_failed", refused + 4);
    // Another certificate, without a restart; the open connection goes on.
    for file in ["pem", "key"] {
        std::fs::copy(
            folder.path().join(format!("next.{file}")),
            folder.path().join(format!("server.{file}")),
        )
        .unwrap();
    }
    let log = stage.config.with_extension("log");
    let deadline = Instant::now() + PATIENCE;
    while !std::fs::read_to_string(&log).unwrap().contains("took up a new certificate") {
        assert!(Instant::now() < deadline, "the certificate is not taken up");
        let _ = of().connect(stage.port, Some("client"));
        std::thread::sleep(Duration::from_millis(200));
    }
    driver.send(3..6);
    driver.connect(stage.port);
    driver.send(6..9);
    stage.wait("they arrive", |books| books["stored"] == 9);
    driver.disconnect();
    daemon.stop();
    assert_once(&stage, 0..9);
}

#[test]
fn only_who_knows_the_shared_key_of_forward_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "secret\n").unwrap();
    let section = |port| {
        Forward::default().section(port)
            + &format!("shared_key = {{ file = {key:?} }}\nheartbeat = true\n")
    };
    let stage = Stage::new(section);
    let mut daemon = stage.start();
    // Entries before the handshake.
    let mut driver = Forward::default();
    driver.connect(stage.port);
    driver.send(0..3);
    await_gauge(&stage, "auth_failed", 1);
    assert!(driver.acknowledged(Duration::from_millis(200)).is_empty());
    // The heartbeat.
    let beat = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    beat.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    beat.send_to(&[0], ("127.0.0.1", stage.port)).unwrap();
    assert_eq!(beat.recv(&mut [0; 8]).unwrap(), 1);
    daemon.stop();
    assert_eq!(stage.count("received"), 0);
}

fn answered(driver: &mut Relp, until: usize) {
    let deadline = Instant::now() + PATIENCE;
    while driver.acknowledged(Duration::from_millis(50)).len() < until {
        assert!(Instant::now() < deadline, "not answered");
    }
}

#[test]
fn a_sender_that_comes_back_beside_its_half_open_connection_is_known() {
    let mut driver = Relp::default();
    let stage = Stage::new(|port| driver.section(port));
    let mut daemon = stage.start();
    driver.connect(stage.port);
    driver.send(0..20);
    answered(&mut driver, 20);
    // The network ate the connection: we do not know, and it never got the answers to the last twelve.
    let mut old = driver.half_open().unwrap();
    driver.forget_answers(8..20);
    driver.connect(stage.port);
    driver.send(20..30);
    answered(&mut driver, 30);
    is_over(old.as_mut());
    assert_eq!(stage.count("duplicate"), 12);
    daemon.stop();
    assert_once(&stage, 0..30);
}

#[test]
fn senders_behind_one_address_are_not_taken_for_each_other() {
    let (mut one, mut two) = (Relp::default(), Relp::default());
    let stage = Stage::new(|port| one.section(port));
    let mut daemon = stage.start();
    one.connect(stage.port);
    two.connect(stage.port);
    for part in 0..5 {
        one.send(part * 10..part * 10 + 10);
        two.send(100 + part * 10..110 + part * 10);
    }
    answered(&mut one, 50);
    answered(&mut two, 50);
    // Both lose their last answers, and come back in the other order.
    daemon.kill();
    one.forget_answers(45..50);
    two.forget_answers(143..150);
    daemon = stage.start();
    two.connect(stage.port);
    one.connect(stage.port);
    one.send(50..100);
    answered(&mut one, 100);
    stage.wait("both are known", |books| books["duplicate"] == 12);
    daemon.stop();
    assert_once(&stage, 0..150);
}

#[test]
fn datagrams_are_shed_by_a_named_rule_only_when_the_queue_is_full_and_counted() {
    let mut driver = SyslogUdp::default();
    let stage = Stage::new(|port| driver.section(port) + "queue_max = 5\n");
    let mut daemon = stage.start();
    driver.connect(stage.port);
    driver.send(0..3);
    stage.wait("they arrive", |books| books["stored"] == 3);
    // A hundred wait in the system when we come to read, for a queue of five.
    let pid = daemon.pid().to_string();
    std::process::Command::new("kill").args(["-STOP", &pid]).status().unwrap();
    driver.send(3..103);
    std::process::Command::new("kill").args(["-CONT", &pid]).status().unwrap();
    stage.wait("all are counted", |books| books["received"] == 103);
    let (shed, stored) = (stage.count("shed"), stage.count("stored"));
    assert!(shed > 0 && shed + stored == 103, "{}", stage.books());
    assert_eq!(stage.gauge("shed_queue_full").unsigned_abs(), shed);
    assert_eq!(stage.gauge("kernel_drops"), 0);
    daemon.stop();
    assert_eq!(stage.books()["balances"], true);
    assert_eq!(stage.stored().len() as u64, stored);
}
