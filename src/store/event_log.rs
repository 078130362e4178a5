//! The event log on disk: numbered segments of frames. It only appends; what of it is real is said by
//! the lengths that the alert store records in its transaction.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::store::StoreError;
use crate::store::follow::LogPlace;
use crate::store::frame::{self, Bad};

/// First bytes of every segment.
pub(crate) const SEGMENT_MAGIC: [u8; 8] = *b"WFSEG\0\0\x01";
/// Where the first frame begins.
pub(crate) const SEGMENT_START: u64 = SEGMENT_MAGIC.len() as u64;
/// Tails are examined at most this far; what is longer is more than one batch in any case.
const TAIL_BYTES_MAX: u64 = 1 << 30;

/// The writing end. One a store.
pub(crate) struct EventLog {
    folder: PathBuf,
    segment_bytes_max: u64,
    current: Option<Current>,
    next_number: u64,
    #[cfg(test)]
    pub fault: Option<Fault>,
}

struct Current {
    number: u64,
    file: File,
    length: u64,
}

/// Where a frame was put, not yet durable by the books.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Appended {
    pub segment: u64,
    pub offset: u64,
    pub end: u64,
}

impl Appended {
    /// The place behind the frame.
    pub(crate) fn behind(&self) -> LogPlace {
        LogPlace { segment: self.segment, offset: self.end }
    }
}

/// How an append fails in a test.
#[cfg(test)]
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The disk is full after this many bytes of the frame.
    FullAfter(usize),
}

impl EventLog {
    /// The log in `folder` whose books say `rows` (number, durable length). Call [`recover`] first.
    pub(crate) fn open(
        folder: &Path,
        rows: &[(u64, u64)],
        segment_bytes_max: u64,
    ) -> Result<EventLog, StoreError> {
        let last = rows.iter().copied().max();
        let current = match last {
            Some((number, length)) if length < segment_bytes_max => {
                let path = segment_path(folder, number);
                let file =
                    OpenOptions::new().read(true).write(true).open(&path).map_err(|source| {
                        StoreError::io("open the event segment", &path, source)
                    })?;
                Some(Current { number, file, length })
            }
            _ => None,
        };
        Ok(EventLog {
            folder: folder.to_owned(),
            segment_bytes_max,
            current,
            next_number: last.map_or(1, |(number, _)| number + 1),
            #[cfg(test)]
            fault: None,
        })
    }

    /// Write a frame behind the durable end and make it reach the disk. After an error nothing of it is left.
    pub(crate) fn append(&mut self, frame: &[u8]) -> Result<Appended, StoreError> {
        if self.current.as_ref().is_none_or(|current| current.length >= self.segment_bytes_max) {
            let next = self.start_segment()?;
            self.current = Some(next);
        }
        #[cfg(test)]
        let fault = self.fault;
        let Some(current) = self.current.as_mut() else {
            return Err(StoreError::Damaged {
                file: self.folder.clone(),
                what: "no segment to write to".to_owned(),
            });
        };
        let place = Appended {
            segment: current.number,
            offset: current.length,
            end: current.length + frame.len() as u64,
        };
        #[cfg(test)]
        if let Some(Fault::FullAfter(bytes)) = fault {
            let part = frame.get(..bytes.min(frame.len())).unwrap_or_default();
            current.file.write_all_at(part, current.length).unwrap();
            self.discard();
            let full = io::Error::from(io::ErrorKind::StorageFull);
            return Err(StoreError::io("append events to", &self.folder, full));
        }
        let written = current
            .file
            .write_all_at(frame, current.length)
            .and_then(|()| current.file.sync_data());
        if let Err(source) = written {
            let path = segment_path(&self.folder, place.segment);
            self.discard();
            return Err(StoreError::io("append events to", &path, source));
        }
        Ok(place)
    }

    /// The transaction that records the frame is committed.
    pub(crate) fn confirm(&mut self, place: Appended) {
        if let Some(current) = self.current.as_mut()
            && current.number == place.segment
        {
            current.length = place.end;
        }
    }

    /// The transaction failed: cut back to the durable length. If even that fails, the next append
    /// writes over the rest, and the next start cuts it.
    pub(crate) fn discard(&mut self) {
        if let Some(current) = self.current.as_ref()
            && let Err(error) = current.file.set_len(current.length)
        {
            tracing::warn!(segment = current.number, %error, "cannot cut the event segment");
        }
    }

    /// The number that the next segment will have.
    pub(crate) fn next_number(&self) -> u64 {
        self.next_number
    }

    /// A segment of this number is there that nothing is appended to: the next append begins one behind it.
    pub(crate) fn go_behind(&mut self, number: u64) {
        self.current = None;
        self.next_number = self.next_number.max(number + 1);
    }

    fn start_segment(&mut self) -> Result<Current, StoreError> {
        let number = self.next_number;
        let path = segment_path(&self.folder, number);
        let made = create_segment(&path).and_then(|file| {
            sync_folder(&self.folder)?;
            Ok(file)
        });
        let file =
            made.map_err(|source| StoreError::io("create the event segment", &path, source))?;
        self.next_number += 1;
        Ok(Current { number, file, length: SEGMENT_START })
    }
}

fn create_segment(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all_at(&SEGMENT_MAGIC, 0)?;
    file.sync_all()?;
    Ok(file)
}

/// Make created, renamed and removed names in a folder reach the disk.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// `…/0000000001.seg`
pub(crate) fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:010}.seg"))
}

/// Numbers of the segments that lie in the folder, ascending.
pub(crate) fn segment_numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(".seg"));
        if let Some(number) = stem.and_then(|stem| stem.parse().ok()) {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// What lies beyond the durable length of one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tail {
    pub number: u64,
    /// Where it begins.
    pub durable: u64,
    /// Where the whole frames in it end.
    pub whole_end: u64,
    /// Whole frames: (offset, count of events, first, last, raw bytes).
    pub frames: Vec<TailFrame>,
    /// Bytes after the whole frames that begin one more frame or are damaged.
    pub rest: u64,
    /// A further frame stands behind damaged bytes, or the tail is too long to look at.
    pub more: bool,
    /// The segment has no row in the books.
    pub unknown: bool,
}

/// A whole frame beyond the durable length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TailFrame {
    pub count: u64,
    pub first_us: i64,
    pub last_us: i64,
    pub raw_bytes: u64,
}

impl Tail {
    /// Commits that this tail may hold.
    fn batches(&self) -> usize {
        self.frames.len() + usize::from(self.rest > 0) + usize::from(self.more)
    }
}

/// Compare the folder with the books. An error names what is shorter than the books say.
pub(crate) fn find_tails(folder: &Path, rows: &[(u64, u64)]) -> Result<Vec<Tail>, StoreError> {
    let listing = segment_numbers(folder)
        .map_err(|source| StoreError::io("list the event segments in", folder, source))?;
    for (number, length) in rows {
        let path = segment_path(folder, *number);
        let found = std::fs::metadata(&path).map_or(0, |data| data.len());
        if found < *length {
            let what = format!("it has {found} bytes where {length} are recorded");
            return Err(StoreError::Damaged { file: path, what });
        }
    }
    let mut tails = Vec::new();
    for number in listing {
        let durable = rows.iter().find(|row| row.0 == number).map(|row| row.1);
        let path = segment_path(folder, number);
        let tail = read_tail(&path, number, durable)
            .map_err(|source| StoreError::io("read the event segment", &path, source))?;
        tails.extend(tail);
    }
    Ok(tails)
}

/// Cut what a crash left behind: at most one batch beyond the books. More is refused, files named.
pub(crate) fn recover(folder: &Path, rows: &[(u64, u64)]) -> Result<u64, StoreError> {
    let tails = find_tails(folder, rows)?;
    let batches: usize = tails.iter().map(Tail::batches).sum();
    if batches > 1 {
        let files = tails.iter().filter(|tail| tail.batches() > 0);
        let files = files.map(|tail| segment_path(folder, tail.number)).collect();
        return Err(StoreError::TailTooLong { files });
    }
    let mut cut = 0;
    for tail in tails {
        let path = segment_path(folder, tail.number);
        let length = std::fs::metadata(&path).map_or(0, |data| data.len());
        cut += length.saturating_sub(tail.durable);
        let done =
            if tail.unknown { std::fs::remove_file(&path) } else { truncate(&path, tail.durable) };
        done.map_err(|source| StoreError::io("cut the event segment", &path, source))?;
    }
    sync_folder(folder).map_err(|source| StoreError::io("sync the folder", folder, source))?;
    Ok(cut)
}

/// Cut a segment and make the cut reach the disk.
pub(crate) fn truncate(path: &Path, length: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(length)?;
    file.sync_all()
}

fn read_tail(path: &Path, number: u64, recorded: Option<u64>) -> io::Result<Option<Tail>> {
    let file = File::open(path)?;
    let total = file.metadata()?.len();
    let durable = recorded.unwrap_or(SEGMENT_START);
    if recorded.is_some() && total == durable {
        return Ok(None);
    }
    let bytes_beyond = total.saturating_sub(durable);
    let mut tail = Tail {
        number,
        durable,
        whole_end: durable,
        frames: Vec::new(),
        rest: bytes_beyond,
        more: bytes_beyond > TAIL_BYTES_MAX,
        unknown: recorded.is_none(),
    };
    if tail.more {
        return Ok(Some(tail));
    }
    let mut bytes = vec![0; usize::try_from(bytes_beyond).unwrap_or(0)];
    file.read_exact_at(&mut bytes, durable)?;
    walk_tail(&bytes, &mut tail);
    Ok(Some(tail))
}

fn walk_tail(bytes: &[u8], tail: &mut Tail) {
    let mut rest = bytes;
    loop {
        tail.whole_end = tail.durable + (bytes.len() - rest.len()) as u64;
        tail.rest = rest.len() as u64;
        if rest.is_empty() {
            return;
        }
        match frame::check_whole(rest) {
            Ok(header) => {
                tail.frames.push(TailFrame {
                    count: u64::from(header.count),
                    first_us: header.first.0,
                    last_us: header.last.0,
                    raw_bytes: header.blocks.iter().map(|block| u64::from(block.raw)).sum(),
                });
                let length = usize::try_from(header.frame_bytes).unwrap_or(usize::MAX);
                rest = rest.get(length..).unwrap_or_default();
            }
            // Its own header says that it goes on: a torn end and nothing else.
            Err(Bad::Short(_)) => return,
            Err(Bad::Damaged) => {
                tail.more = frame_behind(rest);
                return;
            }
        }
    }
}

/// Does another whole frame stand somewhere behind the first byte?
fn frame_behind(bytes: &[u8]) -> bool {
    let later = bytes.get(1..).unwrap_or_default();
    memchr::memmem::find_iter(later, &frame::MAGIC_HEAD)
        .any(|at| frame::check_whole(later.get(at..).unwrap_or_default()).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Event;
    use crate::stdx::time::Timestamp;
    use crate::store::frame::Packer;

    fn frame(number: i64) -> Vec<u8> {
        let mut event = Event::with_capacity(1, 1);
        event.timestamp = Timestamp(number);
        Packer::new(1).unwrap().pack(&[event]).unwrap().bytes
    }

    fn fill(folder: &Path, frames: i64) -> Vec<Appended> {
        let mut log = EventLog::open(folder, &[], 1 << 20).unwrap();
        (0..frames)
            .map(|number| {
                let place = log.append(&frame(number)).unwrap();
                log.confirm(place);
                place
            })
            .collect()
    }

    #[test]
    fn a_tail_of_one_batch_is_cut_at_every_byte() {
        let folder = tempfile::tempdir().unwrap();
        let places = fill(folder.path(), 2);
        let path = segment_path(folder.path(), 1);
        let whole = std::fs::read(&path).unwrap();
        let rows = [(1, places[0].end)];
        for end in places[0].end..=places[1].end {
            std::fs::write(&path, &whole[..end as usize]).unwrap();
            let cut = recover(folder.path(), &rows).unwrap();
            assert_eq!(cut, end - places[0].end);
            assert_eq!(std::fs::metadata(&path).unwrap().len(), places[0].end);
        }
        // Blocks that never reached the disk read as zeros.
        let mut zeros = whole.clone();
        zeros[places[0].end as usize..].fill(0);
        std::fs::write(&path, &zeros).unwrap();
        assert!(recover(folder.path(), &rows).unwrap() > 0);
    }

    #[test]
    fn more_than_one_batch_is_refused_with_the_files_named() {
        let folder = tempfile::tempdir().unwrap();
        let places = fill(folder.path(), 3);
        let path = segment_path(folder.path(), 1);
        let whole = std::fs::read(&path).unwrap();
        let rows = [(1, places[0].end)];
        for end in places[1].end + 1..=places[2].end {
            std::fs::write(&path, &whole[..end as usize]).unwrap();
            let Err(StoreError::TailTooLong { files }) = recover(folder.path(), &rows) else {
                panic!("not refused at {end}");
            };
            assert_eq!(files, std::slice::from_ref(&path));
        }
        let mut damaged = whole.clone();
        damaged[places[0].end as usize + 5] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        assert!(matches!(recover(folder.path(), &rows), Err(StoreError::TailTooLong { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), damaged, "refused means untouched");
    }

    #[test]
    fn a_segment_that_is_shorter_than_recorded_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let places = fill(folder.path(), 1);
        let rows = [(1, places[0].end + 1)];
        assert!(matches!(recover(folder.path(), &rows), Err(StoreError::Damaged { .. })));
        assert!(matches!(recover(folder.path(), &[(2, 9)]), Err(StoreError::Damaged { .. })));
    }

    #[test]
    fn a_new_segment_that_was_never_recorded_goes_away() {
        let folder = tempfile::tempdir().unwrap();
        fill(folder.path(), 1);
        assert!(recover(folder.path(), &[]).unwrap() > 0);
        assert!(segment_numbers(folder.path()).unwrap().is_empty());
    }

    #[test]
    fn segments_are_closed_by_size_and_a_failed_append_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = EventLog::open(folder.path(), &[], 1).unwrap();
        for number in 0..3 {
            let place = log.append(&frame(number)).unwrap();
            log.confirm(place);
            assert_eq!(place.segment, number as u64 + 1);
        }
        log.segment_bytes_max = 1 << 20;
        let path = segment_path(folder.path(), 3);
        let before = std::fs::read(&path).unwrap();
        log.fault = Some(Fault::FullAfter(10));
        assert!(matches!(log.append(&frame(9)), Err(StoreError::DiskFull { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), before);
        log.fault = None;
        let place = log.append(&frame(9)).unwrap();
        assert_eq!(place.offset, before.len() as u64);
    }
}
