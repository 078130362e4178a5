//! sudo, doas and pkexec: who ran what as whom, and who was not allowed to.

use crate::model::class::Class;
use crate::model::event::Event;
use crate::model::field;
use crate::normalise::linux::kind::{Kind, Outcome, user_name};
use crate::normalise::linux::scrub::Scrub;

const COMMAND: Kind =
    Kind::new(Class::PrivilegeUse, "process", "start", "sudo_command", Outcome::Success);
const WRONG_PASSWORD: Kind = Kind::new(
    Class::LogonFailure,
    "authentication",
    "start",
    "sudo_authentication",
    Outcome::Failure,
);
const DENIED: Kind =
    Kind::new(Class::PrivilegeUse, "process", "info", "sudo_denied", Outcome::Failure);
/// The rest of a command that did not fit into one line.
const CONTINUED: Kind =
    Kind::new(Class::Other, "process", "info", "sudo_command_continued", Outcome::Unknown);

/// Map a line of sudo: `bob : [problem ; ]TTY=… ; PWD=… ; USER=… ; COMMAND=…`.
pub fn map(message: &str, scrub: &mut Scrub<'_>, event: &mut Event) -> bool {
    let Some((name, rest)) = message.trim_start().split_once(" : ") else { return false };
    if let Some(rest) = rest.strip_prefix("(command continued) ")
        && !name.contains(' ')
    {
        CONTINUED.set(event);
        user_name(event, name);
        event.push_str(field::PROCESS_COMMAND_LINE, &scrub.text(rest.trim_end()));
        return true;
    }
    let has_parts = ["TTY=", "PWD=", "USER=", "COMMAND="].iter().any(|key| rest.contains(key));
    if name.contains(' ') || !(has_parts || rest.contains("sudoers") || rest.contains("password")) {
        return false;
    }
    let (problem, parts) = split_problem(rest);
    kind(problem).set(event);
    user_name(event, name);
    if !problem.is_empty() {
        event.push_str(field::EVENT_REASON, problem);
    }
    let parts = Parts::read(parts);
    push(event, field::PROCESS_TTY, parts.tty.filter(|tty| *tty != "unknown"));
    push(event, field::PROCESS_WORKING_DIRECTORY, parts.directory);
    push(event, field::USER_EFFECTIVE_NAME, parts.user);
    push(event, field::GROUP_NAME, parts.group);
    if let Some(command) = parts.command {
        let command = scrub.text(command);
        event.push_str(field::PROCESS_COMMAND_LINE, &command);
    }
    true
}

/// What stands before the first part is the reason of a refusal.
fn split_problem(rest: &str) -> (&str, &str) {
    if Parts::KEYS.iter().any(|key| rest.starts_with(key)) {
        return ("", rest);
    }
    match rest.split_once(" ; ") {
        Some((problem, parts)) => (problem.trim(), parts),
        None => (rest.trim(), ""),
    }
}

fn kind(problem: &str) -> &'static Kind {
    if problem.is_empty() {
        &COMMAND
    } else if problem.contains("incorrect password attempt")
        || problem.contains("authentication failure")
    {
        &WRONG_PASSWORD
    } else {
        &DENIED
    }
}

fn push(event: &mut Event, field: field::FieldId, text: Option<&str>) {
    if let Some(text) = text {
        event.push_str(field, text);
    }
}

/// The parts of a line, in sudo's own order. The command is last and runs to the end.
#[derive(Default)]
struct Parts<'a> {
    tty: Option<&'a str>,
    directory: Option<&'a str>,
    user: Option<&'a str>,
    group: Option<&'a str>,
    command: Option<&'a str>,
}

impl<'a> Parts<'a> {
    const KEYS: [&'static str; 9] =
        ["HOST=", "TTY=", "CHROOT=", "PWD=", "USER=", "GROUP=", "TSID=", "ENV=", "COMMAND="];

    fn read(text: &'a str) -> Parts<'a> {
        let mut parts = Parts::default();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(command) = rest.strip_prefix("COMMAND=") {
                parts.command = Some(command.trim_end());
                break;
            }
            let (part, after) = next_part(rest);
            rest = after;
            let Some((key, value)) = part.split_once('=') else { continue };
            match key {
                "TTY" => parts.tty = Some(value),
                "PWD" => parts.directory = Some(value),
                "USER" => parts.user = Some(value),
                "GROUP" => parts.group = Some(value),
                _ => {}
            }
        }
        parts
    }
}

/// A part ends at a ` ; ` behind which a known key stands: a directory name may hold ` ; ` itself.
fn next_part(text: &str) -> (&str, &str) {
    for (at, separator) in text.match_indices(" ; ") {
        let after = text.get(at + separator.len()..).unwrap_or("");
        if Parts::KEYS.iter().any(|key| after.starts_with(key)) {
            return (text.get(..at).unwrap_or(text), after);
        }
    }
    (text.trim_end(), "")
}

const DOAS: Kind =
    Kind::new(Class::PrivilegeUse, "process", "start", "doas_command", Outcome::Success);
const DOAS_DENIED: Kind =
    Kind::new(Class::PrivilegeUse, "process", "info", "doas_denied", Outcome::Failure);
const DOAS_PASSWORD: Kind = Kind::new(
    Class::LogonFailure,
    "authentication",
    "start",
    "doas_authentication",
    Outcome::Failure,
);

/// Map a line of doas: `bob ran command CMD as root from DIR`, `bob ran command as root: CMD`, `failed auth for bob`,
/// `command not permitted for bob: CMD`, `failed command for bob: CMD`.
pub fn map_doas(message: &str, scrub: &mut Scrub<'_>, event: &mut Event) -> bool {
    if let Some(name) = message.strip_prefix("failed auth for ") {
        DOAS_PASSWORD.set(event);
        user_name(event, name.trim());
        return true;
    }
    for prefix in ["command not permitted for ", "failed command for "] {
        if let Some((name, command)) =
            message.strip_prefix(prefix).and_then(|rest| rest.split_once(": "))
        {
            DOAS_DENIED.set(event);
            user_name(event, name);
            event.push_str(field::PROCESS_COMMAND_LINE, &scrub.text(command));
            return true;
        }
    }
    let Some((name, rest)) = message.split_once(" ran command ") else { return false };
    DOAS.set(event);
    user_name(event, name);
    // Older versions name the user before the command.
    let (command, target, directory) =
        match rest.strip_prefix("as ").and_then(|r| r.split_once(": ")) {
            Some((target, command)) => (command, target, ""),
            None => {
                let (rest, directory) = rest.rsplit_once(" from ").unwrap_or((rest, ""));
                let (command, target) = rest.rsplit_once(" as ").unwrap_or((rest, ""));
                (command, target, directory)
            }
        };
    push(event, field::USER_EFFECTIVE_NAME, Some(target).filter(|name| !name.is_empty()));
    push(event, field::PROCESS_WORKING_DIRECTORY, Some(directory).filter(|path| !path.is_empty()));
    event.push_str(field::PROCESS_COMMAND_LINE, &scrub.text(command));
    true
}

const PKEXEC: Kind =
    Kind::new(Class::PrivilegeUse, "process", "start", "pkexec_command", Outcome::Success);
const PKEXEC_DENIED: Kind =
    Kind::new(Class::PrivilegeUse, "process", "info", "pkexec_denied", Outcome::Failure);

/// Map a line of pkexec: `bob: Executing command [USER=root] [TTY=/dev/pts/0] [CWD=/home/bob] [COMMAND=/usr/bin/id]`; any other
/// words in the place of the first two are a refusal.
pub fn map_pkexec(message: &str, scrub: &mut Scrub<'_>, event: &mut Event) -> bool {
    let Some((name, rest)) = message.split_once(": ") else { return false };
    let Some((what, parts)) = rest.split_once(" [USER=") else { return false };
    if what == "Executing command" {
        PKEXEC.set(event);
    } else {
        PKEXEC_DENIED.set(event);
        event.push_str(field::EVENT_REASON, what);
    }
    user_name(event, name);
    let (target, parts) = parts.split_once(']').unwrap_or((parts, ""));
    event.push_str(field::USER_EFFECTIVE_NAME, target);
    let part = |key: &str| {
        let (_, rest) = parts.split_once(key)?;
        // The command is last and may hold brackets.
        let end = if key == "[COMMAND=" { rest.rfind(']') } else { rest.find(']') };
        rest.get(..end?)
    };
    push(event, field::PROCESS_TTY, part("[TTY=").filter(|tty| *tty != "unknown"));
    push(event, field::PROCESS_WORKING_DIRECTORY, part("[CWD="));
    if let Some(command) = part("[COMMAND=") {
        event.push_str(field::PROCESS_COMMAND_LINE, &scrub.text(command));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalise::linux::scrub::tests::with_scrub;

    fn mapped(message: &str) -> Event {
        let mut event = Event::with_capacity(8, 128);
        assert!(with_scrub(|scrub| map(message, scrub, &mut event)), "{message}");
        event
    }

    #[test]
    fn a_command_with_its_circumstances() {
        let event = mapped(
            "  bob : TTY=pts/0 ; PWD=/home/bob ; USER=root ; COMMAND=/bin/sh -c 'a ; USER=x'",
        );
        assert_eq!(event.class, Class::PrivilegeUse);
        assert_eq!(event.str(field::USER_NAME), Some("bob"));
        assert_eq!(event.str(field::USER_EFFECTIVE_NAME), Some("root"));
        assert_eq!(event.str(field::PROCESS_TTY), Some("pts/0"));
        assert_eq!(event.str(field::PROCESS_WORKING_DIRECTORY), Some("/home/bob"));
        assert_eq!(event.str(field::PROCESS_COMMAND_LINE), Some("/bin/sh -c 'a ; USER=x'"));
        let event = mapped("bob : PWD=/tmp/a ; b ; USER=root ; COMMAND=/usr/bin/id");
        assert_eq!(event.str(field::PROCESS_WORKING_DIRECTORY), Some("/tmp/a ; b"));
    }

    #[test]
    fn refusals() {
        let event = mapped(
            "bob : 3 incorrect password attempts ; TTY=pts/1 ; PWD=/ ; USER=root ; COMMAND=/bin/su",
        );
        assert_eq!(event.class, Class::LogonFailure);
        assert_eq!(event.str(field::EVENT_REASON), Some("3 incorrect password attempts"));
        let event =
            mapped("eve : user NOT in sudoers ; TTY=pts/1 ; PWD=/ ; USER=root ; COMMAND=/bin/su");
        assert_eq!(event.str(field::EVENT_ACTION), Some("sudo_denied"));
        assert_eq!(event.str(field::EVENT_OUTCOME), Some("failure"));
    }

    #[test]
    fn doas_lines() {
        for (line, action, user, target, command) in [
            (
                "bob ran command whoami as root from /home/bob",
                "doas_command",
                "bob",
                Some("root"),
                Some("whoami"),
            ),
            ("bob ran command as www: ls -l", "doas_command", "bob", Some("www"), Some("ls -l")),
            ("failed command for bob: ls", "doas_denied", "bob", None, Some("ls")),
            ("command not permitted for bob: ls", "doas_denied", "bob", None, Some("ls")),
            ("failed auth for bob", "doas_authentication", "bob", None, None),
        ] {
            let mut event = Event::default();
            assert!(with_scrub(|scrub| map_doas(line, scrub, &mut event)), "{line}");
            assert_eq!(event.str(field::EVENT_ACTION), Some(action), "{line}");
            assert_eq!(event.str(field::USER_NAME), Some(user), "{line}");
            assert_eq!(event.str(field::USER_EFFECTIVE_NAME), target, "{line}");
            assert_eq!(event.str(field::PROCESS_COMMAND_LINE), command, "{line}");
        }
    }

    #[test]
    fn pkexec_lines_and_long_commands() {
        let mut event = Event::default();
        let line = "bob: Executing command [USER=root] [TTY=/dev/pts/0] [CWD=/home/bob] [COMMAND=/bin/sh -c [x]]";
        assert!(with_scrub(|scrub| map_pkexec(line, scrub, &mut event)));
        assert_eq!(event.str(field::PROCESS_COMMAND_LINE), Some("/bin/sh -c [x]"));
        assert_eq!(event.str(field::PROCESS_WORKING_DIRECTORY), Some("/home/bob"));
        assert_eq!(event.str(field::USER_EFFECTIVE_NAME), Some("root"));
        let mut event = Event::default();
        let line = "bob: The value for the SHELL variable was not found the /etc/shells file [USER=root] [TTY=unknown] [CWD=/] [COMMAND=/x]";
        assert!(with_scrub(|scrub| map_pkexec(line, scrub, &mut event)));
        assert_eq!(event.str(field::EVENT_OUTCOME), Some("failure"));
        let event = mapped("bob : (command continued) --more --words");
        assert_eq!(event.str(field::PROCESS_COMMAND_LINE), Some("--more --words"));
    }
}
