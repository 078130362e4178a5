//! The source `type = "http"`: records that others push to us. One listener speaks `/ingest`, the `_bulk` of
//! Elasticsearch, Splunk's HTTP event collector, and OTLP by HTTP and gRPC. Every one is answered with success only after
//! the commit, so that a client that keeps what was not acknowledged loses nothing.

mod admit;
mod body;
mod bulk;
mod deliver;
mod hec;
mod ingest;
mod otlp;
mod otlp_json;
mod refusal;
mod router;
mod serve;
mod split;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use super::push::{self, Inlet, Outlet};
use super::tls::Certificates;
use super::{Context, Source, SourceError};
use crate::config::limits::LimitsConfig;
use crate::config::sources::{HttpSource, SourceConfig};
use crate::model::record::{Batch, Position};
use crate::stdx::stop::StopToken;
use crate::stdx::{queue, task};

/// How long requests may go on after a stop was asked for.
const STOP_GRACE: Duration = Duration::from_secs(8);

/// The source, before and after its listener is there.
pub struct Http {
    name: String,
    config: HttpSource,
    ratio_max: u64,
    ends: (Inlet, Outlet),
    opened: Option<Opened>,
}

struct Opened {
    context: Context,
    listeners: Vec<TcpListener>,
    certificates: Option<Arc<Certificates>>,
    secret: Option<Vec<u8>>,
}

impl Http {
    /// The source of a configuration section.
    pub fn new(section: &SourceConfig, config: HttpSource, limits: &LimitsConfig) -> Http {
        Http {
            name: section.name.clone(),
            config,
            ratio_max: limits.decompression_ratio_max,
            ends: push::pair(section, limits),
            opened: None,
        }
    }

    /// Where it listens, once it is open: what the system chose for port 0.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let listeners = self.opened.iter().flat_map(|opened| &opened.listeners);
        listeners.filter_map(|listener| listener.local_addr().ok()).collect()
    }
}

impl Source for Http {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&mut self, context: &Context) -> Result<(), SourceError> {
        let certificates = match &self.config.tls {
            Some(tls) => Some(Arc::new(Certificates::load(tls, &["h2", "http/1.1"])?)),
            None => None,
        };
        let secret = match &self.config.hmac_secret {
            Some(secret) => Some(secret.read().map_err(|error| SourceError::Start {
                what: "hmac_secret".to_owned(),
                why: error.to_string(),
            })?),
            None => None,
        };
        let mut listeners = vec![listen(self.config.listen)?];
        if let Some(address) = self.config.grpc_listen {
            listeners.push(listen(address)?);
        }
        self.opened = Some(Opened { context: context.clone(), listeners, certificates, secret });
        Ok(())
    }

    fn run(
        self: Box<Self>,
        _saved: Vec<Position>,
        out: queue::Sender<Batch>,
        stop: StopToken,
    ) -> Result<(), SourceError> {
        let Http { name, config, ratio_max, ends: (inlet, outlet), opened } = *self;
        let Some(opened) = opened else {
            let why = "the source was never opened".to_owned();
            return Err(SourceError::Start { what: name, why });
        };
        let runtime = opened.context.runtime.clone();
        let gate = admit::Gate::new(name, config, ratio_max, inlet, &opened.context, opened.secret);
        let serving = serve::Serving {
            gate: Arc::new(gate),
            certificates: opened.certificates,
            stop,
            now: StopToken::new(),
        };
        {
            let _entered = runtime.enter();
            task::spawn("http source", serving.run(opened.listeners));
        }
        // Ends when the last request has let go of its inlet.
        outlet.pump(&out);
        Ok(())
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, SourceError> {
    let failed = |error: std::io::Error| SourceError::Start {
        what: format!("cannot listen on {address}"),
        why: format!("{error}; another address in sources.listen lets the rest start"),
    };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}
