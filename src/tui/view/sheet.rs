//! The verdict sheet: verdict, reasons, confidence, scope, note. Nothing on it changes anything before it is applied.

use std::collections::BTreeSet;

use crate::model::alert::{Action, Alert};
use crate::model::verdict::{Confidence, REASONS, Verdict, VerdictKind};
use crate::tui::action::ActionId;
use crate::tui::action::call::ActionCall;
use crate::tui::contract::{Effect, Input, Request, Tone, View};
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::marks::Targets;
use crate::tui::paint::canvas::{Canvas, Rect};
use crate::tui::paint::format;
use crate::tui::paint::role::{Glyph, Role};
use crate::tui::paint::safe::SafeText;
use crate::tui::view::compose::DraftNote;
use crate::tui::view::triage;

const CONFIDENCES: [Confidence; 3] = [Confidence::Low, Confidence::Medium, Confidence::High];
/// Rows above the note, at least.
const HEAD_ROWS: u16 = 7;
/// Where choices begin.
const CHOICES_X: u16 = 13;

/// The sheet's fields, in the order of tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Verdict,
    Reasons,
    Confidence,
    Scope,
    Note,
}

impl Field {
    const ALL: [Field; 5] =
        [Field::Verdict, Field::Reasons, Field::Confidence, Field::Scope, Field::Note];

    fn turned(self, by: usize) -> Field {
        let at = Field::ALL.iter().position(|field| *field == self).unwrap_or(0);
        Field::ALL.get((at + by) % Field::ALL.len()).copied().unwrap_or(Field::Verdict)
    }
}

/// The sheet.
#[derive(Debug)]
pub struct VerdictSheet {
    /// Rule and host of the alert under the cursor.
    name: SafeText,
    one: Targets,
    marked: Option<Targets>,
    /// None before the analyst has chosen one: a verdict is never given by leaving it as it came.
    kind: Option<VerdictKind>,
    reasons: BTreeSet<usize>,
    reason: usize,
    confidence: Confidence,
    all_marked: bool,
    note: DraftNote,
    field: Field,
    row: bool,
}

impl VerdictSheet {
    /// The sheet for an alert, or for what is marked.
    pub fn open(alert: &Alert, targets: Targets) -> (VerdictSheet, Vec<Effect>) {
        let (note, ask) = DraftNote::new(alert.id);
        let mut name = SafeText::line(&alert.rule_name);
        name.push_label("  ").push(&SafeText::line(&alert.host));
        let before = alert.verdict.as_ref();
        let chosen = |code: &str| {
            before.is_some_and(|verdict| verdict.reasons.iter().any(|reason| reason == code))
        };
        let sheet = VerdictSheet {
            name,
            one: Targets::one(alert.id),
            all_marked: targets.from_marks || targets.bundle,
            marked: (targets.from_marks || targets.bundle).then_some(targets),
            kind: before.map(|verdict| verdict.kind),
            reasons: (0..REASONS.len())
                .filter(|index| REASONS.get(*index).is_some_and(|(code, _)| chosen(code)))
                .collect(),
            reason: 0,
            confidence: before.map_or(Confidence::Medium, |verdict| verdict.confidence),
            note,
            field: Field::Verdict,
            row: false,
        };
        (sheet, vec![ask])
    }

    fn targets(&self) -> Targets {
        match &self.marked {
            Some(marked) if self.all_marked => marked.clone(),
            _ => self.one.clone(),
        }
    }

    /// What the verdict is about, as it stands now: one alert's name must not stand over what is given to others.
    fn title(&self) -> SafeText {
        let mut title = SafeText::label("VERDICT  ");
        let Some(marked) = self.marked.as_ref().filter(|_| self.all_marked) else {
            title.push(&self.name);
            return title;
        };
        title.push(&format::count(marked.ids.len() as u64));
        match (marked.bundle, marked.ids.len()) {
            (true, _) => title.push_label(" of the bundle of ").push(&self.name),
            (false, 1) => title.push_label(" marked alert"),
            (false, _) => title.push_label(" marked alerts"),
        };
        title
    }

    fn submit(&mut self, model: &DeskModel) -> Vec<Effect> {
        let Some(kind) = self.kind else {
            self.go(Field::Verdict);
            return vec![triage::say("choose a verdict first", Tone::Warning)];
        };
        let codes: Vec<String> = self
            .reasons
            .iter()
            .filter_map(|index| REASONS.get(*index))
            .map(|(code, _)| (*code).to_owned())
            .collect();
        if codes.iter().any(|code| code == "other") && self.note.is_blank() {
            self.field = Field::Note;
            self.row = false;
            return vec![triage::say("the reason `other` needs a note", Tone::Warning)];
        }
        let note = if self.note.is_blank() { String::new() } else { self.note.text() };
        let action =
            Action::Verdict(Verdict { kind, reasons: codes, confidence: self.confidence, note });
        let targets = self.targets();
        // While it is asked the note waits as a draft: after a no it is there again.
        let mut effects = if targets.needs_asking() { self.note.save() } else { Vec::new() };
        effects.push(Effect::Pop);
        effects.extend(triage::ask_or_act_after(
            vec![self.note.drop_draft()],
            model,
            targets,
            action,
        ));
        effects
    }

    fn step(&mut self, forward: bool) {
        fn next<T: Copy + PartialEq>(all: &[T], now: T, forward: bool) -> T {
            let at = all.iter().position(|one| *one == now).unwrap_or(0);
            let by = if forward { 1 } else { all.len() - 1 };
            all.get((at + by) % all.len().max(1)).copied().unwrap_or(now)
        }
        match self.field {
            Field::Verdict => {
                let [first, .., last] = VerdictKind::ALL;
                let start = if forward { first } else { last };
                self.kind =
                    Some(self.kind.map_or(start, |kind| next(&VerdictKind::ALL, kind, forward)));
            }
            Field::Reasons => {
                let by = if forward { 1 } else { REASONS.len() - 1 };
                self.reason = (self.reason + by) % REASONS.len();
            }
            Field::Confidence => self.confidence = next(&CONFIDENCES, self.confidence, forward),
            Field::Scope => self.all_marked = !self.all_marked && self.marked.is_some(),
            Field::Note => {}
        }
    }

    fn toggle(&mut self) {
        if self.field != Field::Reasons {
            self.step(true);
        } else if !self.reasons.remove(&self.reason) {
            self.reasons.insert(self.reason);
        }
    }

    fn close(&mut self) -> Vec<Effect> {
        let mut effects = self.note.save();
        effects.push(Effect::Pop);
        effects.push(triage::say(
            if self.note.is_blank() { "no verdict given" } else { "no verdict given; draft kept" },
            Tone::Plain,
        ));
        effects
    }

    fn action(&mut self, call: &ActionCall, model: &DeskModel) -> Option<Vec<Effect>> {
        match call.id {
            ActionId::TextSubmit => return Some(self.submit(model)),
            ActionId::TextKeepDraft | ActionId::NavBack => return Some(self.close()),
            ActionId::TextDiscard => {
                return Some(vec![
                    self.note.drop_draft(),
                    Effect::Pop,
                    triage::say("no verdict given, draft thrown away", Tone::Plain),
                ]);
            }
            ActionId::TextCommandRow => {
                self.row = true;
                return Some(self.note.save());
            }
            ActionId::TextResume => self.row = false,
            ActionId::FieldNext | ActionId::FocusNext => self.go(self.field.turned(1)),
            ActionId::FieldPrevious | ActionId::FocusPrevious => {
                self.go(self.field.turned(Field::ALL.len() - 1));
            }
            ActionId::SheetNext => self.step(true),
            ActionId::SheetPrevious => self.step(false),
            ActionId::SheetToggle => self.toggle(),
            ActionId::SheetVerdict => {
                self.kind = Some(VerdictKind::parse(call.text("kind")?)?);
                self.field = Field::Verdict;
            }
            _ => return None,
        }
        Some(Vec::new())
    }

    fn go(&mut self, field: Field) {
        self.field = field;
        self.row = false;
        if field == Field::Scope && self.marked.is_none() {
            // Nothing to choose: the sheet is about one alert.
            self.field = Field::Note;
        }
    }

    /// Choices, the chosen in brackets, on as many lines as they need. Returns the row after them.
    fn draw_choices(
        &self,
        canvas: &mut Canvas<'_>,
        y: u16,
        field: Field,
        label: &'static str,
        choices: &[(SafeText, bool)],
    ) -> u16 {
        let focused = self.draw_label(canvas, y, field, label);
        let (mut x, mut line) = (CHOICES_X, y);
        if focused {
            canvas.set_cursor(x, y);
        }
        for (text, chosen) in choices {
            let mut shown = SafeText::label(if *chosen { "[" } else { " " });
            shown.push(text).push_label(if *chosen { "]" } else { " " });
            (x, line) = wrapped(canvas, x, line, &shown);
            if *chosen && focused {
                canvas.set_cursor(x, line);
            }
            let role = if *chosen { Role::FieldChosen } else { Role::Field };
            let room = canvas.width().saturating_sub(x);
            x += canvas.text(x, line, room, &shown, role) + 1;
        }
        line + 1
    }

    fn draw_reasons(&self, canvas: &mut Canvas<'_>, y: u16) -> u16 {
        let focused = self.draw_label(canvas, y, Field::Reasons, "reason");
        let (mut x, mut line) = (CHOICES_X, y);
        for (index, (_, text)) in REASONS.iter().enumerate() {
            let on = self.reasons.contains(&index);
            let mut shown = SafeText::label(if on { "[x] " } else { "[ ] " });
            shown.push(&SafeText::line(text));
            (x, line) = wrapped(canvas, x, line, &shown);
            let here = focused && index == self.reason;
            if here {
                canvas.set_cursor(x + 1, line);
            }
            let role = match (here, on) {
                (true, _) => Role::FieldActive,
                (false, true) => Role::FieldChosen,
                (false, false) => Role::Field,
            };
            let room = canvas.width().saturating_sub(x);
            x += canvas.text(x, line, room, &shown, role) + 2;
        }
        line + 1
    }

    /// Everything above the note. Returns the row after it.
    fn draw_fields(&self, canvas: &mut Canvas<'_>) -> u16 {
        let verdicts = self.verdicts();
        let y = self.draw_choices(canvas, 1, Field::Verdict, "verdict", &verdicts);
        let y = self.draw_reasons(canvas, y);
        let confidences: Vec<(SafeText, bool)> = CONFIDENCES
            .into_iter()
            .map(|one| (SafeText::label(one.as_str()), one == self.confidence))
            .collect();
        let y = self.draw_choices(canvas, y, Field::Confidence, "confidence", &confidences);
        self.draw_choices(canvas, y, Field::Scope, "apply to", &self.scopes())
    }

    fn draw_label(
        &self,
        canvas: &mut Canvas<'_>,
        y: u16,
        field: Field,
        label: &'static str,
    ) -> bool {
        let focused = self.field == field && !self.row;
        if focused {
            canvas.glyph(0, y, Glyph::Cursor, Role::PaneFocus);
        }
        canvas.label(1, y, label, if focused { Role::PaneFocus } else { Role::FieldLabel });
        focused
    }

    fn verdicts(&self) -> Vec<(SafeText, bool)> {
        let letters = ["t true positive", "f false positive", "b benign TP", "s suspicious"];
        let letters = letters.into_iter().chain(["d duplicate", "i insufficient data"]);
        letters
            .zip(VerdictKind::ALL)
            .map(|(label, kind)| (SafeText::label(label), Some(kind) == self.kind))
            .collect()
    }

    fn scopes(&self) -> Vec<(SafeText, bool)> {
        let mut scopes = Vec::new();
        if let Some(marked) = &self.marked {
            let text = match marked.hidden {
                0 if marked.bundle => format!("{} of the bundle", marked.ids.len()),
                0 => format!("{} marked", marked.ids.len()),
                hidden => format!("{} marked, {hidden} hidden by filter", marked.ids.len()),
            };
            scopes.push((SafeText::line(&text), self.all_marked));
        }
        scopes.push((SafeText::label("this one"), !self.all_marked || self.marked.is_none()));
        scopes
    }
}

/// Where a choice goes: here if it fits, else on the next line.
fn wrapped(canvas: &Canvas<'_>, x: u16, line: u16, shown: &SafeText) -> (u16, u16) {
    let width = u16::try_from(shown.width()).unwrap_or(u16::MAX);
    if x > CHOICES_X && x.saturating_add(width) > canvas.width() {
        return (CHOICES_X, line + 1);
    }
    (x, line)
}

impl View for VerdictSheet {
    fn context(&self) -> &'static str {
        match (self.row, self.field) {
            (true, _) => "text_row",
            (false, Field::Note) => "text",
            (false, _) => "sheet",
        }
    }

    fn overlay(&self) -> bool {
        true
    }

    fn takes_text(&self) -> bool {
        self.field == Field::Note && !self.row
    }

    fn update(&mut self, input: &Input<'_>, model: &DeskModel) -> Option<Vec<Effect>> {
        match input {
            Input::Action(call) => self.action(call, model),
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
        // The queue's row stays visible above the sheet where there is room for both.
        let rows = (height * 3 / 5).max(HEAD_ROWS + 6).min(height);
        let mut canvas = canvas.sub(Rect::new(0, height - rows, width, rows));
        canvas.fill(Rect::new(0, 0, width, rows), Role::Dialog);
        canvas.fill_row(0, Role::Header);
        canvas.text(1, 0, width.saturating_sub(1), &self.title(), Role::DialogTitle);
        let y = self.draw_fields(&mut canvas);
        let focused = self.field == Field::Note && !self.row;
        let mut body = canvas.sub(Rect::new(0, y, width, rows.saturating_sub(y)));
        self.note.draw(&mut body, "note", focused);
        if self.row {
            canvas.set_cursor(0, 0);
        }
    }
}
