//! Risk, 0 to 100: a sum of parts that a person can read and check.

use crate::model::severity::Severity;

/// Most points that repeats can add.
const REPEATS_MAX: u32 = 10;
/// Points for a match that joined several events.
const CORRELATED: u8 = 5;
/// Points for a rule of a late tactic.
const LATE_TACTIC: u8 = 5;
/// Tactics after which damage is done or near (Sigma spells them with `-` or `_`).
const LATE_TACTICS: [&str; 5] =
    ["credential-access", "lateral-movement", "exfiltration", "impact", "command-and-control"];

/// The parts of an episode's risk, in the order they are shown, and their sum.
pub(crate) fn score(
    severity: Severity,
    count: u64,
    correlated: bool,
    tags: &[String],
) -> (u8, Vec<(String, u8)>) {
    let mut parts = vec![(format!("level {severity}"), base(severity))];
    // A doubling of the count is worth one point: 2 → 1, 8 → 3, 1024 → 10.
    let repeats = count.checked_ilog2().unwrap_or(0).min(REPEATS_MAX);
    if repeats > 0 {
        parts.push((format!("{count} matches"), u8::try_from(repeats).unwrap_or(u8::MAX)));
    }
    if correlated {
        parts.push(("several events joined".to_owned(), CORRELATED));
    }
    if let Some(tactic) = late_tactic(tags) {
        parts.push((format!("tactic {tactic}"), LATE_TACTIC));
    }
    let sum = parts.iter().map(|(_, points)| u32::from(*points)).sum::<u32>();
    (u8::try_from(sum.min(100)).unwrap_or(100), parts)
}

fn base(severity: Severity) -> u8 {
    match severity {
        Severity::Critical => 80,
        Severity::High => 60,
        Severity::Medium => 40,
        Severity::Low => 20,
        Severity::Info => 5,
    }
}

fn late_tactic(tags: &[String]) -> Option<&'static str> {
    let tactics = tags.iter().filter_map(|tag| tag.strip_prefix("attack."));
    for tactic in tactics {
        let plain = tactic.replace('_', "-");
        if let Some(known) = LATE_TACTICS.into_iter().find(|known| *known == plain) {
            return Some(known);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_that_of_the_parts_and_never_over_a_hundred() {
        let tags = vec!["attack.credential_access".to_owned(), "attack.t1110".to_owned()];
        for severity in Severity::ALL {
            for count in [0, 1, 2, 1_000, u64::MAX] {
                let (risk, parts) = score(severity, count, true, &tags);
                let sum: u32 = parts.iter().map(|(_, points)| u32::from(*points)).sum();
                assert_eq!(u32::from(risk), sum, "{parts:?}");
                assert!(risk <= 100);
            }
        }
        assert_eq!(score(Severity::High, 1, false, &[]).0, 60);
        assert_eq!(score(Severity::High, 8, false, &[]).0, 63);
    }
}
