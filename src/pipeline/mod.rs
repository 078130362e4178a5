//! Layer 4: the only place that knows all stages, and what it tells the layers above. [`scan`] and
//! [`normalise`] run the stages once over files.

pub mod changes;
pub mod failed_logins;
pub mod inputs;
pub mod muted;
pub mod normalise;
pub mod scan;
pub mod shared;
