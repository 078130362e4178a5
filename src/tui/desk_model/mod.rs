//! The desk's model: rows, order, cursor, marks, filter chips, what is pending, what arrived. No terminal type in it.
//!
//! It is a reducer: `DeskModel::apply` takes one [`Edit`] and returns the [`Wish`]es that somebody else must
//! carry out. Views read it and never change it. The rule above all others: the cursor is bound to an alert's id,
//! and nothing that arrives by itself changes that id, its screen line or the order of the rows.

pub mod bundles;
pub mod chips;
pub mod cursor;
pub mod edit;
pub mod live;
pub mod marks;
pub mod overlay;
mod port;
pub mod rows;
pub mod sort;
pub mod times;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use crate::model::alert::{Alert, AlertId};
use crate::model::desk::{AlertPage, Problem};
use crate::stdx::time::Timestamp;
use crate::tui::desk_model::chips::Chips;
use crate::tui::desk_model::cursor::Cursor;
use crate::tui::desk_model::edit::{Edit, Filter, Notice, SortEdit, Tone, Wish};
use crate::tui::desk_model::live::Live;
use crate::tui::desk_model::marks::Marks;
use crate::tui::desk_model::overlay::Journal;
use crate::tui::desk_model::rows::Rows;
use crate::tui::desk_model::sort::Sort;
use crate::tui::desk_model::times::TimeForm;

/// Everything the screens show of alerts, and nothing about how they show it.
#[derive(Debug)]
pub struct DeskModel {
    rows: Rows,
    cursor: Cursor,
    marks: Marks,
    chips: Chips,
    sort: Sort,
    journal: Journal,
    live: Live,
    notice: Option<Notice>,
    times: Option<TimeForm>,
    me: String,
    now: Timestamp,
    loaded: bool,
}

/// What a row says about itself besides the alert's own fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowFlags {
    /// Marked by the analyst.
    pub marked: bool,
    /// The cursor is on it.
    pub cursor: bool,
    /// Dealt with since the last merge: stays in place, dimmed.
    pub handled: bool,
    /// An action of ours on it can still be undone without trace.
    pub pending: bool,
    /// Snoozed right now.
    pub snoozed: bool,
    /// Somebody else owns it.
    pub others: bool,
}

impl DeskModel {
    /// An empty model of the analyst `me`, with the filter chips of the home queue.
    pub fn new(me: impl Into<String>, now: Timestamp) -> DeskModel {
        let mut model = DeskModel {
            rows: Rows::default(),
            cursor: Cursor::default(),
            marks: Marks::default(),
            chips: Chips::default(),
            sort: Sort::default(),
            journal: Journal::default(),
            live: Live::default(),
            notice: None,
            times: None,
            me: me.into(),
            now,
            loaded: false,
        };
        // The home queue. The text is ours and compiles; were it not to, the queue would show everything.
        let _ = model.chips.add("is:open");
        model
    }

    /// Reduce one edit.
    pub(super) fn reduce(&mut self, edit: Edit) -> Vec<Wish> {
        match edit {
            Edit::Loaded { page, again, more } => self.load(*page, again, more),
            Edit::Alert(alert) => self.arrive(Arc::from(alert)),
            Edit::Status(report) => self.live.report(*report, self.now),
            Edit::Link(link) => self.live.link = link,
            Edit::Clock(now) => self.clock(now),
            Edit::Merge => self.merge(),
            Edit::ToggleFreeze => self.toggle_freeze(),
            Edit::Move { by, height } => self.move_cursor(by, height),
            Edit::Bundle(edit) => self.bundle(edit),
            Edit::Mark(mark) => self.mark(mark),
            Edit::Filter(filter) => self.filter(filter),
            Edit::FilterBack(chips) => self.filter_back(chips),
            Edit::Sort(sort) => self.resort(&sort),
            Edit::Times(form) => self.show_times(form),
            Edit::Act { targets, action, advance } => return self.act(targets, action, advance),
            Edit::Acted { wish, answer } => return self.acted(&wish, answer),
            Edit::Undo => return self.undo(),
            Edit::Undone(answer) => return self.undone(answer),
            Edit::Missed => return vec![Wish::Reload],
            Edit::Say(notice) => self.notice = Some(notice),
        }
        Vec::new()
    }

    /// The analyst's name, as the workbench knows it.
    pub fn me(&self) -> &str {
        &self.me
    }

    /// Set the analyst's name once the workbench has told it.
    pub fn set_me(&mut self, me: impl Into<String>) {
        self.me = me.into();
    }

    /// The model's idea of now: moves only with [`Edit::Clock`].
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Has the first page been read?
    pub fn loaded(&self) -> bool {
        self.loaded
    }

    /// The rows: store, frozen order, arrivals.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The cursor.
    pub fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// The alert under the cursor.
    pub fn current(&self) -> Option<&Arc<Alert>> {
        self.cursor.id().and_then(|id| self.rows.get(id))
    }

    /// The marks.
    pub fn marks(&self) -> &Marks {
        &self.marks
    }

    /// The filter chips.
    pub fn chips(&self) -> &Chips {
        &self.chips
    }

    /// The sort order.
    pub fn sort(&self) -> &Sort {
        &self.sort
    }

    /// What can be undone, and what `.` repeats.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Freshness of the data and the ledger.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// The last thing worth saying on the status line.
    pub fn notice(&self) -> Option<&Notice> {
        self.notice.as_ref()
    }

    /// The flags of one row.
    pub fn flags(&self, alert: &Alert) -> RowFlags {
        let members = self.rows.bundles().get(alert.id).map(|bundle| bundle.members.as_slice());
        let (all, any) = match members {
            Some(members) => (
                members.iter().all(|id| self.marks.contains(*id)),
                members.iter().any(|id| self.journal.is_pending(*id)),
            ),
            None => (self.marks.contains(alert.id), self.journal.is_pending(alert.id)),
        };
        RowFlags {
            marked: all,
            cursor: self.cursor.id() == Some(alert.id),
            handled: self.rows.is_handled(alert.id),
            pending: any,
            snoozed: alert.snoozed_until.is_some_and(|until| until > self.now),
            others: alert.assignee.as_ref().is_some_and(|owner| *owner != self.me),
        }
    }

    /// Unhandled: not closed, no verdict, not snoozed, not somebody else's, not dealt with since the last merge.
    pub fn is_unhandled(&self, alert: &Alert) -> bool {
        let flags = self.flags(alert);
        let closed = alert.status.is_closed() && !alert.changed_since_closed;
        let judged = alert.verdict.is_some() && !alert.changed_since_closed;
        // An open bundle's alerts stand for themselves.
        let open =
            self.rows.bundles().get(alert.id).is_some() && self.rows.bundles().is_open(alert.id);
        !(closed || judged || flags.snoozed || flags.others || flags.handled || open)
    }

    fn say(&mut self, tone: Tone, text: impl Into<String>) {
        self.notice = Some(Notice { tone, text: text.into(), at: self.now });
    }

    fn say_problem(&mut self, problem: &Problem) {
        let mut text = problem.message.clone();
        for more in [&problem.detail, &problem.hint] {
            if !more.is_empty() {
                text.push_str(": ");
                text.push_str(more);
            }
        }
        self.say(Tone::Error, text);
    }

    /// The first reading fills the list page by page; a later one (after a gap) is news like any other.
    fn load(&mut self, page: AlertPage, again: bool, more: bool) {
        let filling = !again && !self.loaded;
        self.rows.total = page.total;
        if filling {
            self.adopt(&page.pending);
        }
        for alert in page.rows {
            self.arrive(Arc::new(alert));
        }
        if filling {
            self.loaded = !more;
            self.live.last_merge = self.now;
            self.rebuild();
        }
    }

    fn arrive(&mut self, alert: Arc<Alert>) {
        if self.live.frozen {
            self.live.held.insert(alert.id, alert);
            return;
        }
        let id = alert.id;
        let shown = self.journal.over(alert, &self.me);
        let matches = self.chips.matches(&shown, &self.me, self.now);
        self.rows.put(shown);
        if !self.loaded {
            return;
        }
        self.rows.note_arrival(id, matches);
        if matches && self.rows.is_empty() {
            // Nothing is under the cursor, so nothing can move: the first rows come by themselves.
            self.rebuild();
        }
    }

    pub(super) fn clock(&mut self, now: Timestamp) {
        self.now = now;
        self.journal.expire(now, &self.me);
    }

    fn merge(&mut self) {
        for (_, alert) in std::mem::take(&mut self.live.held) {
            let frozen = std::mem::replace(&mut self.live.frozen, false);
            self.arrive(alert);
            self.live.frozen = frozen;
        }
        let new = self.rows.arrived().count;
        self.rows.handled_clear();
        self.live.last_merge = self.now;
        self.rebuild();
        match new {
            0 => self.say(Tone::Info, "nothing new"),
            1 => self.say(Tone::Info, "1 new alert merged"),
            many => self.say(Tone::Info, format!("{many} new alerts merged")),
        }
    }

    fn toggle_freeze(&mut self) {
        self.live.frozen = !self.live.frozen;
        if self.live.frozen {
            self.say(Tone::Info, "frozen: nothing on screen changes until = or r");
            return;
        }
        for (_, alert) in std::mem::take(&mut self.live.held) {
            self.arrive(alert);
        }
        self.say(Tone::Info, "live again");
    }

    /// Make the list anew from the store: filter, sort, and put the cursor back on its alert.
    fn rebuild(&mut self) {
        let before = self.rows.order_taken();
        let (chips, me, now) = (&self.chips, self.me.as_str(), self.now);
        self.rows.rebuild(&self.sort, |alert| chips.matches(alert, me, now));
        self.cursor.settle(&before, &self.rows);
    }

    fn filter_back(&mut self, chips: Chips) {
        self.chips = chips;
        self.rows.handled_clear();
        self.rebuild();
    }

    fn filter(&mut self, filter: Filter) {
        let shown = self.cursor.id().filter(|id| {
            let alert = self.rows.get(*id);
            alert.is_some_and(|alert| self.chips.matches(alert, &self.me, self.now))
        });
        let changed = match filter {
            Filter::Add(text) => self.chips.add(&text),
            Filter::Replace { index, text } => self.chips.replace(index, &text),
            Filter::Remove(index) => Ok(self.chips.remove(index)),
            Filter::Toggle(index) => Ok(self.chips.toggle(index)),
            Filter::ToggleAll => Ok(self.chips.toggle_all()),
            Filter::Set(texts) => self.chips.set(&texts),
        };
        match changed {
            Ok(true) => {
                self.rows.handled_clear();
                self.rebuild();
                self.explain_cursor(shown);
            }
            Ok(false) => {}
            Err(problem) => self.say_problem(&problem),
        }
    }

    /// A filter that hides the alert the analyst was on says so: the cursor never moves without a word. What was only in the list
    /// still, as an alert that was dealt with, or had gone before, is not hidden by it.
    fn explain_cursor(&mut self, shown: Option<AlertId>) {
        if self.cursor.lost().is_some() && shown.is_some() && self.cursor.id() != shown {
            self.say(Tone::Info, "your alert is hidden by the filter (ctrl-f brings it back)");
        } else {
            self.notice = None;
        }
    }

    fn resort(&mut self, step: &SortEdit) {
        if self.sort.change(step) {
            self.rebuild();
        }
    }
}
