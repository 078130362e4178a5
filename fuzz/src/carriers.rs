//! The carriers: whatever the bytes and however the reads are cut, the records are the same, none overlaps, and none
//! is longer than it may be.

use std::io::Cursor;
use std::ops::ControlFlow;

use watchfloor::carrier::csv_rows::CsvRows;
use watchfloor::carrier::fluent_forward::FluentForward;
use watchfloor::carrier::journal_export::JournalExport;
use watchfloor::carrier::json_documents::JsonDocuments;
use watchfloor::carrier::lines::Lines;
use watchfloor::carrier::otlp_messages::OtlpMessages;
use watchfloor::carrier::splitter::Splitter;
use watchfloor::carrier::syslog_frames::{Frames, SyslogFrames};
use watchfloor::carrier::xml_events::XmlEvents;
use watchfloor::carrier::{Bounds, Chunk, evtx};
use watchfloor::model::record::Framing;

use crate::families;
use crate::target::Seen;

/// Small, so that an input of a few KiB meets every limit.
fn bounds() -> Bounds {
    Bounds { record_bytes_max: 600, chunk_records_max: 7, chunk_bytes_max: 2_000 }
}

/// A record to compare: where, how it ended, what.
type Found = (u64, Framing, Vec<u8>);

fn collect(chunk: &Chunk, found: &mut Vec<Found>) {
    for record in &chunk.records {
        assert!(
            (record.start + record.len) as usize <= chunk.data.len(),
            "a record outside its chunk"
        );
        found.push((record.offset, record.framing, chunk.bytes(record).to_vec()));
    }
}

fn note(found: &[Found], seen: &mut Seen) {
    seen.size("records", found.len());
    for (_, framing, bytes) in found {
        seen.note("framing", &format!("{framing:?}"));
        seen.size("length", bytes.len());
    }
    assert!(found.windows(2).all(|pair| pair[0].0 <= pair[1].0), "records out of order");
}

/// Lines, read in pieces of `size`.
fn split_lines(input: &[u8], size: usize) -> Vec<Found> {
    let mut found = Vec::new();
    let mut lines = Lines::new(bounds(), 0);
    let mut rest = input;
    loop {
        let count = lines
            .fill(&mut |into| {
                let count = size.min(rest.len()).min(into.len());
                into[..count].copy_from_slice(&rest[..count]);
                rest = &rest[count..];
                Ok(count)
            })
            .unwrap_or(0);
        while lines.is_full() {
            collect(&lines.take(), &mut found);
        }
        if count == 0 {
            break;
        }
    }
    lines.finish();
    collect(&lines.take(), &mut found);
    found
}

pub fn lines(input: &[u8], seen: &mut Seen) {
    let whole = split_lines(input, usize::MAX);
    // A read costs a buffer, so tiny pieces are for short input.
    let tiny = if input.len() < 64 { 1 } else { input.len() / 40 };
    for size in [tiny, 599] {
        assert_eq!(split_lines(input, size), whole, "pieces of {size} give other records");
    }
    note(&whole, seen);
}

/// A carrier of [`Splitter`]: any split of the reads gives the same records; with room enough they go through the decoder.
fn pieces(make: &dyn Fn(Bounds) -> Splitter, input: &[u8], seen: &mut Seen) {
    let read = |bounds: Bounds, size: usize| {
        let mut chunks = Vec::new();
        let mut splitter = make(bounds);
        let mut stopped = false;
        for piece in input.chunks(size.max(1)) {
            let flow = splitter.feed(piece, &mut |chunk| {
                chunks.push(chunk);
                ControlFlow::Continue(())
            });
            stopped |= flow.is_break();
        }
        chunks.push(splitter.take());
        let _ = splitter.finish(&mut |chunk| {
            chunks.push(chunk);
            ControlFlow::Continue(())
        });
        (chunks, stopped)
    };
    let records = |chunks: &[Chunk]| {
        let mut found = Vec::new();
        chunks.iter().for_each(|chunk| collect(chunk, &mut found));
        found
    };
    let (whole, stopped) = read(bounds(), input.len());
    let whole = records(&whole);
    for size in [1, 7, 512] {
        let (cut, _) = read(bounds(), size);
        assert_eq!(records(&cut), whole, "pieces of {size} give other records");
    }
    seen.note("stopped", if stopped { "yes" } else { "no" });
    note(&whole, seen);
    families::chunks(read(Bounds::default(), input.len()).0, seen);
}

pub fn json_documents(input: &[u8], seen: &mut Seen) {
    pieces(&|bounds| Splitter::Json(JsonDocuments::new(bounds)), input, seen);
}

pub fn xml(input: &[u8], seen: &mut Seen) {
    pieces(&|bounds| Splitter::Xml(XmlEvents::new(bounds)), input, seen);
}

pub fn journal(input: &[u8], seen: &mut Seen) {
    pieces(&|bounds| Splitter::Journal(JournalExport::new(bounds)), input, seen);
}

pub fn csv(input: &[u8], seen: &mut Seen) {
    pieces(&|bounds| Splitter::Csv(CsvRows::new(bounds)), input, seen);
}

pub fn otlp(input: &[u8], seen: &mut Seen) {
    pieces(&|bounds| Splitter::Otlp(OtlpMessages::new(bounds)), input, seen);
}

pub fn fluent(input: &[u8], seen: &mut Seen) {
    pieces(&|bounds| Splitter::Fluent(FluentForward::new(bounds)), input, seen);
}

/// The first byte says which kind of frame.
pub fn frames(input: &[u8], seen: &mut Seen) {
    let Some((first, rest)) = input.split_first() else { return };
    let counted = |bounds| Splitter::Frames(SyslogFrames::new(bounds, Frames::Counted));
    let prefixed = |bounds| Splitter::Frames(SyslogFrames::new(bounds, Frames::Prefixed));
    if first % 2 == 0 { pieces(&counted, rest, seen) } else { pieces(&prefixed, rest, seen) }
}

pub fn evtx(input: &[u8], seen: &mut Seen) {
    let mut as_file = Vec::new();
    let mut chunks = Vec::new();
    let outcome = evtx::read_file(&mut Cursor::new(input), Bounds::default(), &mut |chunk| {
        collect(&chunk, &mut as_file);
        chunks.push(chunk);
        ControlFlow::Continue(())
    });
    seen.note("file", if outcome.is_ok() { "read" } else { "error" });
    let mut as_stream = Vec::new();
    let _ = evtx::read_stream(&mut Cursor::new(input), Bounds::default(), &mut |chunk| {
        collect(&chunk, &mut as_stream);
        ControlFlow::Continue(())
    });
    for (_, framing, bytes) in &as_file {
        seen.note("framing", &format!("{framing:?}"));
        if *framing == Framing::Damaged {
            seen.note_one_of("damage", &String::from_utf8_lossy(bytes), 64);
        } else {
            assert!(std::str::from_utf8(bytes).is_ok(), "a record that is no text");
        }
    }
    seen.size("records", as_file.len());
    seen.size("stream", as_stream.len());
    families::chunks(chunks, seen);
}

/// A log's head with nothing behind it, and one chunk without its mark.
pub fn evtx_examples() -> Vec<Vec<u8>> {
    let mut head = b"ElfFile\0".to_vec();
    head.resize(4_096, 0);
    head[40..44].copy_from_slice(&[1, 0, 3, 0]);
    let mut chunk = head.clone();
    chunk.extend_from_slice(b"ElfChnk\0");
    chunk.resize(4_096 + 65_536, 0);
    vec![head, chunk]
}

fn texts(list: &[&str]) -> Vec<Vec<u8>> {
    list.iter().map(|text| text.as_bytes().to_vec()).collect()
}

pub fn xml_examples() -> Vec<Vec<u8>> {
    texts(&[
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Events><Event xmlns=\"http://schemas.microsoft.com/win/2004/08/events/event\"><System><Provider Name=\"Microsoft-Windows-Sysmon\" Guid=\"{5770385f-c22a-43e0-bf4c-06f5698ffbd9}\"/><EventID>1</EventID><TimeCreated SystemTime=\"2026-02-22T10:00:00.123456700Z\"/><EventRecordID>7</EventRecordID><Channel>Microsoft-Windows-Sysmon/Operational</Channel><Computer>A</Computer></System><EventData><Data Name=\"Image\">C:\\a.exe</Data><Data Name=\"CommandLine\">a &quot;b&quot; &#x41; <![CDATA[<x>]]></Data></EventData></Event></Events>",
        "Feb 22 10:00:00 web1 sysmon: <Event><System><Provider Name=\"Linux-Sysmon\"/><EventID>3</EventID><Computer>web1</Computer><Channel>Linux-Sysmon/Operational</Channel><EventRecordID>8</EventRecordID></System><EventData><Data Name=\"DestinationIp\">192.0.2.7</Data></EventData></Event>",
    ])
}

pub fn journal_examples() -> Vec<Vec<u8>> {
    texts(&[
        "__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1750000000123456\n_HOSTNAME=web1\nSYSLOG_IDENTIFIER=sshd\n_PID=7\nPRIORITY=6\nMESSAGE=Failed password for root from 192.0.2.7 port 22 ssh2\n\n",
        "__REALTIME_TIMESTAMP=1750000000123456\nMESSAGE\n\u{5}\0\0\0\0\0\0\0a\nb\nc\n_HOSTNAME=web1\n\n",
    ])
}

pub fn csv_examples() -> Vec<Vec<u8>> {
    texts(&[
        "time,host,user,message\n2026-02-22T10:00:00Z,web1,bob,\"a, \"\"b\"\"\nc\"\n2026-02-22T10:00:01Z,web1,,x\n",
        "a;b;c\r\n1;2;3\r\n4;5;6\r\n",
    ])
}

pub fn frame_examples() -> Vec<Vec<u8>> {
    let message = "<34>1 2026-02-22T10:00:00Z web1 su 7 - - 'su root' failed for bob on /dev/pts/8";
    let mut prefixed = vec![b'1'];
    prefixed.extend(u32::try_from(message.len()).unwrap_or(0).to_be_bytes());
    prefixed.extend_from_slice(message.as_bytes());
    vec![format!("0{} {message}{} {message}", message.len(), message.len()).into_bytes(), prefixed]
}

/// One resource with one log record: `body` is text, and so is an attribute.
pub fn otlp_examples() -> Vec<Vec<u8>> {
    let field = |number: u8, bytes: &[u8]| {
        let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap_or(0)];
        out.extend_from_slice(bytes);
        out
    };
    let text = |text: &str| field(1, text.as_bytes());
    let attribute = [field(1, b"service.name"), field(2, &text("web"))].concat();
    let resource = field(1, &attribute);
    let mut record = vec![9];
    record.extend(1_750_000_000_000_000_000_u64.to_le_bytes());
    record.extend(field(5, &text("Failed password for root from 192.0.2.7")));
    let scope = field(2, &record);
    let logs = [field(1, &resource), field(2, &scope)].concat();
    vec![field(1, &logs)]
}

/// `["tag", [[time, {"log": "x"}]]]` and `["tag", time, {"a": 1}]` in msgpack.
pub fn fluent_examples() -> Vec<Vec<u8>> {
    let mut forward = vec![0x92, 0xa3];
    forward.extend_from_slice(b"tag");
    forward.extend_from_slice(&[
        0x91, 0x92, 0xd7, 0x00, 0x68, 0x4f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    ]);
    forward.extend_from_slice(&[0x81, 0xa3]);
    forward.extend_from_slice(b"log");
    forward.extend_from_slice(&[0xa1, b'x']);
    let mut message = vec![0x93, 0xa3];
    message.extend_from_slice(b"tag");
    message.extend_from_slice(&[0xce, 0x68, 0x4f, 0x00, 0x00, 0x81, 0xa1, b'a', 0x01]);
    vec![forward, message]
}
