//! Watchfloor: logs in, one schema, rules over events, alerts with verdicts, nothing lost.
//!
//! The modules stand in the order of the layers; those of layer 3 in the order of the data path.
//! A file may use lower layers only; `tests/it/tidy.rs` checks it.

pub mod alert;
pub mod api;
pub mod carrier;
pub mod cli;
pub mod client;
pub mod config;
pub mod desk;
pub mod detect;
pub mod export;
pub mod gaps;
pub mod infer;
pub mod model;
pub mod normalise;
pub mod pipeline;
pub mod scenario;
pub mod scoreboard;
pub mod service;
pub mod signal;
pub mod source;
pub mod stdx;
pub mod store;
pub mod tui;
pub mod wire;
