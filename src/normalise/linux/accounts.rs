//! The shadow tools: useradd, userdel, usermod, groupadd, groupdel, groupmod, passwd, chage, chfn, chsh, gpasswd.

use crate::model::class::Class;
use crate::model::event::Event;
use crate::model::field;
use crate::normalise::linux::kind::{Kind, Outcome, user_name};

const fn kind(types: &'static str, action: &'static str) -> Kind {
    Kind::new(Class::AccountChange, "iam", types, action, Outcome::Success)
}

const USER_ADDED: Kind = kind("user creation", "user_added");
const USER_DELETED: Kind = kind("user deletion", "user_deleted");
const USER_CHANGED: Kind = kind("user change", "user_changed");
const GROUP_ADDED: Kind = kind("group creation", "group_added");
const GROUP_DELETED: Kind = kind("group deletion", "group_deleted");
const GROUP_CHANGED: Kind = kind("group change", "group_changed");
const MEMBER_ADDED: Kind = kind("group change", "group_member_added");
const MEMBER_REMOVED: Kind = kind("group change", "group_member_removed");
const PASSWORD_CHANGED: Kind = kind("user change", "password_changed");
const FAILED: Kind =
    Kind::new(Class::AccountChange, "iam", "info", "account_change_failed", Outcome::Failure);

/// Map a line of one of the tools.
pub fn map(program: &str, message: &str, event: &mut Event) -> bool {
    if message.starts_with("failed ")
        || message.contains(" failed")
        || message.starts_with("cannot ")
    {
        FAILED.set(event);
        quoted_user(message, event);
        event.push_str(field::EVENT_REASON, message);
        return true;
    }
    added(message, event)
        || members(message, event)
        || removed(message, event)
        || changed(program, message, event)
}

/// `new user: name=a, UID=1, GID=1, home=/home/a, shell=/bin/sh, from=none`, `new group: name=a, GID=1`,
/// `group added to /etc/group: name=a, GID=1`.
fn added(message: &str, event: &mut Event) -> bool {
    let Some((what, parts)) = message.split_once(": name=") else { return false };
    let (name, rest) = parts.split_once(", ").unwrap_or((parts, ""));
    let part =
        |key: &str| rest.split(", ").find_map(|part| part.strip_prefix(key)?.strip_prefix('='));
    if what == "new user" || what == "new account" {
        USER_ADDED.set(event);
        event.push_str(field::USER_TARGET_NAME, name);
        push(event, field::USER_TARGET_ID, part("UID"));
        push(event, field::GROUP_ID, part("GID"));
        push(event, field::USER_TARGET_HOME, part("home"));
        push(event, field::USER_TARGET_SHELL, part("shell"));
        return true;
    }
    if what.starts_with("new group") || what.starts_with("group added") {
        GROUP_ADDED.set(event);
        event.push_str(field::GROUP_NAME, name);
        push(event, field::GROUP_ID, part("GID"));
        return true;
    }
    false
}

/// `add 'bob' to [shadow ]group 'sudo'`, `delete 'bob' from group 'sudo'`, `user bob added by root to group sudo`.
fn members(message: &str, event: &mut Event) -> bool {
    let mut names = Quoted(message);
    if message.starts_with("add ") && message.contains("group ") {
        MEMBER_ADDED.set(event);
        push(event, field::USER_TARGET_NAME, names.next());
        push(event, field::GROUP_NAME, names.next());
        return true;
    }
    if message.starts_with("delete ") && message.contains(" from ") && message.contains("group ") {
        MEMBER_REMOVED.set(event);
        push(event, field::USER_TARGET_NAME, names.next());
        push(event, field::GROUP_NAME, names.next());
        return true;
    }
    let Some(rest) = message.strip_prefix("user ") else { return false };
    for (verb, link, kind) in [
        (" added by ", " to group ", &MEMBER_ADDED),
        (" removed by ", " from group ", &MEMBER_REMOVED),
    ] {
        if let Some((target, rest)) = rest.split_once(verb)
            && let Some((actor, group)) = rest.split_once(link)
        {
            kind.set(event);
            user_name(event, actor);
            event.push_str(field::USER_TARGET_NAME, target);
            event.push_str(field::GROUP_NAME, group.trim());
            return true;
        }
    }
    false
}

/// `delete user 'bob'`, `removed group 'bob' owned by 'bob'`, `group 'bob' removed`, `remove group 'bob'`.
fn removed(message: &str, event: &mut Event) -> bool {
    if message.starts_with("delete user ") {
        USER_DELETED.set(event);
        quoted_user(message, event);
        return true;
    }
    let group = message.starts_with("removed group ")
        || message.starts_with("removed shadow group ")
        || message.starts_with("remove group ")
        || (message.starts_with("group ") && message.contains(" removed"));
    if group {
        GROUP_DELETED.set(event);
        push(event, field::GROUP_NAME, Quoted(message).next());
    }
    group
}

/// `password for 'bob' changed by 'root'`, `change user 'bob' shell …`, `changed password expiry for bob`,
/// `lock user 'bob' password`, `changed user 'bob' information`.
fn changed(program: &str, message: &str, event: &mut Event) -> bool {
    if message.starts_with("password for ") && message.contains("changed") {
        PASSWORD_CHANGED.set(event);
        let mut names = Quoted(message);
        push(event, field::USER_TARGET_NAME, names.next());
        push(event, field::USER_NAME, names.next());
        return true;
    }
    // groupmod: `group changed in /etc/group (group admins/1001, new name: wheel)`.
    if let Some(rest) = message.strip_prefix("group changed in ") {
        GROUP_CHANGED.set(event);
        let name = rest.split_once("(group ").map_or("", |(_, rest)| rest);
        let (name, rest) = name.split_once('/').unwrap_or((name, ""));
        push(event, field::GROUP_NAME, Some(name));
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        push(event, field::GROUP_ID, rest.get(..digits));
        event.push_str(field::EVENT_REASON, message);
        return true;
    }
    // gpasswd: `password of group admins changed by root`, `members of group admins set by root to bob,eve`.
    if let Some((what, rest)) = message.split_once(" of group ")
        && matches!(what, "password" | "members" | "administrators")
    {
        GROUP_CHANGED.set(event);
        push(event, field::GROUP_NAME, rest.split(' ').next());
        let actor = rest.split_once(" by ").map_or("", |(_, rest)| rest);
        user_name(event, actor.split(' ').next().unwrap_or(""));
        event.push_str(field::EVENT_REASON, message);
        return true;
    }
    let starts = ["change ", "changed ", "lock ", "unlock ", "set "]
        .iter()
        .any(|word| message.starts_with(word));
    if !starts {
        return false;
    }
    if program.starts_with("group") {
        GROUP_CHANGED.set(event);
        push(event, field::GROUP_NAME, Quoted(message).next());
        return true;
    }
    if message.contains("password") && !message.contains("expiry") {
        PASSWORD_CHANGED.set(event);
    } else {
        USER_CHANGED.set(event);
    }
    if let Some(name) = message.strip_prefix("changed password expiry for ") {
        event.push_str(field::USER_TARGET_NAME, name.trim_matches(['\'', '`']));
    } else {
        quoted_user(message, event);
    }
    event.push_str(field::EVENT_REASON, message);
    true
}

fn quoted_user(message: &str, event: &mut Event) {
    push(event, field::USER_TARGET_NAME, Quoted(message).next());
}

fn push(event: &mut Event, field: field::FieldId, text: Option<&str>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        event.push_str(field, text);
    }
}

/// The names in quotes, `'a'` or the older `` `a' ``.
struct Quoted<'a>(&'a str);

impl<'a> Iterator for Quoted<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (_, rest) = self.0.split_once(['\'', '`'])?;
        let (name, rest) = rest.split_once('\'')?;
        self.0 = rest;
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_tools_write() {
        for (program, text, action, user, group) in [
            (
                "useradd",
                "new user: name=eve, UID=0, GID=0, home=/root, shell=/bin/bash, from=none",
                "user_added",
                Some("eve"),
                None,
            ),
            ("useradd", "new group: name=eve, GID=1001", "group_added", None, Some("eve")),
            (
                "groupadd",
                "group added to /etc/group: name=eve, GID=1001",
                "group_added",
                None,
                Some("eve"),
            ),
            (
                "usermod",
                "add 'eve' to group 'sudo'",
                "group_member_added",
                Some("eve"),
                Some("sudo"),
            ),
            (
                "gpasswd",
                "user eve added by root to group sudo",
                "group_member_added",
                Some("eve"),
                Some("sudo"),
            ),
            ("userdel", "delete user 'eve'", "user_deleted", Some("eve"), None),
            (
                "userdel",
                "delete `eve' from group `users'",
                "group_member_removed",
                Some("eve"),
                Some("users"),
            ),
            ("userdel", "removed group 'eve' owned by 'eve'", "group_deleted", None, Some("eve")),
            (
                "passwd",
                "password for 'eve' changed by 'root'",
                "password_changed",
                Some("eve"),
                None,
            ),
            (
                "usermod",
                "change user 'eve' shell from '/bin/sh' to '/bin/bash'",
                "user_changed",
                Some("eve"),
                None,
            ),
            (
                "groupmod",
                "group changed in /etc/group (group admins/1001, new name: wheel)",
                "group_changed",
                None,
                Some("admins"),
            ),
            (
                "gpasswd",
                "members of group admins set by root to bob,eve",
                "group_changed",
                None,
                Some("admins"),
            ),
            (
                "usermod",
                "change user 'eve' UID from '1001' to '0'",
                "user_changed",
                Some("eve"),
                None,
            ),
            ("usermod", "lock user 'eve' password", "password_changed", Some("eve"), None),
            ("chage", "changed password expiry for eve", "user_changed", Some("eve"), None),
            (
                "useradd",
                "failed adding user 'eve', data deleted",
                "account_change_failed",
                Some("eve"),
                None,
            ),
        ] {
            let mut event = Event::default();
            assert!(map(program, text, &mut event), "{text}");
            assert_eq!(event.str(field::EVENT_ACTION), Some(action), "{text}");
            assert_eq!(event.str(field::USER_TARGET_NAME), user, "{text}");
            assert_eq!(event.str(field::GROUP_NAME), group, "{text}");
            assert_eq!(event.class, Class::AccountChange);
        }
    }
}
