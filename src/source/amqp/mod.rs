//! A queue of an AMQP 0-9-1 broker: messages are answered when they are durable, and come again until then.

mod recent;
mod session;

use std::sync::Arc;

use super::push::{self, Inlet, Outlet};
use super::{Context, Source, SourceError};
use crate::config::limits::LimitsConfig;
use crate::config::sources::{AmqpSource, SourceConfig};
use crate::model::record::{Batch, Position};
use crate::stdx::stop::StopToken;
use crate::stdx::{queue, task};
use recent::Recent;
use session::{Failed, Session};

/// The source.
pub struct Amqp {
    name: Arc<str>,
    config: Arc<AmqpSource>,
    inlet: Inlet,
    outlet: Outlet,
    context: Option<Context>,
}

impl Amqp {
    /// A source as configured. Opens nothing yet.
    pub fn new(config: &SourceConfig, amqp: AmqpSource, limits: &LimitsConfig) -> Amqp {
        let (inlet, outlet) = push::pair(config, limits);
        Amqp {
            name: config.name.as_str().into(),
            config: Arc::new(amqp),
            inlet,
            outlet,
            context: None,
        }
    }
}

impl Source for Amqp {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&mut self, context: &Context) -> Result<(), SourceError> {
        self.context = Some(context.clone());
        let (config, runtime) = (Arc::clone(&self.config), context.runtime.clone());
        // The caller may be the runtime's own thread, which must not wait.
        let look = task::thread("amqp open", move || runtime.block_on(session::look(&config)));
        let found = look.ok().and_then(|thread| thread.join().ok());
        match found {
            Some(Err(Failed::Queue(why))) => {
                Err(SourceError::Start { what: format!("queue {:?}", self.config.queue), why })
            }
            Some(Err(Failed::Setting(error))) => {
                Err(SourceError::Start { what: self.config.url.clone(), why: error })
            }
            Some(Err(Failed::Connection(why))) => {
                context.trouble(Some(session::unreachable(&self.config, &why)));
                Ok(())
            }
            Some(Ok(())) | None => Ok(()),
        }
    }

    fn run(
        self: Box<Self>,
        saved: Vec<Position>,
        out: queue::Sender<Batch>,
        stop: StopToken,
    ) -> Result<(), SourceError> {
        let Amqp { config, inlet, outlet, context, .. } = *self;
        let Some(context) = context else { return Ok(()) };
        let recent = Recent::new(config.prefetch, &saved);
        let runtime = context.runtime.clone();
        let stop = stop.child();
        let session = Session { config, inlet, context, recent, stop: stop.clone() };
        let _entered = runtime.enter();
        drop(task::spawn("amqp", session.run()));
        outlet.pump(&out);
        // A path that takes no more ends the session as well.
        stop.stop();
        Ok(())
    }
}
