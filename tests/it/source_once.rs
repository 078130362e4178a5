//! Files read once: wrappers, archives, and everything that can be wrong with a file.

use std::fs::{self, File};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use watchfloor::config::limits::LimitsConfig;
use watchfloor::config::sources::SourceConfig;
use watchfloor::model::record::{Batch, Flush, Framing, Shape};
use watchfloor::source::SourceError;
use watchfloor::source::file::{FileSettings, ReadSummary, read_once};

fn settings(limits: &LimitsConfig) -> FileSettings {
    FileSettings::new(&SourceConfig::files("test", Vec::new()), limits)
}

struct Seen {
    summary: ReadSummary,
    batches: Vec<Batch>,
}

impl Seen {
    fn texts(&self) -> Vec<String> {
        let text = |batch: &Batch| -> Vec<String> {
            batch
                .records
                .iter()
                .map(|it| String::from_utf8_lossy(batch.bytes(it)).into_owned())
                .collect()
        };
        self.batches.iter().flat_map(text).collect()
    }

    fn framings(&self) -> Vec<Framing> {
        self.batches.iter().flat_map(|batch| &batch.records).map(|record| record.framing).collect()
    }
}

fn read(path: &Path, limits: &LimitsConfig) -> Result<Seen, SourceError> {
    let mut batches = Vec::new();
    let summary = read_once(path, &settings(limits), &mut |batch| {
        batches.push(batch);
        ControlFlow::Continue(())
    })?;
    Ok(Seen { summary, batches })
}

fn file(folder: &tempfile::TempDir, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    path
}

fn gz(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn wrappers_are_told_by_their_bytes_not_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let limits = LimitsConfig::default();
    let zst = zstd::encode_all(&b"one\ntwo"[..], 3).unwrap();
    let two_members = [gz(b"one\n"), gz(b"two")].concat();
    for (name, content) in [
        ("plain", b"one\ntwo".to_vec()),
        ("a.zst", gz(b"one\ntwo")),
        ("b.gz", zst.clone()),
        ("c", two_members),
        ("d", gz(&zst)),
    ] {
        let seen = read(&file(&folder, name, &content), &limits).unwrap();
        assert_eq!(seen.texts(), ["one", "two"], "{name}");
        assert_eq!(seen.batches.last().unwrap().flush, Flush::End, "{name}");
        assert_eq!((seen.summary.streams, seen.summary.records), (1, 2), "{name}");
    }
}

#[test]
fn every_member_of_an_archive_is_a_stream() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("case.zip");
    let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    for (name, content) in [
        ("web01/auth.log", b"one\ntwo\n".to_vec()),
        ("db01/x.log.gz", gz(b"three\n")),
        ("array.json", b"[{\"a\":1}, {\"b\":2}]".to_vec()),
        ("empty", Vec::new()),
    ] {
        zip.start_file(name, options).unwrap();
        zip.write_all(&content).unwrap();
    }
    zip.finish().unwrap();
    let seen = read(&path, &LimitsConfig::default()).unwrap();
    assert_eq!(seen.texts(), ["one", "two", "three", "{\"a\":1}", "{\"b\":2}"]);
    let paths: Vec<&str> = seen.batches.iter().map(|batch| &*batch.stream.path).collect();
    assert!(paths[0].ends_with("case.zip!web01/auth.log"), "{paths:?}");
    assert_eq!(seen.summary.streams, 3);
    assert!(seen.batches.iter().all(|batch| batch.flush == Flush::End));

    // Cut short: the directory at the end is gone.
    let bytes = fs::read(&path).unwrap();
    let cut = read(&file(&folder, "cut.zip", &bytes[..bytes.len() - 30]), &LimitsConfig::default())
        .unwrap();
    assert_eq!(cut.summary.problems.len(), 1);
    // One member damaged: the others are read.
    let mut damaged = bytes.clone();
    damaged[40..48].fill(0xff);
    let damaged = read(&file(&folder, "damaged.zip", &damaged), &LimitsConfig::default()).unwrap();
    assert!(damaged.texts().contains(&"three".to_owned()), "{:?}", damaged.texts());
    assert!(damaged.framings().contains(&Framing::Damaged) || !damaged.summary.problems.is_empty());
}

#[test]
fn a_cut_or_swollen_file_keeps_what_came_before() {
    let folder = tempfile::tempdir().unwrap();
    let text: String =
        (0..2_000).map(|number| format!("line {number} {}\n", number * 7919)).collect();
    let packed = gz(text.as_bytes());
    let seen =
        read(&file(&folder, "cut", &packed[..packed.len() / 2]), &LimitsConfig::default()).unwrap();
    assert!(seen.texts().len() > 100);
    assert_eq!(seen.framings().last(), Some(&Framing::Damaged));

    let limits = LimitsConfig { decompressed_bytes_max: 10_000, ..LimitsConfig::default() };
    let seen = read(&file(&folder, "bomb", &packed), &limits).unwrap();
    assert_eq!(seen.framings().last(), Some(&Framing::Damaged));
    assert!(seen.texts().last().unwrap().contains("more than 10000 bytes"));

    let bomb = gz(&vec![b'x'; 64 << 20]);
    let limits = LimitsConfig { decompression_ratio_max: 100, ..LimitsConfig::default() };
    let seen = read(&file(&folder, "ratio", &bomb), &limits).unwrap();
    assert_eq!(seen.framings(), [Framing::TooLong, Framing::Damaged]);
}

#[test]
fn bad_text_is_passed_on_for_the_decoder_to_judge() {
    let folder = tempfile::tempdir().unwrap();
    let mut content = b"good\n\0\x01\xff\xfe binary\nbroken \xc3( utf-8\r\n".to_vec();
    content.extend(std::iter::repeat_n(b'y', 10 << 20));
    content.extend(b"\nlast");
    let seen = read(&file(&folder, "bad", &content), &LimitsConfig::default()).unwrap();
    let framings =
        [Framing::Whole, Framing::Whole, Framing::Whole, Framing::TooLong, Framing::Whole];
    assert_eq!(seen.framings(), framings);
    assert_eq!(seen.texts().last().unwrap(), "last");
    let offsets: Vec<u64> =
        seen.batches.iter().flat_map(|batch| &batch.records).map(|record| record.offset).collect();
    assert_eq!(offsets[3..], [34, 34 + (10 << 20) + 1]);
    let most = seen.batches.iter().map(|batch| batch.data.len()).max().unwrap();
    assert!(most < 2 << 20, "{most} bytes held for a 10 MiB line");
}

#[test]
fn documents_and_lines_of_json_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let limits = LimitsConfig::default();
    let shape = |content: &str| {
        let seen = read(&file(&folder, "json", content.as_bytes()), &limits).unwrap();
        let records = seen.batches.iter().flat_map(|batch| &batch.records);
        records.map(|record| record.shape).collect::<Vec<_>>()
    };
    assert_eq!(shape("{\"a\":1}\n{\"b\":2}\n"), [Shape::Line; 2]);
    assert_eq!(shape("[{\"a\":1},\n{\"b\":2}]\n"), [Shape::Json; 2]);
    assert_eq!(shape("{\n \"a\":1\n}\n{\n \"b\":2\n}\n"), [Shape::Json; 2]);
    assert_eq!(shape("[    0.1] Linux version 6\n[    0.2] x\n"), [Shape::Line; 2]);
}

#[test]
fn what_is_no_file_is_refused_with_its_kind() {
    let folder = tempfile::tempdir().unwrap();
    let limits = LimitsConfig::default();
    let error = |path: &Path| read(path, &limits).err().unwrap().to_string();
    assert!(error(folder.path()).contains("a folder"));
    assert!(error(&folder.path().join("gone")).contains("no such file"));
    let socket = folder.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert!(error(&socket).contains("a socket"));
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&link, &link).unwrap();
    assert!(error(&link).contains("leads back"), "{}", error(&link));
    let empty = read(&file(&folder, "empty", b""), &limits).unwrap();
    assert!(empty.batches.is_empty());
}

#[test]
fn stream_ids_depend_on_content_and_place_and_not_on_the_inode() {
    let folder = tempfile::tempdir().unwrap();
    let limits = LimitsConfig::default();
    let id = |name: &str, content: &str| {
        let path = folder.path().join(name);
        let _ = fs::remove_file(&path);
        fs::write(&path, content).unwrap();
        read(&path, &limits).unwrap().batches[0].stream.id
    };
    let first = id("a", "one\n");
    assert_eq!(first, id("a", "one\ntwo\n"), "a grown file keeps its id");
    assert_ne!(first, id("b", "one\n"));
    assert_ne!(first, id("a", "two\n"));
}
