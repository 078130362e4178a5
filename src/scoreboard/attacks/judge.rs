//! Lines of a scenario through decoder, rules and signals, as `scan` does it for a file, and who is accused of what.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::config::Config;
use crate::config::rules::RulesConfig;
use crate::detect::{Detector, Loaded, RuleSet};
use crate::model::event::{Event, EventId};
use crate::model::finding::Finding;
use crate::scoreboard::attacks::{Expected, Map, NO_ATTACK, Verdict};
use crate::scoreboard::feed::{Feed, Line};
use crate::scoreboard::{ScoreError, failure};
use crate::signal::{self, SignalSet};
use crate::stdx::time::Timestamp;

/// Newer than every line of the suites that states no year (2024-12-31).
pub const ANCHOR: Timestamp = Timestamp(1_735_603_200_000_000);
/// Accusations that a case lists.
const SHOWN_MAX: usize = 8;

/// Judges the lines of scenarios. Every scenario begins without any state.
pub struct Judge {
    feed: Feed,
    rules: Arc<RuleSet>,
    signals: Arc<SignalSet>,
    config: Config,
}

/// One finding: what, and whom it names.
#[derive(Clone, Debug)]
pub struct Accusation {
    /// Id of the rule or signal.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Addresses and names of the other side, from its events and its group.
    pub peers: Vec<String>,
}

impl Judge {
    /// With the decoders and signals of a configuration and the rules that are in use.
    pub fn new(config: &Config, rules: &RulesConfig) -> Result<Judge, ScoreError> {
        let Loaded { rules, .. } = RuleSet::load(rules, &Default::default());
        Ok(Judge {
            feed: Feed::as_configured(config)?,
            rules: Arc::new(rules),
            signals: Arc::new(signal::load(&config.signals).set),
            config: config.clone(),
        })
    }

    /// Ids of everything that can accuse.
    pub fn ids(&self) -> Vec<String> {
        let rules = self.rules.rules().iter().map(|rule| rule.id.clone());
        rules.chain(self.signals.signals().iter().map(|signal| signal.info.id.clone())).collect()
    }

    /// Judge lines as one log.
    pub fn lines(
        &self,
        path: &str,
        format: &str,
        at: Timestamp,
        lines: &[Line<'_>],
    ) -> Vec<Accusation> {
        self.accusations(&self.feed.decode(path, format, at, lines).events)
    }

    /// Judge a whole file.
    pub fn file(&self, path: &Path) -> Result<Vec<Accusation>, ScoreError> {
        Ok(self.accusations(&self.feed.file(path)?.events))
    }

    fn accusations(&self, events: &[Event]) -> Vec<Accusation> {
        let rows = self.config.limits.correlation_rows_max;
        let mut detector = Detector::new(Arc::clone(&self.rules), rows);
        let mut signals = signal::Engine::new(Arc::clone(&self.signals), &self.config.signals);
        let mut findings = Vec::new();
        detector.analyse(events, true, &mut findings);
        signals.analyse(events, true, &mut findings);
        let by_id: BTreeMap<EventId, &Event> =
            events.iter().map(|event| (event.id, event)).collect();
        findings.iter().map(|finding| accusation(finding, &by_id)).collect()
    }
}

/// Whom a finding names: its group where that holds a peer, else the other sides of its events.
fn accusation(finding: &Finding, events: &BTreeMap<EventId, &Event>) -> Accusation {
    let named = finding.group.iter().filter(|(field, _)| field.starts_with("source."));
    let mut peers: Vec<String> = named.map(|(_, value)| value.clone()).collect();
    if peers.is_empty() {
        let ids = finding.contributing.iter().chain([&finding.event]);
        let of = ids.filter_map(|id| events.get(id)).flat_map(|event| failure::peers(event));
        peers = of.collect();
        peers.sort();
        peers.dedup();
    }
    Accusation { id: finding.rule.id.clone(), title: finding.rule.title.clone(), peers }
}

/// Compare what is expected of a class with what was found; second: what was found, for a person.
pub fn verdict(
    map: &Map,
    class: &str,
    expected: &Expected,
    all: &[Accusation],
) -> (Verdict, Vec<String>) {
    let of_class: Vec<&Accusation> =
        all.iter().filter(|one| map.is_finding(class, &one.id)).collect();
    let mut found: Vec<String> =
        of_class.iter().map(|one| format!("{} ({})", one.title, one.peers.join(", "))).collect();
    found.sort();
    found.dedup();
    found.truncate(SHOWN_MAX);
    let same = |peers: &[String], peer: &str| peers.iter().any(|one| failure::same_peer(one, peer));
    let differs = match expected {
        Expected::By(peer) if of_class.iter().any(|one| same(&one.peers, peer)) => None,
        Expected::By(_) | Expected::Somebody if of_class.is_empty() => Some("not found".to_owned()),
        Expected::By(_) => Some("found, but for another source".to_owned()),
        Expected::Somebody => None,
        Expected::NobodyBut(peers) => {
            let right = |one: &&&Accusation| one.peers.iter().any(|peer| same(peers, peer));
            let wrong = of_class.iter().find(|one| !right(one));
            wrong.map(|one| format!("accused: {} ({})", one.title, one.peers.join(", ")))
        }
    };
    let verdict = match differs {
        None => Verdict::Agreed,
        Some(why) => Verdict::Differing { why, explained: None },
    };
    (verdict, found)
}

/// The same, as a case.
pub fn case(
    map: &Map,
    (suite, name, class): (&'static str, String, &str),
    expected: Expected,
    all: &[Accusation],
) -> super::Case {
    let (verdict, found) = verdict(map, class, &expected, all);
    // What is expected not to be found is counted apart: it is easy to be right about.
    let class = match expected {
        Expected::NobodyBut(_) => NO_ATTACK,
        _ => class,
    };
    super::Case { suite, name, class: class.to_owned(), expected, found, verdict }
}

/// A case that cannot be compared.
pub fn skipped(suite: &'static str, name: String, why: &str) -> super::Case {
    let verdict = Verdict::NotCovered(why.to_owned());
    let (class, expected) = (NO_CLASS.to_owned(), Expected::Somebody);
    super::Case { suite, name, class, expected, found: Vec::new(), verdict }
}

/// The class of cases that cannot be compared.
pub const NO_CLASS: &str = "none_of_these";

/// The class for which nobody at all may be accused.
pub const fn nobody() -> (&'static str, Expected) {
    (NO_ATTACK, Expected::NobodyBut(Vec::new()))
}
