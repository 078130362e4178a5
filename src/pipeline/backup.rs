//! Backup and restore as commands and the daemon use them: what belongs to a configuration, where archives go, how long they stay.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::config::Config;
use crate::config::backup::BackupConfig;
use crate::config::secret::SecretRef;
use crate::pipeline::shared::{Health, Shared};
use crate::stdx::stop::StopToken;
use crate::stdx::time::{Timestamp, micros};
use crate::store::{By, Store};

pub use crate::store::backup::{
    BackupError, Manifest, Progress, RestoreTo, Restored, head_of, restore, verify,
};

use crate::store::backup::{What, write};

/// How often the daemon looks whether a backup is due.
const LOOK: Duration = Duration::from_secs(1);
/// A backup that failed is tried again after this.
const RETRY_US: i64 = 15 * 60 * 1_000_000;
/// What archives are called, around the time.
const NAME: (&str, &str) = ("watchfloor-", ".tar.zst");
/// The key of the problem in the health report, and of the line in the status.
const TOPIC: &str = "backup";

/// Everything that belongs to a configuration: its data folder, the file itself, rules, signals, mappings, keys.
pub fn what(config: &Config) -> What {
    let mut beside = Vec::new();
    beside.extend(config.file.iter().map(|file| ("config".to_owned(), file.clone())));
    let folders = [
        ("rules", &config.rules.paths),
        ("signals", &config.signals.paths),
        ("mappings", &config.mappings.paths),
    ];
    for (name, paths) in folders {
        let named = paths.iter().filter(|path| *path != "builtin").enumerate();
        beside.extend(named.map(|(n, path)| (format!("{name}/{n}"), PathBuf::from(path))));
    }
    if let Some(SecretRef::File(path)) = &config.redact.key {
        beside.push(("redact-key".to_owned(), path.clone()));
    }
    What { data_dir: config.data_dir.clone(), store: config.store.clone(), beside }
}

/// Write an archive of everything to `out`.
///
/// # Errors
/// What could not be read or written.
pub async fn make(
    what: &What,
    out: &Path,
    progress: Progress<'_>,
) -> Result<Manifest, BackupError> {
    write(what, out, progress).await
}

/// The name of an archive that is made at this time.
pub fn name_at(at: Timestamp) -> String {
    format!("{}{}{}", NAME.0, at.to_jiff().strftime("%Y%m%dT%H%M%SZ"), NAME.1)
}

/// When an archive of ours was made, by its name.
fn made_at(name: &str) -> Option<Timestamp> {
    let text = name.strip_prefix(NAME.0)?.strip_suffix(NAME.1)?;
    let at = jiff::fmt::strtime::parse("%Y%m%dT%H%M%SZ", text).ok()?.to_datetime().ok()?;
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp(at.timestamp().as_microsecond()))
}

/// The archives of ours in a folder, oldest first.
fn archives(folder: &Path) -> Vec<(Timestamp, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<_> = entries
        .filter_map(|entry| Some((made_at(entry.file_name().to_str()?)?, entry.path())))
        .collect();
    found.sort();
    found
}

/// The newest time, not after `now`, at which a backup should have been made.
fn last_due(config: &BackupConfig, now: Timestamp) -> Timestamp {
    let zoned = now.to_jiff().to_zoned(jiff::tz::TimeZone::UTC);
    let at = zoned.date().to_datetime(config.at).to_zoned(jiff::tz::TimeZone::UTC);
    let due = at.map_or(now, |at| Timestamp(at.timestamp().as_microsecond()));
    if due > now { due.plus_micros(-86_400_000_000) } else { due }
}

/// The daemon's own backups.
pub(crate) struct Job {
    pub(crate) config: BackupConfig,
    pub(crate) what: What,
    pub(crate) store: Arc<Store>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) runtime: Handle,
}

impl Job {
    /// Make a backup whenever one is due, until `stop`.
    pub(crate) fn run(self, stop: &StopToken) {
        let Some(folder) = self.config.folder.clone() else { return };
        let mut not_before = Timestamp::default();
        // A first start makes none: the first is due at the first time that passes.
        let started = Timestamp::now();
        self.show(&folder);
        while !stop.wait(LOOK) {
            let now = Timestamp::now();
            let due = last_due(&self.config, now);
            let newest = archives(&folder).last().map_or(started, |(at, _)| *at);
            if newest >= due || now < not_before {
                continue;
            }
            match self.once(&folder, now) {
                Ok(()) => self.shared.set_problem(TOPIC, None),
                Err(error) => {
                    let text = format!("the backup of {due} failed: {error:#}");
                    tracing::error!(error = text, "it is tried again in a quarter of an hour");
                    self.shared.set_problem(TOPIC, Some((Health::Degraded, text)));
                    not_before = now.plus_micros(RETRY_US);
                }
            }
            self.show(&folder);
        }
    }

    fn once(&self, folder: &Path, now: Timestamp) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder)?;
        let out = folder.join(name_at(now));
        let made = self.runtime.block_on(async {
            let manifest = make(&self.what, &out, &|_, _| {}).await?;
            if self.config.verify
                && let Err(error) = verify(&out, folder, &|_, _| {}).await
            {
                // What cannot be restored is no backup, and must not count as the newest one.
                let _ = std::fs::rename(&out, out.with_extension("damaged"));
                return Err(error);
            }
            Ok::<Manifest, BackupError>(manifest)
        })?;
        let oldest = now.plus_micros(-micros(self.config.keep));
        let mut removed = 0;
        for (_, path) in archives(folder).iter().rev().skip(1).filter(|(at, _)| *at < oldest) {
            match std::fs::remove_file(path) {
                Ok(()) => removed += 1,
                Err(error) => tracing::warn!(path = %path.display(), %error, "an old backup stays"),
            }
        }
        let detail = serde_json::json!({
            "file": out.display().to_string(), "events": made.events, "audit_entries": made.audit.0,
            "verified": self.config.verify, "older_removed": removed,
        });
        let by = By { actor: "watchfloor", place: "schedule" };
        self.runtime.block_on(self.store.note_upkeep("backup", "made", &detail, by, now))?;
        tracing::info!(file = %out.display(), events = made.events, "backup made");
        Ok(())
    }

    fn show(&self, folder: &Path) {
        let all = archives(folder);
        let newest = all.last().map(|(at, _)| at.to_string());
        let text = match &newest {
            Some(at) => format!("newest {at}, {} kept in {}", all.len(), folder.display()),
            None => format!("none yet in {}", folder.display()),
        };
        let age = all.last().map_or(-1, |(at, _)| at.seconds());
        self.shared.set_upkeep(
            TOPIC,
            text,
            vec![("newest_seconds", age), ("kept", all.len() as i64)],
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_due_at_its_time_and_known_by_its_name() {
        let at = |text: &str| Timestamp::parse_rfc3339(text).unwrap();
        let config = BackupConfig::default();
        let due = |now| last_due(&config, at(now));
        assert_eq!(due("2026-11-26T01:59:59Z"), at("2026-11-25T02:00:00Z"));
        assert_eq!(due("2026-11-26T02:00:00Z"), at("2026-11-26T02:00:00Z"));
        let name = name_at(at("2026-11-26T02:00:07Z"));
        assert_eq!(name, "watchfloor-20261126T020007Z.tar.zst");
        assert_eq!(made_at(&name), Some(at("2026-11-26T02:00:07Z")));
        assert_eq!(made_at("watchfloor-x.tar.zst"), None);
    }
}
