//! Signals over hand-made events: what the loader refuses, what conditions say, restart at any batch boundary.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::files;
use super::*;
use crate::config::signals::SignalsConfig;
use crate::model::event::{Event, Value};
use crate::model::field;
use crate::model::finding::Finding;
use crate::model::severity::Severity;
use crate::stdx::id::IdHasher;
use crate::stdx::time::Timestamp;

/// 2026-03-04T10:00:00Z, a Wednesday.
const START: i64 = 1_772_618_400;

fn read(text: &str) -> (Vec<Signal>, Vec<String>) {
    let (mut documents, mut problems) = (Vec::new(), Vec::new());
    files::add("s.yml", text.as_bytes(), &mut documents, &mut problems);
    let lists = SignalsConfig::default().lists;
    let signals =
        documents.iter().filter_map(|one| load::signal(one, &lists, &mut problems)).collect();
    (signals, problems.iter().map(ToString::to_string).collect())
}

fn set(text: &str) -> Arc<SignalSet> {
    let (signals, problems) = read(text);
    assert_eq!(problems, Vec::<String>::new());
    Arc::new(SignalSet::new(signals, SignalsConfig::default().calendar))
}

fn engine_with(set: &Arc<SignalSet>, rows_max: usize) -> Engine {
    Engine::new(Arc::clone(set), &SignalsConfig { rows_max, ..SignalsConfig::default() })
}

fn engine(text: &str) -> Engine {
    engine_with(&set(text), 1_000)
}

fn signal(alert: &str) -> String {
    format!(
        "title: t\nid: sig\nlevel: high\nwhen:\n  event.action: login\nlabels: [user.name]\nalert:\n  {alert}\n"
    )
}

fn event(seconds: i64, number: u64, fields: &[(&str, Value<'_>)]) -> Event {
    let mut event = Event::with_capacity(8, 128);
    event.timestamp = Timestamp::from_seconds(START + seconds);
    event.id = IdHasher::new("event").number(number).finish();
    event.push_str(field::EVENT_ACTION, "login");
    for (name, value) in fields {
        event.push_named(name, *value);
    }
    event
}

fn login(seconds: i64, number: u64, user: &str) -> Event {
    event(seconds, number, &[("user.name", Value::Str(user)), ("host.name", Value::Str("h1"))])
}

fn judge(engine: &mut Engine, events: &[Event]) -> Vec<Finding> {
    let mut out = Vec::new();
    engine.analyse(events, false, &mut out);
    out
}

fn whys(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.matched[0].1.as_str()).collect()
}

#[test]
fn every_problem_names_file_line_key_and_what_to_write() {
    let text = "title: t\nid: Sig 1\nlevl: high\nwhen:\n  event.action: { matches: '(' , lk: 5 }\nalert:\n  count: { within: 10, at_lest: 5 }\n---\ntitle: u\nid: two\nlevel: hihg\nwhen: {}\nalert: { each: true, count: {} }\n---\ntitle: v\nid: three\nwhen: { a.b: 1 }\nalert:\n  allow: { field: a.b, list: vault_path }\ncardinality: 0\n";
    let (signals, problems) = read(text);
    assert!(signals.is_empty());
    let wanted = [
        "s.yml:3: levl: unknown key (did you mean level)",
        "s.yml:2: id: an id is 3 to 64 of a-z, 0-9, '-', '_' and '.'",
        "s.yml:5: when.event.action.matches: the regular expression cannot be used: error: unclosed group",
        "s.yml:7: alert.count.at_lest: unknown key (did you mean at_least)",
        "s.yml:7: alert.count.within: expected a time such as 10m or 24h, found a number",
        "s.yml:7: alert.count: needs exactly one of at_least, above",
        "s.yml:12: when: is empty",
        "s.yml:13: alert: needs exactly one condition of each, value, count, rate, ratio, distinct, sum, percentile, absence, burst, off_hours, first_seen, allow, deny, travel",
        "s.yml:11: level: \"hihg\" is none of critical, high, medium, low, info (did you mean high)",
        "s.yml:20: cardinality: must be between 1 and 1000000",
        "s.yml:19: alert.allow.list: there is no list vault_path under [signals.lists] in the configuration (did you mean vault_paths)",
    ];
    assert_eq!(problems, wanted, "{problems:#?}");
}

#[test]
fn a_broken_signal_never_runs_and_never_stops_the_others() {
    let good = signal("each: true");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yml"), "title: [\n").unwrap();
    std::fs::write(folder.path().join("b.yml"), &good).unwrap();
    std::fs::write(folder.path().join("c.yml"), &good).unwrap();
    let paths = vec![folder.path().display().to_string(), "builtin".to_owned()];
    let loaded = load(&SignalsConfig { paths, ..SignalsConfig::default() });
    assert!(loaded.set.signals().len() > 40);
    let said: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("a.yml:1: "), "{said:?}");
    assert!(said[1].contains("c.yml:1: id: the id sig is used twice"), "{said:?}");
}

proptest! {
    #[test]
    fn the_loader_never_panics_on_any_text(text in "\\PC{0,200}") {
        read(&text);
    }

    #[test]
    fn the_loader_never_panics_on_a_damaged_signal(
        cut in 0_usize..300,
        junk in "[\\PC\n]{0,12}",
        which in 0_usize..3,
    ) {
        let whole = [
            signal("ratio: { of: { a.b: [1, { not: x }] }, within: 5m, events: 5, below: 0.5, warning: 0.7 }"),
            signal("burst: { window: 1m, baseline: 5, usual: ewma }"),
            signal("percentile: { field: a, rank: 99, within: 1h, above: 3 }"),
        ];
        let text = &whole[which];
        let cut = cut.min(text.len());
        read(&format!("{}{junk}{}", &text[..cut], &text[cut..]));
    }
}

#[test]
fn a_count_fires_when_it_is_reached_and_then_once_a_minute() {
    let mut engine = engine(&signal("count: { within: 10m, at_least: 3 }"));
    let events: Vec<Event> = (0..40).map(|n| login(n * 10, n as u64, "ann")).collect();
    let findings = judge(&mut engine, &events);
    let at: Vec<i64> = findings.iter().map(|one| one.timestamp.seconds() - START).collect();
    assert_eq!(at, [20, 80, 140, 200, 260, 320, 380]);
    assert_eq!(whys(&findings)[0], "3 events within 10 min");
    assert_eq!(findings[0].contributing.len(), 2);
    assert_eq!(findings[0].group, [("user.name".to_owned(), "ann".to_owned())]);
    assert!(judge(&mut engine, &[login(400, 90, "bob")]).is_empty(), "another series");
}

#[test]
fn repeats_are_ignored_and_late_events_count_where_they_belong() {
    let mut engine = engine(&signal("count: { within: 10m, at_least: 3 }"));
    let first = login(0, 1, "ann");
    assert!(judge(&mut engine, &[first.clone(), first.clone(), first]).is_empty());
    assert_eq!(engine.counts().duplicates, 2);
    assert!(judge(&mut engine, &[login(300, 2, "ann")]).is_empty());
    assert_eq!(judge(&mut engine, &[login(100, 3, "ann")]).len(), 1, "late, and the third");
    judge(&mut engine, &[login(9_000, 4, "ann"), login(50, 5, "ann")]);
    assert_eq!(engine.counts().late, 1);
}

#[test]
fn a_warning_comes_before_the_failure_with_its_own_level() {
    let text = signal("sum: { field: cost, within: 1d, above: 10, warning: 8 }\ncheck: true");
    let mut engine = engine(&text.replace("\ncheck", "\nwarning_level: info\ncheck"));
    let costs = |n: i64| {
        event(n, n as u64, &[("user.name", Value::Str("ann")), ("cost", Value::Float(4.5))])
    };
    let findings = judge(&mut engine, &[costs(0), costs(1), costs(2)]);
    let levels: Vec<Severity> = findings.iter().map(|one| one.rule.level).collect();
    assert_eq!(levels, [Severity::Info, Severity::High], "worse is said at once");
    assert_eq!(findings[0].matched[1], ("result".to_owned(), "warning".to_owned()));
    assert_eq!(
        whys(&findings),
        ["cost adds up to 9 within 1 d", "cost adds up to 13.50 within 1 d"]
    );
    assert_eq!(engine.report().results[0].counts, [1, 1, 1]);
}

fn seen(seconds: i64, number: u64, host: &str) -> Event {
    event(seconds, number, &[("host.name", Value::Str(host))])
}

fn quiet_engine() -> Engine {
    let text = "title: t\nid: quiet\nwhen: { host.name: { exists: true } }\nlabels: [host.name]\nalert:\n  absence: { for: 10m, after: 2 }\n";
    engine(text)
}

#[test]
fn silence_is_measured_by_the_events_of_others_and_by_an_idle_path() {
    let mut engine = quiet_engine();
    let both = [seen(0, 1, "h1"), seen(5, 2, "h1"), seen(6, 3, "h2"), seen(7, 4, "h2")];
    assert!(judge(&mut engine, &both).is_empty());
    let findings = judge(&mut engine, &[seen(700, 5, "h2")]);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].host, "h1");
    assert_eq!(findings[0].timestamp.seconds() - START, 605);
    assert!(judge(&mut engine, &[seen(900, 6, "h2")]).is_empty(), "said once");
    let mut out = Vec::new();
    engine.idle(|_| Duration::from_secs(599), &mut out);
    assert!(out.is_empty());
    engine.idle(|_| Duration::from_secs(601), &mut out);
    assert_eq!(out.len(), 1, "nothing came from h2 either");
    judge(&mut engine, &[seen(2_000, 7, "h1")]);
    engine.idle(|_| Duration::from_secs(601), &mut out);
    assert_eq!(out.len(), 2, "it came back and is silent again");
}

#[test]
fn one_source_says_nothing_about_the_pace_of_another_and_late_events_end_no_silence() {
    let mut engine = quiet_engine();
    let of = |mut event: Event, source: &str| {
        event.push_str(field::SOURCE_NAME, source);
        event
    };
    let slow = [of(seen(0, 1, "h1"), "slow"), of(seen(5, 2, "h1"), "slow")];
    assert!(judge(&mut engine, &slow).is_empty());
    assert!(judge(&mut engine, &[of(seen(90_000, 3, "h2"), "fast")]).is_empty());
    assert_eq!(judge(&mut engine, &[of(seen(700, 4, "h3"), "slow")]).len(), 1);
    let late: Vec<Event> = (0..20).map(|n| of(seen(10 + n as i64, 10 + n, "h1"), "slow")).collect();
    assert!(judge(&mut engine, &late).is_empty(), "said once, however many come late");
}

#[test]
fn a_clock_that_is_ahead_silences_nobody() {
    let mut engine = quiet_engine();
    judge(&mut engine, &[seen(0, 1, "h1"), seen(5, 2, "h1")]);
    let mut ahead = seen(80_000, 3, "h2");
    ahead.ingested = Timestamp::from_seconds(START + 10);
    assert!(judge(&mut engine, &[ahead]).is_empty());
}

#[test]
fn what_arrives_without_the_field_that_is_needed_makes_a_signal_dead_and_says_so() {
    let mut engine = engine(&signal("travel: {}"));
    judge(&mut engine, &[login(0, 1, "ann"), login(1, 2, "ann")]);
    let dead = engine.dead();
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].1, "2 events came, none with source.geo.location or source.geo.country_*");
    let placed =
        [("user.name", Value::Str("ann")), ("source.geo.country_iso_code", Value::Str("DE"))];
    judge(&mut engine, &[event(2, 3, &placed)]);
    assert!(engine.dead().is_empty());
}

#[test]
fn rows_are_bounded_and_eviction_is_counted_and_saved() {
    let set = set(&signal("count: { within: 10m, at_least: 3 }"));
    let mut engine = engine_with(&set, 3);
    for number in 0..5_u64 {
        judge(&mut engine, &[login(0, number, &format!("user{number}"))]);
    }
    assert_eq!(engine.rows(), (3, 2));
    let mut stored: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    save(&mut engine, &mut stored);
    assert_eq!(stored.len(), 4, "three rows and the clock");
    judge(&mut engine, &[login(1, 10, "another")]);
    save(&mut engine, &mut stored);
    assert_eq!(stored.len(), 4, "the one that went is deleted");
    let one = signal("count: { within: 10m, at_least: 3 }\ncardinality: 1");
    let mut engine = engine_with(&super::tests::set(&one), 100);
    judge(&mut engine, &[login(0, 1, "ann"), login(0, 2, "bob")]);
    assert_eq!(engine.rows(), (1, 1), "a signal has a bound of its own");
}

#[test]
fn rows_of_a_signal_that_changed_are_given_up_and_counted() {
    let mut stored = BTreeMap::new();
    let mut old = engine(&signal("count: { within: 10m, at_least: 3 }"));
    judge(&mut old, &[login(0, 1, "ann")]);
    save(&mut old, &mut stored);
    let mut new = engine(&signal("count: { within: 20m, at_least: 3 }"));
    new.restore(rows(&stored));
    assert_eq!(new.report().rows_discarded, 1);
    save(&mut new, &mut stored);
    assert_eq!(stored.len(), 1, "only the clock is left");
}

fn save(engine: &mut Engine, stored: &mut BTreeMap<String, Vec<u8>>) {
    for row in engine.take_changes() {
        match row.value {
            Some(value) => stored.insert(row.key, value),
            None => stored.remove(&row.key),
        };
    }
}

fn rows(stored: &BTreeMap<String, Vec<u8>>) -> Vec<StateRow> {
    let each = stored.iter();
    each.map(|(key, value)| StateRow { key: key.clone(), value: Some(value.clone()) }).collect()
}

const ALL_KINDS: [&str; 12] = [
    "count: { within: 10m, at_least: 4, warning: 2 }",
    "distinct: { field: source.ip, within: 10m, at_least: 4 }",
    "rate: { within: 5m, per: 1m, above: 2 }",
    "ratio: { of: { event.outcome: failure }, within: 10m, events: 4, above: 0.5 }",
    "sum: { field: cost, within: 1h, above: 60 }",
    "percentile: { field: cost, within: 1h, events: 5, above: 8 }",
    "burst: { window: 1m, baseline: 6, learn: 3, deviations: 1, at_least: 3 }",
    "first_seen: { field: source.ip, learn: 10m }",
    "absence: { for: 5m, gaps: 2, after: 3 }",
    "travel: { country_within: 30m }",
    "value: { field: cost, at_least: 9 }",
    "off_hours: true",
];

fn any_event() -> impl Strategy<Value = (i64, u8, u8, u8, bool)> {
    (0_i64..3_600, 0_u8..3, 0_u8..6, 0_u8..10, any::<bool>())
}

fn made(number: usize, (seconds, user, ip, cost, fails): (i64, u8, u8, u8, bool)) -> Event {
    let (user, ip) = (format!("u{user}"), format!("192.0.2.{ip}"));
    let country = if cost % 2 == 0 { "DE" } else { "BR" };
    event(
        seconds,
        number as u64,
        &[
            ("user.name", Value::Str(&user)),
            ("host.name", Value::Str("h1")),
            ("source.ip", Value::Str(&ip)),
            ("cost", Value::Int(i64::from(cost))),
            ("event.outcome", Value::Str(if fails { "failure" } else { "success" })),
            ("source.geo.country_iso_code", Value::Str(country)),
        ],
    )
}

fn brief(finding: &Finding) -> (String, i64, String, String) {
    let why = finding.matched[0].1.clone();
    (finding.rule.id.clone(), finding.timestamp.0, finding.event.to_string(), why)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_restart_at_any_batch_boundary_changes_nothing(
        raw in proptest::collection::vec(any_event(), 1..80),
        cuts in proptest::collection::vec(1_usize..12, 1..40),
    ) {
        let documents: Vec<String> = ALL_KINDS
            .iter()
            .enumerate()
            .map(|(n, alert)| signal(alert).replace("id: sig", &format!("id: sig-{n}")))
            .collect();
        let set = set(&documents.join("---\n"));
        let mut sorted = raw.clone();
        sorted.sort_by_key(|one| one.0);
        // Mostly in order, a few late.
        sorted.swap(0, raw.len() / 2);
        let events: Vec<Event> =
            sorted.into_iter().enumerate().map(|(n, one)| made(n, one)).collect();
        let mut whole = engine_with(&set, 20);
        let undisturbed: Vec<_> = judge(&mut whole, &events).iter().map(brief).collect();
        let mut stored = BTreeMap::new();
        let mut broken = Vec::new();
        let mut rest = events.as_slice();
        for size in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (batch, after) = rest.split_at((*size).min(rest.len()));
            rest = after;
            let mut engine = engine_with(&set, 20);
            engine.restore(rows(&stored));
            broken.extend(judge(&mut engine, batch).iter().map(brief));
            // What a killed program judged after its last commit is judged again.
            let mut again = engine_with(&set, 20);
            again.restore(rows(&stored));
            judge(&mut again, batch);
            save(&mut again, &mut stored);
        }
        prop_assert_eq!(undisturbed, broken);
    }

    #[test]
    fn the_index_finds_what_asking_every_signal_finds(raw in any_event(), action in 0_usize..4) {
        let loaded = load(&SignalsConfig::default());
        let mut one = made(1, raw);
        one.set_str(field::EVENT_ACTION, ["login", "cron_run", "web_request", "Chat"][action]);
        one.push_str(field::EVENT_DATASET, ["vault.audit", "VAULT.audit", "x", ""][action]);
        one.class = crate::model::class::Class::ALL[action * 7];
        let mut found = Vec::new();
        loaded.set.concerned(&one, &mut String::new(), &mut found);
        let asked: Vec<u32> = (0_u32..)
            .zip(loaded.set.signals())
            .filter(|(_, signal)| signal.concerns(&one))
            .map(|(number, _)| number)
            .collect();
        prop_assert_eq!(found, asked);
    }
}

#[test]
fn values_of_when_are_literals_lists_tests_and_alternatives() {
    let fits = |when: &str, fields: &[(&str, Value<'_>)]| {
        let text = format!("title: t\nid: sig\nwhen:\n{when}\nalert: {{ each: true }}\n");
        !judge(&mut engine(&text), &[event(0, 1, fields)]).is_empty()
    };
    let status =
        |n| [("http.response.status_code", Value::Int(n)), ("url.path", Value::Str("/Login"))];
    assert!(fits("  http.response.status_code: 404", &status(404)));
    assert!(fits("  http.response.status_code: [403, 404]", &status(404)));
    assert!(!fits("  http.response.status_code: { gte: 400, lt: 404 }", &status(404)));
    assert!(fits("  url.path: /login", &status(1)), "text without regard to case");
    assert!(!fits("  url.path: { matches: 'log' }", &status(1)), "the whole value");
    assert!(!fits("  url.path: { matches: '/login' }", &status(1)), "a pattern says what it means");
    assert!(fits("  url.path: { matches: '(?i)/log.*' }", &status(1)));
    assert!(!fits("  url.path: { matches: 'x|.*Log' }", &status(1)), "anchored as a whole");
    assert!(fits("  url.path: { starts: /log, ends: [x, IN], contains: ogi }", &status(1)));
    assert!(fits("  url.path: { not: [/a, /b] }\n  user.name: { exists: false }", &status(1)));
    assert!(!fits("  url.path: { exists: true, not: { starts: / } }", &status(1)));
    assert!(fits("  - url.path: /none\n  - http.response.status_code: 5", &status(5)));
    assert!(fits("  flag: true", &[("flag", Value::Bool(true))]));
    assert!(!fits("  flag: 'yes'", &[("flag", Value::Bool(true))]));
    assert!(fits("  watchfloor.class: other", &[]));
}

#[test]
fn another_set_keeps_the_state_of_what_counts_as_before_and_gives_up_the_rest() {
    let one = |id: &str, title: &str, least: usize, more: &str| {
        format!(
            "title: {title}\nid: {id}\nwhen:\n  event.action: login\nlabels: [user.name]\n{more}alert:\n  \
             count: {{within: 10m, at_least: {least}}}\n"
        )
    };
    let join = |texts: &[String]| texts.join("---\n");
    let first = [one("one", "t", 4, ""), one("two", "t", 4, ""), one("gone", "t", 4, "")];
    let mut engine = engine(&join(&first));
    let logins = |from: u64, to: u64| -> Vec<Event> {
        (from..to).map(|number| login(i64::try_from(number).unwrap(), number, "ann")).collect()
    };
    assert!(judge(&mut engine, &logins(0, 3)).is_empty());
    let before = engine.take_changes();
    // Another order and title, another threshold, one that is gone and one that is new.
    let next = [one("new", "t", 4, ""), one("two", "t", 5, ""), one("one", "other words", 4, "")];
    engine.replace(set(&join(&next)));
    assert_eq!((engine.rows(), engine.report().rows_discarded), ((1, 0), 2));
    let mut gone: Vec<String> = engine.take_changes().into_iter().map(|row| row.key).collect();
    gone.sort();
    let of = |id: &str| before.iter().find(|row| row.key.starts_with(&format!("signal/{id}/")));
    let wanted = ["gone", "two"].map(|id| of(id).unwrap().key.clone());
    assert_eq!(gone, wanted, "the store forgets what is given up");
    let found = judge(&mut engine, &logins(3, 4));
    let ids: Vec<(&str, &str)> =
        found.iter().map(|one| (one.rule.id.as_str(), one.rule.title.as_str())).collect();
    assert_eq!(ids, [("one", "other words")], "the fourth event, of which the new set saw one");
    // And a bound that became smaller holds at once.
    judge(&mut engine, &[login(5, 50, "bob"), login(5, 51, "cyd")]);
    let small = one("one", "t", 4, "cardinality: 1\n");
    engine.replace(set(&small));
    assert_eq!(engine.rows().0, 1, "{:?}", engine.rows());
}

#[test]
fn silence_is_still_measured_over_another_set() {
    let quiet = |title: &str| {
        format!(
            "title: {title}\nid: q-q\nwhen: {{event.action: login}}\nlabels: [host.name]\nalert: {{absence: {{for: 10m}}}}\n"
        )
    };
    let mut engine = engine(&quiet("a"));
    judge(&mut engine, &[login(0, 0, "ann")]);
    engine.replace(set(&format!("{}---\n{}", signal("each: true"), quiet("b"))));
    let mut found = Vec::new();
    engine.idle(|_| Duration::from_secs(601), &mut found);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].rule.title, "b");
}
