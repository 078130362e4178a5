//! Addresses and ports by class.

use std::net::IpAddr;

use crate::infer::graph::{Facts, Flag, Slot, hash};
use crate::infer::shape::text::{Mask, collapse};

/// The class of an address.
pub fn class(text: &str) -> Flag {
    let Ok(address) = text.parse::<IpAddr>() else { return Flag::AddressNone };
    let address = address.to_canonical();
    if address.is_unspecified() {
        return Flag::AddressNone;
    }
    if address.is_loopback() {
        return Flag::AddressLoopback;
    }
    if address.is_multicast() {
        return Flag::AddressMulticast;
    }
    match address {
        IpAddr::V4(v4) if v4.is_broadcast() || v4.octets().last() == Some(&255) => {
            Flag::AddressMulticast
        }
        IpAddr::V4(v4) if v4.is_link_local() => Flag::AddressLink,
        IpAddr::V4(v4) => {
            let shared = matches!(v4.octets(), [100, second, _, _] if (64..128).contains(&second));
            if v4.is_private() || shared { Flag::AddressPrivate } else { Flag::AddressPublic }
        }
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Flag::AddressLink,
        IpAddr::V6(v6) if v6.is_unique_local() => Flag::AddressPrivate,
        IpAddr::V6(_) => Flag::AddressPublic,
    }
}

/// The class of a port.
pub fn port(port: u16) -> Flag {
    match port {
        80 | 443 | 8000 | 8008 | 8080 | 8443 | 8888 => Flag::PortWeb,
        22 | 23 | 3389 | 5900 | 5985 | 5986 | 623 => Flag::PortAdmin,
        137..=139 | 445 | 2049 | 20 | 21 | 873 => Flag::PortFile,
        135 | 111 | 593 => Flag::PortRpc,
        88 | 389 | 464 | 636 | 3268 | 3269 | 9389 => Flag::PortDirectory,
        53 | 67 | 68 | 123 | 1900 | 5353 | 5355 | 546 | 547 => Flag::PortName,
        1433 | 1521 | 3306 | 5432 | 5672 | 6379 | 9092 | 9200 | 11211 | 27017 => Flag::PortDatabase,
        0..=1023 => Flag::PortLow,
        32768.. => Flag::PortHigh,
        _ => Flag::PortOther,
    }
}

/// A far end: address and the port that a service has.
pub fn far_end(address: &str, number: u16, inbound: bool) -> Facts {
    let mut facts = Facts::default();
    let (class, port) = (class(address), port(number));
    facts.set(class);
    facts.set(port);
    facts.set(if inbound { Flag::Inbound } else { Flag::Outbound });
    // High ports are handed out by chance: the class is what they have in common.
    let exact = if port == Flag::PortHigh { 0 } else { number };
    let way = [class as u8, port as u8, u8::from(inbound)];
    facts.label = hash(&[b"net", &way, &exact.to_le_bytes()]);
    facts
}

/// A resolved name. The label counts its ending of two labels and its depth.
pub fn name(name: &str, failed: bool) -> Facts {
    let mut facts = Facts::default();
    facts.set(Flag::DnsName);
    facts.set_if(failed, Flag::DnsFailed);
    let mask = Mask::of(name);
    let labels: Vec<&str> = name.trim_end_matches('.').split('.').collect();
    facts.amount(Slot::DnsLabels, labels.len());
    facts.amount(Slot::NameLength, name.len());
    facts.share(Slot::NameDigits, mask.digits_share());
    facts.share(Slot::NameChanges, mask.changes_share());
    let longest = labels.iter().map(|label| label.len()).max().unwrap_or_default();
    facts.amount(Slot::TextLongestWord, longest);
    let end: Vec<String> = labels.iter().rev().take(2).map(|label| collapse(label)).collect();
    facts.label = hash(&[b"dns", end.join(".").as_bytes(), &[labels.len().min(8) as u8]]);
    facts
}
