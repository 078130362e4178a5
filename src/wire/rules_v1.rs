//! The life of rules as JSON: the book of decisions, its changes and what may be asked for. The API, the alert store
//! and the file `rules/book.json` of the data folder use these forms: fields are only added, with a default.

use serde::{Deserialize, Serialize};

use crate::model::rule_life::{self, RuleState, StateRow, Take};
use crate::model::severity::Severity;
use crate::stdx::time::Timestamp;
use crate::wire::noise_v1::Parked;
use crate::wire::problem_v1::{WireError, time};

/// Which rules, and where.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Selector {
    /// The rule's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// A tag with `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The pack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pack: Option<String>,
    /// Only recommended ones.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recommended: bool,
    /// The level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// The endpoint with `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Which rules.
    pub selector: Selector,
    /// `off`, `dry-run` or `on`.
    pub state: String,
    /// Why.
    pub reason: String,
    /// Who.
    pub actor: String,
    /// When.
    pub at: String,
}

/// A pack in use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pack {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// A hash of the local edits; empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub local: String,
    /// Files that wait for a decision.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<Conflict>,
}

/// A file that waits for a decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conflict {
    /// The file.
    pub file: String,
    /// The version of the pack that the edit was made from.
    pub base: String,
}

/// Everything that people decided.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Book {
    /// The states.
    #[serde(default)]
    pub states: Vec<State>,
    /// The packs.
    #[serde(default)]
    pub packs: Vec<Pack>,
}

/// `GET /rules/book`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// The book.
    pub book: Book,
    /// Findings counted and not alerted, by rule id.
    pub dry_run: Vec<(String, u64)>,
    /// Findings of rules that are off, by rule id.
    pub hidden: Vec<(String, u64)>,
    /// Rules that made too many alerts.
    #[serde(default)]
    pub parked: Vec<Parked>,
}

/// One change; a row of `GET /rules/history`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Its number.
    pub id: u64,
    /// When.
    pub at: String,
    /// Who.
    pub actor: String,
    /// From where.
    pub place: String,
    /// What kind of change.
    pub kind: String,
    /// What was changed.
    pub subject: String,
    /// Why.
    pub reason: String,
    /// The book before.
    pub before: Book,
    /// The book after.
    pub after: Book,
}

/// `POST /rules/change`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// A state for some rules.
    State {
        /// Which rules.
        selector: Selector,
        /// `off`, `dry-run`, `on`; `null`: take the decision back.
        state: Option<String>,
    },
    /// A staged pack.
    Pack {
        /// The staged folder's name.
        staged: String,
    },
    /// A pack that is no longer used.
    Remove {
        /// The pack.
        pack: String,
    },
    /// A decided conflict.
    Resolve {
        /// The pack.
        pack: String,
        /// The file.
        file: String,
        /// `mine`, `theirs` or `text`.
        take: String,
        /// The text, for `text`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// A parked rule goes on.
    Release {
        /// The rule.
        rule: String,
    },
    /// Back to an earlier book.
    Rollback {
        /// The change whose book is wanted; `null`: what was before the last.
        to: Option<u64>,
    },
}

/// The body of `POST /rules/change`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// What is to be changed.
    pub change: Request,
    /// Why.
    pub reason: String,
}

impl From<&rule_life::Selector> for Selector {
    fn from(selector: &rule_life::Selector) -> Selector {
        Selector {
            rule: selector.rule.clone(),
            tag: selector.tag.clone(),
            pack: selector.pack.clone(),
            recommended: selector.recommended,
            level: selector.level.map(|level| level.as_str().to_owned()),
            host: selector.host.clone(),
        }
    }
}

impl TryFrom<Selector> for rule_life::Selector {
    type Error = WireError;

    fn try_from(wire: Selector) -> Result<rule_life::Selector, WireError> {
        let level = wire.level.map(|word| {
            Severity::parse(&word).ok_or_else(|| WireError::new("selector.level", word.as_str()))
        });
        Ok(rule_life::Selector {
            rule: wire.rule,
            tag: wire.tag,
            pack: wire.pack,
            recommended: wire.recommended,
            level: level.transpose()?,
            host: wire.host,
        })
    }
}

fn state(word: &str) -> Result<RuleState, WireError> {
    RuleState::parse(word).ok_or_else(|| WireError::new("state", word))
}

impl From<&StateRow> for State {
    fn from(row: &StateRow) -> State {
        State {
            selector: Selector::from(&row.selector),
            state: row.state.as_str().to_owned(),
            reason: row.reason.clone(),
            actor: row.actor.clone(),
            at: row.at.to_string(),
        }
    }
}

impl TryFrom<State> for StateRow {
    type Error = WireError;

    fn try_from(wire: State) -> Result<StateRow, WireError> {
        Ok(StateRow {
            selector: wire.selector.try_into()?,
            state: state(&wire.state)?,
            reason: wire.reason,
            actor: wire.actor,
            at: time("states.at", &wire.at)?,
        })
    }
}

impl From<&rule_life::RuleBook> for Book {
    fn from(book: &rule_life::RuleBook) -> Book {
        let pack = |pack: &rule_life::PackInUse| Pack {
            name: pack.name.clone(),
            version: pack.version.clone(),
            local: pack.local.clone(),
            conflicts: pack
                .conflicts
                .iter()
                .map(|one| Conflict { file: one.file.clone(), base: one.base.clone() })
                .collect(),
        };
        Book {
            states: book.states.iter().map(State::from).collect(),
            packs: book.packs.iter().map(pack).collect(),
        }
    }
}

impl TryFrom<Book> for rule_life::RuleBook {
    type Error = WireError;

    fn try_from(wire: Book) -> Result<rule_life::RuleBook, WireError> {
        let mut book = rule_life::RuleBook::default();
        for row in wire.states {
            let row = StateRow::try_from(row)?;
            // Puts them in the order in which they are asked.
            book.put_state(&row.selector.clone(), Some(row));
        }
        for pack in wire.packs {
            let conflict = |one: Conflict| rule_life::Conflict { file: one.file, base: one.base };
            book.put_pack(rule_life::PackInUse {
                name: pack.name,
                version: pack.version,
                local: pack.local,
                conflicts: pack.conflicts.into_iter().map(conflict).collect(),
            });
        }
        Ok(book)
    }
}

impl From<&rule_life::RuleView> for View {
    fn from(view: &rule_life::RuleView) -> View {
        View {
            book: Book::from(&view.book),
            dry_run: view.dry_run.clone(),
            hidden: view.hidden.clone(),
            parked: view.parked.iter().map(Parked::from).collect(),
        }
    }
}

impl TryFrom<View> for rule_life::RuleView {
    type Error = WireError;

    fn try_from(wire: View) -> Result<rule_life::RuleView, WireError> {
        let View { book, dry_run, hidden, parked } = wire;
        let parked = parked.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?;
        Ok(rule_life::RuleView { book: book.try_into()?, dry_run, hidden, parked })
    }
}

impl From<&rule_life::RuleChange> for Change {
    fn from(change: &rule_life::RuleChange) -> Change {
        Change {
            id: change.id,
            at: change.at.to_string(),
            actor: change.actor.clone(),
            place: change.place.clone(),
            kind: change.kind.clone(),
            subject: change.subject.clone(),
            reason: change.reason.clone(),
            before: Book::from(&change.before),
            after: Book::from(&change.after),
        }
    }
}

impl TryFrom<Change> for rule_life::RuleChange {
    type Error = WireError;

    fn try_from(wire: Change) -> Result<rule_life::RuleChange, WireError> {
        Ok(rule_life::RuleChange {
            id: wire.id,
            at: time("at", &wire.at)?,
            actor: wire.actor,
            place: wire.place,
            kind: wire.kind,
            subject: wire.subject,
            reason: wire.reason,
            before: wire.before.try_into()?,
            after: wire.after.try_into()?,
        })
    }
}

impl From<&rule_life::RuleRequest> for Request {
    fn from(request: &rule_life::RuleRequest) -> Request {
        use rule_life::RuleRequest as Asked;
        match request {
            Asked::State { selector, state } => Request::State {
                selector: Selector::from(selector),
                state: state.map(|state| state.as_str().to_owned()),
            },
            Asked::Pack { staged } => Request::Pack { staged: staged.clone() },
            Asked::Remove { pack } => Request::Remove { pack: pack.clone() },
            Asked::Resolve { pack, file, take } => {
                let (take, text) = match take {
                    Take::Mine => ("mine", None),
                    Take::Theirs => ("theirs", None),
                    Take::Text(text) => ("text", Some(text.clone())),
                };
                let (pack, file) = (pack.clone(), file.clone());
                Request::Resolve { pack, file, take: take.to_owned(), text }
            }
            Asked::Release { rule } => Request::Release { rule: rule.clone() },
            Asked::Rollback { to } => Request::Rollback { to: *to },
        }
    }
}

impl TryFrom<Request> for rule_life::RuleRequest {
    type Error = WireError;

    fn try_from(wire: Request) -> Result<rule_life::RuleRequest, WireError> {
        use rule_life::RuleRequest as Asked;
        Ok(match wire {
            Request::State { selector, state: word } => Asked::State {
                selector: selector.try_into()?,
                state: word.map(|word| state(&word)).transpose()?,
            },
            Request::Pack { staged } => Asked::Pack { staged },
            Request::Remove { pack } => Asked::Remove { pack },
            Request::Resolve { pack, file, take, text } => {
                let take = match (take.as_str(), text) {
                    ("mine", None) => Take::Mine,
                    ("theirs", None) => Take::Theirs,
                    ("text", Some(text)) => Take::Text(text),
                    _ => return Err(WireError::new("take", &take)),
                };
                Asked::Resolve { pack, file, take }
            }
            Request::Release { rule } => Asked::Release { rule },
            Request::Rollback { to } => Asked::Rollback { to },
        })
    }
}

/// A book that cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum BadBook {
    /// Not JSON, or not of this form.
    #[error("the book of rules is damaged")]
    Json(#[from] serde_json::Error),
    /// A word that this version does not know.
    #[error("the book of rules cannot be read")]
    Word(#[from] WireError),
}

/// The book as text.
pub fn write_book(book: &rule_life::RuleBook) -> String {
    // Texts and numbers only: nothing in it can fail to be written.
    serde_json::to_string(&Book::from(book)).unwrap_or_default()
}

/// The book from text.
pub fn read_book(text: &str) -> Result<rule_life::RuleBook, BadBook> {
    let book: Book = serde_json::from_str(text)?;
    Ok(book.try_into()?)
}

/// The row of a rule that was switched off before there was a book.
pub fn rule_off(rule: &str, reason: &str, actor: &str, at: Timestamp) -> StateRow {
    StateRow {
        selector: rule_life::Selector::of_rule(rule),
        state: RuleState::Off,
        reason: reason.to_owned(),
        actor: actor.to_owned(),
        at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_book_and_what_is_asked_come_back_as_they_went() {
        let mut book = rule_life::RuleBook::default();
        let row = rule_off("a/b \u{1b} ?", "\"why\"", "ana", Timestamp(5));
        book.put_state(&row.selector.clone(), Some(row));
        let conflicts = vec![rule_life::Conflict { file: "x.yml".into(), base: "1".into() }];
        let (name, version) = ("sigma".into(), "2".into());
        book.put_pack(rule_life::PackInUse { name, version, local: "ab".into(), conflicts });
        assert_eq!(read_book(&write_book(&book)).unwrap(), book);
        assert!(read_book("{").is_err());
        let odd = r#"{"states":[{"selector":{},"state":"loud","reason":"","actor":"","at":"2026-01-01T00:00:00Z"}]}"#;
        assert!(read_book(odd).is_err());
        for request in [
            rule_life::RuleRequest::State {
                selector: book.states[0].selector.clone(),
                state: None,
            },
            rule_life::RuleRequest::Rollback { to: Some(3) },
            rule_life::RuleRequest::Release { rule: "a/b".into() },
            rule_life::RuleRequest::Resolve {
                pack: "p".into(),
                file: "f".into(),
                take: Take::Text("t".into()),
            },
        ] {
            let text = serde_json::to_string(&Request::from(&request)).unwrap();
            let back: Request = serde_json::from_str(&text).unwrap();
            assert_eq!(rule_life::RuleRequest::try_from(back).unwrap(), request);
        }
    }
}
