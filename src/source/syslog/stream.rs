//! Messages of one TCP or TLS connection, behind their length in digits or line by line (RFC 6587), whichever the first
//! byte says.

use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;

use crate::carrier::syslog_frames::{Frames, SyslogFrames};
use crate::carrier::{Bounds, Chunk};
use crate::config::listen::Listen;
use crate::model::record::{Batch, Flush};
use crate::source::incoming::{Came, Incoming};
use crate::source::listener::{CLOSED_IDLE, CLOSED_STALLED, CUT, Connection};
use crate::source::push::Inlet;
use crate::stdx::gauges::Gauges;
use crate::stdx::id::Id128;
use crate::stdx::stop::StopToken;

/// Read a connection to its end. Not reading while the path is busy is the pressure that the sender feels.
pub(super) async fn take(
    connection: Connection,
    inlet: Inlet,
    listen: Arc<Listen>,
    gauges: Arc<Gauges>,
    stop: StopToken,
) {
    let Connection { peer, io, seat } = connection;
    let (reading, mut writing) = tokio::io::split(io);
    let mut incoming = Incoming::new(reading, stop, listen.idle, listen.stall);
    let mut messages = Messages::new(inlet, peer.to_string());
    loop {
        match incoming.next(messages.is_open()).await {
            Came::Bytes => {
                messages.feed(&incoming.piece);
                if !messages.hand_on().await {
                    return;
                }
            }
            Came::Stopped => {
                // The sender sees the end and stops; what it has sent until then is read.
                let _ = writing.shutdown().await;
                incoming.drain();
            }
            came => {
                match came {
                    Came::Idle => gauges.add(CLOSED_IDLE, 1),
                    Came::Stalled => gauges.add(CLOSED_STALLED, 1),
                    Came::Broken(why) => tracing::debug!(%peer, why, "a connection broke"),
                    _ => {}
                }
                if messages.is_open() {
                    gauges.add(CUT, 1);
                }
                messages.cut();
                messages.hand_on().await;
                drop(seat);
                return;
            }
        }
    }
}

/// The messages of one connection.
struct Messages {
    inlet: Inlet,
    peer: String,
    bounds: Bounds,
    /// What event ids count in: a connection never comes back.
    place: Id128,
    frames: Option<SyslogFrames>,
    full: Vec<Chunk>,
}

impl Messages {
    fn new(inlet: Inlet, peer: String) -> Messages {
        let place = inlet.fresh(&peer);
        let bounds = inlet.settings.bounds;
        Messages { inlet, peer, bounds, place, frames: None, full: Vec::new() }
    }

    fn is_open(&self) -> bool {
        self.frames.as_ref().is_some_and(|frames| !frames.is_between())
    }

    fn feed(&mut self, piece: &[u8]) {
        let bounds = self.bounds;
        let frames = self.frames.get_or_insert_with(|| {
            // A message begins with `<`, a counted one with its count.
            let first = piece.iter().find(|byte| !byte.is_ascii_whitespace());
            let counted = first.is_some_and(u8::is_ascii_digit);
            SyslogFrames::new(bounds, if counted { Frames::Counted } else { Frames::Lines })
        });
        let full = &mut self.full;
        let _ = frames.feed(piece, &mut |chunk| {
            full.push(chunk);
            ControlFlow::Continue(())
        });
    }

    fn cut(&mut self) {
        let full = &mut self.full;
        if let Some(frames) = &mut self.frames {
            let _ = frames.cut(&mut |chunk| {
                full.push(chunk);
                ControlFlow::Continue(())
            });
        }
    }

    /// Hand on what is complete. `false`: nobody takes it any more.
    async fn hand_on(&mut self) -> bool {
        if let Some(frames) = &mut self.frames {
            self.full.push(frames.take());
        }
        for Chunk { data, records } in std::mem::take(&mut self.full) {
            if records.is_empty() {
                continue;
            }
            let stream = Arc::new(self.inlet.stream(&self.peer, Some(self.place)));
            let batch = Batch { data, records, ..Batch::new(stream, Flush::No) };
            if self.inlet.send(batch).await.is_none() {
                return false;
            }
        }
        true
    }
}
