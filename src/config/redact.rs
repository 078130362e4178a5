//! `[redact]`: what is removed before anything is stored.

use crate::config::reader::Reader;
use crate::config::secret::SecretRef;

/// Redaction of secrets and of what tells about people.
#[derive(Clone, Debug, PartialEq)]
pub struct RedactConfig {
    /// Secrets in command lines and raw records (on by default).
    pub secrets: bool,
    /// Further patterns: (kind, regular expression whose first group is the secret).
    pub patterns: Vec<(String, String)>,
    /// In which events personal data in texts is replaced.
    pub personal: Personal,
    /// What becomes of user names.
    pub users: Users,
    /// What becomes of network addresses.
    pub addresses: Addresses,
    /// The key of the pseudonyms.
    pub key: Option<SecretRef>,
}

/// Where e-mail addresses, phone numbers and national ids are replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Personal {
    /// In the steps of AI agents, which carry what people wrote.
    #[default]
    Agents,
    /// In every event.
    Everywhere,
    /// Nowhere.
    Off,
}

/// What becomes of user names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Users {
    /// They stay.
    #[default]
    Keep,
    /// Each becomes `user-…`, the same for the same name.
    Pseudonym,
}

/// What becomes of network addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Addresses {
    /// They stay.
    #[default]
    Keep,
    /// Only the network stays: /24 of IPv4, /64 of IPv6.
    Truncate,
}

impl Default for RedactConfig {
    fn default() -> RedactConfig {
        RedactConfig {
            secrets: true,
            patterns: Vec::new(),
            personal: Personal::default(),
            users: Users::default(),
            addresses: Addresses::default(),
            key: None,
        }
    }
}

/// Take the section's keys.
pub fn read(reader: &mut Reader) -> RedactConfig {
    let secrets = reader.truth(
        "redact.secrets",
        true,
        "Replace secrets and payment-card numbers in texts and raw records by `<redacted:kind>`.",
    );
    let patterns = reader.map("redact.patterns").into_iter().collect();
    let personal = reader.choice(
        "redact.personal",
        "agents",
        &[
            ("agents", Personal::Agents),
            ("everywhere", Personal::Everywhere),
            ("off", Personal::Off),
        ],
        "Where e-mail addresses, phone numbers and national ids are replaced: `agents` (steps of AI agents), `everywhere` or `off`.",
    );
    let users = reader.choice(
        "redact.users",
        "keep",
        &[("keep", Users::Keep), ("pseudonym", Users::Pseudonym)],
        "User names: `keep`, or `pseudonym` (`user-3f9a…`, the same for the same name and key).",
    );
    let addresses = reader.choice(
        "redact.addresses",
        "keep",
        &[("keep", Addresses::Keep), ("truncate", Addresses::Truncate)],
        "Network addresses: `keep`, or `truncate` to /24 (IPv4) and /64 (IPv6).",
    );
    let key = SecretRef::take(
        reader,
        ("redact.key", "redact.key.env", "redact.key.file"),
        (
            "The key of the pseudonyms: the variable that holds it (16 bytes at least).",
            "The key of the pseudonyms: the file that holds it (16 bytes at least).",
        ),
    );
    if users == Some(Users::Pseudonym) && key.is_none() {
        reader.complain(
            "redact.users",
            "pseudonyms need a key".to_owned(),
            "redact.key = { env = \"NAME\" } or { file = \"PATH\" }".to_owned(),
        );
    }
    RedactConfig {
        secrets,
        patterns,
        personal: personal.unwrap_or_default(),
        users: users.unwrap_or_default(),
        addresses: addresses.unwrap_or_default(),
        key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn taken(text: &str) -> (RedactConfig, Vec<String>) {
        let mut reader = Reader::default();
        reader.add_file(Path::new("w.toml"), text);
        let config = read(&mut reader);
        reader.finish();
        (config, reader.problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn everything_can_be_said() {
        assert_eq!(taken(""), (RedactConfig::default(), vec![]));
        let (config, problems) = taken(
            "[redact]\nusers='pseudonym'\nkey={env='K'}\naddresses='truncate'\npersonal='everywhere'",
        );
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(
            (config.users, config.addresses, config.personal, config.key),
            (
                Users::Pseudonym,
                Addresses::Truncate,
                Personal::Everywhere,
                Some(SecretRef::Env("K".to_owned()))
            )
        );
    }

    #[test]
    fn pseudonyms_without_a_key_are_a_problem_with_a_hint() {
        let (_, problems) = taken("[redact]\nusers = 'pseudonym'");
        assert_eq!(
            problems,
            [
                "w.toml:2: redact.users: pseudonyms need a key (redact.key = { env = \"NAME\" } or { file = \"PATH\" })"
            ]
        );
        let (_, problems) = taken("[redact]\nkey = 'hunter2hunter2hunter2'\nusers='pseudonym'");
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(!problems.concat().contains("hunter2"));
    }
}
