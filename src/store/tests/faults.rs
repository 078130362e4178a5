//! What goes wrong with a database: servers that die, connections that are cut, disks that are full, pages that are damaged.

use std::time::Duration;

use super::proxy::{Cut, Proxy};
use super::server::Postgres;
use super::*;
use crate::config::secret::SecretRef;

/// Try as the pipeline does, until it stands.
async fn until_it_stands(store: &Store, commit: &Commit) -> u32 {
    for tries in 0..400 {
        match store.commit(commit).await {
            Ok(_) => return tries,
            Err(error) => assert!(error.is_temporary(), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it never stood");
}

/// Alerts as the batches made them, once each.
async fn assert_counts(store: &Store, wanted: u64) {
    let page = store.alerts_page("ana", &|_| true, &[], 10, 0);
    assert_eq!((page.total, page.rows[0].count), (1, wanted));
    assert_eq!(page.rows[0].revision, wanted, "no change was made twice");
}

#[tokio::test]
async fn a_connection_cut_in_the_middle_of_a_commit_loses_nothing_and_counts_nothing_twice() {
    let Some(server) = server::shared() else { return };
    let url = server.database();
    let proxy = Proxy::before(server.port());
    let place = Place::at(&url.replace(&server.port().to_string(), &proxy.port.to_string()));
    let store = open(&place).await;
    let mut engine = Episodes::default();
    let cuts =
        [Cut::Never, Cut::Before, Cut::After, Cut::After, Cut::Never, Cut::Before, Cut::After];
    let mut done = 0;
    for cut in cuts {
        proxy.next_commit(cut);
        let next = batch(&mut engine, done..done + 10, &[done + 1]);
        let tries = until_it_stands(&store, &next).await;
        assert_eq!(tries > 0, cut != Cut::Never, "{cut:?}");
        done += 10;
        assert_books(&store, done, done / 10).await;
        assert_counts(&store, done / 10).await;
    }
    // While there is no server, commits fail and so do readers, both in words; then everything goes on.
    proxy.next_commit(Cut::Down);
    let next = batch(&mut engine, done..done + 10, &[done + 1]);
    let error = store.commit(&next).await.unwrap_err();
    assert!(error.is_temporary(), "{error}");
    let again = store.commit(&next).await.unwrap_err();
    assert!(again.to_string().contains("is the server up"), "{again}");
    proxy.next_commit(Cut::Never);
    until_it_stands(&store, &next).await;
    assert_books(&store, done + 10, done / 10 + 1).await;
    drop(store);
    assert_counts(&open(&place).await, done / 10 + 1).await;
}

#[tokio::test]
async fn a_server_killed_in_the_middle_of_commits_comes_back_with_every_one_once() {
    let Some(server) = Postgres::start(&[("FSYNC", "on")]) else { return };
    let place = Place::at(&server.database());
    let store = open(&place).await;
    let (rounds, kills) = match std::env::var_os("WATCHFLOOR_TEST_FULL") {
        Some(_) => (400_u64, 12),
        None => (120, 3),
    };
    let kill = move || {
        for kill in 0..kills {
            std::thread::sleep(Duration::from_millis(180 + kill * 37));
            server.kill();
            server.go();
        }
        server
    };
    let killer = crate::stdx::task::thread("killer", kill).unwrap();
    let mut engine = Episodes::default();
    let mut failed = 0;
    let mut round = 0;
    while round < rounds || !killer.is_finished() {
        let next = batch(&mut engine, round * 10..round * 10 + 10, &[round * 10 + 1]);
        failed += until_it_stands(&store, &next).await;
        round += 1;
    }
    assert!(failed > 0, "a kill was felt");
    assert_books(&store, round * 10, round).await;
    assert_counts(&store, round).await;
    drop(store);
    assert_counts(&open(&place).await, round).await;
    drop(killer.join().unwrap());
}

#[tokio::test]
async fn a_wrong_password_is_told_with_what_to_check_and_without_the_password() {
    let Some(server) = Postgres::start(&[("AUTH", "scram-sha-256")]) else { return };
    let mut place = Place::at(&server.database());
    let file = place.path().join("password");
    let at = |place: &mut Place, password| {
        let AlertsAt::Postgres(server) = &mut place.config.alerts else { panic!() };
        server.password = Some(password);
    };
    at(&mut place, SecretRef::File(file.clone()));
    let missing = try_open(&place).await.err().unwrap();
    assert!(missing.to_string().contains("store.alerts_password"), "{missing}");
    std::fs::write(&file, "hunter2\n").unwrap();
    let wrong = try_open(&place).await.err().unwrap();
    let source = std::error::Error::source(&wrong).unwrap().to_string();
    assert!(wrong.to_string().contains("pg_hba.conf"), "{wrong}");
    assert!(source.contains("password authentication failed"), "{source}");
    assert!(!format!("{wrong} {source}").contains("hunter2"));
    std::fs::write(&file, "right\n").unwrap();
    open(&place).await;
}

#[tokio::test]
async fn a_full_disk_of_the_server_leaves_nothing_and_the_same_commit_succeeds_later() {
    let Some(server) = Postgres::start(&[]) else { return };
    let small = tempfile::Builder::new().prefix("wf-small-").tempdir_in("/tmp").unwrap();
    let Some(_mounted) = Small::mount(small.path()) else { return };
    let location = small.path().display();
    server.sql("postgres", &format!("CREATE TABLESPACE small LOCATION '{location}'"));
    server.sql("postgres", "CREATE DATABASE full_soon TABLESPACE small");
    let place = Place::at(&format!("postgres://postgres@127.0.0.1:{}/full_soon", server.port()));
    let store = open(&place).await;
    let mut engine = Episodes::default();
    store.commit(&batch(&mut engine, 0..10, &[1])).await.unwrap();
    let mut big = batch(&mut engine, 10..20, &[11]);
    // Bytes that do not compress.
    let mut seed = blake3::Hasher::new();
    big.detection.extend((0..12_000).map(|n| {
        let mut noise = vec![0; 2_000];
        seed.update(b"x").finalize_xof().fill(&mut noise);
        (format!("big{n}"), Some(noise))
    }));
    let error = store.commit(&big).await.unwrap_err();
    assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
    assert_books(&store, 10, 1).await;
    Small::size(small.path(), "200m");
    until_it_stands(&store, &big).await;
    assert_books(&store, 20, 2).await;
    drop(store);
    drop(server);
}

/// A small file system in memory.
struct Small(std::path::PathBuf);

impl Small {
    fn mount(at: &Path) -> Option<Small> {
        let run = |program: &str, arguments: &[&str]| {
            let mut command = std::process::Command::new(program);
            command.args(arguments).arg(at).status().is_ok_and(|status| status.success())
        };
        if !run("mount", &["-t", "tmpfs", "-o", "size=24m", "tmpfs"]) {
            eprintln!("SKIPPED: a small file system needs root and mount");
            return None;
        }
        assert!(run("chown", &["postgres"]));
        Some(Small(at.to_owned()))
    }

    fn size(at: &Path, size: &str) {
        let option = format!("remount,size={size}");
        let mut command = std::process::Command::new("mount");
        assert!(command.args(["-o", &option]).arg(at).status().unwrap().success());
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_newer_store_on_a_server_and_a_copied_node_are_refused() {
    let Some(place) = Place::postgres() else { return };
    let store = open(&place).await;
    let AlertsAt::Postgres(at) = &place.config.alerts else { panic!() };
    let copy = Place::at(&at.url);
    std::fs::copy(place.path().join("node"), copy.path().join("node")).unwrap();
    let error = try_open(&copy).await.err().unwrap();
    assert!(matches!(error, StoreError::NodeInUse { .. }), "{error}");
    let text = "UPDATE watchfloor.version SET version = 99";
    store.writer.lock().await.sql.script(text).await.unwrap();
    let other = Place::at(&at.url);
    let error = try_open(&other).await.err().unwrap();
    assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error}");
    assert!(error.to_string().contains("was made by a newer version"), "{error}");
}

#[tokio::test]
async fn a_damaged_page_is_found_at_the_start_and_refused_with_the_way_back() {
    let dir = Place::sqlite();
    let store = open(&dir).await;
    let mut engine = Episodes::default();
    for round in 0..20_u64 {
        let numbers = round * 10..round * 10 + 10;
        let mut commit = batch(&mut engine, numbers.clone(), &[]);
        commit.alerts = engine.apply(numbers.map(|n| finding(n, &format!("r{n}"))).collect());
        store.commit(&commit).await.unwrap();
    }
    store.close().await.unwrap();
    let path = folder::database_path(dir.path());
    let whole = std::fs::read(&path).unwrap();
    let (pages, mut refused) = (whole.len() / 4_096, 0);
    for page in 1..pages {
        let mut bytes = whole.clone();
        // The head of a page: what kind it is, how many rows it has, where they are.
        bytes[page * 4_096..page * 4_096 + 64].fill(0xa5);
        std::fs::write(&path, &bytes).unwrap();
        if let Err(error) = try_open(&dir).await {
            let text = error.to_string();
            assert!(matches!(error, StoreError::Corrupt { .. }), "page {page}: {text}");
            assert!(
                text.contains("watchfloor.db") && text.contains("watchfloor restore"),
                "{text}"
            );
            refused += 1;
        }
        for rest in ["db-wal", "db-shm"] {
            let _ = std::fs::remove_file(path.with_extension(rest));
        }
    }
    // Pages that are free say nothing.
    assert!(refused > 10 && refused * 10 >= (pages - 1) * 8, "{refused} of {pages}");
    std::fs::write(&path, &whole).unwrap();
    assert_books(&open(&dir).await, 200, 20).await;
}
