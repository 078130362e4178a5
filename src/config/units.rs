//! Lengths of time and sizes as people write them.

use std::time::Duration;

/// Read `250ms`, `10s`, `5m`, `4h`, `7d`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(split)?;
    let number: u64 = number.parse().ok()?;
    let millis = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

/// Write it in the largest unit that divides it.
pub(crate) fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if millis > 0 && millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    format!("{millis}ms")
}

const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Read `512`, `64 KiB`, `1 GiB`.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(split)?;
    let number: u64 = number.parse().ok()?;
    let unit = unit.trim();
    if unit.is_empty() {
        return Some(number);
    }
    let (_, size) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    number.checked_mul(*size)
}

/// Write it in the largest unit that divides it.
pub(crate) fn show_size(bytes: u64) -> String {
    UNITS
        .iter()
        .find(|(_, size)| bytes >= *size && bytes.is_multiple_of(*size))
        .map_or_else(|| format!("{bytes} B"), |(unit, size)| format!("{} {unit}", bytes / size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_round_trip() {
        for text in ["250ms", "5m", "24h", "10s", "7d"] {
            let shown = show_duration(parse_duration(text).unwrap());
            assert_eq!(parse_duration(&shown), parse_duration(text));
        }
        assert_eq!(parse_size("64 MiB"), Some(64 << 20));
        assert_eq!(show_size(64 << 20), "64 MiB");
        assert_eq!(parse_size("12 parsecs"), None);
        assert_eq!(parse_duration("5"), None);
    }
}
