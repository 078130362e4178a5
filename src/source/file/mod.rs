//! Files and folders: read once to their end ([`once`]) or followed live ([`tail`]).

pub mod expand;
pub mod identity;
pub mod once;
pub mod open;
pub mod tail;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

pub use expand::expand;
pub use once::{ReadSummary, read_once, read_stream};

use crate::carrier::Bounds;
use crate::config::limits::LimitsConfig;
use crate::config::sources::{HostRule, SourceConfig};
use crate::model::record::Stream;
use crate::stdx::id::Id128;
use crate::stdx::time::Timestamp;

/// How the files of one source are read.
#[derive(Clone, Debug)]
pub struct FileSettings {
    /// The configured source's name.
    pub source: Arc<str>,
    /// The tenant.
    pub tenant: Arc<str>,
    /// `auto` or the name of a format to force.
    pub format: Arc<str>,
    /// How to name the host of records that do not say.
    pub host: HostRule,
    /// For [`HostRule::Record`]: the name to fall back to (live files of this machine).
    pub host_default: Option<Arc<str>>,
    /// Alias → the name to use, both lower case.
    pub host_aliases: BTreeMap<String, String>,
    /// Labels for every event.
    pub labels: Arc<[(Arc<str>, Arc<str>)]>,
    /// Bounds of records and batches.
    pub bounds: Bounds,
    /// Decompressed bytes of one compressed file.
    pub decompressed_bytes_max: u64,
    /// Decompressed bytes for one compressed byte.
    pub decompression_ratio_max: u64,
    /// Mark what is read as old logs.
    pub backfill: bool,
    /// The file may grow: a last record whose end is missing is left for later.
    pub hold: bool,
}

impl FileSettings {
    /// Settings for reading once, as old logs.
    pub fn new(config: &SourceConfig, limits: &LimitsConfig) -> FileSettings {
        let labels = config.labels.iter().filter(|(key, _)| *key != "tenant");
        FileSettings {
            source: config.name.as_str().into(),
            tenant: config.labels.get("tenant").map_or("default", String::as_str).into(),
            format: config.format.as_str().into(),
            host: config.host.clone(),
            host_default: None,
            host_aliases: config.host_aliases.clone(),
            labels: labels
                .map(|(key, value)| (key.as_str().into(), value.as_str().into()))
                .collect(),
            bounds: Bounds {
                record_bytes_max: limits.record_bytes_max,
                chunk_records_max: limits.batch_records_max.max(1),
                chunk_bytes_max: limits.batch_bytes_max,
            },
            decompressed_bytes_max: limits.decompressed_bytes_max,
            decompression_ratio_max: limits.decompression_ratio_max,
            backfill: true,
            hold: false,
        }
    }

    /// The host of records that do not name theirs, for a file at `path`.
    pub fn host_of(&self, path: &Path) -> Option<Arc<str>> {
        let name = match &self.host {
            HostRule::Record => return self.host_default.clone(),
            HostRule::Fixed(name) => name.clone(),
            HostRule::PathComponent(from_end) => {
                let part = path.components().rev().nth(*from_end)?;
                match part {
                    std::path::Component::Normal(part) => part.to_string_lossy().into_owned(),
                    _ => return None,
                }
            }
        };
        Some(self.alias(&name))
    }

    /// The name to use for a host.
    pub fn alias(&self, name: &str) -> Arc<str> {
        let name = name.to_lowercase();
        self.host_aliases.get(&name).map_or(name.as_str(), String::as_str).into()
    }

    /// A stream that is read once.
    pub fn stream(&self, id: Id128, path: &str, modified: Timestamp) -> Stream {
        // A member of an archive lies below the archive, as in a folder.
        let place = path.replacen('!', "/", usize::from(path.contains('!')));
        Stream {
            id,
            delivery: None,
            shard: "".into(),
            source: self.source.clone(),
            path: path.into(),
            tenant: self.tenant.clone(),
            host: self.host_of(Path::new(&place)),
            format: self.format.clone(),
            labels: self.labels.clone(),
            modified,
            live: false,
            backfill: self.backfill,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(host: HostRule) -> FileSettings {
        let mut config = SourceConfig::files("test", Vec::new());
        config.host = host;
        config.host_aliases.insert("web".into(), "web01.example.net".into());
        config.labels.insert("tenant".into(), "acme".into());
        config.labels.insert("environment".into(), "prod".into());
        FileSettings::new(&config, &LimitsConfig::default())
    }

    #[test]
    fn hosts_come_from_the_rule_and_go_through_the_aliases() {
        let host =
            |rule, path: &str| settings(rule).host_of(Path::new(path)).map(|name| name.to_string());
        assert_eq!(host(HostRule::Record, "/logs/a"), None);
        assert_eq!(host(HostRule::Fixed("WEB".into()), "/logs/a").unwrap(), "web01.example.net");
        assert_eq!(host(HostRule::PathComponent(1), "/logs/Dev01/audit.log").unwrap(), "dev01");
        assert_eq!(
            host(HostRule::PathComponent(2), "/logs/Dev01/audit/audit.log").unwrap(),
            "dev01"
        );
        assert_eq!(host(HostRule::PathComponent(1), "/audit.log"), None);
        assert_eq!(host(HostRule::PathComponent(9), "/audit.log"), None);
    }

    #[test]
    fn a_member_of_an_archive_lies_below_it() {
        let settings = settings(HostRule::PathComponent(1));
        let stream =
            settings.stream(Id128::default(), "/case.zip!db01/auth.log", Timestamp::default());
        assert_eq!(stream.host.as_deref(), Some("db01"));
        assert_eq!(&*stream.tenant, "acme");
        assert_eq!(stream.labels.len(), 1);
    }
}
