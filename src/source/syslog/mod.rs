//! Syslog from the network: [`udp`], or [`stream`]s of TCP and TLS. The protocol knows no answer: what was read is
//! committed, also on a stop, and what was not read is the sender's.

mod stream;
mod udp;

use std::sync::Arc;

use super::listener::Listener;
use super::push::{self, Inlet, Outlet};
use super::{Context, Source, SourceError};
use crate::config::limits::LimitsConfig;
use crate::config::sources::{SourceConfig, SyslogProtocol, SyslogSource};
use crate::model::record::{Batch, Position};
use crate::stdx::queue;
use crate::stdx::stop::StopToken;
use crate::stdx::task;

/// The source `type = "syslog"`.
pub struct Syslog {
    name: String,
    config: SyslogSource,
    inlet: Inlet,
    outlet: Outlet,
    bound: Option<(Bound, Context)>,
}

enum Bound {
    Stream(Listener),
    Udp(udp::Datagrams),
}

impl Syslog {
    /// A source that is not open yet.
    pub fn new(config: &SourceConfig, own: &SyslogSource, limits: &LimitsConfig) -> Syslog {
        let (inlet, outlet) = push::pair(config, limits);
        Syslog { name: config.name.clone(), config: own.clone(), inlet, outlet, bound: None }
    }
}

impl Source for Syslog {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&mut self, context: &Context) -> Result<(), SourceError> {
        let bound = match self.config.protocol {
            SyslogProtocol::Udp => Bound::Udp(udp::Datagrams::bind(&self.config, context)?),
            SyslogProtocol::Tcp | SyslogProtocol::Tls => {
                Bound::Stream(Listener::bind(&self.config.listen, context)?)
            }
        };
        self.bound = Some((bound, context.clone()));
        Ok(())
    }

    fn run(
        self: Box<Self>,
        _saved: Vec<Position>,
        out: queue::Sender<Batch>,
        stop: StopToken,
    ) -> Result<(), SourceError> {
        let Syslog { config, inlet, outlet, bound, .. } = *self;
        let Some((bound, context)) = bound else { return Ok(()) };
        let _runtime = context.runtime.enter();
        match bound {
            Bound::Udp(datagrams) => datagrams.start(inlet, stop, context.gauges),
            Bound::Stream(listener) => {
                let listen = Arc::new(config.listen);
                let token = stop.clone();
                let handle = move |connection| {
                    let (listen, gauges) = (Arc::clone(&listen), Arc::clone(&context.gauges));
                    stream::take(connection, inlet.clone(), listen, gauges, token.clone())
                };
                task::spawn("syslog", listener.serve("syslog connection", stop, handle));
            }
        }
        outlet.pump(&out);
        Ok(())
    }
}
