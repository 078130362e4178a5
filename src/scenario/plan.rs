//! From a scenario and a seed to a timeline. The same scenario, seed and start give the same bytes.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::scenario::file::{Chain, Endpoint, Os, Record, Scenario};
use crate::scenario::{auditd, syslog, windows};
use crate::stdx::time::{SECOND_US, Timestamp};

/// A chain's step moves by up to this part of its time.
const JITTER: f64 = 0.1;
/// The log-in session of ordinary work; each intruder has one after it.
const WORK_SESSION: u32 = 4;

/// One line (or the lines of one audit event) at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// When it happened and when it is written.
    pub at: Timestamp,
    /// The file it belongs to, relative: `fin-ws-01/windows.jsonl`.
    pub file: String,
    /// The text with its line ends.
    pub text: String,
}

/// Numbers that collectors count up.
#[derive(Debug, Default)]
pub struct Counters {
    records: u64,
    serial: u64,
    pid: u32,
    /// Programs that run, with the process that was seen last, by session and path.
    running: BTreeMap<(u32, String), u32>,
}

impl Counters {
    /// The next record number of an event log.
    pub fn record(&mut self) -> u64 {
        self.records += 1;
        self.records
    }

    /// The next audit serial.
    pub fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// The next process id.
    pub fn pid(&mut self) -> u32 {
        self.pid += 1 + self.pid % 3;
        self.pid
    }

    /// The process of a program that starts now: its id.
    pub fn starts(&mut self, session: u32, program: &str) -> u32 {
        let pid = self.pid();
        self.running.insert((session, program.to_owned()), pid);
        pid
    }

    /// The process of a program that runs: the one that started last, else one from before the scenario.
    pub fn runs(&mut self, session: u32, program: &str) -> u32 {
        match self.running.get(&(session, program.to_owned())) {
            Some(pid) => *pid,
            None => self.starts(session, program),
        }
    }
}

/// A record on an endpoint at a scenario time in seconds.
struct Placed<'s> {
    at: f64,
    endpoint: &'s Endpoint,
    /// The log-in session that it belongs to.
    session: u32,
    record: Record,
}

/// The timeline from `start`, `speed` times faster than the scenario says. In order of time.
pub fn plan(scenario: &Scenario, seed: u64, start: Timestamp, speed: f64) -> Vec<Planned> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut placed = ordinary_work(scenario, &mut random);
    for (number, chain) in (1..).zip(&scenario.chains) {
        place_chain(scenario, (chain, WORK_SESSION + number), &mut random, &mut placed);
    }
    placed
        .sort_by(|a, b| a.at.total_cmp(&b.at).then_with(|| a.endpoint.name.cmp(&b.endpoint.name)));
    let mut counters: BTreeMap<&str, Counters> = BTreeMap::new();
    let mut planned = Vec::with_capacity(placed.len());
    for item in &placed {
        let counters = counters.entry(item.endpoint.name.as_str()).or_insert_with(|| Counters {
            records: 41_000 + u64::from(random.next_u32() % 9_000),
            serial: 5_000 + u64::from(random.next_u32() % 900),
            pid: 2_000 + random.next_u32() % 4_000,
            running: BTreeMap::new(),
        });
        // Scenarios last minutes: no loss of whole microseconds in a f64.
        let offset = (item.at / speed.max(0.01) * SECOND_US as f64) as i64;
        let at = start.plus_micros(offset);
        let (file, text) = write(item, at, counters);
        planned.push(Planned { at, file: format!("{}/{file}", item.endpoint.name), text });
    }
    planned
}

fn write(item: &Placed<'_>, at: Timestamp, counters: &mut Counters) -> (&'static str, String) {
    let (endpoint, session) = (item.endpoint, item.session);
    match &item.record {
        Record::Line { program, text } => {
            ("auth.log", syslog::line(endpoint, program, text, at, counters))
        }
        Record::Exec { args, exe, uid, auid, cwd, parent } => {
            let run = auditd::Run { args, exe, uid: *uid, auid: *auid, cwd, parent, session };
            ("audit.log", auditd::exec(endpoint, &run, at, counters))
        }
        Record::Connect { exe, ip, port } => {
            ("audit.log", auditd::connect((exe, session), ip, *port, at, counters))
        }
        // Expanded to lines before.
        Record::SshFailures { .. } => ("auth.log", String::new()),
        other => ("windows.jsonl", windows::write(endpoint, other, at, counters)),
    }
}

fn ordinary_work<'s>(scenario: &'s Scenario, random: &mut ChaCha8Rng) -> Vec<Placed<'s>> {
    let mut placed = Vec::new();
    for work in &scenario.work {
        for endpoint in work.endpoints.iter().filter_map(|name| scenario.endpoint(name)) {
            let mut at = work.every * fraction(random);
            while at < scenario.seconds {
                if let Some(record) = pick(&work.steps, random) {
                    let record = filled(record, &words(endpoint));
                    let session = WORK_SESSION;
                    expand(Placed { at, endpoint, session, record }, &mut placed);
                }
                at += work.every * (0.3 + 1.4 * fraction(random));
            }
        }
    }
    placed
}

fn place_chain<'s>(
    scenario: &'s Scenario,
    (chain, session): (&Chain, u32),
    random: &mut ChaCha8Rng,
    placed: &mut Vec<Placed<'s>>,
) {
    let Some(endpoint) = scenario.endpoint(&chain.endpoint) else { return };
    let mut chosen = words(endpoint);
    for (word, choices) in &chain.choose {
        if let Some(choice) = pick(choices, random) {
            chosen.insert(word.clone(), choice.clone());
        }
    }
    // One factor for the whole chain keeps its steps in order.
    let stretch = 1.0 + JITTER * (2.0 * fraction(random) - 1.0);
    for step in &chain.steps {
        let record = filled(&step.record, &chosen);
        expand(Placed { at: step.at * stretch, endpoint, session, record }, placed);
    }
}

/// A run of SSH failures becomes lines; everything else stays.
fn expand<'s>(item: Placed<'s>, placed: &mut Vec<Placed<'s>>) {
    let Record::SshFailures { count, every, users, ip } = &item.record else {
        placed.push(item);
        return;
    };
    for number in 0..*count {
        let user = usize::try_from(number).ok().and_then(|n| users.get(n % users.len().max(1)));
        let user = user.map_or("root", String::as_str);
        let who = match user.strip_prefix("invalid:") {
            Some(name) => format!("invalid user {name}"),
            None => user.to_owned(),
        };
        let port = 40_000 + number * 7;
        let text = format!("Failed password for {who} from {ip} port {port} ssh2");
        placed.push(Placed {
            at: item.at + f64::from(number) * every,
            endpoint: item.endpoint,
            session: item.session,
            record: Record::Line { program: "sshd".to_owned(), text },
        });
    }
}

fn words(endpoint: &Endpoint) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("user".to_owned(), endpoint.user.clone()),
        ("host".to_owned(), endpoint.name.clone()),
        ("address".to_owned(), endpoint.address.clone()),
    ])
}

/// The record with `{word}` replaced everywhere.
fn filled(record: &Record, words: &BTreeMap<String, String>) -> Record {
    let fill = |text: &String| {
        words
            .iter()
            .fold(text.clone(), |text, (word, value)| text.replace(&format!("{{{word}}}"), value))
    };
    let table = |data: &BTreeMap<String, String>| -> BTreeMap<String, String> {
        data.iter().map(|(key, value)| (key.clone(), fill(value))).collect()
    };
    let mut record = record.clone();
    match &mut record {
        Record::Process { image, command, parent, parent_command } => {
            for text in [image, command, parent, parent_command] {
                *text = fill(text);
            }
        }
        Record::Sysmon { data, .. }
        | Record::Security { data, .. }
        | Record::System { data, .. } => *data = table(data),
        Record::Script { text } | Record::Line { text, .. } => *text = fill(text),
        Record::Exec { args, exe, cwd, parent, .. } => {
            args.iter_mut().for_each(|text| *text = fill(text));
            for text in [exe, cwd, parent] {
                *text = fill(text);
            }
        }
        Record::Connect { exe, ip, .. } => {
            *exe = fill(exe);
            *ip = fill(ip);
        }
        Record::SshFailures { ip, users, .. } => {
            *ip = fill(ip);
            users.iter_mut().for_each(|text| *text = fill(text));
        }
    }
    record
}

fn fraction(random: &mut ChaCha8Rng) -> f64 {
    f64::from(random.next_u32()) / f64::from(u32::MAX)
}

fn pick<'a, T>(list: &'a [T], random: &mut ChaCha8Rng) -> Option<&'a T> {
    let number = usize::try_from(random.next_u32()).unwrap_or(0);
    list.get(number % list.len().max(1))
}

/// Does the endpoint run Windows?
pub fn is_windows(endpoint: &Endpoint) -> bool {
    endpoint.os == Os::Windows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario;

    #[test]
    fn a_seed_decides_everything_and_time_only_rises() {
        let scenario = scenario::load("two-chains").unwrap();
        let start = Timestamp::from_seconds(1_795_334_400);
        let one = plan(&scenario, 7, start, 1.0);
        assert_eq!(one, plan(&scenario, 7, start, 1.0));
        assert_ne!(one, plan(&scenario, 8, start, 1.0));
        assert!(one.is_sorted_by_key(|planned| planned.at));
        assert!(one.iter().all(|planned| planned.text.ends_with('\n')));
        assert!(!one.iter().any(|planned| planned.text.contains("{attacker}")));
        let fast = plan(&scenario, 7, start, 10.0);
        assert_eq!(fast.len(), one.len());
        assert!(fast.last().unwrap().at < one.last().unwrap().at);
    }

    #[test]
    fn what_starts_a_program_is_the_process_that_was_started_before() {
        let scenario = scenario::load("two-chains").unwrap();
        let planned = plan(&scenario, 7, Timestamp::from_seconds(1_795_334_400), 1.0);
        let after = |text: &str, key: &str| -> String {
            let rest = text.split_once(key).map_or("", |(_, rest)| rest);
            rest.chars().take_while(char::is_ascii_digit).collect()
        };
        // Linux: what the intruder does as root, the fetched program does, and nothing else.
        let audit = || planned.iter().filter(|one| one.file == "web-01/audit.log");
        let fetched = audit().find(|one| one.text.contains("exe=\"/dev/shm/")).unwrap();
        let as_root: Vec<String> = audit()
            .filter(|one| one.text.contains(" uid=0 ") && one.text.contains(" ses=6 "))
            .map(|one| after(&one.text, " ppid="))
            .collect();
        assert_eq!(as_root, vec![after(&fetched.text, " pid="); 5]);
        // Ordinary work is not below it, and commands of one session have one shell.
        let shells: std::collections::BTreeSet<String> = audit()
            .filter(|one| one.text.contains("EXECVE") && one.text.contains(" ses=4 "))
            .map(|one| after(&one.text, " ppid="))
            .collect();
        assert_eq!(shells.len(), 1, "{shells:?}");
        // Windows: the loader is started, and what it does is done by that process.
        let data: Vec<serde_json::Value> = planned
            .iter()
            .filter(|one| one.file == "fin-ws-01/windows.jsonl")
            .map(|one| serde_json::from_str::<serde_json::Value>(&one.text).unwrap())
            .map(|event| event["winlog"]["event_data"].clone())
            .collect();
        let public = |value: &serde_json::Value| {
            value.as_str().is_some_and(|path| path.starts_with("C:\\Users\\Public\\"))
        };
        let loader = data.iter().find(|one| public(&one["Image"])).unwrap()["ProcessId"].clone();
        let below = data.iter().filter(|one| public(&one["ParentImage"]));
        assert!(
            below.clone().count() >= 4 && below.clone().all(|one| one["ParentProcessId"] == loader)
        );
        let source = data.iter().find(|one| public(&one["SourceImage"])).unwrap();
        assert_eq!(source["SourceProcessId"], loader);
    }
}
