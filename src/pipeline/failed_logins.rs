//! Failed log-ins by source address: the first question about any log of log-ins, answered without a rule.

use std::collections::BTreeMap;

use crate::model::class::Class;
use crate::model::event::Event;
use crate::model::field::{self, FieldId};

/// How a log-in was tried, where the log says so.
const METHOD: &str = "system.auth.ssh.method";
/// Addresses counted; further ones are counted together.
const ADDRESSES_MAX: usize = 100_000;

/// Counts over a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailedLogins {
    /// Failures with a password (or where the log does not say how), by address; empty: no address.
    pub by_address: BTreeMap<String, u64>,
    /// Failures of other methods (keys, none).
    pub other_methods: u64,
    /// Failures from addresses beyond the table's bound.
    pub uncounted_addresses: u64,
}

impl FailedLogins {
    /// Count an event if it is one.
    pub fn see(&mut self, event: &Event) {
        if event.class != Class::LogonFailure {
            return;
        }
        let method = FieldId::lookup(METHOD).and_then(|method| event.str(method));
        if method.is_some_and(|method| {
            !method.starts_with("password") && !method.starts_with("keyboard")
        }) {
            self.other_methods += 1;
            return;
        }
        self.count(event.str(field::SOURCE_IP).unwrap_or(""), 1);
    }

    /// All failures by password.
    pub fn total(&self) -> u64 {
        self.by_address.values().sum::<u64>() + self.uncounted_addresses
    }

    /// Addresses with the most failures first.
    pub fn top(&self) -> Vec<(&str, u64)> {
        let mut all: Vec<(&str, u64)> =
            self.by_address.iter().map(|(address, count)| (address.as_str(), *count)).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        all
    }

    /// Add the counts of another part of the run.
    pub fn add(&mut self, other: &FailedLogins) {
        for (address, count) in &other.by_address {
            self.count(address, *count);
        }
        self.other_methods += other.other_methods;
        self.uncounted_addresses += other.uncounted_addresses;
    }

    fn count(&mut self, address: &str, count: u64) {
        if let Some(known) = self.by_address.get_mut(address) {
            *known += count;
        } else if self.by_address.len() < ADDRESSES_MAX {
            self.by_address.insert(address.to_owned(), count);
        } else {
            self.uncounted_addresses += count;
        }
    }
}
