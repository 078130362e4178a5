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
    Kind::new(Class::TaskSchedule, "configuration", "denied", "crontab_denied", Outcome::Failure);
const JOB: Kind = Kind::new(Class::TaskSchedule, "process", "info", "job", Outcome::Unknown);

/// Map `(root) CMD (command)`, `(bob) REPLACE (bob)` and the other lines of the cron family.
pub fn map(message: &str, scrub: &mut Scrub<'_>, event: &mut Event) -> bool {
    let Some((name, rest)) = message.strip_prefix('(').and_then(|rest| rest.split_once(") "))
    else {
        return job(message, event);
    };
    let (verb, detail) = rest.split_once(" (").unwrap_or((rest, ""));
    let detail = detail.strip_suffix(')').unwrap_or(detail);
    let kind = match verb {
        "CMD" => &RUN,
        "REPLACE" | "DELETE" | "BEGIN EDIT" | "END EDIT" => &EDITED,
        "LIST" => &READ,
        "RELOAD" => &RELOADED,
        "AUTH" => &DENIED,
        _ => &JOB,
    };
    kind.set(event);
    // `(CRON) INFO (…)` and `(*system*) RELOAD (…)` name no user.
    if !matches!(name, "CRON" | "cron" | "crond") && !name.starts_with('*') {
        user_name(event, name);
    }
    match verb {
        "CMD" => {
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

fn job(message: &str, event: &mut Event) -> bool {
    let known = message.starts_with("Job `")
        || message.starts_with("Starting job ")
        || message.starts_with("Anacron ")
        || message.starts_with("Normal exit");
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
    }
}
