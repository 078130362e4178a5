//! The kernel's ring buffer as syslog carries it: out of memory, crashes, the packet filter, USB.

use crate::model::class::Class;
use crate::model::event::{Event, Value};
use crate::model::field;
use crate::normalise::linux::kind::{Kind, Outcome, source_address, source_port};

const OOM_KILL: Kind =
    Kind::new(Class::ProcessStop, "process", "end", "oom_kill", Outcome::Success);
const OOM: Kind = Kind::new(Class::Other, "host", "info", "oom", Outcome::Unknown);
const CRASH: Kind = Kind::new(Class::Other, "process", "error", "segfault", Outcome::Failure);
const PACKET: Kind = Kind::new(Class::Other, "network", "info", "packet", Outcome::Unknown);
const PACKET_DENIED: Kind =
    Kind::new(Class::Other, "network", "denied", "packet_denied", Outcome::Failure);
const USB_NEW: Kind = Kind::new(Class::Other, "host", "info", "usb_connected", Outcome::Unknown);
const USB_GONE: Kind =
    Kind::new(Class::Other, "host", "info", "usb_disconnected", Outcome::Unknown);

/// Map a kernel line, with or without its `[ 12.345]` time since boot.
pub fn map(message: &str, event: &mut Event) -> bool {
    let text = without_uptime(message);
    killed(text, event) || crashed(text, event) || packet(text, event) || usb(text, event)
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
    let what = ["segfault at ", "general protection", "trap invalid opcode", "trap divide error"]
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

/// `[UFW BLOCK] IN=eth0 OUT= MAC=… SRC=… DST=… PROTO=TCP SPT=… DPT=…`.
fn packet(text: &str, event: &mut Event) -> bool {
    let Some(at) = text.find("IN=").filter(|_| text.contains(" SRC=") && text.contains(" DST="))
    else {
        return false;
    };
    let (label, parts) = text.split_at_checked(at).unwrap_or(("", text));
    let label = label.trim().trim_matches(['[', ']', ':']);
    let upper = label.to_ascii_uppercase();
    let denied =
        ["BLOCK", "DROP", "REJECT", "DENY", "DENIED"].iter().any(|word| upper.contains(word));
    if denied {
        PACKET_DENIED.set(event)
    } else {
        PACKET.set(event)
    }
    if !label.is_empty() {
        event.push_str(field::RULE_NAME, label);
    }
    for part in parts.split(' ') {
        let Some((key, value)) = part.split_once('=') else { continue };
        match key {
            "SRC" => source_address(event, value),
            "SPT" => source_port(event, value),
            "DST" => {
                event.push_ip(field::DESTINATION_IP, value);
            }
            "DPT" => {
                if let Ok(port) = value.parse::<u16>() {
                    event.push_int(field::DESTINATION_PORT, i64::from(port));
                }
            }
            "PROTO" => event.push_str(field::NETWORK_TRANSPORT, &value.to_ascii_lowercase()),
            "IN" if !value.is_empty() => event.push_str(field::NETWORK_DIRECTION, "inbound"),
            "OUT" if !value.is_empty() && !event.has(field::NETWORK_DIRECTION) => {
                event.push_str(field::NETWORK_DIRECTION, "outbound");
            }
            _ => {}
        }
    }
    true
}

/// `usb 1-1: New USB device found, idVendor=0930, idProduct=6544`, `usb 1-1: USB disconnect, device number 2`.
fn usb(text: &str, event: &mut Event) -> bool {
    if !text.starts_with("usb ") {
        return false;
    }
    if text.contains(": New USB device found") {
        USB_NEW.set(event);
        for (key, name) in [("idVendor=", "usb.vendor_id"), ("idProduct=", "usb.product_id")] {
            if let Some((_, rest)) = text.split_once(key) {
                let id = rest.split([',', ' ']).next().unwrap_or("");
                event.push_named(name, Value::Str(id));
            }
        }
        return true;
    }
    text.contains(": USB disconnect") && {
        USB_GONE.set(event);
        true
    }
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
    fn crashes_packets_and_sticks() {
        let event = mapped("a.out[77]: segfault at 0 ip 0 sp 0 error 4 in libc.so.6[7f+1]");
        assert_eq!(event.get(field::PROCESS_PID), Some(Value::Int(77)));
        let event = mapped(
            "[ 3529.2] [UFW BLOCK] IN=eth0 OUT= MAC=00 SRC=192.0.2.1 DST=192.0.2.2 LEN=1 PROTO=UDP SPT=53 DPT=36427",
        );
        assert_eq!(event.str(field::SOURCE_IP), Some("192.0.2.1"));
        assert_eq!(event.get(field::DESTINATION_PORT), Some(Value::Int(36_427)));
        assert_eq!(event.str(field::EVENT_ACTION), Some("packet_denied"));
        assert_eq!(event.str(field::RULE_NAME), Some("UFW BLOCK"));
        let event =
            mapped("usb 1-1: New USB device found, idVendor=0930, idProduct=6544, bcdDevice=1");
        assert_eq!(event.str(field::EVENT_ACTION), Some("usb_connected"));
    }
}
