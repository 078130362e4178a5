//! One token that asks every thread and task to finish; clones share it.

use std::time::{Duration, Instant};

pub use tokio_util::sync::CancellationToken;

/// How soon a thread that waits sees a stop.
const STEP: Duration = Duration::from_millis(50);

/// Asks for a clean stop: sources first, then drain down the path.
#[derive(Clone, Debug, Default)]
pub struct StopToken(CancellationToken);

impl StopToken {
    /// A token nobody has stopped yet.
    pub fn new() -> StopToken {
        StopToken::default()
    }

    /// Ask everybody who holds a clone to finish.
    pub fn stop(&self) {
        self.0.cancel();
    }

    /// Was a stop asked for?
    pub fn is_stopped(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Wait on this thread for so long, or until a stop is asked for. Was it?
    pub fn wait(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        while !self.is_stopped() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            std::thread::sleep(left.min(STEP));
        }
        true
    }

    /// Wait (async) until a stop is asked for.
    pub async fn stopped(&self) {
        self.0.cancelled().await;
    }

    /// A token that stops with this one, and may be stopped alone.
    pub fn child(&self) -> StopToken {
        StopToken(self.0.child_token())
    }
}
