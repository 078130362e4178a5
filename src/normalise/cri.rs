//! Lines as container runtimes write them (`2026-11-22T08:00:00.000000000Z stdout F message`), and the parts of long
//! ones (`P`) put together again.

use serde::{Deserialize, Serialize};

use crate::normalise::time;
use crate::stdx::limits::RECORD_BYTES_MAX;
use crate::stdx::time::Timestamp;

/// A longer line is handed on in pieces.
pub const JOINED_BYTES_MAX: usize = RECORD_BYTES_MAX;

/// Where a container wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Output {
    /// As the runtime writes it.
    pub fn name(self) -> &'static str {
        match self {
            Output::Stdout => "stdout",
            Output::Stderr => "stderr",
        }
    }
}

/// A line taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cri<'a> {
    /// When it was written.
    pub time: Timestamp,
    /// Where.
    pub output: Output,
    /// It goes on in the next line of the same output.
    pub partial: bool,
    /// What was written.
    pub message: &'a str,
}

/// Take a line apart; `None`: it is of another form.
pub fn parse(text: &str) -> Option<Cri<'_>> {
    let (at, rest) = text.split_once(' ')?;
    let (output, rest) = rest.split_once(' ')?;
    let output = match output {
        "stdout" => Output::Stdout,
        "stderr" => Output::Stderr,
        _ => return None,
    };
    let (tags, message) = rest.split_once(' ').unwrap_or((rest, ""));
    let partial = match tags.split(':').next() {
        Some("P") => true,
        Some("F") => false,
        _ => return None,
    };
    let time = time::parse(at).filter(|_| at.contains('T'))?.instant()?;
    Some(Cri { time, output, partial, message })
}

/// A line that is whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// When its first part was written, in microseconds since the epoch.
    pub time_us: i64,
    /// Where.
    pub output: Output,
    /// What was written.
    pub text: String,
    /// The records it was put together from.
    pub records: u32,
    /// Where the first of them begins in the stream.
    pub offset: u64,
}

/// Puts the parts of long lines together, for one stream.
#[derive(Debug, Default)]
pub struct Joiner {
    open: Vec<Joined>,
}

impl Joiner {
    /// Take a line that begins at `offset` in the stream. Gives the line it ends, if it ends one (or the part of one
    /// that becomes too long).
    pub fn push(&mut self, line: &Cri<'_>, offset: u64) -> Option<Joined> {
        let at = self.open.iter().position(|open| open.output == line.output);
        let before = at.map(|at| self.open.swap_remove(at));
        let fresh = || Joined {
            time_us: line.time.micros(),
            output: line.output,
            text: line.message.to_owned(),
            records: 1,
            offset,
        };
        let joined = match before {
            None => fresh(),
            Some(before) if before.text.len() + line.message.len() > JOINED_BYTES_MAX => {
                // Whatever this line is, it begins what comes next.
                self.open.push(fresh());
                return Some(before);
            }
            Some(mut before) => {
                before.text.push_str(line.message);
                before.records += 1;
                before
            }
        };
        if line.partial {
            self.open.push(joined);
            return None;
        }
        Some(joined)
    }

    /// What waits for its end, as it is: the stream is over or has paused.
    pub fn flush(&mut self) -> Vec<Joined> {
        std::mem::take(&mut self.open)
    }

    /// Records that wait.
    pub fn open_records(&self) -> u64 {
        self.open.iter().map(|open| u64::from(open.records)).sum()
    }

    /// What later lines depend on, for the commit; `None` while there is nothing.
    pub fn state(&self) -> Option<Vec<u8>> {
        if self.open.is_empty() { None } else { serde_json::to_vec(&self.open).ok() }
    }

    /// Take up what [`Joiner::state`] gave. Unreadable state is an empty one.
    pub fn restore(&mut self, state: &[u8]) {
        self.open = serde_json::from_slice(state).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(text: &str) -> Cri<'_> {
        parse(text).unwrap()
    }

    #[test]
    fn lines_are_taken_apart() {
        let cri = line("2026-11-22T08:00:00.123456789Z stderr F  two  blanks");
        assert_eq!((cri.output, cri.partial, cri.message), (Output::Stderr, false, " two  blanks"));
        assert_eq!(cri.time.to_string(), "2026-11-22T08:00:00.123456Z");
        assert!(line("2026-11-22T10:00:00+02:00 stdout P:tag part").partial);
        assert_eq!(line("2026-11-22T08:00:00Z stdout F").message, "");
        for no in [
            "2026-11-22T08:00:00Z stdout",
            "2026-11-22T08:00:00Z web01 F x",
            "2026-11-22T08:00:00 stdout F x",
            "2026-11-22T08:00:00Z stdout X y",
            "Nov 22 stdout F x",
            "",
        ] {
            assert!(parse(no).is_none(), "{no}");
        }
    }

    #[test]
    fn parts_of_both_outputs_are_joined_over_a_restart() {
        let mut joiner = Joiner::default();
        let at = "2026-11-22T08:00:0";
        assert_eq!(joiner.push(&line(&format!("{at}0Z stdout P one ")), 10), None);
        assert_eq!(joiner.push(&line(&format!("{at}1Z stderr P err ")), 20), None);
        assert_eq!(joiner.open_records(), 2);
        let state = joiner.state().unwrap();
        let mut joiner = Joiner::default();
        joiner.restore(&state);
        let joined = joiner.push(&line(&format!("{at}2Z stdout F two")), 30).unwrap();
        assert_eq!((joined.text.as_str(), joined.records, joined.offset), ("one two", 2, 10));
        assert_eq!(joined.time_us, 1_795_334_400_000_000);
        assert_eq!(joiner.push(&line(&format!("{at}3Z stdout F x")), 40).unwrap().records, 1);
        assert_eq!(joiner.flush()[0].text, "err ");
        assert_eq!((joiner.open_records(), joiner.state()), (0, None));
        joiner.restore(b"nonsense");
        assert_eq!(joiner.open_records(), 0);
    }

    #[test]
    fn a_line_without_end_does_not_grow() {
        let mut joiner = Joiner::default();
        let part = format!("2026-11-22T08:00:00Z stdout P {}", "x".repeat(16 << 10));
        let mut records = 0;
        for number in 0..200 {
            if let Some(joined) = joiner.push(&line(&part), number) {
                assert!(joined.text.len() <= JOINED_BYTES_MAX);
                records += u64::from(joined.records);
            }
        }
        assert_eq!(records + joiner.open_records(), 200);
        assert!(joiner.open_records() < 100);
    }

    proptest! {
        #[test]
        fn every_record_is_in_one_line(parts in proptest::collection::vec((any::<bool>(), any::<bool>(), "[ab ]{0,5}"), 0..50)) {
            let mut joiner = Joiner::default();
            let mut records = 0;
            for (number, (partial, out, text)) in parts.iter().enumerate() {
                let tag = if *partial { "P" } else { "F" };
                let output = if *out { "stdout" } else { "stderr" };
                let text = format!("2026-11-22T08:00:00Z {output} {tag} {text}");
                records += joiner.push(&line(&text), number as u64).map_or(0, |it| u64::from(it.records));
                prop_assert_eq!(records + joiner.open_records(), number as u64 + 1);
            }
            records += joiner.flush().iter().map(|it| u64::from(it.records)).sum::<u64>();
            prop_assert_eq!(records, parts.len() as u64);
        }

        #[test]
        fn any_text_does_no_harm(text in "\\PC{0,60}") {
            let _ = parse(&text);
        }
    }
}
