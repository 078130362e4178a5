//! The events that rules are tried on: files, or what the store holds.

use crate::cli::{Common, open_desk};
use crate::config::Config;
use crate::model::event::Event;
use crate::pipeline::inputs::{Inputs, Plan};
use crate::stdx::time::{SECOND_US, Timestamp};

/// Events of the store that are asked for at once.
const PAGE_EVENTS: usize = 50_000;
/// A stretch this short is not halved again; more events in it are left out and told.
const WINDOW_US_MIN: i64 = SECOND_US / 1_000;
/// Parts of a path that may name a host.
const PARTS_MAX: usize = 64;

/// What reading came to.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub events: u64,
    pub problems: Vec<String>,
}

/// Events of files, batch by batch; `host_from_path`: which part of a path, from its end, names the host; `end` is told when a file ends.
pub(super) fn files(
    config: &Config,
    paths: &[String],
    host_from_path: Option<usize>,
    take: &mut dyn FnMut(&[Event]),
    end: &mut dyn FnMut(),
) -> anyhow::Result<Read> {
    let inputs = Inputs {
        paths: paths.to_vec(),
        format: "auto".to_owned(),
        host: None,
        host_from_path,
        explain: false,
    };
    let plan = Plan::new(config, &inputs, true)?;
    let mut read = Read { problems: plan.problems.clone(), ..Read::default() };
    for input in &plan.inputs {
        let done = plan.read(input, &mut |output| {
            read.events += output.events.len() as u64;
            take(&output.events);
            std::ops::ControlFlow::Continue(())
        });
        read.problems.extend(done.problems);
        end();
    }
    Ok(read)
}

/// Stored events from `from` on, oldest first, beside a running daemon or without one.
pub(super) fn store(
    common: &Common,
    from: Timestamp,
    take: &mut dyn FnMut(&[Event]),
) -> anyhow::Result<Read> {
    let opened = open_desk::open(common)?;
    let mut read = Read::default();
    let now = Timestamp::now();
    // The whole time at first; a stretch with too many events is halved, so that the older half comes first.
    let mut windows = vec![(from, now)];
    while let Some((from, to)) = windows.pop() {
        let last = to.plus_micros(-1);
        let mut page =
            opened.wait(opened.desk.events_search("", Some(from), Some(last), PAGE_EVENTS))?;
        if page.len() >= PAGE_EVENTS {
            let half = to.micros_since(from) / 2;
            if half >= WINDOW_US_MIN {
                let middle = from.plus_micros(half);
                windows.push((middle, to));
                windows.push((from, middle));
                continue;
            }
            read.problems.push(format!(
                "more than {PAGE_EVENTS} events at {from}; the rest of them is left out"
            ));
        }
        page.reverse();
        read.events += page.len() as u64;
        take(&page);
    }
    Ok(read)
}

/// A part of a path, counted from its end.
pub(super) fn part(text: &str) -> Result<usize, BadPart> {
    text.parse().ok().filter(|part| (1..=PARTS_MAX).contains(part)).ok_or(BadPart)
}

/// A word that is no part of a path.
#[derive(Debug, thiserror::Error)]
#[error("expected 1 for the file's folder, 2 for the folder around it, up to {PARTS_MAX}")]
pub(super) struct BadPart;

/// `7d`, `12h`, `30m`: that long ago; or a time.
pub(super) fn since(text: &str) -> Result<Timestamp, BadSince> {
    if let Ok(at) = crate::cli::load::time(text) {
        return Ok(at);
    }
    let unit = text.chars().last().and_then(|unit| match unit {
        'd' => Some(86_400),
        'h' => Some(3_600),
        'm' => Some(60),
        _ => None,
    });
    let count =
        text.get(..text.len().saturating_sub(1)).and_then(|count| count.parse::<i64>().ok());
    match (unit, count) {
        (Some(unit), Some(count)) if (0..=100_000).contains(&count) => {
            Ok(Timestamp::now().plus_micros(-count * unit * SECOND_US))
        }
        _ => Err(BadSince),
    }
}

/// A word that is no time.
#[derive(Debug, thiserror::Error)]
#[error("expected a length of time such as 7d, 12h or 30m, or a time such as 2026-11-22")]
pub(super) struct BadSince;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_times_are_read_and_other_words_refused() {
        let about = |text: &str, seconds: i64| {
            let ago = Timestamp::now().micros_since(since(text).unwrap());
            (ago - seconds * SECOND_US).abs() < 10 * SECOND_US
        };
        assert!(about("7d", 7 * 86_400) && about("12h", 43_200) && about("30m", 1_800));
        assert_eq!(since("2026-11-22").unwrap().to_string().get(..10), Some("2026-11-22"));
        for bad in ["", "d", "7", "7w", "-1d", "soon"] {
            assert!(since(bad).is_err(), "{bad}");
        }
    }
}
