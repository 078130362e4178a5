//! What becomes of whole events and of rejects.

use super::*;
use crate::config::secret::SecretRef;
use crate::model::field::FieldId;
use proptest::prelude::*;

fn people(personal: Personal, users: bool, truncate: bool) -> People {
    People {
        personal,
        users: users.then(|| Arc::new(Pseudonyms::new(b"0123456789abcdef").unwrap())),
        truncate,
    }
}

fn event(class: Class, fields: &[(&str, &str)]) -> Event {
    let mut event = Event::default();
    event.class = class;
    for (name, value) in fields {
        event.push_str(FieldId::intern(name).unwrap(), value);
    }
    event
}

fn texts(event: &Event) -> Vec<(&'static str, String)> {
    event.iter().map(|(field, value)| (field.name(), value.to_text().into_owned())).collect()
}

fn of(event: &Event, name: &str) -> String {
    event.str(FieldId::intern(name).unwrap()).unwrap_or_default().to_owned()
}

#[test]
fn the_defaults_touch_agents_only() {
    let fields =
        [("message", "mail bob@example.org"), ("user.name", "bob"), ("source.ip", "192.0.2.57")];
    let defaults = People::new(&RedactConfig::default()).unwrap();
    for (class, expected) in
        [(Class::Logon, "mail bob@example.org"), (Class::AgentStep, "mail <redacted:email>")]
    {
        let mut event = event(class, &fields);
        let mut counts = Counts::new();
        defaults.event(&mut event, &mut counts);
        assert_eq!(of(&event, "message"), expected);
        assert_eq!(of(&event, "user.name"), "bob");
        assert_eq!(of(&event, "source.ip"), "192.0.2.57");
    }
    let off = people(Personal::Off, false, false);
    let mut agent = event(Class::AgentStep, &fields);
    off.event(&mut agent, &mut Counts::new());
    assert_eq!(of(&agent, "message"), "mail bob@example.org");
}

#[test]
fn one_person_has_one_name_in_all_fields() {
    let people = people(Personal::Off, true, false);
    let mut event = event(
        Class::Logon,
        &[
            ("user.name", "Bob"),
            ("user.target.name", "alice@corp.example"),
            ("related.user", "bob"),
            ("winlog.event_data.User", "CORP\\bob"),
            ("winlog.event_data.SubjectUserName", "WEB01$"),
            ("auditd.data.suid", "1042"),
            ("user.id", "S-1-5-21-1"),
            ("process.name", "bob"),
            ("host.name", "bob"),
            ("process.executable", "C:\\Users\\carl\\x.exe"),
            ("message", "bob became alice on bob-laptop; /home/dave/x"),
            ("event.original", "user=bob proctitle=2F686F6D652F626F62002D6C"),
        ],
    );
    let mut counts = Counts::new();
    people.event(&mut event, &mut counts);
    let bob = of(&event, "user.name");
    assert!(bob.starts_with("user-") && bob.len() == 17, "{bob}");
    let alice = of(&event, "user.target.name");
    assert!(alice.starts_with("user-") && alice.ends_with("@corp.example"), "{alice}");
    assert_eq!(of(&event, "related.user"), bob);
    assert_eq!(of(&event, "winlog.event_data.User"), format!("CORP\\{bob}"));
    for (name, value) in [
        ("winlog.event_data.SubjectUserName", "WEB01$"),
        ("auditd.data.suid", "1042"),
        ("user.id", "S-1-5-21-1"),
        ("process.name", "bob"),
        ("host.name", "bob"),
    ] {
        assert_eq!(of(&event, name), value);
    }
    let message = of(&event, "message");
    let alice = alice.trim_end_matches("@corp.example");
    assert!(
        message.starts_with(&format!("{bob} became {alice} on bob-laptop; /home/user-")),
        "{message}"
    );
    let hex: String = bob.bytes().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(
        of(&event, "event.original"),
        format!("user={bob} proctitle=2F686F6D652F{hex}002D6C")
    );
    assert!(!of(&event, "process.executable").contains("carl"));
    // Five fields besides the message and the input, which repeat them.
    assert_eq!(counts.get(USER_KIND), Some(&5), "{counts:?}");
    let before = texts(&event);
    people.event(&mut event, &mut counts);
    assert_eq!(texts(&event), before, "twice is once");
}

#[test]
fn addresses_are_cut_in_fields_and_texts() {
    let people = people(Personal::Off, false, true);
    let mut event = event(
        Class::NetworkConnect,
        &[
            ("source.ip", "192.0.2.57"),
            ("destination.address", "2001:db8:1:2::9"),
            ("related.ip", "192.0.2.57"),
            ("event.original", "192.0.2.57 saddr=020001BBC00002390000000000000000"),
            ("winlog.version", "10.1.2.3"),
            ("process.pe.file_version", "10.1.2.3"),
        ],
    );
    people.event(&mut event, &mut Counts::new());
    assert_eq!(
        texts(&event).into_iter().map(|(_, value)| value).collect::<Vec<_>>(),
        [
            "192.0.2.0",
            "2001:db8:1:2::",
            "192.0.2.0",
            "192.0.2.0 saddr=020001BBC00002000000000000000000",
            "10.1.2.3",
            "10.1.2.3",
        ]
    );
}

#[test]
fn everything_at_once() {
    let people = people(Personal::Everywhere, true, true);
    let mut event = event(
        Class::Other,
        &[
            ("user.email", "bob@corp.example"),
            ("message", "bob@corp.example from 192.0.2.57, tel. +49 30 1234567"),
        ],
    );
    people.event(&mut event, &mut Counts::new());
    assert!(of(&event, "user.email").ends_with("@corp.example"));
    assert_eq!(of(&event, "message"), "<redacted:email> from 192.0.2.0, tel. <redacted:phone>");
}

#[test]
fn a_key_is_needed_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let config = |key: Option<SecretRef>| RedactConfig {
        users: Users::Pseudonym,
        key,
        ..Default::default()
    };
    let new = |key| People::new(&config(key)).err().map(|error| error.to_string());
    assert!(new(None).unwrap().contains("need a key"));
    std::fs::write(&file, "short").unwrap();
    assert!(new(Some(SecretRef::File(file.clone()))).unwrap().contains("fewer than 16"));
    std::fs::write(&file, "0123456789abcdef\n").unwrap();
    assert_eq!(new(Some(SecretRef::File(file))), None);
    let unset = SecretRef::Env("WATCHFLOOR_SURELY_NOT_SET".to_owned());
    assert!(new(Some(unset)).unwrap().contains("WATCHFLOOR_SURELY_NOT_SET"));
}

proptest! {
    #[test]
    fn any_event_twice_is_once(
        name in "[a-zA-Z0-9.$@\\\\ -]{0,12}",
        text in "(bob|[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}|[A-F0-9]{8,20}|=|saddr=0200| |/home/|@example\\.org|\\PC){0,16}",
    ) {
        let people = people(Personal::Everywhere, true, true);
        let fields = [("user.name", name.as_str()), ("message", &text), ("event.original", &text)];
        let mut event = event(Class::Other, &fields);
        people.event(&mut event, &mut Counts::new());
        let once = texts(&event);
        people.event(&mut event, &mut Counts::new());
        prop_assert_eq!(texts(&event), once);
        let mut reject = text.clone();
        people.text(&mut reject, &mut Counts::new());
        let again = reject.clone();
        people.text(&mut reject, &mut Counts::new());
        prop_assert_eq!(reject, again);
    }
}

#[test]
fn what_several_fields_say_is_replaced_in_all_and_counts_once() {
    let agent = "Spider/1.0 (+spider@example.org) Engine/100.0.0.0";
    let line = format!("192.0.2.57 - - \"GET / HTTP/1.1\" 200 5 \"-\" \"{agent}\"");
    let fields = [("user_agent.original", agent), ("message", &line), ("event.original", &line)];
    let mut event = event(Class::WebRequest, &fields);
    let mut counts = Counts::new();
    people(Personal::Everywhere, false, true).event(&mut event, &mut counts);
    for (name, text) in texts(&event) {
        assert!(!text.contains("spider@example.org"), "{name}: {text}");
        assert!(text.contains("Engine/100.0.0.0"), "{name}: {text}");
    }
    assert_eq!(counts.get("email"), Some(&1));
    assert_eq!(counts.get(ADDRESS_KIND), Some(&1));
}
