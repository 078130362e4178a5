//! Fixed data for the screens: a queue of alerts with hostile text among them, and a desk that answers from memory.

use crate::model::alert::{Alert, AuditEntry, Status};
use crate::model::desk::{
    Acted, AlertDetail, AlertPage, Problem, ProblemKind, StatusReport, Undone,
};
use crate::model::endpoint::Endpoint;
use crate::model::event::{Event, Value};
use crate::model::explanation::{Explanation, Row, RowKind};
use crate::model::field;
use crate::model::finding::RuleInfo;
use crate::model::ledger::{Ledger, SourceLedger};
use crate::model::severity::Severity;
use crate::model::verdict::{Confidence, Verdict, VerdictKind};
use crate::stdx::id::IdHasher;
use crate::stdx::time::Timestamp;
use crate::tui::contract::{Reply, Request};
use crate::tui::desk_model;
use crate::tui::view::tests::judged;

/// 2026-11-22 14:02:31Z
pub const NOW: Timestamp = Timestamp(1_795_356_151_000_000);
const MINUTE: i64 = 60_000_000;

/// Everything that must not reach a terminal as it is.
pub const HOSTILE: [&str; 8] = [
    "upd\u{1b}[31m.exe",
    "cdn-upd\rate.top",
    "gpj\u{202e}exe.scr",
    "pay\u{200b}pal.com",
    "a\u{9b}2Jb\u{7f}c",
    "\u{1b}]0;title\u{7}",
    "tag\u{e0041}\u{e007f}x",
    "e\u{301}\u{301}\u{301}\u{301}\u{301}vil",
];

fn alert(name: &str, severity: Severity, risk: u8, minutes: i64, host: &str) -> Alert {
    let seen = NOW.plus_micros(-minutes * MINUTE);
    Alert {
        id: IdHasher::new("alert").text(name).text(host).finish(),
        severity,
        risk_parts: vec![("level".to_owned(), risk - 20), ("asset seen first".to_owned(), 20)],
        rule_id: format!("5a1f{risk:04x}-0000-4000-8000-000000000000"),
        rule_name: name.to_owned(),
        tags: vec!["attack.t1059.001".to_owned(), "attack.execution".to_owned()],
        user: "m.okafor".to_owned(),
        first_seen: seen.plus_micros(-90 * 1_000_000),
        last_seen: seen,
        created: seen,
        updated: seen,
        matched: vec![(
            "process.command_line".to_owned(),
            "powershell.exe -nop -w hidden -enc SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoAZQBjAHQA"
                .to_owned(),
        )],
        revision: 3,
        ..desk_model::tests::alert(0, risk, host)
    }
}

/// The queue's alerts.
pub fn alerts() -> Vec<Alert> {
    use Severity::{Critical, High, Info, Low, Medium};
    let mut list = vec![
        alert("LSASS memory read by unsigned binary", Critical, 97, 2, "fin-ws-044"),
        alert("Ransom note written to many shares", Critical, 94, 9, "file-srv-02"),
        alert("PowerShell encoded command", High, 88, 4, "hr-ws-112"),
        alert("Password guessing over SSH", High, 85, 11, "dev-lx-07"),
        alert("New service from temporary path", High, 81, 13, "fin-ws-044"),
        alert("Rundll32 with network connection", Medium, 64, 31, "ops-ws-019"),
        alert("Scheduled task created remotely", Medium, 55, 61, "hr-ws-107"),
        alert("Archive of user profile staged", Medium, 52, 64, "fin-ws-051"),
        alert("Sudo by a user who never did", Low, 40, 115, "dns-01"),
        alert("Sensor heartbeat gap", Info, 32, 200, "lab-lx-11"),
    ];
    for (index, text) in HOSTILE.iter().enumerate() {
        let risk = 50 - index as u8;
        let mut bad = alert(text, Medium, risk, 70 + index as i64, text);
        bad.user = (*text).to_owned();
        bad.matched = vec![((*text).to_owned(), (*text).to_owned())];
        list.push(bad);
    }
    for index in 0..12 {
        let name = format!("Login outside office hours {index}");
        list.push(alert(&name, Low, 24, 300 + index * 7, &format!("ops-ws-{index:03}")));
    }
    list[3].count = 1_038;
    list[3].group = vec![("source.ip".to_owned(), "203.0.113.7".to_owned())];
    list[3].matched.clear();
    list[3].user = "root".to_owned();
    list[4].status = Status::Investigating;
    list[4].assignee = Some("kai".to_owned());
    list[5].status = Status::Acknowledged;
    list[5].assignee = Some("ana".to_owned());
    list[6].snoozed_until = Some(NOW.plus_micros(90 * MINUTE));
    list[7].changed_since_closed = true;
    list[9].backfill = true;
    let mut closed = alert("Macro spawned a child process", Low, 38, 130, "hr-ws-112");
    closed.status = Status::FalsePositive;
    closed.verdict = Some(Verdict {
        kind: VerdictKind::FalsePositive,
        reasons: vec!["test_activity".to_owned()],
        confidence: Confidence::High,
        note: String::new(),
    });
    list.push(closed);
    list
}

/// An event with some fields, one of them hostile.
pub fn event(number: u8, minutes: i64) -> Event {
    let mut event = Event::with_capacity(12, 512);
    event.id = IdHasher::new("event").number(u64::from(number)).finish();
    event.timestamp = NOW.plus_micros(-minutes * MINUTE);
    event.ingested = NOW.plus_micros(-minutes * MINUTE + 400_000);
    event.push_str(field::EVENT_CODE, "4688");
    event.push_str(field::EVENT_ACTION, "process-start");
    event.push_str(field::HOST_NAME, "fin-ws-044");
    event.push_str(field::USER_NAME, "m.okafor");
    event.push_int(field::PROCESS_PID, 10_288 + i64::from(number));
    event.push_str(field::PROCESS_EXECUTABLE, r"C:\Users\m.okafor\AppData\Local\Temp\upd.exe");
    event.push_str(
        field::PROCESS_COMMAND_LINE,
        "powershell.exe -nop -w hidden -enc SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoAZQBjAHQAIABOAGUAdAAuAFcA\
         ZQBiAEMAbABpAGUAbgB0ACkALgBEAG8AdwBuAGwAbwBhAGQAUwB0AHIAaQBuAGcA",
    );
    event.push_named("winlog.event_data.Hostile", Value::Str(HOSTILE[usize::from(number) % 8]));
    event.push_str(field::MESSAGE, "A new process has been created.\nSubject:\n\tm.okafor");
    event
}

fn entry(sequence: u64, minutes: i64, actor: &str, action: &str, detail: &str) -> AuditEntry {
    AuditEntry {
        sequence,
        at: NOW.plus_micros(-minutes * MINUTE),
        actor: actor.to_owned(),
        place: "local pid 4242".to_owned(),
        subject: "alert".to_owned(),
        subject_id: "00".repeat(16),
        action: action.to_owned(),
        detail: detail.to_owned(),
        hash: "ab".repeat(32),
    }
}

/// Everything about an alert.
pub fn detail(alert: &Alert) -> AlertDetail {
    AlertDetail {
        alert: alert.clone(),
        rule: Some(RuleInfo {
            id: alert.rule_id.clone(),
            title: alert.rule_name.clone(),
            level: alert.severity,
            tags: alert.tags.clone(),
            description: "Detects what its title says; the description is long enough to wrap on \
                          a terminal of eighty columns."
                .to_owned(),
            false_positives: vec!["administrators".to_owned()],
            file: "builtin/windows/example.yml".to_owned(),
            line: 1,
            group_by: Vec::new(),
        }),
        events: vec![event(0, 3), event(1, 2), event(2, 2)],
        rarity: Vec::new(),
        similar: Vec::new(),
        history: vec![
            entry(1, 2, "watchfloor", "created", r#"{"severity":"critical"}"#),
            entry(2, 1, "kai\u{202e}", "status", r#"{"to":"investigating","from":"open"}"#),
            entry(
                3,
                1,
                "ana",
                "note",
                r#"{"note":"CHG-18822, checked with t.weber.\nSecond \u001b[2J line."}"#,
            ),
            entry(
                4,
                0,
                "ana",
                "verdict",
                r#"{"kind":"suspicious","confidence":"medium","reasons":["other"],"note":"see above"}"#,
            ),
        ],
    }
}

/// Why an alert's rule held.
pub fn why(alert: &Alert) -> Explanation {
    let row = |depth, kind, holds, name: &str, wanted: &str| Row {
        depth,
        kind,
        holds,
        name: name.to_owned(),
        ours: String::new(),
        actual: None,
        wanted: wanted.to_owned(),
        value: String::new(),
    };
    let image = Row {
        ours: "process.executable".to_owned(),
        actual: Some("C:\\Temp\\upd\u{202e}.exe".to_owned()),
        value: "\\upd".to_owned(),
        ..row(2, RowKind::Field, true, "Image", "contains one of 2: \"\\upd\", \"\\svc\"")
    };
    let user = Row {
        ours: "user.name".to_owned(),
        ..row(3, RowKind::Field, false, "User", "starts with \"NT AUTHORITY\"")
    };
    Explanation {
        rule_id: alert.rule_id.clone(),
        rule_title: alert.rule_name.clone(),
        event: event(0, 3).id,
        timestamp: NOW,
        host: alert.host.clone(),
        source_fits: true,
        source_wanted: "windows/process_creation".to_owned(),
        source_is: "windows/Security 4688 (process_start)".to_owned(),
        holds: true,
        short: 0,
        missing: Vec::new(),
        rows: vec![
            row(0, RowKind::Group, true, "all of", ""),
            row(1, RowKind::Named, true, "selection", "all of"),
            image,
            row(1, RowKind::Not, true, "not", ""),
            row(2, RowKind::Named, false, "filter_system", ""),
            user,
        ],
        rows_left_out: 0,
    }
}

/// The endpoints.
pub fn endpoints() -> Vec<Endpoint> {
    let row = |host: &str, os: &str, events, open, worst| Endpoint {
        host: host.to_owned(),
        os: os.to_owned(),
        events,
        first_seen: NOW.plus_micros(-600 * MINUTE),
        last_seen: NOW.plus_micros(-2 * MINUTE),
        alerts_open: open,
        worst,
        score: None,
        scored: None,
        highest: None,
    };
    vec![
        row("dev-lx-07", "linux", 1_234_567, 1, Some(Severity::High)),
        row("fin-ws-044", "windows", 88_123, 2, Some(Severity::Critical)),
        row("host\u{1b}[2J\u{202e}evil", "", 3, 0, None),
        row("dns-01", "linux", 501, 1, Some(Severity::Low)),
    ]
}

/// The state of the program.
pub fn status() -> StatusReport {
    let ledger = Ledger {
        received: 48_210,
        stored: 48_190,
        rejected: 12,
        in_flight: 8,
        events: 47_000,
        ..Ledger::default()
    };
    let source = SourceLedger {
        name: "auth".to_owned(),
        ledger,
        newest_event_us: NOW.micros(),
        numbers: Vec::new(),
    };
    StatusReport {
        health: "ok".to_owned(),
        started: NOW.plus_micros(-60 * MINUTE),
        now: NOW,
        sources: vec![source],
        rules_loaded: 44,
        alerts: 31,
        events: 47_000,
        lag_us: 400_000,
        ..StatusReport::default()
    }
}

/// The desk's answers.
pub fn answer(request: &Request) -> Result<Reply, Problem> {
    let all = alerts();
    Ok(match request {
        Request::Alerts(_) => Reply::Alerts(AlertPage {
            matching: all.len(),
            total: all.len(),
            rows: all,
            pending: Vec::new(),
        }),
        Request::Alert(id) => match all.iter().find(|alert| alert.id == *id) {
            Some(alert) => Reply::Alert(Box::new(detail(alert))),
            None => return Err(Problem::new(ProblemKind::NotFound, "no such alert")),
        },
        Request::Why(id) => match all.iter().find(|alert| alert.id == *id) {
            Some(alert) => Reply::Why(Box::new(why(alert))),
            None => return Err(Problem::new(ProblemKind::NotFound, "no such alert")),
        },
        Request::Act(targets, _) => Reply::Acted(Acted {
            pending_id: 1,
            deadline: NOW.plus_micros(10_000_000),
            alerts: targets.len(),
            conflicts: Vec::new(),
        }),
        Request::Undo(_) => Reply::Undone(Undone {
            action: crate::model::alert::Action::ClearVerdict,
            without_trace: true,
            alerts: Vec::new(),
        }),
        Request::Pending => Reply::Pending(Vec::new()),
        Request::EventsSearch { .. } => Reply::Events(Vec::new()),
        Request::EventsAround { .. } => {
            Reply::Events((0..30).map(|number| event(number, 17 - i64::from(number))).collect())
        }
        Request::Endpoints => Reply::Endpoints(endpoints()),
        Request::EndpointView(_) => Reply::EndpointView(Box::new(judged::endpoint_view())),
        Request::Disagreements => Reply::Disagreements(Box::new(judged::disagreements())),
        Request::Status => Reply::Status(Box::new(status())),
        Request::Rules => Reply::Rules(Vec::new()),
        Request::Draft(_) => Reply::Draft(None),
        Request::RuleOff { .. }
        | Request::RuleOn(_)
        | Request::RuleRelease(_)
        | Request::SaveDraft(..) => Reply::Done,
    })
}
