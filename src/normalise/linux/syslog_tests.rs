//! Tests of the syslog decoder: repeats, state, hosts, rejects, and that no bytes make it panic.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::class::Class;
use crate::model::record::{Batch, Flush, Shape, Stream};
use crate::normalise::Decoder;
use crate::normalise::linux::scrub::tests::{plain_settings, settings};
use crate::normalise::settings::Settings;
use crate::stdx::id::IdHasher;

struct Bench {
    stream: Arc<Stream>,
    settings: Arc<Settings>,
    decoder: Decoder,
    out: Output,
    offset: u64,
}

impl Bench {
    fn new() -> Bench {
        Bench::with(settings())
    }

    fn with(settings: Settings) -> Bench {
        let stream = Stream {
            id: IdHasher::new("test").finish(),
            delivery: None,
            shard: "".into(),
            source: Arc::from("s"),
            path: Arc::from("/var/log/auth.log"),
            tenant: Arc::from("default"),
            host: Some(Arc::from("Fallback")),
            format: Arc::from("auto"),
            labels: Arc::from([]),
            modified: Timestamp::parse_rfc3339("2026-03-01T00:00:00Z").unwrap(),
            live: false,
            backfill: false,
        };
        let (stream, settings) = (Arc::new(stream), Arc::new(settings));
        let decoder = Decoder::new(&stream, Arc::clone(&settings));
        Bench { stream, settings, decoder, out: Output::default(), offset: 0 }
    }

    fn feed(&mut self, bytes: &[u8]) {
        let mut batch = Batch::new(Arc::clone(&self.stream), Flush::No);
        batch.push(bytes, self.offset, Shape::Line);
        self.offset += bytes.len() as u64 + 1;
        self.decoder.decode(&batch, &mut self.out);
        assert_eq!(self.out.received, self.out.stored + self.out.rejected);
    }
}

#[test]
fn the_line_of_the_manual() {
    let mut bench = Bench::new();
    bench.feed(b"2026-02-22T10:00:00+01:00 VM-host sshd[1234]: Failed password for invalid user admin from 192.0.2.7 port 22 ssh2");
    let event = bench.out.events.first().unwrap();
    assert_eq!(event.timestamp, Timestamp::parse_rfc3339("2026-02-22T09:00:00Z").unwrap());
    assert_eq!(event.host(), "vm-host");
    assert_eq!(event.class, Class::LogonFailure);
    assert_eq!(event.str(field::USER_NAME), Some("admin"));
    assert_eq!(event.str(field::SOURCE_IP), Some("192.0.2.7"));
    assert_eq!(event.get(field::PROCESS_PID), Some(Value::Int(1234)));
    assert_eq!(event.str(field::EVENT_PROVIDER), Some("sshd"));
}

#[test]
fn repeats_are_one_record_and_many_events() {
    let mut bench = Bench::new();
    bench.feed(b"Feb 22 10:00:00 h sshd[1]: message repeated 3 times: [ Failed password for root from 192.0.2.7 port 22 ssh2]");
    assert_eq!(bench.out.events.len(), 3);
    bench.feed(b"Feb 22 10:00:01 h last message repeated 2 times");
    bench.feed(b"Feb 22 10:00:02 other last message repeated 2 times");
    assert_eq!(bench.out.events.len(), 6, "nothing is known of the other host");
    let failures =
        bench.out.events.iter().filter(|event| event.class == Class::LogonFailure).count();
    assert_eq!(failures, 5);
    let mut ids: Vec<_> = bench.out.events.iter().map(|event| event.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 6);
    bench.feed(b"Feb 22 10:00:03 h sshd[1]: message repeated 99999999 times: [ x]");
    assert_eq!(bench.out.events.len(), 6 + usize::try_from(REPEATS_MAX).unwrap());
    assert_eq!(bench.out.stored, 4);
}

#[test]
fn state_carries_the_year_and_the_last_message() {
    let mut bench = Bench::new();
    bench.feed(b"Dec 31 23:59:59 h su[1]: FAILED SU (to root) bob on pts/0");
    let state = bench.decoder.state().unwrap();
    bench.decoder = Decoder::new(&bench.stream, Arc::clone(&bench.settings));
    bench.decoder.restore(&state);
    bench.feed(b"Jan  1 00:00:01 h last message repeated 1 times");
    let times: Vec<i64> = bench.out.events.iter().map(|event| event.timestamp.seconds()).collect();
    assert_eq!(times.get(1).unwrap() - times.first().unwrap(), 2);
    assert_eq!(bench.out.events.get(1).unwrap().class, Class::LogonFailure);
}

#[test]
fn a_secret_is_in_no_field_of_the_event() {
    let mut bench = Bench::new();
    for line in [
        "Feb 22 10:00:00 h sudo: bob : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/mysql --password=hunter2hunter2 -e x",
        "Feb 22 10:00:00 h CRON[1]: (root) CMD (curl -u bob:hunter2hunter2 https://x.example)",
        "Feb 22 10:00:00 h sshd[1]: Failed password for invalid user password=hunter2hunter2 from 192.0.2.7 port 22 ssh2",
    ] {
        bench.feed(line.as_bytes());
    }
    for event in &bench.out.events {
        for field in [field::MESSAGE, field::EVENT_ORIGINAL, field::PROCESS_COMMAND_LINE] {
            let text = event.str(field).unwrap_or("");
            assert!(!text.contains("hunter2"), "{}: {text}", field.name());
        }
    }
    let plain = b"Feb 22 10:00:00 h sshd[1]: Failed password for root from 192.0.2.7 port 22 ssh2";
    bench.feed(plain);
    let last = bench.out.events.last().unwrap();
    assert_eq!(last.str(field::EVENT_ORIGINAL).unwrap().as_bytes(), plain);
}

#[test]
fn what_is_no_syslog_is_rejected() {
    let mut bench = Bench::new();
    bench.feed(b"just some text");
    bench.feed(b"\x7fELF\x02\x01\x01\x00\x00");
    bench.feed(b"");
    assert_eq!(bench.out.by_reason.get("unknown_format"), Some(&2));
    assert_eq!(bench.out.by_reason.get("binary"), Some(&1));
    // Zeros that a crash left before a line are no part of it.
    bench.feed(b"\x00\x00Feb 22 10:00:00 h su[1]: x");
    assert_eq!(bench.out.events.len(), 1);
    // A line that names no host gets the stream's.
    bench.feed(b"<13>su: 'su root' failed for bob on pts/1");
    assert_eq!(bench.out.events.get(1).unwrap().host(), "fallback");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut bench = Bench::with(plain_settings());
        bench.feed(&bytes);
        let mut line = b"Feb 22 10:00:00 h sshd[1]: ".to_vec();
        line.extend(&bytes);
        bench.feed(&line);
    }

    #[test]
    fn arbitrary_messages_never_panic(
        program in "sshd|sudo|su|login|cron|useradd|gpasswd|kernel|systemd|systemd-logind|doas|passwd",
        words in "((Failed|Accepted|from|port|for|user|user=|rhost=|\\(|\\)|;|COMMAND=|TTY=| : |to|on|by|'|`|IN=|SRC=|DST=|ssh2|\\[preauth\\]|pam_unix\\(x:y\\): |session opened for user|[0-9.]{1,9}|\\PC{0,3}) ?){0,14}",
    ) {
        let mut bench = Bench::with(plain_settings());
        bench.feed(format!("Feb 22 10:00:00 h {program}[1]: {words}").as_bytes());
        prop_assert_eq!(bench.out.rejected, u64::from(words.contains('\0')));
    }

    /// A user name cannot change the address, whatever it holds.
    #[test]
    fn the_address_is_the_servers(name in "[a-z0-9 :.]{0,20}( from 198\\.51\\.100\\.1 port 1 ssh2)?[a-z :]{0,9}") {
        let mut bench = Bench::with(plain_settings());
        let line = format!("Feb 22 10:00:00 h sshd[1]: Failed password for invalid user {name} from 203.0.113.8 port 2222 ssh2");
        bench.feed(line.as_bytes());
        prop_assert_eq!(bench.out.events[0].str(field::SOURCE_IP), Some("203.0.113.8"));
        prop_assert_eq!(bench.out.events[0].get(field::SOURCE_PORT), Some(Value::Int(2222)));
    }
}
