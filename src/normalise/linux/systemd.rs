//! systemd and systemd-logind: units started, stopped and failed; sessions of users.

use crate::model::class::Class;
use crate::model::event::Event;
use crate::model::field;
use crate::normalise::linux::kind::{Kind, Outcome, user_name};

const SESSION_NEW: Kind =
    Kind::new(Class::Other, "session", "start", "session_started", Outcome::Success);
const SESSION_GONE: Kind =
    Kind::new(Class::Other, "session", "end", "session_ended", Outcome::Unknown);
const STARTING: Kind =
    Kind::new(Class::Other, "process", "info", "unit_starting", Outcome::Unknown);
const STARTED: Kind = Kind::new(Class::Other, "process", "start", "unit_started", Outcome::Success);
const STOPPING: Kind =
    Kind::new(Class::Other, "process", "info", "unit_stopping", Outcome::Unknown);
const STOPPED: Kind = Kind::new(Class::Other, "process", "end", "unit_stopped", Outcome::Success);
const FAILED: Kind = Kind::new(Class::Other, "process", "info", "unit_failed", Outcome::Failure);
const OOM: Kind = Kind::new(Class::Other, "process", "end", "oom_kill", Outcome::Failure);
const NOTE: Kind = Kind::new(Class::Other, "process", "info", "unit_message", Outcome::Unknown);
const RELOADED: Kind =
    Kind::new(Class::Other, "configuration", "change", "systemd_reloaded", Outcome::Unknown);
const TIME: Kind = Kind::new(Class::Other, "host", "change", "time_changed", Outcome::Unknown);
const POWER: Kind = Kind::new(Class::Other, "host", "end", "power", Outcome::Unknown);
const BOOTED: Kind = Kind::new(Class::Other, "host", "start", "booted", Outcome::Success);
const SEAT: Kind = Kind::new(Class::Other, "host", "info", "seat", Outcome::Unknown);

/// Map a line of systemd or systemd-logind.
pub fn map(message: &str, event: &mut Event) -> bool {
    session(message, event) || unit(message, event) || power(message, event)
}

/// `New session 5 of user bob.`, `New session '5' of user 'bob' with class …`, `Removed session 5.`,
/// `Session 5 logged out. …`.
fn session(message: &str, event: &mut Event) -> bool {
    if let Some(rest) = message.strip_prefix("New session ") {
        let Some((id, rest)) = rest.split_once(" of user ") else { return false };
        SESSION_NEW.set(event);
        event.push_str(field::SESSION_ID, bare(id));
        let name = rest.split_once(" with class").map_or(rest, |(name, _)| name);
        user_name(event, bare(name.strip_suffix('.').unwrap_or(name)));
        return true;
    }
    let gone =
        message.strip_prefix("Removed session ").or_else(|| message.strip_prefix("Session "));
    let Some(rest) = gone else { return false };
    let id = rest.split([' ', '.']).next().unwrap_or("");
    let ends = message.starts_with("Removed") || rest.contains(" logged out");
    if ends {
        SESSION_GONE.set(event);
        event.push_str(field::SESSION_ID, bare(id));
    }
    ends
}

/// `Started X.`, `Stopped X.`, `Failed to start X.`, `x.service: Failed with result 'exit-code'.`.
fn unit(message: &str, event: &mut Event) -> bool {
    if let Some((name, what)) = message.split_once(": ")
        && is_unit(name)
    {
        let says = |words: &[&str]| words.iter().any(|word| what.starts_with(word));
        let kind = if what.contains("killed by the OOM killer") {
            &OOM
        } else if says(&[
            "Failed",
            "Main process exited",
            "Control process exited",
            "Start request repeated",
        ]) || what.contains("timed out")
        {
            &FAILED
        } else if says(&["Deactivated successfully", "Succeeded"]) {
            &STOPPED
        } else {
            &NOTE
        };
        kind.set(event);
        event.push_str(field::SERVICE_NAME, name);
        event.push_str(field::EVENT_REASON, what);
        return true;
    }
    for (prefix, kind) in [
        ("Starting ", &STARTING),
        ("Started ", &STARTED),
        ("Finished ", &STOPPED),
        ("Stopping ", &STOPPING),
        ("Stopped ", &STOPPED),
        ("Failed to start ", &FAILED),
        ("Reached target ", &STARTED),
        ("Stopped target ", &STOPPED),
        ("Listening on ", &STARTED),
        ("Closed ", &STOPPED),
        ("Mounting ", &STARTING),
        ("Mounted ", &STARTED),
        ("Unmounting ", &STOPPING),
        ("Unmounted ", &STOPPED),
        ("Created slice ", &STARTED),
        ("Removed slice ", &STOPPED),
        ("Activated ", &STARTED),
        ("Deactivated ", &STOPPED),
    ] {
        if let Some(rest) = message.strip_prefix(prefix) {
            kind.set(event);
            let rest = rest.trim_end_matches('.');
            let name = rest.split_once(" - ").map_or(rest, |(unit, _)| unit);
            event.push_str(field::SERVICE_NAME, name);
            return true;
        }
    }
    // `Failed to mark scope session-7.scope as abandoned : Stale file handle`.
    let failed = message.starts_with("Failed to ") || message.starts_with("Dependency failed for ");
    if failed {
        FAILED.set(event);
        let name = message.split(' ').map(|word| word.trim_end_matches([',', '.', ':']));
        if let Some(name) = name.clone().find(|word| is_unit(word)) {
            event.push_str(field::SERVICE_NAME, name);
        }
        event.push_str(field::EVENT_REASON, message);
    }
    failed
}

fn is_unit(name: &str) -> bool {
    const KINDS: [&str; 8] =
        [".service", ".socket", ".timer", ".mount", ".scope", ".slice", ".target", ".path"];
    !name.contains(' ') && KINDS.iter().any(|kind| name.ends_with(kind))
}

fn power(message: &str, event: &mut Event) -> bool {
    let starts = |words: &[&str]| words.iter().any(|word| message.starts_with(word));
    let kind = if starts(&[
        "System is powering down",
        "System is rebooting",
        "System is halting",
        "Power key pressed",
        "Suspending",
        "Hibernating",
        "Shutting down",
    ]) {
        &POWER
    } else if message.starts_with("Startup finished in ")
        || message.contains(" running in system mode")
    {
        &BOOTED
    } else if starts(&["Time has been changed", "System clock time unset", "Clock change detected"])
    {
        &TIME
    } else if starts(&["Reloading", "Reexecuting", "Reload requested", "Received SIGHUP"]) {
        &RELOADED
    } else if starts(&["New seat ", "Removed seat ", "Watching system buttons on ", "Lid "]) {
        &SEAT
    } else {
        return false;
    };
    kind.set(event);
    true
}

fn bare(text: &str) -> &str {
    text.trim_matches(['\'', '.'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_and_units() {
        for (text, action, user) in [
            ("New session 5 of user bob.", "session_started", Some("bob")),
            (
                "New session '5' of user 'bob' with class 'user' and type 'tty'.",
                "session_started",
                Some("bob"),
            ),
            ("Removed session 5.", "session_ended", None),
            ("Session 5 logged out. Waiting for processes to exit.", "session_ended", None),
            ("Started Daily apt download activities.", "unit_started", None),
            ("nginx.service: Failed with result 'exit-code'.", "unit_failed", None),
            ("Failed to start nginx.service - A web server.", "unit_failed", None),
            ("Starting nginx.service - A web server...", "unit_starting", None),
            ("Finished Rotate log files.", "unit_stopped", None),
            (
                "Failed to mark scope session-7.scope as abandoned : Stale file handle",
                "unit_failed",
                None,
            ),
            (
                "x.service: A process of this unit has been killed by the OOM killer.",
                "oom_kill",
                None,
            ),
            ("x.service: Scheduled restart job, restart counter is at 5.", "unit_message", None),
            ("Time has been changed", "time_changed", None),
            ("Startup finished in 2.1s (kernel) + 3.2s (userspace) = 5.3s.", "booted", None),
            ("Reloading.", "systemd_reloaded", None),
            ("New seat seat0.", "seat", None),
            ("System is rebooting.", "power", None),
        ] {
            let mut event = Event::default();
            assert!(map(text, &mut event), "{text}");
            assert_eq!(event.str(field::EVENT_ACTION), Some(action), "{text}");
            assert_eq!(event.str(field::USER_NAME), user, "{text}");
        }
    }
}
