//! The shape of the house, checked: layers, file sizes, module docs, bans.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::root;

/// Folders by layer. A file may use folders of lower layers and its own.
const LAYERS: &[(&str, u8)] = &[
    ("stdx", 0),
    ("model", 1),
    ("config", 2),
    ("wire", 2),
    ("carrier", 2),
    ("source", 3),
    ("scenario", 3),
    ("normalise", 3),
    ("detect", 3),
    ("signal", 3),
    ("gaps", 3),
    ("infer", 3),
    ("alert", 3),
    ("store", 3),
    ("export", 3),
    ("notify", 3),
    ("enrich", 3),
    ("pipeline", 4),
    ("scoreboard", 4),
    ("service", 5),
    ("api", 6),
    ("client", 6),
    ("desk", 7),
    ("tui", 8),
    ("cli", 9),
];

/// Front ends never name these, whatever the layers say.
const DENIED: &[(&str, &[&str])] = &[
    ("tui", &["store", "source", "pipeline"]),
    ("desk", &["store", "source", "pipeline"]),
    ("api", &["store", "source", "pipeline"]),
    ("cli", &["store", "source"]),
];

/// Lines of code (not blank, not comment, not the unit tests at its end) a file may have.
const CODE_LINES_MAX: usize = 500;

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, out: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                out.push((path, text));
            }
        }
    }
    let mut out = Vec::new();
    walk(&root().join("src"), &mut out);
    assert!(out.len() > 20, "the walk found too little: {}", out.len());
    out
}

fn folder(path: &Path) -> Option<String> {
    let relative = path.strip_prefix(root().join("src")).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
    (relative.components().count() > 1).then(|| first.to_owned())
}

fn layer(name: &str) -> Option<u8> {
    LAYERS.iter().find(|(known, _)| *known == name).map(|(_, layer)| *layer)
}

/// The first names after every `crate::`, also in `use crate::{a, b::c}`.
fn uses(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or("");
        for part in code.split("crate::").skip(1) {
            let names: Vec<&str> = match part.strip_prefix('{') {
                Some(list) => list.split([',', '}']).collect(),
                None => vec![part],
            };
            for name in names {
                let name: String =
                    name.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if !name.is_empty() {
                    found.push((number + 1, name));
                }
            }
        }
    }
    found
}

#[test]
fn layers_point_down() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let Some(home) = folder(&path) else { continue };
        let own = layer(&home).unwrap_or_else(|| panic!("{home}/ is not in the layer table"));
        let denied =
            DENIED.iter().find(|(name, _)| *name == home).map_or(&[][..], |(_, list)| list);
        for (line, name) in uses(&text) {
            let Some(used) = layer(&name) else { continue };
            let same = name == home;
            if (used >= own && !same) || denied.contains(&name.as_str()) {
                wrong.push(format!("{}:{line}: {home} may not use {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_and_stays_readable() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        if !text.starts_with("//!") {
            wrong.push(format!("{}: does not open with //!", path.display()));
        }
        let code = text
            .lines()
            .map(str::trim)
            .take_while(|line| *line != "#[cfg(test)]")
            .filter(|line| !line.is_empty() && !line.starts_with("//"))
            .count();
        if code > CODE_LINES_MAX {
            wrong.push(format!("{}: {code} lines of code", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn banned_words_stay_out() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let home = folder(&path).unwrap_or_default();
        let relative = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or("");
            let at = format!("{relative}:{}", number + 1);
            if code.contains("process::exit") && relative != "src/main.rs" {
                wrong.push(format!("{at}: only main.rs ends the process"));
            }
            if code.contains("Result<") && code.contains(", String>") && !code.contains("Map<") {
                wrong.push(format!("{at}: an error is a type, not a string"));
            }
            let spawns = ["thread::spawn", "tokio::spawn", "task::spawn_local"];
            let named = code.contains("stdx::task") || code.contains("task::thread");
            if home != "stdx" && !named && spawns.iter().any(|word| code.contains(word)) {
                wrong.push(format!("{at}: threads and tasks start through stdx::task"));
            }
            let draws = ["ratatui::text", "ratatui::buffer", "ratatui::widgets"];
            if !relative.starts_with("src/tui/paint/") && draws.iter().any(|d| code.contains(d)) {
                wrong.push(format!("{at}: only tui/paint/ touches ratatui's text types"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_top_level_holds_only_what_belongs_there() {
    let allowed = [
        "Cargo.toml",
        "Cargo.lock",
        "src",
        "keymaps",
        "themes",
        "config",
        "docs",
        "tests",
        "benches",
        "fuzz",
        "training",
        "script",
        ".ci",
        ".cargo",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        ".git",
        ".gitignore",
        "clippy.toml",
        "rustfmt.toml",
        "deny.toml",
        "target",
    ];
    let mut strange = Vec::new();
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !allowed.contains(&name.as_str()) {
            strange.push(name);
        }
    }
    assert!(strange.is_empty(), "not at the top level: {strange:?}");
}
