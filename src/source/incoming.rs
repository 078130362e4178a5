//! Reading from a peer: what is there, its end, or one of the reasons to give it up.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::Instant;

use crate::stdx::stop::StopToken;

/// Bytes asked for at once.
pub const PIECE_BYTES: usize = 64 << 10;
/// However late it is, what has arrived already is read.
const LAST_LOOK: Duration = Duration::from_millis(50);
/// After a stop, a peer that says nothing for this long has said all.
const QUIET: Duration = Duration::from_millis(100);
/// After a stop, a peer is read for so long at most.
const DRAIN: Duration = Duration::from_secs(2);

/// What a wait for a peer brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Came {
    /// Bytes.
    Bytes,
    /// It has said all.
    Ended,
    /// The connection broke.
    Broken(String),
    /// It said nothing for too long.
    Idle,
    /// What it began takes too long.
    Stalled,
    /// We stop.
    Stopped,
}

/// The reading half of a connection.
pub struct Incoming<R> {
    half: R,
    stop: StopToken,
    idle: Duration,
    stall: Duration,
    begun: Option<Instant>,
    /// What came last.
    pub piece: Vec<u8>,
    until: Option<Instant>,
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    /// Read from `half` until `stop`.
    pub fn new(half: R, stop: StopToken, idle: Duration, stall: Duration) -> Incoming<R> {
        Incoming { half, stop, idle, stall, begun: None, piece: Vec::new(), until: None }
    }

    /// Wait for the next piece. `open`: a message is begun and not complete.
    pub async fn next(&mut self, open: bool) -> Came {
        let now = Instant::now();
        self.begun = if open { Some(self.begun.unwrap_or(now)) } else { None };
        let patience = match (self.until, self.begun) {
            (Some(until), _) => until.saturating_duration_since(now).min(QUIET),
            (None, Some(begun)) => {
                (begun + self.stall).saturating_duration_since(now).max(LAST_LOOK)
            }
            (None, None) => self.idle,
        };
        self.piece.resize(PIECE_BYTES, 0);
        let read = tokio::time::timeout(patience, self.half.read(&mut self.piece));
        let read = match self.until {
            Some(_) => read.await,
            None => tokio::select! {
                biased;
                () = self.stop.stopped() => {
                    self.piece.clear();
                    return Came::Stopped;
                }
                read = read => read,
            },
        };
        let count = match &read {
            Ok(Ok(count)) => *count,
            _ => 0,
        };
        self.piece.truncate(count);
        match read {
            Ok(Ok(0)) => Came::Ended,
            Ok(Ok(_)) => Came::Bytes,
            Ok(Err(error)) => Came::Broken(error.to_string()),
            Err(_) if self.until.is_some() => Came::Ended,
            Err(_) if open => Came::Stalled,
            Err(_) => Came::Idle,
        }
    }

    /// We stop: from now on only what the peer has sent already is read, until it is quiet.
    pub fn drain(&mut self) {
        self.until = Some(Instant::now() + DRAIN);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn a_silent_peer_is_idle_a_slow_one_stalls_and_a_stop_drains() {
        let (mut peer, ours) = tokio::io::duplex(100);
        let stop = StopToken::new();
        let short = Duration::from_millis(60);
        let mut incoming = Incoming::new(ours, stop.clone(), short, short);
        assert_eq!(incoming.next(false).await, Came::Idle);
        peer.write_all(b"a").await.unwrap();
        assert_eq!(incoming.next(false).await, Came::Bytes);
        assert_eq!(incoming.piece, b"a");
        assert_eq!(incoming.next(true).await, Came::Stalled);
        stop.stop();
        assert_eq!(incoming.next(false).await, Came::Stopped);
        incoming.drain();
        peer.write_all(b"last").await.unwrap();
        assert_eq!(incoming.next(false).await, Came::Bytes);
        assert_eq!(incoming.next(false).await, Came::Ended);
    }
}
