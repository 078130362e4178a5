//! What a start would refuse and can be known without one: `config check`, `doctor` and `serve` itself ask here, so that they say
//! the same. Files are read and nothing is written, bound, connected or spawned; where a stage has a check of its own for its
//! start, that is what is called.
//!
//! What `config::check` says needs no other file. What is said here needs the files that the configuration names, and the layers
//! above it; only for what the roles of this process run.

mod files;
mod listeners;

use std::path::Path;

use crate::config::Config;
use crate::config::reader::nearest;
use crate::config::sources::SourceConfig;
use crate::infer::artifact::{Expected, Fault, Source, load};
use crate::infer::scorer::missing;
use crate::model::correlation_match::FORMAT as MATCHES;
use crate::normalise;
use crate::normalise::mapping::library::Library;
use crate::normalise::redact::Redactor;
use crate::pipeline::start_check::files::Files;

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The start is refused.
    Stops,
    /// The daemon starts without it and says so; what is there later is taken up.
    Missing,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The key it is about.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do; may be empty.
    pub hint: String,
    /// What comes of it.
    pub weight: Weight,
}

/// Everything that is wrong with what a start of this configuration needs. The configuration itself has no problem.
pub fn look(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if config.roles.analyse {
        formats(config, &mut findings);
    }
    listeners::look(config, &mut findings);
    let mut files = Files { findings: &mut findings };
    for (index, source) in sources_here(config) {
        files.source(&format!("sources[{index}]"), source);
    }
    if config.roles.export {
        for (index, sink) in config.sinks.iter().enumerate() {
            files.sink(&format!("sinks[{index}]"), sink);
        }
    }
    if config.roles.only_collects() {
        files.cluster("collect", &config.collect.cluster);
    }
    redaction(config, &mut findings);
    if !config.roles.only_collects() {
        place_of_models(config, &mut findings);
        places(config, &mut findings);
    }
    findings
}

impl Finding {
    fn stops(key: impl Into<String>, message: impl Into<String>, hint: &str) -> Finding {
        let (key, message) = (key.into(), message.into());
        Finding { key, message, hint: hint.to_owned(), weight: Weight::Stops }
    }
}

/// The names that `sources.format` and `--as` know: those of code and those of mappings.
pub struct Formats(Vec<String>);

impl Formats {
    /// The names of a configuration: its own mappings are among them.
    pub fn of(config: &Config) -> Formats {
        let library = Library::load(&config.mappings.paths);
        let code = normalise::formats().iter().map(|(name, _)| (*name).to_owned());
        let mappings = library.mappings.iter().map(|mapping| mapping.name.to_string());
        Formats(code.chain(mappings).collect())
    }

    /// Is this one of them? Else the message, and a hint with the nearest.
    pub fn knows(&self, name: &str) -> Result<(), (String, String)> {
        if self.0.iter().any(|known| known == name) {
            return Ok(());
        }
        let hint = match nearest(name, self.0.iter().map(String::as_str).collect()) {
            near if near.is_empty() => "watchfloor formats list shows the names".to_owned(),
            near => near,
        };
        Err((format!("no format is called {name:?}"), hint))
    }
}

/// The sources that run here, by their place in the configuration.
fn sources_here(config: &Config) -> impl Iterator<Item = (usize, &SourceConfig)> {
    let all = config.sources.iter().enumerate();
    all.filter(|(_, source)| config.roles.runs(&source.kind))
}

fn formats(config: &Config, findings: &mut Vec<Finding>) {
    // What nodes hand each other has a form of its own, which nobody names.
    let named = || sources_here(config).filter(|(_, source)| source.format != MATCHES);
    let of_code = |name: &str| normalise::formats().iter().any(|(known, _)| *known == name);
    // Most configurations name no mapping, and then none has to be read.
    if named().all(|(_, source)| of_code(&source.format)) {
        return;
    }
    let known = Formats::of(config);
    for (index, source) in named() {
        if let Err((message, hint)) = known.knows(&source.format) {
            findings.push(Finding::stops(format!("sources[{index}].format"), message, &hint));
        }
    }
}

fn redaction(config: &Config, findings: &mut Vec<Finding>) {
    for (key, message) in Redactor::problems(&config.redact) {
        findings.push(Finding::stops(format!("redact.{key}"), message, ""));
    }
}

fn place_of_models(config: &Config, findings: &mut Vec<Finding>) {
    let infer = &config.infer;
    if infer.enabled && infer.models != BUILTIN && !Path::new(&infer.models).is_dir() {
        let message = format!("{}: there is no such folder", infer.models);
        let hint = "name a folder with a model, or infer.models = \"builtin\"";
        findings.push(Finding::stops("infer.models", message, hint));
    }
}

/// What is wrong with the models themselves. A running daemon does not ask: it keeps those it has, and takes up the rest.
pub fn models(config: &Config) -> Vec<Finding> {
    let infer = &config.infer;
    let mut findings = Vec::new();
    let is_place = infer.models == BUILTIN || Path::new(&infer.models).is_dir();
    if !infer.enabled || config.roles.only_collects() || !is_place {
        return findings;
    }
    if let Err(faults) = load(&Source::parse(&infer.models), &Expected::of(infer)) {
        let stops = |fault: Fault| {
            Finding::stops("infer.models", format!("{}: {}", fault.file, fault.text), &fault.fix)
        };
        findings.extend(faults.into_iter().map(stops));
    }
    findings.extend(missing(infer).map(|why| Finding::stops("infer.runtime", why.to_string(), "")));
    findings
}

/// What stands for what the program brings along.
const BUILTIN: &str = "builtin";
/// How the name of an imported pack begins in `rules.paths`.
const PACK: &str = "pack:";

/// Files and folders that the daemon can do without and that were surely meant to be there.
fn places(config: &Config, findings: &mut Vec<Finding>) {
    let lists = [
        ("rules.paths", &config.rules.paths),
        ("signals.paths", &config.signals.paths),
        ("mappings.paths", &config.mappings.paths),
    ];
    for (key, paths) in lists {
        let named = paths.iter().filter(|path| *path != BUILTIN && !path.starts_with(PACK));
        for path in named {
            if let Err(error) = std::fs::metadata(path) {
                findings.push(Finding {
                    key: key.to_owned(),
                    message: format!("{path}: {error}"),
                    hint: "the daemon starts without it".to_owned(),
                    weight: Weight::Missing,
                });
            }
        }
    }
}

/// An error with its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
