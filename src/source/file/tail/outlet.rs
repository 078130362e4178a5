//! The way out of a followed source: batches with the rows that belong to them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::carrier::Chunk;
use crate::model::record::{Batch, Flush, Position, Stream};
use crate::stdx::id::IdHasher;
use crate::stdx::queue::{Offered, Sender};
use crate::stdx::stop::StopToken;
use crate::stdx::time::Timestamp;

/// How often a stop is looked for while the queue is full.
const WAIT: Duration = Duration::from_millis(50);
/// Rows that changed without records travel alone after this time.
const ROWS_WAIT: Duration = Duration::from_millis(200);

/// Sends batches; every row noted so far goes with the next one. A row may only claim records of
/// batches sent before it, or of the one it travels with.
pub struct Outlet {
    source: Arc<str>,
    out: Sender<Batch>,
    stop: StopToken,
    rows: BTreeMap<String, Option<String>>,
    since: Instant,
}

impl Outlet {
    /// An outlet into the pipeline.
    pub fn new(source: Arc<str>, out: Sender<Batch>, stop: StopToken) -> Outlet {
        Outlet { source, out, stop, rows: BTreeMap::new(), since: Instant::now() }
    }

    /// Has a stop been asked for?
    pub fn is_stopped(&self) -> bool {
        self.stop.is_stopped()
    }

    /// Save this with the next batch; `None` removes the row.
    pub fn note(&mut self, key: String, value: Option<String>) {
        if self.rows.is_empty() {
            self.since = Instant::now();
        }
        self.rows.insert(key, value);
    }

    /// Hand on records. `Break`: a stop was asked for, or nobody takes them; nothing of this batch counts.
    pub fn send(&mut self, stream: Arc<Stream>, chunk: Chunk, flush: Flush) -> ControlFlow<()> {
        let rows = std::mem::take(&mut self.rows);
        let position = |(key, value)| Position { source: self.source.clone(), key, value };
        let positions = rows.into_iter().map(position).collect();
        let (data, records) = (chunk.data, chunk.records);
        let mut batch = Batch { data, records, positions, ..Batch::new(stream, flush) };
        loop {
            match self.out.offer(batch, WAIT) {
                Offered::Taken => return ControlFlow::Continue(()),
                Offered::Closed => return ControlFlow::Break(()),
                Offered::Full(_) if self.stop.is_stopped() => return ControlFlow::Break(()),
                Offered::Full(back) => batch = back,
            }
        }
    }

    /// Hand on rows that have waited long enough for records to travel with.
    pub fn send_rows(&mut self, stream: impl FnOnce() -> Stream) -> ControlFlow<()> {
        if self.rows.is_empty() || self.since.elapsed() < ROWS_WAIT {
            return ControlFlow::Continue(());
        }
        // Not a stream of records: nobody must make a decoder for it.
        let id = IdHasher::new("rows").text(&self.source).finish();
        let stream = Stream { id, path: "".into(), modified: Timestamp::now(), ..stream() };
        self.send(Arc::new(stream), Chunk::default(), Flush::No)
    }
}
