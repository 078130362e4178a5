//! Carriers end to end over files: what the shared captures hold as XML, and every form that is forced by its name.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use watchfloor::config::limits::LimitsConfig;
use watchfloor::config::sources::SourceConfig;
use watchfloor::model::record::{Framing, Shape};
use watchfloor::normalise::document::Document;
use watchfloor::normalise::names::Names;
use watchfloor::normalise::windows::xml;
use watchfloor::source::file::{FileSettings, read_once};

use crate::support::data;

type Seen = Vec<(Shape, Framing, Vec<u8>)>;

fn read(path: &Path, format: &str) -> Seen {
    let mut config = SourceConfig::files("test", Vec::new());
    config.format = format.to_owned();
    let settings = FileSettings::new(&config, &LimitsConfig::default());
    let mut seen = Seen::new();
    let mut offsets = Vec::new();
    read_once(path, &settings, &mut |batch| {
        for record in &batch.records {
            seen.push((record.shape, record.framing, batch.bytes(record).to_vec()));
            offsets.push(record.offset);
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    let count = offsets.len();
    offsets.sort_unstable();
    offsets.dedup();
    assert_eq!(offsets.len(), count, "{}: places are unique", path.display());
    seen
}

#[test]
fn every_event_of_the_xml_captures_is_read() {
    let (mut files, mut events) = (0, 0);
    for folder in ["windows/splunk_attack_data_samples", "linux/sysmon_for_linux"] {
        let Some(folder) = data(folder) else { return };
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            let expected = memchr::memmem::find_iter(&bytes, b"</Event>").count();
            if expected == 0 {
                continue;
            }
            files += 1;
            let seen = read(&path, "windows_xml");
            let found: Vec<&Vec<u8>> =
                seen.iter().filter(|it| it.0 == Shape::Xml).map(|it| &it.2).collect();
            assert_eq!(found.len(), expected, "{}", path.display());
            let (mut document, mut names) = (Document::default(), Names::default());
            for event in found {
                let text = std::str::from_utf8(event).unwrap();
                xml::read(text, &mut document, &mut names)
                    .unwrap_or_else(|error| panic!("{}: {error}: {text}", path.display()));
                assert!(document.leaves().len() > 10, "{text}");
                events += 1;
            }
        }
    }
    eprintln!("{events} events as XML in {files} files");
    assert!(files >= 6 && events > 200, "{events} in {files}");
}

#[test]
fn events_at_the_start_of_a_file_are_told_without_a_name() {
    let Some(folder) = data("linux/sysmon_for_linux") else { return };
    let seen = read(&folder.join("linpeas.sysmon-linux.xml.txt"), "auto");
    assert!(seen.len() > 100 && seen.iter().all(|it| it.0 == Shape::Xml));
}

#[test]
fn formats_that_are_forced_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let texts = |seen: &Seen| -> Vec<String> {
        seen.iter().map(|it| String::from_utf8_lossy(&it.2).into_owned()).collect()
    };
    let table = file("table", b"a,b\r\n1,\"x\r\ny\"\r\n2,z");
    let seen = read(&table, "csv");
    assert_eq!(texts(&seen), ["a,b\n1,\"x\r\ny\"", "a,b\n2,z"]);
    assert!(seen.iter().all(|it| it.0 == Shape::Csv));
    assert_eq!(texts(&read(&table, "auto"))[0], "a,b", "nothing tells a table from lines");
    // Compressed, and told by the bytes inside.
    let packed = file("table.gz", &zstd::encode_all(&b"a,b\n1,2\n"[..], 1).unwrap());
    assert_eq!(texts(&read(&packed, "csv")), ["a,b\n1,2"]);

    let frames = file("frames", b"7 <34>one8 <34>two\n10 <34>thr\nee");
    assert_eq!(texts(&read(&frames, "auto")), ["<34>one", "<34>two", "<34>thr\nee"]);
    let prefixed = file("prefixed", b"\0\0\0\x07<34>one\0\0\0\x03two");
    assert_eq!(texts(&read(&prefixed, "syslog_length_prefixed")), ["<34>one", "two"]);

    let journal =
        file("journal", b"__CURSOR=a\nMESSAGE=x\n\n__CURSOR=b\nMESSAGE\n\x03\0\0\0\0\0\0\0y\nz\n");
    let seen = read(&journal, "auto");
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|it| it.0 == Shape::JournalExport));

    let otlp = file("otlp", b"\x0a\x05\x12\x03\x12\x01\x2a");
    let seen = read(&otlp, "otlp_protobuf");
    assert_eq!((seen.len(), seen[0].0, seen[0].1), (1, Shape::Otlp, Framing::Whole));

    let fluent = file("fluent", b"\x93\xa1t\x01\x81\xa3log\xa1x");
    let seen = read(&fluent, "fluent_forward");
    assert_eq!(
        texts(&seen),
        ["{\"tag\":\"t\",\"time\":\"1970-01-01T00:00:01.000000Z\",\"record\":{\"log\":\"x\"}}"]
    );
    // An event log is one, whatever it is called.
    assert_eq!(read(&file("log", b"ElfFile\0"), "csv")[0].0, Shape::Evtx);
    assert!(read(&file("empty", b""), "csv").is_empty());
}
