//! What inference does, for the status and the metrics.

use crate::infer::scorer::pool::PoolState;
use crate::model::inference::{Prediction, counted};
use crate::pipeline::infer::stage::Stage;
use crate::pipeline::infer::worker::Inferrer;
use crate::pipeline::shared::{Health, Shared};

/// The key of the problem in the health report, and of the line in the status.
pub(crate) const TOPIC: &str = "inference";

/// Show how it stands.
pub(crate) fn show<'s>(
    stages: impl Iterator<Item = &'s Stage>,
    inferrer: &Inferrer,
    shared: &Shared,
) {
    let mut sum = Sum::default();
    let mut scores = std::collections::BTreeMap::new();
    for stage in stages {
        sum.add(stage);
        scores.extend(stage.scores());
    }
    let pool = inferrer.pool().state();
    let (waiting, room) = inferrer.queue();
    let text = text(&sum, &pool);
    let problem = pool.off.clone().map(|reason| (Health::Degraded, reason));
    shared.set_problem(TOPIC, problem);
    shared.set_upkeep(TOPIC, text, numbers(&sum, &pool));
    shared.set_scores(scores);
    shared.update(|snapshot| {
        snapshot.queues.insert("inference".to_owned(), (waiting, room));
    });
}

#[derive(Default)]
struct Sum {
    windows: [u64; 3],
    alerts: u64,
    active: usize,
    known: usize,
    cold: usize,
    over_windows: u64,
    over_episodes: u64,
    watch: u64,
    pending: usize,
    late: u64,
    left_out: u64,
    forgotten: u64,
    unreadable: u64,
    clipped: u64,
    excluded: u64,
    accepted: usize,
}

impl Sum {
    fn add(&mut self, stage: &Stage) {
        let (counts, calibration, over) = (stage.counts(), stage.calibration(), stage.over());
        let (active, known) = stage.endpoints();
        for (sum, count) in self.windows.iter_mut().zip(counts.windows) {
            *sum += count;
        }
        self.alerts += counts.alerts;
        self.active += active;
        self.known += known;
        self.cold += calibration.cold;
        self.over_windows += over.windows;
        self.over_episodes += over.episodes;
        self.watch += stage.disagreements();
        self.pending += stage.pending();
        self.late += counts.late;
        self.left_out += counts.left_out;
        self.forgotten += counts.forgotten + calibration.forgotten;
        self.unreadable += counts.unreadable;
        self.clipped += calibration.clipped;
        self.excluded += calibration.excluded;
        self.accepted += stage.accepted();
    }
}

fn text(sum: &Sum, pool: &PoolState) -> String {
    if let Some(reason) = &pool.off {
        return reason.clone();
    }
    let [attack, benign, error] = sum.windows;
    format!(
        "{}; {} judged since the start ({attack} attack, {benign} benign, {error} error), {} active, {} cold, {} over budget",
        pool.engine,
        counted(usize::try_from(attack + benign + error).unwrap_or(usize::MAX), "window"),
        counted(sum.active, "endpoint"),
        sum.cold,
        counted(usize::try_from(sum.over_episodes).unwrap_or(usize::MAX), "episode"),
    )
}

fn numbers(sum: &Sum, pool: &PoolState) -> Vec<(&'static str, i64)> {
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let size = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let names = ["inferences_attack", "inferences_benign", "inferences_error"];
    debug_assert_eq!(names.len(), Prediction::ALL.len());
    let run: u64 = sum.windows.iter().sum();
    let mut numbers = vec![("inferences_run", whole(run))];
    numbers.extend(names.into_iter().zip(sum.windows.map(whole)));
    numbers.extend([
        ("alerts_begun", whole(sum.alerts)),
        ("active_endpoints", size(sum.active)),
        ("known_endpoints", size(sum.known)),
        ("cold_endpoints", size(sum.cold)),
        ("windows_over_budget", whole(sum.over_windows)),
        ("episodes_over_budget", whole(sum.over_episodes)),
        ("windows_members_disagree", whole(sum.watch)),
        ("windows_pending", size(sum.pending)),
        ("late_events", whole(sum.late)),
        ("windows_left_out", whole(sum.left_out)),
        ("endpoints_forgotten", whole(sum.forgotten)),
        ("rows_unreadable", whole(sum.unreadable)),
        ("blocks_clipped", whole(sum.clipped)),
        ("blocks_excluded", whole(sum.excluded)),
        ("alerts_accepted", size(sum.accepted)),
        ("scoring_panics", whole(pool.panics)),
        ("scoring_stalls", whole(pool.stalls)),
    ]);
    numbers
}
