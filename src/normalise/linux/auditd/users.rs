//! Who an audit event is about: the account, the user who acted, the login user, and the user of the program that reported.
//!
//! `uid` of a record from the kernel is the user who acted. In a record that PAM or a daemon wrote about an account
//! (`acct=`, `id=`) it is only the user of that daemon, so there the account is `user.*` and `uid` is
//! `process.user.id`. A program that turns users into others opens its session for the other: `user.effective.*`.

use crate::model::event::Event;
use crate::model::field::{self, FieldId};
use crate::normalise::linux::auditd::kinds::{changes_user, program};
use crate::normalise::linux::auditd::names::Names;
use crate::normalise::linux::auditd::record::Record;

/// What a record's account is to the event.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    /// There is none; `uid` acted.
    Nobody,
    /// The account authenticates or has a session.
    Account,
    /// The account is what another user turned into.
    Effective,
    /// The account is changed.
    TargetUser,
    /// The group is changed.
    TargetGroup,
}

fn about(record: &Record<'_>) -> About {
    match record.kind {
        "ADD_GROUP" | "DEL_GROUP" | "GRP_MGMT" | "GRP_CHAUTHTOK" | "GRP_AUTH" | "CHGRP_ID" => {
            About::TargetGroup
        }
        "ADD_USER"
        | "DEL_USER"
        | "USER_MGMT"
        | "USER_CHAUTHTOK"
        | "ACCT_LOCK"
        | "ACCT_UNLOCK"
        | "ROLE_ASSIGN"
        | "ROLE_REMOVE"
        | "ANOM_ADD_ACCT"
        | "ANOM_DEL_ACCT"
        | "ANOM_MOD_ACCT"
        | "RESP_ACCT_LOCK"
        | "RESP_ACCT_LOCK_TIMED"
        | "RESP_ACCT_UNLOCK_TIMED"
        | "RESP_ACCT_REMOTE" => About::TargetUser,
        "USER_START" | "USER_END" | "CRED_ACQ" | "CRED_REFR" | "CRED_DISP"
            if changes_user(program(record)) =>
        {
            About::Effective
        }
        "USER_AUTH" | "USER_ACCT" | "USER_ERR" | "USER_LOGIN" | "USER_LOGOUT" | "USER_START"
        | "USER_END" | "CRED_ACQ" | "CRED_REFR" | "CRED_DISP" => About::Account,
        _ if record.get("acct").is_some() => About::Account,
        _ => About::Nobody,
    }
}

/// Does [`push`] take up the field of this key?
pub fn takes(record: &Record<'_>, key: &str) -> bool {
    match key {
        "uid" | "auid" | "euid" | "acct" | "grp" | "new_group" => true,
        "id" => about(record) != About::Nobody,
        "gid" => about(record) != About::TargetGroup,
        _ => false,
    }
}

/// Write the users of a record.
pub fn push(record: &Record<'_>, names: &mut Names, event: &mut Event) {
    let about = about(record);
    let process_id = names.ecs("process.user.id");
    let process_name = names.ecs("process.user.name");
    let acted = match about {
        About::Account => (process_id, process_name),
        _ => (Some(field::USER_ID), Some(field::USER_NAME)),
    };
    let account = match about {
        About::Nobody => (None, None),
        About::Account => (Some(field::USER_ID), Some(field::USER_NAME)),
        About::Effective => (Some(field::USER_EFFECTIVE_ID), Some(field::USER_EFFECTIVE_NAME)),
        About::TargetUser => (Some(field::USER_TARGET_ID), Some(field::USER_TARGET_NAME)),
        About::TargetGroup => (Some(field::GROUP_ID), Some(field::GROUP_NAME)),
    };
    let mut one = |key: &str, added: &str, (id, name): (Option<FieldId>, Option<FieldId>)| {
        let Some(number) = record.get(key).filter(|text| !nothing(text)) else { return };
        match id.map(|id| (id, event.str(id))) {
            Some((_, Some(known))) if known == number => {}
            Some((id, None)) => event.push_str(id, number),
            _ => return kept(key, number, names, event),
        }
        // Root is 0 everywhere; other names only the host itself knows.
        let known = record.name(added).or((number == "0").then_some("root"));
        if let (Some(name), Some(text)) = (name, known) {
            event.fill_str(name, text);
        }
    };
    // The account first: where it is the user, `uid` of another record must not take its place.
    if about != About::Nobody {
        one("id", "ID", account);
    }
    one("uid", "UID", acted);
    one("auid", "AUID", (Some(field::USER_AUDIT_ID), Some(field::USER_AUDIT_NAME)));
    one("euid", "EUID", (Some(field::USER_EFFECTIVE_ID), Some(field::USER_EFFECTIVE_NAME)));
    if about != About::TargetGroup {
        one("gid", "GID", (Some(field::GROUP_ID), Some(field::GROUP_NAME)));
    }
    if let Some(text) = record.get("acct").filter(|text| !nothing(text)) {
        match account {
            (id, Some(name)) if !unknown(text) => {
                event.set_str(name, text);
                if text == "root"
                    && let Some(id) = id
                {
                    event.fill_str(id, "0");
                }
            }
            _ => {
                event.fill_str(field::EVENT_REASON, text.trim_matches(['(', ')']));
                kept("acct", text, names, event);
            }
        }
    }
    for key in ["grp", "new_group"] {
        if let Some(text) = record.get(key).filter(|text| !nothing(text)) {
            event.fill_str(field::GROUP_NAME, text);
        }
    }
}

/// A second value of a field is kept under the record's own key.
fn kept(key: &str, value: &str, names: &mut Names, event: &mut Event) {
    match names.data(key) {
        Some(field) if !event.all(field).any(|known| known.as_str() == Some(value)) => {
            event.push_str(field, value);
        }
        Some(_) => {}
        None => event.fields_dropped += 1,
    }
}

fn nothing(value: &str) -> bool {
    matches!(value, "" | "?" | "(null)" | "(none)")
}

/// What sshd and PAM write in place of a name that no account has.
fn unknown(name: &str) -> bool {
    matches!(name, "(unknown)" | "(unknown user)" | "(invalid user)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalise::linux::auditd::line;
    use crate::normalise::linux::auditd::record::decode;
    use crate::normalise::linux::auditd::tables::Tables;

    fn built(text: &str) -> Event {
        let line = line::parse(text).unwrap();
        let mut event = Event::default();
        push(&decode(&line, &Tables::new()), &mut Names::default(), &mut event);
        event
    }

    fn shown(event: &Event, name: &str) -> Option<String> {
        event.str(FieldId::intern(name).unwrap()).map(str::to_owned)
    }

    #[test]
    fn the_user_of_a_daemon_is_not_the_user_who_logs_in() {
        let event = built(
            "type=USER_AUTH msg=audit(1.0:1): pid=1 uid=0 auid=4294967295 msg='op=x acct=\"eve\" exe=\"/usr/sbin/sshd\"'\u{1d}UID=\"root\" AUID=\"unset\"",
        );
        for (name, value) in [
            ("user.name", Some("eve")),
            ("user.id", None),
            ("process.user.id", Some("0")),
            ("process.user.name", Some("root")),
            ("user.audit.id", Some("unset")),
        ] {
            assert_eq!(shown(&event, name).as_deref(), value, "{name}");
        }
        let event = built(
            "type=USER_LOGIN msg=audit(1.0:1): uid=0 msg='op=login id=1000 exe=\"/x\"'\u{1d}UID=\"root\" ID=\"bob\"",
        );
        assert_eq!(shown(&event, "user.id").as_deref(), Some("1000"));
        assert_eq!(shown(&event, "user.name").as_deref(), Some("bob"));
        let event = built(
            "type=USER_LOGIN msg=audit(1.0:1): uid=0 msg='op=login acct=28696E76616C6964207573657229'",
        );
        assert_eq!(shown(&event, "user.name"), None);
        assert_eq!(shown(&event, "event.reason").as_deref(), Some("invalid user"));
    }

    #[test]
    fn who_becomes_whom_and_who_is_changed() {
        let event = built(
            "type=USER_START msg=audit(1.0:1): uid=1000 auid=1000 msg='op=PAM:session_open acct=\"root\" exe=\"/usr/bin/sudo\"'",
        );
        assert_eq!(shown(&event, "user.id").as_deref(), Some("1000"));
        assert_eq!(shown(&event, "user.effective.name").as_deref(), Some("root"));
        assert_eq!(shown(&event, "user.effective.id").as_deref(), Some("0"));
        let event = built(
            "type=ADD_USER msg=audit(1.0:1): uid=0 msg='op=adding user id=1001 exe=\"/x\"'\u{1d}ID=\"eve\"",
        );
        assert_eq!(shown(&event, "user.target.id").as_deref(), Some("1001"));
        assert_eq!(shown(&event, "user.target.name").as_deref(), Some("eve"));
        assert_eq!(shown(&event, "user.name").as_deref(), Some("root"));
        let event =
            built("type=ADD_GROUP msg=audit(1.0:1): uid=0 msg='op=add-group acct=\"admins\" id=7'");
        assert_eq!(shown(&event, "group.name").as_deref(), Some("admins"));
        assert_eq!(shown(&event, "group.id").as_deref(), Some("7"));
    }
}
