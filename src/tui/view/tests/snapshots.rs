//! Every screen at 80x24 and 120x40: the text once, the looks in both themes.

use crate::model::desk::{AlertPage, Problem, ProblemKind};
use crate::tui::contract::{Msg, Reply, Request};
use crate::tui::paint::theme::GlyphSet;
use crate::tui::view::tests::stage::{Stage, fixture_answer, theme};

pub(super) fn snap(name: &str, stage: &Stage) {
    for (columns, rows) in [(80, 24), (120, 40)] {
        let mut text = String::new();
        for (theme_name, set) in [("dark", GlyphSet::Ascii), ("mono", GlyphSet::Ascii)] {
            let screen = stage.screen(columns, rows, theme(theme_name, set));
            if text.is_empty() {
                text.push_str(&screen.rows().join("\n"));
                text.push_str(&format!("\n\ncursor {:?}\n", screen.cursor()));
                for row in screen.rows() {
                    let own: String =
                        row.chars().filter(|c| !"e\u{301}\u{e9}".contains(*c)).collect();
                    assert!(own.is_ascii(), "{name}: {row}");
                }
            }
            text.push_str(&format!("\n{theme_name}\n{}", screen.looks()));
        }
        insta::assert_snapshot!(format!("{name}_{columns}x{rows}"), text);
    }
}

fn pressed(chords: &[&str]) -> Stage {
    let mut stage = Stage::new();
    for chord in chords {
        stage.press(chord);
    }
    stage
}

#[test]
fn queue() {
    snap("queue", &pressed(&[]));
}

#[test]
fn queue_with_marks_a_verdict_and_news() {
    let mut stage = pressed(&["j", "space", "space", "k", "k", "k", "J"]);
    stage.press("m n");
    stage.press("v f");
    let mut alerts = super::fixture::alerts();
    let mut new = alerts.remove(0);
    new.id = crate::stdx::id::Id128([7; 16]);
    stage.message(Msg::Change(crate::model::desk::Change::Alert(Box::new(new))));
    snap("queue_handled", &stage);
}

#[test]
fn queue_scrolled_to_hostile_rows() {
    snap("queue_hostile", &pressed(&["G", "ctrl-u"]));
}

#[test]
fn queue_where_the_filter_matches_nothing() {
    snap("queue_filtered_out", &pressed(&["/", "\"host:nowhere", "enter"]));
}

#[test]
fn queue_frozen_with_all_chips_off() {
    snap("queue_frozen", &pressed(&["ctrl-f", "="]));
}

#[test]
fn queue_empty_loading_and_offline() {
    let empty = |request: &Request| {
        Some(match request {
            Request::Alerts(_) => Ok(Reply::Alerts(AlertPage::default())),
            other => super::fixture::answer(other),
        })
    };
    snap("queue_empty", &Stage::with(empty));
    snap("queue_loading", &Stage::with(|_| None));
    let offline = |_: &Request| {
        Some(Err(Problem::new(ProblemKind::Unavailable, "the socket does not answer")))
    };
    snap("queue_offline", &Stage::with(offline));
}

#[test]
fn detail_tabs() {
    snap("detail_summary", &pressed(&["enter"]));
    snap("detail_why", &pressed(&["enter", "2"]));
    snap("detail_raw", &pressed(&["enter", "3", "n"]));
    snap("detail_history", &pressed(&["4"]));
    snap("detail_hostile", &pressed(&["/", "\"sev:medium", "enter", "G", "K", "k", "enter"]));
}

#[test]
fn verdict_sheet() {
    let chords = ["v v", "b", "tab", "space", "l", "l", "space", "tab", "l", "tab"];
    let mut stage = pressed(&chords);
    stage.press("\"checked with t.weber").press("enter").press("\"second line");
    snap("sheet", &stage);
    let mut stage = pressed(&["space", "space", "v v"]);
    stage.press("tab").press("tab").press("tab");
    snap("sheet_marked", &stage);
}

#[test]
fn note_composer_with_hostile_paste() {
    let mut stage = pressed(&["c"]);
    stage.paste(&super::fixture::HOSTILE.join("\n"));
    snap("note_hostile", &stage);
}

#[test]
fn prompts() {
    snap("filter_prompt", &pressed(&["/"]));
    snap("filter_error", &pressed(&["/", "\"sev>=hihg hots:x"]));
    snap("chips", &pressed(&["/", "\"sev>=high", "enter", "F", "space"]));
    snap("rule_off", &pressed(&["x r", "\"too noisy"]));
    snap("rule_off_asks", &pressed(&["x r", "\"too noisy", "enter"]));
    snap("bulk_asks", &pressed(&["m a", "v f"]));
}

#[test]
fn endpoints_and_events() {
    snap("endpoints", &pressed(&["g e"]));
    snap("events", &pressed(&["e"]));
    snap("event", &pressed(&["e", "enter"]));
    let failing = |request: &Request| match request {
        Request::Endpoints | Request::EventsAround { .. } => {
            Some(Err(Problem::new(ProblemKind::Internal, "the disk is full")))
        }
        other => fixture_answer(other),
    };
    let mut stage = Stage::with(failing);
    stage.press("g e");
    snap("endpoints_failed", &stage);
}
