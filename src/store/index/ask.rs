//! A filter's necessary condition, looked up in one part of the index: which rows may pass.

use std::io;

use tantivy::columnar::Column;
use tantivy::postings::TermInfo;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet as _, InvertedIndexReader, SegmentReader, TERMINATED, TantivyError};

use crate::model::query::{Need, Shape, ValueTest};
use crate::store::index::fold::{self, OTHER};
use crate::store::index::partition::{Fields, SPAN};
use crate::store::index::pieces::{self, Finder, Pieces};
use crate::store::index::shared::MARK;
use crate::store::index::terms::{self, Column as Kept, VALUE_BYTES, WINDOW_STEP, WORD_BYTES};

/// A word that is looked for inside of others must have this many letters to be worth it.
const INNER_BYTES_MIN: usize = 3;

/// Rows of one part, a bit each.
#[derive(Clone, Debug)]
pub(crate) struct Rows(Vec<u64>);

impl Rows {
    fn none(rows: u32) -> Rows {
        Rows(vec![0; rows.div_ceil(64) as usize])
    }

    fn put(&mut self, row: u32) {
        if let Some(word) = self.0.get_mut((row / 64) as usize) {
            *word |= 1 << (row % 64);
        }
    }

    fn keep(&mut self, other: &Rows) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= other);
    }

    fn join(&mut self, other: &Rows) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }

    /// The rows, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.iter().enumerate().flat_map(|(index, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros();
                rest &= rest.checked_sub(1)?;
                u32::try_from(index * 64).ok().map(|base| base + bit)
            })
        })
    }
}

/// Can the index say anything about it?
pub(crate) fn helps(need: &Need) -> bool {
    match need {
        Need::Any | Need::Not(_) | Need::Time(..) | Need::Anywhere(_) => false,
        Need::And(parts) => parts.iter().any(helps),
        Need::Or(parts) => !parts.is_empty() && parts.iter().all(helps),
        Need::Field { names, test } => names.iter().all(|name| lookups(name, test).is_some()),
    }
}

/// Rows of the part that may pass; `None`: all of them.
pub(crate) fn rows(
    need: &Need,
    part: &SegmentReader,
    fields: Fields,
) -> Result<Option<Rows>, TantivyError> {
    let inverted = part.inverted_index(fields.term)?;
    let spans = part.fast_fields().u64(SPAN)?;
    Asking { inverted: &inverted, spans: &spans, rows: part.max_doc() }.rows(need)
}

struct Asking<'a> {
    inverted: &'a InvertedIndexReader,
    spans: &'a Column<u64>,
    rows: u32,
}

/// Where terms are looked for: at single rows, or among those that stand for several.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Among {
    Single,
    Shared,
}

impl Among {
    /// The term as it stands there.
    fn term(self, term: &[u8]) -> Vec<u8> {
        match self {
            Among::Single => term.to_vec(),
            Among::Shared => [&[MARK], term].concat(),
        }
    }
}

impl Asking<'_> {
    fn rows(&self, need: &Need) -> Result<Option<Rows>, TantivyError> {
        match need {
            Need::Any | Need::Not(_) | Need::Anywhere(_) | Need::Time(..) => Ok(None),
            Need::And(parts) => {
                let mut all: Option<Rows> = None;
                for part in parts {
                    match (&mut all, self.rows(part)?) {
                        (_, None) => {}
                        (Some(known), Some(more)) => known.keep(&more),
                        (None, more) => all = more,
                    }
                }
                Ok(all)
            }
            Need::Or(parts) => {
                let mut any = Rows::none(self.rows);
                for part in parts {
                    match self.rows(part)? {
                        None => return Ok(None),
                        Some(more) => any.join(&more),
                    }
                }
                Ok(Some(any))
            }
            Need::Field { names, test } => {
                let mut any = Rows::none(self.rows);
                for name in names {
                    let Some(lookups) = lookups(name, test) else { return Ok(None) };
                    for way in lookups {
                        let mut all: Option<Rows> = None;
                        for lookup in way {
                            let found = self.look_up(&lookup, test)?;
                            match &mut all {
                                None => all = Some(found),
                                Some(known) => known.keep(&found),
                            }
                        }
                        all.into_iter().for_each(|found| any.join(&found));
                    }
                }
                Ok(Some(any))
            }
        }
    }

    fn look_up(&self, lookup: &Lookup, test: &ValueTest) -> Result<Rows, TantivyError> {
        let mut found = Rows::none(self.rows);
        for among in [Among::Single, Among::Shared] {
            self.look_among(among, lookup, test, &mut found)?;
        }
        Ok(found)
    }

    fn look_among(
        &self,
        among: Among,
        lookup: &Lookup,
        test: &ValueTest,
        found: &mut Rows,
    ) -> Result<(), TantivyError> {
        let dictionary = self.inverted.terms();
        let (head, start) = match lookup {
            Lookup::Exactly(key, also) => {
                for key in std::iter::once(key).chain(also) {
                    if let Some(info) = dictionary.get(among.term(key))? {
                        self.put(among, &info, found)?;
                    }
                }
                return Ok(());
            }
            Lookup::Values { head, start, .. } | Lookup::Words { head, start, .. } => (head, start),
        };
        let head = among.term(head);
        let start = [head.as_slice(), start].concat();
        let mut range = dictionary.range().ge(&start);
        if let Some(end) = after(&start) {
            range = range.lt(end);
        }
        let mut stream = range.into_stream()?;
        while let Some((key, info)) = stream.next() {
            let rest = key.get(head.len()..).unwrap_or_default();
            if lookup.wants(rest, test) {
                self.put(among, info, found)?;
            }
        }
        // A value with too many words passes whatever is asked of its words.
        if matches!(lookup, Lookup::Words { .. })
            && let Some(info) = dictionary.get(&head)?
        {
            self.put(among, &info, found)?;
        }
        Ok(())
    }

    fn put(&self, among: Among, info: &TermInfo, found: &mut Rows) -> io::Result<()> {
        let mut rows = self.inverted.read_postings_from_terminfo(info, IndexRecordOption::Basic)?;
        let mut row = rows.doc();
        while row != TERMINATED {
            match among {
                Among::Single => found.put(row),
                Among::Shared => {
                    let span = self.spans.first(row).unwrap_or(1);
                    let end = row.saturating_add(u32::try_from(span).unwrap_or(u32::MAX));
                    (row..end.min(self.rows)).for_each(|row| found.put(row));
                }
            }
            row = rows.advance();
        }
        Ok(())
    }
}

/// The least key that does not begin with these bytes.
fn after(start: &[u8]) -> Option<Vec<u8>> {
    let mut end = start.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

/// One thing to find in the dictionary.
enum Lookup {
    /// These terms.
    Exactly(Vec<u8>, Option<Vec<u8>>),
    /// Whole values that begin so and pass.
    Values { head: Vec<u8>, start: Vec<u8>, pass: Pass },
    /// Words that begin so, or else have this in them.
    Words { head: Vec<u8>, start: Vec<u8>, inside: Box<Finder> },
}

/// Which values pass.
enum Pass {
    All,
    /// Those with one of these pieces; no pieces: all. With `ask`, the test itself is asked too.
    Some {
        pieces: Vec<Finder>,
        ask: bool,
    },
}

impl Lookup {
    fn wants(&self, rest: &[u8], test: &ValueTest) -> bool {
        match self {
            Lookup::Exactly(..) | Lookup::Values { pass: Pass::All, .. } => true,
            // What was cut is asked again on the event.
            Lookup::Values { .. } if rest.len() >= VALUE_BYTES => true,
            Lookup::Values { pass: Pass::Some { pieces, ask }, .. } => {
                if !pieces.is_empty() && !pieces.iter().any(|finder| finder.finds(rest)) {
                    return false;
                }
                // So is what has letters that were folded together.
                !*ask
                    || memchr::memchr(OTHER, rest).is_some()
                    || std::str::from_utf8(rest).is_ok_and(|text| test.matches_text(text))
            }
            Lookup::Words { start, inside, .. } => !start.is_empty() || inside.finds(rest),
        }
    }
}

/// What to find for a test of a field: all of one of these ways must be there. `None`: the index cannot tell.
fn lookups(name: &str, test: &ValueTest) -> Option<Vec<Vec<Lookup>>> {
    match terms::column(name.as_bytes()) {
        Kept::Absent => None,
        Kept::Words(code) => {
            let ways = pieces::of(test.shape()?)?;
            ways.iter().map(|pieces| word_lookups(code, pieces)).collect()
        }
        Kept::Values(_) | Kept::Named => {
            let head = terms::value_head(name)?;
            value_lookup(head, test).map(|one| vec![vec![one]])
        }
    }
}

fn value_lookup(head: Vec<u8>, test: &ValueTest) -> Option<Lookup> {
    let Some(shape) = test.shape() else {
        let pass = Pass::Some { pieces: Vec::new(), ask: true };
        return Some(Lookup::Values { head, start: Vec::new(), pass });
    };
    let ways = pieces::of(shape);
    let finders = ways.iter().flatten().map(Finder::new).collect();
    match shape {
        Shape::Regex(source) => {
            // Inside of a pattern, letters can be made to count in their case.
            let ask = !source.contains("(?");
            if !ask && ways.is_none() {
                return None;
            }
            Some(Lookup::Values {
                head,
                start: Vec::new(),
                pass: Pass::Some { pieces: finders, ask },
            })
        }
        Shape::Pieces { pieces, start, end, any_gaps } => {
            let mut first = Vec::new();
            if *start && let Some(piece) = pieces.first() {
                fold::fold(piece, &mut first);
                first.truncate(VALUE_BYTES);
                if pieces.len() == 1 && *end {
                    return Some(Lookup::Exactly([head, first].concat(), None));
                }
                if pieces.len() == 1 {
                    return Some(Lookup::Values { head, start: first, pass: Pass::All });
                }
            }
            let pass = Pass::Some { pieces: finders, ask: !any_gaps };
            Some(Lookup::Values { head, start: first, pass })
        }
    }
}

fn word_lookups(code: u8, pieces: &Pieces) -> Option<Vec<Lookup>> {
    let mut found = Vec::new();
    let last_piece = pieces.texts.len().saturating_sub(1);
    for (number, folded) in pieces.texts.iter().enumerate() {
        let begins = pieces.start && number == 0;
        let ends = pieces.end && number == last_piece;
        let words: Vec<&[u8]> = fold::words(folded).collect();
        for (place, word) in words.iter().enumerate() {
            let inner = |byte: Option<&u8>| byte.is_some_and(|byte| fold::in_word(*byte));
            let open_left = place == 0 && !begins && inner(folded.first());
            let open_right = place + 1 == words.len() && !ends && inner(folded.last());
            found.extend(word_lookup(code, word, open_left, open_right));
        }
    }
    (!found.is_empty()).then_some(found)
}

fn word_lookup(code: u8, word: &[u8], open_left: bool, open_right: bool) -> Option<Lookup> {
    let head = vec![code];
    let cut = word.get(..WORD_BYTES).unwrap_or(word);
    if open_left {
        if word.len() < INNER_BYTES_MIN {
            return None;
        }
        // What is longer may be cut by the windows of a long word; its beginning is not.
        let inside = word.get(..WINDOW_STEP).unwrap_or(word);
        let end = !open_right && inside.len() == word.len();
        let pieces = Pieces { texts: vec![inside.to_vec()], start: false, end };
        let inside = Box::new(Finder::new(&pieces));
        return Some(Lookup::Words { head, start: Vec::new(), inside });
    }
    if open_right {
        let inside = Box::new(Finder::new(&Pieces::default()));
        return Some(Lookup::Words { head, start: cut.to_vec(), inside });
    }
    Some(Lookup::Exactly([head.as_slice(), cut].concat(), Some(head)))
}
