//! How event time goes on at one endpoint while nothing comes from it.

use std::time::Instant;

/// Records may carry whole seconds, so one may seem up to this much older than it is, in milliseconds.
const STAMP_MS: i64 = 1_000;

/// An event time and when it was: from there on time goes on at the endpoint as it does here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    at_ms: i64,
    heard: Instant,
}

impl Clock {
    /// It was this event time when `heard` was now.
    pub(super) fn new(at_ms: i64, heard: Instant) -> Clock {
        Clock { at_ms, heard }
    }

    /// The event time to which the endpoint has come, in milliseconds.
    pub(super) fn now_ms(&self, now: Instant) -> i64 {
        let since = now.saturating_duration_since(self.heard).as_millis();
        self.at_ms.saturating_add(i64::try_from(since).unwrap_or(i64::MAX))
    }

    /// A newer event time was heard of. What says less than the clock by a stamp at most was rounded down and does not turn
    /// it back; what says still less does: records come later than before, or the clock of the endpoint was set.
    pub(super) fn hear(&mut self, newest_ms: i64, now: Instant) {
        let behind_ms = self.now_ms(now).saturating_sub(newest_ms);
        if !(0..STAMP_MS).contains(&behind_ms) {
            *self = Clock::new(newest_ms, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn whole_seconds_do_not_turn_the_clock_back() {
        let start = Instant::now();
        let mut clock = Clock::new(5_000, start);
        assert_eq!(clock.now_ms(start + ms(700)), 5_700);
        // Written at 6.9 and stamped 6.
        clock.hear(6_000, start + ms(1_900));
        assert_eq!(clock.now_ms(start + ms(2_000)), 7_000);
    }

    #[test]
    fn what_comes_quicker_or_much_later_sets_it() {
        let start = Instant::now();
        let mut clock = Clock::new(5_000, start);
        clock.hear(6_500, start + ms(1_000));
        assert_eq!(clock.now_ms(start + ms(1_100)), 6_600, "it is that late already");
        clock.hear(7_000, start + ms(11_000));
        assert_eq!(clock.now_ms(start + ms(11_100)), 7_100, "records wait on their way now");
        clock.hear(2_000, start + ms(12_000));
        assert_eq!(clock.now_ms(start + ms(12_000)), 2_000, "it was set back");
    }
}
