//! The listener: connections with TLS of ours, HTTP/1.1 and HTTP/2 on each, bounded in number and time.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tower::ServiceExt;

use super::STOP_GRACE;
use super::admit::{Gate, Peer};
use super::router::router;
use crate::source::tls::Certificates;
use crate::stdx::gauges::Gauges;
use crate::stdx::stop::StopToken;
use crate::stdx::task;

/// How long a handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Requests at once on one connection of HTTP/2.
const STREAMS_MAX: u32 = 64;
/// A connection of HTTP/2 that says nothing is asked this often whether anybody is there.
const PING_EVERY: Duration = Duration::from_secs(30);
/// How often is looked whether nothing came for a while.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Nothing came for so long: what waits for more records is closed.
const IDLE: Duration = Duration::from_secs(2);

/// Everything that runs while the source does.
pub(super) struct Serving {
    pub(super) gate: Arc<Gate>,
    pub(super) certificates: Option<Arc<Certificates>>,
    /// Take nothing new.
    pub(super) stop: StopToken,
    /// End what is still open.
    pub(super) now: StopToken,
}

impl Serving {
    /// Serve until the stop, and a while longer for what is in work.
    pub(super) async fn run(self, listeners: Vec<StdListener>) {
        let places = self.gate.config.connections_max.min(Semaphore::MAX_PERMITS >> 1);
        let connections = Arc::new(Semaphore::new(places));
        let router = router(Arc::clone(&self.gate));
        let mut accepting = Vec::new();
        for listener in listeners {
            let listener = match TcpListener::from_std(listener) {
                Ok(listener) => listener,
                Err(error) => {
                    tracing::error!(%error, source = self.gate.source, "the listener failed");
                    continue;
                }
            };
            if let Ok(address) = listener.local_addr() {
                let tls = self.certificates.is_some();
                tracing::info!(source = self.gate.source, %address, tls, "listening");
            }
            let accept = Accept {
                router: router.clone(),
                certificates: self.certificates.clone(),
                connections: Arc::clone(&connections),
                gauges: Arc::clone(&self.gate.gauges),
                read_timeout: self.gate.config.read_timeout,
                stop: self.stop.clone(),
                now: self.now.clone(),
            };
            accepting.push(task::spawn("http accept", accept.run(listener)));
        }
        drop(router);
        self.watch().await;
        for task in accepting {
            // Its failure was logged where it happened.
            let _ = task.await;
        }
        let all = u32::try_from(places).unwrap_or(u32::MAX);
        if timeout(STOP_GRACE, connections.acquire_many(all)).await.is_err() {
            tracing::warn!(source = self.gate.source, "requests were cut off by the stop");
        }
        self.now.stop();
    }

    /// Close what waits for more records when nothing comes, until the stop.
    async fn watch(&self) {
        loop {
            tokio::select! {
                () = self.stop.stopped() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let last = *self.gate.unflushed.lock();
            if last.is_some_and(|at| at.elapsed() >= IDLE) {
                *self.gate.unflushed.lock() = None;
                tokio::select! {
                    () = self.stop.stopped() => return,
                    () = self.gate.flush() => {}
                }
            }
        }
    }
}

/// One listener.
#[derive(Clone)]
struct Accept {
    router: Router,
    certificates: Option<Arc<Certificates>>,
    connections: Arc<Semaphore>,
    gauges: Arc<Gauges>,
    read_timeout: Duration,
    stop: StopToken,
    now: StopToken,
}

impl Accept {
    async fn run(self, listener: TcpListener) {
        loop {
            let place = tokio::select! {
                () = self.stop.stopped() => return,
                place = Arc::clone(&self.connections).acquire_owned() => place,
            };
            let Ok(place) = place else { return };
            let accepted = tokio::select! {
                () = self.stop.stopped() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let connection = self.clone().connection(stream, peer, place);
                    task::spawn("http connection", connection);
                }
                Err(error) => {
                    // Out of file descriptors, most likely: wait for some to be closed.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn connection(self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        self.gauges.add("connections", 1);
        // Small answers must not wait for more of them; without it they are only slower.
        let _ = stream.set_nodelay(true);
        match &self.certificates {
            None => self.serve(stream, peer).await,
            Some(certificates) => {
                let handshake = certificates.acceptor().accept(stream);
                match timeout(HANDSHAKE_MAX, handshake).await {
                    Ok(Ok(stream)) => self.serve(stream, peer).await,
                    Ok(Err(error)) => {
                        tracing::debug!(%error, %peer, "no TLS connection");
                        self.gauges.add("refused_tls", 1);
                    }
                    Err(_) => self.gauges.add("refused_tls", 1),
                }
            }
        }
        self.gauges.add("connections", -1);
        drop(place);
    }

    async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin + 'static, peer: SocketAddr) {
        let router = self.router.clone();
        let service = tower::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer));
            router.clone().oneshot(request)
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.read_timeout)
            .max_buf_size(HEAD_BYTES_MAX);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
            .keep_alive_interval(PING_EVERY);
        let serving =
            builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        tokio::pin!(serving);
        let mut stopping = false;
        loop {
            tokio::select! {
                // What ends a connection is the client's matter; what was refused is counted.
                _ = serving.as_mut() => return,
                () = self.stop.stopped(), if !stopping => {
                    stopping = true;
                    serving.as_mut().graceful_shutdown();
                }
                () = self.now.stopped() => return,
            }
        }
    }
}
