//! dropbear, the ssh server of small machines: the same happenings as sshd's under the same actions.
//!
//! `Bad password attempt` is the one line of an attempt that counts. Names stand in quotes, before the address, and are the
//! peer's choice: lines are read from their end.

use crate::model::class::Class;
use crate::model::event::Event;
use crate::model::field;
use crate::normalise::linux::kind::{Kind, Outcome, source_address, source_port, user_name};

const ACCEPTED: Kind =
    Kind::new(Class::Logon, "authentication", "start", "ssh_login", Outcome::Success);
const FAILED: Kind =
    Kind::new(Class::LogonFailure, "authentication", "start", "ssh_login", Outcome::Failure);
const INVALID_USER: Kind =
    Kind::new(Class::Other, "authentication", "info", "ssh_invalid_user", Outcome::Failure);
const NOT_ALLOWED: Kind =
    Kind::new(Class::Other, "authentication", "info", "ssh_user_not_allowed", Outcome::Failure);
const KEY_REFUSED: Kind =
    Kind::new(Class::Other, "authentication", "info", "ssh_key_refused", Outcome::Failure);
const MAX_ATTEMPTS: Kind =
    Kind::new(Class::Other, "authentication", "info", "ssh_max_attempts", Outcome::Failure);
const CONNECTION: Kind =
    Kind::new(Class::Other, "network", "start", "ssh_connection", Outcome::Unknown);
const PREAUTH_END: Kind =
    Kind::new(Class::Other, "network", "end", "ssh_preauth_disconnect", Outcome::Failure);
const DISCONNECTED: Kind =
    Kind::new(Class::Other, "network", "end", "ssh_disconnected", Outcome::Unknown);
const SERVER: Kind = Kind::new(Class::Other, "process", "start", "ssh_listening", Outcome::Unknown);

/// Map the message of one line.
pub fn map(message: &str, event: &mut Event) -> bool {
    let text = message.trim();
    let known = attempts(text, event) || refusals(text, event) || connections(text, event);
    if event.has(field::SOURCE_IP) {
        event.fill_str(field::NETWORK_PROTOCOL, "ssh");
    }
    known
}

fn attempts(text: &str, event: &mut Event) -> bool {
    for (prefix, method, kind) in [
        ("Bad password attempt for ", "password", &FAILED),
        ("Bad PAM password attempt for ", "password", &FAILED),
        ("Password auth succeeded for ", "password", &ACCEPTED),
        ("PAM password auth succeeded for ", "password", &ACCEPTED),
        ("Pubkey auth succeeded for ", "publickey", &ACCEPTED),
        ("Auth succeeded with blank password for ", "none", &ACCEPTED),
        ("Pubkey auth bad signature for ", "publickey", &KEY_REFUSED),
        ("Pubkey auth attempt with unknown algo for ", "publickey", &KEY_REFUSED),
    ] {
        let Some(rest) = text.strip_prefix(prefix) else { continue };
        kind.set(event);
        event.push_str(field::SSH_METHOD, method);
        let (who, peer) = rest.rsplit_once(" from ").unwrap_or((rest, ""));
        // `'root' with ssh-ed25519 key SHA256:…`.
        let (name, key) = match who.rsplit_once("' with ") {
            Some((name, key)) => (name, key),
            None => (who, ""),
        };
        user_name(event, name.trim_matches('\''));
        if !key.is_empty() {
            event.push_str(field::SSH_SIGNATURE, key);
        }
        address(peer, event);
        return true;
    }
    false
}

fn refusals(text: &str, event: &mut Event) -> bool {
    if let Some(rest) = text.strip_prefix("Login attempt for nonexistent user") {
        INVALID_USER.set(event);
        let (name, peer) = rest.rsplit_once(" from ").unwrap_or(("", rest));
        user_name(event, name.trim().trim_matches('\''));
        address(peer, event);
        return true;
    }
    if let Some(rest) = text.strip_prefix("User ")
        && let Some((name, reason)) = rest.rsplit_once("' ")
    {
        NOT_ALLOWED.set(event);
        user_name(event, name.trim_matches('\''));
        event.push_str(field::EVENT_REASON, reason);
        return true;
    }
    if let Some(rest) = text.strip_prefix("Login attempt with wrong user ") {
        NOT_ALLOWED.set(event);
        let (name, peer) = rest.rsplit_once(" from ").unwrap_or((rest, ""));
        user_name(event, name.trim_matches('\''));
        address(peer, event);
        return true;
    }
    text.starts_with("root login rejected") && {
        NOT_ALLOWED.set(event);
        user_name(event, "root");
        true
    }
}

fn connections(text: &str, event: &mut Event) -> bool {
    if let Some(peer) = text.strip_prefix("Child connection from ") {
        CONNECTION.set(event);
        address(peer, event);
        return true;
    }
    let end = if text.starts_with("Exit before auth") {
        Some(if text.contains("Max auth tries reached") { &MAX_ATTEMPTS } else { &PREAUTH_END })
    } else if text.starts_with("Exit (") {
        Some(&DISCONNECTED)
    } else {
        None
    };
    if let Some(kind) = end {
        kind.set(event);
        exit(text, event);
        return true;
    }
    let server = text.starts_with("Running in background")
        || text.starts_with("Not backgrounding")
        || text.starts_with("Early exit");
    if server {
        SERVER.set(event);
    }
    server
}

/// `Exit (root) from <192.0.2.7:5000>: REASON`, `Exit before auth from <192.0.2.7:5000>: (user 'root', 3 fails): REASON`,
/// `Exit before auth (user 'root', 3 fails): Max auth tries reached - user 'root' from 192.0.2.7:5000`.
fn exit(text: &str, event: &mut Event) {
    if let Some((_, rest)) = text.split_once(" from <")
        && let Some((peer, _)) = rest.split_once('>')
    {
        address(peer, event);
    } else if let Some((_, peer)) = text.rsplit_once(" from ") {
        address(peer, event);
    }
    let name = text
        .split_once("(user '")
        .and_then(|(_, rest)| rest.split_once("', "))
        .or_else(|| text.rsplit_once(" user '").and_then(|(_, rest)| rest.split_once('\'')))
        .or_else(|| text.strip_prefix("Exit (").and_then(|rest| rest.split_once(')')));
    user_name(event, name.map_or("", |(name, _)| name));
    if let Some((_, reason)) = text.rsplit_once(": ") {
        event.push_str(field::EVENT_REASON, reason);
    }
}

/// `192.0.2.7:5000`, `2001:db8::7:5000`: the port is behind the last colon.
fn address(text: &str, event: &mut Event) {
    let text = text.trim();
    match text.rsplit_once(':') {
        Some((address, port)) if port.parse::<u16>().is_ok() => {
            source_address(event, address);
            source_port(event, port);
        }
        _ => source_address(event, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Value;

    #[test]
    fn what_the_small_server_writes() {
        let ip = Some("192.0.2.7");
        for (text, action, class, user, address, port) in [
            (
                "Bad password attempt for 'root' from 192.0.2.7:5000",
                "ssh_login",
                Class::LogonFailure,
                Some("root"),
                ip,
                Some(5000),
            ),
            (
                "Bad PAM password attempt for 'x' from 203.0.113.9:1' from 192.0.2.7:5000",
                "ssh_login",
                Class::LogonFailure,
                Some("x' from 203.0.113.9:1"),
                ip,
                Some(5000),
            ),
            (
                "Password auth succeeded for 'bob' from 2001:db8::7:5000",
                "ssh_login",
                Class::Logon,
                Some("bob"),
                Some("2001:db8::7"),
                Some(5000),
            ),
            (
                "Pubkey auth succeeded for 'bob' with ssh-ed25519 key SHA256:abc from 192.0.2.7:5000",
                "ssh_login",
                Class::Logon,
                Some("bob"),
                ip,
                Some(5000),
            ),
            (
                "Login attempt for nonexistent user from 192.0.2.7:5000",
                "ssh_invalid_user",
                Class::Other,
                None,
                ip,
                Some(5000),
            ),
            (
                "User 'bob' has invalid shell, rejected",
                "ssh_user_not_allowed",
                Class::Other,
                Some("bob"),
                None,
                None,
            ),
            (
                "Exit before auth (user 'root', 3 fails): Max auth tries reached - user 'root' from 192.0.2.7:5000",
                "ssh_max_attempts",
                Class::Other,
                Some("root"),
                ip,
                Some(5000),
            ),
            (
                "Exit before auth from <192.0.2.7:5000>: Exited normally",
                "ssh_preauth_disconnect",
                Class::Other,
                None,
                ip,
                Some(5000),
            ),
            (
                "Exit (root) from <192.0.2.7:5000>: Disconnect received",
                "ssh_disconnected",
                Class::Other,
                Some("root"),
                ip,
                Some(5000),
            ),
            (
                "Child connection from 192.0.2.7:5000",
                "ssh_connection",
                Class::Other,
                None,
                ip,
                Some(5000),
            ),
        ] {
            let mut event = Event::default();
            assert!(map(text, &mut event), "{text}");
            assert_eq!(event.str(field::EVENT_ACTION), Some(action), "{text}");
            assert_eq!(event.class, class, "{text}");
            assert_eq!(event.str(field::USER_NAME), user, "{text}");
            assert_eq!(event.str(field::SOURCE_IP), address, "{text}");
            assert_eq!(event.get(field::SOURCE_PORT).and_then(Value::as_int), port, "{text}");
        }
    }
}
