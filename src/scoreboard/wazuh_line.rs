//! What a log line says about program, address and user, by patterns over the line that know nothing of our decoders.
//! A pattern that does not fit says nothing; so a fact is expected only where the line states it plainly.

use std::sync::LazyLock;

use regex::Regex;

use crate::scoreboard::failure;

/// What a line states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The program in its syslog header.
    pub program: Option<String>,
    /// The address of the other side.
    pub address: Option<String>,
    /// The account it is about.
    pub user: Option<String>,
}

const PROGRAM: &str =
    r"^[A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d \S+ ([A-Za-z][\w./-]*)(?:\(\w+\))?(?:\[\d+\])?:? ";

/// In order; the first that gives an address counts.
const ADDRESSES: [&str; 12] = [
    r"\brip=([0-9a-fA-F.:]+)",
    r"\brhost=([0-9a-fA-F.:]+)",
    r"\bSRC=([0-9a-fA-F.:]+)",
    r"\b[Ss]rc[Ii][Pp]=([0-9a-fA-F.:]+)",
    r"\bsrc_ip=([0-9a-fA-F.:]+)",
    r#"source-address="([0-9a-fA-F.:]+)""#,
    r#""(?:id\.orig_h|ipAddress|sourceIp|src_ip|callerIp|ClientIP)" ?: ?"([0-9a-fA-F.:]+)""#,
    r"\[client ([0-9a-fA-F.:]+?)(?::\d+)?\]",
    r"\bclient @?(?:0x[0-9a-f]+ )?([0-9a-fA-F.:]+)#\d+",
    r#"Client "([0-9a-fA-F.:]+)""#,
    r"\b(?:from|rhost|by) \(?\[?([0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9a-fA-F]*:[0-9a-fA-F:]+)\b",
    r"^([0-9]{1,3}(?:\.[0-9]{1,3}){3}) \S+ \S+ \[",
];

const USERS: [&str; 12] = [
    r"\b(?:for|user) (?:invalid|illegal) user (\S+) from",
    r"\b(?:Invalid|Illegal) user (\S+) from",
    r"\b(?:Accepted|Failed) \S+ for (\S+) from",
    r"\buser=<([^>]+)>",
    r"\buser=([^\s,;()]+)",
    r#"\buser="([^"]+)""#,
    r#""(?:targetUserName|UserId|principalEmail)" ?: ?"([^"]+)""#,
    r"\bUSER (\S+):",
    r"\b[Uu]ser (?:name: )?'([^']+)'",
    r"session (?:opened|closed) for user ([^\s(]+)",
    r"doas: (?:failed command for )?(\S+?):? (?:ran command|ls)",
    r"User (\S+) (?:from|not allowed)",
];

static COMPILED: LazyLock<(Option<Regex>, Vec<Regex>, Vec<Regex>)> = LazyLock::new(|| {
    let all = |list: &[&str]| list.iter().filter_map(|text| Regex::new(text).ok()).collect();
    (Regex::new(PROGRAM).ok(), all(&ADDRESSES), all(&USERS))
});

/// What a line states.
pub fn facts(line: &str) -> Facts {
    let (program, addresses, users) = &*COMPILED;
    let first = |pattern: &Regex| Some(pattern.captures(line)?.get(1)?.as_str().to_owned());
    let address = addresses.iter().filter_map(first).find(|text| failure::address(text).is_some());
    let user =
        users.iter().filter_map(first).find(|name| !matches!(name.as_str(), "-" | "sanitized"));
    Facts { program: program.as_ref().and_then(first), address, user }
}

/// One account: without case, and with or without its domain.
pub fn same_user(one: &str, two: &str) -> bool {
    let bare = |name: &str| {
        let name = name.trim_matches(['\\', '"', '\'', '<', '>']).to_lowercase();
        let name = name.rsplit('\\').next().unwrap_or_default().to_owned();
        name.split('@').next().unwrap_or_default().to_owned()
    };
    one.eq_ignore_ascii_case(two) || bare(one) == bare(two)
}
