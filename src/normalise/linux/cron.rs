//! cron, crond, crontab, anacron and atd: jobs run and tables changed.

use crate::model::class::Class;
use crate::model::event::Event;
use crate::model::field;
use crate::normalise::linux::kind::{Kind, Outcome, user_name};
use crate::normalise::linux::scrub::Scrub;

const RUN: Kind =
    Kind::new(Class::TaskSchedule, "process", "start", "cron_command", Outcome::Unknown);
const EDITED: Kind =
    Kind::new(Class::TaskSchedule, "configuration", "change", "crontab_changed", Outcome::Success);
const READ: Kind =
    Kind::new(Class::TaskSchedule, "configuration", "access", "crontab_read", Outcome::Success);
const RELOADED: Kind =
    Kind::new(Class::TaskSchedule, "configuration", "info", "crontab_reloaded", Outcome::Unknown);
const DENIED: Kind =
    Kind::new(Class::TaskSchedule, "configuration", "info", "crontab_denied", Outcome::Failure);
const FAILED: Kind =
    Kind::new(Class::TaskSchedule, "process", "info", "cron_failed", Outcome::Failure);
const ENDED: Kind =
    Kind::new(Class::TaskSchedule, "process", "end", "cron_ended", Outcome::Unknown);
const JOB: Kind = Kind::new(Class::TaskSchedule, "process", "info", "job", Outcome::Unknown);

/// Map `(root) CMD (command)`, `(bob) REPLACE (bob)` and the other lines of the cron family.
pub fn map(message: &str, scrub: &mut Scrub<'_>, event: &mut Event) -> bool {
    let Some((name, rest)) = message.strip_prefix('(').and_then(|rest| rest.split_once(") "))
    else {
        return job(message, scrub, event);
    };
    let (verb, detail) = rest.split_once(" (").unwrap_or((rest, ""));
    let detail = detail.strip_suffix(')').unwrap_or(detail);
    let kind = match verb {
        "CMD" => &RUN,
        "REPLACE" | "DELETE" | "BEGIN EDIT" | "END EDIT" => &EDITED,
        "LIST" => &READ,
        "RELOAD" => &RELOADED,
        "AUTH" => &DENIED,
        "CMDEND" => &ENDED,
        "WRONG FILE OWNER" | "BAD FILE MODE" | "ORPHAN" | "error" | "ERROR" => &FAILED,
        _ if verb.starts_with("FAILED") || verb.starts_with("Error") => &FAILED,
        _ => &JOB,
    };
    kind.set(event);
    // `(CRON) INFO (…)` and `(*system*) RELOAD (…)` name no user.
    if !matches!(name, "CRON" | "cron" | "crond") && !name.starts_with('*') {
        user_name(event, name);
    }
    match verb {
        "CMD" | "CMDEND" => {
            event.push_str(field::PROCESS_COMMAND_LINE, &scrub.text(detail));
        }
        "REPLACE" | "DELETE" | "LIST" | "BEGIN EDIT" | "END EDIT" => {
            event.push_str(field::USER_TARGET_NAME, detail);
        }
        "RELOAD" => event.push_str(field::FILE_PATH, detail),
        _ => event.push_str(field::EVENT_REASON, rest),
    }
    true
}

fn job(message: &str, scrub: &mut Scrub<'_>, event: &mut Event) -> bool {
    // BusyBox: `USER root pid 123 cmd run-parts /etc/periodic/15min`.
    if let Some(rest) = message.trim_start().strip_prefix("USER ")
        && let Some((name, command)) = rest.split_once(" cmd ")
    {
        RUN.set(event);
        user_name(event, name.split(' ').next().unwrap_or(name));
        event.push_str(field::PROCESS_COMMAND_LINE, &scrub.text(command));
        return true;
    }
    // atd: `Starting job 5 (a00005019) for user 'bob' (1000)`.
    if message.starts_with("Starting job ")
        && let Some((_, rest)) = message.split_once(" for user '")
    {
        RUN.set(event);
        user_name(event, rest.split('\'').next().unwrap_or(""));
        return true;
    }
    let known = message.starts_with("Job `")
        || message.starts_with("Starting job ")
        || message.starts_with("Anacron ")
        || message.starts_with("Normal exit")
        || message.starts_with("Updated timestamp for job");
    if known {
        JOB.set(event);
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalise::linux::scrub::tests::with_scrub;

    #[test]
    fn jobs_and_tables() {
        let mut event = Event::default();
        let line = "(root) CMD (   cd / && run-parts --report /etc/cron.hourly)";
        assert!(with_scrub(|scrub| map(line, scrub, &mut event)));
        assert_eq!(event.str(field::USER_NAME), Some("root"));
        assert_eq!(
            event.str(field::PROCESS_COMMAND_LINE),
            Some("   cd / && run-parts --report /etc/cron.hourly")
        );
        let mut event = Event::default();
        assert!(with_scrub(|scrub| map("(bob) REPLACE (bob)", scrub, &mut event)));
        assert_eq!(event.str(field::EVENT_ACTION), Some("crontab_changed"));
        let mut event = Event::default();
        assert!(with_scrub(|scrub| map("(*system*) RELOAD (/etc/crontab)", scrub, &mut event)));
        assert!(!event.has(field::USER_NAME));
        for (line, action, user, command) in [
            (
                "USER root pid  12 cmd run-parts /etc/periodic/15min",
                "cron_command",
                Some("root"),
                Some("run-parts /etc/periodic/15min"),
            ),
            ("Starting job 5 (a00005019) for user 'bob' (1000)", "cron_command", Some("bob"), None),
            (
                "(bob) FAILED to authorize user with PAM (Permission denied)",
                "cron_failed",
                Some("bob"),
                None,
            ),
            ("(bob) AUTH (crontab command not allowed)", "crontab_denied", Some("bob"), None),
            (
                "(root) CMDEND (run-parts /etc/cron.hourly)",
                "cron_ended",
                Some("root"),
                Some("run-parts /etc/cron.hourly"),
            ),
            ("(root) BAD FILE MODE (/etc/crontab)", "cron_failed", Some("root"), None),
        ] {
            let mut event = Event::default();
            assert!(with_scrub(|scrub| map(line, scrub, &mut event)), "{line}");
            assert_eq!(event.str(field::EVENT_ACTION), Some(action), "{line}");
            assert_eq!(event.str(field::USER_NAME), user, "{line}");
            assert_eq!(event.str(field::PROCESS_COMMAND_LINE), command, "{line}");
        }
    }
}
