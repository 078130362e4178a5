//! A workbench made of data: the whole desk runs on it without a store, so that every text it shows can be chosen.

use std::sync::{Arc, Mutex};

use watchfloor::model::alert::{Alert, AlertId, AuditEntry, Status};
use watchfloor::model::desk::{
    Acted, AlertDetail, AlertPage, Problem, ProblemKind, StatusReport, Undone,
};
use watchfloor::model::endpoint::Endpoint;
use watchfloor::model::event::{Event, Value};
use watchfloor::model::explanation::{Explanation, Row, RowKind};
use watchfloor::model::field;
use watchfloor::model::finding::RuleInfo;
use watchfloor::model::ledger::{Ledger, SourceLedger};
use watchfloor::model::severity::Severity;
use watchfloor::model::verdict::{Confidence, Verdict, VerdictKind};
use watchfloor::stdx::id::{Id128, IdHasher};
use watchfloor::stdx::time::Timestamp;
use watchfloor::tui::contract::{Reply, Request};
use watchfloor::tui::run::port::{Answer, Feed, NextChange, Port};

/// What the stub was asked to change.
#[derive(Default)]
pub struct Asked {
    /// Acts.
    pub acts: usize,
    /// The last action, to undo it.
    pub last: Option<(Vec<AlertId>, watchfloor::model::alert::Action)>,
}

/// A port that answers from `count` alerts; `hostile(n)` is put into every text of alert `n`.
pub fn port(count: usize, hostile: fn(usize) -> String) -> Port {
    let asked = Arc::new(Mutex::new(Asked::default()));
    let ask = move |request: Request| -> Answer {
        let result = answer(&request, count, hostile, &mut asked.lock().unwrap());
        Box::pin(async move { result })
    };
    let never = || -> NextChange { Box::pin(std::future::pending()) };
    let actor = format!("ana{}", hostile(1));
    Port { ask: Arc::new(ask), feed: Feed(Box::new(never)), actor }
}

fn answer(
    request: &Request,
    count: usize,
    hostile: fn(usize) -> String,
    asked: &mut Asked,
) -> Result<Reply, Problem> {
    let number = |id: &AlertId| (0..count).find(|n| alert_id(*n) == *id).unwrap_or(0);
    Ok(match request {
        Request::Alerts(query) => {
            let rows: Vec<Alert> =
                (query.offset..count).map(|n| alert(n, &hostile(n))).take(query.limit).collect();
            Reply::Alerts(AlertPage { rows, matching: count, total: count, pending: Vec::new() })
        }
        Request::Alert(id) => Reply::Alert(Box::new(detail(number(id), &hostile(number(id))))),
        Request::Why(id) => Reply::Why(Box::new(why(number(id), &hostile(number(id))))),
        Request::Act(targets, action) => {
            asked.acts += 1;
            asked.last = Some((targets.iter().map(|(id, _)| *id).collect(), action.clone()));
            let deadline = Timestamp::now().plus_micros(10_000_000);
            let alerts = targets.len();
            let pending_id = asked.acts as u64;
            Reply::Acted(Acted { pending_id, deadline, alerts, conflicts: Vec::new() })
        }
        Request::Undo(_) => match asked.last.take() {
            Some((alerts, action)) => Reply::Undone(Undone { action, without_trace: true, alerts }),
            None => return Err(problem(&hostile(2))),
        },
        Request::Pending => Reply::Pending(Vec::new()),
        Request::EventsSearch { .. } | Request::EventsAround { .. } => {
            Reply::Events((0..count).map(|n| event(n, &hostile(n))).collect())
        }
        Request::EndpointView(_) | Request::Disagreements => {
            return Err(problem(&hostile(5)));
        }
        Request::Endpoints => {
            Reply::Endpoints((0..count).map(|n| endpoint(n, &hostile(n))).collect())
        }
        Request::Status => Reply::Status(Box::new(status(&hostile(3)))),
        Request::Rules => Reply::Rules(Vec::new()),
        Request::Draft(id) => {
            let text = hostile(number(id));
            Reply::Draft((!text.is_empty()).then(|| format!("draft {text}")))
        }
        Request::RuleOff { .. } => return Err(problem(&hostile(4))),
        Request::RuleOn(_) | Request::RuleRelease(_) | Request::SaveDraft(..) => Reply::Done,
    })
}

/// The id of alert `n`.
pub fn alert_id(n: usize) -> AlertId {
    IdHasher::new("stub alert").number(n as u64).finish()
}

fn now() -> Timestamp {
    Timestamp::now()
}

fn alert(n: usize, bad: &str) -> Alert {
    let seen = now().plus_micros(-60_000_000 * (n as i64 + 1));
    let text = |name: &str| format!("{name}{n}{bad}");
    Alert {
        id: alert_id(n),
        tenant: text("tenant"),
        status: Status::Open,
        severity: Severity::High,
        risk: 99_u8.saturating_sub(u8::try_from(n / 3).unwrap_or(99)),
        risk_parts: vec![(text("part"), 40)],
        rule_id: text("rule"),
        rule_name: text("title"),
        tags: vec![text("attack.t10")],
        host: text("host"),
        user: text("user"),
        group: vec![(text("groupfield"), text("groupvalue"))],
        count: 3,
        first_seen: seen,
        last_seen: seen,
        created: seen,
        updated: seen,
        matched: vec![(text("matchfield"), text("matchvalue"))],
        evidence: vec![Id128::default()],
        assignee: (!bad.is_empty()).then(|| text("owner")),
        verdict: (n % 2 == 1 && !bad.is_empty()).then(|| Verdict {
            kind: VerdictKind::InsufficientData,
            reasons: vec![text("reason")],
            confidence: Confidence::Low,
            note: text("verdictnote"),
        }),
        snoozed_until: None,
        backfill: false,
        bundle: None,
        changed_since_closed: false,
        revision: 1,
    }
}

fn detail(n: usize, bad: &str) -> AlertDetail {
    let text = |name: &str| format!("{name}{n}{bad}");
    let note = serde_json::json!({ "note": text("note") }).to_string();
    let entry = |sequence, action: &str, detail: String| AuditEntry {
        sequence,
        at: now(),
        actor: text("actor"),
        place: text("place"),
        subject: "alert".to_owned(),
        subject_id: alert_id(n).to_string(),
        action: action.to_owned(),
        detail,
        hash: text("hash"),
    };
    AlertDetail {
        alert: alert(n, bad),
        rule: Some(RuleInfo {
            id: text("rule"),
            title: text("title"),
            level: Severity::High,
            tags: vec![text("tag")],
            description: text("description"),
            false_positives: vec![text("benign")],
            file: text("file"),
            line: 3,
            group_by: vec![text("by")],
        }),
        events: vec![event(n, bad)],
        similar: Vec::new(),
        rarity: vec![watchfloor::model::noise::FieldRarity {
            field: text("rarity"),
            seen: 0,
            of: 7,
        }],
        history: vec![entry(1, "note", note), entry(2, "verdict", text("plain"))],
    }
}

fn why(n: usize, bad: &str) -> Explanation {
    let text = |name: &str| format!("{name}{n}{bad}");
    let row = Row {
        depth: 1,
        kind: RowKind::Field,
        holds: true,
        name: text("whyfield"),
        ours: text("ours"),
        actual: Some(text("actual")),
        wanted: text("wanted"),
        value: text("value"),
    };
    Explanation {
        rule_id: text("rule"),
        rule_title: text("title"),
        event: event(n, bad).id,
        timestamp: now(),
        host: text("host"),
        source_fits: false,
        source_wanted: text("sourcewanted"),
        source_is: text("sourceis"),
        holds: false,
        short: 1,
        missing: vec![text("missing")],
        rows: vec![row],
        rows_left_out: 1,
    }
}

fn event(n: usize, bad: &str) -> Event {
    let text = |name: &str| format!("{name}{n}{bad}");
    let mut event = Event::with_capacity(8, 512);
    event.id = IdHasher::new("stub event").number(n as u64).finish();
    event.timestamp = now();
    event.ingested = now();
    for (id, name) in [
        (field::HOST_NAME, "host"),
        (field::USER_NAME, "user"),
        (field::EVENT_ACTION, "action"),
        (field::PROCESS_COMMAND_LINE, "command"),
        (field::MESSAGE, "message"),
        (field::EVENT_ORIGINAL, "original"),
    ] {
        event.push_str(id, &text(name));
    }
    event.push_named(&text("custom.field"), Value::Str(&text("custom")));
    event
}

fn endpoint(n: usize, bad: &str) -> Endpoint {
    Endpoint {
        score: None,
        scored: None,
        highest: None,
        host: format!("host{n}{bad}"),
        os: format!("os{n}{bad}"),
        events: 10,
        first_seen: now(),
        last_seen: now(),
        alerts_open: 1,
        worst: Some(Severity::High),
    }
}

fn status(bad: &str) -> StatusReport {
    StatusReport {
        health: format!("ok{bad}"),
        problems: vec![format!("problem{bad}")],
        version: format!("1{bad}"),
        now: now(),
        sources: vec![SourceLedger {
            numbers: Vec::new(),
            name: format!("source{bad}"),
            ledger: Ledger { received: 10, stored: 9, rejected: 1, events: 9, ..Ledger::default() },
            newest_event_us: now().micros(),
        }],
        data_dir: format!("/data{bad}"),
        ..StatusReport::default()
    }
}

fn problem(bad: &str) -> Problem {
    Problem::new(ProblemKind::Conflict, format!("problem{bad}"))
        .detail(format!("detail{bad}"))
        .hint(format!("hint{bad}"))
}
