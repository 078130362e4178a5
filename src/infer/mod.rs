//! Layer 3: what a graph model sees of an endpoint's last minutes. Events become observations (nodes and edges they
//! name), observations go into panes of event time, panes become windows, windows become numbers.
//!
//! One code makes the numbers for training (`watchfloor model features`) and for scoring, so the two cannot drift.
//! No name, address, GUID, process id or clock time reaches a feature: only structure, classes, counts and the shape of
//! texts, see `docs/model-features.md`.
//!
//! `artifact` reads and checks what a model is, `scorer` runs it (tract inside the program, or ONNX Runtime from a
//! library), `calibrate` says how unusual a score is where it was seen and which scores may become alerts, `explain` says why.

pub mod artifact;
pub mod calibrate;
pub mod explain;
pub mod features;
pub mod graph;
pub mod scorer;
pub mod shape;
pub mod track;
pub mod window;

pub use features::Tensors;
pub use graph::{EdgeKind, NodeKind};
pub use track::Track;
