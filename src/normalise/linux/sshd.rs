//! sshd (also sshd-session and sshd-auth): logins, failures and disconnects; [`protocol`] has the noise around them,
//! [`session`] what users do, [`dropbear`] the words of the small server.
//!
//! The peer chooses the user name, spaces and all, and it stands before the address. So lines about unknown users are read
//! from their end; a name like `x from 192.0.2.1` changes nothing. Lines about accepted users name real accounts.
//! A failed attempt is `LogonFailure` in exactly one of the lines that sshd and PAM write about it (`Failed … for`); the
//! others keep their own action, so that counting the class counts attempts.

pub mod dropbear;
pub mod protocol;
pub mod session;

use crate::model::class::Class;
use crate::model::event::Event;
use crate::model::field;
use crate::normalise::linux::kind::{Kind, Outcome, source_address, source_port, user_name};

const ACCEPTED: Kind =
    Kind::new(Class::Logon, "authentication", "start", "ssh_login", Outcome::Success);
const FAILED: Kind =
    Kind::new(Class::LogonFailure, "authentication", "start", "ssh_login", Outcome::Failure);
/// sshd writes nothing else about an attempt that PAM's account part refuses.
const ACCOUNT_DENIED: Kind = FAILED;
const INVALID_USER: Kind =
    Kind::new(Class::Other, "authentication", "info", "ssh_invalid_user", Outcome::Failure);
const MAX_ATTEMPTS: Kind =
    Kind::new(Class::Other, "authentication", "info", "ssh_max_attempts", Outcome::Failure);
const NOT_ALLOWED: Kind =
    Kind::new(Class::Other, "authentication", "info", "ssh_user_not_allowed", Outcome::Failure);
const KEY_REFUSED: Kind =
    Kind::new(Class::Other, "authentication", "info", "ssh_key_refused", Outcome::Failure);
const KEY_FOUND: Kind =
    Kind::new(Class::Other, "authentication", "info", "ssh_key_found", Outcome::Success);
const PAM_ERROR: Kind =
    Kind::new(Class::Other, "authentication", "info", "ssh_pam_error", Outcome::Failure);
const POSTPONED: Kind =
    Kind::new(Class::Other, "authentication", "info", "ssh_postponed", Outcome::Unknown);
const PARTIAL: Kind =
    Kind::new(Class::Other, "authentication", "info", "ssh_partial", Outcome::Unknown);
const DISCONNECTED: Kind =
    Kind::new(Class::Other, "network", "end", "ssh_disconnected", Outcome::Unknown);
/// A connection that ended before anybody was logged in.
const PREAUTH_END: Kind = Kind::new(
    Class::Other,
    "authentication network",
    "end",
    "ssh_preauth_disconnect",
    Outcome::Failure,
);
const CONNECTION: Kind =
    Kind::new(Class::Other, "network", "start", "ssh_connection", Outcome::Unknown);

/// Map the message of one line. `false`: nothing known; the event stays generic.
pub fn map(message: &str, event: &mut Event) -> bool {
    let trimmed = message.trim_end();
    let (text, preauth) = match trimmed.strip_suffix("[preauth]") {
        Some(text) => (text.trim_end(), true),
        None => (trimmed, false),
    };
    let (text, level) = strip_level(text);
    let known = known(text, level, preauth, event);
    if event.has(field::SOURCE_IP) || event.has(field::SOURCE_DOMAIN) {
        event.fill_str(field::NETWORK_PROTOCOL, "ssh");
    }
    known
}

fn known(text: &str, level: Level, preauth: bool, event: &mut Event) -> bool {
    if let Some(rest) = text.strip_prefix("Failed ") {
        return attempt(rest, &FAILED, event);
    }
    if let Some(rest) = text.strip_prefix("Accepted ")
        && !rest.starts_with("key ")
    {
        return accepted(rest, event);
    }
    logins(text, event)
        || keys(text, event)
        || connections(text, preauth, event)
        || protocol::map(text, event)
        || session::map(text, event)
        || (level != Level::Plain && protocol::other(text, level == Level::Error, event))
}

/// The word that some levels put before the message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Plain,
    Error,
    Debug,
}

fn strip_level(text: &str) -> (&str, Level) {
    for (word, level) in [
        ("error: ", Level::Error),
        ("fatal: ", Level::Error),
        ("info: ", Level::Plain),
        ("debug1: ", Level::Debug),
        ("debug2: ", Level::Debug),
        ("debug3: ", Level::Debug),
    ] {
        if let Some(rest) = text.strip_prefix(word) {
            return (rest, level);
        }
    }
    (text, Level::Plain)
}

/// `password for [invalid user ]NAME from ADDRESS port N ssh2[: KEY]`, read from the end.
fn attempt(rest: &str, kind: &Kind, event: &mut Event) -> bool {
    let Some((method, rest)) = rest.split_once(" for ") else { return false };
    if method.contains(' ') {
        return false;
    }
    let Some(peer) = Peer::from_end(rest) else { return false };
    let (name, unknown) = invalid_user(peer.before);
    // Whatever is asked of a user who does not exist leads nowhere.
    let outcome = if unknown { Outcome::Failure } else { kind.outcome };
    Kind { outcome, ..*kind }.set(event);
    set_method(method, event);
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
    for (prefix, kind) in [("Postponed ", &POSTPONED), ("Partial ", &PARTIAL)] {
        if let Some(rest) = text.strip_prefix(prefix) {
            return attempt(rest, kind, event);
        }
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
    if let Some(rest) = text.strip_prefix("Access denied for user ")
        && let Some((name, reason)) = rest.rsplit_once(" by ")
    {
        ACCOUNT_DENIED.set(event);
        user_name(event, name);
        event.push_str(field::EVENT_REASON, reason);
        return true;
    }
    if let Some(rest) = text.strip_prefix("ROOT LOGIN REFUSED FROM ") {
        NOT_ALLOWED.set(event);
        user_name(event, "root");
        address_and_port(rest, event);
        return true;
    }
    if let Some(rest) = text.strip_prefix("Disconnecting: Too many authentication failures") {
        MAX_ATTEMPTS.set(event);
        user_name(event, invalid_user(rest.strip_prefix(" for ").unwrap_or("")).0);
        return true;
    }
    text.starts_with("PAM service(sshd) ignoring max retries") && {
        MAX_ATTEMPTS.set(event);
        true
    }
}

/// Keys that were found, refused or are not good enough.
fn keys(text: &str, event: &mut Event) -> bool {
    if let Some(rest) = text.strip_prefix("Authentication tried for ") {
        KEY_REFUSED.set(event);
        let (name, reason) = rest.split_once(" with correct key").unwrap_or((rest, ""));
        user_name(event, name);
        let address = reason.rsplit_once("ip=").map_or("", |(_, rest)| rest);
        source_address(event, address.split([',', ')']).next().unwrap_or(""));
        event.push_str(field::EVENT_REASON, "not from a permitted host");
        return true;
    }
    if let Some(reason) = text.strip_prefix("Authentication refused: ") {
        KEY_REFUSED.set(event);
        set_reason(reason, event);
        if let Some((_, path)) = reason.split_once(" modes for ") {
            let path = path.split_once(' ').map_or(path, |(_, path)| path);
            event.push_str(field::FILE_PATH, path);
        }
        return true;
    }
    if let Some(rest) = text.strip_prefix("Accepted key ") {
        KEY_FOUND.set(event);
        let (key, path) = rest.split_once(" found at ").unwrap_or((rest, ""));
        set_key(key, event);
        if let Some((path, _line)) = path.rsplit_once(':') {
            event.push_str(field::FILE_PATH, path);
        }
        return true;
    }
    let refused = text.starts_with("userauth_pubkey: ")
        || text.starts_with("Certificate invalid: ")
        || text.starts_with("Refusing RSA key")
        || text.starts_with("Public key ") && text.contains(" revoked ");
    if refused {
        KEY_REFUSED.set(event);
        set_reason(text, event);
    }
    refused
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
        "Timeout before authentication for ",
        "Timeout, client not responding from ",
    ];
    // Of a host that is not known by then: `Disconnecting: bad client public DH value`.
    if let Some(reason) = text.strip_prefix("Disconnecting: ") {
        if preauth {
            PREAUTH_END.set(event)
        } else {
            DISCONNECTED.set(event)
        }
        set_reason(reason, event);
        return true;
    }
    if text.starts_with("Connection closed by remote host") {
        return false;
    }
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
    // Newer servers name both ends: `192.0.2.7 to 192.0.2.1, pid = 5`.
    let rest = rest
        .split_once(", pid = ")
        .map_or(rest, |(ends, _)| ends.split_once(" to ").map_or(ends, |(peer, _)| peer));
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
            // Some clients' words stand before the address.
            let last = address.rsplit(' ').next().unwrap_or(address);
            let known = last.parse::<std::net::IpAddr>().is_ok();
            source_address(event, if known { last } else { address });
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
#[path = "sshd/tests.rs"]
mod tests;
