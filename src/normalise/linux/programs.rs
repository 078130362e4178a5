//! Which family of programs a syslog line belongs to, and from there to the family's own file.

use crate::model::event::Event;
use crate::model::field;
use crate::normalise::linux::scrub::Scrub;
use crate::normalise::linux::{accounts, cron, kernel, pam, sshd, su, sudo, systemd};

/// `/usr/sbin/cron` → `cron`, `(systemd)` → `systemd`.
pub fn base_name(program: &str) -> &str {
    let name = program.rsplit('/').next().unwrap_or(program);
    let inner = name.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    inner.unwrap_or(name)
}

/// How far the code here knows a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It was mapped.
    Understood,
    /// Its program is of a family here, this message is not.
    Family,
    /// Its program is not known here.
    Nobody,
}

/// Map the message by program; what nobody knows stays a generic event with its `message`.
pub fn map(program: &str, message: &str, scrub: &mut Scrub<'_>, event: &mut Event) -> Known {
    let name = base_name(program);
    let text = message.trim();
    if pam::map(text, event) {
        return Known::Understood;
    }
    let understood = match family(name) {
        "sshd" => sshd::map(text, event),
        "dropbear" => sshd::dropbear::map(text, event),
        "firewalld" => kernel::firewalld::map(text, scrub, event),
        "pkexec" => sudo::map_pkexec(text, scrub, event),
        "sudo" => sudo::map(text, scrub, event),
        "doas" => sudo::map_doas(text, scrub, event),
        "su" => su::map(text, event),
        "login" => su::map_login(text, event),
        "cron" => cron::map(text, scrub, event),
        "accounts" => accounts::map(name, text, event),
        "kernel" => kernel::map(text, event),
        "systemd" | "systemd-logind" => systemd::map(text, event),
        _ => return Known::Nobody,
    };
    if understood { Known::Understood } else { Known::Family }
}

/// Name the family, unless a mapping did: `event.provider` gets its name (`sshd` for `sshd-session`), which rules
/// bind to.
pub fn name(program: &str, event: &mut Event) {
    let name = base_name(program);
    let family = family(name);
    let provider = if matches!(family, "" | "accounts") { name } else { family };
    event.fill_str(field::EVENT_PROVIDER, provider);
    let dataset = match family {
        "" | "systemd" => "system.syslog",
        "kernel" => "system.kernel",
        "cron" => "system.cron",
        _ => "system.auth",
    };
    event.fill_str(field::EVENT_DATASET, dataset);
}

fn family(name: &str) -> &'static str {
    match name {
        "sshd" | "sshd-session" | "sshd-auth" | "sftp-server" | "internal-sftp" => "sshd",
        "dropbear" => "dropbear",
        "firewalld" => "firewalld",
        "pkexec" => "pkexec",
        "sudo" => "sudo",
        "doas" => "doas",
        "su" | "su-l" | "runuser" => "su",
        "login" => "login",
        "cron" | "CRON" | "crond" | "CROND" | "crontab" | "anacron" | "atd" => "cron",
        "useradd" | "userdel" | "usermod" | "groupadd" | "groupdel" | "groupmod" | "passwd"
        | "chage" | "chfn" | "chsh" | "gpasswd" | "newusers" | "chpasswd" | "adduser"
        | "deluser" => "accounts",
        "kernel" => "kernel",
        "systemd" => "systemd",
        "systemd-logind" | "elogind" => "systemd-logind",
        _ => "",
    }
}
