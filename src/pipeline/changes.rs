//! Changes pushed to front ends: numbered, broadcast, and kept for a while so that a reader who lost its
//! connection can go on where it was. Lossy by design: who is too slow is told so and reads again.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::model::desk::Change;
use crate::stdx::time::Timestamp;

/// Changes kept for readers that reconnect, and the most a reader may lag behind.
pub const RING_MAX: usize = 1_024;

/// A change with its place in the order of this run of the program.
#[derive(Debug)]
pub struct Numbered {
    /// 1, 2, 3, … since the start.
    pub number: u64,
    /// The change.
    pub change: Change,
}

/// The hub: one a process, shared by whoever changes something and whoever watches.
#[derive(Debug)]
pub struct Changes {
    epoch: i64,
    sender: broadcast::Sender<Arc<Numbered>>,
    // A lock, because numbering, keeping and sending must be one step for publishers in several threads.
    // Held for a push into a ring, never across an await.
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    last: u64,
    kept: VecDeque<Arc<Numbered>>,
}

/// What a reader gets who subscribes: what it missed, then what comes.
#[derive(Debug)]
pub struct Subscription {
    /// Kept changes after the number asked for; `None`: they are gone, everything must be read again.
    pub missed: Option<Vec<Arc<Numbered>>>,
    /// What comes from now on.
    pub receiver: broadcast::Receiver<Arc<Numbered>>,
}

impl Default for Changes {
    fn default() -> Changes {
        let (sender, _) = broadcast::channel(RING_MAX);
        Changes { epoch: Timestamp::now().micros(), sender, ring: Mutex::new(Ring::default()) }
    }
}

impl Changes {
    /// Tells this run of the program from another one: numbers start again with each.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Tell everybody who watches.
    pub fn publish(&self, change: Change) {
        let mut ring = self.ring.lock();
        ring.last += 1;
        let numbered = Arc::new(Numbered { number: ring.last, change });
        if ring.kept.len() >= RING_MAX {
            ring.kept.pop_front();
        }
        ring.kept.push_back(Arc::clone(&numbered));
        // Nobody watching is not an error.
        let _ = self.sender.send(numbered);
    }

    /// Does anybody watch?
    pub fn is_watched(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    /// Watch from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Numbered>> {
        self.sender.subscribe()
    }

    /// Watch from the change after `number` of the run `epoch`.
    pub fn resume(&self, epoch: i64, number: u64) -> Subscription {
        let ring = self.ring.lock();
        // Under the lock, so that nothing is published between what was missed and what comes.
        let receiver = self.sender.subscribe();
        let oldest = ring.kept.front().map_or(ring.last + 1, |first| first.number);
        let known = epoch == self.epoch && number <= ring.last && number + 1 >= oldest;
        let missed = known.then(|| {
            ring.kept.iter().filter(|kept| kept.number > number).map(Arc::clone).collect()
        });
        Subscription { missed, receiver }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(subscription: &Subscription) -> Option<Vec<u64>> {
        let missed = subscription.missed.as_ref()?;
        Some(missed.iter().map(|kept| kept.number).collect())
    }

    #[test]
    fn a_reader_resumes_or_learns_that_it_cannot() {
        let changes = Changes::default();
        let epoch = changes.epoch();
        assert_eq!(numbers(&changes.resume(epoch, 0)), Some(vec![]));
        for _ in 0..3 {
            changes.publish(Change::Gap);
        }
        assert_eq!(numbers(&changes.resume(epoch, 1)), Some(vec![2, 3]));
        assert_eq!(numbers(&changes.resume(epoch, 3)), Some(vec![]));
        assert_eq!(numbers(&changes.resume(epoch, 4)), None, "a number from the future");
        assert_eq!(numbers(&changes.resume(epoch + 1, 1)), None, "another run");
        for _ in 0..RING_MAX {
            changes.publish(Change::Gap);
        }
        assert_eq!(numbers(&changes.resume(epoch, 2)), None, "no longer kept");
        let first_kept = numbers(&changes.resume(epoch, 3)).map(|kept| kept.len());
        assert_eq!(first_kept, Some(RING_MAX));
    }

    #[test]
    fn nothing_is_lost_between_what_was_missed_and_what_comes() {
        let changes = Changes::default();
        changes.publish(Change::Gap);
        let mut subscription = changes.resume(changes.epoch(), 0);
        changes.publish(Change::Gap);
        assert_eq!(numbers(&subscription), Some(vec![1]));
        assert_eq!(subscription.receiver.try_recv().map(|next| next.number).ok(), Some(2));
    }
}
