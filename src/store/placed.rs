//! Rows that say up to which event they are complete: a state too large for every commit is written now and then, and a start
//! reads the events behind it once more.

use crate::store::follow::LogPlace;

/// Segment and offset.
const PLACE_BYTES: usize = 16;

/// How such rows are written and read.
#[derive(Debug)]
pub struct Placed;

impl Placed {
    /// Rows as they are stored.
    pub(crate) fn rows(
        rows: &[(String, Option<Vec<u8>>)],
        place: LogPlace,
    ) -> Vec<(String, Option<Vec<u8>>)> {
        let stored = |value: &Vec<u8>| {
            let mut out = Vec::with_capacity(PLACE_BYTES + value.len());
            out.extend(place.segment.to_le_bytes());
            out.extend(place.offset.to_le_bytes());
            out.extend(value);
            out
        };
        rows.iter().map(|(key, value)| (key.clone(), value.as_ref().map(stored))).collect()
    }

    /// The place and the value of a stored row; `None`: it is too short to be one.
    pub fn split(stored: &[u8]) -> Option<(LogPlace, &[u8])> {
        let (segment, rest) = stored.split_first_chunk::<8>()?;
        let (offset, value) = rest.split_first_chunk::<8>()?;
        let place =
            LogPlace { segment: u64::from_le_bytes(*segment), offset: u64::from_le_bytes(*offset) };
        Some((place, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_keeps_its_place_and_what_is_too_short_is_none() {
        let place = LogPlace { segment: 3, offset: 900 };
        let rows = Placed::rows(&[("k".to_owned(), Some(vec![7])), ("g".to_owned(), None)], place);
        assert_eq!(Placed::split(rows[0].1.as_ref().unwrap()), Some((place, &[7_u8][..])));
        assert_eq!((rows[1].1.as_ref(), Placed::split(&[0; 15])), (None, None));
    }
}
