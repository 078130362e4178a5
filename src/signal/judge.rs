//! One event and the row of its series: what the signal's condition says.

use crate::config::signals::Calendar;
use crate::model::event::{Event, EventId};
use crate::signal::condition::{Condition, Outcome};
use crate::signal::entries::{self, Added, Entry};
use crate::signal::row::{Data, Known, Row};
use crate::signal::slices::{self, Slice};
use crate::signal::travel;
use crate::signal::when::{Glob, Place};
use crate::stdx::id::IdHasher;
use crate::stdx::time::SECOND_US;

/// Values that one series of `first_seen` knows; over it the one seen longest ago is forgotten and counted.
pub const KNOWN_MAX: usize = 2_000;

/// What came of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Judged {
    /// The condition was asked.
    Said(Said),
    /// It is older than the state that is kept: counted, not judged.
    Late,
    /// The event was there already.
    Repeat,
    /// The field that the condition is about is not there.
    Blind,
}

/// What the condition says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// Pass, warning or fail.
    pub outcome: Outcome,
    /// Why, for a person; empty for a pass.
    pub why: String,
    /// It will say the same of the next event, so that one finding a while is enough.
    pub lasts: bool,
    /// A value that was known made room.
    pub forgotten: bool,
}

impl Said {
    fn once(outcome: Outcome, why: impl FnOnce() -> String) -> Judged {
        let why = if outcome == Outcome::Pass { String::new() } else { why() };
        Judged::Said(Said { outcome, why, ..Said::default() })
    }

    fn lasting(outcome: Outcome, why: impl FnOnce() -> String) -> Judged {
        let why = if outcome == Outcome::Pass { String::new() } else { why() };
        Judged::Said(Said { outcome, why, lasts: true, ..Said::default() })
    }
}

/// Judge an event; `row` has counted it already.
pub fn judge(condition: &Condition, calendar: &Calendar, row: &mut Row, event: &Event) -> Judged {
    match condition {
        Condition::Never | Condition::Absence { .. } => Judged::Said(Said::default()),
        Condition::Each => Said::once(Outcome::Fail, || "every such event".to_owned()),
        Condition::OffHours => {
            let outcome = fail_if(!calendar.is_working(event.timestamp));
            Said::once(outcome, || "outside working hours".to_owned())
        }
        Condition::Value { place, divide, threshold } => {
            let Some(number) = place.number(event) else { return Judged::Blind };
            let number = number / divide;
            let outcome = threshold.judge(number);
            Said::once(outcome, || format!("{} is {}", place.name(), short(number)))
        }
        Condition::Allow { place, globs } => {
            listed(*place, globs, event, |found| !found, "is not on the list")
        }
        Condition::Deny { place, globs } => {
            listed(*place, globs, event, |found| found, "is on the list")
        }
        Condition::FirstSeen { place, learn } => first_seen(*place, *learn, row, event),
        Condition::Travel { speed, distance, country } => {
            travelled((*speed, *distance, *country), row, event)
        }
        Condition::Count { within, threshold } => {
            let entry = Entry { time: event.timestamp, id: event.id, value: 0 };
            let Data::Entries(entries) = &mut row.data else { return Judged::Late };
            let needed = needed(threshold.fail);
            exact(entries::count(entries, entry, *within, needed), |number| {
                let outcome = threshold.judge(number as f64);
                Said::lasting(outcome, || format!("{number} events within {}", span(*within)))
            })
        }
        Condition::Distinct { place, within, threshold } => {
            let Some(value) = place.text(event) else { return Judged::Blind };
            let entry = Entry { time: event.timestamp, id: event.id, value: hash(&value) };
            let Data::Entries(entries) = &mut row.data else { return Judged::Late };
            let needed = needed(threshold.fail);
            exact(entries::distinct(entries, entry, *within, needed), |number| {
                let outcome = threshold.judge(number as f64);
                Said::lasting(outcome, || {
                    format!("{number} values of {} within {}", place.name(), span(*within))
                })
            })
        }
        Condition::Burst { .. } => burst(condition, row, event),
        _ => summed(condition, row, event),
    }
}

fn needed(bound: f64) -> usize {
    // Checked when loaded: between 0 and ten thousand.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let bound = bound.ceil() as usize;
    bound.saturating_add(1)
}

fn exact(added: Added, say: impl FnOnce(usize) -> Judged) -> Judged {
    match added {
        Added::Repeat => Judged::Repeat,
        Added::Late => Judged::Late,
        Added::Counted(number) => say(number),
    }
}

fn fail_if(is_so: bool) -> Outcome {
    if is_so { Outcome::Fail } else { Outcome::Pass }
}

/// Conditions over sums by slices of time.
fn summed(condition: &Condition, row: &mut Row, event: &Event) -> Judged {
    let Data::Slices(kept) = &mut row.data else { return Judged::Late };
    let mut add = |span: i64, change: &dyn Fn(&mut Slice)| {
        slices::add(kept, event.timestamp, span, |slice| change(slice))
    };
    match condition {
        Condition::Rate { within, per, threshold } => {
            let Some(sum) = add(*within, &|slice| slice.count += 1) else { return Judged::Late };
            let rate = sum.count as f64 * *per as f64 / *within as f64;
            let outcome = threshold.judge(rate);
            Said::lasting(outcome, || format!("{} events a {}", short(rate), span(*per)))
        }
        Condition::Ratio { of, within, events, threshold } => {
            let hit = u64::from(of.fits(event));
            let sum = add(*within, &|slice| {
                slice.count += 1;
                slice.hits += hit;
            });
            let Some(sum) = sum else { return Judged::Late };
            if sum.count < *events {
                return Judged::Said(Said { lasts: true, ..Said::default() });
            }
            let share = sum.hits as f64 / sum.count as f64;
            Said::lasting(threshold.judge(share), || {
                format!("{} of {} events within {}", sum.hits, sum.count, span(*within))
            })
        }
        Condition::Sum { place, divide, within, threshold } => {
            let Some(number) = place.number(event) else { return Judged::Blind };
            let number = number / divide;
            let sum = add(*within, &|slice| {
                slice.count += 1;
                slice.sum += number;
            });
            let Some(sum) = sum else { return Judged::Late };
            Said::lasting(threshold.judge(sum.sum), || {
                format!("{} adds up to {} within {}", place.name(), short(sum.sum), span(*within))
            })
        }
        Condition::Percentile { place, divide, rank, within, events, threshold } => {
            let Some(number) = place.number(event) else { return Judged::Blind };
            let number = number / divide;
            let sum = add(*within, &|slice| {
                slice.count += 1;
                slice.mark(number);
            });
            let Some(sum) = sum else { return Judged::Late };
            if sum.count < *events {
                return Judged::Said(Said { lasts: true, ..Said::default() });
            }
            let value = sum.percentile(*rank);
            Said::lasting(threshold.judge(value), || {
                let share = short(*rank);
                format!("p{share} of {} is {} within {}", place.name(), short(value), span(*within))
            })
        }
        _ => Judged::Said(Said::default()),
    }
}

/// More in a window than windows of that length usually hold.
fn burst(condition: &Condition, row: &mut Row, event: &Event) -> Judged {
    let Condition::Burst { window, baseline, learn, deviations, at_least, usual } = condition
    else {
        return Judged::Said(Said::default());
    };
    let first = row.first;
    let Data::Slices(kept) = &mut row.data else { return Judged::Late };
    let spans = (*window, *baseline);
    let seen = slices::burst(kept, event.timestamp, first, spans, *deviations, *usual);
    let Some(seen) = seen else { return Judged::Late };
    let stands_out = seen.windows >= *learn && seen.now >= *at_least && seen.now > seen.bound;
    Said::lasting(fail_if(stands_out), || {
        let (now, usual) = (short(seen.now), short(seen.usual));
        format!("{now} events within {}, usual are {usual}", span(*window))
    })
}

fn listed(
    place: Place,
    globs: &[Glob],
    event: &Event,
    is_bad: impl FnOnce(bool) -> bool,
    what: &str,
) -> Judged {
    let Some(value) = place.text(event) else { return Judged::Blind };
    let lower = value.to_lowercase();
    let found = globs.iter().any(|glob| glob.fits(&lower));
    Said::once(fail_if(is_bad(found)), || format!("{} {value} {what}", place.name()))
}

fn first_seen(place: Place, learn: i64, row: &mut Row, event: &Event) -> Judged {
    let Some(value) = place.text(event) else { return Judged::Blind };
    let begun = row.first;
    let Data::Known(known) = &mut row.data else { return Judged::Late };
    let hash = hash(&value);
    if let Some(old) = known.iter_mut().find(|old| old.hash == hash) {
        old.last = old.last.max(event.timestamp);
        return Judged::Said(Said::default());
    }
    let mut forgotten = false;
    if known.len() >= KNOWN_MAX {
        let oldest = known.iter().enumerate().min_by_key(|(_, old)| old.last).map(|(at, _)| at);
        if let Some(at) = oldest {
            known.swap_remove(at);
            forgotten = true;
        }
    }
    known.push(Known { hash, last: event.timestamp });
    let learned = event.timestamp.micros_since(begun) >= learn;
    let why = if learned {
        format!("{} {value} for the first time", place.name())
    } else {
        String::new()
    };
    Judged::Said(Said { outcome: fail_if(learned), why, lasts: false, forgotten })
}

fn travelled((speed, distance, country): (f64, f64, i64), row: &mut Row, event: &Event) -> Judged {
    let Some(here) = travel::spot(event) else { return Judged::Blind };
    let Data::Spot(last) = &mut row.data else { return Judged::Late };
    let why =
        last.as_ref().and_then(|there| travel::impossible(there, &here, speed, distance, country));
    if last.as_ref().is_none_or(|there| there.time <= here.time) {
        *last = Some(here);
    }
    let outcome = fail_if(why.is_some());
    Said::once(outcome, || why.unwrap_or_default())
}

fn hash(value: &str) -> u64 {
    let id: EventId = IdHasher::new("signal value").text(value).finish();
    let [a, b, c, d, e, f, g, h, ..] = id.0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// A number for a person.
fn short(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        format!("{number:.0}")
    } else {
        format!("{number:.2}")
    }
}

/// A span for a person.
pub fn span(micros: i64) -> String {
    match micros / SECOND_US {
        s if s % 86_400 == 0 => format!("{} d", s / 86_400),
        s if s % 3_600 == 0 => format!("{} h", s / 3_600),
        s if s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}
