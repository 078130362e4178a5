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
        match runtime.block_on(Desk::attach(&socket)) {
            Ok(desk) => return Ok(Opened { desk, runtime: Some(runtime), owner: None }),
            // Somebody listens and will not have us: opening the store behind its back is no answer.
            Err(problem) if problem.kind == ProblemKind::Forbidden => return Err(problem.into()),
            // A leftover of a crash, or a daemon that is just starting or stopping: the lock decides.
            Err(_) => {}
        }
    }
    if !config.data_dir.exists() {
        let message = format!("there is no store at {}", config.data_dir.display());
        return Err(Problem::new(ProblemKind::NotFound, message)
            .hint("watchfloor serve makes one; --data-dir names another place")
            .into());
    }
    match owner::own_soon(&config, &Wanted::default())? {
        Owned::Ours(owner) => Ok(Opened { desk: owner.desk(), runtime: None, owner: Some(owner) }),
        Owned::InUse(pid) => {
            // It may listen by now.
            let runtime = owner::runtime()?;
            match runtime.block_on(Desk::attach(&socket)) {
                Ok(desk) => Ok(Opened { desk, runtime: Some(runtime), owner: None }),
                Err(problem) => Err(owner::in_use(&config, pid).detail(problem.to_string()).into()),
            }
        }
    }
}

impl Opened {
    /// Does no daemon run? Then this is the store alone, as it was left.
    pub(crate) fn is_store_alone(&self) -> bool {
        self.owner.is_some()
    }

    /// Let the store go before an answer is printed: who reads slowly keeps no daemon from it.
    pub(crate) fn close(self) {}

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
