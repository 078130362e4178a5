//! The command line: any action by name, with completion, history and the nearest name when one is misspelt.

use crate::tui::action::call::ActionCall;
use crate::tui::action::{self, ActionId, Kind};
use crate::tui::contract::{Effect, Input, Tone, View};
use crate::tui::desk_model::DeskModel;
use crate::tui::keys::line_edit::LineEdit;
use crate::tui::paint::canvas::{Canvas, Rect};
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;

/// Lines that are remembered.
pub const HISTORY_MAX: usize = 200;

/// The command line.
pub struct CommandLine {
    line: LineEdit,
    history: Vec<String>,
    place: usize,
}

impl CommandLine {
    /// An empty line with the lines before it, oldest first.
    pub fn new(history: Vec<String>) -> CommandLine {
        let place = history.len();
        CommandLine { line: LineEdit::default(), history, place }
    }

    fn accept(&self) -> Vec<Effect> {
        let text = self.line.text();
        if text.trim().is_empty() {
            return vec![Effect::Pop];
        }
        match ActionCall::parse(text.trim()) {
            Ok(call) => vec![Effect::Remember(text), Effect::Pop, Effect::Do(call)],
            Err(error) => vec![Effect::Say(SafeText::line(&error.to_string()), Tone::Error)],
        }
    }

    /// What the last word may become.
    fn candidates(&self) -> Vec<String> {
        let text = self.line.text();
        let Some((head, last)) = text.rsplit_once(' ') else {
            return starting(names(), &text);
        };
        let name = head.split_whitespace().next().unwrap_or("");
        let Some(spec) = action::by_name(name) else { return Vec::new() };
        if let Some((param, _)) = last.split_once('=') {
            let words = spec.params.iter().find(|known| known.name == param).map(|p| p.kind);
            let Some(Kind::Word(words)) = words else { return Vec::new() };
            let all = words.iter().map(|word| format!("{param}={word}"));
            return starting(all, last);
        }
        let direct = spec.params.iter().flat_map(|param| match param.kind {
            Kind::Word(words) => words.iter().map(|word| (*word).to_owned()).collect(),
            _ => vec![format!("{}=", param.name)],
        });
        starting(direct, last)
    }

    fn complete(&mut self) {
        let candidates = self.candidates();
        let Some(common) = common_start(&candidates) else { return };
        let text = self.line.text();
        let head = text.rsplit_once(' ').map(|(head, _)| format!("{head} ")).unwrap_or_default();
        let ends = candidates.len() == 1 && !common.ends_with('=');
        self.line.set(&format!("{head}{common}{}", if ends { " " } else { "" }));
    }

    fn recall(&mut self, place: usize) {
        self.place = place.min(self.history.len());
        let text = self.history.get(self.place).cloned().unwrap_or_default();
        self.line.set(&text);
    }
}

fn names() -> impl Iterator<Item = String> {
    action::registry()
        .iter()
        .flat_map(|spec| spec.aliases.iter().chain(std::iter::once(&spec.name)))
        .map(|name| (*name).to_owned())
}

fn starting(all: impl Iterator<Item = String>, start: &str) -> Vec<String> {
    let mut found: Vec<String> = all.filter(|word| word.starts_with(start)).collect();
    found.sort();
    found
}

fn common_start(words: &[String]) -> Option<String> {
    let mut common = words.first()?.clone();
    for word in words {
        while !word.starts_with(&common) {
            common.pop();
        }
    }
    Some(common)
}

impl View for CommandLine {
    fn context(&self) -> &'static str {
        "prompt"
    }

    fn update(&mut self, input: &Input<'_>, _model: &DeskModel) -> Option<Vec<Effect>> {
        match input {
            Input::Action(call) => match call.id {
                ActionId::PromptAccept => return Some(self.accept()),
                ActionId::PromptCancel => return Some(vec![Effect::Pop]),
                ActionId::PromptComplete => self.complete(),
                ActionId::PromptHistoryPrevious => self.recall(self.place.saturating_sub(1)),
                ActionId::PromptHistoryNext => self.recall(self.place + 1),
                _ => return None,
            },
            Input::Key(key) => drop(self.line.key(*key)),
            Input::Paste(text) => self.line.insert(text),
            Input::Message(_) => return None,
        }
        Some(Vec::new())
    }

    fn render(&self, _model: &DeskModel, canvas: &mut Canvas<'_>) {
        let y = canvas.height().saturating_sub(1);
        let width = canvas.width();
        if let Some(above) = y.checked_sub(1) {
            canvas.fill(Rect::new(0, above, width, 1), Role::Dialog);
            let mut x = 1;
            for word in self.candidates() {
                let text = SafeText::line(&word);
                if usize::from(x) + text.width() >= usize::from(width) {
                    break;
                }
                x += canvas.text(x, above, width, &text, Role::TextDim) + 2;
            }
        }
        canvas.fill(Rect::new(0, y, width, 1), Role::Field);
        let x = canvas.label(0, y, ":", Role::Key);
        canvas.text(x, y, width, &self.line.shown(), Role::Field);
        canvas.set_cursor(x.saturating_add(self.line.cursor_column()), y);
    }

    fn overlay(&self) -> bool {
        true
    }

    fn takes_text(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_complete() {
        let mut command = CommandLine::new(Vec::new());
        command.line.insert("verd");
        command.complete();
        assert_eq!(command.line.text(), "verdict");
        command.line.insert(" kind=fal");
        command.complete();
        assert_eq!(command.line.text(), "verdict kind=false_positive ");
        assert!(matches!(
            command.accept().as_slice(),
            [Effect::Remember(_), Effect::Pop, Effect::Do(call)]
                if call.to_string() == "alert.verdict kind=false_positive"
        ));
    }

    #[test]
    fn a_misspelt_name_stays_on_the_line() {
        let mut command = CommandLine::new(vec!["quit".to_owned()]);
        command.line.insert("snoze 4h");
        assert!(matches!(command.accept().as_slice(), [Effect::Say(text, Tone::Error)]
            if text.as_str().contains("did you mean snooze?")));
        command.recall(0);
        assert_eq!(command.line.text(), "quit");
    }
}
