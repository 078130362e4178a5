//! Lines of a test through the real decoder, as one stream, so that years, repeats and joined lines work as they
//! do in a log. The offset of a record is its line number: that is how an event finds the line it came from.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use crate::config::Config;
use crate::config::limits::LimitsConfig;
use crate::config::redact::{Personal, RedactConfig};
use crate::config::sources::SourceConfig;
use crate::model::event::{Event, Value};
use crate::model::field::{self, FieldId};
use crate::model::record::{Batch, Flush, Shape, Stream};
use crate::normalise::redact::RedactError;
use crate::normalise::{Decoder, Format, Output, Settings};
use crate::scoreboard::ScoreError;
use crate::source::file::{FileSettings, read_once};
use crate::stdx::time::Timestamp;

/// Decodes the lines of tests.
pub struct Feed {
    settings: Arc<Settings>,
}

/// One line to decode.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// Its number in the file, from 1.
    pub number: u64,
    /// Its text.
    pub text: std::borrow::Cow<'a, str>,
}

/// What was made of the lines.
#[derive(Debug, Default)]
pub struct Seen {
    /// Events, in order.
    pub events: Vec<Event>,
    /// Why lines were rejected.
    pub rejects: BTreeMap<u64, String>,
}

impl Feed {
    /// With the decoders of this configuration. Secrets stay: they are part of what other parsers expect.
    pub fn new(config: &Config) -> Result<Feed, RedactError> {
        let mut config = config.clone();
        config.redact =
            RedactConfig { secrets: false, personal: Personal::Off, ..Default::default() };
        Feed::as_configured(&config)
    }

    /// With the decoders of this configuration, and its redaction.
    pub fn as_configured(config: &Config) -> Result<Feed, RedactError> {
        let mut settings = Settings::new(config)?;
        settings.keep_original = true;
        Ok(Feed { settings: Arc::new(settings) })
    }

    /// Decode lines as one stream that was last changed at `modified`. A format that we do not have is not forced.
    pub fn decode(
        &self,
        path: &str,
        format: &str,
        modified: Timestamp,
        lines: &[Line<'_>],
    ) -> Seen {
        let known = Format::parse(format).is_some()
            || self.settings.mappings.current().named(format).is_some();
        let format = if known { format } else { "auto" };
        let stream = Stream {
            format: format.into(),
            modified,
            backfill: false,
            ..Stream::of_path("scoreboard", path)
        };
        let stream = Arc::new(stream);
        let mut batch = Batch::new(Arc::clone(&stream), Flush::End);
        for line in lines {
            if !batch.push(line.text.as_bytes(), line.number, Shape::Line) {
                break;
            }
        }
        let mut decoder = Decoder::new(&stream, Arc::clone(&self.settings));
        let mut output = Output::default();
        decoder.decode(&batch, &mut output);
        let mut seen = Seen { events: output.events, rejects: BTreeMap::new() };
        for reject in output.rejects {
            let why = format!("rejected, {}: {}", reject.reason, reject.detail);
            seen.rejects.insert(reject.offset, why);
        }
        seen
    }
}

impl Feed {
    /// Read and decode a whole file, by the carrier that its first bytes ask for.
    pub fn file(&self, path: &Path) -> Result<Seen, ScoreError> {
        let source = SourceConfig::files("scoreboard", Vec::new());
        let files = FileSettings::new(&source, &LimitsConfig::default());
        let mut decoder: Option<Decoder> = None;
        let mut output = Output::default();
        let done = read_once(path, &files, &mut |batch| {
            let decoder = decoder
                .get_or_insert_with(|| Decoder::new(&batch.stream, Arc::clone(&self.settings)));
            decoder.decode(&batch, &mut output);
            ControlFlow::Continue(())
        });
        done.map_err(|error| ScoreError::Read {
            path: path.display().to_string(),
            source: std::io::Error::other(error.to_string()),
        })?;
        let rejects = output.rejects.iter().map(|reject| {
            (reject.offset, format!("rejected, {}: {}", reject.reason, reject.detail))
        });
        Ok(Seen { rejects: rejects.collect(), events: output.events })
    }
}

/// The first value of a field as text; empty: it has none.
pub fn text_of(event: &Event, name: &str) -> String {
    let field = FieldId::lookup(name);
    let value = field.and_then(|field| event.get(field));
    value.map(|value| value.to_text().into_owned()).unwrap_or_default()
}

impl Seen {
    /// The events of a line.
    pub fn at(&self, line: u64) -> impl Iterator<Item = &Event> {
        let wanted = i64::try_from(line).unwrap_or(i64::MAX);
        self.events.iter().filter(move |event| {
            event.get(field::LOG_OFFSET).and_then(Value::as_int) == Some(wanted)
        })
    }

    /// Why a line has no event.
    pub fn nothing(&self, line: u64) -> String {
        self.rejects.get(&line).cloned().unwrap_or_else(|| "no event".to_owned())
    }
}

/// Every value of a field by its name, as text. `@timestamp`, `class` and `family` (every name that the event gives its
/// family: module, provider, dataset up to its first dot) are fields here.
pub fn values(event: &Event, name: &str) -> Vec<String> {
    match name {
        "@timestamp" => vec![event.timestamp.to_string()],
        "class" => vec![event.class.to_string()],
        "family" => family(event),
        _ => FieldId::lookup(name)
            .map(|id| event.all(id).map(|value| value.to_text().into_owned()).collect())
            .unwrap_or_default(),
    }
}

/// What an event is, in a few words, for a person who looks for the difference.
pub fn gist(event: &Event) -> String {
    let names = ["event.provider", "event.action", "event.outcome", "source.ip", "user.name"];
    let mut parts = vec![event.class.to_string()];
    for name in names {
        let all = values(event, name);
        if !all.is_empty() {
            parts.push(format!("{name}={}", all.join(",")));
        }
    }
    parts.join(" ")
}

fn family(event: &Event) -> Vec<String> {
    let mut names = Vec::new();
    for name in ["event.module", "event.provider", "event.dataset"] {
        for value in values(event, name) {
            if let Some((family, _)) = value.split_once('.') {
                names.push(family.to_owned());
            }
            names.push(value);
        }
    }
    names.sort();
    names.dedup();
    names
}
