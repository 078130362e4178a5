//! What the configuration says about noise, as findings meet it; and releases on their way from the workbench to the
//! analyst.

use std::cell::RefCell;
use std::sync::Arc;

use ahash::{AHashMap, AHashSet};
use parking_lot::Mutex;

use crate::alert::noise::{Policy, Window};
use crate::config::noise::{NoiseConfig, Suppress};
use crate::detect::files::pack_of;
use crate::model::episode::AlertChange;
use crate::model::event::{Event, EventId};
use crate::model::field::FieldId;
use crate::model::finding::{Finding, RuleInfo};
use crate::model::noise::{NoiseChanges, NoiseCounts, Release};
use crate::model::rule_life::{Selector, Traits};
use crate::model::severity::Severity;
use crate::pipeline::shared::Health;
use crate::stdx::time::micros;

/// The key of parked rules in the health report.
pub(crate) const KEY: &str = "rules parked";

/// Releases that the analyst has not taken yet.
#[derive(Debug, Default)]
pub struct Releases(Mutex<Vec<Release>>);

impl Releases {
    /// Hand one over; it is durable already.
    pub fn put(&self, release: Release) {
        self.0.lock().push(release);
    }

    pub(crate) fn take(&self) -> Vec<Release> {
        let mut waiting = std::mem::take(&mut *self.0.lock());
        waiting.sort_by_key(|release| release.change);
        waiting
    }
}

/// Budgets and windows of every rule. Belongs to the analyst's thread.
pub(crate) struct NoiseRules {
    config: NoiseConfig,
    recommended: Arc<AHashSet<String>>,
    /// A rule's budget, by its id: as many as there are rules.
    budgets: RefCell<AHashMap<String, Option<u64>>>,
}

impl NoiseRules {
    pub(crate) fn new(config: NoiseConfig, recommended: Arc<AHashSet<String>>) -> NoiseRules {
        NoiseRules { config, recommended, budgets: RefCell::default() }
    }

    /// Other rules are in force now.
    pub(crate) fn renew(&mut self, recommended: Arc<AHashSet<String>>) {
        self.recommended = recommended;
        self.budgets.borrow_mut().clear();
    }

    /// Findings become alerts, and what is kept from the queue goes beside them.
    pub(crate) fn apply(
        &self,
        engine: &mut crate::alert::Engine,
        findings: Vec<Finding>,
        events: &[Event],
    ) -> (Vec<AlertChange>, NoiseChanges) {
        let by_id: AHashMap<EventId, &Event> = if self.config.suppress.is_empty() {
            AHashMap::new()
        } else {
            let wanted: AHashSet<EventId> = findings.iter().map(|finding| finding.event).collect();
            let met = events.iter().filter(|event| wanted.contains(&event.id));
            met.map(|event| (event.id, event)).collect()
        };
        let window = |finding: &Finding| self.window(finding, &by_id);
        let policy = Policy { budget: &|rule| self.budget(rule), window: &window };
        let alerts = engine.apply_under(&policy, findings);
        (alerts, engine.take_noise())
    }

    fn traits<'a>(&self, rule: &'a RuleInfo) -> Traits<'a> {
        Traits {
            id: &rule.id,
            tags: &rule.tags,
            pack: pack_of(&rule.file),
            level: rule.level,
            recommended: self.recommended.contains(&rule.id),
        }
    }

    fn budget(&self, rule: &RuleInfo) -> Option<u64> {
        if let Some(known) = self.budgets.borrow().get(&rule.id) {
            return *known;
        }
        let budget = self.resolve(rule);
        self.budgets.borrow_mut().insert(rule.id.clone(), budget);
        budget
    }

    fn resolve(&self, rule: &RuleInfo) -> Option<u64> {
        let traits = self.traits(rule);
        let critical = rule.level == Severity::Critical;
        let about = self.config.budgets.iter().filter(|one| {
            // A wide entry does not mean critical rules: they are parked only when it says so.
            let selector = &one.rules;
            selector.is_about(&traits)
                && (!critical || selector.rule.is_some() || selector.level.is_some())
        });
        let own = best(about, |one| &one.rules).map(|one| one.alerts);
        let default = if critical { 0 } else { self.config.budget };
        Some(own.unwrap_or(default)).filter(|budget| *budget > 0)
    }

    fn window(&self, finding: &Finding, events: &AHashMap<EventId, &Event>) -> Option<Window> {
        if self.config.suppress.is_empty() {
            return None;
        }
        let traits = self.traits(&finding.rule);
        let about = self
            .config
            .suppress
            .iter()
            .filter(|one| one.rules.is_about(&traits) && one.rules.is_at(&finding.host));
        let Suppress { by, window, .. } = best(about, |one| &one.rules)?;
        let event = events.get(&finding.event).copied();
        let values = by.iter().map(|field| Some((field.clone(), value(finding, event, field)?)));
        Some(Window { values: values.collect::<Option<_>>()?, micros: micros(*window) })
    }
}

/// The most specific entry; of two alike the first that was written.
fn best<'a, T>(
    entries: impl Iterator<Item = &'a T>,
    selector: impl Fn(&T) -> &Selector,
) -> Option<&'a T> {
    entries.fold(None, |best: Option<&T>, one| match best {
        Some(best) if selector(best).rank() >= selector(one).rank() => Some(best),
        _ => Some(one),
    })
}

/// The value of a field: of the event that completed the match, else as the finding tells it.
fn value(finding: &Finding, event: Option<&Event>, field: &str) -> Option<String> {
    if let Some(value) = event.and_then(|event| event.get(FieldId::lookup(field)?)) {
        return Some(value.to_text().into_owned()).filter(|text| !text.is_empty());
    }
    let pair = |(name, value): &(String, String)| (name == field).then(|| value.clone());
    finding.group.iter().find_map(pair).or_else(|| finding.matched.iter().find_map(pair))
}

/// What is worth a look about what is kept from the queue.
pub(crate) fn problem(counts: NoiseCounts) -> Option<(Health, String)> {
    let rules = match counts.parked {
        1 => "1 rule is".to_owned(),
        many => format!("{many} rules are"),
    };
    let text = format!("{rules} parked for making too many alerts: watchfloor rules parked");
    (counts.parked > 0).then_some((Health::Degraded, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::noise::Budget;

    fn rule(id: &str, level: Severity) -> RuleInfo {
        RuleInfo {
            id: id.to_owned(),
            title: id.to_owned(),
            level,
            tags: vec!["attack.t1110".to_owned()],
            description: String::new(),
            false_positives: Vec::new(),
            file: format!("local:p/{id}.yml"),
            line: 1,
            group_by: Vec::new(),
        }
    }

    fn budget(text: &str, alerts: u64) -> Budget {
        Budget { rules: Selector::parse(text.split(' ')).unwrap(), alerts }
    }

    #[test]
    fn the_most_specific_budget_holds_and_critical_rules_need_one_of_their_own() {
        let config = NoiseConfig {
            budgets: vec![
                budget("all", 9),
                budget("pack:p", 5),
                budget("level:low", 7),
                budget("r1", 1),
                budget("r0", 0),
            ],
            ..NoiseConfig::default()
        };
        let rules = NoiseRules::new(config, Arc::default());
        assert_eq!(rules.budget(&rule("r1", Severity::Low)), Some(1));
        assert_eq!(rules.budget(&rule("r2", Severity::Low)), Some(5), "a pack before a level");
        assert_eq!(rules.budget(&rule("r0", Severity::Low)), None);
        assert_eq!(rules.budget(&rule("r3", Severity::Critical)), None, "wide entries leave it");
        let config =
            NoiseConfig { budgets: vec![budget("level:critical", 3)], ..NoiseConfig::default() };
        let rules = NoiseRules::new(config, Arc::default());
        assert_eq!(rules.budget(&rule("r3", Severity::Critical)), Some(3));
        assert_eq!(rules.budget(&rule("r2", Severity::Low)), Some(200));
    }
}
