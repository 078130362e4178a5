//! Which runtime it is. What was named and cannot be had stops; only `auto` goes on, and says so.

use crate::config::infer::{Device, InferConfig, Runtime};
use crate::infer::scorer::find::{self, Found};
use crate::infer::scorer::onnxruntime::{Library, LibraryError};

/// What runs members.
#[derive(Clone)]
pub enum Backend {
    /// tract, which is part of the program.
    Tract,
    /// ONNX Runtime, from a library.
    OnnxRuntime(Library),
}

impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Backend::Tract => f.write_str(crate::infer::scorer::tract::NAME),
            Backend::OnnxRuntime(library) => library.fmt(f),
        }
    }
}

/// A runtime, and one line that says why this one.
pub struct Chosen {
    /// The runtime.
    pub backend: Backend,
    /// For the log and the status.
    pub line: String,
    /// `auto` wanted another and could not have it.
    pub fell_back: bool,
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRuntime {
    /// The library that is wanted does not work.
    #[error("{0} ({1})")]
    Library(LibraryError, String),
    /// There is no library.
    #[error("{0} needs ONNX Runtime, and no libonnxruntime.so was found ({1})")]
    Missing(&'static str, &'static str),
}

const NAME_IT: &str = "set infer.library to the file or its folder, or infer.runtime = \"tract\"";

/// Choose by the configuration.
pub fn choose(config: &InferConfig) -> Result<Chosen, NoRuntime> {
    choose_from(config, find::library(config.library.as_deref()))
}

/// Why there would be no runtime, as far as it can be known without loading a library, which runs what is in it.
pub fn missing(config: &InferConfig) -> Option<NoRuntime> {
    let found = find::library(config.library.as_deref());
    // A file that is there would be loaded.
    let known =
        config.runtime != Runtime::Tract && found.as_ref().is_none_or(|it| !it.path.exists());
    if known { choose_from(config, found).err() } else { None }
}

fn choose_from(config: &InferConfig, found: Option<Found>) -> Result<Chosen, NoRuntime> {
    if config.runtime == Runtime::Tract {
        let line = "models run on tract, as infer.runtime says".to_owned();
        return Ok(Chosen { backend: Backend::Tract, line, fell_back: false });
    }
    // A device or a file that was named is as binding as a runtime that was named.
    let wanted_by = match config {
        InferConfig { runtime: Runtime::OnnxRuntime, .. } => {
            Some("infer.runtime = \"onnxruntime\"")
        }
        InferConfig { device: Device::Cuda, .. } => Some("infer.device = \"cuda\""),
        InferConfig { library: Some(_), .. } => Some("infer.library"),
        _ => None,
    };
    let Some(found) = found else {
        return match wanted_by {
            Some(key) => Err(NoRuntime::Missing(key, NAME_IT)),
            None => {
                let line = "models run on tract: infer.runtime is auto, and no libonnxruntime.so was found".to_owned();
                Ok(Chosen { backend: Backend::Tract, line, fell_back: true })
            }
        };
    };
    match Library::load(&found.path, config.device) {
        Ok(library) => {
            let by = found.named.unwrap_or("where it was found");
            let line = format!("models run on {library}, from {} ({by})", library.path().display());
            Ok(Chosen { backend: Backend::OnnxRuntime(library), line, fell_back: false })
        }
        Err(error) if wanted_by.is_some() => {
            let named = found.named.map_or_else(String::new, |by| format!("{by} named it; "));
            Err(NoRuntime::Library(error, format!("{named}{NAME_IT}")))
        }
        Err(error) => {
            let line = format!("models run on tract: infer.runtime is auto, and {error}");
            Ok(Chosen { backend: Backend::Tract, line, fell_back: true })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A file that is no library, so that nothing is ever loaded here.
    fn bad(named: Option<&'static str>) -> (tempfile::TempDir, Option<Found>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libonnxruntime.so");
        std::fs::write(&path, "no library").unwrap();
        (folder, Some(Found { path, named }))
    }

    fn config(runtime: Runtime, device: Device, library: Option<&str>) -> InferConfig {
        let library = library.map(PathBuf::from);
        InferConfig { runtime, device, library, ..InferConfig::default() }
    }

    #[test]
    fn auto_falls_back_with_one_line_that_says_why() {
        let auto = config(Runtime::Auto, Device::Cpu, None);
        let chosen = choose_from(&auto, None).unwrap_or_else(|error| panic!("{error}"));
        assert!(chosen.fell_back && matches!(chosen.backend, Backend::Tract));
        assert_eq!(
            chosen.line,
            "models run on tract: infer.runtime is auto, and no libonnxruntime.so was found"
        );
        let (_folder, found) = bad(None);
        let chosen = choose_from(&auto, found).unwrap_or_else(|error| panic!("{error}"));
        assert!(chosen.fell_back);
        assert!(chosen.line.contains("cannot be used as ONNX Runtime"), "{}", chosen.line);
        assert_eq!(chosen.line.lines().count(), 1);
    }

    #[test]
    fn what_was_named_is_never_replaced() {
        let refused = |config: &InferConfig, found| match choose_from(config, found) {
            Ok(chosen) => panic!("{}", chosen.line),
            Err(error) => error.to_string(),
        };
        let named = config(Runtime::OnnxRuntime, Device::Cpu, None);
        assert!(
            refused(&named, None).contains("infer.runtime = \"onnxruntime\" needs ONNX Runtime")
        );
        let cuda = config(Runtime::Auto, Device::Cuda, None);
        assert!(refused(&cuda, None).starts_with("infer.device = \"cuda\" needs"));
        let library = config(Runtime::Auto, Device::Cpu, Some("/x.so"));
        let (_folder, found) = bad(Some("infer.library"));
        let said = refused(&library, found);
        assert!(said.contains("infer.library named it; set infer.library"), "{said}");
        let (_folder, found) = bad(None);
        assert!(refused(&named, found).contains("cannot be used as ONNX Runtime"));
        let tract = config(Runtime::Tract, Device::Cpu, None);
        let (_folder, found) = bad(None);
        assert!(choose_from(&tract, found).is_ok_and(|chosen| !chosen.fell_back));
    }
}
