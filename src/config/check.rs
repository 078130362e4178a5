//! The only maker of [`Config`]: takes every key of every section from the [`Reader`] and reports all problems.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::config::reader::{ConfigProblem, Origin, Reader, Shown};
use crate::config::{Config, places::Places};
use crate::config::{
    alert, api, assets, backup, collect, gaps, infer, limits, mappings, metrics, redact, regroup,
    retention, rules, signals, sinks, sources, store, ui,
};

/// Names with our prefix that are not configuration keys; those of tests ([`TEST_ENV_PREFIX`]) neither.
pub const RESERVED_ENV: [&str; 12] = [
    "WATCHFLOOR_COLOR",
    "WATCHFLOOR_SYNC",
    "WATCHFLOOR_TEST_DATA",
    "WATCHFLOOR_TEST_FULL",
    "WATCHFLOOR_BLESS",
    "WATCHFLOOR_PTY_CHILD",
    "WATCHFLOOR_BIN",
    "WATCHFLOOR_CONFIG",
    "WATCHFLOOR_LOG",
    "WATCHFLOOR_BUILD_CACHE",
    "WATCHFLOOR_BENCH_DATA",
    "WATCHFLOOR_SERVICES",
];

/// What variables that only tests read begin with.
pub const TEST_ENV_PREFIX: &str = "WATCHFLOOR_TEST_";

/// What was written, from every layer.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// The file's path and text, if there is one.
    pub file: Option<(PathBuf, String)>,
    /// Environment variables (name, value), the whole environment is fine.
    pub env: Vec<(String, String)>,
    /// Flags: (key path, value, how it was written on the command line).
    pub flags: Vec<(String, String, String)>,
}

/// The outcome: a configuration only if nothing is wrong.
pub struct Checked {
    /// What is meant; usable only when `problems` is empty.
    pub config: Config,
    /// Everything that is wrong.
    pub problems: Vec<ConfigProblem>,
    /// Every key with value, origin, default and documentation.
    pub shown: Vec<Shown>,
    reader: Reader,
}

impl Checked {
    /// Add what a higher layer found to be wrong with a key.
    pub fn complain(&mut self, key: &str, message: String, hint: String) {
        let origin = self.reader.origin(key);
        self.problems.push(ConfigProblem { key: key.to_owned(), origin, message, hint });
    }
}

/// Check what was written. No side effects.
pub fn check(written: &Written) -> Checked {
    let mut reader = Reader::default();
    if let Some((path, text)) = &written.file {
        reader.add_file(path, text);
    }
    for (name, value) in &written.env {
        let Some(rest) = name.strip_prefix("WATCHFLOOR_") else { continue };
        if RESERVED_ENV.contains(&name.as_str()) || name.starts_with(TEST_ENV_PREFIX) {
            continue;
        }
        let key = rest.to_ascii_lowercase().replace("__", ".");
        reader.set(&key, value, Origin::Env(name.clone()));
    }
    for (key, value, flag) in &written.flags {
        reader.set(key, value, Origin::Flag(flag.clone()));
    }
    let mut config = read(&mut reader);
    config.file = written.file.as_ref().map(|(path, _)| path.clone());
    reader.finish();
    let (problems, shown) =
        (std::mem::take(&mut reader.problems), std::mem::take(&mut reader.shown));
    Checked { config, problems, shown, reader }
}

fn read(reader: &mut Reader) -> Config {
    let default_dir = Places::of_this_user().data_dir;
    let data_dir = reader.text(
        "data_dir",
        &default_dir.to_string_lossy(),
        "Stores, positions and audit; made owner-only.",
    );
    let sinks = sinks::read(reader);
    let (roles, collect) = collect::read(reader, &sinks);
    let mut config = Config {
        file: None,
        data_dir: PathBuf::from(data_dir),
        rules: rules::read(reader),
        signals: signals::read(reader),
        infer: infer::read(reader),
        mappings: mappings::read(reader),
        store: store::read(reader),
        alert: alert::read(reader),
        assets: assets::read(reader),
        api: api::read(reader),
        metrics: metrics::read(reader),
        redact: redact::read(reader),
        retention: retention::read(reader),
        backup: backup::read(reader),
        gaps: gaps::read(reader),
        limits: limits::read(reader),
        ui: ui::read(reader),
        roles,
        collect,
        sinks,
        regroup: regroup::read(reader),
        sources: (0..reader.tables("sources")).map(|index| sources::read(reader, index)).collect(),
    };
    let mut names = BTreeSet::new();
    for (index, source) in config.sources.iter().enumerate() {
        if !names.insert(source.name.clone()) {
            let key = format!("sources[{index}].name");
            let message = format!("the name {:?} is used twice", source.name);
            reader.complain(&key, message, "every source needs its own name".to_owned());
        }
    }
    regroup::add_source(reader, config.regroup.as_ref(), &mut config.sources);
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(text: &str) -> Checked {
        check(&Written {
            file: Some((PathBuf::from("w.toml"), text.to_owned())),
            ..Written::default()
        })
    }

    #[test]
    fn an_empty_file_is_valid() {
        let checked = check_text("");
        assert_eq!(checked.problems, []);
        assert!(checked.config.redact.secrets);
    }

    #[test]
    fn every_problem_is_reported_at_once_with_key_place_and_nearest_name() {
        let checked = check_text(
            "[alert]\ndedup = \"5m\"\n[ui]\ntheme = 5\n[[sources]]\nname = \"a\"\ntype = \"fil\"\npaths = [\"x\"]\n",
        );
        let all: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            all,
            [
                "w.toml:4: ui.theme: expected text, found 5",
                "w.toml:7: sources[0].type: \"fil\" is none of file, amqp, kafka, ssh, stdin, http, syslog, relp, forward, journald (did you mean file)",
                "w.toml:2: alert.dedup: unknown key (did you mean alert.dedupe)",
            ]
        );
    }

    #[test]
    fn environment_overrides_and_unknown_variables_are_refused() {
        let checked = check(&Written {
            env: vec![
                ("WATCHFLOOR_ALERT__DEDUPE".to_owned(), "2m".to_owned()),
                ("WATCHFLOOR_TEST_DATA".to_owned(), "x".to_owned()),
                ("WATCHFLOOR_COLOR".to_owned(), "never".to_owned()),
                ("WATCHFLOOR_SYNC".to_owned(), "1".to_owned()),
                ("WATCHFLOOR_ALERT__NOPE".to_owned(), "x".to_owned()),
            ],
            ..Written::default()
        });
        assert_eq!(checked.config.alert.dedupe.as_secs(), 120);
        assert_eq!(checked.problems.len(), 1);
        assert_eq!(checked.problems[0].key, "alert.nope");
    }

    #[test]
    fn a_damaged_file_names_its_line() {
        let checked = check_text("[ui]\ntheme = \"dark\nx");
        let all: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
        assert!(all.iter().any(|text| text.starts_with("w.toml:2: ")), "{all:?}");
    }

    #[test]
    fn sources_are_read_with_hosts_and_labels() {
        let checked = check_text(
            "[[sources]]\nname='a'\ntype='file'\npaths=['/var/log/*.log']\nhost='Web01'\nfrom='end'\n[sources.labels]\ntenant='t'\n",
        );
        assert_eq!(checked.problems, []);
        let source = &checked.config.sources[0];
        assert_eq!(source.host, sources::HostRule::Fixed("web01".to_owned()));
        assert_eq!(source.labels["tenant"], "t");
    }
}
