//! Backup of nodes that share a PostgreSQL database, under load, and the way back into an empty one.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::backup::{Place, said};
use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, command, run_json, run_text};
use crate::support::services::postgres::{self, Postgres};

/// What no ordinary row holds: marks of texts with NUL, what COPY writes differently, every byte.
const ODD: &str = "INSERT INTO watchfloor.drafts (actor, alert, text, at) VALUES
    (E'\\\\N', '\\x00ff0a5c0d09', E'tab\\t line\\n return\\r back\\\\slash \\\\. \\uE000' || '0 \"quote\" é', -9223372036854775808),
    (U&'\\E000mark\\E0000', '\\x', '', 9223372036854775807)";
/// A schema that no code of this test's program makes: found by its name, as all are.
const FURTHER: &str = "CREATE SCHEMA watchfloor_part_0a;
    CREATE TABLE watchfloor_part_0a.version (one BIGINT PRIMARY KEY, version BIGINT NOT NULL);
    INSERT INTO watchfloor_part_0a.version SELECT 1, version FROM watchfloor.version;
    CREATE TABLE watchfloor_part_0a.detection (key TEXT COLLATE \"C\" PRIMARY KEY, value BYTEA NOT NULL);
    INSERT INTO watchfloor_part_0a.detection SELECT 'k' || n, decode(md5(n::text), 'hex') FROM generate_series(1, 500) n;
    CREATE SCHEMA watchfloor_of_somebody_else; CREATE TABLE watchfloor_of_somebody_else.mine (n int)";

fn name_of(url: &str) -> &str {
    url.rsplit('/').next().unwrap()
}

fn place_on(url: &str, more: &str) -> Place {
    Place::new(&format!("{more}[store]\nalerts = \"{url}\""))
}

/// Every row of every schema of ours, as a line a table.
fn rows(server: &Postgres, url: &str) -> String {
    let tables = server.sql(
        name_of(url),
        "SELECT schemaname || '.' || tablename FROM pg_tables t WHERE schemaname LIKE 'watchfloor%' AND EXISTS
         (SELECT FROM pg_tables v WHERE v.schemaname = t.schemaname AND v.tablename = 'version') ORDER BY 1",
    );
    let each = tables.lines().map(|table| {
        format!(
            "SELECT '{table} ' || count(*) || ' ' || coalesce(md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))), '') FROM {table} t"
        )
    });
    let text = each.collect::<Vec<_>>().join(" UNION ALL ");
    if text.is_empty() { text } else { server.sql(name_of(url), &text) }
}

fn schemas(server: &Postgres, url: &str) -> Vec<String> {
    let text = "SELECT nspname FROM pg_namespace WHERE nspname LIKE '%watchfloor%' ORDER BY 1";
    server.sql(name_of(url), text).lines().map(str::to_owned).collect()
}

/// The configuration of a place with other data and another database.
fn moved(place: &Place, name: &str, data: &str, url: &str) -> std::path::PathBuf {
    let text = fs::read_to_string(place.config()).unwrap();
    let kept =
        text.lines().filter(|line| !line.starts_with("data_dir") && !line.starts_with("alerts ="));
    let text: String = kept.map(|line| format!("{line}\n")).collect();
    let text = text.replace("[store]", &format!("[store]\nalerts = \"{url}\""));
    let config = place.path(name);
    fs::write(&config, format!("data_dir = \"{}\"\n{text}", place.path(data).display())).unwrap();
    config
}

fn wait_for_exactly(config: &Path, wanted: u64) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = run_json(config, &["status", "--format", "json"]);
        let events = status["events"].as_u64().unwrap();
        assert!(events <= wanted, "twice: {status}");
        if events == wanted {
            return status;
        }
        assert!(Instant::now() < deadline, "{status}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_backup_of_postgresql_under_load_restores_with_the_same_counts_and_an_unbroken_audit_log() {
    let Some(server) = postgres::shared() else { return };
    let (url, again) = (server.database(), server.database());
    let place = place_on(&url, "");
    place.append(0..2_000);
    let mut daemon = Daemon::start(&place.config(), &place.path("data"));
    place.wait_for_events(1_000);
    let before = run_json(&place.config(), &["status", "--format", "json"]);
    let over = AtomicBool::new(false);
    let written = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut next = 2_000;
            while !over.load(Ordering::Acquire) {
                place.append(next..next + 50);
                next += 50;
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let output = place.run(&["backup", "one.tar.zst"]);
        over.store(true, Ordering::Release);
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    });
    assert!(written.contains("restored and compared"), "{written}");
    let lines = fs::read_to_string(place.path("auth.log")).unwrap().lines().count() as u64;
    wait_for_exactly(&place.config(), lines);

    let busy =
        place.run(&["restore", "one.tar.zst", "--to", "no", "--overwrite-database", name_of(&url)]);
    assert_eq!(busy.status.code(), Some(1));
    assert!(said(&busy).contains("is in use by watchfloor "), "{}", said(&busy));
    assert!(said(&busy).contains("stop every node"), "{}", said(&busy));
    daemon.stop();

    let restored = place.run(&["restore", "one.tar.zst", "--to", "again", "--database", &again]);
    assert!(restored.status.success(), "{}", said(&restored));
    let told = String::from_utf8(restored.stdout).unwrap();
    let number = |what: &str| -> u64 {
        told.split(what).next().unwrap().trim_end().rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(
        number(" events") >= before["events"].as_u64().unwrap() && number(" alerts") > 0,
        "{told}"
    );
    assert!(number(" events") < lines, "all of a moment before the end: {told}");
    let idle = place.path("idle.toml");
    let head = format!(
        "data_dir = \"{}\"\n[store]\nalerts = \"{again}\"\n",
        place.path("again").display()
    );
    fs::write(&idle, head).unwrap();
    let status = run_json(&idle, &["status", "--format", "json"]);
    assert_eq!(status["events"].as_u64().unwrap(), number(" events"));
    assert_eq!(status["alerts_count"].as_u64().unwrap(), number(" alerts"));
    assert!(
        status["sources"].as_array().unwrap().iter().all(|s| s["balances"] == true),
        "{status}"
    );
    let text = run_text(&idle, &["doctor"]);
    assert!(!text.contains("broken"), "{text}");

    // A node goes on where that moment was: what came later is read again, and nothing twice. Its alerts are the first one's.
    let next = moved(&place, "next.toml", "again", &again);
    let mut next = Daemon::start(&next, &place.path("again"));
    wait_for_exactly(&next.config, lines);
    next.stop();
    let alerts = "SELECT count(*), md5(string_agg(encode(id, 'hex') || count, ',' ORDER BY id)) FROM watchfloor.alerts";
    assert_eq!(server.sql(name_of(&again), alerts), server.sql(name_of(&url), alerts));
}

#[test]
fn every_row_of_every_node_and_of_schemas_that_come_later_is_saved_and_comes_back() {
    let Some(server) = postgres::shared() else { return };
    let (url, again) = (server.database(), server.database());
    let place = place_on(&url, "");
    let other = place_on(&url, "");
    for (place, lines) in [(&place, 300), (&other, 200)] {
        place.append(0..lines);
        let mut daemon = Daemon::start(&place.config(), &place.path("data"));
        place.wait_for_events(u64::from(lines));
        daemon.stop();
    }
    server.sql(name_of(&url), ODD);
    server.sql(name_of(&url), FURTHER);
    let wanted = rows(server, &url);
    assert_eq!(schemas(server, &url).len(), 5, "{wanted}");
    let made = place.run(&["backup", "one.tar.zst"]);
    assert!(made.status.success(), "{}", said(&made));
    let restored = place.run(&["restore", "one.tar.zst", "--to", "again", "--database", &again]);
    assert!(restored.status.success(), "{}", said(&restored));
    assert_eq!(rows(server, &again), wanted);
    let found = schemas(server, &again);
    assert!(found.contains(&"watchfloor_part_0a".to_owned()) && found.len() == 4, "{found:?}");
    let id = |folder: &str| fs::read_to_string(place.path(folder).join("node")).unwrap();
    assert_eq!(id("data"), id("again"), "it is the same node");

    // Numbers that were given are not given again, and the tables are what a node makes.
    let node = format!("watchfloor_node_{}", id("data").trim());
    let next = format!("SELECT last_value FROM {node}.rejects_sequence_seq");
    assert_eq!(server.sql(name_of(&again), &next), server.sql(name_of(&url), &next));
    let shape = "SELECT md5(string_agg(concat_ws(' ', table_schema, table_name, column_name, data_type, is_nullable, collation_name), ','
         ORDER BY table_schema, table_name, ordinal_position)) FROM information_schema.columns WHERE table_schema LIKE 'watchfloor_node%'";
    assert_eq!(server.sql(name_of(&again), shape), server.sql(name_of(&url), shape));
    let refused =
        "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'audit_no%' AND NOT tgisinternal";
    assert_eq!(server.sql(name_of(&again), refused), "2");

    // The other node goes on beside it, with the folder that it has.
    let config = moved(&other, "next.toml", "data", &again);
    let mut daemon = Daemon::start(&config, &other.path("data"));
    wait_for_exactly(&config, 200);
    daemon.stop();
}

#[test]
fn a_database_with_a_store_is_refused_without_its_name_and_a_damaged_archive_changes_nothing() {
    let Some(server) = postgres::shared() else { return };
    let (url, empty) = (server.database(), server.database());
    let place = place_on(&url, "");
    place.append(0..300);
    let mut daemon = Daemon::start(&place.config(), &place.path("data"));
    place.wait_for_events(300);
    daemon.stop();
    assert!(place.run(&["backup", "--no-verify", "one.tar.zst"]).status.success());
    let (wanted, name) = (rows(server, &url), name_of(&url));

    for more in [&[][..], &["--overwrite-database", "postgres"], &["--overwrite", name]] {
        let mut arguments = vec!["restore", "one.tar.zst", "--to", "new"];
        arguments.extend(more);
        let refused = place.run(&arguments);
        assert_eq!(refused.status.code(), Some(1));
        let words = format!("--overwrite-database {name}");
        assert!(said(&refused).contains(&words), "{}", said(&refused));
        assert!(!place.path("new").exists());
    }
    assert_eq!(rows(server, &url), wanted);

    let whole = fs::read(place.path("one.tar.zst")).unwrap();
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    for (what, bytes) in [("flipped", &flipped[..]), ("short", &whole[..whole.len() * 3 / 4])] {
        fs::write(place.path("bad.tar.zst"), bytes).unwrap();
        let refused = place.run(&["backup", "verify", "bad.tar.zst"]);
        assert_eq!(refused.status.code(), Some(1), "{what}");
        for at in [&empty, &url] {
            let word = ["--overwrite-database", name_of(at)];
            let mut arguments = vec!["restore", "bad.tar.zst", "--to", "bad", "--database", at];
            arguments.extend(word);
            let refused = place.run(&arguments);
            assert_eq!(refused.status.code(), Some(1), "{what}");
            assert!(said(&refused).contains("bad.tar.zst"), "{what}: {}", said(&refused));
            assert!(!place.path("bad").exists());
        }
    }
    assert!(schemas(server, &empty).is_empty());
    assert_eq!(rows(server, &url), wanted, "what was there still is");

    let done = place.run(&["restore", "one.tar.zst", "--to", "new", "--overwrite-database", name]);
    assert!(done.status.success(), "{}", said(&done));
    assert!(said(&done).contains("are now old_"), "{}", said(&done));
    assert_eq!(rows(server, &url), wanted);
    let old = schemas(server, &url).into_iter().filter(|name| name.starts_with("old_")).count();
    assert_eq!(old, 2, "renamed, never dropped");
    // What was renamed is no part of the next backup.
    let config = moved(&place, "next.toml", "new", &url);
    let output = command(&config)
        .args(["backup", "two.tar.zst"])
        .current_dir(place.folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let done = place.run(&["restore", "two.tar.zst", "--to", "third", "--database", &empty]);
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!(rows(server, &empty), wanted);
}

#[test]
fn a_restore_needs_a_database_for_a_servers_rows_and_none_for_those_of_a_file() {
    let Some(server) = postgres::shared() else { return };
    let (url, empty) = (server.database(), server.database());
    let place = place_on(&url, "");
    place.append(0..10);
    let mut daemon = Daemon::start(&place.config(), &place.path("data"));
    place.wait_for_events(10);
    daemon.stop();
    assert!(place.run(&["backup", "--no-verify", "server.tar.zst"]).status.success());
    // A store in a SQLite file outside of its folder.
    let at = format!("sqlite://{}", place.path("alerts.db").display());
    let file = moved(&place, "file.toml", "file", &at);
    let run = |arguments: &[&str]| {
        command(&file).args(arguments).current_dir(place.folder.path()).output().unwrap()
    };
    let refused = run(&["restore", "server.tar.zst", "--to", "new"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("--database postgres://"), "{}", said(&refused));
    let secret = run(&[
        "restore",
        "server.tar.zst",
        "--to",
        "new",
        "--database",
        "postgres://u:hunter2@h/d",
    ]);
    assert_eq!(secret.status.code(), Some(2));
    assert!(!said(&secret).contains("hunter2"), "{}", said(&secret));
    let mut daemon = Daemon::start(&file, &place.path("file"));
    wait_for_exactly(&file, 10);
    daemon.stop();
    let made = run(&["backup", "file.tar.zst"]);
    assert!(made.status.success(), "{}", said(&made));
    let refused = run(&["restore", "file.tar.zst", "--to", "new", "--database", &empty]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("of SQLite"), "{}", said(&refused));
    assert!(!place.path("new").exists() && schemas(server, &empty).is_empty());
    assert!(run(&["restore", "file.tar.zst", "--to", "new"]).status.success());
    assert!(place.path("new/watchfloor.db").exists());
}

#[test]
fn a_node_on_postgresql_makes_its_backup_when_one_is_due() {
    let Some(server) = postgres::shared() else { return };
    let (url, again) = (server.database(), server.database());
    let place = place_on(&url, "[backup]\nfolder = \"FOLDER\"\nat = \"00:00\"\n");
    let folder = place.path("archives");
    fs::create_dir(&folder).unwrap();
    // One of long ago: the next is due at once.
    fs::write(folder.join("watchfloor-20200101T000000Z.tar.zst"), "old").unwrap();
    let text = fs::read_to_string(place.config()).unwrap();
    fs::write(place.config(), text.replace("FOLDER", &folder.display().to_string())).unwrap();
    place.append(0..10);
    let mut daemon = Daemon::start(&place.config(), &place.path("data"));
    let deadline = Instant::now() + PATIENCE;
    let archive = loop {
        let status = run_json(&place.config(), &["status", "--format", "json"]);
        let mut found = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let new = |path: &std::path::PathBuf| {
            let name = path.to_string_lossy();
            !name.contains("2020") && name.ends_with(".tar.zst")
        };
        let upkeep = status["upkeep"].as_array().unwrap().iter().find(|u| u["topic"] == "backup");
        let shown = upkeep.is_some_and(|u| u["text"].as_str().unwrap().contains("1 kept"));
        if let Some(path) = found.find(new).filter(|_| shown) {
            break path.display().to_string();
        }
        assert!(Instant::now() < deadline, "{status}");
        std::thread::sleep(Duration::from_millis(100));
    };
    daemon.stop();
    let done = place.run(&["restore", &archive, "--to", "again", "--database", &again]);
    assert!(done.status.success(), "{}", said(&done));
}
