//! Rules that people switched off: their findings are counted and go no further.

use std::collections::BTreeMap;

use parking_lot::RwLock;

use crate::model::finding::Finding;

/// Rule ids that are off, with the findings each has hidden since the program started.
#[derive(Debug, Default)]
pub struct Muted {
    // A lock, because the workbench changes the list from its tasks while the analyst reads it once a
    // commit. Held for a scan of a few rows, never across an await.
    hidden: RwLock<BTreeMap<String, u64>>,
}

impl Muted {
    /// Make these the rules that are off. Counts of rules that stay off are kept.
    pub fn set(&self, off: impl IntoIterator<Item = String>) {
        let mut hidden = self.hidden.write();
        *hidden = off
            .into_iter()
            .map(|rule| {
                let count = hidden.get(&rule).copied().unwrap_or(0);
                (rule, count)
            })
            .collect();
    }

    /// Findings hidden, by rule id.
    pub fn hidden(&self) -> BTreeMap<String, u64> {
        self.hidden.read().clone()
    }

    /// Drop and count the findings of rules that are off.
    pub fn retain(&self, findings: &mut Vec<Finding>) {
        if findings.is_empty() || self.hidden.read().is_empty() {
            return;
        }
        let mut hidden = self.hidden.write();
        findings.retain(|finding| match hidden.get_mut(&finding.rule.id) {
            Some(count) => {
                *count += 1;
                false
            }
            None => true,
        });
    }
}
