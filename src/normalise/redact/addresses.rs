//! Network addresses cut to their network, as values and within texts: /24 of IPv4, /64 of IPv6. Addresses that say
//! nothing about a place (loopback, unspecified, broadcast) stay.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The longest written address, with a port.
const WRITTEN_BYTES_MAX: usize = 64;
/// What the name of an address asked backwards ends with.
const BACKWARDS: &str = ".in-addr.arpa";

/// A text with its addresses truncated, and how many; `None`: it holds none that is to be.
pub fn truncate(text: &str) -> Option<(String, u64)> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let (mut at, mut copied, mut count) = (0, 0, 0);
    while let Some(start) = next_run(bytes, at) {
        let end = end_of_run(bytes, start);
        at = end;
        if end - start > WRITTEN_BYTES_MAX {
            continue;
        }
        for (from, to, fresh) in addresses(text, start, end) {
            out.push_str(text.get(copied..from).unwrap_or_default());
            out.push_str(&fresh);
            copied = to;
            count += 1;
        }
    }
    if count == 0 {
        return None;
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Some((out, count))
}

fn is_part(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':')
}

fn next_run(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.iter().position(|byte| is_part(*byte)).map(|at| from + at)
}

fn end_of_run(bytes: &[u8], start: usize) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    start + rest.iter().take_while(|byte| is_part(**byte)).count()
}

/// The addresses in one run of characters of which addresses consist: one of IPv6, or some of IPv4 between colons.
fn addresses(text: &str, start: usize, end: usize) -> Vec<(usize, usize, String)> {
    let run = text.get(start..end).unwrap_or_default();
    let before = text.get(..start).and_then(|before| before.chars().next_back());
    let after = text.get(end..).unwrap_or_default();
    let joined = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let (joined_before, joined_after) = (joined(before), joined(after.chars().next()));
    if !joined_before && !joined_after && run.bytes().filter(|byte| *byte == b':').count() >= 2 {
        let bare = run.trim_end_matches('.');
        let bare = if bare.ends_with("::") { bare } else { bare.trim_end_matches(':') };
        if let Some(fresh) = truncate_v6(bare) {
            return fresh.map(|fresh| (start, start + bare.len(), fresh)).into_iter().collect();
        }
    }
    let mut found = Vec::new();
    let mut from = start;
    for piece in run.split(':') {
        let to = from + piece.len();
        let alone_before = from > start || !joined_before;
        let alone_after = to < end || !joined_after;
        let lead = piece.len() - piece.trim_start_matches('.').len();
        let bare = piece.trim_matches('.');
        let backwards = to == end
            && text
                .get(from + lead + bare.len()..)
                .and_then(|rest| rest.get(..BACKWARDS.len()))
                .is_some_and(|rest| rest.eq_ignore_ascii_case(BACKWARDS));
        if alone_before
            && (alone_after || backwards)
            && lead == 0
            && let Some(fresh) = truncate_v4(bare, backwards)
        {
            found.push((from, from + bare.len(), fresh));
        }
        from = to + 1;
    }
    found
}

/// `None`: no such address, or one that stays.
fn truncate_v4(text: &str, backwards: bool) -> Option<String> {
    if text.len() < 7 {
        return None;
    }
    let address: Ipv4Addr = text.parse().ok()?;
    let [a, b, c, d] = address.octets();
    if backwards {
        return (a != 0).then(|| Ipv4Addr::new(0, b, c, d).to_string());
    }
    let stays = address.is_loopback() || address.is_unspecified() || a == 255 || d == 0;
    (!stays).then(|| Ipv4Addr::new(a, b, c, 0).to_string())
}

/// `None`: no such address; `Some(None)`: one that stays.
fn truncate_v6(text: &str) -> Option<Option<String>> {
    // Fingerprints and names of hardware are written in twos, names of code have no digit.
    let groups = text.split(':');
    let looks = text.contains("::") || groups.clone().any(|group| group.len() > 2);
    if !looks || !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let address: Ipv6Addr = text.parse().ok()?;
    if let Some(mapped) = address.to_ipv4_mapped() {
        return Some(truncate_v4(&mapped.to_string(), false).map(|v4| format!("::ffff:{v4}")));
    }
    let [a, b, c, d, rest @ ..] = address.segments();
    let stays = address.is_loopback() || address.is_unspecified() || rest == [0; 4];
    Some((!stays).then(|| Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).to_string()))
}

/// The same for a socket address as the audit system writes it, in hexadecimal; `None`: it stays.
pub fn truncate_socket(hex: &str) -> Option<String> {
    let host = match hex.get(..4)? {
        "0200" => 14..16,
        "0A00" => 32..48,
        _ => return None,
    };
    let part = hex.get(host.clone()).filter(|part| part.bytes().any(|byte| byte != b'0'))?;
    let loopback = hex.get(8..10) == Some("7F") && host.start == 14
        || host.start == 32 && hex.get(16..48)?.trim_start_matches('0') == "1";
    let zeros = "0".repeat(part.len());
    (!loopback).then(|| {
        format!(
            "{}{zeros}{}",
            &hex.get(..host.start).unwrap_or_default(),
            hex.get(host.end..).unwrap_or_default()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(text: &str) -> String {
        truncate(text).map_or_else(|| text.to_owned(), |(text, _)| text)
    }

    #[test]
    fn addresses_lose_their_host() {
        for (text, expected) in [
            ("192.0.2.57", "192.0.2.0"),
            ("from 192.0.2.57 port 22", "from 192.0.2.0 port 22"),
            ("192.0.2.57:443", "192.0.2.0:443"),
            ("inside:192.0.2.57/443", "inside:192.0.2.0/443"),
            ("10.1.2.3-10.1.2.9,", "10.1.2.0-10.1.2.0,"),
            ("dead:192.0.2.57", "dead:192.0.2.0"),
            ("ended by 192.0.2.57.", "ended by 192.0.2.0."),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("[2001:db8:1:2::9]:443", "[2001:db8:1:2::]:443"),
            ("fe80::1%eth0", "fe80::%eth0"),
            ("::ffff:192.0.2.57", "::ffff:192.0.2.0"),
            ("http://192.0.2.57/x", "http://192.0.2.0/x"),
            ("57.2.0.192.in-addr.arpa", "0.2.0.192.in-addr.arpa"),
            ("\"ip\":\"192.0.2.57\"", "\"ip\":\"192.0.2.0\""),
        ] {
            assert_eq!(cut(text), expected, "{text}");
        }
        assert_eq!(truncate("192.0.2.1 192.0.2.2").unwrap().1, 2);
    }

    #[test]
    fn what_is_no_address_of_a_host_stays() {
        for text in [
            "127.0.0.1 ::1 0.0.0.0 :: 255.255.255.255 192.0.2.0",
            "12:34:56 2020-09-04T11:26:18.123Z",
            "v1.2.3.4 1.2.3.4.5 10.0.19041.1 1.3.6.1.4.1.311",
            "00:50:56:ab:cd:ef 50:06:01:60:3b:a0:11:22",
            "std::vec a::b Foo::Bad cafe::add",
            "{12345678-1234-1234-1234-123456789012}",
            "2001:db8:1:2::",
        ] {
            assert_eq!(cut(text), text);
        }
    }

    #[test]
    fn sockets_in_hexadecimal() {
        let v4 = "02000035C0000239".to_owned() + "0000000000000000";
        assert_eq!(truncate_socket(&v4).unwrap(), "02000035C00002000000000000000000");
        let v6 = "0A00003500000000".to_owned() + "20010DB8000100020003000400050006" + "00000000";
        let cut = "0A00003500000000".to_owned() + "20010DB8000100020000000000000000" + "00000000";
        assert_eq!(truncate_socket(&v6).unwrap(), cut);
        assert_eq!(truncate_socket("020000357F0000010000000000000000"), None);
        assert_eq!(truncate_socket("01002F72756E"), None);
        assert_eq!(truncate_socket("02"), None);
    }

    proptest! {
        #[test]
        fn twice_is_once(text in "([0-9]{1,3}|[0-9a-f]{1,4}|[.:]|::| |\\PC|192\\.0\\.2\\.57){0,30}") {
            let once = cut(&text);
            prop_assert_eq!(cut(&once), once);
        }

        #[test]
        fn every_address_loses_its_host(address: u32, six: u128, before in "[ =\\[\"(]?", after in "[ \\]\",)]?") {
            let address = Ipv4Addr::from(address);
            let text = format!("{before}{address}{after}");
            let [a, b, c, d] = address.octets();
            if a != 127 && a != 255 && d != 0 {
                prop_assert_eq!(cut(&text), format!("{before}{a}.{b}.{c}.0{after}"));
            }
            let six = Ipv6Addr::from(six);
            let [a, b, c, d, ..] = six.segments();
            let text = format!("{before}{six}{after}");
            prop_assume!(a > 0xff && six.to_string().bytes().any(|byte| byte.is_ascii_digit()));
            let network = Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0);
            prop_assert_eq!(cut(&text), format!("{before}{network}{after}"));
        }
    }
}
