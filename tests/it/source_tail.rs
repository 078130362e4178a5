//! Followed files: every line exactly once, through rotation, compression and restarts.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use watchfloor::config::limits::LimitsConfig;
use watchfloor::config::sources::{FileSource, From, SourceConfig, SourceKind};
use watchfloor::model::record::{Batch, Flush, Position};
use watchfloor::source::{self, SourceError};
use watchfloor::stdx::id::Id128;
use watchfloor::stdx::queue::{self, Received, Receiver};
use watchfloor::stdx::stop::StopToken;
use watchfloor::stdx::task;

use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, run_json};

/// What a store would hold: the lines of every committed batch and the positions saved with them.
#[derive(Default)]
struct Committed {
    lines: Vec<String>,
    origins: Vec<(Id128, u64)>,
    backfill: Vec<bool>,
    hosts: Vec<Option<String>>,
    positions: BTreeMap<String, Position>,
    flushes: Vec<(Flush, usize)>,
}

impl Committed {
    fn commit(&mut self, batch: &Batch) {
        for record in &batch.records {
            self.lines.push(String::from_utf8_lossy(batch.bytes(record)).into_owned());
            self.origins.push((batch.stream.id, record.offset));
            self.backfill.push(batch.stream.backfill);
            self.hosts.push(batch.stream.host.as_deref().map(str::to_owned));
        }
        if batch.flush != Flush::No {
            self.flushes.push((batch.flush, self.lines.len()));
        }
        for position in &batch.positions {
            match position.value {
                Some(_) => drop(self.positions.insert(position.key.clone(), position.clone())),
                None => drop(self.positions.remove(&position.key)),
            }
        }
    }

    /// Every line once, and every record from a place of its own.
    fn assert_is(&self, expected: &[String]) {
        let count = |lines: &[String]| {
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            for line in lines {
                *counts.entry(line.clone()).or_default() += 1;
            }
            counts
        };
        let (seen, wanted) = (count(&self.lines), count(expected));
        let lost: Vec<_> =
            wanted.iter().filter(|(line, n)| seen.get(*line).unwrap_or(&0) < n).collect();
        let repeated: Vec<_> =
            seen.iter().filter(|(line, n)| wanted.get(*line).unwrap_or(&0) < n).collect();
        if !lost.is_empty() || !repeated.is_empty() {
            for position in self.positions.values() {
                eprintln!("{} {}", position.key, position.value.as_deref().unwrap_or_default());
            }
            let mut last = None;
            for (line, (stream, offset)) in self.lines.iter().zip(&self.origins) {
                if last != Some(*stream) {
                    eprintln!("{stream} from {offset}: {}", &line[..line.len().min(8)]);
                    last = Some(*stream);
                }
            }
        }
        assert!(
            lost.is_empty() && repeated.is_empty(),
            "lost {} {:?}, repeated {} {:?}",
            lost.len(),
            &lost[..lost.len().min(5)],
            repeated.len(),
            &repeated[..repeated.len().min(5)]
        );
        let places: HashSet<_> = self.origins.iter().collect();
        assert_eq!(places.len(), self.origins.len(), "two records claim one place");
    }
}

struct Running {
    batches: Receiver<Batch>,
    stop: StopToken,
    thread: JoinHandle<Result<(), SourceError>>,
}

struct Bench {
    folder: tempfile::TempDir,
    config: SourceConfig,
    limits: LimitsConfig,
    committed: Committed,
    running: Option<Running>,
}

impl Bench {
    fn new(patterns: &[&str]) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = patterns.iter().map(|name| folder.path().join(name)).collect();
        let mut config = SourceConfig::files("logs", paths);
        let mut bench = Bench {
            folder,
            config: config.clone(),
            limits: LimitsConfig::default(),
            committed: Committed::default(),
            running: None,
        };
        if let SourceKind::File(files) = &mut config.kind {
            *files = FileSource {
                idle: Duration::from_millis(100),
                rescan: Duration::from_secs(1),
                ..files.clone()
            };
        }
        bench.config = config;
        bench
    }

    fn files(&mut self) -> &mut FileSource {
        match &mut self.config.kind {
            SourceKind::File(files) => files,
            _ => unreachable!(),
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        append(&self.at(name), text);
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.at(from), self.at(to)).unwrap();
    }

    fn start(&mut self) {
        let source = source::build(&self.config, &self.limits).unwrap();
        let (out, batches) = queue::bounded("test", 2);
        let stop = StopToken::new();
        let token = stop.clone();
        let saved = self.committed.positions.values().cloned().collect();
        let thread = task::thread("tail", move || source.run(saved, out, token)).unwrap();
        self.running = Some(Running { batches, stop, thread });
    }

    /// Commit batches until `done`, or fail after a while.
    fn until(&mut self, what: &str, done: impl Fn(&Committed) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(&self.committed) {
            assert!(
                Instant::now() < deadline,
                "no {what}: {} lines, last {:?}",
                self.committed.lines.len(),
                self.committed.lines.last()
            );
            self.commit_for(Duration::from_millis(20));
        }
    }

    fn until_lines(&mut self, count: usize) {
        self.until(&format!("{count} lines"), |committed| committed.lines.len() >= count);
    }

    /// Commit until as many lines are there, or say which are missing and what the reader knew.
    fn until_all(&mut self, expected: &[String]) {
        let deadline = Instant::now() + PATIENCE;
        while self.committed.lines.len() < expected.len() {
            self.commit_for(Duration::from_millis(20));
            if Instant::now() > deadline {
                let seen: HashSet<&String> = self.committed.lines.iter().collect();
                let missing: Vec<_> = expected.iter().filter(|line| !seen.contains(line)).collect();
                for position in self.committed.positions.values() {
                    eprintln!("{} {}", position.key, position.value.as_deref().unwrap_or_default());
                }
                for entry in fs::read_dir(self.folder.path()).unwrap() {
                    let path = entry.unwrap().path();
                    let head = fs::read(&path).unwrap();
                    let head = String::from_utf8_lossy(&head[..head.len().min(8)]).into_owned();
                    eprintln!("{} {:?} {head:?}", path.display(), fs::metadata(&path).unwrap());
                }
                panic!(
                    "missing {} from {:?} to {:?}",
                    missing.len(),
                    missing.first(),
                    missing.last()
                );
            }
        }
    }

    /// Commit for a time, whatever comes.
    fn commit_for(&mut self, time: Duration) {
        let running = self.running.as_ref().expect("running");
        let deadline = Instant::now() + time;
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            match running.batches.receive_timeout(left) {
                Received::Item(batch) => self.committed.commit(&batch),
                Received::Nothing | Received::Closed => break,
            }
        }
    }

    /// As `kill -9` would: what was not committed is lost.
    fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            drop(running.batches);
            running.stop.stop();
            running.thread.join().unwrap().unwrap();
        }
    }

    /// A clean stop: what was sent is committed.
    fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop.stop();
            let asked = Instant::now();
            while let Some(batch) = running.batches.receive() {
                self.committed.commit(&batch);
            }
            running.thread.join().unwrap().unwrap();
            assert!(asked.elapsed() < Duration::from_millis(1000), "{:?}", asked.elapsed());
        }
    }

    fn restart(&mut self) {
        self.kill();
        self.start();
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.running.take().inspect(|running| running.stop.stop());
    }
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn gzip(from: &Path, to: &Path) {
    let part = to.with_extension("part");
    let mut encoder = GzEncoder::new(File::create(&part).unwrap(), Compression::fast());
    encoder.write_all(&fs::read(from).unwrap()).unwrap();
    encoder.finish().unwrap();
    fs::rename(&part, to).unwrap();
    fs::remove_file(from).unwrap();
}

fn lines(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("{number:06} a line like many others in this log")).collect()
}

fn text(range: std::ops::Range<usize>) -> String {
    lines(range).into_iter().map(|line| line + "\n").collect()
}

#[test]
fn appended_lines_arrive_and_an_unfinished_one_waits() {
    let mut bench = Bench::new(&["a.log"]);
    bench.append("a.log", &text(0..3));
    bench.start();
    bench.until_lines(3);
    assert_eq!(bench.committed.backfill, [true; 3]);
    bench.append("a.log", "half a ");
    bench.commit_for(Duration::from_millis(300));
    assert_eq!(bench.committed.lines.len(), 3);
    bench.append("a.log", "line\nnext\n");
    bench.until_lines(5);
    assert_eq!(bench.committed.lines[3..], ["half a line", "next"]);
    assert_eq!(bench.committed.backfill[3..], [false; 2]);
    assert!(bench.committed.hosts[0].is_some(), "live files are this machine's");
    bench.until("idle flush", |committed| committed.flushes.contains(&(Flush::Idle, 5)));
    bench.commit_for(Duration::from_millis(400));
    let idles = bench.committed.flushes.iter().filter(|flush| **flush == (Flush::Idle, 5));
    assert_eq!(idles.count(), 1, "one flush for one pause");
    bench.stop();
}

#[test]
fn a_line_is_on_its_way_quickly_by_native_events() {
    let mut bench = Bench::new(&["a.log"]);
    bench.files().rescan = Duration::from_secs(600);
    bench.append("a.log", "first\n");
    bench.start();
    bench.until_lines(1);
    bench.commit_for(Duration::from_millis(300));
    let written = Instant::now();
    bench.append("a.log", "second\n");
    bench.until_lines(2);
    assert!(written.elapsed() < Duration::from_millis(500), "{:?}", written.elapsed());
    bench.rename("a.log", "a.log.1");
    bench.append("a.log", "third\n");
    bench.until_lines(3);
    bench.stop();
}

#[test]
fn renamed_by_a_rotator_inside_and_outside_the_pattern() {
    for pattern in ["a.log", "a.log*"] {
        let mut bench = Bench::new(&[pattern]);
        bench.append("a.log", &text(0..10));
        bench.start();
        bench.until_lines(10);
        let mut writer = OpenOptions::new().append(true).open(bench.at("a.log")).unwrap();
        bench.rename("a.log", "a.log.1");
        bench.append("a.log", &text(20..30));
        // The writer holds the old file for a while, and leaves a last line without an end.
        writer.write_all(text(10..20).as_bytes()).unwrap();
        writer.write_all(b"the end").unwrap();
        drop(writer);
        bench.until_lines(31);
        bench.until("end of the old file", |it| {
            it.flushes.iter().any(|(flush, _)| *flush == Flush::End)
        });
        bench.append("a.log", &text(30..40));
        bench.until_lines(41);
        bench.restart();
        bench.append("a.log", &text(40..50));
        bench.until_lines(51);
        bench.commit_for(Duration::from_millis(400));
        let mut expected = lines(0..50);
        expected.push("the end".to_owned());
        bench.committed.assert_is(&expected);
        bench.stop();
    }
}

#[test]
fn the_old_file_is_read_to_its_end_before_the_new_one() {
    let mut bench = Bench::new(&["a.log"]);
    bench.append("a.log", "start\n");
    bench.start();
    bench.until_lines(1);
    bench.append("a.log", &text(0..50_000));
    bench.rename("a.log", "a.log.1");
    bench.append("a.log", &text(50_000..50_010));
    bench.until_lines(50_011);
    assert_eq!(bench.committed.lines[1..], lines(0..50_010));
    bench.stop();
}

#[test]
fn copied_and_cut_is_finished_from_the_copy() {
    for pattern in ["a.log", "a.log*"] {
        let mut bench = Bench::new(&[pattern]);
        bench.append("a.log", &text(0..10));
        bench.start();
        bench.until_lines(10);
        // Not one moment to read the next lines before they are moved away.
        bench.kill();
        bench.append("a.log", &text(10..20));
        fs::copy(bench.at("a.log"), bench.at("a.log.1")).unwrap();
        fs::write(bench.at("a.log"), "").unwrap();
        bench.append("a.log", &text(20..25));
        bench.start();
        bench.until_lines(25);
        // Once more while running, twice in a row.
        for round in 0..2 {
            bench.append("a.log", &text(25 + round * 10..35 + round * 10));
            if round > 0 {
                bench.rename("a.log.1", "a.log.2");
            }
            fs::copy(bench.at("a.log"), bench.at("a.log.1")).unwrap();
            fs::write(bench.at("a.log"), "").unwrap();
        }
        bench.append("a.log", &text(45..50));
        bench.until_lines(50);
        bench.commit_for(Duration::from_millis(500));
        bench.committed.assert_is(&lines(0..50));
        bench.restart();
        bench.commit_for(Duration::from_millis(500));
        bench.committed.assert_is(&lines(0..50));
        bench.stop();
    }
}

#[test]
fn cut_and_grown_past_the_offset_is_noticed() {
    let mut bench = Bench::new(&["a.log"]);
    bench.append("a.log", &text(0..10));
    bench.start();
    bench.until_lines(10);
    bench.kill();
    fs::write(bench.at("a.log"), text(10..40)).unwrap();
    bench.start();
    bench.until_lines(40);
    bench.committed.assert_is(&lines(0..40));
    // The same first lines, other ones before the offset.
    bench.kill();
    fs::write(bench.at("a.log"), text(10..39) + &text(100..120)).unwrap();
    bench.start();
    bench.until_lines(40 + 49);
    bench.commit_for(Duration::from_millis(300));
    let mut expected = lines(0..40);
    expected.extend(lines(10..39));
    expected.extend(lines(100..120));
    bench.committed.assert_is(&expected);
    bench.stop();
}

#[test]
fn deleted_and_created_again() {
    let mut bench = Bench::new(&["a.log"]);
    bench.append("a.log", &text(0..10));
    bench.start();
    bench.until_lines(10);
    for round in 1..4 {
        // Written after the last look, and deleted: still read through the open file.
        bench.append("a.log", &text(round * 10..round * 10 + 5));
        fs::remove_file(bench.at("a.log")).unwrap();
        bench.append("a.log", &text(round * 10 + 5..round * 10 + 10));
        bench.until_lines(round * 10 + 10);
    }
    bench.kill();
    fs::remove_file(bench.at("a.log")).unwrap();
    bench.append("a.log", &text(40..45));
    bench.start();
    bench.until_lines(45);
    bench.commit_for(Duration::from_millis(500));
    bench.committed.assert_is(&lines(0..45));
    bench.stop();
}

#[test]
fn compressed_later_is_not_read_again() {
    for pattern in ["a.log*", "a.log"] {
        let mut bench = Bench::new(&[pattern]);
        bench.append("a.log", &text(0..100));
        bench.start();
        bench.until_lines(100);
        bench.rename("a.log", "a.log.1");
        bench.append("a.log", &text(100..110));
        bench.until_lines(110);
        gzip(&bench.at("a.log.1"), &bench.at("a.log.2.gz"));
        bench.commit_for(Duration::from_millis(1_500));
        bench.restart();
        bench.commit_for(Duration::from_millis(600));
        bench.committed.assert_is(&lines(0..110));
        // Rotated and compressed while nobody looked, with lines that nobody has read.
        bench.kill();
        bench.append("a.log", &text(110..200));
        gzip(&bench.at("a.log"), &bench.at("a.log.1.gz"));
        bench.append("a.log", &text(200..210));
        bench.start();
        bench.until_lines(210);
        bench.commit_for(Duration::from_millis(1_000));
        bench.committed.assert_is(&lines(0..210));
        bench.restart();
        bench.commit_for(Duration::from_millis(1_000));
        bench.committed.assert_is(&lines(0..210));
        bench.stop();
    }
}

/// Text as a compressed file.
fn packed(text: &str, zstd: bool) -> Vec<u8> {
    if zstd {
        return zstd::encode_all(text.as_bytes(), 1).unwrap();
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn append_bytes(path: &Path, bytes: &[u8]) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn a_compressed_file_that_is_copied_with_pauses_is_joined_and_nothing_is_lost() {
    for zstd in [false, true] {
        let mut bench = Bench::new(&["*.packed"]);
        bench.start();
        // Enough that several blocks of the compressed stream are there at a pause.
        let all = packed(&text(0..60_000), zstd);
        let path = bench.at("a.packed");
        let mut from = 0;
        // The first pause comes before anything can be unpacked.
        for to in [12, all.len() / 3, all.len() / 2, all.len() - 3] {
            append_bytes(&path, &all[from..to]);
            from = to;
            bench.commit_for(Duration::from_millis(1_500));
            let seen = bench.committed.lines.len();
            bench.committed.assert_is(&lines(0..seen));
        }
        assert!(bench.committed.lines.len() > 10_000, "what is whole does not wait for the rest");
        bench.restart();
        append_bytes(&path, &all[from..]);
        bench.until_lines(60_000);
        bench.commit_for(Duration::from_millis(500));
        bench.committed.assert_is(&lines(0..60_000));
        let streams: HashSet<_> = bench.committed.origins.iter().map(|it| it.0).collect();
        assert_eq!(streams.len(), 1);
        bench.stop();
    }
}

#[test]
fn the_rest_of_a_compressed_file_is_waited_for_as_long_as_it_says_and_then_reported() {
    let mut bench = Bench::new(&["*.gz"]);
    bench.start();
    let all = packed(&text(0..60_000), false);
    for name in ["old.gz", "gone.gz"] {
        append_bytes(&bench.at(name), &all[..all.len() / 2]);
    }
    bench.commit_for(Duration::from_millis(2_000));
    let damaged = |committed: &Committed| {
        committed.lines.iter().filter(|line| !line.starts_with("0")).count()
    };
    assert!(bench.committed.lines.len() > 10_000);
    assert_eq!(damaged(&bench.committed), 0, "{:?}", bench.committed.lines.last());
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(601);
    OpenOptions::new()
        .append(true)
        .open(bench.at("old.gz"))
        .unwrap()
        .set_modified(long_ago)
        .unwrap();
    bench.until("a reason", |committed| damaged(committed) == 1);
    fs::remove_file(bench.at("gone.gz")).unwrap();
    bench.until("another", |committed| damaged(committed) == 2);
    let last = bench.committed.lines.last().unwrap();
    assert_eq!(last, "the file went before its compressed stream ended");
    bench.commit_for(Duration::from_millis(1_500));
    assert_eq!(damaged(&bench.committed), 2, "each is said once");
    bench.stop();
}

#[test]
fn a_copy_of_a_compressed_file_that_is_begun_again_goes_on_where_it_was() {
    let mut bench = Bench::new(&["*.gz"]);
    bench.start();
    let all = packed(&text(0..60_000), false);
    let path = bench.at("a.gz");
    append_bytes(&path, &all[..all.len() / 2]);
    bench.commit_for(Duration::from_millis(1_500));
    assert!(bench.committed.lines.len() > 10_000);
    // Cut and written anew, then made anew.
    fs::write(&path, &all[..all.len() / 4]).unwrap();
    bench.commit_for(Duration::from_millis(1_500));
    fs::remove_file(&path).unwrap();
    fs::write(&path, &all[..all.len() / 4 * 3]).unwrap();
    bench.commit_for(Duration::from_millis(2_500));
    append_bytes(&path, &all[all.len() / 4 * 3..]);
    bench.until_lines(60_000);
    bench.commit_for(Duration::from_millis(500));
    bench.committed.assert_is(&lines(0..60_000));
    bench.stop();
}

#[test]
fn a_compressed_array_that_is_still_copied_waits_for_its_end() {
    let mut bench = Bench::new(&["*.gz"]);
    bench.start();
    let array: Vec<String> =
        lines(0..5_000).iter().map(|line| format!("{{\"a\":\"{line}\"}}")).collect();
    let all = packed(&format!("[{}]", array.join(",\n")), false);
    append_bytes(&bench.at("a.gz"), &all[..all.len() / 2]);
    bench.commit_for(Duration::from_millis(2_000));
    assert_eq!(bench.committed.lines.len(), 0);
    append_bytes(&bench.at("a.gz"), &all[all.len() / 2..]);
    bench.until_lines(5_000);
    bench.commit_for(Duration::from_millis(500));
    bench.committed.assert_is(&array);
    bench.stop();
}

#[test]
fn files_born_and_rotated_while_nobody_looked_are_read() {
    let mut bench = Bench::new(&["a.log"]);
    bench.append("a.log", &text(0..10));
    bench.start();
    bench.until_lines(10);
    bench.kill();
    bench.append("a.log", &text(10..20));
    bench.rename("a.log", "a.log.1");
    bench.append("a.log", &text(20..30));
    bench.rename("a.log.1", "a.log.2");
    bench.rename("a.log", "a.log.1");
    bench.append("a.log", &text(30..40));
    bench.start();
    bench.until_lines(40);
    bench.commit_for(Duration::from_millis(500));
    bench.committed.assert_is(&lines(0..40));
    bench.stop();
}

#[test]
fn from_end_begins_with_the_line_being_written_and_only_once() {
    let mut bench = Bench::new(&["*.log"]);
    bench.files().from = From::End;
    bench.append("a.log", "old\nhalf");
    bench.start();
    bench.until("first position", |committed| !committed.positions.is_empty());
    bench.append("a.log", " done\nnew\n");
    bench.append("b.log", "a file of later\n");
    bench.until_lines(3);
    bench.kill();
    bench.append("a.log", "while away\n");
    bench.append("c.log", "born while away\n");
    bench.start();
    bench.until_lines(5);
    bench.commit_for(Duration::from_millis(300));
    let expected = ["half done", "new", "a file of later", "while away", "born while away"];
    bench.committed.assert_is(&expected.map(str::to_owned));
    assert!(!bench.committed.backfill.contains(&true));
    bench.stop();
}

#[test]
fn folders_links_and_equal_files_side_by_side() {
    let mut bench = Bench::new(&["logs", "link.log", "late/*/x.log"]);
    fs::create_dir_all(bench.at("logs/deep")).unwrap();
    bench.append("logs/deep/one.log", "the same first line\none\n");
    bench.append("logs/two.log", "the same first line\ntwo\n");
    bench.append("target", "through a link\n");
    std::os::unix::fs::symlink(bench.at("target"), bench.at("link.log")).unwrap();
    // A second name of a file is not a second file.
    fs::hard_link(bench.at("logs/two.log"), bench.at("logs/deep/two-again.log")).unwrap();
    bench.start();
    bench.until_lines(5);
    bench.append("target", "more\n");
    fs::create_dir_all(bench.at("late/host1")).unwrap();
    bench.append("late/host1/x.log", "late\n");
    fs::create_dir_all(bench.at("logs/new")).unwrap();
    bench.append("logs/new/three.log", "the same first line\nthree\n");
    bench.until_lines(9);
    bench.commit_for(Duration::from_millis(300));
    let same = "the same first line";
    let expected = [same, "one", same, "two", same, "three", "through a link", "more", "late"];
    bench.committed.assert_is(&expected.map(str::to_owned));
    bench.stop();
}

#[test]
fn other_contents_are_read_as_a_whole_once() {
    let mut bench = Bench::new(&["in"]);
    fs::create_dir(bench.at("in")).unwrap();
    bench.start();
    fs::write(bench.at("in/a.json"), "[{\"a\":1},\n{\"b\":2}]").unwrap();
    fs::write(bench.at("in/b.log.zst"), zstd::encode_all(&b"one\ntwo\n"[..], 1).unwrap()).unwrap();
    bench.until_lines(4);
    bench.restart();
    bench.commit_for(Duration::from_millis(600));
    fs::write(bench.at("in/a.json"), "[{\"a\":1},\n{\"b\":2},{\"c\":3}]").unwrap();
    bench.until_lines(5);
    bench.restart();
    bench.commit_for(Duration::from_millis(600));
    let expected = ["{\"a\":1}", "{\"b\":2}", "{\"c\":3}", "one", "two"];
    bench.committed.assert_is(&expected.map(str::to_owned));
    bench.stop();
}

#[test]
fn a_row_or_an_event_that_is_being_written_waits_for_its_end() {
    let mut bench = Bench::new(&["*.csv", "*.xml"]);
    bench.config.format = "csv".into();
    bench.append("a.csv", "a,b\n1,2\n3,");
    bench.start();
    bench.until_lines(1);
    bench.commit_for(Duration::from_millis(1_500));
    bench.append("a.csv", "4\n5");
    bench.until_lines(2);
    bench.restart();
    bench.commit_for(Duration::from_millis(300));
    // At rest for long: it has no end.
    bench.until_lines(3);
    bench.append("a.csv", "\n6,7\n");
    bench.until_lines(4);
    bench.stop();
    let expected = ["a,b\n1,2", "a,b\n3,4", "a,b\n5", "a,b\n6,7"];
    bench.committed.assert_is(&expected.map(str::to_owned));

    bench.config.format = "auto".into();
    bench.committed = Committed::default();
    bench.append("b.xml", "<Events>\n<Event>1</Event>\n<Event>2</Ev");
    bench.start();
    bench.until_lines(1);
    bench.append("b.xml", "ent>\n</Events>\n");
    bench.until("second event", |seen| seen.lines.iter().any(|line| line == "<Event>2</Event>"));
    bench.stop();
}

#[test]
fn a_line_over_the_limit_is_one_record_however_slowly_it_comes() {
    let mut bench = Bench::new(&["a.log"]);
    bench.limits.record_bytes_max = 10_000;
    bench.start();
    for _ in 0..5 {
        bench.append("a.log", &"x".repeat(30_000));
        bench.commit_for(Duration::from_millis(50));
    }
    bench.append("a.log", "\nshort\n");
    bench.until_lines(2);
    assert_eq!(bench.committed.lines[0].len(), 4_096);
    assert_eq!(bench.committed.lines[1], "short");
    bench.append("a.log", "and on\n");
    bench.until_lines(3);
    bench.commit_for(Duration::from_millis(300));
    assert_eq!(bench.committed.lines.len(), 3);
    bench.stop();
}

#[test]
fn a_thousand_files_on_one_thread() {
    let mut bench = Bench::new(&["*.log"]);
    for number in 0..1_000 {
        bench.append(&format!("{number}.log"), &format!("file {number}\n"));
    }
    bench.start();
    bench.until_lines(1_000);
    for number in 0..1_000 {
        bench.append(&format!("{number}.log"), &format!("again {number}\n"));
    }
    bench.until_lines(2_000);
    bench.commit_for(Duration::from_millis(300));
    assert_eq!(bench.committed.lines.iter().collect::<HashSet<_>>().len(), 2_000);
    bench.stop();
}

/// How a rotator moves a log aside.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rotator {
    Rename,
    RenameAndCompress,
    CopyAndCut,
}

/// A writer that appends and rotates while the reader is killed at random moments.
fn writer_against_kills(rotator: Rotator, pattern: &str, seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut below = move |limit: u64| usize::try_from(random.next_u64() % limit).unwrap();
    let mut bench = Bench::new(&[pattern]);
    bench.limits.batch_records_max = 50;
    // What is moved out of the pattern before anything was ever seen there cannot be known.
    let mut written = 1;
    let mut generation = 0;
    bench.append("a.log", &text(0..1));
    bench.start();
    bench.until_lines(1);
    for step in 0..120 {
        let count = below(60);
        let half = below(2) == 0;
        let chunk = text(written..written + count);
        let (first, second) = chunk.split_at(if half { chunk.len() / 2 } else { 0 });
        bench.append("a.log", first);
        if half && bench.running.is_some() {
            bench.commit_for(Duration::from_millis(below(4) as u64));
        }
        bench.append("a.log", second);
        written += count;
        if below(5) == 0 {
            generation += 1;
            rotate(&bench, rotator, generation);
        }
        match below(4) {
            0 if step % 2 == 0 => bench.kill(),
            _ if bench.running.is_none() => bench.start(),
            _ => bench.commit_for(Duration::from_millis(below(30) as u64)),
        }
    }
    bench.kill();
    bench.start();
    let total = written;
    bench.until_all(&lines(0..total));
    bench.commit_for(Duration::from_millis(800));
    bench.committed.assert_is(&lines(0..written));
    bench.restart();
    bench.commit_for(Duration::from_millis(500));
    bench.committed.assert_is(&lines(0..written));
    bench.stop();
}

fn rotate(bench: &Bench, rotator: Rotator, generation: usize) {
    for number in (1..generation).rev() {
        for suffix in ["", ".gz"] {
            let from = bench.at(&format!("a.log.{number}{suffix}"));
            if from.exists() {
                fs::rename(&from, bench.at(&format!("a.log.{}{suffix}", number + 1))).unwrap();
            }
        }
    }
    match rotator {
        Rotator::Rename | Rotator::RenameAndCompress => {
            if bench.at("a.log").exists() {
                bench.rename("a.log", "a.log.1");
            }
        }
        Rotator::CopyAndCut => {
            fs::copy(bench.at("a.log"), bench.at("a.log.1")).unwrap();
            OpenOptions::new().write(true).open(bench.at("a.log")).unwrap().set_len(0).unwrap();
        }
    }
    let older = bench.at("a.log.2");
    if rotator == Rotator::RenameAndCompress && older.exists() {
        gzip(&older, &bench.at("a.log.2.gz"));
    }
}

#[test]
fn kills_while_a_writer_rotates_by_renaming() {
    for (seed, pattern) in [(1, "a.log"), (2, "a.log*"), (3, "a.log*")] {
        writer_against_kills(Rotator::Rename, pattern, seed);
    }
}

#[test]
fn kills_while_a_writer_rotates_and_compresses() {
    for (seed, pattern) in [(4, "a.log*"), (5, "a.log*"), (6, "a.log")] {
        writer_against_kills(Rotator::RenameAndCompress, pattern, seed);
    }
}

#[test]
fn kills_while_a_writer_rotates_by_copying() {
    for (seed, pattern) in [(7, "a.log*"), (8, "a.log*"), (9, "a.log")] {
        writer_against_kills(Rotator::CopyAndCut, pattern, seed);
    }
}

/// A source says once that a file is quiet, and says it before the last records are old enough to be an event.
#[test]
fn the_last_event_of_a_log_that_falls_quiet_is_not_left_open() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    let record =
        |kind: &str, rest: &str| format!("type={kind} msg=audit(1795334400.123:77): {rest}\n");
    let text = record(
        "SYSCALL",
        "arch=c000003e syscall=59 success=yes exit=0 ppid=1 pid=2 uid=0 comm=\"id\" exe=\"/usr/bin/id\"",
    ) + &record("EXECVE", "argc=1 a0=\"id\"");
    std::fs::write(&log, text).unwrap();
    let config = folder.path().join("watchfloor.toml");
    let section = format!(
        "[[sources]]\nname = \"audit\"\npaths = [\"{}\"]\nhost = \"web01\"\nidle = \"100ms\"\nrescan = \"100ms\"\n",
        log.display()
    );
    std::fs::write(&config, section).unwrap();
    let _daemon = Daemon::start(&config, &folder.path().join("data"));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = run_json(&config, &["status", "--format", "json"]);
        let source = &status["sources"][0];
        if source["stored"] == 2 && source["in_flight"] == 0 && source["events"] == 1 {
            return;
        }
        assert!(Instant::now() < deadline, "it waits for a record that never comes: {source}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
