//! `[api]`: who may talk to us.

use std::path::{Path, PathBuf};

use crate::config::reader::Reader;

/// The listener.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ApiConfig {
    /// The Unix socket; `None`: `watchfloor.sock` in the data folder, which only its owner can reach.
    pub socket: Option<PathBuf>,
    /// The group that may use the socket beside its owner; `None`: the owner's.
    pub socket_group: Option<String>,
}

/// Take the section's keys.
pub fn read(reader: &mut Reader) -> ApiConfig {
    let config = ApiConfig {
        socket: reader
            .optional_text(
                "api.socket",
                "The Unix socket; empty: `watchfloor.sock` in the data directory.",
            )
            .map(PathBuf::from),
        socket_group: reader.optional_text(
            "api.socket_group",
            "The group that may use the socket beside its owner; empty: the owner's.",
        ),
    };
    if config.socket_group.is_some() && config.socket.is_none() {
        reader.complain(
            "api.socket_group",
            "without api.socket the socket is in the data folder, where the group cannot reach it"
                .to_owned(),
            "api.socket = \"/run/watchfloor/watchfloor.sock\"".to_owned(),
        );
    }
    config
}

impl ApiConfig {
    /// Where the socket is.
    pub fn socket_path(&self, data_dir: &Path) -> PathBuf {
        self.socket.clone().unwrap_or_else(|| data_dir.join("watchfloor.sock"))
    }
}
