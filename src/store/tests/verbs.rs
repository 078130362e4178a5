//! Verbs, deadlines, undo, conflicts and the audit chain.

use super::*;
use crate::model::alert::{Alert, Status};
use crate::model::verdict::{Confidence, Verdict, VerdictKind};

const ANA: By<'static> = By { actor: "ana", place: "local pid 1" };
const BOB: By<'static> = By { actor: "bob", place: "socket uid 1001" };
const HOSTILE: &str = "\u{1b}[2J\u{9b}31m'; DROP TABLE audit;--\n\u{202e}\0\u{feff}\"\\";

fn later(now: Timestamp) -> Timestamp {
    now.plus_micros(10_000_000)
}

fn false_positive() -> Action {
    Action::Verdict(Verdict {
        kind: VerdictKind::FalsePositive,
        reasons: vec!["other".to_owned()],
        confidence: Confidence::High,
        note: HOSTILE.to_owned(),
    })
}

async fn with_alerts(dir: &Place, count: u64) -> (Store, Episodes, Vec<AlertId>) {
    let mut engine = Episodes::default();
    let store = open(dir).await;
    let mut commit = batch(&mut engine, 0..count, &[]);
    commit.alerts =
        engine.apply((0..count).map(|number| finding(number, &format!("r{number}"))).collect());
    let done = store.commit(&commit).await.unwrap();
    let ids = done.alerts.iter().map(|(alert, _)| alert.id).collect();
    (store, engine, ids)
}

fn seen(store: &Store, id: AlertId, actor: &str) -> Alert {
    store.alert(&id, actor).unwrap()
}

async fn actions(store: &Store, id: AlertId) -> Vec<String> {
    let history = store.history("alert", &id.to_string()).await.unwrap();
    history.into_iter().map(|entry| format!("{} {}", entry.actor, entry.action)).collect()
}

async fn before_the_deadline_only_the_actor_sees_it_and_undo_leaves_no_trace(dir: Place) {
    let (store, _, ids) = with_alerts(&dir, 1).await;
    // An opening store applies what the wall clock calls due; a slow machine must not reach that deadline.
    let now = Timestamp::now().plus_micros(3_600_000_000);
    let acted = store.act(&[(ids[0], Some(1))], false_positive(), ANA, now).await.unwrap();
    assert_eq!((acted.alerts, acted.deadline), (1, later(now)));
    assert_eq!(seen(&store, ids[0], "ana").status, Status::FalsePositive);
    assert_eq!(seen(&store, ids[0], "ana").revision, 1);
    assert_eq!(seen(&store, ids[0], "bob").status, Status::Open);
    assert!(store.apply_due(now).await.unwrap().is_empty());
    let open_ones = |actor: &str| {
        store.alerts_page(actor, &|alert| alert.status == Status::Open, &[], 9, 0).matching
    };
    assert_eq!((open_ones("ana"), open_ones("bob")), (0, 1));

    // It is durable at once, and still nobody else's business.
    drop(store);
    let store = open(&dir).await;
    assert_eq!(store.pending("ana").len(), 1);
    assert!(store.undo(None, BOB, now).await.is_err());
    let (undone, changed) = store.undo(None, ANA, now).await.unwrap();
    assert!(undone.without_trace && changed.is_empty());
    assert_eq!(seen(&store, ids[0], "ana").status, Status::Open);
    assert_eq!(actions(&store, ids[0]).await, ["watchfloor created"]);
    assert!(store.apply_due(later(now)).await.unwrap().is_empty());
}

async fn after_the_deadline_it_is_applied_for_all_and_undo_is_a_second_entry(dir: Place) {
    let (store, _, ids) = with_alerts(&dir, 2).await;
    let now = Timestamp::now();
    let both = [(ids[0], None), (ids[1], None)];
    store.act(&both, false_positive(), ANA, now).await.unwrap();
    assert_eq!(store.next_deadline(), Some(later(now)));
    assert_eq!(store.apply_due(later(now)).await.unwrap().len(), 2);
    let alert = seen(&store, ids[1], "bob");
    assert_eq!(alert.status, Status::FalsePositive);
    assert_eq!(alert.verdict.as_ref().unwrap().note, HOSTILE);
    drop(store);
    let store = open(&dir).await;
    assert_eq!(seen(&store, ids[1], "bob"), alert);
    let (undone, changed) = store.undo(None, ANA, later(now)).await.unwrap();
    assert!(!undone.without_trace);
    assert_eq!(changed.len(), 2);
    assert_eq!(seen(&store, ids[0], "bob").status, Status::Open);
    assert_eq!(seen(&store, ids[0], "bob").verdict, None);
    let wanted = ["watchfloor created", "ana verdict", "ana undo"];
    assert_eq!(actions(&store, ids[0]).await, wanted);
    assert!(matches!(store.undo(None, ANA, later(now)).await, Err(StoreError::NothingToUndo(_))));
    assert_eq!(store.audit_verify().await.unwrap().entries, 6);
}

async fn an_expired_action_is_applied_at_the_next_start(dir: Place) {
    let (store, _, ids) = with_alerts(&dir, 1).await;
    let long_ago = Timestamp(1);
    store.act(&[(ids[0], None)], Action::Assign(Some("ana".into())), ANA, long_ago).await.unwrap();
    drop(store);
    let store = open(&dir).await;
    assert!(store.pending("ana").is_empty());
    assert_eq!(seen(&store, ids[0], "bob").status, Status::Acknowledged);
    let history = store.history("alert", &ids[0].to_string()).await.unwrap();
    assert_eq!(history[1].at, long_ago);
    assert_eq!(history[1].place, "local pid 1");
}

async fn somebody_elses_change_is_a_conflict_and_repeats_are_not(dir: Place) {
    let (store, mut engine, ids) = with_alerts(&dir, 1).await;
    let now = Timestamp::now();
    let status = |status| Action::Status(status);
    // A repeat moves the revision; what ana saw is still good enough.
    let mut commit = batch(&mut engine, 10..11, &[]);
    commit.alerts = engine.apply(vec![finding(10, "r0")]);
    store.commit(&commit).await.unwrap();
    assert_eq!(seen(&store, ids[0], "ana").revision, 2);
    let acted =
        store.act(&[(ids[0], Some(1))], status(Status::Acknowledged), BOB, now).await.unwrap();
    assert!(acted.conflicts.is_empty());
    store.apply_due(later(now)).await.unwrap();

    let acted = store.act(&[(ids[0], Some(2))], status(Status::Resolved), ANA, now).await.unwrap();
    assert_eq!(acted.conflicts, [(ids[0], 3)]);
    assert_eq!((acted.alerts, acted.pending_id), (0, 0));
    let own = store.act(&[(ids[0], Some(2))], status(Status::Resolved), BOB, now).await.unwrap();
    assert!(own.conflicts.is_empty());
    store.apply_due(later(now)).await.unwrap();
    // Ana acts on what she sees now; then bob's undo must not run over it.
    store.act(&[(ids[0], Some(4))], status(Status::Open), ANA, now).await.unwrap();
    store.apply_due(later(now)).await.unwrap();
    assert!(matches!(store.undo(None, BOB, later(now)).await, Err(StoreError::Conflict)));
    assert_eq!(seen(&store, ids[0], "bob").status, Status::Open);
}

async fn a_repeat_reopens_a_resolved_alert_and_leaves_a_false_positive_closed(dir: Place) {
    let (store, mut engine, ids) = with_alerts(&dir, 2).await;
    let now = Timestamp::now();
    let resolve = Action::Status(Status::Resolved);
    store.act(&[(ids[0], None)], resolve, ANA, now).await.unwrap();
    store.act(&[(ids[1], None)], false_positive(), ANA, now).await.unwrap();
    store.apply_due(later(now)).await.unwrap();
    let mut commit = batch(&mut engine, 10..12, &[]);
    commit.alerts = engine.apply(vec![finding(10, "r0"), finding(11, "r1")]);
    store.commit(&commit).await.unwrap();
    let (first, second) = (seen(&store, ids[0], "x"), seen(&store, ids[1], "x"));
    assert_eq!((first.status, first.changed_since_closed), (Status::Open, true));
    assert_eq!((second.status, second.changed_since_closed), (Status::FalsePositive, true));
    assert_eq!((first.count, second.count), (2, 2));
    assert_eq!(actions(&store, ids[0]).await.last().unwrap(), "watchfloor reopened");
    assert_eq!(actions(&store, ids[1]).await.len(), 2);
}

async fn limits_and_unknown_alerts_are_refused(dir: Place) {
    let (store, _, ids) = with_alerts(&dir, 1).await;
    let now = Timestamp::now();
    let target = [(ids[0], None)];
    let unknown = store.act(&[(Id128([9; 16]), None)], false_positive(), ANA, now).await;
    assert!(matches!(unknown, Err(StoreError::NoAlert(_))));
    for action in [Action::Note("x".repeat(NOTE_BYTES_MAX + 1)), Action::Note(" \n".to_owned())] {
        let result = store.act(&target, action, ANA, now).await;
        assert!(matches!(result, Err(StoreError::Invalid(_))));
    }
    let nobody = By { actor: "", place: "" };
    assert!(store.act(&target, Action::ClearVerdict, nobody, now).await.is_err());
    assert!(store.act(&[], Action::ClearVerdict, ANA, now).await.is_err());
    assert!(store.pending("ana").is_empty());
}

async fn hostile_text_comes_back_as_it_went_in(dir: Place) {
    let (store, _, ids) = with_alerts(&dir, 1).await;
    let by = By { actor: HOSTILE, place: HOSTILE };
    store.act(&[(ids[0], None)], Action::Note(HOSTILE.into()), by, Timestamp(1)).await.unwrap();
    store
        .act(&[(ids[0], None)], Action::Assign(Some(HOSTILE.into())), by, Timestamp(2))
        .await
        .unwrap();
    assert_eq!(store.apply_now(HOSTILE, Timestamp(3)).await.unwrap().len(), 2);
    assert!(store.set_rule_off(HOSTILE, Some(HOSTILE), by, Timestamp(4)).await.unwrap());
    assert!(!store.set_rule_off(HOSTILE, Some(HOSTILE), by, Timestamp(4)).await.unwrap());
    store.save_draft(HOSTILE, ids[0], Some(HOSTILE), Timestamp(5)).await.unwrap();
    drop(store);
    let store = open(&dir).await;
    let alert = seen(&store, ids[0], "ana");
    assert_eq!(alert.assignee.as_deref(), Some(HOSTILE));
    assert_eq!(alert.status, Status::Acknowledged, "assigned to oneself");
    let history = store.history("alert", &ids[0].to_string()).await.unwrap();
    let detail: serde_json::Value = serde_json::from_str(&history[1].detail).unwrap();
    assert_eq!(detail["note"], HOSTILE);
    assert_eq!(history[1].actor, HOSTILE);
    assert_eq!(store.rules_off().await.unwrap()[0].reason, HOSTILE);
    assert_eq!(store.draft(HOSTILE, ids[0]).await.unwrap().as_deref(), Some(HOSTILE));
    assert_eq!(store.draft("ana", ids[0]).await.unwrap(), None);
    assert_eq!(store.audit_verify().await.unwrap().broken, None);
    assert!(store.set_rule_off(HOSTILE, None, by, Timestamp(6)).await.unwrap());
    assert!(store.rules_off().await.unwrap().is_empty());
}

async fn the_audit_log_refuses_changes_and_finds_forged_ones(dir: Place) {
    let (store, _, _) = with_alerts(&dir, 3).await;
    let mut writer = store.writer.lock().await;
    for forbidden in ["UPDATE audit SET actor = 'x'", "DELETE FROM audit"] {
        let error = sql::query(forbidden).execute(&mut writer.sql).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
    let text = match writer.sql.is_sqlite() {
        true => "DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete;",
        false => "DROP TRIGGER audit_no_update ON audit; DROP TRIGGER audit_no_delete ON audit;",
    };
    writer.sql.script(text).await.unwrap();
    drop(writer);
    let store = &store;
    let forge = |text: &'static str| async move {
        sql::query(text).execute(&mut store.writer.lock().await.sql).await.unwrap();
        store.audit_verify().await.unwrap().broken.map(|(sequence, _)| sequence)
    };
    assert_eq!(forge("UPDATE audit SET detail = '{}' WHERE sequence = 3").await, Some(3));
    assert_eq!(forge("UPDATE audit SET actor = 'x' WHERE sequence = 2").await, Some(2));
    assert_eq!(forge("DELETE FROM audit WHERE sequence = 1").await, Some(2));
}

on_both! {
    before_the_deadline_only_the_actor_sees_it_and_undo_leaves_no_trace,
    after_the_deadline_it_is_applied_for_all_and_undo_is_a_second_entry,
    an_expired_action_is_applied_at_the_next_start,
    somebody_elses_change_is_a_conflict_and_repeats_are_not,
    a_repeat_reopens_a_resolved_alert_and_leaves_a_false_positive_closed,
    limits_and_unknown_alerts_are_refused,
    hostile_text_comes_back_as_it_went_in,
    the_audit_log_refuses_changes_and_finds_forged_ones,
}
