//! The preview under the list: why, who, techniques, when, risk. And what an empty list says.

use crate::model::alert::Alert;
use crate::model::desk::AlertDetail;
use crate::model::risk;
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::live::Link;
use crate::tui::paint::canvas::{Canvas, Rect};
use crate::tui::paint::format;
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;
use crate::tui::view::doc::{Doc, Scroll};
use crate::tui::view::parts::draw_rule;
use crate::tui::view::summary;

/// Draw the preview, with its rule.
pub(super) fn draw(
    model: &DeskModel,
    detail: Option<&AlertDetail>,
    scroll: &Scroll,
    canvas: &mut Canvas<'_>,
) {
    let Some(alert) = model.current() else {
        draw_rule(canvas, 0, &SafeText::default(), Role::Rule);
        return;
    };
    let (width, height) = (canvas.width(), canvas.height());
    let mut head = title(alert);
    if height > 8 {
        // The tall preview has the risk on a line of its own, and room for the whole title.
        head = format::id_short(&alert.id);
        head.push_label("  ").push(&SafeText::line(&alert.rule_name));
    }
    draw_rule(canvas, 0, &head, Role::TextStrong);
    let mut canvas = canvas.sub(Rect::new(0, 1, width, height.saturating_sub(1)));
    let tall = height > 8;
    let mut doc = Doc::new(width.saturating_sub(1), tall);
    if let Some(bundle) = model.rows().bundles().get(alert.id) {
        super::bundle::fill(&mut doc, model, bundle, tall);
    } else if tall {
        summary::fill(&mut doc, model, alert, detail);
    } else {
        summary::fill_short(&mut doc, model, alert);
    }
    doc.draw(&mut canvas, scroll);
}

fn title(alert: &Alert) -> SafeText {
    let mut text = format::id_short(&alert.id);
    text.push_label("  risk ");
    text.push(&SafeText::line(&risk::sentence(alert.risk, &alert.risk_parts)));
    text
}

/// What an empty list says, and what to do about it.
pub(super) fn draw_empty(model: &DeskModel, canvas: &mut Canvas<'_>) {
    let mut lines: Vec<(SafeText, Role)> = Vec::new();
    let known = model.rows().known() as u64;
    if let Link::Offline(_, why) = &model.live().link {
        let mut text = SafeText::label("no connection: ");
        text.push(&SafeText::line(why));
        lines.push((text, Role::TextWarning));
        lines.push((SafeText::label("trying again; nothing is lost"), Role::TextDim));
    } else if !model.loaded() {
        lines.push((SafeText::label("reading alerts ..."), Role::TextDim));
    } else if known == 0 {
        lines.push((SafeText::label("no alerts yet"), Role::TextStrong));
        lines.extend(ingest(model));
    } else {
        let mut text = SafeText::label("no alert matches the filter; ");
        text.push(&format::count(known)).push_label(" are hidden by it");
        lines.push((text, Role::TextStrong));
        lines.extend(blame(model));
        lines.push((
            SafeText::label("ctrl-f switches the filter off and on, F changes single chips"),
            Role::TextDim,
        ));
        lines.extend(ingest(model));
    }
    let room = canvas.width().saturating_sub(4);
    for (y, (text, role)) in (1_u16..).zip(lines) {
        canvas.text(2, y, room, &text, role);
    }
    canvas.set_cursor(0, 0);
}

/// Which chip alone takes the last rows away: without it, how many would show.
fn blame(model: &DeskModel) -> Vec<(SafeText, Role)> {
    let mut lines = Vec::new();
    for (index, chip) in model.chips().iter().enumerate() {
        if !model.chips().works(index) {
            continue;
        }
        let others = |alert: &&std::sync::Arc<Alert>| {
            (0..model.chips().len()).all(|other| {
                other == index
                    || !model.chips().works(other)
                    || model.chips().matches_one(other, alert, model.me(), model.now())
            })
        };
        let without = model.rows().iter_known().filter(others).count();
        if without > 0 {
            let mut text = SafeText::label("without [");
            text.push(&SafeText::line(chip.text())).push_label("] there would be ");
            text.push(&format::count(without as u64));
            lines.push((text, Role::Text));
        }
    }
    lines
}

/// The calm line: events come in, nothing is lost.
fn ingest(model: &DeskModel) -> Vec<(SafeText, Role)> {
    let Some(status) = model.live().status() else { return Vec::new() };
    let ledger = model.live().ledger();
    let mut text = SafeText::default();
    text.push(&format::count(status.sources.len() as u64));
    text.push_label(if status.sources.len() == 1 { " source, " } else { " sources, " });
    text.push(&format::count(ledger.received)).push_label(" records received, ");
    text.push(&format::count(ledger.stored)).push_label(" stored, ");
    text.push(&format::count(ledger.rejected)).push_label(" rejected; ");
    text.push(&format::count(status.rules_loaded as u64)).push_label(" rules watch them");
    vec![(text, Role::TextDim)]
}
