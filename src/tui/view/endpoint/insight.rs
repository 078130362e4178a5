//! What is usual on an endpoint, and what is rare.

use crate::model::endpoint_view::{
    EndpointView, Habit, HabitKind, Habits, RARE_COUNT, RARE_OF_AT_LEAST,
};
use crate::tui::paint::format;
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;
use crate::tui::view::doc::Doc;

/// Columns of the longest bar of the hours.
const BAR_COLUMNS: u64 = 40;

/// The tab.
pub(super) fn fill(doc: &mut Doc, view: &EndpointView) {
    doc.text(&view.looked_words(), " ", Role::TextDim);
    let rare = format!(
        "rare: at most {RARE_COUNT} of {RARE_OF_AT_LEAST} or more events; the time is the first among these"
    );
    doc.text(&rare, " ", Role::TextDim);
    for habits in &view.habits {
        doc.blank();
        head(doc, habits);
        if habits.kind == HabitKind::Hour {
            hours(doc, habits);
            continue;
        }
        let paths = habits.kind == HabitKind::Binary;
        for habit in &habits.rare {
            row(doc, habit, true, paths);
        }
        more(doc, habits.rare_names, habits.rare.len(), "rare ones");
        for habit in &habits.usual {
            row(doc, habit, false, paths);
        }
        let usual = habits.names.saturating_sub(habits.rare_names);
        more(doc, usual, habits.usual.len(), "others");
    }
}

fn head(doc: &mut Doc, habits: &Habits) {
    let text = match habits.names {
        0 => format!("{}: no event says", habits.kind.title()),
        names => format!(
            "{}: {names} in {} events, {} rare",
            habits.kind.title(),
            habits.events,
            habits.rare_names
        ),
    };
    doc.text(&text, " ", Role::TextStrong);
}

/// A row; of a path the name comes first, since what is too long is cut at its end.
fn row(doc: &mut Doc, habit: &Habit, rare: bool, path: bool) {
    let role = if rare { Role::TextWarning } else { Role::Text };
    let split = habit.name.rsplit_once(['\\', '/']).filter(|(_, name)| path && !name.is_empty());
    let (folder, name) = split.unwrap_or(("", &habit.name));
    doc.spans(vec![
        (SafeText::label(if rare { " rare " } else { "      " }), role),
        (format::padded(habit.count, 6), role),
        (SafeText::label("  "), Role::Text),
        (format::date_time(habit.first), Role::TextDim),
        (SafeText::label("  "), Role::Text),
        (SafeText::line(name), role),
        (SafeText::label(if folder.is_empty() { "" } else { "  in " }), Role::TextDim),
        (SafeText::line(folder), Role::TextDim),
    ]);
}

fn more(doc: &mut Doc, all: u64, shown: usize, what: &str) {
    let over = all.saturating_sub(shown as u64);
    if over > 0 {
        doc.text(&format!("and {over} {what}"), "             ", Role::TextDim);
    }
}

fn hours(doc: &mut Doc, habits: &Habits) {
    let most = habits.usual.iter().map(|habit| habit.count).max().unwrap_or(1).max(1);
    for habit in &habits.usual {
        let rare = habits.rare.iter().any(|one| one.name == habit.name);
        let role = if rare { Role::TextWarning } else { Role::Text };
        let long = (habit.count * BAR_COLUMNS).div_ceil(most);
        let bar = "#".repeat(usize::try_from(long).unwrap_or(0));
        doc.spans(vec![
            (SafeText::label(if rare { " rare " } else { "      " }), role),
            (SafeText::line(&habit.name), role),
            (SafeText::label(" h "), Role::TextDim),
            (format::padded(habit.count, 6), role),
            (SafeText::label("  "), Role::Text),
            (SafeText::line(&bar), Role::TextDim),
        ]);
    }
}
