//! systemd and systemd-logind: units started, stopped and failed; sessions of users.

use crate::model::class::Class;
use crate::model::event::Event;
use crate::model::field;
use crate::normalise::linux::kind::{Kind, Outcome, user_name};

const SESSION_NEW: Kind =
    Kind::new(Class::Other, "session", "start", "session_started", Outcome::Success);
const SESSION_GONE: Kind =
    Kind::new(Class::Other, "session", "end", "session_ended", Outcome::Unknown);
const STARTED: Kind = Kind::new(Class::Other, "process", "start", "unit_started", Outcome::Success);
const STOPPED: Kind = Kind::new(Class::Other, "process", "end", "unit_stopped", Outcome::Success);
const FAILED: Kind = Kind::new(Class::Other, "process", "error", "unit_failed", Outcome::Failure);
const POWER: Kind = Kind::new(Class::Other, "host", "end", "power", Outcome::Unknown);

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
        let kind = if what.starts_with("Failed with result")
            || what.starts_with("Main process exited")
        {
            &FAILED
        } else if what.starts_with("Deactivated successfully") || what.starts_with("Succeeded") {
            &STOPPED
        } else {
            return false;
        };
        kind.set(event);
        event.push_str(field::SERVICE_NAME, name);
        event.push_str(field::EVENT_REASON, what);
        return true;
    }
    for (prefix, kind) in [
        ("Started ", &STARTED),
        ("Stopped ", &STOPPED),
        ("Failed to start ", &FAILED),
        ("Reached target ", &STARTED),
    ] {
        if let Some(rest) = message.strip_prefix(prefix) {
            kind.set(event);
            let rest = rest.strip_suffix('.').unwrap_or(rest);
            let name = rest.split_once(" - ").map_or(rest, |(unit, _)| unit);
            event.push_str(field::SERVICE_NAME, name);
            return true;
        }
    }
    false
}

fn is_unit(name: &str) -> bool {
    const KINDS: [&str; 8] =
        [".service", ".socket", ".timer", ".mount", ".scope", ".slice", ".target", ".path"];
    !name.contains(' ') && KINDS.iter().any(|kind| name.ends_with(kind))
}

fn power(message: &str, event: &mut Event) -> bool {
    let known = message.starts_with("System is powering down")
        || message.starts_with("System is rebooting")
        || message.starts_with("Power key pressed");
    if known {
        POWER.set(event);
    }
    known
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
        ] {
            let mut event = Event::default();
            assert!(map(text, &mut event), "{text}");
            assert_eq!(event.str(field::EVENT_ACTION), Some(action), "{text}");
            assert_eq!(event.str(field::USER_NAME), user, "{text}");
        }
    }
}
