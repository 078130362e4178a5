//! Where input starts: our own examples, the corpus that earlier runs left, and pieces of files that are given.

use std::path::{Path, PathBuf};

use crate::target::Target;

/// Bytes of one piece of a file.
const PIECE_BYTES: usize = 4 << 10;
/// Pieces taken of one file, spread over it.
const PIECES_MAX: usize = 12;
/// A larger file is read up to here.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// All seeds.
const SEEDS_MAX: usize = 6_000;

/// Everything to start from.
pub fn gather(target: &Target, paths: &[PathBuf], corpus: &Path) -> Vec<Vec<u8>> {
    let mut seeds = (target.examples)();
    let mut files = Vec::new();
    for path in paths.iter().map(PathBuf::as_path).chain([corpus]) {
        list(path, &mut files);
    }
    files.sort();
    for file in files {
        let Some(bytes) = read(&file) else { continue };
        if file.starts_with(corpus) {
            seeds.push(bytes);
            continue;
        }
        // Some formats are read as a whole, from their mark on.
        if (target.wants)(&bytes) {
            seeds.push(bytes.get(..target.bytes_max).unwrap_or(&bytes).to_vec());
        }
        seeds.extend(pieces(&bytes).into_iter().filter(|piece| (target.wants)(piece)));
        if seeds.len() >= SEEDS_MAX {
            break;
        }
    }
    for seed in &mut seeds {
        seed.truncate(target.bytes_max);
    }
    seeds.sort();
    seeds.dedup();
    seeds
}

fn list(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_file() {
        files.push(path.to_path_buf());
    }
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        list(&entry.path(), files);
    }
}

fn read(path: &Path) -> Option<Vec<u8>> {
    use std::io::Read;
    let file = std::fs::File::open(path).ok()?;
    let mut bytes = Vec::new();
    if path.extension().is_some_and(|extension| extension == "zst") {
        let reader = zstd::stream::read::Decoder::new(file).ok()?;
        reader.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    } else {
        file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    }
    Some(bytes)
}

/// Pieces of whole lines, evenly spread over the file.
fn pieces(bytes: &[u8]) -> Vec<Vec<u8>> {
    let step = (bytes.len() / PIECES_MAX).max(PIECE_BYTES);
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = match bytes[at..].iter().position(|byte| *byte == b'\n') {
            Some(end) if at > 0 => at + end + 1,
            _ => at,
        };
        let end = (start + PIECE_BYTES).min(bytes.len());
        let piece = bytes.get(start..end).unwrap_or_default();
        let whole = piece.iter().rposition(|byte| *byte == b'\n').unwrap_or(piece.len());
        if whole > 0 {
            found.push(piece[..whole].to_vec());
        }
        at += step;
    }
    found
}
