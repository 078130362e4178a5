//! Where a library of ONNX Runtime may lie.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The variable by which others name the library too.
pub const VARIABLE: &str = "ORT_DYLIB_PATH";
/// How the file is called, with or without a version behind it.
const NAME: &str = "libonnxruntime.so";
/// Where systems and hands put libraries.
const FOLDERS: [&str; 8] = [
    "/usr/local/lib",
    "/usr/local/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/opt/onnxruntime/lib",
    "/opt/onnxruntime",
];

/// A place that was named or searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The file.
    pub path: PathBuf,
    /// Who named it; nobody: it was found.
    pub named: Option<&'static str>,
}

/// The library to try: `infer.library`, else `ORT_DYLIB_PATH`, else the first found beside the program or in the usual
/// folders. What is named is not replaced by what is found.
pub fn library(configured: Option<&Path>) -> Option<Found> {
    let variable = std::env::var_os(VARIABLE);
    let beside = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned));
    let folders = beside.into_iter().chain(FOLDERS.iter().map(PathBuf::from));
    library_in(configured, variable.as_deref(), folders)
}

fn library_in(
    configured: Option<&Path>,
    variable: Option<&OsStr>,
    mut folders: impl Iterator<Item = PathBuf>,
) -> Option<Found> {
    let named =
        |path: &Path, by| Found { path: in_folder(path).unwrap_or(path.into()), named: Some(by) };
    if let Some(path) = configured {
        return Some(named(path, "infer.library"));
    }
    if let Some(path) = variable.filter(|path| !path.is_empty()) {
        return Some(named(Path::new(path), VARIABLE));
    }
    folders.find_map(|folder| in_folder(&folder)).map(|path| Found { path, named: None })
}

/// The library in a folder: the plain name, else the newest version. `None` for what is no folder or holds none.
fn in_folder(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let version = |name: &str| -> Option<Vec<u64>> {
        let rest = name.strip_prefix(NAME)?;
        if rest.is_empty() {
            return Some(vec![u64::MAX]);
        }
        rest.strip_prefix('.')?.split('.').map(|part| part.parse().ok()).collect()
    };
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| Some((version(entry.file_name().to_str()?)?, entry.path())))
        .filter(|(_, path)| path.is_file())
        .max()
        .map(|(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(path: &Path) {
        std::fs::write(path, "").unwrap();
    }

    #[test]
    fn what_is_named_comes_before_what_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("libonnxruntime.so.1.31.1");
        touch(&file);
        touch(&folder.path().join("libonnxruntime.so.1.9.2"));
        touch(&folder.path().join("libonnxruntime.so.old"));
        touch(&folder.path().join("libonnxruntime_providers_shared.so"));
        let nobody = || std::iter::empty();
        let folders = || [PathBuf::from("/nowhere"), folder.path().to_owned()].into_iter();
        let found = library_in(None, None, folders()).unwrap();
        assert_eq!(found, Found { path: file.clone(), named: None });
        let variable = OsStr::new("/there/x.so");
        let found = library_in(None, Some(variable), folders()).unwrap();
        assert_eq!((found.path, found.named), (PathBuf::from("/there/x.so"), Some(VARIABLE)));
        let found = library_in(Some(folder.path()), Some(variable), nobody()).unwrap();
        assert_eq!((found.path, found.named), (file, Some("infer.library")));
        assert_eq!(library_in(None, Some(OsStr::new("")), nobody()), None);
    }
}
