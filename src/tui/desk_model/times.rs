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
    #[must_use]
    pub fn next(self) -> TimeForm {
        match self {
            TimeForm::Age => TimeForm::Clock,
            TimeForm::Clock => TimeForm::Date,
            TimeForm::Date => TimeForm::Age,
        }
    }

    fn words(self) -> &'static str {
        match self {
            TimeForm::Age => "times in tables: ages",
            TimeForm::Clock => "times in tables: time of day (UTC)",
            TimeForm::Date => "times in tables: dates (UTC)",
        }
    }
}

impl DeskModel {
    /// The form that was chosen, or the table's own.
    pub fn time_form(&self, own: TimeForm) -> TimeForm {
        self.times.unwrap_or(own)
    }

    pub(super) fn show_times(&mut self, form: TimeForm) {
        self.times = Some(form);
        self.say(Tone::Info, form.words());
    }
}
