//! `[limits]`: bounds of the data path that an operator may move.

use crate::config::reader::Reader;
use crate::stdx::limits;

/// Bounds; every one is counted where it bites.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitsConfig {
    /// Bytes of one record.
    pub record_bytes_max: usize,
    /// Records of one batch.
    pub batch_records_max: usize,
    /// Bytes of one batch.
    pub batch_bytes_max: usize,
    /// Decompressed bytes of one compressed file.
    pub decompressed_bytes_max: u64,
    /// Decompressed bytes for one compressed byte.
    pub decompression_ratio_max: u64,
    /// Open auditd assemblies of one stream.
    pub assemblies_max: usize,
    /// Live correlation rows.
    pub correlation_rows_max: usize,
}

impl Default for LimitsConfig {
    fn default() -> LimitsConfig {
        LimitsConfig {
            record_bytes_max: limits::RECORD_BYTES_MAX,
            batch_records_max: limits::BATCH_RECORDS_MAX,
            batch_bytes_max: limits::BATCH_BYTES_MAX,
            decompressed_bytes_max: 64 << 30,
            decompression_ratio_max: 1_000,
            assemblies_max: 1_000,
            correlation_rows_max: 100_000,
        }
    }
}

/// Take the section's keys.
pub fn read(reader: &mut Reader) -> LimitsConfig {
    let default = LimitsConfig::default();
    let size = |reader: &mut Reader, key: &str, default: usize, doc: &'static str| {
        usize::try_from(reader.size(key, default as u64, doc)).unwrap_or(default)
    };
    let count = |reader: &mut Reader, key: &str, default: usize, doc: &'static str| {
        usize::try_from(reader.number(key, default as u64, 1, doc)).unwrap_or(default)
    };
    LimitsConfig {
        record_bytes_max: size(
            reader,
            "limits.record_bytes_max",
            default.record_bytes_max,
            "A longer record is rejected with its head kept.",
        ),
        batch_records_max: count(
            reader,
            "limits.batch_records_max",
            default.batch_records_max,
            "Records of one batch.",
        ),
        batch_bytes_max: size(
            reader,
            "limits.batch_bytes_max",
            default.batch_bytes_max,
            "Bytes of one batch.",
        ),
        decompressed_bytes_max: reader.size(
            "limits.decompressed_bytes_max",
            default.decompressed_bytes_max,
            "Decompressed bytes of one compressed file; what is over is refused.",
        ),
        decompression_ratio_max: reader.number(
            "limits.decompression_ratio_max",
            default.decompression_ratio_max,
            1,
            "Decompressed bytes for one compressed byte; what is over is refused.",
        ),
        assemblies_max: count(
            reader,
            "limits.assemblies_max",
            default.assemblies_max,
            "Open auditd events of one stream; over it the oldest is closed early.",
        ),
        correlation_rows_max: count(
            reader,
            "limits.correlation_rows_max",
            default.correlation_rows_max,
            "Live correlation rows; over it the oldest is given up and counted.",
        ),
    }
}
