//! `[backup]`: when the daemon saves everything by itself.

use std::path::PathBuf;
use std::time::Duration;

use jiff::civil::Time;

use crate::config::reader::Reader;

/// Scheduled backups.
#[derive(Clone, Debug, PartialEq)]
pub struct BackupConfig {
    /// Where archives are put; `None`: no backup is made by itself.
    pub folder: Option<PathBuf>,
    /// At which time of the day, UTC.
    pub at: Time,
    /// Archives that are older are removed, the newest never.
    pub keep: Duration,
    /// Restore each into a scratch folder and compare.
    pub verify: bool,
}

impl Default for BackupConfig {
    fn default() -> BackupConfig {
        BackupConfig {
            folder: None,
            at: Time::constant(2, 0, 0, 0),
            keep: Duration::from_secs(30 * 86_400),
            verify: true,
        }
    }
}

/// Take the section's keys.
pub fn read(reader: &mut Reader) -> BackupConfig {
    let default = BackupConfig::default();
    let folder = reader.optional_text(
        "backup.folder",
        "Where the daemon puts a backup of everything each day; none is made if not given.",
    );
    let text = reader.text("backup.at", "02:00", "When the daemon makes its backup, UTC.");
    let at = text
        .split_once(':')
        .and_then(|(hour, minute)| Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok());
    if at.is_none() {
        let hint = "write it as \"02:00\"".to_owned();
        reader.complain("backup.at", format!("{text:?} is no time of the day"), hint);
    }
    BackupConfig {
        folder: folder.map(PathBuf::from),
        at: at.unwrap_or(default.at),
        keep: reader.duration(
            "backup.keep",
            default.keep,
            "Backups of the daemon that are older are removed; the newest stays in any case.",
        ),
        verify: reader.truth(
            "backup.verify",
            default.verify,
            "Restore every backup into a scratch folder beside it and compare; needs as much room again for a while.",
        ),
    }
}
