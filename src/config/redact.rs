//! `[redact]`: what is removed before anything is stored.

use crate::config::reader::Reader;

/// Redaction of secrets.
#[derive(Clone, Debug, PartialEq)]
pub struct RedactConfig {
    /// Secrets in command lines and raw records (on by default).
    pub secrets: bool,
    /// Further patterns: (kind, regular expression whose first group is the secret).
    pub patterns: Vec<(String, String)>,
}

impl Default for RedactConfig {
    fn default() -> RedactConfig {
        RedactConfig { secrets: true, patterns: Vec::new() }
    }
}

/// Take the section's keys.
pub fn read(reader: &mut Reader) -> RedactConfig {
    let secrets = reader.truth(
        "redact.secrets",
        true,
        "Replace secrets in command lines and raw records by `<redacted:kind>`.",
    );
    let patterns = reader.map("redact.patterns").into_iter().collect();
    RedactConfig { secrets, patterns }
}
