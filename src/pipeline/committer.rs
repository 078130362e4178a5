//! The last thread of the path: makes commits real, one after the other, and tells who looks on.
//!
//! A commit that cannot be made (a full disk) is tried again until it can: nothing is acknowledged
//! meanwhile, the queue before it fills, and the sources wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::model::alert::Alert;
use crate::model::ledger::SourceLedger;
use crate::model::lifecycle::Absorbed;
use crate::pipeline::shared::{Health, Shared};
use crate::stdx::queue;
use crate::stdx::stop::StopToken;
use crate::stdx::ticket::{Outcome, Ticket};
use crate::store::{Commit, Store, StoreError};

/// First and last pause between tries.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// How long a commit is still tried after a stop was asked for. What is not committed is read again at
/// the next start, because its positions were not saved.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// The key of the problem in the health report.
const PROBLEM: &str = "store";

/// A commit and who waits for it.
pub(crate) struct Ready {
    pub(crate) commit: Commit,
    /// Answered with these when the commit stands; dropped, which says so, when it is given up.
    pub(crate) tickets: Vec<(Ticket, Outcome)>,
}

impl Ready {
    /// A commit that nobody waits for.
    pub(crate) fn new(commit: Commit) -> Ready {
        Ready { commit, tickets: Vec::new() }
    }
}

/// Owns the writing side of the store.
pub(crate) struct Committer {
    pub(crate) store: Arc<Store>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) runtime: Handle,
    pub(crate) stop: StopToken,
    /// The books as the last commit left them.
    pub(crate) ledger: Vec<SourceLedger>,
}

impl Committer {
    /// Commit until the analyst is gone. Returns how many commits were given up.
    pub(crate) fn run(mut self, commits: &queue::Receiver<Ready>) -> u64 {
        let mut given_up = 0;
        while let Some(Ready { commit, tickets }) = commits.receive() {
            if self.persist(&commit) {
                tickets.into_iter().for_each(|(ticket, outcome)| ticket.answer(outcome));
            } else {
                drop(tickets);
                given_up += 1;
                // Later commits build on this one: making them real without it would break the books.
                while commits.receive().is_some() {
                    given_up += 1;
                }
            }
        }
        given_up
    }

    /// Try until it stands. `false`: a stop was asked for and it could not be done in time.
    fn persist(&mut self, commit: &Commit) -> bool {
        let mut pause = RETRY.0;
        let mut stopping: Option<Instant> = None;
        let mut troubled = false;
        loop {
            match self.runtime.block_on(self.store.commit(commit)) {
                Ok(committed) => {
                    if troubled {
                        tracing::warn!("the store takes commits again");
                        self.shared.set_problem(PROBLEM, None);
                    }
                    self.report(commit, &committed.alerts);
                    return true;
                }
                Err(error) => {
                    if !troubled {
                        let error: &dyn std::error::Error = &error;
                        tracing::error!(
                            error,
                            "cannot commit; nothing is acknowledged until it works"
                        );
                    }
                    troubled = true;
                    self.say(&error);
                }
            }
            if self.stop.is_stopped() {
                let since = *stopping.get_or_insert_with(Instant::now);
                if since.elapsed() > STOP_GRACE {
                    return false;
                }
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(RETRY.1);
        }
    }

    fn say(&self, error: &StoreError) {
        self.shared.set_problem(PROBLEM, Some((Health::Unhealthy, error.to_string())));
    }

    fn report(&mut self, commit: &Commit, alerts: &[(Arc<Alert>, Absorbed)]) {
        self.shared.publish_alerts(alerts.iter().map(|(alert, _)| alert.as_ref().clone()));
        for delta in &commit.ledger {
            match self.ledger.iter_mut().find(|row| row.name == delta.source) {
                Some(row) => row.apply(delta),
                None => {
                    let mut row = SourceLedger { name: delta.source.clone(), ..Default::default() };
                    row.apply(delta);
                    self.ledger.push(row);
                }
            }
        }
        self.shared.update(|snapshot| snapshot.sources.clone_from(&self.ledger));
    }
}
