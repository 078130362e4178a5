//! The kernel's ring buffer as syslog carries it: out of memory, crashes, USB and disks, modules, interfaces, attacks on the
//! network stack; [`packet`] has the packet filter, [`firewalld`] its daemon. Records of the audit system in it (AppArmor,
//! SELinux) are taken by the audit decoder before they come here.

pub mod firewalld;
pub mod packet;

use crate::model::class::Class;
use crate::model::event::{Event, Value};
use crate::model::field;
use crate::normalise::linux::kind::{Kind, Outcome, source_address};

const OOM_KILL: Kind =
    Kind::new(Class::ProcessStop, "process", "end", "oom_kill", Outcome::Success);
const OOM: Kind = Kind::new(Class::Other, "host", "info", "oom", Outcome::Unknown);
const CRASH: Kind = Kind::new(Class::Other, "process", "info", "segfault", Outcome::Failure);
const USB_NEW: Kind = Kind::new(Class::Other, "host", "info", "usb_connected", Outcome::Unknown);
const USB_GONE: Kind =
    Kind::new(Class::Other, "host", "info", "usb_disconnected", Outcome::Unknown);
const USB_DESCRIBED: Kind =
    Kind::new(Class::Other, "host", "info", "usb_described", Outcome::Unknown);
const USB_STORAGE: Kind = Kind::new(Class::Other, "host", "info", "usb_storage", Outcome::Unknown);
const DISK: Kind = Kind::new(Class::Other, "host", "info", "disk_attached", Outcome::Unknown);
const MOUNTED: Kind = Kind::new(Class::Other, "host", "info", "mounted", Outcome::Unknown);
const PROMISCUOUS: Kind =
    Kind::new(Class::Other, "network", "info", "promiscuous_mode", Outcome::Unknown);
const MARTIAN: Kind =
    Kind::new(Class::Other, "network", "denied", "martian_source", Outcome::Failure);
const FLOOD: Kind = Kind::new(Class::Other, "network", "info", "syn_flood", Outcome::Unknown);
const TABLE_FULL: Kind =
    Kind::new(Class::Other, "network", "denied", "connection_table_full", Outcome::Failure);
const MODULE: Kind = Kind::new(Class::ImageLoad, "driver", "start", "tainted", Outcome::Unknown);
const LOCKDOWN: Kind =
    Kind::new(Class::Other, "host", "access", "lockdown_denied", Outcome::Failure);
const BOOT: Kind = Kind::new(Class::Other, "host", "start", "booted", Outcome::Unknown);
const PANIC: Kind = Kind::new(Class::Other, "host", "end", "kernel_panic", Outcome::Failure);
const OOPS: Kind = Kind::new(Class::Other, "host", "info", "kernel_error", Outcome::Failure);
const AUDIT: Kind =
    Kind::new(Class::Other, "configuration", "info", "audit_trouble", Outcome::Failure);

/// Map a kernel line, with or without its `[ 12.345]` time since boot.
pub fn map(message: &str, event: &mut Event) -> bool {
    let text = without_uptime(message);
    killed(text, event)
        || crashed(text, event)
        || packet::map(text, event)
        || usb(text, event)
        || disks(text, event)
        || network(text, event)
        || host(text, event)
}

fn without_uptime(message: &str) -> &str {
    let text = message.trim_start();
    match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((uptime, rest))
            if uptime.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b' ')) =>
        {
            rest.trim_start()
        }
        _ => text,
    }
}

/// `Out of memory: Killed process 12 (name) total-vm:…, UID:0 …`, also of a memory control group and in the
/// older words `Kill process 12 (name) score 9 or sacrifice child`; `name invoked oom-killer: …`.
fn killed(text: &str, event: &mut Event) -> bool {
    let victim = [
        "Out of memory: ",
        "Memory cgroup out of memory: ",
        "Out of memory (oom_kill_allocating_task): ",
        "",
    ]
    .iter()
    .find_map(|prefix| text.strip_prefix(prefix))
    .and_then(|rest| {
        rest.strip_prefix("Killed process ").or_else(|| rest.strip_prefix("Kill process "))
    });
    if let Some(rest) = victim {
        let (pid, rest) = rest.split_once([' ', ',']).unwrap_or((rest, ""));
        OOM_KILL.set(event);
        push_pid(pid.trim_end_matches(','), event);
        // The name is the process's own choice and may hold brackets; the sizes after it do not.
        let name = rest.split_once('(').and_then(|(_, rest)| {
            rest.rsplit_once(") total-vm")
                .or_else(|| rest.rsplit_once(") score"))
                .or_else(|| rest.rsplit_once(')'))
        });
        if let Some((name, _)) = name {
            event.set_str(field::PROCESS_NAME, name);
        }
        if let Some((_, rest)) = rest.rsplit_once("UID:") {
            let uid = rest.split([' ', ',']).next().unwrap_or("");
            event.push_str(field::USER_ID, uid);
        }
        return true;
    }
    if let Some((name, _)) = text.split_once(" invoked oom-killer") {
        OOM.set(event);
        event.set_str(field::PROCESS_NAME, name);
        return true;
    }
    if text.starts_with("oom-kill:")
        || text.starts_with("oom_reaper:")
        || text.starts_with("Out of memory")
    {
        OOM.set(event);
        return true;
    }
    false
}

/// `name[12]: segfault at 0 ip … sp … error 4 in lib.so[…]`, `traps: name[12] general protection …`.
fn crashed(text: &str, event: &mut Event) -> bool {
    let what = [
        "segfault at ",
        "general protection",
        "trap invalid opcode",
        "trap divide error",
        "trap stack segment",
        "trap int3",
    ]
    .iter()
    .find_map(|what| text.find(what));
    let Some(at) = what else { return false };
    let head = text.get(..at).unwrap_or("").trim_start_matches("traps: ");
    let Some((name, rest)) = head.rsplit_once('[') else { return false };
    let Some((pid, _)) = rest.split_once(']') else { return false };
    CRASH.set(event);
    event.set_str(field::PROCESS_NAME, name);
    push_pid(pid, event);
    event.push_str(field::EVENT_REASON, text.get(at..).unwrap_or(""));
    true
}

/// `usb 1-1: New USB device found, idVendor=0930, idProduct=6544`, `usb 1-1: USB disconnect, device number 2`,
/// `usb 1-1: Product: Flash Disk`, `usb-storage 1-1:1.0: USB Mass Storage device detected`.
fn usb(text: &str, event: &mut Event) -> bool {
    if text.starts_with("usb-storage ") {
        USB_STORAGE.set(event);
        return true;
    }
    let Some((port, what)) = text.strip_prefix("usb ").and_then(|rest| rest.split_once(": "))
    else {
        return false;
    };
    if what.starts_with("New USB device found") {
        USB_NEW.set(event);
        for (key, name) in [("idVendor=", "device.vendor.id"), ("idProduct=", "device.product.id")]
        {
            if let Some((_, rest)) = what.split_once(key) {
                let id = rest.split([',', ' ']).next().unwrap_or("");
                event.push_named(name, Value::Str(id));
            }
        }
    } else if what.starts_with("USB disconnect") {
        USB_GONE.set(event);
    } else if let Some((key, value)) = what.split_once(": ")
        && let Some(name) = match key {
            "Product" => Some("device.product.name"),
            "Manufacturer" => Some("device.manufacturer"),
            "SerialNumber" => Some("device.serial_number"),
            _ => None,
        }
    {
        USB_DESCRIBED.set(event);
        event.push_named(name, Value::Str(value));
    } else {
        return false;
    }
    event.push_named("device.id", Value::Str(port));
    true
}

/// `sd 2:0:0:0: [sdb] Attached SCSI removable disk`, `EXT4-fs (sdb1): mounted filesystem …`.
fn disks(text: &str, event: &mut Event) -> bool {
    if text.starts_with("sd ") && text.contains("] Attached SCSI") {
        DISK.set(event);
        let name = text.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
        event.push_named("device.id", Value::Str(name.map_or("", |(name, _)| name)));
        return true;
    }
    let mounted =
        text.split_once("): mounted filesystem").or_else(|| text.split_once("): Mounting"));
    let Some((head, _)) = mounted else { return false };
    MOUNTED.set(event);
    let (kind, device) = head.split_once('(').unwrap_or((head, ""));
    event.push_named("device.id", Value::Str(device));
    event.push_named("device.type", Value::Str(kind.trim()));
    true
}

/// Interfaces that listen to everything, addresses that cannot be, floods.
fn network(text: &str, event: &mut Event) -> bool {
    for (words, state) in
        [(" entered promiscuous mode", "entered"), (" left promiscuous mode", "left")]
    {
        if let Some((head, _)) = text.split_once(words) {
            PROMISCUOUS.set(event);
            let name = head.rsplit(' ').next().unwrap_or(head).trim_end_matches(':');
            event.push_named("observer.ingress.interface.name", Value::Str(name));
            event.push_str(field::EVENT_REASON, state);
            return true;
        }
    }
    // `martian source 192.0.2.1 from 198.51.100.7, on dev eth0`: the packet is for the first.
    if let Some((_, rest)) = text.split_once("martian source ") {
        MARTIAN.set(event);
        let (destination, rest) = rest.split_once(" from ").unwrap_or((rest, ""));
        event.push_ip(field::DESTINATION_IP, destination);
        let (source, device) = rest.split_once(", on dev ").unwrap_or((rest, ""));
        source_address(event, source);
        event.push_named("observer.ingress.interface.name", Value::Str(device));
        return true;
    }
    if let Some((_, rest)) = text.split_once("ossible SYN flooding on port ") {
        FLOOD.set(event);
        // Newer kernels write the address too: `0.0.0.0:80`, `[::]:80`.
        let port = rest.split(['.', ' ']).next().unwrap_or("");
        let port = if port.bytes().all(|byte| byte.is_ascii_digit()) && !rest.contains(':') {
            port
        } else {
            rest.split(". ").next().and_then(|rest| rest.rsplit(':').next()).unwrap_or("")
        };
        if let Ok(port) = port.parse::<u16>() {
            event.push_int(field::DESTINATION_PORT, i64::from(port));
        }
        return true;
    }
    text.contains("conntrack: table full") && {
        TABLE_FULL.set(event);
        true
    }
}

/// Modules, lockdown, start and end of the kernel itself.
fn host(text: &str, event: &mut Event) -> bool {
    if let Some((name, reason)) = text.split_once(": ")
        && (reason.contains("taints kernel") || reason.contains("tainting kernel"))
    {
        MODULE.set(event);
        event.push_str(field::DLL_NAME, name);
        event.push_str(field::EVENT_REASON, reason);
        return true;
    }
    let kind = if let Some(rest) = text.strip_prefix("Lockdown: ") {
        event.set_str(field::PROCESS_NAME, rest.split(':').next().unwrap_or(rest));
        &LOCKDOWN
    } else if text.starts_with("Linux version ") {
        &BOOT
    } else if text.starts_with("Kernel panic - ") {
        &PANIC
    } else if text.starts_with("BUG: ")
        || text.starts_with("Oops: ")
        || text.starts_with("INFO: task ")
    {
        &OOPS
    } else if text.starts_with("audit: ")
        && ["backlog limit exceeded", "audit_lost=", "printk limit"]
            .iter()
            .any(|w| text.contains(w))
    {
        &AUDIT
    } else {
        return false;
    };
    kind.set(event);
    event.push_str(field::EVENT_REASON, text);
    true
}

fn push_pid(text: &str, event: &mut Event) {
    if let Ok(pid) = text.trim().parse::<u32>() {
        event.remove(field::PROCESS_PID);
        event.push_int(field::PROCESS_PID, i64::from(pid));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(message: &str) -> Event {
        let mut event = Event::default();
        assert!(map(message, &mut event), "{message}");
        event
    }

    #[test]
    fn out_of_memory_in_old_and_new_words() {
        for text in [
            "[  12.5] Out of memory: Killed process 42 (my (odd) name) total-vm:1kB, anon-rss:2kB, UID:7 pgtables:1kB",
            "Out of memory: Kill process 42 (my (odd) name) score 900 or sacrifice child",
            "Memory cgroup out of memory: Killed process 42 (my (odd) name) total-vm:1kB",
            "Killed process 42 (my (odd) name) total-vm:1kB, anon-rss:2kB",
        ] {
            let event = mapped(text);
            assert_eq!(event.str(field::EVENT_ACTION), Some("oom_kill"), "{text}");
            assert_eq!(event.str(field::PROCESS_NAME), Some("my (odd) name"), "{text}");
            assert_eq!(event.get(field::PROCESS_PID), Some(Value::Int(42)), "{text}");
        }
    }

    #[test]
    fn crashes_and_sticks() {
        let event = mapped("a.out[77]: segfault at 0 ip 0 sp 0 error 4 in libc.so.6[7f+1]");
        assert_eq!(event.get(field::PROCESS_PID), Some(Value::Int(77)));
        let event =
            mapped("usb 1-1: New USB device found, idVendor=0930, idProduct=6544, bcdDevice=1");
        assert_eq!(event.str(field::EVENT_ACTION), Some("usb_connected"));
    }

    #[test]
    fn disks_interfaces_and_the_kernel_itself() {
        for (text, action) in [
            ("usb 1-1: Product: Flash Disk", "usb_described"),
            ("usb-storage 1-1:1.0: USB Mass Storage device detected", "usb_storage"),
            ("sd 2:0:0:0: [sdb] Attached SCSI removable disk", "disk_attached"),
            ("EXT4-fs (sdb1): mounted filesystem with ordered data mode", "mounted"),
            ("device eth0 entered promiscuous mode", "promiscuous_mode"),
            ("eth0: left promiscuous mode", "promiscuous_mode"),
            ("IPv4: martian source 192.0.2.1 from 198.51.100.7, on dev eth0", "martian_source"),
            (
                "TCP: request_sock_TCP: Possible SYN flooding on port 80. Sending cookies.",
                "syn_flood",
            ),
            ("nf_conntrack: nf_conntrack: table full, dropping packet", "connection_table_full"),
            ("evil: loading out-of-tree module taints kernel.", "tainted"),
            (
                "evil: module verification failed: signature and/or required key missing - tainting kernel",
                "tainted",
            ),
            (
                "Lockdown: insmod: unsigned module loading is restricted; see man kernel_lockdown.7",
                "lockdown_denied",
            ),
            ("Linux version 6.1.0-1-amd64 (x@y)", "booted"),
            ("Kernel panic - not syncing: Fatal exception", "kernel_panic"),
            ("BUG: unable to handle page fault for address: 0", "kernel_error"),
            ("audit: backlog limit exceeded", "audit_trouble"),
            ("traps: a.out[7] trap int3 ip:1 sp:2 error:0", "segfault"),
        ] {
            let event = mapped(text);
            assert_eq!(event.str(field::EVENT_ACTION), Some(action), "{text}");
        }
        let event = mapped("TCP: Possible SYN flooding on port [::]:8080. Dropping request.");
        assert_eq!(event.get(field::DESTINATION_PORT), Some(Value::Int(8080)));
        let event = mapped(
            "TCP: request_sock_TCP: Possible SYN flooding on port 0.0.0.0:80. Sending cookies.",
        );
        assert_eq!(event.get(field::DESTINATION_PORT), Some(Value::Int(80)));
        let event = mapped("IPv4: martian source 192.0.2.1 from 198.51.100.7, on dev eth0");
        assert_eq!(event.str(field::SOURCE_IP), Some("198.51.100.7"));
        assert_eq!(event.str(field::DESTINATION_IP), Some("192.0.2.1"));
        assert!(!map("a sentence", &mut Event::default()));
    }
}
