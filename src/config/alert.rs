//! `[alert]`: how findings become alerts.

use std::time::Duration;

use crate::config::reader::Reader;

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

/// Take the section's keys.
pub fn read(reader: &mut Reader) -> AlertConfig {
    let default = AlertConfig::default();
    let evidence = reader.number(
        "alert.evidence_max",
        default.evidence_max as u64,
        1,
        "Events kept as evidence of one alert.",
    );
    AlertConfig {
        dedupe: reader.duration(
            "alert.dedupe",
            default.dedupe,
            "The sliding gap, in event time, that ends an episode.",
        ),
        evidence_max: usize::try_from(evidence).unwrap_or(default.evidence_max),
        undo: reader.duration(
            "alert.undo",
            default.undo,
            "How long a shared action can be undone without trace.",
        ),
    }
}
