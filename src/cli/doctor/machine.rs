//! What surrounds the program: the logs it should read, the rules, the clock.

use std::fs::File;
use std::process::Command;

use crate::cli::doctor::Findings;
use crate::config::Config;
use crate::config::sources::SourceKind;
use crate::pipeline::inputs::files_of;
use crate::pipeline::rules::check;
use crate::service::local_actor;
use crate::stdx::time::Timestamp;

/// Files of one source that are tried.
const FILES_TRIED_MAX: usize = 10_000;
/// Problems of one kind that are listed; the rest is counted.
const LISTED_MAX: usize = 5;
/// 2026-01-01T00:00:00Z: this program did not exist before.
const EARLIEST_SECONDS: i64 = 1_767_225_600;

pub(super) fn sources(config: &Config, findings: &mut Findings) {
    if config.sources.is_empty() {
        let fix = "watchfloor config init writes an example with [[sources]]";
        findings.warn("sources", "none are configured: the daemon reads nothing", fix);
    }
    let (user, _) = local_actor();
    for source in &config.sources {
        let name = &source.name;
        let SourceKind::File(file) = &source.kind else {
            let what = match &source.kind {
                SourceKind::Stdin => "standard input".to_owned(),
                SourceKind::Http(http) => format!("listens on {}", http.listen),
                _ => "is opened when the daemon starts".to_owned(),
            };
            findings.ok("sources", format!("{name}: {what}"));
            continue;
        };
        let found = files_of(&file.paths, &file.exclude);
        let refused: Vec<String> = found
            .files
            .iter()
            .take(FILES_TRIED_MAX)
            .filter_map(|path| match File::open(path) {
                Ok(_) => None,
                // Gone since the folder was listed: rotation.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
                Err(error) => Some(format!("{}: {error}", path.display())),
            })
            .collect();
        let wrong: Vec<&String> = found.refused.iter().chain(&refused).collect();
        for text in wrong.iter().take(LISTED_MAX) {
            let fix = format!(
                "give the user {user} read access: setfacl -m u:{user}:rX PATH, or its group"
            );
            findings.fail("sources", format!("{name}: {text}"), fix);
        }
        if wrong.len() > LISTED_MAX {
            let more = wrong.len() - LISTED_MAX;
            findings.fail("sources", format!("{name}: and {more} more cannot be read"), "");
        }
        for text in &found.missing {
            let fix = "mend sources.paths, or wait: a file that appears later is read";
            findings.warn("sources", format!("{name}: {text}"), fix);
        }
        if wrong.is_empty() && found.missing.is_empty() {
            let count = found.files.len();
            if count == 0 {
                let fix = "look at sources.paths and sources.exclude";
                findings.warn("sources", format!("{name}: no file is there yet"), fix);
            } else {
                findings.ok("sources", format!("{name}: {count} files, readable"));
            }
        }
    }
}

pub(super) fn rules(config: &Config, findings: &mut Findings) {
    let report = check(&config.rules.paths);
    let (runs, unused) = (report.rules.len(), report.problems.len());
    if runs == 0 {
        let fix = "rules.paths = [\"builtin\"] uses the shipped ones";
        findings.fail("rules", "no rule runs: nothing will be found", fix);
    } else {
        findings.ok("rules", format!("{runs} run, {} of them correlations", report.correlations));
    }
    if let Some(first) = report.problems.first() {
        let what = format!("{unused} do not run, first: {first}");
        findings.warn("rules", what, "watchfloor rules check lists all");
    }
}

pub(super) fn clock(findings: &mut Findings) {
    let now = Timestamp::now();
    if now.seconds() < EARLIEST_SECONDS {
        let what = format!("it says {now}, which is past: events would come from the future");
        findings.fail("clock", what, "timedatectl set-ntp true, or set it by hand");
        return;
    }
    let asked = Command::new("timedatectl")
        .args(["show", "--property=NTPSynchronized", "--value"])
        .output();
    let answer = asked.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    match answer.as_deref() {
        Ok("yes") => findings.ok("clock", "synchronised"),
        Ok("no") => {
            let what = "not synchronised: times of several hosts will not fit together";
            findings.warn("clock", what, "timedatectl set-ntp true, or run chrony");
        }
        _ => findings.ok("clock", format!("{now}; whether it is synchronised is not known here")),
    }
}
