//! The tty: entering and leaving it, reading keys, writing frames, and the guard over every byte that goes out.

pub mod capability;
pub mod guard;
pub mod input;
pub mod joiner;
pub mod life;
pub mod sequences;
pub mod signals;
pub mod writer;
