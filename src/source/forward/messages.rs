//! Messages of the forward protocol as they come: an array each, taken apart element by element, so that the options at
//! the end of one that is too long are still read.

use crate::carrier::msgpack::{self, Found, Scan};
use crate::stdx::limits::REJECT_HEAD_BYTES_MAX;

/// Elements of one message.
const ELEMENTS_MAX: usize = 8;
/// An id of a chunk is not longer.
const CHUNK_ID_MAX: usize = 1 << 10;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its bytes; of one that is too long, only the head of it.
    pub bytes: Vec<u8>,
    /// Its elements; one that was let go is empty.
    pub elements: Vec<Vec<u8>>,
    /// Were bytes let go?
    pub too_long: bool,
}

/// Bytes that are no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no message of the forward protocol: {0}")]
pub struct Broken(pub &'static str);

/// Splits what a peer says into messages.
#[derive(Debug)]
pub struct Messages {
    max: usize,
    held: Vec<u8>,
    /// Where in `held` the next message begins.
    at: usize,
    open: Option<Open>,
}

/// A message that is begun.
#[derive(Debug, Default)]
struct Open {
    count: usize,
    /// Where its elements end, from its beginning.
    ends: Vec<usize>,
    scan: Scan,
    /// Its bytes so far, without what was let go.
    bytes: usize,
    /// Head of a message that is too long.
    head: Vec<u8>,
    too_long: bool,
    /// The element that is being read is let go.
    skipping: bool,
}

impl Messages {
    /// A splitter at the start of a connection; messages over `max` bytes are let go.
    pub fn new(max: usize) -> Messages {
        Messages { max, held: Vec::new(), at: 0, open: None }
    }

    /// From now on messages up to `max` bytes are taken.
    pub fn allow(&mut self, max: usize) {
        self.max = max;
    }

    /// Take what came. Ask for messages before more is fed.
    pub fn feed(&mut self, piece: &[u8]) {
        self.held.drain(..self.at.min(self.held.len()));
        self.at = 0;
        self.held.extend_from_slice(piece);
    }

    /// Is a message begun and not complete?
    pub fn is_open(&self) -> bool {
        self.open.is_some() || self.at < self.held.len()
    }

    /// What is in no message yet, for a person who looks for what went wrong.
    pub fn rest(&self) -> &[u8] {
        let rest = self.held.get(self.at..).unwrap_or_default();
        rest.get(..REJECT_HEAD_BYTES_MAX).unwrap_or(rest)
    }

    /// The next message; `None`: more bytes are needed.
    ///
    /// # Errors
    /// What follows is no message, and nothing says where the next one begins.
    pub fn next(&mut self) -> Result<Option<Message>, Broken> {
        if self.open.is_none() {
            let rest = self.held.get(self.at..).unwrap_or_default();
            let Some((count, used)) = array(rest)? else { return Ok(None) };
            self.open = Some(Open { count, bytes: used, ..Open::default() });
        }
        let Some(open) = &mut self.open else { return Ok(None) };
        while open.ends.len() < open.count {
            let from = self.at + open.bytes;
            let rest = self.held.get(from..).unwrap_or_default();
            match open.scan.go(rest) {
                Found::Broken => return Err(Broken("no MessagePack value")),
                Found::End(length) if !open.skipping && open.bytes + length <= self.max => {
                    open.bytes += length;
                    open.ends.push(open.bytes);
                    open.scan = Scan::default();
                }
                Found::End(length) => {
                    open.note(self.held.get(self.at..).unwrap_or_default());
                    self.held.drain(from..from + length);
                    open.ends.push(open.bytes);
                    open.scan = Scan::default();
                    open.skipping = false;
                }
                Found::More => {
                    if open.skipping || open.bytes + rest.len() > self.max {
                        open.note(self.held.get(self.at..).unwrap_or_default());
                        open.skipping = true;
                        let count = open.scan.place().min(rest.len());
                        self.held.drain(from..from + count);
                        open.scan.forget(count);
                    }
                    return Ok(None);
                }
            }
        }
        let Some(open) = self.open.take() else { return Ok(None) };
        let bytes = self.held.get(self.at..self.at + open.bytes).unwrap_or_default();
        let mut from = open.ends.first().map_or(0, |_| header_len(bytes));
        let mut elements = Vec::new();
        for end in open.ends {
            elements.push(bytes.get(from..end).unwrap_or_default().to_vec());
            from = end;
        }
        self.at += open.bytes;
        let bytes = if open.too_long { open.head } else { bytes.to_vec() };
        Ok(Some(Message { bytes, elements, too_long: open.too_long }))
    }
}

impl Open {
    fn note(&mut self, bytes: &[u8]) {
        if !self.too_long {
            self.too_long = true;
            self.head = bytes.get(..REJECT_HEAD_BYTES_MAX).unwrap_or(bytes).to_vec();
        }
    }
}

impl Message {
    /// The text at a place.
    pub fn text(&self, at: usize) -> Option<&[u8]> {
        self.elements.get(at).and_then(|element| msgpack::data(element))
    }

    /// The id that the sender waits for; `None`: it waits for nothing.
    pub fn chunk(&self) -> Option<Vec<u8>> {
        let second = self.elements.get(1)?;
        let packed =
            second.is_empty() || msgpack::list(second).is_some() || msgpack::data(second).is_some();
        let options = self.elements.get(if packed { 2 } else { 3 })?;
        let mut reader = options.as_slice();
        let value =
            rmpv::decode::read_value_ref_with_max_depth(&mut reader, msgpack::DEPTH_MAX).ok()?;
        let rmpv::ValueRef::Map(options) = value else { return None };
        let named = |key: &rmpv::ValueRef<'_>| matches!(key, rmpv::ValueRef::String(key) if key.as_str() == Some("chunk"));
        let id = options.iter().find(|(key, _)| named(key)).and_then(|(_, id)| match id {
            rmpv::ValueRef::String(id) => Some(id.as_bytes()),
            rmpv::ValueRef::Binary(id) => Some(*id),
            _ => None,
        })?;
        (!id.is_empty() && id.len() <= CHUNK_ID_MAX).then(|| id.to_vec())
    }
}

fn header_len(bytes: &[u8]) -> usize {
    match bytes.first() {
        Some(0xdc) => 3,
        Some(0xdd) => 5,
        _ => 1,
    }
}

/// Elements of the array that begins, and bytes before the first.
fn array(bytes: &[u8]) -> Result<Option<(usize, usize)>, Broken> {
    let Some(marker) = bytes.first() else { return Ok(None) };
    let used = header_len(bytes);
    let count = match marker {
        0x90..=0x9f => usize::from(marker & 0x0f),
        0xdc | 0xdd => {
            let Some(digits) = bytes.get(1..used) else { return Ok(None) };
            digits.iter().fold(0, |count, byte| count << 8 | usize::from(*byte))
        }
        _ => return Err(Broken("no array")),
    };
    match (2..=ELEMENTS_MAX).contains(&count) {
        true => Ok(Some((count, used))),
        false => Err(Broken("too few or too many elements")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::forward::pack::{map, text};

    fn split(bytes: &[u8], piece: usize, max: usize) -> (Vec<Message>, Option<Broken>) {
        let mut messages = Messages::new(max);
        let mut seen = Vec::new();
        for piece in bytes.chunks(piece) {
            messages.feed(piece);
            loop {
                match messages.next() {
                    Ok(Some(message)) => seen.push(message),
                    Ok(None) => break,
                    Err(broken) => return (seen, Some(broken)),
                }
            }
        }
        (seen, None)
    }

    fn message(tag: &str, packed: &[u8], chunk: Option<&str>) -> Vec<u8> {
        let mut bytes = vec![if chunk.is_some() { 0x93 } else { 0x92 }];
        bytes.extend(text(tag.as_bytes()));
        bytes.push(0xc6);
        bytes.extend((packed.len() as u32).to_be_bytes());
        bytes.extend(packed);
        if let Some(chunk) = chunk {
            bytes.extend(map(&[("size", vec![1]), ("chunk", text(chunk.as_bytes()))]));
        }
        bytes
    }

    #[test]
    fn a_chunk_of_a_message_that_is_too_long_is_known_all_the_same() {
        let bytes = [
            message("a", b"xy", Some("one")),
            message("b", &[7; 500], Some("two")),
            message("c", b"", None),
        ]
        .concat();
        for piece in [1, 7, 1000] {
            let (seen, broken) = split(&bytes, piece, 100);
            assert_eq!(broken, None);
            let about: Vec<_> = seen.iter().map(|it| (it.too_long, it.chunk())).collect();
            assert_eq!(
                about,
                [(false, Some(b"one".to_vec())), (true, Some(b"two".to_vec())), (false, None)]
            );
            assert_eq!(seen[0].bytes, message("a", b"xy", Some("one")));
            assert_eq!(seen[1].text(0), Some(&b"b"[..]));
        }
        assert_eq!(split(b"GET / HTTP/1.1", 3, 100).1, Some(Broken("no array")));
        assert!(split(b"\x93\xc1", 1, 100).1.is_some());
    }

    proptest! {
        #[test]
        fn messages_come_back_however_they_are_cut(
            sent in proptest::collection::vec(("[a-z]{1,5}", proptest::collection::vec(any::<u8>(), 0..60), proptest::option::of("[a-z]{1,9}")), 0..8),
            piece in 1_usize..40, max in 20_usize..90,
        ) {
            let all: Vec<Vec<u8>> = sent.iter().map(|(tag, packed, chunk)| message(tag, packed, chunk.as_deref())).collect();
            let (seen, broken) = split(&all.concat(), piece, max);
            prop_assert_eq!(broken, None);
            prop_assert_eq!(seen.len(), sent.len());
            for ((message, bytes), (.., chunk)) in seen.iter().zip(&all).zip(&sent) {
                prop_assert!(message.too_long || &message.bytes == bytes);
                prop_assert!(!message.too_long || bytes.len() > max);
                prop_assert!(message.too_long || message.chunk() == chunk.as_ref().map(|id| id.clone().into_bytes()));
            }
        }

        #[test]
        fn any_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..500), piece in 1_usize..40) {
            let _ = split(&bytes, piece, 50);
        }
    }
}
