//! Connections one after the other: connect, look for the queue, take messages, answer them when they are durable.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions, QueueDeclareOptions,
};
use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::types::FieldTable;
use lapin::uri::AMQPUri;
use lapin::{Acker, Channel, Connection, ConnectionProperties, Consumer, ErrorKind};
use tokio::sync::oneshot;

use super::recent::Recent;
use crate::carrier::Chunk;
use crate::config::sources::AmqpSource;
use crate::model::record::{Framing, Shape};
use crate::source::Context;
use crate::source::push::Inlet;
use crate::stdx::id::IdHasher;
use crate::stdx::limits::REJECT_HEAD_BYTES_MAX;
use crate::stdx::stop::StopToken;
use crate::stdx::ticket::Outcome;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// An answer only goes into the connection's buffer. Where that takes longer, a connection that was cut is not noticed.
const ANSWER: Duration = Duration::from_secs(15);
/// First and last pause between connections.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// What a broker says of a queue that is not there.
const NOT_FOUND: u16 = 404;
/// What it says of a queue with other settings.
const PRECONDITION_FAILED: u16 = 406;

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Failed {
    /// It may heal by itself.
    Connection(String),
    /// The queue is not as it must be.
    Queue(String),
    /// Something of ours cannot be read.
    Setting(String),
}

impl Failed {
    fn text(self) -> String {
        match self {
            Failed::Connection(text) | Failed::Queue(text) | Failed::Setting(text) => text,
        }
    }
}

impl From<lapin::Error> for Failed {
    fn from(error: lapin::Error) -> Failed {
        Failed::Connection(error.to_string())
    }
}

/// What is said while no broker answers.
pub(super) fn unreachable(config: &AmqpSource, why: &str) -> String {
    format!("{}: {why}; it is tried again until it works", config.url)
}

/// Is the broker there, with the queue?
pub(super) async fn look(config: &AmqpSource) -> Result<(), Failed> {
    let connection = connect(config).await?;
    let looking = async {
        let channel = connection.create_channel().await?;
        find_queue(&channel, config).await
    };
    let found = tokio::time::timeout(CONNECT, looking).await.unwrap_or_else(|_| Err(no_answer()));
    // The answer is known; how the connection ends changes nothing.
    let _ = tokio::time::timeout(CONNECT, connection.close(200, "looked".into())).await;
    found
}

async fn connect(config: &AmqpSource) -> Result<Connection, Failed> {
    let setting = |what: &dyn std::fmt::Display| Failed::Setting(what.to_string());
    let mut uri: AMQPUri = config.url.parse().map_err(|error: String| Failed::Setting(error))?;
    uri.authority.userinfo.username.clone_from(&config.user);
    if let Some(password) = &config.password {
        let secret = password.read().map_err(|error| setting(&error))?;
        uri.authority.userinfo.password = String::from_utf8_lossy(&secret).into_owned();
    }
    let read = |path: &std::path::PathBuf| {
        std::fs::read(path).map_err(|error| Failed::Setting(format!("{}: {error}", path.display())))
    };
    let identity = match &config.pair {
        Some((cert, key)) => Some(OwnedIdentity::PKCS8 { pem: read(cert)?, key: read(key)? }),
        None => None,
    };
    let authorities = config.ca.as_ref().map(read).transpose()?;
    let tls = OwnedTLSConfig {
        identity,
        cert_chain: authorities.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
    };
    let runtime = lapin::runtime::default_runtime().map_err(|error| setting(&error))?;
    let properties = ConnectionProperties::default().with_connection_name("watchfloor".into());
    let connecting = Connection::connect_uri_with_config(uri, properties, tls, runtime);
    match tokio::time::timeout(CONNECT, connecting).await {
        Ok(connection) => Ok(connection?),
        Err(_) => Err(no_answer()),
    }
}

fn no_answer() -> Failed {
    Failed::Connection(format!("no answer within {} s", CONNECT.as_secs()))
}

/// Begin to take messages of the queue.
async fn open_queue(
    connection: &Connection,
    config: &AmqpSource,
) -> Result<(Channel, Consumer), Failed> {
    let channel = connection.create_channel().await?;
    find_queue(&channel, config).await?;
    channel.basic_qos(config.prefetch, BasicQosOptions::default()).await?;
    let (queue, options) = (config.queue.as_str(), BasicConsumeOptions::default());
    let consumer =
        channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?;
    Ok((channel, consumer))
}

/// A queue is only looked for, unless the configuration says to make it.
async fn find_queue(channel: &Channel, config: &AmqpSource) -> Result<(), Failed> {
    let options = QueueDeclareOptions {
        passive: !config.declare,
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let found =
        channel.queue_declare(config.queue.as_str().into(), options, FieldTable::default()).await;
    let Err(error) = found else { return Ok(()) };
    let code = match error.kind() {
        ErrorKind::ProtocolError(answer) => answer.get_id(),
        _ => 0,
    };
    Err(match code {
        NOT_FOUND => Failed::Queue(format!(
            "is not on {}; a queue is never made by accident: correct the name, or say declare = true",
            config.url
        )),
        PRECONDITION_FAILED => Failed::Queue(format!(
            "is there with other settings than durable = true: {error}; leave out declare = true to use it as it is"
        )),
        _ => error.into(),
    })
}

/// One message under way.
type Waiting = (Acker, oneshot::Receiver<Outcome>);

/// What the task of the source needs.
pub(super) struct Session {
    pub(super) config: Arc<AmqpSource>,
    pub(super) inlet: Inlet,
    pub(super) context: Context,
    pub(super) recent: Recent,
    pub(super) stop: StopToken,
}

impl Session {
    /// Connect again and again until a stop is asked for.
    pub(super) async fn run(mut self) {
        let mut pause = PAUSE.0;
        while !self.stop.is_stopped() {
            match self.connected().await {
                Ok(()) => return,
                Err((was_good, failed)) => {
                    if was_good {
                        pause = PAUSE.0;
                    }
                    let said = unreachable(&self.config, &failed.text());
                    tracing::warn!(source = &*self.inlet.settings.source, "{said}");
                    self.context.trouble(Some(said));
                }
            }
            self.context.gauges.set("connected", 0);
            tokio::select! {
                () = self.stop.stopped() => {}
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// One connection. An error says whether messages could be had.
    async fn connected(&mut self) -> Result<(), (bool, Failed)> {
        let early = |failed| (false, failed);
        let connection = connect(&self.config).await.map_err(early)?;
        // A connection may be cut in the middle of these, and nobody answers them then.
        let opening = open_queue(&connection, &self.config);
        let (_channel, mut consumer) = match tokio::time::timeout(CONNECT, opening).await {
            Ok(opened) => opened.map_err(early)?,
            Err(_) => return Err(early(no_answer())),
        };
        self.recent.reconnected();
        self.context.trouble(None);
        self.context.gauges.set("connected", 1);
        let late = |failed| (true, failed);
        let mut waiting = FuturesUnordered::new();
        loop {
            tokio::select! {
                () = self.stop.stopped() => break,
                // Nobody may have told the consumer.
                () = tokio::time::sleep(CONNECT) => {
                    if !connection.status().connected() {
                        return Err(late(Failed::Connection("the connection is gone".to_owned())));
                    }
                }
                Some((acker, outcome)) = waiting.next(), if !waiting.is_empty() => {
                    answer(&acker, outcome).await.map_err(late)?;
                }
                next = consumer.next() => match next {
                    None => return Err(late(Failed::Connection("the queue or the connection is gone".to_owned()))),
                    Some(Err(error)) => return Err(late(error.into())),
                    Some(Ok(delivery)) => {
                        // Waits while the path is busy; the broker stops at its prefetch.
                        if let Some((acker, end)) = self.take(delivery).await.map_err(late)? {
                            waiting.push(async move { (acker, end.await.unwrap_or(Outcome::Lost)) });
                        }
                    }
                },
            }
            self.context.gauges.set("unanswered", i64::try_from(waiting.len()).unwrap_or(i64::MAX));
        }
        let drained = async {
            while let Some((acker, outcome)) = waiting.next().await {
                // What cannot be answered any more comes again, and is known then.
                if answer(&acker, outcome).await.is_err() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(self.config.stop_wait, drained).await;
        let closing = connection.close(200, "stopped".into());
        let _ = tokio::time::timeout(self.config.stop_wait, closing).await;
        Ok(())
    }

    /// Hand a message on. `None`: it is answered already.
    async fn take(&mut self, delivery: Delivery) -> Result<Option<Waiting>, Failed> {
        let gauges = &self.context.gauges;
        if delivery.redelivered {
            gauges.add("redelivered", 1);
        }
        if delivery.data.trim_ascii().is_empty() {
            gauges.add("empty", 1);
            answer(&delivery.acker, Outcome::Durable).await?;
            return Ok(None);
        }
        let body = IdHasher::new("amqp body").bytes(&delivery.data).finish();
        let id = delivery.properties.message_id().as_ref().map(|id| id.as_str().to_owned());
        let queue = self.config.queue.as_bytes();
        let (key, row) = match id {
            // The body is part of it: a sender that uses an id twice hides nothing.
            Some(id) => (self.inlet.key("amqp id", &[queue, id.as_bytes(), body.as_bytes()]), None),
            None => {
                let key = self.recent.key(body, delivery.redelivered);
                let row = self.recent.row(&self.inlet.settings.source, body, key);
                (self.inlet.key("amqp", &[queue, key.as_bytes()]), Some(row))
            }
        };
        let mut batch = self.inlet.batch(&self.peer(&delivery), key, self.chunk(&delivery.data));
        batch.positions.extend(row);
        match self.inlet.send(batch).await {
            Some(end) => Ok(Some((delivery.acker, end))),
            None => Err(Failed::Connection("the path has ended".to_owned())),
        }
    }

    /// The name of where a message comes from.
    fn peer(&self, delivery: &Delivery) -> String {
        match delivery.exchange.as_str() {
            "" => self.config.queue.clone(),
            exchange => {
                format!("{}/{exchange}/{}", self.config.queue, delivery.routing_key.as_str())
            }
        }
    }

    fn chunk(&self, data: &[u8]) -> Chunk {
        let shape = match &*self.inlet.settings.format {
            "otlp_protobuf" => Shape::Otlp,
            "journal_export" => Shape::JournalExport,
            _ => Shape::Line,
        };
        let mut chunk = Chunk::default();
        if data.len() > self.inlet.settings.bounds.record_bytes_max {
            let head = data.get(..REJECT_HEAD_BYTES_MAX).unwrap_or(data);
            chunk.push(head, 0, Framing::TooLong, shape);
        } else {
            let text = if shape == Shape::Line { data.trim_ascii_end() } else { data };
            chunk.push(text, 0, Framing::Whole, shape);
        }
        chunk
    }
}

/// Tell the broker what became of a message. What it is not told comes again, and is known then.
async fn answer(acker: &Acker, outcome: Outcome) -> Result<(), Failed> {
    let told = async {
        match outcome.is_safe() {
            true => acker.ack(BasicAckOptions::default()).await,
            false => {
                let options = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
                acker.nack(options).await
            }
        }
    };
    match tokio::time::timeout(ANSWER, told).await {
        Ok(done) => Ok(done.map(|_| ())?),
        Err(_) => {
            let text = format!("takes no answer within {} s", ANSWER.as_secs());
            Err(Failed::Connection(text))
        }
    }
}
