//! What kind of thing an audit event is: by the type of its records, and for system calls by what they do.

use crate::model::class::Class;
use crate::normalise::linux::kind::{Kind, Outcome};

const fn kind(
    class: Class,
    category: &'static str,
    types: &'static str,
    action: &'static str,
) -> Kind {
    Kind::new(class, category, types, action, Outcome::Unknown)
}

/// What a system call is about, as far as the event's records tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct Call<'a> {
    /// Its name.
    pub name: &'a str,
    /// It worked (`success=yes`, or the record does not say).
    pub worked: bool,
    /// The socket address is an internet one.
    pub internet: bool,
    /// A PATH record says that a file was made.
    pub created: bool,
    /// The flags of an open ask for writing.
    pub writes: bool,
}

/// The kind of a system call's event. The action is the call's name where nothing better is known.
pub fn by_syscall(call: &Call<'_>) -> Option<Kind> {
    Some(match call.name {
        "execve" | "execveat" if call.worked => {
            kind(Class::ProcessStart, "process", "start", "executed")
        }
        "execve" | "execveat" => kind(Class::Syscall, "process", "error", "executed"),
        "exit" | "exit_group" => kind(Class::ProcessStop, "process", "end", "exited"),
        "fork" | "vfork" | "clone" | "clone3" => kind(Class::Syscall, "process", "start", "forked"),
        "kill" | "tkill" | "tgkill" | "pidfd_send_signal" => {
            kind(Class::Syscall, "process", "info", "killed-pid")
        }
        "ptrace" | "process_vm_readv" => {
            kind(Class::ProcessAccess, "process", "access", "traced-process")
        }
        "process_vm_writev" => {
            kind(Class::ProcessInjection, "process", "change", "wrote-process-memory")
        }
        "init_module" | "finit_module" => {
            kind(Class::ImageLoad, "driver", "start", "loaded-kernel-module")
        }
        "delete_module" => kind(Class::Syscall, "driver", "end", "unloaded-kernel-module"),
        "setuid" | "setgid" | "setreuid" | "setregid" | "setresuid" | "setresgid" | "setfsuid"
        | "setfsgid" | "setgroups" | "capset" => {
            kind(Class::PrivilegeUse, "process", "change", "changed-identity-of")
        }
        "setuid32" | "setgid32" | "setreuid32" | "setregid32" | "setresuid32" | "setresgid32" => {
            kind(Class::PrivilegeUse, "process", "change", "changed-identity-of")
        }
        "mount" | "umount2" | "fsmount" | "move_mount" => {
            kind(Class::Syscall, "file", "change", "mounted")
        }
        _ => return network(call).or_else(|| file(call)),
    })
}

fn network(call: &Call<'_>) -> Option<Kind> {
    let inet = |class: Class| if call.internet { class } else { Class::Syscall };
    Some(match call.name {
        "connect" => kind(inet(Class::NetworkConnect), "network", "connection", "connected-to"),
        "accept" | "accept4" => {
            kind(inet(Class::NetworkConnect), "network", "connection", "accepted-connection-from")
        }
        "bind" => kind(inet(Class::NetworkListen), "network", "start", "bound-socket"),
        "listen" => kind(Class::NetworkListen, "network", "start", "listen-for-connections"),
        "sendto" | "sendmsg" | "sendmmsg" => {
            kind(Class::Syscall, "network", "connection", "sent-to")
        }
        "recvfrom" | "recvmsg" | "recvmmsg" => {
            kind(Class::Syscall, "network", "connection", "received-from")
        }
        "socket" => kind(Class::Syscall, "network", "info", "opened-socket"),
        _ => return None,
    })
}

fn file(call: &Call<'_>) -> Option<Kind> {
    Some(match call.name {
        "open" | "openat" | "openat2" | "creat" | "open_by_handle_at" => {
            if !call.worked {
                kind(Class::Syscall, "file", "access", "opened-file")
            } else if call.created {
                kind(Class::FileCreate, "file", "creation", "created-file")
            } else if call.writes || call.name == "creat" {
                kind(Class::FileModify, "file", "change", "opened-file")
            } else {
                kind(Class::Syscall, "file", "access", "opened-file")
            }
        }
        "truncate" | "ftruncate" | "fallocate" => {
            kind(changes(call, Class::FileModify), "file", "change", "truncated-file")
        }
        "chmod" | "fchmod" | "fchmodat" | "fchmodat2" => {
            kind(changes(call, Class::FileModify), "file", "change", "changed-file-permissions-of")
        }
        "chown" | "fchown" | "lchown" | "fchownat" | "chown32" | "fchown32" | "lchown32" => {
            kind(changes(call, Class::FileModify), "file", "change", "changed-file-ownership-of")
        }
        "setxattr" | "lsetxattr" | "fsetxattr" | "removexattr" | "lremovexattr"
        | "fremovexattr" | "setxattrat" | "removexattrat" => {
            kind(changes(call, Class::FileModify), "file", "change", "changed-file-attributes-of")
        }
        "utime" | "utimes" | "utimensat" | "futimesat" => {
            kind(changes(call, Class::FileModify), "file", "change", "changed-timestamp-of")
        }
        "mkdir" | "mkdirat" => {
            kind(changes(call, Class::FileCreate), "file", "creation", "created-directory")
        }
        "mknod" | "mknodat" => {
            kind(changes(call, Class::FileCreate), "file", "creation", "made-device")
        }
        "link" | "linkat" | "symlink" | "symlinkat" => {
            kind(changes(call, Class::FileCreate), "file", "creation", "linked")
        }
        "unlink" | "unlinkat" | "rmdir" => {
            kind(changes(call, Class::FileDelete), "file", "deletion", "deleted")
        }
        "rename" | "renameat" | "renameat2" => {
            kind(changes(call, Class::FileRename), "file", "change", "renamed")
        }
        _ => return None,
    })
}

/// A call that failed changed nothing.
fn changes(call: &Call<'_>, class: Class) -> Class {
    if call.worked { class } else { Class::Syscall }
}

/// The kind of an event without a system call, by record type. `worked`: what `res=` says.
pub fn by_type(record_type: &str, worked: Option<bool>) -> Option<Kind> {
    let failed = worked == Some(false);
    Some(match record_type {
        "USER_LOGIN" | "USER_AUTH" if failed => {
            kind(Class::LogonFailure, "authentication", "start", login_action(record_type))
        }
        "USER_LOGIN" => kind(Class::Logon, "authentication", "start", "logged-in"),
        "USER_AUTH" => kind(Class::Other, "authentication", "info", "authenticated"),
        "USER_ACCT" => kind(Class::Other, "authentication", "info", "was-authorized"),
        "LOGIN" => kind(Class::Other, "authentication", "start", "changed-login-id-to"),
        "USER_START" => kind(Class::Other, "session", "start", "started-session"),
        "USER_END" => kind(Class::Other, "session", "end", "ended-session"),
        "USER_LOGOUT" => kind(Class::Logoff, "authentication", "end", "logged-out"),
        "CRED_ACQ" | "CRED_REFR" => {
            kind(Class::Other, "authentication", "info", "acquired-credentials")
        }
        "CRED_DISP" => kind(Class::Other, "authentication", "info", "disposed-credentials"),
        "USER_ERR" => kind(Class::Other, "authentication", "error", "error"),
        "USER_CMD" => kind(Class::PrivilegeUse, "process", "start", "ran-command"),
        "USER_CHAUTHTOK" | "GRP_CHAUTHTOK" => {
            kind(Class::AccountChange, "iam", "change", "changed-password")
        }
        "ADD_USER" => kind(Class::AccountChange, "iam", "creation", "added-user-account"),
        "DEL_USER" => kind(Class::AccountChange, "iam", "deletion", "deleted-user-account"),
        "ADD_GROUP" => kind(Class::AccountChange, "iam", "creation", "added-group-account-to"),
        "DEL_GROUP" => kind(Class::AccountChange, "iam", "deletion", "deleted-group-account-from"),
        "USER_MGMT" | "GRP_MGMT" | "ACCT_LOCK" | "ACCT_UNLOCK" | "USER_ROLE_CHANGE"
        | "ROLE_ASSIGN" | "ROLE_REMOVE" | "ROLE_MODIFY" | "CHGRP_ID" | "CHUSER_ID" => {
            kind(Class::AccountChange, "iam", "change", "changed-account")
        }
        "SERVICE_START" => kind(Class::Other, "process", "start", "started-service"),
        "SERVICE_STOP" => kind(Class::Other, "process", "end", "stopped-service"),
        "DAEMON_END" | "DAEMON_ABORT" => {
            kind(Class::LogCleared, "process", "end", "shutdown-audit")
        }
        "DAEMON_START" => kind(Class::Other, "process", "start", "started-audit"),
        "CONFIG_CHANGE" | "DAEMON_CONFIG" | "DAEMON_RECONFIG" | "USYS_CONFIG"
        | "FEATURE_CHANGE" => {
            kind(Class::Other, "configuration", "change", "changed-audit-configuration")
        }
        "AVC" | "USER_AVC" | "SELINUX_ERR" | "USER_SELINUX_ERR" => {
            kind(Class::Other, "process", "denied", "violated-policy")
        }
        "SECCOMP" => kind(Class::Other, "process", "denied", "violated-seccomp-policy"),
        "ANOM_ABEND" => kind(Class::ProcessStop, "process", "end", "crashed-program"),
        "ANOM_PROMISCUOUS" => {
            kind(Class::Other, "network", "change", "changed-promiscuous-mode-on-device")
        }
        "TTY" | "USER_TTY" => kind(Class::Other, "process", "info", "typed"),
        "NETFILTER_CFG" => kind(Class::Other, "configuration", "change", "loaded-firewall-rule-to"),
        "KERN_MODULE" => kind(Class::ImageLoad, "driver", "start", "loaded-kernel-module"),
        "SOFTWARE_UPDATE" => kind(Class::Other, "package", "installation", "installed-software"),
        "SYSTEM_BOOT" => kind(Class::Other, "host", "start", "booted-system"),
        "SYSTEM_SHUTDOWN" => kind(Class::Other, "host", "end", "shutdown-system"),
        "SYSTEM_RUNLEVEL" => kind(Class::Other, "host", "change", "changed-to-runlevel"),
        "BPF" => kind(Class::Other, "driver", "info", "bpf-program"),
        _ if record_type.starts_with("ANOM_LOGIN") => {
            kind(Class::LogonFailure, "authentication", "info", "anomalous-login")
        }
        _ if record_type.starts_with("ANOM_") => kind(Class::Other, "process", "info", "anomaly"),
        _ if record_type.starts_with("CRYPTO_") => {
            kind(Class::Other, "network", "info", "negotiated-crypto")
        }
        _ => return None,
    })
}

fn login_action(record_type: &str) -> &'static str {
    if record_type == "USER_LOGIN" { "logged-in" } else { "authenticated" }
}

/// Do the flags of an open (hexadecimal, as recorded) ask for writing?
pub fn open_writes(flags: &str) -> bool {
    const WRITE_ONLY: u64 = 0o1;
    const READ_WRITE: u64 = 0o2;
    const TRUNCATE: u64 = 0o1000;
    const APPEND: u64 = 0o2000;
    u64::from_str_radix(flags, 16)
        .is_ok_and(|flags| flags & (WRITE_ONLY | READ_WRITE | TRUNCATE | APPEND) != 0)
}

/// Which argument of an open holds its flags.
pub fn open_flags_argument(name: &str) -> Option<&'static str> {
    match name {
        "open" => Some("a1"),
        "openat" | "open_by_handle_at" => Some("a2"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_by_what_they_did() {
        let class = |name, worked, internet, created, writes| {
            by_syscall(&Call { name, worked, internet, created, writes }).map(|kind| kind.class)
        };
        assert_eq!(class("execve", true, false, false, false), Some(Class::ProcessStart));
        assert_eq!(class("execve", false, false, false, false), Some(Class::Syscall));
        assert_eq!(class("connect", false, true, false, false), Some(Class::NetworkConnect));
        assert_eq!(class("connect", true, false, false, false), Some(Class::Syscall));
        assert_eq!(class("openat", true, false, true, true), Some(Class::FileCreate));
        assert_eq!(class("openat", true, false, false, true), Some(Class::FileModify));
        assert_eq!(class("openat", true, false, false, false), Some(Class::Syscall));
        assert_eq!(class("unlinkat", false, false, false, false), Some(Class::Syscall));
        assert_eq!(class("getpid", true, false, false, false), None);
        assert!(open_writes("241"));
        assert!(!open_writes("80000"));
    }
}
