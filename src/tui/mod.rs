//! The desk in the terminal. Layer 8: it asks `desk::Desk` for everything and names no store, source or pipeline.
//!
//! Reading order: [`action`] (what can be done), [`keys`] (which key does it), [`contract`] (what a view is and
//! what it may ask for), [`paint`] (the only place that draws; takes only [`paint::safe::SafeText`]),
//! [`term`] (the tty: life cycle, input, writer, egress guard), [`desk_model`] and [`view`] (the screens).

pub mod action;
pub mod chrome;
pub mod contract;
pub mod desk_model;
pub mod keys;
pub mod paint;
pub mod run;
pub mod term;
pub mod view;
