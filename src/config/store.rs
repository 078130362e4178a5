//! `[store]`: what is stored and how.

/// The stores.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreConfig {
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
            keep_original: true,
            compression_level: 1,
            segment_bytes_max: 64 << 20,
            free_bytes_min: 64 << 20,
        }
    }
}
