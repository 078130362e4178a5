//! Actions: what can be done, declared once. Keymap, palette, command line, help, hints and tests read this table.

pub mod call;
pub mod table;

pub use table::ActionId;

/// What confirming and undoing an action takes; the screen's behaviour follows from the class alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Changes what is shown.
    U0,
    /// Private to this analyst (marks, drafts).
    U1,
    /// Shared and reversible: shown at once, applied for others after the undo window.
    U2,
    /// Broad: asks first, then like U2.
    U3,
    /// External or irreversible: typed confirmation.
    U4,
}

/// What an argument may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number from 0.
    Number,
    /// `30m`, `4h`, `7d`.
    Duration,
    /// Any text.
    Text,
}

/// One parameter of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its name, as in `kind=false_positive`.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// May it be left out?
    pub required: bool,
}

/// One action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActionSpec {
    /// Its id.
    pub id: ActionId,
    /// The name in keymap files and on the command line: `alert.verdict`.
    pub name: &'static str,
    /// A few words for menus and hints.
    pub title: &'static str,
    /// A sentence for help.
    pub doc: &'static str,
    /// Its parameters.
    pub params: &'static [Param],
    /// Its class.
    pub class: Class,
    /// The keymap contexts in which it means something; `global` is everywhere outside text and dialogs.
    pub contexts: &'static [&'static str],
    /// Other names on the command line.
    pub aliases: &'static [&'static str],
}

/// Every action there is, in the order of help.
pub fn registry() -> &'static [ActionSpec] {
    table::ACTIONS
}

/// The action with this name or alias.
pub fn by_name(name: &str) -> Option<&'static ActionSpec> {
    registry()
        .iter()
        .find(|spec| spec.name == name)
        .or_else(|| registry().iter().find(|spec| spec.aliases.contains(&name)))
}

/// The names nearest to a misspelt one, best first, at most three.
pub fn nearest(name: &str) -> Vec<&'static str> {
    let mut scored: Vec<(usize, &'static str)> = registry()
        .iter()
        .flat_map(|spec| std::iter::once(spec.name).chain(spec.aliases.iter().copied()))
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|(distance, known)| *distance <= known.len() / 3 + 1)
        .collect();
    scored.sort_unstable();
    scored.into_iter().take(3).map(|(_, known)| known).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_aliases_are_unique_and_documented() {
        let mut seen = BTreeSet::new();
        for spec in registry() {
            assert!(seen.insert(spec.name), "{} twice", spec.name);
            for alias in spec.aliases {
                assert!(seen.insert(alias), "{alias} twice");
            }
            assert!(!spec.title.is_empty() && spec.doc.ends_with('.'), "{}", spec.name);
            assert!(!spec.contexts.is_empty(), "{}", spec.name);
        }
        assert_eq!(nearest("alert.verdct").first(), Some(&"alert.verdict"));
    }
}
