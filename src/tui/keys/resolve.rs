//! From keys to calls: holds a half-typed chord and knows nothing of views.

use crate::tui::action::ActionId;
use crate::tui::action::call::ActionCall;
use crate::tui::keys::file::{Binding, Fact, Target};
use crate::tui::keys::key::{Code, Key};
use crate::tui::keys::keymap::Keymap;

/// What a key led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// These calls, in order.
    Calls(Vec<ActionCall>),
    /// The chord is not finished.
    Prefix,
    /// The half-typed chord was dropped.
    Dropped,
    /// Nothing is bound here; where text is taken, the key is text.
    Unbound(Vec<Key>),
}

/// The chord typed so far.
#[derive(Clone, Debug, Default)]
pub struct Resolver {
    pending: Vec<Key>,
}

impl Resolver {
    /// The keys of the half-typed chord.
    pub fn pending(&self) -> &[Key] {
        &self.pending
    }

    /// Forget the half-typed chord.
    pub fn clear(&mut self) {
        self.pending.clear();
    }

    /// Take one key in a context. `text`: the context takes typed characters as text.
    pub fn key(
        &mut self,
        keymap: &Keymap,
        context: &str,
        text: bool,
        key: Key,
        fact: impl Fn(Fact) -> bool,
    ) -> Resolved {
        let key = if text { key } else { keymap.translate(key) };
        let half = !self.pending.is_empty();
        if half && (key == Key::plain(Code::Esc) || key == Key::ctrl('g')) {
            self.clear();
            return Resolved::Dropped;
        }
        self.pending.push(key);
        let Some(flat) = keymap.flat(context) else { return self.unbound(text) };
        if let Some(binding) = flat.get(&self.pending) {
            let calls = calls_of(binding, fact);
            if let Some(calls) = calls {
                self.clear();
                return Resolved::Calls(calls);
            }
        }
        let longer =
            |chord: &Vec<Key>| chord.len() > self.pending.len() && chord.starts_with(&self.pending);
        if flat.keys().any(longer) {
            return Resolved::Prefix;
        }
        if half && key == Key::char('q') {
            self.clear();
            return Resolved::Dropped;
        }
        self.unbound(text)
    }

    /// `f1` and `:` work whatever the keymap says.
    fn unbound(&mut self, text: bool) -> Resolved {
        let keys = std::mem::take(&mut self.pending);
        match keys.as_slice() {
            [key] if *key == Key::plain(Code::F(1)) => {
                Resolved::Calls(vec![ActionCall::new(ActionId::HelpContext)])
            }
            [key] if *key == Key::char(':') && !text => {
                Resolved::Calls(vec![ActionCall::new(ActionId::CommandOpen)])
            }
            _ => Resolved::Unbound(keys),
        }
    }
}

fn calls_of(binding: &Binding, fact: impl Fn(Fact) -> bool) -> Option<Vec<ActionCall>> {
    binding.choices.iter().find(|choice| choice.when.is_none_or(&fact)).and_then(|choice| {
        match &choice.target {
            Target::Calls(calls) => Some(calls.clone()),
            Target::Menu(_) => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_keys(keymap: &Keymap, context: &str, chord: &str) -> Vec<Resolved> {
        let mut resolver = Resolver::default();
        let keys = Key::parse_chord(chord).unwrap();
        keys.into_iter().map(|k| resolver.key(keymap, context, false, k, |_| false)).collect()
    }

    fn call(text: &str) -> Resolved {
        Resolved::Calls(vec![ActionCall::parse(text).unwrap()])
    }

    #[test]
    fn chords_resolve_and_can_be_dropped() {
        let keymap = Keymap::builtin();
        assert_eq!(
            type_keys(&keymap, "queue", "v f"),
            [Resolved::Prefix, call("alert.verdict kind=false_positive")]
        );
        assert_eq!(type_keys(&keymap, "queue", "v esc")[1], Resolved::Dropped);
        assert_eq!(
            type_keys(&keymap, "queue", "v q j")[1..],
            [Resolved::Dropped, call("cursor.next")]
        );
        let keys = Key::parse_chord("v #").unwrap();
        assert_eq!(type_keys(&keymap, "queue", "v #")[1], Resolved::Unbound(keys));
        assert_eq!(
            type_keys(&keymap, "queue", "space"),
            [Resolved::Calls(vec![
                ActionCall::parse("mark.toggle").unwrap(),
                ActionCall::parse("cursor.next").unwrap()
            ])]
        );
    }

    #[test]
    fn help_and_the_command_line_cannot_be_lost() {
        let keymap =
            Keymap::build(&[("k", "inherits = \"none\"\n[ctx.queue]\nj = \"cursor.next\"\n")]);
        assert_eq!(type_keys(&keymap, "queue", "f1"), [call("help.context")]);
        assert_eq!(type_keys(&keymap, "queue", ":"), [call("command.open")]);
    }

    #[test]
    fn conditions_choose_the_first_that_holds() {
        let text =
            "[ctx.queue]\nb = [{ do = \"mark.none\", when = \"marked\" }, { do = \"undo\" }]\n";
        let keymap = Keymap::build(&[("k", text)]);
        let mut resolver = Resolver::default();
        let b = Key::char('b');
        assert_eq!(resolver.key(&keymap, "queue", false, b, |_| false), call("undo"));
        let marked = |fact| fact == Fact::Marked;
        assert_eq!(resolver.key(&keymap, "queue", false, b, marked), call("mark.none"));
    }
}
