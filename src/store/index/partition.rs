//! One day of the index: a tantivy index whose rows are places of events in the log, with their terms and their time.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Included};
use std::ops::Range;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use tantivy::directory::MmapDirectory;
use tantivy::index::SegmentId;
use tantivy::indexer::{LogMergePolicy, NoMergePolicy, UserOperation};
use tantivy::query::RangeQuery;
use tantivy::schema::document::{ReferenceValue, ReferenceValueLeaf};
use tantivy::schema::{BytesOptions, Document, FAST, Field, NumericOptions, Schema, Value};
use tantivy::store::Compressor;
use tantivy::{
    Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, Searcher, TantivyError, Term,
};

use crate::store::index::shared::{Held, Row};

/// Column of event time, microseconds.
pub(crate) const AT: &str = "at";
/// Column of segment number and frame offset.
pub(crate) const FRAME: &str = "frame";
/// Column of the event's number in its frame.
pub(crate) const ROW: &str = "row";
/// Column of how many events, from this one on, share the terms that stand here for all of them.
pub(crate) const SPAN: &str = "span";
/// The terms.
const TERM: &str = "term";
/// Memory for terms that are not written yet, of one day. Tantivy takes no less than 15 MB.
const WRITER_BYTES: usize = 40_000_000;
/// Groups of rows that wait for the thread that takes them in, each some 5 MB of terms.
const GROUPS_WAITING_MAX: usize = 4;
/// How often it is looked whether one was taken in.
const GROUP_LOOK: Duration = Duration::from_millis(1);
/// How long: writing a part to the disk takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// So many parts of one size become one.
const MERGE_AT: usize = 8;
/// Parts with more rows than this are left alone.
const MERGE_ROWS_MAX: usize = 5_000_000;

/// The fields of the schema.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    at: Field,
    frame: Field,
    row: Field,
    span: Field,
    pub term: Field,
}

fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let at = builder.add_i64_field(AT, NumericOptions::default() | FAST);
    let frame = builder.add_u64_field(FRAME, NumericOptions::default() | FAST);
    let row = builder.add_u64_field(ROW, NumericOptions::default() | FAST);
    let span = builder.add_u64_field(SPAN, NumericOptions::default() | FAST);
    let term = builder.add_bytes_field(TERM, BytesOptions::default().set_indexed());
    (builder.build(), Fields { at, frame, row, span, term })
}

/// The one schema, of every partition.
pub(crate) static SCHEMA: LazyLock<(Schema, Fields)> = LazyLock::new(schema);

/// A value of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell<'a> {
    Signed(i64),
    Unsigned(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> for Cell<'a> {
    type ArrayIter = std::iter::Empty<Cell<'a>>;
    type ObjectIter = std::iter::Empty<(&'a str, Cell<'a>)>;

    fn as_value(&self) -> ReferenceValue<'a, Self> {
        ReferenceValue::Leaf(match *self {
            Cell::Signed(number) => ReferenceValueLeaf::I64(number),
            Cell::Unsigned(number) => ReferenceValueLeaf::U64(number),
            Cell::Bytes(bytes) => ReferenceValueLeaf::Bytes(bytes),
        })
    }
}

impl Document for Row {
    type Value<'a> = Cell<'a>;
    type FieldsValuesIter<'a> = Box<dyn Iterator<Item = (Field, Cell<'a>)> + 'a>;

    fn iter_fields_and_values(&self) -> Self::FieldsValuesIter<'_> {
        let Fields { at, frame, row, span, term } = SCHEMA.1;
        let head = [
            (at, Cell::Signed(self.spot.at)),
            (frame, Cell::Unsigned(self.spot.frame)),
            (row, Cell::Unsigned(self.spot.row)),
            (span, Cell::Unsigned(self.span)),
        ];
        let terms = self.terms().map(move |bytes| (term, Cell::Bytes(bytes)));
        Box::new(head.into_iter().chain(terms))
    }
}

/// One day, open for reading.
pub(crate) struct Partition {
    pub(super) index: Index,
    reader: IndexReader,
}

impl Partition {
    /// Open the index in the folder, or make it.
    pub(crate) fn open(folder: &Path) -> Result<Partition, TantivyError> {
        std::fs::create_dir_all(folder)?;
        let directory = MmapDirectory::open(folder)?;
        let settings = IndexSettings {
            docstore_compression: Compressor::None,
            docstore_compress_dedicated_thread: false,
            ..IndexSettings::default()
        };
        let index = Index::builder()
            .schema(SCHEMA.0.clone())
            .settings(settings)
            .open_or_create(directory)?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Partition { index, reader })
    }

    /// What can be searched now.
    pub(crate) fn searcher(&self) -> Searcher {
        self.reader.searcher()
    }

    /// What the last commit said of itself.
    pub(crate) fn payload(&self) -> Result<Option<String>, TantivyError> {
        Ok(self.index.load_metas()?.payload)
    }

    /// Do the files hold what was written into them? The first that does not.
    pub(crate) fn damaged_file(&self) -> Result<Option<String>, TantivyError> {
        let damaged = self.index.validate_checksum()?;
        Ok(damaged.into_iter().next().map(|path| path.display().to_string()))
    }

    /// The writing end; one at a time.
    pub(crate) fn writer(&self) -> Result<PartitionWriter, TantivyError> {
        let writer = self.index.writer_with_num_threads(1, WRITER_BYTES)?;
        let mut policy = LogMergePolicy::default();
        policy.set_min_num_segments(MERGE_AT);
        policy.set_max_docs_before_merge(MERGE_ROWS_MAX);
        writer.set_merge_policy(Box::new(policy));
        Ok(PartitionWriter { writer, fresh: 0, handed: Vec::new() })
    }

    /// Which segments of the log have rows here: the numbers among `gone` that do. `shift`: bits of a place below the number.
    pub(crate) fn holds(
        &self,
        gone: &dyn Fn(u64) -> bool,
        shift: u32,
    ) -> Result<BTreeSet<u64>, TantivyError> {
        let mut found = BTreeSet::new();
        for part in self.searcher().segment_readers() {
            let frames = part.fast_fields().u64(FRAME)?;
            let (first, last) = (frames.min_value() >> shift, frames.max_value() >> shift);
            if !(first..=last).any(gone) {
                continue;
            }
            let mut last = None;
            for row in part.doc_ids_alive() {
                let number = frames.first(row).map(|frame| frame >> shift);
                if number != last {
                    last = number;
                    found.extend(number.filter(|number| gone(*number)));
                }
            }
        }
        Ok(found)
    }

    /// Take out the rows with these places, and rewrite the parts that held them: so do terms of nobody else. There must be
    /// no writing end open.
    pub(crate) fn forget(&self, places: &[Range<u64>]) -> Result<(), TantivyError> {
        let mut writer = self.deleter()?;
        self.delete(&mut writer, places)?;
        for part in self.parts_with_deletes()? {
            writer.merge(&[part]).wait()?;
        }
        writer.garbage_collect_files().wait()?;
        writer.wait_merging_threads()
    }

    /// A writing end that merges nothing by itself.
    pub(super) fn deleter(&self) -> Result<IndexWriter<Row>, TantivyError> {
        let writer: IndexWriter<Row> = self.index.writer_with_num_threads(1, WRITER_BYTES)?;
        writer.set_merge_policy(Box::new(NoMergePolicy));
        Ok(writer)
    }

    /// Take out the rows with these places; their words stay.
    pub(super) fn delete(
        &self,
        writer: &mut IndexWriter<Row>,
        places: &[Range<u64>],
    ) -> Result<(), TantivyError> {
        for Range { start, end } in places {
            let term = |place: u64| Term::from_field_u64(SCHEMA.1.frame, place);
            let range = RangeQuery::new(Included(term(*start)), Excluded(term(*end)));
            writer.delete_query(Box::new(range))?;
        }
        let payload = self.payload()?;
        let mut prepared = writer.prepare_commit()?;
        if let Some(payload) = &payload {
            prepared.set_payload(payload);
        }
        prepared.commit()?;
        Ok(())
    }

    /// Parts that still hold words of rows that are gone. Of these only the ids: while somebody holds what describes a part,
    /// its files stay.
    pub(crate) fn parts_with_deletes(&self) -> Result<Vec<SegmentId>, TantivyError> {
        let parts = self.index.searchable_segment_metas()?;
        Ok(parts.iter().filter(|part| part.has_deletes()).map(|part| part.id()).collect())
    }

    /// See what was committed since.
    pub(crate) fn reload(&self) -> Result<(), TantivyError> {
        self.reader.reload()
    }
}

/// Adds rows to one day.
pub(crate) struct PartitionWriter {
    writer: IndexWriter<Row>,
    /// Rows since the last commit.
    pub fresh: u64,
    /// Groups that its thread has not taken in yet.
    handed: Vec<Held>,
}

impl PartitionWriter {
    /// Add rows that stay side by side, whatever parts come to be.
    pub(crate) fn add(&mut self, rows: Vec<Row>) -> Result<(), TantivyError> {
        self.wait();
        self.fresh += rows.len() as u64;
        self.handed.extend(rows.first().map(Row::held));
        self.writer.run(rows.into_iter().map(UserOperation::Add).collect::<Vec<_>>())?;
        Ok(())
    }

    /// Tantivy takes any number of groups and lets them wait for its thread. A thread that has died says so when it gets the next.
    fn wait(&mut self) {
        let begun = Instant::now();
        while self.waiting() >= GROUPS_WAITING_MAX && begun.elapsed() < PATIENCE {
            std::thread::sleep(GROUP_LOOK);
        }
    }

    /// Groups that its thread has not taken in yet.
    fn waiting(&mut self) -> usize {
        self.handed.retain(|group| !group.is_gone());
        self.handed.len()
    }

    /// Make the rows real, with a word that says how far they reach.
    pub(crate) fn commit(&mut self, payload: &str) -> Result<(), TantivyError> {
        let mut prepared = self.writer.prepare_commit()?;
        prepared.set_payload(payload);
        prepared.commit()?;
        self.fresh = 0;
        Ok(())
    }

    /// End, after merges that are going on.
    pub(crate) fn close(self) -> Result<(), TantivyError> {
        self.writer.wait_merging_threads()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::{Event, Value as Said};
    use crate::store::index::shared::{Gathered, Sharing, Spot};
    use crate::store::index::terms::TermReader;

    /// Rows with words of their own.
    fn group(first: u64) -> Vec<Row> {
        let (mut gathered, mut reader) = (Gathered::default(), TermReader::default());
        for row in first..first + 128 {
            let words: Vec<String> = (0..40).map(|word| format!("w{row}x{word}")).collect();
            let mut event = Event::with_capacity(1, 64);
            event.push_named("message", Said::Str(&words.join(" ")));
            reader.of_event(&event, &mut gathered.terms);
            gathered.end(Spot { at: 7, frame: 9, row });
        }
        Sharing::default().rows(&mut gathered)
    }

    #[test]
    fn few_groups_wait_however_quickly_they_come() {
        let folder = tempfile::tempdir().unwrap();
        let partition = Partition::open(folder.path()).unwrap();
        let mut writer = partition.writer().unwrap();
        let groups: Vec<Vec<Row>> = (0..60).map(|number| group(number * 128)).collect();
        for rows in groups {
            writer.add(rows).unwrap();
            let waiting = writer.waiting();
            assert!(waiting <= GROUPS_WAITING_MAX, "{waiting}");
        }
        writer.commit("all").unwrap();
        assert_eq!(writer.waiting(), 0);
        partition.reload().unwrap();
        assert_eq!(partition.searcher().num_docs(), 60 * 128);
    }
}
