//! A desk without a terminal: keys in, a screen out, answers from a function.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::model::desk::Problem;
use crate::stdx::time::Timestamp;
use crate::tui::contract::{Msg, Reply, Request};
use crate::tui::keys::key::Key;
use crate::tui::keys::keymap::Keymap;
use crate::tui::paint::screen::Screen;
use crate::tui::paint::theme::{Depth, GlyphSet, Theme};
use crate::tui::paint::theme_file::ThemeFile;
use crate::tui::run::app::{App, Outside};
use crate::tui::run::desk;
use crate::tui::term::joiner::TermEvent;
use crate::tui::view::tests::fixture;

/// Read once: the tests make thousands of stages.
static KEYMAP: LazyLock<Keymap> = LazyLock::new(Keymap::builtin);

pub struct Stage {
    pub app: App,
    pub asked: Vec<Request>,
    pub copied: Vec<String>,
    now: Timestamp,
    clock: Instant,
    answer: fn(&Request) -> Option<Result<Reply, Problem>>,
}

/// Ask everything from the fixture.
pub fn fixture_answer(request: &Request) -> Option<Result<Reply, Problem>> {
    Some(fixture::answer(request))
}

impl Stage {
    pub fn new() -> Stage {
        Stage::with(fixture_answer)
    }

    pub fn with(answer: fn(&Request) -> Option<Result<Reply, Problem>>) -> Stage {
        let screens = desk::screens();
        let now = fixture::NOW;
        let app = App::new("ana".to_owned(), KEYMAP.clone(), screens.home, screens.open, now);
        let clock = Instant::now();
        let mut stage = Stage { app, asked: Vec::new(), copied: Vec::new(), now, clock, answer };
        stage.tick(0);
        // One frame, so that the views know their sizes.
        stage.screen(80, 24, theme("mono", GlyphSet::Ascii));
        stage
    }

    /// Let time pass, and answer everything.
    pub fn tick(&mut self, seconds: i64) {
        self.now = self.now.plus_micros(seconds * 1_000_000);
        self.clock += Duration::from_secs(u64::try_from(seconds).unwrap());
        self.app.tick(self.now);
        self.settle();
    }

    pub fn message(&mut self, message: Msg) {
        self.app.message(&message);
        self.settle();
    }

    /// Press a chord by its name in keymap files (`v f`, `ctrl-f`); `"text` types a text.
    pub fn press(&mut self, chord: &str) -> &mut Stage {
        let keys = match chord.strip_prefix('"') {
            Some(text) => text.chars().map(Key::char).collect(),
            None => Key::parse_chord(chord).unwrap_or_else(|| panic!("no key {chord}")),
        };
        for key in keys {
            self.app.event(TermEvent::Key(key), self.clock);
            self.settle();
        }
        self
    }

    pub fn paste(&mut self, text: &str) {
        self.app.event(TermEvent::Paste(text.to_owned()), self.clock);
        self.settle();
    }

    fn settle(&mut self) {
        for _ in 0..100 {
            // Timers are set by the wall clock; those of no delay are due a moment later.
            self.app.fire(self.clock.max(Instant::now()));
            let outside = self.app.take_outside();
            if outside.is_empty() {
                return;
            }
            for what in outside {
                match what {
                    Outside::Ask(request) => {
                        self.asked.push(request.clone());
                        if let Some(result) = (self.answer)(&request) {
                            self.app.message(&Msg::Reply { request, result });
                        }
                    }
                    Outside::Copy(text) => self.copied.push(text),
                    _ => {}
                }
            }
        }
        panic!("the screens never come to rest");
    }

    pub fn screen(&self, columns: u16, rows: u16, theme: Theme) -> Screen {
        let mut screen = Screen::new(columns, rows, theme);
        screen.draw(|canvas| self.app.paint(canvas, self.clock));
        screen
    }

    /// The screen as text, 80x24, ASCII.
    pub fn text(&self) -> String {
        self.screen(80, 24, theme("mono", GlyphSet::Ascii)).rows().join("\n")
    }
}

pub fn theme(name: &str, set: GlyphSet) -> Theme {
    ThemeFile::builtin(name)
        .unwrap()
        .theme(if name == "mono" { Depth::None } else { Depth::Indexed }, set)
}
