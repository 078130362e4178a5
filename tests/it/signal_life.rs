//! Signals that change while a daemon reads: taken up as a whole under load, kept on errors, and what stays keeps its
//! state.

use std::fs;

use crate::rule_life::{Place, SOURCE, append, counts, settled, status, wait};
use crate::support::daemon::Daemon;

const RELOADS: u64 = 40;
/// The steady signal says something at this event and not before.
const STEADY_AT: i64 = 1_000;

fn signal(id: &str, title: &str, alert: &str) -> String {
    format!(
        "title: {title}\nid: {id}\nlevel: medium\nwhen: {{event.category: authentication}}\nalert:\n  {alert}\n"
    )
}

#[test]
fn changed_signals_are_taken_up_under_load_and_lose_and_repeat_nothing() {
    let signals = "[rules]\npaths = []\n[signals]\npaths = [\"HERE/signals\"]\nwatch = \"20ms\"\n";
    let place = Place::new(&format!("{signals}{SOURCE}"));
    let (log, config) = (place.path("auth.log"), &place.config);
    fs::write(&log, "").unwrap();
    let steady = format!("count: {{within: 365d, at_least: {STEADY_AT}}}");
    place.file("signals/steady.yml", signal("steady", "steady", &steady));
    let changing = |number: u64| signal("changing", &format!("changing {number}"), "each: true");
    place.file("signals/changing.yml", changing(0));
    let mut daemon = Daemon::start(config, &place.path("data"));
    wait(config, "the signals are there", |status| status["rules_loaded"] == 2);

    let (mut lines, mut kept, mut reloads) = (0, 0, 0);
    for number in 1.. {
        lines = append(&log, lines, 2);
        let text = changing(number);
        if number % 10 == 5 {
            // Broken for longer than two looks: the old set stays in force, and status says so with file and key.
            place.file("signals/changing.yml", text.replace("each", "eech"));
            wait(config, "the broken file is seen", |status| {
                let problems = status["problems"].to_string();
                problems.contains("signals changed and cannot be taken up")
                    && problems.contains("changing.yml:6: alert.eech: unknown key")
            });
            kept += 1;
            lines = append(&log, lines, 2);
        } else if number % 10 == 7 {
            // Half a file for a moment.
            place.file("signals/changing.yml", &text[..text.len() / 2]);
        } else if number % 10 == 8 {
            // Another one comes before the others, which moves their numbers, and goes again.
            place.file("signals/a.yml", signal("other", "other", "each: true"));
        } else if number % 10 == 9 {
            fs::remove_file(place.path("signals/a.yml")).unwrap();
        }
        place.file("signals/changing.yml", text);
        std::thread::sleep(std::time::Duration::from_millis(60));
        if number % 10 == 0 {
            reloads = status(config)["signals_reloads"].as_u64().unwrap();
            if reloads >= RELOADS {
                break;
            }
            assert!(lines < STEADY_AT - 50, "only {reloads} reloads");
        }
    }
    assert!(reloads >= RELOADS && kept >= 2);
    lines = append(&log, lines, STEADY_AT - 1 - lines);
    let before = settled(config, lines);
    assert_eq!(before["problems"], serde_json::json!([]), "whole files are taken up again");
    assert_eq!(before["rules_loaded"], 2, "{before}");
    let counted = counts(config);
    assert_eq!(counted.get("steady"), None, "{counted:?}");
    lines = append(&log, lines, 1);
    settled(config, lines);
    let counted = counts(config);
    assert_eq!(counted["changing"], u64::try_from(lines).unwrap(), "by one version, whichever");
    assert_eq!(counted["steady"], 1, "its count outlived every reload: {counted:?}");

    // The last one goes too, and a signal that nobody wants says nothing more.
    fs::remove_file(place.path("signals/changing.yml")).unwrap();
    wait(config, "it is gone", |status| status["rules_loaded"] == 1);
    let asked = status(config)["signals_reloads"].as_u64().unwrap();
    lines = append(&log, lines, 1);
    settled(config, lines);
    assert!(status(config)["signals_reloads"].as_u64().unwrap() >= asked);
    assert!(counts(config)["changing"] >= counted["changing"]);
    daemon.stop();
}
