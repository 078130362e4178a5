//! Telemetry as Prometheus text (format 0.0.4) and as JSON.
//!
//! The text format is a dozen lines of rules, so it is written here; a test reads it back by them.

use std::fmt::Write;

use serde_json::{Value as Json, json};

use crate::model::telemetry::{SignalSeries, Telemetry};
use crate::stdx::time::SECOND_US;

/// The type of the text, as Prometheus asks for it.
pub const TEXT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Names of labels that every series of a signal has.
const OWN_LABELS: [&str; 2] = ["signal", "tenant"];

struct Text(String);

type Labels<'a> = Vec<(&'a str, &'a str)>;

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP watchfloor_{name} {help}");
        let _ = writeln!(self.0, "# TYPE watchfloor_{name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &Labels<'_>, value: f64) {
        let _ = write!(self.0, "watchfloor_{name}");
        for (number, (label, text)) in labels.iter().enumerate() {
            let open = if number == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{open}{label}=\"");
            for c in text.chars() {
                match c {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    // What could drive a terminal that shows the page.
                    c if c.is_control() => self.0.push('\u{fffd}'),
                    c => self.0.push(c),
                }
            }
            self.0.push('"');
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{close} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.family(name, kind, help);
        self.sample(name, &Vec::new(), value);
    }
}

/// What was kept from the queue.
fn noise(out: &mut Text, telemetry: &Telemetry) {
    let noise = &telemetry.noise;
    let help = "Findings that raised the count of an alert because of a window of repeats.";
    out.one("findings_suppressed_total", "counter", help, noise.suppressed as f64);
    let help = "Findings of parked rules, kept back.";
    out.one("findings_parked_total", "counter", help, noise.held as f64);
    let help = "Rules that are parked for making too many alerts.";
    out.one("rules_parked", "gauge", help, noise.parked as f64);
    let help = "Memories of last matches given up for want of room.";
    out.one("rarity_forgotten_total", "counter", help, noise.forgotten as f64);
}

/// The whole page.
pub fn text(telemetry: &Telemetry) -> String {
    let mut out = Text(String::with_capacity(16 << 10));
    program(&mut out, telemetry);
    books(&mut out, telemetry);
    correlations(&mut out, telemetry);
    signals(&mut out, telemetry);
    series(&mut out, telemetry);
    out.0
}

fn program(out: &mut Text, telemetry: &Telemetry) {
    let status = &telemetry.status;
    out.family("build_info", "gauge", "The version that runs.");
    out.sample("build_info", &vec![("version", status.version.as_str())], 1.0);
    out.family("health", "gauge", "1 at the word that holds.");
    for word in ["ok", "degraded", "unhealthy"] {
        let holds = if status.health == word { 1.0 } else { 0.0 };
        out.sample("health", &vec![("state", word)], holds);
    }
    let seconds = status.started.micros() as f64 / SECOND_US as f64;
    out.one("start_time_seconds", "gauge", "When the program started.", seconds);
    out.one("problems", "gauge", "Problems that are open.", status.problems.len() as f64);
    out.family("rules", "gauge", "Rules and signals by state.");
    for (state, number) in [
        ("loaded", status.rules_loaded),
        ("failed", status.rules_failed),
        ("off", status.rules_off),
    ] {
        out.sample("rules", &vec![("state", state)], number as f64);
    }
    out.one("alerts", "gauge", "Alerts in the store.", status.alerts as f64);
    out.one("stored_events", "gauge", "Events in the store.", status.events as f64);
    out.one("store_bytes", "gauge", "Bytes of the store on disk.", status.store_bytes as f64);
    out.family("findings_total", "counter", "Findings since the start, hidden ones included.");
    for (level, count) in &telemetry.findings {
        out.sample("findings_total", &vec![("level", level.as_str())], *count as f64);
    }
    let hidden = telemetry.findings_hidden as f64;
    out.one("findings_hidden_total", "counter", "Findings of rules that are off.", hidden);
    noise(out, telemetry);
    out.family(
        "upkeep",
        "gauge",
        "What goes on by itself (backup, retention, config), by topic and name.",
    );
    for upkeep in &status.upkeep {
        for (name, number) in &upkeep.numbers {
            let labels = vec![("topic", upkeep.topic.as_str()), ("name", name.as_str())];
            out.sample("upkeep", &labels, *number as f64);
        }
    }
}

fn books(out: &mut Text, telemetry: &Telemetry) {
    let status = &telemetry.status;
    out.family("records_total", "counter", "Records by source and what became of them.");
    for source in &status.sources {
        let ledger = &source.ledger;
        for (state, number) in [
            ("received", ledger.received),
            ("stored", ledger.stored),
            ("rejected", ledger.rejected),
            ("duplicate", ledger.duplicate),
            ("shed", ledger.shed),
        ] {
            let labels = vec![("source", source.name.as_str()), ("state", state)];
            out.sample("records_total", &labels, number as f64);
        }
    }
    out.family(
        "records_in_flight",
        "gauge",
        "Records that decoders hold open until their rest comes.",
    );
    for source in &status.sources {
        let labels = vec![("source", source.name.as_str())];
        out.sample("records_in_flight", &labels, source.ledger.in_flight as f64);
    }
    out.family("source_newest_event_seconds", "gauge", "Event time of the newest event.");
    for source in status.sources.iter().filter(|source| source.newest_event_us > 0) {
        let labels = vec![("source", source.name.as_str())];
        let seconds = source.newest_event_us as f64 / SECOND_US as f64;
        out.sample("source_newest_event_seconds", &labels, seconds);
    }
    out.family(
        "source_number",
        "gauge",
        "What a source says of itself: connections, lag, refusals by reason.",
    );
    for source in &status.sources {
        for (name, number) in &source.numbers {
            let labels = vec![("source", source.name.as_str()), ("name", name.as_str())];
            out.sample("source_number", &labels, *number as f64);
        }
    }
    out.family("canary_seconds", "gauge", "How long the canary of a source took or takes.");
    for source in &status.sources {
        let found = source.numbers.iter().find(|(name, _)| name == "canary_us");
        let Some((_, micros)) = found else { continue };
        let labels = vec![("source", source.name.as_str())];
        out.sample("canary_seconds", &labels, *micros as f64 / SECOND_US as f64);
    }
    out.family("queue_depth", "gauge", "Items that wait.");
    for (name, depth, _) in &status.queues {
        out.sample("queue_depth", &vec![("queue", name.as_str())], *depth as f64);
    }
    out.family("queue_capacity", "gauge", "Items that may wait.");
    for (name, _, capacity) in &status.queues {
        out.sample("queue_capacity", &vec![("queue", name.as_str())], *capacity as f64);
    }
}

fn correlations(out: &mut Text, telemetry: &Telemetry) {
    let report = &telemetry.status.correlations;
    let (groups, most, events) = (report.groups, report.groups_max, report.events);
    out.one("correlation_groups", "gauge", "Groups of correlations that are held.", groups as f64);
    out.one("correlation_groups_max", "gauge", "Groups there may be.", most as f64);
    out.one("correlation_events", "gauge", "Events that these groups hold.", events as f64);
    for (name, help, count) in report.counters() {
        out.one(&format!("correlation_{name}_total"), "counter", help, count as f64);
    }
    let reloads = &telemetry.status;
    out.family("reloads_total", "counter", "Other sets that were taken up since the start.");
    for (of, count) in [("rules", reloads.rules_reloads), ("signals", reloads.signals_reloads)] {
        out.sample("reloads_total", &vec![("of", of)], count as f64);
    }
}

fn signals(out: &mut Text, telemetry: &Telemetry) {
    let signals = &telemetry.signals;
    out.one("signals", "gauge", "Signals that run.", signals.signals as f64);
    let failed = telemetry.signals_failed as f64;
    out.one("signal_problems", "gauge", "Problems in signal files.", failed);
    out.family("signal_dead", "gauge", "Signals whose events come without the field they need.");
    for (signal, _) in &signals.dead {
        out.sample("signal_dead", &vec![("signal", signal.as_str())], 1.0);
    }
    out.family("signal_results_total", "counter", "How often a signal said pass, warning, fail.");
    for results in &signals.results {
        for (result, count) in ["pass", "warning", "fail"].into_iter().zip(results.counts) {
            let labels = vec![("signal", results.signal.as_str()), ("result", result)];
            out.sample("signal_results_total", &labels, count as f64);
        }
    }
    for (name, help, count) in [
        ("signal_findings_total", "Findings of signals.", signals.findings),
        ("signal_duplicates_total", "Events that were there already.", signals.duplicates),
        ("signal_late_total", "Events older than the state that is kept.", signals.late),
        ("signal_unlabelled_total", "Events without a label that is needed.", signals.unlabelled),
        ("signal_forgotten_total", "Known values that made room.", signals.forgotten),
        ("signal_rows_discarded_total", "Rows of signals that changed.", signals.rows_discarded),
        ("series_evicted_total", "Series that made room for others.", signals.rows_evicted),
    ] {
        out.one(name, "counter", help, count as f64);
    }
}

fn series(out: &mut Text, telemetry: &Telemetry) {
    let signals = &telemetry.signals;
    out.family("series", "gauge", "Series that are counted apart.");
    out.sample("series", &vec![("of", "signals")], signals.rows as f64);
    out.sample("series", &vec![("of", "events")], signals.event_series as f64);
    out.one("series_max", "gauge", "Series of signals there may be.", signals.rows_max as f64);
    let left_out = signals.series_left_out as f64;
    out.one("series_left_out", "gauge", "Series of signals that this page leaves out.", left_out);
    out.family("events_total", "counter", "Events by data set and action, since the start.");
    for (dataset, action, count) in &signals.events {
        let labels = vec![("dataset", dataset.as_str()), ("action", action.as_str())];
        out.sample("events_total", &labels, *count as f64);
    }
    if signals.events_other > 0 {
        let labels = vec![("dataset", "_other"), ("action", "_other")];
        out.sample("events_total", &labels, signals.events_other as f64);
    }
    out.family("signal_events_total", "counter", "Events that a signal counted, by its labels.");
    for one in &signals.series {
        let names = label_names(one);
        let mut labels = vec![("signal", one.signal.as_str()), ("tenant", one.tenant.as_str())];
        let values = one.labels.iter().map(|(_, value)| value.as_str());
        labels.extend(names.iter().map(String::as_str).zip(values));
        out.sample("signal_events_total", &labels, one.events as f64);
    }
}

/// Labels by the names that Prometheus takes; none twice.
fn label_names(series: &SignalSeries) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (name, _) in &series.labels {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let mut name: String = name.chars().map(plain).collect();
        let is_taken = |name: &String, names: &[String]| {
            names.contains(name) || OWN_LABELS.contains(&name.as_str())
        };
        while is_taken(&name, &names) || !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            name.insert_str(0, "label_");
        }
        names.push(name);
    }
    names
}

/// `/stats`.
pub fn stats(telemetry: &Telemetry) -> Json {
    let (status, signals) = (&telemetry.status, &telemetry.signals);
    let results = signals.results.iter().filter(|one| one.counts.iter().any(|count| *count > 0));
    json!({
        "status": serde_json::to_value(super::status_v1::Status::from(status)).unwrap_or_default(),
        "findings": telemetry.findings.iter()
            .map(|(level, count)| (level.as_str().to_owned(), Json::from(*count)))
            .collect::<serde_json::Map<String, Json>>(),
        "findings_hidden": telemetry.findings_hidden,
        "findings_suppressed": telemetry.noise.suppressed,
        "findings_parked": telemetry.noise.held,
        "rules_parked": telemetry.noise.parked,
        "signals": {
            "loaded": signals.signals,
            "problems": telemetry.signals_failed,
            "findings": signals.findings,
            "series": signals.rows,
            "series_max": signals.rows_max,
            "series_evicted": signals.rows_evicted,
            "rows_discarded": signals.rows_discarded,
            "duplicates": signals.duplicates,
            "late": signals.late,
            "unlabelled": signals.unlabelled,
            "forgotten": signals.forgotten,
            "newest_event": (signals.clock.micros() > 0).then(|| signals.clock.to_string()),
            "dead": signals.dead.iter()
                .map(|(signal, reason)| json!({"signal": signal, "reason": reason}))
                .collect::<Vec<Json>>(),
            "results": results
                .map(|one| json!({
                    "signal": one.signal, "check": one.check,
                    "pass": one.counts[0], "warning": one.counts[1], "fail": one.counts[2],
                }))
                .collect::<Vec<Json>>(),
        },
        "events": {
            "series": signals.event_series,
            "other": signals.events_other,
            "by_type": signals.events.iter()
                .map(|(dataset, action, count)| json!({
                    "event.dataset": dataset, "event.action": action, "count": count,
                }))
                .collect::<Vec<Json>>(),
        },
    })
}

/// `/health`.
pub fn health(telemetry: &Telemetry) -> Json {
    let status = &telemetry.status;
    let uptime = status.now.micros_since(status.started) / SECOND_US;
    json!({
        "status": status.health,
        "service": "watchfloor",
        "version": status.version,
        "uptime_seconds": uptime.max(0),
        "alerts_count": status.alerts,
        "rules_loaded": status.rules_loaded,
        // The report itself was read from it.
        "db_connected": true,
        "problems": status.problems,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::model::telemetry::{SignalReport, SignalResults};

    fn telemetry(label: &str, value: &str) -> Telemetry {
        let signals = SignalReport {
            signals: 1,
            rows: 1,
            results: vec![SignalResults { signal: "s-1".into(), check: true, counts: [3, 2, 1] }],
            series: vec![SignalSeries {
                signal: "s-1".into(),
                tenant: "default".into(),
                labels: vec![
                    (label.to_owned(), value.to_owned()),
                    (label.to_owned(), String::new()),
                ],
                events: 7,
            }],
            events: vec![("system.auth".into(), "ssh_login".into(), 5)],
            events_other: 2,
            ..SignalReport::default()
        };
        Telemetry { signals: Arc::new(signals), ..Telemetry::default() }
    }

    /// A sample by the rules of the format: name, labels, value. Panics when it is none.
    fn sample(line: &str) -> Sample {
        let end = line.find(['{', ' ']).unwrap();
        let (name, mut rest) = line.split_at(end);
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{line}");
        let mut labels = Vec::new();
        if let Some(inner) = rest.strip_prefix('{') {
            rest = inner;
            loop {
                let (label, after) = rest.split_once("=\"").unwrap();
                assert!(label.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'), "{line}");
                assert!(label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{line}");
                let (mut value, mut chars) = (String::new(), after.char_indices());
                let closed = loop {
                    match chars.next().unwrap() {
                        (at, '"') => break at,
                        (_, '\\') => match chars.next().unwrap().1 {
                            'n' => value.push('\n'),
                            c @ ('\\' | '"') => value.push(c),
                            other => panic!("\\{other} in {line}"),
                        },
                        (_, c) => value.push(c),
                    }
                };
                labels.push((label.to_owned(), value));
                rest = &after[closed + 1..];
                match rest.strip_prefix(',') {
                    Some(next) => rest = next,
                    None => break,
                }
            }
            rest = rest.strip_prefix('}').unwrap();
        }
        (name.to_owned(), labels, rest.strip_prefix(' ').unwrap().parse().unwrap())
    }

    type Sample = (String, Vec<(String, String)>, f64);

    fn read(page: &str) -> Vec<Sample> {
        assert!(page.ends_with('\n'));
        let mut families = BTreeSet::new();
        let mut current = String::new();
        let mut out = Vec::new();
        for line in page.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert!(["counter", "gauge"].contains(&kind), "{line}");
                assert!(kind != "counter" || name.ends_with("_total"), "{line}");
                assert!(families.insert(name.to_owned()), "{name} stands twice");
                current = name.to_owned();
            } else if !line.starts_with("# HELP ") {
                let one = sample(line);
                assert_eq!(one.0, current, "samples stand below their family");
                let names: BTreeSet<&String> = one.1.iter().map(|(label, _)| label).collect();
                assert_eq!(names.len(), one.1.len(), "a label stands twice: {line}");
                out.push(one);
            }
        }
        out
    }

    proptest! {
        #[test]
        fn the_page_is_prometheus_text_whatever_labels_hold(label in "\\PC{0,12}", value in "\\PC{0,20}") {
            let all = read(&text(&telemetry(&label, &value)));
            let series: Vec<_> =
                all.iter().filter(|(name, ..)| name == "watchfloor_signal_events_total").collect();
            prop_assert_eq!(series.len(), 1);
            prop_assert_eq!(&series[0].1[2].1, &value);
        }
    }

    #[test]
    fn results_series_and_event_types_are_on_the_page() {
        let page = text(&telemetry("user.name", "a\"b\\c\nd\u{1b}"));
        for line in [
            "watchfloor_signal_results_total{signal=\"s-1\",result=\"warning\"} 2",
            "watchfloor_events_total{dataset=\"system.auth\",action=\"ssh_login\"} 5",
            "watchfloor_events_total{dataset=\"_other\",action=\"_other\"} 2",
            "watchfloor_series{of=\"signals\"} 1",
            "watchfloor_signal_events_total{signal=\"s-1\",tenant=\"default\",user_name=\"a\\\"b\\\\c\\nd\u{fffd}\",label_user_name=\"\"} 7",
        ] {
            assert!(page.contains(line), "{line}\n{page}");
        }
        read(&page);
        assert_eq!(stats(&telemetry("x", "y"))["signals"]["results"][0]["fail"], 1);
    }
}
