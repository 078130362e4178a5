//! Deliveries that were taken already: a sender that got no answer sends again, and what it sends must not count twice.
//! The memory is bounded by [`DELIVERIES_KEPT_MAX`] keys a source; the store keeps the same keys.

use std::collections::VecDeque;
use std::sync::Arc;

use ahash::{AHashMap, AHashSet};

use crate::stdx::id::Id128;
use crate::stdx::limits::DELIVERIES_KEPT_MAX;
use crate::store::Delivered;

/// The keys of every source.
#[derive(Default)]
pub(crate) struct Repeats(AHashMap<Arc<str>, Keys>);

#[derive(Default)]
struct Keys {
    known: AHashSet<Id128>,
    /// The same, oldest first.
    order: VecDeque<Id128>,
}

impl Repeats {
    /// The keys that the store has, oldest first.
    pub(crate) fn restore(rows: Vec<Delivered>) -> Repeats {
        let mut repeats = Repeats::default();
        for row in rows {
            repeats.is_new(&row.source, row.key);
        }
        repeats
    }

    /// Is this the first delivery under the key? It is remembered.
    pub(crate) fn is_new(&mut self, source: &Arc<str>, key: Id128) -> bool {
        let keys = self.0.entry(Arc::clone(source)).or_default();
        if !keys.known.insert(key) {
            return false;
        }
        keys.order.push_back(key);
        if keys.order.len() > DELIVERIES_KEPT_MAX
            && let Some(oldest) = keys.order.pop_front()
        {
            keys.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdx::id::IdHasher;

    #[test]
    fn a_key_is_new_once_for_each_source() {
        let key = IdHasher::new("t").text("a").finish();
        let (one, two) = (Arc::from("one"), Arc::from("two"));
        let mut repeats = Repeats::restore(vec![Delivered { source: Arc::clone(&one), key }]);
        assert!(!repeats.is_new(&one, key));
        assert!(repeats.is_new(&two, key));
        assert!(!repeats.is_new(&two, key));
    }
}
