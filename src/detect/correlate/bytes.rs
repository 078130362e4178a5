//! A row as bytes, for the commit. The first byte is the version; older versions are read.

use std::sync::Arc;

use crate::detect::correlate::lane::{Entry, Lane, NO_FLOOR, REPORTED};
use crate::detect::correlate::row::{LANES_MAX, Place, Row};
use crate::stdx::cursor::{Cursor, put_length, put_text};
use crate::stdx::id::Id128;
use crate::stdx::time::Timestamp;

/// What is written.
const VERSION: u8 = 2;
/// One stretch of time, no values, one flag: written until rows had lanes.
const VERSION_1: u8 = 1;
/// The entries of the lane have values.
const WITH_VALUES: u8 = 1;

impl Row {
    /// The row as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.len() * 35);
        out.push(VERSION);
        out.extend_from_slice(&self.touched.to_le_bytes());
        put_length(&mut out, self.places.len());
        for text in self.places.iter().flat_map(|place| [&place.host, &place.user]) {
            put_text(&mut out, text);
        }
        put_length(&mut out, self.lanes.len());
        for lane in &self.lanes {
            let with_values = lane.entries().iter().any(|entry| entry.value != 0);
            out.push(if with_values { WITH_VALUES } else { 0 });
            out.extend_from_slice(&lane.floor.0.to_le_bytes());
            put_length(&mut out, lane.entries().len());
            for entry in lane.entries() {
                out.extend_from_slice(&entry.time.0.to_le_bytes());
                out.extend_from_slice(entry.id.as_bytes());
                out.push(entry.flags);
                out.extend_from_slice(&entry.place.to_le_bytes());
                if with_values {
                    out.extend_from_slice(&entry.value.to_le_bytes());
                }
            }
        }
        out
    }

    /// A row from bytes; `None` if they are not a row's.
    pub fn decode(bytes: &[u8]) -> Option<Row> {
        let mut rest = Cursor::new(bytes);
        let version = rest.byte()?;
        let mut row = Row { touched: rest.u64()?, ..Row::default() };
        for _ in 0..rest.length()? {
            let (host, user) = (rest.text()?.into(), rest.text()?.into());
            row.places.push(Arc::new(Place { host, user }));
        }
        match version {
            VERSION => {
                let lanes = rest.length().filter(|lanes| *lanes <= LANES_MAX)?;
                for _ in 0..lanes {
                    let flags = rest.byte()?;
                    let floor = Timestamp(rest.i64()?);
                    row.lanes.push(lane(&mut rest, flags & WITH_VALUES != 0, floor)?);
                }
            }
            VERSION_1 => row.lanes.push(lane_1(&mut rest)?),
            _ => return None,
        }
        rest.is_empty().then_some(row)
    }
}

fn lane(rest: &mut Cursor<'_>, with_values: bool, floor: Timestamp) -> Option<Lane> {
    let mut entries = Vec::new();
    for _ in 0..rest.length()? {
        let time = Timestamp(rest.i64()?);
        let id = Id128(rest.take()?);
        let flags = rest.byte()?;
        let place = rest.u16()?;
        let value = if with_values { rest.u64()? } else { 0 };
        entries.push(Entry { time, id, value, place, flags });
    }
    entries.is_sorted_by_key(|entry| entry.time).then(|| Lane::new(entries, floor))
}

/// As version 1 had it: a step's number, and whether the event had been a finding.
fn lane_1(rest: &mut Cursor<'_>) -> Option<Lane> {
    let mut entries: Vec<Entry> = Vec::new();
    for _ in 0..rest.length()? {
        let time = Timestamp(rest.i64()?);
        let id = Id128(rest.take()?);
        let [step, reported] = rest.take()?;
        let place = rest.u16()?;
        let value = 1_u64.checked_shl(u32::from(step))?;
        let flags = if reported == 0 { 0 } else { REPORTED };
        match entries.last_mut().filter(|last| last.id == id) {
            Some(same) => {
                same.value |= value;
                same.flags |= flags;
            }
            None => entries.push(Entry { time, id, value, place, flags }),
        }
    }
    entries.is_sorted_by_key(|entry| entry.time).then(|| Lane::new(entries, NO_FLOOR))
}
