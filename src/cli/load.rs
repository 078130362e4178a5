//! From flags, environment and file to a checked configuration, and the logging that goes with it.

use std::fs::OpenOptions;
use std::io::IsTerminal;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::api;
use crate::cli::{Common, output};
use crate::config::Config;
use crate::config::check::{Checked, Written, check};
use crate::config::places::Places;
use crate::model::desk::{Problem, ProblemKind};
use crate::model::severity::Severity;
use crate::pipeline::start_check::{self, Finding, Formats, Weight};
use crate::stdx::time::Timestamp;

/// A desk's log that is larger is put aside at the next start.
const LOG_BYTES_MAX: u64 = 16 << 20;

/// The configuration, or every problem on standard error and one summary as the error.
pub(crate) fn config(common: &Common) -> anyhow::Result<Config> {
    usable(checked(common)?)
}

fn usable(checked: Checked) -> anyhow::Result<Config> {
    if checked.problems.is_empty() {
        return Ok(checked.config);
    }
    for problem in &checked.problems {
        output::complain(&problem.to_string());
    }
    let count = checked.problems.len();
    let word = if count == 1 { "problem" } else { "problems" };
    Err(Problem::new(ProblemKind::Invalid, format!("{count} {word} in the configuration"))
        .hint("watchfloor config show --origin lists every key with its value and where it comes from")
        .into())
}

/// As [`config`], for whoever starts the path: what would stop the start is a problem as well.
pub(crate) fn config_to_run(common: &Common) -> anyhow::Result<Config> {
    usable(checked_to_run(common)?)
}

/// As [`checked`], with what would stop a start. Models are left to the start, which reads them and says the same; a running
/// daemon keeps those it has.
pub(crate) fn checked_to_run(common: &Common) -> anyhow::Result<Checked> {
    let mut checked = checked(common)?;
    add_findings(&mut checked, files_findings, |finding| finding.weight == Weight::Stops);
    Ok(checked)
}

/// As [`checked`], with what would stop a start and what a daemon would miss.
pub(crate) fn checked_in_full(common: &Common) -> anyhow::Result<Checked> {
    let mut checked = checked(common)?;
    add_findings(&mut checked, start_findings, |_| true);
    Ok(checked)
}

/// What a start would find wrong with a configuration that has no problem itself.
pub(crate) fn start_findings(config: &Config) -> Vec<Finding> {
    let mut findings = files_findings(config);
    findings.extend(start_check::models(config));
    findings
}

fn files_findings(config: &Config) -> Vec<Finding> {
    let mut findings = start_check::look(config);
    if let Some(socket) = &config.api.socket
        && let Err(error) = api::check(socket, config.api.socket_group.as_deref())
    {
        findings.push(Finding {
            key: "api.socket".to_owned(),
            message: format!("{:#}", anyhow::Error::from(error)),
            hint: String::new(),
            weight: Weight::Stops,
        });
    }
    findings
}

fn add_findings(
    checked: &mut Checked,
    of: fn(&Config) -> Vec<Finding>,
    wanted: impl Fn(&Finding) -> bool,
) {
    // A key that is wrong already would be said twice.
    if checked.problems.is_empty() {
        for Finding { key, message, hint, .. } in of(&checked.config).into_iter().filter(wanted) {
            checked.complain(&key, message, hint);
        }
    }
}

/// Everything that was written, checked, problems included.
pub(crate) fn checked(common: &Common) -> anyhow::Result<Checked> {
    Ok(check(&written(common)?))
}

/// The file that would be read: the named one, else the default place if something is there.
pub(crate) fn file(common: &Common) -> Option<PathBuf> {
    common.config.clone().or_else(|| {
        let default = Places::of_this_user().config_file;
        default.exists().then_some(default)
    })
}

fn written(common: &Common) -> anyhow::Result<Written> {
    let file = match file(common) {
        Some(path) => {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read the configuration {}", path.display()))?;
            Some((path, text))
        }
        None => None,
    };
    let mut flags = Vec::new();
    if let Some(dir) = &common.data_dir {
        flags.push(("data_dir".to_owned(), dir.display().to_string(), "--data-dir".to_owned()));
    }
    for setting in &common.set {
        let Some((key, value)) = setting.split_once('=') else {
            return Err(Problem::new(ProblemKind::Invalid, format!("--set {setting}: no = in it"))
                .hint("write --set KEY=VALUE, for example --set alert.dedupe=10m")
                .into());
        };
        flags.push((key.to_owned(), value.to_owned(), format!("--set {key}")));
    }
    Ok(Written { file, env: std::env::vars().collect(), flags })
}

/// A line of the log that cannot be written (its disk is full too) is lost. Telling so on standard error would be a panic of
/// whoever wrote the line where that is what cannot be written.
const LOG_ERRORS: bool = false;

/// Structured logs on standard error. `WATCHFLOOR_LOG` takes the filter syntax of `tracing`.
pub(crate) fn logging(common: &Common, json: bool) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(common))
        .log_internal_errors(LOG_ERRORS)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // A second call (tests in one process) keeps the first subscriber.
    let _ = if json { builder.json().try_init() } else { builder.with_target(false).try_init() };
}

fn filter(common: &Common) -> tracing_subscriber::EnvFilter {
    let default = match common.verbose {
        0 => "watchfloor=warn",
        1 => "watchfloor=info",
        _ => "watchfloor=debug",
    };
    let filter = std::env::var("WATCHFLOOR_LOG").unwrap_or_else(|_| default.to_owned());
    tracing_subscriber::EnvFilter::builder().parse_lossy(filter)
}

/// Structured logs while a desk is on the screen: appended to `watchfloor.log` in the data folder, because standard
/// error is the screen. Without that folder (a desk beside a daemon of another user) nothing is logged.
pub(crate) fn logging_beside_desk(common: &Common, data_dir: &Path) {
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o600);
    let me = rustix::process::geteuid().as_raw();
    if !std::fs::metadata(data_dir).is_ok_and(|meta| meta.uid() == me) {
        return;
    }
    let path = data_dir.join("watchfloor.log");
    if std::fs::metadata(&path).is_ok_and(|meta| meta.len() > LOG_BYTES_MAX) {
        // The one before is replaced; a log that cannot be moved grows on.
        let _ = std::fs::rename(&path, data_dir.join("watchfloor.log.1"));
    }
    let Ok(file) = options.open(&path) else { return };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(common))
        .log_internal_errors(LOG_ERRORS)
        .with_ansi(false);
    // A second call (tests in one process) keeps the first subscriber.
    let _ = builder.with_writer(std::sync::Mutex::new(file)).with_target(false).try_init();
}

/// A time on the command line: RFC 3339, or a date or date and time in UTC.
pub(crate) fn time(text: &str) -> Result<Timestamp, BadTime> {
    let text = text.trim();
    Timestamp::parse_rfc3339(text)
        .or_else(|| Timestamp::parse_rfc3339(&format!("{text}Z")))
        .or_else(|| Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z")))
        .ok_or(BadTime)
}

/// A time that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("expected a time such as 2026-11-22T08:00:00Z or 2026-11-22")]
pub(crate) struct BadTime;

/// Is this the name of a format (or `auto`)? The error lists the nearest.
pub(crate) fn format_name(config: &Config, name: &str) -> anyhow::Result<()> {
    let (message, hint) = match Formats::of(config).knows(name) {
        Ok(()) => return Ok(()),
        Err(unknown) => unknown,
    };
    Err(Problem::new(ProblemKind::Invalid, message).hint(hint).into())
}

/// A severity word on the command line.
pub(crate) fn severity(text: &str) -> Result<Severity, BadSeverity> {
    Severity::parse(text).ok_or(BadSeverity)
}

/// A word that is no severity.
#[derive(Debug, thiserror::Error)]
#[error("expected critical, high, medium, low or info")]
pub(crate) struct BadSeverity;
