//! One alert in full: 1 Summary, 2 Why (the rule's conditions, or what counted for a model), 3 Raw (evidence events field by
//! field), 4 History (audit and notes), 5 Tree (the processes around it), 6 Graph (of a model's explanation).
//!
//! The screen shows the alert under the queue's cursor. A verdict moves that cursor to the next unhandled alert, and
//! this screen goes with it, on the same tab.

use crate::model::alert::AlertId;
use crate::model::desk::{AlertDetail, Change, Problem};
use crate::model::explanation::Explanation;
use crate::model::inference;
use crate::tui::action::ActionId;
use crate::tui::action::call::ActionCall;
use crate::tui::contract::{Effect, Input, Msg, Reply, Request, Tone, View};
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::chips::Chips;
use crate::tui::desk_model::cursor::Move;
use crate::tui::desk_model::edit::Edit;
use crate::tui::desk_model::marks::Targets;
use crate::tui::desk_model::times::TimeForm;
use crate::tui::paint::canvas::{Canvas, Rect};
use crate::tui::paint::format;
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;
use crate::tui::view::doc::{Doc, Scroll};
use crate::tui::view::parts::{draw_rule, draw_severity, host, severity_role};
use crate::tui::view::story::Explained;
use crate::tui::view::times::Times;
use crate::tui::view::tree::AlertTree;
use crate::tui::view::what_if::WhatIf;
use crate::tui::view::{graph, history, raw, story, summary, tree, triage, why};

/// Lines of the what-if above the explanation.
const WHAT_IF_LINES_MAX: usize = 3;
/// Lines kept in sight below the factor under the cursor.
const FACTORS_BELOW: usize = 5;

/// The tabs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tab {
    Summary,
    Why,
    Raw,
    History,
    Tree,
    Graph,
}

impl Tab {
    const ALL: [Tab; 6] = [Tab::Summary, Tab::Why, Tab::Raw, Tab::History, Tab::Tree, Tab::Graph];

    fn of(number: Option<u64>) -> Tab {
        match number {
            Some(2) => Tab::Why,
            Some(3) => Tab::Raw,
            Some(4) => Tab::History,
            Some(5) => Tab::Tree,
            Some(6) => Tab::Graph,
            _ => Tab::Summary,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Tab::Summary => "1 Summary",
            Tab::Why => "2 Why",
            Tab::Raw => "3 Raw",
            Tab::History => "4 History",
            Tab::Tree => "5 Tree",
            Tab::Graph => "6 Graph",
        }
    }
}

/// The alert's screen.
#[derive(Debug)]
pub struct DetailView {
    id: AlertId,
    tab: Tab,
    wrap: bool,
    event: usize,
    scroll: Scroll,
    detail: Option<AlertDetail>,
    /// Asked for only when its tab is shown.
    why: Option<Result<Box<Explanation>, Problem>>,
    /// The same of the starts around it, and what was asked for them.
    tree: Option<Result<AlertTree, Problem>>,
    tree_asked: Option<Request>,
    /// What a model says, and what the analyst struck out of it.
    explained: Option<Explained>,
    what_if: WhatIf,
    problem: Option<Problem>,
    list_height: usize,
    /// The list's filter and row before it was filtered for this alert; leaving puts them back.
    list_before: Option<(Chips, Option<AlertId>)>,
}

impl DetailView {
    /// The screen of an alert; `list_height` is what the queue shows of its list.
    pub fn open(id: AlertId, tab: Option<u64>, list_height: usize) -> (DetailView, Vec<Effect>) {
        let view = DetailView {
            id,
            tab: Tab::of(tab),
            wrap: true,
            event: 0,
            scroll: Scroll::default(),
            detail: None,
            why: None,
            tree: None,
            tree_asked: None,
            explained: None,
            what_if: WhatIf::default(),
            problem: None,
            list_height,
            list_before: None,
        };
        let mut effects = vec![Effect::Ask(Request::Alert(id))];
        effects.extend(view.ask_why());
        (view, effects)
    }

    /// Leaving goes back to this filter and row.
    #[must_use]
    pub fn back_to(self, chips: Chips, row: Option<AlertId>) -> DetailView {
        DetailView { list_before: Some((chips, row)), ..self }
    }

    /// Leaving, where the list was filtered for this alert.
    fn leave(&mut self, way: Effect) -> Option<Vec<Effect>> {
        let (chips, row) = self.list_before.take()?;
        let mut effects = vec![Effect::Edit(Edit::FilterBack(chips))];
        let back = |id| Effect::Edit(Edit::Move { by: Move::To(id), height: self.list_height });
        effects.extend(row.map(back));
        effects.extend([way, triage::follow()]);
        Some(effects)
    }

    /// The question for the tab that shows why, if it is on the screen and not answered.
    fn ask_why(&self) -> Option<Effect> {
        let wanted = self.tab == Tab::Why && self.why.is_none();
        wanted.then(|| Effect::Ask(Request::Why(self.id)))
    }

    /// The questions for the tab on the screen.
    fn ask_tab(&mut self) -> Vec<Effect> {
        let mut effects: Vec<Effect> = self.ask_why().into_iter().collect();
        if let Some(detail) = self.detail.as_ref().filter(|_| self.tab == Tab::Tree)
            && self.tree_asked.is_none()
        {
            let request = tree::request(&detail.alert, &detail.events);
            self.tree_asked = Some(request.clone());
            effects.push(Effect::Ask(request));
        }
        effects
    }

    /// Take the alert as it is now; what was struck out stays as long as the explanation is the same.
    fn take(&mut self, detail: &AlertDetail) {
        let before = self.explained.take().map(|explained| explained.inference.id);
        self.explained = match is_models(&detail.alert.rule_id) {
            true => Explained::of(&detail.events),
            false => None,
        };
        if self.explained.as_ref().map(|explained| explained.inference.id) != before {
            self.what_if = WhatIf::default();
        }
        self.detail = Some(detail.clone());
        self.tree_asked = None;
        self.problem = None;
        self.event = self.event.min(self.events().saturating_sub(1));
    }

    /// Factors that the Why tab shows; 0 on every other tab.
    fn factors(&self) -> usize {
        let shown = self.explained.as_ref().filter(|_| self.tab == Tab::Why);
        shown.map_or(0, |explained| explained.factors.len())
    }

    /// Go where the model's cursor went; read the alert there.
    fn follow(&mut self, model: &DeskModel) -> Vec<Effect> {
        let Some(current) = model.current().map(|alert| alert.id) else { return Vec::new() };
        if current == self.id || model.rows().bundles().get(current).is_some() {
            return Vec::new();
        }
        self.id = current;
        self.event = 0;
        self.detail = None;
        self.why = None;
        self.tree = None;
        self.tree_asked = None;
        self.explained = None;
        self.what_if = WhatIf::default();
        self.problem = None;
        self.scroll.reset();
        let mut effects = vec![Effect::Ask(Request::Alert(current))];
        effects.extend(self.ask_why());
        effects
    }

    fn events(&self) -> usize {
        self.detail.as_ref().map_or(0, |detail| detail.events.len())
    }

    fn show_event(&mut self, to: usize) {
        self.event = to.min(self.events().saturating_sub(1));
        self.scroll.reset();
    }

    fn action(&mut self, call: &ActionCall, model: &DeskModel) -> Option<Vec<Effect>> {
        if self.scroll.act(call.id) {
            return Some(Vec::new());
        }
        match call.id {
            ActionId::NavBack => return self.leave(Effect::Pop),
            ActionId::OpenQueue => return self.leave(Effect::Home),
            ActionId::DetailTab => self.show(Tab::of(call.number("n"))),
            ActionId::FocusNext => self.turn(1),
            ActionId::FocusPrevious => self.turn(Tab::ALL.len() - 1),
            ActionId::ToggleWrap => self.wrap = !self.wrap,
            ActionId::RawNext if self.factors() > 0 => self.what_if.step(1, self.factors()),
            ActionId::RawPrevious if self.factors() > 0 => self.what_if.step(-1, self.factors()),
            ActionId::WhyStrike => match self.factors() {
                0 => {
                    let text = "factors are struck out where a model says why: 2 of its alert";
                    return Some(vec![triage::say(text, Tone::Plain)]);
                }
                factors => self.what_if.toggle(factors),
            },
            ActionId::RawNext => {
                self.show_raw();
                self.show_event(self.event + 1);
            }
            ActionId::RawPrevious => {
                self.show_raw();
                self.show_event(self.event.saturating_sub(1));
            }
            ActionId::Undo => return Some(triage::undo(model)),
            ActionId::CycleTime => return Some(triage::cycle_time(model, self.own_times())),
            ActionId::MergeNew => return Some(vec![Effect::Edit(Edit::Merge), triage::follow()]),
            _ => {
                // Never what is under the list's cursor: that may be a bundle which this alert has joined meanwhile.
                let listed = model.rows().get(self.id).map(AsRef::as_ref);
                let about = listed.or(self.detail.as_ref().map(|detail| &detail.alert));
                let on = (Targets::one(self.id), about);
                return triage::verb(call, model, on, self.list_height);
            }
        }
        Some(self.ask_tab())
    }

    /// How the tab shows times if nothing else was chosen.
    fn own_times(&self) -> TimeForm {
        if self.tab == Tab::History { TimeForm::Date } else { TimeForm::Clock }
    }

    fn show_raw(&mut self) {
        if self.tab != Tab::Raw {
            self.show(Tab::Raw);
        }
    }

    fn show(&mut self, tab: Tab) {
        self.tab = tab;
        self.scroll.reset();
    }

    fn turn(&mut self, by: usize) {
        let at = Tab::ALL.iter().position(|tab| *tab == self.tab).unwrap_or(0);
        let next = Tab::ALL.get((at + by) % Tab::ALL.len()).copied();
        self.show(next.unwrap_or(Tab::Summary));
    }

    fn message(&mut self, message: &Msg, model: &DeskModel) -> Option<Vec<Effect>> {
        match message {
            Msg::Reply { request: Request::Alert(id), result } if *id == self.id => {
                match result {
                    Ok(Reply::Alert(detail)) => self.take(detail),
                    Ok(_) => {}
                    Err(problem) => self.problem = Some(problem.clone()),
                }
                Some(self.ask_tab())
            }
            Msg::Reply { request, result } if Some(request) == self.tree_asked.as_ref() => {
                match (result, &self.detail) {
                    (Ok(Reply::Events(starts)), Some(detail)) => {
                        self.tree = Some(Ok(AlertTree::new(starts, detail)));
                    }
                    (Ok(_), _) => {}
                    (Err(problem), _) => self.tree = Some(Err(problem.clone())),
                }
                Some(Vec::new())
            }
            Msg::Reply { request: Request::Why(id), result } if *id == self.id => {
                match result {
                    Ok(Reply::Why(found)) => self.why = Some(Ok(found.clone())),
                    Ok(_) => {}
                    Err(problem) => self.why = Some(Err(problem.clone())),
                }
                Some(Vec::new())
            }
            // What was done here shows in the history; and the cursor may have gone on.
            Msg::Reply { request: Request::Act(ids, _), .. } => {
                let mut effects = self.follow(model);
                if effects.is_empty() && ids.iter().any(|(id, _)| *id == self.id) {
                    effects.push(Effect::Ask(Request::Alert(self.id)));
                }
                Some(effects)
            }
            Msg::Reply { request: Request::Undo(_), .. } => {
                let mut effects = self.follow(model);
                if effects.is_empty() {
                    effects.push(Effect::Ask(Request::Alert(self.id)));
                }
                Some(effects)
            }
            Msg::Timer(triage::FOLLOW) => Some(self.follow(model)),
            Msg::Change(Change::Alert(alert)) if alert.id == self.id && !model.live().frozen => {
                Some(vec![Effect::Ask(Request::Alert(self.id))])
            }
            _ => None,
        }
    }

    fn draw_head(&self, model: &DeskModel, canvas: &mut Canvas<'_>) {
        let Some(alert) = model.rows().get(self.id) else { return };
        canvas.fill_row(0, Role::Header);
        let role = severity_role(alert.severity);
        let mut x = 1 + draw_severity(canvas, 1, 0, alert.severity, role) + 2;
        let id = format::id_short(&alert.id);
        let width = canvas.width();
        let right = canvas.text_right(width.saturating_sub(1), 0, &id, Role::Header);
        let host = host(&alert.host, width / 4);
        let right = canvas.text_right(right.saturating_sub(2), 0, &host, Role::HeaderTitle);
        let room = right.saturating_sub(x + 2);
        x += canvas.text(x, 0, room, &SafeText::line(&alert.rule_name), Role::HeaderTitle);
        canvas.set_cursor(x.min(width.saturating_sub(1)), 0);
    }

    fn draw_tabs(&self, canvas: &mut Canvas<'_>, y: u16) {
        let mut x = 1;
        for tab in Tab::ALL {
            let active = tab == self.tab;
            let mut text = SafeText::label(if active { "[" } else { " " });
            text.push_label(tab.label());
            match (tab, &self.detail) {
                (Tab::Raw, Some(detail)) => {
                    text.push_label(" ").push(&format::number(detail.events.len() as u64));
                }
                (Tab::History, Some(detail)) => {
                    text.push_label(" ").push(&format::number(detail.history.len() as u64));
                }
                _ => {}
            }
            text.push_label(if active { "]" } else { " " });
            let role = if active { Role::TabActive } else { Role::Tab };
            let room = canvas.width().saturating_sub(x);
            let used = canvas.text(x, y, room, &text, role);
            if active {
                canvas.set_cursor(x, y);
            }
            x += used + 1;
        }
    }

    fn doc(&self, model: &DeskModel, width: u16, height: u16) -> Doc {
        let mut doc = Doc::new(width.saturating_sub(1), self.wrap);
        let Some(alert) = model.rows().get(self.id) else {
            doc.text("this alert is not known any more", " ", Role::TextWarning);
            return doc;
        };
        if let Some(problem) = &self.problem {
            fill_problem(&mut doc, problem);
        }
        let times = Times::of(model, self.own_times());
        match (self.tab, &self.detail) {
            (Tab::Summary, detail) => summary::fill(&mut doc, model, alert, detail.as_ref()),
            (Tab::Why, Some(_)) if is_models(&alert.rule_id) => self.fill_story(&mut doc, height),
            (Tab::Tree, Some(_)) => match &self.tree {
                Some(Ok(tree)) => tree.fill(&mut doc, width.saturating_sub(2), times),
                Some(Err(problem)) => fill_problem(&mut doc, problem),
                None => doc.text("reading ...", " ", Role::TextDim),
            },
            (Tab::Graph, Some(detail)) => match &self.explained {
                Some(explained) => graph::fill(&mut doc, &explained.inference, &detail.events),
                None => graph::fill_none(&mut doc, is_models(&alert.rule_id)),
            },
            (Tab::Why, _) => match &self.why {
                Some(Ok(found)) => why::fill(&mut doc, found),
                Some(Err(problem)) => fill_problem(&mut doc, problem),
                None => doc.text("reading ...", " ", Role::TextDim),
            },
            (_, None) => doc.text("reading ...", " ", Role::TextDim),
            (Tab::Raw, Some(detail)) => raw::fill(&mut doc, &detail.events, self.event),
            (Tab::History, Some(detail)) => history::fill(&mut doc, &detail.history, times),
        }
        doc
    }

    fn fill_story(&self, doc: &mut Doc, height: u16) {
        let Some(explained) = &self.explained else {
            return doc.text("what the model said is stored no more", " ", Role::TextWarning);
        };
        let line = story::fill(doc, explained, &self.what_if);
        story::fill_similar(doc, self.detail.as_ref().map_or(&[], |detail| &detail.similar));
        if let Some(line) = line.filter(|_| self.what_if.moved.take()) {
            // What follows the factor is of interest too.
            self.scroll.reveal(line + FACTORS_BELOW, doc.len(), usize::from(height));
            self.scroll.reveal(line, doc.len(), usize::from(height));
        }
    }

    /// What the score would be without what is struck out, above everything else.
    fn draw_what_if(&self, canvas: &mut Canvas<'_>, y: u16) -> u16 {
        let Some(explained) = self.explained.as_ref().filter(|_| self.tab == Tab::Why) else {
            return 0;
        };
        let line = self.what_if.line(&explained.inference, &explained.factors);
        let Some(line) = line else { return 0 };
        let parts = line.wrapped(usize::from(canvas.width().saturating_sub(2)));
        let mut used = 0;
        for part in parts.iter().take(WHAT_IF_LINES_MAX) {
            canvas.text(1, y + used, canvas.width(), part, Role::TextWarning);
            used += 1;
        }
        used
    }
}

/// Models raise alerts under rules of their own, and say why in their own way.
fn is_models(rule: &str) -> bool {
    rule.starts_with(inference::RULE_PREFIX)
}

fn fill_problem(doc: &mut Doc, problem: &Problem) {
    doc.text(&format!("could not read it: {}", problem.message), " ", Role::TextError);
    for text in [&problem.detail, &problem.hint] {
        if !text.is_empty() {
            doc.text(text, " ", Role::Text);
        }
    }
    doc.blank();
}

impl View for DetailView {
    fn context(&self) -> &'static str {
        "detail"
    }

    fn update(&mut self, input: &Input<'_>, model: &DeskModel) -> Option<Vec<Effect>> {
        match input {
            Input::Action(call) => self.action(call, model),
            Input::Message(message) => self.message(message, model),
            Input::Key(_) | Input::Paste(_) => None,
        }
    }

    fn render(&self, model: &DeskModel, canvas: &mut Canvas<'_>) {
        let (width, height) = (canvas.width(), canvas.height());
        self.draw_head(model, canvas);
        let mut y = 1;
        if height > 4 {
            self.draw_tabs(canvas, 1);
            draw_rule(
                &mut canvas.sub(Rect::new(0, 2, width, 1)),
                0,
                &SafeText::default(),
                Role::Rule,
            );
            y = 3;
        }
        y += self.draw_what_if(canvas, y);
        let mut body = canvas.sub(Rect::new(0, y, width, height.saturating_sub(y)));
        self.doc(model, width, body.height()).draw(&mut body, &self.scroll);
    }

    fn unavailable(&self, call: &ActionCall, model: &DeskModel) -> Option<&'static str> {
        let next = matches!(call.id, ActionId::RawNext | ActionId::RawPrevious);
        if next && self.events() < 2 && self.factors() == 0 {
            return Some("there is no other event");
        }
        triage::unavailable(call, model, false)
    }

    fn position(&self, model: &DeskModel) -> SafeText {
        let scroll = self.scroll.position();
        let row = model.rows().place(self.id).map_or(0, |place| place + 1);
        let mut text = SafeText::line(&format!("alert {row}/{}", model.rows().len()));
        if !scroll.is_empty() {
            text.push_label(" | ").push(&scroll);
        }
        text
    }
}
