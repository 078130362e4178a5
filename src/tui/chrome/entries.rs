//! The entries of palette and help: every action that can be reached, with its key and whether it is possible now.

use std::collections::BTreeSet;

use crate::tui::action::call::ActionCall;
use crate::tui::action::{self, ActionSpec, Class};
use crate::tui::keys::keymap::Keymap;
use crate::tui::paint::safe::SafeText;

/// One action to choose.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it does.
    pub call: ActionCall,
    /// Its title.
    pub title: SafeText,
    /// Its key here; empty if it has none.
    pub key: SafeText,
    /// The group in help.
    pub group: Group,
    /// Where the key comes from; empty without a key.
    pub origin: SafeText,
    /// Why it cannot be done now.
    pub unavailable: Option<&'static str>,
    /// What is searched: title, name, aliases, key.
    pub haystack: String,
}

/// The three groups of help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Keys of this screen.
    Here,
    /// What is done to alerts.
    Verbs,
    /// Keys that work everywhere.
    Everywhere,
}

impl Group {
    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Group::Here => "on this screen",
            Group::Verbs => "verbs",
            Group::Everywhere => "everywhere",
        }
    }
}

/// Every bound call of a context, then every action without a key that needs no argument.
pub fn entries(
    keymap: &Keymap,
    context: &str,
    unavailable: impl Fn(&ActionCall) -> Option<&'static str>,
) -> Vec<Entry> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    let bound = |wanted: &str| keymap.list(Some(wanted));
    let everywhere: BTreeSet<String> = bound("global").into_iter().map(|row| row.calls).collect();
    let verbs: BTreeSet<String> = bound("triage").into_iter().map(|row| row.calls).collect();
    for row in bound(context) {
        let Some(first) = row.calls.split(", then ").next() else { continue };
        let Ok(call) = ActionCall::parse(first) else { continue };
        if !seen.insert(call.to_string()) {
            continue;
        }
        let group = match () {
            () if everywhere.contains(&row.calls) => Group::Everywhere,
            () if verbs.contains(&row.calls) => Group::Verbs,
            () => Group::Here,
        };
        let chord = keymap.chord_of(context, &call).unwrap_or(row.chord);
        let origin = format!("{chord}  from {} line {}", row.file, row.line);
        all.push(entry(call, &chord, group, &origin, &unavailable));
    }
    for spec in action::registry().iter().filter(|spec| is_unbound(spec, context)) {
        let call = ActionCall::new(spec.id);
        if seen.insert(call.to_string()) {
            all.push(entry(call, "", Group::Everywhere, "", &unavailable));
        }
    }
    all.sort_by_key(|entry| entry.group);
    all
}

/// An action that makes sense without a key and without arguments.
fn is_unbound(spec: &ActionSpec, context: &str) -> bool {
    let here = spec.contexts.iter().any(|known| *known == "global" || *known == context);
    here && spec.params.iter().all(|param| !param.required)
}

fn entry(
    call: ActionCall,
    chord: &str,
    group: Group,
    origin: &str,
    unavailable: &impl Fn(&ActionCall) -> Option<&'static str>,
) -> Entry {
    let spec = call.id.spec();
    let mut title = SafeText::line(&call.title());
    match spec.class {
        Class::U3 => drop(title.push_label("  (asks)")),
        Class::U4 => drop(title.push_label("  (typed confirmation)")),
        Class::U0 | Class::U1 | Class::U2 => {}
    }
    let haystack =
        format!("{} {call} {} {chord} {}", call.title(), spec.aliases.join(" "), spec.doc);
    Entry {
        unavailable: unavailable(&call),
        call,
        title,
        key: SafeText::line(chord),
        group,
        origin: SafeText::line(origin),
        haystack,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_of_the_queue_has_its_key_and_group() {
        let keymap = Keymap::builtin();
        let all = entries(&keymap, "queue", |_| None);
        let find = |name: &str| all.iter().find(|entry| entry.call.to_string() == name).unwrap();
        assert_eq!(find("alert.verdict kind=false_positive").key.as_str(), "v f");
        assert_eq!(find("alert.verdict kind=false_positive").group, Group::Verbs);
        assert_eq!(find("filter.add").group, Group::Here);
        assert_eq!(find("app.quit").group, Group::Everywhere);
        assert!(find("app.quit").origin.as_str().starts_with("Q  from default line "));
    }
}
