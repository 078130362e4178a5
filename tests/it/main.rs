//! The one integration binary: a module a topic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stderr)]

mod attack_vectors;
mod auditd_ausearch;
mod auditd_scoreboard;
mod carriers;
mod cli;
mod coverage;
mod demo;
mod desk_conformance;
mod desk_program;
mod detect_regression;
mod docs;
mod ecs;
mod hostile;
mod hostile_program;
mod kill;
mod linux_kinds;
mod mappings;
mod normalise_linux;
mod normalise_windows;
mod privacy;
mod pty;
mod rule_life;
mod rule_pack;
mod rule_work;
mod scoreboard;
mod sigma_conformance;
mod sigma_fields;
mod signal_pack;
mod source_evtx;
mod source_once;
mod source_tail;
mod store;
mod support;
mod tidy;
mod windows_families;
