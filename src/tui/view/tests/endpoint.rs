//! The endpoint's screen, the tree and the graph of an alert, what-if, and the screen of disagreements.

use crate::model::desk::{Problem, ProblemKind};
use crate::model::endpoint_view::EndpointView;
use crate::tui::contract::{Reply, Request};
use crate::tui::view::tests::snapshots::snap;
use crate::tui::view::tests::stage::Stage;
use crate::tui::view::tests::{fixture, judged};

fn pressed(answer: fn(&Request) -> Option<Result<Reply, Problem>>, chords: &[&str]) -> Stage {
    let mut stage = Stage::with(answer);
    for chord in chords {
        stage.press(chord);
    }
    stage
}

#[test]
fn every_tab_of_an_endpoint() {
    snap("endpoint_now", &pressed(judged::answer, &["E"]));
    snap("endpoint_processes", &pressed(judged::answer, &["E", "2", "j", "j"]));
    snap("endpoint_alerts", &pressed(judged::answer, &["E", "3", "j"]));
    snap("endpoint_insight", &pressed(judged::answer, &["E", "4"]));
    snap("endpoint_scores", &pressed(judged::answer, &["E", "5", "j"]));
}

#[test]
fn an_endpoint_of_which_nothing_is_known_and_one_that_cannot_be_read() {
    fn empty(request: &Request) -> Option<Result<Reply, Problem>> {
        Some(match request {
            Request::EndpointView(host) => Ok(Reply::EndpointView(Box::new(EndpointView {
                host: host.clone(),
                at: fixture::NOW,
                ..EndpointView::default()
            }))),
            other => fixture::answer(other),
        })
    }
    snap("endpoint_empty", &pressed(empty, &["E"]));
    for (tab, said) in [
        ("2", "no start of a process"),
        ("3", "no alert"),
        ("4", "no stored event"),
        ("5", "judged"),
    ] {
        let stage = pressed(empty, &["E", tab, "j", "G", "enter"]);
        assert!(stage.text().contains(said), "{}", stage.text());
    }
    fn failed(request: &Request) -> Option<Result<Reply, Problem>> {
        Some(match request {
            Request::EndpointView(_) => {
                Err(Problem::new(ProblemKind::NotFound, "no endpoint has reported as x"))
            }
            other => fixture::answer(other),
        })
    }
    let stage = pressed(failed, &["E", "2", "enter"]);
    assert!(stage.text().contains("no endpoint has reported as x"), "{}", stage.text());
}

#[test]
fn read_again_the_cursor_stays_on_its_process() {
    fn later(request: &Request) -> Option<Result<Reply, Problem>> {
        let mut answer = judged::answer(request)?;
        if let Ok(Reply::EndpointView(view)) = &mut answer
            && SECOND.get()
        {
            view.processes.remove(1);
            view.judgements.remove(0);
        }
        Some(answer)
    }
    thread_local! { static SECOND: std::cell::Cell<bool> = const { std::cell::Cell::new(false) }; }
    let mut stage = pressed(later, &["E", "2", "j", "j", "j"]);
    let on = |stage: &Stage| {
        let text = stage.text();
        text.lines().find(|line| line.starts_with('>')).map(|line| line[28..].trim().to_owned())
    };
    let before = on(&stage).unwrap();
    SECOND.set(true);
    stage.press("r");
    assert_eq!(on(&stage), Some(before));
}

#[test]
fn a_folded_process_hides_what_it_started_and_keeps_the_cursor() {
    let mut stage = pressed(judged::answer, &["E", "2", "j", "j", "space"]);
    let text = stage.text();
    assert!(text.contains("winword.exe  +1 hidden"), "{text}");
    assert!(!text.contains("whoami.exe") && text.contains("chrome.exe"), "{text}");
    stage.press("j");
    assert!(stage.text().lines().any(|line| line.starts_with('>') && line.contains("chrome")));
    stage.press("k").press("r").press("space");
    assert!(stage.text().contains("whoami.exe"), "{}", stage.text());
    stage.press("1").press("space");
    assert!(stage.text().contains("no children are known"), "{}", stage.text());
}

#[test]
fn an_endpoint_leads_to_its_alerts_its_events_and_back() {
    let mut stage = pressed(judged::answer, &["g e", "enter", "3", "enter"]);
    assert!(stage.text().contains("[1 Summary]"), "{}", stage.text());
    stage.press("q");
    assert!(stage.text().contains("[3 Alerts"), "{}", stage.text());
    stage =
        pressed(judged::answer, &["/", "\"host:nowhere", "enter", "g e", "enter", "3", "enter"]);
    assert!(stage.text().contains("[1 Summary]"), "{}", stage.text());
    assert!(stage.text().contains("LSASS") || stage.text().contains("Attack-like"));
    // The filter that hid it was put aside for this alert only.
    stage.press("q");
    assert!(stage.text().contains("[3 Alerts"), "{}", stage.text());
    let chips: Vec<&str> = stage.app.model().chips().iter().map(|chip| chip.text()).collect();
    assert!(chips.contains(&"host:nowhere"), "{chips:?}");
    stage = pressed(judged::answer, &["g e", "enter", "a"]);
    assert_eq!(stage.app.model().chips().len(), 2, "{}", stage.text());
    stage = pressed(judged::answer, &["E", "2", "G", "enter"]);
    let asked = stage.asked.iter().any(
        |request| matches!(request, Request::EventsAround { host, .. } if host == judged::HOST),
    );
    assert!(asked, "{:?}", stage.asked);
    stage.press("q");
    assert!(stage.text().contains("[2 Processes"), "{}", stage.text());
    stage = pressed(judged::answer, &["g e", ":", "\"endpoint host=DNS-01", "enter"]);
    assert!(stage.asked.contains(&Request::EndpointView("dns-01".to_owned())));
}

#[test]
fn the_tree_of_an_alert_of_a_model_and_of_a_rule() {
    snap("detail_tree", &pressed(judged::answer, &["enter", "5"]));
    let stage = pressed(judged::answer, &["j", "enter", "5"]);
    assert!(stage.text().contains("* has events of this alert"), "{}", stage.text());
    assert!(stage.text().contains("upd.exe"), "{}", stage.text());
}

#[test]
fn the_graph_of_an_explanation_and_one_line_where_there_is_none() {
    snap("detail_graph", &pressed(judged::answer, &["enter", "6"]));
    let stage = pressed(judged::answer, &["j", "enter", "6"]);
    assert!(stage.text().contains("a rule raised this alert"), "{}", stage.text());
}

#[test]
fn struck_out_factors_change_the_head_line() {
    snap("detail_what_if", &pressed(judged::answer, &["enter", "2", "space"]));
    let mut stage = pressed(judged::answer, &["enter", "2", "space"]);
    assert!(stage.text().contains("what if: 0.500 without process powershell.exe, measured"));
    stage.press("n").press("space");
    let text = stage.text();
    assert!(text.contains("what if: about 0.297 without 2 parts"), "{text}");
    stage.press("space").press("N").press("space");
    assert!(!stage.text().contains("what if:"), "{}", stage.text());
    stage = pressed(judged::answer, &["j", "enter", "2", "space"]);
    assert!(stage.text().contains("where a model says why"), "{}", stage.text());
}

#[test]
fn an_explanation_whose_events_are_gone_still_shows_kinds() {
    fn gone(request: &Request) -> Option<Result<Reply, Problem>> {
        let mut answer = judged::answer(request)?;
        if let Ok(Reply::Alert(detail)) = &mut answer {
            let keep = if EMPTY.get() { 0 } else { 1 };
            let drop = detail.events.len() - keep;
            detail.events.drain(..drop);
        }
        Some(answer)
    }
    thread_local! { static EMPTY: std::cell::Cell<bool> = const { std::cell::Cell::new(false) }; }
    let stage = pressed(gone, &["enter", "6"]);
    assert!(stage.text().contains("a process whose events are gone"), "{}", stage.text());
    let stage = pressed(gone, &["enter", "5"]);
    assert!(stage.text().contains("no event of this alert names a process"), "{}", stage.text());
    EMPTY.set(true);
    let stage = pressed(gone, &["enter", "2", "space"]);
    assert!(stage.text().contains("is stored no more"), "{}", stage.text());
}

#[test]
fn disagreements_are_counted_listed_and_opened() {
    snap("feedback", &pressed(judged::answer, &["g f", "j"]));
    let mut stage = pressed(judged::answer, &[":", "\"feedback", "enter", "E"]);
    assert!(stage.asked.contains(&Request::EndpointView("fin-ws-044".to_owned())));
    stage.press("q").press("enter");
    assert!(stage.text().contains("[1 Summary]"), "{}", stage.text());
    fn none(request: &Request) -> Option<Result<Reply, Problem>> {
        Some(match request {
            Request::Disagreements => Ok(Reply::Disagreements(Box::default())),
            other => fixture::answer(other),
        })
    }
    let stage = pressed(none, &["g f", "enter"]);
    assert!(stage.text().contains("no disagreement is known"), "{}", stage.text());
}
