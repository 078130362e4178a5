//! The file: entries with checksums going in, and coming out again.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::store::backup::{BackupError, FileRow, Progress};

/// Packs well enough at the speed of a disk.
const LEVEL: i32 = 3;
/// A manifest or a head that is longer is none.
const JSON_BYTES_MAX: u64 = 256 << 20;

/// An archive being written.
pub(super) struct Writer<'a> {
    tar: tar::Builder<zstd::Encoder<'static, BufWriter<File>>>,
    path: PathBuf,
    progress: Progress<'a>,
    done: u64,
    expected: u64,
    /// What was written.
    pub files: Vec<FileRow>,
}

/// Is handed an entry: its name and its bytes.
type Take<'t> = dyn FnMut(&str, &mut dyn Read) -> Result<(), BackupError> + 't;

/// Reads through, and remembers the checksum.
struct Hashing<'r> {
    from: &'r mut dyn Read,
    hash: Sha256,
    bytes: u64,
    told: &'r mut dyn FnMut(u64),
}

impl Read for Hashing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.hash.update(buffer.get(..count).unwrap_or_default());
        self.bytes += count as u64;
        (self.told)(count as u64);
        Ok(count)
    }
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl<'a> Writer<'a> {
    /// Make `path`, which must not be there, readable by its owner only.
    pub(super) fn create(path: &Path, progress: Progress<'a>) -> Result<Writer<'a>, BackupError> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(BackupError::io("create", path))?;
        let packer = zstd::Encoder::new(BufWriter::new(file), LEVEL);
        let packer = packer.map_err(BackupError::io("pack", path))?;
        let tar = tar::Builder::new(packer);
        let path = path.to_owned();
        Ok(Writer { tar, path, progress, done: 0, expected: 0, files: Vec::new() })
    }

    /// About how much will come.
    pub(super) fn expect(&mut self, bytes: u64) {
        self.expected = bytes;
    }

    /// Add bytes as an entry.
    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), BackupError> {
        self.add_from(name, "", bytes.len() as u64, &mut io::Cursor::new(bytes))
    }

    /// Add the first `length` bytes of what `from` gives.
    pub(super) fn add_from(
        &mut self,
        name: &str,
        origin: &str,
        length: u64,
        from: &mut dyn Read,
    ) -> Result<(), BackupError> {
        let mut header = tar::Header::new_gnu();
        header.set_size(length);
        header.set_mode(0o600);
        header.set_entry_type(tar::EntryType::Regular);
        let (mut done, expected, progress) = (self.done, self.expected, self.progress);
        let mut told = |count| {
            done += count;
            progress(done, expected.max(done));
        };
        let mut from = from.take(length);
        let mut hashing =
            Hashing { from: &mut from, hash: Sha256::new(), bytes: 0, told: &mut told };
        let added = self.tar.append_data(&mut header, name, &mut hashing);
        let (hash, bytes) = (hashing.hash, hashing.bytes);
        self.done = done;
        added.map_err(BackupError::io("write", &self.path))?;
        if bytes != length {
            let short = io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter");
            return Err(BackupError::io("read", Path::new(name))(short));
        }
        let (name, origin) = (name.to_owned(), origin.to_owned());
        self.files.push(FileRow { name, origin, bytes, sha256: hex(hash) });
        Ok(())
    }

    /// Write the rest and make it reach the disk.
    pub(super) fn finish(self) -> Result<(), BackupError> {
        let path = self.path;
        let done = self.tar.into_inner().and_then(zstd::Encoder::finish);
        let done = done.and_then(|writer| writer.into_inner().map_err(io::Error::from));
        done.and_then(|file| file.sync_all()).map_err(BackupError::io("write", &path))
    }
}

/// Hand every entry to `take` in order, with its name; its checksum comes back when it was read to its end.
pub(super) fn each(
    file: &Path,
    progress: Progress<'_>,
    take: &mut Take<'_>,
) -> Result<Vec<FileRow>, BackupError> {
    let damaged =
        |error: io::Error| BackupError::Damaged { file: file.to_owned(), what: error.to_string() };
    let opened = File::open(file).map_err(BackupError::io("open", file))?;
    let unpacker = zstd::Decoder::new(BufReader::new(opened)).map_err(damaged)?;
    let mut tar = tar::Archive::new(unpacker);
    let mut rows = Vec::new();
    let mut done = 0;
    for entry in tar.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let name = entry.path().map_err(damaged)?.to_string_lossy().into_owned();
        if !entry.header().entry_type().is_file() || !is_tame(&name) {
            let what = format!("{name:?} is no entry that a backup has");
            return Err(BackupError::Damaged { file: file.to_owned(), what });
        }
        let mut told = |count| {
            done += count;
            progress(done, 0);
        };
        let mut hashing =
            Hashing { from: &mut entry, hash: Sha256::new(), bytes: 0, told: &mut told };
        take(&name, &mut hashing)?;
        io::copy(&mut hashing, &mut io::sink()).map_err(damaged)?;
        let (hash, bytes) = (hashing.hash, hashing.bytes);
        rows.push(FileRow { name, origin: String::new(), bytes, sha256: hex(hash) });
    }
    Ok(rows)
}

/// No name of an archive leads out of the folder it is unpacked to.
fn is_tame(name: &str) -> bool {
    !name.is_empty()
        && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
}

/// A small JSON entry.
pub(super) fn json<T: serde::de::DeserializeOwned>(
    file: &Path,
    from: &mut dyn Read,
) -> Result<T, BackupError> {
    let mut text = Vec::new();
    let read = from.take(JSON_BYTES_MAX).read_to_end(&mut text);
    read.map_err(BackupError::io("read", file))?;
    serde_json::from_slice(&text).map_err(|error| BackupError::Damaged {
        file: file.to_owned(),
        what: format!("its description cannot be read: {error}"),
    })
}

/// Write a file of the owner's only.
pub(super) fn put(path: &Path, from: &mut dyn Read) -> Result<(), BackupError> {
    let mut write = || -> io::Result<()> {
        let mut file =
            BufWriter::new(OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?);
        io::copy(from, &mut file)?;
        file.flush()?;
        file.into_inner().map_err(io::Error::from)?.sync_all()
    };
    write().map_err(BackupError::io("write", path))
}
