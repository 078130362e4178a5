//! Marks: a set of alert ids that survives filter, order and refresh; and the target of a verb.

use std::collections::BTreeSet;

use crate::model::alert::{Action, Alert, AlertId};
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::edit::Tone;

/// A verb on more alerts than this asks first.
pub const BULK_WITHOUT_ASKING_MAX: usize = 10;

/// A change of marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkEdit {
    /// The row under the cursor, on or off.
    Toggle,
    /// From the last mark to the cursor.
    Range,
    /// Every row of the list that is not closed.
    AllMatching,
    /// Turn the marks of the list round.
    Invert,
    /// None.
    Clear,
    /// Every row of the list with the same value as the one under the cursor.
    Same(Field),
}

/// What rows may have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The endpoint.
    Host,
    /// The user.
    User,
    /// The rule.
    Rule,
    /// The rule and the values it groups by.
    Group,
}

impl Field {
    /// The field of a word (`rule`, `host`, `user`).
    pub fn parse(word: &str) -> Option<Field> {
        Some(match word {
            "host" => Field::Host,
            "user" => Field::User,
            "rule" => Field::Rule,
            "group" => Field::Group,
            _ => return None,
        })
    }

    fn same(self, one: &Alert, two: &Alert) -> bool {
        match self {
            Field::Host => one.host == two.host,
            Field::User => one.user == two.user,
            Field::Rule => one.rule_id == two.rule_id,
            Field::Group => one.rule_id == two.rule_id && one.group == two.group,
        }
    }
}

/// The marks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    ids: BTreeSet<AlertId>,
    last: Option<AlertId>,
}

impl Marks {
    /// Is it marked?
    pub fn contains(&self, id: AlertId) -> bool {
        self.ids.contains(&id)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// None?
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Every marked id.
    pub fn iter(&self) -> impl Iterator<Item = AlertId> + '_ {
        self.ids.iter().copied()
    }
}

/// What a verb is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// The alerts.
    pub ids: Vec<AlertId>,
    /// They were marked (not just under the cursor).
    pub from_marks: bool,
    /// How many of them the filter hides.
    pub hidden: usize,
    /// They are the open alerts of the bundle under the cursor.
    pub bundle: bool,
}

impl Targets {
    /// One alert.
    pub fn one(id: AlertId) -> Targets {
        Targets { ids: vec![id], ..Targets::default() }
    }

    /// Must the analyst be asked first?
    pub fn needs_asking(&self) -> bool {
        self.ids.len() > BULK_WITHOUT_ASKING_MAX || self.hidden > 0 || self.bundle
    }

    /// Nothing to act on?
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// Alerts that a confirmation names.
const SAMPLES: usize = 3;

/// What a confirmation says: the count, the effect, and up to three samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// `false positive on 14 alerts (2 hidden by the filter)?`
    pub title: String,
    /// Rule and host of the first three, and how many more there are. Untrusted text.
    pub samples: Vec<String>,
}

impl DeskModel {
    /// The target of a verb in the list: the marks if there are any (seen or hidden), else the cursor's row.
    pub fn targets(&self) -> Targets {
        if self.marks.is_empty() {
            return self.cursor_targets();
        }
        let mut ids: Vec<AlertId> = self.marks.iter().collect();
        ids.sort_by_key(|id| self.rows.place(*id).unwrap_or(usize::MAX));
        let hidden = self.hidden_marks();
        Targets { ids, from_marks: true, hidden, bundle: false }
    }

    /// The row under the cursor: an alert, or the open alerts of a bundle; all of them when none is open.
    fn cursor_targets(&self) -> Targets {
        let Some(id) = self.cursor.id() else { return Targets::default() };
        let Some(bundle) = self.rows.bundles().get(id) else { return Targets::one(id) };
        let is_open =
            |id: &AlertId| self.rows.get(*id).is_some_and(|alert| !alert.status.is_closed());
        let open: Vec<AlertId> = bundle.members.iter().copied().filter(is_open).collect();
        let ids = if open.is_empty() { bundle.members.clone() } else { open };
        Targets { ids, from_marks: false, hidden: 0, bundle: true }
    }

    /// Marked alerts that the list does not show.
    pub fn hidden_marks(&self) -> usize {
        self.marks.iter().filter(|id| !self.rows.is_listed(*id)).count()
    }

    /// The question to ask before a broad verb.
    pub fn question(&self, targets: &Targets, action: &Action) -> Question {
        let what = super::overlay::describe(action);
        let count = targets.ids.len();
        let noun = if count == 1 { "alert" } else { "alerts" };
        let hidden = match targets.hidden {
            0 => String::new(),
            hidden => format!(" ({hidden} hidden by the filter)"),
        };
        let of = if targets.bundle { " of this bundle" } else { "" };
        Question {
            title: format!("{what} on {count} {noun}{hidden}{of}?"),
            samples: self.samples(&targets.ids),
        }
    }

    /// Rule and host of the first three, and how many more there are.
    pub(super) fn samples(&self, ids: &[AlertId]) -> Vec<String> {
        let first = ids.iter().filter_map(|id| self.rows.get(*id)).take(SAMPLES);
        let mut samples: Vec<String> =
            first.map(|alert| format!("{}  {}", alert.rule_name, alert.host)).collect();
        let more = ids.len() - samples.len();
        if more > 0 {
            samples.push(format!("and {more} more"));
        }
        samples
    }

    pub(super) fn mark(&mut self, step: MarkEdit) {
        match step {
            MarkEdit::Toggle => self.mark_toggle(),
            MarkEdit::Range => self.mark_range(),
            MarkEdit::AllMatching => self.mark_where(|_, _| true),
            MarkEdit::Clear => self.marks = Marks::default(),
            MarkEdit::Invert => {
                for id in self.rows.listed() {
                    if !self.marks.ids.remove(&id) {
                        self.marks.ids.insert(id);
                    }
                }
            }
            MarkEdit::Same(field) => {
                self.mark_where(|current, alert| field.same(current, alert));
            }
        }
    }

    fn mark_toggle(&mut self) {
        let Some(id) = self.cursor.id() else { return };
        let alerts = self.rows.alerts_of(id);
        if alerts.iter().all(|id| self.marks.ids.contains(id)) {
            self.marks.ids.retain(|id| !alerts.contains(id));
        } else {
            self.marks.ids.extend(alerts);
            self.marks.last = Some(id);
        }
    }

    fn mark_range(&mut self) {
        let Some(id) = self.cursor.id() else { return };
        let Some(to) = self.rows.place(id) else { return };
        let from = self.marks.last.and_then(|last| self.rows.place(last)).unwrap_or(to);
        let (from, to) = (from.min(to), from.max(to));
        let rows: Vec<AlertId> =
            self.rows.order().iter().skip(from).take(to - from + 1).copied().collect();
        self.marks.ids.extend(rows.into_iter().flat_map(|id| self.rows.alerts_of(id)));
        self.marks.last = Some(id);
    }

    fn mark_where(&mut self, same: impl Fn(&Alert, &Alert) -> bool) {
        let Some(current) = self.current().cloned() else { return };
        let mut added = 0;
        for id in self.rows.listed() {
            let Some(alert) = self.rows.get(id) else { continue };
            let open = !alert.status.is_closed() || alert.id == current.id;
            if open && same(&current, alert) && self.marks.ids.insert(id) {
                added += 1;
            }
        }
        self.marks.last = Some(current.id);
        self.say(Tone::Info, format!("{added} more marked, {} in all", self.marks.len()));
    }

    pub(super) fn marks_taken(&mut self) -> Marks {
        std::mem::take(&mut self.marks)
    }

    pub(super) fn marks_restored(&mut self, marks: Marks) {
        if self.marks.is_empty() {
            self.marks = marks;
        }
    }
}
