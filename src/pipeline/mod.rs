//! Layer 4: the one place that knows every stage, and what it tells the layers above.

pub mod changes;
pub mod shared;
