//! Names, addresses, GUIDs, process ids and times are changed consistently through a capture, within their classes: not a
//! bit of any feature changes.
//!
//! Letters become other letters of the same case and digits other digits, so a name keeps its form. Kept are words that the
//! operating systems own: folders, endings, hives, services' pipes, accounts, protocol words.

use std::collections::BTreeSet;
use std::net::IpAddr;

use watchfloor::infer::features::rarity::History;
use watchfloor::infer::window::{EndpointKey, Take, Timing, Window, Windows};
use watchfloor::model::event::{Event, Value};
use watchfloor::stdx::time::Timestamp;

use crate::support;

use super::{CAPTURES, Taken, events};

/// Fields with names in them.
const NAMED: &[&str] = &[
    "host.name",
    "user.name",
    "user.target.name",
    "user.effective.name",
    "user.audit.name",
    "process.name",
    "process.executable",
    "process.command_line",
    "process.parent.name",
    "process.parent.executable",
    "process.parent.command_line",
    "process.pe.original_file_name",
    "process.working_directory",
    "file.path",
    "file.name",
    "file.directory",
    "dll.path",
    "dll.name",
    "dns.question.name",
    "service.name",
    "registry.data.strings",
    "powershell.file.script_block_text",
    "powershell.command.value",
    "winlog.event_data.CallTrace",
    "winlog.event_data.TargetImage",
    "winlog.event_data.ObjectName",
    "winlog.event_data.Payload",
    "winlog.event_data.ImagePath",
    "winlog.event_data.ServiceFileName",
    "winlog.event_data.RelativeTargetName",
    "auditd.data.socket_path",
    "message",
    "source.domain",
    "destination.domain",
];
/// Ids: GUIDs and the like.
const IDS: &[&str] = &[
    "process.entity_id",
    "process.parent.entity_id",
    "winlog.event_data.TargetProcessGUID",
    "winlog.event_data.TargetProcessGuid",
    "winlog.event_data.LogonGuid",
    "winlog.logon.id",
];
/// Numbers of processes.
const PIDS: &[&str] = &[
    "process.pid",
    "process.parent.pid",
    "winlog.process.pid",
    "winlog.event_data.TargetProcessId",
];
const ADDRESSES: &[&str] = &["source.ip", "destination.ip", "server.ip"];

/// Words of the systems.
const KEPT: &str = "windows system32 syswow64 winsxs program files x86 programdata users documents and settings appdata \
    local roaming temp microsoft start menu programs startup credentials protect system tasks winevt logs ntds config \
    spool drivers color device harddiskvolume mup lanman systemroot windir unknown assembly nativeimages net \
    exe com scr cpl msi pif run bin appimage dll sys ocx drv so ko ax tlb mui ps1 psm1 psd1 bat cmd vbs vbe js jse wsf \
    wsh hta sct py pl rb sh bash php lua mof inf chm xsl lnk url jsp aspx asp doc docx docm xls xlsx xlsm ppt pptx pdf \
    rtf txt htm html csv md one eml msg zip rar 7z cab gz tgz bz2 xz zst tar iso img vhd vhdx jar deb rpm \
    lsarpc samr netlogon lsass protected storage svcctl ntsvcs atsvc srvsvc wkssvc browser spoolss eventlog winreg \
    epmapper initshutdown trkwks router w32time tmp var dev shm user proc sys etc ssl private ssh sudoers d cron daily \
    hourly weekly monthly systemd init profile spool lib xdg autostart log usr opt srv snap sbin lib64 boot home \
    root libexec nt authority service network anonymous logon window manager font host \
    a b c d e f g h i j k l m n o p q r s t u v w x y z";

fn kept() -> BTreeSet<&'static str> {
    KEPT.split_ascii_whitespace().collect()
}

fn letter(c: char) -> char {
    match c {
        'a'..='z' => char::from(b'a' + (c as u8 - b'a' + 11) % 26),
        'A'..='Z' => char::from(b'A' + (c as u8 - b'A' + 11) % 26),
        '0'..='9' => char::from(b'0' + (c as u8 - b'0' + 7) % 10),
        other => other,
    }
}

/// Words become others of the same form, but for those of the systems and single digits and letters.
fn text(text: &str, kept: &BTreeSet<&str>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    let flush = |word: &mut String, out: &mut String| {
        let lower = word.to_ascii_lowercase();
        let plain = word.chars().all(|c| c.is_ascii_digit()) || kept.contains(lower.as_str());
        match plain {
            true => out.push_str(word),
            false => out.extend(word.chars().map(letter)),
        }
        word.clear();
    };
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            word.push(c);
        } else {
            flush(&mut word, &mut out);
            out.push(c);
        }
    }
    flush(&mut word, &mut out);
    out
}

/// Another address of the same class.
fn address(text: &str) -> String {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(v4)) if !v4.is_loopback() && !v4.is_unspecified() && !v4.is_multicast() => {
            let mut octets = v4.octets();
            if octets[3] != 255 {
                octets[3] = ((u16::from(octets[3]) + 91) % 255) as u8;
            }
            IpAddr::from(octets).to_string()
        }
        _ => text.to_owned(),
    }
}

fn pid(pid: i64) -> i64 {
    if pid <= 4 { pid } else { pid + 70_001 }
}

fn renamed(event: &Event, shift_us: i64, kept: &BTreeSet<&str>) -> Event {
    let mut out = Event::with_capacity(event.len(), event.heap_bytes());
    out.id = event.id;
    out.class = event.class;
    out.timestamp = Timestamp(event.timestamp.0 + shift_us);
    for (id, value) in event.iter() {
        let name = id.name();
        match value {
            Value::Str(value) if NAMED.contains(&name) => {
                out.push_str(id, &text(value, kept));
            }
            Value::Str(value) if IDS.contains(&name) => {
                out.push_str(id, &value.chars().map(letter).collect::<String>());
            }
            Value::Str(value) if ADDRESSES.contains(&name) => out.push_str(id, &address(value)),
            Value::Str(value) if PIDS.contains(&name) => match value.parse::<i64>() {
                Ok(number) => out.push_str(id, &pid(number).to_string()),
                Err(_) => out.push_str(id, value),
            },
            Value::Int(number) if PIDS.contains(&name) => out.push_int(id, pid(number)),
            other => out.push_value(id, other),
        }
    }
    out
}

#[derive(Default)]
struct Keys(std::collections::BTreeMap<EndpointKey, BTreeSet<u64>>);

impl Take for Keys {
    fn window(&mut self, _window: Window) {}
    fn folded(&mut self, endpoint: &EndpointKey, keys: &[u64]) {
        self.0.entry(endpoint.clone()).or_default().extend(keys);
    }
}

/// Windows with a history of the first third of the events.
fn featured(events: &[Event]) -> Vec<Window> {
    let mut keys = Keys::default();
    let mut past = Windows::new(Timing::default(), None).only_keys();
    events[..events.len() / 3].iter().for_each(|event| {
        past.see(event, &mut keys);
    });
    past.finish(&mut keys);
    let mut history = History::default();
    keys.0.into_values().for_each(|keys| history.add(1, keys));
    let mut windows = Windows::new(Timing::default(), Some(history.without(None).into()));
    let mut taken = Taken::default();
    events.iter().for_each(|event| {
        windows.see(event, &mut taken);
    });
    windows.finish(&mut taken);
    // Endpoints are closed in the order of their names, which are others now.
    taken.0.sort_by_key(|window| {
        (window.end_ms, window.events, window.graph_events, window.observed_ms)
    });
    taken.0
}

#[test]
fn other_names_addresses_ids_and_times_change_no_feature() {
    let kept = kept();
    assert_eq!(text(r"C:\Windows\Foo9.exe -enc", &kept), r"C:\Windows\Qzz6.exe -pyn");
    let shift_ms = 30_000 * 123_457;
    for capture in CAPTURES {
        let Some(file) = support::data(capture) else { return };
        let before = events(&file);
        let after: Vec<Event> =
            before.iter().map(|event| renamed(event, shift_ms * 1_000, &kept)).collect();
        let different =
            before.iter().zip(&after).filter(|(old, new)| old.host() != new.host()).count();
        assert!(different * 2 > before.len(), "{capture}: hosts have other names");
        let (left, right) = (featured(&before), featured(&after));
        assert_eq!(left.len(), right.len(), "{capture}");
        let columns = watchfloor::infer::features::names::node();
        for (left, right) in left.iter().zip(&right) {
            assert_eq!(left.end_ms + shift_ms, right.end_ms);
            let pairs = left.tensors.node_features.iter().zip(&right.tensors.node_features);
            for (place, (left_value, right_value)) in pairs.enumerate() {
                let (node, column) = (place / columns.len(), &columns[place % columns.len()].0);
                assert_eq!(
                    left_value.to_bits(),
                    right_value.to_bits(),
                    "{capture}: window {}, node {node} {:?}, {column}",
                    left.end_ms,
                    left.graph.nodes[node].kind
                );
            }
            let columns = watchfloor::infer::features::names::edge();
            let pairs = left.tensors.edge_features.iter().zip(&right.tensors.edge_features);
            for (place, (left_value, right_value)) in pairs.enumerate() {
                let (edge, column) = (place / columns.len(), &columns[place % columns.len()].0);
                assert_eq!(
                    left_value.to_bits(),
                    right_value.to_bits(),
                    "{capture}: window {}, edge {edge}, {column}",
                    left.end_ms
                );
            }
            assert!(left.tensors == right.tensors, "{capture}: window {}", left.end_ms);
        }
    }
}
