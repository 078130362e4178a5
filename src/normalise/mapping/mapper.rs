//! The mappings at work on one stream: which one is for a record, and what it makes of it.

use std::sync::Arc;

use crate::model::event::{Event, Value};
use crate::model::field::{self, FieldId};
use crate::normalise::complete::EventTime;
use crate::normalise::document::Document;
use crate::normalise::mapping::apply::{Found, Kept, Run};
use crate::normalise::mapping::facts::Facts;
use crate::normalise::mapping::library::Library;
use crate::normalise::mapping::memory::Memory;
use crate::normalise::mapping::read::{self, How, Read};
use crate::normalise::mapping::rules::{Mapping, Pattern};
use crate::normalise::names::Names;
use crate::normalise::output::Output;
use crate::normalise::redact::Redaction;

/// The mapper of one stream.
#[derive(Debug, Default)]
pub struct Mapper {
    library: Arc<Library>,
    /// Paths of keys of the stream's documents.
    pub names: Names,
    facts: Facts,
    kept: Kept,
    memory: Memory,
    /// The facts at hand are those of an object.
    is_object: bool,
}

/// What a mapping made of a record.
#[derive(Debug)]
pub struct Mapped {
    /// Its number in the library.
    pub number: usize,
    /// What it found beside fields.
    pub found: Found,
}

impl Mapper {
    /// Take up the mappings in force; names that belong to others are forgotten.
    pub fn use_library(&mut self, library: Arc<Library>) {
        if !Arc::ptr_eq(&self.library, &library) {
            self.kept.clear();
            self.library = library;
        }
    }

    /// The mapping of a number.
    pub fn mapping(&self, number: usize) -> Option<&Mapping> {
        self.library.get(number)
    }

    /// The number of a mapping, by its name.
    pub fn named(&self, name: &str) -> Option<usize> {
        self.library.named(name)
    }

    /// Does a mapping claim this program?
    pub fn claims_program(&self, program: &str) -> bool {
        !self.library.by_program(program).is_empty()
    }

    /// Map the message of a syslog program (or of no program that is known): by program, by CEF or LEEF, by look.
    pub fn message(
        &mut self,
        program: &str,
        message: &str,
        redaction: &Redaction<'_>,
        event: &mut Event,
        out: &mut Output,
    ) -> Option<Mapped> {
        let library = Arc::clone(&self.library);
        let candidates = library.by_program(program);
        if let Some(number) = best(&library, &candidates, message) {
            let frame = library.line_of(number, message);
            return self.text(&library, number, frame, message, redaction, event, out);
        }
        self.line(message, redaction, event, out)
    }

    /// Map a whole line by its look, if any mapping knows it.
    pub fn line(
        &mut self,
        line: &str,
        redaction: &Redaction<'_>,
        event: &mut Event,
        out: &mut Output,
    ) -> Option<Mapped> {
        let library = Arc::clone(&self.library);
        if line.contains("CEF:") || line.contains("LEEF:") {
            let number = self.by_vendor(&library, line);
            if let Some(number) = number {
                return self.text(&library, number, None, line, redaction, event, out);
            }
        }
        let (number, pattern) = library.by_line(line)?;
        self.text(&library, number, Some(pattern), line, redaction, event, out)
    }

    /// A line of a file with columns: one that names them, or one that has them. `None`: neither.
    pub fn tabular(
        &mut self,
        line: &str,
        redaction: &Redaction<'_>,
        event: &mut Event,
        out: &mut Output,
    ) -> Option<Mapped> {
        let library = Arc::clone(&self.library);
        if let Some(path) = line.strip_prefix("#path\t") {
            self.memory.path = Some(path.trim().to_owned());
            return None;
        }
        if let Some((number, columns, between)) = library.by_header(line) {
            let mapping = library.get(number)?;
            self.memory.header(&mapping.name, columns, between);
            return Some(Mapped { number, found: Found::default() });
        }
        let columns = self.memory.columns.as_ref()?;
        let number = library.named(&columns.mapping)?;
        if line.starts_with('#') {
            return Some(Mapped { number, found: Found::default() });
        }
        self.is_object = false;
        self.facts.clear();
        let divided: Vec<String> = if columns.between == ' ' {
            line.split_whitespace().map(str::to_owned).collect()
        } else {
            read::columns(line, u8::try_from(columns.between).unwrap_or(b','))
        };
        for (name, value) in columns.names.iter().zip(&divided) {
            if !super::put::is_nothing(value) && value != "(empty)" {
                self.facts.add(name, value, &mut self.names);
            }
        }
        if let Some(path) = &self.memory.path {
            self.facts.add("_path", path, &mut self.names);
        }
        // One header may stand for several kinds of log, as Zeek's does.
        let number = library.by_keys(&self.facts).unwrap_or(number);
        let found = self.run(library.get(number)?, number, None, redaction, event, out);
        Some(Mapped { number, found })
    }

    /// Does any mapping know the line by its look?
    pub fn knows_line(&self, line: &str) -> bool {
        self.library.by_line(line).is_some()
    }

    /// Does a mapping know the line as a wrapper around a further record?
    pub fn wraps(&self, line: &str) -> bool {
        let known = self.library.by_line(line).and_then(|(number, _)| self.library.get(number));
        known.is_some_and(|mapping| mapping.inner.is_some())
    }

    /// Do lines of the stream have columns that a header named?
    pub fn is_tabular(&self, line: &str, first: bool) -> bool {
        first || self.memory.columns.is_some() || line.starts_with('#')
    }

    /// Join the object that was mapped with what an earlier record kept for it.
    pub fn join(&mut self, number: usize, time: EventTime, event: &mut Event) {
        if let Some(mapping) = self.library.get(number) {
            self.memory.join(mapping, &self.facts, time, event);
        }
    }

    /// What later records depend on, for the commit; `None`: nothing.
    pub fn state(&self) -> Option<Vec<u8>> {
        if self.memory.is_empty() {
            return None;
        }
        serde_json::to_vec(&self.memory).ok()
    }

    /// Take up what [`Mapper::state`] gave. Unreadable state is an empty one.
    pub fn restore(&mut self, state: &[u8]) {
        self.memory = serde_json::from_slice(state).unwrap_or_default();
    }

    /// Does a mapping know the whole line by its look?
    pub fn claims_line(&self, number: usize, line: &str) -> bool {
        self.library.line_of(number, line).is_some()
    }

    /// Map a line by a mapping that is forced.
    pub fn forced(
        &mut self,
        number: usize,
        line: &str,
        redaction: &Redaction<'_>,
        event: &mut Event,
        out: &mut Output,
    ) -> Option<Mapped> {
        let library = Arc::clone(&self.library);
        let pattern = library.line_of(number, line);
        self.text(&library, number, pattern, line, redaction, event, out)
    }

    #[allow(clippy::too_many_arguments, reason = "one step of the three entries above")]
    fn text(
        &mut self,
        library: &Arc<Library>,
        number: usize,
        frame: Option<&Pattern>,
        text: &str,
        redaction: &Redaction<'_>,
        event: &mut Event,
        out: &mut Output,
    ) -> Option<Mapped> {
        let mapping = library.get(number)?;
        self.is_object = false;
        self.facts.clear();
        // A frame names the message itself, with what stands before it.
        let named =
            frame.is_some_and(|pattern| pattern.captures().iter().any(|c| &*c.name == "message"));
        if !named {
            self.facts.add("message", text, &mut self.names);
        }
        let found =
            self.run(mapping, number, frame.map(|frame| (frame, text)), redaction, event, out);
        Some(Mapped { number, found })
    }

    /// Take a JSON document and choose a mapping by its keys. [`Mapper::give_back`] returns the document.
    pub fn choose(&mut self, document: Document) -> Option<usize> {
        self.is_object = true;
        self.facts.take(document, &mut self.names);
        self.library.by_keys(&self.facts)
    }

    /// The document that [`Mapper::choose`] took.
    pub fn give_back(&mut self) -> Document {
        self.facts.into_document()
    }

    /// The facts of the document that was chosen for.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Map the document that was chosen for.
    pub fn object(
        &mut self,
        number: usize,
        redaction: &Redaction<'_>,
        event: &mut Event,
        out: &mut Output,
    ) -> Option<Mapped> {
        let library = Arc::clone(&self.library);
        let mapping = library.get(number)?;
        let found = self.run(mapping, number, None, redaction, event, out);
        Some(Mapped { number, found })
    }

    fn run(
        &mut self,
        mapping: &Mapping,
        number: usize,
        frame: Option<(&Pattern, &str)>,
        redaction: &Redaction<'_>,
        event: &mut Event,
        out: &mut Output,
    ) -> Found {
        let mut lines = out.explain.then(Vec::new);
        let run = Run {
            mapping,
            number,
            names: &mut self.names,
            facts: &mut self.facts,
            kept: &mut self.kept,
            event: &mut *event,
            clean: redaction,
            is_object: frame.is_none() && self.is_object,
            counts: &mut out.redacted,
            trace: lines.as_mut(),
        };
        let mut found = run.run(frame);
        found.message = self.facts.get(field::MESSAGE).map(|text| text.to_text().into_owned());
        if !event.has(field::EVENT_PROVIDER) {
            event.push_str(field::EVENT_PROVIDER, &mapping.provider);
        }
        if !event.has(field::EVENT_DATASET) {
            event.push_str(field::EVENT_DATASET, &mapping.dataset);
        }
        if let Some(lines) = lines {
            out.trace.family = Some(Arc::clone(&mapping.name));
            out.trace.file = Some(Arc::clone(&mapping.file));
            out.trace.lines.extend(lines);
        }
        found
    }

    /// CEF and LEEF name who wrote them.
    fn by_vendor(&mut self, library: &Library, line: &str) -> Option<usize> {
        let on = field::MESSAGE;
        let mut facts = Facts::default();
        for (how, prefix) in [(How::Cef, "cef"), (How::Leef, "leef")] {
            let step = Read { on, how, prefix: String::new() };
            if !read::split(&step, line, &mut facts, &mut self.names) {
                continue;
            }
            let part = |name: &str| {
                let name = FieldId::intern(&format!("{prefix}.{name}"))?;
                facts.get(name).map(|value: Value<'_>| value.to_text().into_owned())
            };
            let (vendor, product) = (part("vendor")?, part("product")?);
            return library.by_vendor(&vendor, &product).or_else(|| library.named(prefix));
        }
        None
    }
}

/// Of several mappings for one program the first that knows the message; else the first.
fn best(library: &Library, candidates: &[usize], message: &str) -> Option<usize> {
    let knows = |number: &&usize| {
        library.get(**number).is_some_and(|mapping| {
            let by_pattern =
                |group: &super::rules::Group| group.on == field::MESSAGE && group.knows(message);
            !mapping.reads.is_empty() || mapping.groups.iter().any(by_pattern)
        })
    };
    match candidates {
        [] => None,
        [only] => Some(*only),
        [first, ..] => Some(*candidates.iter().find(knows).unwrap_or(first)),
    }
}
