//! su and login: a change of user at a terminal, done or refused.

use crate::model::class::Class;
use crate::model::event::Event;
use crate::model::field;
use crate::normalise::linux::kind::{Kind, Outcome, source_address, user_name};

const CHANGED: Kind =
    Kind::new(Class::PrivilegeUse, "authentication", "start", "su", Outcome::Success);
const REFUSED: Kind =
    Kind::new(Class::LogonFailure, "authentication", "start", "su", Outcome::Failure);
const LOGIN: Kind = Kind::new(Class::Logon, "authentication", "start", "login", Outcome::Success);
const LOGIN_FAILED: Kind =
    Kind::new(Class::LogonFailure, "authentication", "start", "login", Outcome::Failure);

/// Map a line of su.
pub fn map(message: &str, event: &mut Event) -> bool {
    // util-linux: `(to root) bob on pts/0`, `FAILED SU (to root) bob on pts/0`.
    let (text, failed) = match message.strip_prefix("FAILED SU ") {
        Some(rest) => (rest, true),
        None => (message, false),
    };
    if let Some((target, rest)) = text.strip_prefix("(to ").and_then(|rest| rest.split_once(") ")) {
        let (actor, tty) = rest.rsplit_once(" on ").unwrap_or((rest, ""));
        return set(!failed, actor, target, tty, event);
    }
    // shadow: `Successful su for root by bob`, `FAILED su for root by bob`.
    for (prefix, worked) in [("Successful su for ", true), ("FAILED su for ", false)] {
        if let Some((target, actor)) =
            message.strip_prefix(prefix).and_then(|rest| rest.split_once(" by "))
        {
            return set(worked, actor, target, "", event);
        }
    }
    // shadow again, beside the line above: `+ /dev/pts/0 bob:root`, `- pts/0 bob:root`.
    for (prefix, worked) in [("+ ", true), ("- ", false)] {
        if let Some((tty, names)) =
            message.strip_prefix(prefix).and_then(|rest| rest.split_once(' '))
        {
            let Some((actor, target)) = names.rsplit_once(':') else { return false };
            return set(worked, actor, target, tty, event);
        }
    }
    // BSD and Solaris: `BAD SU bob to root on /dev/pts/1`, `'su root' failed for bob on /dev/pts/8`.
    if let Some((actor, rest)) =
        message.strip_prefix("BAD SU ").and_then(|rest| rest.split_once(" to "))
    {
        let (target, tty) = rest.split_once(" on ").unwrap_or((rest, ""));
        return set(false, actor, target, tty, event);
    }
    if let Some((target, rest)) =
        message.strip_prefix("'su ").and_then(|rest| rest.split_once("' "))
    {
        let (what, rest) = rest.split_once(" for ").unwrap_or((rest, ""));
        let (actor, tty) = rest.split_once(" on ").unwrap_or((rest, ""));
        return set(what == "succeeded", actor, target, tty, event);
    }
    if let Some((actor, rest)) = message.split_once(" to ")
        && let Some((target, tty)) = rest.split_once(" on ")
        && ![actor, target, tty].iter().any(|word| word.contains(' '))
    {
        return set(true, actor, target, tty, event);
    }
    false
}

fn set(worked: bool, actor: &str, target: &str, tty: &str, event: &mut Event) -> bool {
    if worked {
        CHANGED.set(event)
    } else {
        REFUSED.set(event)
    }
    user_name(event, actor.trim());
    event.push_str(field::USER_EFFECTIVE_NAME, target.trim());
    if !matches!(tty.trim(), "" | "none" | "???") {
        event.push_str(field::PROCESS_TTY, tty.trim().trim_start_matches("/dev/"));
    }
    true
}

/// Map a line of login: `FAILED LOGIN (1) on '/dev/tty1' FOR 'bob', Authentication failure`,
/// `ROOT LOGIN  on '/dev/tty1'`, `LOGIN ON tty1 BY bob`, `FAILED LOGIN 1 FROM host FOR bob, …`.
pub fn map_login(message: &str, event: &mut Event) -> bool {
    // shadow: `invalid password for 'bob' on '/dev/tty1' from 'host'`, `UNKNOWN` in place of a name no account has.
    if let Some(rest) = message.strip_prefix("invalid password for ") {
        LOGIN_FAILED.set(event);
        let (name, rest) = rest.split_once(" on ").unwrap_or((rest, ""));
        match name.trim().trim_matches(['\'', '`']) {
            "UNKNOWN" => event.push_str(field::EVENT_REASON, "user unknown"),
            name => user_name(event, name),
        }
        tty_and_host(&format!(" on {rest}"), event);
        return true;
    }
    if let Some(rest) = message
        .strip_prefix("FAILED LOGIN")
        .or_else(|| message.strip_prefix("TOO MANY LOGIN TRIES"))
    {
        LOGIN_FAILED.set(event);
        tty_and_host(rest, event);
        let name = word_after(rest, "FOR ");
        user_name(event, name);
        if let Some((_, reason)) = rest.split_once(", ") {
            event.push_str(field::EVENT_REASON, reason.trim());
        }
        return true;
    }
    if let Some(rest) = message.strip_prefix("ROOT LOGIN") {
        LOGIN.set(event);
        user_name(event, "root");
        tty_and_host(rest, event);
        return true;
    }
    if let Some(rest) = message.strip_prefix("LOGIN ON ") {
        LOGIN.set(event);
        user_name(event, word_after(rest, " BY "));
        let tty = rest.split(' ').next().unwrap_or("");
        event.push_str(field::PROCESS_TTY, tty);
        source_address(event, word_after(rest, " FROM "));
        return true;
    }
    false
}

fn tty_and_host(rest: &str, event: &mut Event) {
    let tty = word_after(rest, " on ");
    if !tty.is_empty() {
        event.push_str(field::PROCESS_TTY, tty.trim_start_matches("/dev/"));
    }
    let host =
        [" from ", " FROM "].iter().map(|key| word_after(rest, key)).find(|word| !word.is_empty());
    source_address(event, host.unwrap_or(""));
}

/// The word behind a key, without quotes and the comma after it.
fn word_after<'a>(text: &'a str, key: &str) -> &'a str {
    let Some((_, rest)) = text.split_once(key) else { return "" };
    let rest = rest.trim_start();
    match rest.strip_prefix(['\'', '`']) {
        Some(quoted) => quoted.split('\'').next().unwrap_or(""),
        None => rest.split([' ', ',']).next().unwrap_or(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_su() {
        for (text, class, actor, target, tty) in [
            ("(to alice) root on none", Class::PrivilegeUse, "root", "alice", None),
            ("FAILED SU (to root) bob on pts/0", Class::LogonFailure, "bob", "root", Some("pts/0")),
            ("Successful su for root by bob", Class::PrivilegeUse, "bob", "root", None),
            ("FAILED su for root by bob", Class::LogonFailure, "bob", "root", None),
            ("+ /dev/pts/0 bob:root", Class::PrivilegeUse, "bob", "root", Some("pts/0")),
            ("BAD SU bob to root on /dev/pts/1", Class::LogonFailure, "bob", "root", Some("pts/1")),
            (
                "'su root' failed for lonvick on /dev/pts/8",
                Class::LogonFailure,
                "lonvick",
                "root",
                Some("pts/8"),
            ),
            ("bob to root on /dev/pts/0", Class::PrivilegeUse, "bob", "root", Some("pts/0")),
        ] {
            let mut event = Event::default();
            assert!(map(text, &mut event), "{text}");
            assert_eq!(event.class, class, "{text}");
            assert_eq!(event.str(field::USER_NAME), Some(actor), "{text}");
            assert_eq!(event.str(field::USER_EFFECTIVE_NAME), Some(target), "{text}");
            assert_eq!(event.str(field::PROCESS_TTY), tty, "{text}");
        }
    }

    #[test]
    fn every_login() {
        let mut event = Event::default();
        assert!(map_login(
            "FAILED LOGIN (1) on '/dev/tty1' FOR 'bob', Authentication failure",
            &mut event
        ));
        assert_eq!(event.str(field::USER_NAME), Some("bob"));
        assert_eq!(event.str(field::PROCESS_TTY), Some("tty1"));
        assert_eq!(event.class, Class::LogonFailure);
        let mut event = Event::default();
        assert!(map_login("invalid password for `bob'  on `pts/1' from `192.0.2.7'", &mut event));
        assert_eq!(event.str(field::USER_NAME), Some("bob"));
        assert_eq!(event.str(field::SOURCE_IP), Some("192.0.2.7"));
        assert_eq!(event.str(field::PROCESS_TTY), Some("pts/1"));
        let mut event = Event::default();
        assert!(map_login(
            "FAILED LOGIN SESSION FROM 192.0.2.7 FOR bob, User not known",
            &mut event
        ));
        assert_eq!(event.str(field::SOURCE_IP), Some("192.0.2.7"));
        assert_eq!(event.str(field::EVENT_REASON), Some("User not known"));
        let mut event = Event::default();
        assert!(map_login("LOGIN ON tty1 BY bob FROM 192.0.2.7", &mut event));
        assert_eq!(event.str(field::SOURCE_IP), Some("192.0.2.7"));
    }
}
