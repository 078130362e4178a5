//! The queue's list: only the rows on screen are looked at, however many there are.

use crate::model::alert::Alert;
use crate::tui::desk_model::times::TimeForm;
use crate::tui::desk_model::{DeskModel, RowFlags};
use crate::tui::paint::canvas::{Canvas, Rect};
use crate::tui::paint::format;
use crate::tui::paint::role::{Glyph, Role};
use crate::tui::paint::safe::SafeText;
use crate::tui::view::parts::{draw_severity, has_hidden, host, severity_role, state};
use crate::tui::view::times::Times;

const SEVERITY_X: u16 = 2;
const TIME_X: u16 = 10;
/// After the times: a blank, and the risk with its title.
const RISK_COLUMNS: u16 = 5;
/// A blank, and four columns of a count.
const COUNT_COLUMNS: u16 = 5;
const STATE_WIDTH: u16 = 3;
const FLAGS_WIDTH: u16 = 3;

/// Where the columns of one width stand. Widths of 0: not shown.
#[derive(Clone, Copy, Debug)]
struct Columns {
    times: Times,
    time_right: u16,
    risk_right: u16,
    count_right: u16,
    title: (u16, u16),
    host: (u16, u16),
    user: (u16, u16),
    owner: (u16, u16),
    state: u16,
    flags: u16,
}

impl Columns {
    fn of(width: u16, times: Times) -> Columns {
        let (host, user, owner) = match width {
            0..60 => (0, 0, 0),
            60..100 => (12, 0, 5),
            100..140 => (17, 12, 8),
            _ => (24, 16, 12),
        };
        let mut right = width;
        let mut take = |columns: u16| {
            let gap = u16::from(columns > 0);
            right = right.saturating_sub(columns + gap);
            right + gap
        };
        let flags = take(FLAGS_WIDTH);
        let state = take(STATE_WIDTH);
        let owner = (take(owner), owner);
        let user = (take(user), user);
        let host = (take(host), host);
        let time_right = TIME_X + times.columns();
        let risk_right = time_right + RISK_COLUMNS;
        let count_right = risk_right + COUNT_COLUMNS;
        let title_x = count_right + 1;
        let title = (title_x, right.saturating_sub(title_x));
        Columns {
            times,
            time_right,
            risk_right,
            count_right,
            title,
            host,
            user,
            owner,
            state,
            flags,
        }
    }
}

/// Draw the list, with a row of column titles if asked.
pub(super) fn draw(model: &DeskModel, canvas: &mut Canvas<'_>, titles: bool) {
    let (width, height) = (canvas.width(), canvas.height());
    let columns = Columns::of(width, Times::of(model, TimeForm::Age).within(width));
    let first = u16::from(titles);
    if titles {
        draw_titles(canvas, columns);
    }
    let mut canvas = canvas.sub(Rect::new(0, first, width, height.saturating_sub(first)));
    let rows = usize::from(canvas.height());
    if model.rows().is_empty() {
        super::preview::draw_empty(model, &mut canvas);
        return;
    }
    let (top, line) = model.cursor().top(model.rows(), rows);
    for (y, alert) in (0_u16..).zip(model.rows().window(top, rows)) {
        draw_row(model, alert, &mut canvas, y, columns);
    }
    canvas.set_cursor(0, u16::try_from(line).unwrap_or(0));
}

fn draw_titles(canvas: &mut Canvas<'_>, columns: Columns) {
    canvas.label(SEVERITY_X + 1, 0, "SEV", Role::TextDim);
    for (right, label) in [
        (columns.time_right, columns.times.title()),
        (columns.risk_right, "RISK"),
        (columns.count_right, "N"),
    ] {
        canvas.text_right(right, 0, &SafeText::label(label), Role::TextDim);
    }
    canvas.label(columns.title.0, 0, "ALERT", Role::TextDim);
    for ((x, width), label) in
        [(columns.host, "HOST"), (columns.user, "USER"), (columns.owner, "OWNER")]
    {
        if width > 0 {
            canvas.label(x, 0, label, Role::TextDim);
        }
    }
    canvas.label(columns.state, 0, "ST", Role::TextDim);
}

fn draw_row(model: &DeskModel, alert: &Alert, canvas: &mut Canvas<'_>, y: u16, columns: Columns) {
    let flags = model.flags(alert);
    if flags.cursor {
        canvas.fill_row(y, Role::RowCursor);
        canvas.glyph(0, y, Glyph::Cursor, Role::RowCursor);
    }
    if flags.marked {
        canvas.glyph(1, y, Glyph::Mark, Role::RowMarked);
    }
    let dim = flags.handled || alert.status.is_closed();
    let role = |normal| if dim { Role::RowHandled } else { normal };
    draw_severity(canvas, SEVERITY_X, y, alert.severity, role(severity_role(alert.severity)));
    let text = role(Role::Text);
    canvas.text_right(columns.time_right, y, &columns.times.text(alert.last_seen), text);
    canvas.text_right(columns.risk_right, y, &format::number(u64::from(alert.risk)), text);
    let bundle = model.rows().bundles().get(alert.id).is_some();
    if alert.count > 1 && !bundle {
        canvas.text_right(columns.count_right, y, &count(alert.count), text);
    }
    let mut title = super::bundle::sign(model, alert);
    title.push(&SafeText::line(&super::bundle::title(model, alert)));
    canvas.text(columns.title.0, y, columns.title.1, &title, text);
    let owner = alert
        .assignee
        .as_deref()
        .map_or("-", |owner| if owner == model.me() { "you" } else { owner });
    let (x, width) = columns.host;
    canvas.text(x, y, width, &host(or_dash(&alert.host), width), text);
    for ((x, width), value) in [(columns.user, alert.user.as_str()), (columns.owner, owner)] {
        canvas.text(x, y, width, &SafeText::line(or_dash(value)), text);
    }
    let (word, state_role) = state(alert.status);
    canvas.text(columns.state, y, STATE_WIDTH, &SafeText::label(word), role(state_role));
    draw_flags(alert, flags, canvas, columns.flags, y);
}

fn or_dash(value: &str) -> &str {
    if value.is_empty() { "-" } else { value }
}

/// One sign a fact; the preview says them in words.
fn draw_flags(alert: &Alert, flags: RowFlags, canvas: &mut Canvas<'_>, x: u16, y: u16) {
    let mut at = x;
    let signs = [
        (flags.pending, Glyph::Pending, Role::RowPending),
        (flags.snoozed, Glyph::Snoozed, Role::StateSnoozed),
        (has_hidden(alert), Glyph::Hidden, Role::TextWarning),
    ];
    for (_, glyph, role) in signs.into_iter().filter(|(set, _, _)| *set) {
        at += canvas.glyph(at, y, glyph, role);
    }
    if alert.changed_since_closed {
        at += canvas.label(at, y, "+", Role::TextWarning);
    }
    if alert.backfill {
        canvas.label(at, y, "b", Role::TextDim);
    }
}

/// A count in at most four columns.
fn count(count: u64) -> SafeText {
    match count {
        0..1_000 => SafeText::line(&format!("x{count}")),
        1_000..100_000 => SafeText::line(&format!("x{}k", count / 1_000)),
        100_000..1_000_000 => SafeText::line(&format!("{}k", count / 1_000)),
        _ => SafeText::label("1M+"),
    }
}
