//! The generated references are what the program says: every configuration key, every key of the desk. And no
//! page links to a file that is not there.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use watchfloor::model::telemetry::Telemetry;
use watchfloor::wire::metrics_v1;

use crate::support::{root, watchfloor};

/// What `config show` gives as the default of the data folder depends on the user.
const DATA_DIR_DEFAULT: &str =
    "`\"/var/lib/watchfloor\"` for root, else the user's data folder (`~/.local/share/watchfloor`)";

/// Tables of free names: `config show` has no line for them.
const TABLES: &str = "
## Tables of names

| key | what |
| --- | --- |
| `sources[].labels` | Added to every event of the source; the label `tenant` sets `organization.id`. |
| `sources[].host_aliases` | A name that records use, and the host name to use instead; both lower case. |
| `rules.placeholders` | What a rule's `%Name%` stands for where it says `expand`: a list of values, wildcards allowed. |
| `[[rules.budgets]]` | `rules`: a selector as in `watchfloor rules disable` (`ID`, `pack:NAME`, `level:LEVEL`, ...), `alerts`: new alerts a day of each of these rules, `0` for no budget. The most specific entry holds; a critical rule has a budget only where an entry names it or a level. |
| `[[rules.suppress]]` | `rules`: a selector, also with `host:PATTERN`; `by`: fields whose values a repeat shares, beside rule and endpoint; `for`: how long from the first match on, in event time (1h). A repeat raises the count of the alert. An event that lacks a field is no repeat. |
| `[[retention.tenants]]` | `tenant`: `organization.id`; `events`, `inference`, `events_bytes_max`, `closed_alerts`: as in `[retention]`, for this tenant alone; what is left out is what holds for all, and no size. [retention.md](retention.md). |
| `signals.lists` | A name that signals use, and patterns divided by commas; `*` is any text. `vault_paths` and `vault_production` are there unless they are set. |
| `redact.patterns` | A kind of secret and a pattern that finds it; the first group is the secret. |

## Variables that are no keys

| variable | what |
| --- | --- |
| `WATCHFLOOR_CONFIG` | The configuration file, as `--config`. |
| `WATCHFLOOR_LOG` | What is logged, instead of `-v`: `info`, `debug`, `watchfloor::source=trace`. |
| `WATCHFLOOR_COLOR` | Colours of the desk: `never`, `16`, `256` or `true`. `NO_COLOR` switches them off too. |
| `WATCHFLOOR_SYNC` | `1`: frames are sent as synchronised updates. |
";

const CONFIGURATION_HEAD: &str = "# Configuration

Generated from `watchfloor config show --docs`. `WATCHFLOOR_BLESS=1 cargo test --test it docs` writes it again.

One TOML file: `--config FILE`, else `WATCHFLOOR_CONFIG`, else `/etc/watchfloor/watchfloor.toml` for root and the user's configuration folder
for others. Later layers win: defaults, the file, `WATCHFLOOR_SECTION__KEY`, `--set KEY=VALUE`. An empty file is valid. Unknown keys are refused.
`watchfloor config check` reports every problem at once, also what a start would refuse; `watchfloor config show --origin` says where each value comes from;
`watchfloor config init` writes an annotated example.

Durations are `\"10s\"`, `\"5m\"`, `\"1h\"`; sizes are bytes or `\"64 MiB\"`.

| key | default | what | environment |
| --- | --- | --- | --- |
";

const SOURCES_HEAD: &str = "
## Sources

One `[[sources]]` table a source. These keys stand in the file only.

| key | default | what |
| --- | --- | --- |
";

const KEYS_HEAD: &str = "# Keys

Generated from `watchfloor keymap list`. `WATCHFLOOR_BLESS=1 cargo test --test it docs` writes it again.

Keys belong to contexts. A screen has its own, and takes over those of `list`, `triage` and `global` that fit it; only the keys that differ from these
are listed below it. Two keys with a space between them are pressed one after the other. A file of your own lies over these: `ui.keymap`, in the
form of `keymaps/default.toml`; `watchfloor keymap explain \"v f\"` says where a key comes from, `watchfloor keymap check` what is wrong. On the desk `?` shows
what works here, and `:` and `ctrl-p` reach every action by name.
";

const METRICS_HEAD: &str = "# Metrics

Generated from the page itself. `WATCHFLOOR_BLESS=1 cargo test --test it docs` writes it again.

With `metrics.listen = \"127.0.0.1:9464\"` the daemon answers `/metrics` in the text format of Prometheus (0.0.4). [signals.md](signals.md#counters)
says what the listener is. Counters count since the program started, but for `watchfloor_records_total`: that is the ledger, and counts since the store was made. What limits bite is counted here: something that was evicted,
dropped or came too late has its own counter, so that a rule on `increase(…) > 0` tells when detection loses something.

| metric | type | labels | what |
| --- | --- | --- | --- |
";

/// Labels of families that have no sample before something happened.
const METRICS_LABELS: [(&str, &str); 9] = [
    ("watchfloor_canary_seconds", "source"),
    ("watchfloor_findings_total", "level"),
    ("watchfloor_records_total", "source, state"),
    ("watchfloor_records_in_flight", "source"),
    ("watchfloor_source_newest_event_seconds", "source"),
    ("watchfloor_signal_dead", "signal"),
    ("watchfloor_signal_results_total", "signal, result"),
    ("watchfloor_events_total", "dataset, action"),
    ("watchfloor_signal_events_total", "signal, tenant, and those of the signal"),
];

/// Contexts that others take over, first.
const SHARED: [&str; 3] = ["global", "list", "triage"];

fn say(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let output = watchfloor(folder.path()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// `|` ends a cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn configuration() -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("one-source.toml");
    fs::write(&file, "[[sources]]\nname = \"auth\"\npaths = [\"/var/log/auth.log\"]\n").unwrap();
    let shown = say(&["--config", file.to_str().unwrap(), "config", "show", "--docs"]);
    let (mut keys, mut sources) = (String::new(), String::new());
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines.len() > 40 && lines.len().is_multiple_of(2), "{shown}");
    for pair in lines.chunks(2) {
        let (what, default) =
            pair[0].strip_prefix("# ").unwrap().rsplit_once(" Default: ").unwrap();
        let (key, _) = pair[1].split_once(" = ").unwrap();
        let what = cell(what);
        let default = match key {
            "data_dir" => DATA_DIR_DEFAULT.to_owned(),
            _ => cell(&format!("`{default}`")),
        };
        match key.strip_prefix("sources[0].") {
            Some(name) => writeln!(sources, "| `sources[].{name}` | {default} | {what} |").unwrap(),
            None => {
                let variable = format!("WATCHFLOOR_{}", key.to_uppercase().replace('.', "__"));
                writeln!(keys, "| `{key}` | {default} | {what} | `{variable}` |").unwrap();
            }
        }
    }
    format!("{CONFIGURATION_HEAD}{keys}{SOURCES_HEAD}{sources}{TABLES}")
}

fn keys() -> String {
    type Bindings = Vec<(String, String, String)>;
    let mut contexts: BTreeMap<String, Bindings> = BTreeMap::new();
    for line in say(&["keymap", "list", "--format", "ndjson"]).lines() {
        let key: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| key[name].as_str().unwrap().to_owned();
        let binding = (text("key"), text("title"), text("action"));
        contexts.entry(text("context")).or_default().push(binding);
    }
    let shared: Vec<(String, String, String)> =
        SHARED.iter().flat_map(|name| contexts.get(*name).cloned().unwrap_or_default()).collect();
    let names = SHARED.iter().copied().map(str::to_owned);
    let others = contexts.keys().filter(|name| !SHARED.contains(&name.as_str())).cloned();
    let mut text = KEYS_HEAD.to_owned();
    for name in names.chain(others) {
        let is_shared = SHARED.contains(&name.as_str());
        let own = contexts[&name].iter().filter(|binding| is_shared || !shared.contains(binding));
        write!(text, "\n## {name}\n\n| key | what | action |\n| --- | --- | --- |\n").unwrap();
        for (key, title, action) in own {
            writeln!(text, "| `{}` | {} | `{}` |", cell(key), cell(title), cell(action)).unwrap();
        }
    }
    text
}

/// A row a family, as the page declares it.
fn metrics() -> String {
    let mut telemetry = Telemetry::default();
    telemetry.status.queues.push(("commits".to_owned(), 0, 1));
    let page = metrics_v1::text(&telemetry);
    let mut text = METRICS_HEAD.to_owned();
    for block in page.split("# HELP ").skip(1) {
        let (name, rest) = block.split_once(' ').unwrap();
        let (help, rest) = rest.split_once('\n').unwrap();
        let kind = rest.strip_prefix(&format!("# TYPE {name} ")).unwrap().lines().next().unwrap();
        let known = METRICS_LABELS.iter().find(|(known, _)| *known == name);
        let labels = match rest.lines().nth(1).and_then(|sample| sample.split_once('{')) {
            Some((_, labels)) => {
                let pairs = labels.split('}').next().unwrap().split("\",");
                pairs.map(|pair| pair.split('=').next().unwrap()).collect::<Vec<_>>().join(", ")
            }
            None => known.map_or_else(String::new, |(_, labels)| (*labels).to_owned()),
        };
        writeln!(text, "| `{name}` | {kind} | {labels} | {} |", cell(help)).unwrap();
    }
    text
}

fn compare(name: &str, fresh: &str) {
    let path = root().join(name);
    if std::env::var_os("WATCHFLOOR_BLESS").is_some() {
        fs::write(&path, fresh).unwrap();
        return;
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let differs = fresh.lines().zip(written.lines()).find(|(one, two)| one != two);
    assert!(
        written == fresh,
        "{name} is old (first difference: {differs:?}).\n\
         Write it again: WATCHFLOOR_BLESS=1 cargo test --test it docs"
    );
}

#[test]
fn the_configuration_reference_is_what_the_program_reads() {
    compare("docs/configuration.md", &configuration());
}

#[test]
fn the_key_reference_is_what_the_keymap_says() {
    compare("docs/keys.md", &keys());
}

#[test]
fn the_metrics_reference_is_what_the_page_declares() {
    let page = metrics();
    for name in ["correlation_late_total", "correlation_groups_evicted_total", "reloads_total"] {
        assert!(page.contains(&format!("| `watchfloor_{name}` | counter |")), "{page}");
    }
    compare("docs/metrics.md", &page);
}

/// Targets of `[text](target)` in a page.
fn links(text: &str) -> Vec<String> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .map(|target| target.split('#').next().unwrap_or_default().to_owned())
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .collect()
}

#[test]
fn pages_link_only_to_files_that_are_there() {
    let mut pages = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "md") {
            pages.push(path);
        }
    }
    let (mut found, mut dead) = (0, Vec::new());
    for page in &pages {
        let folder: &Path = page.parent().unwrap();
        for target in links(&fs::read_to_string(page).unwrap()) {
            found += 1;
            if !folder.join(&target).exists() {
                dead.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(found > 10, "the search found too few links: {found}");
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

const FEATURES_HEAD: &str = "# What the graph model sees

The tables are generated. `WATCHFLOOR_BLESS=1 cargo test --test it docs` writes them again.

`watchfloor model features PATH... --out DIR` writes what is described here for training; live windows go through the same code. A file is a
capture with empty state; its events are taken in order of time. A window is the last 180 s of one endpoint, and one ends every 30 s at which an
event of the graph lies in it. `windows.ndjson` has a line a window, `manifest.json` the names of the columns in order and the hashes of all files.

**What is never a feature**: names of hosts, accounts, programs and files, addresses, GUIDs, process ids, clock time, rule results. A test
renames and shifts all of them through whole captures and compares every bit. Texts are read through a mask in which all lower-case letters are alike, all
upper-case letters and all digits. What is read as it is: the operating systems' own words (folders, endings, parts of registry keys, pipes of services,
account classes, event codes), and classes of ports and addresses. So a program is known by where it lies, how it is called in form, who started it, and
how rare that is, not by being called `powershell.exe`.

**Nodes**: process, file (also libraries, pipes, shares), script, network (an address with a port, or a resolved name), registry (a key), user, syscall (an
act without an object: a log cleared, a right used, a fork). **Edges**: spawned, wrote, read, executed, loaded, connected_to, resolved, set, accessed,
logged_on, performed; each also backward, as kind + 11.

**Processes** are known by the sensor's id, else by number: a sight without an id joins the process that has the number; a start, an end, another program or
another id begins a new one. 256 processes of an endpoint are remembered for 30 minutes, so that a window knows the command line of a process that
started before it.

**How rare** something is, is counted by hashes of what makes it alike elsewhere (a program: class of its folder and its name with numbers as one mark; a
connection: who, class of address, port; a registry key: its path without accounts, GUIDs and numbers), in pairs of day and endpoint of a history
(`--history`), and in earlier intervals of the same endpoint that no longer lie in the window. A capture of the history is counted without the
captures of its own day (`--leave-out file`: without files of its name).

**Bounds.** A window has at most 256 nodes and 2,048 edges. Repeats are merged first. Then nodes of one kind and label are a group, and every group
keeps the same number, as many as fit: only the commonest lose any. In a group those with the most different edges stay, of equals the first. Edges of nodes
that went go with them; if there are still too many, they are grouped by kind and the labels of both ends in the same way, and those with the highest count
stay. A pane (30 s) is brought to 256 nodes by the same rule when it has over 512. What went is counted (`nodes_dropped`, `edges_dropped`).

**Time.** An event whose windows are all closed is counted as late. After 64 of them in a row the clock went back for good: the endpoint's windows are closed
and it begins anew. An event whose time is more than a minute after we got it closes no window, so that one from a clock that is ahead makes no other late.

Values are between about 0 and 5: amounts are log2(1 + amount) / 3, shares are 0 to 1, facts are 0 or 1.

";

fn features() -> String {
    use watchfloor::infer::features::{FEATURE_VERSION, names};
    let mut out = FEATURES_HEAD.to_owned();
    let tables = [("Nodes", names::node()), ("Edges", names::edge())];
    for (title, columns) in tables {
        let count = columns.len();
        writeln!(out, "## {title}: {count} columns of version {FEATURE_VERSION}\n\n| column | what |\n| --- | --- |").unwrap();
        for (name, what) in columns {
            writeln!(out, "| `{name}` | {} |", cell(&what)).unwrap();
        }
        out.push('\n');
    }
    out
}

#[test]
fn the_list_of_features_is_what_models_read() {
    compare("docs/model-features.md", &features());
}
