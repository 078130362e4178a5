//! Findings of rules and of signals in the order of the events that made them.
//!
//! Which episode a finding joins depends on what came before it. If all findings of the rules came first, then those of
//! the signals, that would depend on how records were cut into batches, and so on when the program was killed.

use crate::detect::Detector;
use crate::model::event::Event;
use crate::model::finding::Finding;
use crate::signal;

/// What one stage found in a batch.
#[derive(Debug, Default)]
struct Found {
    /// The findings, in order.
    findings: Vec<Finding>,
    /// For each event: how many there were after it.
    ends: Vec<usize>,
}

/// Judge a batch by rules and by signals.
pub(crate) fn judge(
    detector: &mut Detector,
    signals: &mut signal::Engine,
    events: &[Event],
    backfill: bool,
    out: &mut Vec<Finding>,
) {
    let (mut by_rules, mut by_signals) = (Found::default(), Found::default());
    let Found { findings, ends } = &mut by_rules;
    detector.analyse_each(events, backfill, findings, |end| ends.push(end));
    let Found { findings, ends } = &mut by_signals;
    signals.analyse_each(events, backfill, findings, |end| ends.push(end));
    join(by_rules, by_signals, out);
}

/// Put both together, event by event; at one event the rules' come first.
fn join(rules: Found, signals: Found, out: &mut Vec<Finding>) {
    out.reserve(rules.findings.len() + signals.findings.len());
    let (mut of_rules, mut of_signals) = (rules.findings.into_iter(), signals.findings.into_iter());
    let (mut from_rule, mut from_signal) = (0, 0);
    for (to_rule, to_signal) in rules.ends.into_iter().zip(signals.ends) {
        out.extend(of_rules.by_ref().take(to_rule - from_rule));
        out.extend(of_signals.by_ref().take(to_signal - from_signal));
        (from_rule, from_signal) = (to_rule, to_signal);
    }
    out.extend(of_rules.chain(of_signals));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::finding::RuleInfo;
    use crate::model::severity::Severity;
    use crate::stdx::id::Id128;
    use crate::stdx::time::Timestamp;

    fn finding(user: &str) -> Finding {
        Finding {
            rule: Arc::new(RuleInfo {
                id: String::new(),
                title: String::new(),
                level: Severity::Low,
                tags: Vec::new(),
                description: String::new(),
                false_positives: Vec::new(),
                file: String::new(),
                line: 0,
                group_by: Vec::new(),
            }),
            timestamp: Timestamp::default(),
            tenant: Arc::from(""),
            host: String::new(),
            user: user.to_owned(),
            event: Id128::default(),
            contributing: Vec::new(),
            matched: Vec::new(),
            group: Vec::new(),
            origin: crate::model::origin::Origin::default(),
            backfill: false,
        }
    }

    fn found(findings: &[&str], ends: &[usize]) -> Found {
        Found { findings: findings.iter().map(|user| finding(user)).collect(), ends: ends.to_vec() }
    }

    #[test]
    fn findings_stand_in_the_order_of_their_events_whatever_made_them() {
        let mut out = Vec::new();
        join(
            found(&["r1", "r1", "r3"], &[2, 2, 3, 3]),
            found(&["s1", "s2", "s4"], &[1, 2, 2, 3]),
            &mut out,
        );
        let order: Vec<&str> = out.iter().map(|one| one.user.as_str()).collect();
        assert_eq!(order, ["r1", "r1", "s1", "s2", "r3", "s4"]);
    }
}
