//! Native file events, gathered into "what to look at". Events only save time: every file is also looked
//! at on a timer, so a lost event costs delay and nothing else.

use std::collections::{BTreeMap, HashSet};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use parking_lot::Mutex;

use crate::stdx::queue;

/// More changed paths than this are remembered as "all".
const PATHS_MAX: usize = 10_000;

/// What to look at.
#[derive(Debug, Default)]
pub struct Changes {
    /// Files whose content may have changed.
    pub paths: HashSet<PathBuf>,
    /// Files came, went or changed their names: look at folders.
    pub folders: bool,
}

/// Watches folders.
pub struct Watch {
    watcher: Option<RecommendedWatcher>,
    watched: BTreeMap<PathBuf, bool>,
    // Shared with the event thread of the system's watcher; held for moments, never across a wait.
    changes: Arc<Mutex<Changes>>,
    wake: queue::Receiver<()>,
}

impl Watch {
    /// Start watching nothing. Without native events (`is_native` says so) only the timer is left.
    pub fn start() -> Watch {
        let changes = Arc::new(Mutex::new(Changes::default()));
        let (waker, wake) = queue::bounded("file events", 1);
        let shared = changes.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if note(&mut shared.lock(), event) {
                // A full queue means that somebody is about to look anyway.
                let _ = waker.offer((), Duration::ZERO);
            }
        });
        let watcher = watcher
            .inspect_err(
                |error| tracing::warn!(%error, "no native file events; looking every second"),
            )
            .ok();
        Watch { watcher, watched: BTreeMap::new(), changes, wake }
    }

    /// Are there native events for everything that was asked for?
    pub fn is_native(&self) -> bool {
        self.watcher.is_some()
    }

    /// Watch a folder from now on; again is harmless.
    pub fn folder(&mut self, folder: &Path, recursive: bool) {
        let known = self.watched.get(folder);
        if known.is_some_and(|known| *known || !recursive) {
            return;
        }
        let Some(watcher) = &mut self.watcher else { return };
        let mode = if recursive { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
        match watcher.watch(folder, mode) {
            Ok(()) => {
                self.watched.insert(folder.to_owned(), recursive);
            }
            Err(error) if folder.exists() => {
                tracing::warn!(folder = %folder.display(), %error, "no native file events here; looking every second");
                self.watcher = None;
            }
            Err(_) => {}
        }
    }

    /// Forget a folder, so that it is watched anew when it comes back.
    pub fn forget_missing(&mut self) {
        self.watched.retain(|folder, _| folder.exists());
    }

    /// Wait at most `limit` for a change, and take what has changed.
    pub fn wait(&self, limit: Duration) -> Changes {
        self.wake.receive_timeout(limit);
        mem::take(&mut *self.changes.lock())
    }
}

/// Remember an event; `false` if it means nothing (our own reading).
fn note(changes: &mut Changes, event: notify::Result<notify::Event>) -> bool {
    let Ok(event) = event else {
        changes.folders = true;
        return true;
    };
    match event.kind {
        EventKind::Access(notify::event::AccessKind::Close(notify::event::AccessMode::Write)) => {}
        EventKind::Access(_) => return event.need_rescan(),
        EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_) | ModifyKind::Any) => {}
        _ => changes.folders = true,
    }
    changes.folders |= event.need_rescan();
    changes.paths.extend(event.paths);
    if changes.paths.len() > PATHS_MAX {
        changes.paths.clear();
        changes.folders = true;
    }
    true
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn writes_and_new_files_are_reported_and_reading_is_not() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("a");
        std::fs::write(&file, "x").unwrap();
        let mut watch = Watch::start();
        watch.folder(root.path(), false);
        assert!(watch.is_native());
        std::fs::read(&file).unwrap();
        let changes = watch.wait(Duration::from_millis(50));
        assert!(!changes.folders && changes.paths.is_empty(), "{changes:?}");
        std::fs::write(root.path().join("b"), "x").unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while !watch.wait(Duration::from_millis(50)).folders {
            assert!(Instant::now() < deadline, "no event for a new file");
        }
    }
}
