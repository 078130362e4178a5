//! Where the model meets the loop: messages become edits, wishes become effects.

use crate::model::desk::{AlertQuery, Change, Problem, ProblemKind};
use crate::stdx::time::{SECOND_US, Timestamp};
use crate::tui::contract::{self, Effect, Msg, Reply, Request};
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::edit::{Edit, Tone, Wish};
use crate::tui::desk_model::live::Link;
use crate::tui::paint::safe::SafeText;

/// Alerts asked for at once.
pub const PAGE_ROWS: usize = 5_000;
/// Alerts that the desk holds; what is over stays in the store and is said.
pub const ROWS_MAX: usize = 1_000_000;

const MINUTE_US: i64 = 60 * SECOND_US;

impl Default for DeskModel {
    fn default() -> DeskModel {
        DeskModel::new("", Timestamp::default())
    }
}

impl DeskModel {
    /// Ask for what the first screen shows.
    pub fn start(&mut self) -> Vec<Effect> {
        vec![ask_alerts(0), Effect::Ask(Request::Status)]
    }

    /// Take a message in before the views see it.
    pub fn receive(&mut self, message: &Msg) -> Vec<Effect> {
        match message {
            Msg::Reply { request, result } => self.reply(request, result),
            Msg::Change(Change::Lost(reason)) => {
                self.live.link = Link::Offline(self.now(), reason.clone());
                Vec::new()
            }
            Msg::Change(change) => {
                self.heard();
                match change {
                    Change::Alert(alert) => self.apply(Edit::Alert(alert.clone())),
                    Change::Status(report) => self.apply(Edit::Status(report.clone())),
                    Change::Gap | Change::Lost(_) => self.apply(Edit::Missed),
                }
            }
            Msg::Timer(_) | Msg::Resized(..) => Vec::new(),
        }
    }

    /// Apply a change that a view asked for.
    pub fn apply(&mut self, edit: Edit) -> Vec<Effect> {
        let wishes = self.reduce(edit);
        let mut effects: Vec<Effect> = wishes.into_iter().map(effect).collect();
        if let Some(notice) = self.notice.take() {
            let tone = match notice.tone {
                Tone::Info => contract::Tone::Plain,
                Tone::Warn => contract::Tone::Warning,
                Tone::Error => contract::Tone::Error,
            };
            effects.push(Effect::Say(SafeText::line(&notice.text), tone));
        }
        effects
    }

    /// The loop's clock, before every update and every frame.
    pub fn tick(&mut self, now: Timestamp) {
        self.clock(now);
    }

    /// When something that is visible changes by itself next: the undo countdown by seconds, all else by minutes.
    pub fn next_tick(&self) -> Option<Timestamp> {
        let minute = Timestamp((self.now().micros().div_euclid(MINUTE_US) + 1) * MINUTE_US);
        let Some(entry) = self.journal().newest_pending() else { return Some(minute) };
        let left = entry.deadline.micros_since(self.now());
        let second = self.now().plus_micros(match left.rem_euclid(SECOND_US) {
            0 => SECOND_US,
            rest => rest,
        });
        Some(minute.min(second))
    }

    fn reply(&mut self, request: &Request, result: &Result<Reply, Problem>) -> Vec<Effect> {
        match result {
            Err(problem) if problem.kind == ProblemKind::Unavailable => {
                let since = match &self.live().link {
                    Link::Offline(since, _) => *since,
                    Link::Live | Link::Stale(_) => self.now(),
                };
                self.live.link = Link::Offline(since, problem.message.clone());
            }
            Err(_) => {}
            Ok(_) => self.heard(),
        }
        match (request, result) {
            (Request::Alerts(query), Ok(Reply::Alerts(page))) => {
                let next = query.offset + page.rows.len();
                let more = !page.rows.is_empty() && next < page.matching && next < ROWS_MAX;
                let again = query.sort == AGAIN;
                let loaded = Edit::Loaded { page: Box::new(page.clone()), again, more };
                let mut effects = self.apply(loaded);
                if more {
                    effects.push(ask_page(next, again));
                } else if next < page.matching {
                    let over = page.matching - next;
                    self.say(Tone::Warn, format!("{over} more alerts in the store are not listed"));
                }
                effects
            }
            (Request::Status, Ok(Reply::Status(report))) => {
                self.apply(Edit::Status(report.clone()))
            }
            (Request::Act(targets, action), result) => {
                let wish = Wish::Act { targets: targets.clone(), action: action.clone() };
                let answer = match result {
                    Ok(Reply::Acted(acted)) => Ok(acted.clone()),
                    Ok(_) => return Vec::new(),
                    Err(problem) => Err(problem.clone()),
                };
                self.apply(Edit::Acted { wish, answer })
            }
            (Request::Undo(_), Ok(Reply::Undone(undone))) => {
                self.apply(Edit::Undone(Ok(undone.clone())))
            }
            (Request::Undo(_), Err(problem)) => self.apply(Edit::Undone(Err(problem.clone()))),
            (Request::Alerts(_) | Request::Status, Err(problem)) => {
                self.say_problem(problem);
                self.apply_notice()
            }
            (Request::SaveDraft(alert, draft), Ok(_)) => {
                self.draft_kept(*alert, draft.as_deref());
                Vec::new()
            }
            (Request::RuleOff { id, .. }, Ok(_)) => {
                self.say(Tone::Info, format!("rule switched off: {id}"));
                self.apply_notice()
            }
            (Request::RuleOn(id), Ok(_)) => {
                self.say(Tone::Info, format!("rule switched on: {id}"));
                self.apply_notice()
            }
            (Request::RuleRelease(id), Ok(_)) => {
                let text = format!("rule released, its alerts come: {id}");
                self.say(Tone::Info, text);
                self.apply_notice()
            }
            (
                Request::RuleOff { .. }
                | Request::RuleOn(_)
                | Request::RuleRelease(_)
                | Request::SaveDraft(..),
                Err(problem),
            ) => {
                self.say_problem(problem);
                self.apply_notice()
            }
            _ => Vec::new(),
        }
    }

    fn apply_notice(&mut self) -> Vec<Effect> {
        let Some(notice) = self.notice.take() else { return Vec::new() };
        self.apply(Edit::Say(notice))
    }

    fn heard(&mut self) {
        self.live.link = Link::Live;
    }
}

/// The sort text that marks a reading after a gap. The order of reading does not matter to the list.
const AGAIN: &str = "-last_seen";

fn ask_alerts(offset: usize) -> Effect {
    ask_page(offset, false)
}

fn ask_page(offset: usize, again: bool) -> Effect {
    Effect::Ask(Request::Alerts(AlertQuery {
        filter: String::new(),
        sort: if again { AGAIN.to_owned() } else { String::new() },
        limit: PAGE_ROWS,
        offset,
    }))
}

fn effect(wish: Wish) -> Effect {
    match wish {
        Wish::Act { targets, action } => Effect::Ask(Request::Act(targets, action)),
        Wish::Undo(pending) => Effect::Ask(Request::Undo(Some(pending))),
        Wish::KeepDraft(alert, text) => Effect::Ask(Request::SaveDraft(alert, Some(text))),
        Wish::Reload => ask_page(0, true),
    }
}
