//! A counter for every event type, by itself: data set and action, inside a bound of series.

use ahash::AHashMap;

use crate::model::event::Event;
use crate::model::field;

/// What is kept of a name.
const NAME_BYTES_MAX: usize = 128;

/// Counts since the program started.
#[derive(Debug)]
pub struct EventCounters {
    by_dataset: AHashMap<String, AHashMap<String, u64>>,
    series: usize,
    series_max: usize,
    /// Events of types beyond the bound.
    pub other: u64,
}

impl EventCounters {
    /// No counts yet; at most `series_max` apart.
    pub fn new(series_max: usize) -> EventCounters {
        EventCounters { by_dataset: AHashMap::new(), series: 0, series_max, other: 0 }
    }

    /// Count an event.
    pub fn see(&mut self, event: &Event) {
        let dataset = event.str(field::EVENT_DATASET).or_else(|| event.str(field::EVENT_PROVIDER));
        let (dataset, action) = (
            cut(dataset.unwrap_or_default()),
            cut(event.str(field::EVENT_ACTION).unwrap_or_default()),
        );
        let known = self.by_dataset.get_mut(dataset).and_then(|actions| actions.get_mut(action));
        if let Some(count) = known {
            *count += 1;
        } else if self.series < self.series_max {
            self.series += 1;
            let actions = self.by_dataset.entry(dataset.to_owned()).or_default();
            actions.insert(action.to_owned(), 1);
        } else {
            self.other += 1;
        }
    }

    /// Series there are.
    pub fn series(&self) -> usize {
        self.series
    }

    /// Data set, action and count of each, sorted.
    pub fn all(&self) -> Vec<(String, String, u64)> {
        let each = self.by_dataset.iter().flat_map(|(dataset, actions)| {
            actions.iter().map(|(action, count)| (dataset.clone(), action.clone(), *count))
        });
        let mut all: Vec<(String, String, u64)> = each.collect();
        all.sort();
        all
    }
}

/// A name cut to what a label holds.
pub fn cut(text: &str) -> &str {
    let mut end = text.len().min(NAME_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_event_type_has_its_counter_until_the_bound_and_then_counts_with_the_others() {
        let mut counters = EventCounters::new(2);
        for action in ["login", "login", "logout", "reboot", "login", "halt"] {
            let mut event = Event::with_capacity(2, 32);
            event.push_str(field::EVENT_DATASET, "system.auth");
            event.push_str(field::EVENT_ACTION, action);
            counters.see(&event);
        }
        let all = counters.all();
        let counts: Vec<_> = all.iter().map(|(_, action, n)| (action.as_str(), *n)).collect();
        assert_eq!(counts, [("login", 3), ("logout", 1)]);
        assert_eq!((counters.other, counters.series()), (2, 2));
    }
}
