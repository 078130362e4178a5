//! Signals over hand-made events.
