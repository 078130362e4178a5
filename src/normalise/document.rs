//! One JSON document as a flat list of leaves, read in a single pass into buffers that are used again.
//!
//! No tree is built. A path of keys is known by a small number ([`names::Names`]), so that what a key means is
//! worked out once a stream, not once a record. An array gives its path once for each element; empty objects
//! and arrays leave nothing.

use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};

use crate::model::event::Value;
use crate::normalise::names::{Names, NodeId};
use crate::stdx::limits::{DOCUMENT_LEAVES_MAX, JSON_DEPTH_MAX};

/// Why a record is no usable JSON document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Bytes that are no text.
    #[error("not UTF-8 at byte {0}")]
    NotUtf8(usize),
    /// Not JSON at all, or broken.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// Nested deeper than we follow.
    #[error("nested deeper than {JSON_DEPTH_MAX} levels")]
    TooDeep,
    /// JSON, but a list or a single value.
    #[error("not a JSON object")]
    NotObject,
}

impl DocumentError {
    /// The stable word it is counted by.
    pub fn reason(&self) -> &'static str {
        match self {
            DocumentError::NotUtf8(_) => "not_utf8",
            DocumentError::NotJson(_) => "not_json",
            DocumentError::TooDeep => "too_deep",
            DocumentError::NotObject => "not_object",
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Scalar {
    Text { start: u32, len: u32 },
    Int(i64),
    Float(f64),
    Bool(bool),
    Null,
}

/// One leaf: where it stands and what it is.
#[derive(Clone, Copy, Debug)]
pub struct Leaf {
    /// Its path.
    pub node: NodeId,
    value: Scalar,
}

/// The leaves of one document, in order.
#[derive(Debug, Default)]
pub struct Document {
    leaves: Vec<Leaf>,
    text: String,
    /// Leaves over the limit, left out.
    pub left_out: u32,
    too_deep: bool,
}

impl Document {
    /// Read one document, forgetting the one before.
    pub fn read<'a>(
        &mut self,
        bytes: &'a [u8],
        names: &mut Names,
    ) -> Result<&'a str, DocumentError> {
        self.clear();
        // By vector instructions; where the fault is says the other one.
        let text = match simdutf8::basic::from_utf8(bytes) {
            Ok(text) => text,
            Err(_) => std::str::from_utf8(bytes)
                .map_err(|error| DocumentError::NotUtf8(error.valid_up_to()))?,
        };
        self.append(text, names, NodeId::ROOT)?;
        Ok(text)
    }

    /// Forget everything.
    pub fn clear(&mut self) {
        self.leaves.clear();
        self.text.clear();
        self.left_out = 0;
    }

    /// Add the leaves of a further document below a path.
    ///
    /// # Errors
    /// The text is no JSON object; leaves before the fault may have been added.
    pub fn append(
        &mut self,
        text: &str,
        names: &mut Names,
        below: NodeId,
    ) -> Result<(), DocumentError> {
        self.too_deep = false;
        let mut reader = sonic_rs::Deserializer::from_str(text);
        let whole = {
            let seed = Seed { document: self, names, node: below, depth: 0 };
            seed.deserialize(&mut reader).and_then(|()| reader.end())
        };
        match whole {
            Ok(()) => {}
            Err(_) if self.too_deep => return Err(DocumentError::TooDeep),
            Err(error) => return Err(DocumentError::NotJson(first_line(&error))),
        }
        if !text.trim_ascii_start().starts_with('{') {
            return Err(DocumentError::NotObject);
        }
        Ok(())
    }

    /// Every leaf in order.
    pub fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// A leaf's value.
    pub fn value(&self, leaf: Leaf) -> Value<'_> {
        match leaf.value {
            Scalar::Text { start, len } => {
                let range = start as usize..start as usize + len as usize;
                Value::Str(self.text.get(range).unwrap_or_default())
            }
            Scalar::Int(number) => Value::Int(number),
            Scalar::Float(number) => Value::Float(number),
            Scalar::Bool(truth) => Value::Bool(truth),
            Scalar::Null => Value::Null,
        }
    }

    /// Bytes of text in all leaves.
    pub fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// The texts of all leaves, each ended by a new line.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Add a leaf that was not in the document (read out of one of its texts).
    pub fn push_text(&mut self, node: NodeId, text: &str) {
        let (Ok(start), Ok(len)) = (u32::try_from(self.text.len()), u32::try_from(text.len()))
        else {
            self.left_out += 1;
            return;
        };
        if self.push(node, Scalar::Text { start, len }) {
            self.text.push_str(text);
            self.text.push('\n');
        }
    }

    /// Add a leaf of any kind, for what is read from another form than JSON.
    pub fn push_value(&mut self, node: NodeId, value: Value<'_>) {
        match value {
            Value::Str(text) => self.push_text(node, text),
            Value::Int(number) => drop(self.push(node, Scalar::Int(number))),
            Value::Float(number) => drop(self.push(node, Scalar::Float(number))),
            Value::Bool(truth) => drop(self.push(node, Scalar::Bool(truth))),
            Value::Null => drop(self.push(node, Scalar::Null)),
        }
    }

    fn push(&mut self, node: NodeId, value: Scalar) -> bool {
        if self.leaves.len() >= DOCUMENT_LEAVES_MAX {
            self.left_out = self.left_out.saturating_add(1);
            return false;
        }
        self.leaves.push(Leaf { node, value });
        true
    }
}

/// Levels that readers which look for one value pass over, each a call of its own: far more than are ever taken in, and far fewer
/// than a stack holds.
const SKIPPED_DEPTH_MAX: usize = 4 * JSON_DEPTH_MAX;

/// Is this text nested so deeply that passing over a value of it could use up the stack?
pub fn is_too_deep(text: &str) -> bool {
    let (mut depth, mut in_text) = (0_usize, false);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_text = !in_text,
            b'\\' if in_text => drop(bytes.next()),
            b'[' | b'{' if !in_text => {
                depth += 1;
                if depth > SKIPPED_DEPTH_MAX {
                    return true;
                }
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

fn first_line(error: &sonic_rs::Error) -> String {
    // The library appends the surrounding text, which may hold a secret.
    error.to_string().lines().next().unwrap_or("unreadable").to_owned()
}

struct Seed<'a> {
    document: &'a mut Document,
    names: &'a mut Names,
    node: NodeId,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.document.push_text(self.node, text);
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.document.push(self.node, Scalar::Int(number));
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        match i64::try_from(number) {
            Ok(signed) => {
                self.document.push(self.node, Scalar::Int(signed));
            }
            // Kept exactly, as text, rather than rounded to a floating number.
            Err(_) => self.document.push_text(self.node, &number.to_string()),
        }
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.document.push(self.node, Scalar::Float(number));
        Ok(())
    }

    fn visit_bool<E>(self, truth: bool) -> Result<(), E> {
        self.document.push(self.node, Scalar::Bool(truth));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.document.push(self.node, Scalar::Null);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Seed { document, names, node, depth } = self;
        if depth >= JSON_DEPTH_MAX {
            document.too_deep = true;
            return Err(A::Error::custom("too deep"));
        }
        while let Some(child) = map.next_key_seed(KeySeed { names: &mut *names, parent: node })? {
            let document = &mut *document;
            map.next_value_seed(Seed {
                document,
                names: &mut *names,
                node: child,
                depth: depth + 1,
            })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Seed { document, names, node, depth } = self;
        if depth >= JSON_DEPTH_MAX {
            document.too_deep = true;
            return Err(A::Error::custom("too deep"));
        }
        loop {
            let document = &mut *document;
            let seed = Seed { document, names: &mut *names, node, depth: depth + 1 };
            if items.next_element_seed(seed)?.is_none() {
                return Ok(());
            }
        }
    }
}

struct KeySeed<'a> {
    names: &'a mut Names,
    parent: NodeId,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = NodeId;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<NodeId, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = NodeId;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<NodeId, E> {
        Ok(self.names.child(self.parent, key))
    }
}
