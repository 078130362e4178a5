//! The desk for the scripting verbs: beside a running daemon through its socket, without one on the store.

use std::future::Future;

use tokio::runtime::Runtime;

use crate::cli::owner::{self, Owned, Owner, Wanted};
use crate::cli::{Common, load};
use crate::desk::Desk;
use crate::model::desk::{Problem, ProblemKind};

/// A desk and the runtime its questions run on.
pub(crate) struct Opened {
    pub(crate) desk: Desk,
    runtime: Option<Runtime>,
    owner: Option<Box<Owner>>,
}

/// Find the desk of the configured store.
pub(crate) fn open(common: &Common) -> anyhow::Result<Opened> {
    load::logging(common, false);
    let config = load::config(common)?;
    let socket = owner::socket(&config);
    if socket.exists() {
        let runtime = owner::runtime()?;
        if let Ok(desk) = runtime.block_on(Desk::attach(&socket)) {
            return Ok(Opened { desk, runtime: Some(runtime), owner: None });
        }
    }
    if !config.data_dir.exists() {
        let message = format!("there is no store at {}", config.data_dir.display());
        return Err(Problem::new(ProblemKind::NotFound, message)
            .hint("watchfloor serve makes one; --data-dir names another place")
            .into());
    }
    match owner::own(&config, Wanted::default())? {
        Owned::Ours(owner) => Ok(Opened { desk: owner.desk(), runtime: None, owner: Some(owner) }),
        Owned::InUse(pid) => Err(owner::in_use(&config, pid)
            .detail(format!("its socket {} does not answer", socket.display()))
            .into()),
    }
}

impl Opened {
    /// Wait for an answer of the desk.
    pub(crate) fn wait<T>(
        &self,
        question: impl Future<Output = Result<T, Problem>>,
    ) -> anyhow::Result<T> {
        let runtime = match (&self.runtime, &self.owner) {
            (Some(runtime), _) => runtime,
            (None, Some(owner)) => &owner.runtime,
            (None, None) => anyhow::bail!("the desk has no runtime"),
        };
        Ok(runtime.block_on(question)?)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let Some(owner) = self.owner.take()
            && let Err(error) = owner.finish()
        {
            tracing::warn!(error = format!("{error:#}"), "the store was not closed cleanly");
        }
    }
}
