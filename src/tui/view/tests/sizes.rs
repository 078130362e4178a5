//! No size panics, and the terminal's cursor ends inside the screen.

use proptest::prelude::*;

use crate::model::desk::Problem;
use crate::tui::contract::{Reply, Request};
use crate::tui::paint::theme::GlyphSet;
use crate::tui::view::tests::stage::{Stage, fixture_answer, theme};
use crate::tui::view::tests::{fixture, judged};

/// Ways to every screen.
const TOURS: [&[&str]; 24] = [
    &[],
    &["ctrl-f", "G"],
    &["/", "\"host:nowhere", "enter"],
    &["enter"],
    &["2"],
    &["3", "n"],
    &["4"],
    &["v v"],
    &["v v", "tab", "tab", "tab", "\"note"],
    &["c", "\"a note"],
    &["F"],
    &["/", "\"sev>=nothing"],
    &["x r", "\"because", "enter"],
    &["g e"],
    &["e", "enter"],
    &["E"],
    &["E", "2", "G"],
    &["E", "3"],
    &["E", "4"],
    &["E", "5"],
    &["g f"],
    &["2", "space", "n"],
    &["5"],
    &["6"],
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn every_screen_at_every_size(
        tour in 0..TOURS.len(),
        sizes in prop::collection::vec((0_u16..300, 0_u16..100), 1..4),
        keys in prop::collection::vec(prop::sample::select(vec!["j", "G", "ctrl-d", "k", "pageup"]), 0..6),
    ) {
        let mut stage = Stage::with(judged::answer);
        for chord in TOURS[tour] {
            stage.press(chord);
        }
        for (columns, rows) in sizes {
            for set in [GlyphSet::Unicode, GlyphSet::Ascii] {
                let screen = stage.screen(columns, rows, theme("dark", set));
                if let Some((x, y)) = screen.cursor() {
                    prop_assert!(x < columns && y < rows);
                }
                if columns >= 20 && rows >= 8 {
                    prop_assert!(screen.cursor().is_some(), "no cursor on tour {tour}");
                }
            }
            for key in &keys {
                stage.press(key);
            }
        }
    }
}

/// The columns of a row, by the blanks between them.
fn words(text: &str, row: &str) -> Vec<String> {
    let line = text.lines().find(|line| line.contains(row)).unwrap_or_else(|| panic!("{text}"));
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn columns_never_touch_however_old_the_alert_and_however_many_its_matches() {
    fn old_and_many(request: &Request) -> Option<Result<Reply, Problem>> {
        let mut answer = fixture_answer(request)?;
        match &mut answer {
            Ok(Reply::Alerts(page)) => {
                for (alert, weeks) in page.rows.iter_mut().zip([322, 99, 100]) {
                    alert.last_seen = fixture::NOW.plus_micros(-weeks * 604_800_000_000);
                    alert.count = 106;
                }
            }
            Ok(Reply::Endpoints(rows)) => {
                rows[1].events = 999_999_999;
            }
            _ => {}
        }
        Some(answer)
    }
    let mut stage = Stage::with(old_and_many);
    for columns in [80, 120] {
        let screen = stage.screen(columns, 24, theme("mono", GlyphSet::Ascii));
        let text = screen.rows().join("\n");
        assert_eq!(words(&text, "LSASS")[1..6], ["!!", "CRIT", "6y", "97", "x106"], "{text}");
        assert_eq!(words(&text, "PowerShell")[1..4], ["HIGH", "1y", "88"], "{text}");
    }
    stage.press("g e");
    let text = stage.text();
    assert_eq!(words(&text, "fin-ws-044")[2..4], ["windows", "999,999,999"], "{text}");
}

#[test]
fn tiny_screens_work() {
    let stage = Stage::new();
    for (columns, rows) in [(40, 10), (59, 15), (20, 4), (1, 1), (2, 2)] {
        stage.screen(columns, rows, theme("mono", GlyphSet::Ascii));
    }
    let text = stage.screen(40, 10, theme("mono", GlyphSet::Ascii)).rows().join("\n");
    assert!(text.contains("CRIT"), "{text}");
}
