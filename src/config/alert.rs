//! `[alert]`: how findings become alerts.

use std::time::Duration;

/// Episodes and undo.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertConfig {
    /// The sliding gap, in event time, that ends an episode.
    pub dedupe: Duration,
    /// Events kept as evidence of one alert.
    pub evidence_max: usize,
    /// How long a shared action can be undone without trace.
    pub undo: Duration,
}

impl Default for AlertConfig {
    fn default() -> AlertConfig {
        AlertConfig {
            dedupe: Duration::from_secs(300),
            evidence_max: 50,
            undo: Duration::from_secs(10),
        }
    }
}
