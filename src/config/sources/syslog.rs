//! `type = "syslog"`: messages over UDP, TCP or TLS.

use crate::config::listen::Listen;
use crate::config::reader::Reader;

/// Datagrams that may wait for the path; what comes while they do is dropped and counted.
pub const UDP_QUEUE_MAX: u64 = 20_000;
/// What the system keeps of datagrams that were not read yet.
pub const UDP_RECEIVE_BUFFER: u64 = 8 << 20;

/// `type = "syslog"`.
#[derive(Clone, Debug, PartialEq)]
pub struct SyslogSource {
    /// Where, and the bounds of connections.
    pub listen: Listen,
    /// How.
    pub protocol: SyslogProtocol,
    /// UDP: datagrams that may wait.
    pub queue_max: usize,
    /// UDP: bytes that the system is asked to keep.
    pub receive_buffer: u64,
}

/// What syslog is carried by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SyslogProtocol {
    /// Datagrams (RFC 5426).
    Udp,
    /// Connections (RFC 6587).
    #[default]
    Tcp,
    /// Encrypted connections (RFC 5425).
    Tls,
}

/// Take the keys of a syslog source.
pub(super) fn read(reader: &mut Reader, index: usize) -> SyslogSource {
    let prefix = format!("sources[{index}]");
    let key = |name: &str| format!("{prefix}.{name}");
    let protocols =
        [("udp", SyslogProtocol::Udp), ("tcp", SyslogProtocol::Tcp), ("tls", SyslogProtocol::Tls)];
    let protocol = reader
        .choice(&key("protocol"), "tcp", &protocols, "What carries the messages: udp, tcp or tls.")
        .unwrap_or_default();
    let default = match protocol {
        SyslogProtocol::Tls => "127.0.0.1:6514",
        SyslogProtocol::Udp | SyslogProtocol::Tcp => "127.0.0.1:5514",
    };
    let listen = Listen::take(reader, &prefix, default);
    if protocol == SyslogProtocol::Tls && listen.tls.is_none() {
        let hint = "give tls_cert and tls_key, two files in PEM".to_owned();
        reader.complain(&key("protocol"), "tls needs a certificate and its key".to_owned(), hint);
    }
    if protocol != SyslogProtocol::Tls && listen.tls.is_some() {
        let hint = "write protocol = \"tls\", or take tls_cert and tls_key out".to_owned();
        reader.complain(
            &key("tls_cert"),
            "certificates are for protocol tls only".to_owned(),
            hint,
        );
    }
    let queue_max = reader.number(
        &key("queue_max"),
        UDP_QUEUE_MAX,
        1,
        "UDP: datagrams that may wait; what comes while they do is dropped and counted.",
    );
    SyslogSource {
        listen,
        protocol,
        queue_max: usize::try_from(queue_max).unwrap_or(usize::MAX),
        receive_buffer: reader.size(
            &key("receive_buffer"),
            UDP_RECEIVE_BUFFER,
            "UDP: what the system is asked to keep of datagrams not read yet.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let mut reader = Reader::default();
        reader.add_file(Path::new("w.toml"), &format!("[[sources]]\n{text}"));
        read(&mut reader, 0);
        reader.finish();
        reader.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn certificates_and_protocol_must_fit() {
        assert_eq!(problems("protocol = \"udp\"\n"), Vec::<String>::new());
        let all = problems("protocol = \"tls\"\n");
        assert_eq!(
            all,
            [
                "w.toml:2: sources[0].protocol: tls needs a certificate and its key (give tls_cert and tls_key, two files in PEM)"
            ]
        );
        let all = problems("protocol = \"tcp\"\ntls_cert = \"a\"\ntls_key = \"b\"\n");
        assert!(all.len() == 1 && all[0].starts_with("w.toml:3: "), "{all:?}");
    }
}
