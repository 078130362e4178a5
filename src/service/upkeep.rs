//! What goes on by itself: actions are carried out at their deadlines, and the status is pushed when it
//! moved. One task a process, started by whoever owns the store.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::model::desk::{Change, StatusReport};
use crate::pipeline::shared::Health;
use crate::service::{Workbench, status};
use crate::stdx::stop::StopToken;
use crate::stdx::time::Timestamp;
use crate::store::StoreError;

/// The status is pushed at most this often.
const STATUS_PAUSE: Duration = Duration::from_millis(500);
/// After a failure of the store, deadlines are tried again this much later.
const RETRY_PAUSE: Duration = Duration::from_secs(2);
/// The key of the problem in the health report.
const PROBLEM: &str = "actions";
/// Changes that other nodes made on a shared database are looked for this often.
const FOLLOW_PAUSE: Duration = Duration::from_secs(1);
/// Who the other nodes are is read this often.
const NODES_PAUSE: Duration = Duration::from_secs(5);
/// The key of that problem.
const FOLLOWING: &str = "other nodes";

impl Workbench {
    /// Carry out actions at their deadlines and push the status, until `stop`. What is not due then stays
    /// durable and is carried out at the next start.
    pub async fn run(self, stop: StopToken) {
        let mut next_status = Instant::now() + STATUS_PAUSE;
        let mut not_before = Instant::now();
        let mut pushed: Option<StatusReport> = None;
        let mut next_look = Instant::now() + FOLLOW_PAUSE;
        let mut rules_known = None;
        let mut next_roll = Instant::now();
        let is_shared = self.core.store.is_shared();
        if is_shared {
            let store = std::sync::Arc::clone(&self.core.store);
            crate::stdx::task::spawn("indexes", async move { store.build_indexes().await });
        }
        loop {
            let due = self.next_due().map(|due| due.max(not_before));
            tokio::select! {
                () = stop.stopped() => return,
                () = self.core.acted.notified() => {}
                () = sleep_until(due.unwrap_or(next_status)), if due.is_some() => {
                    if !self.carry_out().await {
                        not_before = Instant::now() + RETRY_PAUSE;
                    }
                }
                () = sleep_until(next_look), if is_shared => {
                    self.follow().await;
                    self.follow_rules(&mut rules_known).await;
                    next_look = Instant::now() + FOLLOW_PAUSE;
                    if Instant::now() >= next_roll {
                        self.call_the_roll().await;
                        next_roll = Instant::now() + NODES_PAUSE;
                    }
                }
                () = sleep_until(next_status) => {
                    self.push_status(&mut pushed).await;
                    next_status = Instant::now() + STATUS_PAUSE;
                }
            }
        }
    }

    /// Show what other nodes did.
    async fn follow(&self) {
        let shared = &self.core.shared;
        match self.core.store.follow().await {
            Ok(changed) => {
                shared.publish_alerts(changed.iter().map(|alert| alert.as_ref().clone()));
                shared.set_problem(FOLLOWING, None);
            }
            Err(error) => {
                let text = format!("what other nodes changed is not shown: {error}");
                shared.set_problem(FOLLOWING, Some((Health::Degraded, text)));
            }
        }
    }

    /// Judge as was decided about rules on another node. `known`: the last change that is in force here.
    async fn follow_rules(&self, known: &mut Option<u64>) {
        let core = &self.core;
        let news = async {
            let (newest, releases) = core.store.rule_news(known.unwrap_or(0)).await?;
            if Some(newest) == *known {
                return Ok(());
            }
            core.muted.set_book(core.store.rule_book().await?);
            // The start loaded rules and releases itself.
            if known.is_some() {
                core.shared.ask_for_rules();
                // One that was carried out here already changes nothing.
                releases.into_iter().for_each(|release| core.muted.releases().put(release));
            }
            *known = Some(newest);
            Ok::<(), StoreError>(())
        };
        if let Err(error) = news.await {
            tracing::warn!(%error, "what other nodes decided about rules is not in force here yet");
        }
    }

    /// Show who shares the database, and that we do.
    async fn call_the_roll(&self) {
        match self.core.store.nodes(Timestamp::now()).await {
            Ok(nodes) => self.core.shared.update(|snapshot| snapshot.nodes = nodes),
            Err(error) => tracing::debug!(%error, "the other nodes are not known"),
        }
    }

    /// Carry out what is due; a failure is shown until it works again.
    async fn carry_out(&self) -> bool {
        let shared = &self.core.shared;
        match self.apply_due(Timestamp::now()).await {
            Ok(()) => {
                shared.set_problem(PROBLEM, None);
                true
            }
            Err(problem) => {
                let text = format!("actions of people cannot be carried out: {}", problem.message);
                tracing::error!(error = text, "nothing is lost, it is tried again");
                shared.set_problem(PROBLEM, Some((Health::Degraded, text)));
                false
            }
        }
    }

    /// When the next deadline passes, on the runtime's clock.
    fn next_due(&self) -> Option<Instant> {
        let deadline = self.core.store.next_deadline()?;
        let wait_us = deadline.micros_since(Timestamp::now()).max(0).unsigned_abs();
        Some(Instant::now() + Duration::from_micros(wait_us))
    }

    async fn push_status(&self, pushed: &mut Option<StatusReport>) {
        if !self.core.shared.changes().is_watched() {
            return;
        }
        let Ok(report) = self.status().await else {
            return;
        };
        let news = pushed.as_ref().is_none_or(|before| status::differs(before, &report));
        if news {
            *pushed = Some(report.clone());
            self.core.shared.changes().publish(Change::Status(Box::new(report)));
        }
    }
}
