//! Records as the kernel hands them to auditd, in the raw format.

use std::fmt::Write;

use crate::scenario::file::Endpoint;
use crate::scenario::plan::Counters;
use crate::stdx::time::Timestamp;

/// A program that is started.
pub struct Run<'a> {
    /// Argument vector.
    pub args: &'a [String],
    /// Path; empty: `/usr/bin/` and the first argument.
    pub exe: &'a str,
    /// User number.
    pub uid: u32,
    /// Log-in user number.
    pub auid: u32,
    /// Working directory; empty: the user's home.
    pub cwd: &'a str,
    /// Who starts it; empty: the shell of the session, or the scheduler.
    pub parent: &'a str,
    /// The log-in session.
    pub session: u32,
}

/// What the kernel writes where there is no log-in: users and sessions.
const UNSET: u32 = u32::MAX;
const SHELL: &str = "/usr/bin/bash";
const SCHEDULER: &str = "/usr/sbin/cron";

/// The six records of one execve.
pub fn exec(endpoint: &Endpoint, run: &Run<'_>, at: Timestamp, counters: &mut Counters) -> String {
    let first = run.args.first().map_or("sh", String::as_str);
    let name = first.rsplit('/').next().unwrap_or(first);
    let exe = if run.exe.is_empty() { format!("/usr/bin/{name}") } else { run.exe.to_owned() };
    let comm: String = exe.rsplit('/').next().unwrap_or(&exe).chars().take(15).collect();
    let home = if run.uid == 0 { "/root".to_owned() } else { format!("/home/{}", endpoint.user) };
    let cwd = if run.cwd.is_empty() { &home } else { run.cwd };
    let stamp = stamp(at, counters);
    let (uid, auid) = (run.uid, run.auid);
    let session = if auid == UNSET { UNSET } else { run.session };
    let parent = match (run.parent, session) {
        ("", UNSET) => SCHEDULER,
        ("", _) => SHELL,
        (named, _) => named,
    };
    let ppid = counters.runs(session, parent);
    let pid = counters.starts(session, &exe);
    let mut out = format!(
        "type=SYSCALL {stamp}: arch=c000003e syscall=59 success=yes exit=0 a0=55d0c1 a1=55d0d2 a2=55d0e3 a3=8 \
         items=2 ppid={ppid} pid={pid} auid={auid} uid={uid} gid={uid} euid={uid} suid={uid} fsuid={uid} egid={uid} \
         sgid={uid} fsgid={uid} tty={} ses={session} comm={} exe={} key=\"exec\"\n",
        terminal(session),
        quoted(&comm),
        quoted(&exe)
    );
    let _ = write!(out, "type=EXECVE {stamp}: argc={}", run.args.len());
    for (index, argument) in run.args.iter().enumerate() {
        let _ = write!(out, " a{index}={}", quoted(argument));
    }
    let _ = write!(out, "\ntype=CWD {stamp}: cwd={}\n", quoted(cwd));
    let _ = writeln!(
        out,
        "type=PATH {stamp}: item=0 name={} inode=1312 dev=08:01 mode=0100755 ouid=0 ogid=0 rdev=00:00 nametype=NORMAL",
        quoted(&exe)
    );
    let title: String = run.args.join("\0");
    let _ =
        write!(out, "type=PROCTITLE {stamp}: proctitle={}\ntype=EOE {stamp}: \n", quoted(&title));
    out
}

/// The terminal of a log-in session.
fn terminal(session: u32) -> String {
    if session == UNSET { "(none)".to_owned() } else { format!("pts{}", session % 4) }
}

/// The records of one connect of a session's program to an IPv4 address.
pub fn connect(
    (exe, session): (&str, u32),
    ip: &str,
    port: u16,
    at: Timestamp,
    counters: &mut Counters,
) -> String {
    let stamp = stamp(at, counters);
    let (ppid, pid) = (counters.runs(session, SHELL), counters.runs(session, exe));
    let comm: String = exe.rsplit('/').next().unwrap_or(exe).chars().take(15).collect();
    let address: String =
        ip.split('.').map(|part| format!("{:02X}", part.parse::<u8>().unwrap_or(0))).collect();
    format!(
        "type=SYSCALL {stamp}: arch=c000003e syscall=42 success=yes exit=0 a0=3 a1=7ffd10 a2=10 a3=0 items=0 \
         ppid={ppid} pid={pid} auid=1000 uid=1000 gid=1000 euid=1000 suid=1000 fsuid=1000 egid=1000 sgid=1000 fsgid=1000 \
         tty={} ses={session} comm={} exe={} key=\"net\"\n\
         type=SOCKADDR {stamp}: saddr=0200{port:04X}{address}0000000000000000\ntype=EOE {stamp}: \n",
        terminal(session),
        quoted(&comm),
        quoted(exe)
    )
}

fn stamp(at: Timestamp, counters: &mut Counters) -> String {
    let millis = at.micros().rem_euclid(1_000_000) / 1_000;
    format!("msg=audit({}.{millis:03}:{})", at.seconds(), counters.serial())
}

/// As auditd does: plain text in quotes, anything with a space, quote or control character in hexadecimal.
fn quoted(text: &str) -> String {
    if text.bytes().all(|byte| byte > b' ' && byte < 0x7f && byte != b'"') {
        return format!("\"{text}\"");
    }
    text.bytes().map(|byte| format!("{byte:02X}")).collect()
}
