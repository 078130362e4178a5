//! The keymap in force: files laid over each other, contexts flattened, and the questions that the screen and
//! the command line ask of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::tui::action::ActionId;
use crate::tui::action::call::ActionCall;
use crate::tui::keys::check;
use crate::tui::keys::file::{Binding, Choice, Fact, KeymapFile, KeymapProblem, Table, Target};
use crate::tui::keys::key::{Key, chord_name};

/// The built-in keymap's text.
pub const DEFAULT_KEYMAP: &str = include_str!("../../../keymaps/default.toml");

/// All bindings of one context: chord to binding, menus expanded.
pub type Flat = BTreeMap<Vec<Key>, Binding>;

/// The keymap in force.
#[derive(Clone, Debug)]
pub struct Keymap {
    /// Pause before the box with continuations appears, milliseconds.
    pub hint_delay_ms: u64,
    /// How long a lone escape waits for the rest of its sequence, milliseconds.
    pub esc_join_ms: u64,
    /// What is wrong with the files; the keymap works all the same.
    pub problems: Vec<KeymapProblem>,
    pub(super) merged: KeymapFile,
    flat: BTreeMap<String, Flat>,
    titles: BTreeMap<(String, Vec<Key>), String>,
}

/// One row of `keymap list`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeymapRow {
    /// The context.
    pub context: String,
    /// The chord as it is written.
    pub chord: String,
    /// The calls as they are written.
    pub calls: String,
    /// What it does, in words.
    pub title: String,
    /// The file it comes from.
    pub file: String,
    /// The line there.
    pub line: u32,
}

/// One entry of the hint line or of the box with continuations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The key.
    pub key: String,
    /// The words.
    pub text: String,
    /// What it calls; `None` for a menu.
    pub call: Option<ActionCall>,
}

impl Keymap {
    /// The built-in keymap alone.
    pub fn builtin() -> Keymap {
        Keymap::build(&[])
    }

    /// The built-in keymap with files laid over it, (name, text) each, later wins.
    pub fn build(files: &[(&str, &str)]) -> Keymap {
        let mut merged = KeymapFile::parse("default", DEFAULT_KEYMAP);
        for (name, text) in files {
            lay_over(&mut merged, KeymapFile::parse(name, text));
        }
        let mut problems = std::mem::take(&mut merged.problems);
        let mut flat = BTreeMap::new();
        let mut titles = BTreeMap::new();
        for name in merged.contexts.keys() {
            let mut context = Flat::new();
            flatten(&merged, name, &mut BTreeSet::new(), &mut context);
            let expanded = expand(&merged, name, &context, &mut titles, &mut problems);
            flat.insert(name.clone(), expanded);
        }
        let mut keymap = Keymap {
            hint_delay_ms: merged.hint_delay_ms.unwrap_or(350),
            esc_join_ms: merged.esc_join_ms.unwrap_or(40),
            problems,
            merged,
            flat,
            titles,
        };
        let found = check::check(&keymap);
        keymap.problems.extend(found);
        keymap.problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        keymap.problems.dedup();
        keymap
    }

    /// The contexts.
    pub fn contexts(&self) -> impl Iterator<Item = &str> {
        self.flat.keys().map(String::as_str)
    }

    /// A context's bindings.
    pub fn flat(&self, context: &str) -> Option<&Flat> {
        self.flat.get(context)
    }

    /// The meaning that a typed character has in this keyboard layout.
    pub fn translate(&self, key: Key) -> Key {
        let Some(typed) = key.typed() else { return key };
        let meant = self.merged.layout.iter().find(|(from, _)| *from == typed);
        meant.map_or(key, |(_, to)| Key::char(*to))
    }

    /// Every binding, for `keymap list`; `context` narrows it.
    pub fn list(&self, context: Option<&str>) -> Vec<KeymapRow> {
        let chosen = self.flat.iter().filter(|(name, _)| context.is_none_or(|want| want == *name));
        chosen
            .flat_map(|(name, flat)| {
                flat.iter().flat_map(move |(chord, binding)| {
                    binding.choices.iter().map(move |choice| row(name, chord, binding, choice))
                })
            })
            .collect()
    }

    /// Where and what a chord is, in every context, for `keymap explain "v f"`.
    pub fn explain(&self, chord: &[Key]) -> Vec<KeymapRow> {
        let wanted = chord_name(chord);
        self.list(None)
            .into_iter()
            .filter(|row| row.chord == wanted || row.chord.starts_with(&format!("{wanted} ")))
            .collect()
    }

    /// The shortest chord for an action in a context, preferring one without arguments that differ.
    pub fn chord_of(&self, context: &str, call: &ActionCall) -> Option<String> {
        self.chords(context, |candidate| candidate == call)
    }

    /// The shortest chord that calls an action in a context, whatever the arguments.
    pub fn chord_of_action(&self, context: &str, id: ActionId) -> Option<String> {
        self.chords(context, |candidate| candidate.id == id)
    }

    fn chords(&self, context: &str, fits: impl Fn(&ActionCall) -> bool) -> Option<String> {
        let flat = self.flat.get(context)?;
        let mut found: Vec<&Vec<Key>> = flat
            .iter()
            .filter(|(_, binding)| {
                binding.choices.iter().any(|choice| {
                    matches!(&choice.target, Target::Calls(calls) if calls.first().is_some_and(&fits))
                })
            })
            .map(|(chord, _)| chord)
            .collect();
        found.sort_by_key(|chord| (chord.len(), chord_name(chord).len()));
        found.first().map(|chord| chord_name(chord))
    }

    /// The title of the menu that a chord opens in a context.
    pub fn menu_title(&self, context: &str, prefix: &[Key]) -> Option<&str> {
        self.titles.get(&(context.to_owned(), prefix.to_vec())).map(String::as_str)
    }

    /// What may follow a half-typed chord.
    pub fn continuations(&self, context: &str, prefix: &[Key]) -> Vec<Hint> {
        let Some(flat) = self.flat.get(context) else { return Vec::new() };
        let mut hints: Vec<Hint> = Vec::new();
        for (chord, binding) in flat {
            let Some(rest) = chord.strip_prefix(prefix).filter(|rest| !rest.is_empty()) else {
                continue;
            };
            let Some(choice) = binding.choices.first() else { continue };
            let (text, call) = describe(choice);
            hints.push(Hint { key: chord_name(rest), text, call });
        }
        hints
    }

    /// The hint line of a context, best first.
    pub fn hints(&self, context: &str, fact: impl Fn(Fact) -> bool) -> Vec<Hint> {
        let mut ranked: Vec<(u32, Hint)> = Vec::new();
        let mut seen = BTreeSet::new();
        let Some(table) = self.flat.get(context) else { return Vec::new() };
        let mut offer = |chord: &[Key], choices: &[Choice]| {
            let applies = |choice: &&Choice| choice.when.is_none_or(&fact);
            if let Some(choice) = choices.iter().find(applies)
                && let (Some(rank), Some(hint)) = (choice.rank, &choice.hint)
                && seen.insert(chord.to_vec())
            {
                let call = describe(choice).1;
                ranked.push((rank, Hint { key: chord_name(chord), text: hint.clone(), call }));
            }
        };
        for (chord, binding) in table {
            offer(chord, &binding.choices);
        }
        let mut menus = Flat::new();
        flatten(&self.merged, context, &mut BTreeSet::new(), &mut menus);
        for (chord, binding) in &menus {
            offer(chord, &binding.choices);
        }
        ranked.sort_by_key(|(rank, _)| *rank);
        ranked.into_iter().map(|(_, hint)| hint).collect()
    }
}

fn describe(choice: &Choice) -> (String, Option<ActionCall>) {
    match &choice.target {
        Target::Calls(calls) => {
            let text = calls.first().map(ActionCall::title).unwrap_or_default();
            (text, calls.first().cloned())
        }
        Target::Menu(name) => (name.clone(), None),
    }
}

fn row(context: &str, chord: &[Key], binding: &Binding, choice: &Choice) -> KeymapRow {
    let calls = match &choice.target {
        Target::Calls(calls) => {
            calls.iter().map(ToString::to_string).collect::<Vec<_>>().join(", then ")
        }
        Target::Menu(name) => format!("menu {name}"),
    };
    KeymapRow {
        context: context.to_owned(),
        chord: chord_name(chord),
        calls,
        title: describe(choice).0,
        file: binding.file.to_string(),
        line: binding.line,
    }
}

/// Lay a file over another: per key, the upper one wins.
fn lay_over(under: &mut KeymapFile, over: KeymapFile) {
    if over.alone {
        under.contexts.clear();
        under.menus.clear();
    }
    under.hint_delay_ms = over.hint_delay_ms.or(under.hint_delay_ms);
    under.esc_join_ms = over.esc_join_ms.or(under.esc_join_ms);
    if !over.layout.is_empty() {
        under.layout = over.layout;
    }
    under.problems.extend(over.problems);
    for (into, from) in [(&mut under.contexts, over.contexts), (&mut under.menus, over.menus)] {
        for (name, table) in from {
            let target: &mut Table = into.entry(name).or_default();
            target.extends = table.extends.or_else(|| target.extends.take());
            target.title = table.title.or_else(|| target.title.take());
            target.line = table.line;
            for chord in table.keys.keys() {
                displace(&mut target.keys, chord);
            }
            target.keys.extend(table.keys);
        }
    }
}

/// Remove what a new chord makes unreachable.
fn displace(keys: &mut BTreeMap<Vec<Key>, Binding>, chord: &[Key]) {
    keys.retain(|known, binding| {
        let leaf = binding.choices.iter().all(|choice| matches!(choice.target, Target::Calls(_)));
        let shadowed = known.starts_with(chord) || chord.starts_with(known) && leaf;
        !shadowed
    });
}

/// The keys of a context and of all it extends: its own win, then the last named.
fn flatten(file: &KeymapFile, name: &str, path: &mut BTreeSet<String>, out: &mut Flat) {
    let Some(table) = file.contexts.get(name) else { return };
    if !path.insert(name.to_owned()) {
        return;
    }
    for parent in table.extends.iter().flatten() {
        flatten(file, parent, path, out);
    }
    path.remove(name);
    for chord in table.keys.keys() {
        displace(out, chord);
    }
    out.extend(table.keys.iter().map(|(chord, binding)| (chord.clone(), binding.clone())));
}

/// Replace menus by chords.
fn expand(
    file: &KeymapFile,
    context: &str,
    keys: &Flat,
    titles: &mut BTreeMap<(String, Vec<Key>), String>,
    problems: &mut Vec<KeymapProblem>,
) -> Flat {
    let mut out = Flat::new();
    for (chord, binding) in keys {
        let menu = binding.choices.iter().find_map(|choice| match &choice.target {
            Target::Menu(name) => Some(name),
            Target::Calls(_) => None,
        });
        let Some(name) = menu else {
            if !binding.choices.is_empty() {
                out.insert(chord.clone(), binding.clone());
            }
            continue;
        };
        let Some(menu) = file.menus.get(name) else {
            let known = file.menus.keys().map(String::as_str);
            let near = known.min_by_key(|known| strsim::damerau_levenshtein(name, known));
            let near = near.map(|near| format!(": did you mean {near}?")).unwrap_or_default();
            problems.push(KeymapProblem {
                file: binding.file.clone(),
                line: binding.line,
                message: format!("unknown menu {name}{near}"),
            });
            continue;
        };
        let title = menu.title.clone().unwrap_or_else(|| name.clone());
        titles.insert((context.to_owned(), chord.clone()), title);
        for (rest, binding) in menu.keys.iter().filter(|(_, binding)| !binding.choices.is_empty()) {
            let whole: Vec<Key> = chord.iter().chain(rest).copied().collect();
            out.entry(whole).or_insert_with(|| binding.clone());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::action;

    #[test]
    fn the_default_keymap_is_clean_and_complete() {
        let keymap = Keymap::builtin();
        assert_eq!(keymap.problems, Vec::new());
        let bound: BTreeSet<&str> = keymap
            .flat
            .values()
            .flat_map(|flat| flat.values())
            .flat_map(|binding| &binding.choices)
            .flat_map(|choice| match &choice.target {
                Target::Calls(calls) => calls.iter().map(|call| call.id.spec().name).collect(),
                Target::Menu(_) => Vec::new(),
            })
            .collect();
        for spec in action::registry() {
            assert!(bound.contains(spec.name), "{} has no key", spec.name);
        }
    }

    #[test]
    fn chords_hints_and_places_are_found() {
        let keymap = Keymap::builtin();
        let call = ActionCall::parse("alert.verdict kind=false_positive").unwrap();
        assert_eq!(keymap.chord_of("queue", &call).as_deref(), Some("v f"));
        assert_eq!(keymap.menu_title("queue", &[Key::char('v')]), Some("Verdict"));
        assert_eq!(keymap.continuations("queue", &[Key::char('s')]).len(), 5);
        let hints = keymap.hints("queue", |_| false);
        let keys: Vec<&str> = hints.iter().map(|hint| hint.key.as_str()).collect();
        assert_eq!(keys, ["v", "a", "c", "s", "J", "e", "enter", "x", "/", "u", "y", "m", "r"]);
        let rows = keymap.explain(&Key::parse_chord("v f").unwrap());
        assert!(rows.iter().all(|row| row.file == "default" && row.line > 10));
        assert_eq!(rows.iter().filter(|row| row.context == "queue").count(), 1);
    }

    #[test]
    fn a_users_file_wins_per_key() {
        let text = "[ctx.queue]\nj = \"undo\"\nk = false\nv = \"note.compose\"\n\"s z\" = \"alert.wake\"\n\
                    [menu.verdict]\nq = \"verdict.sheet\"\n[layout]\nfrom = \"о\"\nto = \"j\"\n";
        let keymap = Keymap::build(&[("mine.toml", text)]);
        assert_eq!(keymap.problems, Vec::new());
        let queue = keymap.flat("queue").unwrap();
        assert_eq!(queue[&vec![Key::char('j')]].file.as_ref(), "mine.toml");
        assert!(!queue.contains_key(&vec![Key::char('k')]));
        assert!(queue.contains_key(&vec![Key::char('v')]));
        assert!(!queue.contains_key(&Key::parse_chord("v f").unwrap()));
        assert!(queue.contains_key(&Key::parse_chord("s z").unwrap()));
        assert!(queue.contains_key(&Key::parse_chord("s 4").unwrap()));
        let detail = keymap.flat("detail").unwrap();
        assert!(detail.contains_key(&Key::parse_chord("v q").unwrap()));
        assert_eq!(keymap.translate(Key::char('о')), Key::char('j'));
    }
}
