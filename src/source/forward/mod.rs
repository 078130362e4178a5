//! Fluentd's and Fluent Bit's forward protocol: chunks of entries, each acknowledged when it is on disk if the sender
//! asks for it. The chunk's id is the key of the delivery, so one that is sent again is counted and answered.

mod connection;
mod greeting;
mod messages;
mod pack;

use std::sync::Arc;

use tokio::net::UdpSocket;

use super::listener::{Listener, taken};
use super::push::{self, Inlet, Outlet};
use super::{Context, Source, SourceError};
use crate::config::limits::LimitsConfig;
use crate::config::sources::{ForwardSource, SourceConfig};
use crate::model::record::{Batch, Position};
use crate::stdx::gauges::Gauges;
use crate::stdx::queue;
use crate::stdx::stop::StopToken;
use crate::stdx::task;

/// Gauge: connections closed because the peer does not know the shared key.
pub const AUTH_FAILED: &str = "auth_failed";
/// Gauge: connections closed because what they said is no forward protocol.
pub const NO_FORWARD: &str = "not_forward";
/// Gauge: chunks answered.
pub const CHUNKS: &str = "chunks";

/// The source `type = "forward"`.
pub struct Forward {
    name: String,
    config: ForwardSource,
    inlet: Inlet,
    outlet: Outlet,
    bound: Option<Bound>,
}

struct Bound {
    listener: Listener,
    heartbeat: Option<std::net::UdpSocket>,
    key: Option<Vec<u8>>,
    context: Context,
}

impl Forward {
    /// A source that is not open yet.
    pub fn new(config: &SourceConfig, own: &ForwardSource, limits: &LimitsConfig) -> Forward {
        let (inlet, outlet) = push::pair(config, limits);
        Forward { name: config.name.clone(), config: own.clone(), inlet, outlet, bound: None }
    }
}

impl Source for Forward {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&mut self, context: &Context) -> Result<(), SourceError> {
        let key = match &self.config.shared_key {
            None => None,
            Some(reference) => Some(reference.read().map_err(|error| SourceError::Start {
                what: "shared_key".to_owned(),
                why: error.to_string(),
            })?),
        };
        let listener = Listener::bind(&self.config.listen, context)?;
        let address = self.config.listen.address;
        let heartbeat = match self.config.heartbeat {
            false => None,
            true => {
                let socket = std::net::UdpSocket::bind(address)
                    .and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
                Some(socket.map_err(|error| taken(address, &error))?)
            }
        };
        for gauge in [AUTH_FAILED, NO_FORWARD, CHUNKS] {
            context.gauges.set(gauge, 0);
        }
        self.bound = Some(Bound { listener, heartbeat, key, context: context.clone() });
        Ok(())
    }

    fn run(
        self: Box<Self>,
        _saved: Vec<Position>,
        out: queue::Sender<Batch>,
        stop: StopToken,
    ) -> Result<(), SourceError> {
        let Forward { config, inlet, outlet, bound, .. } = *self;
        let Some(Bound { listener, heartbeat, key, context }) = bound else { return Ok(()) };
        let _runtime = context.runtime.enter();
        if let Some(socket) = heartbeat {
            task::spawn("forward heartbeat", beat(socket, stop.clone()));
        }
        let gauges = Arc::clone(&context.gauges);
        let shared = Arc::new(Shared { inlet, config, key, gauges, stop: stop.clone() });
        let handle = move |peer| connection::take(peer, Arc::clone(&shared));
        task::spawn("forward", listener.serve("forward connection", stop, handle));
        outlet.pump(&out);
        Ok(())
    }
}

/// What all connections share.
struct Shared {
    inlet: Inlet,
    config: ForwardSource,
    key: Option<Vec<u8>>,
    gauges: Arc<Gauges>,
    stop: StopToken,
}

/// Fluentd asks by UDP whether we are there, and wants one byte back.
async fn beat(socket: std::net::UdpSocket, stop: StopToken) {
    let Ok(socket) = UdpSocket::from_std(socket) else { return };
    let mut byte = [0; 16];
    loop {
        let received = tokio::select! {
            () = stop.stopped() => return,
            received = socket.recv_from(&mut byte) => received,
        };
        if let Ok((_, peer)) = received {
            let _ = socket.send_to(&[0], peer).await;
        }
    }
}
