//! One token that asks every thread and task to finish; clones share it.

pub use tokio_util::sync::CancellationToken;

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

    /// Wait (async) until a stop is asked for.
    pub async fn stopped(&self) {
        self.0.cancelled().await;
    }

    /// A token that stops with this one, and may be stopped alone.
    pub fn child(&self) -> StopToken {
        StopToken(self.0.child_token())
    }
}
