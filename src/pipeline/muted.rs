//! What people decided about rules, as findings meet it: those of rules that are off or in dry run are counted and go
//! no further. The counts are part of the commit of the findings, as rows beside those of correlations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ahash::AHashSet;
use parking_lot::RwLock;

use crate::detect::files::pack_of;
use crate::model::finding::{Finding, RuleInfo};
use crate::model::rule_life::{RuleBook, RuleState, Selector, StateRow, Traits};
use crate::pipeline::noise::Releases;

/// What the keys of saved counts begin with.
pub const KEY_PREFIX: &str = "muted/";
const HIDDEN: &str = "off";
const DRY_RUN: &str = "dry-run";

/// A row to write; without a value, to remove.
pub(crate) type CountRow = (String, Option<Vec<u8>>);

/// The decisions, with what each rule's findings came to.
#[derive(Debug, Default)]
pub struct Muted {
    // A lock, because the workbench changes the decisions from its tasks while the analyst asks them once a
    // commit. Held for a look at a few rows, never across an await.
    inner: RwLock<Inner>,
    releases: Releases,
}

#[derive(Debug, Default)]
struct Inner {
    book: RuleBook,
    recommended: Arc<AHashSet<String>>,
    hidden: BTreeMap<String, u64>,
    dry_run: BTreeMap<String, u64>,
    /// Which counts differ from what is saved: the kind and the rule.
    changed: BTreeSet<(&'static str, String)>,
}

impl Muted {
    /// Make these the decisions. Counts of rules that stay off are kept, and those of dry runs always.
    pub fn set_book(&self, book: RuleBook) {
        let mut inner = self.inner.write();
        let mut hidden = BTreeMap::new();
        let mut wide = false;
        for row in book.states.iter().filter(|row| row.state == RuleState::Off) {
            match &row.selector.rule {
                Some(rule) if row.selector == Selector::of_rule(rule) => {
                    let count = inner.hidden.get(rule).copied().unwrap_or(0);
                    hidden.insert(rule.clone(), count);
                }
                _ => wide = true,
            }
        }
        if wide {
            // Which rules a wider decision hides is known only by their findings.
            for (rule, count) in &inner.hidden {
                hidden.entry(rule.clone()).or_insert(*count);
            }
        }
        let before = std::mem::replace(&mut inner.hidden, hidden);
        let gone = before.into_keys().filter(|rule| !inner.hidden.contains_key(rule));
        let gone: Vec<_> = gone.map(|rule| (HIDDEN, rule)).collect();
        inner.changed.extend(gone);
        inner.book = book;
    }

    /// Counts as the last run of the program left them. Those of rules that are no longer off are dropped.
    pub fn restore(&self, rows: impl IntoIterator<Item = (String, Vec<u8>)>) {
        let mut inner = self.inner.write();
        for (key, value) in rows {
            let known = key.strip_prefix(KEY_PREFIX).and_then(|rest| rest.split_once('/'));
            let bytes = <[u8; 8]>::try_from(value.as_slice());
            let (Some((kind, rule)), Ok(bytes)) = (known, bytes) else {
                tracing::warn!(key, "a count of findings cannot be read and is left out");
                continue;
            };
            let counts = match kind {
                HIDDEN => &mut inner.hidden,
                _ => &mut inner.dry_run,
            };
            counts.insert(rule.to_owned(), u64::from_le_bytes(bytes));
        }
        let book = inner.book.clone();
        drop(inner);
        self.set_book(book);
    }

    /// The counts that changed since this was asked last, for the commit of what changed them.
    pub(crate) fn take_changes(&self) -> Vec<CountRow> {
        if self.inner.read().changed.is_empty() {
            return Vec::new();
        }
        let mut inner = self.inner.write();
        let changed = std::mem::take(&mut inner.changed);
        let row = |(kind, rule): (&'static str, String)| {
            let counts = if kind == HIDDEN { &inner.hidden } else { &inner.dry_run };
            let value = counts.get(&rule).map(|count| count.to_le_bytes().to_vec());
            (format!("{KEY_PREFIX}{kind}/{rule}"), value)
        };
        changed.into_iter().map(row).collect()
    }

    /// Did counts change since they were taken last?
    pub(crate) fn has_changes(&self) -> bool {
        !self.inner.read().changed.is_empty()
    }

    /// Which rules their packs recommend, as the rules in use say.
    pub fn set_recommended(&self, recommended: Arc<AHashSet<String>>) {
        self.inner.write().recommended = recommended;
    }

    /// Which rules their packs recommend.
    pub(crate) fn recommended(&self) -> Arc<AHashSet<String>> {
        Arc::clone(&self.inner.read().recommended)
    }

    /// Releases of parked rules that wait for the analyst.
    pub fn releases(&self) -> &Releases {
        &self.releases
    }

    /// The decisions and packs as they are.
    pub fn book(&self) -> RuleBook {
        self.inner.read().book.clone()
    }

    /// Findings hidden because their rule is off, by rule id.
    pub fn hidden(&self) -> BTreeMap<String, u64> {
        self.inner.read().hidden.clone()
    }

    /// Findings counted in dry run, by rule id.
    pub fn dry_run(&self) -> BTreeMap<String, u64> {
        self.inner.read().dry_run.clone()
    }

    /// What was decided about a rule at an endpoint.
    pub fn decision(&self, rule: &RuleInfo, host: &str) -> Option<StateRow> {
        let inner = self.inner.read();
        inner.book.decision(&traits(rule, &inner.recommended), host).cloned()
    }

    /// How many of these rules are off, and how many in dry run, where no endpoint has a state of its own.
    pub fn count(&self, rules: &[Arc<RuleInfo>]) -> (usize, usize) {
        let inner = self.inner.read();
        if inner.book.states.is_empty() {
            return (0, 0);
        }
        let (mut off, mut dry_run) = (0, 0);
        for rule in rules {
            let row = inner.book.decision(&traits(rule, &inner.recommended), "");
            match row.map(|row| row.state) {
                Some(RuleState::Off) => off += 1,
                Some(RuleState::DryRun) => dry_run += 1,
                Some(RuleState::On) | None => {}
            }
        }
        (off, dry_run)
    }

    /// Drop and count the findings that may not become alerts.
    pub fn retain(&self, findings: &mut Vec<Finding>) {
        if findings.is_empty() || self.inner.read().book.states.is_empty() {
            return;
        }
        let mut inner = self.inner.write();
        let Inner { book, recommended, hidden, dry_run, changed } = &mut *inner;
        findings.retain(|finding| {
            let rule = &finding.rule;
            let (kind, counts) =
                match book.decision(&traits(rule, recommended), &finding.host).map(|row| row.state)
                {
                    None | Some(RuleState::On) => return true,
                    Some(RuleState::Off) => (HIDDEN, &mut *hidden),
                    Some(RuleState::DryRun) => (DRY_RUN, &mut *dry_run),
                };
            // One entry a rule: as many as there are rules.
            *counts.entry(rule.id.clone()).or_insert(0) += 1;
            changed.insert((kind, rule.id.clone()));
            false
        });
    }
}

fn traits<'a>(rule: &'a RuleInfo, recommended: &AHashSet<String>) -> Traits<'a> {
    Traits {
        id: &rule.id,
        tags: &rule.tags,
        pack: pack_of(&rule.file),
        level: rule.level,
        recommended: recommended.contains(&rule.id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::EventId;
    use crate::model::rule_life::StateRow;
    use crate::model::severity::Severity;
    use crate::stdx::time::Timestamp;

    fn finding(id: &str, host: &str) -> Finding {
        Finding {
            rule: Arc::new(RuleInfo {
                id: id.to_owned(),
                title: id.to_owned(),
                level: Severity::Low,
                tags: Vec::new(),
                description: String::new(),
                false_positives: Vec::new(),
                file: format!("local:p/{id}.yml"),
                line: 1,
                group_by: Vec::new(),
            }),
            timestamp: Timestamp(1),
            tenant: Arc::from("default"),
            host: host.to_owned(),
            user: String::new(),
            event: EventId::default(),
            contributing: Vec::new(),
            matched: Vec::new(),
            group: Vec::new(),
            backfill: false,
            origin: crate::model::origin::Origin::default(),
        }
    }

    fn decide(muted: &Muted, text: &str, state: RuleState) {
        let selector = Selector::parse(text.split(' ')).unwrap();
        let (reason, actor) = ("x".to_owned(), "ana".to_owned());
        let row = StateRow { selector: selector.clone(), state, reason, actor, at: Timestamp(1) };
        let mut book = muted.book();
        book.put_state(&selector, Some(row));
        muted.set_book(book);
    }

    #[test]
    fn findings_in_dry_run_are_counted_by_rule_and_go_no_further() {
        let muted = Muted::default();
        decide(&muted, "pack:p", RuleState::DryRun);
        decide(&muted, "r2", RuleState::On);
        decide(&muted, "r3 host:lab*", RuleState::Off);
        let mut findings = vec![
            finding("r1", "web01"),
            finding("r1", "web01"),
            finding("r2", "web01"),
            finding("r3", "lab7"),
            finding("r3", "web01"),
        ];
        muted.retain(&mut findings);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].rule.id, "r2");
        let dry_run: Vec<(String, u64)> = muted.dry_run().into_iter().collect();
        assert_eq!(dry_run, [("r1".to_owned(), 2), ("r3".to_owned(), 1)]);
        assert_eq!(muted.hidden().get("r3"), Some(&1));
    }

    #[test]
    fn counts_are_rows_of_a_commit_and_come_back_from_them() {
        let muted = Muted::default();
        decide(&muted, "r1", RuleState::DryRun);
        decide(&muted, "r2", RuleState::Off);
        assert!(muted.take_changes().is_empty());
        muted.retain(&mut vec![finding("r1", "a"), finding("r1", "a"), finding("r2", "a")]);
        let rows = muted.take_changes();
        assert_eq!(rows.len(), 2, "one row a rule: {rows:?}");
        assert!(muted.take_changes().is_empty());

        let next = Muted::default();
        next.set_book(muted.book());
        let damaged = ("muted/off/r9".to_owned(), vec![1, 2]);
        let saved = rows.into_iter().map(|(key, value)| (key, value.unwrap()));
        next.restore(saved.chain([damaged]));
        assert_eq!((next.dry_run(), next.hidden()), (muted.dry_run(), muted.hidden()));
        next.retain(&mut vec![finding("r1", "a")]);
        assert_eq!(next.dry_run().get("r1"), Some(&3));

        // A rule that is on again begins anew, also in what is saved.
        decide(&next, "r2", RuleState::On);
        let rows = next.take_changes();
        assert!(rows.contains(&("muted/off/r2".to_owned(), None)), "{rows:?}");
    }
}
