//! A bench for the assembler: lines go in, events come out, and the books balance after each.

mod closing;
mod fields;

use std::sync::Arc;

use super::*;
use crate::model::event::{Event, Value};
use crate::model::field;
use crate::model::record::{Framing, Record, Shape};
use crate::normalise::linux::scrub::tests::{plain_settings, settings};

fn stream() -> Stream {
    Stream {
        id: IdHasher::new("test").finish(),
        delivery: None,
        shard: "".into(),
        source: Arc::from("s"),
        path: Arc::from("/var/log/audit/audit.log"),
        tenant: Arc::from("default"),
        host: None,
        format: Arc::from("auto"),
        labels: Arc::from([]),
        modified: Timestamp(0),
        live: false,
        backfill: false,
    }
}

/// Feeds lines and keeps what comes out.
struct Bench {
    stream: Stream,
    settings: Settings,
    assembler: Assembler,
    out: Output,
    offset: u64,
}

impl Bench {
    fn new(assemblies_max: usize) -> Bench {
        Bench::with(assemblies_max, settings())
    }

    fn with(assemblies_max: usize, settings: Settings) -> Bench {
        Bench {
            stream: stream(),
            settings,
            assembler: Assembler::new(assemblies_max),
            out: Output::default(),
            offset: 0,
        }
    }

    /// Without redaction.
    fn plain(assemblies_max: usize) -> Bench {
        Bench::with(assemblies_max, plain_settings())
    }

    fn feed(&mut self, bytes: &[u8]) {
        let record = Record {
            start: 0,
            len: u32::try_from(bytes.len()).unwrap(),
            offset: self.offset,
            framing: Framing::Whole,
            shape: Shape::Line,
        };
        self.offset += bytes.len() as u64 + 1;
        let ingested = Timestamp(2_000_000_000_000_000);
        let context = Context {
            stream: &self.stream,
            record: &record,
            bytes,
            settings: &self.settings,
            ingested,
            envelope: None,
        };
        self.out.received += 1;
        self.assembler.decode(&context, &mut self.out);
        self.balance();
    }

    fn end(&mut self) {
        let now = Timestamp(2_000_000_000_000_000);
        self.assembler.flush(Flush::End, now, &self.stream, &self.settings, &mut self.out);
        self.balance();
        assert_eq!(self.assembler.open_records(), 0);
    }

    fn balance(&self) {
        let out = &self.out;
        assert_eq!(out.received, out.stored + out.rejected + self.assembler.open_records());
        let in_events: u64 = out.events.iter().map(|event| u64::from(event.records)).sum();
        assert_eq!(in_events, out.stored);
    }
}

const EXEC: &str = "type=SYSCALL msg=audit(100.5:7): arch=c000003e syscall=59 success=yes exit=0 a0=1f a1=2 ppid=10 pid=11 auid=1000 uid=0 euid=0 tty=pts0 ses=3 comm=\"id\" exe=\"/usr/bin/id\" key=\"exec\"\u{1d}ARCH=x86_64 SYSCALL=execve AUID=\"bob\" UID=\"root\"
type=EXECVE msg=audit(100.5:7): argc=2 a0=\"id\" a1=\"-u\"
type=CWD msg=audit(100.5:7): cwd=\"/root\"
type=PATH msg=audit(100.5:7): item=0 name=\"/usr/bin/id\" inode=5 mode=0100755 nametype=NORMAL cap_fp=0
type=PROCTITLE msg=audit(100.5:7): proctitle=6964002D75";

fn all(event: &Event, name: &str) -> Vec<String> {
    let field = field::FieldId::intern(name).unwrap();
    event.all(field).map(|value: Value<'_>| value.to_text().into_owned()).collect()
}

fn one(bench: &Bench, name: &str) -> Vec<String> {
    bench.out.events.iter().flat_map(|event| all(event, name)).collect()
}
