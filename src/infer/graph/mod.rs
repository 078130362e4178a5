//! The graph of one window: typed nodes, typed edges with time and count, and what was observed of both.
//!
//! Inside a graph nodes have keys (hashes of what identifies them on their endpoint) and labels (hashes of what makes
//! them alike elsewhere: class and name of a program, port and class of an address). Keys only tell nodes apart, labels
//! only count how rare something is; neither is a feature.

pub mod facts;
pub mod observation;
pub mod observe;
pub mod processes;

pub use facts::{EdgeFlag, Facts, Flag, Slot};
pub use observation::Observation;

use crate::stdx::id::Id128;

macro_rules! kinds {
    ($(#[$meta:meta])* $name:ident, $count:ident: $($(#[doc = $doc:literal])* $kind:ident = $word:literal,)*) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name { $($(#[doc = $doc])* $kind,)* }

        impl $name {
            /// Every kind, in the order of its numbers.
            pub const ALL: &'static [$name] = &[$($name::$kind,)*];

            /// The word in files and on screens.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$kind => $word,)* }
            }

            /// The kind of a number.
            pub fn from_number(number: u8) -> Option<$name> {
                $name::ALL.get(usize::from(number)).copied()
            }
        }

        /// How many kinds there are.
        pub const $count: usize = $name::ALL.len();
    };
}

kinds! {
    /// What a node stands for. The numbers are part of the models.
    NodeKind, NODE_KINDS:
    /// A running program.
    Process = "process",
    /// A file, library, pipe or share.
    File = "file",
    /// Text that an interpreter ran.
    Script = "script",
    /// An address with a port, or a name that was resolved.
    Network = "network",
    /// A registry key.
    Registry = "registry",
    /// An account.
    User = "user",
    /// A system call or another act that has no object of its own.
    Syscall = "syscall",
}

kinds! {
    /// What one node did to another. The numbers are part of the models.
    EdgeKind, EDGE_KINDS:
    /// A process started another.
    Spawned = "spawned",
    /// A file was made, changed or deleted.
    Wrote = "wrote",
    /// Something was read.
    Read = "read",
    /// A script was run; an account ran a program.
    Executed = "executed",
    /// A library was loaded.
    Loaded = "loaded",
    /// A connection, either way.
    ConnectedTo = "connected_to",
    /// A name was asked for.
    Resolved = "resolved",
    /// A registry key or value was set or deleted.
    Set = "set",
    /// A process or object was opened.
    Accessed = "accessed",
    /// An account logged on, or failed to.
    LoggedOn = "logged_on",
    /// An act without an object.
    Performed = "performed",
}

/// One node of a window.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Tells it from others of this endpoint.
    pub key: u64,
    /// What was observed of it.
    pub facts: Facts,
    /// Nodes of its kind and label in the window before anything was left out.
    pub alike: u32,
}

/// One edge of a window: repeats are merged.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// What was done.
    pub kind: EdgeKind,
    /// Place of the doer in [`Graph::nodes`].
    pub source: u32,
    /// Place of what it was done to.
    pub target: u32,
    /// How often.
    pub count: u32,
    /// Milliseconds from the window's start to the first time.
    pub first_ms: u32,
    /// To the last time.
    pub last_ms: u32,
    /// In how many intervals of the window.
    pub panes: u8,
    /// Most times in one interval.
    pub most: u32,
    /// [`EdgeFlag`]s, by bit.
    pub flags: u32,
    /// One event that shows it: the earliest, of equals the one with the smallest id.
    pub event: Id128,
}

/// The graph of one window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// In the order of first sight; of equals by kind and key.
    pub nodes: Vec<Node>,
    /// By kind, source, target.
    pub edges: Vec<Edge>,
    /// Nodes left out by the bounds.
    pub nodes_dropped: u32,
    /// Edges left out by the bounds.
    pub edges_dropped: u32,
}

/// A stable hash of parts, by which keys and labels are made. BLAKE3, since an attacker writes most of these texts and
/// could else make a rare thing look like a common one.
pub fn hash(parts: &[&[u8]]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u32).to_le_bytes());
        hasher.update(part);
    }
    let mut out = [0_u8; 8];
    hasher.finalize_xof().fill(&mut out);
    u64::from_le_bytes(out)
}

/// Join numbers into one: how labels of nodes become the label of the edge between them.
pub fn mix(kind: u64, left: u64, right: u64) -> u64 {
    let mut state = kind.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ left.rotate_left(17);
    for number in [right, left ^ right.rotate_left(31)] {
        state = (state ^ number).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        state ^= state >> 32;
    }
    state.wrapping_mul(0xC4CE_B9FE_1A85_EC53) ^ (state >> 29)
}
