//! What the shards of this node hold and counted, as one.

use crate::model::desk::CorrelationReport;
use crate::model::noise::NoiseCounts;
use crate::model::telemetry::SignalReport;
use crate::pipeline::shard::Shard;

/// Sums over shards.
#[derive(Default)]
pub(crate) struct Sums {
    pub(crate) signals: SignalReport,
    pub(crate) correlations: CorrelationReport,
    /// What somebody should know of correlations.
    pub(crate) correlations_warning: Option<String>,
    pub(crate) noise: NoiseCounts,
    /// Bundles open now.
    pub(crate) bundles: usize,
}

/// Add up. `groups_max`: the bound of groups of one shard.
pub(crate) fn sums<'s>(shards: impl Iterator<Item = &'s Shard>, groups_max: usize) -> Sums {
    let mut sums = Sums::default();
    for (number, shard) in shards.enumerate() {
        match number {
            0 => sums.signals = shard.signals.report(),
            _ => sums.signals.absorb(shard.signals.report()),
        }
        let counts = shard.detector.counts();
        let sum = &mut sums.correlations;
        sum.groups += shard.detector.rows();
        sum.groups_max += groups_max;
        sum.events += shard.detector.row_events();
        sum.groups_evicted += counts.rows_evicted;
        sum.groups_discarded += counts.rows_discarded;
        sum.events_dropped += counts.events_dropped;
        sum.duplicates += counts.duplicates;
        sum.late += counts.late;
        sum.ungrouped += counts.ungrouped;
        sum.valueless += counts.valueless;
        sums.correlations_warning = sums.correlations_warning.or_else(|| counts.warning());
        let noise = shard.engine.noise_counts();
        sums.noise.suppressed += noise.suppressed;
        sums.noise.held += noise.held;
        sums.noise.parked += noise.parked;
        sums.noise.forgotten += noise.forgotten;
        sums.bundles += shard.engine.open_bundles().0;
    }
    sums
}
