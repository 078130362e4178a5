//! The desk without a terminal: keys in, what is drawn and asked out.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::stdx::time::Timestamp;
use crate::tui::action::call::ActionCall;
use crate::tui::action::{ActionId, Class};
use crate::tui::contract::{Confirm, Effect, Input, Tone, View};
use crate::tui::desk_model::DeskModel;
use crate::tui::keys::key::{Code, Key};
use crate::tui::keys::keymap::Keymap;
use crate::tui::paint::canvas::Canvas;
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;
use crate::tui::paint::screen::Screen;
use crate::tui::paint::theme::{GlyphSet, Theme};
use crate::tui::run::app::{App, Outside};
use crate::tui::term::guard::Guard;
use crate::tui::term::joiner::TermEvent;

/// A queue that says what it was told.
struct Probe;

impl View for Probe {
    fn context(&self) -> &'static str {
        "queue"
    }

    fn update(&mut self, input: &Input<'_>, _model: &DeskModel) -> Option<Vec<Effect>> {
        let Input::Action(call) = input else { return None };
        let said = |text: String| Effect::Say(SafeText::line(&text), Tone::Plain);
        match call.id {
            ActionId::RuleOff => Some(vec![Effect::Confirm(Confirm {
                title: SafeText::label("switch the rule off?"),
                lines: Vec::new(),
                yes: vec![said("switched off".to_owned())],
            })]),
            _ if call.id.spec().contexts.contains(&"triage") => Some(vec![said(call.to_string())]),
            ActionId::CopyId => Some(vec![Effect::Copy("id".to_owned())]),
            _ => None,
        }
    }

    fn render(&self, _model: &DeskModel, canvas: &mut Canvas<'_>) {
        canvas.label(0, 0, "probe", Role::Text);
        canvas.set_cursor(0, 0);
    }

    fn unavailable(&self, call: &ActionCall, _model: &DeskModel) -> Option<&'static str> {
        (call.id == ActionId::NoteCompose).then_some("no alert is selected")
    }
}

struct Bench {
    app: App,
    now: Instant,
    clock: Timestamp,
}

impl Bench {
    fn new() -> Bench {
        let clock = Timestamp::from_seconds(1_700_000_000);
        let app = App::new("me".to_owned(), Keymap::builtin(), Box::new(Probe), |_, _| None, clock);
        let mut bench = Bench { app, now: Instant::now(), clock };
        bench.app.take_outside();
        bench
    }

    fn wait(&mut self, by: Duration) {
        self.now += by;
        self.clock = self.clock.plus_micros(i64::try_from(by.as_micros()).unwrap());
        self.app.tick(self.clock);
    }

    fn keys(&mut self, chord: &str) {
        for key in Key::parse_chord(chord).unwrap() {
            self.app.event(TermEvent::Key(key), self.now);
        }
    }

    fn rows(&mut self, columns: u16, rows: u16) -> Vec<String> {
        let mut screen = Screen::new(columns, rows, Theme::plain(GlyphSet::Ascii));
        screen.draw(|canvas| self.app.paint(canvas, self.now));
        let drawn = screen.rows();
        let frame = screen.frame();
        let (mut guard, mut out) = (Guard::default(), Vec::new());
        guard.pass(&frame, &mut out);
        assert_eq!(guard.refused(), 0);
        drawn
    }

    fn said(&self) -> String {
        self.app.said.as_ref().map(|(text, _)| text.as_str().to_owned()).unwrap_or_default()
    }
}

#[test]
fn chords_reach_the_view_and_the_box_waits() {
    let mut bench = Bench::new();
    bench.keys("v");
    assert!(!bench.rows(80, 24).iter().any(|row| row.contains("esc drops it")));
    bench.wait(Duration::from_millis(400));
    let rows = bench.rows(80, 24);
    assert!(rows.iter().any(|row| row.contains("Verdict  v ...   esc drops it")), "{rows:#?}");
    assert!(rows.iter().any(|row| row.contains("f Verdict: false positive")), "{rows:#?}");
    bench.keys("f");
    assert_eq!(bench.said(), "alert.verdict kind=false_positive");
}

#[test]
fn what_is_impossible_says_why_and_is_dimmed_in_the_palette() {
    let mut bench = Bench::new();
    bench.keys("c");
    assert_eq!(bench.said(), "no alert is selected");
    bench.keys("ctrl-p N o t e");
    let rows = bench.rows(80, 24);
    assert!(rows.iter().any(|row| row.contains("Note  no alert is selected")), "{rows:#?}");
}

#[test]
fn the_palette_runs_what_was_found() {
    let mut bench = Bench::new();
    bench.keys("ctrl-p s n o o z e space 4 h enter");
    assert_eq!(bench.said(), "alert.snooze for=4h");
    assert_eq!(bench.app.context(), "queue");
    bench.keys("ctrl-p q u i t enter");
    assert_eq!(bench.app.take_outside(), [Outside::Quit]);
}

#[test]
fn the_command_line_runs_names_and_remembers_them() {
    let mut bench = Bench::new();
    bench.keys(": s n o o z e space 8 h enter");
    assert_eq!(bench.said(), "alert.snooze for=8h");
    bench.keys(": up enter");
    assert_eq!(bench.said(), "alert.snooze for=8h");
    bench.keys(": n o p e enter");
    assert!(bench.said().starts_with("unknown action nope"));
    assert_eq!(bench.app.context(), "prompt");
    bench.keys("esc");
    assert_eq!(bench.app.context(), "queue");
}

#[test]
fn help_names_groups_and_origins() {
    let mut bench = Bench::new();
    bench.keys("?");
    let rows = bench.rows(100, 40);
    for heading in ["on this screen", "verbs"] {
        assert!(rows.iter().any(|row| row.contains(heading)), "{rows:#?}");
    }
    bench.keys("f1 q");
    assert_eq!(bench.app.context(), "picker");
    bench.keys("ctrl-g");
    assert_eq!(bench.app.context(), "queue");
}

#[test]
fn help_is_read_whole_by_pages_both_ways() {
    let body = |bench: &mut Bench| -> Vec<String> {
        let rows = bench.rows(60, 12);
        rows[2..8].iter().map(|row| row.replace('>', " ").trim().to_owned()).collect()
    };
    let read = |bench: &mut Bench, key: &str, times: usize| {
        let mut seen = body(bench);
        for _ in 0..times {
            bench.keys(key);
            seen.extend(body(bench));
        }
        seen.into_iter().collect::<std::collections::BTreeSet<_>>()
    };
    let mut bench = Bench::new();
    bench.keys("?");
    let all = read(&mut bench, "down", 200);
    assert!(all.len() > 30, "{all:#?}");
    let last = body(&mut bench);
    assert_eq!(read(&mut bench, "pageup", 40), all);
    assert_eq!(read(&mut bench, "pagedown", 40), all);
    assert_eq!(body(&mut bench), last);
}

#[test]
fn broad_actions_ask_and_enter_means_no() {
    let mut bench = Bench::new();
    bench.keys("x r y");
    assert_eq!(bench.app.context(), "confirm", "typed ahead: ignored");
    bench.wait(Duration::from_millis(400));
    bench.keys("enter");
    assert_eq!((bench.app.context(), bench.said().as_str()), ("queue", "nothing was done"));
    bench.keys("x r");
    bench.wait(Duration::from_millis(400));
    bench.keys("y");
    assert_eq!(bench.said(), "switched off");
}

#[test]
fn pastes_never_act() {
    let mut bench = Bench::new();
    bench.keys("v");
    bench.app.event(TermEvent::Paste("f\nQ\ny".to_owned()), bench.now);
    assert!(bench.said().starts_with("a paste does nothing here"));
    bench.keys("f");
    assert!(bench.said().starts_with("f is not bound here"));
    assert_eq!(bench.app.take_outside(), []);
}

#[test]
fn the_hint_line_fits_and_ends_with_help() {
    let mut bench = Bench::new();
    let rows = bench.rows(80, 24);
    let hints = rows.last().unwrap();
    assert!(hints.starts_with(" v verdict  a assign  c note  s snooze  J next"), "{hints}");
    assert!(hints.ends_with("? help"), "{hints}");
    assert!(bench.rows(30, 24).last().unwrap().ends_with("? help"));
}

proptest! {
    #[test]
    fn no_keys_and_no_size_panic(
        keys in proptest::collection::vec(any_key(), 0..60),
        columns in 0_u16..300,
        rows in 0_u16..100,
    ) {
        let mut bench = Bench::new();
        for key in keys {
            bench.app.event(TermEvent::Key(key), bench.now);
            bench.wait(Duration::from_millis(150));
        }
        bench.rows(columns, rows);
        let quiet = bench.app.take_outside().iter().all(|wish| !matches!(
            wish, Outside::Ask(crate::tui::contract::Request::Act(..))));
        prop_assert!(quiet, "an empty queue has nothing to act on");
    }
}

fn any_key() -> impl Strategy<Value = Key> {
    prop_oneof![
        any::<char>().prop_filter("no control", |c| !c.is_control()).prop_map(Key::char),
        "[ -~]".prop_map(|text| Key::char(text.chars().next().unwrap())),
        "[a-z]".prop_map(|text| Key::ctrl(text.chars().next().unwrap())),
        prop::sample::select(vec![
            Code::Enter,
            Code::Esc,
            Code::Tab,
            Code::Up,
            Code::Down,
            Code::Backspace,
            Code::PageDown,
            Code::F(1),
            Code::BackTab
        ])
        .prop_map(Key::plain),
    ]
}

/// No single key that a split escape sequence could press does more than change the view.
#[test]
fn fragments_are_harmless() {
    let keymap = Keymap::builtin();
    for context in keymap.contexts() {
        for row in keymap.list(Some(context)) {
            let single = row.chord.chars().count() == 1;
            let fragment = row.chord.chars().all(|c| "ABCDFHPQRS~[O0123456789".contains(c));
            if single && fragment {
                let call = ActionCall::parse(&row.calls).unwrap();
                assert!(call.id.spec().class < Class::U2, "{row:?}");
            }
        }
    }
}
