//! Reading the times that records state. Fast for the one form that nearly all of them use; no locale, no guessing.

use crate::stdx::time::{SECOND_US, Timestamp};

const MINUTE_US: i64 = 60 * SECOND_US;
/// Zones are whole quarters of an hour.
const QUARTER_US: i64 = 15 * MINUTE_US;
/// No zone is further from UTC than this.
const ZONE_US_MAX: i64 = 14 * 60 * MINUTE_US;

/// A time as written: what its clock showed, and the zone if it stated one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Microseconds since the epoch as if the clock showed UTC.
    pub clock_us: i64,
    /// What to subtract to get UTC; `None`: the text names no zone.
    pub zone_us: Option<i64>,
}

impl Written {
    /// The instant, if the zone was stated.
    pub fn instant(self) -> Option<Timestamp> {
        Some(Timestamp(self.clock_us.checked_sub(self.zone_us?)?))
    }

    /// The instant, taking a time without zone for UTC.
    pub fn instant_or_utc(self) -> Timestamp {
        Timestamp(self.clock_us.saturating_sub(self.zone_us.unwrap_or(0)))
    }
}

/// Read `2026-11-22T08:08:48.613Z`: date and time divided by `T` or a blank, any fraction (after `.` or `,`),
/// `Z`, `UTC`, `±hh:mm`, `±hhmm`, `±hh` or no zone at all.
pub fn parse(text: &str) -> Option<Written> {
    let bytes = text.trim_ascii().as_bytes();
    let year = digits(bytes, 0, 4)?;
    let month = digits(bytes, 5, 2)?;
    let day = digits(bytes, 8, 2)?;
    let hour = digits(bytes, 11, 2)?;
    let minute = digits(bytes, 14, 2)?;
    let second = digits(bytes, 17, 2)?;
    let marks = bytes.get(4) == Some(&b'-')
        && bytes.get(7) == Some(&b'-')
        && matches!(bytes.get(10), Some(b'T' | b't' | b' '))
        && bytes.get(13) == Some(&b':')
        && bytes.get(16) == Some(&b':');
    if !marks || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days_from_civil(year, month, day)?;
    let (fraction_us, rest) = fraction(bytes.get(19..)?);
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(Written { clock_us: seconds * SECOND_US + fraction_us, zone_us: zone(rest)? })
}

/// Read an instant that states its zone.
pub fn parse_zoned(text: &str) -> Option<Timestamp> {
    parse(text)?.instant()
}

/// Seconds, milliseconds, microseconds or nanoseconds since the epoch, told apart by size: good for 2001 to 2286.
pub fn from_epoch_number(number: f64) -> Option<Timestamp> {
    let micros = match number.abs() {
        size if !(1e9..1e19).contains(&size) => return None,
        size if size < 1e10 => number * 1e6,
        size if size < 1e13 => number * 1e3,
        size if size < 1e16 => number,
        _ => number / 1e3,
    };
    // In range by the match above; the fraction of a microsecond is dropped.
    Some(Timestamp(micros.round() as i64))
}

/// How far a clock without stated zone is ahead of UTC, from one instant that is known in both ways; `slack_us` is
/// how much later the known instant may have been taken. `None`: no zone explains the difference.
pub fn zone_between(clock_us: i64, known: Timestamp, slack_us: i64) -> Option<i64> {
    let ahead = clock_us.checked_sub(known.0)?;
    let zone = (ahead + QUARTER_US / 2).div_euclid(QUARTER_US) * QUARTER_US;
    let plausible = zone.abs() <= ZONE_US_MAX && (ahead - zone).abs() <= slack_us;
    plausible.then_some(zone)
}

/// Days since 1970-01-01 of a date of the Gregorian calendar; `None` for one that does not exist.
pub fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if day < 1 || day > length {
        return None;
    }
    // Howard Hinnant's algorithm: years begin in March, so that the leap day is the last.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

fn digits(bytes: &[u8], at: usize, count: usize) -> Option<i64> {
    let mut number = 0;
    for byte in bytes.get(at..at + count)? {
        if !byte.is_ascii_digit() {
            return None;
        }
        number = number * 10 + i64::from(byte - b'0');
    }
    Some(number)
}

fn fraction(bytes: &[u8]) -> (i64, &[u8]) {
    let Some((b'.' | b',', rest)) = bytes.split_first() else { return (0, bytes) };
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut micros = 0;
    for place in 0..6 {
        let digit = rest.get(place).filter(|_| place < count).map_or(0, |byte| byte - b'0');
        micros = micros * 10 + i64::from(digit);
    }
    (micros, rest.get(count..).unwrap_or_default())
}

/// The outer `None`: not a zone.
fn zone(bytes: &[u8]) -> Option<Option<i64>> {
    let text = bytes.trim_ascii();
    let (sign, rest) = match text.split_first() {
        None => return Some(None),
        Some((b'+', rest)) => (1, rest),
        Some((b'-', rest)) => (-1, rest),
        Some(_) => {
            let utc = text.eq_ignore_ascii_case(b"z")
                || text.eq_ignore_ascii_case(b"utc")
                || text.eq_ignore_ascii_case(b"gmt");
            return utc.then_some(Some(0));
        }
    };
    let hours = digits(rest, 0, 2)?;
    let minutes = match rest.len() {
        2 => 0,
        4 => digits(rest, 2, 2)?,
        5 if rest.get(2) == Some(&b':') => digits(rest, 3, 2)?,
        _ => return None,
    };
    Some(Some(sign * (hours * 60 + minutes) * MINUTE_US))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_usual_forms() {
        let at = |text| parse_zoned(text).map(|at| at.to_string());
        let expected = Some("2026-11-22T08:08:48.613000Z".to_owned());
        assert_eq!(at("2026-11-22T08:08:48.613Z"), expected);
        assert_eq!(at("2026-11-22 08:08:48.6130000 UTC"), expected);
        assert_eq!(at("2026-11-22T10:08:48,613+02:00"), expected);
        assert_eq!(at("2026-11-22T02:38:48.613-0530"), expected);
        assert_eq!(at("2026-11-22T08:08:48"), None);
        assert_eq!(parse("2026-11-22 08:08:48").unwrap().zone_us, None);
        for wrong in
            ["", "2026-02-30T00:00:00Z", "2026-11-22T25:00:00Z", "2026-11-22T08:08:48X", "x"]
        {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_zone_is_worked_out_from_one_known_instant() {
        let clock = parse("2020-09-04 16:09:40").unwrap().clock_us;
        let known = parse_zoned("2020-09-04T20:09:40.845Z").unwrap();
        assert_eq!(zone_between(clock, known, 5 * MINUTE_US), Some(-4 * 60 * MINUTE_US));
        let odd = known.plus_micros(7 * MINUTE_US);
        assert_eq!(zone_between(clock, odd, 5 * MINUTE_US), None);
        assert_eq!(zone_between(clock, Timestamp(0), 5 * MINUTE_US), None);
    }

    #[test]
    fn epoch_numbers_of_every_unit() {
        for number in [1_700_000_000.25, 1_700_000_000_250.0, 1_700_000_000_250_000.0] {
            assert_eq!(from_epoch_number(number), Some(Timestamp(1_700_000_000_250_000)));
        }
        assert_eq!(from_epoch_number(5.0), None);
        assert_eq!(from_epoch_number(f64::NAN), None);
    }

    proptest! {
        #[test]
        fn agrees_with_the_library(micros in -62_000_000_000_000_000_i64..250_000_000_000_000_000) {
            let text = Timestamp(micros).to_string();
            prop_assert_eq!(parse_zoned(&text), Some(Timestamp(micros)));
        }

        #[test]
        fn never_panics(text in ".{0,40}") {
            let _ = parse(&text);
        }
    }
}
