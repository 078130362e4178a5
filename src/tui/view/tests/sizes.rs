//! No size panics, and the terminal's cursor ends inside the screen.

use proptest::prelude::*;

use crate::tui::paint::theme::GlyphSet;
use crate::tui::view::tests::judged;
use crate::tui::view::tests::stage::{Stage, theme};

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

#[test]
fn tiny_screens_work() {
    let stage = Stage::new();
    for (columns, rows) in [(40, 10), (59, 15), (20, 4), (1, 1), (2, 2)] {
        stage.screen(columns, rows, theme("mono", GlyphSet::Ascii));
    }
    let text = stage.screen(40, 10, theme("mono", GlyphSet::Ascii)).rows().join("\n");
    assert!(text.contains("CRIT"), "{text}");
}
