//! The stage as the pipeline runs it: events in, findings out, correlation state kept between batches.

use std::sync::Arc;

use ahash::AHashMap;

use crate::detect::correlate::compile::Correlation;
use crate::detect::correlate::state::{CorrelationCounts, Fired, State, explanation};
use crate::detect::rules::{Judge, Match, RuleSet};
use crate::detect::view::{Slot, View};
use crate::model::event::{Event, EventId};
use crate::model::field;
use crate::model::finding::Finding;

/// Most further events that a finding names.
pub const CONTRIBUTING_MAX: usize = 50;

/// One row of correlation state, for the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRow {
    /// The row's key.
    pub key: String,
    /// Its bytes, or nothing when the row is gone.
    pub value: Option<Vec<u8>>,
}

/// Judges batches and keeps the state of correlations. One owner; not shared.
pub struct Detector {
    rules: Arc<RuleSet>,
    state: State,
    /// By rule: the correlations it goes into, with step and group fields.
    feeds: AHashMap<u32, Vec<Feed>>,
    tenant: Arc<str>,
}

#[derive(Clone)]
struct Feed {
    correlation: u32,
    step: u8,
    group: Vec<Slot>,
}

impl Detector {
    /// A detector over `rules` with at most `rows_max` rows of correlation state.
    pub fn new(rules: Arc<RuleSet>, rows_max: usize) -> Detector {
        let feeds = Self::feeds_of(&rules);
        Detector { rules, state: State::new(rows_max), feeds, tenant: Arc::from("") }
    }

    /// Go on with another set of rules, as a whole. Correlations that it has unchanged keep their rows.
    pub fn replace_rules(&mut self, rules: Arc<RuleSet>) {
        self.state.carry_over(&self.rules.correlations, &rules.correlations);
        self.feeds = Self::feeds_of(&rules);
        self.rules = rules;
    }

    fn feeds_of(rules: &RuleSet) -> AHashMap<u32, Vec<Feed>> {
        let mut feeds: AHashMap<u32, Vec<Feed>> = AHashMap::new();
        for (number, correlation) in rules.correlations.iter().enumerate() {
            for input in &correlation.inputs {
                feeds.entry(input.rule).or_default().push(Feed {
                    correlation: u32::try_from(number).unwrap_or(u32::MAX),
                    step: input.step,
                    group: input.group.clone(),
                });
            }
        }
        feeds
    }

    /// Take back the state of the last commit. Rows of rules that changed or are gone are discarded and counted.
    pub fn restore(&mut self, rows: Vec<StateRow>) {
        self.state.restore(rows, &self.rules.correlations);
    }

    /// The rules in use.
    pub fn rules(&self) -> &Arc<RuleSet> {
        &self.rules
    }

    /// What correlation counted.
    pub fn counts(&self) -> CorrelationCounts {
        self.state.counts
    }

    /// Rows of correlation state held.
    pub fn rows(&self) -> usize {
        self.state.rows()
    }

    /// Judge a batch in order; findings are added to `out`.
    pub fn analyse(&mut self, events: &[Event], backfill: bool, out: &mut Vec<Finding>) {
        let rules = Arc::clone(&self.rules);
        let mut judge = Judge::new(&rules);
        let mut matches = Vec::new();
        for event in events {
            matches.clear();
            judge.judge(event, &mut matches);
            self.take(event, judge.view(), &mut matches, backfill, out);
        }
    }

    /// As [`Detector::analyse`] for one event that [`RuleSet::judge`] has judged elsewhere (in parallel). Calls must
    /// come in the order of the stream.
    pub fn absorb(
        &mut self,
        event: &Event,
        mut matches: Vec<Match>,
        backfill: bool,
        out: &mut Vec<Finding>,
    ) {
        let rules = Arc::clone(&self.rules);
        let mut view = View::new(&rules.slots);
        if matches.iter().any(|hit| self.feeds.contains_key(&hit.rule)) {
            view.show(event);
        }
        self.take(event, &view, &mut matches, backfill, out);
    }

    /// The rows that changed since the last call.
    pub fn take_changes(&mut self) -> Vec<StateRow> {
        self.state.take_changes(&self.rules.correlations)
    }

    fn take(
        &mut self,
        event: &Event,
        view: &View<'_, '_>,
        matches: &mut Vec<Match>,
        backfill: bool,
        out: &mut Vec<Finding>,
    ) {
        for hit in matches.drain(..) {
            if hit.alerts {
                self.plain(&hit, event, backfill, out);
            }
            self.feed(hit.rule, event, view, backfill, out);
        }
    }

    fn plain(&mut self, hit: &Match, event: &Event, backfill: bool, out: &mut Vec<Finding>) {
        let Some(rule) = self.rules.rules().get(hit.rule as usize) else { return };
        out.push(Finding {
            rule: Arc::clone(rule),
            timestamp: event.timestamp,
            tenant: self.tenant(event),
            host: event.host().to_owned(),
            user: event.str(field::USER_NAME).unwrap_or_default().to_owned(),
            event: event.id,
            contributing: Vec::new(),
            matched: hit.matched.clone(),
            group: Vec::new(),
            backfill,
        });
    }

    /// A rule matched: every correlation it goes into, and those that these go into.
    fn feed(
        &mut self,
        rule: u32,
        event: &Event,
        view: &View<'_, '_>,
        backfill: bool,
        out: &mut Vec<Finding>,
    ) {
        let Some(feeds) = self.feeds.get(&rule).cloned() else { return };
        let rules = Arc::clone(&self.rules);
        for feed in feeds {
            let fired = self.state.feed(
                feed.correlation,
                &rules.correlations,
                feed.step,
                &feed.group,
                event,
                view,
            );
            let (Some(fired), Some(correlation)) =
                (fired, rules.correlations.get(feed.correlation as usize))
            else {
                continue;
            };
            if correlation.alerts {
                self.correlated(&fired, correlation, event, backfill, out);
            }
            self.feed(correlation.rule, event, view, backfill, out);
        }
    }

    fn correlated(
        &mut self,
        fired: &Fired,
        correlation: &Correlation,
        event: &Event,
        backfill: bool,
        out: &mut Vec<Finding>,
    ) {
        let Some(rule) = self.rules.rules().get(correlation.rule as usize).cloned() else { return };
        let tenant = self.tenant(event);
        let group: Vec<(String, String)> =
            correlation.group_names.iter().cloned().zip(fired.group.iter().cloned()).collect();
        let mut matched = vec![explanation(correlation, fired.outcome.count)];
        matched.extend(group.iter().cloned());
        for (entry, (host, user)) in fired.outcome.findings.iter().zip(&fired.places) {
            out.push(Finding {
                rule: Arc::clone(&rule),
                timestamp: entry.time,
                tenant: Arc::clone(&tenant),
                host: host.clone(),
                user: user.clone(),
                event: entry.id,
                contributing: newest(&fired.outcome.context),
                matched: matched.clone(),
                group: group.clone(),
                backfill,
            });
        }
    }

    fn tenant(&mut self, event: &Event) -> Arc<str> {
        let name = event.str(field::ORGANIZATION_ID).unwrap_or("default");
        if &*self.tenant != name {
            self.tenant = Arc::from(name);
        }
        Arc::clone(&self.tenant)
    }
}

fn newest(context: &[EventId]) -> Vec<EventId> {
    let skipped = context.len().saturating_sub(CONTRIBUTING_MAX);
    context.get(skipped..).unwrap_or_default().to_vec()
}
