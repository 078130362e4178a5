//! The queue: header, filter chips, list, preview. The home of the desk.

mod bundle;
mod header;
mod list;
mod preview;

use std::cell::Cell;

use crate::model::alert::AlertId;
use crate::model::desk::AlertDetail;
use crate::tui::action::ActionId;
use crate::tui::action::call::ActionCall;
use crate::tui::contract::{Effect, Input, Msg, Reply, Request, View};
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::bundles::BundleEdit;
use crate::tui::desk_model::cursor::Move;
use crate::tui::desk_model::edit::{Edit, Filter, SortEdit};
use crate::tui::desk_model::marks::{Field, MarkEdit};
use crate::tui::desk_model::times::TimeForm;
use crate::tui::paint::canvas::{Canvas, Rect};
use crate::tui::paint::safe::SafeText;
use crate::tui::view::chips::ChipsView;
use crate::tui::view::detail::DetailView;
use crate::tui::view::doc::Scroll;
use crate::tui::view::layout::{Layout, Parts};
use crate::tui::view::prompt::{Asked, Prompt};
use crate::tui::view::triage;

/// The queue.
#[derive(Debug)]
pub struct QueueView {
    height: Cell<usize>,
    preview: bool,
    scroll: Scroll,
    /// Evidence and history of the alert in the preview, once read.
    detail: Option<AlertDetail>,
    asked: Option<AlertId>,
}

impl Default for QueueView {
    fn default() -> QueueView {
        QueueView {
            height: Cell::new(1),
            preview: true,
            scroll: Scroll::default(),
            detail: None,
            asked: None,
        }
    }
}

impl QueueView {
    /// The queue as it is at the start.
    pub fn new() -> QueueView {
        QueueView::default()
    }

    fn moved(&self, by: Move) -> Vec<Effect> {
        vec![Effect::Edit(Edit::Move { by, height: self.height.get() }), triage::follow()]
    }

    /// Where the cursor goes for an action, if it is a cursor action.
    fn cursor_move(action: ActionId) -> Option<Move> {
        Some(match action {
            ActionId::CursorNext => Move::By(1),
            ActionId::CursorPrevious => Move::By(-1),
            ActionId::CursorHalfDown => Move::HalfPage(1),
            ActionId::CursorHalfUp => Move::HalfPage(-1),
            ActionId::CursorPageDown => Move::Page(1),
            ActionId::CursorPageUp => Move::Page(-1),
            ActionId::CursorFirst => Move::First,
            ActionId::CursorLast => Move::Last,
            ActionId::Center => Move::Center,
            _ => return None,
        })
    }

    fn mark(call: &ActionCall) -> Option<MarkEdit> {
        Some(match call.id {
            ActionId::MarkToggle => MarkEdit::Toggle,
            ActionId::MarkAllMatching => MarkEdit::AllMatching,
            ActionId::MarkInvert => MarkEdit::Invert,
            ActionId::MarkNone => MarkEdit::Clear,
            ActionId::MarkSame => MarkEdit::Same(Field::parse(call.text("field")?)?),
            _ => return None,
        })
    }

    fn action(&mut self, call: &ActionCall, model: &DeskModel) -> Option<Vec<Effect>> {
        if let Some(by) = QueueView::cursor_move(call.id) {
            self.scroll.reset();
            return Some(self.moved(by));
        }
        if let Some(mark) = QueueView::mark(call) {
            return Some(vec![Effect::Edit(Edit::Mark(mark))]);
        }
        let filter = |filter| vec![Effect::Edit(Edit::Filter(filter)), triage::follow()];
        Some(match call.id {
            ActionId::OpenSelected => self.open(model, None),
            ActionId::DetailTab => self.open(model, call.number("n")),
            ActionId::BundleView => QueueView::bundle(BundleEdit::ToggleView),
            ActionId::BundleClose => QueueView::bundle(BundleEdit::Close),
            ActionId::MergeNew => vec![Effect::Edit(Edit::Merge), triage::follow()],
            ActionId::FreezeToggle => vec![Effect::Edit(Edit::ToggleFreeze)],
            ActionId::FilterToggleAll => filter(Filter::ToggleAll),
            ActionId::FilterAdd => match call.text("text") {
                Some(text) => filter(Filter::Add(text.to_owned())),
                None => vec![Effect::Push(Box::new(Prompt::new(Asked::NewChip)))],
            },
            ActionId::FilterEdit => vec![Effect::Push(Box::new(ChipsView::default()))],
            ActionId::SortBy => {
                let field = call.text("field")?.to_owned();
                vec![Effect::Edit(Edit::Sort(SortEdit::By(field)))]
            }
            ActionId::SortInvert => vec![Effect::Edit(Edit::Sort(SortEdit::Invert))],
            ActionId::TogglePreview => {
                self.preview = !self.preview;
                Vec::new()
            }
            ActionId::PreviewDown => {
                self.scroll.by(1);
                Vec::new()
            }
            ActionId::PreviewUp => {
                self.scroll.by(-1);
                Vec::new()
            }
            ActionId::Undo => triage::undo(model),
            ActionId::CycleTime => triage::cycle_time(model, TimeForm::Age),
            _ => {
                let about = model.current().map(AsRef::as_ref);
                return triage::verb(call, model, (model.targets(), about), self.height.get());
            }
        })
    }

    fn bundle(edit: BundleEdit) -> Vec<Effect> {
        vec![Effect::Edit(Edit::Bundle(edit)), triage::follow()]
    }

    fn open(&self, model: &DeskModel, tab: Option<u64>) -> Vec<Effect> {
        let Some(alert) = model.current() else {
            return vec![triage::say(
                "no alert under the cursor",
                crate::tui::contract::Tone::Warning,
            )];
        };
        if model.rows().bundles().get(alert.id).is_some() {
            return QueueView::bundle(BundleEdit::Toggle);
        }
        let (view, mut effects) = DetailView::open(alert.id, tab, self.height.get());
        effects.insert(0, Effect::Push(Box::new(view)));
        effects
    }

    /// Read evidence and history of the alert under the cursor, unless that is done or under way.
    fn read(&mut self, model: &DeskModel) -> Vec<Effect> {
        let Some(alert) = model.current() else { return Vec::new() };
        let known = self.detail.as_ref().is_some_and(|detail| {
            detail.alert.id == alert.id && detail.alert.revision >= alert.revision
        });
        let bundle = model.rows().bundles().get(alert.id).is_some();
        if bundle || known || self.asked == Some(alert.id) {
            return Vec::new();
        }
        self.asked = Some(alert.id);
        vec![Effect::Ask(Request::Alert(alert.id))]
    }

    fn message(&mut self, message: &Msg, model: &DeskModel) -> Option<Vec<Effect>> {
        match message {
            Msg::Timer(triage::FOLLOW) => Some(self.read(model)),
            Msg::Reply { request: Request::Alert(id), result } => {
                if self.asked == Some(*id) {
                    self.asked = None;
                }
                if let Ok(Reply::Alert(detail)) = result {
                    self.detail = Some(AlertDetail::clone(detail));
                }
                None
            }
            Msg::Reply {
                request: Request::Alerts(_) | Request::Act(..) | Request::Undo(_),
                ..
            } => Some(self.read(model)),
            Msg::Change(_) => Some(self.read(model)),
            _ => None,
        }
    }
}

impl View for QueueView {
    fn context(&self) -> &'static str {
        "queue"
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
        let parts = Parts::of(Layout::of(width, height), height, self.preview);
        let mut y = 0;
        if parts.header {
            header::draw(model, &mut canvas.sub(Rect::new(0, 0, width, 1)));
            y += 1;
        }
        if parts.chips {
            header::draw_chips(model, &mut canvas.sub(Rect::new(0, y, width, 1)));
            y += 1;
        }
        self.height.set(usize::from(parts.list.saturating_sub(u16::from(parts.columns))).max(1));
        list::draw(model, &mut canvas.sub(Rect::new(0, y, width, parts.list)), parts.columns);
        y += parts.list;
        if parts.preview > 0 {
            let mut canvas = canvas.sub(Rect::new(0, y, width, parts.preview));
            let current = model.current().map(|alert| alert.id);
            let detail = self.detail.as_ref().filter(|detail| Some(detail.alert.id) == current);
            preview::draw(model, detail, &self.scroll, &mut canvas);
        }
    }

    fn unavailable(&self, call: &ActionCall, model: &DeskModel) -> Option<&'static str> {
        triage::unavailable(call, model, true)
    }

    fn position(&self, model: &DeskModel) -> SafeText {
        let rows = model.rows();
        let place = model.cursor().id().and_then(|id| rows.place(id)).map_or(0, |place| place + 1);
        SafeText::line(&format!("row {place}/{}", rows.len()))
    }
}
