//! One connection of the forward protocol: the handshake where a key is shared, then chunks.

use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::io::ReadHalf;
use tokio::sync::mpsc;

use super::greeting::Greeting;
use super::messages::{Message, Messages};
use super::pack::{map, text};
use super::{AUTH_FAILED, CHUNKS, NO_FORWARD, Shared};
use crate::carrier::Chunk;
use crate::carrier::fluent_forward::FluentForward;
use crate::model::record::{Batch, Flush, Framing, Shape};
use crate::source::answers::{ANSWERS_MAX, Answer, give};
use crate::source::incoming::{Came, Incoming};
use crate::source::listener::{CLOSED_IDLE, CLOSED_STALLED, CUT, Connection, Duplex};
use crate::stdx::id::Id128;
use crate::stdx::task;

/// What a peer may say before it has shown that it knows the key.
const STRANGER_BYTES_MAX: usize = 8 << 10;

/// Serve a connection to its end.
pub(super) async fn take(connection: Connection, shared: Arc<Shared>) {
    let Connection { peer, io, seat } = connection;
    let (reading, writing) = tokio::io::split(io);
    let own = shared.stop.child();
    let (answers, waiting) = mpsc::channel(ANSWERS_MAX);
    let writer = give(writing, waiting, (shared.stop.clone(), b""), own.clone());
    let writer = task::spawn("forward answers", writer);
    let greeting = shared.key.as_deref().map(|key| Greeting::new(key, &shared.config.hostname));
    let listen = &shared.config.listen;
    let incoming = Incoming::new(reading, own, listen.idle, listen.stall);
    let place = shared.inlet.fresh(&peer.to_string());
    let peer = peer.to_string();
    let conversation =
        Conversation { shared, peer, answers, greeting, place, number: 0, loose: Chunk::default() };
    conversation.hold(incoming).await;
    writer.await.ok();
    drop(seat);
}

struct Conversation {
    shared: Arc<Shared>,
    peer: String,
    answers: mpsc::Sender<Answer>,
    /// The peer has not shown yet that it knows the key.
    greeting: Option<Greeting>,
    /// What ids of entries without a chunk count in.
    place: Id128,
    number: u64,
    /// Entries without a chunk that were not handed on.
    loose: Chunk,
}

impl Conversation {
    async fn hold(mut self, mut incoming: Incoming<ReadHalf<Box<dyn Duplex>>>) {
        if let Some(greeting) = &self.greeting
            && self.answers.send(Answer::Now(greeting.hello())).await.is_err()
        {
            return;
        }
        let bytes_max = self.shared.config.message_bytes_max;
        // A stranger may not make us hold much.
        let first = if self.greeting.is_some() { STRANGER_BYTES_MAX } else { bytes_max };
        let mut messages = Messages::new(first);
        loop {
            match incoming.next(messages.is_open() || self.greeting.is_some()).await {
                Came::Bytes => messages.feed(&incoming.piece),
                came => return self.say(&came, messages.is_open()),
            }
            loop {
                match messages.next() {
                    Ok(Some(message)) => {
                        if self.message(message).await.is_none() {
                            return;
                        }
                        messages.allow(bytes_max);
                    }
                    Ok(None) => break,
                    Err(broken) => {
                        let _ = self.hand_on().await;
                        return self.refuse(&broken.to_string(), messages.rest()).await;
                    }
                }
            }
            if self.hand_on().await.is_none() {
                return;
            }
        }
    }

    fn say(&self, came: &Came, open: bool) {
        let gauges = &self.shared.gauges;
        match came {
            Came::Idle => gauges.add(CLOSED_IDLE, 1),
            Came::Stalled => gauges.add(CLOSED_STALLED, 1),
            _ => {}
        }
        if open {
            gauges.add(CUT, 1);
        }
        tracing::debug!(peer = self.peer, ?came, "a connection ended");
    }

    /// `None`: the connection is over.
    async fn message(&mut self, message: Message) -> Option<()> {
        if let Some(greeting) = self.greeting.take() {
            let judged = greeting.judge(&message);
            self.answers.send(Answer::Now(judged.answer)).await.ok()?;
            if let Some(name) = judged.known {
                tracing::debug!(peer = self.peer, name, "knows the shared key");
                return Some(());
            }
            self.shared.gauges.add(AUTH_FAILED, 1);
            tracing::warn!(peer = self.peer, "does not know the shared key");
            return None;
        }
        if matches!(message.text(0), Some(b"PING" | b"PONG" | b"HELO")) {
            return Some(());
        }
        let chunk = message.chunk();
        let parts = self.split(&message);
        let Some(chunk) = chunk else {
            for part in parts {
                for record in &part.records {
                    let bytes = part.bytes(record);
                    self.loose.push(bytes, self.number, record.framing, record.shape);
                    self.number += 1;
                }
                if self.loose.is_full(&self.shared.inlet.settings.bounds) {
                    self.hand_on().await?;
                }
            }
            return Some(());
        };
        // In order, also among entries that nobody waits for.
        self.hand_on().await?;
        let mut outcomes = Vec::new();
        for (number, part) in parts.into_iter().enumerate() {
            let key = self.shared.inlet.key("chunk", &[&chunk, &number.to_be_bytes()]);
            let batch = self.shared.inlet.batch(&self.peer, key, part);
            outcomes.push(self.shared.inlet.send(batch).await?);
        }
        self.shared.gauges.add(CHUNKS, 1);
        self.answers.send(Answer::When(outcomes, map(&[("ack", text(&chunk))]))).await.ok()
    }

    /// The entries of a message, in batches.
    fn split(&self, message: &Message) -> Vec<Chunk> {
        let mut parts = Vec::new();
        if message.too_long {
            let mut chunk = Chunk::default();
            chunk.push(&message.bytes, 0, Framing::TooLong, Shape::Json);
            return vec![chunk];
        }
        let mut entries = FluentForward::new(self.shared.inlet.settings.bounds);
        let mut sink = |chunk: Chunk| {
            if !chunk.records.is_empty() {
                parts.push(chunk);
            }
            ControlFlow::Continue(())
        };
        let _ = entries.feed(&message.bytes, &mut sink);
        let _ = entries.finish(&mut sink);
        parts
    }

    /// Hand on entries without a chunk. `None`: nobody takes them.
    async fn hand_on(&mut self) -> Option<()> {
        let Chunk { data, records } = std::mem::take(&mut self.loose);
        if records.is_empty() {
            return Some(());
        }
        let stream = Arc::new(self.shared.inlet.stream(&self.peer, Some(self.place)));
        let batch = Batch { data, records, ..Batch::new(stream, Flush::No) };
        self.shared.inlet.send(batch).await.map(drop)
    }

    /// What came is no message: keep its head with the reason. Who must know a key is not that far.
    async fn refuse(&mut self, why: &str, rest: &[u8]) {
        self.shared.gauges.add(NO_FORWARD, 1);
        if self.greeting.is_some() {
            return;
        }
        let said = [why.as_bytes(), b", but: ", rest].concat();
        self.loose.push(&said, self.number, Framing::Damaged, Shape::Line);
        let _ = self.hand_on().await;
    }
}
