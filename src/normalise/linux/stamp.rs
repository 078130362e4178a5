//! The times of syslog lines: RFC 3164 without a year, ISO 8601 with or without a zone, and the year that is
//! worked out from the age of the file and the order of its lines.
//!
//! A time without a zone is taken as UTC, unless the source names its zone (`timezone = "Europe/Berlin"`).

use jiff::tz::TimeZone;

use crate::normalise::time::days_from_civil;
use crate::stdx::time::{SECOND_US, Timestamp};

const DAY_US: i64 = 86_400 * SECOND_US;
/// Lines may stand this much out of order before a year is taken to have passed.
const DISORDER_US: i64 = 7 * DAY_US;
/// A line may be this much newer than the file's last change (clocks, a copied file's time).
const AHEAD_US: i64 = DAY_US;
/// How far back to look for a year that has the day (29 February).
const YEARS_BACK: i64 = 9;

/// A wall-clock time as a line gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wall {
    /// The year, if the line gave one.
    pub year: Option<i64>,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// Microseconds since midnight (of the stated zone).
    pub of_day_us: i64,
    /// Seconds east of UTC; `None`: the text names no zone.
    pub zone_s: Option<i64>,
}

/// The date of a number of days since 1970-01-01: year, month, day (Howard Hinnant's algorithm).
pub fn civil_from_days(days: i64) -> (i64, u8, u8) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, u8::try_from(month).unwrap_or(1), u8::try_from(day).unwrap_or(1))
}

/// The year a point in time falls in (UTC).
fn year_of(at: Timestamp) -> i64 {
    i64::from(at.to_jiff().to_zoned(jiff::tz::TimeZone::UTC).year())
}

impl Wall {
    /// The instant, if the wall time has a year or is given one; in UTC unless a zone was stated.
    pub fn in_year(&self, year: i64) -> Option<Timestamp> {
        self.in_year_and_zone(year, None)
    }

    /// The same; a time that states no zone is read in `zone`.
    pub fn in_year_and_zone(&self, year: i64, zone: Option<&TimeZone>) -> Option<Timestamp> {
        let (month, day) = (i64::from(self.month), i64::from(self.day));
        let days = days_from_civil(self.year.unwrap_or(year), month, day)?;
        let clock = days * DAY_US + self.of_day_us;
        let east_s = match (self.zone_s, zone) {
            (Some(stated), _) => stated,
            (None, None) => 0,
            (None, Some(zone)) => {
                // An hour that exists twice is read as its first, one that does not as if the clock had not been put on.
                let clock = Timestamp(clock).to_jiff().to_zoned(TimeZone::UTC).datetime();
                let there = zone.to_ambiguous_zoned(clock).compatible().ok()?;
                i64::from(there.offset().seconds())
            }
        };
        Some(Timestamp(clock - east_s * SECOND_US))
    }
}

/// Works out the years of lines that do not state one. Its state outlives batches and restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Years {
    /// The newest instant seen, or `None` before the first line.
    pub last: Option<Timestamp>,
}

impl Years {
    /// The instant of a line. `anchor`: no line is newer than this (the file's last change, or now for a live
    /// stream). `None`: no year near has that day.
    ///
    /// The first line gets the latest year that is not after the anchor. Every later line gets the earliest year that
    /// does not step back from the line before; where that would pass the anchor, the latest that does not.
    pub fn resolve(&mut self, wall: &Wall, anchor: Timestamp) -> Option<Timestamp> {
        self.resolve_in(wall, anchor, None)
    }

    /// The same, with the zone of times that state none.
    pub fn resolve_in(
        &mut self,
        wall: &Wall,
        anchor: Timestamp,
        zone: Option<&TimeZone>,
    ) -> Option<Timestamp> {
        let at = match wall.year {
            Some(year) => wall.in_year_and_zone(year, zone)?,
            None => self.guess(wall, anchor, zone)?,
        };
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
        Some(at)
    }

    fn guess(&self, wall: &Wall, anchor: Timestamp, zone: Option<&TimeZone>) -> Option<Timestamp> {
        let limit = anchor.plus_micros(AHEAD_US);
        if let Some(last) = self.last {
            let floor = last.plus_micros(-DISORDER_US);
            let start = year_of(floor);
            let forward = (start..start + YEARS_BACK)
                .filter_map(|year| wall.in_year_and_zone(year, zone))
                .find(|at| *at >= floor);
            if let Some(at) = forward.filter(|at| *at <= limit) {
                return Some(at);
            }
        }
        let newest = year_of(limit);
        (0..YEARS_BACK)
            .filter_map(|back| wall.in_year_and_zone(newest - back, zone))
            .find(|at| *at <= limit)
    }
}

/// `Mar 27 13:06:56`, `Mar  7 13:06:56.123`, `Mar 27 2026 13:06:56`; the rest of the text after it.
pub fn parse_bsd(text: &str) -> Option<(Wall, &str)> {
    let month = month_number(text.get(..3)?)?;
    let rest = text.get(3..)?.strip_prefix(' ')?.trim_start_matches(' ');
    let (day, rest) = number(rest, 1, 2)?;
    let mut rest = rest.strip_prefix(' ')?.trim_start_matches(' ');
    let mut year = None;
    if let Some((stated, after)) = number(rest, 4, 4)
        && let Some(after) = after.strip_prefix(' ')
    {
        year = Some(stated);
        rest = after;
    }
    let (of_day_us, rest) = time_of_day(rest)?;
    let day = u8::try_from(day).ok().filter(|day| (1..=31).contains(day))?;
    Some((Wall { year, month, day, of_day_us, zone_s: None }, rest))
}

/// `2026-11-22T10:00:00.123+00:00`, also with a space for the `T`, a comma for the point, `+0000` or no zone.
pub fn parse_iso(text: &str) -> Option<(Wall, &str)> {
    let (year, rest) = number(text, 4, 4)?;
    let (month, rest) = number(rest.strip_prefix('-')?, 2, 2)?;
    let (day, rest) = number(rest.strip_prefix('-')?, 2, 2)?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (of_day_us, rest) = time_of_day(rest)?;
    let (zone_s, rest) = zone(rest);
    let month = u8::try_from(month).ok()?;
    let day = u8::try_from(day).ok()?;
    days_from_civil(year, i64::from(month), i64::from(day))?;
    Some((Wall { year: Some(year), month, day, of_day_us, zone_s }, rest))
}

fn zone(text: &str) -> (Option<i64>, &str) {
    if let Some(rest) = text.strip_prefix(['Z', 'z']) {
        return (Some(0), rest);
    }
    let sign = match text.as_bytes().first() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return (None, text),
    };
    let digits = text.get(1..).unwrap_or("");
    let Some((hours, rest)) = number(digits, 2, 2) else { return (None, text) };
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    match number(rest, 2, 2) {
        Some((minutes, rest)) if hours <= 23 && minutes <= 59 => {
            (Some(sign * (hours * 3_600 + minutes * 60)), rest)
        }
        _ => (None, text),
    }
}

fn time_of_day(text: &str) -> Option<(i64, &str)> {
    let (hour, rest) = number(text, 1, 2)?;
    let (minute, rest) = number(rest.strip_prefix(':')?, 2, 2)?;
    let (second, rest) = number(rest.strip_prefix(':')?, 2, 2)?;
    // 60 is a leap second; it is counted into the next minute.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut micros = (hour * 3_600 + minute * 60 + second) * SECOND_US;
    let Some(fraction) = rest.strip_prefix(['.', ',']) else { return Some((micros, rest)) };
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 || digits > 9 {
        return Some((micros, rest));
    }
    let mut scale = SECOND_US;
    for digit in fraction.bytes().take(digits.min(6)) {
        scale /= 10;
        micros += i64::from(digit - b'0') * scale;
    }
    Some((micros, fraction.get(digits..)?))
}

/// A number of `least` to `most` digits and what follows it.
fn number(text: &str, least: usize, most: usize) -> Option<(i64, &str)> {
    let digits = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if digits < least {
        return None;
    }
    let (head, rest) = text.split_at_checked(digits)?;
    let value = head.bytes().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    Some((value, rest))
}

fn month_number(name: &str) -> Option<u8> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let index = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name))?;
    u8::try_from(index + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn wall(text: &str) -> Wall {
        parse_bsd(text).unwrap().0
    }

    #[test]
    fn iso_stamps_of_all_kinds() {
        for (text, expected) in [
            ("2026-11-22T10:00:00+00:00 rest", "2026-11-22T10:00:00Z"),
            ("2020-03-23 06:47:42.801612-0700  rest", "2020-03-23T13:47:42.801612Z"),
            ("2026-11-22T10:00:00,5Z rest", "2026-11-22T10:00:00.5Z"),
            ("2026-11-22 10:00:00 rest", "2026-11-22T10:00:00Z"),
            ("2024-02-29T23:59:60.123456789Z rest", "2024-03-01T00:00:00.123456Z"),
        ] {
            let (wall, rest) = parse_iso(text).unwrap();
            assert_eq!(wall.in_year(0), Some(at(expected)), "{text}");
            assert_eq!(rest.trim(), "rest");
        }
        assert_eq!(parse_iso("2026-02-29T10:00:00Z"), None);
        assert_eq!(parse_iso("2026-11-22T25:00:00Z"), None);
    }

    #[test]
    fn the_first_year_comes_from_the_anchor() {
        let anchor = at("2026-03-01T00:00:00Z");
        let mut years = Years::default();
        assert_eq!(
            years.resolve(&wall("Feb 28 23:59:59 x"), anchor),
            Some(at("2026-02-28T23:59:59Z"))
        );
        let mut years = Years::default();
        assert_eq!(
            years.resolve(&wall("Dec 31 23:59:59 x"), anchor),
            Some(at("2025-12-31T23:59:59Z"))
        );
    }

    #[test]
    fn the_year_turns_with_the_order_of_lines() {
        let anchor = at("2026-03-01T00:00:00Z");
        let mut years = Years::default();
        for (text, expected) in [
            ("Dec 31 23:59:59 x", "2025-12-31T23:59:59Z"),
            ("Jan  1 00:00:01 x", "2026-01-01T00:00:01Z"),
            ("Dec 31 23:59:58 x", "2025-12-31T23:59:58Z"),
            ("Jan 15 00:00:00 x", "2026-01-15T00:00:00Z"),
        ] {
            assert_eq!(years.resolve(&wall(text), anchor), Some(at(expected)), "{text}");
        }
    }

    #[test]
    fn a_quiet_year_goes_forward_not_to_the_nearest() {
        let mut years = Years { last: Some(at("2025-01-10T00:00:00Z")) };
        let anchor = at("2026-01-01T00:00:00Z");
        assert_eq!(
            years.resolve(&wall("Sep  1 00:00:00"), anchor),
            Some(at("2025-09-01T00:00:00Z"))
        );
    }

    #[test]
    fn a_leap_day_lies_in_a_leap_year() {
        let mut years = Years::default();
        let anchor = at("2026-03-05T00:00:00Z");
        assert_eq!(
            years.resolve(&wall("Feb 29 12:00:00"), anchor),
            Some(at("2024-02-29T12:00:00Z"))
        );
        assert_eq!(
            years.resolve(&wall("Mar  1 12:00:00"), anchor),
            Some(at("2024-03-01T12:00:00Z"))
        );
        assert_eq!(years.resolve(&wall("Feb 30 12:00:00"), anchor), None);
    }
}
