//! The times of a table: as ages, as times of day, or as dates. `z t` chooses.

use crate::stdx::time::Timestamp;
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::times::TimeForm;
use crate::tui::paint::format;
use crate::tui::paint::safe::SafeText;
use crate::tui::view::parts::age;

/// From so many columns on, a table has room for date and time of day.
const WHOLE_DATES_MIN: u16 = 120;
/// On fewer columns a table's own form is all there is room for.
const CHOICE_MIN: u16 = 60;

/// How a table shows its times, all of one width.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    form: TimeForm,
    own: TimeForm,
    now: Timestamp,
    day_only: bool,
}

impl Times {
    /// As the analyst chose, else in the table's own form.
    pub fn of(model: &DeskModel, own: TimeForm) -> Times {
        Times { form: model.time_form(own), own, now: model.now(), day_only: false }
    }

    /// For a table of so many columns that shares them with others.
    #[must_use]
    pub fn within(self, width: u16) -> Times {
        let form = if width < CHOICE_MIN { self.own } else { self.form };
        Times { form, day_only: width < WHOLE_DATES_MIN, ..self }
    }

    /// Columns that every time takes.
    pub fn columns(self) -> u16 {
        match self.form {
            TimeForm::Age => 3,
            TimeForm::Clock => 9,
            TimeForm::Date if self.day_only => 10,
            TimeForm::Date => 20,
        }
    }

    /// The title of the column.
    pub fn title(self) -> &'static str {
        match self.form {
            TimeForm::Age => "AGE",
            TimeForm::Clock => "TIME",
            TimeForm::Date => "DATE",
        }
    }

    /// One time, at the right end of its columns.
    pub fn text(self, at: Timestamp) -> SafeText {
        let text = match self.form {
            TimeForm::Age => age(at, self.now),
            TimeForm::Clock => format::clock(at),
            TimeForm::Date if self.day_only => format::date(at),
            TimeForm::Date => format::date_time(at),
        };
        let columns = usize::from(self.columns());
        SafeText::line(&format!("{:>columns$}", text.as_str()))
    }
}
