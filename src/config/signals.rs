//! `[signals]`: which signals run, working hours, and lists that signals name.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use crate::config::reader::Reader;
use crate::stdx::time::Timestamp;

/// Series of the automatic counters, where nobody says otherwise.
const EVENT_SERIES_DEFAULT: u64 = 1_000;
/// How often signal files are looked at, where nobody says otherwise: a change is in force within a second.
const WATCH_DEFAULT: Duration = Duration::from_millis(250);
/// Rows of state of all signals, where nobody says otherwise.
const ROWS_DEFAULT: u64 = 100_000;
/// The mounts of secrets engines that Vault ships with, and its own paths.
const VAULT_PATHS: &str = "auth/*, sys/*, identity/*, cubbyhole/*, secret/*, kv/*, kv-v2/*, kv2/*, pki*, ssh*, transit/*, \
    database/*, aws/*, azure/*, gcp/*, totp/*, kubernetes/*, ldap/*, consul/*, nomad/*, rabbitmq/*, terraform/*";
const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// Signals and what they share.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalsConfig {
    /// `builtin` and paths of files or folders.
    pub paths: Vec<String>,
    /// How often the files of signals are looked at for changes; zero: never.
    pub watch: Duration,
    /// Rows of state of all signals together.
    pub rows_max: usize,
    /// Series of the counters that every event type has by itself.
    pub event_series_max: usize,
    /// When people work.
    pub calendar: Calendar,
    /// Named lists of patterns.
    pub lists: BTreeMap<String, Vec<String>>,
}

impl Default for SignalsConfig {
    fn default() -> SignalsConfig {
        SignalsConfig {
            paths: vec!["builtin".to_owned()],
            watch: WATCH_DEFAULT,
            rows_max: usize::try_from(ROWS_DEFAULT).unwrap_or(usize::MAX),
            event_series_max: usize::try_from(EVENT_SERIES_DEFAULT).unwrap_or(usize::MAX),
            calendar: Calendar::default(),
            lists: BTreeMap::from([
                ("vault_paths".to_owned(), words(VAULT_PATHS)),
                ("vault_production".to_owned(), words("*prod*")),
            ]),
        }
    }
}

/// Working hours in a time zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar {
    zone: TimeZone,
    /// Minutes of the day: from, and until before.
    hours: (u16, u16),
    days: Vec<Weekday>,
    /// Days on which nobody works; without a year: every year.
    holidays: BTreeSet<(Option<i16>, i8, i8)>,
}

impl Default for Calendar {
    fn default() -> Calendar {
        Calendar {
            zone: TimeZone::UTC,
            hours: (7 * 60, 19 * 60),
            days: DAYS.iter().take(5).map(|(_, day)| *day).collect(),
            holidays: BTreeSet::new(),
        }
    }
}

impl Calendar {
    /// Do people work then? Hours that cross midnight belong to the day on which they begin.
    pub fn is_working(&self, at: Timestamp) -> bool {
        let local = at.to_jiff().to_zoned(self.zone.clone());
        let minute = u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute()));
        let minute = minute.unwrap_or(0);
        let (from, until) = self.hours;
        let (inside, begun_yesterday) = if from <= until {
            (minute >= from && minute < until, false)
        } else {
            (minute >= from || minute < until, minute < until)
        };
        let date = local.date();
        let day = if begun_yesterday { date.yesterday().unwrap_or(date) } else { date };
        let holiday = |year| self.holidays.contains(&(year, day.month(), day.day()));
        inside && self.days.contains(&day.weekday()) && !holiday(None) && !holiday(Some(day.year()))
    }
}

/// Take the section's keys.
pub fn read(reader: &mut Reader) -> SignalsConfig {
    let mut config = SignalsConfig {
        paths: reader.texts(
            "signals.paths",
            &["builtin"],
            "`builtin` and files or folders with signals; all are loaded, an empty list switches signals off.",
        ),
        ..SignalsConfig::default()
    };
    config.watch = reader.duration(
        "signals.watch",
        WATCH_DEFAULT,
        "How often a daemon looks for changed signal files; a change is taken up when a file is the same in two looks. `0s`: never.",
    );
    let count = |reader: &mut Reader, key, default, doc| {
        usize::try_from(reader.number(key, default, 1, doc)).unwrap_or(usize::MAX)
    };
    config.rows_max = count(
        reader,
        "signals.rows_max",
        ROWS_DEFAULT,
        "Rows of state of all signals; over it the one used longest ago is given up and counted.",
    );
    config.event_series_max = count(
        reader,
        "signals.event_series_max",
        EVENT_SERIES_DEFAULT,
        "Event types that are counted apart; over it they are counted together.",
    );
    config.calendar = calendar(reader);
    for (name, text) in reader.map("signals.lists") {
        config.lists.insert(name, words(&text));
    }
    config
}

fn words(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn calendar(reader: &mut Reader) -> Calendar {
    let mut calendar = Calendar::default();
    let name = reader.text(
        "signals.time_zone",
        "UTC",
        "The time zone of working hours, by its IANA name.",
    );
    match TimeZone::get(&name) {
        Ok(zone) => calendar.zone = zone,
        Err(_) => reader.complain(
            "signals.time_zone",
            format!("there is no time zone {name:?}"),
            "a name such as Europe/Berlin".to_owned(),
        ),
    }
    let hours = reader.text(
        "signals.hours",
        "07:00-19:00",
        "Working hours; `22:00-06:00` crosses midnight.",
    );
    match parse_hours(&hours) {
        Some(hours) => calendar.hours = hours,
        None => reader.complain(
            "signals.hours",
            format!("{hours:?} is no span of hours"),
            "write 07:00-19:00".to_owned(),
        ),
    }
    let given = reader.texts("signals.days", &["mon", "tue", "wed", "thu", "fri"], "Working days.");
    calendar.days.clear();
    for word in &given {
        match DAYS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name)) {
            Some((_, day)) => calendar.days.push(*day),
            None => reader.complain(
                "signals.days",
                format!("{word:?} is no day"),
                "mon, tue, wed, thu, fri, sat, sun".to_owned(),
            ),
        }
    }
    let holidays = reader.texts(
        "signals.holidays",
        &[],
        "Days on which nobody works: `2026-05-14`, or `12-25` for every year.",
    );
    for text in &holidays {
        match parse_holiday(text) {
            Some(day) => {
                calendar.holidays.insert(day);
            }
            None => reader.complain(
                "signals.holidays",
                format!("{text:?} is no day"),
                "write 2026-05-14, or 12-25 for every year".to_owned(),
            ),
        }
    }
    calendar
}

fn parse_hours(text: &str) -> Option<(u16, u16)> {
    let minute = |text: &str| {
        let (hour, minute) = text.trim().split_once(':')?;
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        (minute < 60 && hour * 60 + minute <= 24 * 60).then_some(hour * 60 + minute)
    };
    let (from, until) = text.split_once('-')?;
    Some((minute(from)?, minute(until)?))
}

fn parse_holiday(text: &str) -> Option<(Option<i16>, i8, i8)> {
    if let Ok(date) = text.parse::<jiff::civil::Date>() {
        return Some((Some(date.year()), date.month(), date.day()));
    }
    // A leap year, so that 02-29 is a day.
    let date = format!("2024-{text}").parse::<jiff::civil::Date>().ok()?;
    Some((None, date.month(), date.day()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::reader::Origin;

    fn calendar_of(keys: &[(&str, &str)]) -> (Calendar, Vec<String>) {
        let mut reader = Reader::default();
        for (key, value) in keys {
            reader.set(key, value, Origin::Default);
        }
        let config = read(&mut reader);
        (config.calendar, reader.problems.iter().map(ToString::to_string).collect())
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn hours_days_and_holidays_are_those_of_the_time_zone() {
        let (calendar, problems) = calendar_of(&[
            ("signals.time_zone", "Europe/Berlin"),
            ("signals.holidays", "[\"12-25\", \"2026-05-14\"]"),
        ]);
        assert!(problems.is_empty(), "{problems:?}");
        assert!(calendar.is_working(at("2026-11-25T06:30:00Z")), "07:30 in Berlin, a Wednesday");
        assert!(!calendar.is_working(at("2026-11-25T05:30:00Z")));
        assert!(!calendar.is_working(at("2026-11-28T12:00:00Z")), "a Saturday");
        assert!(!calendar.is_working(at("2026-12-25T12:00:00Z")));
        assert!(!calendar.is_working(at("2026-05-14T12:00:00Z")));
        assert!(calendar.is_working(at("2027-05-14T12:00:00Z")), "only in 2026");
    }

    #[test]
    fn a_night_shift_belongs_to_the_day_on_which_it_begins() {
        let (calendar, _) = calendar_of(&[("signals.hours", "22:00-06:00")]);
        assert!(calendar.is_working(at("2026-11-28T03:00:00Z")), "Friday's shift ends on Saturday");
        assert!(!calendar.is_working(at("2026-11-28T23:00:00Z")), "Saturday has none");
        assert!(!calendar.is_working(at("2026-11-30T03:00:00Z")), "nor does Sunday's night");
    }

    #[test]
    fn what_is_no_time_is_said_with_its_key() {
        let (_, problems) = calendar_of(&[
            ("signals.time_zone", "Mars/Base"),
            ("signals.hours", "9 to 5"),
            ("signals.days", "[\"mon\", \"noday\"]"),
            ("signals.holidays", "[\"13-40\"]"),
        ]);
        assert_eq!(problems.len(), 4, "{problems:?}");
    }
}
