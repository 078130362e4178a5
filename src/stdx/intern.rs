//! The process-wide table of field names: a name becomes a 16-bit id once, and stays.
//!
//! This is the one place with a global that changes: field ids must mean the same in every thread
//! and stage. The table is bounded; a hostile input with endless new names cannot grow it for ever.

use std::sync::{LazyLock, OnceLock};

use ahash::AHashMap;
use parking_lot::RwLock;

/// The most field names the process will hold; later new names are refused (`None`) and counted by the caller.
pub const NAMES_MAX: usize = 65_000;

type Shared = LazyLock<RwLock<Table>>;

static TABLE: Shared = LazyLock::new(|| RwLock::new(Table::default()));
static SEEDED: OnceLock<()> = OnceLock::new();

#[derive(Default)]
struct Table {
    ids: AHashMap<&'static str, u16>,
    names: Vec<&'static str>,
}

/// Names that must have the ids `0..names.len()`. Call before the first `intern`; later calls change nothing.
pub fn seed(names: &'static [&'static str]) {
    seed_once(&SEEDED, &TABLE, names);
}

/// Whoever comes second waits until the first is done: a name that came between would take the id of a constant.
fn seed_once(seeded: &OnceLock<()>, table: &Shared, names: &[&'static str]) {
    seeded.get_or_init(|| {
        let mut table = table.write();
        for name in names {
            table.add(name);
        }
    });
}

/// The id of a name, adding it when there is room.
pub fn intern(name: &str) -> Option<u16> {
    intern_in(&TABLE, name)
}

fn intern_in(table: &Shared, name: &str) -> Option<u16> {
    if let Some(id) = table.read().ids.get(name) {
        return Some(*id);
    }
    let mut table = table.write();
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Two threads that start together, each with a name of its own. Making the table takes a moment, in which the
    /// second one is at it: where it does not wait, a few of a hundred rounds end wrong.
    #[test]
    fn no_name_takes_the_id_of_a_constant_whichever_thread_comes_first() {
        let names: Vec<&'static str> = (0..200).map(|n| &*format!("constant.{n}").leak()).collect();
        for round in 0..500 {
            let (seeded, started) = (OnceLock::new(), AtomicUsize::new(0));
            let table: Shared = LazyLock::new(|| RwLock::new(Table::default()));
            std::thread::scope(|scope| {
                for name in ["new", "newer"] {
                    let (seeded, started, table, names) = (&seeded, &started, &table, &names);
                    scope.spawn(move || {
                        started.fetch_add(1, Ordering::SeqCst);
                        while started.load(Ordering::SeqCst) < 2 {
                            std::hint::spin_loop();
                        }
                        seed_once(seeded, table, names);
                        intern_in(table, name);
                    });
                }
            });
            for (id, name) in names.iter().enumerate() {
                let known = table.read().ids.get(name).copied();
                assert_eq!(known.map(usize::from), Some(id), "{name}, round {round}");
            }
            assert_eq!(table.read().names.len(), names.len() + 2);
        }
    }
}
