//! The thread that lets old things go, watches the disk, and says both.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::config::retention::RetentionConfig;
use crate::model::finding::{Finding, RuleInfo};
use crate::model::origin::Origin;
use crate::model::severity::Severity;
use crate::pipeline::shared::{Health, Shared};
use crate::stdx::id::IdHasher;
use crate::stdx::stop::StopToken;
use crate::stdx::time::Timestamp;
use crate::store::{By, Store, disk_used};

/// The id that alerts about a filling disk carry in place of a rule's.
pub const DISK_RULE_ID: &str = "watchfloor-disk-filling";
/// How often the disk is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// The key of the line in the status.
const TOPIC: &str = "retention";
/// The key of the problem in the health report.
const PROBLEM: &str = "disk usage";
/// The same of events that another engine keeps.
const ELSEWHERE: &str = "retention of the event store";
const DAY_S: i64 = 86_400;

/// The daemon's own retention.
pub(crate) struct Job {
    pub(crate) store: Arc<Store>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) runtime: Handle,
}

impl Job {
    /// Look after age, size and the disk until `stop`. The policy is the one in force at each look.
    pub(crate) fn run(self, stop: &StopToken) {
        // Not by the clock of the day, which may be set back.
        let mut last: Option<Instant> = None;
        // What is full already at the start is a problem; an alert is for what happens while we watch.
        let warn = self.shared.snapshot().retention_config.disk_warn;
        let mut told = disk_used(self.store.dir()).0 >= warn;
        let mut sums = [0_i64; 4];
        // The age that another engine was told.
        let mut kept: Option<Duration> = None;
        loop {
            let config = self.shared.snapshot().retention_config;
            let now = Timestamp::now();
            let (used, _) = disk_used(self.store.dir());
            self.watch_disk(used, config.disk_warn, &mut told, now);
            let is_due = last.is_none_or(|last| last.elapsed() >= config.every);
            let is_full = used >= config.disk_drop && config.disk_drop < 100;
            if is_due || is_full {
                last = Some(Instant::now());
                let longest = config.events_longest();
                if kept != Some(longest) && self.keep_elsewhere(longest) {
                    kept = Some(longest);
                }
                self.forget_elsewhere(&config, now);
                let by = By { actor: "watchfloor", place: "retention" };
                match self.runtime.block_on(self.store.retention_run(&config, by, now)) {
                    Ok(report) => {
                        let problem =
                            (!report.problem.is_empty()).then(|| not_removed(&report.problem));
                        self.shared.set_problem(TOPIC, problem);
                        if !report.is_empty() {
                            tracing::info!(
                                segments = report.segments.len(),
                                events = report.events(),
                                rejects = report.rejects,
                                "what was old is gone"
                            );
                        }
                        let went = [
                            report.events().saturating_sub(report.events_carried),
                            report.bytes(),
                            report.rejects,
                            report.events_carried,
                        ];
                        for (sum, number) in sums.iter_mut().zip(went) {
                            *sum = sum.saturating_add(i64::try_from(number).unwrap_or(i64::MAX));
                        }
                    }
                    Err(error) => {
                        self.shared.set_problem(TOPIC, Some(not_removed(&error)));
                    }
                }
            }
            self.show(used, sums);
            if stop.wait(LOOK) {
                return;
            }
        }
    }

    /// Have another engine, where one keeps the events and can, let go of them by itself as well. Done?
    fn keep_elsewhere(&self, age: Duration) -> bool {
        match self.runtime.block_on(self.store.event_store().keep_for(age)) {
            Ok(policy) => {
                tracing::debug!(?policy, "how long events are kept is told");
                true
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "the event store does not take how long events are kept");
                false
            }
        }
    }

    /// Where another engine keeps the events, they go by age there.
    fn forget_elsewhere(&self, config: &RetentionConfig, now: Timestamp) {
        match self.runtime.block_on(self.store.event_store().forget_old(config, now)) {
            Ok((0, 0)) => {}
            Ok((days, events)) => {
                tracing::info!(days, events, "old days, and old events of tenants, are gone");
            }
            Err(error) => {
                let text = format!("old events cannot be removed: {error}");
                self.shared.set_problem(ELSEWHERE, Some((Health::Degraded, text)));
                return;
            }
        }
        self.shared.set_problem(ELSEWHERE, None);
    }

    fn show(&self, used: u64, [events, bytes, rejects, carried]: [i64; 4]) {
        let text = format!(
            "{events} events, {bytes} bytes, {rejects} rejects removed since the start; the disk is {used} % full"
        );
        let numbers = vec![
            ("events_removed", events),
            ("bytes_removed", bytes),
            ("rejects_removed", rejects),
            ("evidence_carried", carried),
            ("disk_used_percent", i64::try_from(used).unwrap_or(0)),
        ];
        self.shared.set_upkeep(TOPIC, text, numbers);
    }

    fn watch_disk(&self, used: u64, warn: u64, told: &mut bool, now: Timestamp) {
        if used < warn {
            *told = false;
            self.shared.set_problem(PROBLEM, None);
            return;
        }
        let place = self.store.dir().display();
        let text = format!("the disk of {place} is {used} % full (retention.disk_warn = {warn})");
        self.shared.set_problem(PROBLEM, Some((Health::Degraded, text)));
        if !std::mem::replace(told, true) {
            self.shared.tell(finding(used, now));
        }
    }
}

fn not_removed(why: &dyn std::fmt::Display) -> (Health, String) {
    (Health::Degraded, format!("what is old cannot be removed: {why}"))
}

fn finding(used: u64, now: Timestamp) -> Finding {
    let day = now.seconds().div_euclid(DAY_S);
    let rule = RuleInfo {
        id: DISK_RULE_ID.to_owned(),
        title: "the disk of Watchfloor fills".to_owned(),
        level: Severity::Medium,
        tags: Vec::new(),
        description: "Behind retention.disk_drop the oldest events go before their time; behind store.free_bytes_min nothing is acknowledged."
            .to_owned(),
        false_positives: Vec::new(),
        file: "builtin:retention".to_owned(),
        line: 1,
        group_by: Vec::new(),
    };
    Finding {
        rule: Arc::new(rule),
        timestamp: now,
        tenant: "default".into(),
        host: rustix::system::uname().nodename().to_string_lossy().to_lowercase(),
        user: String::new(),
        // One alert a day, however often it goes up and down.
        event: IdHasher::new("disk").number(day.unsigned_abs()).finish(),
        contributing: Vec::new(),
        matched: vec![("disk used".to_owned(), format!("{used} %"))],
        group: Vec::new(),
        backfill: false,
        origin: Origin::default(),
    }
}
