//! `watchfloor doctor`: looks at everything the program needs and says what is wrong and how to mend it.

mod machine;
mod store;
mod terminal;

use std::io::Write;

use clap::Args;

use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome, load};
use crate::model::desk::{Problem, ProblemKind};
use crate::pipeline::start_check::{Finding, Weight};

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor doctor
  watchfloor doctor --format ndjson | grep -v '\"level\":\"ok\"'
  watchfloor doctor --adopt-tail

Exit code: 1 when a line says FAIL. Run it as the user of the daemon: another user sees other things.")]
pub(crate) struct Arguments {
    /// Take events into the books that lie beyond what the alert store records, after a database was
    /// restored beside newer event segments. They become searchable; no rule judges them again
    #[arg(long)]
    adopt_tail: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Ok,
    Warn,
    Fail,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "FAIL",
        }
    }
}

/// One thing that was looked at.
struct Line {
    level: Level,
    area: &'static str,
    what: String,
    fix: String,
}

/// Everything that was looked at, in order.
#[derive(Default)]
struct Findings(Vec<Line>);

impl Findings {
    fn ok(&mut self, area: &'static str, what: impl Into<String>) {
        self.0.push(Line { level: Level::Ok, area, what: what.into(), fix: String::new() });
    }

    fn warn(&mut self, area: &'static str, what: impl Into<String>, fix: impl Into<String>) {
        self.0.push(Line { level: Level::Warn, area, what: what.into(), fix: fix.into() });
    }

    fn fail(&mut self, area: &'static str, what: impl Into<String>, fix: impl Into<String>) {
        self.0.push(Line { level: Level::Fail, area, what: what.into(), fix: fix.into() });
    }

    /// An error with its causes; what a [`Problem`] advises is the fix.
    fn error(&mut self, area: &'static str, error: &anyhow::Error) {
        let problem = error.chain().find_map(|cause| cause.downcast_ref::<Problem>());
        let fix = problem.map_or_else(String::new, |problem| problem.hint.clone());
        self.fail(area, format!("{error:#}"), fix);
    }
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    load::logging(common, false);
    if arguments.adopt_tail {
        return store::adopt_tail(common);
    }
    let mut findings = Findings::default();
    look(common, &mut findings);
    print(&findings, arguments.format)?;
    let failed = findings.0.iter().any(|line| line.level == Level::Fail);
    Ok(if failed { Outcome::Failed } else { Outcome::Done })
}

fn look(common: &Common, findings: &mut Findings) {
    let checked = match load::checked(common) {
        Ok(checked) => checked,
        Err(error) => {
            findings.error("config", &error);
            terminal::look(None, findings);
            machine::clock(findings);
            return;
        }
    };
    terminal::look(Some(&checked.config.ui), findings);
    for problem in &checked.problems {
        findings.fail("config", problem.to_string(), "");
    }
    if checked.problems.is_empty() {
        let from = load::file(common)
            .map_or_else(|| "no file, defaults only".to_owned(), |path| path.display().to_string());
        let wrong = load::start_findings(&checked.config);
        if wrong.is_empty() {
            findings.ok("config", from);
        }
        for Finding { key, message, hint, weight } in wrong {
            let what = format!("{key}: {message}");
            match weight {
                Weight::Stops => findings.fail("config", what, hint),
                Weight::Missing => findings.warn("config", what, hint),
            }
        }
        store::look(&checked.config, findings);
        machine::sources(&checked.config, findings);
        machine::rules(&checked.config, findings);
    } else {
        findings.warn(
            "config",
            "store, sources and rules were not looked at",
            "mend the configuration first",
        );
    }
    machine::clock(findings);
}

fn print(findings: &Findings, format: Format) -> anyhow::Result<()> {
    let mut out = output::stdout();
    if format == Format::Table {
        for line in &findings.0 {
            let fix =
                if line.fix.is_empty() { String::new() } else { format!("  fix: {}", line.fix) };
            let text = format!("{:<4}  {:<8}  {}{fix}", line.level.as_str(), line.area, line.what);
            writeln!(out, "{}", output::plain(&text).replace('\n', " "))?;
        }
    } else {
        let records = findings.0.iter().map(|line| {
            serde_json::json!({
                "level": line.level.as_str(), "area": line.area, "what": line.what, "fix": line.fix,
            })
        });
        output::records(&mut out, format, &["level", "area", "what", "fix"], records)?;
    }
    out.flush()?;
    Ok(())
}

/// The problem of asking for a repair while a daemon runs.
fn in_the_way(problem: Problem) -> Problem {
    Problem { kind: ProblemKind::Conflict, ..problem }.hint("stop the daemon first, then try again")
}
