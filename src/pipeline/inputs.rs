//! What the one-shot commands read: paths become files, files become batches, batches become events.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ahash::AHashMap;

use crate::config::Config;
use crate::config::sources::{HostRule, SourceConfig, SourceKind};
use crate::model::ledger::Ledger;
use crate::model::record::{Batch, Flush, Reject};
use crate::normalise::{Decoder, Output, Settings};
use crate::source::file::{FileSettings, expand, read_once, read_stream};
use crate::source::{Source, SourceError, stdin::Stdin};
use crate::stdx::id::Id128;
use crate::stdx::stop::StopToken;
use crate::stdx::time::Timestamp;
use crate::stdx::{limits, queue, task};

/// What to read, as the command line says it.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// Files, folders, globs; `-` is standard input.
    pub paths: Vec<String>,
    /// `auto` or a format's name.
    pub format: String,
    /// The host of records that do not name one.
    pub host: Option<String>,
    /// Or the n-th part of a file's path from its end: 1 is its folder.
    pub host_from_path: Option<usize>,
    /// Note how every event came about.
    pub explain: bool,
}

/// Is told how far reading has come, from any thread.
pub trait Watcher: Sync {
    /// Bytes there are to read, compressed.
    fn expect_bytes(&self, bytes: u64);
    /// Bytes of a file that is done.
    fn read_bytes(&self, bytes: u64);
}

/// One thing to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

/// Everything to read, with what was wrong with the paths.
pub struct Plan {
    /// In order; each file once.
    pub inputs: Vec<Input>,
    /// Paths that lead nowhere, in a person's words.
    pub problems: Vec<String>,
    /// For files.
    settings: FileSettings,
    /// For standard input.
    source: SourceConfig,
    config: Config,
    decode: Arc<Settings>,
    explain: bool,
}

/// What decoding one input came to, beside what was handed on.
#[derive(Debug, Default)]
pub struct InputReport {
    /// Its books.
    pub ledger: Ledger,
    /// Trouble, in a person's words.
    pub problems: Vec<String>,
}

impl Plan {
    /// Expand the paths. Reads folders, opens no file.
    pub fn new(config: &Config, inputs: &Inputs, keep_original: bool) -> anyhow::Result<Plan> {
        let mut source = SourceConfig::files("command line", Vec::new());
        source.format.clone_from(&inputs.format);
        if let Some(host) = &inputs.host {
            source.host = HostRule::Fixed(host.clone());
        } else if let Some(part) = inputs.host_from_path {
            source.host = HostRule::PathComponent(part);
        }
        let (stdin, paths): (Vec<String>, Vec<String>) =
            inputs.paths.iter().cloned().partition(|path| path == "-");
        let (files, errors) = expand(&paths, &[]);
        let mut decode = Settings::new(config)?;
        decode.keep_original = keep_original;
        let mut list: Vec<Input> = files.into_iter().map(Input::File).collect();
        if !stdin.is_empty() {
            list.push(Input::Stdin);
        }
        let settings = FileSettings::new(&source, &config.limits);
        if !stdin.is_empty() {
            source.kind = SourceKind::Stdin;
        }
        Ok(Plan {
            inputs: list,
            problems: errors.iter().map(chain).collect(),
            settings,
            source,
            config: config.clone(),
            decode: Arc::new(decode),
            explain: inputs.explain,
        })
    }

    /// The configuration that the inputs are read with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Compressed bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.inputs.iter().map(size).sum()
    }

    /// Read and decode one input to its end. `take` gets every decoded batch; `Break` stops.
    pub fn read(
        &self,
        input: &Input,
        take: &mut dyn FnMut(&mut Output) -> ControlFlow<()>,
    ) -> InputReport {
        let mut decoding = Decoding::new(Arc::clone(&self.decode), self.explain);
        let problems = self.batches(input, &mut |batch| decoding.decode(&batch, take));
        InputReport { ledger: decoding.ledger(), problems }
    }

    /// Read and decode bytes as if they were a file of that name, last changed at `modified`.
    pub fn read_bytes(
        &self,
        name: &str,
        bytes: &[u8],
        modified: Timestamp,
        take: &mut dyn FnMut(&mut Output) -> ControlFlow<()>,
    ) -> InputReport {
        let mut decoding = Decoding::new(Arc::clone(&self.decode), self.explain);
        let mut reader = bytes;
        let summary = read_stream(&mut reader, name, modified, &self.settings, &mut |batch| {
            decoding.decode(&batch, take)
        });
        let problems = summary.problems.iter().map(chain).collect();
        InputReport { ledger: decoding.ledger(), problems }
    }

    /// Read one input to its end without decoding. Returns what was wrong, in a person's words.
    pub fn batches(
        &self,
        input: &Input,
        emit: &mut dyn FnMut(Batch) -> ControlFlow<()>,
    ) -> Vec<String> {
        match input {
            Input::File(path) => match read_once(path, &self.settings, emit) {
                Ok(summary) => summary.problems.iter().map(chain).collect(),
                Err(error) => vec![chain(&error)],
            },
            Input::Stdin => self.read_stdin(emit),
        }
    }

    fn read_stdin(&self, emit: &mut dyn FnMut(Batch) -> ControlFlow<()>) -> Vec<String> {
        let (sender, receiver) = queue::bounded("stdin", limits::READ_AHEAD_BATCHES_MAX);
        let source = Box::new(Stdin::new(&self.source, &self.config.limits));
        let stop = StopToken::new();
        let inner = stop.clone();
        let started = task::thread("stdin", move || source.run(Vec::new(), sender, inner));
        let reader = match started {
            Ok(reader) => reader,
            Err(error) => {
                return vec![format!("cannot start the reader of standard input: {error}")];
            }
        };
        while let Some(batch) = receiver.receive() {
            if emit(batch).is_break() {
                // The reader may wait for input that never comes; it ends with the process.
                stop.stop();
                return Vec::new();
            }
        }
        match reader.join() {
            Ok(Ok(())) => Vec::new(),
            Ok(Err(error)) => vec![chain(&error)],
            Err(panic) => vec![format!("the reader failed: {}", task::panic_text(&*panic))],
        }
    }
}

/// The decoders of the streams of one input (an archive has several), with the books they keep.
struct Decoding {
    settings: Arc<Settings>,
    decoders: AHashMap<Id128, Decoder>,
    totals: Ledger,
    output: Output,
    explain: bool,
}

impl Decoding {
    fn new(settings: Arc<Settings>, explain: bool) -> Decoding {
        Decoding {
            settings,
            decoders: AHashMap::new(),
            totals: Ledger::default(),
            output: Output::default(),
            explain,
        }
    }

    fn decode(
        &mut self,
        batch: &Batch,
        take: &mut dyn FnMut(&mut Output) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let settings = &self.settings;
        let decoder = self
            .decoders
            .entry(batch.stream.id)
            .or_insert_with(|| Decoder::new(&batch.stream, Arc::clone(settings)));
        self.output = Output { explain: self.explain, ..Output::default() };
        decoder.decode(batch, &mut self.output);
        if batch.flush == Flush::End && decoder.open_records() == 0 {
            self.decoders.remove(&batch.stream.id);
        }
        self.totals.received += self.output.received;
        self.totals.stored += self.output.stored;
        self.totals.rejected += self.output.rejected;
        self.totals.events += self.output.events.len() as u64;
        take(&mut self.output)
    }

    fn ledger(&self) -> Ledger {
        let mut ledger = self.totals;
        ledger.in_flight = self.decoders.values().map(Decoder::open_records).sum();
        ledger
    }
}

/// The reason of records that the carrier could not read.
pub const DAMAGED: &str = "damaged";

/// By reason: where the first reject stands and what is wrong with it.
pub type FirstRejects = BTreeMap<&'static str, String>;

/// Note the first reject of each reason, for people who look for it.
pub fn see_rejects(first: &mut FirstRejects, rejects: &[Reject]) {
    for reject in rejects {
        first.entry(reject.reason).or_insert_with(|| {
            format!("{}: {} at {}: {}", reject.path, reject.reason, reject.offset, reject.detail)
        });
    }
}

/// What paths lead to.
#[derive(Clone, Debug, Default)]
pub struct FilesFound {
    /// Files, each once.
    pub files: Vec<PathBuf>,
    /// Paths that lead nowhere, in a person's words.
    pub missing: Vec<String>,
    /// Files and folders that may not be looked at, in a person's words.
    pub refused: Vec<String>,
}

/// The files that paths and globs lead to now. Reads folders, opens no file.
pub fn files_of(paths: &[String], exclude: &[String]) -> FilesFound {
    let (files, errors) = expand(paths, exclude);
    let mut found = FilesFound { files, ..FilesFound::default() };
    for error in &errors {
        match error {
            SourceError::Missing { .. } => found.missing.push(chain(error)),
            _ => found.refused.push(chain(error)),
        }
    }
    found
}

/// Bytes of an input as it lies on disk; 0 when it cannot be asked.
pub fn size(input: &Input) -> u64 {
    match input {
        Input::File(path) => std::fs::metadata(path).map_or(0, |about| about.len()),
        Input::Stdin => 0,
    }
}

/// The name of an input for a person.
pub fn name(input: &Input) -> String {
    match input {
        Input::File(path) => Path::display(path).to_string(),
        Input::Stdin => "-".to_owned(),
    }
}

/// An error with its causes on one line.
fn chain(error: &SourceError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
