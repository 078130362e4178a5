//! One machine: look, read what grew, rest. It is looked at soon again while its files grow, and ever more rarely while they
//! do not.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::FOLDER_LOOK;
use super::remote::{self, Piece, Seen};
use super::row::{HEAD_BYTES, Row, stream_id};
use super::session::{Session, SshError};
use crate::carrier::lines::Lines;
use crate::config::sources::{From, SshSource};
use crate::model::record::{Batch, Flush, Position, Stream};
use crate::source::Context;
use crate::source::file::tail::is_not_lines;
use crate::source::push::Inlet;
use crate::stdx::stop::StopToken;
use crate::stdx::time::{SECOND_US, Timestamp};

/// Bytes of a file that are asked for at once.
const PIECE_BYTES: usize = 4 << 20;
/// A renamed file that did not grow in so many looks is over.
const QUIET_LOOKS: u32 = 3;

/// Device and inode.
type Inode = (u64, u64);

/// What hinders machines, for the source as a whole.
#[derive(Clone)]
pub(super) struct Troubles {
    context: Context,
    by_machine: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Troubles {
    pub(super) fn new(context: Context) -> Troubles {
        Troubles { context, by_machine: Arc::default() }
    }

    fn set(&self, machine: &str, trouble: Option<String>) {
        let mut all = self.by_machine.lock();
        let before = all.clone();
        match trouble {
            Some(text) => drop(all.insert(machine.to_owned(), text)),
            None => drop(all.remove(machine)),
        }
        self.context.gauges.set("machines_in_trouble", i64::try_from(all.len()).unwrap_or(0));
        if *all == before {
            return;
        }
        let text: Vec<String> = all.iter().map(|(name, why)| format!("{name}: {why}")).collect();
        self.context.trouble((!text.is_empty()).then(|| text.join("; ")));
    }
}

/// A machine that is read.
pub(super) struct Machine {
    address: (String, u16),
    /// Its name in positions and troubles.
    name: String,
    config: SshSource,
    inlet: Inlet,
    troubles: Troubles,
    rows: HashMap<Inode, Row>,
    /// Looks in which a renamed file did not grow.
    quiet: HashMap<Inode, u32>,
    /// Streams whose decoders wait for more.
    unflushed: HashMap<Inode, Arc<Stream>>,
    /// Files that are not lines of text.
    skipped: HashSet<Inode>,
    /// No file of it was ever seen.
    is_new: bool,
}

impl Machine {
    pub(super) fn new(
        address: (String, u16),
        config: SshSource,
        inlet: Inlet,
        saved: &[Position],
        troubles: Troubles,
    ) -> Machine {
        let name = format!("{}:{}", address.0, address.1);
        let rows: HashMap<Inode, Row> = saved
            .iter()
            .filter_map(|position| Row::read(position, &name))
            .map(|row| (row.inode, row))
            .collect();
        Machine {
            address,
            is_new: rows.is_empty(),
            name,
            config,
            inlet,
            troubles,
            rows,
            quiet: HashMap::new(),
            unflushed: HashMap::new(),
            skipped: HashSet::new(),
        }
    }

    /// Read until `stop`, whatever happens to the connection.
    pub(super) async fn run(mut self, stop: StopToken) {
        let (least, most) = (self.config.poll_min, self.config.poll_max);
        let least = least.max(Duration::from_millis(100));
        let mut pause = least;
        let mut session: Option<Session> = None;
        while !stop.is_stopped() {
            if self.config.unless_folder.as_ref().is_some_and(|folder| folder.is_dir()) {
                session = None;
                self.troubles.set(&self.name, None);
                pause = FOLDER_LOOK;
            } else {
                let looked = tokio::select! {
                    () = stop.stopped() => break,
                    looked = self.look(&mut session) => looked,
                };
                pause = match looked {
                    Ok(true) => least,
                    Ok(false) => (pause * 2).min(most),
                    Err(error) => {
                        session = None;
                        self.troubles.set(&self.name, Some(error.to_string()));
                        (pause * 2).min(most)
                    }
                };
            }
            tokio::select! {
                () = stop.stopped() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        if let Some(session) = session {
            session.close().await;
        }
    }

    /// One look at everything. Did something grow?
    async fn look(&mut self, held: &mut Option<Session>) -> Result<bool, SshError> {
        let session = match held.take().filter(|session| !session.is_closed()) {
            Some(session) => session,
            None => Session::connect(&self.address, &self.config).await?,
        };
        let session = held.insert(session);
        let seen = remote::list(session, &self.config.paths).await?;
        let mut grew = false;
        let mut here: HashSet<Inode> = HashSet::new();
        for file in &seen {
            // Two patterns, or two names, of one file.
            if here.insert(file.inode) {
                grew |= self.follow(session, file, false).await?;
            }
        }
        self.is_new = false;
        let away: Vec<Row> =
            self.rows.values().filter(|row| !here.contains(&row.inode)).cloned().collect();
        for row in away {
            grew |= self.see_off(session, &row).await?;
        }
        self.troubles.set(&self.name, None);
        self.troubles.context.gauges.set("files", i64::try_from(self.rows.len()).unwrap_or(0));
        if !grew {
            for stream in std::mem::take(&mut self.unflushed).into_values() {
                self.send(Batch::new(stream, Flush::Idle)).await;
            }
        }
        Ok(grew)
    }

    /// A file that no pattern finds any more: renamed, and read to its end there; or deleted.
    async fn see_off(&mut self, session: &Session, row: &Row) -> Result<bool, SshError> {
        let known = Seen { path: row.path.clone(), inode: row.inode, size: 0, modified: 0 };
        let Some(moved) = remote::find(session, &known).await? else {
            self.forget(row).await;
            return Ok(false);
        };
        let quiet = self.quiet.get(&row.inode).copied().unwrap_or(0) + 1;
        let is_over = quiet >= QUIET_LOOKS;
        let grew = self.follow(session, &moved, is_over).await?;
        self.quiet.insert(row.inode, if grew { 0 } else { quiet });
        if is_over && !grew {
            self.forget(row).await;
        }
        Ok(grew)
    }

    async fn forget(&mut self, row: &Row) {
        self.rows.remove(&row.inode);
        self.quiet.remove(&row.inode);
        let stream = self.unflushed.remove(&row.inode);
        let stream = stream.unwrap_or_else(|| self.stream(row, 0));
        let mut batch = Batch::new(stream, Flush::End);
        let source = &self.inlet.settings.source;
        batch.positions.push(Position { value: None, ..row.position(source, &self.name) });
        self.send(batch).await;
    }

    /// Read what a file has more than was read. With `finish` a last line without an end is a record.
    async fn follow(
        &mut self,
        session: &Session,
        file: &Seen,
        finish: bool,
    ) -> Result<bool, SshError> {
        if self.skipped.contains(&file.inode) {
            return Ok(false);
        }
        let mut row = match self.rows.get(&file.inode) {
            Some(row) => Row { path: file.path.clone(), ..row.clone() },
            None => self.meet(file),
        };
        if file.size == row.offset {
            self.rows.insert(row.inode, row);
            return Ok(false);
        }
        let mut grew = false;
        loop {
            let wanted = if row.head.0 > 0 { row.head.0 } else { HEAD_BYTES };
            let piece = remote::read(session, &file.path, wanted, row.offset, PIECE_BYTES).await;
            let piece = match piece {
                // It went away between the look and the read; the next look knows more.
                Err(SshError::Command { .. }) => return Ok(grew),
                piece => piece?,
            };
            if piece.inode != file.inode {
                return Ok(grew);
            }
            if piece.size < row.offset || !(row.head.0 == 0 || row.fits(&piece.head)) {
                // Cut, or written anew in place.
                row = Row { nth: row.nth + 1, ..Row::new(&file.path, file.inode) };
                continue;
            }
            if row.offset == 0 && is_not_lines(&piece.head, &self.inlet.settings.format) {
                tracing::warn!(
                    machine = self.name,
                    path = file.path,
                    "not lines of text: not read"
                );
                self.skipped.insert(file.inode);
                self.rows.remove(&file.inode);
                let skipped = i64::try_from(self.skipped.len()).unwrap_or(0);
                self.troubles.context.gauges.set("files_skipped", skipped);
                return Ok(grew);
            }
            let before = row.offset;
            let end = before + piece.data.len() as u64;
            let is_last = end >= piece.size;
            let told = self.split(&mut row, &piece, file, finish && is_last).await;
            grew |= row.offset > before;
            self.rows.insert(row.inode, row.clone());
            if !told || is_last || row.offset == before {
                return Ok(grew);
            }
        }
    }

    fn meet(&self, file: &Seen) -> Row {
        let mut row = Row::new(&file.path, file.inode);
        if self.is_new && self.config.from == From::End {
            row.offset = file.size;
        }
        row
    }

    /// Hand on the records of a piece. `false`: nobody takes them any more.
    async fn split(&mut self, row: &mut Row, piece: &Piece, file: &Seen, finish: bool) -> bool {
        let base = row.offset;
        let bounds = self.inlet.settings.bounds;
        loop {
            let from = usize::try_from(row.offset - base).unwrap_or(usize::MAX);
            let mut rest = piece.data.get(from..).unwrap_or_default();
            let mut lines = Lines::new(bounds, row.offset);
            while !lines.is_full() && !rest.is_empty() {
                // Reading from memory does not fail.
                let _ = lines.fill(&mut |into| std::io::Read::read(&mut rest, into));
            }
            let is_end = rest.is_empty();
            // A line that is longer than a piece is cut, or it would never end.
            let is_stuck = is_end && !lines.has_records() && piece.data.len() >= PIECE_BYTES;
            if is_end && (finish || is_stuck) && !lines.is_full() {
                lines.finish();
            }
            let next = if is_stuck { base + piece.data.len() as u64 } else { lines.offset() };
            let chunk = lines.take();
            if next == row.offset {
                return true;
            }
            if row.stream.is_empty() {
                self.name_stream(row, &piece.head, file);
            }
            row.offset = next;
            row.learn(&piece.head);
            let stream = self.stream(row, file.modified);
            self.unflushed.insert(row.inode, Arc::clone(&stream));
            let mut batch = Batch::new(stream, Flush::No);
            (batch.data, batch.records) = (chunk.data, chunk.records);
            batch.positions.push(row.position(&self.inlet.settings.source, &self.name));
            if !self.send(batch).await {
                return false;
            }
            if is_end {
                return true;
            }
        }
    }

    /// The stream is named after the first line; of several files with the same one each is another.
    fn name_stream(&self, row: &mut Row, head: &[u8], file: &Seen) {
        let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let settings = &self.inlet.settings;
        let whose = (&*settings.tenant, &*settings.source);
        let taken: HashSet<&str> = self.rows.values().map(|row| row.stream.as_str()).collect();
        loop {
            let id = stream_id(whose, &self.name, &file.path, line, row.nth).to_string();
            if !taken.contains(id.as_str()) {
                row.stream = id;
                return;
            }
            row.nth += 1;
        }
    }

    fn stream(&self, row: &Row, modified: i64) -> Arc<Stream> {
        let settings = &self.inlet.settings;
        let id = crate::stdx::id::Id128::parse(&row.stream).unwrap_or_default();
        let modified = Timestamp(modified.saturating_mul(SECOND_US));
        let path = format!("{}:{}", self.address.0, row.path);
        let stream = settings.stream(id, &path, modified);
        let host = stream.host.clone().or_else(|| Some(self.address.0.to_lowercase().into()));
        Arc::new(Stream { live: true, host, ..stream })
    }

    async fn send(&self, batch: Batch) -> bool {
        self.inlet.send(batch).await.is_some()
    }
}
