//! The paths of keys that a stream's JSON documents use, each with what it means, worked out once.

use ahash::RandomState;
use hashbrown::HashTable;

use crate::model::field::FieldId;
use crate::normalise::windows::paths::{self, Meaning};
use crate::stdx::limits::NAMES_OF_STREAM_MAX;

/// A path of keys from the root of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeId(u32);

impl NodeId {
    /// The document itself.
    pub const ROOT: NodeId = NodeId(0);
    /// Every path that did not fit the table.
    const OVERFLOW: NodeId = NodeId(1);
}

/// A field name that is interned when it is first needed.
#[derive(Clone, Copy, Debug, Default)]
enum Slot {
    #[default]
    Unknown,
    Known(FieldId),
    Full,
}

#[derive(Debug)]
struct Node {
    parent: NodeId,
    key: Box<str>,
    meaning: Meaning,
    plain: Slot,
    windows: Slot,
    data: Slot,
}

/// The table of paths.
#[derive(Debug)]
pub struct Names {
    nodes: Vec<Node>,
    index: HashTable<u32>,
    hasher: RandomState,
}

impl Default for Names {
    fn default() -> Names {
        let node = |meaning: Meaning| Node {
            parent: NodeId::ROOT,
            key: "".into(),
            meaning,
            plain: Slot::Full,
            windows: Slot::Full,
            data: Slot::Full,
        };
        Names {
            nodes: vec![node(Meaning::ROOT), node(Meaning::UNNAMED)],
            index: HashTable::new(),
            hasher: RandomState::new(),
        }
    }
}

impl Names {
    /// The path that `key` leads to from `parent`.
    pub fn child(&mut self, parent: NodeId, key: &str) -> NodeId {
        if parent == NodeId::OVERFLOW {
            return parent;
        }
        let hash = self.hasher.hash_one((parent.0, key));
        let same = |at: &u32| {
            self.nodes
                .get(*at as usize)
                .is_some_and(|node| node.parent == parent && *node.key == *key)
        };
        if let Some(known) = self.index.find(hash, same) {
            return NodeId(*known);
        }
        self.add(parent, key, hash)
    }

    /// The path of a key at the root, if any document of the stream had it.
    pub fn known_child_of_root(&self, key: &str) -> Option<NodeId> {
        let hash = self.hasher.hash_one((NodeId::ROOT.0, key));
        let same = |at: &u32| {
            let node = self.nodes.get(*at as usize);
            node.is_some_and(|node| node.parent == NodeId::ROOT && *node.key == *key)
        };
        self.index.find(hash, same).map(|at| NodeId(*at))
    }

    /// What the path means in a Windows event.
    pub fn meaning(&self, node: NodeId) -> Meaning {
        self.nodes.get(node.0 as usize).map_or(Meaning::ROOT, |node| node.meaning)
    }

    /// The last key of the path.
    pub fn key(&self, node: NodeId) -> &str {
        self.nodes.get(node.0 as usize).map_or("", |node| &node.key)
    }

    /// The field of the path under its own dotted name; `None`: the tables of names are full.
    pub fn plain_field(&mut self, node: NodeId) -> Option<FieldId> {
        self.field(node, |node| &mut node.plain, paths::plain_name)
    }

    /// The field of the path as a property of a Windows event.
    pub fn windows_field(&mut self, node: NodeId) -> Option<FieldId> {
        self.field(node, |node| &mut node.windows, paths::windows_name)
    }

    /// The field of the path as event data, `winlog.event_data.<name>`.
    pub fn data_field(&mut self, node: NodeId) -> Option<FieldId> {
        self.field(node, |node| &mut node.data, paths::data_name)
    }

    fn field(
        &mut self,
        id: NodeId,
        slot: fn(&mut Node) -> &mut Slot,
        name: fn(&[&str]) -> String,
    ) -> Option<FieldId> {
        match *slot(self.nodes.get_mut(id.0 as usize)?) {
            Slot::Known(field) => Some(field),
            Slot::Full => None,
            Slot::Unknown => {
                let field = FieldId::intern(&name(&self.path(id)));
                *slot(self.nodes.get_mut(id.0 as usize)?) = field.map_or(Slot::Full, Slot::Known);
                field
            }
        }
    }

    /// The keys from the root to the path.
    pub fn path(&self, node: NodeId) -> Vec<&str> {
        let mut keys = Vec::new();
        let mut at = node;
        while at != NodeId::ROOT {
            let Some(here) = self.nodes.get(at.0 as usize) else { break };
            keys.push(&*here.key);
            at = here.parent;
        }
        keys.reverse();
        keys
    }

    fn add(&mut self, parent: NodeId, key: &str, hash: u64) -> NodeId {
        let at = self.nodes.len();
        if at >= NAMES_OF_STREAM_MAX {
            return NodeId::OVERFLOW;
        }
        let meaning = paths::meaning(self.meaning(parent), key);
        self.nodes.push(Node {
            parent,
            key: key.into(),
            meaning,
            plain: Slot::Unknown,
            windows: Slot::Unknown,
            data: Slot::Unknown,
        });
        let Names { nodes, index, hasher } = self;
        let at = at as u32;
        index.insert_unique(hash, at, |known| {
            nodes
                .get(*known as usize)
                .map_or(0, |node| hasher.hash_one((node.parent.0, &*node.key)))
        });
        NodeId(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_keeps_its_number_and_its_names() {
        let mut names = Names::default();
        let winlog = names.child(NodeId::ROOT, "winlog");
        let data = names.child(winlog, "event_data");
        let image = names.child(data, "Image");
        assert_eq!(names.child(data, "Image"), image);
        assert_ne!(names.child(winlog, "Image"), image);
        assert_eq!(names.data_field(image).unwrap().name(), "winlog.event_data.Image");
    }

    #[test]
    fn a_stream_cannot_grow_the_table_for_ever() {
        let mut names = Names::default();
        for number in 0..NAMES_OF_STREAM_MAX + 10 {
            names.child(NodeId::ROOT, &number.to_string());
        }
        assert_eq!(names.nodes.len(), NAMES_OF_STREAM_MAX);
        let over = names.child(NodeId::ROOT, "one more");
        assert_eq!(names.plain_field(over), None);
    }
}
