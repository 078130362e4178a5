//! Members run by ONNX Runtime, from a library that is loaded at run time and stays loaded: a process has one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ort::ep::{self, ExecutionProvider};
use ort::session::{Session, SessionInputValue};
use ort::value::TensorRef;
use parking_lot::Mutex;

use crate::config::infer::Device;
use crate::infer::scorer::ScoreError;
use crate::infer::scorer::feed::{Feed, Slice};
use crate::infer::scorer::graph::{Answer, OUTPUTS};
use crate::stdx::task::panic_text;

/// The runtime's name.
pub const NAME: &str = "onnxruntime";
/// Threads of one run: windows are small, and other windows use the other cores.
const THREADS: usize = 1;

/// The library of this process.
static LOADED: Mutex<State> = Mutex::new(State::None);

enum State {
    /// Nothing is loaded.
    None,
    /// This one, for good.
    Ready(Loaded),
    /// A library was taken in and then would not work: no other can be loaded.
    Broken(PathBuf),
}

#[derive(Clone)]
struct Loaded {
    path: PathBuf,
    environment: ort::environment::Environment,
    version: String,
}

/// The loaded library, and where it runs models.
#[derive(Clone)]
pub struct Library {
    loaded: Loaded,
    device: Device,
}

/// Why a library cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LibraryError {
    /// It is not one, or too old.
    #[error("{path}: cannot be used as ONNX Runtime: {text}")]
    Load {
        /// The file.
        path: String,
        /// What is wrong.
        text: String,
    },
    /// A process has one library.
    #[error(
        "{path}: {other} is loaded in this process already; start again to use another library"
    )]
    Other {
        /// The file.
        path: String,
        /// What is loaded.
        other: String,
    },
    /// No graphics card, or no library that knows it.
    #[error("{path}: infer.device = \"cuda\" cannot be had: {text}")]
    Cuda {
        /// The file.
        path: String,
        /// What is wrong.
        text: String,
    },
}

impl Library {
    /// Load the library, or take the one that is loaded.
    pub fn load(path: &Path, device: Device) -> Result<Library, LibraryError> {
        let shown = path.display().to_string();
        let real = std::fs::canonicalize(path)
            .map_err(|error| LibraryError::Load { path: shown.clone(), text: error.to_string() })?;
        let loaded = loaded(&real)?;
        if device == Device::Cuda {
            let has = guarded(|| ep::CUDA::is_available().map_err(|error| one_line(&error)));
            match has {
                Ok(true) => {}
                Ok(false) => {
                    let text = "this library was built without it".to_owned();
                    return Err(LibraryError::Cuda { path: shown, text });
                }
                Err(text) => return Err(LibraryError::Cuda { path: shown, text }),
            }
        }
        Ok(Library { loaded, device })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.loaded.path
    }
}

impl std::fmt::Display for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let device = if self.device == Device::Cuda { "cuda" } else { "cpu" };
        write!(f, "{NAME} {} on {device}", self.loaded.version)
    }
}

fn loaded(real: &Path) -> Result<Loaded, LibraryError> {
    let path = real.display().to_string();
    let mut state = LOADED.lock();
    match &*state {
        State::Ready(loaded) if loaded.path == real => return Ok(loaded.clone()),
        State::Ready(Loaded { path: other, .. }) | State::Broken(other) => {
            let other = other.display().to_string();
            return Err(LibraryError::Other { path, other });
        }
        State::None => {}
    }
    // The binding gives up on a strange library by a panic, and until a library was taken in another may be tried.
    let builder = guarded(|| ort::init_from(real).map_err(|error| load_error(&error)))
        .map_err(|text| LibraryError::Load { path: path.clone(), text })?;
    let made = guarded(|| {
        let builder = builder.with_name("watchfloor").with_telemetry(false).with_logger(logger());
        let environment = builder.build().map_err(|error| one_line(&error))?;
        let version = std::fs::read(real).ok().and_then(|bytes| version(&bytes));
        Ok((environment, version.unwrap_or_else(|| "of unknown version".to_owned())))
    });
    match made {
        Ok((environment, version)) => {
            let loaded = Loaded { path: real.to_owned(), environment, version };
            *state = State::Ready(loaded.clone());
            Ok(loaded)
        }
        Err(text) => {
            *state = State::Broken(real.to_owned());
            Err(LibraryError::Load { path, text })
        }
    }
}

/// The library writes to standard error by itself, where a desk may be: what it says goes to our log instead.
fn logger() -> ort::logging::LoggerFunction {
    use ort::logging::LogLevel;
    Arc::new(|level: LogLevel, category: &str, _: &str, _: &str, text: &str| match level {
        LogLevel::Error | LogLevel::Fatal => tracing::error!(category, "ONNX Runtime: {text}"),
        LogLevel::Warning => tracing::warn!(category, "ONNX Runtime: {text}"),
        _ => tracing::trace!(category, "ONNX Runtime: {text}"),
    })
}

/// The version that a library gives its symbols (`VERS_1.31.1`): it says none in words, and its name may be anything.
fn version(library: &[u8]) -> Option<String> {
    const MARK: &[u8] = b"VERS_1.";
    let found = memchr::memmem::find(library, MARK)?;
    let rest = library.get(found + MARK.len()..)?;
    let end = rest.iter().position(|byte| !(byte.is_ascii_digit() || *byte == b'.'))?;
    let rest = std::str::from_utf8(rest.get(..end)?).ok()?;
    Some(format!("1.{rest}"))
}

/// What is wrong with a file, with the words of the system's loader.
fn load_error(error: &ort::LoadDynamicError) -> String {
    match error {
        ort::LoadDynamicError::Dlopen { error, .. } => {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            one_line(&cause.unwrap_or_else(|| error.to_string()))
        }
        other => one_line(other),
    }
}

fn one_line(error: &impl std::fmt::Display) -> String {
    error.to_string().replace('\n', " ")
}

fn guarded<T>(work: impl FnOnce() -> Result<T, Text>) -> Result<T, Text> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panic_text(&*panic)))
}

/// What somebody else's code said.
type Text = String;

/// One member, ready to run.
pub struct OrtSession {
    session: Session,
    inputs: Vec<String>,
}

fn failed(error: impl std::fmt::Display) -> ScoreError {
    ScoreError::Runtime { runtime: NAME, text: one_line(&error) }
}

impl OrtSession {
    /// Read and optimise an ONNX file.
    pub fn open(library: &Library, bytes: &[u8]) -> Result<OrtSession, ScoreError> {
        let builder = Session::builder(&library.loaded.environment).map_err(failed)?;
        let builder = builder.with_intra_threads(THREADS).map_err(failed)?;
        let builder = builder.with_inter_threads(THREADS).map_err(failed)?;
        let mut builder = match library.device {
            Device::Cpu => builder,
            Device::Cuda => {
                let cuda = ep::CUDA::default().build().error_on_failure();
                builder.with_execution_providers([cuda]).map_err(failed)?
            }
        };
        let session = builder.commit_from_memory(bytes).map_err(failed)?;
        let inputs = session.inputs().iter().map(|input| input.name().to_owned()).collect();
        Ok(OrtSession { session, inputs })
    }

    /// Run it once.
    pub fn run(&mut self, feed: &Feed<'_>) -> Result<Answer, ScoreError> {
        let mut values: Vec<(&str, SessionInputValue<'_>)> = Vec::new();
        for name in &self.inputs {
            let Some(input) = feed.input(name) else {
                return Err(failed(format!("nothing is made for the input {name:?}")));
            };
            let value: SessionInputValue<'_> = match input {
                Slice::Real(shape, numbers) => {
                    TensorRef::from_array_view((shape, numbers)).map_err(failed)?.into()
                }
                Slice::Rows(shape, numbers) => {
                    TensorRef::from_array_view((shape, numbers)).map_err(failed)?.into()
                }
                Slice::Row(numbers) => {
                    let shape = [numbers.len()];
                    TensorRef::from_array_view((shape, numbers)).map_err(failed)?.into()
                }
            };
            values.push((name, value));
        }
        let said = self.session.run(values).map_err(failed)?;
        let mut answer = Answer::default();
        for (which, name) in OUTPUTS.iter().enumerate() {
            let Some(value) = said.get(name) else { continue };
            let (_, numbers) = value.try_extract_tensor::<f32>().map_err(failed)?;
            answer.set(which, numbers.to_vec());
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_librarys_symbols() {
        assert_eq!(version(b"\x7fELF..OrtGetApiBase\0VERS_1.31.1\0x").as_deref(), Some("1.31.1"));
        assert_eq!(version(b"something else"), None);
        assert_eq!(version(b"cut VERS_1.3"), None);
    }
}
