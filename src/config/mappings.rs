//! `[mappings]`: log formats as data.

use crate::config::reader::Reader;

/// Where mappings come from.
#[derive(Clone, Debug, PartialEq)]
pub struct MappingsConfig {
    /// `builtin` and paths of files or folders.
    pub paths: Vec<String>,
}

impl Default for MappingsConfig {
    fn default() -> MappingsConfig {
        MappingsConfig { paths: vec!["builtin".to_owned()] }
    }
}

/// Take the section's keys.
pub fn read(reader: &mut Reader) -> MappingsConfig {
    let paths = reader.texts(
        "mappings.paths",
        &["builtin"],
        "`builtin` and files or folders with mappings of log formats; a file replaces a shipped one of its name.",
    );
    MappingsConfig { paths }
}
