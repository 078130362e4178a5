//! The only place where threads and tasks are started: each has a name, and a panic becomes an error
//! that the owner sees.

use std::io;
use std::thread::JoinHandle;

/// Start a named operating-system thread. Its panic is returned by `join`.
pub fn thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// Start a named asynchronous task on the current runtime. A panic is logged here, once.
pub fn spawn<F>(name: &'static str, future: F) -> tokio::task::JoinHandle<Option<F::Output>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(async move {
        match tokio::spawn(future).await {
            Ok(output) => Some(output),
            Err(error) if error.is_cancelled() => None,
            Err(error) => {
                tracing::error!(task = name, %error, "task failed");
                None
            }
        }
    })
}

/// Work that ended in a panic.
#[derive(Debug, thiserror::Error)]
#[error("{name} failed: {text}")]
pub struct Panicked {
    /// The work.
    pub name: &'static str,
    /// What the panic said.
    pub text: String,
}

/// Do work that computes or waits for a disk away from the runtime's own threads.
pub async fn blocking<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Panicked> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(task = name, %error, "work failed");
        let text = match error.try_into_panic() {
            Ok(payload) => panic_text(&*payload),
            Err(error) => error.to_string(),
        };
        Panicked { name, text }
    })
}

/// The text of a panic, for an error message.
pub fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without text".to_owned())
}
