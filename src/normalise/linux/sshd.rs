//! sshd (and sshd-session, dropbear-like wording aside): logins, failures and disconnects.
//!
//! The peer chooses the user name, spaces and all, and it stands before the address. So lines about unknown users are read
//! from their end; a name like `x from 192.0.2.1` changes nothing. Lines about accepted users name real accounts.
//! A failed attempt is `LogonFailure` in exactly one of the lines that sshd and PAM write about it (`Failed … for`); the
//! others keep their own action, so that counting the class counts attempts.

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
const MAX_ATTEMPTS: Kind =
    Kind::new(Class::Other, "authentication", "info", "ssh_max_attempts", Outcome::Failure);
const NOT_ALLOWED: Kind =
    Kind::new(Class::Other, "authentication", "denied", "ssh_user_not_allowed", Outcome::Failure);
const PAM_ERROR: Kind =
    Kind::new(Class::Other, "authentication", "info", "ssh_pam_error", Outcome::Failure);
const DISCONNECTED: Kind =
    Kind::new(Class::Other, "network", "end", "ssh_disconnected", Outcome::Unknown);
const PREAUTH_END: Kind =
    Kind::new(Class::Other, "network", "end", "ssh_preauth_disconnect", Outcome::Failure);
const CONNECTION: Kind =
    Kind::new(Class::Other, "network", "start", "ssh_connection", Outcome::Unknown);
const PROBE: Kind =
    Kind::new(Class::Other, "network", "protocol", "ssh_protocol_error", Outcome::Failure);
const REVERSE_LOOKUP: Kind =
    Kind::new(Class::Other, "network", "info", "ssh_reverse_lookup_mismatch", Outcome::Failure);
const POSTPONED: Kind =
    Kind::new(Class::Other, "authentication", "info", "ssh_postponed", Outcome::Unknown);
const REFUSED: Kind =
    Kind::new(Class::Other, "network", "denied", "ssh_connection_refused", Outcome::Failure);
const LISTENING: Kind =
    Kind::new(Class::Other, "process", "start", "ssh_listening", Outcome::Unknown);
const SUBSYSTEM: Kind =
    Kind::new(Class::Other, "session", "info", "ssh_subsystem", Outcome::Unknown);
const ERROR: Kind = Kind::new(Class::Other, "process", "error", "ssh_error", Outcome::Failure);

/// Map the message of one line. `false`: nothing known; the event stays generic.
pub fn map(message: &str, event: &mut Event) -> bool {
    let trimmed = message.trim_end();
    let (text, preauth) = match trimmed.strip_suffix("[preauth]") {
        Some(text) => (text.trim_end(), true),
        None => (trimmed, false),
    };
    let (text, is_error) = strip_level(text);
    if let Some(rest) = text.strip_prefix("Failed ") {
        return attempt(rest, &FAILED, event);
    }
    if let Some(rest) = text.strip_prefix("Accepted ") {
        return accepted(rest, event);
    }
    logins(text, event)
        || connections(text, preauth, event)
        || protocol(text, event)
        || (is_error && errors(text, event))
}

fn strip_level(text: &str) -> (&str, bool) {
    for level in ["error: ", "fatal: "] {
        if let Some(rest) = text.strip_prefix(level) {
            return (rest, true);
        }
    }
    (text.strip_prefix("info: ").unwrap_or(text), false)
}

/// `password for [invalid user ]NAME from ADDRESS port N ssh2[: KEY]`, read from the end.
fn attempt(rest: &str, kind: &Kind, event: &mut Event) -> bool {
    let Some((method, rest)) = rest.split_once(" for ") else { return false };
    if method.contains(' ') {
        return false;
    }
    let Some(peer) = Peer::from_end(rest) else { return false };
    kind.set(event);
    set_method(method, event);
    let (name, unknown) = invalid_user(peer.before);
    if unknown {
        event.push_str(field::EVENT_REASON, "invalid user");
    }
    user_name(event, name);
    peer.set(event);
    if let Some((_, key)) = peer.after.split_once(": ") {
        set_key(key, event);
    }
    true
}

/// `publickey for NAME from ADDRESS port N ssh2: KEY`, read from the start: the name is a real account, but a
/// certificate's id in KEY is free text.
fn accepted(rest: &str, event: &mut Event) -> bool {
    let Some((method, rest)) = rest.split_once(" for ") else { return false };
    let Some((name, rest)) = rest.split_once(" from ") else { return false };
    let (address, rest) = rest.split_once(" port ").unwrap_or((rest, ""));
    let (port, after) = rest.split_once(' ').unwrap_or((rest, ""));
    ACCEPTED.set(event);
    set_method(method, event);
    user_name(event, name);
    source_address(event, address);
    source_port(event, port);
    if let Some((_, key)) = after.split_once(": ") {
        set_key(key, event);
    }
    true
}

fn logins(text: &str, event: &mut Event) -> bool {
    if let Some(rest) =
        text.strip_prefix("Invalid user").or_else(|| text.strip_prefix("Illegal user"))
    {
        return user_and_peer(rest, &INVALID_USER, event);
    }
    if let Some(rest) = text.strip_prefix("input_userauth_request: invalid user") {
        INVALID_USER.set(event);
        user_name(event, rest.trim());
        return true;
    }
    if let Some(rest) = text.strip_prefix("maximum authentication attempts exceeded for ") {
        return user_and_peer(rest, &MAX_ATTEMPTS, event);
    }
    if let Some(rest) = text.strip_prefix("Postponed ") {
        return attempt(rest, &POSTPONED, event);
    }
    if let Some(rest) = text.strip_prefix("PAM: ") {
        return rest.split_once(" for ").is_some_and(|(reason, rest)| {
            let known = user_and_peer(rest, &PAM_ERROR, event);
            if known {
                event.push_str(field::EVENT_REASON, reason);
            }
            known
        });
    }
    if let Some(rest) = text.strip_prefix("User ")
        && let Some((who, reason)) = rest.rsplit_once(" not allowed because ")
    {
        let known = user_and_peer(who, &NOT_ALLOWED, event);
        if !known {
            NOT_ALLOWED.set(event);
            user_name(event, who);
        }
        event.push_str(field::EVENT_REASON, reason);
        return true;
    }
    if text.starts_with("Disconnecting: Too many authentication failures")
        || text.starts_with("PAM service(sshd) ignoring max retries")
    {
        MAX_ATTEMPTS.set(event);
        return true;
    }
    false
}

/// `[invalid user ]NAME from ADDRESS[ port N]`, read from the end; the name may be empty.
fn user_and_peer(rest: &str, kind: &Kind, event: &mut Event) -> bool {
    let peer = Peer::from_end(rest).or_else(|| Peer::without_port(rest));
    let Some(peer) = peer else { return false };
    kind.set(event);
    let (name, _) = invalid_user(peer.before);
    user_name(event, name.trim());
    peer.set(event);
    true
}

fn connections(text: &str, preauth: bool, event: &mut Event) -> bool {
    if let Some(rest) = text.strip_prefix("Connection from ") {
        let rest = rest.split_once(" on ").map_or(rest, |(peer, _)| peer);
        CONNECTION.set(event);
        address_and_port(rest, event);
        return true;
    }
    const ENDS: [&str; 7] = [
        "Connection closed by ",
        "Connection reset by ",
        "Disconnected from ",
        "Received disconnect from ",
        "Disconnecting ",
        "Close session: user ",
        "Timeout before authentication for ",
    ];
    let Some(rest) = ENDS.iter().find_map(|prefix| text.strip_prefix(prefix)) else {
        return false;
    };
    let before_login = preauth || text.starts_with("Timeout before");
    if before_login {
        PREAUTH_END.set(event)
    } else {
        DISCONNECTED.set(event)
    }
    let rest = rest.strip_prefix("connection from ").unwrap_or(rest);
    user_then_address(rest, event);
    true
}

/// `[[invalid |authenticating ]user NAME ]ADDRESS port N[:CODE: REASON]`.
fn user_then_address(rest: &str, event: &mut Event) {
    let named = ["invalid user ", "authenticating user ", "user "]
        .iter()
        .find_map(|prefix| rest.strip_prefix(prefix));
    let Some(named) = named else { return address_and_port(rest, event) };
    let (who, after) = named.rsplit_once(" port ").unwrap_or((named, ""));
    match who.rsplit_once(' ') {
        Some((name, address)) => {
            user_name(event, name);
            source_address(event, address);
        }
        None => user_name(event, who),
    }
    let (port, reason) = after.split_once(':').unwrap_or((after, ""));
    source_port(event, port.split(' ').next().unwrap_or(""));
    set_reason(reason, event);
}

/// `ADDRESS[ port N][:CODE: REASON]`.
fn address_and_port(rest: &str, event: &mut Event) {
    match rest.split_once(" port ") {
        Some((address, after)) => {
            source_address(event, address);
            let end = after.bytes().take_while(u8::is_ascii_digit).count();
            let (port, reason) = after.split_at_checked(end).unwrap_or((after, ""));
            source_port(event, port);
            set_reason(reason.trim_start_matches([':', ' ', ',']), event);
        }
        // Old servers: `ADDRESS: CODE: REASON`; the address may hold colons itself.
        None => {
            let (address, reason) = rest.split_once(": ").unwrap_or((rest, ""));
            let address = address.split(' ').next().unwrap_or(address);
            source_address(event, address.trim_end_matches([':', ',']));
            set_reason(reason, event);
        }
    }
}

fn protocol(text: &str, event: &mut Event) -> bool {
    for prefix in [
        "Did not receive identification string from ",
        "Unable to negotiate with ",
        "banner exchange: Connection from ",
        "ssh_dispatch_run_fatal: Connection from ",
        "Connection closed by remote host ",
    ] {
        if let Some(rest) = text.strip_prefix(prefix) {
            PROBE.set(event);
            address_and_port(rest, event);
            return true;
        }
    }
    if text.starts_with("Bad protocol version identification ")
        || text.starts_with("Protocol major versions differ")
    {
        PROBE.set(event);
        if let Some(peer) = Peer::from_end(text).or_else(|| Peer::without_port(text)) {
            peer.set(event);
        }
        return true;
    }
    if text.contains("POSSIBLE BREAK") {
        return reverse_lookup(text, event);
    }
    if let Some(rest) = text.strip_prefix("refused connect from ") {
        REFUSED.set(event);
        let inner = rest.rsplit_once('(').map_or(rest, |(_, inner)| inner.trim_end_matches(')'));
        source_address(event, inner);
        return true;
    }
    if let Some(rest) = text.strip_prefix("Server listening on ") {
        LISTENING.set(event);
        if let Some((_, port)) = rest.trim_end_matches('.').split_once(" port ") {
            event.push_str(field::EVENT_REASON, port);
        }
        return true;
    }
    if let Some(rest) = text.strip_prefix("subsystem request for ") {
        SUBSYSTEM.set(event);
        if let Some((_, name)) = rest.rsplit_once(" by user ") {
            user_name(event, name.split(' ').next().unwrap_or(name).trim_end_matches(','));
        }
        return true;
    }
    text.starts_with("kex_exchange_identification") && {
        PROBE.set(event);
        true
    }
}

/// `reverse mapping checking getaddrinfo for NAME [ADDRESS] failed - POSSIBLE BREAK-IN ATTEMPT!` and
/// `Address ADDRESS maps to NAME, but this does not map back to the address - POSSIBLE BREAK-IN ATTEMPT!`.
fn reverse_lookup(text: &str, event: &mut Event) -> bool {
    REVERSE_LOOKUP.set(event);
    if let Some(rest) = text.strip_prefix("Address ") {
        source_address(event, rest.split(' ').next().unwrap_or(""));
    } else if let Some((_, rest)) = text.rsplit_once(" [")
        && let Some((address, _)) = rest.split_once(']')
    {
        source_address(event, address);
    }
    true
}

fn errors(text: &str, event: &mut Event) -> bool {
    ERROR.set(event);
    event.push_str(field::EVENT_REASON, text);
    true
}

fn set_method(method: &str, event: &mut Event) {
    event.push_str(field::SSH_METHOD, method);
}

/// `RSA SHA256:…`: the kind of key and its fingerprint.
fn set_key(key: &str, event: &mut Event) {
    event.push_str(field::SSH_SIGNATURE, key.trim());
}

fn set_reason(text: &str, event: &mut Event) {
    let text = text.trim();
    if !text.is_empty() {
        event.push_str(field::EVENT_REASON, text);
    }
}

fn invalid_user(text: &str) -> (&str, bool) {
    for prefix in ["invalid user ", "illegal user "] {
        if let Some(name) = text.strip_prefix(prefix) {
            return (name, true);
        }
    }
    // An empty name leaves `invalid user` alone.
    if text == "invalid user" { ("", true) } else { (text, false) }
}

/// What stands around the last address of a line.
struct Peer<'a> {
    before: &'a str,
    address: &'a str,
    port: &'a str,
    after: &'a str,
}

impl<'a> Peer<'a> {
    /// The last `from ADDRESS port N`.
    fn from_end(text: &'a str) -> Option<Peer<'a>> {
        let (head, tail) = text.rsplit_once(" port ")?;
        let (before, address) = split_from(head)?;
        let (port, after) = tail.split_once([' ', ':']).unwrap_or((tail, ""));
        if address.contains(' ') || port.parse::<u16>().is_err() {
            return None;
        }
        Some(Peer { before, address, port, after })
    }

    /// The last `from ADDRESS` that ends the line.
    fn without_port(text: &'a str) -> Option<Peer<'a>> {
        let (before, address) = split_from(text.trim_end())?;
        (!address.contains(' ')).then_some(Peer { before, address, port: "", after: "" })
    }

    fn set(&self, event: &mut Event) {
        source_address(event, self.address);
        source_port(event, self.port);
    }
}

/// Split at the last `from`; an empty name leaves the line beginning with it.
fn split_from(text: &str) -> Option<(&str, &str)> {
    text.rsplit_once(" from ").or_else(|| text.strip_prefix("from ").map(|rest| ("", rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(message: &str) -> Event {
        let mut event = Event::with_capacity(8, 128);
        assert!(map(message, &mut event), "{message}");
        event
    }

    fn check(message: &str, action: &str, user: Option<&str>, ip: Option<&str>, port: Option<i64>) {
        let event = mapped(message);
        assert_eq!(event.str(field::EVENT_ACTION), Some(action), "{message}");
        assert_eq!(event.str(field::USER_NAME), user, "{message}");
        assert_eq!(event.str(field::SOURCE_IP), ip, "{message}");
        let seen = event.get(field::SOURCE_PORT).and_then(crate::model::event::Value::as_int);
        assert_eq!(seen, port, "{message}");
    }

    #[test]
    fn outcomes_of_logins() {
        let ip = Some("192.0.2.7");
        check(
            "Failed password for invalid user admin from 192.0.2.7 port 22 ssh2",
            "ssh_login",
            Some("admin"),
            ip,
            Some(22),
        );
        check(
            "Failed password for root from 192.0.2.7 port 2233 ssh2",
            "ssh_login",
            Some("root"),
            ip,
            Some(2233),
        );
        check(
            "Failed none for invalid user  from 192.0.2.7 port 1 ssh2",
            "ssh_login",
            None,
            ip,
            Some(1),
        );
        check(
            "Failed publickey for bob from 2001:db8::7 port 22 ssh2: RSA SHA256:abc",
            "ssh_login",
            Some("bob"),
            Some("2001:db8::7"),
            Some(22),
        );
        check(
            "Accepted publickey for bob from 192.0.2.7 port 22 ssh2: RSA-CERT ID x from 203.0.113.9 port 7 (serial 0)",
            "ssh_login",
            Some("bob"),
            ip,
            Some(22),
        );
        check("Invalid user  from 192.0.2.7", "ssh_invalid_user", None, ip, None);
        check(
            "Invalid user x y from 192.0.2.7 port 7",
            "ssh_invalid_user",
            Some("x y"),
            ip,
            Some(7),
        );
        check(
            "error: maximum authentication attempts exceeded for invalid user a from 192.0.2.7 port 9 ssh2 [preauth]",
            "ssh_max_attempts",
            Some("a"),
            ip,
            Some(9),
        );
        check(
            "User root from 192.0.2.7 not allowed because not listed in AllowUsers",
            "ssh_user_not_allowed",
            Some("root"),
            ip,
            None,
        );
        check(
            "error: PAM: Authentication failure for illegal user bad from 192.0.2.7",
            "ssh_pam_error",
            Some("bad"),
            ip,
            None,
        );
        let failed = mapped("Failed password for invalid user admin from 192.0.2.7 port 22 ssh2");
        assert_eq!(failed.class, Class::LogonFailure);
        assert_eq!(failed.str(field::EVENT_REASON), Some("invalid user"));
    }

    #[test]
    fn a_name_cannot_move_the_address() {
        check(
            "Failed password for invalid user X from 192.0.2.1 from 203.0.113.8 port 22 ssh2",
            "ssh_login",
            Some("X from 192.0.2.1"),
            Some("203.0.113.8"),
            Some(22),
        );
        check(
            "Failed password for invalid user X from 192.0.2.1 port 5 ssh2 from 203.0.113.8 port 22 ssh2",
            "ssh_login",
            Some("X from 192.0.2.1 port 5 ssh2"),
            Some("203.0.113.8"),
            Some(22),
        );
        check(
            "Invalid user a from 192.0.2.1 from 203.0.113.8 port 22",
            "ssh_invalid_user",
            Some("a from 192.0.2.1"),
            Some("203.0.113.8"),
            Some(22),
        );
        check(
            "Connection closed by invalid user a 192.0.2.1 port 1 203.0.113.8 port 22 [preauth]",
            "ssh_preauth_disconnect",
            Some("a 192.0.2.1 port 1"),
            Some("203.0.113.8"),
            Some(22),
        );
    }

    #[test]
    fn disconnects_and_probes() {
        let ip = Some("192.0.2.7");
        check(
            "Received disconnect from 192.0.2.7 port 22:11: disconnected by user",
            "ssh_disconnected",
            None,
            ip,
            Some(22),
        );
        check(
            "Received disconnect from 192.0.2.7: 11: Bye Bye [preauth]",
            "ssh_preauth_disconnect",
            None,
            ip,
            None,
        );
        check(
            "Disconnected from user bob 192.0.2.7 port 22",
            "ssh_disconnected",
            Some("bob"),
            ip,
            Some(22),
        );
        check(
            "Connection closed by authenticating user root 192.0.2.7 port 22 [preauth]",
            "ssh_preauth_disconnect",
            Some("root"),
            ip,
            Some(22),
        );
        check(
            "Connection reset by 192.0.2.7 port 22 [preauth]",
            "ssh_preauth_disconnect",
            None,
            ip,
            Some(22),
        );
        check(
            "Did not receive identification string from 192.0.2.7",
            "ssh_protocol_error",
            None,
            ip,
            None,
        );
        check(
            "Bad protocol version identification 'GET / from 10.0.0.1 port 1' from 192.0.2.7 port 80",
            "ssh_protocol_error",
            None,
            ip,
            Some(80),
        );
        check(
            "reverse mapping checking getaddrinfo for a.example [192.0.2.7] failed - POSSIBLE BREAK-IN ATTEMPT!",
            "ssh_reverse_lookup_mismatch",
            None,
            ip,
            None,
        );
        check(
            "Address 192.0.2.7 maps to a.example, but this does not map back to the address - POSSIBLE BREAK-IN ATTEMPT!",
            "ssh_reverse_lookup_mismatch",
            None,
            ip,
            None,
        );
        check(
            "fatal: Timeout before authentication for 192.0.2.7 port 47056",
            "ssh_preauth_disconnect",
            None,
            ip,
            Some(47056),
        );
        check(
            "refused connect from example.com (192.0.2.7)",
            "ssh_connection_refused",
            None,
            ip,
            None,
        );
    }
}
