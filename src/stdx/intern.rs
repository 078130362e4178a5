//! The process-wide table of field names: a name becomes a 16-bit id once, and stays.
//!
//! This is the one place with a global that changes: field ids must mean the same in every thread
//! and stage. The table is bounded; a hostile input with endless new names cannot grow it for ever.

use std::sync::{LazyLock, OnceLock};

use ahash::AHashMap;
use parking_lot::RwLock;

/// The most field names the process will hold; later new names are refused (`None`) and counted by the caller.
pub const NAMES_MAX: usize = 65_000;

static TABLE: LazyLock<RwLock<Table>> = LazyLock::new(|| RwLock::new(Table::default()));
static SEED: OnceLock<&'static [&'static str]> = OnceLock::new();

#[derive(Default)]
struct Table {
    ids: AHashMap<&'static str, u16>,
    names: Vec<&'static str>,
}

/// Names that must have the ids `0..names.len()`. Call before the first `intern`; later calls change nothing.
pub fn seed(names: &'static [&'static str]) {
    if SEED.set(names).is_ok() {
        let mut table = TABLE.write();
        for name in names {
            table.add(name);
        }
    }
}

/// The id of a name, adding it when there is room.
pub fn intern(name: &str) -> Option<u16> {
    if let Some(id) = TABLE.read().ids.get(name) {
        return Some(*id);
    }
    let mut table = TABLE.write();
    if let Some(id) = table.ids.get(name) {
        return Some(*id);
    }
    if table.names.len() >= NAMES_MAX {
        return None;
    }
    // Leaked on purpose: bounded by NAMES_MAX and used until the process ends.
    Some(table.add(Box::leak(name.to_owned().into_boxed_str())))
}

/// The id of a name that is already known.
pub fn lookup(name: &str) -> Option<u16> {
    TABLE.read().ids.get(name).copied()
}

/// The name of an id, or the empty string for one that was never given out.
pub fn name(id: u16) -> &'static str {
    TABLE.read().names.get(usize::from(id)).copied().unwrap_or("")
}

impl Table {
    fn add(&mut self, name: &'static str) -> u16 {
        let id = u16::try_from(self.names.len()).unwrap_or(u16::MAX);
        self.names.push(name);
        self.ids.insert(name, id);
        id
    }
}
