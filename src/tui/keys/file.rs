//! Reading a keymap file. A bad line becomes a [`KeymapProblem`] with its place and is left out; the rest holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::tui::action::call::ActionCall;
use crate::tui::keys::key::{Key, chord_name};

/// Bytes of a keymap file that are read.
pub const KEYMAP_BYTES_MAX: usize = 1024 * 1024;

/// The facts that a binding's `when` may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// Some rows are marked.
    Marked,
    /// There is something to undo.
    CanUndo,
}

impl Fact {
    /// Read the word.
    pub fn parse(text: &str) -> Option<Fact> {
        match text {
            "marked" => Some(Fact::Marked),
            "can_undo" => Some(Fact::CanUndo),
            _ => None,
        }
    }
}

/// Something wrong in a keymap or theme file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeymapProblem {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// What is wrong and what would be right. Lower case, no full stop.
    pub message: String,
}

impl std::fmt::Display for KeymapProblem {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// What a key does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// These calls, in order.
    Calls(Vec<ActionCall>),
    /// Waits for a key of this menu.
    Menu(String),
}

/// One possible meaning of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What it does.
    pub target: Target,
    /// Only then.
    pub when: Option<Fact>,
    /// The word on the hint line.
    pub hint: Option<String>,
    /// Its place on the hint line; none: not shown there.
    pub rank: Option<u32>,
}

/// All meanings of a key, the first that applies wins; empty: unbound on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The meanings.
    pub choices: Vec<Choice>,
    /// The file it was written in.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
}

/// The keys of one context or menu as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Contexts whose keys hold here too; the later win.
    pub extends: Option<Vec<String>>,
    /// The title (menus).
    pub title: Option<String>,
    /// The keys.
    pub keys: BTreeMap<Vec<Key>, Binding>,
    /// Where the table stands.
    pub line: u32,
}

/// A keymap file as written.
#[derive(Clone, Debug, Default)]
pub struct KeymapFile {
    /// `inherits = "none"`: nothing of the default keymap holds.
    pub alone: bool,
    /// Pause before the box with continuations appears, milliseconds.
    pub hint_delay_ms: Option<u64>,
    /// How long a lone escape waits for the rest of its sequence, milliseconds.
    pub esc_join_ms: Option<u64>,
    /// Characters translated in command contexts: (typed, meant).
    pub layout: Vec<(char, char)>,
    /// Contexts by name.
    pub contexts: BTreeMap<String, Table>,
    /// Menus by name.
    pub menus: BTreeMap<String, Table>,
    /// What is wrong with it.
    pub problems: Vec<KeymapProblem>,
}

impl KeymapFile {
    /// Read a file's text. `name` is used in messages.
    pub fn parse(name: &str, text: &str) -> KeymapFile {
        let mut reader = Reader { file: Arc::from(name), text, out: KeymapFile::default() };
        if text.len() > KEYMAP_BYTES_MAX {
            reader.problem(0, format!("larger than {KEYMAP_BYTES_MAX} bytes: not read"));
            return reader.out;
        }
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let at = error.span().map_or(0, |span| span.start);
            reader.problem(at, error.message().replace('\n', " "));
        }
        reader.top(table.get_ref());
        reader.out.problems.sort_by_key(|problem| problem.line);
        reader.out
    }
}

struct Reader<'a> {
    file: Arc<str>,
    text: &'a str,
    out: KeymapFile,
}

type Entry<'i> = Spanned<DeValue<'i>>;

impl Reader<'_> {
    fn line(&self, at: usize) -> u32 {
        let head = self.text.as_bytes().get(..at.min(self.text.len())).unwrap_or_default();
        u32::try_from(head.iter().filter(|byte| **byte == b'\n').count() + 1).unwrap_or(u32::MAX)
    }

    fn problem(&mut self, at: usize, message: String) {
        let line = self.line(at);
        self.out.problems.push(KeymapProblem { file: Arc::clone(&self.file), line, message });
    }

    fn top(&mut self, table: &DeTable<'_>) {
        for (key, value) in table {
            let at = key.span().start;
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("schema", value) => {
                    if value.as_integer().map(|number| number.as_str()) != Some("1") {
                        self.problem(at, "schema is not 1: this program reads schema 1".to_owned());
                    }
                }
                ("name", _) => {}
                ("inherits", value) => match value.as_str() {
                    Some("none") => self.out.alone = true,
                    Some("default") => {}
                    _ => self.problem(at, "inherits is \"default\" or \"none\"".to_owned()),
                },
                ("options", DeValue::Table(options)) => self.options(options),
                ("layout", DeValue::Table(layout)) => self.layout(at, layout),
                ("menu", DeValue::Table(menus)) => {
                    for (name, menu) in menus {
                        let table = self.table(name.span().start, menu);
                        self.out.menus.insert(name.get_ref().to_string(), table);
                    }
                }
                ("ctx", DeValue::Table(contexts)) => {
                    for (name, context) in contexts {
                        let table = self.table(name.span().start, context);
                        self.out.contexts.insert(name.get_ref().to_string(), table);
                    }
                }
                (other, _) => {
                    let known = ["schema", "name", "inherits", "options", "layout", "menu", "ctx"];
                    self.unknown(at, other, &known);
                }
            }
        }
    }

    fn unknown(&mut self, at: usize, name: &str, known: &[&str]) {
        let near = known.iter().min_by_key(|word| strsim::damerau_levenshtein(name, word));
        let near = near.copied().unwrap_or("");
        self.problem(at, format!("unknown key {name}: did you mean {near}?"));
    }

    fn options(&mut self, options: &DeTable<'_>) {
        for (key, value) in options {
            let at = key.span().start;
            let number = value.get_ref().as_integer().and_then(|n| n.as_str().parse::<u64>().ok());
            match (key.get_ref().as_ref(), number.filter(|ms| *ms <= 60_000)) {
                ("hint_delay_ms", Some(ms)) => self.out.hint_delay_ms = Some(ms),
                ("esc_join_ms", Some(ms)) => self.out.esc_join_ms = Some(ms),
                ("hint_delay_ms" | "esc_join_ms", None) => {
                    self.problem(at, format!("{} is a number from 0 to 60000", key.get_ref()));
                }
                (other, _) => self.unknown(at, other, &["hint_delay_ms", "esc_join_ms"]),
            }
        }
    }

    fn layout(&mut self, at: usize, layout: &DeTable<'_>) {
        let side = |name: &str| {
            let entry = layout.iter().find(|(key, _)| key.get_ref().as_ref() == name);
            entry.and_then(|(_, value)| value.get_ref().as_str()).unwrap_or("").to_owned()
        };
        let (from, to) = (side("from"), side("to"));
        if from.is_empty() || from.chars().count() != to.chars().count() {
            self.problem(at, "layout needs from and to with the same number of characters".into());
            return;
        }
        self.out.layout = from.chars().zip(to.chars()).collect();
    }

    fn table(&mut self, at: usize, value: &Entry<'_>) -> Table {
        let mut out = Table { line: self.line(at), ..Table::default() };
        let DeValue::Table(entries) = value.get_ref() else {
            self.problem(at, "a context or menu is a table".to_owned());
            return out;
        };
        for (key, value) in entries {
            let at = key.span().start;
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("extends", DeValue::Array(names)) => {
                    let names = names.iter().filter_map(|name| name.get_ref().as_str());
                    out.extends = Some(names.map(str::to_owned).collect());
                }
                ("title", DeValue::String(title)) => out.title = Some(title.to_string()),
                (name, _) => {
                    let Some(chord) = Key::parse_chord(name) else {
                        self.problem(at, format!("{name} is no key: write ctrl-x, alt-x, f1, g g"));
                        continue;
                    };
                    if let Some(choices) = self.choices(at, value) {
                        let binding = self.binding(at, choices);
                        if out.keys.insert(chord.clone(), binding).is_some() {
                            self.problem(at, format!("{} is bound twice", chord_name(&chord)));
                        }
                    }
                }
            }
        }
        out
    }

    fn binding(&self, at: usize, choices: Vec<Choice>) -> Binding {
        Binding { choices, file: Arc::clone(&self.file), line: self.line(at) }
    }

    fn choices(&mut self, at: usize, value: &Entry<'_>) -> Option<Vec<Choice>> {
        match value.get_ref() {
            DeValue::Boolean(false) => Some(Vec::new()),
            DeValue::String(_) => Some(vec![plain(Target::Calls(vec![self.call(value)?]))]),
            DeValue::Table(table) => Some(vec![self.choice(at, table)?]),
            DeValue::Array(items) if items.iter().all(|item| item.get_ref().is_str()) => {
                let calls: Option<Vec<ActionCall>> =
                    items.iter().map(|item| self.call(item)).collect();
                Some(vec![plain(Target::Calls(calls.filter(|calls| !calls.is_empty())?))])
            }
            DeValue::Array(items) => {
                let mut choices = Vec::new();
                for item in items.iter() {
                    let DeValue::Table(table) = item.get_ref() else {
                        self.problem(at, "a list holds calls or tables, not both".to_owned());
                        return None;
                    };
                    choices.push(self.choice(item.span().start, table)?);
                }
                Some(choices)
            }
            _ => {
                self.problem(
                    at,
                    "a key does \"action\", [\"a\", \"b\"], { menu = … }, { do = … } or false"
                        .into(),
                );
                None
            }
        }
    }

    fn call(&mut self, value: &Entry<'_>) -> Option<ActionCall> {
        match ActionCall::parse(value.get_ref().as_str().unwrap_or("")) {
            Ok(call) => Some(call),
            Err(error) => {
                self.problem(value.span().start, error.to_string());
                None
            }
        }
    }

    fn choice(&mut self, at: usize, table: &DeTable<'_>) -> Option<Choice> {
        let mut choice = plain(Target::Calls(Vec::new()));
        for (key, value) in table {
            let at = key.span().start;
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("do", DeValue::String(_)) => {
                    choice.target = Target::Calls(vec![self.call(value)?]);
                }
                ("menu", DeValue::String(name)) => choice.target = Target::Menu(name.to_string()),
                ("hint", DeValue::String(hint)) => choice.hint = Some(hint.to_string()),
                ("rank", DeValue::Integer(rank)) => choice.rank = rank.as_str().parse().ok(),
                ("when", DeValue::String(fact)) => {
                    choice.when = Fact::parse(fact);
                    if choice.when.is_none() {
                        self.problem(at, format!("unknown fact {fact}: marked or can_undo"));
                        return None;
                    }
                }
                (other, _) => self.unknown(at, other, &["do", "menu", "hint", "rank", "when"]),
            }
        }
        if choice.target == Target::Calls(Vec::new()) {
            self.problem(at, "needs do = \"action\" or menu = \"name\"".to_owned());
            return None;
        }
        Some(choice)
    }
}

fn plain(target: Target) -> Choice {
    Choice { target, when: None, hint: None, rank: None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn problems(text: &str) -> Vec<String> {
        KeymapFile::parse("k.toml", text).problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_bad_line_is_named_and_the_rest_holds() {
        let text = "schema = 1\n[ctx.list]\nj = \"cursor.nxt\"\nk = \"cursor.previous\"\n\
                    \"ctrl-\" = \"undo\"\nx = 3\nv = { menu = \"verdict\", rnk = 1 }\n";
        let file = KeymapFile::parse("k.toml", text);
        let messages = problems(text);
        assert_eq!(messages[0], "k.toml:3: unknown action cursor.nxt: did you mean cursor.next?");
        assert!(messages.iter().any(|m| m.starts_with("k.toml:5: ctrl- is no key")));
        assert!(messages.iter().any(|m| m.starts_with("k.toml:6: a key does")));
        assert!(messages.iter().any(|m| m == "k.toml:7: unknown key rnk: did you mean rank?"));
        assert_eq!(file.contexts["list"].keys.len(), 2);
    }

    #[test]
    fn broken_toml_keeps_what_can_be_read() {
        let messages = problems("[ctx.list]\nj = \"cursor.next\nk = \"cursor.previous\"\n");
        assert!(messages.iter().any(|m| m.starts_with("k.toml:2:")), "{messages:?}");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,200}", lines in "([a-z.\\[\\]=\" {}0-9-]{0,20}\n){0,8}") {
            KeymapFile::parse("x", &text);
            KeymapFile::parse("x", &lines);
        }
    }
}
