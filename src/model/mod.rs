//! Layer 1: the vocabulary of the product, pure data: records, events, findings, alerts, verdicts.

pub mod alert;
pub mod attack;
pub mod class;
pub mod desk;
pub mod ecs;
pub mod endpoint;
pub mod episode;
pub mod event;
pub mod explanation;
pub mod field;
pub mod finding;
pub mod ledger;
pub mod lifecycle;
pub mod linux_fields;
pub mod noise;
pub mod query;
pub mod record;
pub mod rule_life;
pub mod rule_selector;
pub mod severity;
pub mod shape;
pub mod sort;
pub mod telemetry;
pub mod verdict;
pub mod windows_fields;
