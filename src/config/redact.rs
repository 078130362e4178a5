//! `[redact]`: what is removed before anything is stored.

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
