//! Real shippers by the recipes in `tests/services/`, the texts of their configuration out of the documentation, and a
//! proxy that cuts connections.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::root;

/// A service in a folder; killed when dropped.
pub struct Service {
    name: &'static str,
    folder: PathBuf,
}

impl Service {
    /// Get what it needs. `None`: it cannot be had here, which is a failure in CI and a loud skip elsewhere.
    pub fn fetch(name: &'static str, folder: &Path) -> Option<Service> {
        let service = Service { name, folder: folder.to_owned() };
        if service.run(&["fetch"]) {
            return Some(service);
        }
        assert!(std::env::var_os("CI").is_none(), "{name} is missing");
        eprintln!("SKIPPED: {name} is missing (tests/services/{name}.sh fetch)");
        std::mem::forget(service);
        None
    }

    /// A verb of the recipe, with what follows the folder.
    pub fn run(&self, arguments: &[&str]) -> bool {
        let recipe = root().join("tests/services").join(format!("{}.sh", self.name));
        let (verb, rest) = arguments.split_first().unwrap();
        Command::new(recipe).arg(verb).arg(&self.folder).args(rest).status().unwrap().success()
    }

    /// Start it.
    pub fn start(&self) {
        assert!(self.run(&["start"]), "{} does not start", self.name);
    }

    /// Stop it cleanly.
    pub fn stop(&self) {
        assert!(self.run(&["stop"]), "{} does not stop", self.name);
    }

    /// kill -9.
    pub fn kill(&self) {
        assert!(self.run(&["kill"]), "{} cannot be killed", self.name);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if self.folder.join("pid").exists() {
            self.run(&["kill"]);
        }
    }
}

/// The code block with this name in a page under `docs/sources/`.
pub fn documented(page: &str, block: &str) -> String {
    let text = std::fs::read_to_string(root().join("docs/sources").join(page)).unwrap();
    let start = text.find(&format!("```{block}\n")).unwrap_or_else(|| panic!("{page}: no {block}"));
    let body = &text[start + block.len() + 4..];
    body[..body.find("\n```").unwrap() + 1].to_owned()
}
