//! Correlations: matches joined over event time, in keyed rows that are part of the commit.
//!
//! `docs/sigma-correlations.md` says for rule authors what each type means. In short:
//! - A window of a timespan S that ends at an event of time T holds the events with `T - S < time <= T` that are not
//!   after it: an event exactly S older is outside. Time is event time; events of the same time stand in the order
//!   of their arrival. A window ends at every event, and nowhere else.
//! - Counts and values: while the number of a window fulfils the condition, every event in it is a finding, once. So
//!   the findings of a run of guesses are the guesses themselves, from the first one on, and the alert that folds
//!   them counts what happened, not what came after the threshold.
//! - Temporal types: the event at whose window the rules are together is the finding, and so is every further one.
//! - Late events are put where they belong, and every window they change is looked at again. An event id counts
//!   once a step. An event without a value for a group-by field belongs to no group.
//! - A correlation may be a step of another: it happened at every event at whose window it held.
//! - A row keeps a bounded number of events, always enough for its condition; the number of rows is bounded by
//!   the caller, and the row that was touched longest ago makes room. Both are counted.
//!
//! `condition` and `compile` make a rule into a test over a window, `lane` holds the sorted events of a group,
//! `judge` looks at windows, `circle` explains what could not be put in an order, `row` and `bytes` are a group's state and its saved form, `values` is what of an event counts, `state` is all groups,
//! `spread` says which groups lie in several parts of a stream.

pub mod bytes;
pub mod circle;
pub mod compile;
pub mod condition;
pub mod judge;
pub mod lane;
pub mod row;
pub mod spread;
pub mod state;
pub mod values;

#[cfg(test)]
mod parts_tests;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod rows_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod traps;
#[cfg(test)]
mod written;
