//! Mappings: log formats as data. A TOML file says which records it reads, which of their fields become which ECS
//! fields, and what the event is then; Rust is only for formats that need thought.
//!
//! The path of a record: a file claims it ([`library`], by syslog program, by the look of the line, by vendor, or by the
//! keys of a JSON object); its text is split into named facts ([`read`], [`facts`]); patterns, renamings and conditions
//! ([`rules`]) turn the facts into fields of the event ([`apply`], [`put`]). `docs/adding-a-format.md` is the language.

pub mod apply;
pub mod check;
pub mod clock;
pub mod compile;
mod conditions;
pub mod facts;
pub mod library;
pub mod literals;
pub mod mapper;
pub mod memory;
pub mod put;
pub mod read;
pub mod rules;
pub mod written;

use std::sync::Arc;

/// Something in a mapping file that is wrong; the file is left out, the others run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingProblem {
    /// The file.
    pub file: Arc<str>,
    /// Its line, from 1.
    pub line: u32,
    /// The key path; empty for the file as a whole.
    pub key: String,
    /// What is wrong, with what to write instead where that is known.
    pub message: String,
}

impl std::fmt::Display for MappingProblem {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}: ", self.file, self.line)?;
        if !self.key.is_empty() {
            write!(out, "{}: ", self.key)?;
        }
        out.write_str(&self.message)
    }
}
