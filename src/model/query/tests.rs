//! What filters mean, where they are refused, and that any text is survived.

use proptest::prelude::*;

use super::{AlertFilter, EventFilter, Narrow, Query, QueryError, Viewpoint, quote};
use crate::model::alert::{Alert, Status};
use crate::model::class::Class;
use crate::model::event::Event;
use crate::model::field;
use crate::model::severity::Severity;
use crate::model::verdict::{Confidence, Verdict, VerdictKind};
use crate::stdx::id::Id128;
use crate::stdx::time::Timestamp;

const NOW: i64 = 1_795_334_400; // 2026-11-22T08:00:00Z
const MINUTE: i64 = 60;

fn at(seconds_ago: i64) -> Timestamp {
    Timestamp::from_seconds(NOW - seconds_ago)
}

fn alert() -> Alert {
    Alert {
        id: Id128([7; 16]),
        tenant: "default".into(),
        status: Status::Investigating,
        severity: Severity::High,
        risk: 85,
        risk_parts: Vec::new(),
        rule_id: "scan_ssh_guess".into(),
        rule_name: "SSH Password Guessing".into(),
        tags: vec!["attack.credential_access".into(), "attack.t1110.001".into()],
        host: "fin-ws-044".into(),
        user: "m.okafor".into(),
        group: vec![("source.ip".into(), "10.20.3.4".into())],
        count: 6,
        first_seen: at(9 * 3_600),
        last_seen: at(3 * 3_600),
        created: at(90 * MINUTE),
        updated: at(40 * MINUTE),
        matched: vec![("process.command_line".into(), "powershell -EncodedCommand AA".into())],
        evidence: Vec::new(),
        assignee: Some("kai".into()),
        verdict: Some(Verdict {
            kind: VerdictKind::TruePositive,
            reasons: vec!["other".into()],
            confidence: Confidence::High,
            note: String::new(),
        }),
        snoozed_until: None,
        backfill: false,
        bundle: None,
        changed_since_closed: false,
        revision: 3,
    }
}

fn alert_matches(filter: &str) -> bool {
    let from = Viewpoint { now: at(0), actor: "kai", noted: &|id| id == Id128([7; 16]) };
    let filter = AlertFilter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
    filter.matches(&alert(), &from)
}

fn event_matches(filter: &str) -> bool {
    let mut event = Event::with_capacity(8, 128);
    event.timestamp = at(600);
    event.class = Class::LogonFailure;
    event.push_str(field::HOST_NAME, "web01");
    event.push_str(field::EVENT_CODE, "4625");
    event.push_str(field::SOURCE_IP, "192.0.2.7");
    event.push_int(field::SOURCE_PORT, 50_022);
    event.push_str(field::PROCESS_ARGS, "sh");
    event.push_str(field::PROCESS_ARGS, "-c");
    event.push_str(field::PROCESS_COMMAND_LINE, r"C:\Windows\cmd.exe /c whoami -Enc");
    event.push_str(field::FILE_PATH, "/etc/cron.d/job");
    let filter = EventFilter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
    filter.matches(&event, at(0))
}

#[test]
fn alerts_that_match() {
    for filter in [
        "",
        "  ",
        "is:open sev>=high",
        "risk:80..100 sev:medium..critical",
        "host:fin-* age<4h updated>30m",
        "host:FIN-WS-044",
        "host!=fin-ws-045",
        "ip:10.20.0.0/16 and not rule:(lab_*,other)",
        "source.ip:10.20.0.0/16",
        "tech:T1110* tactic:credential-access",
        "tech:t1110",
        "rule:(lab_*,scan_*)",
        "rule:password",
        "count>5 count<=6",
        "owner:me is:mine",
        "owner:KAI -owner:none",
        "verdict:tp",
        "verdict:(fp,tp)",
        "has:note has:verdict",
        "tag:attack.t1110.001",
        "guessing okafor",
        "\"password guess\"",
        "/pass.*ing/",
        "powershell",
        "process.command_line~/enc(odedcommand)?/",
        "process.command_line:encoded",
        "process.command_line!=powershell",
        "is:closed or (is:investigating -is:snoozed)",
        "not not is:open",
        "last:2026-11-22 created>2026-11-22T06:00",
        "sort:-risk,last_seen is:open",
    ] {
        assert!(alert_matches(filter), "{filter}");
    }
}

#[test]
fn a_snoozed_alert_is_not_open_until_it_wakes() {
    let filter = |text| AlertFilter::parse(text).unwrap();
    let noted = |_| false;
    let mut alert = alert();
    alert.snoozed_until = Some(at(-2 * 60 * MINUTE));
    for (minute, open) in [(60, false), (121, true)] {
        let from = Viewpoint { actor: "kai", now: at(-minute * MINUTE), noted: &noted };
        assert_eq!(filter("is:open").matches(&alert, &from), open, "minute {minute}");
        assert_eq!(filter("is:snoozed").matches(&alert, &from), !open, "minute {minute}");
        assert!(!filter("is:closed").matches(&alert, &from));
    }
}

#[test]
fn alerts_that_do_not_match() {
    for filter in [
        "is:closed",
        "sev>high",
        "sev:low..medium",
        "host:fin",
        "host=fin-ws-04",
        "ip:10.21.0.0/16",
        "owner:none",
        "-is:open",
        "-(is:open is:mine)",
        "age<3h",
        "age>4h",
        "verdict:none",
        "tech:T11",
        "rule=password",
        "zebra or yak",
        "is:open is:closed or risk<10",
        "is:closed and (is:open or is:mine)",
    ] {
        assert!(!alert_matches(filter), "{filter}");
    }
}

#[test]
fn events() {
    for filter in [
        "class:logon_failure code:4625 event.code:4625",
        "class:logon* host:web01",
        "ip:192.0.2.0/24 source.ip:192.0.2.7 source.ip:192.0.0.0/16",
        "port>50000 source.port:50000..50100",
        "process.args:-c",
        "process.command_line~/enc/ cmd:whoami",
        r#"cmd:"C:\Windows\cmd.exe""#,
        r#"cmd:"C:\\Windows\\cmd.exe""#,
        "file:/etc/cron.d/* file.path:/etc/cron.d/job",
        "age<15m time>2026-11-22T07:45",
        "whoami -user:root",
    ] {
        assert!(event_matches(filter), "{filter}");
    }
    for filter in ["class:logon", "process.args:c", "port<50000", "winlog.never_seen:x", "age>1h"] {
        assert!(!event_matches(filter), "{filter}");
    }
}

#[test]
fn a_search_is_narrowed_only_by_what_every_match_has() {
    let narrow = |filter: &str| EventFilter::parse(filter).unwrap().narrow(at(0));
    let time = |text| Timestamp::parse_rfc3339(text);
    assert_eq!(
        narrow("host:WEB01 age<1h age>=5m cmd:x"),
        Narrow { host: Some("web01".into()), from: Some(at(3_600)), to: Some(at(300)) }
    );
    assert_eq!(
        narrow("time:2026-11-22 time>2026-11-22T06:00"),
        Narrow { host: None, from: time("2026-11-22T06:00:00Z"), to: time("2026-11-23T00:00:00Z") }
    );
    for open in ["", "host:web*", "-host:web01", "host:a or host:b", "host:(a,b)", "-(age<1h)"] {
        assert_eq!(narrow(open), Narrow::default(), "{open}");
    }
}

#[test]
fn names_that_are_nearly_one_of_the_schema_are_named_with_it() {
    let misspelt = |text: &str| -> Vec<(String, &'static str)> {
        let filter = EventFilter::parse(text).unwrap();
        filter.misspelt().into_iter().map(|(name, near)| (name.to_owned(), near)).collect()
    };
    let pair = |name: &str, near| (name.to_owned(), near);
    assert_eq!(
        misspelt(
            "process.nme:sh (winlog.event_data.X:1 or not useragent.original:x) process.nme:a"
        ),
        [pair("process.nme", "process.name"), pair("useragent.original", "user_agent.original")]
    );
    // What mappings put under a name of their own is like nothing of the schema.
    let own = "okta.actor.id:1 aws.cloudtrail.user_identity:1 apache.error.module:1 docker.name:1";
    for fine in [own, "qqqq.zzzz:1", "host:a word process.name:b labels.own:a"] {
        assert_eq!(misspelt(fine), [], "{fine}");
    }
}

fn refused(filter: &str) -> (String, QueryError) {
    let error = AlertFilter::parse(filter).expect_err(filter);
    (filter.get(error.span.clone()).unwrap_or("?").to_owned(), error)
}

#[test]
fn refusals_point_at_the_cause() {
    for (filter, under_the_caret, message, hint) in [
        ("is:open hots:x", "hots", "there is no field hots", "did you mean host?"),
        ("is:opne", "opne", "is does not know opne", "did you mean open?"),
        ("risk:high", "high", "risk takes a number", "risk>=10"),
        ("sev>=hihg", "hihg", "sev is one of", ""),
        ("age<4", "4", "age takes a duration", "age<4h"),
        ("(is:open", "(", "this parenthesis is not closed", ""),
        ("is:open)", ")", "this closes nothing", ""),
        ("host:\"x", "\"", "this quote is not closed", ""),
        ("rule:(a,b", "(", "this list is not closed", ""),
        ("host:", "", "host needs a value", ""),
        ("is:open or", "", "a term is missing here", ""),
        ("or is:open", "or", "a term is missing before or", "quote it"),
        ("host~/(/", "/(/", "this pattern is not valid", ""),
        ("host~/x", "/", "this pattern is not closed", "quote it"),
        ("ip:10.0.0.0/64", "10.0.0.0/64", "ip takes an address or a network", ""),
        ("host>x", "x", "text has no order", ""),
        ("@mine", "@", "saved filters", ""),
        ("a or sort:risk", "a or sort:risk", "sort belongs to the whole filter", ""),
    ] {
        let (caret, error) = refused(filter);
        assert_eq!(caret, under_the_caret, "{filter}: {error:?}");
        assert!(error.message.contains(message), "{filter}: {error:?}");
        assert!(error.hint.contains(hint), "{filter}: {error:?}");
    }
}

#[test]
fn every_limit_bites() {
    let deep = format!("{}x{}", "(".repeat(40), ")".repeat(40));
    let many = vec!["x"; 300].join(" ");
    let list = format!("host:({})", vec!["x"; 300].join(","));
    let long = "x".repeat(9_000);
    let pattern = "host~/(a{1000}){1000}/".to_owned();
    for filter in [deep, many, list, long, pattern] {
        assert!(AlertFilter::parse(&filter).is_err());
    }
}

#[test]
fn printing_keeps_groups_and_sort() {
    for (text, printed) in [
        ("  is:open   AND sev>=high ", "is:open sev>=high"),
        ("a or b c", "a or (b c)"),
        ("not (a or b) sort:-risk", "sort:-risk -(a or b)"),
        (r#"cmd:"C:\x" host:(a , "b c",/d/)"#, r#"cmd:"C:\\x" host:(a,"b c",/d/)"#),
        ("risk:1..5 x", "risk:1..5 x"),
    ] {
        assert_eq!(Query::parse(text).unwrap().to_string(), printed);
    }
}

#[test]
fn quoted_text_means_itself() {
    for text in
        ["web01", "and", "a*b", "-x", "C:\\w\\", "say \"x\"", "1..2", "", "/x/", "@a", "a,b"]
    {
        let filter = format!("host={}", quote(text));
        let filter = AlertFilter::parse(&filter).unwrap();
        let from = Viewpoint { now: at(0), actor: "kai", noted: &|_| false };
        let named = Alert { host: text.to_owned(), ..alert() };
        assert!(filter.matches(&named, &from), "{text}");
        assert!(!filter.matches(&Alert { host: format!("{text}y"), ..named }, &from), "{text}");
    }
}

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("host".to_owned()),
        Just("risk".to_owned()),
        Just("file.path".to_owned()),
        Just(":".to_owned()),
        Just("!=".to_owned()),
        Just(">=".to_owned()),
        Just("~".to_owned()),
        Just("(".to_owned()),
        Just(")".to_owned()),
        Just(",".to_owned()),
        Just("-".to_owned()),
        Just(" ".to_owned()),
        Just(" ".to_owned()),
        Just("/".to_owned()),
        Just("\"".to_owned()),
        Just("\\".to_owned()),
        Just(" or ".to_owned()),
        Just(" and ".to_owned()),
        Just("not ".to_owned()),
        Just("sort:risk ".to_owned()),
        Just("1..5".to_owned()),
        Just("..".to_owned()),
        Just("*".to_owned()),
        "[a-z0-9]{1,3}",
        "\\PC",
    ];
    prop::collection::vec(piece, 0..24).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn printed_filters_parse_to_the_same(text in pieces()) {
        if let Ok(query) = Query::parse(&text) {
            let printed = query.to_string();
            let again = Query::parse(&printed);
            prop_assert_eq!(again, Ok(query), "printed as {}", printed);
        }
    }

    #[test]
    fn any_text_is_survived_and_spans_are_inside(text in "\\PC{0,40}") {
        if let Err(error) = AlertFilter::parse(&text) {
            prop_assert!(text.get(error.span).is_some());
        }
        if let Err(error) = EventFilter::parse(&text) {
            prop_assert!(text.get(error.span).is_some());
        }
    }

    #[test]
    fn quoting_any_text_finds_it(text in "\\PC{0,20}") {
        let filter = AlertFilter::parse(&format!("host={}", quote(&text)));
        let from = Viewpoint { now: at(0), actor: "kai", noted: &|_| false };
        let named = Alert { host: text, ..alert() };
        prop_assert!(filter.is_ok_and(|filter| filter.matches(&named, &from)));
    }
}

#[test]
fn the_guide_names_every_field() {
    let guide = include_str!("../../../docs/filters.md");
    let fields = super::ALERT_FIELDS.iter().chain(&super::EVENT_FIELDS);
    for (name, _) in fields {
        assert!(guide.contains(&format!("`{name}`")), "docs/filters.md says nothing of {name}");
    }
}
