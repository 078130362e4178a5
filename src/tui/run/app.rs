//! The desk without its terminal: the stack of views, keys to actions, actions to effects. Deterministic: time and
//! input come from outside, what must be done outside is handed back.

use std::time::{Duration, Instant};

use crate::stdx::time::Timestamp;
use crate::tui::action::ActionId;
use crate::tui::action::call::ActionCall;
use crate::tui::chrome::command::{CommandLine, HISTORY_MAX};
use crate::tui::chrome::confirm::Question;
use crate::tui::chrome::entries::entries;
use crate::tui::chrome::picker::{Picker, Purpose};
use crate::tui::contract::{Effect, Input, Msg, Request, Tone, View};
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::edit::Edit;
use crate::tui::keys::file::Fact;
use crate::tui::keys::key::{Key, chord_name};
use crate::tui::keys::keymap::Keymap;
use crate::tui::keys::resolve::{Resolved, Resolver};
use crate::tui::paint::safe::SafeText;
use crate::tui::term::joiner::TermEvent;

/// Actions that one action may lead to.
const DEPTH_MAX: usize = 16;
/// Views on top of each other.
const STACK_MAX: usize = 32;

/// What only the loop can do.
#[derive(Debug, PartialEq)]
pub enum Outside {
    /// Ask the desk.
    Ask(Request),
    /// Put text on the clipboard.
    Copy(String),
    /// Draw everything again.
    Redraw,
    /// Give the terminal back and stop.
    Suspend,
    /// The next theme.
    NextTheme,
    /// End.
    Quit,
}

/// What an action means that no view took: mostly a screen to open. `None`: nothing here.
pub type OpenScreen = fn(&ActionCall, &DeskModel) -> Option<Vec<Effect>>;

/// The desk without its terminal.
pub struct App {
    pub(super) model: DeskModel,
    pub(super) stack: Vec<Box<dyn View>>,
    pub(super) keymap: Keymap,
    pub(super) resolver: Resolver,
    pub(super) chord_since: Option<Instant>,
    pub(super) said: Option<(SafeText, Tone)>,
    pub(super) hints_on: bool,
    pub(super) figures_on: bool,
    pub(super) figures: SafeText,
    timers: Vec<(&'static str, Instant)>,
    history: Vec<String>,
    open: OpenScreen,
    outside: Vec<Outside>,
}

impl App {
    /// A desk for `actor` with its first screen.
    pub fn new(
        actor: String,
        keymap: Keymap,
        home: Box<dyn View>,
        open: OpenScreen,
        now: Timestamp,
    ) -> App {
        let mut app = App {
            model: DeskModel::new(actor, now),
            stack: vec![home],
            keymap,
            resolver: Resolver::default(),
            chord_since: None,
            said: None,
            hints_on: true,
            figures_on: false,
            figures: SafeText::default(),
            timers: Vec::new(),
            history: Vec::new(),
            open,
            outside: Vec::new(),
        };
        if let Some(first) = app.keymap.problems.first() {
            let text = format!(
                "{} keymap problem(s): {first}; see `watchfloor keymap check`",
                app.keymap.problems.len()
            );
            app.said = Some((SafeText::line(&text), Tone::Warning));
        }
        let effects = app.model.start();
        app.effects(effects, 0);
        app
    }

    /// The model, to read.
    pub fn model(&self) -> &DeskModel {
        &self.model
    }

    /// What the loop has to do now.
    pub fn take_outside(&mut self) -> Vec<Outside> {
        std::mem::take(&mut self.outside)
    }

    /// Set the clock; the loop does before everything else.
    pub fn tick(&mut self, now: Timestamp) {
        self.model.tick(now);
    }

    /// Take one event of the terminal.
    pub fn event(&mut self, event: TermEvent, now: Instant) {
        match event {
            TermEvent::Key(key) => self.key(key, now),
            TermEvent::Paste(text) => self.paste(&text),
            TermEvent::Resize(columns, rows) => self.message(&Msg::Resized(columns, rows)),
            TermEvent::Focus(_) => {}
        }
    }

    /// Take one message: the model first, then every view, lowest first.
    pub fn message(&mut self, message: &Msg) {
        let effects = self.model.receive(message);
        self.effects(effects, 0);
        for index in 0..self.stack.len() {
            let Some(view) = self.stack.get_mut(index) else { break };
            let effects = view.update(&Input::Message(message), &self.model);
            self.effects(effects.unwrap_or_default(), 0);
        }
    }

    /// Fire the timers that are due.
    pub fn fire(&mut self, now: Instant) {
        let due: Vec<&'static str> =
            self.timers.iter().filter(|(_, at)| *at <= now).map(|(name, _)| *name).collect();
        self.timers.retain(|(_, at)| *at > now);
        for name in due {
            self.message(&Msg::Timer(name));
        }
    }

    /// How long nothing happens by itself; `None`: for ever.
    pub fn idle_for(&self, now: Instant, clock: Timestamp) -> Option<Duration> {
        let timers = self.timers.iter().map(|(_, at)| at.saturating_duration_since(now));
        let chord = self
            .chord_since
            .map(|since| (since + self.hint_delay()).saturating_duration_since(now));
        let chord = chord.filter(|left| !left.is_zero());
        let tick = self
            .model
            .next_tick()
            .map(|at| Duration::from_micros(u64::try_from(at.micros_since(clock)).unwrap_or(0)));
        timers.chain(chord).chain(tick).min()
    }

    /// Is the box of the half-typed chord due?
    pub(super) fn chord_box(&self, now: Instant) -> bool {
        self.chord_since.is_some_and(|since| now >= since + self.hint_delay())
    }

    fn hint_delay(&self) -> Duration {
        Duration::from_millis(self.keymap.hint_delay_ms)
    }

    /// What the views want kept before the end.
    pub fn closing(&self) -> Vec<Request> {
        self.stack.iter().flat_map(|view| view.closing(&self.model)).collect()
    }

    /// The context whose keys hold.
    pub fn context(&self) -> &'static str {
        self.stack.last().map_or("global", |view| view.context())
    }

    /// Why an action cannot be done now.
    pub(super) fn unavailable(&self, call: &ActionCall) -> Option<&'static str> {
        self.stack.last().and_then(|view| view.unavailable(call, &self.model))
    }

    /// A fact for `when` in the keymap.
    pub(super) fn fact(model: &DeskModel, fact: Fact) -> bool {
        match fact {
            Fact::Marked => !model.marks().is_empty(),
            Fact::CanUndo => model.journal().undoable().next().is_some(),
        }
    }

    fn key(&mut self, key: Key, now: Instant) {
        let text = self.stack.last().is_some_and(|view| view.takes_text());
        let (context, model) = (self.context(), &self.model);
        let fact = |fact| App::fact(model, fact);
        let resolved = self.resolver.key(&self.keymap, context, text, key, fact);
        self.chord_since = None;
        match resolved {
            Resolved::Calls(calls) => {
                self.said = None;
                for call in calls {
                    self.call(&call, 0);
                }
            }
            Resolved::Prefix => self.chord_since = Some(now),
            Resolved::Dropped => self.said = None,
            Resolved::Unbound(keys) if text => {
                for key in keys {
                    let Some(view) = self.stack.last_mut() else { return };
                    let effects = view.update(&Input::Key(key), &self.model);
                    self.effects(effects.unwrap_or_default(), 0);
                }
            }
            Resolved::Unbound(keys) => {
                let text = format!("{} is not bound here (? shows the keys)", chord_name(&keys));
                self.say(&text, Tone::Plain);
            }
        }
    }

    fn paste(&mut self, text: &str) {
        self.resolver.clear();
        self.chord_since = None;
        let Some(view) = self.stack.last_mut().filter(|view| view.takes_text()) else {
            self.say("a paste does nothing here: open a note or a filter first", Tone::Plain);
            return;
        };
        let effects = view.update(&Input::Paste(text), &self.model);
        self.effects(effects.unwrap_or_default(), 0);
    }

    fn say(&mut self, text: &str, tone: Tone) {
        self.said = Some((SafeText::line(text), tone));
    }

    /// Do an action: the top view first, then its meaning everywhere.
    fn call(&mut self, call: &ActionCall, depth: usize) {
        if let Some(reason) = self.unavailable(call) {
            self.say(reason, Tone::Warning);
            return;
        }
        let Some(view) = self.stack.last_mut() else { return };
        match view.update(&Input::Action(call), &self.model) {
            Some(effects) => self.effects(effects, depth),
            None => self.everywhere(call, depth),
        }
    }

    fn everywhere(&mut self, call: &ActionCall, depth: usize) {
        match call.id {
            ActionId::NavBack if self.stack.len() > 1 => self.effects(vec![Effect::Pop], depth),
            ActionId::NavBack => self.say("this is the first screen: Q quits", Tone::Plain),
            ActionId::NavCancel => {}
            ActionId::Quit => self.outside.push(Outside::Quit),
            ActionId::Suspend => self.outside.push(Outside::Suspend),
            ActionId::Redraw => self.outside.push(Outside::Redraw),
            ActionId::ThemeNext => self.outside.push(Outside::NextTheme),
            ActionId::ToggleHints => self.hints_on = !self.hints_on,
            ActionId::Perf => self.figures_on = !self.figures_on,
            ActionId::OpenQueue => self.effects(vec![Effect::Home], depth),
            ActionId::FreezeToggle => self.effects(vec![Effect::Edit(Edit::ToggleFreeze)], depth),
            ActionId::MergeNew => self.effects(vec![Effect::Edit(Edit::Merge)], depth),
            ActionId::TaskCancel => {
                self.say("nothing runs that could be cancelled: q goes back, Q quits", Tone::Plain);
            }
            ActionId::HelpContext => self.pick(Purpose::Help),
            ActionId::PaletteOpen => self.pick(Purpose::Palette),
            ActionId::CommandOpen => {
                let line = CommandLine::new(self.history.clone());
                self.push(Box::new(line));
            }
            _ => match (self.open)(call, &self.model) {
                Some(effects) => self.effects(effects, depth),
                None => {
                    let text = format!("{} does nothing here", call.id.spec().name);
                    self.say(&text, Tone::Plain);
                }
            },
        }
    }

    fn pick(&mut self, purpose: Purpose) {
        let context = self.context();
        if context == "picker" {
            return;
        }
        let all = entries(&self.keymap, context, |call| self.unavailable(call));
        self.push(Box::new(Picker::new(purpose, all)));
    }

    fn push(&mut self, view: Box<dyn View>) {
        if self.stack.len() < STACK_MAX {
            self.stack.push(view);
        } else {
            self.say("too many screens are open: g q goes back to the queue", Tone::Warning);
        }
    }

    fn effects(&mut self, effects: Vec<Effect>, depth: usize) {
        if depth > DEPTH_MAX {
            return;
        }
        for effect in effects {
            self.effect(effect, depth);
        }
    }

    fn effect(&mut self, effect: Effect, depth: usize) {
        match effect {
            Effect::Ask(request) => self.outside.push(Outside::Ask(request)),
            Effect::Edit(edit) => {
                let effects = self.model.apply(edit);
                self.effects(effects, depth + 1);
            }
            Effect::Push(view) => self.push(view),
            Effect::Replace(view) => {
                if self.stack.len() > 1 {
                    self.stack.pop();
                }
                self.push(view);
            }
            Effect::Pop => {
                if self.stack.len() > 1 {
                    self.stack.pop();
                }
            }
            Effect::Home => self.stack.truncate(1),
            Effect::Say(text, tone) => self.said = Some((text, tone)),
            Effect::Copy(text) => self.outside.push(Outside::Copy(text)),
            Effect::Do(call) => self.call(&call, depth + 1),
            Effect::Remember(line) => {
                self.history.retain(|known| *known != line);
                self.history.push(line);
                let over = self.history.len().saturating_sub(HISTORY_MAX);
                self.history.drain(..over);
            }
            Effect::Confirm(confirm) => {
                let question = Question::new(confirm, self.model.now());
                self.push(Box::new(question));
            }
            Effect::Timer(name, after) => {
                self.timers.retain(|(known, _)| *known != name);
                self.timers.push((name, Instant::now() + after));
            }
            Effect::Redraw => self.outside.push(Outside::Redraw),
            Effect::Quit => self.outside.push(Outside::Quit),
        }
    }
}
