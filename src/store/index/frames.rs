//! Rows of the frames of the log, by day.

use std::collections::BTreeMap;
use std::fs::File;

use crate::stdx::time::SECOND_US;
use crate::store::events::read_block;
use crate::store::frame::Header;
use crate::store::index::follow::place;
use crate::store::index::shared::{Gathered, Row, SHARING, Sharing, Spot};
use crate::store::index::terms::TermReader;
use crate::store::index::{Cursor, partition_name};
use crate::wire::event_v1;

/// Events that become rows together, whole groups of those that share.
const ROWS: usize = 128 * SHARING;
/// Days whose buffers are kept.
const DAYS_KEPT_MAX: usize = 4;

/// Rows, and where the frame ends that they are of.
pub(crate) type Groups = Vec<(Cursor, Vec<Row>)>;
/// The same by day.
pub(crate) type Days = BTreeMap<String, Groups>;

/// Reads one frame after the other; keeps its buffers.
#[derive(Debug, Default)]
pub(crate) struct FrameReader {
    terms: TermReader,
    sharing: Sharing,
    gathered: BTreeMap<String, Gathered>,
    /// That of a day that is over: its room is used again.
    spare: Vec<Gathered>,
}

impl FrameReader {
    /// Add the rows of the frame at a place.
    pub(crate) fn read(
        &mut self,
        file: &File,
        place_of: u64,
        header: &Header,
        end: Cursor,
        days: &mut Days,
    ) -> std::io::Result<()> {
        // A frame that could not be read to its end comes again.
        self.gathered.values_mut().for_each(Gathered::clear);
        let mut row = 0_u64;
        let mut day = (i64::MIN, String::new());
        for block in &header.blocks {
            let first = row;
            row += u64::from(block.count);
            // Damaged blocks are told by searches; there is nothing in them to index.
            let Some(raw) = read_block(file, place(place_of).1, block)? else { continue };
            let ends = memchr::memchr_iter(b'\n', &raw).chain(std::iter::once(raw.len()));
            let lines = ends.scan(0, |from, end| {
                let line = raw.get(*from..end);
                *from = end + 1;
                Some(line.unwrap_or_default())
            });
            for (number, line) in lines.filter(|line| !line.is_empty()).enumerate() {
                let Some(at) = event_v1::time_of(line) else { continue };
                let today = at.micros().div_euclid(86_400 * SECOND_US);
                if day.0 != today {
                    day = (today, partition_name(at));
                }
                if !self.gathered.contains_key(&day.1) {
                    self.gathered.insert(day.1.clone(), self.spare.pop().unwrap_or_default());
                }
                let Some(gathered) = self.gathered.get_mut(&day.1) else { continue };
                if self.terms.read(line, &mut gathered.terms) {
                    let row = first + number as u64;
                    gathered.end(Spot { at: at.micros(), frame: place_of, row });
                }
                if gathered.len() >= ROWS {
                    let rows = self.sharing.rows(gathered);
                    days.entry(day.1.clone()).or_default().push((end, rows));
                }
            }
        }
        // Rows that share are of one frame: a day has all of it or nothing.
        for (day, gathered) in self.gathered.iter_mut().filter(|(_, some)| some.len() > 0) {
            let rows = self.sharing.rows(gathered);
            days.entry(day.clone()).or_default().push((end, rows));
        }
        while self.gathered.len() > DAYS_KEPT_MAX {
            let gone = self.gathered.pop_first();
            self.spare.extend(gone.map(|(_, gathered)| gathered));
        }
        self.spare.truncate(1);
        Ok(())
    }
}
