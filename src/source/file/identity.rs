//! What a file is known by, apart from its name: device and inode, the fingerprint of its first bytes,
//! and of the bytes just before the place up to which it was read.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use crate::stdx::id::{Id128, IdHasher};

/// How many first bytes a fingerprint covers at most, and how much of a first line names a stream.
pub const HEAD_BYTES: usize = 1_024;
/// How many bytes before the offset are remembered, to notice a file that was cut and grew again.
pub const TAIL_BYTES: usize = 256;

/// A file on this machine while it exists. Numbers are reused, so this alone proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Inode {
    /// The device.
    pub device: u64,
    /// The inode on it.
    pub number: u64,
}

impl Inode {
    /// From what the system says of a file.
    pub fn of(metadata: &Metadata) -> Inode {
        Inode { device: metadata.dev(), number: metadata.ino() }
    }
}

/// A hash of some bytes and how many they were. A print of no bytes fits everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Print {
    /// Bytes covered.
    pub len: usize,
    /// Their hash.
    pub hash: Id128,
}

impl Print {
    /// The print of these bytes.
    pub fn of(bytes: &[u8]) -> Print {
        let hash = IdHasher::new("print").bytes(bytes).finish();
        Print { len: bytes.len(), hash }
    }

    /// Do these bytes begin with the ones the print was taken of?
    pub fn fits(&self, bytes: &[u8]) -> bool {
        bytes.get(..self.len).is_some_and(|bytes| self.len == 0 || Print::of(bytes) == *self)
    }
}

/// Up to `max` bytes of a file from `offset`.
///
/// # Errors
/// What the system says.
pub fn read_at(file: &File, offset: u64, max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; max];
    let mut len = 0;
    while let Some(room) = bytes.get_mut(len..).filter(|room| !room.is_empty()) {
        match file.read_at(room, offset + len as u64) {
            Ok(0) => break,
            Ok(count) => len += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(len);
    Ok(bytes)
}

/// The id of a stream that is read once: its first line (or first bytes) and the path as given.
pub fn once_id(tenant: &str, source: &str, first: &[u8], path: &str) -> Id128 {
    IdHasher::new("stream").text(tenant).text(source).bytes(first).text(path).finish()
}
