//! Actions that are repeated, taken back, refused or overtaken.

use super::{Do, START, id, model, run, verdict};
use crate::model::alert::{Action, Pending, Status};
use crate::model::desk::{Acted, Problem, ProblemKind, Undone};
use crate::model::verdict::VerdictKind;
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::edit::{Edit, Wish};
use crate::tui::desk_model::marks::MarkEdit;

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
