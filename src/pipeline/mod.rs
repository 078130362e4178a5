//! Layer 4: the only place that knows all stages, and what it tells the layers above.
//!
//! [`running`] is the daemon's path: source threads → one [`analyst`] → one [`committer`]. [`scan`] and
//! [`normalise`] run the stages once over files and keep nothing.

mod analyst;
pub mod backup;
pub mod canary;
pub mod changes;
mod collect;
mod committer;
pub mod config_reload;
pub mod evaluate;
mod exports;
pub mod failed_logins;
pub mod features;
mod in_order;
pub mod infer;
pub mod inputs;
mod keys;
mod mappings;
pub mod muted;
pub mod noise;
pub mod normalise;
pub mod opening;
mod own_numbers;
mod pending;
mod regroup;
mod reject;
mod repeats;
mod report;
mod retention;
pub mod retry;
pub mod rule_life;
pub mod rules;
pub mod running;
pub mod scan;
mod shapes;
mod shard;
mod shard_keys;
pub mod shared;
mod signal_reload;
pub mod signal_test;
pub mod signals;
pub mod start_check;
pub mod verify;
mod watch;
pub mod workshop;
