//! `docs/sigma-fields.md`: for every field that the Sigma project's windows and linux rules name, whether an event of that log
//! source has it once we have decoded it; and the rules that can never fire.
//!
//! The evidence is the decoder's own: `windows_events.txt` lists events with the names of their data, `linux_records.txt` holds
//! records; each becomes a record, is decoded, and every rule is asked whether it could fire on the event: the rule's log source
//! must fit, event id, provider, channel and auditd's `type` are compared as they are, any other field that is there may
//! have the value asked for, and one that is not there has none. A rule for which no event of the list is left is blind.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::{Arc, OnceLock};

use rsigma_eval::compiler::CompiledDetection;
use rsigma_parser::{LogSource, parse_sigma_yaml};
use serde_json::{Value as Json, json};

use watchfloor::config::Config;
use watchfloor::detect::logsource::{Binding, Kind};
use watchfloor::detect::tree::{self, Node};
use watchfloor::detect::view::{SlotTable, View};
use watchfloor::model::event::Event;
use watchfloor::model::field::{self, FieldId};
use watchfloor::model::record::{Batch, Flush, Shape, Stream};
use watchfloor::normalise::{Decoder, Output, Settings};

use crate::{normalise_windows, source_evtx, support};

const EVENTS: &str = include_str!("sigma_fields/windows_events.txt");
const RECORDS: &str = include_str!("sigma_fields/linux_records.txt");
const PACK: &str = "rules/sigmahq_8eaafff1.tar.zst";
const PAGE: &str = "docs/sigma-fields.md";
/// Blind rules in a hundred that are let pass.
const BLIND_PERCENT_MAX: f64 = 1.0;
/// Fields whose value decides which event a rule is about: compared as they are.
const COMPARED: [FieldId; 5] = [
    field::EVENT_CODE,
    field::EVENT_PROVIDER,
    field::WINLOG_PROVIDER_NAME,
    field::WINLOG_CHANNEL,
    field::AUDITD_TYPE,
];
/// Captures are read up to this many events each.
const CAPTURE_EVENTS: usize = 3_000;

/// An event of the list, by channel, provider and id, with the names of its data.
struct Listed {
    channel: &'static str,
    provider: &'static str,
    code: u32,
    names: Vec<&'static str>,
}

/// The words of a line; one in quotes may have blanks.
fn words(line: &'static str) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap(),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        found.push(word);
        rest = after.trim_start();
    }
    found
}

fn listed() -> Vec<Listed> {
    let mut all = Vec::new();
    let mut head = ("", "");
    for line in EVENTS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(names) = line.strip_prefix("= ") {
            head = names.split_once(" | ").unwrap();
            continue;
        }
        let words = words(line);
        let code = words[0].parse().unwrap();
        all.push(Listed { channel: head.0, provider: head.1, code, names: words[1..].to_vec() });
    }
    all
}

/// A value that a field of this name could have.
fn sample(name: &str) -> Json {
    let ends = |end: &str| name.to_ascii_lowercase().ends_with(end);
    match name {
        "Data" => {
            return json!({"#text": ["Available", "None", "\tHostApplication=powershell.exe\n"]});
        }
        "Hashes" | "Hash" => {
            let digest = |len: usize| "a1".repeat(len / 2);
            return json!(format!(
                "SHA1={},MD5={},SHA256={},IMPHASH={}",
                digest(40),
                digest(32),
                digest(64),
                digest(32)
            ));
        }
        "TargetObject" => return json!(r"HKLM\SOFTWARE\Vendor\Value"),
        "Initiated" => return json!("true"),
        "LogonType" => return json!("3"),
        "ObjectType" => return json!("File"),
        "ObjectName" => return json!(r"C:\Windows\Temp\a.exe"),
        _ => {}
    }
    if ends("guid") {
        json!("{1ACAE026-6E39-5D36-0000-001016870000}")
    } else if ends("sid") {
        json!("S-1-5-21-1-2-3-1104")
    } else if ends("port") || ends("pid") || ends("processid") {
        json!("4711")
    } else if ends("ip") || ends("address") {
        json!("192.0.2.7")
    } else if ends("image") || ends("path") || ends("filename") {
        json!(r"C:\Windows\Temp\a.exe")
    } else {
        json!("a value")
    }
}

/// The record as the event log's own file gives it, and as a shipper that has rendered the message.
fn records(event: &Listed, event_type: &str) -> Vec<(Shape, Vec<u8>)> {
    let mut data: serde_json::Map<String, Json> =
        event.names.iter().map(|name| ((*name).to_owned(), sample(name))).collect();
    if let Some(value) = data.get_mut("EventType") {
        *value = json!(event_type);
    }
    let at = "2026-01-01T00:00:00.123Z";
    let log = json!({"Event": {
        "System": {
            "Provider": {"#attributes": {"Name": event.provider}}, "EventID": event.code, "Level": 4, "Task": 1,
            "Opcode": 0, "Keywords": "0x8000000000000000", "TimeCreated": {"#attributes": {"SystemTime": at}},
            "EventRecordID": 7, "Channel": event.channel, "Computer": "WS1",
            "Execution": {"#attributes": {"ProcessID": 620, "ThreadID": 1}},
            "Security": {"#attributes": {"UserID": "S-1-5-21-1-2-3-1104"}},
        },
        "EventData": data,
    }});
    let shipped = json!({
        "@timestamp": at, "message": "A message.", "log": {"level": "information"},
        "winlog": {
            "channel": event.channel, "provider_name": event.provider, "event_id": event.code, "computer_name": "WS1",
            "record_id": 7, "keywords": ["Classic"], "process": {"pid": 620}, "event_data": data,
        },
    });
    vec![
        (Shape::Evtx, log.to_string().into_bytes()),
        (Shape::Line, shipped.to_string().into_bytes()),
    ]
}

fn decode(records: &[(Shape, Vec<u8>)]) -> Vec<Event> {
    static SETTINGS: OnceLock<Arc<Settings>> = OnceLock::new();
    let settings = SETTINGS.get_or_init(|| Arc::new(Settings::new(&Config::default()).unwrap()));
    let stream = Arc::new(Stream { backfill: false, ..Stream::of_path("test", "x") });
    let mut batch = Batch::new(Arc::clone(&stream), Flush::End);
    batch.extend(records.iter().map(|(shape, record)| (*shape, record.as_slice())));
    let mut out = Output::default();
    Decoder::new(&stream, Arc::clone(settings)).decode(&batch, &mut out);
    assert!(out.rejects.is_empty(), "{:?}", out.rejects.first());
    out.events
}

/// A decoded event and what it was made from.
struct Sample {
    /// `Security 4688`, or `auditd` and the like.
    family: String,
    event: Event,
    /// The names of its data; none for records of Linux.
    names: Vec<&'static str>,
}

impl Sample {
    /// Does a shared log have the field in such an event? What every event has, and what records of Linux have, counts as seen.
    fn is_seen(&self, seen: &Seen, kind: &Kind<'_>, name: &str, ours: FieldId) -> bool {
        let Some(code) = kind.code.filter(|_| !self.names.is_empty()) else { return true };
        let squeeze = |name: &str| name.replace([' ', '_'], "");
        let data = ours.name().strip_prefix("winlog.event_data.").unwrap_or(name);
        let (name, data) = (squeeze(name), squeeze(data));
        let is = |known: &str| squeeze(known) == name || squeeze(known) == data;
        if !self.names.iter().any(|known| is(known)) {
            return true;
        }
        let key = (kind.channel.to_lowercase(), kind.provider.to_owned(), code);
        seen.get(&key).is_some_and(|names| names.iter().any(|known| is(known)))
    }
}

fn samples() -> Vec<Sample> {
    let mut all = Vec::new();
    for listed in listed() {
        let channel = listed.channel.strip_prefix("Microsoft-Windows-").unwrap_or(listed.channel);
        let family = format!("{channel} {}", listed.code);
        // Sysmon says in it whether something was set or deleted, which are different log sources.
        let mut events = decode(&records(&listed, "SetValue"));
        events.extend(decode(&records(&listed, "DeleteValue")));
        assert_eq!(events.len(), 4, "{family}");
        let names = &listed.names;
        all.extend(events.into_iter().map(|event| Sample {
            family: family.clone(),
            event,
            names: names.clone(),
        }));
    }
    let text = RECORDS.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    for group in text.split("\n\n").filter(|group| !group.trim().is_empty()) {
        let lines: Vec<_> =
            group.trim().lines().map(|line| (Shape::Line, line.as_bytes().to_vec())).collect();
        for event in decode(&lines) {
            let kind = Kind::of(&event);
            let family = if kind.audit { "auditd" } else { kind.program };
            let family = family.to_owned();
            all.push(Sample { family, event: event.clone(), names: Vec::new() });
        }
    }
    all
}

/// One rule of the pack.
struct Rule {
    file: String,
    title: String,
    product: String,
    /// `category/service`, as in the rule.
    source: String,
    binding: Option<Binding>,
    node: Node,
    names: BTreeSet<String>,
}

fn rules(slots: &mut SlotTable) -> Option<Vec<Rule>> {
    let path = support::data(PACK)?;
    let tar = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
    let mut rules = Vec::new();
    for (file, body) in source_evtx::members(&tar) {
        if !file.ends_with(".yml") {
            continue;
        }
        let text = String::from_utf8_lossy(body);
        let Ok(collection) = parse_sigma_yaml(&text) else { continue };
        for rule in &collection.rules {
            let product = rule.logsource.product.as_deref().unwrap_or_default().to_owned();
            if !matches!(product.as_str(), "windows" | "linux") {
                continue;
            }
            let compiled = rsigma_eval::compile_rule(rule).unwrap();
            let mut names = BTreeSet::new();
            compiled.detections.values().for_each(|detection| collect(detection, &mut names));
            rules.push(Rule {
                file: file.split_once('/').map_or(file.as_str(), |(_, rest)| rest).to_owned(),
                title: rule.title.clone(),
                source: source(&rule.logsource),
                product,
                binding: Binding::of(&rule.logsource),
                node: tree::compile(&compiled, slots).unwrap(),
                names,
            });
        }
    }
    Some(rules)
}

/// The field names of a detection.
fn collect(detection: &CompiledDetection, names: &mut BTreeSet<String>) {
    match detection {
        CompiledDetection::AllOf(items) => {
            names.extend(items.iter().filter_map(|item| item.field.clone()));
        }
        CompiledDetection::AnyOf(inner) | CompiledDetection::And(inner) => {
            inner.iter().for_each(|inner| collect(inner, names));
        }
        CompiledDetection::ArrayMatch { field, .. } => {
            names.insert(field.clone());
        }
        CompiledDetection::Conditional { named, .. } => {
            named.values().for_each(|inner| collect(inner, names));
        }
        CompiledDetection::Keywords(_) => {}
    }
}

fn source(logsource: &LogSource) -> String {
    let words = [&logsource.category, &logsource.service];
    let words: Vec<&str> = words.into_iter().flatten().map(String::as_str).collect();
    if words.is_empty() { "any".to_owned() } else { words.join("/") }
}

/// Whether the node can be fulfilled, and whether it can fail, by events of this kind.
#[derive(Clone, Copy)]
struct Can {
    hold: bool,
    fail: bool,
}

fn can(node: &Node, view: &View<'_, '_>) -> Can {
    let inner = |nodes: &[Node]| nodes.iter().map(|node| can(node, view)).collect::<Vec<_>>();
    match node {
        Node::All(nodes) => {
            let nodes = inner(nodes);
            Can { hold: nodes.iter().all(|one| one.hold), fail: nodes.iter().any(|one| one.fail) }
        }
        Node::AtLeast(count, nodes) => {
            let nodes = inner(nodes);
            let certain = nodes.iter().filter(|one| !one.fail).count() as u64;
            let possible = nodes.iter().filter(|one| one.hold).count() as u64;
            Can { hold: possible >= *count, fail: certain < *count }
        }
        Node::Not(node) => {
            let node = can(node, view);
            Can { hold: node.fail, fail: node.hold }
        }
        Node::Item(item) => {
            let there = view.first(item.slot).is_some();
            if !there || view.field(item.slot).is_some_and(|ours| COMPARED.contains(&ours)) {
                let hold = item.holds(view);
                return Can { hold, fail: !hold };
            }
            match item.exists {
                Some(expected) => Can { hold: expected, fail: !expected },
                None => Can { hold: true, fail: true },
            }
        }
        Node::Keywords(_) | Node::Library(_) => Can { hold: true, fail: true },
    }
}

/// What is known of one field in one log source.
#[derive(Default)]
struct Use {
    rules: usize,
    /// Our fields that had the value in some decoded event.
    ours: BTreeSet<&'static str>,
    families: BTreeSet<String>,
    seen: bool,
}

/// What became of a rule.
enum Verdict {
    Fine,
    /// These fields are in no event of its log source; it can fire all the same.
    Partly(Vec<String>),
    Blind(String),
}

struct Study {
    uses: BTreeMap<(String, String, String), Use>,
    verdicts: Vec<Verdict>,
    rules: Vec<Rule>,
}

/// (channel in lower case, provider, id) → names of data in the shared logs.
type Seen = BTreeMap<(String, String, u32), BTreeSet<String>>;

fn study(seen: &Seen) -> Option<Study> {
    let mut slots = SlotTable::default();
    let rules = rules(&mut slots)?;
    let samples = samples();
    let kinds: Vec<Kind<'_>> = samples.iter().map(|sample| Kind::of(&sample.event)).collect();
    let mut view = View::new(&slots);
    let mut uses: BTreeMap<(String, String, String), Use> = BTreeMap::new();
    let mut verdicts = Vec::new();
    for rule in &rules {
        let Some(binding) = &rule.binding else {
            verdicts.push(Verdict::Blind("its log source is none that we read".to_owned()));
            continue;
        };
        let mut fires = false;
        let mut there: BTreeSet<&str> = BTreeSet::new();
        let mut fits = 0;
        for (sample, kind) in samples.iter().zip(&kinds).filter(|(_, kind)| binding.fits(kind)) {
            fits += 1;
            view.show(&sample.event);
            fires |= can(&rule.node, &view).hold;
            for name in &rule.names {
                let key = (rule.product.clone(), rule.source.clone(), name.clone());
                let used = uses.entry(key).or_default();
                let Some(ours) = slots.lookup(name).and_then(|slot| view.field(slot)) else {
                    continue;
                };
                there.insert(name);
                used.ours.insert(ours.name());
                used.families.insert(sample.family.clone());
                used.seen |= sample.is_seen(seen, kind, name, ours);
            }
        }
        for name in &rule.names {
            let key = (rule.product.clone(), rule.source.clone(), name.clone());
            uses.entry(key).or_default().rules += 1;
        }
        let missing: Vec<String> =
            rule.names.iter().filter(|name| !there.contains(name.as_str())).cloned().collect();
        verdicts.push(match (fires, missing.is_empty()) {
            (true, true) => Verdict::Fine,
            (true, false) => Verdict::Partly(missing),
            (false, _) if fits == 0 => {
                Verdict::Blind("no event of the list is of its log source".to_owned())
            }
            (false, true) => {
                Verdict::Blind("no event of the list has the event id it asks for".to_owned())
            }
            (false, false) => Verdict::Blind(format!("no event has `{}`", missing.join("`, `"))),
        });
    }
    Some(Study { uses, verdicts, rules })
}

/// The names of data in the shared logs.
fn seen() -> Option<Seen> {
    let mut seen = Seen::new();
    source_evtx::each_record(&mut |record| {
        let record: Json = serde_json::from_slice(record).unwrap();
        let system = &record["Event"]["System"];
        // Collected events have it as text.
        let code = match &system["EventID"] {
            Json::Object(code) => &code["#text"],
            code => code,
        };
        let code = code.as_u64().or_else(|| code.as_str()?.parse().ok());
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let channel = text(&system["Channel"]).to_lowercase();
        let provider = text(&system["Provider"]["#attributes"]["Name"]);
        let Some(code) = code.and_then(|code| u32::try_from(code).ok()) else { return };
        let names = seen.entry((channel, provider, code)).or_default();
        if let Some(data) = record["Event"]["EventData"].as_object() {
            names.extend(data.keys().cloned());
        }
        let user =
            record["Event"]["UserData"].as_object().into_iter().flat_map(|data| data.values());
        for data in user.filter_map(Json::as_object) {
            names.extend(data.keys().cloned());
        }
    })?;
    for capture in normalise_windows::captures()? {
        for record in normalise_windows::records(&support::data(&capture.file)?, CAPTURE_EVENTS) {
            let record: Json = serde_json::from_slice(&record).unwrap();
            note_shipped(&record, &mut seen);
        }
    }
    for entry in std::fs::read_dir(support::data("linux/sysmon_for_linux")?).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        text.lines().for_each(|line| note_linux(line, &mut seen));
    }
    Some(seen)
}

/// An event of Sysmon for Linux as XML, on one line.
fn note_linux(line: &str, seen: &mut Seen) {
    let code = line.split_once("<EventID>").and_then(|(_, rest)| rest.split_once("</EventID>"));
    let Some(code) = code.and_then(|(code, _)| code.parse().ok()) else { return };
    let key = ("linux-sysmon/operational".to_owned(), "Linux-Sysmon".to_owned(), code);
    let names = line.split("<Data Name=\"").skip(1).filter_map(|rest| rest.split('"').next());
    seen.entry(key).or_default().extend(names.map(str::to_owned));
}

fn note_shipped(record: &Json, seen: &mut Seen) {
    let first = |keys: &[&str]| {
        let found = keys.iter().map(|key| &record[*key]).find(|value| !value.is_null());
        found.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let (head, data) = match &record["winlog"] {
        Json::Object(winlog) => (Some(winlog), &record["winlog"]["event_data"]),
        _ => (None, if record["event_data"].is_object() { &record["event_data"] } else { record }),
    };
    let of_head = |key: &str| head.and_then(|head| head[key].as_str().map(str::to_owned));
    let channel = of_head("channel").or_else(|| first(&["log_name", "Channel"]));
    let provider =
        of_head("provider_name").or_else(|| first(&["source_name", "SourceName", "Provider"]));
    let code =
        head.map(|head| head["event_id"].to_string()).or_else(|| first(&["event_id", "EventID"]));
    let (Some(channel), Some(provider), Some(Ok(code))) =
        (channel, provider, code.map(|code| code.parse()))
    else {
        return;
    };
    let names = data.as_object().into_iter().flat_map(|data| data.keys().cloned());
    seen.entry((channel.to_lowercase(), provider, code)).or_default().extend(names);
}

const HEAD: &str = "# Fields that the Sigma project's rules name

Written by `tests/it/sigma_fields.rs`; `WATCHFLOOR_BLESS=1 cargo test --test it sigma_fields` writes it again. The pack is SigmaHQ/sigma at 8eaafff1, the rules
with product windows or linux.

The evidence is what the decoder makes of a record. `tests/it/sigma_fields/windows_events.txt` lists events by channel, provider and id with the names of their
data; each becomes a record of an event log file and one of a shipper, is decoded, and every rule is asked whether it could fire on the event: its log source must
fit, event id, provider, channel and auditd's `type` are compared as they are, any other field that the event has may have the value that is asked for, and
a field that it has not has none. `linux_records.txt` does the same with records of Linux. **Blind**: there is no event left on which the rule could fire.
**Partly**: it can fire, but a field that it names (an alternative, a filter) is in no event of its log source.

In the tables `read from` is where the value stands in our event, `events` where it was found (channel without `Microsoft-Windows-`), and `evidence` is `log` when an
event of the shared logs has the field by that name, `list` when only the list says so, from the provider's documentation.
";

impl Study {
    fn page(&self) -> String {
        let mut page = HEAD.to_owned();
        writeln!(page, "\n| product | rules | blind | partly |\n| --- | --- | --- | --- |")
            .unwrap();
        for product in ["windows", "linux"] {
            let of = |wanted: fn(&Verdict) -> bool| {
                let both = self.rules.iter().zip(&self.verdicts);
                both.filter(|(rule, verdict)| rule.product == product && wanted(verdict)).count()
            };
            let all = of(|_| true);
            let blind = of(|verdict| matches!(verdict, Verdict::Blind(_)));
            let partly = of(|verdict| matches!(verdict, Verdict::Partly(_)));
            let percent = |count: usize| 100.0 * count as f64 / all as f64;
            writeln!(
                page,
                "| {product} | {all} | {blind} ({:.2} %) | {partly} ({:.2} %) |",
                percent(blind),
                percent(partly)
            )
            .unwrap();
        }
        page.push_str("\n## Blind rules\n\n| rule | log source | why |\n| --- | --- | --- |\n");
        for (rule, verdict) in self.rules.iter().zip(&self.verdicts) {
            if let Verdict::Blind(why) = verdict {
                writeln!(page, "| {} | {} {} | {why} |", rule.title, rule.product, rule.source)
                    .unwrap();
            }
        }
        page.push_str("\n## Rules that are blind in part\n\n| rule | log source | fields that no event has |\n| --- | --- | --- |\n");
        for (rule, verdict) in self.rules.iter().zip(&self.verdicts) {
            if let Verdict::Partly(missing) = verdict {
                let fields = missing.join("`, `");
                writeln!(
                    page,
                    "| {} | {} {} | `{fields}` |",
                    rule.title, rule.product, rule.source
                )
                .unwrap();
            }
        }
        page.push_str("\n## Fields by log source\n");
        let mut last = None;
        for ((product, source, name), used) in &self.uses {
            if last != Some((product, source)) {
                writeln!(
                    page,
                    "\n### {product} {source}\n\n| field | rules | read from | events | evidence |\n| --- | --- | --- | --- | --- |"
                )
                .unwrap();
                last = Some((product, source));
            }
            let ours: Vec<String> = used.ours.iter().map(|name| format!("`{name}`")).collect();
            let ours = if ours.is_empty() { "**nothing**".to_owned() } else { ours.join(", ") };
            let evidence = match (used.ours.is_empty(), used.seen) {
                (true, _) => "",
                (false, true) => "log",
                (false, false) => "list",
            };
            writeln!(
                page,
                "| `{name}` | {} | {ours} | {} | {evidence} |",
                used.rules,
                short(&used.families)
            )
            .unwrap();
        }
        page
    }

    fn blind(&self) -> Vec<String> {
        let both = self.rules.iter().zip(&self.verdicts);
        both.filter_map(|(rule, verdict)| match verdict {
            Verdict::Blind(why) => Some(format!("{}: {why}", rule.file)),
            _ => None,
        })
        .collect()
    }
}

/// Some names of many.
fn short(families: &BTreeSet<String>) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<&str> = families.iter().take(SHOWN).map(String::as_str).collect();
    match families.len().checked_sub(SHOWN).filter(|rest| *rest > 0) {
        Some(rest) => format!("{} and {rest} more", shown.join(", ")),
        None => shown.join(", "),
    }
}

#[test]
fn hardly_a_rule_of_the_sigma_project_is_blind_and_the_page_says_which() {
    let Some(study) = seen().and_then(|seen| study(&seen)) else { return };
    assert!(study.rules.len() > 2_500, "{}", study.rules.len());
    let page = study.page();
    let path = support::root().join(PAGE);
    if std::env::var_os("WATCHFLOOR_BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let blind = study.blind();
    let percent = 100.0 * blind.len() as f64 / study.rules.len() as f64;
    assert!(percent <= BLIND_PERCENT_MAX, "{percent:.2} %: {blind:#?}");
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = page.lines().zip(written.lines()).find(|(one, two)| one != two);
    assert!(
        written == page,
        "{PAGE} is old (first difference: {differs:?}).\n\
         Write it again: WATCHFLOOR_BLESS=1 cargo test --test it sigma_fields"
    );
}
