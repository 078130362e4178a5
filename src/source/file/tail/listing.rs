//! What lies in folders: looked up once for each look around.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::row::base_path;
use super::tracked::modified;
use crate::source::file::expand::special;
use crate::source::file::identity::Inode;
use crate::stdx::time::Timestamp;

/// A file as a folder shows it.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where.
    pub path: PathBuf,
    /// Which file that is.
    pub inode: Inode,
    /// Its size.
    pub size: u64,
    /// When it was last changed.
    pub modified: Timestamp,
}

impl Found {
    /// The file at a path, links followed; `None` if that is no regular file.
    ///
    /// # Errors
    /// Nothing is there, or it cannot be looked at.
    pub fn at(path: PathBuf) -> std::io::Result<Option<Found>> {
        let metadata = fs::metadata(&path)?;
        let found = Found {
            path,
            inode: Inode::of(&metadata),
            size: metadata.len(),
            modified: modified(&metadata),
        };
        Ok(special(metadata.file_type()).is_none().then_some(found))
    }

    /// Open it; `None` if another file has taken its place since.
    pub fn open(&self) -> Option<File> {
        open_same(&self.path, Some(self.inode)).ok().flatten()
    }
}

/// Open the file at a path; `None` if nothing is there, or another file than the one expected: names
/// move on while we look.
///
/// # Errors
/// It cannot be opened.
pub fn open_same(path: &Path, inode: Option<Inode>) -> io::Result<Option<File>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let same = inode == Some(Inode::of(&file.metadata()?));
    Ok(same.then_some(file))
}

/// The folders looked at so far.
#[derive(Default)]
pub struct Listings {
    folders: HashMap<PathBuf, Listing>,
}

#[derive(Default)]
struct Listing {
    files: Vec<Found>,
    /// By the name before rotation, files that have another name now.
    rotations: HashMap<PathBuf, Vec<usize>>,
}

impl Listings {
    /// The files of a folder.
    pub fn of(&mut self, folder: Option<&Path>) -> &[Found] {
        &self.listing(folder).files
    }

    /// The files that a rotator would call an earlier `base`.
    pub fn rotations_of(&mut self, base: &Path) -> impl Iterator<Item = &Found> {
        let listing = self.listing(base.parent());
        let places = listing.rotations.get(base).map(Vec::as_slice).unwrap_or_default();
        places.iter().filter_map(|place| listing.files.get(*place))
    }

    fn listing(&mut self, folder: Option<&Path>) -> &Listing {
        let folder = folder.unwrap_or(Path::new("/")).to_owned();
        self.folders.entry(folder).or_insert_with_key(|folder| {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            let files: Vec<Found> =
                entries.filter_map(|entry| Found::at(entry.path()).ok().flatten()).collect();
            let mut rotations: HashMap<PathBuf, Vec<usize>> = HashMap::new();
            for (place, file) in files.iter().enumerate() {
                let base = base_path(&file.path);
                if base != file.path {
                    rotations.entry(base).or_default().push(place);
                }
            }
            Listing { files, rotations }
        })
    }
}
