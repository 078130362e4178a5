//! When a Windows event happened, from what its writer left of it.

use crate::model::event::Value;
use crate::normalise::complete::EventTime;
use crate::normalise::time::{self, Written};
use crate::stdx::time::{SECOND_US, Timestamp};

/// How much later than the shipper a collector may stamp a record while its clock's zone can still be told.
const ARRIVAL_SLACK_US: i64 = 5 * 60 * SECOND_US;

/// The times found in one record, as written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times<'a> {
    /// With zone: `TimeCreated`, or Beats' `@timestamp`.
    pub created: Option<Value<'a>>,
    /// NXLog's `EventTime`.
    pub clock: Option<Value<'a>>,
    /// NXLog's `EventReceivedTime`.
    pub received: Option<Value<'a>>,
    /// A collector's stamp.
    pub arrival: Option<Value<'a>>,
    /// Sysmon's own `UtcTime`.
    pub utc: Option<Value<'a>>,
}

/// The event's time: the log's own, else the clock's with its zone worked out, else the best stand-in, marked.
pub fn event_time(times: &Times<'_>) -> EventTime {
    if let Some(created) = times.created.and_then(read) {
        return match created.instant() {
            Some(at) => EventTime::At(at),
            None => EventTime::Guessed(created.instant_or_utc(), "no_zone"),
        };
    }
    if let Some(clock) = times.clock.and_then(read) {
        return clock_time(clock, times);
    }
    let stated = times.created.is_some() || times.clock.is_some();
    if let Some(utc) = times.utc.and_then(read) {
        return EventTime::At(utc.instant_or_utc());
    }
    if let Some(arrival) = times.arrival.and_then(read) {
        return EventTime::Guessed(arrival.instant_or_utc(), "arrival_time");
    }
    EventTime::None(if stated { "bad_time" } else { "missing_time" })
}

fn clock_time(clock: Written, times: &Times<'_>) -> EventTime {
    if let Some(at) = clock.instant() {
        return EventTime::At(at);
    }
    let utc = times.utc.and_then(read).map(Written::instant_or_utc);
    let received = times.received.and_then(read);
    let arrival = times.arrival.and_then(read).and_then(Written::instant);
    let zone = match (received, arrival) {
        (Some(received), Some(arrival)) => {
            time::zone_between(received.clock_us, arrival, ARRIVAL_SLACK_US)
        }
        _ => None,
    };
    let zone = zone.or_else(|| time::zone_between(clock.clock_us, utc?, ARRIVAL_SLACK_US));
    let Some(zone) = zone else {
        return EventTime::Guessed(Timestamp(clock.clock_us), "no_zone");
    };
    let at = Timestamp(clock.clock_us.saturating_sub(zone));
    // The clock has whole seconds; Sysmon's own time of the same second is finer.
    match utc {
        Some(fine) if fine.seconds() == at.seconds() => EventTime::At(fine),
        _ => EventTime::At(at),
    }
}

fn read(value: Value<'_>) -> Option<Written> {
    match value {
        Value::Str(text) => time::parse(text).or_else(|| json_date(text)),
        Value::Int(number) => epoch(number as f64),
        Value::Float(number) => epoch(number),
        Value::Bool(_) | Value::Null => None,
    }
}

/// `/Date(1600000000000)/`, as PowerShell 5 writes times into JSON.
fn json_date(text: &str) -> Option<Written> {
    let millis: i64 = text.strip_prefix("/Date(")?.strip_suffix(")/")?.parse().ok()?;
    Some(Written { clock_us: millis.checked_mul(1_000)?, zone_us: Some(0) })
}

fn epoch(number: f64) -> Option<Written> {
    time::from_epoch_number(number).map(|at| Written { clock_us: at.0, zone_us: Some(0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Option<Value<'_>> {
        Some(Value::Str(text))
    }

    fn at(written: &str) -> Timestamp {
        Timestamp::parse_rfc3339(written).unwrap()
    }

    #[test]
    fn the_zone_of_a_clock_comes_from_the_arrival() {
        let times = Times {
            clock: text("2020-09-04 16:09:38"),
            received: text("2020-09-04 16:09:40"),
            arrival: text("2020-09-04T20:09:40.845Z"),
            ..Times::default()
        };
        assert_eq!(event_time(&times), EventTime::At(at("2020-09-04T20:09:38Z")));
        let finer = Times { utc: text("2020-09-04 20:09:38.477"), ..times };
        assert_eq!(event_time(&finer), EventTime::At(at("2020-09-04T20:09:38.477Z")));
        let other = Times { utc: text("2020-09-04 20:09:32.100"), ..times };
        assert_eq!(event_time(&other), EventTime::At(at("2020-09-04T20:09:38Z")));
    }

    #[test]
    fn what_cannot_be_known_is_marked() {
        let clock = Times { clock: text("2020-09-04 16:09:38"), ..Times::default() };
        assert_eq!(event_time(&clock), EventTime::Guessed(at("2020-09-04T16:09:38Z"), "no_zone"));
        let bad = Times { created: text("yesterday"), ..Times::default() };
        assert_eq!(event_time(&bad), EventTime::None("bad_time"));
        assert_eq!(event_time(&Times::default()), EventTime::None("missing_time"));
        let date = Times { created: text("/Date(1600000000000)/"), ..Times::default() };
        assert_eq!(event_time(&date), EventTime::At(Timestamp(1_600_000_000_000_000)));
    }
}
