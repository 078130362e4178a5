//! What kind of thing an audit event is by the type of its records, refined by what the record itself says.
//!
//! A failed attempt to log on is `LogonFailure` in exactly one of its records, so that counting the class counts
//! attempts: PAM writes `USER_AUTH` (`USER_ERR` for a user that does not exist, `USER_ACCT` for one that may not), and
//! the program's own `USER_LOGIN` about the same attempt keeps its action and its outcome only.

use std::collections::HashMap;

use ahash::RandomState;

use crate::model::class::Class;
use crate::normalise::linux::auditd::record::Record;
use crate::normalise::linux::kind::{Kind, Outcome};

/// A kind whose outcome the records state.
pub const fn kind(
    class: Class,
    category: &'static str,
    types: &'static str,
    action: &'static str,
) -> Kind {
    Kind::new(class, category, types, action, Outcome::Unknown)
}

/// Record types (several in a row have one kind) and what they stand for.
const TABLE: &[(&str, Kind)] = &[
    // Logging on and off.
    ("USER_AUTH", kind(Class::Other, "authentication", "start", "authenticated")),
    ("USER_ACCT", kind(Class::Other, "authentication", "info", "was-authorized")),
    ("USER_LOGIN", kind(Class::Logon, "authentication", "start", "logged-in")),
    ("USER_LOGOUT", kind(Class::Logoff, "authentication", "end", "logged-out")),
    ("LOGIN", kind(Class::Other, "authentication", "start", "changed-login-id-to")),
    ("USER_ERR", kind(Class::Other, "authentication", "info", "error")),
    ("CRED_ACQ", kind(Class::Other, "authentication", "info", "acquired-credentials")),
    ("CRED_REFR", kind(Class::Other, "authentication", "info", "refreshed-credentials")),
    ("CRED_DISP", kind(Class::Other, "authentication", "info", "disposed-credentials")),
    ("GRP_AUTH", kind(Class::Other, "authentication", "info", "authenticated-to-group")),
    ("USER_START", kind(Class::Other, "session", "start", "started-session")),
    ("USER_END", kind(Class::Other, "session", "end", "ended-session")),
    ("ANOM_LOGIN_FAILURES", kind(Class::Other, "authentication", "info", "too-many-failed-logins")),
    (
        "ANOM_LOGIN_TIME ANOM_LOGIN_SESSIONS ANOM_LOGIN_ACCT ANOM_LOGIN_LOCATION ANOM_LOGIN_SERVICE \
         ANOM_LOGIN_ROOT ANOM_ORIGIN_FAILURES ANOM_SESSION",
        kind(Class::Other, "authentication", "info", "anomalous-login"),
    ),
    ("CRYPTO_LOGIN", kind(Class::Other, "authentication", "start", "logged-in-to-crypto-officer")),
    ("CRYPTO_LOGOUT", kind(Class::Other, "authentication", "end", "logged-out-of-crypto-officer")),
    // Accounts.
    ("ADD_USER", kind(Class::AccountChange, "iam", "user creation", "added-user-account")),
    ("DEL_USER", kind(Class::AccountChange, "iam", "user deletion", "deleted-user-account")),
    ("USER_MGMT", kind(Class::AccountChange, "iam", "user change", "modified-user-account")),
    ("USER_CHAUTHTOK", kind(Class::AccountChange, "iam", "user change", "changed-password")),
    ("ACCT_LOCK", kind(Class::AccountChange, "iam", "user change", "locked-account")),
    ("ACCT_UNLOCK", kind(Class::AccountChange, "iam", "user change", "unlocked-account")),
    ("ADD_GROUP", kind(Class::AccountChange, "iam", "group creation", "added-group-account-to")),
    (
        "DEL_GROUP",
        kind(Class::AccountChange, "iam", "group deletion", "deleted-group-account-from"),
    ),
    ("GRP_MGMT", kind(Class::AccountChange, "iam", "group change", "modified-group-account")),
    ("GRP_CHAUTHTOK", kind(Class::AccountChange, "iam", "group change", "changed-group-password")),
    (
        "USER_ROLE_CHANGE ROLE_ASSIGN ROLE_REMOVE ROLE_MODIFY",
        kind(Class::AccountChange, "iam", "user change", "changed-role"),
    ),
    (
        "CHGRP_ID CHUSER_ID ANOM_ROOT_TRANS",
        kind(Class::PrivilegeUse, "process", "change", "changed-identity-of"),
    ),
    (
        "ANOM_ADD_ACCT ANOM_DEL_ACCT ANOM_MOD_ACCT",
        kind(Class::AccountChange, "iam", "user change", "anomalous-account-change"),
    ),
    (
        "RESP_ACCT_LOCK RESP_ACCT_LOCK_TIMED RESP_ACCT_REMOTE",
        kind(Class::AccountChange, "iam", "user change", "locked-account-in-response"),
    ),
    (
        "RESP_ACCT_UNLOCK_TIMED",
        kind(Class::AccountChange, "iam", "user change", "unlocked-account-in-response"),
    ),
    // Commands, services, the host.
    ("USER_CMD", kind(Class::PrivilegeUse, "process", "start", "ran-command")),
    ("TTY USER_TTY", kind(Class::Other, "process", "info", "typed")),
    ("SERVICE_START", kind(Class::Other, "process", "start", "started-service")),
    ("SERVICE_STOP", kind(Class::Other, "process", "end", "stopped-service")),
    ("SYSTEM_BOOT", kind(Class::Other, "host", "start", "booted-system")),
    ("SYSTEM_SHUTDOWN RESP_HALT", kind(Class::Other, "host", "end", "shutdown-system")),
    ("SYSTEM_RUNLEVEL RESP_SINGLE", kind(Class::Other, "host", "change", "changed-to-runlevel")),
    ("SOFTWARE_UPDATE", kind(Class::Other, "package", "installation", "installed-software")),
    ("USER_DEVICE", kind(Class::Other, "host", "info", "device-event")),
    ("DEV_ALLOC", kind(Class::Other, "host", "access", "allocated-device")),
    ("DEV_DEALLOC", kind(Class::Other, "host", "change", "deallocated-device")),
    ("DM_CTRL DM_EVENT", kind(Class::Other, "host", "change", "changed-device-mapper")),
    ("TIME_INJOFFSET TIME_ADJNTPVAL", kind(Class::Other, "host", "change", "changed-system-time")),
    ("USYS_CONFIG", kind(Class::Other, "configuration", "change", "changed-system-configuration")),
    ("KERN_MODULE", kind(Class::ImageLoad, "driver", "start", "loaded-kernel-module")),
    ("BPF", kind(Class::Other, "driver", "info", "bpf-program")),
    ("ANOM_ABEND", kind(Class::ProcessStop, "process", "end", "crashed-program")),
    ("ANOM_EXEC ANOM_MK_EXEC", kind(Class::Other, "process", "info", "anomalous-program")),
    ("RESP_KILL_PROC", kind(Class::ProcessStop, "process", "end", "killed-in-response")),
    ("RESP_EXEC", kind(Class::Other, "process", "start", "ran-command-in-response")),
    (
        "VIRT_CONTROL VIRT_CREATE VIRT_DESTROY VIRT_MIGRATE_IN VIRT_MIGRATE_OUT",
        kind(Class::Other, "host", "change", "changed-virtual-machine"),
    ),
    ("VIRT_RESOURCE", kind(Class::Other, "host", "change", "assigned-vm-resource")),
    ("VIRT_MACHINE_ID", kind(Class::Other, "host", "info", "assigned-vm-id")),
    ("VIRT_INTEGRITY_CHECK", kind(Class::Other, "host", "info", "checked-vm-integrity")),
    ("CONTAINER_OP", kind(Class::Other, "process", "change", "set-container-id")),
    // The audit system itself.
    ("DAEMON_START", kind(Class::Other, "process", "start", "started-audit")),
    ("DAEMON_END DAEMON_ABORT", kind(Class::LogCleared, "process", "end", "shutdown-audit")),
    ("DAEMON_RESUME", kind(Class::Other, "process", "change", "resumed-audit-logging")),
    ("DAEMON_ROTATE", kind(Class::Other, "process", "change", "rotated-audit-logs")),
    ("DAEMON_ERR", kind(Class::Other, "process", "info", "audit-error")),
    ("DAEMON_ACCEPT", kind(Class::Other, "network", "connection start", "remote-audit-connected")),
    ("DAEMON_CLOSE", kind(Class::Other, "network", "connection end", "remote-audit-disconnected")),
    (
        "CONFIG_CHANGE DAEMON_CONFIG DAEMON_RECONFIG FEATURE_CHANGE",
        kind(Class::Other, "configuration", "change", "changed-audit-configuration"),
    ),
    ("EVENT_LISTENER", kind(Class::Other, "configuration", "access", "audit-listener")),
    // Policies: SELinux, AppArmor and others.
    (
        "AVC USER_AVC LANDLOCK_ACCESS IPE_ACCESS DAC_CHECK MAC_CHECK",
        kind(Class::Other, "process", "access", "violated-policy"),
    ),
    ("FANOTIFY", kind(Class::Other, "file", "access", "fanotify-decision")),
    ("SELINUX_ERR USER_SELINUX_ERR", kind(Class::Other, "process", "info", "mac-policy-error")),
    ("SECCOMP", kind(Class::Other, "process", "info", "violated-seccomp-policy")),
    (
        "MAC_POLICY_LOAD USER_MAC_POLICY_LOAD IPE_POLICY_LOAD",
        kind(Class::Other, "configuration", "change", "loaded-mac-policy"),
    ),
    (
        "MAC_STATUS USER_MAC_STATUS IPE_CONFIG_CHANGE RESP_SEBOOL",
        kind(Class::Other, "configuration", "change", "changed-mac-enforcement"),
    ),
    (
        "MAC_CONFIG_CHANGE USER_MAC_CONFIG_CHANGE",
        kind(Class::Other, "configuration", "change", "changed-mac-configuration"),
    ),
    (
        "MAC_UNLBL_ALLOW MAC_UNLBL_STCADD MAC_UNLBL_STCDEL MAC_CIPSOV4_ADD MAC_CIPSOV4_DEL MAC_CALIPSO_ADD \
         MAC_CALIPSO_DEL MAC_MAP_ADD MAC_MAP_DEL",
        kind(Class::Other, "configuration", "change", "changed-network-labels"),
    ),
    (
        "MAC_IPSEC_ADDSA MAC_IPSEC_DELSA MAC_IPSEC_ADDSPD MAC_IPSEC_DELSPD",
        kind(Class::Other, "configuration", "change", "changed-ipsec-policy"),
    ),
    ("LABEL_OVERRIDE LABEL_LEVEL_CHANGE", kind(Class::Other, "file", "change", "changed-label")),
    ("FS_RELABEL", kind(Class::Other, "file", "change", "relabeled-filesystem")),
    (
        "USER_LABELED_EXPORT USER_UNLABELED_EXPORT",
        kind(Class::Other, "file", "access", "exported-object"),
    ),
    ("LANDLOCK_DOMAIN", kind(Class::Other, "process", "info", "changed-sandbox")),
    // Network and cryptography.
    ("NETFILTER_CFG", kind(Class::Other, "configuration", "change", "loaded-firewall-rule-to")),
    ("NETFILTER_PKT", kind(Class::Other, "network", "info", "packet")),
    (
        "ANOM_PROMISCUOUS",
        kind(Class::Other, "network", "info", "changed-promiscuous-mode-on-device"),
    ),
    ("CRYPTO_SESSION", kind(Class::Other, "network", "protocol", "negotiated-crypto-session")),
    ("CRYPTO_KEY_USER", kind(Class::Other, "network", "protocol", "handled-crypto-key")),
    (
        "CRYPTO_IKE_SA CRYPTO_IPSEC_SA MAC_IPSEC_EVENT",
        kind(Class::Other, "network", "protocol", "negotiated-ipsec"),
    ),
    (
        "CRYPTO_TEST_USER CRYPTO_PARAM_CHANGE_USER CRYPTO_FAILURE_USER CRYPTO_REPLAY_USER",
        kind(Class::Other, "process", "info", "crypto-event"),
    ),
    ("RESP_ORIGIN_BLOCK", kind(Class::Other, "network", "denied", "blocked-origin-in-response")),
    // Files.
    (
        "INTEGRITY_DATA INTEGRITY_METADATA INTEGRITY_HASH INTEGRITY_PCR INTEGRITY_EVM_XATTR",
        kind(Class::Other, "file", "info", "checked-integrity"),
    ),
    (
        "INTEGRITY_STATUS INTEGRITY_RULE INTEGRITY_POLICY_RULE",
        kind(Class::Other, "configuration", "info", "integrity-policy"),
    ),
    ("ANOM_LINK ANOM_CREAT", kind(Class::Other, "file", "access", "used-suspicious-link")),
    ("ANOM_ACCESS_FS", kind(Class::Other, "file", "access", "anomalous-access")),
    // Words from programs without a type of their own.
    ("USER", kind(Class::Other, "host", "info", "sent-message")),
    ("TEST", kind(Class::Other, "host", "info", "sent-test")),
    ("TRUSTED_APP", kind(Class::Other, "host", "info", "trusted-application")),
    ("KERNEL KERNEL_OTHER", kind(Class::Other, "host", "info", "kernel-message")),
];

/// The table by record type. One a decoder.
#[derive(Debug)]
pub struct Kinds(HashMap<&'static str, &'static Kind, RandomState>);

impl Default for Kinds {
    fn default() -> Kinds {
        let rows = TABLE.iter().flat_map(|(types, kind)| {
            types.split_ascii_whitespace().map(move |record_type| (record_type, kind))
        });
        Kinds(rows.collect())
    }
}

impl Kinds {
    /// The kind of a record that stands for something by itself; `None` for the parts of a system call's event and for
    /// types that nobody named. `worked`: what the event says about its success.
    pub fn of(&self, record: &Record<'_>, worked: Option<bool>) -> Option<Kind> {
        match self.0.get(record.kind) {
            Some(kind) => Some(refined(**kind, record, worked)),
            None if record.kind.starts_with("ANOM_") || record.kind.starts_with("RESP_") => {
                Some(kind(Class::Other, "host", "info", "anomaly"))
            }
            None => None,
        }
    }
}

/// Does the record only remark on the system call it comes with? Then a call that worked is what the event is about: a
/// permitted access (SELinux permissive, `auditallow`), a measured file, a watch that moved along with its file.
pub fn is_remark(record_type: &str) -> bool {
    matches!(
        record_type,
        "AVC"
            | "SELINUX_ERR"
            | "SECCOMP"
            | "FANOTIFY"
            | "CONFIG_CHANGE"
            | "ANOM_LINK"
            | "ANOM_CREAT"
    ) || record_type.starts_with("INTEGRITY_")
        || record_type.starts_with("LANDLOCK_")
        || record_type.starts_with("IPE_")
        || record_type.starts_with("TTY")
}

fn refined(kind: Kind, record: &Record<'_>, worked: Option<bool>) -> Kind {
    let failed = worked == Some(false);
    let op = record.get("op").unwrap_or("");
    match record.kind {
        "USER_AUTH" | "USER_ACCT" if failed => Kind { class: Class::LogonFailure, ..kind },
        "USER_ERR" if failed && op.ends_with("bad_ident") => {
            Kind { class: Class::LogonFailure, types: "start", action: "authenticated", ..kind }
        }
        "USER_LOGIN" if failed => Kind { class: Class::Other, ..kind },
        "USER_START" => Kind { class: session_class(record), ..kind },
        "USER_CHAUTHTOK" | "DEL_USER" | "USER_MGMT" => account(kind, record.kind, op),
        "AVC" | "USER_AVC" => access(kind, record),
        "CONFIG_CHANGE" => configuration(kind, record, op),
        "SECCOMP" if record.get("code").is_some_and(|code| code.starts_with("kill")) => {
            Kind { types: "end", ..kind }
        }
        "SOFTWARE_UPDATE" if op == "remove" => {
            Kind { types: "deletion", action: "removed-software", ..kind }
        }
        "BPF" => match op {
            "LOAD" => Kind { types: "start", action: "loaded-bpf-program", ..kind },
            "UNLOAD" => Kind { types: "end", action: "unloaded-bpf-program", ..kind },
            _ => kind,
        },
        "VIRT_CONTROL" => match op {
            "start" => Kind { types: "start", action: "started-virtual-machine", ..kind },
            "stop" => Kind { types: "end", action: "stopped-virtual-machine", ..kind },
            _ => kind,
        },
        _ => kind,
    }
}

/// The last part of `exe=`, for programs that open sessions for others.
pub fn program<'a>(record: &'a Record<'_>) -> &'a str {
    let path = record.get("exe").unwrap_or("");
    path.rsplit('/').next().unwrap_or(path)
}

/// Does the program turn one user into another?
pub fn changes_user(program: &str) -> bool {
    matches!(program, "sudo" | "su" | "doas" | "runuser" | "pkexec" | "runas" | "userhelper")
}

fn session_class(record: &Record<'_>) -> Class {
    match program(record) {
        name if changes_user(name) => Class::PrivilegeUse,
        "cron" | "crond" | "atd" | "anacron" => Class::TaskSchedule,
        _ => Class::Other,
    }
}

/// The tools of accounts write several records of one type; the words of `op=` tell them apart.
fn account(kind: Kind, record_type: &str, op: &str) -> Kind {
    if op.starts_with("display") {
        return Kind { types: "user info", action: "read-account", ..kind };
    }
    if op.contains("to group") || op.contains("to shadow group") {
        return Kind { types: "user change", action: "added-user-to-group", ..kind };
    }
    if op.contains("from group") || op.contains("from shadow group") {
        return Kind { types: "user change", action: "removed-user-from-group", ..kind };
    }
    if record_type == "USER_CHAUTHTOK"
        && !(op.is_empty() || op.contains("password") || op.contains("chauthtok"))
    {
        return Kind { action: "modified-user-account", ..kind };
    }
    kind
}

/// An access that a policy judged: what kind of object it was about, and which system judged.
fn access(kind: Kind, record: &Record<'_>) -> Kind {
    if let Some(verdict) = record.get("apparmor") {
        return match verdict {
            "STATUS" => Kind {
                category: "configuration",
                types: "change",
                action: "changed-apparmor-profile",
                ..kind
            },
            "ALLOWED" | "AUDIT" | "HINT" => {
                Kind { action: "noted-by-apparmor-policy", ..object(kind, record) }
            }
            _ => Kind { action: "violated-apparmor-policy", ..object(kind, record) },
        };
    }
    match record.get("seresult") {
        Some("granted") => Kind { action: "granted-by-selinux-policy", ..object(kind, record) },
        Some(_) => Kind { action: "violated-selinux-policy", ..object(kind, record) },
        // `USER_AVC … received policyload notice` and other words without a decision.
        None if record.kind == "USER_AVC" => {
            Kind { category: "configuration", types: "change", action: "loaded-mac-policy", ..kind }
        }
        None => kind,
    }
}

fn object(kind: Kind, record: &Record<'_>) -> Kind {
    let class = record.get("tclass").or_else(|| record.get("class")).unwrap_or("");
    let network = class == "net" || class.ends_with("socket") || record.get("family").is_some();
    let file = matches!(class, "file" | "dir" | "lnk_file" | "blk_file" | "chr_file" | "fifo_file")
        || record.get("requested_mask").is_some() && record.get("name").is_some();
    if network {
        Kind { category: "network", types: "denied", ..kind }
    } else if file {
        Kind { category: "file", ..kind }
    } else {
        kind
    }
}

fn configuration(kind: Kind, record: &Record<'_>, op: &str) -> Kind {
    if record.get("audit_enabled") == Some("0") {
        return Kind { class: Class::LogCleared, action: "disabled-audit", ..kind };
    }
    match op {
        "add_rule" | "add rule" => Kind { types: "creation", action: "added-audit-rule", ..kind },
        "remove_rule" | "remove rule" => {
            Kind { types: "deletion", action: "removed-audit-rule", ..kind }
        }
        _ => kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalise::linux::auditd::line;
    use crate::normalise::linux::auditd::record::decode;
    use crate::normalise::linux::auditd::tables::Tables;

    fn of(text: &str, worked: Option<bool>) -> Kind {
        let line = line::parse(text).unwrap();
        Kinds::default().of(&decode(&line, &Tables::new()), worked).unwrap()
    }

    #[test]
    fn an_attempt_is_counted_once() {
        let stamp = "msg=audit(1.0:1): pid=1 uid=0";
        for (kind, body, class) in [
            ("USER_AUTH", "op=PAM:authentication acct=\"eve\" res=failed", Class::LogonFailure),
            ("USER_ERR", "op=PAM:bad_ident acct=\"?\" res=failed", Class::LogonFailure),
            ("USER_ACCT", "op=PAM:accounting acct=\"eve\" res=failed", Class::LogonFailure),
            ("USER_LOGIN", "op=login acct=\"eve\" res=failed", Class::Other),
        ] {
            let text = format!("type={kind} {stamp} msg='{body}'");
            assert_eq!(of(&text, Some(false)).class, class, "{text}");
        }
        let login = "type=USER_LOGIN msg=audit(1.0:1): msg='op=login id=1000 res=success'";
        assert_eq!(of(login, Some(true)).class, Class::Logon);
    }

    #[test]
    fn what_a_record_says_refines_its_type() {
        for (text, class, types, action) in [
            (
                "type=USER_START msg=audit(1.0:1): msg='op=PAM:session_open acct=\"root\" exe=\"/usr/bin/sudo\"'",
                Class::PrivilegeUse,
                "start",
                "started-session",
            ),
            (
                "type=CONFIG_CHANGE msg=audit(1.0:1): op=set audit_enabled=0 old=1 auid=0",
                Class::LogCleared,
                "change",
                "disabled-audit",
            ),
            (
                "type=CONFIG_CHANGE msg=audit(1.0:1): auid=0 op=\"remove_rule\" key=\"x\" list=4",
                Class::Other,
                "deletion",
                "removed-audit-rule",
            ),
            (
                "type=DEL_USER msg=audit(1.0:1): msg='op=deleting user from shadow group id=7'",
                Class::AccountChange,
                "user change",
                "removed-user-from-group",
            ),
            (
                "type=USER_CHAUTHTOK msg=audit(1.0:1): msg='op=display aging info id=7'",
                Class::AccountChange,
                "user info",
                "read-account",
            ),
            (
                "type=AVC msg=audit(1.0:1): avc:  denied  { name_connect } for  pid=1 tclass=tcp_socket",
                Class::Other,
                "denied",
                "violated-selinux-policy",
            ),
            (
                "type=AVC msg=audit(1.0:1): apparmor=\"STATUS\" operation=\"profile_load\" name=\"x\"",
                Class::Other,
                "change",
                "changed-apparmor-profile",
            ),
            (
                "type=1334 msg=audit(1.0:1): prog-id=5 op=LOAD",
                Class::Other,
                "start",
                "loaded-bpf-program",
            ),
        ] {
            let kind = of(text, None);
            assert_eq!((kind.class, kind.types, kind.action), (class, types, action), "{text}");
        }
    }

    #[test]
    fn every_type_is_named_once_and_in_the_table_of_numbers() {
        let tables = Tables::new();
        let mut seen = std::collections::BTreeSet::new();
        for (types, kind) in TABLE {
            assert!(!kind.action.is_empty() && !kind.types.is_empty(), "{types}");
            for name in types.split_ascii_whitespace() {
                assert!(seen.insert(name), "{name} twice");
                // This one has no number in released kernels.
                assert!(name == "CONTAINER_OP" || tables.knows_type(name), "{name}");
            }
        }
    }
}
