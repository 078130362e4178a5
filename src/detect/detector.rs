//! The stage as the pipeline runs it: events in, findings out, correlation state kept between batches.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::detect::correlate::compile::Correlation;
use crate::detect::correlate::judge::CONTEXT_MAX;
use crate::detect::correlate::row::Place;
use crate::detect::correlate::state::{CorrelationCounts, Fired, Seen, State};
use crate::detect::correlate::values::explanation;
use crate::detect::memo::Memo;
use crate::detect::rules::{Judge, Match, RuleSet};
use crate::detect::view::View;
use crate::model::correlation_match::CorrelationMatch;
use crate::model::event::{Event, EventId};
use crate::model::field;
use crate::model::finding::Finding;
use crate::model::origin::Origin;
use crate::stdx::time::Timestamp;

/// Most further events that a finding names.
pub const CONTRIBUTING_MAX: usize = CONTEXT_MAX;

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
    feeds: Arc<Feeds>,
    /// Empty between events; kept for its room.
    pending: Vec<Pending>,
    tenant: Arc<str>,
    /// Of the rules in use.
    memo: Memo,
    /// Matches for groups that are counted elsewhere, where they are.
    away: Option<Vec<CorrelationMatch>>,
}

/// By rule: the correlations it goes into, and as which of their inputs.
#[derive(Default)]
struct Feeds(Vec<SmallVec<[(u32, u32); 1]>>);

impl Feeds {
    fn new(rules: &RuleSet) -> Feeds {
        let mut feeds = Feeds::default();
        for (number, correlation) in (0_u32..).zip(&rules.correlations) {
            for (place, input) in (0_u32..).zip(&correlation.inputs) {
                let rule = input.rule as usize;
                if feeds.0.len() <= rule {
                    feeds.0.resize_with(rule + 1, SmallVec::new);
                }
                if let Some(list) = feeds.0.get_mut(rule) {
                    list.push((number, place));
                }
            }
        }
        feeds
    }

    fn of(&self, rule: u32) -> &[(u32, u32)] {
        self.0.get(rule as usize).map(SmallVec::as_slice).unwrap_or_default()
    }
}

/// What one event gives to a correlation and has not been given yet.
struct Pending {
    correlation: u32,
    input: u32,
    /// The event itself, unless a correlation happened.
    happened: Option<Happened>,
}

/// A correlation that happened, as what goes into others.
#[derive(Clone)]
struct Happened {
    time: Timestamp,
    id: EventId,
    place: Arc<Place>,
    group: Arc<[String]>,
}

impl Detector {
    /// A detector over `rules` with at most `rows_max` rows of correlation state.
    pub fn new(rules: Arc<RuleSet>, rows_max: usize) -> Detector {
        let feeds = Arc::new(Feeds::new(&rules));
        Detector {
            rules,
            state: State::new(rows_max),
            feeds,
            pending: Vec::new(),
            tenant: Arc::from(""),
            memo: Memo::on(),
            away: None,
        }
    }

    /// From now on correlations whose groups are spread over parts of the stream are counted from what
    /// [`Detector::join`] is given, and [`Detector::take_away`] says what should be given to it.
    #[must_use]
    pub fn in_parts(mut self) -> Detector {
        self.away = Some(Vec::new());
        self
    }

    /// Go on with another set of rules, as a whole. Correlations that it has unchanged keep their rows.
    pub fn replace_rules(&mut self, rules: Arc<RuleSet>) {
        self.state.carry_over(&self.rules.correlations, &rules.correlations);
        self.feeds = Arc::new(Feeds::new(&rules));
        self.rules = rules;
        self.memo = Memo::on();
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

    /// Events that these rows hold.
    pub fn row_events(&self) -> usize {
        self.state.entries()
    }

    /// Judge a batch in order; findings are added to `out`.
    pub fn analyse(&mut self, events: &[Event], backfill: bool, out: &mut Vec<Finding>) {
        self.analyse_each(events, backfill, out, |_| ());
    }

    /// The same; `after` is told after each event how many findings there are.
    pub fn analyse_each(
        &mut self,
        events: &[Event],
        backfill: bool,
        out: &mut Vec<Finding>,
        mut after: impl FnMut(usize),
    ) {
        let rules = Arc::clone(&self.rules);
        let mut judge = Judge::remembering(&rules, std::mem::take(&mut self.memo));
        let mut matches = Vec::new();
        for event in events {
            matches.clear();
            judge.judge(event, &mut matches);
            self.take(event, judge.view(), &mut matches, backfill, out);
            after(out.len());
        }
        self.memo = judge.into_memo();
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
        if matches.iter().any(|hit| !self.feeds.of(hit.rule).is_empty()) {
            view.show(event);
        }
        self.take(event, &view, &mut matches, backfill, out);
    }

    /// The rows that changed since the last call.
    pub fn take_changes(&mut self) -> Vec<StateRow> {
        self.state.take_changes(&self.rules.correlations)
    }

    /// Matches since the last call whose groups are counted elsewhere.
    pub fn take_away(&mut self) -> Vec<CorrelationMatch> {
        self.away.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Count what a part of the stream gave away; findings are added to `out`. `false`: the correlation is not among the
    /// rules in use, or does other things here.
    pub fn join(&mut self, one: &CorrelationMatch, out: &mut Vec<Finding>) -> bool {
        let rules = Arc::clone(&self.rules);
        let known = (0_u32..).zip(&rules.correlations).find(|(_, it)| it.key == one.correlation);
        let Some((number, correlation)) = known else { return false };
        let Some(fired) = self.state.join(number, correlation, one) else { return true };
        if correlation.alerts {
            self.correlated(&fired, correlation, (&one.tenant, None), one.backfill, out);
        }
        let feeds = Arc::clone(&self.feeds);
        if feeds.of(correlation.rule).is_empty() {
            return true;
        }
        // What it goes into is counted where that one's groups are, and asks for no more than its group.
        let nothing = View::new(&rules.slots);
        let group: Arc<[String]> = fired.group.as_slice().into();
        for (entry, place) in fired.held() {
            for (parent, input) in feeds.of(correlation.rule) {
                let Some(parent) = rules.correlations.get(*parent as usize) else { continue };
                let Some(input) = parent.inputs.get(*input as usize) else { continue };
                let seen = Seen {
                    time: entry.time,
                    id: entry.id,
                    host: &place.host,
                    user: &place.user,
                    tenant: &one.tenant,
                    group: &group,
                };
                let away = self.away.get_or_insert_default();
                let fed = std::iter::once((input, seen));
                self.state.give_away(parent, fed, (&nothing, one.backfill), away);
            }
        }
        true
    }

    fn take(
        &mut self,
        event: &Event,
        view: &View<'_, '_>,
        matches: &mut Vec<Match>,
        backfill: bool,
        out: &mut Vec<Finding>,
    ) {
        let feeds = Arc::clone(&self.feeds);
        let mut pending = std::mem::take(&mut self.pending);
        for hit in matches.drain(..) {
            if hit.alerts {
                self.plain(&hit, event, backfill, out);
            }
            let fed = feeds.of(hit.rule).iter();
            pending.extend(fed.map(|(correlation, input)| Pending {
                correlation: *correlation,
                input: *input,
                happened: None,
            }));
        }
        if !pending.is_empty() {
            self.correlate(event, view, &mut pending, backfill, out);
        }
        pending.clear();
        self.pending = pending;
    }

    /// Give a correlation all that the event gives to it, then the next one. What a correlation takes comes before it,
    /// so one event is through all of them before the next event comes, and every window is fed in one order.
    fn correlate(
        &mut self,
        event: &Event,
        view: &View<'_, '_>,
        pending: &mut Vec<Pending>,
        backfill: bool,
        out: &mut Vec<Finding>,
    ) {
        let (rules, feeds) = (Arc::clone(&self.rules), Arc::clone(&self.feeds));
        pending.sort_by_key(|one| (one.correlation, one.input));
        let base = Seen {
            time: event.timestamp,
            id: event.id,
            host: event.host(),
            user: event.str(field::USER_NAME).unwrap_or_default(),
            tenant: event.str(field::ORGANIZATION_ID).unwrap_or_default(),
            group: &[],
        };
        let mut fired = Vec::new();
        let mut start = 0;
        while let Some(number) = pending.get(start).map(|one| one.correlation) {
            let end = pending.partition_point(|one| one.correlation <= number);
            let own = pending.get(start..end).unwrap_or_default();
            start = end;
            let Some(correlation) = rules.correlations.get(number as usize) else { continue };
            let fed = own.iter().filter_map(|one| {
                let input = correlation.inputs.get(one.input as usize)?;
                Some((input, one.happened.as_ref().map_or(base, |happened| happened.seen(&base))))
            });
            if let Some(away) = self.away.as_mut().filter(|_| correlation.spread) {
                self.state.give_away(correlation, fed, (view, backfill), away);
                continue;
            }
            self.state.feed(number, correlation, fed, view, &mut fired);
            for fired in fired.drain(..) {
                if correlation.alerts {
                    self.correlated(&fired, correlation, (base.tenant, Some(event)), backfill, out);
                }
                hand_on(&fired, feeds.of(correlation.rule), pending);
            }
        }
    }

    fn plain(&mut self, hit: &Match, event: &Event, backfill: bool, out: &mut Vec<Finding>) {
        let Some(rule) = self.rules.rules().get(hit.rule as usize) else { return };
        out.push(Finding {
            rule: Arc::clone(rule),
            timestamp: event.timestamp,
            tenant: self.tenant(event.str(field::ORGANIZATION_ID).unwrap_or_default()),
            host: event.host().to_owned(),
            user: event.str(field::USER_NAME).unwrap_or_default().to_owned(),
            event: event.id,
            contributing: Vec::new(),
            matched: hit.matched.clone(),
            group: Vec::new(),
            backfill,
            origin: Origin::of(event),
        });
    }

    fn correlated(
        &mut self,
        fired: &Fired,
        correlation: &Correlation,
        (tenant, event): (&str, Option<&Event>),
        backfill: bool,
        out: &mut Vec<Finding>,
    ) {
        let Some(rule) = self.rules.rules().get(correlation.rule as usize).cloned() else { return };
        let tenant = self.tenant(tenant);
        let group: Vec<(String, String)> =
            correlation.group_names.iter().cloned().zip(fired.group.iter().cloned()).collect();
        let mut matched = vec![explanation(correlation, fired.outcome.number)];
        matched.extend(group.iter().cloned());
        for (found, place) in fired.findings() {
            out.push(Finding {
                rule: Arc::clone(&rule),
                timestamp: found.entry.time,
                tenant: Arc::clone(&tenant),
                host: place.host.to_string(),
                user: place.user.to_string(),
                event: found.entry.id,
                contributing: found.context.clone(),
                matched: matched.clone(),
                group: group.clone(),
                backfill,
                origin: event
                    .filter(|event| event.id == found.entry.id)
                    .map(Origin::of)
                    .unwrap_or_default(),
            });
        }
    }

    fn tenant(&mut self, name: &str) -> Arc<str> {
        let name = if name.is_empty() { "default" } else { name };
        if &*self.tenant != name {
            self.tenant = Arc::from(name);
        }
        Arc::clone(&self.tenant)
    }
}

impl Happened {
    fn seen<'s>(&'s self, event: &Seen<'s>) -> Seen<'s> {
        Seen {
            time: self.time,
            id: self.id,
            host: &self.place.host,
            user: &self.place.user,
            tenant: event.tenant,
            group: &self.group,
        }
    }
}

/// A correlation happened: what it goes into has more to come, in its order.
fn hand_on(fired: &Fired, feeds: &[(u32, u32)], pending: &mut Vec<Pending>) {
    if feeds.is_empty() {
        return;
    }
    let group: Arc<[String]> = fired.group.as_slice().into();
    for (entry, place) in fired.held() {
        for (correlation, input) in feeds.iter().copied() {
            let happened = Happened {
                time: entry.time,
                id: entry.id,
                place: Arc::clone(place),
                group: Arc::clone(&group),
            };
            let at =
                pending.partition_point(|one| (one.correlation, one.input) <= (correlation, input));
            pending.insert(at, Pending { correlation, input, happened: Some(happened) });
        }
    }
}
