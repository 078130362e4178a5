//! `[gaps]`: when missing numbers are called a gap.

use std::time::Duration;

use crate::config::reader::Reader;

/// Missing numbers of Windows record ids, audit serials, syslog sequence ids and offsets.
#[derive(Clone, Debug, PartialEq)]
pub struct GapsConfig {
    /// How long late records may still fill a hole.
    pub grace: Duration,
    /// Numbers in a row after which a stream's holes are alerts.
    pub consecutive: u64,
    /// Streams of which numbers are kept.
    pub streams_max: usize,
}

impl Default for GapsConfig {
    fn default() -> GapsConfig {
        GapsConfig { grace: Duration::from_secs(120), consecutive: 10_000, streams_max: 10_000 }
    }
}

/// Take the section's keys.
pub fn read(reader: &mut Reader) -> GapsConfig {
    let default = GapsConfig::default();
    let streams = reader.number(
        "gaps.streams_max",
        default.streams_max as u64,
        1,
        "Streams of numbered records that are watched; over it the one used longest ago is given up and counted.",
    );
    GapsConfig {
        grace: reader.duration(
            "gaps.grace",
            default.grace,
            "How long late records may still fill a hole before it is called a gap.",
        ),
        consecutive: reader.number(
            "gaps.consecutive",
            default.consecutive,
            1,
            "After so many numbers in a row a stream counts as complete, and its gaps are alerts.",
        ),
        streams_max: usize::try_from(streams).unwrap_or(usize::MAX),
    }
}
