//! The form in which tables show times. Every table has its own until the analyst chooses one for all.

use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::edit::Tone;

/// The form in which a table shows times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeForm {
    /// How long ago.
    Age,
    /// The time of day.
    Clock,
    /// The date, with the time of day where there is room.
    Date,
}

impl TimeForm {
    /// The one after it, round and round.
    fn next(self) -> TimeForm {
        match self {
            TimeForm::Age => TimeForm::Clock,
            TimeForm::Clock => TimeForm::Date,
            TimeForm::Date => TimeForm::Age,
        }
    }
}

fn words(form: Option<TimeForm>) -> &'static str {
    match form {
        None => "times in tables: each table's own",
        Some(TimeForm::Age) => "times in tables: ages",
        Some(TimeForm::Clock) => "times in tables: time of day (UTC)",
        Some(TimeForm::Date) => "times in tables: dates (UTC)",
    }
}

impl DeskModel {
    /// The form after the one that is shown, where the table's own is `own`. `None`: each table's own again, where the round comes
    /// back to it.
    pub fn next_times(&self, own: TimeForm) -> Option<TimeForm> {
        let next = self.time_form(own).next();
        (next != own).then_some(next)
    }

    /// The form that was chosen, or the table's own.
    pub fn time_form(&self, own: TimeForm) -> TimeForm {
        self.times.unwrap_or(own)
    }

    pub(super) fn show_times(&mut self, form: Option<TimeForm>) {
        self.times = form;
        self.say(Tone::Info, words(form));
    }
}
