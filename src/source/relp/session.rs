//! One RELP connection: frames in, batches of what is there down the path, answers in order as commits come. Reading never
//! waits for an answer; how far a sender may run ahead is its window.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::ReadHalf;
use tokio::sync::{mpsc, oneshot};

use super::frames::{Frame, Frames, response};
use super::memory::{Matching, digest};
use super::{NO_RELP, REPEATED, Shared};
use crate::carrier::Chunk;
use crate::model::record::{Batch, Flush, Framing, Position, Shape, Stream};
use crate::source::answers::{ANSWERS_MAX, Answer, give};
use crate::source::incoming::{Came, Incoming};
use crate::source::listener::{CLOSED_IDLE, CLOSED_STALLED, CUT, Connection, Duplex};
use crate::stdx::id::{Id128, IdHasher};
use crate::stdx::stop::StopToken;
use crate::stdx::task;

/// Said when we stop.
const FAREWELL: &[u8] = b"0 serverclose 0\n";
/// A head of a session that may still be a repeat is waited for, once the peer is quiet.
const HEAD_WAIT: Duration = Duration::from_secs(5);
/// Messages of a head that is not decided, in bytes. Over it what is known counts.
const HEAD_BYTES_MAX: usize = 16 << 20;
/// The newest version of the protocol that we speak.
const VERSION_MAX: u32 = 1;

/// Why a session is over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    /// The peer said so.
    Closed,
    /// Anything else.
    Left,
}

/// One message of the peer.
struct Message {
    txnr: u32,
    text: Vec<u8>,
    too_long: bool,
    digest: u64,
}

/// Serve a connection to its end.
pub(super) async fn take(connection: Connection, shared: Arc<Shared>) {
    let Connection { peer, io, seat } = connection;
    let (reading, writing) = tokio::io::split(io);
    let address = peer.ip().to_string();
    let (id, questions) = shared.enter(&address);
    // Stops when we stop, when the sender is found in another session, or when it takes no answers.
    let own = shared.stop.child();
    let (answers, waiting) = mpsc::channel(ANSWERS_MAX);
    let (stopping, failed) = (shared.stop.clone(), own.clone());
    let writer = give(writing, waiting, (stopping, FAREWELL), failed);
    let writer = task::spawn("relp answers", writer);
    let mut session = Session {
        id,
        peer: peer.to_string(),
        address,
        shared: Arc::clone(&shared),
        answers,
        stop: own.clone(),
        lane: None,
        place: Id128::default(),
        open: false,
        matching: None,
        head: Vec::new(),
        ready: Vec::new(),
    };
    let listen = &shared.config.listen;
    let incoming = Incoming::new(reading, own, listen.idle, listen.stall);
    let over = session.read(incoming, questions).await;
    let rows = session.end(over);
    // The last answers are given before the memory of a closed session goes.
    let Session { answers, .. } = session;
    drop(answers);
    writer.await.ok();
    if !rows.is_empty() {
        let stream = Arc::new(shared.inlet.stream(&peer.to_string(), None));
        let batch = Batch { positions: rows, ..Batch::new(stream, Flush::No) };
        let _ = shared.inlet.send(batch).await;
    }
    shared.leave(id);
    shared.show();
    drop(seat);
}

struct Session {
    id: u64,
    peer: String,
    address: String,
    shared: Arc<Shared>,
    answers: mpsc::Sender<Answer>,
    stop: StopToken,
    lane: Option<u64>,
    /// What event ids count in: the lane.
    place: Id128,
    /// The peer has said `open`.
    open: bool,
    /// The head of the session is being compared.
    matching: Option<Matching>,
    /// Messages of it.
    head: Vec<Message>,
    /// Messages for the next batch.
    ready: Vec<Message>,
}

impl Session {
    async fn read(
        &mut self,
        mut incoming: Incoming<ReadHalf<Box<dyn Duplex>>>,
        mut questions: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    ) -> Over {
        let mut frames = Frames::new(self.shared.inlet.settings.bounds.record_bytes_max);
        loop {
            let undecided = !self.head.is_empty();
            let came = tokio::select! {
                biased;
                came = incoming.next(frames.is_open()) => came,
                // Only reached when nothing is there to read: everything received was handed on.
                Some(answer) = questions.recv() => {
                    let _ = answer.send(());
                    continue;
                }
                () = tokio::time::sleep(HEAD_WAIT), if undecided => {
                    if self.decide().await.is_none() {
                        return Over::Left;
                    }
                    continue;
                }
            };
            match came {
                Came::Bytes => frames.feed(&incoming.piece),
                came => {
                    self.say(&came, frames.is_open());
                    return Over::Left;
                }
            }
            loop {
                let frame = match frames.next() {
                    Ok(Some(frame)) => frame,
                    Ok(None) => break,
                    Err(broken) => {
                        self.refuse(&broken.to_string(), frames.rest()).await;
                        return Over::Left;
                    }
                };
                match self.frame(frame).await {
                    Ok(None) => {}
                    Ok(Some(over)) => return over,
                    Err(()) => return Over::Left,
                }
            }
            if self.hand_on().await.is_none() {
                return Over::Left;
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
            // It had no answer and is sent again.
            gauges.add(CUT, 1);
        }
        tracing::debug!(peer = self.peer, ?came, "a session ended");
    }

    /// Do what a frame asks for. `Err`: the session cannot go on.
    async fn frame(&mut self, frame: Frame) -> Result<Option<Over>, ()> {
        match frame.command.as_str() {
            "open" if !self.open => {
                let (answer, good) = offer(&String::from_utf8_lossy(&frame.data));
                self.answer(response(frame.txnr, &answer)).await?;
                if !good {
                    return Err(());
                }
                self.open = true;
                self.shared.settle(self.id, &self.address).await;
                self.matching = Some(self.shared.memory.lock().matching(&self.address));
                Ok(None)
            }
            "syslog" if self.open => {
                self.message(frame).await?;
                Ok(None)
            }
            "close" => {
                self.decide().await.ok_or(())?;
                self.hand_on().await.ok_or(())?;
                self.answer(response(frame.txnr, "")).await?;
                Ok(Some(Over::Closed))
            }
            command => {
                let command: String = command.chars().take(32).collect();
                self.hand_on().await.ok_or(())?;
                let text = format!("500 {command} is not done here");
                self.answer(response(frame.txnr, &text)).await?;
                Ok(None)
            }
        }
    }

    async fn answer(&self, bytes: Vec<u8>) -> Result<(), ()> {
        self.answers.send(Answer::Now(bytes)).await.map_err(drop)
    }

    async fn message(&mut self, frame: Frame) -> Result<(), ()> {
        let digest = digest(&frame.data);
        let too_long = frame.is_too_long();
        let mut text = frame.data;
        let end = text.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n' | 0));
        text.truncate(end.map_or(0, |end| end + 1));
        let message = Message { txnr: frame.txnr, text, too_long, digest };
        let Some(matching) = &mut self.matching else {
            self.ready.push(message);
            let bounds = self.shared.inlet.settings.bounds;
            return match self.ready.len() >= bounds.chunk_records_max {
                true => self.hand_on().await.ok_or(()),
                false => Ok(()),
            };
        };
        matching.see(digest);
        let decided = matching.is_decided();
        self.head.push(message);
        let held: usize = self.head.iter().map(|message| message.text.len()).sum();
        match decided || held > HEAD_BYTES_MAX {
            true => self.decide().await.ok_or(()),
            false => Ok(()),
        }
    }

    /// The head is decided: what it repeats is counted and answered, the rest is new. `None`: nobody takes it.
    async fn decide(&mut self) -> Option<()> {
        let Some(matching) = self.matching.take() else { return Some(()) };
        let found = matching
            .found()
            .cloned()
            .filter(|found| self.shared.memory.lock().adopt(found, self.id, &self.stop));
        let mut positions = Vec::new();
        let lane = match &found {
            Some(found) => found.lane,
            None => {
                let (lane, forgotten) =
                    self.shared.memory.lock().open(&self.address, self.id, &self.stop);
                positions = forgotten;
                lane
            }
        };
        self.lane = Some(lane);
        let settings = &self.shared.inlet.settings;
        self.place = IdHasher::new("relp lane")
            .text(&settings.tenant)
            .text(&settings.source)
            .text(&self.address)
            .number(lane)
            .finish();
        let mut head = std::mem::take(&mut self.head);
        self.ready = head.split_off(found.map_or(0, |found| found.repeats));
        self.shared.show();
        if head.is_empty() && positions.is_empty() {
            return Some(());
        }
        let repeated = head.len() as u64;
        self.shared.gauges.add(REPEATED, i64::try_from(repeated).unwrap_or(i64::MAX));
        let txnrs: Vec<u32> = head.iter().map(|message| message.txnr).collect();
        let mut batch = self.batch(Chunk::default(), positions);
        batch.delivery.repeated = repeated;
        self.send(batch, &txnrs).await
    }

    /// Hand on what is ready as one batch. `None`: nobody takes it, or the lane is another session's.
    async fn hand_on(&mut self) -> Option<()> {
        let Some(lane) = self.lane.filter(|_| !self.ready.is_empty()) else { return Some(()) };
        let messages = std::mem::take(&mut self.ready);
        let digests = messages.iter().map(|message| message.digest).collect();
        let added = self.shared.memory.lock().add(lane, self.id, digests)?;
        let mut chunk = Chunk::default();
        for (number, message) in (added.first..).zip(&messages) {
            let framing = if message.too_long { Framing::TooLong } else { Framing::Whole };
            chunk.push(&message.text, number, framing, Shape::Line);
        }
        let txnrs: Vec<u32> = messages.iter().map(|message| message.txnr).collect();
        let batch = self.batch(chunk, added.positions);
        self.send(batch, &txnrs).await
    }

    fn batch(&self, chunk: Chunk, positions: Vec<Position>) -> Batch {
        let stream: Stream = self.shared.inlet.stream(&self.peer, Some(self.place));
        let Chunk { data, records } = chunk;
        Batch { data, records, positions, ..Batch::new(Arc::new(stream), Flush::No) }
    }

    async fn send(&self, batch: Batch, txnrs: &[u32]) -> Option<()> {
        let answers = txnrs.iter().flat_map(|txnr| response(*txnr, "200 OK")).collect();
        let outcome = self.shared.inlet.send(batch).await?;
        self.answers.send(Answer::When(vec![outcome], answers)).await.ok()
    }

    /// What came is no RELP: keep its head with the reason.
    async fn refuse(&mut self, why: &str, rest: &[u8]) {
        self.shared.gauges.add(NO_RELP, 1);
        let said = [why.as_bytes(), b", but: ", rest].concat();
        let mut chunk = Chunk::default();
        chunk.push(&said, 0, Framing::Damaged, Shape::Line);
        let place = self.shared.inlet.fresh(&self.peer);
        let stream = Arc::new(self.shared.inlet.stream(&self.peer, Some(place)));
        let Chunk { data, records } = chunk;
        let _ =
            self.shared.inlet.send(Batch { data, records, ..Batch::new(stream, Flush::No) }).await;
    }

    /// Give the lane back. The rows to remove when the peer said that it is done.
    fn end(&mut self, over: Over) -> Vec<Position> {
        let Some(lane) = self.lane else { return Vec::new() };
        let mut memory = self.shared.memory.lock();
        match over {
            Over::Closed => memory.close(lane, self.id),
            Over::Left => {
                memory.leave(lane, self.id);
                Vec::new()
            }
        }
    }
}

/// The answer to what a peer offers, and whether it is one that we can talk to.
fn offer(offers: &str) -> (String, bool) {
    let of = |name: &str| {
        let mut pairs = offers.lines().filter_map(|line| line.split_once('='));
        pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
    };
    let commands = of("commands").unwrap_or_default();
    if !commands.split(',').any(|command| command.trim() == "syslog") {
        return ("500 the command syslog is not offered".to_owned(), false);
    }
    let version = of("relp_version").and_then(|version| version.parse::<u32>().ok()).unwrap_or(0);
    let own = concat!("watchfloor,", env!("CARGO_PKG_VERSION"));
    let text = format!(
        "200 OK\nrelp_version={}\nrelp_software={own}\ncommands=syslog",
        version.min(VERSION_MAX)
    );
    (text, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_are_answered_with_what_both_can_do() {
        let (text, good) =
            offer("relp_version=0\nrelp_software=librelp,1.10.0,http://x\ncommands=syslog");
        assert!(good && text.starts_with("200 OK\nrelp_version=0\n"), "{text}");
        assert!(offer("relp_version=7\ncommands=eventlog, syslog").0.contains("relp_version=1\n"));
        assert!(!offer("relp_version=0\ncommands=eventlog").1);
        assert!(!offer("").1);
    }
}
