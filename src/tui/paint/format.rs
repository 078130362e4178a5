//! Numbers, times and ids as drawable text: the closed set of things that views may format themselves.

use crate::model::severity::Severity;
use crate::stdx::id::Id128;
use crate::stdx::time::{SECOND_US, Timestamp};
use crate::tui::paint::safe::SafeText;

/// A whole number.
pub fn number(value: u64) -> SafeText {
    SafeText::line(&value.to_string())
}

/// A whole number with thousands separated: `48,210`.
pub fn count(value: u64) -> SafeText {
    SafeText::line(&grouped(value))
}

/// A number right-aligned in `width` columns.
pub fn padded(value: u64, width: usize) -> SafeText {
    SafeText::line(&format!("{value:>width$}"))
}

/// A size: `1.2 MiB`.
pub fn bytes(value: u64) -> SafeText {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut size = value as f64;
    let mut unit = "B";
    for next in UNITS {
        if size < 1_024.0 {
            break;
        }
        size /= 1_024.0;
        unit = next;
    }
    if unit == "B" {
        return SafeText::line(&format!("{value} B"));
    }
    SafeText::line(&format!("{size:.1} {unit}"))
}

/// An age in at most three columns, `9s`, `2m`, `11h`, `3d`, `8w`, `6y`; `-` for the future.
pub fn age(at: Timestamp, now: Timestamp) -> SafeText {
    duration(now.micros_since(at) / SECOND_US)
}

/// A duration in seconds in at most three columns; negative ones as `-`.
pub fn duration(seconds: i64) -> SafeText {
    let text = match seconds {
        i64::MIN..0 => "-".to_owned(),
        0..100 => format!("{seconds}s"),
        100..6_000 => format!("{}m", seconds / 60),
        6_000..360_000 => format!("{}h", seconds / 3_600),
        360_000..8_640_000 => format!("{}d", seconds / 86_400),
        8_640_000..60_480_000 => format!("{}w", seconds / 604_800),
        60_480_000..3_155_760_000 => format!("{}y", seconds / 31_557_600),
        _ => "old".to_owned(),
    };
    SafeText::line(&text)
}

/// `2026-11-22 14:02:31Z`.
pub fn date_time(at: Timestamp) -> SafeText {
    SafeText::line(&at.to_jiff().strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// `2026-11-22`.
pub fn date(at: Timestamp) -> SafeText {
    SafeText::line(&at.to_jiff().strftime("%Y-%m-%d").to_string())
}

/// `14:02:31Z`.
pub fn clock(at: Timestamp) -> SafeText {
    SafeText::line(&at.to_jiff().strftime("%H:%M:%SZ").to_string())
}

/// `14:02Z`.
pub fn clock_minutes(at: Timestamp) -> SafeText {
    SafeText::line(&at.to_jiff().strftime("%H:%MZ").to_string())
}

/// The first eight digits of an id.
pub fn id_short(id: &Id128) -> SafeText {
    SafeText::line(id.to_string().get(..8).unwrap_or(""))
}

/// All digits of an id.
pub fn id(id: &Id128) -> SafeText {
    SafeText::line(&id.to_string())
}

/// The severity as the four-letter word of lists.
pub fn severity(severity: Severity) -> SafeText {
    SafeText::label(match severity {
        Severity::Critical => "CRIT",
        Severity::High => "HIGH",
        Severity::Medium => "MED",
        Severity::Low => "LOW",
        Severity::Info => "INFO",
    })
}

fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_stay_narrow() {
        for unit in [100, 6_000, 360_000, 8_640_000, 60_480_000, 3_155_760_000, i64::MAX - 1] {
            for seconds in [unit / 2, unit - 1, unit, unit + 1] {
                assert!(duration(seconds).width() <= 3, "{seconds}");
            }
        }
        assert_eq!(duration(120).as_str(), "2m");
        assert_eq!(duration(322 * 604_800).as_str(), "6y");
        assert_eq!(duration(-5).as_str(), "-");
        assert_eq!(count(1_048_210).as_str(), "1,048,210");
        assert_eq!(bytes(1_572_864).as_str(), "1.5 MiB");
    }
}
