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
    /// Alerts of one endpoint this near in event time join one bundle.
    pub bundle_gap: Duration,
    /// Alerts of one process lineage, session or user join over this time.
    pub bundle_lineage: Duration,
    /// Longest time that one bundle spans.
    pub bundle_span: Duration,
    /// Most alerts in one bundle.
    pub bundle_alerts_max: u64,
}

impl Default for AlertConfig {
    fn default() -> AlertConfig {
        AlertConfig {
            dedupe: Duration::from_secs(300),
            evidence_max: 50,
            undo: Duration::from_secs(10),
            bundle_gap: Duration::from_secs(600),
            bundle_lineage: Duration::from_secs(4 * 3_600),
            bundle_span: Duration::from_secs(24 * 3_600),
            bundle_alerts_max: 200,
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
        bundle_gap: reader.duration(
            "alert.bundle_gap",
            default.bundle_gap,
            "Alerts of one endpoint this near in event time join one bundle.",
        ),
        bundle_lineage: reader.duration(
            "alert.bundle_lineage",
            default.bundle_lineage,
            "Alerts of one endpoint and one process lineage, session or user join one bundle over this time.",
        ),
        bundle_span: reader.duration(
            "alert.bundle_span",
            default.bundle_span,
            "The longest time, in event time, that one bundle spans when an alert joins.",
        ),
        bundle_alerts_max: reader.number(
            "alert.bundle_alerts_max",
            default.bundle_alerts_max,
            1,
            "Alerts in one bundle; the next one begins another.",
        ),
    }
}
