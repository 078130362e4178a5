//! Bytes in: where records come from. A source reads, splits with a carrier, and hands batches with
//! their positions down the path; it never saves a position itself, the commit does.

pub mod amqp;
pub mod answers;
pub mod context;
pub mod file;
pub mod forward;
pub mod http;
pub mod incoming;
pub mod journald;
pub mod kafka;
pub mod keys;
pub mod listener;
pub mod push;
pub mod relp;
pub mod ssh;
pub mod stdin;
pub mod syslog;
pub mod tls;

use std::io;
use std::path::{Path, PathBuf};

pub use context::Context;

use crate::config::limits::LimitsConfig;
use crate::config::sources::{SourceConfig, SourceKind};
use crate::model::record::{Batch, Position};
use crate::stdx::queue;
use crate::stdx::stop::StopToken;

/// One configured source, run by the pipeline on a thread of its own.
pub trait Source: Send {
    /// The configured name: the row in the ledger.
    fn name(&self) -> &str;

    /// Bind, connect and look, before anything runs. An error stops the start: only what cannot heal by itself is one (a
    /// port that is taken, a topic that is not there), never a server that does not answer yet.
    ///
    /// # Errors
    /// What makes the source useless as it is configured.
    fn open(&mut self, _context: &Context) -> Result<(), SourceError> {
        Ok(())
    }

    /// Read until the source is over, the receiver is gone or `stop` is asked for.
    ///
    /// `saved` are the positions of this source as the last commit left them. Every record is sent in
    /// exactly one batch, with the positions that say so.
    ///
    /// # Errors
    /// Only what makes the whole source useless; trouble with one file is logged and the rest goes on.
    fn run(
        self: Box<Self>,
        saved: Vec<Position>,
        out: queue::Sender<Batch>,
        stop: StopToken,
    ) -> Result<(), SourceError>;
}

/// What can be wrong with a source or one file of it.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Nothing is there.
    #[error("{path}: no such file or folder")]
    Missing {
        /// The path as given.
        path: PathBuf,
    },
    /// It is there and cannot be read.
    #[error("{path}: cannot be read")]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder, socket, pipe or device where a file is needed.
    #[error("{path}: not a regular file but {kind}")]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is, with its article.
        kind: &'static str,
    },
    /// A folder that contains itself through a link.
    #[error("{path}: the link leads back into a folder that contains it")]
    Loop {
        /// The link.
        path: PathBuf,
    },
    /// A path pattern that cannot be understood.
    #[error("{pattern}: not a valid path pattern")]
    Pattern {
        /// The pattern as written.
        pattern: String,
        /// Where it is wrong.
        source: globset::Error,
    },
    /// A part of an archive that cannot be read.
    #[error("{path}: {reason}")]
    Archive {
        /// The archive, and its member after a `!`.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// It cannot be started as it is configured.
    #[error("{what}: {why}")]
    Start {
        /// The address, topic or file.
        what: String,
        /// What is wrong and what to do.
        why: String,
    },
    /// Standard input broke.
    #[error("standard input cannot be read")]
    Stdin {
        /// What the system said.
        source: io::Error,
    },
}

impl SourceError {
    /// Sort an error of the system about a path.
    pub fn from_io(path: &Path, source: io::Error) -> SourceError {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => SourceError::Missing { path },
            io::ErrorKind::IsADirectory => SourceError::NotAFile { path, kind: "a folder" },
            _ if source.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                SourceError::Loop { path }
            }
            _ => SourceError::Unreadable { path, source },
        }
    }
}

/// The source that a configuration section describes. Opens nothing yet.
///
/// # Errors
/// A path pattern that cannot be understood.
pub fn build(config: &SourceConfig, limits: &LimitsConfig) -> Result<Box<dyn Source>, SourceError> {
    match &config.kind {
        SourceKind::File(files) => {
            Ok(Box::new(file::tail::Tail::new(config, files.clone(), limits)?))
        }
        SourceKind::Amqp(amqp) => {
            Ok(Box::new(amqp::Amqp::new(config, amqp.as_ref().clone(), limits)))
        }
        SourceKind::Kafka(kafka) => {
            Ok(Box::new(kafka::Kafka::new(config, kafka.as_ref().clone(), limits)))
        }
        SourceKind::Ssh(ssh) => Ok(Box::new(ssh::Ssh::new(config, ssh.clone(), limits))),
        SourceKind::Stdin => Ok(Box::new(stdin::Stdin::new(config, limits))),
        SourceKind::Http(http) => {
            Ok(Box::new(http::Http::new(config, http.as_ref().clone(), limits)))
        }
        SourceKind::Syslog(own) => Ok(Box::new(syslog::Syslog::new(config, own, limits))),
        SourceKind::Forward(own) => Ok(Box::new(forward::Forward::new(config, own, limits))),
        SourceKind::Journald(own) => Ok(Box::new(journald::Journald::new(config, own, limits))),
        SourceKind::Relp(own) => Ok(Box::new(relp::Relp::new(config, own, limits))),
    }
}
