//! What can be wrong with a keymap as a whole: names that lead nowhere, keys that hide others, keys that no
//! terminal sends, single keys that change shared state where a split escape sequence could press them, and
//! contexts without a way out.

use crate::tui::action::{ActionId, Class};
use crate::tui::keys::file::{Binding, KeymapProblem, Target};
use crate::tui::keys::key::{Code, Key, chord_name};
use crate::tui::keys::keymap::Keymap;

/// Contexts in which typed characters are text or a dialog waits: they need an exit, not the whole set.
const MODAL: [&str; 6] = ["text", "text_row", "sheet", "prompt", "picker", "confirm"];

/// What every other context must reach.
const NEEDED: [ActionId; 4] =
    [ActionId::NavBack, ActionId::HelpContext, ActionId::PaletteOpen, ActionId::CommandOpen];

/// Ways out of a modal context.
const EXITS: [ActionId; 6] = [
    ActionId::TextCommandRow,
    ActionId::TextKeepDraft,
    ActionId::TextResume,
    ActionId::PromptCancel,
    ActionId::PickerCancel,
    ActionId::ConfirmNo,
];

/// Problems of the merged keymap.
pub fn check(keymap: &Keymap) -> Vec<KeymapProblem> {
    let mut problems = Vec::new();
    for context in keymap.contexts() {
        check_context(keymap, context, &mut problems);
    }
    for (name, table) in &keymap.merged.contexts {
        let unknown = table
            .extends
            .iter()
            .flatten()
            .filter(|parent| !keymap.merged.contexts.contains_key(*parent));
        for parent in unknown {
            let message = format!("context {name} extends {parent}, which does not exist");
            problems.push(place(table.keys.values().next(), table.line, message));
        }
        if extends_itself(keymap, name) {
            let message = format!("context {name} extends itself");
            problems.push(place(table.keys.values().next(), table.line, message));
        }
    }
    problems
}

fn check_context(keymap: &Keymap, context: &str, problems: &mut Vec<KeymapProblem>) {
    let Some(flat) = keymap.flat(context) else { return };
    let mut previous: Option<(&Vec<Key>, &Binding)> = None;
    for (chord, binding) in flat {
        if let Some((shorter, _)) = previous.filter(|(shorter, _)| chord.starts_with(shorter)) {
            let (shorter, chord) = (chord_name(shorter), chord_name(chord));
            let message = format!("{chord} cannot be typed: {shorter} acts at once");
            problems.push(place(Some(binding), binding.line, message));
        }
        if let Some(key) = chord.iter().find(|key| !is_deliverable(**key)) {
            let message = format!("{key} is not sent by every terminal: choose another key");
            problems.push(place(Some(binding), binding.line, message));
        }
        if let [only] = chord.as_slice()
            && is_fragment(*only)
            && class_of(binding) >= Class::U2
        {
            let message = format!(
                "{only} alone must not change shared state: a split escape sequence could press it"
            );
            problems.push(place(Some(binding), binding.line, message));
        }
        previous = Some((chord, binding));
    }
    let reaches = |id: ActionId| keymap.chord_of_action(context, id).is_some();
    let any = flat.values().next();
    let line = keymap.merged.contexts.get(context).map_or(0, |table| table.line);
    if MODAL.contains(&context) {
        if !EXITS.into_iter().any(reaches) {
            problems.push(place(any, line, format!("context {context} has no way out")));
        }
    } else if !["list", "triage"].contains(&context) {
        for id in NEEDED.into_iter().filter(|id| !reaches(*id)) {
            let message = format!("context {context} has no key for {}", id.spec().name);
            problems.push(place(any, line, message));
        }
    }
}

fn place(binding: Option<&Binding>, line: u32, message: String) -> KeymapProblem {
    let file = binding.map_or_else(|| "default".into(), |binding| binding.file.clone());
    KeymapProblem { file, line, message }
}

fn class_of(binding: &Binding) -> Class {
    let calls = binding.choices.iter().flat_map(|choice| match &choice.target {
        Target::Calls(calls) => calls.as_slice(),
        Target::Menu(_) => &[],
    });
    calls.map(|call| call.id.spec().class).max().unwrap_or(Class::U0)
}

/// Keys that appear when the tail of an escape sequence is taken for typing.
fn is_fragment(key: Key) -> bool {
    matches!(key.typed(), Some('A'..='D' | 'F' | 'H' | 'P'..='S' | '~' | '[' | 'O' | '0'..='9'))
}

/// Is the key the same on every terminal, without extra protocols?
fn is_deliverable(key: Key) -> bool {
    match key.code {
        Code::Char(character) if key.ctrl => {
            character.is_ascii_lowercase() && !matches!(character, 'i' | 'm' | 'j' | 'h')
        }
        Code::Enter | Code::Tab | Code::Esc | Code::Backspace => !key.ctrl && !key.shift,
        _ => true,
    }
}

fn extends_itself(keymap: &Keymap, name: &str) -> bool {
    let mut open: Vec<&str> = vec![name];
    let mut seen: Vec<&str> = Vec::new();
    while let Some(current) = open.pop() {
        let table = keymap.merged.contexts.get(current);
        for parent in table.iter().flat_map(|table| table.extends.iter().flatten()) {
            if parent == name {
                return true;
            }
            if !seen.contains(&parent.as_str()) {
                seen.push(parent);
                open.push(parent);
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        Keymap::build(&[("k.toml", text)]).problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_kind_of_mistake_is_found_with_its_line() {
        let text = "[ctx.queue]\nA = \"undo\"\n\"ctrl-i\" = \"undo\"\nb = { menu = \"verdct\" }\n";
        let found = problems(text);
        assert!(found.iter().any(|p| p.starts_with("k.toml:2: A alone must not")), "{found:?}");
        assert!(found.iter().any(|p| p.starts_with("k.toml:3: ctrl-i is not sent")), "{found:?}");
        assert!(found.contains(&"k.toml:4: unknown menu verdct: did you mean verdict?".to_owned()));
        let found = problems("[ctx.queue]\n\"b\" = \"undo\"\n\"b c\" = \"undo\"\n");
        assert_eq!(found, ["k.toml:3: b c cannot be typed: b acts at once"]);
        let found = problems("[ctx.global]\nq = false\nbackspace = false\n");
        assert!(found.iter().any(|p| p.contains("has no key for nav.back")), "{found:?}");
        let found = problems("[ctx.extra]\nextends = [\"global\", \"lst\"]\nj = \"undo\"\n");
        assert!(found.iter().any(|p| p.contains("extends lst, which does not exist")), "{found:?}");
        let found =
            problems("[ctx.a]\nextends = [\"b\"]\n[ctx.b]\nextends = [\"a\"]\nj = \"undo\"\n");
        assert!(found.iter().any(|p| p.contains("extends itself")), "{found:?}");
    }
}
