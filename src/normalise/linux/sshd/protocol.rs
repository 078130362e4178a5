//! What sshd writes about connections that never become a login: probes, broken protocol, throttling, its own errors.

use crate::model::class::Class;
use crate::model::event::Event;
use crate::model::field;
use crate::normalise::linux::kind::{Kind, Outcome, source_address, source_port};
use crate::normalise::linux::sshd::{Peer, address_and_port, set_reason};

const PROBE: Kind =
    Kind::new(Class::Other, "network", "protocol", "ssh_protocol_error", Outcome::Failure);
const REVERSE_LOOKUP: Kind =
    Kind::new(Class::Other, "network", "info", "ssh_reverse_lookup_mismatch", Outcome::Failure);
const REFUSED: Kind =
    Kind::new(Class::Other, "network", "denied", "ssh_connection_refused", Outcome::Failure);
const DROPPED: Kind =
    Kind::new(Class::Other, "network", "denied", "ssh_connection_dropped", Outcome::Failure);
const LISTENING: Kind =
    Kind::new(Class::Other, "process", "start", "ssh_listening", Outcome::Unknown);
const STOPPED: Kind = Kind::new(Class::Other, "process", "end", "ssh_stopped", Outcome::Unknown);
const FORWARD: Kind =
    Kind::new(Class::Other, "network", "connection", "ssh_forward", Outcome::Failure);
const ERROR: Kind = Kind::new(Class::Other, "process", "info", "ssh_error", Outcome::Failure);
const DEBUG: Kind = Kind::new(Class::Other, "process", "info", "ssh_debug", Outcome::Unknown);

/// Map a message without its level.
pub fn map(text: &str, event: &mut Event) -> bool {
    probes(text, event) || lookups(text, event) || refusals(text, event) || server(text, event)
}

/// Lines with a level's word that nobody else knows: errors, and whatever debugging says.
pub fn other(text: &str, is_error: bool, event: &mut Event) -> bool {
    let failed = text.contains("fail") || text.contains("error");
    match (is_error, failed) {
        (true, _) => ERROR.set(event),
        (false, true) => Kind { outcome: Outcome::Failure, ..DEBUG }.set(event),
        (false, false) => DEBUG.set(event),
    }
    set_reason(text, event);
    true
}

fn probes(text: &str, event: &mut Event) -> bool {
    for prefix in [
        "Did not receive identification string from ",
        "Unable to negotiate with ",
        "banner exchange: Connection from ",
        "ssh_dispatch_run_fatal: Connection from ",
        "Connection closed by remote host ",
        "Read error from remote host ",
        "packet_write_wait: Connection to ",
        "scanned from ",
        "Protocol major versions differ for ",
    ] {
        if let Some(rest) = text.strip_prefix(prefix) {
            PROBE.set(event);
            // An old server writes no port, and then the reason after a colon.
            let rest = rest.split_once(" with SSH-").map_or(rest, |(peer, _)| peer);
            address_and_port(rest, event);
            return true;
        }
    }
    // The client's words come before its address.
    for prefix in [
        "Bad protocol version identification ",
        "Bad remote protocol version identification",
        "Protocol major versions differ",
        "Magic value check failed ",
    ] {
        if text.starts_with(prefix) {
            PROBE.set(event);
            if let Some(peer) = Peer::from_end(text).or_else(|| Peer::without_port(text)) {
                peer.set(event);
            }
            return true;
        }
    }
    let known = [
        "kex_exchange_identification",
        "kex_protocol_error",
        "ssh_dispatch_run_fatal",
        "Unable to negotiate a key exchange method",
        "Corrupted ",
        "Bad packet length ",
        "Packet corrupt",
        "padding error",
        "bad client public DH value",
        "message authentication code incorrect",
        "Read from socket failed",
        "Write failed",
        "Connection closed by remote host",
        "no matching ",
        "could not read protocol version",
        "banner line contains invalid characters",
        "No supported key exchange algorithms",
        "no hostkey alg",
    ]
    .iter()
    .any(|prefix| text.starts_with(prefix));
    if known {
        PROBE.set(event);
        set_reason(text, event);
    }
    known
}

/// `reverse mapping checking getaddrinfo for NAME [ADDRESS] failed - POSSIBLE BREAK-IN ATTEMPT!` and
/// `Address ADDRESS maps to NAME, but this does not map back to the address - POSSIBLE BREAK-IN ATTEMPT!`.
fn lookups(text: &str, event: &mut Event) -> bool {
    if let Some(rest) = text.strip_prefix("Nasty PTR record ") {
        REVERSE_LOOKUP.set(event);
        let address = rest.rsplit_once(" is set up for ").map_or("", |(_, rest)| rest);
        source_address(event, address.split(',').next().unwrap_or(""));
        return true;
    }
    if !text.contains("POSSIBLE BREAK") && !text.contains("does not map back") {
        return false;
    }
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

fn refusals(text: &str, event: &mut Event) -> bool {
    if let Some(rest) = text.strip_prefix("refused connect from ") {
        REFUSED.set(event);
        let inner = rest.rsplit_once('(').map_or(rest, |(_, inner)| inner.trim_end_matches(')'));
        source_address(event, inner);
        return true;
    }
    // `drop connection #10 from [192.0.2.7]:5000 on [192.0.2.1]:22 past MaxStartups`.
    if let Some(rest) = text.strip_prefix("drop connection #") {
        DROPPED.set(event);
        let (ends, reason) = rest.split_once("] on [").unwrap_or((rest, ""));
        let peer = ends.split_once(" from [").map_or("", |(_, peer)| peer);
        let (address, port) = rest
            .split_once(" from [")
            .and_then(|(_, peer)| peer.split_once(" on ").map(|(peer, _)| peer))
            .and_then(|peer| peer.rsplit_once("]:"))
            .unwrap_or((peer, ""));
        source_address(event, address);
        source_port(event, port);
        let reason = if reason.is_empty() { rest } else { reason };
        let why = reason.find("past ").or_else(|| reason.find("penalty"));
        set_reason(why.and_then(|at| reason.get(at..)).unwrap_or(""), event);
        return true;
    }
    let throttled = text.starts_with("beginning MaxStartups throttling")
        || text.starts_with("exited MaxStartups throttling")
        || text.starts_with("srclimit_penalise: ");
    if throttled {
        DROPPED.set(event);
        set_reason(text, event);
        if let Some((_, rest)) = text.split_once("new ") {
            source_address(event, rest.split(['/', ' ']).next().unwrap_or(""));
        }
        return true;
    }
    // Forwarded connections that the server could not make or may not make.
    let forward = text.starts_with("connect_to ")
        || text.starts_with("refused local port forward")
        || text.starts_with("refused streamlocal port forward")
        || text.starts_with("Received request from ")
            && text.contains("but the request was denied")
        || text.starts_with("channel ") && text.contains("connection failed")
        || text.starts_with("server_input_channel_open: failure");
    if forward {
        FORWARD.set(event);
        set_reason(text, event);
        if let Some(rest) = text.strip_prefix("connect_to ") {
            let (host, rest) = rest.split_once(" port ").unwrap_or((rest, ""));
            let host = host.trim_end_matches(':');
            if !event.push_ip(field::DESTINATION_IP, host) {
                event.push_str(field::DESTINATION_DOMAIN, host);
            }
            let end = rest.bytes().take_while(u8::is_ascii_digit).count();
            if let Some(port) = rest.get(..end).and_then(|port| port.parse::<u16>().ok()) {
                event.push_int(field::DESTINATION_PORT, i64::from(port));
            }
        }
    }
    forward
}

fn server(text: &str, event: &mut Event) -> bool {
    if let Some(rest) = text.strip_prefix("Server listening on ") {
        LISTENING.set(event);
        let rest = rest.trim_end_matches('.');
        let (address, port) = rest.split_once(" port ").unwrap_or((rest, ""));
        event.push_ip(field::SERVER_IP, address);
        if let Ok(port) = port.parse::<u16>() {
            event.push_int(field::SERVER_PORT, i64::from(port));
        }
        return true;
    }
    let stopped = text.starts_with("Received signal ")
        || text.starts_with("Received SIGHUP")
        || text.starts_with("Exiting on signal ");
    if stopped {
        STOPPED.set(event);
        set_reason(text, event);
    }
    stopped
}
