//! Fixed data of what models said: an endpoint with everything, an alert of a model, disagreements.

use crate::model::alert::Alert;
use crate::model::class::Class;
use crate::model::desk::{AlertDetail, AlertPage, Problem};
use crate::model::disagreement::{Disagreement, Disagreements, Side};
use crate::model::endpoint_view::{EndpointView, Judgement, Looked, habits};
use crate::model::event::Event;
use crate::model::field;
use crate::model::inference::{Ablation, Edge, Group, Hit, Inference, Node, Outcome, Prediction};
use crate::model::process_tree;
use crate::model::verdict::VerdictKind;
use crate::stdx::id::{Id128, IdHasher};
use crate::stdx::time::Timestamp;
use crate::tui::contract::{Reply, Request};
use crate::tui::view::tests::fixture::{self, HOSTILE, NOW};

const MINUTE: i64 = 60_000_000;
pub const HOST: &str = "fin-ws-044";

fn at(minutes: i64) -> Timestamp {
    NOW.plus_micros(-minutes * MINUTE)
}

/// A start of a process; numbers stand for processes.
pub fn start(number: u8, parent: u8, minutes: i64, name: &str, command_line: &str) -> Event {
    let mut event = Event::with_capacity(10, 256);
    event.id = IdHasher::new("start").number(u64::from(number)).finish();
    event.timestamp = at(minutes);
    event.class = Class::ProcessStart;
    event.push_str(field::EVENT_ACTION, "process-start");
    event.push_str(field::HOST_NAME, HOST);
    event.push_str(field::USER_NAME, "m.okafor");
    event.push_int(field::PROCESS_PID, 4_000 + i64::from(number));
    event.push_int(field::PROCESS_PARENT_PID, 4_000 + i64::from(parent));
    event.push_str(field::PROCESS_NAME, name);
    if number == 3 {
        event.push_str(field::PROCESS_PARENT_NAME, "winword.exe");
    }
    if number == 1 {
        event.push_str(field::PROCESS_PARENT_NAME, "userinit.exe");
    }
    event.push_str(field::PROCESS_COMMAND_LINE, command_line);
    event
}

/// Starts around the alert of the model.
pub fn starts() -> Vec<Event> {
    vec![
        start(1, 0, 190, "explorer.exe", r"C:\Windows\explorer.exe"),
        start(2, 1, 40, "winword.exe", r#""WINWORD.EXE" /n "C:\Users\m.okafor\invoice.docm""#),
        start(3, 2, 4, "powershell.exe", "powershell.exe -nop -w hidden -enc SQBFAFgA"),
        start(4, 3, 3, "whoami.exe", "whoami /all"),
        start(5, 3, 3, HOSTILE[2], HOSTILE[0]),
        start(6, 1, 2, "chrome.exe", "chrome.exe --type=renderer"),
    ]
}

fn deed(number: u8, class: Class, field: crate::model::field::FieldId, text: &str) -> Event {
    let mut event = Event::with_capacity(6, 128);
    event.id = IdHasher::new("deed").number(u64::from(number)).finish();
    event.timestamp = at(3);
    event.class = class;
    event.push_str(field::HOST_NAME, HOST);
    event.push_int(field::PROCESS_PID, 4_003);
    event.push_str(field::PROCESS_NAME, "powershell.exe");
    event.push_str(field, text);
    event
}

/// Events that show the nodes of the explanation.
pub fn evidence() -> Vec<Event> {
    vec![
        start(3, 2, 4, "powershell.exe", "powershell.exe -nop -w hidden -enc SQBFAFgA"),
        start(4, 3, 3, "whoami.exe", "whoami /all"),
        deed(1, Class::FileCreate, field::FILE_PATH, r"C:\Users\m.okafor\AppData\Local\Temp\u.exe"),
        deed(2, Class::NetworkConnect, field::DESTINATION_IP, "203.0.113.7"),
    ]
}

fn edge(kind: &str, source: usize, target: usize, count: u32, first_ms: u32, of: &Event) -> Edge {
    let event = of.id.to_string();
    Edge { kind: kind.to_owned(), source, target, count, first_ms, event }
}

/// What the model said of the window.
pub fn inference() -> Inference {
    let events = evidence();
    let node = |kind: &str, drop| Node { kind: kind.to_owned(), drop };
    let ablation = Ablation {
        nodes: vec![
            node("process", 0.412),
            node("network", 0.203),
            node("process", 0.1),
            node("file", 0.054),
            node("process", -0.01),
        ],
        edges: vec![
            edge("spawned", 4, 0, 1, 120, &events[0]),
            edge("spawned", 0, 2, 1, 61_000, &events[1]),
            edge("wrote", 0, 3, 3, 64_000, &events[2]),
            edge("connected_to", 0, 1, 12, 66_500, &events[3]),
        ],
        groups: vec![Group { source: 0, kind: "connected_to".to_owned(), edges: 12, drop: 0.19 }],
        tried: 31,
        of: 31,
        deletion: 0.21,
        insertion: 0.87,
    };
    Inference {
        id: Id128([77; 16]),
        host: HOST.to_owned(),
        platform: "windows".to_owned(),
        start: at(5),
        end: at(2),
        observed_ms: 170_000,
        events: 214,
        nodes: 38,
        edges: 92,
        prediction: Prediction::Attack,
        score: Some(0.912),
        members: vec![0.9, 0.93, 0.906],
        spread: 0.03,
        threshold: 0.532,
        p: Some(0.0021),
        p_floor: Some(0.0021),
        blocks: 480,
        basis: "pooled".to_owned(),
        cold: true,
        outcome: Outcome::Alert,
        model: "watchfloor-windows 1".to_owned(),
        hits: vec![Hit {
            rule: "r".to_owned(),
            title: "PowerShell encoded command".to_owned(),
            level: "high".to_owned(),
            same_lineage: true,
        }],
        ablation: Some(ablation),
        ..Inference::default()
    }
}

/// Judgements of three hours, an error and one over the budget among them; the newest first.
pub fn judgements() -> Vec<Judgement> {
    let mut all = vec![Judgement::of(&inference())];
    for number in 1..120_i64 {
        let wave = (number * 37 % 100) as f64 / 100.0;
        let error = number == 7;
        let over = number == 40;
        let score = if over { 0.71 } else { 0.02 + wave * wave * 0.4 };
        let end = inference().end.plus_micros(-number * 90_000_000);
        all.push(Judgement {
            id: IdHasher::new("window").number(number.unsigned_abs()).finish(),
            end,
            prediction: match (error, over) {
                (true, _) => Prediction::Error,
                (_, true) => Prediction::Attack,
                _ => Prediction::Benign,
            },
            score: (!error).then_some(score),
            threshold: 0.532,
            p: (!error).then_some(0.2 + wave / 2.0),
            cold: true,
            outcome: if over { Outcome::OverBudget } else { Outcome::None },
            events: 20 + number.unsigned_abs(),
            nodes: 12,
            model: "watchfloor-windows 1".to_owned(),
            words: if error { "too few nodes: 1, and a graph needs two" } else { "" }.to_owned(),
        });
    }
    all
}

/// An endpoint with everything.
pub fn endpoint_view() -> EndpointView {
    let mut events: Vec<Event> = evidence();
    events.extend(starts());
    events.push(deed(9, Class::Dns, field::DNS_QUESTION_NAME, HOSTILE[1]));
    for number in 0..60_u8 {
        let mut event = start(100, 1, 60 + i64::from(number), "chrome.exe", "chrome.exe");
        event.id = IdHasher::new("usual").number(u64::from(number)).finish();
        event.push_str(field::DESTINATION_DOMAIN, "intranet.example");
        events.push(event);
    }
    events.sort_by_key(|event| std::cmp::Reverse((event.timestamp, event.id)));
    let of_host = |alert: &Alert| alert.host == HOST || alert.host == "hr-ws-112";
    let alerts: Vec<Alert> = fixture::alerts().into_iter().filter(of_host).collect();
    EndpointView {
        host: HOST.to_owned(),
        at: NOW,
        endpoint: fixture::endpoints().into_iter().find(|row| row.host == HOST),
        judgements: judgements(),
        recent: crate::model::endpoint_view::recent(&events),
        habits: habits(&events),
        processes: process_tree::all(&starts()),
        looked: Looked {
            events: 5_000,
            events_more: true,
            oldest: Some(at(600)),
            starts: 6,
            alerts: alerts.len() as u64,
            ..Looked::default()
        },
        alerts,
        last: events.into_iter().take(20).collect(),
    }
}

/// Disagreements of both kinds.
pub fn disagreements() -> Disagreements {
    let alerts = fixture::alerts();
    let row = |place: usize, side, score, verdict, who: &str| Disagreement {
        side,
        alert: alerts[place].id,
        title: alerts[place].rule_name.clone(),
        host: alerts[place].host.clone(),
        at: alerts[place].last_seen,
        score,
        verdict,
        who: who.to_owned(),
        note: String::new(),
    };
    Disagreements {
        rows: vec![
            row(0, Side::ModelOnly, Some(0.912), VerdictKind::FalsePositive, "ana"),
            row(3, Side::AnalystOnly, Some(0.104), VerdictKind::TruePositive, "kai\u{202e}"),
            row(10, Side::ModelOnly, None, VerdictKind::BenignTruePositive, ""),
        ],
        model_judged: 5,
        model_right: 3,
        rule_true: 9,
        unseen: 2,
        more: true,
    }
}

/// The first alert, raised by a model.
pub fn alert() -> Alert {
    let mut alert = fixture::alerts().remove(0);
    alert.rule_id = "watchfloor.model.windows".to_owned();
    alert.rule_name = "Attack-like activity".to_owned();
    alert
}

/// Everything about it.
pub fn detail() -> AlertDetail {
    let mut events = evidence();
    events.push(inference().to_event(NOW));
    AlertDetail { events, ..fixture::detail(&alert()) }
}

/// The fixture's answers, with the alert of the model first in the queue.
pub fn answer(request: &Request) -> Option<Result<Reply, Problem>> {
    Some(match request {
        Request::Alerts(_) => {
            let mut rows = fixture::alerts();
            rows[0] = alert();
            let (matching, total) = (rows.len(), rows.len());
            Ok(Reply::Alerts(AlertPage { rows, matching, total, pending: Vec::new() }))
        }
        Request::Alert(id) if *id == alert().id => Ok(Reply::Alert(Box::new(detail()))),
        Request::EventsSearch { .. } => Ok(Reply::Events(starts())),
        other => fixture::answer(other),
    })
}
