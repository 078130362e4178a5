//! Fifty × kill -9 in the middle of correlations: every type of correlation, a chain of three and a signal are half full
//! each time, and what is alerted in the end is what an undisturbed run alerts, word for word.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::{Connection, Row as _};
use watchfloor::detect::correlate::lane::REPORTED;
use watchfloor::detect::correlate::row::Row;

use crate::kill::{Numbers, settle};
use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, run_json, run_text};

const KILLS: usize = 50;
/// The test profile's program is slow to start; `script/test` has the release build.
const KILLS_UNOPTIMISED: usize = 12;
/// Pieces before the first kill, so that there is something half full, and after the last one.
const PIECES_CALM: usize = 3;
const LINES_OF_PIECE: usize = 120;
pub const ADDRESSES: u64 = 24;
/// 2026-11-22T08:00:00Z
const START: i64 = 1_795_334_400;

/// What feeds correlations, by name: what the rule asks for.
const FED: [(&str, &str); 4] = [
    ("missing", "http.response.status_code: 404"),
    ("login", "url.path: /login"),
    ("admin", "url.path: /admin"),
    ("download", "url.path|startswith: /files/"),
];

/// Every type, and a chain: name, type and condition, rules, timespan.
const CORRELATIONS: [(&str, &str, &str, &str); 12] = [
    ("count", "event_count", "{gte: 6}", "[missing]"),
    ("values", "value_count", "{gte: 5, field: url.path}", "[missing]"),
    ("tuples", "value_count", "{gte: 6, field: [url.path, http.request.method]}", "[missing]"),
    ("together", "temporal", "", "[login, admin, download]"),
    ("text", "temporal", "login and admin and not download", ""),
    ("ordered", "temporal_ordered", "", "[login, admin, download]"),
    ("sum", "value_sum", "{gt: 9000, field: http.response.body.bytes}", "[download]"),
    ("average", "value_avg", "{gt: 4200, field: http.response.body.bytes}", "[download]"),
    ("median", "value_median", "{gt: 4300, field: http.response.body.bytes}", "[download]"),
    (
        "rank",
        "value_percentile",
        "{gt: 4700, field: http.response.body.bytes, percentile: 80}",
        "[download]",
    ),
    ("again", "event_count", "{gte: 3}", "[count]"),
    ("chain", "temporal_ordered", "", "[again, sum]"),
];

pub fn rules(folder: &Path) {
    fs::create_dir_all(folder.join("rules")).unwrap();
    fs::create_dir_all(folder.join("signals")).unwrap();
    let mut text = String::new();
    for (name, asks) in FED {
        text += &format!(
            "title: {name}\nid: {name}\nname: {name}\nlogsource: {{category: webserver}}\n\
             detection:\n  it:\n    {asks}\n  condition: it\nlevel: informational\n---\n"
        );
    }
    for (name, kind, condition, rules) in CORRELATIONS {
        let rules = if rules.is_empty() { String::new() } else { format!("  rules: {rules}\n") };
        let condition = match condition {
            "" => String::new(),
            text => format!("  condition: {text}\n"),
        };
        let span = if ["again", "chain"].contains(&name) { "40m" } else { "6m" };
        text += &format!(
            "title: {name}\nid: {name}\nname: {name}\ncorrelation:\n  type: {kind}\n{rules}  group-by: [source.ip]\n  \
             timespan: {span}\n  generate: true\n{condition}level: high\n---\n"
        );
    }
    fs::write(folder.join("rules/all.yml"), text).unwrap();
    fs::write(
        folder.join("signals/one.yml"),
        "title: half full\nid: half-full\nwhen: {event.category: web}\nlabels: [source.ip]\n\
         alert: {count: {within: 6m, at_least: 9}}\n",
    )
    .unwrap();
}

pub fn line(number: usize, numbers: &mut Numbers) -> String {
    // Some lines come late, inside the bound.
    let late = if numbers.below(12) == 0 { numbers.below(300) as i64 } else { 0 };
    let at = jiff::Timestamp::from_second(START + 2 * number as i64 - late).unwrap();
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%d/%b/%Y:%H:%M:%S +0000").to_string();
    let address = format!("203.0.113.{}", numbers.below(ADDRESSES));
    let method = if numbers.below(3) == 0 { "POST" } else { "GET" };
    let (path, status) = match numbers.below(10) {
        0 => ("/login".to_owned(), 401),
        1 => ("/admin".to_owned(), 200),
        2 | 3 => (format!("/files/{}", numbers.below(30)), 200),
        4 => (format!("/page{}", numbers.below(5)), 200),
        _ => (format!("/old{}", numbers.below(7)), 404),
    };
    let bytes = numbers.below(5_000);
    format!(
        "{address} - - [{at}] \"{method} {path} HTTP/1.1\" {status} {bytes} \"-\" \"Mozilla/5.0\"\n"
    )
}

fn config(folder: &Path) -> PathBuf {
    rules(folder);
    fs::write(folder.join("access.log"), "").unwrap();
    let path = folder.join("watchfloor.toml");
    let text = format!(
        "[rules]\npaths = [\"{0}/rules\"]\n[signals]\npaths = [\"{0}/signals\"]\n\
         [alert]\nevidence_max = 20\n\
         [[sources]]\nname = \"web\"\npaths = [\"{0}/access.log\"]\nhost = \"web01\"\nidle = \"500ms\"\nrescan = \"200ms\"\n",
        folder.display()
    );
    fs::write(&path, text).unwrap();
    path
}

/// Write everything in small parts while `disturb` may do what it likes before each part. Returns the records written.
fn write_all(folder: &Path, pieces: usize, mut disturb: impl FnMut(usize, usize)) -> u64 {
    let mut numbers = Numbers(5);
    for piece in 0..pieces {
        for part in 0..4 {
            disturb(piece, part);
            let first = piece * LINES_OF_PIECE + part * LINES_OF_PIECE / 4;
            let text: String =
                (first..first + LINES_OF_PIECE / 4).map(|n| line(n, &mut numbers)).collect();
            let mut file = OpenOptions::new().append(true).open(folder.join("access.log")).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }
    }
    (pieces * LINES_OF_PIECE) as u64
}

/// What a kill left in the store.
struct Left {
    /// Ids of correlations with a group that holds events which are no finding yet.
    half_full: BTreeSet<String>,
    /// Rows of signals.
    signals: usize,
    /// Records that were made durable.
    stored: i64,
}

/// Read what a kill left from a copy, so that the daemon finds the store as it was killed.
fn look(data: &Path) -> Left {
    let copy = tempfile::tempdir().unwrap();
    for name in ["watchfloor.db", "watchfloor.db-wal"] {
        if data.join(name).exists() {
            fs::copy(data.join(name), copy.path().join(name)).unwrap();
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options =
            sqlx::sqlite::SqliteConnectOptions::new().filename(copy.path().join("watchfloor.db"));
        let mut store = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        let rows =
            sqlx::query("SELECT key, value FROM detection").fetch_all(&mut store).await.unwrap();
        let stored: Option<i64> = sqlx::query_scalar("SELECT sum(stored) FROM ledger")
            .fetch_one(&mut store)
            .await
            .unwrap();
        store.close().await.unwrap();
        let mut left =
            Left { half_full: BTreeSet::new(), signals: 0, stored: stored.unwrap_or_default() };
        for row in rows {
            let (key, value): (String, Vec<u8>) = (row.get(0), row.get(1));
            let mut words = key.split('/');
            match (words.next(), words.next()) {
                (Some("correlation"), Some(id)) => {
                    let row = Row::decode(&value).expect("a row of this version");
                    let mut entries = row.lanes.iter().flat_map(|lane| lane.entries());
                    if entries.any(|entry| !entry.has(REPORTED)) {
                        left.half_full.insert(id.to_owned());
                    }
                }
                (Some("signal"), Some("half-full")) => left.signals += 1,
                _ => {}
            }
        }
        left
    })
}

/// Wait until more records are durable than that.
fn wait_for(config: &Path, before: i64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = run_json(config, &["status", "--format", "json"]);
        if status["sources"][0]["stored"].as_i64() > Some(before) {
            return;
        }
        assert!(Instant::now() < deadline, "nothing new is stored: {status}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Everything of every alert but when we made it.
pub fn alerts(config: &Path) -> BTreeMap<String, Value> {
    let folder = config.parent().unwrap().display().to_string();
    let all = run_text(config, &["alerts", "export"]).replace(&folder, "HERE");
    all.lines()
        .map(|line| {
            let mut alert: Value = serde_json::from_str(line).unwrap();
            let known = alert.as_object_mut().unwrap();
            known.remove("history");
            for event in known["events"].as_array_mut().unwrap() {
                // When we read it.
                event["event"].as_object_mut().unwrap().remove("ingested");
            }
            (alert["id"].as_str().unwrap().to_owned(), alert)
        })
        .collect()
}

#[test]
fn fifty_kills_in_the_middle_of_correlations_change_no_alert() {
    let kills_wanted =
        if std::env::var_os("WATCHFLOOR_BIN").is_some() { KILLS } else { KILLS_UNOPTIMISED };
    let pieces = kills_wanted + 2 * PIECES_CALM;
    let calm = tempfile::tempdir().unwrap();
    let config_calm = config(calm.path());
    let daemon = Daemon::start(&config_calm, &calm.path().join("data"));
    let records = write_all(calm.path(), pieces, |_, _| {});
    settle(daemon, records);
    let expected = alerts(&config_calm);
    let fired: BTreeSet<&str> =
        expected.values().map(|alert| alert["rule"]["id"].as_str().unwrap()).collect();
    for name in CORRELATIONS.iter().map(|one| one.0).chain(["half-full"]) {
        assert!(fired.contains(name), "{name} must fire in the undisturbed run: {fired:?}");
    }

    let wild = tempfile::tempdir().unwrap();
    let config_wild = config(wild.path());
    let data = wild.path().join("data");
    let mut daemon = Some(Daemon::start(&config_wild, &data));
    // The places of the kills differ from run to run; what comes of them must not.
    let mut numbers = Numbers(std::process::id().into());
    let (mut kills, mut moved, mut before) = (0, 0, 0);
    let mut always: Option<BTreeSet<String>> = None;
    let records = write_all(wild.path(), pieces, |piece, part| {
        if part == 2 {
            // It is killed in what comes next, not while it starts.
            wait_for(&config_wild, before);
        }
        std::thread::sleep(Duration::from_millis(numbers.below(40)));
        if part != 3 || piece < PIECES_CALM || kills == kills_wanted {
            return;
        }
        daemon.take().unwrap().kill();
        kills += 1;
        let left = look(&data);
        assert!(left.signals > 0, "no row of the signal at kill {kills}");
        moved += usize::from(left.stored > before);
        before = left.stored;
        let both = |all: BTreeSet<String>| all.intersection(&left.half_full).cloned().collect();
        always = Some(always.take().map_or(left.half_full.clone(), both));
        let mut next = Daemon::spawn(&config_wild, &data);
        next.wait_listening(&data);
        daemon = Some(next);
    });
    assert_eq!(kills, kills_wanted);
    assert_eq!(moved, kills, "every kill had something new before it");
    let always = always.unwrap_or_default();
    for (name, ..) in CORRELATIONS {
        assert!(always.contains(name), "{name} was not half full at every kill: {always:?}");
    }
    let daemon = daemon.take().unwrap();
    daemon.wait_ready();
    settle(daemon, records);
    let found = alerts(&config_wild);
    for (id, alert) in &expected {
        assert_eq!(found.get(id), Some(alert), "alert {id} differs after the kills");
    }
    assert_eq!(found.len(), expected.len(), "alerts that the undisturbed run did not raise");
}
