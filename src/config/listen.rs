//! Keys of sources that others connect to: the address, and what one peer may take of us.

use std::net::SocketAddr;
use std::time::Duration;

use crate::config::reader::Reader;
use crate::config::tls::ListenerTls;

/// Connections at once of one source.
pub const CONNECTIONS_MAX: u64 = 1_000;
/// Connections at once of one address.
pub const CONNECTIONS_PEER_MAX: u64 = 100;
/// A connection that says nothing for this long is closed.
pub const IDLE: Duration = Duration::from_secs(3_600);
/// A message that was begun must be there in this time.
pub const STALL: Duration = Duration::from_secs(60);

/// Where a source listens, and its bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Listen {
    /// The address and port.
    pub address: SocketAddr,
    /// TLS, if it is spoken.
    pub tls: Option<ListenerTls>,
    /// Connections at once; more are closed at once and counted.
    pub connections_max: usize,
    /// Of these, from one address.
    pub connections_peer_max: usize,
    /// How long a connection may say nothing.
    pub idle: Duration,
    /// How long a message may take from its first byte to its last.
    pub stall: Duration,
}

impl Listen {
    /// A listener without TLS and with every default.
    pub fn plain(address: SocketAddr) -> Listen {
        Listen {
            address,
            tls: None,
            connections_max: usize::try_from(CONNECTIONS_MAX).unwrap_or(usize::MAX),
            connections_peer_max: usize::try_from(CONNECTIONS_PEER_MAX).unwrap_or(usize::MAX),
            idle: IDLE,
            stall: STALL,
        }
    }

    /// Take `PREFIX.listen` and the keys that belong to it. `default`: the address if none is given.
    pub fn take(reader: &mut Reader, prefix: &str, default: &str) -> Listen {
        let key = |name: &str| format!("{prefix}.{name}");
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let address = address(reader, &key("listen"), default);
        Listen {
            address,
            tls: ListenerTls::take(reader, prefix),
            connections_max: count(reader.number(
                &key("connections_max"),
                CONNECTIONS_MAX,
                1,
                "Connections at once; more are closed at once and counted.",
            )),
            connections_peer_max: count(reader.number(
                &key("connections_peer_max"),
                CONNECTIONS_PEER_MAX,
                1,
                "Connections at once from one address.",
            )),
            idle: reader.duration(
                &key("idle"),
                IDLE,
                "A connection that says nothing for this long is closed.",
            ),
            stall: reader.duration(
                &key("stall"),
                STALL,
                "A message that was begun must be complete in this time.",
            ),
        }
    }
}

/// Take an address with a port.
pub fn address(reader: &mut Reader, key: &str, default: &str) -> SocketAddr {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let text = reader.text(key, default, "Address and port to listen on.");
    match text.parse() {
        Ok(address) => address,
        Err(_) => {
            let message = format!("{text:?} is no address with a port");
            reader.complain(key, message, format!("for example {default:?}"));
            nowhere
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::reader::Origin;

    #[test]
    fn an_address_without_a_port_is_refused_with_an_example() {
        let mut reader = Reader::default();
        reader.set("sources[0].listen", "\"127.0.0.1\"", Origin::Default);
        let listen = Listen::take(&mut reader, "sources[0]", "127.0.0.1:5514");
        assert_eq!(listen.address.port(), 0);
        assert_eq!(reader.problems.len(), 1);
        assert!(reader.problems[0].hint.contains("127.0.0.1:5514"));
    }
}
