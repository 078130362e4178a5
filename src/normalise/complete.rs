//! What every event gets at the end, whatever its format: ingest time, a believable time, host, tenant, labels,
//! origin and the redacted input.

use crate::model::event::{Event, Value};
use crate::model::field;
use crate::model::record::Stream;
use crate::normalise::derive;
use crate::normalise::envelope::Envelope;
use crate::normalise::output::Output;
use crate::normalise::settings::Settings;
use crate::stdx::time::Timestamp;

/// What the record said about its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventTime {
    /// A time that is to be believed if it is not in the far future.
    At(Timestamp),
    /// A time that was worked out; the word says how and becomes `event.time_problem`.
    Guessed(Timestamp, &'static str),
    /// None that could be read; the word says why (`missing_time`, `bad_time`).
    None(&'static str),
}

/// Set id-independent common parts of `event` and hand it on. `host` as the record named it (the stream's host
/// is used when it named none); `original` is the input as text, redacted here.
pub fn complete(
    mut event: Event,
    time: EventTime,
    host: Option<&str>,
    original: Option<&str>,
    place: &Place<'_>,
    out: &mut Output,
) {
    finish(&mut event, time, host, original, place, out);
    out.event(event);
}

/// Where an event comes from, when there is no single record for a [`crate::normalise::Context`].
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The stream.
    pub stream: &'a Stream,
    /// Settings of the stage.
    pub settings: &'a Settings,
    /// When the (last) record was taken up.
    pub ingested: Timestamp,
    /// Where the (first) record begins in the stream.
    pub offset: u64,
    /// What wrappers around the record said.
    pub envelope: Option<&'a Envelope>,
}

impl<'a> Place<'a> {
    /// The place of one record.
    pub fn of(context: &crate::normalise::Context<'a>) -> Place<'a> {
        Place {
            stream: context.stream,
            settings: context.settings,
            ingested: context.ingested,
            offset: context.record.offset,
            envelope: context.envelope,
        }
    }
}

/// As [`complete`], without handing the event on.
pub fn finish(
    event: &mut Event,
    time: EventTime,
    host: Option<&str>,
    original: Option<&str>,
    place: &Place<'_>,
    out: &mut Output,
) {
    let outer = place.envelope;
    let time = match (time, outer.and_then(|envelope| envelope.time)) {
        (EventTime::None(_), Some(known)) => known,
        (own, _) => own,
    };
    set_time(event, time, place, out);
    let stream = place.stream;
    let wrapper = outer.and_then(|envelope| envelope.host.as_deref());
    let named = host.map(str::trim).filter(|name| !name.is_empty()).or(wrapper);
    if let Some(envelope) = outer {
        envelope.fill(event);
    }
    if let Some(name) = named.or(stream.host.as_deref()) {
        event.set_str(field::HOST_NAME, &place.settings.host_name(&stream.source, name));
    }
    derive::fill(event);
    event.push_str(field::ORGANIZATION_ID, &stream.tenant);
    event.push_str(field::SOURCE_NAME, &stream.source);
    if let Some(inner) = event.str(field::LOG_FILE_PATH).map(str::to_owned) {
        // A wrapper said which file it read; ours is the one that we read.
        event.remove(field::LOG_FILE_PATH);
        event.push_named("watchfloor.origin_path", Value::Str(&inner));
    }
    event.push_str(field::LOG_FILE_PATH, &stream.path);
    event.push_int(field::LOG_OFFSET, i64::try_from(place.offset).unwrap_or(i64::MAX));
    for (name, value) in stream.labels.iter() {
        if name.contains('.') {
            event.push_named(name, Value::Str(value));
        } else {
            event.push_named(&format!("labels.{name}"), Value::Str(value));
        }
    }
    if let Some(text) = original.filter(|_| place.settings.keep_original) {
        event.push_str(
            field::EVENT_ORIGINAL,
            &place.settings.redactor.text(text, &mut out.redacted),
        );
    }
}

fn set_time(event: &mut Event, time: EventTime, place: &Place<'_>, out: &mut Output) {
    event.ingested = place.ingested;
    let (at, problem) = match time {
        EventTime::At(at) => (at, None),
        EventTime::Guessed(at, how) => (at, Some(how)),
        EventTime::None(why) => (place.ingested, Some(why)),
    };
    let too_late = at.micros_since(place.ingested) > place.settings.future_us_max;
    let (at, problem) =
        if too_late { (place.ingested, Some("future_time")) } else { (at, problem) };
    event.timestamp = at;
    if let Some(word) = problem {
        event.push_str(field::EVENT_TIME_PROBLEM, word);
        out.time_problem(word);
    }
}
