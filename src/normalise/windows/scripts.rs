//! Script blocks that PowerShell logged in pieces, joined.
//!
//! A script too long for one record is logged as several 4104 events with one `ScriptBlockId`, each with its number and how many
//! there are. Every piece is an event. When the last one has come (in whatever order), one more event holds the whole text, so
//! that a rule sees what a cut had parted. It is made from the piece that completed it, has an id that follows from that
//! piece's, and belongs to no record of its own: the ledger has counted the pieces. Pieces that wait are part of the stream's
//! state; a block whose rest never comes is forgotten when newer ones need its room, and its pieces stay events.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::event::Event;
use crate::model::field;
use crate::normalise::output::Output;
use crate::normalise::settings::Settings;
use crate::stdx::id::IdHasher;

/// Blocks of one stream that wait for pieces.
pub const SCRIPTS_OPEN_MAX: usize = 64;
/// Pieces of one block; a block of more is not joined.
pub const SCRIPT_PIECES_MAX: i64 = 4_096;
/// Text of one block that is kept; the joined event of a longer one is cut and says so in its count of dropped fields.
pub const SCRIPT_BYTES_MAX: usize = 2 << 20;
/// Text of all waiting blocks of one stream.
pub const SCRIPTS_BYTES_MAX: usize = 8 << 20;

const ACTION: &str = "script-block-joined";

/// The blocks of one stream that wait for pieces.
#[derive(Debug, Default)]
pub struct Scripts {
    /// By endpoint and block id.
    open: BTreeMap<(String, String), Open>,
    bytes: usize,
    clock: u64,
    given_up: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Open {
    total: i64,
    pieces: BTreeMap<i64, String>,
    bytes: usize,
    cut: bool,
    touched: u64,
}

impl Scripts {
    /// Look at the events from `first` on; add the joined event of every block that they complete.
    pub fn join(&mut self, first: usize, settings: &Settings, out: &mut Output) {
        let mut joined = Vec::new();
        for event in out.events.get(first..).unwrap_or_default() {
            joined.extend(self.take(event));
        }
        for mut event in joined {
            // A secret may have been parted by a cut.
            let text = event.str(field::POWERSHELL_SCRIPT_BLOCK_TEXT).unwrap_or_default();
            let text = settings.redactor.text(text, &mut out.redacted).into_owned();
            event.set_str(field::POWERSHELL_SCRIPT_BLOCK_TEXT, &text);
            out.extra_event(event);
        }
    }

    /// Take one event; the whole block's event, if this piece was the last one missing.
    fn take(&mut self, event: &Event) -> Option<Event> {
        let total = event.get(field::POWERSHELL_TOTAL)?.as_int()?;
        let number = event.get(field::POWERSHELL_SEQUENCE)?.as_int()?;
        let id = event.str(field::POWERSHELL_SCRIPT_BLOCK_ID)?;
        let in_bounds = (2..=SCRIPT_PIECES_MAX).contains(&total) && (1..=total).contains(&number);
        if !in_bounds || event.str(field::EVENT_ACTION) != Some("script-block-run") {
            return None;
        }
        let text = event.str(field::POWERSHELL_SCRIPT_BLOCK_TEXT).unwrap_or_default();
        let key = (event.host().to_owned(), id.to_owned());
        self.clock += 1;
        let open = self.open.entry(key.clone()).or_default();
        if open.total != total {
            self.bytes -= open.bytes;
            *open = Open { total, ..Open::default() };
        }
        open.touched = self.clock;
        let fits = open.bytes + text.len() <= SCRIPT_BYTES_MAX;
        open.cut |= !fits;
        let text = if fits { text } else { "" };
        let before = open.pieces.insert(number, text.to_owned()).map_or(0, |old| old.len());
        open.bytes = open.bytes + text.len() - before;
        self.bytes = self.bytes + text.len() - before;
        if open.pieces.len() as i64 == total {
            let open = self.open.remove(&key)?;
            self.bytes -= open.bytes;
            return Some(whole(event, &open));
        }
        self.make_room();
        None
    }

    /// Forget the blocks that have waited longest.
    fn make_room(&mut self) {
        while self.open.len() > SCRIPTS_OPEN_MAX || self.bytes > SCRIPTS_BYTES_MAX {
            let oldest = self.open.iter().min_by_key(|(_, open)| open.touched);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else { return };
            if let Some(open) = self.open.remove(&key) {
                self.bytes -= open.bytes;
                self.given_up += 1;
            }
        }
    }

    /// Blocks that were forgotten before their last piece came.
    pub fn given_up(&self) -> u64 {
        self.given_up
    }

    /// What waits, for the commit; `None` while nothing does.
    pub fn state(&self) -> Option<Vec<u8>> {
        if self.open.is_empty() {
            return None;
        }
        let open: Vec<_> = self.open.iter().collect();
        serde_json::to_vec(&open).ok()
    }

    /// Take up what [`Scripts::state`] gave. Unreadable state is an empty one.
    pub fn restore(&mut self, state: &[u8]) {
        let Ok(open) = serde_json::from_slice::<Vec<((String, String), Open)>>(state) else {
            return;
        };
        self.open = open.into_iter().collect();
        for open in self.open.values_mut() {
            open.bytes = open.pieces.values().map(String::len).sum();
        }
        self.bytes = self.open.values().map(|open| open.bytes).sum();
        self.clock = self.open.values().map(|open| open.touched).max().unwrap_or(0);
        self.make_room();
    }
}

fn whole(last: &Event, open: &Open) -> Event {
    let mut event = last.clone();
    event.id = IdHasher::new("event.script").bytes(last.id.as_bytes()).finish();
    let text: String = open.pieces.values().map(String::as_str).collect();
    event.set_str(field::POWERSHELL_SCRIPT_BLOCK_TEXT, &text);
    event.set_str(field::EVENT_ACTION, ACTION);
    // These speak of the piece.
    event.remove(field::EVENT_ORIGINAL);
    event.remove(field::MESSAGE);
    event.remove(field::POWERSHELL_SEQUENCE);
    event.fields_dropped += u32::from(open.cut);
    event
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stdx::id::Id128;

    fn piece(block: &str, number: i64, total: i64, text: &str) -> Event {
        let mut event = Event::with_capacity(8, 128);
        event.id = IdHasher::new("test").text(block).number(number as u64).finish();
        event.push_str(field::HOST_NAME, "ws1");
        event.push_str(field::EVENT_ACTION, "script-block-run");
        event.push_str(field::POWERSHELL_SCRIPT_BLOCK_ID, block);
        event.push_str(field::POWERSHELL_SCRIPT_BLOCK_TEXT, text);
        event.push_int(field::POWERSHELL_SEQUENCE, number);
        event.push_int(field::POWERSHELL_TOTAL, total);
        event.push_str(field::EVENT_ORIGINAL, "{}");
        event
    }

    #[test]
    fn the_last_piece_brings_the_whole_whatever_the_order() {
        let mut scripts = Scripts::default();
        assert!(scripts.take(&piece("a", 1, 1, "alone")).is_none());
        assert!(scripts.take(&piece("a", 3, 3, "c")).is_none());
        assert!(scripts.take(&piece("b", 1, 2, "x")).is_none());
        assert!(scripts.take(&piece("a", 1, 3, "a")).is_none());
        assert!(scripts.take(&piece("a", 1, 3, "a")).is_none(), "the same piece again");
        let whole = scripts.take(&piece("a", 2, 3, "b")).unwrap();
        assert_eq!(whole.str(field::POWERSHELL_SCRIPT_BLOCK_TEXT), Some("abc"));
        assert_eq!(whole.str(field::EVENT_ACTION), Some(ACTION));
        assert!(!whole.has(field::EVENT_ORIGINAL));
        assert_ne!(whole.id, Id128::default());
        assert_eq!(scripts.open.len(), 1);
        assert_eq!(scripts.bytes, 1);
    }

    #[test]
    fn a_restart_in_the_middle_changes_nothing() {
        let mut before = Scripts::default();
        before.take(&piece("a", 1, 2, "one "));
        let state = before.state().unwrap();
        let mut after = Scripts::default();
        after.restore(&state);
        let (one, two) =
            (before.take(&piece("a", 2, 2, "two")), after.take(&piece("a", 2, 2, "two")));
        assert_eq!(one, two);
        assert!(one.is_some() && after.state().is_none());
        after.restore(b"no state");
        assert!(after.open.is_empty());
    }

    #[test]
    fn what_never_completes_makes_room_and_is_counted() {
        let mut scripts = Scripts::default();
        for number in 0..SCRIPTS_OPEN_MAX + 5 {
            scripts.take(&piece(&number.to_string(), 1, 2, "x"));
        }
        assert_eq!((scripts.open.len(), scripts.given_up()), (SCRIPTS_OPEN_MAX, 5));
        let long = "x".repeat(SCRIPT_BYTES_MAX);
        scripts.take(&piece("long", 1, 2, &long));
        let whole = scripts.take(&piece("long", 2, 2, "y")).unwrap();
        assert_eq!(whole.fields_dropped, 1);
        assert!(scripts.bytes <= SCRIPTS_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn bytes_are_never_miscounted(
            pieces in proptest::collection::vec((0_u8..4, 0_i64..5, 0_i64..5, "[a-c]{0,5}"), 0..60)
        ) {
            let mut scripts = Scripts::default();
            for (block, number, total, text) in pieces {
                let _ = scripts.take(&piece(&block.to_string(), number, total, &text));
                let held: usize =
                    scripts.open.values().flat_map(|open| open.pieces.values()).map(String::len).sum();
                prop_assert_eq!(held, scripts.bytes);
            }
        }
    }
}
