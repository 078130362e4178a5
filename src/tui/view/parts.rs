//! Small pieces that several screens draw the same way: severity, state, age, flags.

use std::net::IpAddr;

use crate::model::alert::{Alert, Status};
use crate::model::severity::Severity;
use crate::stdx::time::{SECOND_US, Timestamp};
use crate::tui::paint::canvas::Canvas;
use crate::tui::paint::format;
use crate::tui::paint::role::{Glyph, Role};
use crate::tui::paint::safe::SafeText;

/// The looks of a severity.
pub fn severity_role(severity: Severity) -> Role {
    match severity {
        Severity::Critical => Role::SeverityCritical,
        Severity::High => Role::SeverityHigh,
        Severity::Medium => Role::SeverityMedium,
        Severity::Low => Role::SeverityLow,
        Severity::Info => Role::SeverityInfo,
    }
}

/// The sign of a severity.
pub fn severity_glyph(severity: Severity) -> Glyph {
    match severity {
        Severity::Critical => Glyph::Critical,
        Severity::High => Glyph::High,
        Severity::Medium => Glyph::Medium,
        Severity::Low => Glyph::Low,
        Severity::Info => Glyph::Info,
    }
}

/// The state as the short word of lists, and its looks.
pub fn state(status: Status) -> (&'static str, Role) {
    match status {
        Status::Open => ("new", Role::StateOpen),
        Status::Acknowledged => ("ack", Role::StateAcknowledged),
        Status::Investigating => ("inv", Role::StateInvestigating),
        Status::Resolved => ("res", Role::StateResolved),
        Status::FalsePositive => ("fp", Role::StateFalsePositive),
    }
}

/// The state in full.
pub fn state_long(status: Status) -> &'static str {
    match status {
        Status::Open => "new",
        Status::Acknowledged => "acknowledged",
        Status::Investigating => "investigating",
        Status::Resolved => "resolved",
        Status::FalsePositive => "false positive",
    }
}

/// An age by minutes: the screen is not drawn again every second only for ages.
pub fn age(at: Timestamp, now: Timestamp) -> SafeText {
    let minutes = now.micros_since(at).div_euclid(60 * SECOND_US);
    match minutes {
        0 => SafeText::label("<1m"),
        1..100 => SafeText::line(&format!("{minutes}m")),
        _ => format::age(at, now),
    }
}

/// A host's name in at most so many columns: whole, else without its domain, else cut in the middle, because the names of
/// a fleet differ at their ends. A name with anything hidden in it keeps all its parts.
pub fn host(name: &str, columns: u16) -> SafeText {
    let columns = usize::from(columns);
    let whole = SafeText::line(name);
    let is_name = !whole.altered() && name.parse::<IpAddr>().is_err();
    match name.split_once('.').filter(|(own, _)| is_name && !own.is_empty()) {
        Some((own, _)) if whole.width() > columns => SafeText::line(own).truncated_middle(columns),
        _ => whole.truncated_middle(columns),
    }
}

/// Does any text of the alert hold characters that cannot be shown as they are?
pub fn has_hidden(alert: &Alert) -> bool {
    let plain = [&alert.rule_name, &alert.host, &alert.user, &alert.rule_id];
    let lists = alert.tags.iter().chain(alert.assignee.as_ref());
    let pairs = alert.matched.iter().chain(&alert.group).flat_map(|(name, value)| [name, value]);
    plain.into_iter().chain(lists).chain(pairs).any(|text| SafeText::line(text).altered())
}

/// Draw a severity as sign and word, eight columns. Returns the columns used.
pub fn draw_severity(
    canvas: &mut Canvas<'_>,
    x: u16,
    y: u16,
    severity: Severity,
    role: Role,
) -> u16 {
    let used = canvas.glyph(x, y, severity_glyph(severity), role);
    used + 1 + canvas.text(x + used + 1, y, 4, &format::severity(severity), role)
}

/// A title in a horizontal rule: `-- title ------`. Returns the column after the title.
pub fn draw_rule(canvas: &mut Canvas<'_>, y: u16, title: &SafeText, role: Role) -> u16 {
    canvas.hline(y, Role::Rule);
    if title.is_empty() {
        return 0;
    }
    let room = canvas.width().saturating_sub(6);
    canvas.label(3, y, " ", role);
    let used = canvas.text(4, y, room, title, role);
    canvas.label(4 + used, y, " ", role);
    5 + used
}

/// Several labels and texts as one line.
pub fn line(parts: &[&str]) -> SafeText {
    SafeText::line(&parts.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_keeps_what_tells_it_from_its_neighbours() {
        let shown = |name: &str, columns| host(name, columns).as_str().to_owned();
        assert_eq!(shown("web-0001.eu.example", 19), "web-0001.eu.example");
        assert_eq!(shown("web-0001.eu.example", 12), "web-0001");
        assert_eq!(shown("prod-eu-west-web-0001.example", 12), "prod-..-0001");
        assert_eq!(shown("prod-eu-west-web-0002", 12), "prod-..-0002");
        assert_eq!(shown("2001:db8:0:0:1234::1", 12), "2001:..34::1");
        assert_eq!(shown("198.51.100.107", 12), "198.5..0.107");
        assert_eq!(shown(".example.of.nothing", 12), ".exam..thing");
        let hidden = shown("web\u{202e}.eu.example.org", 12);
        assert_eq!(hidden, "web<..>.org");
    }
}
