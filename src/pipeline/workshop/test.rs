//! Unit tests beside rules: `NAME.test` next to `NAME.yml` holds raw records under `== fires` and `== stays silent`.
//!
//! The records go through the same decoders as a log file, then only the rules of `NAME.yml` judge them. So a test
//! also fails when a decoder loses the field that the rule reads.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::config::rules::{PackPlace, RulesConfig};
use crate::detect::files;
use crate::detect::{Detector, Loaded, RuleSet};
use crate::model::finding::{Finding, RuleInfo};
use crate::pipeline::inputs::{Inputs, Plan, see_rejects};
use crate::stdx::time::Timestamp;

/// A test file longer than this is refused.
const TEST_BYTES_MAX: usize = 4 << 20;
/// Opens the records that must make a rule fire.
const FIRES: &str = "== fires";
/// Opens the records that must not.
const SILENT: &str = "== stays silent";

/// What came of all tests.
#[derive(Debug, Default)]
pub struct TestReport {
    /// Rule files in the order of their paths.
    pub files: Vec<TestedFile>,
    /// Rule files that could not be read, in a person's words.
    pub problems: Vec<String>,
}

/// One rule file and its tests.
#[derive(Debug)]
pub struct TestedFile {
    /// The rule file.
    pub file: String,
    /// Its rules.
    pub rules: Vec<Arc<RuleInfo>>,
    /// Why its tests could not run at all; `None` when they ran or there are none.
    pub problem: Option<String>,
    /// What was tested; empty when there is no test file.
    pub cases: Vec<Case>,
    /// There is a test file.
    pub tested: bool,
}

/// One section of a test file.
#[derive(Debug)]
pub struct Case {
    /// What follows the heading (`== fires: by curl`), or the heading's own words.
    pub name: String,
    /// Line of the heading in the test file, from 1.
    pub line: u32,
    /// The records must make a rule fire.
    pub fires: bool,
    /// Titles of the rules that fired.
    pub fired: BTreeSet<String>,
    /// What was wrong; empty: the test passed.
    pub failure: String,
    /// How long it took.
    pub took: Duration,
}

impl TestedFile {
    /// Did everything that ran pass?
    pub fn passed(&self) -> bool {
        self.problem.is_none() && self.cases.iter().all(|case| case.failure.is_empty())
    }
}

impl TestReport {
    /// Sections that passed and that failed; a file whose tests cannot run is one failure.
    pub fn counts(&self) -> (usize, usize) {
        let cases = || self.files.iter().flat_map(|file| &file.cases);
        let failed = cases().filter(|case| !case.failure.is_empty()).count();
        let broken = self.files.iter().filter(|file| file.problem.is_some()).count();
        (cases().count() - failed, failed + broken)
    }

    /// Rule files without a test.
    pub fn untested(&self) -> impl Iterator<Item = &TestedFile> {
        self.files.iter().filter(|file| !file.tested && file.problem.is_none())
    }
}

/// Run the tests of every rule file: of `builtin`, files, folders, and packs with their local edits.
pub fn test(config: &Config, rules: &RulesConfig) -> anyhow::Result<TestReport> {
    let mut problems = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for document in files::documents(&rules.paths, &rules.packs, &mut problems) {
        if names.last() != Some(&document.file) {
            names.push(document.file);
        }
    }
    let inputs = Inputs {
        paths: Vec::new(),
        format: "auto".to_owned(),
        host: None,
        host_from_path: None,
        explain: false,
    };
    let plan = Plan::new(config, &inputs, false)?;
    let rows_max = config.limits.correlation_rows_max;
    Ok(TestReport {
        files: names.into_iter().map(|name| one(&plan, rules, rows_max, name)).collect(),
        problems: problems.iter().map(ToString::to_string).collect(),
    })
}

fn one(plan: &Plan, configured: &RulesConfig, rows_max: usize, file: String) -> TestedFile {
    let (path, packs) = match files::on_disk(&file, &configured.packs) {
        Some(path) => (path.display().to_string(), configured.packs.as_slice()),
        None => (file.clone(), &[][..]),
    };
    let config = RulesConfig {
        paths: vec![path],
        placeholders: configured.placeholders.clone(),
        ..RulesConfig::default()
    };
    let Loaded { rules, problems, .. } = RuleSet::load(&config, &BTreeSet::new());
    let infos = rules.rules().iter().chain(rules.unbound()).cloned().collect();
    let mut tested =
        TestedFile { file, rules: infos, problem: None, cases: Vec::new(), tested: false };
    let text = match test_of(&tested.file, packs) {
        Ok(text) => text,
        Err(bad) => {
            tested.problem = Some(bad.to_string());
            return tested;
        }
    };
    let Some(text) = text else { return tested };
    tested.tested = true;
    if let Some(problem) = problems.first() {
        tested.problem = Some(problem.to_string());
        return tested;
    }
    let name = test_name(&tested.file);
    match sections(&name, &text) {
        Ok(sections) => {
            let rules = Arc::new(rules);
            let run = |section| run(plan, &rules, rows_max, section);
            tested.cases = sections.into_iter().map(run).collect();
        }
        Err(bad) => tested.problem = Some(bad.to_string()),
    }
    tested
}

/// The name of the test file that belongs to a rule file.
pub fn test_name(rule_file: &str) -> String {
    Path::new(rule_file).with_extension("test").display().to_string()
}

/// Why the tests of a rule file cannot run.
#[derive(Debug, thiserror::Error)]
pub enum BadTest {
    /// The file cannot be read.
    #[error("{0}: cannot be read: {1}")]
    Read(String, std::io::Error),
    /// It is too long.
    #[error("{0}: is longer than {TEST_BYTES_MAX} bytes; split the rule file and its tests")]
    Long(String),
    /// It is no text.
    #[error("{0}: is not UTF-8; save it as UTF-8")]
    NotText(String),
    /// Something stands before the first heading.
    #[error(
        "{0}:{1}: a record stands before the first heading; begin with `{FIRES}` or `{SILENT}`"
    )]
    NoHeading(String, u32),
    /// A heading that means nothing.
    #[error(
        "{0}:{1}: {2:?} is no heading; write `{FIRES}` or `{SILENT}`, with `: name` if you like"
    )]
    Heading(String, u32, String),
    /// A heading without records.
    #[error("{0}:{1}: no record stands below this heading")]
    Empty(String, u32),
    /// A kind of section is missing.
    #[error("{0}: has no `{1}` section; a rule needs records of both kinds")]
    Missing(String, &'static str),
}

/// The text of the test file; an edited rule keeps the tests of its pack unless it has its own.
fn test_of(rule_file: &str, packs: &[PackPlace]) -> Result<Option<String>, BadTest> {
    let shown = test_name(rule_file);
    let own = files::on_disk(&shown, packs);
    let of_pack = || {
        let inner = shown.strip_prefix(files::LOCAL_PREFIX)?;
        files::on_disk(&format!("{}{inner}", files::PACK_PREFIX), packs)
    };
    let place = own.clone().filter(|path| path.exists()).or_else(of_pack).or(own);
    let name = place.map_or_else(|| shown.clone(), |path| path.display().to_string());
    let bytes = match files::in_pack(&name) {
        Some(inner) => files::pack_file(inner).map(<[u8]>::to_vec),
        None => match std::fs::read(&name) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(BadTest::Read(name, error)),
        },
    };
    let Some(bytes) = bytes else { return Ok(None) };
    if bytes.len() > TEST_BYTES_MAX {
        return Err(BadTest::Long(name));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| BadTest::NotText(name))
}

#[derive(Debug, PartialEq, Eq)]
struct Section {
    name: String,
    line: u32,
    fires: bool,
    records: String,
}

fn sections(file: &str, text: &str) -> Result<Vec<Section>, BadTest> {
    let mut out: Vec<Section> = Vec::new();
    for (line, row) in (1..).zip(text.split_inclusive('\n')) {
        if let Some(rest) = row.strip_prefix("== ") {
            let (words, name) = rest.trim_end().split_once(':').unwrap_or((rest.trim_end(), ""));
            let fires = match words.trim_end() {
                "fires" => true,
                "stays silent" => false,
                _ => return Err(BadTest::Heading(file.to_owned(), line, row.trim().to_owned())),
            };
            let name = if name.trim().is_empty() { words.trim_end() } else { name.trim() };
            out.push(Section { name: name.to_owned(), line, fires, records: String::new() });
        } else if let Some(section) = out.last_mut() {
            section.records.push_str(row);
        } else if !row.trim().is_empty() && !row.starts_with('#') {
            return Err(BadTest::NoHeading(file.to_owned(), line));
        }
    }
    if let Some(empty) = out.iter().find(|section| section.records.trim().is_empty()) {
        return Err(BadTest::Empty(file.to_owned(), empty.line));
    }
    for (fires, heading) in [(true, FIRES), (false, SILENT)] {
        if !out.iter().any(|section| section.fires == fires) {
            return Err(BadTest::Missing(file.to_owned(), heading));
        }
    }
    Ok(out)
}

fn run(plan: &Plan, rules: &Arc<RuleSet>, rows_max: usize, section: Section) -> Case {
    let started = Instant::now();
    let mut detector = Detector::new(Arc::clone(rules), rows_max);
    let mut findings: Vec<Finding> = Vec::new();
    let mut rejects = BTreeMap::new();
    let read = plan.read_bytes(
        "records.log",
        section.records.as_bytes(),
        Timestamp::now(),
        &mut |output| {
            see_rejects(&mut rejects, &output.rejects);
            detector.analyse(&output.events, false, &mut findings);
            ControlFlow::Continue(())
        },
    );
    let fired: BTreeSet<String> =
        findings.iter().map(|finding| finding.rule.title.clone()).collect();
    let unread = rejects.into_values().chain(read.problems).next();
    let failure = if let Some(unread) = unread {
        format!("a record cannot be read: {unread}")
    } else if section.fires && fired.is_empty() {
        format!("no rule fired on {}", events(read.ledger.events))
    } else if !section.fires && !fired.is_empty() {
        format!("fired: {}", fired.iter().cloned().collect::<Vec<_>>().join("; "))
    } else {
        String::new()
    };
    let Section { name, line, fires, .. } = section;
    Case { name, line, fires, fired, failure, took: started.elapsed() }
}

fn events(count: u64) -> String {
    if count == 1 { "1 event".to_owned() } else { format!("{count} events") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_have_names_and_lines_and_bad_headings_are_named() {
        let text = "# c\n== fires: by curl\na\nb\n== stays silent\nc\n== fires\nd\n";
        let found = sections("r.test", text).unwrap();
        let seen: Vec<_> =
            found.iter().map(|s| (s.name.as_str(), s.line, s.fires, s.records.as_str())).collect();
        assert_eq!(
            seen,
            [
                ("by curl", 2, true, "a\nb\n"),
                ("stays silent", 5, false, "c\n"),
                ("fires", 7, true, "d\n")
            ]
        );
        for (text, part) in [
            ("a\n== fires\n", "r.test:1: a record stands before"),
            ("== fire\na\n", "r.test:1: \"== fire\" is no heading"),
            ("== fires\na\n", "has no `== stays silent`"),
            ("== fires\n\n== stays silent\nb\n", "r.test:1: no record stands below"),
        ] {
            let said = sections("r.test", text).unwrap_err().to_string();
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn the_test_of_a_rule_in_the_pack_runs_without_any_file() {
        let paths = vec!["builtin/linux/sudo_escape.yml".to_owned()];
        let rules = RulesConfig { paths, ..RulesConfig::default() };
        let report = test(&Config::default(), &rules).unwrap();
        assert_eq!(report.problems, Vec::<String>::new());
        assert_eq!(report.counts(), (2, 0), "{report:?}");
        assert_eq!(report.untested().count(), 0);
    }
}
