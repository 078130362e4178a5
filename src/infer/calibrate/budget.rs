//! The alarm budget: a limiter of model alerts, and nothing that says how good a model is.
//!
//! One alert is one **episode**: windows of one endpoint that overlap or touch and share a process lineage. An episode costs
//! one of the day's alerts when it begins. One that begins over budget makes no alert; its windows are kept, counted and listed,
//! and it becomes an alert when a window of it falls on a day that has room.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::stdx::id::{Id128, IdHasher};

/// Episodes of one endpoint that may still go on; the one that went on longest ago ends first.
pub const EPISODES_MAX: usize = 16;
/// Windows over budget of one endpoint that are listed; those before are counted only.
pub const LISTED_MAX: usize = 200;
/// Lineages of one episode.
const LINEAGES_MAX: usize = 64;
/// Days of one endpoint that are counted apart.
const DAYS_MAX: usize = 8;
const DAY_S: i64 = 86_400;
const PREFIX: &str = "budget/";

/// A window that stands out.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'c> {
    /// `organization.id`.
    pub tenant: &'c str,
    /// The endpoint.
    pub host: &'c str,
    /// The window.
    pub window: Id128,
    /// Where it begins, in seconds since 1970.
    pub start: i64,
    /// Where it ends.
    pub end: i64,
    /// Its score.
    pub score: f32,
    /// How unusual that is there.
    pub p: f64,
    /// Process lineages that the model's nodes belong to.
    pub lineages: &'c [u64],
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// It begins this alert.
    Alert(Id128),
    /// It goes on with this alert.
    More(Id128),
    /// Its endpoint has had its alerts of the day; it is listed under this episode.
    OverBudget(Id128),
}

/// A window over budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Over {
    /// The window.
    pub window: String,
    /// Its episode.
    pub episode: String,
    /// Where it begins, in seconds since 1970.
    pub start: i64,
    /// Where it ends.
    pub end: i64,
    /// Its score.
    pub score: f32,
    /// How unusual that is there.
    pub p: f64,
}

/// Windows that may still go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Episode {
    id: String,
    first: i64,
    last: i64,
    lineages: BTreeSet<u64>,
    alerted: bool,
    windows: u64,
    best: f32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Row {
    /// Alerts by day of event time.
    days: BTreeMap<i64, u64>,
    episodes: Vec<Episode>,
    listed: VecDeque<Over>,
    /// All windows over budget, also those that are listed no more.
    over: u64,
    over_episodes: u64,
}

type Key = (String, String);

/// What was over budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OverCounts {
    /// Windows.
    pub windows: u64,
    /// Episodes that they belong to.
    pub episodes: u64,
}

/// The budgets of all endpoints.
#[derive(Debug)]
pub struct Budgets {
    budget: u64,
    /// Seconds from one window to the next: windows this near touch.
    interval_s: i64,
    rows: HashMap<Key, Row>,
    changed: BTreeSet<Key>,
}

impl Budgets {
    /// So many alerts a day.
    pub fn new(budget: u64, interval_s: u64) -> Budgets {
        let interval_s = i64::try_from(interval_s).unwrap_or(i64::MAX);
        Budgets { budget, interval_s, rows: HashMap::new(), changed: BTreeSet::new() }
    }

    /// What becomes of a window that stands out.
    pub fn admit(&mut self, candidate: &Candidate<'_>) -> Admitted {
        let key: Key = (candidate.tenant.to_owned(), candidate.host.to_owned());
        self.changed.insert(key.clone());
        let row = self.rows.entry(key).or_default();
        let at = match row.episode_of(candidate, self.interval_s) {
            Some(at) => at,
            None => row.begin(candidate),
        };
        let day = candidate.end.div_euclid(DAY_S);
        let Some(episode) = row.episodes.get_mut(at) else {
            return Admitted::OverBudget(candidate.window); // It was just found or made.
        };
        episode.first = episode.first.min(candidate.start);
        episode.last = episode.last.max(candidate.end);
        episode.windows += 1;
        episode.best = episode.best.max(candidate.score);
        let room = LINEAGES_MAX.saturating_sub(episode.lineages.len());
        episode.lineages.extend(candidate.lineages.iter().take(room));
        let id = Id128::parse(&episode.id).unwrap_or(candidate.window);
        if episode.alerted {
            return Admitted::More(id);
        }
        if row.has_room(day, self.budget) {
            if let Some(episode) = row.episodes.get_mut(at) {
                episode.alerted = true;
            }
            return Admitted::Alert(id);
        }
        row.list(candidate, id);
        Admitted::OverBudget(id)
    }

    /// Windows of an endpoint over budget, oldest first, as far as they are listed.
    pub fn listed(&self, tenant: &str, host: &str) -> impl Iterator<Item = &Over> {
        let row = self.rows.get(&(tenant.to_owned(), host.to_owned()));
        row.into_iter().flat_map(|row| &row.listed)
    }

    /// What was over budget on all endpoints.
    pub fn over(&self) -> OverCounts {
        self.rows.values().fold(OverCounts::default(), |sum, row| OverCounts {
            windows: sum.windows + row.over,
            episodes: sum.episodes + row.over_episodes,
        })
    }

    /// Alerts of an endpoint on a day since 1970.
    pub fn alerts(&self, tenant: &str, host: &str, day: i64) -> u64 {
        let row = self.rows.get(&(tenant.to_owned(), host.to_owned()));
        row.and_then(|row| row.days.get(&day)).copied().unwrap_or(0)
    }

    /// Read a row back. `false`: it is none of ours, or cannot be read.
    pub fn restore(&mut self, key: &str, value: &[u8]) -> bool {
        let named = key.strip_prefix(PREFIX).and_then(|key| key.split_once('/'));
        let (Some((tenant, host)), Ok(row)) = (named, serde_json::from_slice(value)) else {
            return false;
        };
        self.rows.insert((tenant.to_owned(), host.to_owned()), row);
        true
    }

    /// Rows that changed.
    pub fn take_rows(&mut self) -> Vec<(String, Option<Vec<u8>>)> {
        let row = |key: Key| {
            let value = self.rows.get(&key).and_then(|row| serde_json::to_vec(row).ok());
            (format!("{PREFIX}{}/{}", key.0, key.1), value)
        };
        std::mem::take(&mut self.changed).into_iter().map(row).collect()
    }
}

impl Row {
    /// The episode that a window goes on with: one that is an alert before one that is none.
    fn episode_of(&self, candidate: &Candidate<'_>, interval_s: i64) -> Option<usize> {
        let near = |episode: &Episode| {
            candidate.start <= episode.last.saturating_add(interval_s)
                && candidate.end >= episode.first.saturating_sub(interval_s)
        };
        let related = |episode: &Episode| {
            candidate.lineages.iter().any(|lineage| episode.lineages.contains(lineage))
                || (candidate.lineages.is_empty() && episode.lineages.is_empty())
        };
        let fits = |(_, episode): &(usize, &Episode)| near(episode) && related(episode);
        let all = || self.episodes.iter().enumerate().filter(fits);
        let alerted = all().find(|(_, episode)| episode.alerted);
        alerted.or_else(|| all().next()).map(|(at, _)| at)
    }

    fn begin(&mut self, candidate: &Candidate<'_>) -> usize {
        if self.episodes.len() >= EPISODES_MAX {
            let oldest = self.episodes.iter().enumerate().min_by_key(|(_, episode)| episode.last);
            if let Some((at, _)) = oldest {
                self.episodes.remove(at);
            }
        }
        let id = IdHasher::new("infer-episode")
            .text(candidate.tenant)
            .text(candidate.host)
            .bytes(candidate.window.as_bytes())
            .finish();
        self.episodes.push(Episode {
            id: id.to_string(),
            first: candidate.start,
            last: candidate.end,
            lineages: BTreeSet::new(),
            alerted: false,
            windows: 0,
            best: 0.0,
        });
        self.episodes.len() - 1
    }

    /// Take one of the day's alerts. A day so old that it is counted no more has none left.
    fn has_room(&mut self, day: i64, budget: u64) -> bool {
        let forgotten = self.days.len() >= DAYS_MAX
            && self.days.first_key_value().is_some_and(|(first, _)| day < *first);
        let made = self.days.get(&day).copied().unwrap_or(0);
        if forgotten || made >= budget {
            return false;
        }
        self.days.insert(day, made + 1);
        while self.days.len() > DAYS_MAX {
            self.days.pop_first();
        }
        true
    }

    fn list(&mut self, candidate: &Candidate<'_>, episode: Id128) {
        let episode = episode.to_string();
        self.over += 1;
        let first = self.episodes.iter().any(|open| open.id == episode && open.windows == 1);
        self.over_episodes += u64::from(first);
        self.listed.push_back(Over {
            window: candidate.window.to_string(),
            episode,
            start: candidate.start,
            end: candidate.end,
            score: candidate.score,
            p: candidate.p,
        });
        if self.listed.len() > LISTED_MAX {
            self.listed.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const T0: i64 = 20_000 * DAY_S;

    fn candidate(number: u64, end: i64, lineages: &[u64]) -> Candidate<'_> {
        let window = IdHasher::new("w").number(number).finish();
        Candidate {
            tenant: "t",
            host: "pc",
            window,
            start: end - 180,
            end,
            score: 0.9,
            p: 0.001,
            lineages,
        }
    }

    #[test]
    fn windows_that_touch_and_share_a_lineage_are_one_alert() {
        let mut budgets = Budgets::new(1, 30);
        let Admitted::Alert(id) = budgets.admit(&candidate(1, T0 + 180, &[7])) else { panic!() };
        for step in 1..20 {
            let end = T0 + 180 + step * 30;
            assert_eq!(budgets.admit(&candidate(2, end, &[7, 8])), Admitted::More(id));
        }
        assert_eq!(
            budgets.admit(&candidate(3, T0 + 900, &[8])),
            Admitted::More(id),
            "it learned 8"
        );
        let other = budgets.admit(&candidate(4, T0 + 780, &[99]));
        assert!(matches!(other, Admitted::OverBudget(_)), "another lineage is another episode");
        let later = budgets.admit(&candidate(5, T0 + 3_000, &[7]));
        assert!(matches!(later, Admitted::OverBudget(_)), "so is what does not touch");
        assert_eq!(budgets.alerts("t", "pc", 20_000), 1);
    }

    #[test]
    fn what_is_over_budget_is_kept_counted_and_listed_and_may_become_an_alert_tomorrow() {
        let mut budgets = Budgets::new(2, 30);
        let eve = T0 + DAY_S - 600;
        for lineage in 0..2_u64 {
            let admitted = budgets.admit(&candidate(lineage, eve - 6_000, &[lineage]));
            assert!(matches!(admitted, Admitted::Alert(_)));
        }
        let mut episode = None;
        for step in 0..=20 {
            match budgets.admit(&candidate(100 + step, eve + 30 * step as i64, &[9])) {
                Admitted::OverBudget(id) => {
                    assert_eq!(*episode.get_or_insert(id), id);
                }
                Admitted::Alert(id) => {
                    assert_eq!((step, Some(id)), (20, episode), "at midnight");
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(budgets.over(), OverCounts { windows: 20, episodes: 1 });
        assert_eq!(budgets.listed("t", "pc").count(), 20);
        assert_eq!(budgets.alerts("t", "pc", 20_001), 1);
        for step in 0..1_000 {
            budgets.admit(&candidate(1_000 + step, T0 + 10 * DAY_S + 400 * step as i64, &[]));
        }
        assert_eq!(budgets.listed("t", "pc").count(), LISTED_MAX, "the list is bounded");
        assert!(budgets.over().windows > 20 + LISTED_MAX as u64, "the count is not");
    }

    #[test]
    fn rows_come_back_and_strange_ones_are_refused() {
        let mut budgets = Budgets::new(1, 30);
        budgets.admit(&candidate(1, T0, &[7]));
        budgets.admit(&candidate(2, T0 + 5_000, &[7]));
        let rows = budgets.take_rows();
        assert_eq!((rows.len(), budgets.take_rows().len()), (1, 0));
        let mut again = Budgets::new(1, 30);
        for (key, value) in &rows {
            assert!(again.restore(key, value.as_ref().unwrap()));
        }
        assert_eq!(again.rows, budgets.rows);
        assert!(!again.restore("budget/t/pc", b"{"));
        assert!(!again.restore("other/t/pc", b"{}"));
    }

    proptest! {
        #[test]
        fn no_order_of_windows_makes_more_alerts_than_the_budget(
            budget in 1_u64..4,
            windows in prop::collection::vec((0_i64..4 * DAY_S, 0_u64..3, 0_u8..2), 1..300),
        ) {
            let mut budgets = Budgets::new(budget, 30);
            let mut alerts: BTreeMap<(u8, i64), u64> = BTreeMap::new();
            for (number, (at, lineage, host)) in windows.iter().enumerate() {
                let lineages = [*lineage];
                let host_name = if *host == 0 { "a" } else { "b" };
                let one = candidate(number as u64, T0 + at, &lineages);
                let admitted = budgets.admit(&Candidate { host: host_name, ..one });
                if matches!(admitted, Admitted::Alert(_)) {
                    *alerts.entry((*host, (T0 + at).div_euclid(DAY_S))).or_default() += 1;
                }
            }
            prop_assert!(alerts.values().all(|count| *count <= budget));
            prop_assert!(!alerts.is_empty(), "a budget lets the first through");
        }
    }
}
