//! What rules and signals share that change while the program runs: how files are looked at, and where a new set waits
//! to be taken up as a whole.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

/// How often a wish to stop or a change by the workbench is looked at; looks at files are not closer either.
pub(crate) const TICK: Duration = Duration::from_millis(20);
/// Looking at files takes one part in so many of the time: thousands of rule files are looked at less often.
const LOOK_SHARE: u32 = 100;
/// But at least this often.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Folders deeper than this are not followed.
const DEPTH_MAX: usize = 32;

/// The place where a new set waits for the analyst, who takes it between two commits.
#[derive(Debug)]
pub(crate) struct Next<T>(Mutex<Option<Arc<T>>>);

impl<T> Default for Next<T> {
    fn default() -> Next<T> {
        Next(Mutex::new(None))
    }
}

impl<T> Next<T> {
    /// The newest set, if there is one that was not taken yet.
    pub(crate) fn take(&self) -> Option<Arc<T>> {
        self.0.lock().take()
    }

    /// Offer a set; one that was not taken yet is never used.
    pub(crate) fn put(&self, set: Arc<T>) {
        *self.0.lock() = Some(set);
    }
}

/// Log what is broken and say it in one sentence: changed `what` is not taken up. Nothing if nothing is broken.
pub(crate) fn refused<P: std::fmt::Display>(what: &str, broken: &[P]) -> Option<String> {
    let first = broken.first()?;
    for problem in broken {
        tracing::warn!(problem = %problem, "{what} changed and cannot be taken up");
    }
    let more = match broken.len() {
        1 => String::new(),
        number => format!(" (and {} more)", number - 1),
    };
    Some(format!(
        "{what} changed and cannot be taken up, those of before stay in force: {first}{more}"
    ))
}

/// How long to wait after a look that took so long, if looks are wished for `every` so often.
pub(crate) fn pause_after(took: Duration, every: Duration) -> Duration {
    every.max((took * LOOK_SHARE).min(PAUSE_MAX))
}

/// Files as a look sees them: path, size, times of change, inode.
pub(crate) type Seen = Vec<(PathBuf, u64, i64, i64, u64)>;

/// Add what lies under a path.
pub(crate) fn see(path: &Path, follow: bool, seen: &mut Seen) {
    let walk =
        walkdir::WalkDir::new(path).follow_links(follow).max_depth(DEPTH_MAX).sort_by_file_name();
    for entry in walk {
        // What cannot be looked at is seen as such, and loading says why.
        let about: Option<Metadata> = entry.as_ref().ok().and_then(|entry| entry.metadata().ok());
        let Some(about) = about.filter(|about| !about.is_dir()) else { continue };
        let Ok(entry) = entry else { continue };
        let times =
            (about.mtime().saturating_mul(1_000_000_000) + about.mtime_nsec(), about.ctime_nsec());
        seen.push((entry.into_path(), about.len(), times.0, times.1, about.ino()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_that_takes_long_is_followed_by_a_longer_pause() {
        let (second, milli) = (Duration::from_secs(1), Duration::from_millis(1));
        assert_eq!(pause_after(milli, second), second);
        assert_eq!(pause_after(milli * 50, second), second * 5);
        assert_eq!(pause_after(second * 9, second), PAUSE_MAX);
        assert_eq!(pause_after(second, second * 60), second * 60);
    }
}
