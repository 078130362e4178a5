//! Correlations: matches joined over event time, in keyed rows that are part of the commit.
//!
//! What is meant exactly:
//! - A window of a timespan S that ends at time T holds the events with `T - S < time <= T`: an event exactly S
//!   older is outside. Time is event time; events of the same time stand in the order of their arrival.
//! - `event_count`: a window ends at every event. While the count of a window fulfils the condition, every event
//!   in it is a finding, once. So the findings of a run of guesses are the guesses themselves, from the first one on,
//!   and the alert that folds them counts what happened, not what came after the threshold.
//! - `temporal_ordered`: one event a step, in the order of the steps, last and first less than S apart. The
//!   event that completes a chain is the finding, and so is every further one that does.
//! - Late events are put where they belong, and every window they change is looked at again. An event id counts
//!   once a step. An event without a value for a group-by field belongs to no group.
//! - A correlation may be a step of another: it counts as having happened at every event that made it hold.
//! - A row keeps a bounded number of events, always enough for its condition; the number of rows is bounded by
//!   the caller, and the row that was touched longest ago makes room. Both are counted.

pub mod compile;
pub mod row;
pub mod state;
