//! A real Kafka broker of a test: started, killed, restarted, asked; ended when dropped.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::support::proxy::Proxy;
use crate::support::{PATIENCE, free_port, root};

/// A broker.
pub struct Broker {
    folder: tempfile::TempDir,
    /// Where clients come in.
    pub port: u16,
    environment: Vec<(String, String)>,
}

fn script(verb: &str, folder: &Path, port: u16, environment: &[(String, String)]) -> bool {
    let mut command = Command::new(root().join("tests/services/kafka.sh"));
    command.arg(verb).arg(folder).arg(port.to_string());
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command.status().is_ok_and(|status| status.success())
}

/// Can brokers be had here? A loud skip on a laptop, a failure in CI.
fn there() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    let found = *THERE.get_or_init(|| script("fetch", Path::new("/"), 0, &[]));
    assert!(
        found || std::env::var_os("CI").is_none(),
        "Kafka cannot be had (tests/services/kafka.sh)"
    );
    if !found {
        eprintln!("SKIPPED: Kafka cannot be had (tests/services/kafka.sh fetch)");
    }
    found
}

impl Broker {
    /// Start one with further lines of its configuration.
    pub fn start(extra: &str) -> Option<Broker> {
        Broker::start_with(|_, _| vec![("KAFKA_EXTRA".to_owned(), extra.to_owned())])
    }

    /// Start one with an environment made for its folder and port.
    pub fn start_with(
        environment: impl FnOnce(&Path, u16) -> Vec<(String, String)>,
    ) -> Option<Broker> {
        if !there() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let environment = environment(folder.path(), port);
        let broker = Broker { folder, port, environment };
        broker.restart();
        Some(broker)
    }

    /// One with a second door behind a proxy, through which clients stay on that proxy.
    pub fn behind_a_proxy() -> Option<(Broker, Proxy)> {
        let inner = free_port();
        let proxy = Proxy::to(inner);
        let outer = proxy.port;
        let broker = Broker::start_with(|_, port| {
            let lines = format!(
                "listeners=PLAINTEXT://127.0.0.1:{port},PROXIED://127.0.0.1:{inner},CONTROLLER://127.0.0.1:{}\n\
                 advertised.listeners=PLAINTEXT://127.0.0.1:{port},PROXIED://127.0.0.1:{outer}\n\
                 listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
                port + 1
            );
            vec![("KAFKA_EXTRA".to_owned(), lines)]
        })?;
        Some((broker, proxy))
    }

    /// `host:port`
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its folder.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Start it again on its data.
    pub fn restart(&self) {
        assert!(script("start", &self.folder.path().join("node"), self.port, &self.environment));
    }

    /// kill -9
    pub fn kill(&self) {
        script("kill", &self.folder.path().join("node"), self.port, &[]);
    }

    /// A client's configuration.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.address()).set("allow.auto.create.topics", "false");
        config
    }

    /// All topics with their partitions, the group's own left out.
    pub fn topics(&self) -> BTreeMap<String, usize> {
        let client: BaseConsumer = self.client().create().unwrap();
        let metadata = client.fetch_metadata(None, PATIENCE).unwrap();
        let own = metadata.topics().iter().filter(|topic| !topic.name().starts_with("__"));
        own.map(|topic| (topic.name().to_owned(), topic.partitions().len())).collect()
    }

    /// Three nodes of one cluster, without order of their start: each waits for the others.
    pub fn cluster() -> Option<Vec<Broker>> {
        if !there() {
            return None;
        }
        let ids = ["J8qXuhL4Q5mJc8Y7kD2f1A", "K9rYviM5R6nKd9Z8lE3g2A", "L1sZwjN6S7oLe1A9mF4h3A"];
        let ports: Vec<u16> = ids.iter().map(|_| free_port()).collect();
        let all = |part: &dyn Fn(usize) -> String| (0..3).map(part).collect::<Vec<_>>().join(",");
        let controllers = all(&|node| format!("127.0.0.1:{}", ports[node] + 1));
        let voters =
            all(&|node| format!("{}@127.0.0.1:{}:{}", node + 1, ports[node] + 1, ids[node]));
        let extra = "offsets.topic.replication.factor=3\ndefault.replication.factor=3\nmin.insync.replicas=2";
        let brokers: Vec<Broker> = (0..3)
            .map(|node| Broker {
                folder: tempfile::tempdir().unwrap(),
                port: ports[node],
                environment: [
                    ("KAFKA_EXTRA", extra.to_owned()),
                    ("KAFKA_NODE", (node + 1).to_string()),
                    ("KAFKA_CONTROLLERS", controllers.clone()),
                    ("KAFKA_VOTERS", voters.clone()),
                ]
                .map(|(name, value)| (name.to_owned(), value))
                .to_vec(),
            })
            .collect();
        std::thread::scope(|scope| {
            for broker in &brokers {
                scope.spawn(|| broker.restart());
            }
        });
        Some(brokers)
    }

    /// Make a topic with one copy.
    pub fn create(&self, name: &str, partitions: i32) {
        self.create_copied(name, partitions, 1);
    }

    /// Make a topic.
    pub fn create_copied(&self, name: &str, partitions: i32, copies: i32) {
        self.create_set(NewTopic::new(name, partitions, TopicReplication::Fixed(copies)));
    }

    /// Make a topic with settings.
    pub fn create_set(&self, topic: NewTopic<'_>) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(admin.create_topics([&topic], &options)).unwrap()[0].as_ref().unwrap();
    }

    /// Have the broker delete the messages of a partition before an offset. The client library has no call for it.
    pub fn delete_records(&self, topic: &str, partition: i32, before: i64) {
        let mut body = Vec::new();
        body.extend(21_i16.to_be_bytes());
        body.extend(1_i16.to_be_bytes());
        body.extend(1_i32.to_be_bytes());
        body.extend((-1_i16).to_be_bytes());
        body.extend(1_i32.to_be_bytes());
        body.extend(i16::try_from(topic.len()).unwrap().to_be_bytes());
        body.extend(topic.as_bytes());
        body.extend(1_i32.to_be_bytes());
        body.extend(partition.to_be_bytes());
        body.extend(before.to_be_bytes());
        body.extend(10_000_i32.to_be_bytes());
        let mut stream = std::net::TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&u32::try_from(body.len()).unwrap().to_be_bytes()).unwrap();
        stream.write_all(&body).unwrap();
        let mut head = [0; 4];
        stream.read_exact(&mut head).unwrap();
        let mut answer = vec![0; u32::from_be_bytes(head) as usize];
        stream.read_exact(&mut answer).unwrap();
        // It ends with where the partition begins now, and an error.
        let end = &answer[answer.len() - 10..];
        assert_eq!(end[8..], [0, 0], "DeleteRecords: {answer:?}");
        assert_eq!(i64::from_be_bytes(end[..8].try_into().unwrap()), before);
    }

    /// Offsets of the messages that a partition has, those of transactions that were given up left out.
    pub fn offsets(&self, topic: &str, partition: i32) -> Vec<i64> {
        let mut config = self.client();
        config.set("group.id", "offsets").set("enable.auto.commit", "false");
        config.set("enable.partition.eof", "true").set("isolation.level", "read_committed");
        let client: BaseConsumer = config.create().unwrap();
        let mut list = rdkafka::TopicPartitionList::new();
        list.add_partition_offset(topic, partition, rdkafka::Offset::Beginning).unwrap();
        client.assign(&list).unwrap();
        let mut found = Vec::new();
        loop {
            match client.poll(PATIENCE).expect("a message or the end") {
                Ok(message) => found.push(rdkafka::Message::offset(&message)),
                Err(rdkafka::error::KafkaError::PartitionEOF(_)) => return found,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Remove a topic.
    pub fn delete(&self, name: &str) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(admin.delete_topics(&[name], &options)).unwrap()[0].as_ref().unwrap();
    }

    /// A producer that loses and repeats nothing.
    pub fn producer(&self) -> Feeder {
        let mut config = self.client();
        config.set("enable.idempotence", "true").set("linger.ms", "5");
        Feeder(config.create().unwrap())
    }

    /// A producer of transactions.
    pub fn transactions(&self, id: &str) -> Feeder {
        let producer: BaseProducer = self.client().set("transactional.id", id).create().unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        Feeder(producer)
    }

    /// What a group was told of a topic: the next offset by partition.
    pub fn committed(&self, group: &str, topic: &str, partitions: i32) -> Vec<i64> {
        let client: BaseConsumer = self.client().set("group.id", group).create().unwrap();
        let mut list = rdkafka::TopicPartitionList::new();
        list.add_partition_range(topic, 0, partitions - 1);
        let told = client.committed_offsets(list, PATIENCE).unwrap();
        told.elements().iter().map(|part| part.offset().to_raw().unwrap()).collect()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Writes messages.
pub struct Feeder(BaseProducer);

impl Feeder {
    /// Queue one message, with headers.
    pub fn send(
        &self,
        topic: &str,
        partition: i32,
        key: Option<&[u8]>,
        payload: Option<&[u8]>,
        headers: &[(&str, &str)],
    ) {
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).partition(partition);
        record.key = key;
        record.payload = payload;
        let mut list = OwnedHeaders::new();
        for (key, value) in headers {
            list = list.insert(rdkafka::message::Header { key, value: Some(*value) });
        }
        record.headers = Some(list);
        self.0.send(record).map_err(|(error, _)| error).unwrap();
        self.0.poll(Duration::ZERO);
    }

    /// Queue one text.
    pub fn text(&self, topic: &str, partition: i32, text: &str) {
        self.send(topic, partition, None, Some(text.as_bytes()), &[]);
    }

    /// One transaction with these texts, made real or given up.
    pub fn transaction(&self, topic: &str, texts: &[String], commit: bool) {
        self.0.begin_transaction().unwrap();
        texts.iter().for_each(|text| self.text(topic, 0, text));
        self.flush();
        match commit {
            true => self.0.commit_transaction(PATIENCE).unwrap(),
            false => self.0.abort_transaction(PATIENCE).unwrap(),
        }
    }

    /// Wait until all is taken.
    pub fn flush(&self) {
        self.0.flush(PATIENCE * 4).unwrap();
    }
}
