//! The model's promises, for any sequence of steps.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::model::alert::{Action, Alert, AlertId, Pending, Status};
use crate::model::desk::{Acted, AlertPage, Problem, ProblemKind, Undone};
use crate::model::severity::Severity;
use crate::model::verdict::{Confidence, Verdict, VerdictKind};
use crate::stdx::id::Id128;
use crate::stdx::time::Timestamp;
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::cursor::Move;
use crate::tui::desk_model::edit::{Edit, Filter, SortEdit, Wish};
use crate::tui::desk_model::marks::{Field, MarkEdit, Targets};

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

/// What an analyst can see and what decides the next verb.
fn picture(model: &DeskModel) -> (Vec<Alert>, Vec<AlertId>, Option<AlertId>, usize, Vec<bool>) {
    let list = || model.rows().order().iter().filter_map(|id| model.rows().get(*id));
    (
        list().map(|alert| Alert::clone(alert)).collect(),
        model.marks().iter().collect(),
        model.cursor().id(),
        model.cursor().top(model.rows(), HEIGHT).0,
        list().map(|alert| model.flags(alert).handled).collect(),
    )
}

fn check(model: &DeskModel) {
    let rows = model.rows();
    let unique: BTreeSet<_> = rows.order().iter().collect();
    assert_eq!(unique.len(), rows.len(), "a row stands twice");
    match model.cursor().id() {
        Some(id) => {
            let place = rows.place(id).expect("the cursor stands on a row of the list");
            let (top, line) = model.cursor().top(rows, HEIGHT);
            assert_eq!(top + line, place);
            assert!(line < HEIGHT);
        }
        None => assert!(rows.is_empty(), "rows and no cursor"),
    }
    if model.cursor().lost().is_some() && !rows.is_empty() {
        let lost = model.cursor().lost().unwrap();
        assert!(rows.place(lost).is_none(), "what is lost is not in the list");
    }
    for id in model.marks().iter() {
        assert!(rows.get(id).is_some(), "a mark without an alert");
    }
    let shown: usize = Severity::ALL.iter().map(|severity| rows.counts().of(*severity)).sum();
    let open = rows
        .order()
        .iter()
        .filter_map(|id| rows.get(*id))
        .filter(|alert| !alert.status.is_closed())
        .count();
    assert_eq!(shown, open, "the counts by severity drifted");
    let open = rows.iter_known().filter(|alert| !alert.status.is_closed()).count();
    assert_eq!(rows.open(), open, "the count of open alerts drifted");
}

fn a_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        (-4_isize..5).prop_map(Move::By),
        (-2_isize..3).prop_map(Move::HalfPage),
        (-2_isize..3).prop_map(Move::Page),
        Just(Move::First),
        Just(Move::Last),
        Just(Move::NextUnhandled),
        Just(Move::PreviousUnhandled),
        Just(Move::Center),
        any::<u8>().prop_map(|number| Move::To(id(number % 40))),
    ]
}

fn an_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        prop::sample::select(VerdictKind::ALL.to_vec()).prop_map(verdict),
        prop::sample::select(Status::ALL.to_vec()).prop_map(Action::Status),
        Just(Action::ClearVerdict),
        Just(Action::Assign(Some("kai".to_owned()))),
        Just(Action::Assign(Some("sam".to_owned()))),
        Just(Action::Assign(None)),
        Just(Action::Snooze(Some(START.plus_micros(3_600_000_000)))),
        Just(Action::Snooze(None)),
        Just(Action::Note("a note".to_owned())),
    ]
}

#[derive(Clone, Debug)]
enum Do {
    Edit(Edit),
    Act(Action),
    Clock(i64),
}

fn a_mark() -> impl Strategy<Value = MarkEdit> {
    prop::sample::select(vec![
        MarkEdit::Toggle,
        MarkEdit::Range,
        MarkEdit::AllMatching,
        MarkEdit::Invert,
        MarkEdit::Clear,
        MarkEdit::Same(Field::Rule),
        MarkEdit::Same(Field::Host),
    ])
}

fn a_filter() -> impl Strategy<Value = Filter> {
    prop_oneof![
        prop::sample::select(vec!["host:web01", "is:open", "sev>=high", "-rule:*1", "nothing"])
            .prop_map(|text| Filter::Add(text.to_owned())),
        (0_usize..4).prop_map(Filter::Toggle),
        (0_usize..4).prop_map(Filter::Remove),
        Just(Filter::ToggleAll),
        Just(Filter::Set(Vec::new())),
    ]
}

fn something() -> impl Strategy<Value = Do> {
    prop_oneof![
        4 => a_move().prop_map(|by| Do::Edit(Edit::Move { by, height: HEIGHT })),
        3 => a_mark().prop_map(|mark| Do::Edit(Edit::Mark(mark))),
        3 => a_filter().prop_map(|filter| Do::Edit(Edit::Filter(filter))),
        2 => prop::sample::select(vec!["risk", "host", "time", "rule"])
            .prop_map(|key| Do::Edit(Edit::Sort(SortEdit::By(key.to_owned())))),
        1 => Just(Do::Edit(Edit::Sort(SortEdit::Invert))),
        2 => Just(Do::Edit(Edit::Merge)),
        1 => Just(Do::Edit(Edit::ToggleFreeze)),
        3 => an_action().prop_map(Do::Act),
        2 => Just(Do::Edit(Edit::Undo)),
        2 => (0_i64..6_000_000).prop_map(Do::Clock),
        4 => (0_u8..40, 0_u8..100).prop_map(|(number, risk)| {
            Do::Edit(Edit::Alert(Box::new(alert(number, risk, "web02"))))
        }),
    ]
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_keeps_the_promises(steps in prop::collection::vec(something(), 0..60)) {
        let mut model = model(20);
        for step in steps {
            run(&mut model, step);
            check(&model);
        }
    }

    #[test]
    fn what_arrives_moves_nothing(
        steps in prop::collection::vec(something(), 0..20),
        news in prop::collection::vec((0_u8..60, 0_u8..100), 1..30),
    ) {
        let mut model = model(20);
        for step in steps {
            run(&mut model, step);
        }
        let before = (model.rows().order().to_vec(), model.cursor().clone());
        // An empty list takes its first rows by itself.
        prop_assume!(!model.rows().is_empty());
        for (number, risk) in news {
            model.reduce(Edit::Alert(Box::new(alert(number, risk, "new01"))));
        }
        prop_assert_eq!(before, (model.rows().order().to_vec(), model.cursor().clone()));
        check(&model);
    }

    #[test]
    fn undo_is_the_inverse(
        steps in prop::collection::vec(something(), 0..30),
        action in an_action(),
    ) {
        let mut model = model(20);
        for step in steps {
            run(&mut model, step);
        }
        let before = picture(&model);
        let targets = model.targets();
        prop_assume!(!targets.is_empty());
        run(&mut model, Do::Act(action));
        check(&model);
        let requests = model.reduce(Edit::Undo);
        prop_assert!(matches!(
            requests.as_slice(),
            [Wish::Undo(_)] | [Wish::Undo(_), Wish::KeepDraft(..)]
        ));
        let after = picture(&model);
        prop_assert_eq!(&before.0, &after.0);
        prop_assert_eq!((&before.1, before.2, &before.4), (&after.1, after.2, &after.4));
    }

    #[test]
    fn a_merge_keeps_the_alert_and_its_line(
        down in 0_isize..20,
        news in prop::collection::vec((20_u8..60, 0_u8..100), 0..30),
    ) {
        let mut model = model(20);
        model.reduce(Edit::Move { by: Move::By(down), height: HEIGHT });
        let id = model.cursor().id();
        let line = model.cursor().top(model.rows(), HEIGHT).1;
        for (number, risk) in news {
            model.reduce(Edit::Alert(Box::new(alert(number, risk, "new01"))));
        }
        model.reduce(Edit::Merge);
        prop_assert_eq!(model.cursor().id(), id);
        prop_assert_eq!(model.cursor().top(model.rows(), HEIGHT).1, line);
    }
}

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
fn repeat_keeps_the_reasons_and_forgets_the_note() {
    let mut model = model(3);
    assert_eq!(model.repeat(), None);
    run(&mut model, Do::Act(verdict(VerdictKind::Duplicate)));
    let Some(Action::Verdict(again)) = model.repeat() else { panic!("nothing to repeat") };
    assert_eq!((again.kind, again.reasons.len()), (VerdictKind::Duplicate, 1));
    assert_eq!(again.note, "");
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
fn undo_before_the_answer_is_sent_when_the_answer_comes() {
    let mut model = model(3);
    let targets = model.targets();
    let action = verdict(VerdictKind::FalsePositive);
    let requests = model.reduce(Edit::Act { targets, action, advance: true });
    let [wish @ Wish::Act { .. }] = requests.as_slice() else { panic!("no wish") };
    let draft = Wish::KeepDraft(id(0), "said so".to_owned());
    assert_eq!(model.reduce(Edit::Undo), vec![draft]);
    assert_eq!(model.rows().at(0).unwrap().status, Status::Open);
    let acted = Acted { pending_id: 7, deadline: START, alerts: 1, conflicts: Vec::new() };
    let requests = model.reduce(Edit::Acted { wish: wish.clone(), answer: Ok(acted) });
    assert_eq!(requests, vec![Wish::Undo(7)]);
}

#[test]
fn a_conflict_is_taken_back_and_said() {
    let mut model = model(3);
    let first = model.cursor().id().unwrap();
    let action = verdict(VerdictKind::FalsePositive);
    let targets = model.targets();
    let wish = model.reduce(Edit::Act { targets, action, advance: true }).remove(0);
    let acted = Acted { pending_id: 7, deadline: START, alerts: 0, conflicts: vec![(first, 9)] };
    model.reduce(Edit::Acted { wish, answer: Ok(acted) });
    assert_eq!(model.rows().get(first).unwrap().status, Status::Open);
    assert!(model.notice().unwrap().text.contains("changed meanwhile"));
}

#[test]
fn after_the_deadline_undo_names_the_entry_that_is_in_force() {
    let mut model = model(3);
    run(&mut model, Do::Act(verdict(VerdictKind::FalsePositive)));
    run(&mut model, Do::Clock(11_000_000));
    assert!(model.journal().newest_pending().is_none());
    assert_eq!(model.rows().at(0).unwrap().status, Status::FalsePositive);
    assert_eq!(model.reduce(Edit::Undo), vec![Wish::Undo(1)]);
}

fn said(model: &DeskModel) -> &str {
    model.notice().map_or("", |notice| notice.text.as_str())
}

#[test]
fn undo_never_reaches_beyond_what_this_desk_did() {
    let mut model = model(3);
    assert_eq!(model.reduce(Edit::Undo), vec![]);
    assert!(said(&model).starts_with("nothing of this desk to undo"), "{}", said(&model));
    run(&mut model, Do::Act(verdict(VerdictKind::FalsePositive)));
    run(&mut model, Do::Clock(11_000_000));
    assert_eq!(model.reduce(Edit::Undo), vec![Wish::Undo(1)]);
    assert_eq!(model.reduce(Edit::Undo), vec![], "its own list is empty now");
}

#[test]
fn what_an_earlier_desk_did_can_be_undone_until_its_deadline_and_not_after() {
    let pending = |model: &DeskModel| Pending {
        id: 9,
        actor: "kai".to_owned(),
        place: "local pid 1".to_owned(),
        alerts: vec![id(0), id(1)],
        action: Action::Status(Status::Acknowledged),
        at: START,
        deadline: model.now().plus_micros(5_000_000),
    };
    let mut model = DeskModel::new("kai", START);
    model.adopt(&[pending(&model)]);
    assert_eq!(model.reduce(Edit::Undo), vec![Wish::Undo(9)]);
    model.adopt(&[pending(&model)]);
    run(&mut model, Do::Clock(6_000_000));
    assert_eq!(model.reduce(Edit::Undo), vec![]);
}

#[test]
fn undo_says_what_it_took_back_with_the_title_or_the_count() {
    let mut model = model(3);
    run(&mut model, Do::Act(verdict(VerdictKind::FalsePositive)));
    model.reduce(Edit::Undo);
    let wanted = "undone, the note is a draft again: false positive on Rule 0";
    assert_eq!(said(&model), wanted);
    model.reduce(Edit::Mark(MarkEdit::AllMatching));
    run(&mut model, Do::Act(Action::Assign(Some("sam".to_owned()))));
    run(&mut model, Do::Clock(11_000_000));
    let question = model.undo_question().expect("it is in force for everybody");
    assert!(question.title.starts_with("take back assign to sam on 3 alerts?"), "{question:?}");
    assert_eq!(question.samples.len(), 3);
    model.reduce(Edit::Undo);
    let undone = Undone {
        action: Action::Assign(Some("sam".to_owned())),
        without_trace: false,
        alerts: vec![id(0), id(1), id(2)],
    };
    model.reduce(Edit::Undone(Ok(undone)));
    assert_eq!(said(&model), "undone: assign to sam on 3 alerts; history shows both");
}

#[test]
fn an_action_that_was_refused_late_is_not_there_to_undo() {
    let mut model = model(3);
    let targets = model.targets();
    let action = verdict(VerdictKind::FalsePositive);
    let wish = model.reduce(Edit::Act { targets, action, advance: true }).remove(0);
    run(&mut model, Do::Clock(11_000_000));
    let refused = Problem::new(ProblemKind::Unavailable, "the socket does not answer");
    let wishes = model.reduce(Edit::Acted { wish, answer: Err(refused) });
    assert_eq!(wishes, vec![Wish::Reload, Wish::KeepDraft(id(0), "said so".to_owned())]);
    assert_eq!(model.reduce(Edit::Undo), vec![]);
}

#[test]
fn a_note_that_comes_back_does_not_replace_a_draft_that_was_kept_since() {
    let mut model = model(3);
    run(&mut model, Do::Act(Action::Note("the first".to_owned())));
    model.draft_kept(id(0), None);
    model.draft_kept(id(0), Some("the second"));
    model.draft_kept(id(1), Some("of another alert"));
    let both = "the first\n\nthe second".to_owned();
    assert_eq!(model.reduce(Edit::Undo), vec![Wish::Undo(1), Wish::KeepDraft(id(0), both)]);
}

#[test]
fn a_note_on_an_alert_that_changed_meanwhile_is_a_draft_again() {
    let mut model = model(3);
    let (targets, action) = (model.targets(), Action::Note("the first".to_owned()));
    let wish = model.reduce(Edit::Act { targets, action, advance: true }).remove(0);
    let acted = Acted { pending_id: 0, deadline: START, alerts: 0, conflicts: vec![(id(0), 9)] };
    let wishes = model.reduce(Edit::Acted { wish, answer: Ok(acted) });
    assert!(wishes.contains(&Wish::KeepDraft(id(0), "the first".to_owned())), "{wishes:?}");
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
    use crate::tui::desk_model::sort::Sort;
    let row = |number, severity, seconds: i64| Alert {
        severity,
        last_seen: crate::stdx::time::Timestamp(START.0 + seconds * 1_000_000),
        ..alert(number, 100, "web01")
    };
    let newer = row(1, Severity::High, 60);
    let critical = row(2, Severity::Critical, 0);
    let older = row(3, Severity::High, 0);
    let mut rows = [&older, &newer, &critical];
    rows.sort_by(|one, two| Sort::default().compare(one, two));
    assert_eq!(rows.map(|row| row.id), [critical.id, newer.id, older.id]);
}
