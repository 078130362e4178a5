//! `alert`: the one condition of a signal, checked.

use crate::signal::load::{Issue, Reader};
use crate::signal::when::{Glob, Place, When};
use crate::stdx::time::SECOND_US;
use crate::stdx::yaml::{Entry, Kind, Node};

/// Largest number of events or values that `count` and `distinct` compare with: their rows hold each of them.
pub const EXACT_MAX: u64 = 10_000;
/// Windows that a baseline may have.
const BASELINE_MAX: u64 = 1_000;
/// The conditions, by name.
const KINDS: [&str; 15] = [
    "each",
    "value",
    "count",
    "rate",
    "ratio",
    "distinct",
    "sum",
    "percentile",
    "absence",
    "burst",
    "off_hours",
    "first_seen",
    "allow",
    "deny",
    "travel",
];

/// What came of judging: the result of an agent check, and whether there is a finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// All is well.
    #[default]
    Pass,
    /// Near the bound.
    Warning,
    /// Over the bound.
    Fail,
}

impl Outcome {
    /// All three.
    pub const ALL: [Outcome; 3] = [Outcome::Pass, Outcome::Warning, Outcome::Fail];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Pass => "pass",
            Outcome::Warning => "warning",
            Outcome::Fail => "fail",
        }
    }
}

/// How a number is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// The number or more.
    AtLeast,
    /// More than the number.
    Above,
    /// Less than the number.
    Below,
}

/// A bound with, perhaps, a milder one before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// How.
    pub compare: Compare,
    /// The bound.
    pub fail: f64,
    /// The milder one.
    pub warning: Option<f64>,
}

impl Threshold {
    /// What a number comes to.
    pub fn judge(&self, number: f64) -> Outcome {
        let over = |bound: f64| match self.compare {
            Compare::AtLeast => number >= bound,
            Compare::Above => number > bound,
            Compare::Below => number < bound,
        };
        if over(self.fail) {
            Outcome::Fail
        } else if self.warning.is_some_and(over) {
            Outcome::Warning
        } else {
            Outcome::Pass
        }
    }
}

/// How the usual is worked out from earlier windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usual {
    /// Mean and deviation.
    Mean,
    /// The same with newer windows weighing more.
    Ewma,
}

/// What makes a finding. Spans are microseconds of event time.
#[derive(Clone, Debug, Default)]
pub enum Condition {
    /// Nothing: the signal is a counter only.
    #[default]
    Never,
    /// Every event.
    Each,
    /// A number of the event.
    Value {
        /// Which field.
        place: Place,
        /// The number is divided by this first.
        divide: f64,
        /// The bound.
        threshold: Threshold,
    },
    /// Events in a span.
    Count {
        /// The span.
        within: i64,
        /// The bound.
        threshold: Threshold,
    },
    /// Events for each unit of time, over a span.
    Rate {
        /// The span.
        within: i64,
        /// The unit of time.
        per: i64,
        /// The bound.
        threshold: Threshold,
    },
    /// The share of the events that fit a further `when`.
    Ratio {
        /// What is looked for among the events.
        of: When,
        /// The span.
        within: i64,
        /// Fewer events say nothing.
        events: u64,
        /// The bound.
        threshold: Threshold,
    },
    /// Different values of a field.
    Distinct {
        /// Which field.
        place: Place,
        /// The span.
        within: i64,
        /// The bound.
        threshold: Threshold,
    },
    /// The sum of a field.
    Sum {
        /// Which field.
        place: Place,
        /// The number is divided by this first.
        divide: f64,
        /// The span.
        within: i64,
        /// The bound.
        threshold: Threshold,
    },
    /// A percentile of a field.
    Percentile {
        /// Which field.
        place: Place,
        /// The number is divided by this first.
        divide: f64,
        /// Which percentile.
        rank: f64,
        /// The span.
        within: i64,
        /// Fewer events say nothing.
        events: u64,
        /// The bound.
        threshold: Threshold,
    },
    /// No event for a span and for so many times the longest silence so far, after there were some.
    Absence {
        /// How long the silence is.
        span: i64,
        /// So many times the longest silence so far; 0: that does not matter.
        gaps: f64,
        /// Events before a silence counts.
        after: u64,
    },
    /// Far more events in a window than in those before it.
    Burst {
        /// The length of a window.
        window: i64,
        /// Earlier windows.
        baseline: u32,
        /// Windows before a burst counts.
        learn: u32,
        /// Deviations above the usual.
        deviations: f64,
        /// Fewer events are no burst.
        at_least: f64,
        /// How the usual is worked out.
        usual: Usual,
    },
    /// Outside the working hours of the configuration.
    OffHours,
    /// A value that the series never had, after a time of learning.
    FirstSeen {
        /// Which field.
        place: Place,
        /// The time of learning.
        learn: i64,
    },
    /// A value outside a list.
    Allow {
        /// Which field.
        place: Place,
        /// The patterns.
        globs: Vec<Glob>,
    },
    /// A value on a list.
    Deny {
        /// Which field.
        place: Place,
        /// The patterns.
        globs: Vec<Glob>,
    },
    /// Two places too far apart for the time between.
    Travel {
        /// Kilometres an hour.
        speed: f64,
        /// Nearer places do not count, kilometres.
        distance: f64,
        /// Where only countries are known: two within this span.
        country: i64,
    },
}

impl Condition {
    /// Read `alert`.
    pub fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Condition> {
        let map = reader.map(node, &KINDS)?;
        let [entry] = map.as_slice() else {
            reader.complain(node.line, Issue::OneCondition(KINDS.join(", ")));
            return None;
        };
        reader.at(Some(entry), |reader, node| kind(&entry.key, node, reader))
    }

    /// Its name in a file.
    pub fn name(&self) -> &'static str {
        match self {
            Condition::Never => "counter",
            Condition::Each => "each",
            Condition::Value { .. } => "value",
            Condition::Count { .. } => "count",
            Condition::Rate { .. } => "rate",
            Condition::Ratio { .. } => "ratio",
            Condition::Distinct { .. } => "distinct",
            Condition::Sum { .. } => "sum",
            Condition::Percentile { .. } => "percentile",
            Condition::Absence { .. } => "absence",
            Condition::Burst { .. } => "burst",
            Condition::OffHours => "off_hours",
            Condition::FirstSeen { .. } => "first_seen",
            Condition::Allow { .. } => "allow",
            Condition::Deny { .. } => "deny",
            Condition::Travel { .. } => "travel",
        }
    }

    /// Is it about an entity, so that an event without its labels says nothing?
    pub fn needs_labels(&self) -> bool {
        matches!(
            self,
            Condition::Absence { .. } | Condition::FirstSeen { .. } | Condition::Travel { .. }
        )
    }
}

/// The keys of one condition.
struct Keys<'n> {
    line: u32,
    entries: Vec<&'n Entry>,
}

impl<'n> Keys<'n> {
    fn read(node: &'n Node, known: &[&str], reader: &mut Reader<'_>) -> Option<Keys<'n>> {
        Some(Keys { line: node.line, entries: reader.map(node, known)? })
    }

    fn get(&self, key: &str) -> Option<&'n Entry> {
        self.entries.iter().copied().find(|entry| entry.key == key)
    }

    fn need(&self, key: &str, reader: &mut Reader<'_>) -> Option<&'n Entry> {
        let entry = self.get(key);
        if entry.is_none() {
            reader.missing(self.line, key);
        }
        entry
    }

    fn span(&self, key: &str, reader: &mut Reader<'_>) -> Option<i64> {
        let entry = self.need(key, reader);
        reader.at(entry, Reader::span)
    }

    fn place(&self, reader: &mut Reader<'_>) -> Option<Place> {
        let entry = self.need("field", reader);
        reader.at(entry, Reader::place)
    }

    fn number(&self, key: &str, default: f64, reader: &mut Reader<'_>) -> Option<f64> {
        match self.get(key) {
            None => Some(default),
            entry => reader.at(entry, Reader::positive),
        }
    }

    fn count(&self, key: &str, default: u64, most: u64, reader: &mut Reader<'_>) -> Option<u64> {
        match self.get(key) {
            None => Some(default),
            entry => reader.at(entry, |reader, node| reader.count(node, 1, most)),
        }
    }

    /// `at_least`, `above` or `below` with, perhaps, `warning`.
    fn threshold(&self, may_be_below: bool, reader: &mut Reader<'_>) -> Option<Threshold> {
        let words =
            [("at_least", Compare::AtLeast), ("above", Compare::Above), ("below", Compare::Below)];
        let given: Vec<(&Entry, Compare)> =
            words.iter().filter_map(|(word, how)| Some((self.get(word)?, *how))).collect();
        let [(entry, compare)] = given.as_slice() else {
            let words = if may_be_below { "at_least, above, below" } else { "at_least, above" };
            reader.complain(self.line, Issue::OneThreshold(words));
            return None;
        };
        let number = |reader: &mut Reader<'_>, node: &Node| {
            let number = node.kind.number();
            if number.is_none() {
                reader.complain(node.line, Issue::Form("a number", node.kind.what()));
            }
            number
        };
        let fail = reader.at(Some(entry), number)?;
        let warning = match self.get("warning") {
            None => None,
            Some(entry) => {
                let bound = reader.at(Some(entry), number)?;
                let milder = if *compare == Compare::Below { bound > fail } else { bound < fail };
                if !milder {
                    reader.at(Some(entry), |reader, node| {
                        reader.complain(node.line, Issue::Warning);
                        None::<()>
                    });
                }
                Some(bound)
            }
        };
        Some(Threshold { compare: *compare, fail, warning })
    }

    /// A threshold of things that are held one by one.
    fn exact(&self, reader: &mut Reader<'_>) -> Option<Threshold> {
        let threshold = self.threshold(false, reader)?;
        if threshold.fail < 0.0 || threshold.fail > EXACT_MAX as f64 {
            reader.complain(self.line, Issue::Bounds("0".to_owned(), EXACT_MAX.to_string()));
            return None;
        }
        Some(threshold)
    }
}

fn kind(name: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Condition> {
    let simple = matches!(node.kind, Kind::Bool(true));
    match name {
        "each" | "off_hours" => {
            if !simple {
                reader.complain(node.line, Issue::Form("true", node.kind.what()));
                return None;
            }
            Some(if name == "each" { Condition::Each } else { Condition::OffHours })
        }
        "value" | "sum" | "percentile" => of_a_number(name, node, reader),
        "count" | "rate" | "ratio" | "distinct" => of_events(name, node, reader),
        "absence" => {
            let keys = Keys::read(node, &["for", "gaps", "after"], reader)?;
            let span = keys.span("for", reader);
            let gaps = keys.number("gaps", 0.0, reader)?;
            let after = keys.count("after", 1, u64::from(u32::MAX), reader)?;
            Some(Condition::Absence { span: span?, gaps, after })
        }
        "burst" => burst(node, reader),
        "first_seen" => {
            let keys = Keys::read(node, &["field", "learn"], reader)?;
            let (place, learn) = (keys.place(reader), keys.span("learn", reader));
            Some(Condition::FirstSeen { place: place?, learn: learn? })
        }
        "allow" | "deny" => listed(name, node, reader),
        "travel" => {
            let keys = Keys::read(node, &["speed", "distance", "country_within"], reader)?;
            let country = match keys.get("country_within") {
                None => Some(3_600 * SECOND_US),
                entry => reader.at(entry, Reader::span),
            };
            Some(Condition::Travel {
                speed: keys.number("speed", 900.0, reader)?,
                distance: keys.number("distance", 500.0, reader)?,
                country: country?,
            })
        }
        _ => None,
    }
}

fn of_a_number(name: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Condition> {
    let known: &[&str] = match name {
        "value" => &["field", "divide", "at_least", "above", "below", "warning"],
        "sum" => &["field", "divide", "within", "at_least", "above", "warning"],
        _ => &[
            "field", "divide", "rank", "within", "events", "at_least", "above", "below", "warning",
        ],
    };
    let keys = Keys::read(node, known, reader)?;
    let place = keys.place(reader);
    let divide = keys.number("divide", 1.0, reader)?;
    let threshold = keys.threshold(name != "sum", reader);
    if name == "value" {
        return Some(Condition::Value { place: place?, divide, threshold: threshold? });
    }
    let within = keys.span("within", reader);
    if name == "sum" {
        return Some(Condition::Sum {
            place: place?,
            divide,
            within: within?,
            threshold: threshold?,
        });
    }
    let rank = keys.number("rank", 95.0, reader)?;
    if rank > 100.0 {
        reader.complain(keys.line, Issue::Bounds("0".to_owned(), "100".to_owned()));
    }
    let events = keys.count("events", 20, u64::from(u32::MAX), reader)?;
    let (place, within, threshold) = (place?, within?, threshold?);
    Some(Condition::Percentile { place, divide, rank, within, events, threshold })
}

fn of_events(name: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Condition> {
    let known: &[&str] = match name {
        "count" => &["within", "at_least", "above", "warning"],
        "rate" => &["within", "per", "at_least", "above", "warning"],
        "ratio" => &["of", "within", "events", "at_least", "above", "below", "warning"],
        _ => &["field", "within", "at_least", "above", "warning"],
    };
    let keys = Keys::read(node, known, reader)?;
    let within = keys.span("within", reader);
    match name {
        "count" => {
            let threshold = keys.exact(reader);
            Some(Condition::Count { within: within?, threshold: threshold? })
        }
        "rate" => {
            let (per, threshold) = (keys.span("per", reader), keys.threshold(false, reader));
            Some(Condition::Rate { within: within?, per: per?, threshold: threshold? })
        }
        "ratio" => {
            let of = keys.need("of", reader);
            let of = reader.at(of, |reader, node| Some(When::read(node, reader)));
            let events = keys.count("events", 20, u64::from(u32::MAX), reader)?;
            let threshold = keys.threshold(true, reader);
            Some(Condition::Ratio { of: of?, within: within?, events, threshold: threshold? })
        }
        _ => {
            let (place, threshold) = (keys.place(reader), keys.exact(reader));
            Some(Condition::Distinct { place: place?, within: within?, threshold: threshold? })
        }
    }
}

fn burst(node: &Node, reader: &mut Reader<'_>) -> Option<Condition> {
    let known = ["window", "baseline", "learn", "deviations", "at_least", "usual"];
    let keys = Keys::read(node, &known, reader)?;
    let window = keys.span("window", reader);
    let baseline = keys.count("baseline", 12, BASELINE_MAX, reader)?;
    let learn = keys.count("learn", baseline.div_ceil(2).max(3).min(baseline), baseline, reader)?;
    let usual = match reader.at(keys.get("usual"), Reader::text).as_deref() {
        None | Some("mean") => Usual::Mean,
        Some("ewma") => Usual::Ewma,
        Some(other) => {
            reader.complain(node.line, Issue::Word(other.to_owned(), "mean, ewma".to_owned()));
            return None;
        }
    };
    Some(Condition::Burst {
        window: window?,
        baseline: u32::try_from(baseline).unwrap_or(u32::MAX),
        learn: u32::try_from(learn).unwrap_or(u32::MAX),
        deviations: keys.number("deviations", 3.0, reader)?,
        at_least: keys.number("at_least", 10.0, reader)?,
        usual,
    })
}

fn listed(name: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Condition> {
    let keys = Keys::read(node, &["field", "values", "list"], reader)?;
    let place = keys.place(reader);
    let mut globs = reader.at(keys.get("list"), Reader::list).unwrap_or_default();
    let values = reader.at(keys.get("values"), |reader, node| Some(reader.texts(node)));
    globs.extend(values.unwrap_or_default().iter().map(|(_, text)| Glob::new(text)));
    if keys.get("list").is_none() && globs.is_empty() {
        reader.complain(keys.line, Issue::OneThreshold("values, list"));
        return None;
    }
    let place = place?;
    Some(if name == "allow" {
        Condition::Allow { place, globs }
    } else {
        Condition::Deny { place, globs }
    })
}
