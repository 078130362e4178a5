//! The note composer, and the draft that it shares with the verdict sheet.
//!
//! A draft is saved two seconds after the last key and when the composer is left; it survives a crash of the program
//! and a lost connection, and is offered again when a note on the same alert is opened.

use std::time::Duration;

use crate::model::alert::{Action, Alert, AlertId};
use crate::tui::action::ActionId;
use crate::tui::action::call::ActionCall;
use crate::tui::contract::{Effect, Input, Msg, Reply, Request, Tone, View};
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::edit::Edit;
use crate::tui::desk_model::marks::Targets;
use crate::tui::keys::key::Key;
use crate::tui::paint::canvas::{Canvas, Rect};
use crate::tui::paint::format;
use crate::tui::paint::note::{NOTE_LINES_MAX, NoteField};
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;
use crate::tui::view::parts::draw_rule;
use crate::tui::view::triage;

const SAVE: &str = "note.draft";
const SAVE_AFTER: Duration = Duration::from_secs(2);

/// A note being written about one alert, with its draft.
#[derive(Debug)]
pub struct DraftNote {
    alert: AlertId,
    field: NoteField,
    /// What the store has as the draft.
    saved: String,
    /// Keys since then?
    typed: bool,
    /// A draft of before was put into the field.
    restored: bool,
}

impl DraftNote {
    /// An empty note on an alert; the effect asks for its draft.
    pub fn new(alert: AlertId) -> (DraftNote, Effect) {
        let note = DraftNote {
            alert,
            field: NoteField::new(""),
            saved: String::new(),
            typed: false,
            restored: false,
        };
        (note, Effect::Ask(Request::Draft(alert)))
    }

    /// The text.
    pub fn text(&self) -> String {
        self.field.text()
    }

    /// Nothing but white space?
    pub fn is_blank(&self) -> bool {
        self.field.is_blank()
    }

    /// A key for the text.
    pub fn key(&mut self, key: Key) -> Vec<Effect> {
        let took = self.field.key(key);
        self.changed(took)
    }

    /// A paste.
    pub fn paste(&mut self, text: &str) -> Vec<Effect> {
        let took = self.field.paste(text);
        self.changed(took)
    }

    fn changed(&mut self, took: bool) -> Vec<Effect> {
        self.typed = true;
        let mut effects = vec![Effect::Timer(SAVE, SAVE_AFTER)];
        if !took && self.field.lines() >= NOTE_LINES_MAX {
            effects.push(triage::say("the note is full: 500 lines", Tone::Warning));
        }
        effects
    }

    /// Messages that concern the draft.
    pub fn message(&mut self, message: &Msg) -> Option<Vec<Effect>> {
        match message {
            Msg::Timer(SAVE) => Some(self.save()),
            Msg::Reply { request: Request::Draft(alert), result: Ok(Reply::Draft(Some(text))) }
                if *alert == self.alert =>
            {
                if self.field.is_blank() && !text.trim().is_empty() {
                    self.field = NoteField::new(text);
                    self.saved = self.field.text();
                    self.restored = true;
                    return Some(vec![triage::say("your draft is back", Tone::Plain)]);
                }
                Some(Vec::new())
            }
            _ => None,
        }
    }

    /// Save the draft if it changed.
    pub fn save(&mut self) -> Vec<Effect> {
        let text = self.field.text();
        if text == self.saved {
            return Vec::new();
        }
        self.saved.clone_from(&text);
        self.typed = false;
        let draft = (!self.field.is_blank()).then_some(text);
        vec![Effect::Ask(Request::SaveDraft(self.alert, draft))]
    }

    /// What must be kept when the program ends now.
    pub fn closing(&self) -> Vec<Request> {
        let text = self.field.text();
        if text == self.saved {
            return Vec::new();
        }
        let draft = (!self.field.is_blank()).then_some(text);
        vec![Request::SaveDraft(self.alert, draft)]
    }

    /// The draft is not needed any more.
    pub fn drop_draft(&self) -> Effect {
        Effect::Ask(Request::SaveDraft(self.alert, None))
    }

    /// Draw the field; the line above says how full it is and whether the draft is saved.
    pub fn draw(&self, canvas: &mut Canvas<'_>, label: &'static str, focused: bool) {
        let mut title = SafeText::label(label);
        title.push_label("  ").push(&format::number(self.field.lines() as u64));
        title.push_label("/500 lines");
        let state = match (self.typed, self.saved.is_empty(), self.restored) {
            (true, _, _) => "  draft not saved yet",
            (false, false, true) => "  draft from before",
            (false, false, false) => "  draft saved",
            (false, true, _) => "",
        };
        title.push_label(state);
        let role = if focused { Role::PaneFocus } else { Role::FieldLabel };
        draw_rule(canvas, 0, &title, role);
        let (width, height) = (canvas.width(), canvas.height());
        let mut inner =
            canvas.sub(Rect::new(1, 1, width.saturating_sub(2), height.saturating_sub(1)));
        inner.note(&self.field, focused, Role::Field);
    }
}

/// The composer: a sheet over the lower part of the screen.
#[derive(Debug)]
pub struct NoteComposer {
    note: DraftNote,
    title: SafeText,
    row: bool,
}

impl NoteComposer {
    /// A composer for a note on an alert.
    pub fn open(alert: &Alert) -> (NoteComposer, Vec<Effect>) {
        let (note, ask) = DraftNote::new(alert.id);
        let mut title = SafeText::label("NOTE  ");
        title.push(&SafeText::line(&alert.rule_name)).push_label("  ");
        title.push(&SafeText::line(&alert.host));
        (NoteComposer { note, title, row: false }, vec![ask])
    }

    fn submit(&mut self) -> Vec<Effect> {
        if self.note.is_blank() {
            return vec![triage::say("the note is empty", Tone::Warning)];
        }
        vec![
            self.note.drop_draft(),
            Effect::Pop,
            Effect::Edit(Edit::Act {
                targets: Targets::one(self.note.alert),
                action: Action::Note(self.note.text()),
                advance: false,
            }),
            triage::follow(),
        ]
    }

    fn action(&mut self, call: &ActionCall) -> Option<Vec<Effect>> {
        Some(match call.id {
            ActionId::TextSubmit => self.submit(),
            ActionId::TextCommandRow | ActionId::NavCancel => {
                self.row = true;
                self.note.save()
            }
            ActionId::TextResume | ActionId::FieldNext | ActionId::FieldPrevious => {
                self.row = false;
                Vec::new()
            }
            ActionId::TextKeepDraft | ActionId::NavBack => {
                let mut effects = self.note.save();
                effects.push(Effect::Pop);
                if !self.note.is_blank() {
                    effects.push(triage::say("draft kept", Tone::Plain));
                }
                effects
            }
            ActionId::TextDiscard => vec![
                self.note.drop_draft(),
                Effect::Pop,
                triage::say("draft thrown away", Tone::Plain),
            ],
            _ => return None,
        })
    }
}

impl View for NoteComposer {
    fn context(&self) -> &'static str {
        if self.row { "text_row" } else { "text" }
    }

    fn overlay(&self) -> bool {
        true
    }

    fn takes_text(&self) -> bool {
        !self.row
    }

    fn update(&mut self, input: &Input<'_>, _model: &DeskModel) -> Option<Vec<Effect>> {
        match input {
            Input::Action(call) => self.action(call),
            Input::Key(key) => Some(self.note.key(*key)),
            Input::Paste(text) => Some(self.note.paste(text)),
            Input::Message(message) => self.note.message(message),
        }
    }

    fn closing(&self, _model: &DeskModel) -> Vec<Request> {
        self.note.closing()
    }

    fn render(&self, _model: &DeskModel, canvas: &mut Canvas<'_>) {
        let (width, height) = (canvas.width(), canvas.height());
        let rows = (height / 2).max(8).min(height);
        let mut canvas = canvas.sub(Rect::new(0, height - rows, width, rows));
        canvas.fill(Rect::new(0, 0, width, rows), Role::Dialog);
        canvas.fill_row(0, Role::Header);
        canvas.text(1, 0, width.saturating_sub(1), &self.title, Role::DialogTitle);
        let mut body = canvas.sub(Rect::new(0, 1, width, rows.saturating_sub(1)));
        self.note.draw(&mut body, "note", !self.row);
        if self.row {
            canvas.set_cursor(0, 0);
        }
    }
}
