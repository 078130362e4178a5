//! Our own actions that can still be undone without trace: shown over the stored alerts, kept in a journal.
//!
//! What is on screen is the stored alert with the pending entries laid over it, in order. Undo before the deadline
//! drops an entry, and the stored alert shows again.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::alert::{Action, Alert, AlertId, Pending};
use crate::model::desk::{Acted, Problem, Undone};
use crate::model::lifecycle;
use crate::model::verdict::Verdict;
use crate::stdx::time::{SECOND_US, Timestamp};
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::edit::{Tone, Wish};
use crate::tui::desk_model::marks::{Marks, Question, Targets};

/// How long an action can be undone without trace, until the workbench says when exactly.
pub const UNDO_WINDOW_US: i64 = 10 * SECOND_US;
/// Entries that the journal keeps for `undo` after their deadline.
pub const JOURNAL_MAX: usize = 200;
/// Characters of an alert's title in a sentence of the status line.
const TITLE_CHARS_MAX: usize = 28;
const NOTHING_TO_UNDO: &str = "nothing of this desk to undo; v r reopens an older alert";

/// One action of ours.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Our number for it.
    pub token: u64,
    /// The workbench's number, once it has answered.
    pub pending_id: Option<u64>,
    /// The alerts.
    pub targets: Vec<AlertId>,
    /// What was done.
    pub action: Action,
    /// Until then undo leaves no trace.
    pub deadline: Timestamp,
    /// Done on this desk, not on an earlier one of the same analyst.
    ours: bool,
    marks_before: Marks,
    cursor_before: Option<AlertId>,
    handled_before: Vec<AlertId>,
    /// A draft that was kept on the note's alert since.
    newer_draft: Option<String>,
}

/// The journal.
#[derive(Debug, Default)]
pub struct Journal {
    /// In force and before their deadline, oldest first.
    pending: Vec<Entry>,
    /// Past their deadline: undo sends a counter-action.
    past: Vec<Entry>,
    /// Asked to be undone before the workbench had answered.
    dropped: Vec<Entry>,
    /// The stored alerts under pending entries.
    base: HashMap<AlertId, Arc<Alert>>,
    last_token: u64,
    last: Option<Action>,
    snooze_us: i64,
}

impl Journal {
    /// Is an action of ours on this alert still undoable without trace?
    pub fn is_pending(&self, id: AlertId) -> bool {
        self.pending.iter().any(|entry| entry.targets.contains(&id))
    }

    /// The entry that `undo` would take back, if it is before its deadline.
    pub fn newest_pending(&self) -> Option<&Entry> {
        self.pending.last()
    }

    /// Entries that can be undone, newest first: pending ones, then those past their deadline.
    pub fn undoable(&self) -> impl Iterator<Item = &Entry> {
        self.pending.iter().rev().chain(self.past.iter().rev())
    }

    /// The stored alert with our pending actions over it; the stored one is remembered.
    pub(super) fn over(&mut self, stored: Arc<Alert>, me: &str) -> Arc<Alert> {
        if !self.is_pending(stored.id) {
            return stored;
        }
        self.base.insert(stored.id, Arc::clone(&stored));
        self.shown(stored, me)
    }

    fn shown(&self, stored: Arc<Alert>, me: &str) -> Arc<Alert> {
        let mut shown = stored;
        for entry in &self.pending {
            if entry.targets.contains(&shown.id) {
                act_on(Arc::make_mut(&mut shown), &entry.action, me);
            }
        }
        shown
    }

    /// Entries past their deadline are in force: what they show becomes the stored state until news comes.
    pub(super) fn expire(&mut self, now: Timestamp, me: &str) {
        let (past, pending): (Vec<Entry>, Vec<Entry>) =
            std::mem::take(&mut self.pending).into_iter().partition(|entry| entry.deadline <= now);
        self.pending = pending;
        for entry in past {
            for id in &entry.targets {
                if !self.is_pending(*id) {
                    self.base.remove(id);
                } else if let Some(base) = self.base.get_mut(id) {
                    act_on(Arc::make_mut(base), &entry.action, me);
                }
            }
            // What another desk did is not this desk's to take back once it is in force.
            if entry.ours {
                self.past.push(entry);
            }
        }
        let over = self.past.len().saturating_sub(JOURNAL_MAX);
        self.past.drain(..over);
    }
}

/// What an action makes of an alert. The revision stays that of the stored alert: it is what the workbench compares.
fn act_on(alert: &mut Alert, action: &Action, me: &str) {
    let (revision, updated) = (alert.revision, alert.updated);
    lifecycle::apply(alert, action, me, updated);
    alert.revision = revision;
}

/// An action in a few words: `false positive`, `assign to kai`, `snooze 4h`.
pub fn describe(action: &Action) -> String {
    match action {
        Action::Status(status) => status.as_str().replace('_', " "),
        Action::Verdict(verdict) => verdict.kind.as_str().replace('_', " "),
        Action::ClearVerdict => "reopen".to_owned(),
        Action::Assign(Some(owner)) => format!("assign to {owner}"),
        Action::Assign(None) => "assign to nobody".to_owned(),
        Action::Note(_) => "note".to_owned(),
        Action::Snooze(Some(until)) => {
            let shown = until.to_jiff().strftime("%m-%d %H:%M");
            format!("snooze until {shown}Z")
        }
        Action::Snooze(None) => "wake".to_owned(),
    }
}

/// The text that an action adds to an alert, if there is any.
fn note_of(action: &Action) -> Option<&str> {
    let text = match action {
        Action::Note(text) => text,
        Action::Verdict(verdict) => &verdict.note,
        _ => return None,
    };
    (!text.trim().is_empty()).then_some(text)
}

/// The beginning of a title, for a sentence.
fn shortened(title: &str) -> String {
    let mut short: String = title.chars().take(TITLE_CHARS_MAX).collect();
    if short.len() < title.len() {
        short.push_str("..");
    }
    short
}

/// Does the action deal with an alert, so that the next unhandled one comes?
pub fn handles(action: &Action) -> bool {
    match action {
        Action::Verdict(_) | Action::Snooze(Some(_)) => true,
        Action::Status(status) => status.is_closed(),
        Action::ClearVerdict | Action::Assign(_) | Action::Note(_) | Action::Snooze(None) => false,
    }
}

impl DeskModel {
    pub(super) fn act(&mut self, targets: Targets, action: Action, advance: bool) -> Vec<Wish> {
        let known = |id: &AlertId| self.rows.get(*id).map(|alert| (*id, Some(alert.revision)));
        let seen: Vec<_> = targets.ids.iter().filter_map(known).collect();
        if seen.is_empty() {
            self.say(Tone::Warn, "no alert under the cursor");
            return Vec::new();
        }
        self.journal.last_token += 1;
        let token = self.journal.last_token;
        self.remember(&action);
        let ids: Vec<AlertId> = seen.iter().map(|(id, _)| *id).collect();
        let was_handled = ids.iter().copied().filter(|id| self.rows.is_handled(*id)).collect();
        for id in &ids {
            if let Some(alert) = self.rows.get(*id).cloned()
                && !self.journal.is_pending(*id)
            {
                self.journal.base.insert(*id, alert);
            }
        }
        let marks_before = if targets.from_marks { self.marks_taken() } else { Marks::default() };
        self.journal.pending.push(Entry {
            token,
            pending_id: None,
            targets: ids.clone(),
            action: action.clone(),
            deadline: self.now.plus_micros(UNDO_WINDOW_US),
            ours: true,
            marks_before,
            cursor_before: self.cursor.id(),
            handled_before: was_handled,
            newer_draft: None,
        });
        for id in &ids {
            self.redraw(*id);
            if handles(&action) {
                self.rows.set_handled(*id, true);
            }
        }
        if advance && handles(&action) {
            self.advance();
        }
        self.notice = None;
        vec![Wish::Act { targets: seen, action }]
    }

    /// Keep what `.` repeats: a verdict without its note, an assignment, a snooze.
    fn remember(&mut self, action: &Action) {
        self.journal.last = match action {
            Action::Verdict(verdict) => {
                Some(Action::Verdict(Verdict { note: String::new(), ..verdict.clone() }))
            }
            Action::Snooze(Some(until)) => {
                self.journal.snooze_us = until.micros_since(self.now);
                Some(action.clone())
            }
            Action::Assign(_) => Some(action.clone()),
            _ => return,
        };
    }

    /// What `.` does here and now; a snooze counts from now.
    pub fn repeat(&self) -> Option<Action> {
        match &self.journal.last {
            Some(Action::Snooze(Some(_))) => {
                Some(Action::Snooze(Some(self.now.plus_micros(self.journal.snooze_us))))
            }
            last => last.clone(),
        }
    }

    /// Actions of ours that an earlier desk (killed, or on another screen) left to be undone: the countdown and `u`
    /// go on with them. Their alerts came with them carried out.
    pub(super) fn adopt(&mut self, pending: &[Pending]) {
        for action in pending {
            let known = |entry: &Entry| entry.pending_id == Some(action.id);
            if self.journal.pending.iter().any(known) || action.deadline <= self.now {
                continue;
            }
            self.journal.last_token += 1;
            self.journal.pending.push(Entry {
                token: self.journal.last_token,
                pending_id: Some(action.id),
                targets: action.alerts.clone(),
                action: action.action.clone(),
                deadline: action.deadline,
                ours: false,
                marks_before: Marks::default(),
                cursor_before: None,
                handled_before: Vec::new(),
                newer_draft: None,
            });
        }
    }

    /// Show an alert again from its stored state and what is pending on it.
    fn redraw(&mut self, id: AlertId) {
        let Some(stored) = self.journal.base.get(&id).cloned() else { return };
        let shown = self.journal.shown(stored, &self.me);
        self.rows.put(shown);
        if !self.journal.is_pending(id) {
            self.journal.base.remove(&id);
        }
    }

    pub(super) fn acted(&mut self, wish: &Wish, answer: Result<Acted, Problem>) -> Vec<Wish> {
        let Wish::Act { targets, action } = wish else { return Vec::new() };
        let asked = |entry: &Entry| {
            entry.pending_id.is_none()
                && entry.action == *action
                && entry.targets.iter().eq(targets.iter().map(|(id, _)| id))
        };
        if let Some(index) = self.journal.dropped.iter().position(asked) {
            self.journal.dropped.remove(index);
            return answer.map_or_else(|_| Vec::new(), |acted| vec![Wish::Undo(acted.pending_id)]);
        }
        let mut waiting = self.journal.past.iter().chain(&self.journal.pending);
        let Some(token) = waiting.find(|entry| asked(entry)).map(|entry| entry.token) else {
            return Vec::new();
        };
        match answer {
            Ok(acted) => {
                let conflicts: Vec<AlertId> = acted.conflicts.iter().map(|(id, _)| *id).collect();
                let refused = |entry: &&Entry| {
                    entry.token == token && entry.targets.iter().all(|id| conflicts.contains(id))
                };
                let mut known = self.journal.pending.iter().chain(&self.journal.past);
                let draft = known.find(refused).and_then(|entry| self.draft_again(entry));
                let all = self.journal.pending.iter_mut().chain(self.journal.past.iter_mut());
                for entry in all.filter(|entry| entry.token == token) {
                    entry.pending_id = Some(acted.pending_id);
                    entry.deadline = acted.deadline;
                    entry.targets.retain(|id| !conflicts.contains(id));
                }
                self.journal.pending.retain(|entry| !entry.targets.is_empty());
                self.journal.past.retain(|entry| !entry.targets.is_empty());
                let mut wishes = self.after_conflicts(&conflicts);
                wishes.extend(draft);
                wishes
            }
            Err(problem) => self.refused(token, &problem),
        }
    }

    /// The workbench did not take an action: it is as if it had never been, and its note is a draft again.
    fn refused(&mut self, token: u64, problem: &Problem) -> Vec<Wish> {
        let mut wishes = Vec::new();
        if let Some(entry) = self.take_back(token) {
            wishes.extend(self.draft_again(&entry));
        } else if let Some(at) = self.journal.past.iter().position(|entry| entry.token == token) {
            // Past its deadline it was taken for done: what is so is read again.
            let entry = self.journal.past.remove(at);
            wishes.push(Wish::Reload);
            wishes.extend(self.draft_again(&entry));
        }
        self.say_problem(problem);
        wishes
    }

    /// The note of an action that is not to be, as the draft of the alert on which it was written.
    fn draft_again(&self, entry: &Entry) -> Option<Wish> {
        let text = note_of(&entry.action)?;
        let text = match entry.newer_draft.as_deref() {
            Some(newer) if newer.trim() != text.trim() => format!("{text}\n\n{newer}"),
            _ => text.to_owned(),
        };
        Some(Wish::KeepDraft(self.written_on(entry)?, text))
    }

    /// The alert on which the note of an action was written: of several the one under the cursor, of a bundle its first.
    fn written_on(&self, entry: &Entry) -> Option<AlertId> {
        let first = entry.targets.first().copied();
        if entry.targets.len() == 1 {
            return first;
        }
        let under_cursor = entry.cursor_before.filter(|id| self.rows.bundles().get(*id).is_none());
        under_cursor.or(first)
    }

    /// A draft was kept or dropped: a note that comes back must not replace it.
    pub(super) fn draft_kept(&mut self, alert: AlertId, draft: Option<&str>) {
        let about = |entry: &Entry| {
            note_of(&entry.action).is_some() && self.written_on(entry) == Some(alert)
        };
        let about: Vec<u64> =
            self.journal.pending.iter().filter(|entry| about(entry)).map(|one| one.token).collect();
        for entry in self.journal.pending.iter_mut().filter(|one| about.contains(&one.token)) {
            entry.newer_draft = draft.map(str::to_owned);
        }
    }

    fn after_conflicts(&mut self, conflicts: &[AlertId]) -> Vec<Wish> {
        let Some(first) = conflicts.first() else { return Vec::new() };
        for id in conflicts {
            self.rows.set_handled(*id, false);
            self.redraw(*id);
        }
        let name = self.rows.get(*first).map_or_else(String::new, |alert| alert.rule_name.clone());
        self.say(
            Tone::Warn,
            format!("{} left alone, changed meanwhile: {name}; look again", conflicts.len()),
        );
        vec![Wish::Reload]
    }

    /// Drop an entry as if it had never been: alerts, marks, dimming, and the cursor go back.
    fn take_back(&mut self, token: u64) -> Option<Entry> {
        let index = self.journal.pending.iter().position(|entry| entry.token == token)?;
        let entry = self.journal.pending.remove(index);
        for id in &entry.targets {
            self.redraw(*id);
            self.rows.set_handled(*id, entry.handled_before.contains(id));
        }
        self.marks_restored(entry.marks_before.clone());
        if let Some(id) = entry.cursor_before.filter(|id| self.rows.place(*id).is_some()) {
            let height = self.cursor.height();
            self.move_cursor(super::cursor::Move::To(id), height);
        }
        Some(entry)
    }

    /// Take back what this desk did last. What other desks of the same analyst did is left alone.
    pub(super) fn undo(&mut self) -> Vec<Wish> {
        let pending = self.journal.newest_pending().map(|entry| entry.token);
        let (entry, done) = match pending {
            Some(token) => (self.take_back(token), "undone"),
            None => (self.journal.past.pop(), "undoing"),
        };
        let Some(entry) = entry else {
            self.say(Tone::Info, NOTHING_TO_UNDO);
            return Vec::new();
        };
        let what = self.in_words(&entry.action, &entry.targets);
        let draft = pending.and_then(|_| self.draft_again(&entry));
        let kept = if draft.is_some() { ", the note is a draft again" } else { "" };
        self.say(Tone::Info, format!("{done}{kept}: {what}"));
        let mut wishes = Vec::new();
        match entry.pending_id {
            Some(id) => wishes.push(Wish::Undo(id)),
            None => self.journal.dropped.push(entry),
        }
        wishes.extend(draft);
        wishes
    }

    /// What must be asked before `undo`: it would change several alerts that are so for everybody.
    pub fn undo_question(&self) -> Option<Question> {
        let entry = self.journal.undoable().next()?;
        if self.journal.newest_pending().is_some() || entry.targets.len() < 2 {
            return None;
        }
        let what = self.in_words(&entry.action, &entry.targets);
        Some(Question {
            title: format!("take back {what}? it is in force for everybody"),
            samples: self.samples(&entry.targets),
        })
    }

    /// `false positive on Macro spawned a child`, `snooze 4h on 14 alerts`. Untrusted text.
    pub fn in_words(&self, action: &Action, ids: &[AlertId]) -> String {
        let what = describe(action);
        match ids {
            [] => what,
            [id] => match self.rows.get(*id) {
                Some(alert) => format!("{what} on {}", shortened(&alert.rule_name)),
                None => format!("{what} on 1 alert"),
            },
            many => format!("{what} on {} alerts", many.len()),
        }
    }

    pub(super) fn undone(&mut self, answer: Result<Undone, Problem>) -> Vec<Wish> {
        match answer {
            Ok(undone) => {
                for id in &undone.alerts {
                    self.rows.set_handled(*id, false);
                }
                // Without a trace it was said when the key was pressed.
                if !undone.without_trace {
                    let what = self.in_words(&undone.action, &undone.alerts);
                    self.say(Tone::Info, format!("undone: {what}; history shows both"));
                }
                vec![Wish::Reload]
            }
            Err(problem) => {
                self.say_problem(&problem);
                vec![Wish::Reload]
            }
        }
    }
}
