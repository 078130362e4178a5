//! The transports: how each is configured, how records are given to it in bulk or a few at a time, and its floor, which is
//! the same carried and thrown away.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Instant;

use rmpv::Value;

use super::amqp::Amqp;
use super::load;
use crate::support::free_port;
use crate::support::kafka::{self, Broker};
use crate::support::rabbitmq::Rabbit;

/// Records of one request or chunk at most: what Filebeat sends at once by default. `WATCHFLOOR_TEST_CHUNK` changes it.
const CHUNK: u64 = 1_600;
/// And bytes: less than the 10 MiB that omhttp of rsyslog sends at most by default.
const CHUNK_BYTES: usize = 8 << 20;
/// RELP messages that wait for their answers, as rsyslog's window.
const WINDOW: usize = 128;
/// Connections at once in bulk.
const LANES: usize = 4;
/// With fewer records one connection does.
const BULK: usize = 2_000;
/// Records that are handed over at once by who sends steadily.
const STEADY_MAX: usize = 1_000;
/// Partitions of the topic.
const PARTITIONS: i32 = 6;

/// One transport, with the server that it needs.
pub enum Way {
    File(PathBuf),
    Push(Push),
    Kafka(Broker, Mutex<kafka::Feeder>),
    Amqp(Box<Amqp>),
}

/// All that can be had here; brokers only if asked for.
pub fn all(folder: &Path, brokers: bool) -> Vec<Way> {
    let mut ways = vec![
        Way::File(folder.join("sent.log")),
        http(),
        Way::Push(Push::new(Protocol::Relp)),
        Way::Push(Push::new(Protocol::Forward)),
    ];
    if brokers && let Some(broker) = Broker::start("") {
        broker.create("logs", PARTITIONS);
        let feeder = Mutex::new(broker.producer());
        ways.push(Way::Kafka(broker, feeder));
    }
    if brokers && let Some(rabbit) = Rabbit::start(|_| String::new()) {
        ways.push(Way::Amqp(Box::new(Amqp::new(rabbit))));
    }
    ways
}

/// The one that needs nothing else.
pub fn http() -> Way {
    Way::Push(Push::new(Protocol::Http))
}

impl Way {
    pub fn name(&self) -> &'static str {
        match self {
            Way::File(_) => "file",
            Way::Push(push) => push.protocol.name(),
            Way::Kafka(..) => "kafka",
            Way::Amqp(_) => "amqp",
        }
    }

    /// The source `s`.
    pub fn section(&self) -> String {
        let more = match self {
            Way::File(path) => format!("paths = [\"{}\"]", path.display()),
            Way::Push(push) => {
                let auth = if push.protocol == Protocol::Http { "\nauth = \"none\"" } else { "" };
                let name = push.protocol.name();
                format!("type = \"{name}\"\nlisten = \"127.0.0.1:{}\"{auth}", push.port)
            }
            Way::Kafka(broker, _) => format!(
                "type = \"kafka\"\nbrokers = [\"{}\"]\ntopics = [\"logs\"]\ngroup = \"figures\"",
                broker.address()
            ),
            Way::Amqp(amqp) => {
                format!("type = \"amqp\"\nurl = \"{}\"\nqueue = \"logs\"", amqp.url())
            }
        };
        format!("[[sources]]\nname = \"s\"\n{more}\n")
    }

    /// Records can lie there before the daemon starts.
    pub fn waits(&self) -> bool {
        !matches!(self, Way::Push(_))
    }

    /// Send them; returns when they are acknowledged, or written.
    pub fn send(&self, records: &[String]) {
        match self {
            Way::File(path) => {
                let mut file =
                    std::fs::File::options().create(true).append(true).open(path).unwrap();
                file.write_all((records.join("\n") + "\n").as_bytes()).unwrap();
            }
            Way::Push(push) => push.send(push.port, records),
            Way::Kafka(_, feeder) => {
                let feeder = feeder.lock().unwrap();
                for (number, record) in records.iter().enumerate() {
                    feeder.text("logs", number as i32 % PARTITIONS, record);
                    if number % 5_000 == 4_999 {
                        feeder.flush();
                    }
                }
                // A flush waits in steps of a tenth of a second: a steady stream must not.
                if records.len() > STEADY_MAX {
                    feeder.flush();
                }
            }
            Way::Amqp(amqp) => amqp.send(records),
        }
    }

    /// The same records carried and thrown away, and by what.
    pub fn floor(&self, records: &[String]) -> String {
        let count = records.len() as f64;
        let (by, cpu, began) = match self {
            Way::File(path) => {
                let before = load::children_cpu_seconds();
                let began = Instant::now();
                run("wc", &["-l", path.to_str().unwrap()]);
                ("wc -l", Some(load::children_cpu_seconds() - before), began)
            }
            Way::Kafka(broker, _) => {
                let before = load::children_cpu_seconds();
                let began = Instant::now();
                let address = broker.address();
                run("kcat", &["-C", "-b", &address, "-t", "logs", "-o", "beginning", "-e", "-q"]);
                ("kcat", Some(load::children_cpu_seconds() - before), began)
            }
            Way::Push(push) => {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let port = listener.local_addr().unwrap().port();
                let protocol = push.protocol;
                std::thread::spawn(move || {
                    for stream in listener.incoming() {
                        let stream = stream.unwrap();
                        std::thread::spawn(move || protocol.throw_away(stream));
                    }
                });
                let other = Push::new(protocol);
                let began = Instant::now();
                other.send(port, records);
                ("the same client, thrown away", None, began)
            }
            Way::Amqp(amqp) => {
                amqp.fill_other(records);
                let before = load::cpu_seconds(std::process::id());
                let began = Instant::now();
                amqp.throw_away_other(records.len());
                let cpu = load::cpu_seconds(std::process::id()) - before;
                ("the same client, acknowledged, thrown away", Some(cpu), began)
            }
        };
        let wall = began.elapsed().as_secs_f64();
        let cpu = cpu.map(|cpu| format!("{:.0}/CPU-s, ", count / cpu.max(0.01)));
        format!("{}{:.0}/s ({by})", cpu.unwrap_or_default(), count / wall)
    }
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()), "{program} {arguments:?}");
}

/// Protocols where others connect to us.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Http,
    Relp,
    Forward,
}

/// A client with connections that it keeps.
pub struct Push {
    protocol: Protocol,
    port: u16,
    lanes: Vec<Mutex<Lane>>,
}

#[derive(Default)]
struct Lane {
    stream: Option<BufReader<TcpStream>>,
    number: u64,
}

impl Push {
    fn new(protocol: Protocol) -> Push {
        let lanes = (0..LANES).map(|_| Mutex::default()).collect();
        Push { protocol, port: free_port(), lanes }
    }

    fn send(&self, port: u16, records: &[String]) {
        let lanes = if records.len() >= BULK { LANES } else { 1 };
        let chunk = super::size("CHUNK", CHUNK, 200) as usize;
        std::thread::scope(|scope| {
            for (lane, part) in self.lanes.iter().zip(records.chunks(records.len().div_ceil(lanes)))
            {
                scope.spawn(move || {
                    let mut lane = lane.lock().unwrap();
                    pieces(part, chunk).for_each(|some| lane.send(self.protocol, port, some));
                });
            }
        });
    }
}

/// So many records or [`CHUNK_BYTES`] a piece.
fn pieces(records: &[String], count: usize) -> impl Iterator<Item = &[String]> {
    let mut rest = records;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |record: &&String| {
            bytes += record.len();
            bytes <= CHUNK_BYTES
        };
        let taken = rest.iter().take(count).take_while(fits).count().clamp(1, rest.len().max(1));
        let (piece, more) = rest.split_at_checked(taken)?;
        rest = more;
        Some(piece)
    })
}

impl Lane {
    fn send(&mut self, protocol: Protocol, port: u16, records: &[String]) {
        let fresh = self.stream.is_none();
        let stream = self.stream.get_or_insert_with(|| {
            let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.set_nodelay(true).unwrap();
            BufReader::new(stream)
        });
        match protocol {
            Protocol::Http => {
                let body = records.join("\n");
                let head = format!(
                    "POST /ingest HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                stream.get_mut().write_all(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
                let (status, length) = read_head(stream);
                assert!(status.contains(" 200 "), "{status}");
                std::io::copy(&mut stream.take(length), &mut std::io::sink()).unwrap();
            }
            Protocol::Relp => {
                if fresh {
                    let hello = "relp_version=0\nrelp_software=figures\ncommands=syslog";
                    relp_put(stream, 1, "open", &[hello.to_owned()]);
                    assert!(relp_answer(stream).contains("200"));
                    self.number = 1;
                }
                for some in records.chunks(WINDOW) {
                    relp_put(stream, self.number + 1, "syslog", some);
                    self.number += some.len() as u64;
                    for _ in some {
                        let answer = relp_answer(stream);
                        assert!(answer.contains("200"), "{answer}");
                    }
                }
            }
            Protocol::Forward => {
                self.number += 1;
                let id = format!("{:?}-{}", std::thread::current().id(), self.number);
                stream.get_mut().write_all(&chunk(&id, records)).unwrap();
                let answer = rmpv::decode::read_value(stream).unwrap();
                assert_eq!(answer.as_map().unwrap()[0].1, id.into());
            }
        }
    }
}

/// One write of RELP frames. A record that is no syslog line gets a head, as rsyslog would give it.
fn relp_put(stream: &mut BufReader<TcpStream>, first: u64, command: &str, records: &[String]) {
    let mut bytes = Vec::new();
    for (number, record) in (first..).zip(records) {
        let head =
            if record.starts_with('{') { "<134>Nov 22 08:00:00 collector json: " } else { "" };
        writeln!(bytes, "{number} {command} {} {head}{record}", head.len() + record.len()).unwrap();
    }
    stream.get_mut().write_all(&bytes).unwrap();
}

fn relp_answer(stream: &mut BufReader<TcpStream>) -> String {
    let mut words = String::new();
    for _ in 0..3 {
        let mut word = Vec::new();
        stream.read_until(b' ', &mut word).unwrap();
        words = String::from_utf8(word).unwrap();
    }
    let mut data = vec![0; words.trim().parse::<usize>().unwrap() + 1];
    stream.read_exact(&mut data).unwrap();
    String::from_utf8_lossy(&data).into_owned()
}

/// A chunk of the forward protocol: JSON lines and syslog lines taken apart, as Fluent Bit's parsers do.
fn chunk(id: &str, records: &[String]) -> Vec<u8> {
    let entries = records.iter().map(|text| {
        let mut words = text.splitn(4, ' ').skip(1);
        let fields: Vec<(Value, Value)> = if text.starts_with('{') {
            let parsed: serde_json::Map<_, _> = serde_json::from_str(text).unwrap();
            parsed.into_iter().map(|(key, value)| (key.into(), packed(value))).collect()
        } else {
            let (host, message) = (words.next().unwrap(), words.nth(1).unwrap());
            let all = [("host", host), ("ident", "app"), ("pid", "7"), ("message", message)];
            all.map(|(key, value)| (key.into(), value.into())).to_vec()
        };
        Value::Array(vec![super::START.into(), Value::Map(fields)])
    });
    let options = Value::Map(vec![("chunk".into(), id.into())]);
    let message = Value::Array(vec!["app".into(), Value::Array(entries.collect()), options]);
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &message).unwrap();
    bytes
}

/// A JSON value as MessagePack.
fn packed(value: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match value {
        Json::Null => Value::Nil,
        Json::Bool(flag) => flag.into(),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.into(),
            (None, other) => other.unwrap_or_default().into(),
        },
        Json::String(text) => text.into(),
        Json::Array(items) => Value::Array(items.into_iter().map(packed).collect()),
        Json::Object(map) => {
            Value::Map(map.into_iter().map(|(key, value)| (key.into(), packed(value))).collect())
        }
    }
}

/// The first line of an HTTP message and how long its body is.
fn read_head(stream: &mut impl BufRead) -> (String, u64) {
    let (mut first, mut length) = (String::new(), 0);
    stream.read_line(&mut first).unwrap();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).unwrap() <= 2 {
            return (first, length);
        }
        if let Some(digits) = line.to_lowercase().strip_prefix("content-length:") {
            length = digits.trim().parse().unwrap();
        }
    }
}

impl Protocol {
    fn name(self) -> &'static str {
        match self {
            Protocol::Http => "http",
            Protocol::Relp => "relp",
            Protocol::Forward => "forward",
        }
    }

    /// The other end of the floor: read, acknowledge, forget.
    fn throw_away(self, stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let mut stream = BufReader::with_capacity(64 << 10, stream);
        while stream.fill_buf().is_ok_and(|bytes| !bytes.is_empty()) {
            let answer = match self {
                Protocol::Http => {
                    let (_, length) = read_head(&mut stream);
                    std::io::copy(&mut (&mut stream).take(length), &mut std::io::sink()).unwrap();
                    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()
                }
                Protocol::Relp => {
                    let mut words = Vec::new();
                    for _ in 0..3 {
                        stream.read_until(b' ', &mut words).unwrap();
                    }
                    let words = String::from_utf8(words).unwrap();
                    let words: Vec<&str> = words.split(' ').collect();
                    let length = words[2].parse::<u64>().unwrap() + 1;
                    std::io::copy(&mut (&mut stream).take(length), &mut std::io::sink()).unwrap();
                    format!("{} rsp 6 200 OK\n", words[0]).into_bytes()
                }
                Protocol::Forward => {
                    let message = rmpv::decode::read_value(&mut stream).unwrap();
                    let id = message[2]["chunk"].clone();
                    let mut bytes = Vec::new();
                    let answer = Value::Map(vec![("ack".into(), id)]);
                    rmpv::encode::write_value(&mut bytes, &answer).unwrap();
                    bytes
                }
            };
            stream.get_mut().write_all(&answer).unwrap();
        }
    }
}
