//! What every source has in common that others send to: records of a delivery become batches, and the sender is answered
//! when they are durable. Network tasks hand batches to an [`Inlet`]; the source's thread passes them on with [`Outlet`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::file::FileSettings;
use crate::carrier::Chunk;
use crate::config::limits::LimitsConfig;
use crate::config::sources::SourceConfig;
use crate::model::record::{Batch, Delivery, Flush, Stream};
use crate::stdx::id::{Id128, IdHasher};
use crate::stdx::limits::READ_AHEAD_BATCHES_MAX;
use crate::stdx::queue;
use crate::stdx::ticket::{Outcome, Ticket};
use crate::stdx::time::Timestamp;

/// A pause this long closes what waits for more records.
const IDLE: Duration = Duration::from_secs(2);

/// The network's end.
#[derive(Clone, Debug)]
pub struct Inlet {
    /// Name, tenant, labels, bounds.
    pub settings: Arc<FileSettings>,
    sender: mpsc::Sender<Batch>,
}

/// The path's end.
#[derive(Debug)]
pub struct Outlet(mpsc::Receiver<Batch>);

/// Both ends for a source. The queue between them is short: pressure goes back to who sends.
pub fn pair(config: &SourceConfig, limits: &LimitsConfig) -> (Inlet, Outlet) {
    let settings = FileSettings { backfill: false, ..FileSettings::new(config, limits) };
    let (sender, receiver) = mpsc::channel(READ_AHEAD_BATCHES_MAX);
    (Inlet { settings: Arc::new(settings), sender }, Outlet(receiver))
}

impl Outlet {
    /// Pass on until every inlet is gone (the source's tasks have ended) or the path takes no more.
    ///
    /// On a runtime's thread ([`tokio::runtime::Handle::enter`]) a pause closes what waits for more records.
    pub fn pump(mut self, out: &queue::Sender<Batch>) {
        let runtime = Handle::try_current().ok();
        let mut last: Option<Arc<Stream>> = None;
        loop {
            let next = match (&runtime, &last) {
                (Some(runtime), Some(_)) => {
                    runtime.block_on(async { tokio::time::timeout(IDLE, self.0.recv()).await })
                }
                _ => Ok(self.0.blocking_recv()),
            };
            let batch = match (next, last.take()) {
                (Ok(Some(batch)), _) => {
                    last = Some(Arc::clone(&batch.stream));
                    batch
                }
                (Err(_), Some(stream)) => Batch::new(stream, Flush::Idle),
                (Ok(None), _) => return,
                (Err(_), None) => continue,
            };
            if !out.send(batch) {
                return;
            }
        }
    }
}

impl Inlet {
    /// The key of a delivery: what its sender would repeat (an idempotency key, a chunk id, a hash of the body).
    pub fn key(&self, kind: &str, parts: &[&[u8]]) -> Id128 {
        let mut hasher = IdHasher::new("delivery");
        hasher.text(&self.settings.tenant).text(&self.settings.source).text(kind);
        for part in parts {
            hasher.bytes(part);
        }
        hasher.finish()
    }

    /// What events of a connection are named after, where the sender repeats nothing: never the same again.
    pub fn fresh(&self, peer: &str) -> Id128 {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut hasher = IdHasher::new("connection");
        hasher.text(&self.settings.tenant).text(&self.settings.source).text(peer);
        hasher.number(Timestamp::now().0.unsigned_abs());
        hasher.number(u64::from(std::process::id()));
        hasher.number(NEXT.fetch_add(1, Ordering::Relaxed)).finish()
    }

    /// The stream of a delivery from `peer`, a name that a person knows it by. All deliveries of a source share what
    /// their records carry over.
    pub fn stream(&self, peer: &str, delivery: Option<Id128>) -> Stream {
        let (tenant, source) = (&self.settings.tenant, &self.settings.source);
        let id = IdHasher::new("stream").text(tenant).text(source).text("push").finish();
        let stream = self.settings.stream(id, peer, Timestamp::now());
        Stream { live: true, delivery, ..stream }
    }

    /// A batch of the records of one delivery. Offsets count records, so that a repeat gives the same events.
    pub fn batch(&self, peer: &str, key: Id128, chunk: Chunk) -> Batch {
        let stream = Arc::new(self.stream(peer, Some(key)));
        let Chunk { data, mut records } = chunk;
        for (index, record) in records.iter_mut().enumerate() {
            record.offset = index as u64;
        }
        let delivery = Delivery { key: Some(key), ..Delivery::default() };
        Batch { data, records, delivery, ..Batch::new(stream, Flush::No) }
    }

    /// Hand a batch on, waiting while the path is busy. The receiver says what became of it; `None`: the source stops.
    pub async fn send(&self, mut batch: Batch) -> Option<oneshot::Receiver<Outcome>> {
        let (ticket, end) = Ticket::pair();
        batch.delivery.ticket = Some(ticket);
        self.sender.send(batch).await.ok()?;
        Some(end)
    }

    /// Hand a batch on and wait until it is durable. `false`: it is not, and the sender must send it again.
    pub async fn deliver(&self, batch: Batch) -> Outcome {
        match self.send(batch).await {
            Some(end) => end.await.unwrap_or(Outcome::Lost),
            None => Outcome::Lost,
        }
    }

    /// Hand a batch on only if there is room now; otherwise it comes back.
    ///
    /// # Errors
    /// The batch, when the path is busy.
    pub fn offer(&self, batch: Batch) -> Result<(), Box<Batch>> {
        self.sender.try_send(batch).map_err(|error| match error {
            mpsc::error::TrySendError::Full(batch) | mpsc::error::TrySendError::Closed(batch) => {
                Box::new(batch)
            }
        })
    }
}
