//! What a failure event is: the one definition that the suites share.

use std::net::IpAddr;

use crate::model::class::Class;
use crate::model::event::Event;
use crate::scoreboard::feed::values;

/// Fields that may name who did it: addresses and names of the other side.
const PEERS: [&str; 7] = [
    "source.ip",
    "source.address",
    "source.domain",
    "client.ip",
    "client.address",
    "client.domain",
    "threat.indicator.ip",
];

/// Is this the report of something refused, failed or hostile? One of:
/// - `event.outcome` is `failure`, or the class is a failed log-on;
/// - `event.type` says `denied`;
/// - `event.category` says `intrusion_detection` or `threat`, or `event.kind` is `alert`: a sensor or a program accuses somebody.
pub fn is_failure(event: &Event) -> bool {
    let has = |name: &str, words: &[&str]| {
        values(event, name).iter().any(|value| words.contains(&value.as_str()))
    };
    event.class == Class::LogonFailure
        || has("event.outcome", &["failure"])
        || has("event.type", &["denied"])
        || has("event.category", &["intrusion_detection", "threat"])
        || has("event.kind", &["alert"])
}

/// Everything that names the other side.
pub fn peers(event: &Event) -> Vec<String> {
    let mut all: Vec<String> = PEERS.iter().flat_map(|name| values(event, name)).collect();
    all.sort();
    all.dedup();
    all
}

/// Do two texts name one peer? Addresses are compared as addresses, names without case.
pub fn same_peer(one: &str, two: &str) -> bool {
    match (address(one), address(two)) {
        (Some(one), Some(two)) => one == two,
        _ => one.trim_end_matches('.').eq_ignore_ascii_case(two.trim_end_matches('.')),
    }
}

/// An address without brackets, zone or the IPv4 mapping.
pub fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let bare = bare.split('%').next().unwrap_or(bare);
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}
