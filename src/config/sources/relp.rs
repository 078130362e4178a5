//! `type = "relp"`: rsyslog's protocol with acknowledgements.

use crate::config::listen::Listen;
use crate::config::reader::Reader;

/// Messages at the end of a session that are remembered, so that they are known when they come again.
pub const WINDOW: u64 = 1_000;

/// `type = "relp"`.
#[derive(Clone, Debug, PartialEq)]
pub struct RelpSource {
    /// Where, and the bounds of connections.
    pub listen: Listen,
    /// Messages of a session that are remembered. At least the sender's window.
    pub window: usize,
}

/// Take the keys of a RELP source.
pub(super) fn read(reader: &mut Reader, index: usize) -> RelpSource {
    let prefix = format!("sources[{index}]");
    let listen = Listen::take(reader, &prefix, "127.0.0.1:2514");
    let window = reader.number(
        &format!("{prefix}.window"),
        WINDOW,
        1,
        "Messages of a session that are remembered, to know them when they are sent again; at least the sender's window.",
    );
    RelpSource { listen, window: usize::try_from(window).unwrap_or(usize::MAX) }
}
