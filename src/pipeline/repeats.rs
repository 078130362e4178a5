//! Deliveries that were taken already: a sender that got no answer sends again, and what it sends must not count twice.
//! The memory is bounded by [`DELIVERIES_KEPT_MAX`] keys a source; the store keeps the same keys.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use ahash::{AHashMap, AHashSet};

use crate::model::record::Batch;
use crate::stdx::id::Id128;
use crate::stdx::limits::DELIVERIES_KEPT_MAX;
use crate::store::{Commit, Delivered};

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

    /// The records of a batch that were not met before, and how many were; each one of such a batch has its own key.
    pub(crate) fn sift<'a>(
        &mut self,
        batch: &'a Batch,
        commit: &mut Commit,
    ) -> (Cow<'a, Batch>, u64) {
        let source = &batch.stream.source;
        let mut known = Vec::new();
        for (place, key) in batch.delivery.keys.iter().enumerate() {
            if self.is_new(source, *key) {
                commit.delivered.push(Delivered { source: Arc::clone(source), key: *key });
            } else {
                known.push(place);
            }
        }
        match known.len() {
            0 => (Cow::Borrowed(batch), 0),
            count => (Cow::Owned(batch.without(&known)), count as u64),
        }
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
    use crate::model::record::{Flush, Shape, Stream};
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

    #[test]
    fn records_with_keys_of_their_own_are_known_in_whatever_batch_they_come_again() {
        let keys: Vec<Id128> = (0..4).map(|n| IdHasher::new("t").number(n).finish()).collect();
        let batch = |range: std::ops::Range<usize>| {
            let mut batch = Batch::new(Arc::new(Stream::of_path("q", "q")), Flush::No);
            for number in range {
                batch.push(&[b'0' + number as u8], 0, Shape::Line);
                batch.delivery.keys.push(keys[number]);
            }
            batch
        };
        let (mut repeats, mut commit) = (Repeats::default(), Commit::default());
        let (first, second) = (batch(0..2), batch(1..4));
        assert!(matches!(repeats.sift(&first, &mut commit), (Cow::Borrowed(_), 0)));
        let (rest, known) = repeats.sift(&second, &mut commit);
        assert_eq!((known, rest.delivery.keys.as_slice()), (1, &keys[2..]));
        let bytes: Vec<&[u8]> = rest.records.iter().map(|record| rest.bytes(record)).collect();
        assert_eq!(bytes, [b"2", b"3"]);
        assert_eq!(commit.delivered.len(), 4);
    }
}
