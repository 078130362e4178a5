//! Events that an attacker or a broken sensor may send.

use proptest::prelude::*;
use watchfloor::infer::window::{Timing, Windows, reduce};
use watchfloor::model::class::Class;
use watchfloor::model::event::Event;
use watchfloor::model::field;
use watchfloor::stdx::id::Id128;
use watchfloor::stdx::time::Timestamp;

use super::{Taken, sound, windows};

/// The head of an event of Sysmon.
pub fn sysmon(event: &mut Event, code: &str) {
    event.push_str(field::WINLOG_CHANNEL, "Microsoft-Windows-Sysmon/Operational");
    event.push_str(field::WINLOG_PROVIDER_NAME, "Microsoft-Windows-Sysmon");
    event.push_str(field::EVENT_CODE, code);
    event.push_str(field::HOST_NAME, "pc-17");
    event.push_int(field::PROCESS_PID, 40);
    event.push_str(field::PROCESS_EXECUTABLE, r"C:\Windows\System32\a.exe");
}

fn start(at_ms: i64, entity: &str, pid: i64, parent: &str, parent_pid: i64) -> Event {
    let mut event = Event::with_capacity(16, 256);
    event.timestamp = Timestamp(at_ms * 1_000);
    event.class = Class::ProcessStart;
    event.push_str(field::WINLOG_CHANNEL, "Microsoft-Windows-Sysmon/Operational");
    event.push_str(field::EVENT_CODE, "1");
    event.push_str(field::HOST_NAME, "pc-17");
    event.push_str(field::PROCESS_ENTITY_ID, entity);
    event.push_int(field::PROCESS_PID, pid);
    event.push_str(field::PROCESS_EXECUTABLE, r"C:\Users\bob\x.exe");
    event.push_str(field::PROCESS_PARENT_ENTITY_ID, parent);
    event.push_int(field::PROCESS_PARENT_PID, parent_pid);
    let program = if parent_pid == 5 { r"C:\Users\bob\x.exe" } else { r"C:\Windows\explorer.exe" };
    event.push_str(field::PROCESS_PARENT_EXECUTABLE, program);
    event
}

#[test]
fn processes_that_are_their_own_ancestors_end_the_count() {
    let at = 1_700_000_000_000;
    let own = windows(&[start(at, "a", 5, "a", 5)]);
    assert!(own.iter().all(|window| window.graph.edges.is_empty()), "nothing starts itself");
    let circle =
        [start(at, "a", 5, "b", 6), start(at + 1, "b", 6, "a", 5), start(at + 2, "a", 5, "b", 6)];
    for window in windows(&circle) {
        sound(&window);
    }
}

#[test]
fn a_number_that_is_used_again_is_another_process() {
    let at = 1_700_000_000_000;
    let events = [
        start(at, "", 5, "", 1),
        start(at + 60_000, "", 5, "", 1),
        start(at + 61_000, "", 7, "", 5),
    ];
    let windows = windows(&events);
    let last = windows.iter().rfind(|window| window.graph_events == 3).unwrap();
    // Two with number 5, one with 7, the parent with 1.
    assert_eq!(last.graph.nodes.len(), 4);
}

#[test]
fn a_hundred_thousand_events_in_one_pane_are_bounded_and_counted() {
    let mut all = Windows::new(Timing::default(), None);
    let mut taken = Taken::default();
    for number in 0..100_000_i64 {
        let mut event = Event::with_capacity(8, 256);
        event.timestamp = Timestamp(1_700_000_010_000_000 + number);
        event.id = Id128((number as u128).to_be_bytes());
        sysmon(&mut event, "11");
        event.class = Class::FileCreate;
        event.push_str(field::FILE_PATH, &format!(r"C:\Users\bob\AppData\Local\Temp\{number}.tmp"));
        all.see(&event, &mut taken);
    }
    all.finish(&mut taken);
    let window = &taken.0[0];
    sound(window);
    assert_eq!(window.events, 100_000);
    assert_eq!(window.graph.nodes.len(), reduce::NODES_MAX);
    let kept = window.graph.nodes.len() + window.graph.nodes_dropped as usize;
    assert!(kept > 99_000, "what went is counted: {kept}");
}

#[test]
fn late_events_join_open_windows_and_are_counted_when_none_is_open() {
    let at = 1_700_000_000_000;
    let mut all = Windows::new(Timing::default(), None);
    let mut taken = Taken::default();
    assert!(all.see(&start(at, "a", 5, "p", 1), &mut taken));
    assert!(all.see(&start(at + 600_000, "b", 6, "p", 1), &mut taken));
    assert_eq!(taken.0.len(), 6, "what was due has closed");
    assert!(all.see(&start(at + 590_000, "c", 7, "p", 1), &mut taken), "time may go back a little");
    assert!(all.see(&start(at + 700_000, "d", 8, "p", 1), &mut taken));
    assert!(
        !all.see(&start(at + 490_000, "e", 9, "p", 1), &mut taken),
        "all its windows are closed"
    );
    all.finish(&mut taken);
    assert_eq!(all.endpoints().map(|(_, endpoint)| endpoint.late).sum::<u64>(), 1);
}

#[test]
fn one_event_from_a_clock_that_is_ahead_makes_no_other_late() {
    let at = 1_700_000_000_000;
    let mut all = Windows::new(Timing::default(), None);
    let mut taken = Taken::default();
    for (number, ahead) in [(0, 0), (1, 86_400_000), (2, 0), (3, 0)] {
        let mut event =
            start(at + number * 20_000 + ahead, &format!("e{number}"), 10 + number, "p", 1);
        event.ingested = Timestamp((at + number * 20_000) * 1_000);
        assert!(all.see(&event, &mut taken), "{number}");
    }
    all.finish(&mut taken);
    let most =
        taken.0.iter().filter(|window| window.end_ms < at + 600_000).map(|window| window.events);
    assert_eq!(most.max(), Some(3), "the others share a window");
}

#[test]
fn a_clock_that_goes_back_for_good_blinds_an_endpoint_for_a_few_events_only() {
    let at = 1_700_000_000_000;
    let mut all = Windows::new(Timing::default(), None);
    let mut taken = Taken::default();
    all.see(&start(at + 86_400_000, "a", 6, "p", 1), &mut taken);
    all.see(&start(at + 86_700_000, "b", 6, "p", 1), &mut taken);
    let seen = (0..200).filter(|number| {
        let event = start(at + number * 1_000, &format!("e{number}"), 100 + number, "p", 1);
        all.see(&event, &mut taken)
    });
    assert!(seen.count() > 100);
    all.finish(&mut taken);
    assert!(taken.0.iter().any(|window| window.end_ms < at + 600_000 && window.events > 100));
    assert_eq!(all.endpoints().map(|(_, endpoint)| endpoint.rewound).sum::<u64>(), 1);
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        Just(String::new()),
        Just("-".to_owned()),
        Just(r"\\?\C:\Windows\..\..\".to_owned()),
        Just("0xffffffffffffffffff".to_owned()),
        "[a-z0-9+/=]{0,600}",
        Just("::ffff:10.0.0.1".to_owned()),
        Just("4294967296".to_owned()),
        Just("UNKNOWN(0000)|C:\\x.dll+1|".to_owned()),
    ]
}

/// Fields that observers read.
const FIELDS: &[&str] = &[
    "process.executable",
    "process.command_line",
    "process.entity_id",
    "process.parent.entity_id",
    "process.name",
    "process.parent.executable",
    "file.path",
    "file.name",
    "registry.key",
    "registry.path",
    "registry.hive",
    "registry.data.strings",
    "source.ip",
    "destination.ip",
    "destination.port",
    "source.port",
    "dns.question.name",
    "dll.path",
    "user.name",
    "user.id",
    "user.domain",
    "user.target.name",
    "event.action",
    "event.outcome",
    "winlog.event_data.LogonType",
    "powershell.file.script_block_text",
    "powershell.command.value",
    "winlog.event_data.GrantedAccess",
    "winlog.event_data.CallTrace",
    "winlog.event_data.TargetImage",
    "winlog.event_data.TargetProcessGUID",
    "winlog.event_data.TargetProcessId",
    "winlog.event_data.PrivilegeList",
    "winlog.event_data.TaskContent",
    "winlog.event_data.ImagePath",
    "winlog.event_data.ShareName",
    "winlog.event_data.ObjectType",
    "winlog.event_data.ObjectName",
    "winlog.event_data.AccessMask",
    "auditd.data.socket_path",
    "auditd.data.a1",
    "auditd.data.syscall",
    "event.code",
];

const CHANNELS: &[&str] = &[
    "Security",
    "System",
    "Microsoft-Windows-Sysmon/Operational",
    "Microsoft-Windows-PowerShell/Operational",
    "Microsoft-Windows-WMI-Activity/Operational",
    "",
];

fn any_event() -> impl Strategy<Value = Event> {
    let fields = proptest::collection::vec((0..FIELDS.len(), texts()), 0..14);
    let at = prop_oneof![
        1_700_000_000_000_000_i64..1_700_000_600_000_000,
        Just(0),
        Just(-5),
        any::<i64>().prop_map(|at| at / 4),
    ];
    let code = prop_oneof![0_i64..40, 4_600_i64..5_200];
    (0..Class::ALL.len(), 0..CHANNELS.len(), code, -3_i64..9, -3_i64..9, at, fields).prop_map(
        |(class, channel, code, pid, parent, at, fields)| {
            let mut event = Event::with_capacity(24, 512);
            event.class = Class::ALL[class];
            event.timestamp = Timestamp(at);
            match CHANNELS[channel] {
                "" => event.push_str(field::AUDITD_TYPE, "SYSCALL"),
                channel => event.push_str(field::WINLOG_CHANNEL, channel),
            }
            event.push_int(field::EVENT_CODE, code);
            event.push_int(field::PROCESS_PID, pid);
            event.push_int(field::PROCESS_PARENT_PID, parent);
            for (name, text) in fields {
                event.push_named(FIELDS[name], watchfloor::model::event::Value::Str(&text));
            }
            event
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_event_breaks_windows_or_makes_a_number_that_is_none(
        events in proptest::collection::vec(any_event(), 1..60)
    ) {
        let mut all = Windows::new(Timing::default(), None);
        let mut taken = Taken::default();
        for event in &events {
            all.see(event, &mut taken);
        }
        for (_, endpoint) in all.endpoints() {
            let kept = endpoint.to_bytes();
            let back = watchfloor::infer::window::Endpoint::from_bytes(&kept);
            prop_assert_eq!(back.as_ref(), Some(endpoint));
        }
        all.finish(&mut taken);
        for window in &taken.0 {
            sound(window);
        }
    }

    #[test]
    fn damaged_state_is_refused_and_breaks_nothing(
        events in proptest::collection::vec(any_event(), 1..20),
        cut in 0_usize..4_000,
        flip in 0_usize..4_000,
    ) {
        let mut all = Windows::new(Timing::default(), None);
        let mut taken = Taken::default();
        for event in &events {
            all.see(event, &mut taken);
        }
        for (key, endpoint) in all.endpoints() {
            let mut kept = endpoint.to_bytes();
            let length = kept.len();
            kept[flip % length] ^= 0x55;
            kept.truncate(length - cut % length);
            if let Some(damaged) = watchfloor::infer::window::Endpoint::from_bytes(&kept) {
                let mut other = Windows::new(Timing::default(), None);
                other.restore((**key).clone(), damaged);
                let mut taken = Taken::default();
                other.see(&events[0], &mut taken);
            }
        }
    }
}
