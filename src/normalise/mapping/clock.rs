//! Times as programs write them, in the forms that need no telling apart, and in forms that a mapping names.

use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;

use crate::normalise::complete::EventTime;
use crate::normalise::linux::stamp::{self, Wall, Years};
use crate::normalise::mapping::rules::Times;
use crate::normalise::time::{self, days_from_civil};
use crate::stdx::time::{SECOND_US, Timestamp};

/// What a time without year or zone is read by.
pub struct Anchor<'a> {
    /// No record is newer than this.
    pub newest: Timestamp,
    /// The zone of times that state none; `None`: UTC.
    pub zone: Option<&'a TimeZone>,
}

/// Read a time. `None`: it is none.
pub fn read(
    text: &str,
    times: &Times,
    years: &mut Years,
    anchor: &Anchor<'_>,
) -> Option<EventTime> {
    let text = text.trim().trim_matches(['[', ']', '"']);
    if let Some(at) = tai64n(text) {
        return Some(EventTime::At(at));
    }
    let read = |text: &str| {
        let named = times.formats.iter().find_map(|format| by_format(format, text));
        named.or_else(|| usual(text))
    };
    let stated = zone_word(text);
    let (wall, stated) = match (read(text), &stated) {
        (Some(wall), None) => (wall, None),
        // `Apr 16 21:05:29 PDT` is read without its zone, too.
        (found, Some((rest, zone))) => match read(rest).or(found) {
            Some(wall) => (wall, Some(zone)),
            None => return epoch(text, times),
        },
        (None, None) => return epoch(text, times),
    };
    let zone = stated.or(if times.utc { None } else { anchor.zone });
    match years.resolve_in(&wall, anchor.newest, zone) {
        Some(at) => Some(EventTime::At(at)),
        None => Some(EventTime::None("bad_time")),
    }
}

/// A zone's name at the end or the beginning of a time, and the rest.
fn zone_word(text: &str) -> Option<(&str, TimeZone)> {
    let ends = text.rsplit_once(' ').map(|(rest, word)| (word, rest));
    [ends, text.split_once(' ')].into_iter().flatten().find_map(|(word, rest)| {
        let word = word.trim_matches(['(', ')']);
        let letters = word.starts_with(|first: char| first.is_ascii_alphabetic());
        if letters && word.contains('/') && word.len() <= 40 {
            return TimeZone::get(word).ok().map(|zone| (rest, zone));
        }
        let hours = ABBREVIATIONS.iter().find(|(name, _)| *name == word)?.1;
        let offset = jiff::tz::Offset::from_seconds(hours * 3_600).ok()?;
        Some((rest, TimeZone::fixed(offset)))
    })
}

/// Abbreviations that mean one thing to the programs that write them, in hours east of UTC.
const ABBREVIATIONS: [(&str, i32); 17] = [
    ("UTC", 0),
    ("GMT", 0),
    ("WET", 0),
    ("WEST", 1),
    ("CET", 1),
    ("CEST", 2),
    ("EET", 2),
    ("EEST", 3),
    ("MSK", 3),
    ("EST", -5),
    ("EDT", -4),
    ("CST", -6),
    ("CDT", -5),
    ("MST", -7),
    ("MDT", -6),
    ("PST", -8),
    ("PDT", -7),
];

/// `@` and 24 hexadecimal digits, as daemontools' multilog stamps lines (<https://cr.yp.to/libtai/tai64.html>).
fn tai64n(text: &str) -> Option<Timestamp> {
    let digits = text.strip_prefix('@').unwrap_or(text);
    if digits.len() != 24 || !digits.starts_with('4') {
        return None;
    }
    let seconds = u64::from_str_radix(digits.get(..16)?, 16).ok()?;
    let nanos = i64::from(u32::from_str_radix(digits.get(16..)?, 16).ok()?);
    // The label counts from 2^62; its clock was ten seconds ahead of UTC at the epoch, and programs keep to that.
    let since = i64::try_from(seconds.checked_sub(1 << 62)?).ok()?.checked_sub(10)?;
    Some(Timestamp(since.checked_mul(SECOND_US)?.checked_add(nanos / 1_000)?))
}

fn epoch(text: &str, times: &Times) -> Option<EventTime> {
    let number: f64 = text.parse().ok()?;
    let at = match times.per_second {
        Some(steps) => time::from_epoch_number(number / steps),
        None => time::from_epoch_number(number),
    };
    Some(at.map_or(EventTime::None("bad_time"), EventTime::At))
}

/// A `strptime` format. Without a year the year is worked out as for syslog.
fn by_format(format: &str, text: &str) -> Option<Wall> {
    let (broken, _rest) = BrokenDownTime::parse_prefix(format, text)
        .ok()
        .map(|(broken, used)| (broken, text.get(used..).unwrap_or_default()))?;
    let month = u8::try_from(broken.month()?).ok()?;
    let day = u8::try_from(broken.day()?).ok()?;
    let part = |value: Option<i8>| value.map_or(0, i64::from);
    let seconds = part(broken.hour()) * 3_600 + part(broken.minute()) * 60 + part(broken.second());
    let fraction = broken.subsec_nanosecond().map_or(0, |nanos| i64::from(nanos) / 1_000);
    Some(Wall {
        year: broken.year().map(i64::from),
        month,
        day,
        of_day_us: seconds * SECOND_US + fraction,
        zone_s: broken.offset().map(|offset| i64::from(offset.seconds())),
    })
}

/// The forms that are told apart by their look.
fn usual(text: &str) -> Option<Wall> {
    if let Some(written) = time::parse(text) {
        return Some(from_written(written));
    }
    if let Some((wall, _)) = stamp::parse_bsd(text).or_else(|| stamp::parse_iso(text)) {
        return Some(wall);
    }
    FORMS.iter().find_map(|form| by_format(form, text).filter(possible))
}

fn possible(wall: &Wall) -> bool {
    let year = wall.year.unwrap_or(2_000);
    days_from_civil(year, i64::from(wall.month), i64::from(wall.day)).is_some()
}

/// Common and web logs, asctime, mail, databases, appliances.
const FORMS: &[&str] = &[
    "%d/%b/%Y:%H:%M:%S%.f %z",
    "%d/%b/%Y:%H:%M:%S%.f",
    "%Y/%m/%d %H:%M:%S%.f %z",
    "%Y/%m/%d %H:%M:%S%.f",
    "%Y/%m/%d-%H:%M:%S%.f",
    "%a %b %d %H:%M:%S%.f %Y",
    "%a, %d %b %Y %H:%M:%S%.f %z",
    "%a, %d %b %Y %H:%M:%S",
    "%d-%b-%Y %H:%M:%S%.f",
    "%d %b %Y %H:%M:%S%.f",
    "%b %d %Y %H:%M:%S%.f",
    "%b %d, %Y %H:%M:%S%.f",
    "%Y.%m.%d %H:%M:%S%.f",
    "%Y-%m-%d-%H:%M:%S%.f",
    "%Y%m%d-%H%M%S",
    "%Y%m%dT%H%M%S%z",
    "%Y%m%dT%H%M%SZ",
];

fn from_written(written: time::Written) -> Wall {
    let days = written.clock_us.div_euclid(86_400 * SECOND_US);
    let (year, month, day) = stamp::civil_from_days(days);
    Wall {
        year: Some(year),
        month,
        day,
        of_day_us: written.clock_us.rem_euclid(86_400 * SECOND_US),
        zone_s: written.zone_us.map(|zone| zone / SECOND_US),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, times: &Times, zone: Option<&TimeZone>) -> Option<String> {
        let newest = Timestamp::parse_rfc3339("2026-11-25T12:00:00Z").unwrap();
        match read(text, times, &mut Years::default(), &Anchor { newest, zone })? {
            EventTime::At(at) => Some(at.to_string().replace(".000000Z", "Z")),
            _ => None,
        }
    }

    #[test]
    fn usual_forms() {
        for (text, wanted) in [
            ("10/Oct/2025:13:55:36 -0700", "2025-10-10T20:55:36Z"),
            ("[Fri Dec 13 06:59:54.123456 2024]", "2024-12-13T06:59:54.123456Z"),
            ("2025/03/04 05:06:07", "2025-03-04T05:06:07Z"),
            ("Mar  4 05:06:07", "2026-03-04T05:06:07Z"),
            ("Tue, 04 Mar 2025 05:06:07 +0100", "2025-03-04T04:06:07Z"),
            ("04-Mar-2025 05:06:07.250", "2025-03-04T05:06:07.250000Z"),
            ("1741064767.5", "2025-03-04T05:06:07.500000Z"),
            ("@4000000067c68a4900000000", "2025-03-04T05:06:07Z"),
            ("Apr 16 2025 21:05:29 PDT", "2025-04-17T04:05:29Z"),
            ("04-Mar-2025 05:06:07 Europe/Berlin", "2025-03-04T04:06:07Z"),
            ("2025-03-04T05:06:07.123+01:00", "2025-03-04T04:06:07.123000Z"),
        ] {
            assert_eq!(at(text, &Times::default(), None).as_deref(), Some(wanted), "{text}");
        }
        assert_eq!(at("yesterday", &Times::default(), None), None);
    }

    #[test]
    fn a_zone_is_for_times_that_state_none() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let plain = at("2025/07/04 05:06:07", &Times::default(), Some(&zone));
        assert_eq!(plain.as_deref(), Some("2025-07-04T03:06:07Z"));
        let zoned = at("2025-07-04T05:06:07Z", &Times::default(), Some(&zone));
        assert_eq!(zoned.as_deref(), Some("2025-07-04T05:06:07Z"));
    }

    #[test]
    fn named_forms_come_first() {
        let times = Times { formats: vec!["%d.%m.%Y %H:%M".to_owned()], ..Times::default() };
        assert_eq!(at("04.03.2025 05:06", &times, None).as_deref(), Some("2025-03-04T05:06:00Z"));
    }
}
