//! The arguments of EXECVE records: joined, completed from their pieces, and without secrets.
//!
//! The command line is the arguments joined by single spaces, without quoting, as tools that show command lines do;
//! `process.args` keeps them apart.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::normalise::linux::auditd::line;
use crate::normalise::linux::auditd::record::{Record, argument, decode};
use crate::normalise::linux::auditd::tables::Tables;
use crate::normalise::linux::scrub::Scrub;

/// Arguments kept apart; the command line holds all of them.
pub const ARGS_MAX: usize = 256;
/// Arguments kept under `auditd.data.aN`, which rules name.
pub const NAMED_ARGS_MAX: usize = 10;

/// The arguments of one event, in order.
pub struct Arguments<'a> {
    list: Vec<Cow<'a, str>>,
}

impl<'a> Arguments<'a> {
    /// Of every EXECVE record (long lists take several). Long arguments come in pieces `a1[0]`, `a1[1]`, …
    /// Fewer may be there than `argc` says; a gap is closed.
    pub fn of(records: &'a [Record<'_>]) -> Arguments<'a> {
        let mut found: BTreeMap<usize, Cow<'a, str>> = BTreeMap::new();
        for record in records.iter().filter(|record| record.kind == "EXECVE") {
            for field in &record.fields {
                let Some(index) = argument(&field.key) else { continue };
                match found.get_mut(&index) {
                    Some(known) => known.to_mut().push_str(&field.value),
                    None => {
                        found.insert(index, Cow::Borrowed(field.value.as_ref()));
                    }
                }
            }
        }
        Arguments { list: found.into_values().collect() }
    }

    /// None at all?
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// The command line and the arguments with their secrets replaced; whether there were any.
    pub fn scrubbed(&self, scrub: &mut Scrub<'_>) -> (String, Vec<Cow<'_, str>>, bool) {
        let joined = self.list.join(" ");
        let clean = scrub.text(&joined);
        if clean == joined {
            let list = self.list.iter().map(|text| Cow::Borrowed(text.as_ref())).collect();
            return (joined, list, false);
        }
        let clean = clean.into_owned();
        let list = self
            .realigned(&clean)
            .unwrap_or_else(|| clean.split(' ').map(|word| Cow::Owned(word.to_owned())).collect());
        (clean, list, true)
    }

    /// Cut a redacted command line where the arguments ended. `None` if it has not as many words any more
    /// (a secret with spaces in it was replaced).
    fn realigned(&self, clean: &str) -> Option<Vec<Cow<'static, str>>> {
        let words: Vec<&str> = clean.split(' ').collect();
        let mut at = 0;
        let mut list = Vec::with_capacity(self.list.len());
        for text in &self.list {
            let count = text.split(' ').count();
            list.push(Cow::Owned(words.get(at..at + count)?.join(" ")));
            at += count;
        }
        (at == words.len()).then_some(list)
    }
}

/// The records of an event that holds secrets, for `event.original`: EXECVE, PROCTITLE and other records with
/// command lines are written again with the clean text in quotes; the others stay as they are.
pub fn rewritten(text: &str, tables: &Tables, scrub: &mut Scrub<'_>) -> String {
    let parsed: Vec<_> = text.split('\n').map(|text| (text, line::parse(text).ok())).collect();
    let records: Vec<Record<'_>> = parsed
        .iter()
        .filter_map(|(_, line)| line.as_ref())
        .map(|line| decode(line, tables))
        .collect();
    let arguments = Arguments::of(&records);
    let (_, list, _) = arguments.scrubbed(scrub);
    let mut written = String::with_capacity(text.len());
    let mut arguments_done = false;
    for (original, line) in &parsed {
        let Some(line) = line else { continue };
        let record = decode(line, tables);
        let head = original
            .find(line.body)
            .filter(|_| !line.body.is_empty())
            .and_then(|at| original.get(..at));
        let head = head.unwrap_or("");
        if !written.is_empty() {
            written.push('\n');
        }
        match record.kind {
            "EXECVE" => {
                written.push_str(head);
                written.push_str(&format!("argc={}", list.len()));
                if !arguments_done {
                    for (index, text) in list.iter().enumerate() {
                        written.push_str(&format!(" a{index}={}", quoted(text)));
                    }
                }
                arguments_done = true;
            }
            "PROCTITLE" | "USER_CMD" | "TTY" | "USER_TTY" => {
                written.push_str(head);
                let fields: Vec<String> = record
                    .fields
                    .iter()
                    .map(|field| format!("{}={}", field.key, quoted(&scrub.text(&field.value))))
                    .collect();
                written.push_str(&fields.join(" "));
            }
            _ => written.push_str(original),
        }
    }
    written
}

/// In quotes, or hexadecimal where quotes could not hold it, as the kernel writes strings.
fn quoted(text: &str) -> String {
    let plain = text.bytes().all(|byte| byte != b'"' && (0x20..0x7f).contains(&byte));
    if plain {
        return format!("\"{text}\"");
    }
    text.bytes().map(|byte| format!("{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalise::linux::scrub::tests::with_scrub;

    fn joined(text: &str) -> (String, usize) {
        let tables = Tables::new();
        let lines: Vec<_> = text.split('\n').map(|text| line::parse(text).unwrap()).collect();
        let records: Vec<Record<'_>> = lines.iter().map(|line| decode(line, &tables)).collect();
        let arguments = Arguments::of(&records);
        let (line, list, _) = with_scrub(|scrub| {
            let (line, list, changed) = arguments.scrubbed(scrub);
            (line, list.len(), changed)
        });
        (line, list)
    }

    #[test]
    fn pieces_and_missing_arguments() {
        let text = "type=EXECVE msg=audit(1.0:1): argc=9 a0=\"sh\" a1=2D63 a2_len=8 a2[0]=\"ab\" a2[1]=6364\n\
                    type=EXECVE msg=audit(1.0:1): a3=\"x y\" a10=\"last\"";
        assert_eq!(joined(text), ("sh -c abcd x y last".to_owned(), 5));
    }

    #[test]
    fn arguments_are_cut_again_after_redaction() {
        let arguments = Arguments { list: vec!["curl".into(), "a b".into(), "-pSECRET".into()] };
        let cut = arguments.realigned("curl a b -p<redacted:x>").unwrap();
        assert_eq!(cut, ["curl", "a b", "-p<redacted:x>"]);
        assert!(arguments.realigned("curl a").is_none());
    }
}
