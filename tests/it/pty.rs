//! The desk in a real pseudo-terminal: life cycle, keys, pastes, sizes, signals. The program under test is this test
//! binary itself, showing the desk on a workbench made of data (`support::stub`).

use std::time::Duration;

use portable_pty::CommandBuilder;
use rustix::process::Signal;
use watchfloor::config::ui::UiConfig;
use watchfloor::tui::action::ActionId;
use watchfloor::tui::contract::{Effect, Input, View};
use watchfloor::tui::desk_model::DeskModel;
use watchfloor::tui::paint::canvas::Canvas;
use watchfloor::tui::paint::role::Role;
use watchfloor::tui::run::{self, Screens};

use crate::hostile;
use crate::support::pty::Session;
use crate::support::stub;
use crate::support::vocabulary;

/// Chooses what the child shows; unset in an ordinary test run.
const MODE: &str = "WATCHFLOOR_PTY_CHILD";

/// The sequences that undo everything the desk may have switched on.
const RESETS: [&[u8]; 13] = [
    b"\x1b[0m",
    b"\x1b[r",
    b"\x1b[0 q",
    b"\x1b[?2026l",
    b"\x1b[?1000l",
    b"\x1b[?1002l",
    b"\x1b[?1003l",
    b"\x1b[?1006l",
    b"\x1b[?1015l",
    b"\x1b[?2004l",
    b"\x1b[?1004l",
    b"\x1b[?25h",
    b"\x1b[?1049l",
];

/// The program in the terminal. Outside one it must refuse and say what to use instead.
#[test]
fn desk_child() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.unwrap();
    let mode = std::env::var(MODE).unwrap_or_default();
    let (port, screens) = match mode.as_str() {
        "hostile" => (stub::port(hostile::PAYLOADS, hostile::payload), run::desk::screens()),
        "bomb" => {
            let home = Screens { home: Box::new(Bomb), open: |_, _| None };
            (stub::port(0, |_| String::new()), home)
        }
        _ => (stub::port(60, |_| String::new()), run::desk::screens()),
    };
    if mode.is_empty() {
        let ui = UiConfig { theme: "no-such-theme".to_owned(), ..UiConfig::default() };
        assert!(run::run(&ui, port, screens, runtime.handle()).is_err());
        return;
    }
    let ended = run::run(&UiConfig::default(), port, screens, runtime.handle());
    ended.unwrap();
}

/// Panics on demand, here or in another thread.
struct Bomb;

impl View for Bomb {
    fn context(&self) -> &'static str {
        "queue"
    }

    fn update(&mut self, input: &Input<'_>, _model: &DeskModel) -> Option<Vec<Effect>> {
        let Input::Action(call) = input else { return None };
        match call.id {
            ActionId::CopyId => panic!("the screen's own thread"),
            ActionId::CopyHost => {
                drop(std::thread::spawn(|| panic!("another thread")).join());
                Some(Vec::new())
            }
            _ => None,
        }
    }

    fn render(&self, _model: &DeskModel, canvas: &mut Canvas<'_>) {
        canvas.label(0, 0, "bomb armed", Role::Text);
    }
}

/// Start the desk; `variables` on top of an ordinary terminal's.
pub fn desk(mode: &str, columns: u16, rows: u16, variables: &[(&str, &str)]) -> Session {
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.args(["pty::desk_child", "--exact", "--nocapture", "--test-threads=1"]);
    for name in ["NO_COLOR", "COLORTERM", "TMUX", "LC_ALL", "LC_CTYPE", "RUST_BACKTRACE"] {
        command.env_remove(name);
    }
    for (name, value) in [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), (MODE, mode)] {
        command.env(name, value);
    }
    for (name, value) in variables {
        command.env(name, value);
    }
    Session::start(command, columns, rows)
}

fn plain(columns: u16, rows: u16) -> Session {
    let session = desk("plain", columns, rows, &[]);
    session.wait_for("title0");
    session.settle();
    session
}

/// The row that the terminal's cursor is on: it follows the desk's own.
fn cursor_row(session: &Session) -> String {
    let row = session.with_screen(|screen| usize::from(screen.cursor_position().0));
    session.rows()[row].clone()
}

fn assert_restored(session: &Session) {
    let bytes = session.bytes();
    for reset in RESETS {
        let found = bytes.windows(reset.len()).any(|window| window == reset);
        assert!(found, "{:?} was not sent", String::from_utf8_lossy(reset));
    }
    assert!(session.is_canonical(), "the terminal is still raw");
    assert!(!session.with_screen(vt100::Screen::alternate_screen), "still on the alternate screen");
    assert!(!session.with_screen(vt100::Screen::hide_cursor), "the cursor is still hidden");
    assert!(!session.with_screen(vt100::Screen::bracketed_paste), "paste is still bracketed");
}

#[test]
fn starts_moves_acts_undoes_and_quits() {
    let mut session = plain(80, 24);
    assert!(!session.is_canonical());
    assert!(cursor_row(&session).contains("title0"), "{}", session.text());
    session.press("j");
    session
        .wait_until("the cursor on the next row", |session| cursor_row(session).contains("title1"));
    session.press("vf");
    session.wait_for("undo: false positive");
    session.press("u");
    session.wait_until("no undo left", |session| !session.text().contains("undo:"));
    session.press("Q");
    assert!(session.wait_end().success());
    assert_restored(&session);
    vocabulary::check(vocabulary::inside(&session.bytes())).unwrap();
}

#[test]
fn escape_sequences_in_pieces_are_keys_and_never_commands() {
    let mut session = plain(80, 24);
    for _ in 0..12 {
        for piece in [&b"\x1b"[..], b"[", b"B"] {
            session.type_bytes(piece);
            std::thread::sleep(Duration::from_millis(4));
        }
    }
    session.settle();
    assert!(cursor_row(&session).contains("title12"), "{}", session.text());
    for answer in [&b"\x1b]11;rgb:1e1e/1e1e/1e1e\x07"[..], b"\x1b[?62;4;22c", b"\x1bP>|term\x1b\\"]
    {
        for byte in answer {
            session.type_bytes(&[*byte]);
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    session.settle();
    assert!(cursor_row(&session).contains("title12"), "{}", session.text());
    assert!(!session.text().contains("undo:"), "{}", session.text());
}

#[test]
fn a_paste_is_never_a_command() {
    let mut session = plain(80, 24);
    let body = "vfJ!iy\n".repeat(600);
    session.keys(&format!("\x1b[200~{body}\x1b[201~{body}"));
    session.wait_for("a paste does nothing here");
    session.settle();
    assert!(!session.text().contains("undo:"), "{}", session.text());
    assert!(cursor_row(&session).contains("title0"), "{}", session.text());
}

#[test]
fn sizes_change_under_way() {
    let mut session = plain(120, 40);
    session.press("jjj");
    let mut number = 7_u32;
    // Which row the keys lead to: the storm is over when the desk has taken every one of them.
    let mut row = 4_u32;
    for _ in 0..60 {
        number = number.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        let columns = u16::try_from(number >> 16 & 0xff).unwrap() + 12;
        let rows = u16::try_from(number >> 8 & 0x3f).unwrap() + 4;
        session.resize(columns, rows);
        let down = number & 1 == 0;
        session.keys(if down { "j" } else { "k" });
        row = if down { (row + 1).min(60) } else { row.saturating_sub(1).max(1) };
        std::thread::sleep(Duration::from_millis(5));
    }
    session.resize(100, 30);
    session.wait_for(&format!("row {row}/60"));
    session.settle();
    let before = session.text();
    session.press("\x0c");
    assert_eq!(session.text(), before, "a fresh drawing differs");
    assert!(session.is_running());
}

/// A key and a new size that come in the same moment: neither may wait for the next one.
#[test]
fn a_key_and_a_size_at_once_are_both_taken() {
    let mut session = plain(120, 40);
    for round in 0..200_u16 {
        let columns = 90 + round % 20;
        let key = if round % 2 == 0 { "j" } else { "k" };
        if round % 4 < 2 {
            session.keys(key);
            session.resize(columns, 30);
        } else {
            session.resize(columns, 30);
            session.keys(key);
        }
        let row = format!("row {}/60", 2 - round % 2);
        session.wait_until(&format!("{row} at {columns} columns, round {round}"), |session| {
            // The place in the list stands at the right edge.
            let edge = usize::from(columns) - 1;
            session.rows().iter().any(|line| line.ends_with(&row) && line.chars().count() >= edge)
        });
    }
}

#[test]
fn signals_give_the_terminal_back() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let mut session = plain(80, 24);
        session.signal(signal);
        session.wait_end();
        assert_restored(&session);
    }
}

#[test]
fn a_stopped_desk_gives_the_terminal_back_and_takes_it_again() {
    let mut session = plain(80, 24);
    session.keys("\x1a");
    session.wait_until("the ordinary terminal", Session::is_canonical);
    session.settle();
    assert_restored(&session);
    session.signal(Signal::CONT);
    session.wait_for("title0");
    session.settle();
    assert!(!session.is_canonical());
    session.press("j");
    assert!(cursor_row(&session).contains("title1"), "{}", session.text());
}

#[test]
fn panics_restore_or_are_survived() {
    let mut session = desk("bomb", 80, 24, &[]);
    session.wait_for("bomb armed");
    session.press("yh");
    assert!(session.is_running());
    session.wait_for("bomb armed");
    session.keys("yy");
    assert!(!session.wait_end().success());
    assert_restored(&session);
    let text = String::from_utf8_lossy(&session.bytes()).into_owned();
    let after = text.rsplit("\x1b[?1049l").next().unwrap();
    assert!(after.contains("the screen's own thread"), "{after}");
    assert!(!text.contains("another thread"), "a background panic wrote on the screen");
}

#[test]
fn colours_follow_the_environment() {
    type Case = (&'static [(&'static str, &'static str)], &'static [&'static str]);
    let cases: [Case; 3] = [
        (&[("NO_COLOR", "1")], &[";3", ";4", ";9", ";10"]),
        (&[("TERM", "xterm")], &["38;2", "48;2", "38;5", "48;5"]),
        (&[], &["38;2", "48;2"]),
    ];
    for (variables, forbidden) in cases {
        let session = desk("plain", 80, 24, variables);
        session.wait_for("title0");
        session.settle();
        let bytes = session.bytes();
        let text = String::from_utf8_lossy(vocabulary::inside(&bytes)).into_owned();
        for styles in text.split("\x1b[").filter_map(|part| part.split_once('m')) {
            let (codes, _) = styles;
            let is_style = codes.chars().all(|c| c.is_ascii_digit() || c == ';');
            for code in forbidden.iter().filter(|_| is_style) {
                let hit = format!("{codes};").contains(&format!("{code};"))
                    || variables.first() == Some(&("NO_COLOR", "1"))
                        && codes.split(';').any(|n| n.len() == 2 || n.len() == 3);
                assert!(!hit, "{codes} with {variables:?}");
            }
        }
        let highlighted = session.with_screen(|screen| {
            let (row, _) = screen.cursor_position();
            let cell = screen.cell(row, 10).unwrap();
            cell.inverse() || cell.bold()
        });
        assert!(highlighted, "the cursor's row is not to be seen with {variables:?}");
    }
}

#[test]
fn an_idle_desk_is_silent() {
    let session = plain(80, 24);
    let quiet = (0..4).any(|_| {
        let before = session.bytes().len();
        std::thread::sleep(Duration::from_millis(1_500));
        session.bytes().len() == before
    });
    assert!(quiet, "bytes were written although nothing changed");
}

#[test]
fn ascii_terminals_get_ascii() {
    let session = desk("plain", 80, 24, &[("LANG", "C")]);
    session.wait_for("title0");
    session.settle();
    let bytes = session.bytes();
    let inside = vocabulary::inside(&bytes);
    assert!(inside.iter().all(|byte| *byte == 0x1b || (0x20..=0x7e).contains(byte)));
}

#[test]
fn a_dumb_terminal_is_told_what_to_use() {
    let mut session = desk("plain", 80, 24, &[("TERM", "dumb")]);
    assert!(!session.wait_end().success());
    assert!(session.text().contains("alerts list"), "{}", session.text());
}
