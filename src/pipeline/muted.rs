//! What people decided about rules, as findings meet it: those of rules that are off or in dry run are counted and go
//! no further.

use std::collections::BTreeMap;
use std::sync::Arc;

use ahash::AHashSet;
use parking_lot::RwLock;

use crate::detect::files::pack_of;
use crate::model::finding::{Finding, RuleInfo};
use crate::model::rule_life::{RuleBook, RuleState, Selector, StateRow, Traits};

/// The decisions, with what each rule's findings came to since the program started.
#[derive(Debug, Default)]
pub struct Muted {
    // A lock, because the workbench changes the decisions from its tasks while the analyst asks them once a
    // commit. Held for a look at a few rows, never across an await.
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    book: RuleBook,
    recommended: Arc<AHashSet<String>>,
    hidden: BTreeMap<String, u64>,
    dry_run: BTreeMap<String, u64>,
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
        inner.hidden = hidden;
        inner.book = book;
    }

    /// Which rules their packs recommend, as the rules in use say.
    pub fn set_recommended(&self, recommended: Arc<AHashSet<String>>) {
        self.inner.write().recommended = recommended;
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
        let Inner { book, recommended, hidden, dry_run } = &mut *inner;
        findings.retain(|finding| {
            let rule = &finding.rule;
            let counts =
                match book.decision(&traits(rule, recommended), &finding.host).map(|row| row.state)
                {
                    None | Some(RuleState::On) => return true,
                    Some(RuleState::Off) => &mut *hidden,
                    Some(RuleState::DryRun) => &mut *dry_run,
                };
            // One entry a rule: as many as there are rules.
            *counts.entry(rule.id.clone()).or_insert(0) += 1;
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
}
