//! Where the fields of one record go: an ECS name where there is one, else `auditd.data.<key>`. Nothing is lost: a
//! second, different value of an ECS field is kept under the record's own key.

use crate::model::event::{Event, Value};
use crate::model::field::{self, FieldId};
use crate::normalise::linux::auditd::names::Names;
use crate::normalise::linux::auditd::record::Record;
use crate::normalise::linux::auditd::users;
use crate::normalise::linux::scrub::Scrub;

/// Writes records into one event.
pub struct Writer<'w> {
    /// Ids of field names.
    pub names: &'w mut Names,
    /// The event.
    pub event: &'w mut Event,
}

/// Where a field goes.
enum Target {
    Data,
    /// ECS, and the second value of another kind under the key.
    Ecs(FieldId),
    /// An ECS name without a constant, and the record's own key as well.
    Both(&'static str),
    Number(FieldId),
    Port(FieldId),
    Secret(FieldId),
    Keys,
    Result,
    Address(FieldId, FieldId),
    Terminal,
    Syscall,
    Cgroup,
}

fn target(kind: &str, key: &str) -> Target {
    match key {
        "pid" => Target::Number(field::PROCESS_PID),
        "ppid" => Target::Number(field::PROCESS_PARENT_PID),
        "ses" => Target::Ecs(field::AUDITD_SESSION),
        "tty" => Target::Ecs(field::PROCESS_TTY),
        "terminal" => Target::Terminal,
        "comm" => Target::Ecs(field::PROCESS_NAME),
        "exe" => Target::Ecs(field::PROCESS_EXECUTABLE),
        "cwd" => Target::Ecs(field::PROCESS_WORKING_DIRECTORY),
        "proctitle" => Target::Secret(field::PROCESS_TITLE),
        "cmd" => Target::Secret(field::PROCESS_COMMAND_LINE),
        "data" if matches!(kind, "TTY" | "USER_TTY") => Target::Secret(field::AUDITD_TYPED),
        "key" => Target::Keys,
        "success" | "res" | "result" => Target::Result,
        "addr" | "hostname" => Target::Address(field::SOURCE_IP, field::SOURCE_DOMAIN),
        "rport" => Target::Port(field::SOURCE_PORT),
        "laddr" => Target::Address(field::DESTINATION_IP, field::DESTINATION_DOMAIN),
        "lport" => Target::Port(field::DESTINATION_PORT),
        "saddr" if kind == "NETFILTER_PKT" => {
            Target::Address(field::SOURCE_IP, field::SOURCE_DOMAIN)
        }
        "daddr" if kind == "NETFILTER_PKT" => {
            Target::Address(field::DESTINATION_IP, field::DESTINATION_DOMAIN)
        }
        "sport" => Target::Port(field::SOURCE_PORT),
        "dport" => Target::Port(field::DESTINATION_PORT),
        "proto" if kind == "NETFILTER_PKT" => Target::Both("network.iana_number"),
        "syscall" | "uring_op" => Target::Syscall,
        "unit" => Target::Both("service.name"),
        "sw" => Target::Both("package.name"),
        "sw_type" => Target::Both("package.type"),
        "contid" => Target::Both("container.id"),
        "cgroup" => Target::Cgroup,
        _ => Target::Data,
    }
}

impl Writer<'_> {
    /// All fields of a record that has no place of its own. True if a secret was replaced.
    pub fn record(&mut self, record: &Record<'_>, scrub: &mut Scrub<'_>) -> bool {
        users::push(record, self.names, self.event);
        let mut redacted = false;
        for item in &record.fields {
            let key = item.key.as_ref();
            let value = item.value.as_ref();
            if nothing(value) || users::takes(record, key) {
                continue;
            }
            match target(record.kind, key) {
                Target::Data => self.data(key, value),
                Target::Ecs(field) => self.ecs(field, key, value),
                Target::Both(name) => {
                    if let Some(field) = self.names.ecs(name) {
                        self.event.fill_str(field, value);
                    }
                    self.data(key, value);
                }
                Target::Number(field) => self.number(field, key, value),
                Target::Port(field) => match value.parse::<u16>() {
                    Ok(port) => self.port(field, port),
                    Err(_) => self.data(key, value),
                },
                Target::Secret(field) => {
                    let text = scrub.text(value);
                    redacted |= text != value;
                    self.ecs(field, key, &text);
                }
                Target::Keys => {
                    value.split('\u{1}').for_each(|key| self.event.push_str(field::AUDITD_KEY, key))
                }
                Target::Result => self.event.fill_str(field::AUDITD_RESULT, result_word(value)),
                Target::Address(ip, domain) => self.address(ip, domain, key, value),
                Target::Terminal => self.terminal(value),
                Target::Syscall => {
                    self.ecs(field::AUDITD_SYSCALL, key, value);
                    if let Some(number) = item.raw {
                        self.data("syscall_number", number);
                    }
                }
                Target::Cgroup => {
                    if let Some(id) = container_of(value)
                        && let Some(field) = self.names.ecs("container.id")
                    {
                        self.event.fill_str(field, id);
                    }
                    self.data(key, value);
                }
            }
        }
        redacted
    }

    /// A socket address, by what the call does with it.
    pub fn socket(&mut self, call: &str, record: &Record<'_>) {
        let (ip, port) = match call {
            "accept" | "accept4" | "recvfrom" | "recvmsg" | "recvmmsg" => {
                (field::SOURCE_IP, field::SOURCE_PORT)
            }
            "bind" | "getsockname" | "listen" => (field::SERVER_IP, field::SERVER_PORT),
            _ => (field::DESTINATION_IP, field::DESTINATION_PORT),
        };
        for item in &record.fields {
            match item.key.as_ref() {
                "addr" => {
                    self.event.push_ip(ip, &item.value);
                }
                "port" => {
                    if let Ok(number) = item.value.parse::<u16>() {
                        self.event.push_int(port, i64::from(number));
                    }
                }
                "path" => self.data("socket_path", &item.value),
                "family" => {
                    self.data("socket_family", &item.value);
                    if let (Some(field), "ipv4" | "ipv6") =
                        (self.names.ecs("network.type"), item.value.as_ref())
                    {
                        self.event.fill_str(field, &item.value);
                    }
                }
                key => self.data(key, &item.value),
            }
        }
    }

    /// One item of a call's paths.
    pub fn path(&mut self, record: &Record<'_>) {
        for item in &record.fields {
            let value = item.value.as_ref();
            if nothing(value) || (item.key.starts_with("cap_") && zero(value)) {
                continue;
            }
            match item.key.as_ref() {
                // Rules name these two as in the record; they stand in `paths::push` with what they resolve to.
                "name" => {}
                "nametype" | "objtype" => self.data("nametype", value),
                key => {
                    let field = self.names.path(key);
                    self.push(field, value);
                }
            }
        }
    }

    /// Names of an enriching daemon that have no ECS field stay under their capitals.
    pub fn added_names(&mut self, record: &Record<'_>) {
        for (key, name) in &record.names {
            let known = matches!(
                *key,
                "UID" | "AUID" | "EUID" | "GID" | "ID" | "ARCH" | "SYSCALL" | "SADDR"
            );
            if !known && !nothing(name) {
                self.data(key, name);
            }
        }
    }

    /// `auditd.data.<key>`.
    pub fn data(&mut self, key: &str, value: &str) {
        let field = self.names.data(key);
        self.push(field, value);
    }

    fn push(&mut self, field: Option<FieldId>, value: &str) {
        match field {
            Some(field) => self.event.push_str(field, value),
            None => self.event.fields_dropped += 1,
        }
    }

    fn ecs(&mut self, field: FieldId, key: &str, value: &str) {
        match self.event.str(field) {
            None => self.event.push_str(field, value),
            Some(known) if known == value => {}
            Some(_) => self.data(key, value),
        }
    }

    fn number(&mut self, field: FieldId, key: &str, value: &str) {
        match (value.parse::<u32>(), self.event.get(field)) {
            (Ok(number), None) => self.event.push_int(field, i64::from(number)),
            (Ok(number), Some(Value::Int(known))) if known == i64::from(number) => {}
            _ => self.data(key, value),
        }
    }

    fn port(&mut self, field: FieldId, port: u16) {
        if port != 0 && !self.event.has(field) {
            self.event.push_int(field, i64::from(port));
        }
    }

    fn address(&mut self, ip: FieldId, domain: FieldId, key: &str, value: &str) {
        if matches!(value, "UNKNOWN" | "(unknown)") {
            return;
        }
        let mut bare = Event::default();
        if bare.push_ip(ip, value) {
            let text = bare.str(ip).unwrap_or(value);
            self.ecs(ip, key, text);
        } else {
            self.ecs(domain, key, value);
        }
    }

    /// Daemons write what stands for their terminal: a real one, or a word like `ssh` and `cron`.
    fn terminal(&mut self, value: &str) {
        let name = value.strip_prefix("/dev/").unwrap_or(value);
        if name.starts_with("pts") || name.starts_with("tty") || name.starts_with(':') {
            self.event.fill_str(field::PROCESS_TTY, name);
        }
        self.data("terminal", value);
    }
}

/// `yes`, `1`, `success` and their opposites as two words.
pub fn result_word(value: &str) -> &str {
    match value {
        "yes" | "1" | "success" => "success",
        "no" | "0" | "failed" | "fail" => "fail",
        other => other,
    }
}

/// The id of a container in the path of its control group: 64 hexadecimal digits, bare or as part of a unit's name
/// (`docker-<id>.scope`, `cri-containerd-<id>.scope`, `libpod-<id>.scope`).
pub fn container_of(cgroup: &str) -> Option<&str> {
    const ID_DIGITS: usize = 64;
    let last = cgroup.rsplit('/').find(|part| part.len() >= ID_DIGITS)?;
    let name = last.strip_suffix(".scope").unwrap_or(last);
    let id = name.rsplit(['-', ':']).next()?;
    let whole = id.len() == ID_DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    whole.then_some(id)
}

/// Does the value say that there is none?
pub fn nothing(value: &str) -> bool {
    matches!(value, "" | "?" | "(null)" | "(none)")
}

fn zero(value: &str) -> bool {
    value.bytes().all(|byte| byte == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_by_their_control_group() {
        let id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        for path in [
            format!("/docker/{id}"),
            format!("/system.slice/docker-{id}.scope"),
            format!("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{id}.scope"),
            format!("/machine.slice/libpod-{id}.scope/container"),
        ] {
            assert_eq!(container_of(&path), Some(id), "{path}");
        }
        assert_eq!(container_of("/user.slice/user-1000.slice"), None);
        assert_eq!(container_of(&format!("/docker/{id}0")), None);
    }
}
