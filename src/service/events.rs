//! Asking for stored events: by the filter language, and around a moment on one endpoint.

use crate::model::desk::{Problem, ProblemKind};
use crate::model::event::Event;
use crate::model::query::EventFilter;
use crate::service::Workbench;
use crate::service::problem::{invalid_filter, not_done};
use crate::stdx::time::Timestamp;
use crate::store::EventScan;

/// Events of an answer when the caller names no limit.
pub const EVENTS_DEFAULT: usize = 1_000;
/// Events of an answer at most.
pub const EVENTS_MAX: usize = 50_000;
/// How far around a moment can be asked for.
pub const AROUND_MINUTES_MAX: u32 = 24 * 60;
/// Events around a moment at most: the nearest.
pub const AROUND_EVENTS_MAX: usize = 5_000;

impl Workbench {
    /// Stored events that the filter lets through, newest first. `from` and `to` are
    /// both included.
    pub async fn events_search(
        &self,
        query: &str,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Event>, Problem> {
        let filter = EventFilter::parse(query).map_err(|error| invalid_filter(&error))?;
        if let (Some(from), Some(to)) = (from, to)
            && from > to
        {
            let problem = Problem::new(ProblemKind::Invalid, "the search ends before it begins");
            return Err(problem.detail(format!("from {from} to {to}")));
        }
        let limit = if limit == 0 { EVENTS_DEFAULT } else { limit.min(EVENTS_MAX) };
        let now = Timestamp::now();
        let narrow = filter.narrow(now);
        let to = [to, narrow.to].into_iter().flatten().min();
        let scan = EventScan { from: from.max(narrow.from), to, host: narrow.host, limit };
        let found = self.core.store.event_store().find(scan, filter, now).await;
        Ok(found.map_err(|error| not_done(&error))?.events)
    }

    /// A host's events around a time, oldest first. Where there are more than [`AROUND_EVENTS_MAX`], the
    /// nearest.
    pub async fn events_around(
        &self,
        host: &str,
        at: Timestamp,
        minutes: u32,
    ) -> Result<Vec<Event>, Problem> {
        if minutes > AROUND_MINUTES_MAX {
            let message = format!("at most {AROUND_MINUTES_MAX} minutes around a moment");
            return Err(Problem::new(ProblemKind::Invalid, message));
        }
        let host = host.to_lowercase();
        let store = self.core.store.event_store();
        let found = store.around(&host, at, minutes, EVENTS_MAX).await;
        Ok(nearest(found.map_err(|error| not_done(&error))?.events, at, AROUND_EVENTS_MAX))
    }
}

/// The `limit` events nearest to `at`, in order of time.
fn nearest(mut events: Vec<Event>, at: Timestamp, limit: usize) -> Vec<Event> {
    if events.len() > limit {
        events.sort_by_key(|event| event.timestamp.micros_since(at).unsigned_abs());
        events.truncate(limit);
    }
    events.sort_by_key(Event::arrival);
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_events_stay_in_order_of_time() {
        let event = |seconds: i64| {
            let mut event = Event::with_capacity(0, 0);
            event.timestamp = Timestamp::from_seconds(seconds);
            event
        };
        let events = [1, 5, 9, 10, 12, 30].map(event).to_vec();
        let kept = nearest(events, Timestamp::from_seconds(10), 3);
        let seconds: Vec<i64> = kept.iter().map(|event| event.timestamp.seconds()).collect();
        assert_eq!(seconds, [9, 10, 12]);
    }
}
