//! Times as tests write them, compared with the time of an event as far as the test states it.

use std::sync::LazyLock;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use regex::Regex;

use crate::stdx::time::Timestamp;

/// The zone that fail2ban's own tests run in.
const ZURICH: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
/// Its clock stands still on 2005-08-14: lines without a year are of 2005, or of 2004 where that would be later.
const INFERRED_YEARS: [i16; 2] = [2004, 2005];
/// Zones that people write as a word, in hours.
const NAMED: [(&str, i32); 12] = [
    ("UTC", 0),
    ("GMT", 0),
    ("CET", 1),
    ("CEST", 2),
    ("BST", 1),
    ("EST", -5),
    ("EDT", -4),
    ("CST", -6),
    ("CDT", -5),
    ("MSK", 3),
    ("PST", -8),
    ("PDT", -7),
];

static ZONE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"\d{1,2}:\d\d(?::\d\d(?:[.,:]\d+)?)?(?: ?[AP]M)? ?(Z\b|[+-]\d\d:?\d\d(?:[^\d:]|$))")
        .ok()
});
static EPOCH: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?:^|[^0-9.])1[0-9]{9}(?:\.\d+)?(?:[^0-9]|$)").ok());

/// Does an event's time agree with the local time that fail2ban expects of this line?
///
/// - A line without a zone: the clock shows the expected time (we read such clocks as UTC).
/// - A line with a zone: the instants are equal (the expected time is that of Zurich), or the clock shows the
///   expected time (filters that leave the zone aside).
/// - A line without a year: month, day and time of day are compared, the year is not; fail2ban works it out from a
///   clock that stands in 2005.
/// - A fraction that is not expected is left aside.
pub fn agrees_with_fail2ban(at: Timestamp, expected: &str, line: &str) -> bool {
    let Ok(expected) = expected.parse::<DateTime>() else { return false };
    let zones = stated_zones(line);
    let mut offsets: Vec<i32> = zones.clone();
    if zones.is_empty() {
        offsets.push(0);
    }
    let epoch = EPOCH.as_ref().is_some_and(|pattern| pattern.is_match(line));
    if (epoch || !zones.is_empty())
        && let Ok(zone) = TimeZone::posix(ZURICH)
    {
        offsets.push(zone.to_offset(at.to_jiff()).seconds());
    }
    let whole = expected.subsec_nanosecond() == 0;
    let year_counts =
        !INFERRED_YEARS.contains(&expected.year()) || line.contains(&expected.year().to_string());
    offsets.iter().any(|offset| {
        let Ok(offset) = jiff::tz::Offset::from_seconds(*offset) else { return false };
        let shown = offset.to_datetime(at.to_jiff());
        let year = !year_counts || shown.year() == expected.year();
        let fraction =
            whole || shown.subsec_nanosecond() / 1_000 == expected.subsec_nanosecond() / 1_000;
        let date = (shown.month(), shown.day()) == (expected.month(), expected.day());
        let time = (shown.hour(), shown.minute(), shown.second())
            == (expected.hour(), expected.minute(), expected.second());
        year && date && time && fraction
    })
}

/// Seconds east of UTC of every zone that follows a time in the line.
fn stated_zones(line: &str) -> Vec<i32> {
    let mut zones: Vec<i32> = Vec::new();
    if let Some(pattern) = ZONE.as_ref() {
        let found = pattern.captures_iter(line).filter_map(|captures| captures.get(1));
        zones.extend(found.filter_map(|zone| offset(zone.as_str())));
    }
    let words = line.split(|c: char| !c.is_ascii_alphanumeric()).take(16);
    for word in words {
        if let Some((_, hours)) = NAMED.iter().find(|(name, _)| *name == word) {
            zones.push(hours * 3_600);
        }
    }
    zones
}

/// `Z`, `+0200`, `-05:30` in seconds.
fn offset(text: &str) -> Option<i32> {
    if text == "Z" {
        return Some(0);
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let number: i32 = digits.parse().ok()?;
    let seconds = (number / 100) * 3_600 + (number % 100) * 60;
    Some(if text.starts_with('-') { -seconds } else { seconds })
}

/// Does an event's time agree with a time as a log writes it (`Feb 12 14:10:21`, `12/Feb/2022:14:10:21 +0100`, ISO 8601,
/// epoch seconds)? What the text leaves out (year, zone, fraction) is not compared; without zone the clock counts as UTC.
pub fn agrees_as_written(at: Timestamp, text: &str) -> bool {
    let shown = jiff::tz::Offset::UTC.to_datetime(at.to_jiff());
    if let Ok(seconds) = text.parse::<f64>()
        && seconds > 1e8
    {
        return (at.micros() as f64 / 1e6 - seconds).abs() < 0.001;
    }
    let Some(written) = Written::read(text) else { return false };
    let shown = match written.zone {
        Some(zone) => match jiff::tz::Offset::from_seconds(zone) {
            Ok(zone) => zone.to_datetime(at.to_jiff()),
            Err(_) => return false,
        },
        None => shown,
    };
    let (hour, minute, second) = written.time;
    let fits = |stated: Option<i64>, shown: i64| stated.is_none_or(|stated| stated == shown);
    fits(written.year, i64::from(shown.year()))
        && fits(written.month, i64::from(shown.month()))
        && fits(written.day, i64::from(shown.day()))
        && (hour, minute, second)
            == (i64::from(shown.hour()), i64::from(shown.minute()), i64::from(shown.second()))
}

/// The parts of a time that a text states.
struct Written {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    time: (i64, i64, i64),
    zone: Option<i32>,
}

impl Written {
    /// Find the time of day, then what stands before it (the date) and after it (year of `ctime`, zone).
    fn read(text: &str) -> Option<Written> {
        static TIME: LazyLock<Option<Regex>> =
            LazyLock::new(|| Regex::new(r"(?:^|\D)(\d{1,2}):(\d\d):(\d\d)").ok());
        let found = TIME.as_ref()?.captures(text)?;
        let (all, clock) = (found.get(0)?, found.get(1)?);
        let number = |index: usize| found.get(index)?.as_str().parse::<i64>().ok();
        let time = (number(1)?, number(2)?, number(3)?);
        let before = text.get(..clock.start())?.trim_end_matches([':', 'T', ' ']);
        let after = text.get(all.end()..)?;
        let zone = stated_zones(text).first().copied();
        let mut written = Written { year: None, month: None, day: None, time, zone };
        let words: Vec<&str> =
            before.split(['-', '/', ' ', ',']).filter(|word| !word.is_empty()).collect();
        if let [year, _, _] = words.as_slice()
            && before.len() == 8
            && before.contains('-')
        {
            // `21-05-13`: the year comes first, as in ISO 8601.
            written.year = year.parse::<i64>().ok().map(|year| 2_000 + year);
        }
        if let [month, day] = words.as_slice()
            && before.starts_with('-')
        {
            // ISO 8601 without its year.
            written.month = month.parse().ok();
            written.day = day.parse().ok();
        }
        for word in words.iter().skip(usize::from(written.year.is_some())) {
            written.take(word);
        }
        for word in after.split(' ') {
            if word.len() == 4 && written.year.is_none() {
                written.year = word.parse().ok();
            }
        }
        Some(written)
    }

    fn take(&mut self, word: &str) {
        const MONTHS: [&str; 12] =
            ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
        match word.parse::<i64>() {
            Ok(number) if word.len() == 4 => self.year = Some(number),
            // A month in figures stands after the year.
            Ok(number) if self.month.is_none() && self.year.is_some() => self.month = Some(number),
            Ok(number) if self.day.is_none() => self.day = Some(number),
            Ok(_) => {}
            Err(_) => {
                let word = word.to_lowercase();
                let month = MONTHS.iter().position(|month| word.starts_with(month));
                self.month = self.month.or(month.and_then(|index| i64::try_from(index + 1).ok()));
            }
        }
    }
}
