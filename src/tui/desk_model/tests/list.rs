//! The list: what arrives, what is hidden, what stands first.

use super::{Do, HEIGHT, START, alert, id, model, run, verdict};
use crate::model::alert::{Action, Alert, Status};
use crate::model::severity::Severity;
use crate::model::verdict::VerdictKind;
use crate::stdx::time::Timestamp;
use crate::tui::desk_model::cursor::Move;
use crate::tui::desk_model::edit::{Edit, Filter};
use crate::tui::desk_model::marks::{MarkEdit, Targets};
use crate::tui::desk_model::sort::Sort;
use crate::tui::desk_model::times::TimeForm;

#[test]
fn new_alerts_are_counted_with_the_worst_and_wait_for_the_merge() {
    let mut model = model(3);
    model.reduce(Edit::Alert(Box::new(alert(30, 60, "web09"))));
    model.reduce(Edit::Alert(Box::new(alert(31, 99, "web09"))));
    let mut closed = alert(32, 99, "web09");
    closed.status = Status::Resolved;
    model.reduce(Edit::Alert(Box::new(closed)));
    assert_eq!(model.rows().len(), 3);
    assert_eq!(model.rows().arrived().count, 2, "the closed one does not match is:open");
    assert_eq!(model.rows().arrived().worst, Some(Severity::High));
    model.reduce(Edit::Merge);
    assert_eq!(model.rows().len(), 5);
    assert_eq!(model.rows().arrived().count, 0);
}

#[test]
fn a_verdict_dims_the_row_and_goes_on() {
    let mut model = model(3);
    let first = model.cursor().id().unwrap();
    run(&mut model, Do::Act(verdict(VerdictKind::FalsePositive)));
    assert_eq!(model.cursor().id(), model.rows().id_at(1), "next unhandled");
    assert_eq!(model.rows().place(first), Some(0), "the handled row stays in place");
    let shown = model.rows().get(first).unwrap().clone();
    assert_eq!(shown.status, Status::FalsePositive);
    assert!(model.flags(&shown).handled && model.flags(&shown).pending);
    model.reduce(Edit::Merge);
    assert_eq!(model.rows().place(first), None, "after the merge it is gone");
}

#[test]
fn marks_survive_the_filter_and_hidden_ones_ask() {
    let mut model = model(4);
    model.reduce(Edit::Mark(MarkEdit::Toggle));
    let hidden = model.cursor().id().unwrap();
    model.reduce(Edit::Filter(Filter::Add("host:db01".to_owned())));
    assert!(model.marks().contains(hidden));
    let targets = model.targets();
    assert_eq!((targets.ids.as_slice(), targets.hidden), ([hidden].as_slice(), 1));
    assert!(targets.needs_asking());
    assert!(!Targets::one(hidden).needs_asking());
}

#[test]
fn a_question_names_three_alerts_and_says_how_many_more_there_are() {
    let mut model = model(5);
    model.reduce(Edit::Mark(MarkEdit::AllMatching));
    let question = model.question(&model.targets(), &Action::Status(Status::Acknowledged));
    assert_eq!(question.samples.len(), 4, "{question:?}");
    assert_eq!(question.samples[3], "and 2 more");
    model.reduce(Edit::Mark(MarkEdit::Clear));
    let question = model.question(&model.targets(), &Action::Status(Status::Acknowledged));
    assert_eq!(question.samples, ["Rule 0  web01"]);
}

#[test]
fn all_chips_off_and_on_again_leaves_the_cursor_on_its_alert() {
    let mut model = model(20);
    model.reduce(Edit::Filter(Filter::Add("host:web01".to_owned())));
    model.reduce(Edit::Move { by: Move::By(3), height: HEIGHT });
    let id = model.cursor().id();
    model.reduce(Edit::Filter(Filter::ToggleAll));
    assert_eq!((model.cursor().id(), model.rows().len()), (id, 20));
    model.reduce(Edit::Filter(Filter::ToggleAll));
    assert_eq!((model.cursor().id(), model.rows().len()), (id, 10));
}

#[test]
fn a_filter_that_hides_the_alert_says_so_and_the_way_back_returns_to_it() {
    let mut model = model(20);
    let id = model.cursor().id();
    model.reduce(Edit::Filter(Filter::Add("host:db01".to_owned())));
    assert_ne!(model.cursor().id(), id);
    assert!(model.notice().unwrap().text.contains("hidden by the filter"));
    model.reduce(Edit::Filter(Filter::ToggleAll));
    assert_eq!(model.cursor().id(), id);
}

#[test]
fn an_alert_that_was_dealt_with_is_not_said_to_be_hidden_by_a_later_filter() {
    // With the merge and without it, and where it was the last one.
    for (count, merge) in [(4, true), (4, false), (1, true)] {
        let mut model = model(count);
        model.reduce(Edit::Filter(Filter::Add("is:open".to_owned())));
        let targets = model.targets();
        let action = verdict(VerdictKind::FalsePositive);
        model.reduce(Edit::Act { targets, action, advance: false });
        if merge {
            model.reduce(Edit::Merge);
            assert!(model.cursor().lost().is_some(), "its row is gone");
        }
        for host in ["host:db01", "-host:web01"] {
            model.reduce(Edit::Filter(Filter::Set(vec!["is:open".to_owned(), host.to_owned()])));
            let said = model.notice().map_or("", |notice| notice.text.as_str());
            assert!(!said.contains("hidden"), "{count} {merge} {host}: {said}");
        }
    }
}

#[test]
fn frozen_means_frozen_until_the_merge() {
    let mut model = model(3);
    model.reduce(Edit::ToggleFreeze);
    let mut changed = alert(0, 99, "web01");
    changed.count = 50;
    model.reduce(Edit::Alert(Box::new(changed)));
    assert_eq!(model.rows().get(id(0)).unwrap().count, 1);
    model.reduce(Edit::Merge);
    assert_eq!(model.rows().get(id(0)).unwrap().count, 50);
    assert!(model.live().frozen);
}

#[test]
fn an_empty_list_takes_the_first_alert_by_itself_unless_frozen() {
    let mut model = model(0);
    model.reduce(Edit::Alert(Box::new(alert(1, 50, "web01"))));
    assert_eq!(model.cursor().id(), Some(id(1)));
    model.reduce(Edit::Alert(Box::new(alert(2, 90, "web01"))));
    assert_eq!((model.rows().len(), model.rows().arrived().count), (1, 1));
}

#[test]
fn of_equal_risk_the_more_severe_comes_first_and_then_the_newer() {
    let row = |number, severity, seconds: i64| Alert {
        severity,
        last_seen: Timestamp(START.0 + seconds * 1_000_000),
        ..alert(number, 100, "web01")
    };
    let newer = row(1, Severity::High, 60);
    let critical = row(2, Severity::Critical, 0);
    let older = row(3, Severity::High, 0);
    let mut rows = [&older, &newer, &critical];
    rows.sort_by(|one, two| Sort::default().compare(one, two));
    assert_eq!(rows.map(|row| row.id), [critical.id, newer.id, older.id]);
}

#[test]
fn times_go_round_and_back_to_each_tables_own() {
    use TimeForm::{Age, Clock, Date};
    for (own, shown) in [
        (Age, [Some(Clock), Some(Date), None]),
        (Clock, [Some(Date), Some(Age), None]),
        (Date, [Some(Age), Some(Clock), None]),
    ] {
        let mut model = model(1);
        for wanted in shown {
            let next = model.next_times(own);
            assert_eq!(next, wanted, "{own:?}");
            model.reduce(Edit::Times(next));
            assert_eq!(model.time_form(own), wanted.unwrap_or(own));
        }
    }
}
