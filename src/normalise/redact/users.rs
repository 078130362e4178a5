//! Pseudonyms of user names: a keyed hash of the name in lower case, `user-` and twelve hexadecimal digits. The same name
//! gives the same pseudonym, whatever its domain, its case and the host, so that events still join; without the key
//! nobody can try names.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use crate::normalise::redact::MARK;

/// A shorter key could be tried out.
pub const KEY_BYTES_MIN: usize = 16;
/// What the key is for: the same key elsewhere gives other hashes.
const PURPOSE: &str = "watchfloor 2026 pseudonyms of user names";
/// How a pseudonym begins.
const PREFIX: &str = "user-";
/// Hexadecimal digits after it.
const DIGITS: usize = 12;
/// Names of one event that are looked for in its texts.
const NAMES_MAX: usize = 32;
/// A longer text is no name.
const NAME_BYTES_MAX: usize = 256;
/// A longer folder with blanks in it is some text.
const FOLDER_BYTES_MAX: usize = 64;
/// Characters that no folder of a user's home has.
const NO_FOLDER: &str = "\\/\"'<>|:*?,;=@&";
/// Shorter names are replaced in texts only behind a word that says what they are.
const PLAIN_NAME_BYTES_MIN: usize = 3;

/// Accounts that belong to nobody: they stay, and rules go on naming them.
const SHARED: &[&str] = &[
    "-",
    "?",
    "(unknown)",
    "admin",
    "administrator",
    "administrators",
    "all users",
    "anonymous",
    "anonymous logon",
    "apache",
    "authenticated users",
    "backup operators",
    "bin",
    "daemon",
    "default",
    "default user",
    "defaultaccount",
    "domain admins",
    "domain users",
    "everyone",
    "ftp",
    "games",
    "guest",
    "iis_iusrs",
    "iusr",
    "krbtgt",
    "local service",
    "local system",
    "localservice",
    "localsystem",
    "lp",
    "mail",
    "man",
    "messagebus",
    "mysql",
    "named",
    "network service",
    "networkservice",
    "news",
    "nginx",
    "nobody",
    "none",
    "ntp",
    "null",
    "operator",
    "postfix",
    "postgres",
    "proxy",
    "public",
    "redis",
    "remote desktop users",
    "root",
    "self",
    "shared",
    "sshd",
    "sync",
    "sys",
    "syslog",
    "system",
    "unknown",
    "user",
    "users",
    "uucp",
    "wdagutilityaccount",
    "www-data",
];

/// Behind these words a short name, or one that is a number, is a name.
const ANNOUNCING: &[&str] =
    &["user", "username", "acct", "account", "for", "login", "logname", "ruser", "name", "as"];

/// `name=value`, or `name: DOMAIN\value`: the last groups are domain and name.
const ASSIGNED_PATTERN: &str = concat!(
    r#"(?i)(?-u:\b)(?:user(?:_?name|_?id)?|acct|account(?:_?name)?|logname|ruser|login)\\*["']?"#,
    r#"(?:[ \t]?=[ \t]?\\*["']?(?-u:([a-z0-9._-]+)[\\]{1,4})?|[ \t]?:[ \t]{0,8}\\*["']?(?-u:([a-z0-9._-]+)[\\]{1,4}))"#,
    r#"([^\s"'\\,;:=()<>\[\]{}&|]+)"#
);
/// What else a person would take for a name.
const ANNOUNCED_PATTERN: &str = concat!(
    r#"(?i)(?-u:\b)(?:(?:user(?:_?name)?|acct|account|logname|ruser|login)\\*["']?[ \t]?:[ \t]?\\*["']?"#,
    r#"|(?:invalid|illegal|unknown|for) user )(?-u:([a-z0-9._-]+)[\\]{1,4})?([^\s"'\\,;:=()<>\[\]{}&|]+)"#,
    r#"|(?-u:\b)for ([^\s"'\\,;:=()<>\[\]{}&|]+) (?:from|by)(?-u:\b)"#
);

/// Makes pseudonyms.
pub struct Pseudonyms {
    key: [u8; blake3::KEY_LEN],
}

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Pseudonyms")
    }
}

/// A name of an event, to be replaced in its texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    written: String,
    pseudonym: String,
}

impl Pseudonyms {
    /// With this key, which must have [`KEY_BYTES_MIN`] bytes.
    pub fn new(key: &[u8]) -> Option<Pseudonyms> {
        (key.len() >= KEY_BYTES_MIN).then(|| Pseudonyms { key: blake3::derive_key(PURPOSE, key) })
    }

    fn of(&self, name: &str) -> String {
        let hash = blake3::keyed_hash(&self.key, name.to_lowercase().as_bytes()).to_hex();
        format!("{PREFIX}{}", hash.get(..DIGITS).unwrap_or_default())
    }

    /// A value that is an account (`bob`, `CORP\bob`, `bob@corp.example`) with its name replaced; `None`: it stays.
    pub fn account(&self, value: &str) -> Option<String> {
        let (before, name, after) = parts(value);
        let owned = belongs_to_somebody(name);
        owned.then(|| format!("{before}{}{after}", self.of(name)))
    }

    /// Remember the name in a value that is an account.
    pub fn learn(&self, value: &str, names: &mut Vec<Name>) {
        let (_, name, _) = parts(value);
        if belongs_to_somebody(name) {
            self.add(name, names);
        }
    }

    /// Remember whose home folders a text names.
    pub fn learn_homes(&self, text: &str, names: &mut Vec<Name>) {
        for root in ["/home/", "/Users/", "\\Users\\", "\\Users\\\\"] {
            for (at, _) in text.match_indices(root) {
                let rest = text.get(at + root.len()..).unwrap_or_default();
                if let Some(name) = folder(rest).filter(|name| belongs_to_somebody(name)) {
                    self.add(name, names);
                }
            }
        }
    }

    /// Remember names that a text says to be such: `UserId=CORP\bob`, `acct="bob"`, `User: CORP\bob`.
    pub fn learn_assigned(&self, text: &str, names: &mut Vec<Name>) {
        static ASSIGNED: LazyLock<Option<Regex>> =
            LazyLock::new(|| Regex::new(ASSIGNED_PATTERN).ok());
        self.learn_by(ASSIGNED.as_ref(), text, names);
    }

    /// Remember names in a text that nobody could read, as far as a person would take them for names.
    pub fn learn_announced(&self, text: &str, names: &mut Vec<Name>) {
        static ANNOUNCED: LazyLock<Option<Regex>> =
            LazyLock::new(|| Regex::new(ANNOUNCED_PATTERN).ok());
        self.learn_by(ANNOUNCED.as_ref(), text, names);
    }

    fn learn_by(&self, expression: Option<&Regex>, text: &str, names: &mut Vec<Name>) {
        let Some(expression) = expression else { return };
        for captures in expression.captures_iter(text) {
            let mut groups = captures.iter().skip(1).flatten().map(|group| group.as_str());
            let (first, second) = (groups.next(), groups.next());
            let name = match (first, second) {
                // A line end or a tab as JSON writes it is no name in a domain.
                (Some(domain), Some("n" | "r" | "t")) => domain,
                (_, Some(name)) | (Some(name), None) => name,
                (None, None) => continue,
            };
            self.learn(name, names);
        }
    }

    fn add(&self, name: &str, names: &mut Vec<Name>) {
        let known = names.iter().any(|known| known.written.eq_ignore_ascii_case(name));
        if !known && names.len() < NAMES_MAX {
            names.push(Name { written: name.to_owned(), pseudonym: self.of(name) });
            // One may hold another.
            names.sort_by_key(|name| std::cmp::Reverse(name.written.len()));
        }
    }
}

/// A text with the names replaced wherever they stand as such; `None`: it holds none.
pub fn replace(text: &str, names: &[Name]) -> Option<String> {
    let mut current = Cow::Borrowed(text);
    for name in names {
        if let Some(fresh) = replace_one(&current, name) {
            current = Cow::Owned(fresh);
        }
    }
    match current {
        Cow::Owned(fresh) => Some(fresh),
        Cow::Borrowed(_) => None,
    }
}

fn replace_one(text: &str, name: &Name) -> Option<String> {
    let bytes = text.as_bytes();
    let written = name.written.as_bytes();
    let first = *written.first()?;
    let (lower, upper) = (first.to_ascii_lowercase(), first.to_ascii_uppercase());
    let plain = written.len() >= PLAIN_NAME_BYTES_MIN && !written.iter().all(u8::is_ascii_digit);
    let mut out: Option<String> = None;
    let mut copied = 0;
    for at in memchr::memchr2_iter(lower, upper, bytes) {
        let end = at + written.len();
        let same = bytes.get(at..end).is_some_and(|there| there.eq_ignore_ascii_case(written));
        if at < copied || !same {
            continue;
        }
        let (Some(before), Some(after)) = (text.get(..at), text.get(end..)) else { continue };
        if begins(before) && ends(after) && (plain || is_announced(before)) {
            let out = out.get_or_insert_with(|| String::with_capacity(text.len() + 32));
            out.push_str(text.get(copied..at).unwrap_or_default());
            out.push_str(&name.pseudonym);
            copied = end;
        }
    }
    let mut out = out?;
    out.push_str(text.get(copied..).unwrap_or_default());
    Some(out)
}

/// A word may begin behind this.
fn begins(before: &str) -> bool {
    let mut back = before.chars().rev();
    match back.next() {
        None => true,
        // A line end or a tab as JSON writes it.
        Some('n' | 'r' | 't') if back.next() == Some('\\') => true,
        Some(last) => !(last.is_alphanumeric() || matches!(last, '_' | '-' | '.')),
    }
}

/// A word may end before this.
fn ends(after: &str) -> bool {
    let mut next = after.chars();
    match next.next() {
        None => true,
        Some('.') => !next.next().is_some_and(char::is_alphanumeric),
        Some(first) => !(first.is_alphanumeric() || matches!(first, '_' | '-')),
    }
}

fn is_announced(before: &str) -> bool {
    let tail = before.trim_end_matches([' ', '\t', '=', ':', '"', '\'', '\\', '(']);
    tail.len() < before.len()
        && ANNOUNCING.iter().any(|word| {
            tail.len()
                .checked_sub(word.len())
                .and_then(|at| tail.get(at..))
                .is_some_and(|there| there.eq_ignore_ascii_case(word))
        })
}

/// `CORP\` and `bob` and `@corp.example`.
fn parts(value: &str) -> (&str, &str, &str) {
    let start = value.rfind('\\').map_or(0, |at| at + 1);
    let (before, rest) = value.split_at_checked(start).unwrap_or(("", value));
    let end = if rest.contains(' ') { None } else { rest.rfind('@').filter(|at| *at > 0) };
    let (name, after) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((rest, ""));
    (before, name, after)
}

fn belongs_to_somebody(name: &str) -> bool {
    let machine = name.ends_with('$');
    let shared = SHARED.iter().any(|known| known.eq_ignore_ascii_case(name))
        || ["S-1-", "DWM-", "UMFD-"].iter().any(|prefix| name.starts_with(prefix));
    !machine
        && !shared
        && name.len() <= NAME_BYTES_MAX
        && name.chars().any(char::is_alphanumeric)
        && !name.contains(MARK)
        && !name.match_indices(PREFIX).any(|(at, _)| name.get(at..).is_some_and(begins_pseudonym))
}

fn begins_pseudonym(text: &str) -> bool {
    text.strip_prefix(PREFIX)
        .and_then(|rest| rest.get(..DIGITS))
        .is_some_and(|digits| digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}

/// The name of a folder that a path goes on with.
fn folder(rest: &str) -> Option<&str> {
    let end = rest.find(|c: char| c.is_control() || NO_FOLDER.contains(c)).unwrap_or(rest.len());
    let name = rest.get(..end)?;
    let is_folder = rest.get(end..)?.starts_with(['\\', '/']);
    // Only before a further slash can a blank be part of the name.
    let first = name.split(' ').next()?;
    let whole = is_folder && end <= FOLDER_BYTES_MAX && !begins_pseudonym(first);
    let name = if whole { name.trim_end() } else { first };
    name.starts_with(|c: char| c.is_alphanumeric()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn makes() -> Pseudonyms {
        Pseudonyms::new(b"0123456789abcdef").unwrap()
    }

    fn replaced(text: &str, accounts: &[&str]) -> String {
        let makes = makes();
        let mut names = Vec::new();
        accounts.iter().for_each(|account| makes.learn(account, &mut names));
        replace(text, &names).unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn the_same_person_everywhere_and_another_with_another_key() {
        let makes = makes();
        let bob = makes.account("bob").unwrap();
        assert_eq!((bob.len(), begins_pseudonym(&bob)), (17, true));
        assert_eq!(makes.account("CORP\\Bob").unwrap(), format!("CORP\\{bob}"));
        assert_eq!(makes.account("BOB@corp.example").unwrap(), format!("{bob}@corp.example"));
        assert_ne!(makes.account("alice"), makes.account("bob"));
        let other = Pseudonyms::new(b"0123456789abcdeg").unwrap();
        assert_ne!(other.account("bob").unwrap(), bob);
        assert!(Pseudonyms::new(b"short").is_none());
        assert!(!format!("{makes:?}").contains("012"));
    }

    #[test]
    fn accounts_of_nobody_stay() {
        for name in [
            "root",
            "SYSTEM",
            "NT AUTHORITY\\SYSTEM",
            "WEB01$",
            "CORP\\WEB01$",
            "S-1-5-18",
            "-",
            "",
            "user-0123456789ab",
            "<redacted:email>",
            "DWM-1",
            "ANONYMOUS LOGON",
        ] {
            assert_eq!(makes().account(name), None, "{name}");
        }
    }

    #[test]
    fn names_go_where_they_stand_as_such() {
        let bob = makes().account("bob").unwrap();
        for (text, expected) in [
            ("Failed password for bob from 192.0.2.1", "Failed password for BOB from 192.0.2.1"),
            ("user=bob,uid=1", "user=BOB,uid=1"),
            ("{\\\"user\\\":\\\"Bob\\\"}", "{\\\"user\\\":\\\"BOB\\\"}"),
            ("CORP\\bob logged on", "CORP\\BOB logged on"),
            ("C:\\Users\\bob\\x.exe -u bob.", "C:\\Users\\BOB\\x.exe -u BOB."),
            ("ssh bob@host; ls /home/bob/.ssh", "ssh BOB@host; ls /home/BOB/.ssh"),
            ("line\\nbob's", "line\\nBOB's"),
            (
                "bobby bob-laptop bob_x xbob bob.txt a.bob",
                "bobby bob-laptop bob_x xbob bob.txt a.bob",
            ),
        ] {
            assert_eq!(replaced(text, &["bob"]), expected.replace("BOB", &bob), "{text}");
        }
        let al = makes().account("al").unwrap();
        assert_eq!(replaced("et al for al", &["al"]), format!("et al for {al}"));
        let number = makes().account("1042").unwrap();
        assert_eq!(replaced("pid 1042 user=1042", &["1042"]), format!("pid 1042 user={number}"));
    }

    #[test]
    fn folders_and_words_tell_names() {
        let makes = makes();
        let mut names = Vec::new();
        makes.learn_homes(
            "/home/bob/x C:\\Users\\Eve Smith\\y C:\\\\Users\\\\carl\\\\z /home/$USER C:\\Users\\Public\\x /home/dan -l",
            &mut names,
        );
        makes.learn_assigned(
            "junk username=\"zoe\" UserId=CORP\\pat\r\n user=ann\\r\\n",
            &mut names,
        );
        makes.learn_announced("for root from; for the sake; user: mike; for eve from", &mut names);
        let written: Vec<&str> = names.iter().map(|name| name.written.as_str()).collect();
        assert_eq!(
            written,
            ["Eve Smith", "carl", "mike", "bob", "dan", "zoe", "pat", "ann", "eve"]
        );
    }

    proptest! {
        #[test]
        fn twice_is_once(text in "(bob|alice|al|[ =:\"\\\\/@.-]|user|for |\\PC){0,20}", name in "[a-z]{1,6}") {
            let makes = makes();
            let mut names = Vec::new();
            for name in ["bob", "alice", "al", &name] {
                makes.learn(name, &mut names);
            }
            let once = replace(&text, &names).unwrap_or_else(|| text.clone());
            prop_assert_eq!(replace(&once, &names), None);
            let account = makes.account(&text).unwrap_or_else(|| text.clone());
            prop_assert_eq!(makes.account(&account), None);
        }
    }
}
