//! One line of typed text over the screen: a filter chip, a name to assign to, the reason for switching a rule off.

use crate::model::query::QueryError;
use crate::tui::action::ActionId;
use crate::tui::contract::{Confirm, Effect, Input, Request, Tone, View};
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::chips::Chips;
use crate::tui::desk_model::edit::{Edit, Filter};
use crate::tui::desk_model::marks::Targets;
use crate::tui::keys::line_edit::LineEdit;
use crate::tui::paint::canvas::{Canvas, Rect};
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;
use crate::tui::view::triage;

/// What is asked, and what the answer does.
#[derive(Clone, Debug)]
pub enum Asked {
    /// A new filter chip.
    NewChip,
    /// A filter chip's new text; empty removes it.
    Chip {
        /// Which chip.
        index: usize,
    },
    /// Who shall own the alerts.
    Assignee(Targets),
    /// Why a rule is switched off.
    RuleOff {
        /// The rule's id.
        id: String,
        /// The rule's title. Untrusted text.
        title: String,
    },
}

impl Asked {
    fn label(&self) -> &'static str {
        match self {
            Asked::NewChip => "add filter",
            Asked::Chip { .. } => "change filter (empty removes it)",
            Asked::Assignee(_) => "assign to (a name, me, none)",
            Asked::RuleOff { .. } => "switch the rule off, because",
        }
    }

    fn is_filter(&self) -> bool {
        matches!(self, Asked::NewChip | Asked::Chip { .. })
    }

    /// What an accepted answer does.
    pub fn answer(&self, text: &str, model: &DeskModel) -> Vec<Effect> {
        match self {
            Asked::NewChip => {
                vec![Effect::Edit(Edit::Filter(Filter::Add(text.to_owned()))), triage::follow()]
            }
            Asked::Chip { index } => {
                let change = Filter::Replace { index: *index, text: text.to_owned() };
                vec![Effect::Edit(Edit::Filter(change)), triage::follow()]
            }
            Asked::Assignee(targets) => {
                triage::ask_or_act(model, targets.clone(), triage::assign(text, model))
            }
            Asked::RuleOff { id, title } => {
                let same = |alert: &&std::sync::Arc<crate::model::alert::Alert>| {
                    alert.rule_id == *id && !alert.status.is_closed()
                };
                let open = model.rows().iter_known().filter(same).count();
                vec![Effect::Confirm(Confirm {
                    title: SafeText::line(&format!("switch off: {title}?")),
                    lines: vec![
                        SafeText::line(&format!("reason: {}", text.trim())),
                        SafeText::line(&format!(
                            "no new alerts from this rule on any host; open ones stay ({open} now)"
                        )),
                        SafeText::label("it can be switched on again; the audit log shows both"),
                    ],
                    yes: vec![Effect::Ask(Request::RuleOff {
                        id: id.clone(),
                        reason: text.trim().to_owned(),
                    })],
                })]
            }
        }
    }
}

/// The prompt.
#[derive(Debug)]
pub struct Prompt {
    asked: Asked,
    line: LineEdit,
    error: Option<QueryError>,
    /// What is missing, in a sentence of ours.
    missing: Option<&'static str>,
}

impl Prompt {
    /// An empty prompt.
    pub fn new(asked: Asked) -> Prompt {
        Prompt { asked, line: LineEdit::default(), error: None, missing: None }
    }

    /// A prompt with some text to change.
    pub fn with(asked: Asked, text: &str) -> Prompt {
        Prompt { line: LineEdit::new(text), ..Prompt::new(asked) }
    }

    fn check(&mut self) {
        self.missing = None;
        if self.asked.is_filter() {
            self.error = Chips::check(&self.line.text()).err();
        }
    }

    fn accept(&mut self, model: &DeskModel) -> Vec<Effect> {
        self.check();
        let text = self.line.text();
        if self.error.is_some() {
            return Vec::new();
        }
        if text.trim().is_empty() && matches!(self.asked, Asked::RuleOff { .. }) {
            self.missing = Some("a reason is needed: the audit log keeps it");
            return Vec::new();
        }
        let mut effects = vec![Effect::Pop];
        effects.extend(self.asked.answer(&text, model));
        effects
    }

    /// The line under what is typed: the error with its caret, or help.
    fn draw_below(&self, canvas: &mut Canvas<'_>, x: u16) {
        let width = canvas.width();
        if let Some(missing) = self.missing {
            canvas.label(1, 2, missing, Role::TextWarning);
            return;
        }
        let Some(error) = &self.error else {
            if self.asked.is_filter() {
                canvas.label(
                    1,
                    2,
                    "is:open sev>=high host:web* user:root rule:*ssh* age<4h -owner:me",
                    Role::TextDim,
                );
            } else if let Asked::RuleOff { title, .. } = &self.asked {
                canvas.text(1, 2, width, &SafeText::line(title), Role::TextDim);
            }
            return;
        };
        let before: usize =
            self.line.text().get(..error.span.start).map_or(0, |head| SafeText::line(head).width());
        let column = x.saturating_add(u16::try_from(before).unwrap_or(u16::MAX));
        canvas.label(column.min(width.saturating_sub(1)), 2, "^", Role::TextError);
        let mut text = SafeText::line(&error.message);
        if !error.hint.is_empty() {
            text.push_label("; ").push(&SafeText::line(&error.hint));
        }
        canvas.text(1, 3, width.saturating_sub(1), &text, Role::TextError);
    }
}

impl View for Prompt {
    fn context(&self) -> &'static str {
        "prompt"
    }

    fn overlay(&self) -> bool {
        true
    }

    fn takes_text(&self) -> bool {
        true
    }

    fn update(&mut self, input: &Input<'_>, model: &DeskModel) -> Option<Vec<Effect>> {
        match input {
            Input::Action(call) => match call.id {
                ActionId::PromptAccept => Some(self.accept(model)),
                ActionId::PromptCancel | ActionId::NavBack | ActionId::NavCancel => {
                    Some(vec![Effect::Pop])
                }
                ActionId::PromptComplete
                | ActionId::PromptHistoryNext
                | ActionId::PromptHistoryPrevious => {
                    Some(vec![triage::say("nothing to complete here", Tone::Plain)])
                }
                _ => None,
            },
            Input::Key(key) => {
                self.line.key(*key);
                self.check();
                Some(Vec::new())
            }
            Input::Paste(text) => {
                self.line.insert(text);
                self.check();
                Some(Vec::new())
            }
            Input::Message(_) => None,
        }
    }

    fn render(&self, _model: &DeskModel, canvas: &mut Canvas<'_>) {
        let rows = 4.min(canvas.height());
        let (width, height) = (canvas.width(), canvas.height());
        let mut canvas = canvas.sub(Rect::new(0, height - rows, width, rows));
        canvas.fill(Rect::new(0, 0, width, rows), Role::Dialog);
        super::parts::draw_rule(
            &mut canvas,
            0,
            &SafeText::label(self.asked.label()),
            Role::DialogTitle,
        );
        // On a screen of one line the text still shows.
        let y = if rows > 1 { 1 } else { 0 };
        let x = canvas.label(0, y, "> ", Role::FieldLabel);
        canvas.text(x, y, width.saturating_sub(x), &self.line.shown(), Role::FieldActive);
        canvas.set_cursor((x + self.line.cursor_column()).min(width.saturating_sub(1)), y);
        self.draw_below(&mut canvas, x);
    }
}
