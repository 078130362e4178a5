//! What of an event goes into the index: terms, each a column's code and a folded value or word.

use std::ops::Range;
use std::sync::LazyLock;

use hashbrown::HashMap;

use crate::model::event::{Event, Value};
use crate::store::index::fold::{fold, fold_escaped, words};
use crate::store::index::seen::Seen;
use crate::wire::flat_scan::{self, Raw};

/// Values are cut to this many bytes; one of this length may go on.
pub(crate) const VALUE_BYTES: usize = 512;
/// A longer word is kept as windows of this many bytes: encoded commands are words of thousands.
pub(crate) const WORD_BYTES: usize = 40;
/// Windows begin so many bytes apart: what is no longer than this stands whole in one of them.
pub(crate) const WINDOW_STEP: usize = WORD_BYTES / 2;
/// Words of one value that are kept. A value with more gets the empty word, which every search for words lets through.
pub(crate) const WORDS_MAX: usize = 1_024;
/// Names of fields that have no column of their own are cut to this.
const NAME_BYTES: usize = 64;
/// The first byte of terms of fields without a column of their own: the name and a zero follow. (0 marks terms that stand
/// for several events, see [`super::shared`].)
const NAMED: u8 = 1;
/// Codes of columns begin here.
const FIRST_CODE: u8 = 2;

/// Long texts: kept as words. What is searched by a part of it.
const WORDS: [&str; 9] = [
    "message",
    "process.command_line",
    "process.parent.command_line",
    "process.title",
    "user_agent.original",
    "url.original",
    "winlog.event_data.ScriptBlockText",
    "powershell.file.script_block_text",
    "registry.data.strings",
];

/// Fields that are looked for so often that their terms should be short.
const VALUES: [&str; 84] = [
    "watchfloor.class",
    "watchfloor.source",
    "organization.id",
    "host.name",
    "host.ip",
    "host.os.type",
    "user.name",
    "user.domain",
    "user.id",
    "user.target.name",
    "user.effective.name",
    "related.user",
    "related.ip",
    "process.name",
    "process.executable",
    "process.pid",
    "process.entity_id",
    "process.working_directory",
    "process.parent.name",
    "process.parent.executable",
    "process.parent.pid",
    "process.hash.md5",
    "process.hash.sha1",
    "process.hash.sha256",
    "process.pe.imphash",
    "event.code",
    "event.action",
    "event.outcome",
    "event.provider",
    "event.module",
    "event.dataset",
    "event.category",
    "event.type",
    "winlog.channel",
    "winlog.provider_name",
    "file.path",
    "file.name",
    "file.hash.md5",
    "file.hash.sha1",
    "file.hash.sha256",
    "dll.path",
    "dll.name",
    "registry.path",
    "registry.key",
    "registry.value",
    "source.ip",
    "source.port",
    "source.domain",
    "destination.ip",
    "destination.port",
    "destination.domain",
    "dns.question.name",
    "network.protocol",
    "network.transport",
    "http.request.method",
    "http.response.status_code",
    "service.name",
    "rule.name",
    "related.hosts",
    "related.hash",
    "observer.name",
    "log.level",
    "log.file.path",
    "event.sequence",
    "agent.version",
    "agent.hostname",
    "tags",
    "winlog.computer_name",
    "winlog.level",
    "winlog.task",
    "winlog.opcode",
    "winlog.version",
    "winlog.keywords",
    "winlog.provider_guid",
    "winlog.process.pid",
    "winlog.process.thread.id",
    "winlog.user.type",
    "winlog.user.identifier",
    "winlog.user.name",
    "winlog.user.domain",
    "winlog.activity_id",
    "winlog.logon.id",
    "powershell.runspace_id",
    "powershell.pipeline_id",
];

/// The endpoint, and what says of which kind an event is: events that agree in these agree in much else.
const ENDPOINT: &str = "host.name";
const KIND: [&str; 3] = ["event.provider", "event.code", "event.action"];

/// Fields that no term is made of: what identifies one event only, and the record as it came.
const LEFT_OUT: [&str; 9] = [
    "@timestamp",
    "event.id",
    "event.ingested",
    "event.original",
    "event.created",
    "watchfloor.records",
    "log.offset",
    "winlog.record_id",
    // The time once more, as a text of its own in each event.
    "winlog.event_data.UtcTime",
];

/// How a field is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// Whole values behind this code.
    Values(u8),
    /// Words behind this code.
    Words(u8),
    /// Whole values behind the name.
    Named,
    /// Not at all.
    Absent,
}

static COLUMNS: LazyLock<HashMap<&'static [u8], Column, ahash::RandomState>> =
    LazyLock::new(|| {
        let codes = FIRST_CODE..;
        let values = VALUES.iter().map(|name| (name, false));
        let words = WORDS.iter().map(|name| (name, true));
        let mut columns: HashMap<_, _, _> = values
            .chain(words)
            .zip(codes)
            .map(|((name, words), code)| {
                let column = if words { Column::Words(code) } else { Column::Values(code) };
                (name.as_bytes(), column)
            })
            .collect();
        columns.extend(LEFT_OUT.iter().map(|name| (name.as_bytes(), Column::Absent)));
        columns
    });

static KIND_CODES: LazyLock<(u8, [u8; 3])> = LazyLock::new(|| {
    let code = |name| value_head(name).and_then(|head| head.first().copied()).unwrap_or(NAMED);
    (code(ENDPOINT), KIND.map(code))
});

/// How the field of this name is kept.
pub(crate) fn column(name: &[u8]) -> Column {
    COLUMNS.get(name).copied().unwrap_or(Column::Named)
}

/// The bytes before the folded values of a field; `None`: it is not kept as values.
pub(crate) fn value_head(name: &str) -> Option<Vec<u8>> {
    match column(name.as_bytes()) {
        Column::Values(code) => Some(vec![code]),
        Column::Named => {
            let mut head = Vec::new();
            put_name(name.as_bytes(), &mut head);
            Some(head)
        }
        Column::Words(_) | Column::Absent => None,
    }
}

fn put_name(name: &[u8], out: &mut Vec<u8>) {
    out.push(NAMED);
    out.extend_from_slice(name.get(..NAME_BYTES).unwrap_or(name));
    out.push(0);
}

/// Terms of events, one behind the other, in one buffer.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    bytes: Vec<u8>,
    /// Where each ends, and its hash.
    ends: Vec<(u32, u32)>,
    hasher: Hasher,
}

/// Always the same: hashes of words are those of terms.
#[derive(Debug)]
struct Hasher(ahash::RandomState);

impl Default for Hasher {
    fn default() -> Hasher {
        Hasher(ahash::RandomState::with_seeds(1, 2, 3, 4))
    }
}

impl Terms {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all of them.
    pub(super) fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    fn place(&self, number: usize) -> Range<usize> {
        let end = |number: usize| self.ends.get(number).map_or(0, |(end, _)| *end as usize);
        number.checked_sub(1).map_or(0, end)..end(number)
    }

    /// The term of this number.
    pub(crate) fn term(&self, number: usize) -> &[u8] {
        self.bytes.get(self.place(number)).unwrap_or_default()
    }

    /// Its hash.
    pub(crate) fn hash(&self, number: usize) -> u32 {
        self.ends.get(number).map_or(0, |(_, hash)| *hash)
    }

    /// Numbers that are equal for events of one endpoint, and for those of one kind, whose terms these are.
    pub(crate) fn kind(&self, numbers: Range<usize>) -> (u32, u32) {
        let (endpoint, kind) = &*KIND_CODES;
        let mut found = (0_u32, 0_u32);
        for number in numbers {
            let Some(code) = self.bytes.get(self.place(number).start) else { continue };
            if code == endpoint {
                found.0 = self.hash(number);
            } else if kind.contains(code) {
                found.1 = found.1.wrapping_add(self.hash(number));
            }
        }
        found
    }

    /// Forget them; the room stays.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// The bytes at a place, and the hash of a term that is none of ours yet.
    pub(super) fn bytes(&self, place: Range<usize>) -> &[u8] {
        self.bytes.get(place).unwrap_or_default()
    }

    pub(super) fn hash_long(&self, code: u8, word: &[u8]) -> u64 {
        self.hasher.0.hash_one((code, word))
    }

    /// Where the term that is being written begins.
    pub(super) fn open(&self) -> usize {
        self.ends.last().map_or(0, |(end, _)| *end as usize)
    }

    fn end(&mut self) {
        let term = self.bytes.get(self.open()..).unwrap_or_default();
        self.end_as(self.hasher.0.hash_one(term) as u32);
    }

    fn end_as(&mut self, hash: u32) {
        self.ends.push((u32::try_from(self.bytes.len()).unwrap_or(u32::MAX), hash));
    }
}

/// Makes the terms of one event after the other; keeps its buffers.
#[derive(Debug, Default)]
pub(crate) struct TermReader {
    folded: Vec<u8>,
    seen: Seen,
}

impl TermReader {
    /// Add the terms of the event that a line of the log spells, in no order, some of them more than once. `false`: it
    /// spells none.
    pub(crate) fn read(&mut self, line: &[u8], terms: &mut Terms) -> bool {
        self.seen.begin();
        let (bytes, ends) = (terms.bytes.len(), terms.ends.len());
        if flat_scan::each_value(line, |name, value| self.put_raw(name, value, terms)) {
            return true;
        }
        terms.bytes.truncate(bytes);
        terms.ends.truncate(ends);
        let Some(event) = crate::wire::event_v1::read_line(line) else { return false };
        self.of_event(&event, terms);
        true
    }

    /// Add the terms of an event, the slow way.
    pub(crate) fn of_event(&mut self, event: &Event, terms: &mut Terms) {
        self.seen.begin();
        self.put_text(b"watchfloor.class", event.class.as_str(), terms);
        for (field, value) in event.iter().filter(|(_, value)| *value != Value::Null) {
            self.put_text(field.name().as_bytes(), &value.to_text(), terms);
        }
    }

    fn put_raw(&mut self, name: &[u8], value: Raw<'_>, terms: &mut Terms) {
        let column = column(name);
        if column == Column::Absent {
            return;
        }
        let mut folded = std::mem::take(&mut self.folded);
        folded.clear();
        match value {
            Raw::Text(text) => fold_escaped(text, &mut folded),
            Raw::Bare(word) => put_bare(word, &mut folded),
        }
        self.put(column, (name, &folded), terms);
        self.folded = folded;
    }

    fn put_text(&mut self, name: &[u8], text: &str, terms: &mut Terms) {
        let column = column(name);
        let mut folded = std::mem::take(&mut self.folded);
        folded.clear();
        fold(text, &mut folded);
        self.put(column, (name, &folded), terms);
        self.folded = folded;
    }

    fn put(&mut self, column: Column, (name, folded): (&[u8], &[u8]), terms: &mut Terms) {
        match column {
            Column::Values(code) => {
                terms.bytes.push(code);
                terms.bytes.extend_from_slice(folded.get(..VALUE_BYTES).unwrap_or(folded));
                terms.end();
            }
            Column::Named => {
                put_name(name, &mut terms.bytes);
                terms.bytes.extend_from_slice(folded.get(..VALUE_BYTES).unwrap_or(folded));
                terms.end();
            }
            Column::Words(code) => {
                let mut count = 0;
                for window in words(folded).flat_map(windows) {
                    if count == WORDS_MAX {
                        terms.bytes.push(code);
                        terms.end();
                        break;
                    }
                    // A text says most of its words more than once.
                    if let Some(hash) = self.seen.hash_of_new((code, window), terms) {
                        terms.bytes.push(code);
                        terms.bytes.extend_from_slice(window);
                        terms.end_as(hash);
                        count += 1;
                    }
                }
            }
            Column::Absent => {}
        }
    }
}

/// A number or a word of JSON, in the digits that a filter compares.
fn put_bare(word: &[u8], out: &mut Vec<u8>) {
    let text = std::str::from_utf8(word).unwrap_or_default();
    if text.parse::<i64>().is_ok() || matches!(text, "true" | "false") {
        out.extend_from_slice(word);
        return;
    }
    // By the same reader as the event's, whose last digit is not always that of others.
    match serde_json::from_slice::<f64>(word) {
        Ok(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Err(_) => out.extend_from_slice(word),
    }
}

/// A word, or the windows of a long one: the first begins it, the last ends it.
fn windows(word: &[u8]) -> impl Iterator<Item = &[u8]> {
    let count = word.len().saturating_sub(WORD_BYTES).div_ceil(WINDOW_STEP) + 1;
    (0..count).filter_map(move |number| {
        let start = number * WINDOW_STEP;
        word.get(start..word.len().min(start + WORD_BYTES))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::field;
    use crate::wire::event_v1;
    use proptest::prelude::*;

    fn sorted(terms: &Terms, from: usize) -> Vec<Vec<u8>> {
        let mut all: Vec<Vec<u8>> =
            (from..terms.len()).map(|number| terms.term(number).to_vec()).collect();
        all.sort();
        all.dedup();
        all
    }

    proptest! {
        #[test]
        fn the_quick_way_and_the_slow_way_make_the_same_terms(
            texts in proptest::collection::vec((0_usize..6, "\\PC{0,40}|[\\x00-\\x7f]{0,200}|[ſKa-zé😀\\\\]{0,20}"), 0..12),
            int in any::<i64>(),
            float in any::<f64>(),
            in_object in any::<bool>(),
        ) {
            let names = ["host.name", "message", "event.original", "process.executable", "x.y", "user.name"];
            let mut event = Event::with_capacity(8, 64);
            for (name, text) in &texts {
                event.push_named(names[*name], Value::Str(text));
            }
            event.push_int(field::PROCESS_PID, int);
            event.push_named("x.float", Value::Float(if float.is_finite() { float } else { 0.5 }));
            event.push_bool(field::EVENT_OUTCOME, true);
            event.push_null(field::USER_ID);
            let mut line = Vec::new();
            match in_object {
                true => event_v1::write_flat(&event, &mut line),
                false => event_v1::FlatWriter::new().write_line(&event, &mut line),
            }
            // One that has read something else before.
            let (mut reader, mut quick) = (TermReader::default(), Terms::default());
            let other = b"{\"message\":\"SERVICE kelvin a b c\"}";
            prop_assert!(reader.read(other, &mut quick));
            let from = quick.len();
            prop_assert!(reader.read(&line, &mut quick));
            let mut slow = Terms::default();
            TermReader::default().of_event(&event_v1::read_line(&line).unwrap(), &mut slow);
            prop_assert_eq!(sorted(&quick, from), sorted(&slow, 0));
        }
    }
}
