//! The life of rules: which packs are in use, which state a rule has where, and what was changed when by whom.

use std::fmt;

use crate::model::noise::ParkedRule;
use crate::stdx::time::Timestamp;

pub use crate::model::rule_selector::{BadSelector, Selector, Traits};

/// Rows of states that one book may hold.
pub const STATES_MAX: usize = 2_000;
/// Packs that one book may hold.
pub const PACKS_MAX: usize = 200;
/// Bytes of a reason.
pub const REASON_BYTES_MAX: usize = 1 << 10;

/// What becomes of a rule's findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleState {
    /// They go no further.
    Off,
    /// They are counted and go no further.
    DryRun,
    /// They become alerts.
    On,
}

impl RuleState {
    /// The stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            RuleState::Off => "off",
            RuleState::DryRun => "dry-run",
            RuleState::On => "on",
        }
    }

    /// Read the stable word.
    pub fn parse(text: &str) -> Option<RuleState> {
        [RuleState::Off, RuleState::DryRun, RuleState::On]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

impl fmt::Display for RuleState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// One decision about rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRow {
    /// Which rules, and where.
    pub selector: Selector,
    /// Their state.
    pub state: RuleState,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub actor: String,
    /// When.
    pub at: Timestamp,
}

/// A file whose local edit and whose new text do not fit together: the local one is in force until somebody decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The file in the pack.
    pub file: String,
    /// The version of the pack that the local edit was made from.
    pub base: String,
}

/// A pack in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackInUse {
    /// Its name.
    pub name: String,
    /// The version in use.
    pub version: String,
    /// A hash of the local edits as this change left them; empty: none.
    pub local: String,
    /// Files that wait for a decision.
    pub conflicts: Vec<Conflict>,
}

/// Everything that people decided about rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleBook {
    /// The states.
    pub states: Vec<StateRow>,
    /// The packs, by name.
    pub packs: Vec<PackInUse>,
}

impl RuleBook {
    /// The pack of a name.
    pub fn pack(&self, name: &str) -> Option<&PackInUse> {
        self.packs.iter().find(|pack| pack.name == name)
    }

    /// Put a pack in, over the one of its name.
    pub fn put_pack(&mut self, pack: PackInUse) {
        self.packs.retain(|known| known.name != pack.name);
        self.packs.push(pack);
        self.packs.sort_by(|one, other| one.name.cmp(&other.name));
    }

    /// Put a decision in, over the one about the same rules; `None` takes it out. `false`: it was that way already.
    pub fn put_state(&mut self, selector: &Selector, row: Option<StateRow>) -> bool {
        let known = self.states.iter().find(|known| known.selector == *selector);
        let same = match (&row, known) {
            (Some(row), Some(known)) => row.state == known.state,
            (None, None) => true,
            _ => false,
        };
        if same {
            return false;
        }
        self.states.retain(|known| known.selector != *selector);
        self.states.extend(row);
        // The most specific first, and of two alike the newest: the first that matches decides.
        self.states.sort_by(|one, other| {
            (other.selector.rank(), other.at).cmp(&(one.selector.rank(), one.at))
        });
        true
    }

    /// The decision that holds for a rule at an endpoint; none: the rule is on.
    pub fn decision(&self, rule: &Traits<'_>, host: &str) -> Option<&StateRow> {
        self.states.iter().find(|row| row.selector.is_about(rule) && row.selector.is_at(host))
    }

    /// Can any rule of a pack have another state than off? Asked to leave out what nobody wants.
    pub fn is_wanted(&self, pack: &str) -> bool {
        let off =
            self.states.iter().any(|row| row.selector.is_pack(pack) && row.state == RuleState::Off);
        let excepted = self.states.iter().any(|row| {
            let selector = &row.selector;
            row.state != RuleState::Off
                && (selector.rule.is_some()
                    || selector.tag.is_some()
                    || selector.pack.as_deref() == Some(pack))
        });
        !off || excepted
    }
}

/// One change of the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleChange {
    /// Its number, rising.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// From where.
    pub place: String,
    /// `state`, `import`, `upgrade`, `resolve`, `remove`, `release` or `rollback`.
    pub kind: String,
    /// What was changed, for a person.
    pub subject: String,
    /// Why.
    pub reason: String,
    /// The book before.
    pub before: RuleBook,
    /// The book after.
    pub after: RuleBook,
}

/// Which text of a file with a conflict is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Take {
    /// The local one as it is now.
    Mine,
    /// The pack's.
    Theirs,
    /// This one.
    Text(String),
}

/// Something to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleRequest {
    /// A state for some rules; `None` takes the decision back.
    State {
        /// Which rules, and where.
        selector: Selector,
        /// Their state from now on.
        state: Option<RuleState>,
    },
    /// A pack that lies staged in the data folder becomes the one in use.
    Pack {
        /// The name of the staged folder.
        staged: String,
    },
    /// A pack is no longer used. Its files stay, so that this can be rolled back.
    Remove {
        /// The pack.
        pack: String,
    },
    /// A conflict is decided.
    Resolve {
        /// The pack.
        pack: String,
        /// The file in it.
        file: String,
        /// The text that is wanted.
        take: Take,
    },
    /// A parked rule goes on.
    Release {
        /// The rule's id.
        rule: String,
    },
    /// The book as a change left it; without one, as it was before the last change.
    Rollback {
        /// The change.
        to: Option<u64>,
    },
}

/// The book with what was counted under it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleView {
    /// The book.
    pub book: RuleBook,
    /// Findings that were counted and not alerted in dry runs, by rule id.
    pub dry_run: Vec<(String, u64)>,
    /// Findings of rules that are off, by rule id.
    pub hidden: Vec<(String, u64)>,
    /// Rules that made too many alerts.
    pub parked: Vec<ParkedRule>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::severity::Severity;

    fn traits(tags: &[String]) -> Traits<'_> {
        let pack = Some("sigma");
        Traits { id: "r1", tags, pack, level: Severity::Low, recommended: true }
    }

    fn book(rows: &[(&str, RuleState)]) -> RuleBook {
        let mut book = RuleBook::default();
        for (number, (text, state)) in rows.iter().enumerate() {
            let selector = Selector::parse(text.split(' ')).unwrap();
            let at = Timestamp(number as i64);
            let row = StateRow {
                selector: selector.clone(),
                state: *state,
                reason: "x".into(),
                actor: "ana".into(),
                at,
            };
            book.put_state(&selector, Some(row));
        }
        book
    }

    #[test]
    fn the_most_specific_selector_decides_whatever_the_order_of_the_decisions() {
        let tags = ["attack.t1059.001".to_owned(), "attack.execution".to_owned()];
        // From the least to the most specific: each beats all before it.
        let order = [
            "all",
            "all host:web*",
            "level:low",
            "level:low host:web01",
            "recommended",
            "recommended level:low",
            "pack:sigma",
            "pack:sigma host:web01",
            "pack:sigma level:low",
            "pack:sigma recommended",
            "tag:attack.*",
            "tag:attack.t1059*",
            "tag:attack.t1059.001",
            "tag:attack.t1059.001 pack:sigma",
            "rule:r1",
            "rule:r1 host:web*",
            "r1 host:web01",
        ];
        for last in 1..order.len() {
            let mut rows: Vec<(&str, RuleState)> =
                order[..last].iter().map(|text| (*text, RuleState::Off)).collect();
            rows.push((order[last], RuleState::DryRun));
            for _ in 0..2 {
                let book = book(&rows);
                let row = book.decision(&traits(&tags), "web01").unwrap();
                assert_eq!(row.state, RuleState::DryRun, "{} of {rows:?}", row.selector);
                rows.reverse();
            }
        }
        let elsewhere = book(&[("r1 host:web01", RuleState::Off)]);
        assert_eq!(elsewhere.decision(&traits(&tags), "db01"), None);
    }

    #[test]
    fn a_pack_that_is_off_is_left_out_unless_something_of_it_is_on() {
        assert!(!book(&[("pack:sigma", RuleState::Off)]).is_wanted("sigma"));
        assert!(book(&[("pack:sigma", RuleState::Off)]).is_wanted("other"));
        let some = [("pack:sigma", RuleState::Off), ("pack:sigma recommended", RuleState::On)];
        assert!(book(&some).is_wanted("sigma"));
        assert!(book(&[("pack:sigma", RuleState::DryRun)]).is_wanted("sigma"));
    }
}
