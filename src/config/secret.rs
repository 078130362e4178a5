//! References to secrets: the configuration names where one is, never what it is. Read only by what needs it, so that a
//! desk or a script that shares the file need not be able to read the secret.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use crate::config::reader::Reader;

/// A longer secret is no secret but a file that was named by mistake.
pub const SECRET_BYTES_MAX: u64 = 64 << 10;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// In an environment variable.
    Env(String),
    /// In a file; line ends at its end are no part of it.
    File(PathBuf),
}

/// Why a secret could not be had. Never says what it is.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set, or empty.
    #[error("the variable {0} is not set")]
    NotSet(String),
    /// The file cannot be read.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The file holds nothing.
    #[error("{0} is empty")]
    Empty(PathBuf),
    /// The file holds too much.
    #[error("{0} holds more than {SECRET_BYTES_MAX} bytes")]
    TooLong(PathBuf),
}

impl SecretRef {
    /// Take `key = { env = "NAME" }` or `key = { file = "PATH" }`. `docs`: what the two forms are for.
    pub fn take(
        reader: &mut Reader,
        keys: (&str, &str, &str),
        docs: (&'static str, &'static str),
    ) -> Option<SecretRef> {
        let (key, env_key, file_key) = keys;
        let env = reader.optional_text(env_key, docs.0);
        let file = reader.optional_text(file_key, docs.1);
        let hint = "{ env = \"NAME\" } or { file = \"PATH\" }";
        if reader.refuse(key) {
            let message = "a secret does not stand here, only where it is".to_owned();
            reader.complain(key, message, hint.to_owned());
        }
        match (env, file) {
            (Some(_), Some(_)) => {
                let message = "both a variable and a file are named".to_owned();
                reader.complain(env_key, message, hint.to_owned());
                None
            }
            (Some(name), None) => Some(SecretRef::Env(name)),
            (None, Some(path)) => Some(SecretRef::File(PathBuf::from(path))),
            (None, None) => None,
        }
    }

    /// The last part of the key that it stands under.
    pub fn key(&self) -> &'static str {
        match self {
            SecretRef::Env(_) => "env",
            SecretRef::File(_) => "file",
        }
    }

    /// The secret itself.
    pub fn read(&self) -> Result<Vec<u8>, SecretError> {
        match self {
            SecretRef::Env(name) => std::env::var_os(name)
                .map(|value| value.into_encoded_bytes())
                .filter(|value| !value.is_empty())
                .ok_or_else(|| SecretError::NotSet(name.clone())),
            SecretRef::File(path) => {
                let failed = |error| SecretError::File { path: path.clone(), error };
                let file = File::open(path).map_err(failed)?;
                let mut bytes = Vec::new();
                file.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
                if bytes.len() as u64 > SECRET_BYTES_MAX {
                    return Err(SecretError::TooLong(path.clone()));
                }
                while matches!(bytes.last(), Some(b'\n' | b'\r')) {
                    bytes.pop();
                }
                if bytes.is_empty() {
                    return Err(SecretError::Empty(path.clone()));
                }
                Ok(bytes)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn taken(text: &str) -> (Option<SecretRef>, Vec<String>) {
        let mut reader = Reader::default();
        reader.add_file(Path::new("w.toml"), text);
        let found = SecretRef::take(&mut reader, ("a.key", "a.key.env", "a.key.file"), ("", ""));
        reader.finish();
        (found, reader.problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_reference_is_one_of_two_and_never_the_secret() {
        assert_eq!(taken(""), (None, vec![]));
        assert_eq!(taken("[a]\nkey = { env = \"K\" }").0, Some(SecretRef::Env("K".to_owned())));
        assert_eq!(
            taken("[a.key]\nfile = \"/run/k\"").0,
            Some(SecretRef::File(PathBuf::from("/run/k")))
        );
        let (found, problems) = taken("[a]\nkey = \"hunter2\"");
        assert_eq!(found, None);
        assert_eq!(
            problems,
            [
                "w.toml:2: a.key: a secret does not stand here, only where it is ({ env = \"NAME\" } or { file = \"PATH\" })"
            ]
        );
        assert!(taken("[a]\nkey = { env = \"K\", file = \"x\" }").1[0].contains("both"));
        assert!(taken("[a]\nkey = { vault = \"K\" }").1[0].contains("unknown key"));
    }

    #[test]
    fn files_and_variables_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            SecretRef::File(path.clone()).read()
        };
        assert_eq!(read("0123456789\r\n\n").unwrap(), b"0123456789");
        assert!(matches!(read("\n"), Err(SecretError::Empty(_))));
        let long = "x".repeat(usize::try_from(SECRET_BYTES_MAX).unwrap() + 1);
        assert!(matches!(read(&long), Err(SecretError::TooLong(_))));
        let missing = SecretRef::File(folder.path().join("none"));
        assert!(matches!(missing.read(), Err(SecretError::File { .. })));
        let unset = SecretRef::Env("WATCHFLOOR_SURELY_NOT_SET".to_owned());
        assert!(matches!(unset.read(), Err(SecretError::NotSet(_))));
    }
}
