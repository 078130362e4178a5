//! Sources that others connect to: a bound socket, TLS where it is configured, bounded connections, and a task for each.

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use crate::config::listen::Listen;
use crate::source::tls::Certificates;
use crate::source::{Context, SourceError};
use crate::stdx::gauges::Gauges;
use crate::stdx::stop::StopToken;
use crate::stdx::task;

/// A peer must have finished its TLS handshake in this time.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The same after a stop was asked for.
const HANDSHAKE_AT_STOP: Duration = Duration::from_secs(1);
/// After a stop, nobody for this long means that nobody waits.
const QUIET: Duration = Duration::from_millis(50);
/// Connections that wait for us when a stop is asked for are taken, at most so many.
const LATE_MAX: usize = 128;
/// After an error of `accept` (no descriptors left) this long nothing is accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Gauge: connections now.
pub const CONNECTIONS: &str = "connections";
/// Gauge: connections closed because there were too many.
pub const REFUSED: &str = "connections_refused";
/// Gauge: TLS handshakes that failed (a wrong certificate, no TLS, too slow).
pub const TLS_FAILED: &str = "tls_failed";
/// Gauge: connections closed because they said nothing.
pub const CLOSED_IDLE: &str = "closed_idle";
/// Gauge: connections closed because a message took too long.
pub const CLOSED_STALLED: &str = "closed_stalled";
/// Gauge: connections that ended within a message.
pub const CUT: &str = "cut_messages";

/// Bytes in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// One peer that connected.
pub struct Connection {
    /// Its address.
    pub peer: SocketAddr,
    /// What it says, and what it is told.
    pub io: Box<dyn Duplex>,
    /// It counts as long as this lives.
    pub seat: Seat,
}

/// A bound socket.
pub struct Listener {
    config: Listen,
    socket: std::net::TcpListener,
    certificates: Option<Arc<Certificates>>,
    gauges: Arc<Gauges>,
}

impl Listener {
    /// Bind, and read the certificates.
    ///
    /// # Errors
    /// The address cannot be had, or a certificate not be read.
    pub fn bind(config: &Listen, context: &Context) -> Result<Listener, SourceError> {
        let certificates = match &config.tls {
            Some(tls) => Some(Arc::new(Certificates::load(tls, &[])?)),
            None => None,
        };
        let socket = std::net::TcpListener::bind(config.address)
            .and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
            .map_err(|error| taken(config.address, &error))?;
        if certificates.is_none() && !config.address.ip().is_loopback() {
            tracing::warn!(address = %config.address, "listens beyond this machine without TLS: who sends is not checked, and what is sent can be read");
        }
        for gauge in [CONNECTIONS, REFUSED, CLOSED_IDLE, CLOSED_STALLED, CUT] {
            context.gauges.set(gauge, 0);
        }
        if certificates.is_some() {
            context.gauges.set(TLS_FAILED, 0);
        }
        let gauges = Arc::clone(&context.gauges);
        Ok(Listener { config: config.clone(), socket, certificates, gauges })
    }

    /// Accept until a stop is asked for; each connection gets a task that `handle` makes.
    pub async fn serve<F>(
        self,
        name: &'static str,
        stop: StopToken,
        handle: impl Fn(Connection) -> F + Clone + Send + Sync + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let socket = match TcpListener::from_std(self.socket) {
            Ok(socket) => socket,
            Err(error) => return tracing::error!(%error, "cannot listen"),
        };
        let seats = Seats { taken: Arc::default(), gauges: Arc::clone(&self.gauges) };
        let mut late = 0;
        loop {
            let accepted = tokio::select! {
                biased;
                accepted = socket.accept() => accepted,
                // Who connected before is read: it may have said all it has to say. That somebody waits is known a
                // moment after the socket was made, not at once.
                () = stopped_and_quiet(&stop) => return,
            };
            if stop.is_stopped() {
                late += 1;
                if late > LATE_MAX {
                    return;
                }
            }
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Some(seat) = seats.take(peer.ip(), &self.config) else {
                self.gauges.add(REFUSED, 1);
                continue;
            };
            let (handle, gauges) = (handle.clone(), Arc::clone(&self.gauges));
            let (certificates, stop) = (self.certificates.clone(), stop.clone());
            task::spawn(name, async move {
                let io = secure(stream, certificates.as_deref(), peer, (&gauges, &stop)).await;
                if let Some(io) = io {
                    handle(Connection { peer: plain(peer), io, seat }).await;
                }
            });
        }
    }
}

async fn stopped_and_quiet(stop: &StopToken) {
    stop.stopped().await;
    tokio::time::sleep(QUIET).await;
}

/// Speak TLS where it is configured.
async fn secure(
    stream: TcpStream,
    certificates: Option<&Certificates>,
    peer: SocketAddr,
    (gauges, stop): (&Gauges, &StopToken),
) -> Option<Box<dyn Duplex>> {
    // Answers are short and waited for.
    let _ = stream.set_nodelay(true);
    let Some(certificates) = certificates else { return Some(Box::new(stream)) };
    let shake = certificates.acceptor().accept(stream);
    let late = async {
        tokio::select! {
            () = tokio::time::sleep(HANDSHAKE) => {}
            () = stop.stopped() => tokio::time::sleep(HANDSHAKE_AT_STOP).await,
        }
    };
    let shaken = tokio::select! {
        shaken = shake => Some(shaken),
        () = late => None,
    };
    let why = match shaken {
        Some(Ok(stream)) => return Some(Box::new(stream)),
        Some(Err(error)) => error.to_string(),
        None => "it took too long".to_owned(),
    };
    gauges.add(TLS_FAILED, 1);
    tracing::warn!(%peer, why, "no TLS connection");
    None
}

/// An IPv4 address that came by IPv6 is the same peer.
fn plain(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

/// An address that cannot be bound, in a person's words.
pub fn taken(address: SocketAddr, error: &std::io::Error) -> SourceError {
    let why = match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            "another program listens there; choose another port".to_owned()
        }
        std::io::ErrorKind::PermissionDenied => {
            "ports below 1024 need the capability CAP_NET_BIND_SERVICE; choose a higher one"
                .to_owned()
        }
        std::io::ErrorKind::AddrNotAvailable => {
            "no interface of this machine has this address".to_owned()
        }
        _ => error.to_string(),
    };
    SourceError::Start { what: format!("cannot listen on {address}"), why }
}

struct Seats {
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
    gauges: Arc<Gauges>,
}

impl Seats {
    fn take(&self, peer: IpAddr, config: &Listen) -> Option<Seat> {
        let peer = peer.to_canonical();
        let mut taken = self.taken.lock();
        let all: usize = taken.values().sum();
        let own = taken.get(&peer).copied().unwrap_or(0);
        if all >= config.connections_max || own >= config.connections_peer_max {
            return None;
        }
        taken.insert(peer, own + 1);
        self.gauges.set(CONNECTIONS, i64::try_from(all + 1).unwrap_or(i64::MAX));
        let (taken, gauges) = (Arc::clone(&self.taken), Arc::clone(&self.gauges));
        Some(Seat { peer, taken, gauges })
    }
}

/// One of the connections that a source may have; given back when dropped.
pub struct Seat {
    peer: IpAddr,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
    gauges: Arc<Gauges>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.taken.lock();
        match taken.get_mut(&self.peer) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(taken.remove(&self.peer)),
        }
        self.gauges.add(CONNECTIONS, -1);
    }
}
