//! What is saved of a file on another machine: one row, JSON, version 1.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::record::Position;
use crate::stdx::id::{Id128, IdHasher};

/// First bytes by which a file is known again.
pub(super) const HEAD_BYTES: usize = 256;

/// How far a file was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    /// The version of this form.
    pub v: u32,
    /// Where it was last seen.
    pub path: String,
    /// Device and inode there.
    pub inode: (u64, u64),
    /// Where the next record begins.
    pub offset: u64,
    /// How many of its first bytes are known, and their hash.
    pub head: (usize, String),
    /// The id of its stream.
    pub stream: String,
    /// Which file of this name and first line it is.
    pub nth: u64,
}

impl Row {
    pub(super) fn new(path: &str, inode: (u64, u64)) -> Row {
        let (path, head) = (path.to_owned(), (0, String::new()));
        Row { v: 1, path, inode, offset: 0, head, stream: String::new(), nth: 0 }
    }

    pub(super) fn key(&self, machine: &str) -> String {
        format!("{machine} {}:{}", self.inode.0, self.inode.1)
    }

    pub(super) fn read(position: &Position, machine: &str) -> Option<Row> {
        position.key.strip_prefix(machine).filter(|rest| rest.starts_with(' '))?;
        let row: Row = serde_json::from_str(position.value.as_deref()?).ok()?;
        (row.v == 1).then_some(row)
    }

    pub(super) fn position(&self, source: &Arc<str>, machine: &str) -> Position {
        let value = serde_json::to_string(self).ok();
        Position { source: Arc::clone(source), key: self.key(machine), value }
    }

    /// Is it still the file whose first bytes are known?
    pub(super) fn fits(&self, head: &[u8]) -> bool {
        head.len() == self.head.0 && (self.head.0 == 0 || hash(head) == self.head.1)
    }

    /// Remember the first bytes, as far as they were read.
    pub(super) fn learn(&mut self, head: &[u8]) {
        if head.len() > self.head.0 {
            self.head = (head.len(), hash(head));
        }
    }
}

fn hash(head: &[u8]) -> String {
    IdHasher::new("head").bytes(head).finish().to_string()
}

/// The id of a stream: from tenant, source, machine, base name and first line, never from the inode.
pub(super) fn stream_id(
    (tenant, source): (&str, &str),
    machine: &str,
    path: &str,
    first_line: &[u8],
    nth: u64,
) -> Id128 {
    let base = path.rsplit('/').next().unwrap_or(path);
    // What a rotator appends is no part of the name.
    let base = base.split_once(".log").map_or(base, |(name, _)| name);
    let mut hasher = IdHasher::new("stream");
    hasher.text(tenant).text(source).text("ssh").text(machine).text(base);
    hasher.bytes(first_line).number(nth).finish()
}
