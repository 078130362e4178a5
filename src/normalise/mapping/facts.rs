//! The facts of one record: named values, out of a JSON object or split out of a text, before they are mapped.

use crate::model::event::Value;
use crate::model::field::FieldId;
use crate::normalise::document::{Document, DocumentError, Leaf};
use crate::normalise::names::{Names, NodeId};

/// Named values in order; a name may stand several times.
#[derive(Debug, Default)]
pub struct Facts {
    document: Document,
    list: Vec<(FieldId, Leaf)>,
    /// Facts left out because a table of names was full.
    pub left_out: u32,
}

impl Facts {
    /// Forget everything.
    pub fn clear(&mut self) {
        self.document.clear();
        self.list.clear();
        self.left_out = 0;
    }

    /// Take over a document that was read; see [`Facts::into_document`].
    pub fn take(&mut self, document: Document, names: &mut Names) {
        self.list.clear();
        self.left_out = document.left_out;
        self.document = document;
        self.index(0, names);
    }

    /// Give the document back, for its buffers.
    pub fn into_document(&mut self) -> Document {
        self.list.clear();
        std::mem::take(&mut self.document)
    }

    /// Add a text under a name.
    pub fn add(&mut self, name: &str, text: &str, names: &mut Names) {
        let from = self.document.leaves().len();
        let node = names.child(NodeId::ROOT, name);
        self.document.push_text(node, text);
        self.index(from, names);
    }

    /// Add the leaves of a JSON object, below a name unless that is empty. What is no object adds nothing.
    ///
    /// # Errors
    /// The text is no JSON object; leaves before the fault may have been added.
    pub fn add_json(
        &mut self,
        text: &str,
        below: &str,
        names: &mut Names,
    ) -> Result<(), DocumentError> {
        let from = self.document.leaves().len();
        let node = if below.is_empty() { NodeId::ROOT } else { names.child(NodeId::ROOT, below) };
        let done = self.document.append(text, names, node);
        self.index(from, names);
        done
    }

    /// The first value of a name.
    pub fn get(&self, name: FieldId) -> Option<Value<'_>> {
        let (_, leaf) = self.list.iter().find(|(known, _)| *known == name)?;
        Some(self.document.value(*leaf))
    }

    /// Every value of a name.
    pub fn all(&self, name: FieldId) -> impl Iterator<Item = Value<'_>> {
        self.list
            .iter()
            .filter(move |(known, _)| *known == name)
            .map(|(_, leaf)| self.document.value(*leaf))
    }

    /// Every fact in order: its name, its place, its value.
    pub fn iter(&self) -> impl Iterator<Item = (FieldId, Leaf, Value<'_>)> {
        self.list.iter().map(|(name, leaf)| (*name, *leaf, self.document.value(*leaf)))
    }

    /// Has a name been added since there were `from` facts?
    pub fn has_since(&self, from: usize, name: &str) -> bool {
        let added = self.list.get(from..).unwrap_or_default();
        added.iter().any(|(known, _)| known.name() == name)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// None at all?
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The facts below a name, with their paths from there on: an object within the record.
    pub fn below(&self, prefix: &str) -> Vec<(&'static str, Value<'_>)> {
        let inside = |name: FieldId| name.name().strip_prefix(prefix)?.strip_prefix('.');
        self.iter().filter_map(|(name, _, value)| Some((inside(name)?, value))).collect()
    }

    /// Bytes of text in all facts.
    pub fn text_bytes(&self) -> usize {
        self.document.text_bytes()
    }

    fn index(&mut self, from: usize, names: &mut Names) {
        for leaf in self.document.leaves().get(from..).unwrap_or_default() {
            match names.plain_field(leaf.node) {
                Some(name) => self.list.push((name, *leaf)),
                None => self.left_out += 1,
            }
        }
    }
}
