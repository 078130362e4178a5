//! Packets that a rule of the packet filter logs: iptables, nftables and UFW write them in one form.

use crate::model::class::Class;
use crate::model::event::{Event, Value};
use crate::model::field;
use crate::normalise::linux::kind::{Kind, Outcome, source_address, source_port};

const PACKET: Kind = Kind::new(Class::Other, "network", "info", "packet", Outcome::Unknown);
const ALLOWED: Kind =
    Kind::new(Class::Other, "network", "allowed", "packet_allowed", Outcome::Success);
const DENIED: Kind =
    Kind::new(Class::Other, "network", "denied", "packet_denied", Outcome::Failure);

const DENIALS: [&str; 5] = ["BLOCK", "DROP", "REJECT", "DENY", "DENIED"];
const PERMITS: [&str; 3] = ["ACCEPT", "ALLOW", "PASS"];

/// `[UFW BLOCK] IN=eth0 OUT= MAC=… SRC=… DST=… PROTO=TCP SPT=… DPT=…`. What the rule does is only in the words that its
/// author put in front.
pub fn map(text: &str, event: &mut Event) -> bool {
    if !text.contains(" SRC=") || !text.contains(" DST=") {
        return false;
    }
    let start = if text.starts_with("IN=") { Some(0) } else { text.find(" IN=").map(|at| at + 1) };
    let Some(start) = start.or_else(|| text.find("IN=")) else { return false };
    let (label, parts) = text.split_at_checked(start).unwrap_or(("", text));
    let label = label.trim().trim_matches(['[', ']', ':']);
    let upper = label.to_ascii_uppercase();
    let says = |words: &[&str]| words.iter().any(|word| upper.contains(word));
    if says(&DENIALS) {
        DENIED.set(event);
    } else if says(&PERMITS) {
        ALLOWED.set(event);
    } else {
        PACKET.set(event);
    }
    if !label.is_empty() {
        event.push_str(field::RULE_NAME, label);
    }
    // An ICMP error holds the head of the packet it is about, in brackets.
    let own = parts.split_once(" [SRC=").map_or(parts, |(own, _)| own);
    fields(own, event);
    true
}

fn fields(parts: &str, event: &mut Event) {
    let (mut inward, mut outward) = (false, false);
    for part in parts.split(' ') {
        let Some((key, value)) = part.split_once('=').filter(|(_, value)| !value.is_empty()) else {
            continue;
        };
        match key {
            "IN" => {
                inward = true;
                event.push_named("observer.ingress.interface.name", Value::Str(value));
            }
            "OUT" => {
                outward = true;
                event.push_named("observer.egress.interface.name", Value::Str(value));
            }
            "MAC" => hardware(value, event),
            "SRC" => source_address(event, value),
            "DST" => {
                event.push_ip(field::DESTINATION_IP, value);
            }
            "SPT" => source_port(event, value),
            "DPT" => port(value, event),
            "LEN" => bytes(value, event),
            "PROTO" => protocol(value, event),
            "TYPE" => event.push_named("icmp.type", Value::Str(value)),
            "CODE" => event.push_named("icmp.code", Value::Str(value)),
            _ => {}
        }
    }
    match (inward, outward) {
        (true, false) => event.push_str(field::NETWORK_DIRECTION, "inbound"),
        (false, true) => event.push_str(field::NETWORK_DIRECTION, "outbound"),
        // Forwarded: neither from nor for this host.
        _ => {}
    }
}

fn port(text: &str, event: &mut Event) {
    if let Ok(port) = text.parse::<u16>() {
        event.push_int(field::DESTINATION_PORT, i64::from(port));
    }
}

/// The first length is the packet's, a later one that of its UDP part.
fn bytes(text: &str, event: &mut Event) {
    let Some(known) = field::FieldId::intern("network.bytes") else { return };
    if let Some(length) = text.parse::<u32>().ok().filter(|_| !event.has(known)) {
        event.push_int(known, i64::from(length));
    }
}

fn protocol(text: &str, event: &mut Event) {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return event.push_named("network.iana_number", Value::Str(text));
    }
    let name = text.to_ascii_lowercase();
    event.push_str(field::NETWORK_TRANSPORT, if name == "icmpv6" { "ipv6-icmp" } else { &name });
}

/// Destination, source (six bytes each) and the type of what is inside.
fn hardware(text: &str, event: &mut Event) {
    const ADDRESS_BYTES: usize = 6;
    let bytes: Vec<&str> = text.split(':').collect();
    if bytes.len() != 2 * ADDRESS_BYTES + 2 || bytes.iter().any(|byte| byte.len() != 2) {
        return;
    }
    let (destination, rest) = bytes.split_at_checked(ADDRESS_BYTES).unwrap_or((&[], &[]));
    let (source, _) = rest.split_at_checked(ADDRESS_BYTES).unwrap_or((&[], &[]));
    for (name, address) in [("destination.mac", destination), ("source.mac", source)] {
        event.push_named(name, Value::Str(&address.join("-").to_ascii_uppercase()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(text: &str) -> Event {
        let mut event = Event::default();
        assert!(map(text, &mut event), "{text}");
        event
    }

    fn shown(event: &Event, name: &str) -> Option<String> {
        let value = event.get(field::FieldId::intern(name).unwrap())?;
        Some(value.to_text().into_owned())
    }

    #[test]
    fn a_packet_with_everything() {
        let event = mapped(
            "[UFW BLOCK] IN=eth0 OUT= MAC=00:11:22:33:44:55:66:77:88:99:aa:bb:08:00 SRC=192.0.2.1 DST=192.0.2.2 LEN=103 TOS=0x00 TTL=52 PROTO=UDP SPT=53 DPT=36427 LEN=83",
        );
        for (name, value) in [
            ("event.action", "packet_denied"),
            ("event.type", "denied"),
            ("rule.name", "UFW BLOCK"),
            ("source.ip", "192.0.2.1"),
            ("source.port", "53"),
            ("source.mac", "66-77-88-99-AA-BB"),
            ("destination.ip", "192.0.2.2"),
            ("destination.port", "36427"),
            ("destination.mac", "00-11-22-33-44-55"),
            ("network.transport", "udp"),
            ("network.bytes", "103"),
            ("network.direction", "inbound"),
            ("observer.ingress.interface.name", "eth0"),
        ] {
            assert_eq!(shown(&event, name).as_deref(), Some(value), "{name}");
        }
    }

    #[test]
    fn labels_forwarding_and_packets_in_packets() {
        let event = mapped(
            "CHAIN-FWD ACCEPT IN=br0 OUT=eth0 SRC=192.0.2.1 DST=198.51.100.1 PROTO=ICMPv6 TYPE=3 CODE=1 [SRC=203.0.113.9 DST=203.0.113.8 PROTO=TCP SPT=1 DPT=2 ]",
        );
        assert_eq!(shown(&event, "event.action").as_deref(), Some("packet_allowed"));
        assert_eq!(shown(&event, "rule.name").as_deref(), Some("CHAIN-FWD ACCEPT"));
        assert_eq!(shown(&event, "network.direction"), None);
        assert_eq!(shown(&event, "network.transport").as_deref(), Some("ipv6-icmp"));
        assert_eq!(event.all(field::DESTINATION_IP).count(), 1);
        assert_eq!(shown(&event, "destination.port"), None);
        let event = mapped("DROP(src wan)IN=eth0 OUT= SRC=192.0.2.1 DST=192.0.2.2 PROTO=2");
        assert_eq!(shown(&event, "rule.name").as_deref(), Some("DROP(src wan)"));
        assert_eq!(shown(&event, "network.iana_number").as_deref(), Some("2"));
        assert!(!map("IN=eth0 OUT= no addresses", &mut Event::default()));
    }
}
