//! Bundles on the screen: closed, open, judged, flat; and news that joins one.

use crate::model::alert::Alert;
use crate::model::desk::{AlertPage, Change, Problem};
use crate::model::severity::Severity;
use crate::stdx::id::IdHasher;
use crate::tui::contract::{Msg, Reply, Request};
use crate::tui::view::tests::fixture;
use crate::tui::view::tests::snapshots::snap;
use crate::tui::view::tests::stage::Stage;

/// Five of the fixture's alerts as one chain on one host, and two of another.
fn chained() -> Vec<Alert> {
    let mut alerts = fixture::alerts();
    let bundle = |name: &str| Some(IdHasher::new("bundle").text(name).finish());
    let chain = [
        (5, "attack.initial-access"),
        (2, "attack.execution"),
        (4, "attack.persistence"),
        (0, "attack.credential_access"),
        (7, "attack.exfiltration"),
    ];
    for (place, (index, tactic)) in (0_i64..).zip(chain) {
        let alert = &mut alerts[index];
        alert.bundle = bundle("one");
        alert.host = "fin-ws-044".to_owned();
        alert.tags = vec![tactic.to_owned(), "attack.t1003.001".to_owned()];
        alert.first_seen = fixture::NOW.plus_micros((place - 9) * 60_000_000);
        alert.snoozed_until = None;
    }
    for index in [3, 8] {
        alerts[index].bundle = bundle("two");
        alerts[index].tags = Vec::new();
    }
    alerts
}

fn answer(request: &Request) -> Option<Result<Reply, Problem>> {
    Some(match request {
        Request::Alerts(_) => {
            let rows = chained();
            let (matching, total) = (rows.len(), rows.len());
            Ok(Reply::Alerts(AlertPage { rows, matching, total, pending: Vec::new() }))
        }
        other => fixture::answer(other),
    })
}

fn pressed(chords: &[&str]) -> Stage {
    let mut stage = Stage::with(answer);
    for chord in chords {
        stage.press(chord);
    }
    stage
}

fn acted(stage: &Stage) -> Vec<usize> {
    let sizes = stage.asked.iter().filter_map(|request| match request {
        Request::Act(targets, _) => Some(targets.len()),
        _ => None,
    });
    sizes.collect()
}

#[test]
fn bundles_closed_open_and_flat() {
    snap("bundles", &pressed(&[]));
    snap("bundles_open", &pressed(&["enter", "j"]));
    snap("bundles_flat", &pressed(&["b"]));
}

#[test]
fn a_verdict_on_a_bundle_says_how_many_and_undo_takes_all_of_it_back() {
    let mut stage = pressed(&["v f"]);
    assert_eq!(acted(&stage), [0_usize; 0], "nothing before the answer");
    snap("bundles_ask", &stage);
    stage.tick(1);
    stage.press("y");
    assert_eq!(acted(&stage), [5]);
    let text = stage.text();
    assert!(text.contains("[+] 5 alerts"), "the handled row stays in place: {text}");
    stage.press("u");
    stage.tick(0);
    assert!(stage.asked.iter().any(|one| matches!(one, Request::Undo(_))));
}

#[test]
fn the_sheet_of_a_bundle_speaks_of_the_bundle_and_not_of_marks() {
    let stage = pressed(&["v v"]);
    let text = stage.text();
    assert!(text.contains("[5 of the bundle]") && !text.contains("marked"), "{text}");
}

#[test]
fn a_verdict_on_a_bundle_leaves_what_is_closed_alone() {
    let mut stage = pressed(&["enter", "j", "v f", "h"]);
    stage.press("v f");
    stage.tick(1);
    stage.press("y");
    assert_eq!(acted(&stage), [1, 4]);
}

#[test]
fn what_is_done_on_an_alerts_screen_is_done_to_that_alert_also_when_it_joined_a_bundle() {
    let mut stage = pressed(&["G"]);
    let alert = Alert::clone(stage.app.model().current().unwrap());
    assert_eq!(alert.bundle, None);
    stage.press("enter");
    let first = chained().remove(0);
    let joined = Alert { bundle: first.bundle, host: first.host, ..alert.clone() };
    stage.message(Msg::Change(Change::Alert(Box::new(joined))));
    stage.press("r").press("v v");
    let title: String = alert.rule_name.chars().take(12).collect();
    assert!(stage.text().contains(&format!("VERDICT  {title}")), "{}", stage.text());
    stage.press("t").press("ctrl-s");
    let acted = stage.asked.iter().rev().find_map(|request| match request {
        Request::Act(targets, _) => Some(targets.iter().map(|(id, _)| *id).collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(acted, Some(vec![alert.id]));
}

#[test]
fn an_alert_that_joins_moves_neither_the_cursor_nor_the_rows() {
    let mut stage = pressed(&["enter", "j", "j"]);
    let row = |stage: &Stage| {
        let text = stage.text();
        text.lines().find(|line| line.starts_with('>')).map(str::to_owned)
    };
    let before = row(&stage).expect("a cursor");
    let mut new = chained().remove(0);
    new.id = IdHasher::new("alert").text("new").finish();
    (new.risk, new.severity) = (99, Severity::Critical);
    stage.message(Msg::Change(Change::Alert(Box::new(new))));
    assert_eq!(row(&stage).as_deref(), Some(before.as_str()));
    assert!(stage.text().contains("+1 new"), "{}", stage.text());
    stage.press("r");
    assert_eq!(row(&stage).as_deref(), Some(before.as_str()), "the same alert after a merge");
    stage.press("g g");
    assert!(stage.text().contains("[-] 6 alerts"), "{}", stage.text());
}

#[test]
fn closing_a_bundle_stands_on_it_and_a_note_wants_one_alert() {
    let mut stage = pressed(&["enter", "j", "j", "h"]);
    let text = stage.text();
    let cursor = text.lines().find(|line| line.starts_with('>')).unwrap();
    assert!(cursor.contains("[+] 5 alerts"), "{text}");
    stage.press("c");
    assert!(stage.text().contains("open it with enter first"), "{}", stage.text());
}

#[test]
fn marks_and_filters_mean_the_alerts_of_a_bundle() {
    let mut stage = pressed(&["space", "v f"]);
    stage.tick(1);
    stage.press("y");
    assert_eq!(acted(&stage), [5]);
    let mut stage = pressed(&["/"]);
    let id = IdHasher::new("bundle").text("two").finish().to_string();
    stage.press(&format!("\"bundle:{}", &id[..10])).press("enter");
    assert!(stage.text().contains("2 of "), "{}", stage.text());
    assert!(stage.text().contains("[+] 2 alerts: Password"), "{}", stage.text());
}
