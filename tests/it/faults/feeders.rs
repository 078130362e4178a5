//! What sends records to the daemon under test: one kind a source. A feeder sends until it is acknowledged, as the real
//! senders do, and sends the same again under the same key when it is not.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::support::proxy::Proxy;

/// Sends records of one source.
pub trait Feeder: Send + Sync {
    /// The source's name.
    fn name(&self) -> &'static str;

    /// The `[[sources]]` table.
    fn config(&self) -> String;

    /// Send records from number `first` on. `true`: acknowledged, never to be sent again.
    fn send(&self, first: u64, records: &[String]) -> bool;

    /// The line that can be broken.
    fn proxy(&self) -> Option<&Proxy> {
        None
    }

    /// Kill the server between the feeder and the daemon and start it again. `false`: there is none.
    fn kill_server(&self) -> bool {
        false
    }
}

/// Every kind that can be had here.
pub fn all(folder: &Path) -> Vec<Arc<dyn Feeder>> {
    vec![Arc::new(File { path: folder.join("file.log") })]
}

/// A file that grows. What is written counts as acknowledged: the daemon reads it when it can.
struct File {
    path: PathBuf,
}

impl Feeder for File {
    fn name(&self) -> &'static str {
        "file"
    }

    fn config(&self) -> String {
        let path = self.path.display();
        format!("[[sources]]\nname = \"file\"\npaths = [\"{path}\"]\nrescan = \"200ms\"\n")
    }

    fn send(&self, _first: u64, records: &[String]) -> bool {
        let mut file = std::fs::File::options().create(true).append(true).open(&self.path).unwrap();
        file.write_all((records.join("\n") + "\n").as_bytes()).unwrap();
        true
    }
}
