//! The loop: one channel, no ticks. It takes everything that is there, keys first, reduces it all, and draws once;
//! one frame is on its way at a time; what changes by itself is drawn at most ten times a second.

pub mod app;
pub mod clipboard;
pub mod desk;
mod draw;
pub mod port;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::runtime::Handle;

use crate::config::ui::UiConfig;
use crate::stdx::queue::{self, Received, Receiver, Sender};
use crate::stdx::time::Timestamp;
use crate::tui::contract::{Msg, Tone, View};
use crate::tui::keys::keymap::Keymap;
use crate::tui::paint::safe::SafeText;
use crate::tui::paint::screen::Screen;
use crate::tui::paint::theme::{Depth, GlyphSet};
use crate::tui::paint::theme_file::{THEMES, ThemeFile};
use crate::tui::run::app::{App, OpenScreen, Outside};
use crate::tui::run::port::{Answer, Port};
use crate::tui::term::capability::{self, Capability};
use crate::tui::term::input;
use crate::tui::term::joiner::TermEvent;
use crate::tui::term::life::{PanicGuard, Tty};
use crate::tui::term::sequences;
use crate::tui::term::signals::{self, SignalAsks, SignalListener};
use crate::tui::term::writer::{FrameReport, Writer};

/// Messages waiting for the loop.
const INBOX_MAX: usize = 4_096;
/// Messages taken before the loop draws.
const BATCH_MAX: usize = 4_096;
/// Between two frames that no key caused.
const DATA_FRAME: Duration = Duration::from_millis(100);
/// For keeping drafts when the program ends.
const CLOSING: Duration = Duration::from_secs(2);
/// For keeping drafts when the terminal is gone.
const CLOSING_HANG_UP: Duration = Duration::from_millis(200);

/// Everything that wakes the loop.
#[derive(Debug)]
pub enum Wake {
    /// From the terminal.
    Input(Vec<TermEvent>),
    /// From the desk.
    Message(Msg),
    /// A frame is out.
    Frame(FrameReport),
    /// A signal.
    Signal(SignalAsks),
}

/// The first screen, and what opens others.
pub struct Screens {
    /// The first screen.
    pub home: Box<dyn View>,
    /// What an action means that no view took.
    pub open: OpenScreen,
}

/// Show the desk until the analyst quits. Blocks; call it on a thread that is no worker of `runtime`.
pub fn run(ui: &UiConfig, port: Port, screens: Screens, runtime: &Handle) -> anyhow::Result<()> {
    let capability = capability::capability(|name| std::env::var(name).ok(), &ui.glyphs)?;
    let keymap = keymap(ui.keymap.as_deref())?;
    let themes = themes(&ui.theme)?;
    let tty = Tty::enter().context("the terminal could not be taken")?;
    let panics = PanicGuard::install(&tty);
    let ended = Desk::start(&tty, capability, keymap, themes, port, screens, runtime)
        .and_then(|mut desk| desk.run());
    tty.restore();
    drop(panics);
    ended
}

/// The built-in keymap with the user's file over it. A missing file is an error; mistakes inside are not.
pub fn keymap(file: Option<&Path>) -> anyhow::Result<Keymap> {
    let Some(path) = file else { return Ok(Keymap::builtin()) };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("keymap {} cannot be read", path.display()))?;
    Ok(Keymap::build(&[(&path.display().to_string(), &text)]))
}

/// All themes, the wanted one first: a built-in name or the path of a file.
pub fn themes(wanted: &str) -> anyhow::Result<Vec<ThemeFile>> {
    let mut all: Vec<ThemeFile> =
        THEMES.iter().filter_map(|(name, _)| ThemeFile::builtin(name)).collect();
    if let Some(place) = all.iter().position(|theme| theme.name == wanted) {
        all.rotate_left(place);
        return Ok(all);
    }
    let text = std::fs::read_to_string(wanted).with_context(|| {
        format!("theme {wanted} is neither dark nor mono nor a file that can be read")
    })?;
    all.insert(0, ThemeFile::parse(wanted, &text));
    Ok(all)
}

struct Desk {
    app: App,
    screen: Screen,
    themes: Vec<ThemeFile>,
    depth: Depth,
    glyphs: GlyphSet,
    sync: bool,
    tty: Arc<Tty>,
    writer: Option<Writer>,
    inbox: Receiver<Wake>,
    sender: Sender<Wake>,
    ask: Arc<dyn Fn(crate::tui::contract::Request) -> Answer + Send + Sync>,
    runtime: Handle,
    in_flight: bool,
    dirty_key: bool,
    dirty_data: bool,
    last_data: Instant,
    raw: Vec<u8>,
    ending: Option<Duration>,
    _signals: SignalListener,
}

impl Desk {
    fn start(
        tty: &Arc<Tty>,
        capability: Capability,
        keymap: Keymap,
        themes: Vec<ThemeFile>,
        port: Port,
        screens: Screens,
        runtime: &Handle,
    ) -> anyhow::Result<Desk> {
        let (sender, inbox) = queue::bounded::<Wake>("desk", INBOX_MAX);
        let tell = sender.clone();
        let signals = SignalListener::start(Arc::clone(tty), move |asks| {
            let _ = tell.send(Wake::Signal(asks));
        })?;
        let tell = sender.clone();
        let writer = Writer::start(Arc::clone(tty), move |report| {
            let _ = tell.send(Wake::Frame(report));
        })?;
        let tell = sender.clone();
        input::start(Duration::from_millis(keymap.esc_join_ms), move |events| {
            tell.send(Wake::Input(events))
        })?;
        port::follow(runtime, port.feed, sender.clone());
        let Capability { depth, glyphs, sync } = capability;
        let theme = themes.first().context("no theme")?.theme(depth, glyphs);
        let (columns, rows) = tty.size();
        let app = App::new(port.actor, keymap, screens.home, screens.open, Timestamp::now());
        Ok(Desk {
            app,
            screen: Screen::new(columns, rows, theme),
            themes,
            depth,
            glyphs,
            sync,
            tty: Arc::clone(tty),
            writer: Some(writer),
            inbox,
            sender,
            ask: port.ask,
            runtime: runtime.clone(),
            in_flight: false,
            dirty_key: true,
            dirty_data: false,
            last_data: Instant::now(),
            raw: Vec::new(),
            ending: None,
            _signals: signals,
        })
    }

    fn run(&mut self) -> anyhow::Result<()> {
        loop {
            self.outside();
            if let Some(limit) = self.ending {
                self.close(limit);
                return Ok(());
            }
            self.draw()?;
            match self.wait() {
                Received::Item(wake) => self.drain(wake)?,
                Received::Nothing => {
                    // A countdown, a timer or the box of a half-typed chord is due.
                    self.app.tick(Timestamp::now());
                    self.dirty_key = true;
                }
                Received::Closed => return Ok(()),
            }
            self.app.fire(Instant::now());
        }
    }

    fn wait(&self) -> Received<Wake> {
        let now = Instant::now();
        let mut limit = self.app.idle_for(now, Timestamp::now());
        if self.dirty_data && !self.in_flight {
            let left = (self.last_data + DATA_FRAME).saturating_duration_since(now);
            limit = Some(limit.map_or(left, |limit| limit.min(left)));
        }
        match limit {
            Some(limit) => self.inbox.receive_timeout(limit),
            None => self.inbox.receive().map_or(Received::Closed, Received::Item),
        }
    }

    /// Take all that is there; what was typed goes first.
    fn drain(&mut self, first: Wake) -> anyhow::Result<()> {
        self.app.tick(Timestamp::now());
        let mut messages = Vec::new();
        let mut next = Some(first);
        let mut taken = 0;
        while let Some(wake) = next {
            match wake {
                Wake::Input(events) => self.input(events),
                Wake::Message(message) => messages.push(message),
                Wake::Frame(report) => self.frame_done(&report)?,
                Wake::Signal(asks) => self.signal(asks)?,
            }
            taken += 1;
            next = if taken < BATCH_MAX { self.inbox.try_receive() } else { None };
        }
        for message in &messages {
            self.app.message(message);
            self.dirty_data = true;
        }
        Ok(())
    }

    fn input(&mut self, events: Vec<TermEvent>) {
        for event in events {
            if let TermEvent::Resize(columns, rows) = event {
                self.screen.resize(columns, rows);
            }
            self.app.event(event, Instant::now());
            // A key may have changed the screen that the next key is for: requests go out in order.
            self.outside();
        }
        self.dirty_key = true;
    }

    fn frame_done(&mut self, report: &FrameReport) -> anyhow::Result<()> {
        self.in_flight = false;
        if report.error.is_some() {
            self.ending = Some(CLOSING_HANG_UP);
        }
        if report.refused > 0 && cfg!(debug_assertions) {
            anyhow::bail!("{} bytes outside the screen's vocabulary were refused", report.refused);
        }
        if self.app.figures_on || report.refused > 0 {
            let text = format!(
                "frame {} B in {} us, {} B refused",
                report.bytes,
                report.took.as_micros(),
                report.refused
            );
            self.app.figures = SafeText::line(&text);
        }
        Ok(())
    }

    fn signal(&mut self, asks: SignalAsks) -> anyhow::Result<()> {
        match asks {
            SignalAsks::End => self.ending = Some(CLOSING),
            SignalAsks::HangUp => self.ending = Some(CLOSING_HANG_UP),
            SignalAsks::Stop => self.suspend()?,
            SignalAsks::Continue => self.come_back()?,
        }
        Ok(())
    }

    /// Give the terminal back and stop. The stop reaches the threads at its own pace, so the way back is not taken
    /// here but when the signal to go on arrives.
    fn suspend(&mut self) -> anyhow::Result<()> {
        self.tty.restore();
        if signals::stop_job() { Ok(()) } else { self.come_back() }
    }

    fn come_back(&mut self) -> anyhow::Result<()> {
        self.tty.reenter().context("the terminal could not be taken again")?;
        let (columns, rows) = self.tty.size();
        self.screen.resize(columns, rows);
        self.dirty_key = true;
        Ok(())
    }

    /// Do what the app asks of the world.
    fn outside(&mut self) {
        for wish in self.app.take_outside() {
            match wish {
                Outside::Ask(request) => {
                    port::ask(&self.runtime, &self.ask, request, &self.sender);
                }
                Outside::Copy(text) => {
                    let in_tmux = std::env::var_os("TMUX").is_some();
                    let (way, message) = clipboard::copy(&text, in_tmux);
                    if let clipboard::Way::Terminal(bytes) = way {
                        self.raw.extend(bytes);
                    }
                    self.app.said = Some((SafeText::label(message), Tone::Plain));
                }
                Outside::Redraw => self.screen.invalidate(),
                Outside::NextTheme => self.next_theme(),
                Outside::Suspend => {
                    if let Err(error) = self.suspend() {
                        tracing::warn!(%error, "could not come back from a stop");
                        self.ending = Some(CLOSING);
                    }
                }
                Outside::Quit => self.ending = Some(CLOSING),
            }
        }
    }

    fn next_theme(&mut self) {
        self.themes.rotate_left(1);
        if let Some(file) = self.themes.first() {
            let text = SafeText::line(&format!("theme {}", file.name));
            self.screen.set_theme(file.theme(self.depth, self.glyphs));
            self.app.said = Some((text, Tone::Plain));
        }
    }

    fn draw(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        let data_due = self.dirty_data && now >= self.last_data + DATA_FRAME;
        if self.in_flight || !self.tty.is_entered() || !(self.dirty_key || data_due) {
            return Ok(());
        }
        let (app, screen) = (&self.app, &mut self.screen);
        screen.draw(|canvas| app.paint(canvas, now));
        let mut frame = screen.frame();
        (self.dirty_key, self.dirty_data, self.last_data) = (false, false, now);
        frame.append(&mut self.raw);
        if frame.is_empty() {
            return Ok(());
        }
        if self.sync {
            frame.splice(0..0, sequences::SYNC_BEGIN.iter().copied());
            frame.extend_from_slice(sequences::SYNC_END);
        }
        self.in_flight = true;
        match &self.writer {
            Some(writer) if writer.send(frame) => Ok(()),
            _ => anyhow::bail!("the writer thread is gone"),
        }
    }

    /// Keep drafts, let the last frame out, and leave.
    fn close(&mut self, limit: Duration) {
        let requests = self.app.closing();
        let ask = Arc::clone(&self.ask);
        let keep = async move {
            for request in requests {
                if let Err(problem) = ask(request).await {
                    tracing::warn!(%problem, "a draft could not be kept");
                }
            }
        };
        let kept = self.runtime.block_on(async { tokio::time::timeout(limit, keep).await });
        if kept.is_err() {
            tracing::warn!("drafts could not be kept in time");
        }
        if let Some(writer) = self.writer.take() {
            writer.finish(CLOSING_HANG_UP);
        }
    }
}
