//! Messages without an id of their own: which ones a broker may bring again, so that a repeat is known.
//!
//! A broker brings back what it had no answer for, with the mark "redelivered". That can only be messages of the last
//! window (the prefetch). The window is kept with the commit, so that it is known after a crash too. A first delivery is
//! always new, whatever its body: equal bodies are honest repeats.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::model::record::Position;
use crate::stdx::id::{Id128, IdHasher};
use crate::stdx::time::Timestamp;

/// The beginning of the keys of our rows.
const ROW: &str = "recent/";

#[derive(Clone, Copy, Debug)]
struct Entry {
    body: Id128,
    key: Id128,
    /// Met again since the connection was made.
    matched: bool,
}

/// The window.
#[derive(Debug)]
pub(super) struct Recent {
    entries: VecDeque<Entry>,
    max: usize,
    /// Tells the deliveries of two runs apart.
    run: u64,
    count: u64,
}

impl Recent {
    /// The window of a broker that hands out `prefetch` messages, as the last commit left it.
    pub(super) fn new(prefetch: u16, rows: &[Position]) -> Recent {
        // Twice: what is answered and what is under way.
        let max = 2 * usize::from(prefetch);
        let entries = rows.iter().filter_map(|row| {
            row.key.strip_prefix(ROW)?;
            let value: String = serde_json::from_str(row.value.as_deref()?).ok()?;
            let (body, key) = value.split_once(' ')?;
            Some(Entry { body: Id128::parse(body)?, key: Id128::parse(key)?, matched: false })
        });
        let entries: VecDeque<Entry> = entries.take(max).collect();
        let run = u64::try_from(Timestamp::now().0).unwrap_or(0);
        Recent { entries, max, run, count: 0 }
    }

    /// There is a new connection: everything without an answer may come again.
    pub(super) fn reconnected(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.matched = false);
    }

    /// The key of a delivery of this body.
    pub(super) fn key(&mut self, body: Id128, redelivered: bool) -> Id128 {
        let known = self.entries.iter_mut().find(|entry| entry.body == body && !entry.matched);
        if let Some(entry) = known.filter(|_| redelivered) {
            entry.matched = true;
            return entry.key;
        }
        self.count += 1;
        let mut hasher = IdHasher::new("amqp delivery");
        hasher.bytes(body.as_bytes()).number(self.run).number(self.count);
        let key = hasher.finish();
        // What came on this connection does not come again on it.
        self.entries.push_back(Entry { body, key, matched: true });
        if self.entries.len() > self.max {
            self.entries.pop_front();
        }
        key
    }

    /// The row that keeps a delivery in the window.
    pub(super) fn row(&self, source: &Arc<str>, body: Id128, key: Id128) -> Position {
        let slot = self.count % (self.max.max(1) as u64);
        let value = serde_json::Value::from(format!("{body} {key}")).to_string();
        Position { source: Arc::clone(source), key: format!("{ROW}{slot}"), value: Some(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> Id128 {
        IdHasher::new("t").text(text).finish()
    }

    #[test]
    fn equal_bodies_are_honest_and_what_comes_again_is_known_once_each() {
        let mut recent = Recent::new(2, &[]);
        let first = recent.key(body("a"), false);
        let second = recent.key(body("a"), false);
        assert_ne!(first, second);
        recent.reconnected();
        let again = [recent.key(body("a"), true), recent.key(body("a"), true)];
        assert_eq!(again, [first, second]);
        assert!(!again.contains(&recent.key(body("a"), true)), "a third was never here");
        assert_ne!(recent.key(body("b"), true), first, "another member had it before");
    }

    #[test]
    fn the_window_is_kept_over_a_restart_and_bounded() {
        let mut recent = Recent::new(2, &[]);
        let mut rows = std::collections::BTreeMap::new();
        let keys: Vec<Id128> = (0..9)
            .map(|number| {
                let key = recent.key(body(&number.to_string()), false);
                let row = recent.row(&"s".into(), body(&number.to_string()), key);
                rows.insert(row.key.clone(), row);
                key
            })
            .collect();
        assert_eq!(rows.len(), 4);
        let rows: Vec<Position> = rows.into_values().collect();
        let mut later = Recent::new(2, &rows);
        assert_eq!(later.key(body("8"), true), keys[8]);
        assert_eq!(later.key(body("5"), true), keys[5]);
        assert_ne!(later.key(body("0"), true), keys[0], "out of the window");
        for value in ["", "5", "\"x\"", "\"x y\""] {
            let row = Position { value: Some(value.to_owned()), ..rows[0].clone() };
            assert!(Recent::new(2, &[row]).entries.is_empty());
        }
    }
}
