//! What sends records to the daemon under test: one kind a source. A feeder sends until it is acknowledged, as the real
//! senders do, and sends the same again under the same key when it is not.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::free_port;
use crate::support::kafka::{self, Broker};
use crate::support::proxy::Proxy;
use crate::support::rabbitmq::{self, Rabbit};

/// How long a sender waits for an answer before it believes that the line is dead.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Between records that wait for no answer of the daemon.
const LONG_REST: Duration = Duration::from_millis(15);
/// Partitions of the topic.
const PARTITIONS: i32 = 3;

/// Sends records of one source.
pub trait Feeder: Send + Sync {
    /// The source's name.
    fn name(&self) -> &'static str;

    /// The `[[sources]]` table.
    fn config(&self) -> String;

    /// How long it rests between sending. Those who need no answer of ours rest longer, or they would outdo all others.
    fn rest(&self) -> Duration {
        Duration::from_millis(3)
    }

    /// Send records from number `first` on. `true`: acknowledged, never to be sent again.
    fn send(&self, first: u64, records: &[String]) -> bool;

    /// The line that can be broken.
    fn proxy(&self) -> Option<&Proxy> {
        None
    }

    /// Do to what it writes what others do to it. `false`: there is nothing of that kind.
    fn rotate(&self) -> bool {
        false
    }

    /// Is there a server between the feeder and the daemon?
    fn has_server(&self) -> bool {
        false
    }

    /// Kill that server and start it again.
    fn kill_server(&self) {}
}

/// The kinds that need no server: a file, and senders that wait for answers.
pub fn plain(folder: &Path) -> Vec<Arc<dyn Feeder>> {
    vec![
        Arc::new(File { path: folder.join("file.log"), rotated: AtomicU64::new(0) }),
        Arc::new(Http::new()),
        Arc::new(Relp::new()),
        Arc::new(Forward::new()),
    ]
}

/// Every kind that can be had here.
pub fn all(folder: &Path) -> Vec<Arc<dyn Feeder>> {
    let mut feeders = plain(folder);
    if let Some(kafka) = Kafka::start() {
        feeders.push(Arc::new(kafka));
    }
    if let Some(rabbit) = Rabbit::start(|_| String::new()) {
        feeders.push(Arc::new(Amqp::new(rabbit)));
    }
    feeders
}

/// A file that grows. What is written counts as acknowledged: the daemon reads it when it can.
struct File {
    path: PathBuf,
    /// How often it was renamed and begun again.
    rotated: AtomicU64,
}

impl Feeder for File {
    fn name(&self) -> &'static str {
        "file"
    }

    fn config(&self) -> String {
        let path = self.path.display();
        format!("[[sources]]\nname = \"file\"\npaths = [\"{path}*\"]\nrescan = \"200ms\"\n")
    }

    fn rest(&self) -> Duration {
        LONG_REST
    }

    fn send(&self, _first: u64, records: &[String]) -> bool {
        let mut file = std::fs::File::options().create(true).append(true).open(&self.path).unwrap();
        file.write_all((records.join("\n") + "\n").as_bytes()).unwrap();
        true
    }

    fn rotate(&self) -> bool {
        let number = self.rotated.fetch_add(1, Ordering::SeqCst) + 1;
        // Nothing to rename when nothing was written since.
        let _ = std::fs::rename(&self.path, self.path.with_extension(format!("log.{number}")));
        true
    }
}

/// A connection to a proxy, with the patience of a sender.
fn connect(proxy: &Proxy) -> Option<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", proxy.port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    stream.set_nodelay(true).ok()?;
    Some(stream)
}

/// `POST /ingest` with an idempotency key, a connection a request.
struct Http {
    port: u16,
    proxy: Proxy,
}

impl Http {
    fn new() -> Http {
        let port = free_port();
        Http { port, proxy: Proxy::to(port) }
    }
}

impl Feeder for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn config(&self) -> String {
        format!(
            "[[sources]]\nname = \"http\"\ntype = \"http\"\nlisten = \"127.0.0.1:{}\"\nauth = \"none\"\n",
            self.port
        )
    }

    fn send(&self, first: u64, records: &[String]) -> bool {
        let Some(mut stream) = connect(&self.proxy) else { return false };
        let body = records.join("\n");
        let request = format!(
            "POST /ingest HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: {first}\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(request.as_bytes()).is_err() {
            return false;
        }
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).is_ok() && &answer == b"HTTP/1.1 200"
    }

    fn proxy(&self) -> Option<&Proxy> {
        Some(&self.proxy)
    }
}

/// RELP as librelp speaks it: after a break everything without an answer is sent again under new numbers.
struct Relp {
    port: u16,
    proxy: Proxy,
    session: Mutex<Session>,
}

#[derive(Default)]
struct Session {
    stream: Option<TcpStream>,
    txnr: u64,
    heard: Vec<u8>,
    /// Of the records under way, how many were answered.
    answered: usize,
}

impl Relp {
    fn new() -> Relp {
        let port = free_port();
        Relp { port, proxy: Proxy::to(port), session: Mutex::default() }
    }
}

impl Session {
    fn put(&mut self, command: &str, data: &str) -> Option<()> {
        self.txnr += 1;
        let frame = format!("{} {command} {} {data}\n", self.txnr, data.len());
        self.stream.as_mut()?.write_all(frame.as_bytes()).ok()
    }

    /// Wait for one `TXNR rsp LENGTH DATA`.
    fn response(&mut self) -> Option<bool> {
        loop {
            let text = String::from_utf8_lossy(&self.heard).into_owned();
            let mut words = text.splitn(4, ' ');
            if let (Some(_), Some(_), Some(length), Some(data)) =
                (words.next(), words.next(), words.next(), words.next())
                && let Ok(length) = length.parse::<usize>()
                && data.len() > length
            {
                let used = text.len() - data.len() + length + 1;
                let good = data.starts_with("200");
                self.heard.drain(..used);
                return Some(good);
            }
            let mut piece = [0; 4_096];
            let count = self.stream.as_mut()?.read(&mut piece).ok().filter(|count| *count > 0)?;
            self.heard.extend(&piece[..count]);
        }
    }

    fn deliver(&mut self, proxy: &Proxy, records: &[String]) -> Option<()> {
        if self.stream.is_none() {
            self.stream = connect(proxy);
            self.txnr = 0;
            self.heard.clear();
            self.put("open", "relp_version=0\nrelp_software=test\ncommands=syslog")?;
            self.response()?;
        }
        for record in records.get(self.answered..)? {
            self.put("syslog", record)?;
        }
        while self.answered < records.len() {
            if !self.response()? {
                return None;
            }
            self.answered += 1;
        }
        self.answered = 0;
        Some(())
    }
}

impl Feeder for Relp {
    fn name(&self) -> &'static str {
        "relp"
    }

    fn config(&self) -> String {
        format!(
            "[[sources]]\nname = \"relp\"\ntype = \"relp\"\nlisten = \"127.0.0.1:{}\"\n",
            self.port
        )
    }

    fn send(&self, _first: u64, records: &[String]) -> bool {
        let mut session = self.session.lock().unwrap();
        let done = session.deliver(&self.proxy, records);
        if done.is_none() {
            session.stream = None;
        }
        done.is_some()
    }

    fn proxy(&self) -> Option<&Proxy> {
        Some(&self.proxy)
    }
}

/// Fluent forward: a chunk a call, the same id when it is sent again.
struct Forward {
    port: u16,
    proxy: Proxy,
}

impl Forward {
    fn new() -> Forward {
        let port = free_port();
        Forward { port, proxy: Proxy::to(port) }
    }
}

impl Feeder for Forward {
    fn name(&self) -> &'static str {
        "forward"
    }

    fn config(&self) -> String {
        format!(
            "[[sources]]\nname = \"forward\"\ntype = \"forward\"\nlisten = \"127.0.0.1:{}\"\n",
            self.port
        )
    }

    fn send(&self, first: u64, records: &[String]) -> bool {
        use rmpv::Value;
        let entries = (first..).zip(records).map(|(number, text)| {
            // As Fluentd's own syslog parser takes a line apart.
            let mut words = text.splitn(4, ' ').skip(1);
            let host = words.next().unwrap();
            let message = words.nth(1).unwrap();
            let fields = [("host", host), ("ident", "app"), ("pid", "7"), ("message", message)];
            let record = Value::Map(fields.map(|(key, value)| (key.into(), value.into())).to_vec());
            Value::Array(vec![(1_795_334_400 + number / 50).into(), record])
        });
        let options = Value::Map(vec![("chunk".into(), format!("chunk-{first}").into())]);
        let message = Value::Array(vec!["app".into(), Value::Array(entries.collect()), options]);
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &message).unwrap();
        let Some(mut stream) = connect(&self.proxy) else { return false };
        if stream.write_all(&bytes).is_err() {
            return false;
        }
        let Ok(answer) = rmpv::decode::read_value(&mut stream) else { return false };
        let acknowledged = answer.as_map().and_then(|map| map.first()).map(|(_, id)| id.clone());
        acknowledged == Some(format!("chunk-{first}").into())
    }

    fn proxy(&self) -> Option<&Proxy> {
        Some(&self.proxy)
    }
}

/// A topic. What the broker has taken counts as acknowledged; the daemon's line to it can be broken.
struct Kafka {
    producer: Mutex<kafka::Feeder>,
    broker: Broker,
    proxy: Proxy,
}

impl Kafka {
    fn start() -> Option<Kafka> {
        let (broker, proxy) = Broker::behind_a_proxy()?;
        broker.create("logs", PARTITIONS);
        Some(Kafka { producer: Mutex::new(broker.producer()), broker, proxy })
    }
}

impl Feeder for Kafka {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn config(&self) -> String {
        format!(
            "[[sources]]\nname = \"kafka\"\ntype = \"kafka\"\nbrokers = [\"127.0.0.1:{}\"]\ntopics = [\"logs\"]\ngroup = \"faults\"\nsession_timeout = \"600ms\"\n",
            self.proxy.port
        )
    }

    fn send(&self, first: u64, records: &[String]) -> bool {
        let producer = self.producer.lock().unwrap();
        for (number, record) in (first..).zip(records) {
            let partition = i32::try_from(number % PARTITIONS as u64).unwrap();
            producer.text("logs", partition, record);
        }
        producer.flush();
        true
    }

    fn proxy(&self) -> Option<&Proxy> {
        Some(&self.proxy)
    }

    fn has_server(&self) -> bool {
        true
    }

    fn kill_server(&self) {
        self.broker.kill();
        self.broker.restart();
    }
}

/// A durable queue. What the broker has confirmed counts as acknowledged; the daemon's line to it can be broken.
struct Amqp {
    rabbit: Rabbit,
    proxy: Proxy,
    runtime: tokio::runtime::Runtime,
    channel: Mutex<(lapin::Connection, lapin::Channel)>,
}

impl Amqp {
    fn new(rabbit: Rabbit) -> Amqp {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (connection, channel) = runtime.block_on(rabbit.channel());
        runtime.block_on(rabbit.declare(&channel, "logs"));
        let proxy = Proxy::to(rabbit.port);
        Amqp { rabbit, proxy, runtime, channel: Mutex::new((connection, channel)) }
    }
}

impl Feeder for Amqp {
    fn name(&self) -> &'static str {
        "amqp"
    }

    fn config(&self) -> String {
        format!(
            "[[sources]]\nname = \"amqp\"\ntype = \"amqp\"\nurl = \"amqp://127.0.0.1:{}\"\nqueue = \"logs\"\n",
            self.proxy.port
        )
    }

    fn rest(&self) -> Duration {
        LONG_REST
    }

    fn send(&self, first: u64, records: &[String]) -> bool {
        let channel = self.channel.lock().unwrap();
        for (number, record) in (first..).zip(records) {
            let id = format!("m{number}");
            self.runtime.block_on(rabbitmq::publish(&channel.1, "logs", record, Some(&id)));
        }
        true
    }

    fn proxy(&self) -> Option<&Proxy> {
        Some(&self.proxy)
    }

    fn has_server(&self) -> bool {
        true
    }

    fn kill_server(&self) {
        // Nothing is sent meanwhile: what was confirmed is on the broker's disk.
        let mut channel = self.channel.lock().unwrap();
        self.rabbit.kill();
        self.rabbit.restart();
        *channel = self.runtime.block_on(self.rabbit.channel());
    }
}
