//! What the path counts of itself and shows among the numbers of each source.

use crate::gaps;
use crate::pipeline::shared::Shared;
use crate::stdx::time::Timestamp;

/// Show how many records are missing, by source.
pub(crate) fn show_gaps(engine: &gaps::Engine, shared: &Shared, now: Timestamp) {
    for (source, (streams, gaps, records)) in engine.totals(now) {
        let gauges = shared.gauges_of(source);
        gauges.set("numbered_streams", streams);
        gauges.set("gaps", gaps);
        gauges.set("records_missing", records);
    }
}
