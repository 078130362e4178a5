//! `saddr=`: a socket address as the bytes of its C structure, hexadecimal, in the recording machine's (little-endian) order.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A decoded socket address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketAddress {
    /// IPv4 with port.
    V4(Ipv4Addr, u16),
    /// IPv6 with port.
    V6(Ipv6Addr, u16),
    /// A path; an abstract name begins with `@`.
    Unix(String),
    /// Netlink, with the port id of the peer.
    Netlink(u32),
    /// Another family.
    Other(u16),
}

impl SocketAddress {
    /// The family's name.
    pub fn family(&self) -> String {
        match self {
            SocketAddress::V4(..) => "ipv4".to_owned(),
            SocketAddress::V6(..) => "ipv6".to_owned(),
            SocketAddress::Unix(_) => "unix".to_owned(),
            SocketAddress::Netlink(_) => "netlink".to_owned(),
            SocketAddress::Other(0) => "unspecified".to_owned(),
            SocketAddress::Other(17) => "packet".to_owned(),
            SocketAddress::Other(38) => "alg".to_owned(),
            SocketAddress::Other(40) => "vsock".to_owned(),
            SocketAddress::Other(number) => number.to_string(),
        }
    }
}

/// Decode the value of `saddr=`. `None`: not hexadecimal or too short for its family.
pub fn decode(hex: &str) -> Option<SocketAddress> {
    let bytes = unhex(hex)?;
    let family = u16::from_le_bytes(bytes.get(..2)?.try_into().ok()?);
    let port = || Some(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?));
    match family {
        1 => Some(SocketAddress::Unix(unix_path(bytes.get(2..)?))),
        2 => {
            let octets: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
            Some(SocketAddress::V4(Ipv4Addr::from(octets), port()?))
        }
        10 => {
            let octets: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
            Some(SocketAddress::V6(Ipv6Addr::from(octets), port()?))
        }
        16 => {
            let id: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
            Some(SocketAddress::Netlink(u32::from_le_bytes(id)))
        }
        other => Some(SocketAddress::Other(other)),
    }
}

/// A path ends at the first zero byte; an abstract name begins with one.
fn unix_path(bytes: &[u8]) -> String {
    let (prefix, name) = match bytes.split_first() {
        Some((0, rest)) if rest.first().is_some_and(|byte| *byte != 0) => ("@", rest),
        _ => ("", bytes),
    };
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    format!("{prefix}{}", String::from_utf8_lossy(name))
}

/// Bytes of a hexadecimal text; `None` if it is none (odd length, other characters, empty).
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(2) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 2);
    for pair in text.as_bytes().chunks_exact(2) {
        let [high, low] = pair else { return None };
        bytes.push(digit(*high)? << 4 | digit(*low)?);
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families() {
        let v4 = decode("02000050A9FEA9FE0000000000000000").unwrap();
        assert_eq!(v4, SocketAddress::V4(Ipv4Addr::new(169, 254, 169, 254), 80));
        let v6 = decode("0A000016000000000000000000000000000000000000000100000000").unwrap();
        assert_eq!(v6, SocketAddress::V6(Ipv6Addr::LOCALHOST, 22));
        assert_eq!(decode("01002F746D702F7800FF"), Some(SocketAddress::Unix("/tmp/x".to_owned())));
        assert_eq!(decode("0100007878"), Some(SocketAddress::Unix("@xx".to_owned())));
        assert_eq!(decode("100000000000000000000000"), Some(SocketAddress::Netlink(0)));
        assert_eq!(decode("0200"), None);
        assert_eq!(decode("xyz"), None);
        assert_eq!(decode("00"), None);
    }
}
