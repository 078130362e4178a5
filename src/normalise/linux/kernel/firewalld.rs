//! firewalld: errors and warnings of the packet filter's daemon, with the command that failed.

use crate::model::class::Class;
use crate::model::event::Event;
use crate::model::field;
use crate::normalise::linux::kind::{Kind, Outcome};
use crate::normalise::linux::scrub::Scrub;

const ERROR: Kind =
    Kind::new(Class::Other, "configuration", "info", "firewalld_error", Outcome::Failure);
const WARNING: Kind =
    Kind::new(Class::Other, "configuration", "info", "firewalld_warning", Outcome::Failure);
const NOTE: Kind =
    Kind::new(Class::Other, "configuration", "info", "firewalld_message", Outcome::Unknown);

/// Map a line: `[2014-07-18 10:51:43 ]LEVEL: [CODE: ]text`, where the text may hold `'command' failed: reason`.
pub fn map(message: &str, scrub: &mut Scrub<'_>, event: &mut Event) -> bool {
    let text = without_date(message.trim());
    let Some((level, rest)) = text.split_once(": ") else { return false };
    let kind = match level {
        "ERROR" | "FATAL ERROR" => &ERROR,
        "WARNING" => &WARNING,
        "INFO" | "DEBUG" => &NOTE,
        _ => return false,
    };
    kind.set(event);
    event.push_str(field::LOG_LEVEL, &level.to_ascii_lowercase());
    let (code, rest) = code(rest);
    if let Some(code) = code {
        event.push_str(field::EVENT_CODE, code);
    }
    let command = rest.strip_prefix('\'').and_then(|rest| rest.split_once("' failed"));
    match command {
        Some((command, reason)) => {
            event.push_str(field::PROCESS_COMMAND_LINE, &scrub.text(command));
            event.push_str(field::EVENT_REASON, reason.trim_start_matches([':', ' ']));
        }
        None if !rest.is_empty() => event.push_str(field::EVENT_REASON, rest),
        None => {}
    }
    true
}

/// Older versions write their own date besides syslog's.
fn without_date(text: &str) -> &str {
    let dated = text.split_once(' ').and_then(|(date, rest)| {
        let (time, rest) = rest.split_once(' ')?;
        let fits = |word: &str, mark| word.bytes().all(|b| b.is_ascii_digit() || b == mark);
        (fits(date, b'-') && date.len() == 10 && fits(time, b':')).then_some(rest)
    });
    dated.unwrap_or(text)
}

/// `ZONE_ALREADY_SET`, `COMMAND_FAILED: …`.
fn code(text: &str) -> (Option<&str>, &str) {
    let (word, rest) = text.split_once(": ").unwrap_or((text, ""));
    let is_code = word.len() > 3
        && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        && word.contains('_');
    if is_code { (Some(word), rest) } else { (None, text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalise::linux::scrub::tests::with_scrub;

    #[test]
    fn errors_with_and_without_a_command() {
        for (text, action, code, command, reason) in [
            (
                "2014-01-02 10:51:43 ERROR: COMMAND_FAILED: '/sbin/iptables -D X -g Y' failed: no chain",
                "firewalld_error",
                Some("COMMAND_FAILED"),
                Some("/sbin/iptables -D X -g Y"),
                Some("no chain"),
            ),
            ("ERROR: ZONE_ALREADY_SET", "firewalld_error", Some("ZONE_ALREADY_SET"), None, None),
            (
                "WARNING: AllowZoneDrifting is enabled. This is considered insecure.",
                "firewalld_warning",
                None,
                None,
                Some("AllowZoneDrifting is enabled. This is considered insecure."),
            ),
        ] {
            let mut event = Event::default();
            assert!(with_scrub(|scrub| map(text, scrub, &mut event)), "{text}");
            assert_eq!(event.str(field::EVENT_ACTION), Some(action), "{text}");
            assert_eq!(event.str(field::EVENT_CODE), code, "{text}");
            assert_eq!(event.str(field::PROCESS_COMMAND_LINE), command, "{text}");
            assert_eq!(event.str(field::EVENT_REASON), reason, "{text}");
        }
        let mut event = Event::default();
        assert!(!with_scrub(|scrub| map("a sentence: with a colon", scrub, &mut event)));
    }
}
