//! What explanations say of small rules.

use rsigma_parser::parse_sigma_yaml;

use crate::detect::explain::plan::Plan;
use crate::model::event::{Event, Value};
use crate::model::explanation::{Explanation, RowKind, VALUE_BYTES_MAX, cut};

const HEAD: &str = "title: T\nlogsource:\n    product: linux\n    service: sshd\ndetection:\n";

fn plan(detection: &str) -> Plan {
    let text = format!("{HEAD}{detection}");
    let rule = parse_sigma_yaml(&text).unwrap().rules.remove(0);
    Plan::new(&rule, "id".to_owned()).unwrap()
}

fn event(fields: &[(&str, &str)]) -> Event {
    let mut event = Event::with_capacity(8, 64);
    for (name, value) in fields {
        event.push_named(name, Value::Str(value));
    }
    event
}

fn row<'a>(found: &'a Explanation, name: &str) -> &'a crate::model::explanation::Row {
    found.rows.iter().find(|row| row.name == name).unwrap()
}

const TWO: &str = "    selection:
        Image|endswith: ['/curl', '/wget']
        CommandLine|contains|all: ['http', '.sh']
    filter:
        User: root
    condition: selection and not filter
";

#[test]
fn a_near_miss_names_the_condition_and_the_value_that_is_missing() {
    let plan = plan(TWO);
    let event = event(&[
        ("process.executable", "/usr/bin/curl"),
        ("process.command_line", "curl http://x/y"),
        ("user.name", "deploy"),
    ]);
    let found = plan.explain(&event);
    assert!(!found.holds);
    assert_eq!(found.short, 1);
    assert_eq!(found.missing, ["CommandLine contains all of 2: \"http\", \".sh\""]);
    let image = row(&found, "Image");
    assert!(image.holds);
    assert_eq!(
        (image.ours.as_str(), image.actual.as_deref(), image.value.as_str()),
        ("process.executable", Some("/usr/bin/curl"), "/curl")
    );
    let command = row(&found, "CommandLine");
    assert_eq!((command.holds, command.value.as_str()), (false, ".sh"));
    assert_eq!(row(&found, "selection").wanted, "all of");
}

#[test]
fn what_a_filter_takes_away_is_said_as_what_must_not_be() {
    let plan = plan(TWO);
    let event = event(&[
        ("process.executable", "/usr/bin/wget"),
        ("process.command_line", "wget http://x/y.sh"),
        ("user.name", "root"),
    ]);
    let found = plan.explain(&event);
    assert_eq!((found.holds, found.short), (false, 1));
    assert_eq!(found.missing, ["not: User is \"root\""]);
    let not = found.rows.iter().find(|row| row.kind == RowKind::Not).unwrap();
    assert!(!not.holds && row(&found, "filter").holds);
}

#[test]
fn a_field_that_is_not_there_is_told_with_the_names_it_could_have() {
    let plan = plan(TWO);
    let found = plan.explain(&event(&[("process.executable", "/bin/ls")]));
    let command = row(&found, "CommandLine");
    assert_eq!(command.actual, None);
    assert!(command.ours.contains("process.command_line"), "{}", command.ours);
    assert_eq!(found.short, 2);
}

#[test]
fn the_log_source_is_told_first_and_apart_from_the_conditions() {
    let plan = plan("    w:\n        message|contains: magic\n    condition: w\n");
    let mut event = event(&[("message", "some magic"), ("event.dataset", "nginx.access")]);
    let found = plan.explain(&event);
    assert!(found.holds && !found.source_fits && !found.fires());
    assert_eq!(found.source_wanted, "linux/sshd");
    assert_eq!(found.source_is, "nginx.access");
    event.push_named("log.syslog.appname", Value::Str("sshd"));
    assert!(plan.explain(&event).fires());
}

#[test]
fn counts_choose_the_cheapest_way() {
    let plan = plan(
        "    a1:\n        x: '1'\n    a2:\n        x: '2'\n        y: '2'\n    a3:\n        z: '3'\n    \
         condition: 2 of a*\n",
    );
    let found = plan.explain(&event(&[("x", "1")]));
    assert_eq!((found.holds, found.short), (false, 1));
    assert_eq!(found.missing, ["z is \"3\""]);
    assert_eq!(plan.explain(&event(&[("x", "1"), ("z", "3")])).short, 0);
}

#[test]
fn keywords_and_exists_and_null_are_told_in_words() {
    let plan = plan(
        "    k:\n        - alpha\n        - beta\n    e:\n        x|exists: true\n    n:\n        y: null\n    \
         condition: k and e and n\n",
    );
    let found = plan.explain(&event(&[("message", "say BETA"), ("y", "here")]));
    let words = row(&found, "any text");
    assert_eq!((words.ours.as_str(), words.value.as_str()), ("message", "beta"));
    assert_eq!(row(&found, "x").wanted, "is there");
    assert_eq!(row(&found, "y").wanted, "is empty or not there");
    assert_eq!(found.short, 2);
}

#[test]
fn long_values_are_cut_at_a_character() {
    let long = "é".repeat(400);
    let short = cut(&long);
    assert!(short.len() <= VALUE_BYTES_MAX && short.ends_with('…'));
    assert_eq!(cut("short"), "short");
}

#[test]
fn a_rule_that_does_not_run_is_not_explained_but_told_why() {
    for (detection, why) in [
        (
            "    s:\n        x: a\n    condition: s and not 1 of filter_*\n",
            "the condition names filter_*",
        ),
        ("    s: {}\n    condition: s\n", "must not be empty"),
        ("    s:\n        x: a\n    t:\n        x|re: '('\n    condition: s\n", "invalid regex"),
    ] {
        let text = format!("{HEAD}{detection}");
        let rule = parse_sigma_yaml(&text).unwrap().rules.remove(0);
        let error = Plan::new(&rule, "id".to_owned()).unwrap_err().to_string();
        assert!(error.starts_with("the rule does not run: "), "{error}");
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn an_explanation_reads_wildcards_dashes_and_times_as_the_rule_that_runs() {
    let plan = plan(
        "    s:\n        x|startswith: ['b*', 'a*c']\n        y|contains|windash: ' /create '\n        z|hour: 22\n    condition: s\n",
    );
    let with =
        |x| event(&[("x", x), ("y", "t \u{2013}create y"), ("z", "2025-03-04 22:05:06.123")]);
    let found = plan.explain(&with("abcd"));
    assert!(found.holds, "{found:?}");
    assert_eq!(row(&found, "x").value, "a*c");
    assert_eq!(row(&found, "z").actual.as_deref(), Some("2025-03-04 22:05:06.123"));
    assert!(!plan.explain(&with("xabc")).holds);
}
