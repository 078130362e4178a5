//! Rules that people switched off: their findings are counted and go no further.

use std::collections::BTreeMap;

use crate::model::finding::Finding;

/// Rule ids that are off, with the findings each has hidden since the program started.
#[derive(Debug, Default)]
pub(crate) struct Muted {
    hidden: BTreeMap<String, u64>,
}

impl Muted {
    /// Make these the rules that are off. Counts of rules that stay off are kept.
    pub(crate) fn set(&mut self, off: impl IntoIterator<Item = String>) {
        let before = std::mem::take(&mut self.hidden);
        self.hidden = off
            .into_iter()
            .map(|rule| {
                let count = before.get(&rule).copied().unwrap_or(0);
                (rule, count)
            })
            .collect();
    }

    /// Findings hidden, by rule id.
    pub(crate) fn hidden(&self) -> &BTreeMap<String, u64> {
        &self.hidden
    }

    /// Drop and count the findings of rules that are off.
    pub fn retain(&self, findings: &mut Vec<Finding>) {
        if findings.is_empty() || self.hidden.read().is_empty() {
            return;
    /// Says whether there were any.
    pub(crate) fn retain(&mut self, findings: &mut Vec<Finding>) -> bool {
        let before = findings.len();
        if self.hidden.is_empty() {
            return false;
        }
        findings.retain(|finding| match self.hidden.get_mut(&finding.rule.id) {
            Some(count) => {
                *count += 1;
                false
            }
            None => true,
        });
        findings.len() != before
    }
}
