//! Shapes of paths that came before: the same programs and folders come thousands of times.

use ahash::AHashMap;

use crate::infer::graph::{Facts, hash};
use crate::infer::shape::path::{self, PathShape};
use crate::model::platform::Platform;

/// Paths that are remembered; at this many all are forgotten, which costs time and changes nothing.
const PATHS_MAX: usize = 8_192;

/// A remembered path.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Its shape.
    pub shape: PathShape,
    /// The key of its node.
    pub key: u64,
}

/// Shapes by path.
#[derive(Debug, Default)]
pub struct Memo {
    windows: AHashMap<Box<str>, Known>,
    linux: AHashMap<Box<str>, Known>,
}

impl Memo {
    /// The shape of a path.
    pub fn path(&mut self, platform: Platform, text: &str) -> Known {
        let known = match platform {
            Platform::Windows => &mut self.windows,
            Platform::Linux => &mut self.linux,
        };
        if let Some(known) = known.get(text) {
            return known.clone();
        }
        let shape = path::shape(platform, text);
        let key = match platform {
            Platform::Windows => hash(&[b"f", text.to_ascii_lowercase().as_bytes()]),
            Platform::Linux => hash(&[b"f", text.as_bytes()]),
        };
        if known.len() >= PATHS_MAX {
            known.clear();
        }
        let new = Known { shape, key };
        known.insert(text.into(), new.clone());
        new
    }

    /// Only its facts.
    pub fn facts(&mut self, platform: Platform, text: &str) -> Facts {
        self.path(platform, text).shape.facts
    }
}
