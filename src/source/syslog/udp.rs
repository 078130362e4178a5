//! Syslog in datagrams. Nothing makes the sender wait, so this is the one place where records are dropped under load: a
//! full queue drops what comes, by a named rule, and the ledger counts it as shed. What the system dropped before we
//! could read it is shown beside.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio::sync::Notify;

use crate::carrier::Chunk;
use crate::config::sources::SyslogSource;
use crate::model::record::{Batch, Flush, Framing, Shape};
use crate::source::listener::taken;
use crate::source::push::Inlet;
use crate::source::{Context, SourceError};
use crate::stdx::gauges::Gauges;
use crate::stdx::id::Id128;
use crate::stdx::limits::{BATCH_BYTES_MAX, REJECT_HEAD_BYTES_MAX};
use crate::stdx::stop::StopToken;
use crate::stdx::task;

/// Gauge: datagrams dropped because the queue was full.
pub const SHED_QUEUE_FULL: &str = "shed_queue_full";
/// Gauge: datagrams that the system dropped because we read too slowly.
pub const KERNEL_DROPS: &str = "kernel_drops";
/// Gauge: datagrams that wait now.
pub const WAITING: &str = "udp_waiting";

/// The largest datagram there is.
const DATAGRAM_BYTES_MAX: usize = 65_536;
/// Bytes of all datagrams that wait.
const QUEUE_BYTES_MAX: usize = 4 * BATCH_BYTES_MAX;
/// Datagrams read in one go before others get a turn.
const READ_AT_ONCE: usize = 256;
/// How often the system is asked what it dropped.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// After a stop, no datagram for this long means that none is left.
const QUIET: Duration = Duration::from_millis(50);
/// After a stop, datagrams that the system still holds are read for so long at most.
const DRAIN: Duration = Duration::from_secs(2);

/// A bound socket.
pub(super) struct Datagrams {
    socket: std::net::UdpSocket,
    queue_max: usize,
}

#[derive(Default)]
struct Waiting {
    datagrams: Vec<(IpAddr, Vec<u8>)>,
    bytes: usize,
    shed: u64,
    /// No more will come.
    over: bool,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

impl Datagrams {
    pub(super) fn bind(config: &SyslogSource, context: &Context) -> Result<Datagrams, SourceError> {
        let address = config.listen.address;
        let socket = std::net::UdpSocket::bind(address)
            .and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
            .map_err(|error| taken(address, &error))?;
        let size = usize::try_from(config.receive_buffer).unwrap_or(usize::MAX);
        // The system gives what it allows (net.core.rmem_max).
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, size);
        if let Ok(given) = rustix::net::sockopt::socket_recv_buffer_size(&socket) {
            context.gauges.set("udp_receive_buffer", i64::try_from(given).unwrap_or(i64::MAX));
        }
        for gauge in [SHED_QUEUE_FULL, KERNEL_DROPS, WAITING] {
            context.gauges.set(gauge, 0);
        }
        Ok(Datagrams { socket, queue_max: config.queue_max })
    }

    /// Start the tasks that read and hand on. Call on a runtime.
    pub(super) fn start(self, inlet: Inlet, stop: StopToken, gauges: Arc<Gauges>) {
        let queue = Arc::new(Queue::default());
        let inode = rustix::fs::fstat(self.socket.as_fd()).map(|about| about.st_ino).ok();
        if let Some(inode) = inode {
            task::spawn("udp drops", watch_drops(inode, stop.clone(), Arc::clone(&gauges)));
        }
        let (filling, shown) = (Arc::clone(&queue), Arc::clone(&gauges));
        task::spawn("udp read", async move {
            read(self.socket, self.queue_max, &filling, &stop, &shown).await;
            filling.waiting.lock().over = true;
            filling.filled.notify_one();
        });
        task::spawn("udp hand on", async move { hand_on(&queue, &inlet, &gauges).await });
    }
}

/// Read as fast as datagrams come.
async fn read(
    socket: std::net::UdpSocket,
    queue_max: usize,
    queue: &Queue,
    stop: &StopToken,
    gauges: &Gauges,
) {
    let socket = match UdpSocket::from_std(socket) {
        Ok(socket) => socket,
        Err(error) => return tracing::error!(%error, "cannot read datagrams"),
    };
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    let mut until = None;
    loop {
        tokio::select! {
            biased;
            ready = socket.readable() => if ready.is_err() { return },
            () = stop.stopped(), if until.is_none() => {
                until = Some(tokio::time::Instant::now() + DRAIN);
                continue;
            }
            // What the system holds is known a moment after the socket was made, not at once.
            () = tokio::time::sleep(QUIET), if until.is_some() => return,
        }
        let mut count = 0;
        loop {
            match socket.try_recv_from(&mut buffer) {
                Ok((length, peer)) => {
                    let datagram = buffer.get(..length).unwrap_or_default();
                    queue.put(peer, datagram, queue_max, gauges);
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                // An answer to nobody: ICMP says that a port is closed.
                Err(_) => {}
            }
            count += 1;
            if count >= READ_AT_ONCE {
                break;
            }
        }
        if stop.is_stopped() {
            let until = *until.get_or_insert_with(|| tokio::time::Instant::now() + DRAIN);
            if tokio::time::Instant::now() >= until {
                return;
            }
        }
        tokio::task::yield_now().await;
    }
}

impl Queue {
    fn put(&self, peer: SocketAddr, datagram: &[u8], queue_max: usize, gauges: &Gauges) {
        let end = datagram.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n' | 0));
        let Some(text) = end.and_then(|end| datagram.get(..=end)) else { return };
        let mut waiting = self.waiting.lock();
        let full =
            waiting.datagrams.len() >= queue_max || waiting.bytes + text.len() > QUEUE_BYTES_MAX;
        if full {
            waiting.shed += 1;
            gauges.add(SHED_QUEUE_FULL, 1);
        } else {
            waiting.bytes += text.len();
            waiting.datagrams.push((peer.ip().to_canonical(), text.to_vec()));
        }
        drop(waiting);
        self.filled.notify_one();
    }

    fn show(&self, gauges: &Gauges) {
        let count = self.waiting.lock().datagrams.len();
        gauges.set(WAITING, i64::try_from(count).unwrap_or(i64::MAX));
    }

    async fn take(&self) -> Waiting {
        loop {
            {
                let mut waiting = self.waiting.lock();
                if waiting.over || waiting.shed > 0 || !waiting.datagrams.is_empty() {
                    let over = waiting.over;
                    let taken = std::mem::take(&mut *waiting);
                    waiting.over = over;
                    return taken;
                }
            }
            self.filled.notified().await;
        }
    }
}

/// Make batches of what waits, one for each address, so that a record says who sent it.
async fn hand_on(queue: &Queue, inlet: &Inlet, gauges: &Gauges) {
    let place = inlet.fresh("udp");
    let mut number = 0;
    loop {
        let Waiting { datagrams, mut shed, over, .. } = queue.take().await;
        queue.show(gauges);
        let mut chunks: BTreeMap<IpAddr, Vec<Chunk>> = BTreeMap::new();
        for (peer, datagram) in datagrams {
            let own = chunks.entry(peer).or_default();
            if own.last().is_none_or(|chunk| chunk.is_full(&inlet.settings.bounds)) {
                own.push(Chunk::default());
            }
            let Some(chunk) = own.last_mut() else { continue };
            put(chunk, &datagram, number, inlet.settings.bounds.record_bytes_max);
            number += 1;
        }
        for (peer, chunks) in chunks {
            for chunk in chunks {
                let dropped = std::mem::take(&mut shed);
                if inlet
                    .send(batch(inlet, &peer.to_string(), place, chunk, dropped))
                    .await
                    .is_none()
                {
                    return;
                }
            }
        }
        if shed > 0 {
            let batch = batch(inlet, "udp", place, Chunk::default(), shed);
            if inlet.send(batch).await.is_none() {
                return;
            }
        }
        queue.show(gauges);
        if over {
            return;
        }
    }
}

fn put(chunk: &mut Chunk, datagram: &[u8], number: u64, max: usize) {
    if datagram.len() <= max {
        return chunk.push(datagram, number, Framing::Whole, Shape::Line);
    }
    let head = datagram.get(..REJECT_HEAD_BYTES_MAX).unwrap_or(datagram);
    chunk.push(head, number, Framing::TooLong, Shape::Line);
}

fn batch(inlet: &Inlet, peer: &str, place: Id128, chunk: Chunk, shed: u64) -> Batch {
    let stream = Arc::new(inlet.stream(peer, Some(place)));
    let Chunk { data, records } = chunk;
    let mut batch = Batch { data, records, ..Batch::new(stream, Flush::No) };
    batch.delivery.shed = shed;
    batch
}

/// Show what the system drops.
async fn watch_drops(inode: u64, stop: StopToken, gauges: Arc<Gauges>) {
    loop {
        for table in ["/proc/net/udp", "/proc/net/udp6"] {
            let text = tokio::fs::read_to_string(table).await.unwrap_or_default();
            if let Some(drops) = drops(&text, inode) {
                gauges.set(KERNEL_DROPS, drops);
            }
        }
        tokio::select! {
            () = stop.stopped() => return,
            () = tokio::time::sleep(ASK_EVERY) => {}
        }
    }
}

/// The last column of the socket's row.
fn drops(table: &str, inode: u64) -> Option<i64> {
    let inode = inode.to_string();
    let row = table.lines().find(|row| row.split_whitespace().nth(9) == Some(&inode))?;
    row.split_whitespace().last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_drops_what_comes_and_counts_it() {
        let (queue, gauges) = (Queue::default(), Gauges::default());
        let peer = SocketAddr::from(([192, 0, 2, 1], 514));
        for text in ["<1>a", "<1>b\n", "<1>c", "\n"] {
            queue.put(peer, text.as_bytes(), 2, &gauges);
        }
        let waiting = queue.waiting.lock();
        assert_eq!(waiting.datagrams.len(), 2);
        assert_eq!(waiting.datagrams[1].1, b"<1>b");
        assert_eq!((waiting.shed, gauges.get(SHED_QUEUE_FULL)), (1, 1));
    }

    #[test]
    fn the_drops_of_a_socket_are_found_by_its_inode() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
             2465: 0100007F:1592 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 17\n";
        assert_eq!(drops(table, 4711), Some(17));
        assert_eq!(drops(table, 4712), None);
    }
}
