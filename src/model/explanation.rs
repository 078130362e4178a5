//! Why a rule held for an event or did not: the rule's condition as rows, each with what was wanted and what was there.

use crate::model::event::EventId;
use crate::stdx::time::Timestamp;

/// A value is cut to this many bytes.
pub const VALUE_BYTES_MAX: usize = 256;

/// One event held against one rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The rule.
    pub rule_id: String,
    /// Its title.
    pub rule_title: String,
    /// The event.
    pub event: EventId,
    /// When it happened.
    pub timestamp: Timestamp,
    /// Its endpoint, or empty.
    pub host: String,
    /// The rule looks at events of this kind.
    pub source_fits: bool,
    /// What the rule is for, in its own words (`windows/process_creation`).
    pub source_wanted: String,
    /// What the event is (`linux/sshd`).
    pub source_is: String,
    /// The conditions hold, whatever the log source.
    pub holds: bool,
    /// How many single conditions would have to be different for the rule to hold; 0: it holds.
    pub short: u32,
    /// Those conditions, in words; the fewest that are enough.
    pub missing: Vec<String>,
    /// The condition tree, top down.
    pub rows: Vec<Row>,
    /// Rows that did not fit.
    pub rows_left_out: u32,
}

impl Explanation {
    /// Would this be a match?
    pub fn fires(&self) -> bool {
        self.source_fits && self.holds
    }
}

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// `all of`, `1 of …`: its rows stand below it.
    Group,
    /// Holds when the row below it does not.
    Not,
    /// A detection of the rule, by its name.
    Named,
    /// A test of one field.
    Field,
    /// A test of any text of the event.
    Keyword,
    /// A test of the members of a list.
    Array,
}

impl RowKind {
    const WORDS: [(RowKind, &'static str); 6] = [
        (RowKind::Group, "group"),
        (RowKind::Not, "not"),
        (RowKind::Named, "named"),
        (RowKind::Field, "field"),
        (RowKind::Keyword, "keyword"),
        (RowKind::Array, "array"),
    ];

    /// The word, as it is written to files and sent.
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(kind, _)| *kind == self).map_or("group", |(_, word)| word)
    }

    /// Read the word.
    pub fn parse(text: &str) -> Option<RowKind> {
        Self::WORDS.iter().find(|(_, word)| *word == text).map(|(kind, _)| *kind)
    }
}

/// One node of the condition tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// How deep it stands, from 0.
    pub depth: u8,
    /// What it is.
    pub kind: RowKind,
    /// Does it hold?
    pub holds: bool,
    /// The field as the rule names it, the name of a detection, or the words of a group.
    pub name: String,
    /// The field of ours that was looked at; empty when the event has none of those that could be meant.
    pub ours: String,
    /// What stands there; `None`: nothing.
    pub actual: Option<String>,
    /// What the rule wants.
    pub wanted: String,
    /// The value of the rule that fits, or the first that is missing where all are wanted.
    pub value: String,
}

/// `text` cut to the limit at a character, with a sign that something is missing.
pub fn cut(text: &str) -> String {
    if text.len() <= VALUE_BYTES_MAX {
        return text.to_owned();
    }
    let mut end = VALUE_BYTES_MAX - '…'.len_utf8();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text.get(..end).unwrap_or_default())
}
