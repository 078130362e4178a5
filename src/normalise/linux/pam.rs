//! PAM modules writing through whatever program they are loaded into: sessions, failures, password changes.

use crate::model::class::Class;
use crate::model::event::{Event, Value};
use crate::model::field;
use crate::normalise::linux::kind::{Kind, Outcome, source_address, user_name};

const FAILURE: Kind = Kind::new(
    Class::LogonFailure,
    "authentication",
    "start",
    "pam_authentication",
    Outcome::Failure,
);
/// The same attempt stands in a line of the program itself, which carries the class.
const REPEATED_FAILURE: Kind =
    Kind::new(Class::Other, "authentication", "start", "pam_authentication", Outcome::Failure);
const REFUSED: Kind =
    Kind::new(Class::LogonFailure, "authentication", "info", "pam_access_denied", Outcome::Failure);
const SUCCESS: Kind =
    Kind::new(Class::Other, "authentication", "start", "pam_authentication", Outcome::Success);
const LOCKED: Kind =
    Kind::new(Class::Other, "authentication", "info", "account_locked", Outcome::Failure);
const OPENED: Kind =
    Kind::new(Class::Other, "session", "start", "session_opened", Outcome::Success);
const CLOSED: Kind = Kind::new(Class::Other, "session", "end", "session_closed", Outcome::Success);
const PASSWORD: Kind =
    Kind::new(Class::AccountChange, "iam", "user change", "password_changed", Outcome::Success);
const NOTE: Kind =
    Kind::new(Class::Other, "authentication", "info", "pam_message", Outcome::Unknown);
const SESSION_NOTE: Kind =
    Kind::new(Class::Other, "session", "info", "pam_message", Outcome::Unknown);
/// Words of a module that could not do what it should.
const FAILURES: [&str; 7] =
    ["failed", "could not", "cannot", "unable", "denied", "error", "not permitted"];

/// Programs that write a line of their own about every failed attempt.
const OWN_FAILURES: [&str; 8] =
    ["sshd", "dropbear", "sudo", "sudo-i", "su", "su-l", "login", "remote"];

/// Map a message that a PAM module wrote. `false`: it is none, or none that is known.
pub fn map(message: &str, event: &mut Event) -> bool {
    if let Some((module, service, text)) = module_prefix(message) {
        event.push_str(field::PAM_MODULE, module);
        event.push_str(field::PAM_SERVICE, service);
        return from_module(service, text, event);
    }
    // `PAM 2 more authentication failures; logname= …` comes from the library, without a module.
    if message.starts_with("PAM ") && message.contains(" more authentication failure") {
        REPEATED_FAILURE.set(event);
        credentials(message, event);
        return true;
    }
    false
}

/// `pam_unix(sshd:auth): text`, or the old `(pam_unix) text`.
fn module_prefix(message: &str) -> Option<(&str, &str, &str)> {
    if let Some(rest) = message.strip_prefix("(pam_") {
        let (_, text) = rest.split_once(") ")?;
        let module = message.get(1..)?.split(')').next()?;
        return Some((module, "", text));
    }
    if !message.starts_with("pam_") {
        return None;
    }
    let (module, rest) = message.split_once('(')?;
    let (service, text) = rest.split_once("): ")?;
    let fits = module.len() <= 32 && service.len() <= 64 && !service.contains(' ');
    fits.then_some((module, service, text))
}

fn from_module(service: &str, text: &str, event: &mut Event) -> bool {
    let program = service.split(':').next().unwrap_or("");
    if text.starts_with("authentication failure") {
        if OWN_FAILURES.contains(&program) {
            REPEATED_FAILURE.set(event)
        } else {
            FAILURE.set(event)
        }
        credentials(text, event);
        return true;
    }
    if text.starts_with("authentication success") {
        SUCCESS.set(event);
        credentials(text, event);
        return true;
    }
    if let Some(rest) = text.strip_prefix("session opened for user ") {
        opened(program, rest, event);
        return true;
    }
    if let Some(rest) = text.strip_prefix("session closed for user ") {
        CLOSED.set(event);
        if !matches!(program, "sudo" | "cron" | "crond" | "systemd-user") {
            event.class = Class::Logoff;
        }
        user_name(event, account(rest).0);
        return true;
    }
    if text.starts_with("check pass; user unknown") {
        REPEATED_FAILURE.set(event);
        event.push_str(field::EVENT_REASON, "user unknown");
        return true;
    }
    if let Some(name) = text.strip_prefix("password changed for ") {
        PASSWORD.set(event);
        event.push_str(field::USER_TARGET_NAME, name.trim());
        return true;
    }
    // pam_sss and pam_winbind: `received for user bob: 7 (Authentication failure)`, after their own line of the failure.
    if let Some(rest) = text.strip_prefix("received for user ") {
        let (name, reason) = rest.rsplit_once(": ").unwrap_or((rest, ""));
        REPEATED_FAILURE.set(event);
        user_name(event, name);
        event.push_str(field::EVENT_REASON, reason);
        return true;
    }
    if text.contains("temporarily locked") || text.contains(" tally ") {
        locked(text, event);
        return true;
    }
    refused(text, event) || note(service, text, event)
}

/// pam_faillock: `Consecutive login failures for user bob account temporarily locked`; pam_tally2:
/// `user bob (1001) tally 6, deny 5`.
fn locked(text: &str, event: &mut Event) {
    LOCKED.set(event);
    let after = text.split_once("user ").map_or("", |(_, after)| after);
    let (name, rest) = after.split_once([' ', ',']).unwrap_or((after, ""));
    user_name(event, name);
    let id = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    if let Some((id, _)) = id.filter(|(id, _)| id.bytes().all(|byte| byte.is_ascii_digit())) {
        set_id(field::USER_ID, id, event);
    }
    event.push_str(field::EVENT_REASON, text);
}

/// What the account modules refuse: `access denied for user `bob' from `192.0.2.7'` (pam_access), `Refused user bob for
/// service sshd` (pam_listfile), `requirement "uid >= 1000" not met by user "bob"` (pam_succeed_if),
/// `account bob has expired (account expired)` (pam_unix).
fn refused(text: &str, event: &mut Event) -> bool {
    const QUOTES: [char; 3] = ['`', '\'', '"'];
    if let Some(rest) = text.strip_prefix("access denied for user ") {
        REFUSED.set(event);
        let (name, from) = rest.rsplit_once(" from ").unwrap_or((rest, ""));
        user_name(event, name.trim_matches(QUOTES));
        source_address(event, from.trim_matches(QUOTES));
        return true;
    }
    if let Some(rest) = text.strip_prefix("Refused user ") {
        REFUSED.set(event);
        user_name(event, rest.rsplit_once(" for service ").map_or(rest, |(name, _)| name));
        return true;
    }
    if text.starts_with("requirement ")
        && let Some((_, name)) = text.rsplit_once(" not met by user ")
    {
        // A test that other modules build on: it refuses nothing by itself.
        NOTE.set(event);
        user_name(event, name.trim_matches(QUOTES));
        event.push_str(field::EVENT_REASON, text);
        return true;
    }
    if let Some(rest) = text.strip_prefix("account ")
        && let Some((name, reason)) = rest.split_once(" has expired")
    {
        REFUSED.set(event);
        user_name(event, name);
        event.push_str(field::EVENT_REASON, reason.trim_matches([' ', '(', ')']));
        return true;
    }
    false
}

/// A module's line that nobody taught us. The part of PAM that it belongs to stands behind the service.
fn note(service: &str, text: &str, event: &mut Event) -> bool {
    let kind = if service.ends_with(":session") { SESSION_NOTE } else { NOTE };
    let lower = text.to_ascii_lowercase();
    let failed = FAILURES.iter().any(|word| lower.contains(word));
    let outcome = if failed { Outcome::Failure } else { Outcome::Unknown };
    Kind { outcome, ..kind }.set(event);
    event.push_str(field::EVENT_REASON, text);
    true
}

/// `NAME[(uid=N)] by [ACTOR](uid=N)`.
fn opened(program: &str, rest: &str, event: &mut Event) {
    OPENED.set(event);
    let (target, by) = rest.rsplit_once(" by ").unwrap_or((rest, ""));
    let (target, target_id) = account(target);
    let (actor, actor_id) = account(by);
    let changes_user =
        matches!(program, "sudo" | "sudo-i" | "su" | "su-l" | "doas" | "runuser" | "pkexec");
    if changes_user {
        event.class = Class::PrivilegeUse;
        user_name(event, actor);
        set_id(field::USER_ID, actor_id, event);
        event.push_str(field::USER_EFFECTIVE_NAME, target);
        set_id(field::USER_EFFECTIVE_ID, target_id, event);
        return;
    }
    event.class = match program {
        // These write a line of their own about the login.
        "sshd" | "dropbear" | "login" | "remote" | "systemd-user" => Class::Other,
        "cron" | "crond" | "atd" => Class::TaskSchedule,
        _ => Class::Logon,
    };
    user_name(event, target);
    set_id(field::USER_ID, target_id, event);
}

/// `NAME(uid=N)` or `NAME`.
fn account(text: &str) -> (&str, &str) {
    match text.trim_end().strip_suffix(')').and_then(|head| head.rsplit_once("(uid=")) {
        Some((name, id)) => (name, id),
        None => (text.trim_end(), ""),
    }
}

fn set_id(field: field::FieldId, id: &str, event: &mut Event) {
    if !id.is_empty() {
        event.push_str(field, id);
    }
}

/// Who asks from where, and as whom.
#[derive(Debug, Default, PartialEq)]
struct Caller<'a> {
    host: Option<&'a str>,
    user: Option<&'a str>,
}

/// `ruser=R rhost=H  user=U`. Whoever logs in may choose R and U, with ` rhost=` in them: services that hand both on
/// hand on the same name, which tells where it ends. Where that cannot be told no host is named.
fn caller(text: &str) -> Caller<'_> {
    // Without a caller in the line its name is empty, as it is where nobody gave one.
    let rest = match text.split_once(" ruser=") {
        Some((_, rest)) => rest,
        None => text.find(" rhost=").and_then(|at| text.get(at..)).unwrap_or(""),
    };
    let at = |place: usize| {
        let after = rest.get(place + " rhost=".len()..)?;
        let end = after.find(' ').unwrap_or(after.len());
        let (host, left) = after.split_at_checked(end)?;
        let user = left.trim_start().strip_prefix("user=").map(str::trim_end);
        Some((rest.get(..place)?, Caller { host: Some(host), user }))
    };
    let places = rest.match_indices(" rhost=").take(HOSTS_MAX);
    let mut readings: Vec<_> = places.filter_map(|(place, _)| at(place)).collect();
    if readings.len() > 1 {
        readings.retain(|(name, found)| name.is_empty() || found.user == Some(*name));
    }
    match readings.pop() {
        Some((_, only)) if readings.is_empty() => only,
        _ => Caller::default(),
    }
}

/// Places in one line that may be the host's.
const HOSTS_MAX: usize = 16;

/// `…; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7  user=root`: `user=` is last and runs to the end.
fn credentials(text: &str, event: &mut Event) {
    let caller = caller(text);
    if let Some(host) = caller.host {
        source_address(event, host);
    }
    if let Some(name) = caller.user {
        user_name(event, name);
    }
    if let Some(tty) = part(text, " tty=") {
        event.push_str(field::PROCESS_TTY, tty);
    }
    if let Some(actor) = part(text, " logname=") {
        event.push_str(field::USER_LOGNAME, actor);
    }
    // The user of the program that asks, not the one who logs in.
    for (key, name) in [
        (" uid=", "process.real_user.id"),
        (" euid=", "process.user.id"),
        (" ruser=", "source.user.name"),
    ] {
        if let Some(value) = part(text, key) {
            event.push_named(name, Value::Str(value));
        }
    }
}

fn part<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(key)?;
    let value = rest.split(' ').next()?;
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(message: &str) -> Event {
        let mut event = Event::with_capacity(8, 128);
        assert!(map(message, &mut event), "{message}");
        event
    }

    #[test]
    fn failures_name_the_host_and_the_user() {
        let text = "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7  user=a rhost=203.0.113.9";
        let event = mapped(text);
        assert_eq!(event.str(field::SOURCE_IP), Some("192.0.2.7"));
        assert_eq!(event.str(field::USER_NAME), Some("a rhost=203.0.113.9"));
        assert_eq!(event.class, Class::Other);
        let event = mapped(
            "pam_unix(su:auth): authentication failure; logname=bob uid=1000 euid=0 tty=pts/1 ruser=bob rhost=  user=root",
        );
        assert_eq!(event.class, Class::Other, "su writes a line of its own");
        assert_eq!(event.str(field::USER_NAME), Some("root"));
        assert_eq!(event.str(field::PROCESS_TTY), Some("pts/1"));
        assert!(!event.has(field::SOURCE_IP));
        for (name, value) in [
            ("process.real_user.id", "1000"),
            ("process.user.id", "0"),
            ("source.user.name", "bob"),
        ] {
            assert_eq!(event.str(field::FieldId::intern(name).unwrap()), Some(value), "{name}");
        }
        assert!(!event.has(field::USER_ID));
        let event = mapped(
            "pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser=bob rhost=192.0.2.7  user=bob",
        );
        assert_eq!(event.class, Class::LogonFailure);
    }

    #[test]
    fn a_name_that_holds_a_host_does_not_forge_one() {
        let line = |ruser: &str, host: &str, user: &str| {
            format!(
                "pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser={ruser} rhost={host}  user={user}"
            )
        };
        for name in ["x rhost=203.0.113.6", "x rhost=203.0.113.6  user=x", "rhost=203.0.113.6"] {
            let event = mapped(&line(name, "192.0.2.7", name));
            assert_eq!(event.str(field::SOURCE_IP), Some("192.0.2.7"), "{name}");
            assert_eq!(event.str(field::USER_NAME), Some(name.trim_end()), "{name}");
        }
        // Two different names with a host in one of them, or a name that makes the line read both ways.
        for (ruser, user) in [
            ("x rhost=203.0.113.6", "root"),
            (" rhost=203.0.113.6  user=x", " rhost=203.0.113.6  user=x"),
            ("", "x rhost=203.0.113.6  user= rhost=192.0.2.7  user=x"),
        ] {
            assert!(!mapped(&line(ruser, "192.0.2.7", user)).has(field::SOURCE_IP), "{user}");
        }
        let event = mapped(&line("", "192.0.2.7", "x rhost=203.0.113.6"));
        assert_eq!(event.str(field::SOURCE_IP), Some("192.0.2.7"));
    }

    #[test]
    fn sessions_know_who_became_whom() {
        let event =
            mapped("pam_unix(sudo:session): session opened for user root(uid=0) by bob(uid=1000)");
        assert_eq!(event.str(field::USER_NAME), Some("bob"));
        assert_eq!(event.str(field::USER_EFFECTIVE_NAME), Some("root"));
        assert_eq!(event.class, Class::PrivilegeUse);
        let event = mapped("pam_unix(cron:session): session opened for user root by (uid=0)");
        assert_eq!(event.str(field::USER_NAME), Some("root"));
        assert_eq!(event.class, Class::TaskSchedule);
        let event = mapped("pam_unix(sshd:session): session closed for user bob");
        assert_eq!(event.class, Class::Logoff);
        let event = mapped("pam_unix(chpasswd:chauthtok): password changed for bob");
        assert_eq!(event.str(field::USER_TARGET_NAME), Some("bob"));
        assert_eq!(event.class, Class::AccountChange);
    }

    #[test]
    fn locks_refusals_and_whatever_else_a_module_says() {
        for (text, action, class, user) in [
            (
                "pam_tally2(sshd:auth): user bob (1001) tally 6, deny 5",
                "account_locked",
                Class::Other,
                Some("bob"),
            ),
            (
                "pam_faillock(sshd:auth): Consecutive login failures for user bob account temporarily locked",
                "account_locked",
                Class::Other,
                Some("bob"),
            ),
            (
                "pam_access(sshd:account): access denied for user `bob' from `192.0.2.7'",
                "pam_access_denied",
                Class::LogonFailure,
                Some("bob"),
            ),
            (
                "pam_listfile(vsftpd:auth): Refused user bob for service vsftpd",
                "pam_access_denied",
                Class::LogonFailure,
                Some("bob"),
            ),
            (
                "pam_unix(sshd:account): account bob has expired (account expired)",
                "pam_access_denied",
                Class::LogonFailure,
                Some("bob"),
            ),
            (
                "pam_succeed_if(sshd:auth): requirement \"uid >= 1000\" not met by user \"bob\"",
                "pam_message",
                Class::Other,
                Some("bob"),
            ),
            (
                "pam_sss(sshd:auth): received for user bob: 7 (Authentication failure)",
                "pam_authentication",
                Class::Other,
                Some("bob"),
            ),
            (
                "pam_systemd(su:session): Cannot create session: Already running in a session",
                "pam_message",
                Class::Other,
                None,
            ),
        ] {
            let event = mapped(text);
            assert_eq!(event.str(field::EVENT_ACTION), Some(action), "{text}");
            assert_eq!(event.class, class, "{text}");
            assert_eq!(event.str(field::USER_NAME), user, "{text}");
        }
        let event = mapped("pam_tally2(sshd:auth): user bob (1001) tally 6, deny 5");
        assert_eq!(event.str(field::USER_ID), Some("1001"));
    }
}
