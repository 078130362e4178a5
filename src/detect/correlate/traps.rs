//! What other engines got wrong, each as a test: an attack stream, and what must come of it.

use super::reference::Happening;
use super::tests::{detector, event};
use crate::detect::Detector;
use crate::model::event::Event;
use crate::model::finding::Finding;

/// An event of some kinds at a second, of group 1.
fn at(id: u64, second: i64, kinds: &str) -> Happening {
    let bit = |letter| if kinds.contains(letter) { 1 } else { 0 };
    let kinds = bit('a') | bit('b') << 1 | bit('c') << 2;
    Happening { id, second, group: Some(1), kinds, user: Some(1), host: 1, bytes: Some(1) }
}

fn judge(detector: &mut Detector, stream: &[Happening]) -> Vec<Finding> {
    let events: Vec<Event> = stream.iter().map(event).collect();
    let mut out = Vec::new();
    detector.analyse(&events, false, &mut out);
    out
}

/// Titles of the findings of a fresh engine.
fn titles(correlations: &str, stream: &[Happening]) -> Vec<String> {
    let out = judge(&mut detector(correlations), stream);
    out.iter().map(|finding| finding.rule.title.clone()).collect()
}

/// How many findings there are.
fn count(correlations: &str, stream: &[Happening]) -> usize {
    titles(correlations, stream).len()
}

fn x(body: &str) -> String {
    format!("title: X\ncorrelation: {{{body}}}\n")
}

#[test]
fn temporal_rules_enforce_group_by() {
    let rule = x("type: temporal, rules: [a, b], group-by: [source.ip], timespan: 1m");
    let other = Happening { group: Some(2), ..at(2, 1, "b") };
    assert_eq!(count(&rule, &[at(1, 0, "a"), other.clone()]), 0);
    assert_eq!(count(&rule, &[at(1, 0, "a"), other, at(3, 2, "b")]), 1);
    let ordered = x("type: temporal_ordered, rules: [a, b], group-by: [source.ip], timespan: 1m");
    let other = Happening { group: Some(2), ..at(2, 1, "b") };
    assert_eq!(count(&ordered, &[at(1, 0, "a"), other]), 0);
}

#[test]
fn ordered_rules_check_every_pair_and_not_only_the_first() {
    let rule = x("type: temporal_ordered, rules: [a, b, c], timespan: 1m");
    let found = |kinds: [&str; 3]| {
        count(&rule, &[at(1, 0, kinds[0]), at(2, 1, kinds[1]), at(3, 2, kinds[2])])
    };
    assert_eq!(found(["a", "b", "c"]), 1);
    for wrong in
        [["a", "c", "b"], ["b", "a", "c"], ["b", "c", "a"], ["c", "a", "b"], ["c", "b", "a"]]
    {
        assert_eq!(found(wrong), 0, "{wrong:?}");
    }
    // One event that is all three is one moment, and has no order.
    assert_eq!(count(&rule, &[at(1, 0, "abc")]), 0);
    assert_eq!(count(&rule, &[at(1, 0, "abc"), at(2, 1, "abc"), at(3, 2, "abc")]), 1);
    // The last two within the timespan of each other, but not of the first.
    assert_eq!(count(&rule, &[at(1, 0, "a"), at(2, 59, "b"), at(3, 60, "c")]), 0);
}

#[test]
fn events_of_the_same_second_stand_in_the_order_of_their_arrival() {
    let rule = x("type: temporal_ordered, rules: [a, b], timespan: 1m");
    assert_eq!(count(&rule, &[at(1, 0, "a"), at(2, 0, "b")]), 1);
    assert_eq!(count(&rule, &[at(2, 0, "b"), at(1, 0, "a")]), 0);
}

#[test]
fn a_sliding_count_never_spans_more_than_the_timeframe() {
    let rule = x("type: event_count, rules: [a], timespan: 10s, condition: {gte: 3}");
    // Always two in any ten seconds, hundreds in all.
    let slow: Vec<_> = (0..200).map(|n| at(n, n.cast_signed() * 5, "a")).collect();
    assert_eq!(count(&rule, &slow), 0);
    assert_eq!(count(&rule, &[at(1, 0, "a"), at(2, 9, "a"), at(3, 10, "a")]), 0);
    assert_eq!(count(&rule, &[at(1, 0, "a"), at(2, 8, "a"), at(3, 9, "a")]), 3);
}

#[test]
fn a_value_count_of_several_fields_reads_all_of_them() {
    let rule = x(
        "type: value_count, rules: [a], timespan: 1m, condition: {gte: 3, field: [user.name, host.name]}",
    );
    let of = |id, user, host| Happening { user: Some(user), host, ..at(id, id.cast_signed(), "a") };
    // Two users and two hosts make three pairs here, and two values of either field.
    assert_eq!(count(&rule, &[of(1, 1, 1), of(2, 1, 2), of(3, 2, 2)]), 3);
    assert_eq!(count(&rule, &[of(1, 1, 1), of(2, 1, 2), of(3, 1, 1)]), 0);
    // Texts that only look the same when they are put together.
    let joined = x(
        "type: value_count, rules: [a], timespan: 1m, condition: {gte: 2, field: [event.kind, user.name]}",
    );
    assert_eq!(count(&joined, &[of(1, 1, 1), of(2, 1, 1)]), 0);
    // A tuple with a part missing is none.
    let part = Happening { user: None, ..at(4, 4, "a") };
    let mut engine = detector(&rule);
    assert_eq!(judge(&mut engine, &[of(1, 1, 1), of(2, 1, 2), part]).len(), 0);
    assert_eq!(engine.counts().valueless, 1);
}

#[test]
fn two_inputs_of_one_window_are_fed_in_one_order() {
    // Whichever of its rules is loaded first: the stream's order counts, not the rules'.
    let rule = x("type: temporal_ordered, rules: [c, a], timespan: 1m");
    assert_eq!(count(&rule, &[at(1, 0, "a"), at(2, 1, "c")]), 0);
    assert_eq!(count(&rule, &[at(1, 0, "c"), at(2, 1, "a")]), 1);
    // A rule and a correlation of that rule, both completed by one event: one moment, no order.
    let chain = "title: many\nname: many\ncorrelation: {type: event_count, rules: [a], timespan: 1m, condition: {gte: 2}}\n---\n\
        title: X\ncorrelation: {type: temporal_ordered, rules: [many, a], timespan: 1m}\n";
    assert_eq!(count(chain, &[at(1, 0, "a"), at(2, 1, "a")]), 0);
    assert_eq!(count(chain, &[at(1, 0, "a"), at(2, 1, "a"), at(3, 2, "a")]), 1);
    // Two matches of one event are looked at together: this is not `a` without `b`.
    let not = x("type: temporal, rules: [a, b], timespan: 1m, condition: a and not b");
    assert_eq!(count(&not, &[at(1, 0, "ab")]), 0);
    assert_eq!(count(&not, &[at(1, 0, "a")]), 1);
}

#[test]
fn a_rule_that_two_correlations_use_feeds_both() {
    let both = "title: X\ncorrelation: {type: event_count, rules: [a], group-by: [source.ip], timespan: 1m, condition: {gte: 2}}\n---\n\
        title: Y\ncorrelation: {type: event_count, rules: [a], group-by: [source.ip], timespan: 1m, condition: {gte: 3}}\n---\n\
        title: Z\ncorrelation: {type: temporal, rules: [id-a, b], group-by: [source.ip], timespan: 1m}\n";
    let stream = [at(1, 0, "a"), at(2, 1, "a"), at(3, 2, "a"), at(4, 3, "b")];
    let titles = titles(both, &stream);
    let of = |wanted: &str| titles.iter().filter(|title| *title == wanted).count();
    assert_eq!((of("X"), of("Y"), of("Z")), (3, 3, 1));
}

#[test]
fn one_rule_never_starves_another_on_the_same_group() {
    // The first holds all the time and is flooded far over its row's bound; the second still counts.
    let both = "title: Loud\ncorrelation: {type: event_count, rules: [a], group-by: [source.ip], timespan: 1h, condition: {gte: 2}}\n---\n\
        title: Quiet\ncorrelation: {type: event_count, rules: [b], group-by: [source.ip], timespan: 1h, condition: {gte: 3}}\n";
    let mut stream: Vec<_> = (0..1_000).map(|n| at(n, n.cast_signed(), "a")).collect();
    for (n, second) in [(2_000, 100), (2_001, 500), (2_002, 900)] {
        stream.push(at(n, second, "b"));
    }
    stream.sort_by_key(|one| one.second);
    let titles = titles(both, &stream);
    assert_eq!(titles.iter().filter(|title| *title == "Quiet").count(), 3);
    assert_eq!(titles.iter().filter(|title| *title == "Loud").count(), 1_000);
}

#[test]
fn the_window_is_open_at_its_old_edge_and_closed_at_its_new_one() {
    for body in [
        "type: event_count, rules: [a, b], timespan: 10s, condition: {gte: 2}",
        "type: value_count, rules: [a, b], timespan: 10s, condition: {gte: 2, field: event.kind}",
        "type: temporal, rules: [a, b], timespan: 10s",
        "type: temporal_ordered, rules: [a, b], timespan: 10s",
        "type: value_sum, rules: [a, b], timespan: 10s, condition: {gte: 2, field: destination.bytes}",
    ] {
        let rule = x(body);
        assert_eq!(count(&rule, &[at(1, 0, "a"), at(2, 10, "b")]), 0, "{body}");
        assert_ne!(count(&rule, &[at(1, 0, "a"), at(2, 9, "b")]), 0, "{body}");
    }
}

#[test]
fn events_count_by_their_own_time_and_not_by_arrival() {
    let rule = x("type: event_count, rules: [a], timespan: 10s, condition: {gte: 3}");
    // They come together, and happened hours apart.
    assert_eq!(count(&rule, &[at(1, 0, "a"), at(2, 3_600, "a"), at(3, 7_200, "a")]), 0);
    // They come in the wrong order, and happened together.
    assert_eq!(count(&rule, &[at(1, 9, "a"), at(2, 4, "a"), at(3, 0, "a")]), 3);
    let ordered = x("type: temporal_ordered, rules: [a, b, c], timespan: 10s");
    assert_eq!(count(&ordered, &[at(3, 2, "c"), at(1, 0, "a"), at(2, 1, "b")]), 1);
    assert_eq!(count(&ordered, &[at(1, 2, "a"), at(2, 1, "b"), at(3, 0, "c")]), 0);
}

#[test]
fn a_late_event_completes_what_came_before_it() {
    let ordered = x("type: temporal_ordered, rules: [a, b], timespan: 10s");
    let out = judge(&mut detector(&ordered), &[at(2, 5, "b"), at(3, 6, "b"), at(1, 0, "a")]);
    // Both windows that it completes, and what is found are their last events.
    let mut ids: Vec<_> = out.iter().map(|finding| finding.event).collect();
    ids.sort_unstable();
    let mut wanted = [event(&at(2, 5, "b")).id, event(&at(3, 6, "b")).id];
    wanted.sort_unstable();
    assert_eq!(ids, wanted);
    assert!(out.iter().all(|finding| finding.contributing.contains(&event(&at(1, 0, "a")).id)));
}

#[test]
fn an_event_far_behind_is_judged_apart_and_counted() {
    let rule = x("type: event_count, rules: [a], timespan: 10s, condition: {gte: 3}");
    let mut engine = detector(&rule);
    // An old file that is read beside a new one: each is right by itself.
    let mut stream = Vec::new();
    for n in 0..3 {
        stream.push(at(n, 100_000 + n.cast_signed(), "a"));
        stream.push(at(100 + n, n.cast_signed(), "a"));
    }
    assert_eq!(judge(&mut engine, &stream).len(), 6);
    assert_eq!(engine.counts().late, 3);
}

#[test]
fn one_event_from_the_future_blinds_no_group() {
    let rule = x("type: event_count, rules: [a], timespan: 10s, condition: {gte: 3}");
    let stream = [at(1, 0, "a"), at(2, 80_000, "a"), at(3, 1, "a"), at(4, 2, "a"), at(5, 3, "a")];
    assert_eq!(count(&rule, &stream), 4);
}

#[test]
fn a_clock_that_steps_back_only_delays_what_spans_the_step() {
    let rule = x("type: event_count, rules: [a], timespan: 10s, condition: {gte: 3}");
    let mut stream: Vec<_> = (0..3).map(|n| at(n, 5_000 + n.cast_signed(), "a")).collect();
    stream.extend((10..13).map(|n| at(n, 1_000 + n.cast_signed(), "a")));
    assert_eq!(count(&rule, &stream), 6);
}

#[test]
fn duplicates_are_ignored_by_event_id() {
    let count_rule = x("type: event_count, rules: [a, b], timespan: 1m, condition: {gte: 2}");
    let mut engine = detector(&count_rule);
    assert_eq!(judge(&mut engine, &[at(1, 0, "a"), at(1, 0, "a")]).len(), 0);
    assert_eq!(engine.counts().duplicates, 1);
    // One event that two of the rules match is one event.
    assert_eq!(count(&count_rule, &[at(1, 0, "ab")]), 0);
    // Two events that are alike in everything but the id are two.
    assert_eq!(count(&count_rule, &[at(1, 0, "a"), at(2, 0, "a")]), 2);
    let sum = x(
        "type: value_sum, rules: [a], timespan: 1m, condition: {gte: 2, field: destination.bytes}",
    );
    assert_eq!(count(&sum, &[at(1, 0, "a"), at(1, 0, "a")]), 0);
}

#[test]
fn ranges_hold_between_their_ends_and_nowhere_else() {
    let rule = x("type: event_count, rules: [a], timespan: 1h, condition: {gt: 2, lte: 4}");
    let of = |number: u64| {
        let stream: Vec<_> = (0..number).map(|n| at(n, n.cast_signed(), "a")).collect();
        count(&rule, &stream)
    };
    // The fifth and later events end windows of more than four.
    assert_eq!([of(2), of(3), of(4), of(5), of(9)], [0, 3, 4, 4, 4]);
    for (operator, holds) in [
        ("gt", [0, 0, 3]),
        ("gte", [0, 2, 3]),
        ("lt", [1, 1, 1]),
        ("lte", [1, 2, 2]),
        ("eq", [0, 2, 2]),
        ("neq", [1, 1, 3]),
    ] {
        let rule = x(&format!(
            "type: event_count, rules: [a], timespan: 1h, condition: {{{operator}: 2}}"
        ));
        let stream: Vec<_> = (0..3).map(|n| at(n, n.cast_signed(), "a")).collect();
        let found = [1, 2, 3].map(|end| count(&rule, &stream[..end]));
        assert_eq!(found, holds, "{operator}");
    }
}

#[test]
fn aliases_say_which_field_is_meant_in_which_rule() {
    let rule = "title: X\ncorrelation:\n  type: temporal\n  rules: [a, b]\n  group-by: [who]\n  timespan: 1m\n  \
        aliases:\n    who:\n      id-a: user.name\n      b: host.name\n";
    let loaded = super::tests::load(rule);
    assert_eq!(loaded.problems, []);
    // `user7` as a user and as a host's name is one group.
    let mut user = event(&Happening { user: Some(7), ..at(1, 0, "a") });
    user.set_str(crate::model::field::HOST_NAME, "elsewhere");
    let mut host = event(&Happening { user: Some(3), ..at(2, 1, "b") });
    host.set_str(crate::model::field::HOST_NAME, "user7");
    let mut out = Vec::new();
    detector(rule).analyse(&[user.clone(), host.clone()], false, &mut out);
    assert_eq!(out.len(), 1);
    assert_eq!(out[0].group, [("who".to_owned(), "user7".to_owned())]);
    host.set_str(crate::model::field::HOST_NAME, "user8");
    out.clear();
    detector(rule).analyse(&[user, host], false, &mut out);
    assert_eq!(out.len(), 0);
}

#[test]
fn chained_correlations_are_fed_by_what_happened_and_know_its_group() {
    let chain = "title: many\nname: many\ncorrelation: {type: event_count, rules: [a], group-by: [source.ip], timespan: 10s, condition: {gte: 3}}\n---\n\
        title: X\nid: x\ncorrelation: {type: temporal_ordered, rules: [many, b], group-by: [source.ip], timespan: 1m}\n---\n\
        title: Y\ncorrelation: {type: event_count, rules: [x], group-by: [source.ip], timespan: 1h, condition: {gte: 2}}\n";
    let two = [at(1, 0, "a"), at(2, 1, "a"), at(3, 2, "b"), at(4, 3, "b")];
    assert_eq!(count(chain, &two), 0);
    let three = [at(1, 0, "a"), at(2, 1, "a"), at(3, 2, "a"), at(4, 3, "b"), at(5, 4, "b")];
    // `many` and `x` only serve, so all findings are Y's: two log-ins after guessing.
    assert_eq!(titles(chain, &three), ["Y", "Y"]);
    let apart =
        |one: &Happening| Happening { group: Some(u8::try_from(one.id).unwrap()), ..one.clone() };
    assert_eq!(count(chain, &three.each_ref().map(apart)), 0);
}

#[test]
fn chains_do_not_depend_on_the_order_of_arrival() {
    let chain = "title: many\nname: many\ncorrelation: {type: event_count, rules: [a], group-by: [source.ip], timespan: 10s, condition: {gte: 3}}\n---\n\
        title: X\ncorrelation: {type: temporal_ordered, rules: [many, b], group-by: [source.ip], timespan: 30s}\n";
    let stream = [at(1, 0, "a"), at(2, 4, "a"), at(3, 8, "a"), at(4, 12, "b")];
    let mut orders = vec![vec![]];
    for _ in 0..4 {
        orders = orders
            .into_iter()
            .flat_map(|order: Vec<usize>| {
                (0..4)
                    .filter(|n| !order.contains(n))
                    .map(|n| [order.clone(), vec![n]].concat())
                    .collect::<Vec<_>>()
            })
            .collect();
    }
    assert_eq!(orders.len(), 24);
    for order in orders {
        let arrived: Vec<_> = order.iter().map(|n| stream[*n].clone()).collect();
        let out = judge(&mut detector(chain), &arrived);
        let ids: Vec<_> = out.iter().map(|finding| finding.event).collect();
        assert_eq!(ids, [event(&stream[3]).id], "{order:?}");
    }
}

#[test]
fn generate_makes_the_correlated_rules_own_matches_findings_too() {
    let rule = |generate: &str| {
        format!(
            "title: X\n{generate}correlation: {{type: event_count, rules: [a], timespan: 1m, condition: {{gte: 2}}}}\n"
        )
    };
    let stream = [at(1, 0, "a"), at(2, 1, "a"), at(3, 2, "b")];
    // `b` is no part of it and always speaks for itself.
    assert_eq!(titles(&rule(""), &stream), ["X", "X", "B"]);
    assert_eq!(titles(&rule("generate: true\n"), &stream), ["A", "A", "X", "X", "B"]);
    assert_eq!(titles(&rule("generate: false\n"), &stream), ["X", "X", "B"]);
    // One correlation names the rule and is silent about it, another names its id and is not.
    let both = "title: X\ncorrelation: {type: event_count, rules: [a], timespan: 1m, condition: {gte: 9}}\n---\n\
        title: Y\ngenerate: true\ncorrelation: {type: event_count, rules: [id-a], timespan: 1m, condition: {gte: 9}}\n";
    assert_eq!(titles(both, &stream[..1]), ["A"]);
}

#[test]
fn rules_without_group_by_are_one_group_and_tenants_never_mix() {
    let rule = x("type: event_count, rules: [a], timespan: 1m, condition: {gte: 2}");
    let other = Happening { group: Some(9), user: Some(4), host: 7, ..at(2, 1, "a") };
    assert_eq!(count(&rule, &[at(1, 0, "a"), other.clone()]), 2);
    let mut ours = event(&at(1, 0, "a"));
    let mut theirs = event(&other);
    ours.push_str(crate::model::field::ORGANIZATION_ID, "one");
    theirs.push_str(crate::model::field::ORGANIZATION_ID, "two");
    let mut out = Vec::new();
    detector(&rule).analyse(&[ours, theirs], false, &mut out);
    assert_eq!(out.len(), 0);
}

#[test]
fn numbers_are_read_from_texts_and_what_is_none_is_counted() {
    let rule =
        x("type: value_sum, rules: [a], timespan: 1m, condition: {gte: 5, field: user.name}");
    let of = |id: u64, text: &str| {
        let mut event = event(&at(id, 0, "a"));
        event.set_str(crate::model::field::USER_NAME, text);
        event
    };
    let mut out = Vec::new();
    let mut engine = detector(&rule);
    let events = [of(1, " 2 "), of(2, "many"), of(3, "NaN"), of(4, "inf"), of(5, "3.5")];
    engine.analyse(&events, false, &mut out);
    assert_eq!(out.len(), 2);
    assert_eq!(out[1].matched[0].1, "user.name sums to 5.5 within 1 min");
    assert_eq!(engine.counts().valueless, 3);
}
