//! `type = "http"`: a listener that others send to, by HTTP or gRPC.

use std::net::SocketAddr;
use std::time::Duration;

use crate::config::reader::Reader;
use crate::config::secret::SecretRef;
use crate::config::tls::ListenerTls;

/// `type = "http"`.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpSource {
    /// Where it listens.
    pub listen: SocketAddr,
    /// A second address for the same: collectors expect gRPC on a port of its own.
    pub grpc_listen: Option<SocketAddr>,
    /// Certificates; `None`: no TLS.
    pub tls: Option<ListenerTls>,
    /// Who sends must show a key.
    pub keys: bool,
    /// Requests must be signed with this.
    pub hmac_secret: Option<SecretRef>,
    /// How far the time of a signature may be from ours.
    pub signature_window: Duration,
    /// Bytes of a body as it is sent.
    pub body_bytes_max: usize,
    /// Bytes of a body when it is unpacked.
    pub unpacked_bytes_max: usize,
    /// Bytes of all bodies in work.
    pub memory_max: usize,
    /// Requests in work.
    pub requests_max: usize,
    /// Open connections.
    pub connections_max: usize,
    /// How long a client may take to send a body, or to say what it wants.
    pub read_timeout: Duration,
    /// How long a request waits for its commit.
    pub ack_timeout: Duration,
    /// Requests in a second; 0: as many as come.
    pub requests_per_second: u64,
    /// Requests that may come at once.
    pub requests_burst: u64,
    /// Unpacked bytes in a second; 0: as many as come.
    pub bytes_per_second: u64,
    /// Unpacked bytes that may come at once.
    pub bytes_burst: u64,
}

impl Default for HttpSource {
    fn default() -> HttpSource {
        HttpSource {
            listen: SocketAddr::from(([127, 0, 0, 1], 8088)),
            grpc_listen: None,
            tls: None,
            keys: true,
            hmac_secret: None,
            signature_window: Duration::from_secs(300),
            body_bytes_max: 16 << 20,
            unpacked_bytes_max: 64 << 20,
            memory_max: 256 << 20,
            requests_max: 64,
            connections_max: 512,
            read_timeout: Duration::from_secs(30),
            ack_timeout: Duration::from_secs(30),
            requests_per_second: 0,
            requests_burst: 100,
            bytes_per_second: 0,
            bytes_burst: 64 << 20,
        }
    }
}

/// Take the keys of an HTTP source.
pub(super) fn read(reader: &mut Reader, index: usize) -> HttpSource {
    let prefix = format!("sources[{index}]");
    let key = |name: &str| format!("{prefix}.{name}");
    let mut source = HttpSource::default();
    let doc = "The address that the source listens on.";
    let listen = reader.text(&key("listen"), &source.listen.to_string(), doc);
    source.listen = address(reader, &key("listen"), &listen).unwrap_or(source.listen);
    let doc = "A second address for the same, because collectors expect gRPC on a port of its own (4317).";
    let grpc = reader.optional_text(&key("grpc_listen"), doc);
    source.grpc_listen = grpc.and_then(|text| address(reader, &key("grpc_listen"), &text));
    source.tls = ListenerTls::take(reader, &prefix);
    let auth = [("key", true), ("none", false)];
    let doc = "`key`: who sends shows a key of `watchfloor keys create`; `none`: anybody on this machine may send.";
    source.keys = reader.choice(&key("auth"), "key", &auth, doc).unwrap_or(true);
    source.hmac_secret = SecretRef::take(
        reader,
        (&key("hmac_secret"), &key("hmac_secret.env"), &key("hmac_secret.file")),
        (
            "The environment variable with the secret that every request must be signed with.",
            "The file with the secret that every request must be signed with.",
        ),
    );
    source.signature_window = reader.duration(
        &key("signature_window"),
        source.signature_window,
        "How far the time of a signature may be from this machine's.",
    );
    limits(reader, &key, &mut source);
    rates(reader, &key, &mut source);
    refuse_open_doors(reader, &key, &source);
    source
}

fn limits(reader: &mut Reader, key: &dyn Fn(&str) -> String, source: &mut HttpSource) {
    let size = |reader: &mut Reader, name: &str, into: &mut usize, doc: &'static str| {
        let bytes = reader.size(&key(name), *into as u64, doc);
        *into = usize::try_from(bytes).unwrap_or(usize::MAX).max(1);
    };
    let count = |reader: &mut Reader, name: &str, into: &mut usize, doc: &'static str| {
        let number = reader.number(&key(name), *into as u64, 1, doc);
        *into = usize::try_from(number).unwrap_or(usize::MAX);
    };
    let doc = "A longer body is refused with 413.";
    size(reader, "body_bytes_max", &mut source.body_bytes_max, doc);
    let doc = "A body that is longer when it is unpacked is refused with 413.";
    size(reader, "unpacked_bytes_max", &mut source.unpacked_bytes_max, doc);
    let doc = "Bytes of all bodies in work; over it requests are refused with 503.";
    size(reader, "memory_max", &mut source.memory_max, doc);
    let doc = "Requests in work; more are refused with 503.";
    count(reader, "requests_max", &mut source.requests_max, doc);
    let doc = "Open connections; more wait until one is closed.";
    count(reader, "connections_max", &mut source.connections_max, doc);
    let doc = "How long a client may take to send a head or a body; then it is refused with 408.";
    source.read_timeout = reader.duration(&key("read_timeout"), source.read_timeout, doc);
    let doc = "How long a request waits for its commit; then it is refused with 503, and the client sends it again.";
    source.ack_timeout = reader.duration(&key("ack_timeout"), source.ack_timeout, doc);
    // A body, what it unpacks to, and the records that are copied out of that.
    let one = source.unpacked_bytes_max.saturating_mul(2).saturating_add(source.body_bytes_max);
    if source.memory_max < one {
        let message = "one body of the allowed size would not fit".to_owned();
        let hint = "at least body_bytes_max and twice unpacked_bytes_max".to_owned();
        reader.complain(&key("memory_max"), message, hint);
    }
}

fn rates(reader: &mut Reader, key: &dyn Fn(&str) -> String, source: &mut HttpSource) {
    let doc = "Requests in a second, on average; more are refused with 429. 0: as many as come.";
    source.requests_per_second = reader.number(&key("requests_per_second"), 0, 0, doc);
    let doc = "Requests that may come at once under requests_per_second.";
    source.requests_burst = reader.number(&key("requests_burst"), source.requests_burst, 1, doc);
    let doc =
        "Unpacked bytes in a second, on average; more are refused with 429. 0: as many as come.";
    source.bytes_per_second = reader.size(&key("bytes_per_second"), 0, doc);
    let doc = "Unpacked bytes that may come at once under bytes_per_second.";
    source.bytes_burst = reader.size(&key("bytes_burst"), source.bytes_burst, doc);
    if source.bytes_per_second > 0 && source.bytes_burst < source.unpacked_bytes_max as u64 {
        let message = "one body of the allowed size could never pass".to_owned();
        let hint = "at least unpacked_bytes_max".to_owned();
        reader.complain(&key("bytes_burst"), message, hint);
    }
}

/// Beyond this machine nobody listens without both TLS and keys.
fn refuse_open_doors(reader: &mut Reader, key: &dyn Fn(&str) -> String, source: &HttpSource) {
    let addresses = [("listen", Some(source.listen)), ("grpc_listen", source.grpc_listen)];
    for (name, address) in addresses {
        let Some(address) = address.filter(|address| !address.ip().is_loopback()) else { continue };
        let missing = match (source.tls.is_some(), source.keys) {
            (true, true) => continue,
            (false, true) => format!("set {} and {}", key("tls_cert"), key("tls_key")),
            (true, false) => format!("set {} = \"key\"", key("auth")),
            (false, false) => {
                format!("set {}, {} and {} = \"key\"", key("tls_cert"), key("tls_key"), key("auth"))
            }
        };
        let message = format!("{address} is beyond this machine: that takes both TLS and keys");
        reader.complain(&key(name), message, missing);
    }
}

fn address(reader: &mut Reader, key: &str, text: &str) -> Option<SocketAddr> {
    let parsed = text.parse().ok();
    if parsed.is_none() {
        let message = format!("{text:?} is no address with a port");
        reader.complain(key, message, "for example 127.0.0.1:8088".to_owned());
    }
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(text: &str) -> (HttpSource, Vec<String>) {
        let mut reader = Reader::default();
        reader.add_file("w.toml".as_ref(), &format!("[[sources]]\n{text}"));
        let source = read(&mut reader, 0);
        reader.finish();
        (source, reader.problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_listener_beyond_this_machine_needs_tls_and_keys() {
        assert_eq!(taken(""), (HttpSource::default(), vec![]));
        let (_, problems) = taken("listen = \"0.0.0.0:8088\"");
        assert_eq!(
            problems,
            [
                "w.toml:2: sources[0].listen: 0.0.0.0:8088 is beyond this machine: that takes both TLS and keys (set sources[0].tls_cert and sources[0].tls_key)"
            ]
        );
        let tls = "tls_cert = \"c\"\ntls_key = \"k\"\n";
        let (_, problems) = taken(&format!("{tls}listen = \"[::]:8088\"\nauth = \"none\""));
        assert!(problems[0].contains("set sources[0].auth = \"key\""), "{problems:?}");
        let (_, problems) = taken("grpc_listen = \"192.0.2.1:4317\"\nauth = \"none\"");
        assert!(problems[0].starts_with("w.toml:2: sources[0].grpc_listen"), "{problems:?}");
        assert!(problems[0].contains("tls_key and sources[0].auth"), "{problems:?}");
        let (source, problems) = taken(&format!("{tls}listen = \"0.0.0.0:8088\""));
        assert_eq!(problems, Vec::<String>::new());
        assert!(source.tls.is_some() && source.keys);
        assert_eq!(taken("auth = \"none\"").1, Vec::<String>::new());
    }

    #[test]
    fn limits_that_contradict_each_other_are_refused() {
        let (_, problems) = taken("memory_max = \"1 MiB\"");
        assert!(problems[0].contains("memory_max"), "{problems:?}");
        let (_, problems) = taken("bytes_per_second = 1000\nbytes_burst = 1000");
        assert!(problems[0].contains("bytes_burst"), "{problems:?}");
        let (source, problems) = taken("hmac_secret = { env = \"S\" }\nread_timeout = \"2s\"");
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(source.hmac_secret, Some(SecretRef::Env("S".to_owned())));
        assert_eq!(source.read_timeout, Duration::from_secs(2));
        assert!(taken("listen = \"8088\"").1[0].contains("127.0.0.1:8088"));
    }
}
