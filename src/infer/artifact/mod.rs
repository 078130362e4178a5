//! What a model is on disk or in the program: a folder with a manifest, ONNX files and a golden window, all of it checked
//! before anything is judged by it.

pub mod check;
pub mod golden;
pub mod load;
pub mod manifest;

pub use golden::Golden;
pub use load::{Expected, Model, Source, load};
pub use manifest::{Kind, Manifest};

/// One thing wrong with a model: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {text} ({fix})")]
pub struct Fault {
    /// The file, as a person would name it.
    pub file: String,
    /// What is wrong with it.
    pub text: String,
    /// What to do.
    pub fix: String,
}

impl Fault {
    /// A fault of a file.
    pub fn new(file: impl Into<String>, text: impl Into<String>, fix: impl Into<String>) -> Fault {
        Fault { file: file.into(), text: text.into(), fix: fix.into() }
    }
}
