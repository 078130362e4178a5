//! The systemd journal, live: `journalctl --follow` in its export format as a child process, from the cursor of the last
//! entry that was committed. It is started again when it ends, and ends with us.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use super::file::FileSettings;
use super::{Context, Source, SourceError};
use crate::carrier::Chunk;
use crate::carrier::journal_export::JournalExport;
use crate::config::limits::LimitsConfig;
use crate::config::sources::{From, JournaldSource, SourceConfig};
use crate::model::record::{Batch, Flush, Position, Stream};
use crate::stdx::id::{Id128, IdHasher};
use crate::stdx::queue;
use crate::stdx::stop::StopToken;
use crate::stdx::task;
use crate::stdx::time::Timestamp;

/// The key of the position.
const CURSOR: &str = "cursor";
/// First and last pause before journalctl is started again.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
/// A pause this long closes what waits for more records.
const IDLE: Duration = Duration::from_secs(2);
/// Bytes asked for at once.
const PIECE_BYTES: usize = 64 << 10;
/// What is kept of what journalctl complains about.
const SAID_BYTES_MAX: usize = 400;

/// Gauge: how often journalctl was started again.
pub const RESTARTS: &str = "journalctl_restarts";
/// Gauge: the process id of journalctl; 0: none runs.
pub const PID: &str = "journalctl_pid";

/// The source `type = "journald"`.
pub struct Journald {
    config: JournaldSource,
    settings: FileSettings,
    context: Option<Context>,
}

impl Journald {
    /// A source that is not open yet.
    pub fn new(config: &SourceConfig, own: &JournaldSource, limits: &LimitsConfig) -> Journald {
        let settings = FileSettings { backfill: false, ..FileSettings::new(config, limits) };
        Journald { config: own.clone(), settings, context: None }
    }
}

impl Source for Journald {
    fn name(&self) -> &str {
        &self.settings.source
    }

    fn open(&mut self, context: &Context) -> Result<(), SourceError> {
        if found(&self.config.journalctl).is_none() {
            return Err(SourceError::Start {
                what: self.config.journalctl.clone(),
                why: "not found; the journal is read by journalctl: install systemd, or give its path as journalctl"
                    .to_owned(),
            });
        }
        if let Some(directory) = &self.config.directory
            && !Path::new(directory).is_dir()
        {
            return Err(SourceError::Missing { path: PathBuf::from(directory) });
        }
        context.gauges.set(RESTARTS, 0);
        context.gauges.set(PID, 0);
        self.context = Some(context.clone());
        Ok(())
    }

    fn run(
        self: Box<Self>,
        saved: Vec<Position>,
        out: queue::Sender<Batch>,
        stop: StopToken,
    ) -> Result<(), SourceError> {
        let Journald { config, settings, context } = *self;
        let Some(context) = context else { return Ok(()) };
        let cursor = saved.into_iter().find(|row| row.key == CURSOR).and_then(|row| row.value);
        let place = config.directory.as_deref().unwrap_or("journal").to_owned();
        let id = IdHasher::new("stream")
            .text(&settings.tenant)
            .text(&settings.source)
            .text("journald")
            .finish();
        let runtime = context.runtime.clone();
        let mut follower =
            Follower { config, settings, context, out, stop, cursor, place, id, unflushed: false };
        // On this thread, so that the child is its child: it is told when the thread ends.
        runtime.block_on(follower.follow());
        Ok(())
    }
}

/// A program by name or path.
fn found(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| path.is_file());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}

struct Follower {
    config: JournaldSource,
    settings: FileSettings,
    context: Context,
    out: queue::Sender<Batch>,
    stop: StopToken,
    /// Of the last entry that was handed on.
    cursor: Option<String>,
    place: String,
    id: Id128,
    unflushed: bool,
}

/// Why a child is not read any more.
enum Ended {
    /// We stop, or nobody takes records.
    Done,
    /// It ended; start it again.
    Again { read: bool, why: String },
}

impl Follower {
    async fn follow(&mut self) {
        let mut pause = RETRY.0;
        loop {
            let (read, why) = match self.once().await {
                Ended::Done => return,
                Ended::Again { read, why } => (read, why),
            };
            if read {
                pause = RETRY.0;
            }
            tracing::warn!(why, "journalctl ended and is started again");
            self.context.gauges.add(RESTARTS, 1);
            self.context.trouble(Some(format!("journalctl ended and is started again: {why}")));
            tokio::select! {
                () = self.stop.stopped() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(RETRY.1);
        }
    }

    /// Run journalctl until it ends.
    async fn once(&mut self) -> Ended {
        let mut child = match self.command().spawn() {
            Ok(child) => child,
            Err(error) => return Ended::Again { read: false, why: error.to_string() },
        };
        self.context.gauges.set(PID, child.id().map_or(0, i64::from));
        let said = listen(&mut child);
        let read = self.read(&mut child).await;
        let _ = child.start_kill();
        let status = child.wait().await;
        self.context.gauges.set(PID, 0);
        match read {
            None => Ended::Done,
            Some(read) => {
                let status = status.map_or_else(|error| error.to_string(), |it| it.to_string());
                let said = said.lock().clone();
                let why = if said.is_empty() { status } else { format!("{status}: {said}") };
                Ended::Again { read, why }
            }
        }
    }

    /// Read what a child writes. `None`: we are done; else whether anything came.
    async fn read(&mut self, child: &mut Child) -> Option<bool> {
        let mut output = child.stdout.take()?;
        let mut entries = JournalExport::new(self.settings.bounds);
        let mut piece = vec![0; PIECE_BYTES];
        let mut any = false;
        loop {
            let count = tokio::select! {
                biased;
                () = self.stop.stopped() => return None,
                count = output.read(&mut piece) => count.unwrap_or(0),
                () = tokio::time::sleep(IDLE), if self.unflushed => {
                    self.send(Chunk::default(), Flush::Idle)?;
                    continue;
                }
            };
            if count == 0 {
                // What is unfinished comes again behind the cursor.
                return Some(any);
            }
            if !any {
                any = true;
                self.context.trouble(None);
            }
            let mut full = Vec::new();
            let _ = entries.feed(piece.get(..count).unwrap_or_default(), &mut |chunk| {
                full.push(chunk);
                ControlFlow::Continue(())
            });
            full.push(entries.take());
            for chunk in full {
                if !chunk.records.is_empty() {
                    self.send(chunk, Flush::No)?;
                }
            }
        }
    }

    /// Hand records on with the cursor of the last. `None`: nobody takes them.
    fn send(&mut self, mut chunk: Chunk, flush: Flush) -> Option<()> {
        for index in 0..chunk.records.len() {
            let cursor = chunk.records.get(index).and_then(|record| cursor(chunk.bytes(record)));
            let (Some(cursor), Some(record)) = (cursor, chunk.records.get_mut(index)) else {
                continue;
            };
            // The same entry has the same place, wherever reading began.
            record.offset = place(&cursor);
            self.cursor = Some(cursor);
        }
        self.unflushed = flush == Flush::No;
        let stream = self.settings.stream(self.id, &self.place, Timestamp::now());
        let mut batch = Batch::new(Arc::new(Stream { live: true, ..stream }), flush);
        batch.positions.push(Position {
            source: Arc::clone(&self.settings.source),
            key: CURSOR.to_owned(),
            value: self.cursor.clone(),
        });
        (batch.data, batch.records) = (chunk.data, chunk.records);
        self.out.send(batch).then_some(())
    }

    fn command(&self) -> Command {
        let config = &self.config;
        // A child that outlives a killed parent would wait for the next entry before it ends.
        let mut command = match found("setpriv") {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "KILL", "--"]).arg(&config.journalctl);
                command
            }
            None => Command::new(&config.journalctl),
        };
        command.args(["--output=export", "--follow", "--no-pager"]);
        match (&self.cursor, config.from) {
            (Some(cursor), _) => command.arg("--no-tail").arg(format!("--after-cursor={cursor}")),
            (None, From::Start) => command.arg("--no-tail"),
            (None, From::End) => command.arg("--lines=0"),
        };
        if let Some(directory) = &config.directory {
            command.arg(format!("--directory={directory}"));
        }
        for unit in &config.units {
            command.arg(format!("--unit={unit}"));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        command
    }
}

/// Keep the last line that a child complains with.
fn listen(child: &mut Child) -> Arc<Mutex<String>> {
    let said = Arc::new(Mutex::new(String::new()));
    if let Some(errors) = child.stderr.take() {
        let kept = Arc::clone(&said);
        task::spawn("journalctl complaints", async move {
            let mut lines = BufReader::new(errors.take(u64::MAX)).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                *kept.lock() = line.chars().take(SAID_BYTES_MAX).collect();
            }
        });
    }
    said
}

/// The cursor of an entry.
fn cursor(entry: &[u8]) -> Option<String> {
    let line =
        entry.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"__CURSOR="))?;
    String::from_utf8(line.to_vec()).ok()
}

/// A place from a cursor: positive as a signed number.
fn place(cursor: &str) -> u64 {
    let id = IdHasher::new("journal cursor").text(cursor).finish();
    id.as_bytes().first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_found_and_make_places() {
        let entry = b"__CURSOR=s=ab;i=1\nMESSAGE=x\n";
        assert_eq!(cursor(entry).as_deref(), Some("s=ab;i=1"));
        assert_eq!(cursor(b"MESSAGE=x\n"), None);
        assert_ne!(place("s=ab;i=1"), place("s=ab;i=2"));
        assert!(i64::try_from(place("s=ab;i=1")).is_ok());
    }

    #[test]
    fn a_missing_program_is_not_found() {
        assert!(found("sh").is_some() && found("/bin/sh").is_some());
        assert!(found("surely-no-program").is_none() && found("/none/journalctl").is_none());
    }
}
