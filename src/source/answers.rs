//! Answers to a peer, in order, each when what it answers is on disk. Reading goes on meanwhile.

use std::time::Duration;

use tokio::io::{AsyncWriteExt, WriteHalf};
use tokio::sync::{mpsc, oneshot};

use crate::source::listener::Duplex;
use crate::stdx::stop::StopToken;
use crate::stdx::ticket::Outcome;

/// Answers that may wait for their commits; more make the reader wait.
pub const ANSWERS_MAX: usize = 256;
/// A peer must take its answers in this time.
const WRITE: Duration = Duration::from_secs(30);

/// What a peer is told.
#[derive(Debug)]
pub enum Answer {
    /// At once, behind the ones before.
    Now(Vec<u8>),
    /// When all of these batches are on disk.
    When(Vec<oneshot::Receiver<Outcome>>, Vec<u8>),
}

/// Give answers until no more come. What is not on disk, or not taken by the peer, ends the connection without an answer
/// (`failed` is stopped): the peer sends again. `farewell` is said last when `stopping`.
pub async fn give(
    mut half: WriteHalf<Box<dyn Duplex>>,
    mut answers: mpsc::Receiver<Answer>,
    (stopping, farewell): (StopToken, &'static [u8]),
    failed: StopToken,
) {
    while let Some(answer) = answers.recv().await {
        let bytes = match answer {
            Answer::Now(bytes) => Some(bytes),
            Answer::When(outcomes, bytes) => are_safe(outcomes).await.then_some(bytes),
        };
        let given = match bytes {
            Some(bytes) => put(&mut half, &bytes).await,
            None => false,
        };
        if !given {
            failed.stop();
            return;
        }
    }
    if stopping.is_stopped() && !farewell.is_empty() {
        put(&mut half, farewell).await;
    }
    let _ = tokio::time::timeout(WRITE, half.shutdown()).await;
}

async fn are_safe(outcomes: Vec<oneshot::Receiver<Outcome>>) -> bool {
    for outcome in outcomes {
        if !outcome.await.is_ok_and(Outcome::is_safe) {
            return false;
        }
    }
    true
}

async fn put(half: &mut WriteHalf<Box<dyn Duplex>>, bytes: &[u8]) -> bool {
    let written = async {
        half.write_all(bytes).await?;
        half.flush().await
    };
    matches!(tokio::time::timeout(WRITE, written).await, Ok(Ok(())))
}
