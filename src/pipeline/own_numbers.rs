//! What the path counts of itself and shows among the numbers of each source.

use std::collections::BTreeMap;

use crate::pipeline::shard::Shard;
use crate::pipeline::shared::Shared;
use crate::stdx::time::Timestamp;

/// Show how many records are missing, by source.
pub(crate) fn show_gaps<'s>(
    shards: impl Iterator<Item = &'s Shard>,
    shared: &Shared,
    now: Timestamp,
) {
    let mut sums: BTreeMap<&str, (i64, i64, i64)> = BTreeMap::new();
    for (source, (streams, gaps, records)) in shards.flat_map(|shard| shard.gaps.totals(now)) {
        let sum = sums.entry(source).or_default();
        *sum = (sum.0 + streams, sum.1 + gaps, sum.2 + records);
    }
    for (source, (streams, gaps, records)) in sums {
        let gauges = shared.gauges_of(source);
        gauges.set("numbered_streams", streams);
        gauges.set("gaps", gaps);
        gauges.set("records_missing", records);
    }
}
