//! Changes as they happen, for who looks on. A reader that is too slow learns that it missed some.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::broadcast::{self, error::RecvError};

use crate::model::desk::Change;
use crate::pipeline::changes::{self, Changes};

/// A change with its place in the order of this run of the program.
#[derive(Clone, Debug)]
pub struct Numbered {
    /// The run: numbers start again with each.
    pub run: i64,
    /// 1, 2, 3, …; none for what concerns this reader alone.
    pub number: Option<u64>,
    /// The change.
    pub change: Change,
}

/// Changes with their numbers.
#[derive(Debug)]
pub struct NumberedFeed {
    run: i64,
    first: VecDeque<Numbered>,
    receiver: broadcast::Receiver<Arc<changes::Numbered>>,
}

impl NumberedFeed {
    /// Everything after a change of a run, or everything from now on.
    pub(super) fn open(changes: &Changes, after: Option<(i64, u64)>) -> NumberedFeed {
        let run = changes.epoch();
        let Some((seen_run, seen)) = after else {
            return NumberedFeed { run, first: VecDeque::new(), receiver: changes.subscribe() };
        };
        let resumed = changes.resume(seen_run, seen);
        let first = match resumed.missed {
            Some(missed) => missed.iter().map(|one| numbered(run, one)).collect(),
            None => VecDeque::from([gap(run)]),
        };
        NumberedFeed { run, first, receiver: resumed.receiver }
    }

    /// The next change; `None`: the program stops. May be dropped and called again without losing one.
    pub async fn next(&mut self) -> Option<Numbered> {
        if let Some(one) = self.first.pop_front() {
            return Some(one);
        }
        match self.receiver.recv().await {
            Ok(one) => Some(numbered(self.run, &one)),
            Err(RecvError::Lagged(_)) => Some(gap(self.run)),
            Err(RecvError::Closed) => None,
        }
    }
}

fn numbered(run: i64, one: &changes::Numbered) -> Numbered {
    Numbered { run, number: Some(one.number), change: one.change.clone() }
}

fn gap(run: i64) -> Numbered {
    Numbered { run, number: None, change: Change::Gap }
}

/// Changes as they happen.
#[derive(Debug)]
pub struct Feed(pub(super) NumberedFeed);

impl Feed {
    /// The next change; `None`: the program stops. May be dropped and called again without losing one.
    pub async fn next(&mut self) -> Option<Change> {
        self.0.next().await.map(|numbered| numbered.change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::changes::RING_MAX;

    #[tokio::test]
    async fn a_slow_reader_learns_of_the_gap_and_goes_on() {
        let changes = Changes::default();
        let mut feed = NumberedFeed::open(&changes, None);
        for _ in 0..RING_MAX + 10 {
            changes.publish(Change::Status(Box::default()));
        }
        let first = feed.next().await.unwrap();
        assert_eq!((first.number, first.change), (None, Change::Gap));
        assert_eq!(feed.next().await.unwrap().number, Some(11));
    }

    #[tokio::test]
    async fn a_reader_that_comes_back_gets_what_it_missed_or_a_gap() {
        let changes = Changes::default();
        for _ in 0..3 {
            changes.publish(Change::Status(Box::default()));
        }
        let mut known = NumberedFeed::open(&changes, Some((changes.epoch(), 2)));
        assert_eq!(known.next().await.unwrap().number, Some(3));
        let mut stranger = NumberedFeed::open(&changes, Some((1, 2)));
        assert_eq!(stranger.next().await.unwrap().change, Change::Gap);
        changes.publish(Change::Gap);
        assert_eq!(stranger.next().await.unwrap().number, Some(4));
    }
}
