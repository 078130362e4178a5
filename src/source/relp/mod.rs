//! RELP: syslog with an answer for each message, which is given when the message is on disk. [`frames`] is the protocol's
//! form, [`session`] one connection, [`memory`] what tells a message that is sent again from a new one.

mod frames;
mod memory;
mod session;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::listener::Listener;
use super::push::{self, Inlet, Outlet};
use super::{Context, Source, SourceError};
use crate::config::limits::LimitsConfig;
use crate::config::sources::{RelpSource, SourceConfig};
use crate::model::record::{Batch, Position};
use crate::stdx::gauges::Gauges;
use crate::stdx::queue;
use crate::stdx::stop::StopToken;
use crate::stdx::task;
use memory::Memory;

/// Gauge: messages that were sent again and known.
pub const REPEATED: &str = "repeated_messages";
/// Gauge: senders whose last messages are remembered.
pub const REMEMBERED: &str = "remembered_senders";
/// Gauge: connections closed because what they said is no RELP.
pub const NO_RELP: &str = "not_relp";

/// The source `type = "relp"`.
pub struct Relp {
    name: String,
    config: RelpSource,
    inlet: Inlet,
    outlet: Outlet,
    bound: Option<(Listener, Context)>,
}

impl Relp {
    /// A source that is not open yet.
    pub fn new(config: &SourceConfig, own: &RelpSource, limits: &LimitsConfig) -> Relp {
        let (inlet, outlet) = push::pair(config, limits);
        Relp { name: config.name.clone(), config: own.clone(), inlet, outlet, bound: None }
    }
}

impl Source for Relp {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&mut self, context: &Context) -> Result<(), SourceError> {
        let listener = Listener::bind(&self.config.listen, context)?;
        for gauge in [REPEATED, REMEMBERED, NO_RELP] {
            context.gauges.set(gauge, 0);
        }
        self.bound = Some((listener, context.clone()));
        Ok(())
    }

    fn run(
        self: Box<Self>,
        saved: Vec<Position>,
        out: queue::Sender<Batch>,
        stop: StopToken,
    ) -> Result<(), SourceError> {
        let Relp { config, inlet, outlet, bound, .. } = *self;
        let Some((listener, context)) = bound else { return Ok(()) };
        let memory = Memory::restore(&inlet.settings.source, config.window, &saved);
        let shared = Arc::new(Shared {
            inlet,
            config,
            gauges: Arc::clone(&context.gauges),
            memory: Mutex::new(memory),
            sessions: Mutex::default(),
            next: AtomicU64::new(0),
            stop: stop.clone(),
        });
        let _runtime = context.runtime.enter();
        let handle = move |connection| session::take(connection, Arc::clone(&shared));
        task::spawn("relp", listener.serve("relp session", stop, handle));
        outlet.pump(&out);
        Ok(())
    }
}

/// What all sessions share.
struct Shared {
    inlet: Inlet,
    config: RelpSource,
    gauges: Arc<Gauges>,
    memory: Mutex<Memory>,
    sessions: Mutex<HashMap<u64, Open>>,
    next: AtomicU64,
    stop: StopToken,
}

/// An open session, as others of its peer see it.
struct Open {
    peer: String,
    /// Asks it to say when it has handed on all it has received.
    ask: mpsc::UnboundedSender<oneshot::Sender<()>>,
}

impl Shared {
    /// A number for a session and the questions it must answer.
    fn enter(&self, peer: &str) -> (u64, mpsc::UnboundedReceiver<oneshot::Sender<()>>) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (ask, questions) = mpsc::unbounded_channel();
        self.sessions.lock().insert(id, Open { peer: peer.to_owned(), ask });
        (id, questions)
    }

    fn leave(&self, id: u64) {
        self.sessions.lock().remove(&id);
    }

    /// Wait until older sessions of this peer have handed on what they have received. One of them may be the broken
    /// connection of who connects now, and what it holds is what is sent again.
    async fn settle(&self, id: u64, peer: &str) {
        let answers: Vec<oneshot::Receiver<()>> = {
            let sessions = self.sessions.lock();
            let older = sessions.iter().filter(|(other, open)| **other < id && open.peer == peer);
            let ask = |open: &Open| {
                let (answer, end) = oneshot::channel();
                open.ask.send(answer).ok().map(|()| end)
            };
            older.filter_map(|(_, open)| ask(open)).collect()
        };
        for answer in answers {
            // An error: it is gone.
            let _ = answer.await;
        }
    }

    fn show(&self) {
        let count = self.memory.lock().count();
        self.gauges.set(REMEMBERED, i64::try_from(count).unwrap_or(i64::MAX));
    }
}
