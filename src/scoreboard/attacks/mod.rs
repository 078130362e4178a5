//! Other people's attack scenarios against our decoders, rules and signals together, for `rules vectors`: is the
//! attack of this class found for this source, where their program finds one, and is nobody accused where it finds none?
//!
//! [`map`] is what a person decided (`config/scoreboard/attacks.toml`): which scenario is of which class, which of our
//! rules and signals are a finding of that class, what cannot be compared, why a difference stays. A suite's file says
//! which cases its files hold; [`judge`] runs their lines.

pub mod crowdsec;
pub mod fail2ban;
pub mod judge;
pub mod map;
pub mod quiet;
pub mod wazuh;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::scoreboard::{ScoreError, TestFile, files, read};

pub use crate::scoreboard::attacks::judge::Judge;
pub use crate::scoreboard::attacks::map::Map;

/// The class of cases that expect no attack at all.
pub const NO_ATTACK: &str = "no_attack";

/// What a scenario expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// An attack of the class by this address or name.
    By(String),
    /// An attack of the class; the scenario names no address that the log would hold.
    Somebody,
    /// Nobody but these is accused of the class; nobody at all when there are none.
    NobodyBut(Vec<String>),
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Expected::By(peer) => write!(f, "attack by {peer}"),
            Expected::Somebody => f.write_str("attack"),
            Expected::NobodyBut(peers) if peers.is_empty() => f.write_str("nobody accused"),
            Expected::NobodyBut(peers) => write!(f, "nobody accused but {}", peers.join(", ")),
        }
    }
}

/// How a case went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// We say what the scenario expects.
    Agreed,
    /// We do not; with the reason, where one is written down.
    Differing {
        /// What we say instead.
        why: String,
        /// Why that is left so.
        explained: Option<String>,
    },
    /// Cannot be compared, and why.
    NotCovered(String),
}

/// One scenario with its outcome.
#[derive(Clone, Debug)]
pub struct Case {
    /// `crowdsec`, `fail2ban`, `wazuh`, `quiet`.
    pub suite: &'static str,
    /// File, and scenario, section or line in it.
    pub name: String,
    /// The class it is about.
    pub class: String,
    /// What their program says.
    pub expected: Expected,
    /// Titles of our findings of the class, with whom they name.
    pub found: Vec<String>,
    /// How it went.
    pub verdict: Verdict,
}

/// How many cases went which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Cases that agree.
    pub agreed: usize,
    /// Cases that differ.
    pub differing: usize,
    /// Cases that cannot be compared.
    pub not_covered: usize,
}

impl Counts {
    /// Count a verdict.
    pub fn add(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Agreed => self.agreed += 1,
            Verdict::Differing { .. } => self.differing += 1,
            Verdict::NotCovered(_) => self.not_covered += 1,
        }
    }

    /// All cases.
    pub fn cases(&self) -> usize {
        self.agreed + self.differing + self.not_covered
    }

    /// Of the cases that can be compared, how many in a hundred agree. An explained difference is a difference.
    pub fn percent(&self) -> Option<f64> {
        let compared = self.agreed + self.differing;
        (compared > 0).then(|| self.agreed as f64 * 100.0 / compared as f64)
    }
}

/// By suite and class.
pub fn counts(cases: &[Case]) -> BTreeMap<(&'static str, &str), Counts> {
    let mut counts: BTreeMap<(&'static str, &str), Counts> = BTreeMap::new();
    for case in cases {
        counts.entry((case.suite, &case.class)).or_default().add(&case.verdict);
    }
    counts
}

/// Over all cases.
pub fn total(cases: &[Case]) -> Counts {
    let mut all = Counts::default();
    cases.iter().for_each(|case| all.add(&case.verdict));
    all
}

/// Judge every scenario under `folders`, and the files under `quiet`, in which nobody attacks.
pub fn run(
    judge: &Judge,
    map: &Map,
    folders: &[PathBuf],
    quiet: &[PathBuf],
) -> Result<Vec<Case>, ScoreError> {
    let mut cases = Vec::new();
    for (path, name) in files(folders)? {
        // Archives and captures lie beside some suites; scenarios are text.
        let text = read(&path)?;
        let file = TestFile { path: &path, name: &name, text: &text };
        if crate::scoreboard::fail2ban::recognise(&file) {
            cases.extend(fail2ban::cases(&file, judge, map));
        } else if crowdsec::recognise(&file) {
            cases.extend(crowdsec::cases(&file, judge, map)?);
        } else if crate::scoreboard::wazuh::recognise(&file) {
            cases.extend(wazuh::cases(&file, judge, map));
        }
    }
    for (path, name) in files(quiet)? {
        cases.push(quiet::case(&path, &name, judge, map)?);
    }
    if cases.is_empty() {
        let names = folders.iter().chain(quiet).map(|path| path.display().to_string());
        return Err(ScoreError::Nothing(names.collect::<Vec<_>>().join(", ")));
    }
    for case in &mut cases {
        if let Verdict::Differing { explained, .. } = &mut case.verdict {
            *explained = map.explained(case.suite, &case.name, &case.class);
        }
    }
    Ok(cases)
}
