//! Which node this is, among several that share a database: made once in the data folder, because event segments and
//! positions belong to that folder.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::store::StoreError;
use crate::store::event_log::sync_folder;

/// The file that holds the id.
pub(crate) const FILE: &str = "node";
/// Random bytes of an id.
const ID_BYTES: usize = 6;
/// Bytes of a name that are used.
const NAME_BYTES_MAX: usize = 40;

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// 12 hexadecimal digits.
    pub id: String,
    /// What people call it.
    pub name: String,
}

impl Node {
    /// The node of a data folder, made if it is not there.
    pub(crate) fn of(dir: &Path, name: &str) -> Result<Node, StoreError> {
        let path = dir.join(FILE);
        let id = match std::fs::read_to_string(&path) {
            Ok(text) => {
                let id = text.trim();
                if id.len() != ID_BYTES * 2 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    let what = "it must hold 12 hexadecimal digits, the name of this node's own tables: restore it from a backup".to_owned();
                    return Err(StoreError::Damaged { file: path, what });
                }
                id.to_ascii_lowercase()
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => make(dir, &path)?,
            Err(source) => return Err(StoreError::io("read", &path, source)),
        };
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = if host.trim().is_empty() { id.as_str() } else { host.trim() };
        let name: String = if name.is_empty() { host } else { name }
            .chars()
            .filter(|letter| !letter.is_control())
            .scan(0, |bytes, letter| {
                *bytes += letter.len_utf8();
                (*bytes <= NAME_BYTES_MAX).then_some(letter)
            })
            .collect();
        Ok(Node { id, name })
    }

    /// The key of the lock that says that this node has its writer.
    pub(crate) fn lock_key(&self) -> i64 {
        let hash = blake3::hash(format!("watchfloor node {}", self.id).as_bytes());
        hash.as_bytes().first_chunk().map_or(0, |bytes| i64::from_le_bytes(*bytes))
    }
}

fn make(dir: &Path, path: &Path) -> Result<String, StoreError> {
    let failed = |source| StoreError::io("make", path, source);
    let mut bytes = [0_u8; ID_BYTES];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|source| failed(source.into()))?;
    let id: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    writeln!(file, "{id}").and_then(|()| file.sync_all()).map_err(failed)?;
    sync_folder(dir).map_err(failed)?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_keeps_its_id_and_a_damaged_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let node = Node::of(dir.path(), "east\u{1b}").unwrap();
        assert_eq!((node.name.as_str(), node.id.len()), ("east", 12));
        assert_eq!(Node::of(dir.path(), "").unwrap().id, node.id);
        std::fs::write(dir.path().join(FILE), "x; DROP SCHEMA").unwrap();
        let error = Node::of(dir.path(), "").unwrap_err();
        assert!(error.to_string().contains("restore it from a backup"), "{error}");
    }
}
