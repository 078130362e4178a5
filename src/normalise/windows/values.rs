//! One value of event data into its ECS fields.

use std::borrow::Cow;

use crate::model::event::{Event, Value};
use crate::model::field::{self, FieldId};
use crate::normalise::windows::kinds::{HashesOf, How, Rule};

/// The identifier of no account.
const NOBODY: &str = "S-1-0-0";

/// Write `value` as `rule` says. True: the ECS field now holds the same text, so no second copy is needed.
pub fn apply(event: &mut Event, rule: Rule, value: Value<'_>) -> bool {
    if says_nothing(value) || (event.has(rule.to) && rule.how != How::Answers) {
        return false;
    }
    match value {
        Value::Str(text) => apply_text(event, rule, text),
        Value::Bool(truth) if rule.how == How::Initiated => {
            event.push_str(rule.to, if truth { "egress" } else { "ingress" });
            false
        }
        Value::Int(_) if matches!(rule.how, How::Number | How::Copy) => {
            event.push_value(rule.to, value);
            true
        }
        other => apply_text(event, rule, &other.to_text()),
    }
}

/// Empty, `-`, null: the field is there and says nothing; it stays under its Windows name only.
fn says_nothing(value: Value<'_>) -> bool {
    match value {
        Value::Str(text) => matches!(text.trim_ascii(), "" | "-"),
        Value::Null => true,
        _ => false,
    }
}

fn apply_text(event: &mut Event, rule: Rule, text: &str) -> bool {
    match rule.how {
        // Nobody's identifier.
        How::Copy if text == NOBODY => false,
        How::Copy => {
            event.push_str(rule.to, text);
            true
        }
        How::Number => number(event, rule.to, text),
        How::Ip => event.push_ip(rule.to, text) && event.str(rule.to) == Some(text),
        How::Endpoint(port) => endpoint(event, rule.to, port, text),
        How::Guid => guid(event, rule.to, text),
        How::Account => account(event, rule.to, text),
        How::Member => member(event, rule.to, text),
        How::Program(name) => {
            let path = plain_path(text);
            event.push_str(rule.to, &path);
            event.fill_str(name, base_name(&path));
            path.len() == text.len()
        }
        How::ProgramOn(name) => {
            let path = text.rsplit_once(" (").map_or(text, |(path, _)| path);
            event.push_str(rule.to, path);
            event.fill_str(name, base_name(path));
            false
        }
        How::File => file(event, rule.to, text),
        How::Scanned => scanned(event, rule.to, text),
        How::Registry => registry(event, rule.to, text),
        How::Hashes(of) => hashes(event, of, text),
        How::Transport => transport(event, rule.to, text),
        How::Initiated => direction(event, rule.to, text, "true", "false"),
        // %%14592 inbound, %%14593 outbound.
        How::Direction => direction(event, rule.to, text, "%%14593", "%%14592"),
        How::Integrity => integrity(event, rule.to, text),
        How::Answers => answers(event, rule.to, text),
        How::RecordType => record_type(event, rule.to, text),
        How::Between(before, after) => {
            let found = text.split_once(before).and_then(|(_, rest)| rest.split_once(after));
            if let Some((address, _)) = found {
                event.push_ip(rule.to, address.trim());
            }
            false
        }
        How::Named(_) => {
            event.push_str(rule.to, text);
            false
        }
    }
}

/// The last part of a path of either system.
pub fn base_name(path: &str) -> &str {
    path.rsplit(['\\', '/']).next().unwrap_or(path)
}

/// A path without the prefixes of the object manager and of volumes: `\\?\C:\x`, `\??\C:\x` and
/// `\Device\HarddiskVolume3\x` say `C:\x` and `\x`; `\\?\UNC\server\x` says `\\server\x`.
pub fn plain_path(path: &str) -> Cow<'_, str> {
    const VOLUME: &str = r"\device\harddiskvolume";
    if let Some(bare) = path.strip_prefix(r"\\?\").or_else(|| path.strip_prefix(r"\??\")) {
        return match bare.strip_prefix(r"UNC\") {
            Some(share) => Cow::Owned(format!(r"\\{share}")),
            None => Cow::Borrowed(bare),
        };
    }
    match path.get(..VOLUME.len()) {
        Some(head) if head.eq_ignore_ascii_case(VOLUME) => {
            let rest = path.get(VOLUME.len()..).unwrap_or_default();
            Cow::Borrowed(rest.find('\\').and_then(|at| rest.get(at..)).unwrap_or(path))
        }
        _ => Cow::Borrowed(path),
    }
}

/// A decimal or `0x…` number.
pub fn parse_number(text: &str) -> Option<i64> {
    let text = text.trim_ascii();
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => {
            u64::from_str_radix(hex, 16).ok().and_then(|number| i64::try_from(number).ok())
        }
        None => text.parse().ok(),
    }
}

fn number(event: &mut Event, to: FieldId, text: &str) -> bool {
    let Some(number) = parse_number(text) else { return false };
    event.push_int(to, number);
    text.bytes().all(|byte| byte.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'))
}

/// `192.0.2.7`, `192.0.2.7:445`, `[2001:db8::1]:445`, `\\192.0.2.7`.
fn endpoint(event: &mut Event, to: FieldId, port_to: FieldId, text: &str) -> bool {
    let bare = text.trim().trim_start_matches('\\');
    if event.push_ip(to, bare) {
        return event.str(to) == Some(text);
    }
    let Some((address, port)) = bare.rsplit_once(':') else { return false };
    if event.push_ip(to, address)
        && !event.has(port_to)
        && let Ok(port) = port.parse::<u16>()
    {
        event.push_int(port_to, i64::from(port));
    }
    false
}

fn guid(event: &mut Event, to: FieldId, text: &str) -> bool {
    let bare = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
    if bare.bytes().all(|byte| matches!(byte, b'0' | b'-')) {
        return false;
    }
    if bare.bytes().any(|byte| byte.is_ascii_uppercase()) {
        event.push_str(to, &bare.to_ascii_lowercase());
    } else {
        event.push_str(to, bare);
    }
    // Braces and case carry nothing.
    true
}

fn account(event: &mut Event, to: FieldId, text: &str) -> bool {
    if let Some(id) = id_beside(to).filter(|_| text.starts_with("S-1-")) {
        if text != NOBODY {
            event.fill_str(id, text);
        }
        return false;
    }
    match text.split_once('\\') {
        Some((domain, name)) if !name.is_empty() => {
            event.push_str(to, name);
            if let Some(beside) = domain_beside(to) {
                event.fill_str(beside, domain);
            }
        }
        _ => event.push_str(to, text),
    }
    false
}

/// The field of the domain that belongs to a field of an account's name.
pub fn domain_beside(name: FieldId) -> Option<FieldId> {
    match name {
        field::USER_NAME => Some(field::USER_DOMAIN),
        field::USER_TARGET_NAME => Some(field::USER_TARGET_DOMAIN),
        _ => None,
    }
}

/// The field of the identifier that belongs to a field of an account's name.
fn id_beside(name: FieldId) -> Option<FieldId> {
    match name {
        field::USER_NAME => Some(field::USER_ID),
        field::USER_TARGET_NAME => Some(field::USER_TARGET_ID),
        _ => None,
    }
}

fn member(event: &mut Event, to: FieldId, text: &str) -> bool {
    let first = text.strip_prefix("CN=").or_else(|| text.strip_prefix("cn="));
    let Some(first) = first else {
        // `example.org/Users/name`
        return account(event, to, text.rsplit('/').next().unwrap_or(text));
    };
    // A comma inside the name is escaped; that is rare enough to take the whole text then.
    let name = first.split(',').next().filter(|name| !name.ends_with('\\'));
    event.push_str(to, name.unwrap_or(text));
    false
}

/// A file's path, name, directory and extension.
pub fn file(event: &mut Event, to: FieldId, text: &str) -> bool {
    let path = plain_path(text);
    event.push_str(to, &path);
    let name = base_name(&path);
    event.fill_str(field::FILE_NAME, name);
    if let Some(directory) = path.len().checked_sub(name.len() + 1).and_then(|end| path.get(..end))
    {
        event.fill_str(field::FILE_DIRECTORY, directory);
    }
    if let Some((_, extension)) = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()) {
        event.fill_str(field::FILE_EXTENSION, extension);
    }
    path.len() == text.len()
}

fn scanned(event: &mut Event, to: FieldId, text: &str) -> bool {
    let mut parts = text.split(';').map(str::trim);
    let named = parts.find_map(|part| part.strip_prefix("file:_"));
    match named {
        // An archive's member stands behind `->`.
        Some(path) => {
            file(event, to, path.split("->").next().unwrap_or(path));
            false
        }
        None if text.contains(":_") => false,
        None => file(event, to, text),
    }
}

/// Sysmon's `HKLM\…`, the kernel's `\REGISTRY\MACHINE\…`; [`refine`](super::refine) says which part is the value.
pub fn registry(event: &mut Event, to: FieldId, text: &str) -> bool {
    let path = text.strip_prefix('\\').unwrap_or(text);
    let (hive, key) = match path.split_once('\\') {
        Some((root, rest)) if root.eq_ignore_ascii_case("REGISTRY") => {
            let (root, key) = rest.split_once('\\').unwrap_or((rest, ""));
            match root.to_ascii_uppercase().as_str() {
                "MACHINE" => ("HKLM", key),
                "USER" => ("HKU", key),
                _ => ("", rest),
            }
        }
        Some((hive, key)) => (hive, key),
        None => {
            event.push_str(to, text);
            return true;
        }
    };
    event.fill_str(field::REGISTRY_HIVE, hive);
    event.fill_str(field::REGISTRY_KEY, key);
    if !hive.is_empty() && path.len() < text.len() {
        event.push_str(to, &format!("{hive}\\{key}"));
        return false;
    }
    event.push_str(to, text);
    true
}

fn hashes(event: &mut Event, of: HashesOf, text: &str) -> bool {
    for part in text.split([',', ';', '|']) {
        let part = part.trim_ascii().trim_matches(['[', ']']);
        let (algorithm, digest) = match part.split_once(['=', ':']) {
            Some((algorithm, digest)) => (algorithm.trim_end(), digest.trim_start()),
            None => (by_length(part), part),
        };
        let digest = digest.strip_prefix("0x").unwrap_or(digest);
        let Some(to) = hash_field(of, algorithm) else { continue };
        let whole = !digest.is_empty() && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        if whole && digest.bytes().any(|byte| byte != b'0') && !event.has(to) {
            event.push_str(to, &digest.to_ascii_lowercase());
        }
    }
    false
}

/// What a digest without a name must be.
fn by_length(digest: &str) -> &'static str {
    match digest.strip_prefix("0x").unwrap_or(digest).len() {
        32 => "MD5",
        40 => "SHA1",
        64 => "SHA256",
        128 => "SHA512",
        _ => "",
    }
}

fn hash_field(of: HashesOf, algorithm: &str) -> Option<FieldId> {
    const NAMES: [&str; 5] = ["MD5", "SHA1", "SHA256", "SHA512", "IMPHASH"];
    let fields = match of {
        HashesOf::Process => [
            field::PROCESS_HASH_MD5,
            field::PROCESS_HASH_SHA1,
            field::PROCESS_HASH_SHA256,
            field::PROCESS_HASH_SHA512,
            field::PROCESS_PE_IMPHASH,
        ],
        HashesOf::File => [
            field::FILE_HASH_MD5,
            field::FILE_HASH_SHA1,
            field::FILE_HASH_SHA256,
            field::FILE_HASH_SHA512,
            field::FILE_PE_IMPHASH,
        ],
        HashesOf::Dll => [
            field::DLL_HASH_MD5,
            field::DLL_HASH_SHA1,
            field::DLL_HASH_SHA256,
            field::DLL_HASH_SHA512,
            field::DLL_PE_IMPHASH,
        ],
    };
    let same = |name: &&str| {
        let bare = algorithm.bytes().filter(|byte| *byte != b'-');
        bare.map(|byte| byte.to_ascii_uppercase()).eq(name.bytes())
    };
    let at = NAMES.iter().position(same)?;
    fields.get(at).copied()
}

fn transport(event: &mut Event, to: FieldId, text: &str) -> bool {
    let name = match text {
        "1" => "icmp",
        "2" => "igmp",
        "6" => "tcp",
        "17" => "udp",
        "47" => "gre",
        "50" => "esp",
        "51" => "ah",
        "58" => "ipv6-icmp",
        "132" => "sctp",
        number if number.bytes().all(|byte| byte.is_ascii_digit()) => return false,
        name => {
            let lower = name.to_ascii_lowercase();
            event.push_str(to, &lower);
            return lower == name;
        }
    };
    event.push_str(to, name);
    false
}

fn direction(event: &mut Event, to: FieldId, text: &str, out: &str, inward: &str) -> bool {
    if text.eq_ignore_ascii_case(out) {
        event.push_str(to, "egress");
    } else if text.eq_ignore_ascii_case(inward) {
        event.push_str(to, "ingress");
    }
    false
}

fn integrity(event: &mut Event, to: FieldId, text: &str) -> bool {
    let level = match text {
        "S-1-16-0" => "Untrusted",
        "S-1-16-4096" => "Low",
        "S-1-16-8192" | "S-1-16-8448" => "Medium",
        "S-1-16-12288" => "High",
        "S-1-16-16384" | "S-1-16-20480" => "System",
        _ => return false,
    };
    event.push_str(to, level);
    false
}

fn answers(event: &mut Event, to: FieldId, text: &str) -> bool {
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty() && *part != "-") {
        // Sysmon writes `type:  5 name` for aliases and bare addresses, mapped IPv4 included.
        let data = match part.strip_prefix("type:") {
            Some(typed) => typed.trim_start().split_once(' ').map_or(typed, |(_, data)| data),
            None => part,
        };
        if !event.push_ip(to, data) {
            event.push_str(to, data.trim());
        }
    }
    false
}

fn record_type(event: &mut Event, to: FieldId, text: &str) -> bool {
    let name = match text {
        "1" => "A",
        "2" => "NS",
        "5" => "CNAME",
        "6" => "SOA",
        "12" => "PTR",
        "15" => "MX",
        "16" => "TXT",
        "28" => "AAAA",
        "33" => "SRV",
        "41" => "OPT",
        "43" => "DS",
        "46" => "RRSIG",
        "48" => "DNSKEY",
        "64" => "SVCB",
        "65" => "HTTPS",
        "251" => "IXFR",
        "252" => "AXFR",
        "255" => "ANY",
        _ => return false,
    };
    event.push_str(to, name);
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(how: How, to: FieldId, text: &str) -> (bool, Event) {
        let mut event = Event::default();
        let same = apply(&mut event, Rule { how, to, moved: true }, Value::Str(text));
        (same, event)
    }

    #[test]
    fn numbers_keep_their_text_when_it_says_more() {
        let (same, event) = one(How::Number, field::PROCESS_PID, "0x1394");
        assert_eq!((same, event.get(field::PROCESS_PID)), (false, Some(Value::Int(5012))));
        assert!(one(How::Number, field::PROCESS_PID, "5012").0);
        assert!(!one(How::Number, field::PROCESS_PID, "05012").0);
        assert!(one(How::Number, field::PROCESS_PID, "x").1.is_empty());
        assert!(one(How::Copy, field::PROCESS_PID, "-").1.is_empty());
    }

    #[test]
    fn guids_lose_braces_and_case() {
        let (same, event) =
            one(How::Guid, field::PROCESS_ENTITY_ID, "{1ACAE026-6E39-5D36-0000-001016870000}");
        assert!(same);
        assert_eq!(
            event.str(field::PROCESS_ENTITY_ID),
            Some("1acae026-6e39-5d36-0000-001016870000")
        );
        let zero = "{00000000-0000-0000-0000-000000000000}";
        assert!(one(How::Guid, field::PROCESS_ENTITY_ID, zero).1.is_empty());
    }

    #[test]
    fn paths_are_taken_apart() {
        let (_, event) = one(How::File, field::FILE_PATH, r"C:\Users\a\x.tar.gz");
        assert_eq!(event.str(field::FILE_NAME), Some("x.tar.gz"));
        assert_eq!(event.str(field::FILE_DIRECTORY), Some(r"C:\Users\a"));
        assert_eq!(event.str(field::FILE_EXTENSION), Some("gz"));
        let (_, event) =
            one(How::Registry, field::REGISTRY_PATH, r"\REGISTRY\MACHINE\SOFTWARE\Run\x");
        assert_eq!(event.str(field::REGISTRY_HIVE), Some("HKLM"));
        assert_eq!(event.str(field::REGISTRY_KEY), Some(r"SOFTWARE\Run\x"));
        assert_eq!(event.str(field::REGISTRY_PATH), Some(r"HKLM\SOFTWARE\Run\x"));
        assert_eq!(one(How::File, field::FILE_PATH, "x").1.str(field::FILE_NAME), Some("x"));
    }

    #[test]
    fn hashes_are_split_and_zeros_are_none() {
        let text = "SHA1=AB,MD5=CD,SHA256=EF,IMPHASH=00000000000000000000000000000000";
        let (_, event) = one(How::Hashes(HashesOf::Process), field::PROCESS_HASH_SHA256, text);
        assert_eq!(event.str(field::PROCESS_HASH_SHA1), Some("ab"));
        assert_eq!(event.str(field::PROCESS_HASH_MD5), Some("cd"));
        assert!(!event.has(field::PROCESS_PE_IMPHASH));
    }

    #[test]
    fn accounts_directions_and_answers() {
        let (_, event) = one(How::Account, field::USER_NAME, r"SHIRE\pgustavo");
        assert_eq!(event.str(field::USER_NAME), Some("pgustavo"));
        assert_eq!(event.str(field::USER_DOMAIN), Some("SHIRE"));
        let (_, event) = one(How::Direction, field::NETWORK_DIRECTION, "%%14593");
        assert_eq!(event.str(field::NETWORK_DIRECTION), Some("egress"));
        let text = "type:  5 www.example.org;::ffff:192.0.2.7;";
        let (_, event) = one(How::Answers, field::DNS_ANSWERS_DATA, text);
        let all: Vec<_> = event.all(field::DNS_ANSWERS_DATA).map(|value| value.to_text()).collect();
        assert_eq!(all, ["www.example.org", "192.0.2.7"]);
    }
}
