//! The tests that stand beside mappings: `NAME.test` holds records as the log has them, each with the fields that the
//! event must have. Run by `watchfloor formats check` and by our own tests.
//!
//! ```text
//! == record
//! Mar  4 05:06:07 mail dovecot: imap-login: Disconnected (auth failed): user=<bob>, rip=192.0.2.7
//! == gives
//! class = logon_failure
//! source.ip = 192.0.2.7
//! user.email =
//! ```
//!
//! An empty value says that the field must not be there; lists are joined by `, `. A record is all text up to the next
//! `==`, so that it may have several lines; several records give several events, `== gives` is about the last of them.
//! `== rejected` in place of `== gives` says that there is no event.

use std::sync::Arc;

use crate::model::event::Event;
use crate::model::field::FieldId;
use crate::model::record::{Batch, Flush, Shape, Stream};
use crate::normalise::settings::Settings;
use crate::normalise::{Decoder, Output};
use crate::stdx::time::Timestamp;

/// What one test file came to.
#[derive(Debug, Default)]
pub struct Tested {
    /// Cases run.
    pub cases: usize,
    /// What did not hold, a sentence each, with the line of the test file.
    pub failures: Vec<String>,
}

/// Run a test file. `format`: `auto`, or the name that is forced.
pub fn run(text: &str, settings: &Arc<Settings>) -> Tested {
    let mut tested = Tested::default();
    let mut format = "auto".to_owned();
    let mut records: Vec<String> = Vec::new();
    let mut wanted: Option<(usize, bool, Vec<String>)> = None;
    for (number, line) in text.lines().enumerate() {
        let Some(head) = line.strip_prefix("== ") else {
            match (&mut wanted, records.last_mut()) {
                (Some((_, _, fields)), _) => fields.push(line.to_owned()),
                (None, Some(record)) => {
                    record.push_str(line);
                    record.push('\n');
                }
                (None, None) if line.trim().is_empty() || line.starts_with('#') => {}
                (None, None) => {
                    tested.failures.push(format!("{}: text before a record", number + 1))
                }
            }
            continue;
        };
        if let Some((at, rejected, fields)) = wanted.take() {
            case(&records, &format, at, rejected, &fields, settings, &mut tested);
            records.clear();
        }
        match head.trim() {
            "record" => records.push(String::new()),
            "gives" => wanted = Some((number + 1, false, Vec::new())),
            "rejected" => wanted = Some((number + 1, true, Vec::new())),
            other => match other.strip_prefix("as ") {
                Some(name) => format = name.trim().to_owned(),
                None => tested.failures.push(format!("{}: unknown part {other:?}", number + 1)),
            },
        }
    }
    if let Some((at, rejected, fields)) = wanted.take() {
        case(&records, &format, at, rejected, &fields, settings, &mut tested);
    }
    if tested.cases == 0 {
        tested.failures.push("no case in it".to_owned());
    }
    tested
}

fn case(
    records: &[String],
    format: &str,
    at: usize,
    rejected: bool,
    fields: &[String],
    settings: &Arc<Settings>,
    tested: &mut Tested,
) {
    tested.cases += 1;
    let output = decode(records, format, settings);
    let Some(event) = output.events.last() else {
        if !rejected {
            let why = output.rejects.first().map_or("nothing", |reject| reject.reason);
            tested.failures.push(format!("{at}: rejected: {why}"));
        }
        return;
    };
    if rejected {
        tested.failures.push(format!("{at}: it is not rejected"));
    }
    for line in fields.iter().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let Some((name, value)) = line.split_once('=') else {
            tested.failures.push(format!("{at}: {line:?} is not `field = value`"));
            continue;
        };
        let (name, value) = (name.trim(), value.trim());
        let found = value_of(event, name);
        if found != value {
            tested.failures.push(format!("{at}: {name} is {found:?}, not {value:?}"));
        }
    }
}

/// Decode records as one file of a host without a name.
pub fn decode(records: &[String], format: &str, settings: &Arc<Settings>) -> Output {
    let modified = Timestamp::parse_rfc3339("2026-03-01T00:00:00Z").unwrap_or_default();
    let stream = Stream { format: format.into(), modified, ..Stream::of_path("test", "test") };
    let stream = Arc::new(stream);
    let mut decoder = Decoder::new(&stream, Arc::clone(settings));
    let mut batch = Batch::new(stream, Flush::End);
    batch.extend(records.iter().map(|text| (Shape::Line, text.trim_end_matches('\n').as_bytes())));
    let mut output = Output::default();
    decoder.decode(&batch, &mut output);
    output
}

fn value_of(event: &Event, name: &str) -> String {
    match name {
        "class" => event.class.as_str().to_owned(),
        "@timestamp" => event.timestamp.to_string().replace(".000000Z", "Z"),
        _ => {
            let values = FieldId::lookup(name).map(|field| event.all(field)).into_iter().flatten();
            values.map(|value| value.to_text().into_owned()).collect::<Vec<_>>().join(", ")
        }
    }
}
