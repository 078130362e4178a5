//! `store.alerts`: where alerts, verdicts and the audit log are kept.

use std::path::{Path, PathBuf};

use crate::config::reader::Reader;
use crate::config::secret::SecretRef;

/// What to write instead of what was given.
const FORMS: &str =
    "\"sqlite\", \"sqlite:///path/file.db\" or \"postgres://user@host:5432/database\"";

/// Where the alert store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlertsAt {
    /// `watchfloor.db` in the data folder.
    DataDir,
    /// A SQLite file elsewhere.
    File(PathBuf),
    /// A PostgreSQL database.
    Postgres(Server),
}

/// A PostgreSQL database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// `postgres://user@host:port/database?sslmode=…`, without the password.
    pub url: String,
    /// Where the password is.
    pub password: Option<SecretRef>,
}

impl AlertsAt {
    /// The SQLite file, where there is one.
    pub fn file(&self, data_dir: &Path) -> Option<PathBuf> {
        match self {
            AlertsAt::DataDir => Some(data_dir.join("watchfloor.db")),
            AlertsAt::File(path) => Some(path.clone()),
            AlertsAt::Postgres(_) => None,
        }
    }
}

/// Take the keys.
pub fn read(reader: &mut Reader) -> AlertsAt {
    let text = reader.text(
        "store.alerts",
        "sqlite",
        "Where alerts, verdicts and audit are kept: `sqlite` (in `data_dir`), `sqlite:///path/file.db`, or `postgres://user@host:5432/database` with `sslmode` and `sslrootcert` as options ([stores.md](stores.md)).",
    );
    let password = SecretRef::take(
        reader,
        ("store.alerts_password", "store.alerts_password.env", "store.alerts_password.file"),
        (
            "The password of `store.alerts`: the variable that holds it.",
            "The password of `store.alerts`: the file that holds it.",
        ),
    );
    parse(&text, password).unwrap_or_else(|message| {
        reader.complain("store.alerts", message.into_owned(), FORMS.to_owned());
        AlertsAt::DataDir
    })
}

/// What a value means.
///
/// # Errors
/// What is wrong with it; never repeats it, because it may hold a password.
pub fn parse(text: &str, password: Option<SecretRef>) -> Result<AlertsAt, BadPlace> {
    if text == "sqlite" {
        return Ok(AlertsAt::DataDir);
    }
    if let Some(path) = text.strip_prefix("sqlite://") {
        let path = Path::new(path);
        if !path.is_absolute() || path.file_name().is_none() {
            return Err("the path of a SQLite file is absolute".into());
        }
        return Ok(AlertsAt::File(path.to_owned()));
    }
    let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
    let Some(rest) = rest else {
        // Not repeated: what was meant as a URL may hold a password.
        return Err("this names no alert store".into());
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    let option = rest.split_once('?').map_or("", |(_, options)| options);
    if user.contains(':') || option.split('&').any(|pair| pair.starts_with("password=")) {
        let message =
            "a password does not stand in the URL: store.alerts_password says where it is";
        return Err(message.into());
    }
    Ok(AlertsAt::Postgres(Server { url: text.to_owned(), password }))
}

/// What is wrong with a place, in a sentence.
pub type BadPlace = std::borrow::Cow<'static, str>;

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(text: &str) -> (AlertsAt, Vec<String>) {
        let mut reader = Reader::default();
        reader.add_file(Path::new("w.toml"), text);
        let found = read(&mut reader);
        reader.finish();
        (found, reader.problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_place_is_a_word_a_file_or_a_server() {
        assert_eq!(taken(""), (AlertsAt::DataDir, vec![]));
        let (file, problems) = taken("[store]\nalerts = \"sqlite:///srv/a.db\"");
        assert_eq!((file, problems), (AlertsAt::File("/srv/a.db".into()), vec![]));
        let text = "[store]\nalerts = \"postgres://w@db:5432/w?sslmode=verify-full\"\nalerts_password = { env = \"P\" }";
        let AlertsAt::Postgres(server) = taken(text).0 else { panic!("not a server") };
        assert_eq!(server.password, Some(SecretRef::Env("P".to_owned())));
    }

    #[test]
    fn a_password_in_the_url_and_unknown_places_are_refused_without_repeating_them() {
        for text in [
            "postgres://w:hunter2@db/w",
            "postgres://w@db/w?password=hunter2",
            "mysql://w:hunter2@db/w",
            "sqlite://hunter2.db",
        ] {
            let (_, problems) = taken(&format!("[store]\nalerts = \"{text}\""));
            assert_eq!(problems.len(), 1, "{text}");
            assert!(problems[0].starts_with("w.toml:2: store.alerts: "), "{problems:?}");
            assert!(!problems[0].contains("hunter2"), "{problems:?}");
        }
    }
}
