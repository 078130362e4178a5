//! `type = "ssh"`: files on other machines, read through their SSH server with what every machine has: a shell, `stat`, `head`
//! and `tail`. One connection a machine, kept; one task a machine.
//!
//! `session` is the connection, `remote` the commands and their answers, `row` what is saved of a file, `machine` the loop.

mod machine;
mod remote;
mod row;
mod session;

use std::time::Duration;

use crate::config::limits::LimitsConfig;
use crate::config::sources::{SourceConfig, SshSource};
use crate::model::record::{Batch, Position};
use crate::source::push::{self, Inlet, Outlet};
use crate::source::{Context, Source, SourceError};
use crate::stdx::queue;
use crate::stdx::stop::StopToken;
use crate::stdx::task;

use machine::Machine;

/// How often a source that waits for a local folder to go missing looks.
const FOLDER_LOOK: Duration = Duration::from_secs(5);

/// The source.
pub struct Ssh {
    name: String,
    config: SshSource,
    inlet: Inlet,
    outlet: Outlet,
    context: Option<Context>,
}

impl Ssh {
    /// As it is configured; connects to nothing yet.
    pub fn new(source: &SourceConfig, config: SshSource, limits: &LimitsConfig) -> Ssh {
        let (inlet, outlet) = push::pair(source, limits);
        Ssh { name: source.name.clone(), config, inlet, outlet, context: None }
    }
}

/// What is wrong with the files, each with the last part of the key that names it.
pub fn problems(config: &SshSource) -> Vec<(&'static str, SourceError)> {
    let key = session::load_key(&config.key_file).err();
    let hosts = (!config.known_hosts.is_file()).then(|| SourceError::Start {
        what: config.known_hosts.display().to_string(),
        why: "there is no such file of known hosts: make it with ssh-keyscan, and compare the keys"
            .to_owned(),
    });
    let files = [("key_file", key), ("known_hosts", hosts)];
    files.into_iter().filter_map(|(key, error)| Some((key, error?))).collect()
}

impl Source for Ssh {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&mut self, context: &Context) -> Result<(), SourceError> {
        // A key that cannot be read does not heal by itself; a machine that does not answer may.
        if let Some((_, error)) = problems(&self.config).into_iter().next() {
            return Err(error);
        }
        self.context = Some(context.clone());
        Ok(())
    }

    fn run(
        self: Box<Self>,
        saved: Vec<Position>,
        out: queue::Sender<Batch>,
        stop: StopToken,
    ) -> Result<(), SourceError> {
        let Ssh { config, inlet, outlet, context, .. } = *self;
        let Some(context) = context else { return Ok(()) };
        let guard = context.runtime.enter();
        let troubles = machine::Troubles::new(context.clone());
        for (host, port) in &config.hosts {
            let machine = Machine::new(
                (host.clone(), *port),
                config.clone(),
                inlet.clone(),
                &saved,
                troubles.clone(),
            );
            task::spawn("ssh machine", machine.run(stop.clone()));
        }
        drop(guard);
        drop(inlet);
        outlet.pump(&out);
        Ok(())
    }
}
