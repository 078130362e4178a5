//! `type = "forward"`: Fluentd's and Fluent Bit's forward protocol.

use crate::config::listen::Listen;
use crate::config::reader::Reader;
use crate::config::secret::SecretRef;

/// One message of the protocol (a chunk of entries) may be this long.
pub const MESSAGE_BYTES_MAX: u64 = 16 << 20;

/// `type = "forward"`.
#[derive(Clone, Debug, PartialEq)]
pub struct ForwardSource {
    /// Where, and the bounds of connections.
    pub listen: Listen,
    /// What both sides must know; without one nobody is asked.
    pub shared_key: Option<SecretRef>,
    /// Our name in the handshake.
    pub hostname: String,
    /// Answer heartbeats by UDP on the same port.
    pub heartbeat: bool,
    /// Bytes of one message.
    pub message_bytes_max: usize,
}

/// Take the keys of a forward source.
pub(super) fn read(reader: &mut Reader, index: usize) -> ForwardSource {
    let prefix = format!("sources[{index}]");
    let key = |name: &str| format!("{prefix}.{name}");
    let listen = Listen::take(reader, &prefix, "127.0.0.1:24224");
    let (name, env, file) = (key("shared_key"), key("shared_key.env"), key("shared_key.file"));
    let docs = ("A variable with the key that both sides know.", "A file with it.");
    let shared_key = SecretRef::take(reader, (&name, &env, &file), docs);
    let size = reader.size(
        &key("message_bytes_max"),
        MESSAGE_BYTES_MAX,
        "A longer chunk is rejected with its head kept.",
    );
    ForwardSource {
        listen,
        shared_key,
        hostname: reader.text(&key("hostname"), "watchfloor", "Our name in the handshake."),
        heartbeat: reader.truth(
            &key("heartbeat"),
            false,
            "Answer heartbeats by UDP on the same port.",
        ),
        message_bytes_max: usize::try_from(size).unwrap_or(usize::MAX),
    }
}
