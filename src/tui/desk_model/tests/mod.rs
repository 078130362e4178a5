//! Alerts and a desk of a few of them, and what tests do with it.

mod list;
mod promises;
mod undo;

use crate::model::alert::{Action, Alert, AlertId, Status};
use crate::model::desk::{Acted, AlertPage};
use crate::model::severity::Severity;
use crate::model::verdict::{Confidence, Verdict, VerdictKind};
use crate::stdx::id::Id128;
use crate::stdx::time::Timestamp;
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::cursor::Move;
use crate::tui::desk_model::edit::{Edit, Wish};

const START: Timestamp = Timestamp(1_800_000_000_000_000);
const HEIGHT: usize = 5;

fn id(number: u8) -> AlertId {
    let mut bytes = [0; 16];
    bytes[15] = number;
    Id128(bytes)
}

pub(crate) fn alert(number: u8, risk: u8, host: &str) -> Alert {
    Alert {
        id: id(number),
        tenant: "default".to_owned(),
        status: Status::Open,
        severity: Severity::from_rank(risk / 25).unwrap_or(Severity::Critical),
        risk,
        risk_parts: Vec::new(),
        rule_id: format!("rule-{}", number % 3),
        rule_name: format!("Rule {}", number % 3),
        tags: Vec::new(),
        host: host.to_owned(),
        user: String::new(),
        group: Vec::new(),
        count: 1,
        first_seen: START,
        last_seen: START,
        created: START,
        updated: START,
        matched: Vec::new(),
        evidence: Vec::new(),
        assignee: None,
        verdict: None,
        snoozed_until: None,
        backfill: false,
        bundle: None,
        changed_since_closed: false,
        revision: 1,
    }
}

fn verdict(kind: VerdictKind) -> Action {
    Action::Verdict(Verdict {
        kind,
        reasons: vec!["test_activity".to_owned()],
        confidence: Confidence::High,
        note: "said so".to_owned(),
    })
}

fn model(count: u8) -> DeskModel {
    let mut model = DeskModel::new("kai", START);
    let rows: Vec<Alert> = (0..count)
        .map(|number| {
            let host = if number % 2 == 0 { "web01" } else { "db01" };
            alert(number, 99 - number * 3, host)
        })
        .collect();
    let page = AlertPage { matching: rows.len(), total: rows.len(), rows, pending: Vec::new() };
    model.reduce(Edit::Loaded { page: Box::new(page), again: false, more: false });
    model.reduce(Edit::Move { by: Move::First, height: HEIGHT });
    model
}

#[derive(Clone, Debug)]
enum Do {
    Edit(Edit),
    Act(Action),
    Clock(i64),
}

fn run(model: &mut DeskModel, what: Do) {
    let requests = match what {
        Do::Edit(step) => model.reduce(step),
        Do::Clock(micros) => {
            let later = model.now().plus_micros(micros);
            model.reduce(Edit::Clock(later))
        }
        Do::Act(action) => {
            let targets = model.targets();
            model.reduce(Edit::Act { targets, action, advance: true })
        }
    };
    for wish in requests {
        if let Wish::Act { targets, .. } = &wish {
            let deadline = model.now().plus_micros(10_000_000);
            let acted =
                Acted { pending_id: 1, deadline, alerts: targets.len(), conflicts: Vec::new() };
            model.reduce(Edit::Acted { wish, answer: Ok(acted) });
        }
    }
}
