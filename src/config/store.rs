//! `[store]`: what is stored and how.

use crate::config::alert_store::{self, AlertsAt};
use crate::config::reader::Reader;

/// The stores.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreConfig {
    /// Where alerts, verdicts and audit are kept.
    pub alerts: AlertsAt,
    /// What this node is called beside others that share a database; empty: the host's name.
    pub node_name: String,
    /// Keep the (redacted) input in `event.original`.
    pub keep_original: bool,
    /// zstd level of event segments.
    pub compression_level: i32,
    /// A segment is closed at this size on disk.
    pub segment_bytes_max: u64,
    /// Stop acknowledging when the disk has less than this free.
    pub free_bytes_min: u64,
}

impl Default for StoreConfig {
    fn default() -> StoreConfig {
        StoreConfig {
            alerts: AlertsAt::DataDir,
            node_name: String::new(),
            keep_original: true,
            compression_level: 1,
            segment_bytes_max: 64 << 20,
            free_bytes_min: 64 << 20,
        }
    }
}

/// Take the section's keys.
pub fn read(reader: &mut Reader) -> StoreConfig {
    let default = StoreConfig::default();
    let level = reader.number(
        "store.compression_level",
        u64::try_from(default.compression_level).unwrap_or(1),
        1,
        "zstd level of event segments, 1 to 19.",
    );
    if level > 19 {
        let hint = "1 is fastest, 3 packs better".to_owned();
        reader.complain("store.compression_level", "must be 1 to 19".to_owned(), hint);
    }
    StoreConfig {
        alerts: alert_store::read(reader),
        node_name: reader.text(
            "node.name",
            "",
            "What this node is called beside others that share a database; empty: the host's name.",
        ),
        keep_original: reader.truth(
            "store.keep_original",
            default.keep_original,
            "Keep the redacted input: of events in `event.original`, of rejected records their beginning.",
        ),
        compression_level: i32::try_from(level).unwrap_or(1),
        segment_bytes_max: reader.size(
            "store.segment_bytes_max",
            default.segment_bytes_max,
            "An event segment is closed at this size on disk.",
        ),
        free_bytes_min: reader.size(
            "store.free_bytes_min",
            default.free_bytes_min,
            "Stop acknowledging when the disk has less than this free.",
        ),
    }
}
