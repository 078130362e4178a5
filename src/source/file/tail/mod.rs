//! Follows files live, so that neither rotation nor a restart loses or repeats a line.
//!
//! A file is known by device, inode, the print of its first bytes and the print of the bytes before the
//! offset; names only say where to look ([`row`] is what is saved). One thread follows all files of a
//! source: native events and a timer say where to look ([`watch`]), [`reconcile`] says which file is
//! which, [`tracked`] reads, [`outlet`] sends batches together with the rows the commit saves.
//!
//! - Renamed by a rotator: the old file is read to its end first, then the new one. The old one is held
//!   open, so it may be deleted meanwhile; after a restart it is looked for by inode in its folder, then
//!   by its content among its compressed siblings.
//! - Copied and cut (`copytruncate`): when a file has become shorter, or other bytes stand before the
//!   offset, it is finished from the copy (`x.1`, known by content) and then read from its start. What
//!   was written between the rotator's copy and its cut is lost by the rotator; nothing else is.
//! - Compressed later: known by the first bytes and the bytes before the offset of its decompressed
//!   content, and not read again; what was not read yet is read from it.
//! - A compressed file whose stream has not ended is still being copied: its lines are read as far as they are whole, and
//!   the rest is waited for, [`packed::PACKED_REST_WAIT`] after its last change at most; then what is cut short is said.
//! - An unfinished last line waits for its end. It becomes a record when a rotator's old file has come to rest.
//! - Event logs, JSON arrays, pretty-printed JSON, XML and archives are read as a whole once they have come
//!   to rest, and read on (by record count) when they have grown; so is what a forced format splits otherwise than
//!   into lines. A last record whose end is missing waits until the file has rested for a while.
//!
//! A stream's id comes from tenant, source, the file's name without rotation suffix, its first line, and
//! how many such files there were before; it is saved with the row.

pub mod outlet;
pub mod row;
pub mod tracked;
pub mod watch;

mod listing;
mod meet;
mod packed;
mod reconcile;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::outlet::Outlet;
use self::row::{Kind, Row, base_name};
use self::tracked::{Look, Tracked};
use self::watch::{Changes, Watch};
use super::FileSettings;
use super::expand::Selection;
use super::identity::{HEAD_BYTES, Inode, read_at};
use super::open::{Content, Packing, content, packing};
use crate::carrier::Chunk;
use crate::carrier::lines::first_line;
use crate::config::limits::LimitsConfig;
use crate::config::sources::{FileSource, SourceConfig};
use crate::model::record::{Batch, Flush, Framing, Position, Shape, Stream};
use crate::source::{Context, Source, SourceError};
use crate::stdx::id::{Id128, IdHasher};
use crate::stdx::queue;
use crate::stdx::stop::StopToken;
use crate::stdx::time::Timestamp;

/// The longest wait between two looks at the stop token.
const WAIT_MAX: Duration = Duration::from_millis(100);
/// After a change, this long for more of it to come: batches, not lines.
const GATHER: Duration = Duration::from_millis(10);
/// Between two looks at folders, however many events there are.
const FOLDERS_EVERY: Duration = Duration::from_millis(50);
/// How often files are looked at without native events.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a file that is found nowhere is looked for.
const LOST_REST: Duration = Duration::from_secs(5);
/// Why nothing more comes of a compressed file.
const GONE_BEFORE_ITS_END: &[u8] = b"the file went before its compressed stream ended";
/// The row that says that this source has run before.
const STARTED: &str = "started";

/// The source `type = "file"`.
pub struct Tail {
    settings: FileSettings,
    files: FileSource,
    selection: Selection,
    context: Option<Context>,
}

impl Tail {
    /// A source over these files.
    ///
    /// # Errors
    /// A path pattern that cannot be understood.
    pub fn new(
        config: &SourceConfig,
        files: FileSource,
        limits: &LimitsConfig,
    ) -> Result<Tail, SourceError> {
        let absolute = |path: &String| {
            let path = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
            path.to_string_lossy().into_owned()
        };
        let paths: Vec<String> = files.paths.iter().map(absolute).collect();
        let selection = Selection::new(&paths, &files.exclude)?;
        let host_default = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        let settings = FileSettings::new(config, limits);
        let host_default = host_default.map(|name| settings.alias(name.trim()));
        let settings = FileSettings { host_default, ..settings };
        Ok(Tail { settings, files, selection, context: None })
    }
}

impl Source for Tail {
    fn name(&self) -> &str {
        &self.settings.source
    }

    fn open(&mut self, context: &Context) -> Result<(), SourceError> {
        self.context = Some(context.clone());
        Ok(())
    }

    fn run(
        self: Box<Self>,
        saved: Vec<Position>,
        out: queue::Sender<Batch>,
        stop: StopToken,
    ) -> Result<(), SourceError> {
        let outlet = Outlet::new(self.settings.source.clone(), out, stop);
        let mut follower = Follower::new(*self, outlet);
        follower.restore(saved);
        // A break is a stop that was asked for, or nobody listening any more.
        let _ = follower.follow();
        Ok(())
    }
}

/// The running source.
struct Follower {
    settings: FileSettings,
    selection: Selection,
    files: FileSource,
    outlet: Outlet,
    watch: Watch,
    tracked: BTreeMap<u64, Tracked>,
    by_inode: HashMap<Inode, u64>,
    /// Paths as events name them.
    by_path: HashMap<PathBuf, u64>,
    next_key: u64,
    /// Has this source run before, by its saved rows?
    started: bool,
    /// Look at folders again at this time.
    folders_at: Instant,
    /// Names under which files may have been born and moved aside unseen, since when (microseconds).
    between: BTreeMap<PathBuf, i64>,
    /// The folders have been looked at once.
    looked: bool,
    complaints: HashSet<String>,
    /// The first thing that was wrong at this look at the folders.
    wrong: Option<String>,
    /// What was said to hinder the source as a whole.
    trouble: Option<String>,
    context: Option<Context>,
    files_open_max: usize,
}

impl Follower {
    fn new(tail: Tail, outlet: Outlet) -> Follower {
        let soft = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        Follower {
            settings: tail.settings,
            selection: tail.selection,
            files: tail.files,
            outlet,
            watch: Watch::start(),
            tracked: BTreeMap::new(),
            by_inode: HashMap::new(),
            by_path: HashMap::new(),
            next_key: 1,
            started: false,
            folders_at: Instant::now(),
            between: BTreeMap::new(),
            looked: false,
            complaints: HashSet::new(),
            wrong: None,
            trouble: None,
            context: tail.context,
            files_open_max: usize::try_from(soft.unwrap_or(4_096) / 3)
                .unwrap_or(1_024)
                .clamp(16, 4_096),
        }
    }

    fn restore(&mut self, saved: Vec<Position>) {
        for position in saved {
            self.started = true;
            if position.key == STARTED {
                continue;
            }
            let row = position.value.as_deref().and_then(Row::from_json);
            let (Ok(key), Some(row)) = (position.key.parse::<u64>(), row) else {
                tracing::error!(source = %position.source, key = %position.key, "a saved position cannot be read");
                continue;
            };
            self.next_key = self.next_key.max(key + 1);
            if let Some(inode) = row.inode {
                self.by_inode.insert(inode, key);
            }
            let mut tracked = Tracked::new(row);
            // Something may have been left open when we were stopped.
            tracked.unflushed = tracked.row.stream.is_some() && !tracked.row.finished;
            self.tracked.insert(key, tracked);
        }
    }

    fn follow(&mut self) -> ControlFlow<()> {
        loop {
            if Instant::now() >= self.folders_at {
                self.reconcile()?;
                self.started_row();
            }
            let more = self.read_all()?;
            self.close_some();
            let (stream, settings) = (Id128::default(), &self.settings);
            self.outlet.send_rows(|| settings.stream(stream, "", Timestamp::now()))?;
            if self.outlet.is_stopped() {
                return ControlFlow::Break(());
            }
            let until_folders = self.folders_at.saturating_duration_since(Instant::now());
            let wait = if more { Duration::ZERO } else { WAIT_MAX.min(until_folders) };
            let changes = self.watch.wait(wait);
            if !more && !changes.paths.is_empty() {
                std::thread::sleep(GATHER);
            }
            self.notice(changes);
        }
    }

    fn started_row(&mut self) {
        if !self.started {
            self.started = true;
            self.outlet.note(STARTED.to_owned(), Some("{\"v\":1}".to_owned()));
        }
    }

    fn notice(&mut self, changes: Changes) {
        if changes.folders {
            self.folders_at = self.folders_at.min(Instant::now() + FOLDERS_EVERY);
        }
        for path in &changes.paths {
            match self.by_path.get(path).and_then(|key| self.tracked.get_mut(key)) {
                Some(tracked) if !tracked.row.finished => tracked.look = true,
                // Finished, copied, or not known yet.
                _ => self.folders_at = self.folders_at.min(Instant::now() + FOLDERS_EVERY),
            }
        }
    }

    /// Read at most one batch of every file that may have something. `true`: there is more.
    fn read_all(&mut self) -> ControlFlow<(), bool> {
        let mut more = false;
        let keys: Vec<u64> = self.tracked.keys().copied().collect();
        for key in keys {
            more |= self.read_one(key)?;
            self.rest(key)?;
            if self.outlet.is_stopped() {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(more)
    }

    fn read_one(&mut self, key: u64) -> ControlFlow<(), bool> {
        let Some(tracked) = self.tracked.get(&key) else { return ControlFlow::Continue(false) };
        if !tracked.look || tracked.row.finished {
            return ControlFlow::Continue(false);
        }
        let before = tracked.after.and_then(|before| self.tracked.get(&before));
        if before.is_some_and(|before| before.look && !before.row.finished && before.is_there()) {
            return ControlFlow::Continue(true);
        }
        match tracked.row.kind {
            Kind::Lines => return self.read_lines(key, false),
            Kind::Packed => self.read_packed(key)?,
            Kind::Whole => self.read_whole(key)?,
            Kind::Copy | Kind::Waiting => {}
        }
        ControlFlow::Continue(false)
    }

    fn read_lines(&mut self, key: u64, finish: bool) -> ControlFlow<(), bool> {
        let FileSettings { bounds, format, .. } = &self.settings;
        let Some(tracked) = self.tracked.get_mut(&key) else { return ControlFlow::Continue(false) };
        match tracked.read(*bounds, format, finish) {
            Ok(Look::Quiet) => tracked.look = false,
            Ok(Look::Read { chunk, from, more }) => {
                tracked.look = more;
                tracked.last_data = Instant::now();
                self.send(key, chunk, from, Flush::No)?;
                return ControlFlow::Continue(more);
            }
            Ok(Look::Cut) => {
                self.cut(key)?;
                return ControlFlow::Continue(true);
            }
            Ok(Look::NotLines | Look::Moved) => {
                tracked.look = false;
                self.lost_sight(key);
            }
            Err(error) => {
                tracked.look = false;
                let path = tracked.path().clone();
                self.complain(&SourceError::from_io(&path, error));
            }
        }
        ControlFlow::Continue(false)
    }

    /// What is due when a file has been quiet: a flush, or its end.
    fn rest(&mut self, key: u64) -> ControlFlow<()> {
        let idle = self.files.idle;
        let Some(tracked) = self.tracked.get(&key) else { return ControlFlow::Continue(()) };
        let quiet = tracked.last_data.elapsed();
        let waits = !tracked.row.finished && !tracked.look;
        let lines = waits && tracked.row.kind == Kind::Lines;
        // A compressed one whose rest did not come before it went.
        let cut = waits && tracked.row.kind == Kind::Packed && !tracked.is_there();
        // What is found nowhere may turn up compressed.
        let rest = if tracked.is_there() { idle * 2 } else { (idle * 2).max(LOST_REST) };
        if (lines || cut) && tracked.retired && quiet >= rest {
            return self.finish(key);
        }
        if tracked.unflushed && quiet >= idle {
            return self.send(key, Chunk::default(), tracked.row.offset, Flush::Idle);
        }
        ControlFlow::Continue(())
    }

    /// A retired file has come to rest: its last line needs no end, and nothing waits for more of it.
    fn finish(&mut self, key: u64) -> ControlFlow<()> {
        if self.tracked.get(&key).is_some_and(Tracked::is_there) {
            while self.read_lines(key, true)? {}
        }
        let Some(tracked) = self.tracked.get_mut(&key) else { return ControlFlow::Continue(()) };
        tracked.row.finished = true;
        tracked.file = None;
        let offset = tracked.row.offset;
        let mut chunk = Chunk::default();
        if tracked.row.kind == Kind::Packed {
            chunk.push(GONE_BEFORE_ITS_END, offset, Framing::Damaged, Shape::Line);
        }
        self.send(key, chunk, offset, Flush::End)
    }

    /// Hand on what was read of a file, with its row.
    fn send(&mut self, key: u64, chunk: Chunk, from: u64, flush: Flush) -> ControlFlow<()> {
        if !chunk.records.is_empty() {
            self.name_stream(key, &chunk);
        }
        let Some(tracked) = self.tracked.get_mut(&key) else { return ControlFlow::Continue(()) };
        self.outlet.note(key.to_string(), tracked.row.to_json());
        let Some(id) = tracked.row.stream else { return ControlFlow::Continue(()) };
        if chunk.records.is_empty() && flush == Flush::No {
            return ControlFlow::Continue(());
        }
        let backfill = from < tracked.row.backfill_until;
        let current = tracked.stream.as_ref();
        let path = tracked.row.path.to_string_lossy();
        let stream =
            match current.filter(|stream| stream.backfill == backfill && *stream.path == *path) {
                Some(stream) => stream.clone(),
                None => {
                    let stream = self.settings.stream(id, &path, Timestamp(tracked.row.modified));
                    Arc::new(Stream { live: true, backfill, ..stream })
                }
            };
        tracked.stream = Some(stream.clone());
        tracked.unflushed = flush == Flush::No;
        self.outlet.send(stream, chunk, flush)
    }

    /// Give a stream its id with its first record.
    fn name_stream(&mut self, key: u64, chunk: &Chunk) {
        let Some(tracked) = self.tracked.get(&key).filter(|it| it.row.stream.is_none()) else {
            return;
        };
        let head = tracked.file.as_ref().and_then(|file| read_at(file, 0, 2 * HEAD_BYTES).ok());
        let head = head.unwrap_or_default();
        let first = chunk.records.first().map(|record| chunk.bytes(record)).unwrap_or_default();
        let line = first_line(&head, HEAD_BYTES).unwrap_or(first);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.name_by(key, line);
    }

    /// Give a stream its id from its first line (or first bytes).
    fn name_by(&mut self, key: u64, line: &[u8]) {
        let Some(tracked) = self.tracked.get(&key) else { return };
        let name = tracked.path().file_name().map(|name| base_name(&name.to_string_lossy()));
        let name = name.unwrap_or_default();
        let line = IdHasher::new("first line").text(&name).bytes(line).finish();
        let others =
            self.tracked.iter().filter(|(other, it)| **other != key && it.row.line == Some(line));
        let nth = others.map(|(_, it)| it.row.nth + 1).max().unwrap_or(0);
        let mut id = IdHasher::new("stream");
        id.text(&self.settings.tenant)
            .text(&self.settings.source)
            .bytes(line.as_bytes())
            .number(nth);
        if let Some(tracked) = self.tracked.get_mut(&key) {
            tracked.row.line = Some(line);
            tracked.row.nth = nth;
            tracked.row.stream = Some(id.finish());
        }
    }

    /// Keep no more files open than the process may; those at rest and in place can be opened again.
    fn close_some(&mut self) {
        let open = self.tracked.values().filter(|tracked| tracked.file.is_some()).count();
        let Some(over) = open.checked_sub(self.files_open_max).filter(|over| *over > 0) else {
            return;
        };
        let at_rest =
            |tracked: &Tracked| tracked.file.is_some() && !tracked.retired && !tracked.look;
        let mut resting: Vec<(Instant, u64)> = self
            .tracked
            .iter()
            .filter(|(_, tracked)| at_rest(tracked))
            .map(|(key, tracked)| (tracked.last_data, *key))
            .collect();
        resting.sort_unstable();
        for (_, key) in resting.into_iter().take(over) {
            if let Some(tracked) = self.tracked.get_mut(&key) {
                tracked.file = None;
            }
        }
    }

    /// Say once what is wrong with a file.
    fn complain(&mut self, error: &SourceError) {
        use std::error::Error;
        const COMPLAINTS_MAX: usize = 10_000;
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        self.wrong.get_or_insert_with(|| match cause.as_str() {
            "" => error.to_string(),
            cause => format!("{error}: {cause}"),
        });
        if self.complaints.len() < COMPLAINTS_MAX && self.complaints.insert(error.to_string()) {
            tracing::warn!(source = %self.settings.source, %error, cause, "skipped");
        }
    }

    /// Nothing at all can be read, and something is wrong: that hinders the source as a whole.
    fn tell_trouble(&mut self) {
        let wrong = self.wrong.take();
        let reads = self.tracked.values().any(Tracked::is_there);
        let trouble = wrong.filter(|_| !reads).map(|why| {
            format!("source {}: none of its files can be read: {why}", self.settings.source)
        });
        if trouble != self.trouble {
            self.trouble.clone_from(&trouble);
            if let Some(context) = &self.context {
                context.trouble(trouble);
            }
        }
    }
}

/// Do these first bytes belong to something that is not read line by line?
pub(crate) fn is_not_lines(head: &[u8], format: &str) -> bool {
    packing(head) != Packing::Plain || content(head, format) != Content::Lines
}
