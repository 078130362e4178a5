//! The model's promises, for any sequence of steps.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Do, HEIGHT, START, alert, id, model, run, verdict};
use crate::model::alert::{Action, Alert, AlertId, Status};
use crate::model::severity::Severity;
use crate::model::verdict::VerdictKind;
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::cursor::Move;
use crate::tui::desk_model::edit::{Edit, Filter, SortEdit, Wish};
use crate::tui::desk_model::marks::{Field, MarkEdit};

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
