//! The acknowledgement ticket of a batch: it travels down the path with the batch and comes back to the source when
//! everything derived from it is durable, or when that will not happen.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything derived from it is on disk.
    Durable,
    /// The same batch was made durable before; nothing was done again.
    Repeated,
    /// It was given up (a stop, a failed commit): whoever sent it must send it again.
    Lost,
}

impl Outcome {
    /// May the sender forget the batch?
    pub fn is_safe(self) -> bool {
        self != Outcome::Lost
    }
}

type Answer = Box<dyn FnOnce(Outcome) + Send>;

/// Tells a source once what became of a batch. Clones are the same ticket; when the last one is dropped
/// unanswered, the answer is [`Outcome::Lost`].
#[derive(Clone)]
pub struct Ticket(Arc<Waiting>);

struct Waiting(Mutex<Option<Answer>>);

impl Waiting {
    fn answer(&self, outcome: Outcome) {
        // Taken out first: the answer may take a while and must not run under the lock.
        let answer = self.0.lock().take();
        if let Some(answer) = answer {
            answer(outcome);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.answer(Outcome::Lost);
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.0.lock().is_some() { "Ticket(open)" } else { "Ticket(answered)" })
    }
}

impl Ticket {
    /// A ticket that calls `answer` once. It is called on the thread that commits: it must not wait.
    pub fn new(answer: impl FnOnce(Outcome) + Send + 'static) -> Ticket {
        Ticket(Arc::new(Waiting(Mutex::new(Some(Box::new(answer))))))
    }

    /// A ticket and the end to wait at.
    pub fn pair() -> (Ticket, oneshot::Receiver<Outcome>) {
        let (sender, receiver) = oneshot::channel();
        let ticket = Ticket::new(move |outcome| {
            // Nobody waits any more: a client that went away.
            let _ = sender.send(outcome);
        });
        (ticket, receiver)
    }

    /// Answer it; every further answer is ignored.
    pub fn answer(&self, outcome: Outcome) {
        self.0.answer(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_answered_once_and_a_dropped_one_is_lost() {
        let (ticket, mut end) = Ticket::pair();
        let copy = ticket.clone();
        drop(ticket);
        assert!(end.try_recv().is_err(), "a copy is still under way");
        copy.answer(Outcome::Durable);
        copy.answer(Outcome::Lost);
        assert_eq!(end.try_recv(), Ok(Outcome::Durable));

        let (ticket, mut end) = Ticket::pair();
        drop(ticket);
        assert_eq!(end.try_recv(), Ok(Outcome::Lost));
    }
}
