//! Risk, 0 to 100: a sum of parts that a person can read and check.

use crate::alert::bundle::NEAR_US;
use crate::model::episode::OpenEpisode;
use crate::model::severity::Severity;
use crate::stdx::time::SECOND_US;

/// Most points that repeats can add.
const REPEATS_MAX: u32 = 10;
/// Points for a match that joined several events.
const CORRELATED: u8 = 5;
/// Points when another rule of the bundle fired near, and when several did.
const TWO_RULES: u8 = 5;
const MANY_RULES: u8 = 10;
/// Points for a rule of a late tactic.
const LATE_TACTIC: u8 = 5;
/// Tactics after which damage is done or near (Sigma spells them with `-` or `_`).
const LATE_TACTICS: [&str; 5] =
    ["credential-access", "lateral-movement", "exfiltration", "impact", "command-and-control"];

/// The parts of an episode's risk, in the order they are shown, and their sum, 100 at most.
pub(crate) fn score(episode: &OpenEpisode) -> (u8, Vec<(String, u8)>) {
    let severity = episode.severity;
    let mut parts = vec![(format!("severity ({severity})"), base(severity))];
    parts.extend(episode.fixed_parts.iter().cloned());
    if episode.near > 1 {
        let points = if episode.near > 2 { MANY_RULES } else { TWO_RULES };
        let minutes = NEAR_US / (60 * SECOND_US);
        parts.push((format!("correlation ({} rules in {minutes} min)", episode.near), points));
    }
    if episode.correlated {
        parts.push(("joined (several events)".to_owned(), CORRELATED));
    }
    // A doubling of the count is worth one point: 2 → 1, 8 → 3, 1024 → 10.
    let repeats = episode.count.checked_ilog2().unwrap_or(0).min(REPEATS_MAX);
    if repeats > 0 {
        let points = u8::try_from(repeats).unwrap_or(u8::MAX);
        parts.push((format!("repeats ({} matches)", episode.count), points));
    }
    if let Some(tactic) = late_tactic(&episode.tags) {
        parts.push((format!("tactic ({tactic})"), LATE_TACTIC));
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
