//! The last thread of the path: makes commits real, one after the other, and tells who looks on.
//!
//! A commit that cannot be made (a full disk) is tried again until it can: nothing is acknowledged
//! meanwhile, the queue before it fills, and the sources wait.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::export::SinkError;
use crate::model::alert::Alert;
use crate::model::correlation_match::CorrelationMatch;
use crate::model::inference::RULE_PREFIX;
use crate::model::ledger::{LedgerDelta, SourceLedger};
use crate::model::lifecycle::Absorbed;
use crate::pipeline::infer::second_opinion;
use crate::pipeline::regroup;
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

/// Why a commit cannot be made now.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What comes before it.
    #[error("matches of correlations cannot be handed on: {0}")]
    Regroup(#[from] SinkError),
}

/// How a commit ended.
enum End {
    /// It is real.
    Stands,
    /// Its shard is another node's.
    Elsewhere,
    /// A stop was asked for and it could not be done in time.
    GivenUp,
}

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
    /// The books as the last commit left them: the node's own, under no key, and those of each shard.
    pub(crate) books: BTreeMap<Arc<str>, Vec<SourceLedger>>,
    /// The way to the nodes that count what this one finds.
    pub(crate) regroup: Option<regroup::Sender>,
    /// Who is asked about models' alerts.
    pub(crate) second_opinions: Option<second_opinion::Desk>,
}

impl Committer {
    /// Commit until the analyst is gone. Returns how many commits were given up.
    pub(crate) fn run(mut self, commits: &queue::Receiver<Ready>) -> u64 {
        let mut given_up = 0;
        while let Some(Ready { commit, tickets }) = commits.receive() {
            match self.persist(&commit) {
                End::Stands => {
                    tickets.into_iter().for_each(|(ticket, outcome)| ticket.answer(outcome));
                }
                // Whoever has the shard now reads its records again.
                End::Elsewhere => self.shared.shards().forget(&commit.shard),
                End::GivenUp => {
                    drop(tickets);
                    given_up += 1;
                    // Later commits build on this one: making them real without it would break the books.
                    while commits.receive().is_some() {
                        given_up += 1;
                    }
                }
            }
        }
        given_up
    }

    /// Try until it is decided.
    fn persist(&mut self, commit: &Commit) -> End {
        let mut pause = RETRY.0;
        let mut stopping: Option<Instant> = None;
        let mut troubled = false;
        let mut handed_on = commit.matches.is_empty();
        loop {
            if self.stop.is_stopped() {
                stopping.get_or_insert_with(Instant::now);
            }
            let tried = match handed_on {
                true => Ok(()),
                false => self.hand_on(&commit.matches),
            };
            handed_on = tried.is_ok();
            match tried.and_then(|()| Ok(self.runtime.block_on(self.store.commit(commit))?)) {
                Ok(committed) => {
                    if troubled {
                        tracing::warn!("commits are made again");
                        self.shared.set_problem(PROBLEM, None);
                    }
                    self.report(commit, &committed.alerts);
                    return End::Stands;
                }
                Err(Trouble::Store(StoreError::ShardGone(shard))) => {
                    tracing::info!(shard, "a commit is left to the node that has the shard now");
                    self.shared.set_problem(PROBLEM, None);
                    return End::Elsewhere;
                }
                Err(trouble) => {
                    if !troubled {
                        let error: &dyn std::error::Error = &trouble;
                        tracing::error!(
                            error,
                            "cannot commit; nothing is acknowledged until it works"
                        );
                    }
                    troubled = true;
                    let problem = (Health::Unhealthy, trouble.to_string());
                    self.shared.set_problem(PROBLEM, Some(problem));
                }
            }
            if stopping.is_some_and(|since| since.elapsed() > STOP_GRACE) {
                return End::GivenUp;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(RETRY.1);
        }
    }

    /// What other nodes count goes to them before the commit, so that a crash in between sends it twice and never not.
    fn hand_on(&mut self, matches: &[CorrelationMatch]) -> Result<(), Trouble> {
        let Some(regroup) = &mut self.regroup else { return Ok(()) };
        Ok(regroup.send(matches)?)
    }

    fn report(&mut self, commit: &Commit, alerts: &[(Arc<Alert>, Absorbed)]) {
        if let Some(desk) = &self.second_opinions {
            let begun = alerts.iter().filter(|(_, absorbed)| *absorbed == Absorbed::Created);
            let models = begun.filter(|(alert, _)| alert.rule_id.starts_with(RULE_PREFIX));
            models.for_each(|(alert, _)| desk.ask(alert.id));
        }
        self.shared.publish_alerts(alerts.iter().map(|(alert, _)| alert.as_ref().clone()));
        self.books.retain(|key, _| self.shared.shards().holds(key));
        match self.books.get_mut(&commit.shard) {
            Some(rows) => apply(rows, &commit.ledger),
            None => self.begin_book(&commit.shard),
        }
        let sources = SourceLedger::sum(self.books.values().flatten());
        self.shared.update(|snapshot| snapshot.sources = sources);
    }

    /// The books of a shard that was taken, this commit in them.
    fn begin_book(&mut self, shard: &Arc<str>) {
        match self.runtime.block_on(self.store.shard_ledger(shard)) {
            Ok(rows) => drop(self.books.insert(Arc::clone(shard), rows)),
            // They are asked for again at its next commit.
            Err(error) => tracing::warn!(%error, "the books of a shard are not shown"),
        }
    }
}

fn apply(rows: &mut Vec<SourceLedger>, deltas: &[LedgerDelta]) {
    for delta in deltas {
        match rows.iter_mut().find(|row| row.name == delta.source) {
            Some(row) => row.apply(delta),
            None => {
                let mut row = SourceLedger { name: delta.source.clone(), ..Default::default() };
                row.apply(delta);
                rows.push(row);
            }
        }
    }
}
