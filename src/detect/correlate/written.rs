//! What can be written, and what is said about the rest: file, line, and what to do.

use super::compile::DEPTH_MAX;
use super::condition::{self, Alternative, Test};
use super::tests::load;
use rsigma_parser::{CorrelationRule, parse_sigma_yaml};

fn x(body: &str) -> String {
    format!("title: X\ncorrelation: {{{body}}}\n")
}

/// The only problem, with its line.
fn problem(correlations: &str) -> (u32, String) {
    let loaded = load(correlations);
    assert_eq!(loaded.problems.len(), 1, "{correlations}: {:?}", loaded.problems);
    assert!(loaded.problems[0].file.ends_with("rules.yml"));
    (loaded.problems[0].line, loaded.problems[0].reason.clone())
}

fn rule(body: &str) -> CorrelationRule {
    let parsed = parse_sigma_yaml(&x(body)).unwrap();
    assert_eq!(parsed.errors, Vec::<String>::new(), "{body}");
    let mut rule = parsed.correlations.into_iter().next().unwrap();
    rule.rules = condition::references(&rule);
    rule
}

/// Where the documents after [`super::tests::RULES`] begin.
const FIRST: u32 = 18;

#[test]
fn conditions_that_mean_nothing_are_refused_with_what_is_wrong() {
    for (body, words) in [
        ("type: event_count, rules: [a], timespan: 1m, condition: {gte: 10001}", "10,000"),
        ("type: event_count, rules: [a], timespan: 1m, condition: {lt: 1}", "no number from 1 on"),
        ("type: event_count, rules: [a], timespan: 1m, condition: {gt: 5, lt: 6}", "no number"),
        ("type: event_count, rules: [a], timespan: 1m, condition: {gte: -1}", "below 0"),
        (
            "type: event_count, rules: [a], timespan: 1m, condition: {gte: 2, field: user.name}",
            "names a field",
        ),
        ("type: event_count, rules: [a, b], timespan: 1m, condition: a and b", "write a number"),
        ("type: value_count, rules: [a], timespan: 1m, condition: {gte: 2}", "add `field: NAME`"),
        (
            "type: value_sum, rules: [a], timespan: 1m, condition: {gte: 2, field: [x, y]}",
            "several fields",
        ),
        (
            "type: value_percentile, rules: [a], timespan: 1m, condition: {gte: 2, field: x, percentile: 101}",
            "above 100",
        ),
        (
            "type: temporal, rules: [a, b], timespan: 1m, condition: {gte: 3}",
            "no number of these rules",
        ),
        ("type: temporal, rules: [a, b], timespan: 1m, condition: a and d", "names d"),
        ("type: temporal, rules: [a, b], timespan: 1m, condition: a and not a", "never hold"),
        ("type: temporal_ordered, rules: [a], timespan: 1m", "joins 1 rules"),
        (
            "type: temporal_ordered, rules: [a, b, c], timespan: 1m, condition: {gte: 2}",
            "all rules",
        ),
        ("type: temporal_ordered, rules: [a, b], timespan: 1m, condition: not a", "no order"),
        ("type: temporal, rules: [a, b], timespan: 400d", "366 days"),
        ("type: temporal, rules: [a, b], timespan: 1m, window: tumbling", "sliding window"),
        (
            "type: temporal_extended, rules: [a, b], timespan: 1m, condition: a and b",
            "without `_extended`",
        ),
        ("type: temporal, rules: [a, missing], timespan: 1m", "missing, which is not loaded"),
        (
            "type: temporal, rules: [a, b], group-by: [u], aliases: {u: {a: user.name}}, timespan: 1m",
            "no field for the rule b",
        ),
    ] {
        let (line, reason) = problem(&x(body));
        assert!(reason.contains(words), "{body}: {reason}");
        assert_eq!(line, FIRST, "{body}: {reason}");
    }
}

#[test]
fn a_reference_says_why_what_it_names_does_not_run() {
    let elsewhere = "title: E\nname: e\nlogsource: {product: qualys}\ndetection: {s: {a: b}, condition: s}\n---\n";
    let (_, reason) = problem(&format!(
        "{elsewhere}{}",
        x("type: event_count, rules: [e], timespan: 1m, condition: {gte: 2}")
    ));
    assert_eq!(reason, "refers to the rule e, which is for logs that are not read");
    let broken = "title: E\nname: e\nlogsource: {product: linux}\ndetection: {s: {a|re: '('}, condition: s}\n---\n";
    let loaded = load(&format!(
        "{broken}{}",
        x("type: event_count, rules: [e], timespan: 1m, condition: {gte: 2}")
    ));
    assert_eq!(loaded.problems[1].reason, "refers to the rule e, which does not run");
}

fn link(number: usize, of: &str) -> String {
    format!(
        "title: N{number}\nname: n{number}\ncorrelation: {{type: event_count, rules: [{of}], timespan: 1m, condition: {{gte: 1}}}}\n---\n"
    )
}

#[test]
fn chains_reach_depth_ten_and_what_is_deeper_is_refused_with_its_line() {
    let most = usize::from(DEPTH_MAX);
    // Written from the last to the first, so that the order in the file helps nobody.
    let chain = |length: usize| {
        let link = |n: usize| if n == 0 { link(0, "a") } else { link(n, &format!("n{}", n - 1)) };
        (0..length).rev().map(link).collect::<String>()
    };
    let loaded = load(&chain(most));
    assert_eq!(loaded.problems, []);
    assert_eq!(loaded.rules.correlations(), most);
    let loaded = load(&chain(most + 3));
    assert_eq!(loaded.rules.correlations(), most);
    let reasons: Vec<_> =
        loaded.problems.iter().map(|one| (one.line, one.reason.as_str())).collect();
    assert_eq!(reasons.len(), 3);
    assert_eq!(reasons[0].0, FIRST + 8);
    assert!(reasons[0].1.contains("number 11 of a chain; 10 may follow"), "{reasons:?}");
    assert!(
        reasons.iter().any(|(_, why)| why.contains("refers to the rule n10, which does not run")),
        "{reasons:?}"
    );
}

#[test]
fn circles_are_refused_and_shown_with_file_and_line() {
    let circle = format!("{}{}{}", link(0, "n2"), link(1, "n0"), link(2, "n1"));
    let loaded = load(&circle);
    assert_eq!(loaded.rules.correlations(), 0);
    assert_eq!(loaded.problems.len(), 3);
    let first = &loaded.problems[0];
    assert_eq!(first.line, FIRST);
    let (file, reason) = (&first.file, &first.reason);
    assert_eq!(
        *reason,
        format!(
            "refers to itself by way of n2 ({file}:{}) -> n1 ({file}:{}) -> n0 ({file}:{FIRST}); break the circle",
            FIRST + 8,
            FIRST + 4
        )
    );
    let (_, reason) = problem(&link(0, "n0"));
    assert!(reason.starts_with("refers to itself by way of n0"), "{reason}");
    // One that only looks at a circle is told so, and a long one ends.
    let outside = format!("{}{}", link(0, "n1"), link(1, "n1"));
    assert!(load(&outside).problems[0].reason.contains("refers to the correlation n1"));
    let long: String = (0..2_000).map(|n| link(n, &format!("n{}", (n + 1) % 2_000))).collect();
    assert_eq!(load(&long).problems.len(), 2_000);
}

#[test]
fn a_boolean_condition_names_its_rules_itself_where_no_list_does() {
    let ordered = rule("type: temporal_ordered, timespan: 1m, condition: b and (a or c)");
    assert_eq!(ordered.rules, ["b", "a", "c"]);
    let loaded = load(&x("type: temporal, timespan: 1m, condition: a and b"));
    assert_eq!(loaded.problems, []);
    assert_eq!(loaded.rules.correlations(), 1);
}

#[test]
fn boolean_conditions_become_alternatives() {
    let ways = |condition: &str| {
        let body =
            format!("type: temporal, rules: [a, b, c], timespan: 1m, condition: {condition}");
        match condition::compile(&rule(&body)).unwrap() {
            Test::Any(ways) => {
                ways.iter().map(|Alternative { need, refuse }| (*need, *refuse)).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ways("a and b"), [(3, 0)]);
    assert_eq!(ways("a or b and not c"), [(1, 0), (2, 4)]);
    assert_eq!(ways("not (a or b) and c"), [(4, 3)]);
    assert_eq!(ways("1 of them"), [(1, 0), (2, 0), (4, 0)]);
    assert_eq!(ways("all of them"), [(7, 0)]);
    assert_eq!(ways("2 of them"), [(3, 0), (5, 0), (6, 0)]);
    assert_eq!(ways("not 2 of them"), [(0, 3), (0, 5), (0, 6)]);
    // Too many cases are an error and not a long start.
    let names: Vec<String> = (0..40).map(|n| format!("r{n}")).collect();
    let body = format!(
        "type: temporal, rules: [{}], timespan: 1m, condition: 20 of them",
        names.join(", ")
    );
    assert!(condition::compile(&rule(&body)).unwrap_err().to_string().contains("64 ways"));
    let all = format!(
        "type: temporal, rules: [{}], timespan: 1m, condition: all of them",
        names.join(", ")
    );
    assert!(matches!(condition::compile(&rule(&all)).unwrap(), Test::Any(ways) if ways.len() == 1));
}

#[test]
fn negative_numbers_are_numbers() {
    let test = condition::compile(&rule(
        "type: value_avg, rules: [a], timespan: 1m, condition: {lt: -5, field: x}",
    ))
    .unwrap();
    let Test::Average(bounds) = test else { panic!("{test:?}") };
    assert!(bounds.hold(-6.0, true) && !bounds.hold(-5.0, true));
}

#[test]
fn keys_that_no_correlation_has_are_refused_with_their_line_and_the_nearest_key() {
    let count = "type: event_count, rules: [a], timespan: 1m";
    for (body, words) in [
        (format!("{count}, groupby: [user.name], condition: {{gte: 2}}"), "did you mean group-by"),
        (format!("{count}, group_by: [user.name], condition: {{gte: 2}}"), "did you mean group-by"),
        (format!("{count}, condition: {{gte: 2, foo: 1}}"), "has no key foo"),
        (
            "type: value_count, rules: [a], timespan: 1m, condition: {gte: 2, feild: user.name}".into(),
            "did you mean field",
        ),
        (format!("{count}, alias: {{}}, condition: {{gte: 2}}"), "did you mean aliases"),
        (format!("{count}, group-by: [5], condition: {{gte: 2}}"), "correlation.group-by"),
        (
            "type: value_percentile, rules: [a], timespan: 1m, condition: {gte: 2, field: x, percentile: 99.5}"
                .into(),
            "percentile cannot be a number like this",
        ),
    ] {
        let (line, reason) = problem(&x(&body));
        assert!(reason.contains(words), "{body}: {reason}");
        assert_eq!(line, FIRST + 1, "{body}: {reason}");
        assert_eq!(load(&x(&body)).rules.correlations(), 0, "{body}");
    }
    let beside =
        format!("{}group-by: [user.name]\n", x("type: temporal, rules: [a, b], timespan: 1m"));
    let (line, reason) = problem(&beside);
    assert_eq!(
        (line, reason.as_str()),
        (FIRST + 2, "group-by stands beside `correlation` and not in it")
    );
}

#[test]
fn a_timespan_without_a_unit_is_told_with_what_to_write() {
    for written in ["90", "'90'", "1x", "soon"] {
        let body =
            format!("type: event_count, rules: [a], timespan: {written}, condition: {{gte: 2}}");
        let (line, reason) = problem(&x(&body));
        let value = written.trim_matches('\'');
        assert!(
            reason.starts_with(&format!("correlation.timespan: {value} is no span of time")),
            "{reason}"
        );
        assert!(reason.contains("90s, 5m, 1h"), "{reason}");
        assert_eq!(line, FIRST + 1);
    }
}
