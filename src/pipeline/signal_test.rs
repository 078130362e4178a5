//! The tests that stand beside signals: `NAME.test` holds raw records, which our decoders read. Those of a part
//! `== fires` must give a finding, those of `== stays silent` none; each part begins without state.
//!
//! Signals need many records, so lines may be made: `@start TIME` sets a clock, `@wait 30m` moves it on, and after
//! `@repeat 20 every 10s` the next line stands twenty times, ten seconds apart. In a line `{rfc3339}`, `{syslog}`,
//! `{clf}`, `{php}` and `{epoch}` are the clock, `{n}` is the number of the repeat.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::config::signals::SignalsConfig;
use crate::config::units::parse_duration;
use crate::model::finding::Finding;
use crate::normalise::Settings;
use crate::normalise::mapping::check::decode;
use crate::signal::{self, Engine, SignalSet, files};
use crate::stdx::time::{Timestamp, micros};

/// Heads of the parts of a test file.
const FIRES: &str = "== fires";
const SILENT: &str = "== stays silent";
/// Where the clock stands when nobody sets it.
const START: &str = "2026-03-04T10:00:00Z";
/// Lines that one test may have.
const LINES_MAX: usize = 20_000;

/// What the test of one signal file came to.
#[derive(Clone, Debug, Default)]
pub struct Tested {
    /// The signal file.
    pub file: String,
    /// What did not hold; empty: all is well.
    pub failures: Vec<String>,
    /// What the records that must fire gave: event time, level, signal, reason.
    pub fired: Vec<String>,
}

/// Run the tests beside the signal files that `paths` (`builtin`, files, folders) lead to.
pub fn run(config: &Config, paths: &[String]) -> anyhow::Result<Vec<Tested>> {
    let settings = Arc::new(Settings::new(config)?);
    let mut problems = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for document in files::documents(paths, &mut problems) {
        if names.last() != Some(&document.file) {
            names.push(document.file);
        }
    }
    let mut tested: Vec<Tested> = Vec::new();
    for problem in problems {
        let failures = vec![problem.to_string()];
        tested.push(Tested { file: problem.file, failures, fired: Vec::new() });
    }
    tested.extend(names.into_iter().map(|name| file(config, &settings, name)));
    Ok(tested)
}

/// The test of a signal file, which stands beside it.
fn test_of(beside: &str) -> io::Result<String> {
    let Some(inner) = files::in_pack(beside) else { return std::fs::read_to_string(beside) };
    let bytes = files::pack_file(inner).ok_or(io::ErrorKind::NotFound)?;
    String::from_utf8(bytes.to_vec()).map_err(|_| io::ErrorKind::InvalidData.into())
}

fn file(config: &Config, settings: &Arc<Settings>, name: String) -> Tested {
    let beside = Path::new(&name).with_extension("test").display().to_string();
    let mut tested = Tested { file: name.clone(), ..Tested::default() };
    let own = SignalsConfig { paths: vec![name], ..config.signals.clone() };
    let loaded = signal::load(&own);
    tested.failures.extend(loaded.problems.iter().map(ToString::to_string));
    let text = match test_of(&beside) {
        Ok(text) => text,
        Err(error) => {
            tested.failures.push(format!("{beside}: {error}"));
            return tested;
        }
    };
    let parts = match parts(&text) {
        Ok(parts) => parts,
        Err(reason) => {
            tested.failures.push(format!("{beside}: {reason}"));
            return tested;
        }
    };
    let set = Arc::new(loaded.set);
    for part in parts {
        let (found, unread) = judge(&set, &own, settings, &part.records);
        let at = format!("{beside}:{}", part.line);
        for reason in unread {
            tested.failures.push(format!("{at}: a record was not read: {reason}"));
        }
        let said = found.iter().map(describe);
        if part.fires {
            if found.is_empty() {
                tested.failures.push(format!("{at}: does not fire"));
            }
            tested.fired.extend(said);
        } else {
            tested.failures.extend(said.map(|said| format!("{at}: fires: {said}")));
        }
    }
    tested
}

fn describe(finding: &Finding) -> String {
    let why = finding.matched.first().map_or("", |(_, why)| why.as_str());
    format!("{} {} {}: {why}", finding.timestamp, finding.rule.level, finding.rule.id)
}

/// One part of a test file.
#[derive(Debug, Default)]
struct Part {
    line: usize,
    fires: bool,
    records: Vec<String>,
}

/// Why a test file cannot be used.
#[derive(Debug, thiserror::Error)]
enum TestError {
    #[error("needs `{FIRES}` and `{SILENT}`, each with records")]
    Parts,
    #[error("line {0}: a line before the first part")]
    Before(usize),
    #[error("line {0}: {1:?} is none of @start TIME, @wait SPAN, @repeat N every SPAN")]
    Word(usize, String),
    #[error("more than {LINES_MAX} records")]
    TooMuch,
}

fn parts(text: &str) -> Result<Vec<Part>, TestError> {
    let mut parts: Vec<Part> = Vec::new();
    let mut clock = Clock::default();
    let mut records = 0;
    for (number, line) in (1..).zip(text.lines()) {
        if line == FIRES || line == SILENT {
            parts.push(Part { line: number, fires: line == FIRES, records: Vec::new() });
            clock = Clock::default();
            continue;
        }
        if line.trim().is_empty() || line.starts_with("# ") {
            continue;
        }
        let part = parts.last_mut().ok_or(TestError::Before(number))?;
        if line.starts_with('@') {
            clock.order(line).ok_or_else(|| TestError::Word(number, line.to_owned()))?;
            continue;
        }
        let (times, every) = clock.repeat.take().unwrap_or((1, Duration::ZERO));
        for repeat in 0..times {
            records += 1;
            if records > LINES_MAX {
                return Err(TestError::TooMuch);
            }
            part.records.push(clock.fill(line, repeat));
            clock.now = clock.now.plus_micros(micros(every));
        }
    }
    let has = |fires| parts.iter().any(|part| part.fires == fires);
    if !has(true) || !has(false) || parts.iter().any(|part| part.records.is_empty()) {
        return Err(TestError::Parts);
    }
    Ok(parts)
}

struct Clock {
    now: Timestamp,
    repeat: Option<(usize, Duration)>,
}

impl Default for Clock {
    fn default() -> Clock {
        Clock { now: Timestamp::parse_rfc3339(START).unwrap_or_default(), repeat: None }
    }
}

impl Clock {
    fn order(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["@start", at] => self.now = Timestamp::parse_rfc3339(at)?,
            ["@wait", span] => self.now = self.now.plus_micros(micros(parse_duration(span)?)),
            ["@repeat", times, "every", span] => {
                self.repeat = Some((times.parse().ok()?, parse_duration(span)?));
            }
            _ => return None,
        }
        Some(())
    }

    fn fill(&self, line: &str, number: usize) -> String {
        let at = self.now.to_jiff();
        let civil = at.to_zoned(jiff::tz::TimeZone::UTC);
        line.replace("{rfc3339}", &at.to_string())
            .replace("{syslog}", &civil.strftime("%b %e %H:%M:%S").to_string())
            .replace("{clf}", &civil.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string())
            .replace("{php}", &civil.strftime("%d-%b-%Y %H:%M:%S UTC").to_string())
            .replace("{epoch}", &at.as_second().to_string())
            .replace("{n}", &number.to_string())
    }
}

fn judge(
    set: &Arc<SignalSet>,
    config: &SignalsConfig,
    settings: &Arc<Settings>,
    records: &[String],
) -> (Vec<Finding>, Vec<String>) {
    let output = decode(records, "auto", settings);
    let mut engine = Engine::new(Arc::clone(set), config);
    let mut found = Vec::new();
    engine.analyse(&output.events, true, &mut found);
    let unread =
        output.rejects.iter().map(|reject| format!("{}: {}", reject.reason, reject.detail));
    (found, unread.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_repeated_with_the_clock() {
        let text = "== fires\n@start 2026-01-01T00:00:00Z\n@repeat 2 every 90s\n{syslog} a{n}\n@wait 1h\n{clf} x\n== stays silent\n{epoch}\n";
        let parts = parts(text).unwrap();
        assert_eq!(
            parts[0].records,
            ["Jan  1 00:00:00 a0", "Jan  1 00:01:30 a1", "01/Jan/2026:01:03:00 +0000 x"]
        );
        assert_eq!(parts[1].records, ["1772618400"]);
        assert!(super::parts("== fires\nx\n").is_err(), "no silent part");
        assert!(super::parts("== fires\n@repeat many\nx\n== stays silent\ny\n").is_err());
    }
}
