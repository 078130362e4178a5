//! What tells about people, replaced in one place at the end: user names by pseudonyms, network addresses by their
//! networks, personal data by marks, as the configuration says. The step after every decoder, for events and for records
//! that could not be read; nothing to do, and nothing done, with the defaults and no agent's event.

use std::borrow::Cow;
use std::sync::Arc;

use crate::config::redact::{Addresses, Personal, RedactConfig, Users};
use crate::model::class::Class;
use crate::model::event::Event;
use crate::model::field;
use crate::normalise::output::Output;
use crate::normalise::redact::addresses::{truncate, truncate_socket};
use crate::normalise::redact::personal::personal;
use crate::normalise::redact::users::{Name, Pseudonyms, replace};
use crate::normalise::redact::{Counts, RedactError, Redactor};

/// How pseudonyms are counted.
const USER_KIND: &str = "user_name";
/// How truncated addresses are counted.
const ADDRESS_KIND: &str = "address";
/// Hexadecimal digits of a text that the audit system wrote so; shorter ones are numbers.
const HEX_DIGITS_MIN: usize = 8;

/// What the configuration says about people.
#[derive(Clone, Debug)]
pub struct People {
    personal: Personal,
    users: Option<Arc<Pseudonyms>>,
    truncate: bool,
}

/// How far an output was before a batch.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    events: usize,
    rejects: usize,
}

impl Mark {
    /// Now.
    pub fn of(out: &Output) -> Mark {
        Mark { events: out.events.len(), rejects: out.rejects.len() }
    }
}

/// Replace what tells about people in everything that came after the mark; keep no input if none is to be kept.
pub fn settle(redactor: &Redactor, keep_original: bool, mark: Mark, out: &mut Output) {
    let Output { events, rejects, redacted, .. } = out;
    for event in events.iter_mut().skip(mark.events) {
        // A shipper may have sent one along.
        if !keep_original {
            event.remove(field::EVENT_ORIGINAL);
        }
        redactor.people.event(event, redacted);
    }
    for reject in rejects.iter_mut().skip(mark.rejects) {
        if let Cow::Owned(clean) = redactor.text(&reject.detail, redacted) {
            reject.detail = clean;
        }
        if !keep_original {
            reject.head.clear();
        }
        redactor.people.text(&mut reject.detail, redacted);
        let mut head = String::from_utf8_lossy(&reject.head).into_owned();
        redactor.people.text(&mut head, redacted);
        if head.as_bytes() != reject.head {
            reject.head = head.into_bytes();
        }
    }
}

/// What may stand in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    /// Nothing about people.
    Nothing,
    /// One word, that is no user's name whatever it is.
    Word,
    /// An account.
    User,
    /// An account, or the number of one, which stays.
    UserOrNumber,
    /// Text.
    Text,
}

impl People {
    /// From the configuration; reads the key if one is needed.
    pub fn new(config: &RedactConfig) -> Result<People, RedactError> {
        let users = match (config.users, &config.key) {
            (Users::Keep, _) => None,
            (Users::Pseudonym, None) => return Err(RedactError::NoKey),
            (Users::Pseudonym, Some(key)) => {
                let users = Pseudonyms::new(&key.read().map_err(RedactError::Key)?)
                    .ok_or(RedactError::ShortKey)?;
                Some(Arc::new(users))
            }
        };
        let truncate = config.addresses == Addresses::Truncate;
        Ok(People { personal: config.personal, users, truncate })
    }

    /// Replace in all fields of an event.
    pub fn event(&self, event: &mut Event, counts: &mut Counts) {
        let personal_too = match self.personal {
            Personal::Everywhere => true,
            Personal::Agents => event.class == Class::AgentStep,
            Personal::Off => false,
        };
        if !personal_too && self.users.is_none() && !self.truncate {
            return;
        }
        let names = self.names(event);
        // The message and the input say again what other fields say: what stands in several of them counts once.
        let mut counted = [Counts::new(), Counts::new(), Counts::new()];
        let [fields, message, input] = &mut counted;
        event.rewrite(|field, text| {
            let counts = match field {
                field::EVENT_ORIGINAL => &mut *input,
                field::MESSAGE => &mut *message,
                _ => &mut *fields,
            };
            let mut work = Work { people: self, personal: personal_too, names: &names, counts };
            work.field(holds(field.name()), text, field == field::EVENT_ORIGINAL)
        });
        let mut most = Counts::new();
        for (kind, count) in counted.into_iter().flatten() {
            let known = most.entry(kind).or_default();
            *known = count.max(*known);
        }
        for (kind, count) in most {
            *counts.entry(kind).or_default() += count;
        }
    }

    /// Replace in a text of a record that nobody could read.
    pub fn text(&self, text: &mut String, counts: &mut Counts) {
        let mut names = Vec::new();
        if let Some(users) = &self.users {
            users.learn_homes(text, &mut names);
            users.learn_assigned(text, &mut names);
            users.learn_announced(text, &mut names);
        }
        let everywhere = self.personal == Personal::Everywhere;
        let mut work = Work { people: self, personal: everywhere, names: &names, counts };
        if let Some(clean) = work.field(Holds::Text, text, true) {
            *text = clean;
        }
    }

    fn names(&self, event: &Event) -> Vec<Name> {
        let mut names = Vec::new();
        let Some(users) = &self.users else { return names };
        for (field, value) in event.iter() {
            let Some(text) = value.as_str() else { continue };
            match holds(field.name()) {
                Holds::UserOrNumber if is_number(text) => {}
                Holds::User | Holds::UserOrNumber => users.learn(text, &mut names),
                Holds::Text => {
                    users.learn_homes(text, &mut names);
                    users.learn_assigned(text, &mut names);
                }
                Holds::Word | Holds::Nothing => {}
            }
        }
        names
    }
}

/// One event's or text's replacing.
struct Work<'w> {
    people: &'w People,
    personal: bool,
    names: &'w [Name],
    counts: &'w mut Counts,
}

impl Work<'_> {
    /// What is to stand instead of the text; `None`: it stays. `input`: it is a record as it came.
    fn field(&mut self, holds: Holds, text: &str, input: bool) -> Option<String> {
        let mut fresh: Option<String> = None;
        let mut account = false;
        match holds {
            Holds::Nothing => return None,
            Holds::UserOrNumber if is_number(text) => {}
            Holds::User | Holds::UserOrNumber => {
                if let Some(users) = &self.people.users {
                    account = true;
                    fresh = users.account(text);
                    self.count(USER_KIND, u64::from(fresh.is_some()));
                }
            }
            Holds::Text => {
                fresh = replace(text, self.names);
                self.count(USER_KIND, u64::from(fresh.is_some()));
                if input && let Some(text) = self.hexadecimal(fresh.as_deref().unwrap_or(text)) {
                    fresh = Some(text);
                }
            }
            Holds::Word => {}
        }
        if self.people.truncate
            && let Some((text, count)) = truncate(fresh.as_deref().unwrap_or(text))
        {
            self.count(ADDRESS_KIND, count);
            fresh = Some(text);
        }
        if self.personal && !account {
            let clean = personal(fresh.as_deref().unwrap_or(text), self.counts);
            if let Cow::Owned(clean) = clean {
                fresh = Some(clean);
            }
        }
        fresh
    }

    /// Texts and sockets that the audit system wrote in hexadecimal, written again the same way.
    fn hexadecimal(&mut self, text: &str) -> Option<String> {
        if self.names.is_empty() && !self.people.truncate {
            return None;
        }
        let mut out = String::new();
        let mut copied = 0;
        for (at, _) in text.match_indices('=') {
            let digits = text.get(at + 1..).unwrap_or_default();
            let end =
                digits.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F')).count();
            let digits = digits.get(..end).unwrap_or_default();
            if end < HEX_DIGITS_MIN || at + 1 < copied {
                continue;
            }
            let socket = text.get(..at).is_some_and(|before| before.ends_with("saddr"));
            let fresh = if socket {
                truncate_socket(digits).filter(|_| self.people.truncate)
            } else {
                self.encoded(digits)
            };
            if let Some(fresh) = fresh {
                out.push_str(text.get(copied..=at).unwrap_or_default());
                out.push_str(&fresh);
                copied = at + 1 + end;
            }
        }
        if copied == 0 {
            return None;
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        Some(out)
    }

    fn encoded(&mut self, digits: &str) -> Option<String> {
        let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
        if !rest.is_empty() {
            return None;
        }
        let nibble =
            |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let bytes: Option<Vec<u8>> =
            pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?)).collect();
        // Arguments stand behind each other with a zero between them.
        let text = String::from_utf8(bytes?).ok()?;
        let fresh = self.field(Holds::Text, &text, false)?;
        Some(fresh.bytes().map(|byte| format!("{byte:02X}")).collect())
    }

    fn count(&mut self, kind: &str, count: u64) {
        if count > 0 {
            *self.counts.entry(kind.into()).or_default() += count;
        }
    }
}

/// Fields that hold accounts under other names than ECS gives them, by their last part in lower case.
const ACCOUNTS: &[&str] = &[
    "user",
    "username",
    "user_name",
    "userprincipalname",
    "targetusername",
    "subjectusername",
    "samaccountname",
    "accountname",
    "targetoutboundusername",
    "newtargetusername",
    "oldtargetusername",
    "targetuser",
    "sourceuser",
    "parentuser",
    "callerusername",
    "clientusername",
    "remoteuser",
    "logname",
    "acct",
    "ruser",
    "luser",
    "login",
    "loginname",
    "upn",
    "suid",
    "fsuid",
    "ouid",
    "oauid",
];

/// What may stand in a field of this name.
fn holds(name: &str) -> Holds {
    let last = name.rsplit('.').next().unwrap_or(name);
    if matches!(last, "ip" | "address") {
        return Holds::Word;
    }
    if let Some(account) = account(name, last) {
        return account;
    }
    if name == "user_agent.original" {
        return Holds::Text;
    }
    let fixed = ["host.", "log.", "watchfloor.", "organization.", "ecs.", "user_agent.", "agent."];
    let of_event =
        name.starts_with("event.") && !matches!(last, "original" | "reason" | "url" | "reference");
    if of_event
        || fixed.iter().any(|prefix| name.starts_with(prefix))
        || name.split('.').any(|part| part == "hash")
        || matches!(last, "entity_id" | "hash" | "hosts")
        || last.ends_with("version")
    {
        return Holds::Nothing;
    }
    match last {
        "name" | "domain" | "type" | "id" | "extension" | "scheme" | "group" | "provider"
        | "computer_name" => Holds::Word,
        _ => Holds::Text,
    }
}

fn account(name: &str, last: &str) -> Option<Holds> {
    let of_user = matches!(last, "name" | "full_name" | "email")
        && name.split('.').rev().skip(1).any(|part| part == "user")
        && !name.contains(".group.");
    if of_user || name == "related.user" {
        return Some(Holds::User);
    }
    let other = ACCOUNTS.iter().any(|known| known.eq_ignore_ascii_case(last));
    other.then_some(Holds::UserOrNumber)
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
