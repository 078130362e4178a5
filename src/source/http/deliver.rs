//! From a body to durable records. A big body becomes several batches, each with a key and a ticket of its own; the client
//! hears of success when all stand. What it sends again after a partial commit is taken up where it stopped: the batches
//! that stand are known by their keys, and their events by their place in the body.

use std::sync::Arc;
use std::time::Instant;

use tokio::time::timeout;

use super::admit::{Gate, Received};
use super::body;
use super::refusal::{Reason, Refusal};
use crate::carrier::Chunk;
use crate::model::record::{Batch, Delivery, Flush};
use crate::stdx::id::{Id128, IdHasher};
use crate::stdx::task;
use crate::stdx::ticket::Outcome;

/// Records and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// Records of the request.
    pub(super) records: u64,
    /// Those among them that stood before.
    pub(super) repeated: u64,
}

impl Taken {
    /// Was all of it there before?
    pub(super) fn is_repeat(&self) -> bool {
        self.records > 0 && self.repeated == self.records
    }
}

impl Gate {
    /// Unpack and split a request with `parse`, hand the records on and wait until they stand. `kind` keeps what came in by
    /// different dialects apart; `salt` is what changes the meaning of the body beside it.
    pub(super) async fn take<T: Send + 'static>(
        &self,
        kind: &'static str,
        salt: String,
        received: Received,
        parse: impl FnOnce(&[u8]) -> Result<(Vec<Chunk>, T), Refusal> + Send + 'static,
    ) -> Result<(Taken, T), Refusal> {
        let Received { admitted, head: _, packed, coding, mut share, key, signature } = received;
        let (bounds, memory) = (self.bounds, self.memory.clone());
        let parsed = task::blocking("read a request", move || {
            let packed_len = packed.len();
            let bytes = body::unpack(packed, coding, bounds, &memory, &mut share)?;
            // The records are copied out of the body.
            memory.grow(&mut share, packed_len + 2 * bytes.len())?;
            let hash = IdHasher::new("body").bytes(&bytes).finish();
            let (chunks, extra) = parse(&bytes)?;
            Ok((chunks, extra, hash, bytes.len(), share))
        })
        .await;
        let (chunks, extra, hash, bytes, share) = parsed
            .map_err(|panic| Refusal::new(Reason::NotDurable, panic.to_string()))
            .and_then(|parsed| parsed)?;
        self.admit_bytes(bytes)?;
        let parts: [&[u8]; 3] = [key.as_bytes(), salt.as_bytes(), hash.as_bytes()];
        let whole = self.inlet.key(kind, &parts);
        let taken = self.deliver(&admitted.visitor, whole, chunks).await?;
        self.use_up(signature);
        drop((share, admitted.place));
        Ok((taken, extra))
    }

    /// Hand records on and wait until they stand.
    pub(super) async fn deliver(
        &self,
        visitor: &str,
        whole: Id128,
        chunks: Vec<Chunk>,
    ) -> Result<Taken, Refusal> {
        let work = async {
            let mut waiting = Vec::new();
            for batch in self.batches(visitor, whole, chunks) {
                let records = batch.records.len() as u64;
                let end = self.inlet.send(batch).await.ok_or_else(stopping)?;
                waiting.push((records, end));
            }
            let mut taken = Taken::default();
            for (records, end) in waiting {
                taken.records += records;
                match end.await.unwrap_or(Outcome::Lost) {
                    Outcome::Durable => {}
                    Outcome::Repeated => taken.repeated += records,
                    Outcome::Lost => return Err(stopping()),
                }
            }
            Ok(taken)
        };
        let taken = timeout(self.config.ack_timeout, work).await.map_err(|_| {
            let message = "not committed within ack_timeout; send it again";
            Refusal::new(Reason::NotDurable, message)
        })??;
        self.gauges.add("records", i64::try_from(taken.records).unwrap_or(i64::MAX));
        self.gauges.add("repeated", i64::try_from(taken.repeated).unwrap_or(i64::MAX));
        *self.unflushed.lock() = Some(Instant::now());
        Ok(taken)
    }

    fn batches(
        &self,
        visitor: &str,
        whole: Id128,
        chunks: Vec<Chunk>,
    ) -> impl Iterator<Item = Batch> {
        let stream = Arc::new(self.inlet.stream(visitor, Some(whole)));
        let mut first = 0_u64;
        chunks.into_iter().filter(|chunk| !chunk.records.is_empty()).map(move |chunk| {
            let Chunk { data, mut records } = chunk;
            let begin = first;
            for record in &mut records {
                // The place in the whole body: the same again however it is cut into batches.
                record.offset = first;
                first += 1;
            }
            let range = [begin.to_le_bytes(), first.to_le_bytes()].concat();
            let key = Some(self.inlet.key("part", &[whole.as_bytes(), &range]));
            let delivery = Delivery { key, ..Delivery::default() };
            Batch { data, records, delivery, ..Batch::new(Arc::clone(&stream), Flush::No) }
        })
    }

    /// Nothing came for a while: close what waits for more records.
    pub(super) async fn flush(&self) {
        let stream = Arc::new(self.inlet.stream("", None));
        let batch = Batch::new(stream, Flush::Idle);
        // Without success it is tried again with the next request's.
        let _ = self.inlet.deliver(batch).await;
    }
}

fn stopping() -> Refusal {
    Refusal::new(Reason::NotDurable, "the program stops; send it again")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::carrier::Bounds;
    use crate::config::limits::LimitsConfig;
    use crate::config::sources::{HttpSource, SourceConfig};
    use crate::model::record::Shape;
    use crate::source::http::split::Packer;
    use crate::source::push::{self, Outlet};
    use crate::source::{Context, http::admit::Gate};
    use crate::stdx::queue;

    fn gate(ack_timeout: Duration) -> (Gate, Outlet) {
        let section = SourceConfig::files("push", Vec::new());
        let (inlet, outlet) = push::pair(&section, &LimitsConfig::default());
        let context = Context::new("/nowhere".into(), |_| {});
        let config = HttpSource { ack_timeout, ..HttpSource::default() };
        (Gate::new("push".to_owned(), config, 100, inlet, &context, None), outlet)
    }

    fn chunks(records: usize, chunk_records_max: usize) -> Vec<Chunk> {
        let mut packer = Packer::new(Bounds { chunk_records_max, ..Bounds::default() });
        (0..records).for_each(|n| packer.push(format!("line {n}").as_bytes(), Shape::Line));
        packer.finish()
    }

    /// Answers every batch with what `judge` says.
    fn path(outlet: Outlet, mut judge: impl FnMut(&Batch) -> Option<Outcome> + Send + 'static) {
        let (sender, batches) = queue::bounded("test", 1);
        task::thread("pump", move || outlet.pump(&sender)).unwrap();
        let work = move || {
            while let Some(batch) = batches.receive() {
                if let Some(outcome) = judge(&batch) {
                    batch.delivery.ticket.as_ref().unwrap().answer(outcome);
                }
            }
        };
        task::thread("path", work).unwrap();
    }

    #[tokio::test]
    async fn success_waits_for_every_part_and_a_lost_part_is_no_success() {
        let (gate, outlet) = gate(Duration::from_secs(20));
        let mut known = std::collections::HashSet::new();
        let mut count = 0;
        path(outlet, move |batch| {
            count += 1;
            // The third part of the first try is lost.
            if count == 3 {
                return Some(Outcome::Lost);
            }
            let is_new = known.insert(batch.delivery.key.unwrap());
            Some(if is_new { Outcome::Durable } else { Outcome::Repeated })
        });
        let whole = gate.inlet.key("t", &[b"body"]);
        let refusal = gate.deliver("a", whole, chunks(35, 10)).await.unwrap_err();
        assert_eq!(refusal.reason, Reason::NotDurable);
        let taken = gate.deliver("a", whole, chunks(35, 10)).await.unwrap();
        assert_eq!(taken, Taken { records: 35, repeated: 25 }, "only the lost part was new");
        assert!(gate.deliver("b", whole, chunks(35, 10)).await.unwrap().is_repeat());
    }

    #[tokio::test]
    async fn a_path_that_is_busy_too_long_is_said_to_be() {
        let (gate, outlet) = gate(Duration::from_millis(50));
        let refusal = gate.deliver("a", gate.inlet.key("t", &[]), chunks(1, 10)).await.unwrap_err();
        assert_eq!(refusal.reason, Reason::NotDurable);
        assert!(refusal.retry_after.is_some());
        drop(outlet);
        let refusal = gate.deliver("a", gate.inlet.key("t", &[]), chunks(1, 10)).await.unwrap_err();
        assert!(refusal.message.contains("stops"), "{refusal:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// However a body is cut, its events are the same: place and offset name them.
        #[test]
        fn events_keep_their_names_however_a_body_is_cut(records in 1_usize..80, cut in 1_usize..80) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let _entered = runtime.enter();
            let (gate, _outlet) = gate(Duration::from_secs(1));
            let whole = gate.inlet.key("t", &[]);
            let names = |cut| {
                let batches = gate.batches("a", whole, chunks(records, cut));
                let of = |batch: Batch| {
                    let place = batch.stream.place();
                    batch.records.iter().map(|it| (place, it.offset)).collect::<Vec<_>>()
                };
                batches.flat_map(of).collect::<Vec<_>>()
            };
            prop_assert_eq!(names(cut), names(records));
            let keys: std::collections::HashSet<_> =
                gate.batches("a", whole, chunks(records, cut)).map(|it| it.delivery.key).collect();
            prop_assert_eq!(keys.len(), records.div_ceil(cut));
        }
    }
}
