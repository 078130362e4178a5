//! What every decoder of the process shares: built once from the checked configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::config::Config;
use crate::normalise::mapping::library::Mappings;
use crate::normalise::redact::{RedactError, Redactor};
use crate::normalise::windows::{self, kinds::Kinds};
use crate::stdx::limits::EVENT_FUTURE_US_MAX;

/// Lower-case alias → the lower-case host name to use.
pub type HostAliases = Arc<BTreeMap<String, String>>;

/// Settings of the stage.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Replaces secrets before anything is stored.
    pub redactor: Redactor,
    /// Keep the redacted input in `event.original`.
    pub keep_original: bool,
    /// Aliases by the name of the source.
    pub host_aliases: BTreeMap<String, HostAliases>,
    /// Open auditd assemblies of one stream.
    pub assemblies_max: usize,
    /// The kinds of Windows event, compiled.
    pub windows: Arc<Kinds>,
    /// Ids of Windows fields that decoders read.
    pub windows_fields: windows::Fields,
    /// Formats as data.
    pub mappings: Arc<Mappings>,
    /// Zones of times that state none, by the name of the source.
    pub zones: BTreeMap<String, TimeZone>,
    /// An event further in the future than this (µs) has no believable time.
    pub future_us_max: i64,
}

impl Settings {
    /// From the checked configuration. Fails on a redaction pattern that is no regular expression, and without the key
    /// that pseudonyms need.
    pub fn new(config: &Config) -> Result<Settings, RedactError> {
        let host_aliases = config
            .sources
            .iter()
            .filter(|source| !source.host_aliases.is_empty())
            .map(|source| (source.name.clone(), Arc::new(source.host_aliases.clone())))
            .collect();
        Ok(Settings {
            redactor: Redactor::new(&config.redact)?,
            keep_original: config.store.keep_original,
            host_aliases,
            assemblies_max: config.limits.assemblies_max,
            windows: Arc::new(Kinds::default()),
            windows_fields: windows::Fields::default(),
            mappings: Arc::new(Mappings::new(config.mappings.paths.clone())),
            zones: config
                .sources
                .iter()
                .filter_map(|source| Some((source.name.clone(), source.timezone.clone()?)))
                .collect(),
            future_us_max: EVENT_FUTURE_US_MAX,
        })
    }

    /// The zone of times of a source that state none; `None`: UTC.
    pub fn zone(&self, source: &str) -> Option<&TimeZone> {
        self.zones.get(source)
    }

    /// The name to use for a host that a record of `source` named: lower case, aliases followed once.
    pub fn host_name(&self, source: &str, named: &str) -> String {
        let lower = named.trim().trim_end_matches('.').to_lowercase();
        match self.host_aliases.get(source).and_then(|aliases| aliases.get(&lower)) {
            Some(name) => name.clone(),
            None => lower,
        }
    }
}
