//! Bounded, named queues between threads. When a queue is full the sender waits: pressure goes back
//! to the source, nothing is dropped.

use std::time::Duration;

use crossbeam_channel as channel;

/// The sending half.
#[derive(Debug)]
pub struct Sender<T> {
    name: &'static str,
    inner: channel::Sender<T>,
}

/// The receiving half.
#[derive(Debug)]
pub struct Receiver<T> {
    inner: channel::Receiver<T>,
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender { name: self.name, inner: self.inner.clone() }
    }
}

/// What a timed receive brought.
#[derive(Debug)]
pub enum Received<T> {
    /// An item.
    Item(T),
    /// Nothing came in time.
    Nothing,
    /// Every sender is gone and the queue is empty.
    Closed,
}

/// What became of an item that was offered.
#[derive(Debug)]
pub enum Offered<T> {
    /// It is in the queue.
    Taken,
    /// The queue stayed full; here it is again.
    Full(T),
    /// The receiver is gone.
    Closed,
}

/// A queue of at most `capacity` items.
pub fn bounded<T>(name: &'static str, capacity: usize) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = channel::bounded(capacity);
    (Sender { name, inner: sender }, Receiver { inner: receiver })
}

impl<T> Sender<T> {
    /// The queue's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Hand an item on, waiting while the queue is full. `false`: the receiver is gone.
    #[must_use]
    pub fn send(&self, item: T) -> bool {
        self.inner.send(item).is_ok()
    }

    /// Hand an item on, waiting at most `limit` while the queue is full.
    pub fn offer(&self, item: T, limit: Duration) -> Offered<T> {
        match self.inner.send_timeout(item, limit) {
            Ok(()) => Offered::Taken,
            Err(channel::SendTimeoutError::Timeout(item)) => Offered::Full(item),
            Err(channel::SendTimeoutError::Disconnected(_)) => Offered::Closed,
        }
    }

    /// Hand an item on if there is room now; a full queue gives it back. To a closed queue it is lost, like with
    /// `send`.
    pub fn try_send(&self, item: T) -> Result<(), T> {
        match self.inner.try_send(item) {
            Ok(()) | Err(channel::TrySendError::Disconnected(_)) => Ok(()),
            Err(channel::TrySendError::Full(item)) => Err(item),
        }
    }

    /// Items waiting now.
    pub fn depth(&self) -> usize {
        self.inner.len()
    }

    /// The bound.
    pub fn capacity(&self) -> usize {
        self.inner.capacity().unwrap_or(0)
    }
}

impl<T> Receiver<T> {
    /// Wait for the next item; `None` when every sender is gone and the queue is empty.
    pub fn receive(&self) -> Option<T> {
        self.inner.recv().ok()
    }

    /// Wait at most `limit` for the next item.
    pub fn receive_timeout(&self, limit: Duration) -> Received<T> {
        match self.inner.recv_timeout(limit) {
            Ok(item) => Received::Item(item),
            Err(channel::RecvTimeoutError::Timeout) => Received::Nothing,
            Err(channel::RecvTimeoutError::Disconnected) => Received::Closed,
        }
    }

    /// Take an item only if one is there.
    pub fn try_receive(&self) -> Option<T> {
        self.inner.try_recv().ok()
    }
}
