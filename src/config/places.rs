//! Where files live when nobody says: the places `directories` gives, system ones for root.

use std::path::PathBuf;

use directories::ProjectDirs;

/// The default places of this user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The configuration file that is read when it exists.
    pub config_file: PathBuf,
    /// Stores, positions, audit.
    pub data_dir: PathBuf,
}

impl Places {
    /// The places of the user who runs the program: `/etc/watchfloor` and `/var/lib/watchfloor` for root.
    pub fn of_this_user() -> Places {
        if rustix::process::geteuid().is_root() {
            return Places {
                config_file: PathBuf::from("/etc/watchfloor/watchfloor.toml"),
                data_dir: PathBuf::from("/var/lib/watchfloor"),
            };
        }
        match ProjectDirs::from("", "", "watchfloor") {
            Some(places) => Places {
                config_file: places.config_dir().join("watchfloor.toml"),
                data_dir: places.data_dir().to_owned(),
            },
            None => Places {
                config_file: PathBuf::from("watchfloor.toml"),
                data_dir: PathBuf::from("watchfloor-data"),
            },
        }
    }
}
