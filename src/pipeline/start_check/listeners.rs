//! Two that listen in one place: the second cannot start.

use std::net::SocketAddr;

use crate::config::Config;
use crate::config::sources::{SourceKind, SyslogProtocol};
use crate::pipeline::start_check::{Finding, sources_here};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Tcp,
    Udp,
}

struct Listener {
    key: String,
    transport: Transport,
    address: SocketAddr,
}

pub(super) fn look(config: &Config, findings: &mut Vec<Finding>) {
    let all = listeners(config);
    for (at, one) in all.iter().enumerate() {
        let before = all
            .iter()
            .take(at)
            .find(|other| other.transport == one.transport && collide(other.address, one.address));
        if let Some(before) = before {
            let message = format!("{} is where {} listens", one.address, before.key);
            let hint = "every listener needs an address and port of its own";
            findings.push(Finding::stops(one.key.clone(), message, hint));
        }
    }
}

fn listeners(config: &Config) -> Vec<Listener> {
    let mut all = Vec::new();
    let mut add = |key: String, transport, address| all.push(Listener { key, transport, address });
    for (index, source) in sources_here(config) {
        let key = |name: &str| format!("sources[{index}].{name}");
        match &source.kind {
            SourceKind::Http(http) => {
                add(key("listen"), Transport::Tcp, http.listen);
                if let Some(address) = http.grpc_listen {
                    add(key("grpc_listen"), Transport::Tcp, address);
                }
            }
            SourceKind::Syslog(syslog) => {
                let transport = match syslog.protocol {
                    SyslogProtocol::Udp => Transport::Udp,
                    SyslogProtocol::Tcp | SyslogProtocol::Tls => Transport::Tcp,
                };
                add(key("listen"), transport, syslog.listen.address);
            }
            SourceKind::Relp(relp) => add(key("listen"), Transport::Tcp, relp.listen.address),
            SourceKind::Forward(forward) => {
                add(key("listen"), Transport::Tcp, forward.listen.address);
                if forward.heartbeat {
                    add(key("listen"), Transport::Udp, forward.listen.address);
                }
            }
            SourceKind::File(_)
            | SourceKind::Amqp(_)
            | SourceKind::Kafka(_)
            | SourceKind::Ssh(_)
            | SourceKind::Stdin
            | SourceKind::Journald(_) => {}
        }
    }
    if let Some(address) = config.metrics.listen {
        add("metrics.listen".to_owned(), Transport::Tcp, address);
    }
    all
}

/// The system gives one of two such addresses only. Port 0 is any that is free; all addresses of version 6 are those of
/// version 4 as well.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    if one.port() != other.port() || one.port() == 0 {
        return false;
    }
    let holds = |all: SocketAddr, it: SocketAddr| {
        all.ip().is_unspecified() && (all.is_ipv6() || it.is_ipv4())
    };
    one.ip() == other.ip() || holds(one, other) || holds(other, one)
}

#[cfg(test)]
mod tests {
    #[test]
    fn addresses_collide_when_the_system_would_refuse_the_second() {
        let collide = |one: &str, other: &str| {
            let [one, other] = [one, other].map(|text| text.parse().unwrap());
            assert_eq!(super::collide(one, other), super::collide(other, one));
            super::collide(one, other)
        };
        assert!(collide("127.0.0.1:1", "127.0.0.1:1"));
        assert!(collide("0.0.0.0:1", "127.0.0.1:1"));
        assert!(collide("[::]:1", "127.0.0.1:1"));
        assert!(collide("[::]:1", "0.0.0.0:1"));
        assert!(collide("[::]:1", "[::1]:1"));
        assert!(!collide("0.0.0.0:1", "[::1]:1"));
        assert!(!collide("127.0.0.1:1", "127.0.0.2:1"));
        assert!(!collide("127.0.0.1:1", "127.0.0.1:2"));
        assert!(!collide("127.0.0.1:0", "127.0.0.1:0"));
    }
}
