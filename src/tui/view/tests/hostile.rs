//! 200 hostile payloads in every text field of every screen: no byte outside the guard's vocabulary, and what was
//! altered is visibly marked.

use std::cell::RefCell;

use crate::model::alert::{Alert, AuditEntry};
use crate::model::desk::{AlertDetail, AlertPage, Problem};
use crate::model::endpoint::Endpoint;
use crate::model::endpoint_view::EndpointView;
use crate::model::event::{Event, Value};
use crate::model::field;
use crate::model::inference::Prediction;
use crate::model::verdict::Verdict;
use crate::tui::contract::{Reply, Request};
use crate::tui::paint::safe::SafeText;
use crate::tui::paint::theme::GlyphSet;
use crate::tui::view::tests::stage::{Stage, theme};
use crate::tui::view::tests::{fixture, judged};

thread_local! {
    static PAYLOAD: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Every C0 and C1 character, DEL, bidi and zero-width characters, separators, tags, private use, stacked marks, and
/// whole sequences that terminals obey.
fn payloads() -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let codes = (0x00..0x20).chain(0x7f..0xa0).chain(0x200b..=0x200f).chain(0x202a..=0x202e);
    let codes = codes.chain(0x2060..=0x2064).chain(0x2066..=0x2069).chain([0x061c, 0xfeff, 0xad]);
    let codes = codes.chain([0x2028, 0x2029, 0xe000, 0xf8ff, 0xe0001]).chain(0xe0020..=0xe007f);
    for code in codes {
        if let Some(character) = char::from_u32(code) {
            all.push(format!("ab{character}cd"));
        }
    }
    for sequence in [
        "\u{1b}[2J\u{1b}[H",
        "\u{1b}[31mred\u{1b}[0m",
        "\u{1b}]0;owned\u{7}",
        "\u{1b}]52;c;bHM=\u{7}",
        "\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\",
        "\u{1b}P$q\u{1b}\\",
        "\u{1b}[6n",
        "\u{1b}[c",
        "\u{1b}[?1049l",
        "\u{1b}[?25h",
        "\u{9b}31m",
        "\u{9d}0;x\u{9c}",
        "\u{1b}c",
        "\u{1b}[8;1;1t",
        "\u{1b}[21t",
        "\u{1b}[200~pasted\u{1b}[201~",
        "\r\nforged line",
        "tab\tafter",
        "\u{8}\u{8}\u{8}back",
        "evil\u{202e}fdp.exe",
        "\u{2067}rtl\u{2069}",
        "pay\u{200d}pal",
        "e\u{301}\u{302}\u{303}\u{304}\u{305}x",
    ] {
        all.push(sequence.to_owned());
    }
    all
}

fn bad_alert(text: &str) -> Alert {
    let mut alert = fixture::alerts().remove(0);
    for field in [&mut alert.rule_name, &mut alert.host, &mut alert.user, &mut alert.rule_id] {
        text.clone_into(field);
    }
    alert.tags = vec![text.to_owned()];
    alert.matched = vec![(text.to_owned(), text.to_owned())];
    alert.group = alert.matched.clone();
    alert.risk_parts = vec![(text.to_owned(), 97)];
    alert.assignee = Some(text.to_owned());
    alert.verdict = Some(Verdict {
        kind: crate::model::verdict::VerdictKind::Suspicious,
        reasons: vec![text.to_owned()],
        confidence: crate::model::verdict::Confidence::Low,
        note: text.to_owned(),
    });
    alert
}

fn bad_event(text: &str) -> Event {
    let mut event = Event::with_capacity(8, 256);
    event.timestamp = fixture::NOW;
    for id in [
        field::EVENT_ACTION,
        field::EVENT_CODE,
        field::USER_NAME,
        field::PROCESS_NAME,
        field::PROCESS_COMMAND_LINE,
    ] {
        event.push_str(id, text);
    }
    event.push_named("some.field", Value::Str(text));
    event
}

fn bad_entry(text: &str) -> AuditEntry {
    AuditEntry {
        sequence: 1,
        at: fixture::NOW,
        actor: text.to_owned(),
        place: text.to_owned(),
        subject: "alert".to_owned(),
        subject_id: text.to_owned(),
        action: text.to_owned(),
        detail: serde_json::json!({ "note": text, text: text }).to_string(),
        hash: String::new(),
    }
}

/// Everything about an endpoint, and nothing but this text.
fn bad_endpoint(text: &str) -> EndpointView {
    let mut view = judged::endpoint_view();
    view.host = text.to_owned();
    view.alerts = vec![bad_alert(text)];
    view.last = vec![bad_event(text)];
    for process in &mut view.processes {
        for field in [&mut process.name, &mut process.command_line, &mut process.user] {
            text.clone_into(field);
        }
    }
    for judgement in &mut view.judgements {
        judgement.prediction = Prediction::Error;
        judgement.score = None;
        judgement.words = text.to_owned();
        judgement.model = text.to_owned();
    }
    let habits = view.habits.iter_mut().flat_map(|habits| habits.usual.iter_mut());
    habits.for_each(|habit| text.clone_into(&mut habit.name));
    view
}

fn answer(request: &Request) -> Option<Result<Reply, Problem>> {
    let text = PAYLOAD.with_borrow(Clone::clone);
    let alert = bad_alert(&text);
    Some(match request {
        Request::Alerts(_) => Ok(Reply::Alerts(AlertPage {
            rows: vec![alert],
            matching: 1,
            total: 1,
            pending: Vec::new(),
        })),
        Request::Alert(_) => {
            let mut detail: AlertDetail = fixture::detail(&alert);
            if let Some(rule) = &mut detail.rule {
                rule.file.clone_from(&text);
                rule.description.clone_from(&text);
                rule.false_positives = vec![text.clone()];
            }
            detail.events = vec![bad_event(&text)];
            detail.history = vec![bad_entry(&text)];
            Ok(Reply::Alert(Box::new(detail)))
        }
        Request::Why(_) => {
            let mut found = fixture::why(&alert);
            found.host.clone_from(&text);
            for row in &mut found.rows {
                row.name.clone_from(&text);
                row.actual = Some(text.clone());
                row.wanted.clone_from(&text);
            }
            Ok(Reply::Why(Box::new(found)))
        }
        Request::EventsAround { .. } => Ok(Reply::Events(vec![bad_event(&text)])),
        Request::Endpoints => {
            let mut row: Endpoint = fixture::endpoints().remove(0);
            row.host.clone_from(&text);
            row.os.clone_from(&text);
            Ok(Reply::Endpoints(vec![row]))
        }
        Request::EndpointView(_) => Ok(Reply::EndpointView(Box::new(bad_endpoint(&text)))),
        Request::Disagreements => {
            let mut found = judged::disagreements();
            for row in &mut found.rows {
                row.host.clone_from(&text);
                row.who.clone_from(&text);
                row.title.clone_from(&text);
            }
            Ok(Reply::Disagreements(Box::new(found)))
        }
        Request::Draft(_) => Ok(Reply::Draft(Some(text))),
        Request::RuleOff { .. } => {
            Err(Problem::new(crate::model::desk::ProblemKind::Internal, text.clone())
                .detail(text.clone())
                .hint(text))
        }
        other => fixture::answer(other),
    })
}

/// Ways to every screen that shows outside text, and how often the payload must at least be marked there.
const TOURS: [(&[&str], usize); 20] = [
    (&[], 3),
    (&["enter"], 3),
    (&["2"], 3),
    (&["3"], 3),
    (&["4"], 3),
    (&["v v"], 2),
    (&["c"], 2),
    (&["x r"], 1),
    (&["x r", "\"why", "enter"], 1),
    (&["g e"], 1),
    (&["e"], 1),
    (&["e", "enter"], 3),
    (&["E"], 2),
    (&["E", "2"], 3),
    (&["E", "3"], 2),
    (&["E", "4"], 3),
    (&["E", "5"], 1),
    (&["g f"], 2),
    (&["5"], 2),
    (&["6"], 2),
];

#[test]
fn nothing_hostile_is_drawn_and_everything_altered_is_marked() {
    let payloads = payloads();
    assert!(payloads.len() >= 200, "{}", payloads.len());
    for payload in payloads {
        PAYLOAD.with_borrow_mut(|text| text.clone_from(&payload));
        let safe = SafeText::line(&payload);
        // A line feed in a value begins a line, indented under its label: that is its mark.
        let altered = safe.altered() && !payload.contains('\n');
        for (tour, least) in TOURS {
            let mut stage = Stage::with(answer);
            for chord in tour {
                stage.press(chord);
            }
            let mut screen = stage.screen(120, 40, theme("mono", GlyphSet::Ascii));
            let rows = screen.rows().join("\n");
            for character in rows.chars().filter(|c| *c != '\n') {
                if character.is_ascii_graphic() || character == ' ' {
                    continue;
                }
                let mark = SafeText::line(&character.to_string());
                assert!(
                    !mark.altered() || matches!(character, '\u{301}' | '\u{302}'),
                    "{payload:?} {tour:?}: {character:?}"
                );
            }
            let marked = rows.matches(safe.as_str()).count();
            assert!(!altered || marked >= least, "{payload:?} {tour:?}: {marked} marks in\n{rows}");
            let bytes = screen.frame();
            assert_eq!(refused(&bytes), 0, "{payload:?} {tour:?}");
        }
    }
}

fn refused(bytes: &[u8]) -> u64 {
    let mut guard = crate::tui::term::guard::Guard::default();
    guard.pass(bytes, &mut Vec::new());
    guard.refused()
}
