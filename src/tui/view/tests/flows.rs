//! What an analyst does, key by key.

use crate::model::alert::{Action, Status};
use crate::model::desk::{Acted, Change, Problem};
use crate::model::verdict::VerdictKind;
use crate::tui::contract::{Msg, Reply, Request};
use crate::tui::paint::theme::GlyphSet;
use crate::tui::view::tests::stage::{Stage, fixture_answer, theme};
use crate::tui::view::tests::{fixture, judged};

fn acts(stage: &Stage) -> Vec<(usize, Action)> {
    stage
        .asked
        .iter()
        .filter_map(|request| match request {
            Request::Act(targets, action) => Some((targets.len(), action.clone())),
            _ => None,
        })
        .collect()
}

#[test]
fn two_keys_make_a_false_positive_and_one_takes_it_back() {
    let mut stage = Stage::new();
    let first = stage.app.model().cursor().id();
    stage.press("v f");
    let acted = acts(&stage);
    assert!(
        matches!(&acted[..], [(1, Action::Verdict(verdict))] if verdict.kind == VerdictKind::FalsePositive)
    );
    assert_ne!(stage.app.model().cursor().id(), first, "the next unhandled row");
    assert!(stage.text().contains("undo: false positive"), "{}", stage.text());
    stage.press("u");
    assert_eq!(stage.app.model().cursor().id(), first);
    assert!(stage.asked.contains(&Request::Undo(Some(1))));
    assert_eq!(stage.app.model().current().unwrap().status, Status::Open);
}

#[test]
fn fifty_of_a_kind_take_five_keys_and_ask_once() {
    let mut stage = Stage::new();
    stage.press("m a").press("v f");
    assert!(acts(&stage).is_empty(), "asks first");
    stage.tick(1);
    stage.press("enter");
    assert!(acts(&stage).is_empty(), "enter is no");
    stage.press("v f");
    stage.tick(1);
    stage.press("y");
    let acted = acts(&stage);
    assert_eq!(acted.len(), 1);
    assert!(acted[0].0 > 10);
    assert!(stage.app.model().marks().is_empty(), "marks are used up");
}

fn undos(stage: &Stage) -> usize {
    stage.asked.iter().filter(|request| matches!(request, Request::Undo(_))).count()
}

#[test]
fn several_alerts_that_are_decided_for_all_are_taken_back_only_after_a_yes() {
    let mut stage = Stage::new();
    stage.press("u");
    assert!(stage.text().contains("nothing of this desk to undo"), "{}", stage.text());
    assert_eq!(undos(&stage), 0);
    stage.press("space").press("space").press("v f");
    assert!(stage.text().contains("undo: false positive on 2 alerts (u, 10s)"), "{}", stage.text());
    stage.tick(11);
    stage.press("u");
    assert!(stage.text().contains("take back false positive on 2 alerts?"), "{}", stage.text());
    stage.tick(1);
    stage.press("enter");
    assert_eq!(undos(&stage), 0, "enter is no");
    stage.press("u");
    stage.tick(1);
    stage.press("y");
    assert_eq!(undos(&stage), 1);
    stage.press("u");
    assert_eq!(undos(&stage), 1, "the list of this desk is empty");
}

#[test]
fn detail_goes_on_with_the_verdict_and_keeps_its_tab() {
    let mut stage = Stage::new();
    stage.press("enter").press("4");
    assert!(stage.text().contains("LSASS"), "{}", stage.text());
    stage.press("v b");
    let text = stage.text();
    assert!(text.contains("[4 History"), "{text}");
    assert!(!text.lines().next().unwrap().contains("LSASS"), "{text}");
    stage.press("u");
    assert!(stage.text().lines().next().unwrap().contains("LSASS"));
}

#[test]
fn in_the_detail_marks_elsewhere_are_left_alone() {
    let mut stage = Stage::new();
    stage.press("space").press("space").press("enter").press("v f");
    assert_eq!(acts(&stage)[0].0, 1);
    assert_eq!(stage.app.model().marks().len(), 2);
}

#[test]
fn the_sheet_gives_a_verdict_with_reasons_and_note() {
    let mut stage = Stage::new();
    stage.press("v v").press("t").press("tab").press("l").press("space").press("tab").press("l");
    stage.press("tab").press("\"seen before").press("ctrl-s");
    let acted = acts(&stage);
    let [(1, Action::Verdict(verdict))] = &acted[..] else { panic!("{acted:?}") };
    assert_eq!(verdict.kind, VerdictKind::TruePositive);
    assert_eq!(verdict.reasons, ["test_activity"]);
    assert_eq!(verdict.confidence.as_str(), "high");
    assert_eq!(verdict.note, "seen before");
    assert!(!stage.text().contains("VERDICT"), "the sheet is closed");
}

#[test]
fn other_needs_a_note() {
    let mut stage = Stage::new();
    stage.press("v v").press("f").press("tab").press("h").press("space").press("ctrl-s");
    assert!(acts(&stage).is_empty());
    assert!(stage.text().contains("needs a note"), "{}", stage.text());
}

#[test]
fn a_note_alone_is_no_verdict() {
    let mut stage = Stage::new();
    stage.press("v v");
    assert!(!stage.text().contains("[f false positive]"), "{}", stage.text());
    stage.press("tab").press("tab").press("tab").press("\"looked at it").press("ctrl-s");
    assert!(acts(&stage).is_empty());
    assert!(stage.text().contains("choose a verdict first"), "{}", stage.text());
    stage.press("l").press("ctrl-s");
    let acted = acts(&stage);
    let [(1, Action::Verdict(verdict))] = &acted[..] else { panic!("{acted:?}") };
    assert_eq!((verdict.kind, verdict.note.as_str()), (VerdictKind::TruePositive, "looked at it"));
}

#[test]
fn escape_then_q_keeps_the_draft_and_the_next_note_starts_with_it() {
    let mut stage = Stage::new();
    stage.press("c").press("\"half a thought").press("esc").press("q");
    let drafts: Vec<_> = stage
        .asked
        .iter()
        .filter_map(|request| match request {
            Request::SaveDraft(_, text) => text.clone(),
            _ => None,
        })
        .collect();
    assert_eq!(drafts, ["half a thought"]);
    assert!(acts(&stage).is_empty());
    fn with_draft(request: &Request) -> Option<Result<Reply, crate::model::desk::Problem>> {
        Some(match request {
            Request::Draft(_) => Ok(Reply::Draft(Some("half a thought".to_owned()))),
            other => fixture::answer(other),
        })
    }
    let mut stage = Stage::with(with_draft);
    stage.press("c");
    assert!(stage.text().contains("half a thought"));
    stage.press("\" more").press("ctrl-s");
    let acted = acts(&stage);
    assert_eq!(acted, [(1, Action::Note("half a thought more".to_owned()))]);
}

/// The last word on the draft of an alert.
fn draft(stage: &Stage) -> Option<String> {
    let said = stage.asked.iter().rev().find_map(|request| match request {
        Request::SaveDraft(_, text) => Some(text.clone()),
        _ => None,
    });
    said.flatten()
}

#[test]
fn after_a_no_the_note_of_the_sheet_is_still_a_draft() {
    let mut stage = Stage::new();
    stage.press("m a").press("v v").press("f").press("tab").press("tab").press("tab");
    stage.press("tab").press("\"half an hour of work").press("ctrl-s");
    stage.tick(1);
    stage.press("n");
    assert!(acts(&stage).is_empty());
    assert_eq!(draft(&stage).as_deref(), Some("half an hour of work"));
    stage.press("v v").press("f").press("ctrl-s");
    stage.tick(1);
    stage.press("y");
    assert_eq!((acts(&stage).len(), draft(&stage)), (1, None), "given: no draft any more");
}

#[test]
fn undo_makes_the_text_of_a_note_a_draft_again() {
    let in_a_note: &[&str] = &["c", "\"seen before", "ctrl-s"];
    let on_the_sheet: &[&str] = &["v v", "f", "tab", "tab", "tab", "\"seen before", "ctrl-s"];
    for chords in [in_a_note, on_the_sheet] {
        let mut stage = Stage::new();
        for chord in chords {
            stage.press(chord);
        }
        assert_eq!((acts(&stage).len(), draft(&stage)), (1, None));
        stage.press("u");
        assert_eq!(draft(&stage).as_deref(), Some("seen before"));
        assert!(stage.text().contains("the note is a draft again"), "{}", stage.text());
    }
}

#[test]
fn a_draft_is_saved_two_seconds_after_the_last_key() {
    let mut stage = Stage::new();
    stage.press("c").press("\"abc");
    let saved = |stage: &Stage| {
        stage.asked.iter().any(|request| matches!(request, Request::SaveDraft(_, Some(_))))
    };
    assert!(!saved(&stage));
    stage.tick(3);
    assert!(saved(&stage));
}

#[test]
fn assign_snooze_status_and_repeat() {
    let mut stage = Stage::new();
    stage.press("a m").press("a k").press("s 4").press(".");
    let acted = acts(&stage);
    let until = fixture::NOW.plus_micros(4 * 3_600 * 1_000_000);
    let wanted = [
        (1, Action::Assign(Some("ana".to_owned()))),
        (1, Action::Status(Status::Acknowledged)),
        (1, Action::Snooze(Some(until))),
        (1, Action::Snooze(Some(until))),
    ];
    assert_eq!(acted, wanted);
}

#[test]
fn a_rule_is_switched_off_only_with_a_reason_and_a_yes() {
    let mut stage = Stage::new();
    stage.press("x r").press("enter");
    assert!(stage.text().contains("a reason is needed"));
    stage.press("\"too noisy").press("enter");
    stage.tick(1);
    stage.press("y");
    assert!(stage.asked.iter().any(
        |request| matches!(request, Request::RuleOff { reason, .. } if reason == "too noisy")
    ));
}

#[test]
fn one_key_releases_the_rule_of_the_alert_under_the_cursor() {
    let mut stage = Stage::new();
    stage.press("p");
    let asked = stage.asked.iter().any(|request| matches!(request, Request::RuleRelease(_)));
    assert!(asked, "{:?}", stage.asked);
    assert!(stage.text().contains("rule released"), "{}", stage.text());
}

/// As the fixture, but what matched had been there before.
fn seen_before(request: &Request) -> Option<Result<Reply, Problem>> {
    let mut answer = fixture_answer(request)?;
    if let Ok(Reply::Alert(detail)) = &mut answer {
        let first = detail.alert.matched.first();
        let note = |(field, _): &(String, String)| {
            let field = field.clone();
            crate::model::noise::FieldRarity { field, seen: 1, of: 2_000 }
        };
        detail.rarity = first.map(note).into_iter().collect();
    }
    Some(answer)
}

#[test]
fn the_summary_says_how_rare_each_value_was() {
    let mut stage = Stage::with(seen_before);
    stage.press("enter");
    assert!(stage.text().contains("1 of 2000"), "{}", stage.text());
}

#[test]
fn an_endpoint_leads_to_its_alerts() {
    let mut stage = Stage::new();
    stage.press("g e").press("j").press("a");
    let text = stage.text();
    assert!(text.contains("[host:dev-lx-07]"), "{text}");
    assert_eq!(stage.app.model().rows().len(), 1);
}

#[test]
fn a_hostile_host_name_makes_a_filter_that_works() {
    let mut stage = Stage::new();
    stage.press("g e").press("G").press("a");
    assert!(stage.app.model().chips().len() == 2, "{}", stage.text());
}

#[test]
fn a_filter_that_leaves_no_open_alert_does_not_look_like_a_clear_queue() {
    let head = |stage: &Stage| stage.text().lines().next().map(str::to_owned).unwrap_or_default();
    let mut stage = Stage::new();
    stage.press("/").press("\"host:nowhere").press("enter");
    assert!(head(&stage).contains("nothing matches; 30 open of 31 alerts"), "{}", head(&stage));
    let mut stage = Stage::new();
    stage.press("F").press("d").press("q").press("/").press("\"is:closed").press("enter");
    assert!(head(&stage).contains("1 closed listed; 30 open of 31 alerts"), "{}", head(&stage));
    let mut stage = Stage::new();
    stage.press("m a").press("v f");
    stage.tick(1);
    stage.press("y").press("r");
    assert!(head(&stage).contains("nothing matches; 1 open of 31 alerts"), "the one that sleeps");
}

#[test]
fn the_lag_in_the_header_does_not_stand_still_while_nothing_arrives() {
    let mut stage = Stage::new();
    assert!(stage.text().contains("lag 0.4s"), "{}", stage.text());
    stage.tick(120);
    assert!(stage.text().contains("lag 2m"), "{}", stage.text());
}

/// The first line that has this in it.
fn line(stage: &Stage, part: &str) -> String {
    let text = stage.text();
    text.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{text}")).to_owned()
}

#[test]
fn z_t_shows_the_times_of_every_table_in_the_next_form() {
    let mut stage = Stage::new();
    assert!(line(&stage, "LSASS").contains("CRIT  2m   97 "), "{}", stage.text());
    stage.press("z t");
    assert!(line(&stage, "RISK").contains("     TIME RISK    N ALERT"), "{}", stage.text());
    assert!(line(&stage, "LSASS").contains("CRIT 14:00:31Z   97 "), "{}", stage.text());
    assert!(stage.text().contains("times in tables: time of day (UTC)"), "{}", stage.text());
    stage.press("z t");
    assert!(line(&stage, "LSASS").contains("CRIT 2026-11-22   97 "), "{}", stage.text());
    let wide = stage.screen(120, 24, theme("mono", GlyphSet::Ascii)).rows().join("\n");
    assert!(wide.contains("CRIT 2026-11-22 14:00:31Z   97 "), "{wide}");
    stage.press("g e");
    assert!(line(&stage, "fin-ws-044").contains("CRIT    2026-11-22"), "{}", stage.text());
    stage.press("z t");
    assert!(line(&stage, "fin-ws-044").contains("CRIT     2m"), "{}", stage.text());
}

#[test]
fn z_t_begins_with_the_form_that_the_screen_has() {
    for (chords, forms) in [
        (&["e"][..], ["14:02:31Z", "2026-11-22 14:02:31Z", "<1m"]),
        (&["4"][..], ["2026-11-22 14:01:31Z  ana", " 1m  ana", "14:01:31Z  ana"]),
        (&["E", "2"][..], ["14:00:31Z", "2026-11-22 14:00:31Z", " 2m "]),
        (&["E", "3"][..], [" 2m   97", "14:00:31Z   97", "2026-11-22   97"]),
        (&["E", "5"][..], ["2026-11-22 14:0", "m", "14:0"]),
        (&["g f"][..], ["2026-11-22 1", "m", "1"]),
    ] {
        let mut stage = Stage::with(judged::answer);
        for chord in chords {
            stage.press(chord);
        }
        for form in forms {
            assert!(stage.text().contains(form), "{chords:?} {form}: {}", stage.text());
            stage.press("z t");
        }
        assert!(stage.text().contains(forms[0]), "{chords:?}: round: {}", stage.text());
    }
}

#[test]
fn tab_turns_tabs_and_says_so_where_there_are_none() {
    let mut stage = Stage::new();
    stage.press("tab");
    assert!(stage.text().contains("tab is not bound here"), "{}", stage.text());
    stage.press("enter").press("tab");
    assert!(stage.text().contains("[2 Why"), "{}", stage.text());
    stage.press("backtab");
    assert!(stage.text().contains("[1 Summary"), "{}", stage.text());
}

#[test]
fn news_do_not_move_the_screen() {
    let mut stage = Stage::new();
    stage.press("j").press("j");
    let before = stage.text();
    let mut new = fixture::alerts().remove(0);
    new.id = crate::stdx::id::Id128([9; 16]);
    stage.message(Msg::Change(Change::Alert(Box::new(new))));
    let after = stage.text();
    let rows = |text: &str| text.lines().skip(2).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(rows(&before), rows(&after));
    assert!(after.contains("+1 new, CRIT"), "{after}");
    let current = stage.app.model().cursor().id();
    stage.press("r");
    assert_eq!(stage.app.model().cursor().id(), current);
}

#[test]
fn a_changed_alert_is_left_alone_and_said() {
    fn conflict(request: &Request) -> Option<Result<Reply, crate::model::desk::Problem>> {
        Some(match request {
            Request::Act(targets, _) => Ok(Reply::Acted(Acted {
                pending_id: 1,
                deadline: fixture::NOW,
                alerts: 0,
                conflicts: targets.iter().map(|(id, _)| (*id, 9)).collect(),
            })),
            other => fixture::answer(other),
        })
    }
    let mut stage = Stage::with(conflict);
    stage.press("v f");
    assert!(stage.text().contains("changed meanwhile"), "{}", stage.text());
}
