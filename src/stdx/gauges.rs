//! Named numbers that a running part shows: connections, lag, what was refused and why. Status and metrics read them.

use std::collections::BTreeMap;

use parking_lot::RwLock;

/// Numbers by name. Names are few and fixed by the code, so that metrics do not grow.
#[derive(Debug, Default)]
pub struct Gauges(RwLock<BTreeMap<&'static str, i64>>);

impl Gauges {
    /// The number is now this.
    pub fn set(&self, name: &'static str, value: i64) {
        self.0.write().insert(name, value);
    }

    /// The number moves by so much, from 0.
    pub fn add(&self, name: &'static str, by: i64) {
        let mut numbers = self.0.write();
        let number = numbers.entry(name).or_default();
        *number = number.saturating_add(by);
    }

    /// One number; 0 if nobody named it.
    pub fn get(&self, name: &str) -> i64 {
        self.0.read().get(name).copied().unwrap_or(0)
    }

    /// All numbers, by name.
    pub fn read(&self) -> Vec<(&'static str, i64)> {
        self.0.read().iter().map(|(name, value)| (*name, *value)).collect()
    }
}
