//! The commands that run on the machine, and how their answers are read. Every name that comes from there goes back quoted.

use crate::source::ssh::session::{Session, SshError};

/// Bytes of a listing.
const LISTING_BYTES_MAX: usize = 4 << 20;
/// Room for the line before the bytes of a file.
const STAT_BYTES_MAX: usize = 200;

/// A file as `stat` there sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Its name.
    pub path: String,
    /// Device and inode there.
    pub inode: (u64, u64),
    /// Its bytes.
    pub size: u64,
    /// When it was last changed, seconds.
    pub modified: i64,
}

/// Bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Which file was open.
    pub inode: (u64, u64),
    /// Its bytes at that time.
    pub size: u64,
    /// Its first bytes, as many as were asked for and are there.
    pub head: Vec<u8>,
    /// Bytes from the offset on.
    pub data: Vec<u8>,
}

/// A text as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Which files the patterns mean now.
pub(super) async fn list(session: &Session, patterns: &[String]) -> Result<Vec<Seen>, SshError> {
    // The patterns were checked: nothing in them is run.
    let command = format!(
        "for f in {}; do [ -f \"$f\" ] && stat -L -c '%d %i %s %Y %n' -- \"$f\"; done; :",
        patterns.join(" ")
    );
    let said = session.run("listing files", &command, LISTING_BYTES_MAX).await?;
    Ok(listing(&said))
}

/// Where a file is now that is not under the patterns any more: it was renamed in its folder.
pub(super) async fn find(session: &Session, seen: &Seen) -> Result<Option<Seen>, SshError> {
    let Some((folder, _)) = seen.path.rsplit_once('/') else { return Ok(None) };
    let folder = if folder.is_empty() { "/" } else { folder };
    let command = format!(
        "find {} -maxdepth 1 -type f -inum {} -exec stat -L -c '%d %i %s %Y %n' -- {{}} \\;; :",
        quoted(folder),
        seen.inode.1
    );
    let said = session.run("looking for a renamed file", &command, LISTING_BYTES_MAX).await?;
    Ok(listing(&said).into_iter().find(|one| one.inode == seen.inode))
}

/// Read `head` bytes from the start and at most `most` from `offset` on, both of the same open file.
pub(super) async fn read(
    session: &Session,
    path: &str,
    head: usize,
    offset: u64,
    most: usize,
) -> Result<Piece, SshError> {
    let command = format!(
        "exec 3<{} && stat -L -c '%d %i %s' /dev/fd/3 && head -c {head} /dev/fd/3 && tail -c +{} /dev/fd/3 | head -c {most}",
        quoted(path),
        offset.saturating_add(1),
    );
    let said = session.run("reading a file", &command, STAT_BYTES_MAX + head + most).await?;
    piece(&said, head).ok_or(SshError::Answer("what it says of a file cannot be read"))
}

fn listing(said: &[u8]) -> Vec<Seen> {
    let text = String::from_utf8_lossy(said);
    let line = |line: &str| {
        let mut parts = line.splitn(5, ' ');
        let mut number = || parts.next()?.parse::<u64>().ok();
        let (device, inode, size, modified) = (number()?, number()?, number()?, number()?);
        let path = parts.next()?.to_owned();
        // A name with a line end in it gives lines that are no absolute path, or none at all.
        path.starts_with('/').then_some(Seen {
            path,
            inode: (device, inode),
            size,
            modified: i64::try_from(modified).unwrap_or(0),
        })
    };
    text.lines().filter_map(line).collect()
}

fn piece(said: &[u8], head: usize) -> Option<Piece> {
    let end = memchr::memchr(b'\n', said)?;
    let (line, rest) = said.split_at_checked(end)?;
    let rest = rest.get(1..)?;
    let mut numbers = std::str::from_utf8(line).ok()?.split(' ').map(str::parse::<u64>);
    let mut number = || numbers.next()?.ok();
    let (inode, size) = ((number()?, number()?), number()?);
    let head = head.min(usize::try_from(size).unwrap_or(usize::MAX)).min(rest.len());
    let (head, data) = rest.split_at_checked(head)?;
    Some(Piece { inode, size, head: head.to_vec(), data: data.to_vec() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn listings_and_pieces_are_read_and_nonsense_is_left_out() {
        let said = b"64 12 300 1700000000 /var/log/a b.log\nx\n64 13 5 1700000000 relative\n\xff\n";
        let seen = listing(said);
        assert_eq!(seen.len(), 1);
        assert_eq!(
            (seen[0].path.as_str(), seen[0].inode, seen[0].size),
            ("/var/log/a b.log", (64, 12), 300)
        );
        let piece = piece(b"64 12 10\nabcdefgh\n", 4).unwrap();
        assert_eq!((piece.head.as_slice(), piece.data.as_slice()), (&b"abcd"[..], &b"efgh\n"[..]));
        assert_eq!(quoted("/a'; rm -rf /'"), "'/a'\\''; rm -rf /'\\'''");
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(said in prop::collection::vec(any::<u8>(), 0..300), head in 0_usize..300) {
            let _ = listing(&said);
            if let Some(piece) = piece(&said, head) {
                prop_assert!(piece.head.len() + piece.data.len() < said.len());
            }
        }
    }
}
