//! What the log has let go of goes from the index too: whole days, and rows of segments that are gone.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::store::index::follow::{Failed, Follower, OFFSET_BITS};
use crate::store::index::{REST, partition_name, partition_names};

/// How long it is waited after a failure.
const AGAIN: Duration = Duration::from_secs(60);

impl Follower {
    /// Days whose events are all gone from the log go too.
    pub(super) fn drop_old_days(&mut self) {
        let Some(oldest) = self.reader.oldest_event() else { return };
        let Some(snapshot) = self.index.snapshot() else { return };
        if snapshot.days.iter().all(|day| day.last >= oldest) {
            return;
        }
        for name in partition_names(&self.index.folder).unwrap_or_default() {
            // By its name alone: a day that ended before the oldest event.
            if name == REST || name >= partition_name(oldest) {
                continue;
            }
            self.writers.remove(&name);
            self.index.partitions.lock().remove(&name);
            let _ = std::fs::remove_dir_all(self.index.folder.join(&name));
        }
    }

    /// Did segments go since rows of such were looked for? After a start, and after a failure, nobody knows.
    pub(super) fn lost_segments(&self) -> bool {
        let Some(kept) = &self.kept else {
            return self.forget_at.is_none_or(|at| Instant::now() >= at);
        };
        let there = self.reader.segments();
        let is_there = |number: &u64| there.iter().any(|one| one.number == *number);
        !kept.iter().all(is_there)
    }

    /// Forget while nothing new comes.
    pub(super) fn forget_or_say(&mut self) {
        let done = self.forget_gone().and_then(|()| Ok(self.index.publish(self.mark.cursor)?));
        let what = match done {
            Ok(()) => return self.index.say(None),
            Err(Failed::Index(what)) => what,
            Err(Failed::Log(error)) => error.to_string(),
        };
        // Nobody knows now what was left: all is looked through, but not five times a second.
        self.kept = None;
        self.forget_at = Some(Instant::now() + AGAIN);
        self.go_back(&what);
    }

    /// Rows of segments that are gone lead nowhere, take room, and hold words of events that somebody wanted gone.
    pub(super) fn forget_gone(&mut self) -> Result<(), Failed> {
        let kept: Vec<u64> = self.reader.segments().iter().map(|one| one.number).collect();
        // New segments alone leave nothing behind.
        if self.kept.is_some() && !self.lost_segments() {
            self.kept = Some(kept);
            return Ok(());
        }
        let known = self.kept.take();
        let was_there = |number: &u64| known.as_ref().is_none_or(|known| known.contains(number));
        let gone = |number: u64| kept.binary_search(&number).is_err() && was_there(&number);
        let partitions = self.index.partitions.lock().clone();
        for (name, partition) in partitions {
            partition.reload()?;
            let numbers = partition.holds(&gone, OFFSET_BITS)?;
            // Deleted, and not rewritten: an earlier look ended in between.
            if numbers.is_empty() && partition.parts_with_deletes()?.is_empty() {
                continue;
            }
            if let Some(open) = self.writers.remove(&name) {
                open.writer.close()?;
            }
            let place = |number: u64| number << OFFSET_BITS;
            let places: Vec<Range<u64>> =
                numbers.iter().map(|number| place(*number)..place(number + 1)).collect();
            partition.forget(&places)?;
            tracing::debug!(name, segments = numbers.len(), "rows of segments that are gone went");
        }
        self.kept = Some(kept);
        Ok(())
    }
}
