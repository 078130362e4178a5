//! A stream that is read in parts: what the parts give away and join finds what one detector of everything finds.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::reference::Happening;
use super::tests::{TYPES, detector, event, load, stream, words};
use crate::detect::Detector;
use crate::model::correlation_match::CorrelationMatch;
use crate::model::event::Event;
use crate::model::finding::Finding;
use crate::model::origin::Origin;
use crate::wire::correlation_match_v1 as form;

/// Parts of a stream by endpoint, and those who count groups, by the key of a message.
struct Nodes {
    parts: [Detector; 2],
    counting: [Detector; 2],
    /// How often each message comes.
    copies: usize,
    handed_on: usize,
}

impl Nodes {
    fn new(make: impl Fn() -> Detector, copies: usize) -> Nodes {
        let part = || make().in_parts();
        Nodes { parts: [part(), part()], counting: [part(), part()], copies, handed_on: 0 }
    }

    fn run(&mut self, stream: &[Happening], out: &mut Vec<Finding>) {
        for one in stream {
            let part = self.parts.get_mut(usize::from(one.host) % 2).unwrap();
            part.analyse(&[event(one)], false, out);
            let mut waiting = part.take_away();
            while let Some(one) = waiting.pop() {
                waiting.extend(self.deliver(&one, out));
            }
        }
    }

    fn deliver(&mut self, one: &CorrelationMatch, out: &mut Vec<Finding>) -> Vec<CorrelationMatch> {
        self.handed_on += 1;
        let to = usize::from(form::key(one).as_bytes().last().unwrap() & 1);
        let one = form::read(&form::write(one)).unwrap();
        let counting = self.counting.get_mut(to).unwrap();
        for _ in 0..self.copies {
            assert!(counting.join(&one, out), "{one:?}");
        }
        counting.take_away()
    }
}

/// What findings say but where they were found.
fn said(findings: Vec<Finding>) -> Vec<String> {
    let bare = |finding| Finding { origin: Origin::default(), ..finding };
    words(&findings.into_iter().map(bare).collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Of every type, also when the brokers have everything twice.
    #[test]
    fn parts_find_together_what_one_finds_alone(stream in stream(), copies in 1_usize..3) {
        let events: Vec<Event> = stream.iter().map(event).collect();
        for kind in TYPES {
            let mut alone = Vec::new();
            kind.detector().analyse(&events, false, &mut alone);
            let (mut nodes, mut together) = (Nodes::new(|| kind.detector(), copies), Vec::new());
            nodes.run(&stream, &mut together);
            prop_assert_eq!(said(together), said(alone), "{}", kind.name);
        }
    }
}

const CHAIN: &str = "title: X\nname: x\ncorrelation: {type: event_count, rules: [a], group-by: [source.ip], timespan: 10s, condition: {gte: 2}}
---
title: Y\ncorrelation: {type: event_count, rules: [x], timespan: 60s, condition: {gte: 3}}
";

#[test]
fn what_follows_from_groups_is_handed_on_again() {
    let one = |id: u64, second, group, host| Happening {
        id,
        second,
        group: Some(group),
        kinds: 1,
        user: None,
        host,
        bytes: None,
    };
    let stream: Vec<Happening> = (0..12)
        .map(|number| one(number, number as i64, (number / 4) as u8, (number % 2) as u8))
        .collect();
    let events: Vec<Event> = stream.iter().map(event).collect();
    let mut alone = Vec::new();
    detector(CHAIN).analyse(&events, false, &mut alone);
    let (mut nodes, mut together) = (Nodes::new(|| detector(CHAIN), 1), Vec::new());
    nodes.run(&stream, &mut together);
    let titles = |findings: &[Finding]| findings.iter().filter(|it| it.rule.title == "Y").count();
    assert!(titles(&alone) > 0);
    assert_eq!(said(together), said(alone));
    assert!(nodes.handed_on > stream.len(), "what happened is handed on beside the matches");
    // In a part alone nothing is enough.
    let mut part = Vec::new();
    nodes.parts[0].analyse(&events, false, &mut part);
    assert_eq!(part.len(), 0);
}

#[test]
fn a_match_of_a_rule_that_is_not_in_use_is_said_to_be_one() {
    let mut giving = detector(CHAIN).in_parts();
    let happening =
        Happening { id: 1, second: 1, group: Some(1), kinds: 1, user: None, host: 0, bytes: None };
    giving.analyse(&[event(&happening)], false, &mut Vec::new());
    let away = giving.take_away();
    assert_eq!(away.len(), 1);
    let changed = CHAIN.replace("timespan: 10s", "timespan: 20s");
    assert!(!detector(&changed).in_parts().join(&away[0], &mut Vec::new()));
}

/// Which of the correlations are spread.
fn spread(text: &str) -> BTreeMap<String, bool> {
    let loaded = load(text);
    assert_eq!(loaded.problems, [], "{text}");
    let rules = Arc::new(loaded.rules);
    let title = |rule: u32| rules.rules()[rule as usize].title.clone();
    rules.correlations.iter().map(|one| (title(one.rule), one.spread)).collect()
}

#[test]
fn groups_are_spread_unless_each_has_one_endpoint() {
    let one = |body: &str| {
        let text = format!(
            "title: X\ncorrelation: {{type: event_count, rules: [a, b], {body} timespan: 1m, condition: {{gte: 2}}}}\n"
        );
        spread(&text)["X"]
    };
    assert!(one(""), "one group of everything");
    assert!(one("group-by: [source.ip],"));
    assert!(one("group-by: [host.ip],"));
    for name in ["host.name", "Computer", "ComputerName"] {
        assert!(!one(&format!("group-by: [source.ip, {name}],")), "{name}");
    }
    let alias =
        |a: &str, b: &str| one(&format!("group-by: [it], aliases: {{it: {{a: {a}, b: {b}}}}},"));
    assert!(!alias("host.name", "Computer"));
    assert!(alias("host.name", "source.ip"), "of the second rule it is another");
}

#[test]
fn chains_are_spread_together_or_counted_where_the_event_is() {
    let chain = |child: &str, parent: &str| {
        let text = format!(
            "title: X\nname: x\ncorrelation: {{type: event_count, rules: [a], group-by: {child}, timespan: 1m, condition: {{gte: 2}}}}\n---\n\
             title: Y\ncorrelation: {{type: event_count, rules: [x, b], group-by: {parent}, timespan: 1m, condition: {{gte: 2}}}}\n"
        );
        let found = spread(&text);
        (found["X"], found["Y"])
    };
    assert_eq!(chain("[host.name, source.ip]", "[host.name]"), (false, false));
    assert_eq!(chain("[host.name, source.ip]", "[source.ip]"), (false, true));
    assert_eq!(chain("[source.ip]", "[source.ip]"), (true, true));
    assert_eq!(chain("[host.name]", "[source.ip]"), (false, true), "the event is at hand");
    assert_eq!(
        chain("[source.ip]", "[user.name]"),
        (false, false),
        "the event is asked for its user"
    );
    assert_eq!(chain("[source.ip, host.name]", "[host.name, user.name]"), (false, false));
}
