//! A row as bytes, for the commit. The first byte is the version; older versions are read.

use std::sync::Arc;

use crate::detect::correlate::lane::{Entry, Lane, NO_FLOOR, REPORTED};
use crate::detect::correlate::row::{LANES_MAX, Place, Row};
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
        number(&mut out, self.places.len());
        for text in self.places.iter().flat_map(|place| [&place.host, &place.user]) {
            number(&mut out, text.len());
            out.extend_from_slice(text.as_bytes());
        }
        number(&mut out, self.lanes.len());
        for lane in &self.lanes {
            let with_values = lane.entries().iter().any(|entry| entry.value != 0);
            out.push(if with_values { WITH_VALUES } else { 0 });
            out.extend_from_slice(&lane.floor.0.to_le_bytes());
            number(&mut out, lane.entries().len());
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
        let mut rest = Bytes(bytes);
        let [version] = rest.take()?;
        let mut row = Row { touched: u64::from_le_bytes(rest.take()?), ..Row::default() };
        for _ in 0..rest.number()? {
            let (host, user) = (rest.text()?, rest.text()?);
            row.places.push(Arc::new(Place { host, user }));
        }
        match version {
            VERSION => {
                let lanes = rest.number().filter(|lanes| *lanes <= LANES_MAX)?;
                for _ in 0..lanes {
                    let [flags] = rest.take()?;
                    let floor = Timestamp(i64::from_le_bytes(rest.take()?));
                    row.lanes.push(rest.lane(flags & WITH_VALUES != 0, floor)?);
                }
            }
            VERSION_1 => row.lanes.push(rest.lane_1()?),
            _ => return None,
        }
        rest.0.is_empty().then_some(row)
    }
}

fn number(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

struct Bytes<'b>(&'b [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn number(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.take()?)).ok()
    }

    fn text(&mut self) -> Option<Box<str>> {
        let length = self.number()?;
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(head).ok().map(Box::from)
    }

    fn lane(&mut self, with_values: bool, floor: Timestamp) -> Option<Lane> {
        let mut entries = Vec::new();
        for _ in 0..self.number()? {
            let time = Timestamp(i64::from_le_bytes(self.take()?));
            let id = Id128(self.take()?);
            let [flags] = self.take()?;
            let place = u16::from_le_bytes(self.take()?);
            let value = if with_values { u64::from_le_bytes(self.take()?) } else { 0 };
            entries.push(Entry { time, id, value, place, flags });
        }
        entries.is_sorted_by_key(|entry| entry.time).then(|| Lane::new(entries, floor))
    }

    /// As version 1 had it: a step's number, and whether the event had been a finding.
    fn lane_1(&mut self) -> Option<Lane> {
        let mut entries: Vec<Entry> = Vec::new();
        for _ in 0..self.number()? {
            let time = Timestamp(i64::from_le_bytes(self.take()?));
            let id = Id128(self.take()?);
            let [step, reported] = self.take()?;
            let place = u16::from_le_bytes(self.take()?);
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
}
