//! Connections one after the other: connect, look for the queue, take messages, answer them when they are durable.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::types::FieldTable;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties, Consumer, ErrorKind};
use tokio::time::Instant;

use super::gather::{Open, Sent};
use super::recent::Recent;
use crate::config::sources::AmqpSource;
use crate::source::Context;
use crate::source::push::Inlet;
use crate::stdx::stop::StopToken;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
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

fn gone() -> Failed {
    Failed::Connection("the queue or the connection is gone".to_owned())
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
        let (mut open, mut waiting) = (None::<Open>, FuturesOrdered::new());
        let mut unanswered = 0;
        loop {
            let due = open.as_ref().map(|open| open.due(waiting.is_empty()));
            tokio::select! {
                () = self.stop.stopped() => break,
                Some(sent) = waiting.next(), if !waiting.is_empty() => {
                    unanswered -= answer(&sent).await.map_err(late)?;
                }
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    waiting.extend(self.hand_on(&mut open).await.map_err(late)?);
                }
                next = consumer.next() => {
                    let Some(delivery) = next else { return Err(late(gone())) };
                    let delivery = delivery.map_err(|error| late(error.into()))?;
                    unanswered += 1;
                    waiting.extend(self.take(delivery, &mut open).await.map_err(late)?);
                }
            }
            self.context.gauges.set("unanswered", unanswered);
        }
        let drained = async {
            waiting.extend(self.hand_on(&mut open).await.unwrap_or_default());
            while let Some(sent) = waiting.next().await {
                // What cannot be answered any more comes again, and is known then.
                if answer(&sent).await.is_err() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(self.config.stop_wait, drained).await;
        let closing = connection.close(200, "stopped".into());
        let _ = tokio::time::timeout(self.config.stop_wait, closing).await;
        Ok(())
    }

    /// Gather a message. What is complete is handed on.
    async fn take(
        &mut self,
        delivery: Delivery,
        open: &mut Option<Open>,
    ) -> Result<Vec<BoxFuture<'static, Sent>>, Failed> {
        let peer = self.peer(&delivery);
        let mut handed = Vec::new();
        let fits = |open: &Open| open.has_room(&peer, delivery.data.len(), &self.inlet);
        if !open.as_ref().is_none_or(fits) {
            handed.extend(self.hand_on(open).await?);
        }
        let gathering = open.get_or_insert_with(|| Open::new(delivery.acker.clone()));
        let parts = (&self.inlet, &mut self.recent, &*self.config);
        gathering.take(delivery, &peer, parts, &self.context.gauges);
        if gathering.is_full(&self.config) {
            handed.extend(self.hand_on(open).await?);
        }
        Ok(handed)
    }

    /// Hand on what is gathered, waiting while the path is busy; the broker stops at its prefetch.
    async fn hand_on(
        &self,
        open: &mut Option<Open>,
    ) -> Result<Option<BoxFuture<'static, Sent>>, Failed> {
        let Some(open) = open.take() else { return Ok(None) };
        match open.send(&self.inlet).await {
            Some(sent) => Ok(Some(sent)),
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
}

/// Messages could be had before this failed.
fn late(failed: Failed) -> (bool, Failed) {
    (true, failed)
}

/// Tell the broker what became of a batch. How many messages it had.
async fn answer(sent: &Sent) -> Result<i64, Failed> {
    sent.answer().await?;
    Ok(i64::try_from(sent.messages).unwrap_or(i64::MAX))
}
