//! The queue's two head lines: counts, freshness and clock; filter chips and order.

use crate::model::severity::Severity;
use crate::stdx::time::SECOND_US;
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::live::Link;
use crate::tui::paint::canvas::Canvas;
use crate::tui::paint::format;
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;
use crate::tui::view::parts::severity_role;

/// Draw the header line. What is new always shows; on a narrow screen the title and the mildest counts make room.
pub(super) fn draw(model: &DeskModel, canvas: &mut Canvas<'_>) {
    canvas.fill_row(0, Role::Header);
    let right = draw_right(model, canvas);
    let mut parts = counts(model);
    if parts.is_empty() && model.loaded() {
        parts.push((nothing_open(model), Role::Header));
    }
    let new = arrived(model);
    let room = right.saturating_sub(2);
    let wide = |parts: &[(SafeText, Role)]| -> u16 {
        parts.iter().chain(&new).map(|(text, _)| width(text) + 2).sum()
    };
    let title = canvas.width() >= 60 && wide(&parts) + 8 <= room;
    while parts.len() > 1 && wide(&parts) > room {
        parts.pop();
    }
    let mut x = 1;
    if title {
        x += canvas.label(x, 0, "TRIAGE", Role::HeaderTitle) + 2;
    }
    for (text, role) in parts.iter().chain(&new) {
        x += canvas.text(x, 0, right.saturating_sub(x + 1), text, *role) + 2;
    }
}

/// `CRIT 2`, `HIGH 11`, …: the severities that there are, worst first.
fn counts(model: &DeskModel) -> Vec<(SafeText, Role)> {
    let counts = model.rows().counts();
    let there = Severity::ALL.into_iter().filter(|severity| counts.of(*severity) > 0);
    there
        .map(|severity| {
            let mut text = format::severity(severity);
            text.push_label(" ").push(&format::count(counts.of(severity) as u64));
            (text, severity_role(severity))
        })
        .collect()
}

/// No open alert is listed: what the filter leaves out is still there, and only a clear queue reads like one.
fn nothing_open(model: &DeskModel) -> SafeText {
    let (open, total) = (model.rows().open() as u64, model.rows().total() as u64);
    if total == 0 {
        return SafeText::label("0 open");
    }
    let mut text = SafeText::default();
    match model.rows().listed().len() as u64 {
        _ if open == 0 => {}
        0 => drop(text.push_label("nothing matches; ")),
        closed => drop(text.push(&format::count(closed)).push_label(" closed listed; ")),
    }
    text.push(&format::count(open)).push_label(" open of ");
    text.push(&format::count(total)).push_label(" alerts");
    text
}

/// `+3 new, HIGH (r)`, if something waits for a merge.
fn arrived(model: &DeskModel) -> Option<(SafeText, Role)> {
    let arrived = model.rows().arrived();
    let worst = arrived.worst?;
    let mut text = SafeText::label("+");
    text.push(&format::count(arrived.count as u64)).push_label(" new, ");
    text.push(&format::severity(worst)).push_label(" (r)");
    Some((text, Role::HeaderNew))
}

/// State, lag and clock at the right end. Returns the column where they begin.
fn draw_right(model: &DeskModel, canvas: &mut Canvas<'_>) -> u16 {
    let width = canvas.width();
    let mut x = canvas.text_right(
        width.saturating_sub(1),
        0,
        &format::clock_minutes(model.now()),
        Role::Header,
    );
    if canvas.width() >= 60
        && let Some(lag_us) = model.live().lag_us(model.now())
    {
        let mut text = SafeText::label("lag ");
        text.push(&lag(lag_us));
        x = canvas.text_right(x.saturating_sub(2), 0, &text, Role::Header);
    }
    let (text, role) = state(model);
    canvas.text_right(x.saturating_sub(2), 0, &text, role)
}

fn lag(lag_us: i64) -> SafeText {
    let tenths = lag_us / (SECOND_US / 10);
    if tenths < 100 {
        return SafeText::line(&format!("{}.{}s", tenths / 10, tenths % 10));
    }
    format::duration(lag_us / SECOND_US)
}

fn state(model: &DeskModel) -> (SafeText, Role) {
    if model.live().frozen {
        let mut text = SafeText::label("FROZEN");
        let held = model.live().held.len();
        if held > 0 {
            text.push_label(" ").push(&format::count(held as u64)).push_label(" wait");
        }
        return (text, Role::StateFrozen);
    }
    let since = |label: &'static str, at| {
        let mut text = SafeText::label(label);
        text.push(&format::age(at, model.now()));
        (text, Role::StateStale)
    };
    match &model.live().link {
        Link::Live if model.loaded() => (SafeText::label("LIVE"), Role::StateLive),
        Link::Live => (SafeText::label("LOADING"), Role::StateStale),
        Link::Stale(at) => since("STALE ", *at),
        Link::Offline(at, _) => since("OFFLINE ", *at),
    }
}

fn width(text: &SafeText) -> u16 {
    u16::try_from(text.width()).unwrap_or(u16::MAX)
}

/// Draw the chips line: every chip with its switch, `n of m`, and the order.
pub(super) fn draw_chips(model: &DeskModel, canvas: &mut Canvas<'_>) {
    let mut right = SafeText::default();
    right.push(&format::count(model.rows().listed().len() as u64)).push_label(" of ");
    right.push(&format::count(model.rows().total() as u64)).push_label("   sort ");
    right.push(&SafeText::line(&model.sort().label()));
    let end = canvas.width().saturating_sub(1);
    let right = canvas.text_right(end, 0, &right, Role::TextDim).saturating_sub(2);
    let mut x = 1;
    if model.chips().is_empty() {
        canvas.label(x, 0, "no filter: every alert is listed", Role::TextDim);
        return;
    }
    if model.chips().are_all_off() {
        x += canvas.label(x, 0, "filter off: ", Role::TextWarning);
    }
    let count = model.chips().len();
    for (index, chip) in model.chips().iter().enumerate() {
        let on = model.chips().works(index);
        let mut text = SafeText::label("[");
        text.push(&SafeText::line(chip.text())).push_label("]");
        if !on && !model.chips().are_all_off() {
            text.push_label("off");
        }
        let rest = count - index;
        let room = right.saturating_sub(x);
        if room < 8 || (rest > 1 && width(&text) + 6 > room) {
            let mut more = SafeText::label("+");
            more.push(&format::number(rest as u64));
            canvas.text(x, 0, room, &more, Role::TextDim);
            break;
        }
        x += canvas.text(x, 0, room, &text, if on { Role::Chip } else { Role::ChipOff }) + 1;
    }
}
