//! The signals that run, with an index that finds the few that an event can concern.

use std::sync::Arc;

use ahash::AHashMap;

use crate::config::signals::Calendar;
use crate::model::event::Event;
use crate::model::field;
use crate::model::finding::RuleInfo;
use crate::signal::condition::Condition;
use crate::signal::when::{Place, When};

/// Fields by whose literals signals are found, the most telling first.
const ANCHORS: [Place; 6] = [
    Place::Field(field::EVENT_ACTION),
    Place::Field(field::EVENT_DATASET),
    Place::Class,
    Place::Field(field::EVENT_MODULE),
    Place::Field(field::EVENT_PROVIDER),
    Place::Field(field::EVENT_CATEGORY),
];

/// One signal, checked.
#[derive(Clone, Debug)]
pub struct Signal {
    /// What a finding says of it.
    pub info: Arc<RuleInfo>,
    /// The same for a warning.
    pub milder: Arc<RuleInfo>,
    /// Which events count.
    pub when: When,
    /// Which of them do not.
    pub unless: Option<When>,
    /// What tells series apart: the label's name and where its value comes from.
    pub labels: Vec<(String, Place)>,
    /// Series at most.
    pub cardinality: usize,
    /// What makes a finding.
    pub condition: Condition,
    /// The same as it stands in the file, for people.
    pub alert: String,
    /// It is a check of agents: its results are pass, warning and fail.
    pub check: bool,
    /// What the keys of its rows begin with; changes when the signal does.
    pub prefix: String,
}

impl Signal {
    /// Does the event count?
    pub fn concerns(&self, event: &Event) -> bool {
        self.when.fits(event) && !self.unless.as_ref().is_some_and(|unless| unless.fits(event))
    }
}

/// All signals. Never changed; shared by all threads.
#[derive(Debug, Default)]
pub struct SignalSet {
    signals: Vec<Signal>,
    calendar: Calendar,
    by_literal: Vec<(Place, AHashMap<String, Vec<u32>>)>,
    always: Vec<u32>,
}

impl SignalSet {
    /// Index what was loaded.
    pub fn new(signals: Vec<Signal>, calendar: Calendar) -> SignalSet {
        let mut by_literal: Vec<(Place, AHashMap<String, Vec<u32>>)> =
            ANCHORS.iter().map(|place| (*place, AHashMap::new())).collect();
        let mut always = Vec::new();
        for (number, signal) in (0_u32..).zip(&signals) {
            for anchor in signal.when.anchors(&ANCHORS) {
                let Some((place, literals)) = anchor else {
                    always.push(number);
                    continue;
                };
                let table = by_literal.iter_mut().find(|(known, _)| *known == place);
                let Some((_, table)) = table else { continue };
                for literal in literals {
                    table.entry(literal).or_default().push(number);
                }
            }
        }
        by_literal.retain(|(_, table)| !table.is_empty());
        SignalSet { signals, calendar, by_literal, always }
    }

    /// The signal of an id.
    pub fn of_id(&self, id: &str) -> Option<&Signal> {
        self.signals.iter().find(|signal| signal.info.id == id)
    }

    /// Every signal.
    pub fn signals(&self) -> &[Signal] {
        &self.signals
    }

    /// One signal.
    pub fn get(&self, number: u32) -> Option<&Signal> {
        self.signals.get(number as usize)
    }

    /// When people work.
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// Signals that no literal narrows down: they are asked about every event.
    pub fn asked_always(&self) -> usize {
        self.always.len()
    }

    /// The numbers of the signals that the event concerns, in order.
    pub fn concerned(&self, event: &Event, scratch: &mut String, out: &mut Vec<u32>) {
        out.clear();
        out.extend_from_slice(&self.always);
        for (place, table) in &self.by_literal {
            let mut look = |text: &str| {
                scratch.clear();
                scratch.push_str(text);
                scratch.make_ascii_lowercase();
                if let Some(numbers) = table.get(scratch.as_str()) {
                    out.extend_from_slice(numbers);
                }
            };
            match place {
                Place::Class => look(event.class.as_str()),
                Place::Field(field) => {
                    event.all(*field).filter_map(|value| value.as_str()).for_each(look);
                }
            }
        }
        out.sort_unstable();
        out.dedup();
        out.retain(|number| self.get(*number).is_some_and(|signal| signal.concerns(event)));
    }
}
