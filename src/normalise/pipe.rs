//! Lines of the form `time|host|source|line`: what a collector put in front of the line of a machine's log.

use crate::normalise::complete::EventTime;
use crate::normalise::time;

/// Longest name of a host or a source.
const NAME_BYTES_MAX: usize = 255;

/// A line taken apart.
#[derive(Clone, Copy, Debug)]
pub struct Pipe<'a> {
    /// When the collector took it.
    pub time: EventTime,
    /// The machine.
    pub host: &'a str,
    /// The log on it.
    pub source: &'a str,
    /// The line of the log; it may hold bars itself.
    pub line: &'a str,
}

/// Take a line apart; `None`: it is of another form.
pub fn parse(text: &str) -> Option<Pipe<'_>> {
    let (at, rest) = text.split_once('|')?;
    let (host, rest) = rest.split_once('|')?;
    let (source, line) = rest.split_once('|')?;
    let (host, source) = (host.trim(), source.trim());
    let is_name = |name: &str| {
        !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.contains(char::is_control)
    };
    let is_host = is_name(host) && !host.contains(char::is_whitespace);
    (is_host && is_name(source) && !line.is_empty()).then_some(())?;
    Some(Pipe { time: read_time(at.trim())?, host, source, line })
}

/// ISO 8601, or a number of seconds or parts of them since the epoch.
fn read_time(text: &str) -> Option<EventTime> {
    if let Some(written) = time::parse(text) {
        return Some(match written.instant() {
            Some(at) => EventTime::At(at),
            None => EventTime::Guessed(written.instant_or_utc(), "no_zone"),
        });
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if digits < 9 || !is_number {
        return None;
    }
    time::from_epoch_number(text.parse().ok()?).map(EventTime::At)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stdx::time::Timestamp;

    #[test]
    fn the_line_may_hold_bars() {
        let pipe = parse("2026-11-22T08:00:00Z|web01|auth.log|Nov 22 08:00:00 a|b|c").unwrap();
        assert_eq!((pipe.host, pipe.source), ("web01", "auth.log"));
        assert_eq!(pipe.line, "Nov 22 08:00:00 a|b|c");
        let at = Timestamp::parse_rfc3339("2026-11-22T08:00:00Z").unwrap();
        for text in
            ["2026-11-22T08:00:00Z", "2026-11-22 10:00:00+02:00", "1795334400", "1795334400000"]
        {
            let line = format!("{text} | web01 | x y | z");
            let pipe = parse(&line).unwrap();
            assert!(matches!(pipe.time, EventTime::At(time) if time == at), "{text} {pipe:?}");
        }
        let pipe = parse("2026-11-22T08:00:00|web01|x|z").unwrap();
        assert!(matches!(pipe.time, EventTime::Guessed(time, "no_zone") if time == at));
    }

    #[test]
    fn other_lines_are_of_another_form() {
        for no in [
            "",
            "a|b|c|d",
            "2026-11-22T08:00:00Z|web01|x",
            "2026-11-22T08:00:00Z||x|y",
            "2026-11-22T08:00:00Z|a b|x|y",
            "2026-11-22T08:00:00Z|a|b|",
            "12|a|b|c",
            "1795334400x|a|b|c",
            "CEF:0|a|b|c|d|e|f|",
        ] {
            assert!(parse(no).is_none(), "{no}");
        }
    }

    proptest! {
        #[test]
        fn any_text_does_no_harm(text in "[0-9|: TZa.\\-]{0,60}") {
            let _ = parse(&text);
        }
    }
}
