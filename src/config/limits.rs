//! `[limits]`: bounds of the data path that an operator may move.

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
