//! What kind of thing a system call's event is: by the call's name and what the event's records tell about it.

use crate::model::class::Class;
use crate::normalise::linux::auditd::kinds::kind;
use crate::normalise::linux::kind::Kind;

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
    /// The first argument, hexadecimal as recorded.
    pub first: &'a str,
}

/// The kind of a system call's event. `None`: nothing better is known than the call's name.
pub fn by_syscall(call: &Call<'_>) -> Option<Kind> {
    process(call)
        .or_else(|| network(call))
        .or_else(|| file(call))
        .or_else(|| looks(call))
        .or_else(|| host(call))
}

fn process(call: &Call<'_>) -> Option<Kind> {
    Some(match call.name {
        "execve" | "execveat" if call.worked => {
            kind(Class::ProcessStart, "process", "start", "executed")
        }
        "execve" | "execveat" => kind(Class::Syscall, "process", "start", "executed"),
        "exit" | "exit_group" => kind(Class::ProcessStop, "process", "end", "exited"),
        "fork" | "vfork" | "clone" | "clone3" => kind(Class::Syscall, "process", "start", "forked"),
        "kill" | "tkill" | "tgkill" | "pidfd_send_signal" | "rt_sigqueueinfo"
        | "rt_tgsigqueueinfo" => kind(Class::Syscall, "process", "info", "killed-pid"),
        "ptrace" => traced(call),
        "process_vm_readv" | "pidfd_getfd" | "kcmp" | "perf_event_open" => {
            kind(works(call, Class::ProcessAccess), "process", "access", "traced-process")
        }
        "process_vm_writev" => {
            kind(works(call, Class::ProcessInjection), "process", "change", "wrote-process-memory")
        }
        "setuid" | "setgid" | "setreuid" | "setregid" | "setresuid" | "setresgid" | "setfsuid"
        | "setfsgid" | "setgroups" | "capset" | "setuid32" | "setgid32" | "setreuid32"
        | "setregid32" | "setresuid32" | "setresgid32" | "setfsuid32" | "setfsgid32"
        | "setgroups32" => kind(Class::PrivilegeUse, "process", "change", "changed-identity-of"),
        "unshare" | "setns" => kind(Class::Syscall, "process", "change", "changed-namespace-of"),
        "chroot" | "pivot_root" => kind(Class::Syscall, "process", "change", "changed-root-of"),
        "mprotect" | "pkey_mprotect" | "mmap" | "mmap2" | "mremap" => {
            kind(Class::Syscall, "process", "change", "changed-memory-of")
        }
        "sched_setparam" | "sched_setscheduler" | "sched_setattr" | "setpriority" | "nice" => {
            kind(Class::Syscall, "process", "change", "adjusted-scheduling-policy-of")
        }
        _ => return None,
    })
}

/// ptrace by its request: a process that asks to be traced accesses nobody, one that writes memory or registers injects.
fn traced(call: &Call<'_>) -> Kind {
    let request = u64::from_str_radix(call.first, 16).ok();
    match request {
        Some(0) => kind(Class::Syscall, "process", "info", "allowed-tracing"),
        // POKETEXT, POKEDATA, POKEUSR, SETREGS, SETFPREGS, SETREGSET.
        Some(4 | 5 | 6 | 13 | 15 | 0x4205) if call.worked => {
            kind(Class::ProcessInjection, "process", "change", "wrote-process-memory")
        }
        _ => kind(works(call, Class::ProcessAccess), "process", "access", "traced-process"),
    }
}

fn network(call: &Call<'_>) -> Option<Kind> {
    let inet = |class: Class| if call.internet { class } else { Class::Syscall };
    Some(match call.name {
        "connect" => {
            kind(inet(Class::NetworkConnect), "network", "connection start", "connected-to")
        }
        "accept" | "accept4" => kind(
            inet(Class::NetworkConnect),
            "network",
            "connection start",
            "accepted-connection-from",
        ),
        "bind" => kind(works(call, inet(Class::NetworkListen)), "network", "start", "bound-socket"),
        "listen" => {
            kind(works(call, Class::NetworkListen), "network", "start", "listen-for-connections")
        }
        "sendto" | "sendmsg" | "sendmmsg" => {
            kind(inet(Class::NetworkConnect), "network", "connection", "sent-to")
        }
        "recvfrom" | "recvmsg" | "recvmmsg" => {
            kind(Class::Syscall, "network", "connection", "received-from")
        }
        "socket" | "socketpair" => kind(Class::Syscall, "network", "info", "opened-socket"),
        "setsockopt" => kind(Class::Syscall, "network", "info", "changed-socket"),
        "shutdown" => kind(Class::Syscall, "network", "end", "closed-connection"),
        _ => return None,
    })
}

/// Calls that change files.
fn file(call: &Call<'_>) -> Option<Kind> {
    let change = |types, action| kind(works(call, Class::FileModify), "file", types, action);
    Some(match call.name {
        "open" | "openat" | "openat2" | "creat" | "open_by_handle_at" => opened(call),
        "truncate" | "ftruncate" | "fallocate" | "truncate64" | "ftruncate64" => {
            change("change", "truncated-file")
        }
        "write" | "pwrite64" | "writev" | "pwritev" | "pwritev2" | "copy_file_range"
        | "sendfile" => change("change", "wrote-to-file"),
        "chmod" | "fchmod" | "fchmodat" | "fchmodat2" => {
            change("change", "changed-file-permissions-of")
        }
        "chown" | "fchown" | "lchown" | "fchownat" | "chown32" | "fchown32" | "lchown32" => {
            change("change", "changed-file-ownership-of")
        }
        "setxattr" | "lsetxattr" | "fsetxattr" | "removexattr" | "lremovexattr"
        | "fremovexattr" | "setxattrat" | "removexattrat" | "file_setattr" => {
            change("change", "changed-file-attributes-of")
        }
        "utime" | "utimes" | "utimensat" | "futimesat" => change("change", "changed-timestamp-of"),
        "mkdir" | "mkdirat" => {
            kind(works(call, Class::FileCreate), "file", "creation", "created-directory")
        }
        "mknod" | "mknodat" => {
            kind(works(call, Class::FileCreate), "file", "creation", "made-device")
        }
        "link" | "linkat" => kind(works(call, Class::FileCreate), "file", "creation", "linked"),
        "symlink" | "symlinkat" => {
            kind(works(call, Class::FileCreate), "file", "creation", "symlinked")
        }
        "memfd_create" => kind(Class::Syscall, "file", "creation", "created-memory-file"),
        "unlink" | "unlinkat" | "rmdir" => {
            kind(works(call, Class::FileDelete), "file", "deletion", "deleted")
        }
        "rename" | "renameat" | "renameat2" => {
            kind(works(call, Class::FileRename), "file", "change", "renamed")
        }
        "mount" | "fsmount" | "move_mount" | "fsopen" | "open_tree" | "mount_setattr" => {
            kind(Class::Syscall, "file", "change", "mounted")
        }
        "umount" | "umount2" => kind(Class::Syscall, "file", "change", "unmounted"),
        _ => return None,
    })
}

fn opened(call: &Call<'_>) -> Kind {
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

/// Calls that only look at files.
fn looks(call: &Call<'_>) -> Option<Kind> {
    Some(match call.name {
        "access" | "faccessat" | "faccessat2" | "stat" | "stat64" | "lstat" | "lstat64"
        | "fstat" | "fstat64" | "newfstatat" | "fstatat64" | "statx" | "getxattr" | "lgetxattr"
        | "fgetxattr" | "listxattr" | "llistxattr" | "flistxattr" | "readlink" | "readlinkat"
        | "name_to_handle_at" | "inotify_add_watch" | "fanotify_mark" => {
            kind(Class::Syscall, "file", "access", "checked-metadata-of")
        }
        "statfs" | "fstatfs" | "statfs64" | "fstatfs64" | "ustat" | "quotactl" => {
            kind(Class::Syscall, "file", "access", "checked-filesystem-metadata-of")
        }
        "read" | "pread64" | "readv" | "preadv" | "preadv2" | "getdents" | "getdents64" => {
            kind(Class::Syscall, "file", "access", "read-file")
        }
        "chdir" | "fchdir" => kind(Class::Syscall, "process", "change", "changed-directory-of"),
        _ => return None,
    })
}

/// Calls about the machine as a whole.
fn host(call: &Call<'_>) -> Option<Kind> {
    Some(match call.name {
        "init_module" | "finit_module" => {
            kind(works(call, Class::ImageLoad), "driver", "start", "loaded-kernel-module")
        }
        "delete_module" => kind(Class::Syscall, "driver", "end", "unloaded-kernel-module"),
        "bpf" => kind(Class::Syscall, "driver", "info", "bpf-program"),
        "settimeofday" | "clock_settime" | "clock_settime64" | "stime" | "adjtimex"
        | "clock_adjtime" | "clock_adjtime64" => {
            kind(Class::Syscall, "host", "change", "changed-system-time")
        }
        "sethostname" | "setdomainname" => {
            kind(Class::Syscall, "host", "change", "changed-system-name")
        }
        "reboot" | "kexec_load" | "kexec_file_load" => {
            kind(Class::Syscall, "host", "change", "rebooted-system")
        }
        "swapon" | "swapoff" | "acct" => kind(Class::Syscall, "host", "change", "changed-system"),
        "add_key" | "request_key" | "keyctl" => {
            kind(Class::Syscall, "process", "access", "used-kernel-keys")
        }
        _ => return None,
    })
}

/// A call that failed changed nothing.
fn works(call: &Call<'_>, class: Class) -> Class {
    if call.worked { class } else { Class::Syscall }
}

const WRITE_ONLY: u64 = 0o1;
const READ_WRITE: u64 = 0o2;
const TRUNCATE: u64 = 0o1000;
const APPEND: u64 = 0o2000;

/// Do the flags of an open ask for writing?
pub fn open_writes(flags: u64) -> bool {
    flags & (WRITE_ONLY | READ_WRITE | TRUNCATE | APPEND) != 0
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
            let call = Call { name, worked, internet, created, writes, first: "10" };
            by_syscall(&call).map(|kind| kind.class)
        };
        assert_eq!(class("execve", true, false, false, false), Some(Class::ProcessStart));
        assert_eq!(class("execve", false, false, false, false), Some(Class::Syscall));
        assert_eq!(class("connect", false, true, false, false), Some(Class::NetworkConnect));
        assert_eq!(class("connect", true, false, false, false), Some(Class::Syscall));
        assert_eq!(class("sendto", true, true, false, false), Some(Class::NetworkConnect));
        assert_eq!(class("openat", true, false, true, true), Some(Class::FileCreate));
        assert_eq!(class("openat", true, false, false, true), Some(Class::FileModify));
        assert_eq!(class("openat", true, false, false, false), Some(Class::Syscall));
        assert_eq!(class("unlinkat", false, false, false, false), Some(Class::Syscall));
        assert_eq!(class("finit_module", false, false, false, false), Some(Class::Syscall));
        assert_eq!(class("ptrace", true, false, false, false), Some(Class::ProcessAccess));
        assert_eq!(class("getpid", true, false, false, false), None);
        assert!(open_writes(0x241));
        assert!(!open_writes(0x80000));
    }

    #[test]
    fn tracing_by_its_request() {
        let class = |first, worked| {
            by_syscall(&Call { name: "ptrace", worked, first, ..Call::default() }).map(|k| k.class)
        };
        assert_eq!(class("0", true), Some(Class::Syscall));
        assert_eq!(class("4", true), Some(Class::ProcessInjection));
        assert_eq!(class("4205", true), Some(Class::ProcessInjection));
        assert_eq!(class("5", false), Some(Class::Syscall));
        assert_eq!(class("zz", true), Some(Class::ProcessAccess));
    }
}
