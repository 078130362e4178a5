//! Rules over history: what they would have said, where and when, what to expect of them a day, and what a new version
//! says otherwise than the old one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ahash::{AHashMap, AHashSet};

use crate::config::Config;
use crate::config::rules::RulesConfig;
use crate::detect::{Detector, Loaded, RuleSet};
use crate::model::event::{Event, EventId};
use crate::model::finding::Finding;
use crate::model::rule_life::RuleState;
use crate::pipeline::muted::Muted;
use crate::pipeline::rule_life::resolve::read_book;
use crate::pipeline::workshop::find::{NoRule, wanted};
use crate::pipeline::workshop::forecast::{Forecast, forecast};
use crate::pipeline::workshop::noise::{Noise, NoiseReport};
use crate::signal;
use crate::stdx::time::{SECOND_US, Timestamp};

/// Hosts of one rule that are told apart; the rest is one row.
const HOSTS_MAX: usize = 1_000;
/// Events that are named of each side of a comparison.
const SAMPLES_MAX: usize = 5;
/// Episodes of alerts that are remembered to tell a new alert from one more finding.
const EPISODES_MAX: usize = 200_000;

/// Judges history. Events must come in batches in the order of their streams.
pub struct Backtest {
    new: Side,
    old: Option<Side>,
    dedupe_us: i64,
    episodes: AHashMap<(u64, u64), Timestamp>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    events: u64,
    counts: BTreeMap<String, Count>,
    comparison: BTreeMap<String, Comparison>,
    muted: Muted,
    noise: Noise,
    problems: Vec<String>,
}

struct Side {
    detector: Detector,
    ids: BTreeSet<String>,
    signals: Option<signal::Engine>,
    findings: Vec<Finding>,
}

#[derive(Default)]
struct Count {
    title: String,
    findings: u64,
    muted: u64,
    alerts: u64,
    by_host: BTreeMap<String, u64>,
    alerts_by_day: BTreeMap<i64, u64>,
}

/// One rule's firings in two versions.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// Its title.
    pub title: String,
    /// Events on which both fire.
    pub both: u64,
    /// Events on which only the old version fires.
    pub only_old: u64,
    /// Events on which only the new version fires.
    pub only_new: u64,
    /// The first of those: `-` only old, `+` only new; event, time, host, what matched.
    pub samples: Vec<(char, String, Timestamp, String, String)>,
}

/// What a rule said.
#[derive(Clone, Debug)]
pub struct BacktestRow {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Findings.
    pub findings: u64,
    /// Of these, the ones that become no alert here, because the rule is off or in dry run at their endpoint.
    pub muted: u64,
    /// Alerts: findings of one rule on one endpoint and group close together are one.
    pub alerts: u64,
    /// Findings by endpoint.
    pub by_host: BTreeMap<String, u64>,
    /// Alerts by day (`2026-11-22`).
    pub by_day: BTreeMap<String, u64>,
    /// Alerts a day.
    pub forecast: Forecast,
}

/// The whole run.
#[derive(Debug)]
pub struct BacktestReport {
    /// A row a rule, most findings first, those that said nothing last.
    pub rows: Vec<BacktestRow>,
    /// Events judged.
    pub events: u64,
    /// The first event and the last.
    pub span: Option<(Timestamp, Timestamp)>,
    /// The alerts that people would get, by rule, endpoint and hour.
    pub noise: NoiseReport,
    /// The two versions, where an old one was named.
    pub comparison: Option<BTreeMap<String, Comparison>>,
    /// Rules that do not run, in a person's words.
    pub problems: Vec<String>,
}

impl Backtest {
    /// The rules meant by `word` (id, title or path) among those that are configured; `against`: an older version's
    /// file or folder.
    pub fn new(
        config: &Config,
        word: &str,
        rules: &RulesConfig,
        against: Option<&str>,
    ) -> Result<Backtest, NoRule> {
        let mut problems = Vec::new();
        let new = side(config, word, rules, &mut problems)?;
        let old = match against {
            Some(path) => Some(side(config, path, rules, &mut problems)?),
            None => None,
        };
        let muted = Muted::default();
        match read_book(&config.data_dir) {
            Ok(book) => muted.set_book(book),
            Err(problem) => problems.push(problem.to_string()),
        }
        muted.set_recommended(Arc::clone(new.detector.rules().recommended()));
        let mut counts: BTreeMap<String, Count> = BTreeMap::new();
        for rule in new.detector.rules().rules() {
            if new.ids.contains(&rule.id) {
                counts.insert(
                    rule.id.clone(),
                    Count { title: rule.title.clone(), ..Count::default() },
                );
            }
        }
        let dedupe = config.alert.dedupe;
        Ok(Backtest {
            new,
            old,
            dedupe_us: crate::stdx::time::micros(dedupe),
            episodes: AHashMap::new(),
            first: None,
            last: None,
            events: 0,
            counts,
            comparison: BTreeMap::new(),
            muted,
            noise: Noise::default(),
            problems,
        })
    }

    /// Let the configured signals speak beside the rules.
    pub fn add_signals(&mut self, config: &Config) {
        let loaded = signal::load(&config.signals);
        self.problems.extend(loaded.problems.iter().map(ToString::to_string));
        self.new.signals = Some(signal::Engine::new(Arc::new(loaded.set), &config.signals));
    }

    /// A file or stream ends here: correlations do not join what stands in different ones.
    pub fn next_stream(&mut self, config: &Config) {
        let fresh = |side: &mut Side| {
            let rules = Arc::clone(side.detector.rules());
            side.detector = Detector::new(rules, config.limits.correlation_rows_max);
            if let Some(engine) = &mut side.signals {
                *engine = signal::Engine::new(Arc::clone(engine.set()), &config.signals);
            }
        };
        fresh(&mut self.new);
        self.old.as_mut().map(fresh);
    }

    /// Judge a batch.
    pub fn see(&mut self, events: &[Event]) {
        self.events += events.len() as u64;
        for event in events {
            self.first = Some(self.first.map_or(event.timestamp, |at| at.min(event.timestamp)));
            self.last = Some(self.last.map_or(event.timestamp, |at| at.max(event.timestamp)));
            self.noise.see(event.host(), event.timestamp);
        }
        self.new.judge(events);
        if let Some(old) = &mut self.old {
            old.judge(events);
            compare(&old.findings, &self.new.findings, &mut self.comparison);
        }
        let findings = std::mem::take(&mut self.new.findings);
        for finding in &findings {
            self.count(finding);
        }
    }

    fn count(&mut self, finding: &Finding) {
        let count = self
            .counts
            .entry(finding.rule.id.clone())
            .or_insert_with(|| Count { title: finding.rule.title.clone(), ..Count::default() });
        count.findings += 1;
        let decided = self.muted.decision(&finding.rule, &finding.host);
        let is_on = decided.is_none_or(|row| row.state == RuleState::On);
        count.muted += u64::from(!is_on);
        let known = count.by_host.contains_key(&finding.host);
        let host =
            if known || count.by_host.len() < HOSTS_MAX { &finding.host } else { "(others)" };
        *count.by_host.entry(host.to_owned()).or_default() += 1;
        let key = (hash(&[&finding.rule.id, &finding.host]), hash_of_group(&finding.group));
        let before = self.episodes.get(&key).copied();
        let joins =
            before.is_some_and(|at| finding.timestamp.micros_since(at).abs() <= self.dedupe_us);
        if before.is_some() || self.episodes.len() < EPISODES_MAX {
            self.episodes
                .insert(key, before.map_or(finding.timestamp, |at| at.max(finding.timestamp)));
        }
        if is_on {
            self.noise.count(finding, !joins);
        }
        if !joins {
            count.alerts += 1;
            let day = finding.timestamp.seconds().div_euclid(86_400);
            *count.alerts_by_day.entry(day).or_default() += 1;
        }
    }

    /// What came of it.
    pub fn finish(self) -> BacktestReport {
        let span = self.first.zip(self.last);
        let days = span.map(|(first, last)| (day(first), day(last)));
        let observed = span.map_or(0, |(first, last)| last.micros_since(first));
        let mut rows: Vec<BacktestRow> = self
            .counts
            .into_iter()
            .map(|(id, count)| {
                let range = days.map_or(0..=0, |(first, last)| first..=last);
                // A clock that is off by years would make a row of every day between.
                let all: Vec<u64> = if range.end() - range.start() < 4_000 {
                    range.map(|day| count.alerts_by_day.get(&day).copied().unwrap_or(0)).collect()
                } else {
                    count.alerts_by_day.values().copied().collect()
                };
                BacktestRow {
                    id,
                    title: count.title,
                    findings: count.findings,
                    muted: count.muted,
                    alerts: count.alerts,
                    by_host: count.by_host,
                    by_day: count.alerts_by_day.iter().map(|(day, n)| (date(*day), *n)).collect(),
                    forecast: forecast(&all, observed),
                }
            })
            .collect();
        rows.sort_by(|a, b| b.findings.cmp(&a.findings).then_with(|| a.title.cmp(&b.title)));
        BacktestReport {
            rows,
            events: self.events,
            span,
            noise: self.noise.finish(),
            comparison: self.old.is_some().then_some(self.comparison),
            problems: self.problems,
        }
    }
}

impl Side {
    fn judge(&mut self, events: &[Event]) {
        self.findings.clear();
        self.detector.analyse(events, true, &mut self.findings);
        let ids = &self.ids;
        self.findings.retain(|finding| ids.contains(&finding.rule.id));
        if let Some(signals) = &mut self.signals {
            signals.analyse(events, true, &mut self.findings);
        }
    }
}

fn side(
    config: &Config,
    word: &str,
    rules: &RulesConfig,
    problems: &mut Vec<String>,
) -> Result<Side, NoRule> {
    let wanted = wanted(word, rules)?;
    let Loaded { rules, problems: trouble, .. } = RuleSet::load(&wanted.rules, &wanted.off);
    problems.extend(trouble.iter().map(ToString::to_string));
    let detector = Detector::new(Arc::new(rules), config.limits.correlation_rows_max);
    Ok(Side { detector, ids: wanted.ids, signals: None, findings: Vec::new() })
}

fn compare(old: &[Finding], new: &[Finding], out: &mut BTreeMap<String, Comparison>) {
    let key =
        |finding: &'_ Finding| -> (String, EventId) { (finding.rule.id.clone(), finding.event) };
    let set = |list: &[Finding]| list.iter().map(key).collect::<AHashSet<(String, EventId)>>();
    let (in_old, in_new) = (set(old), set(new));
    let mut told: AHashSet<(String, EventId)> = AHashSet::new();
    for (finding, is_old) in old.iter().map(|f| (f, true)).chain(new.iter().map(|f| (f, false))) {
        let key = key(finding);
        if !told.insert(key.clone()) {
            continue;
        }
        let row = out.entry(finding.rule.id.clone()).or_default();
        row.title.clone_from(&finding.rule.title);
        let sign = match (in_old.contains(&key), in_new.contains(&key)) {
            (true, true) => {
                row.both += 1;
                continue;
            }
            _ if is_old => {
                row.only_old += 1;
                '-'
            }
            _ => {
                row.only_new += 1;
                '+'
            }
        };
        if row.samples.iter().filter(|sample| sample.0 == sign).count() < SAMPLES_MAX {
            let why: Vec<String> = finding
                .matched
                .iter()
                .take(2)
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let (event, host) = (finding.event.to_string(), finding.host.clone());
            row.samples.push((sign, event, finding.timestamp, host, why.join(" ")));
        }
    }
}

fn day(at: Timestamp) -> i64 {
    at.seconds().div_euclid(86_400)
}

fn date(day: i64) -> String {
    let text = Timestamp(day * 86_400 * SECOND_US).to_string();
    text.get(..10).unwrap_or(&text).to_owned()
}

fn hash(parts: &[&str]) -> u64 {
    use std::hash::{BuildHasher, Hash, Hasher};
    let mut hasher = ahash::RandomState::with_seeds(1, 2, 3, 4).build_hasher();
    parts.iter().for_each(|part| part.hash(&mut hasher));
    hasher.finish()
}

fn hash_of_group(group: &[(String, String)]) -> u64 {
    let parts: Vec<&str> = group.iter().flat_map(|(name, value)| [name.as_str(), value]).collect();
    hash(&parts)
}
