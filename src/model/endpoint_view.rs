//! Everything about one endpoint at a glance: what models said, its alerts, what it did last, its processes, and what is
//! usual on it.

use hashbrown::HashMap;

use crate::model::alert::Alert;
use crate::model::class::Class;
use crate::model::endpoint::Endpoint;
use crate::model::event::{Event, Value};
use crate::model::field::{self, FieldId};
use crate::model::inference::{Inference, Outcome, Prediction};
use crate::model::process_tree::Process;
use crate::stdx::id::Id128;
use crate::stdx::time::Timestamp;

/// Events from which the usual is worked out: the newest.
pub const EVENTS_MAX: usize = 5_000;
/// Starts of processes in the tree: the newest.
pub const STARTS_MAX: usize = 2_000;
/// Hours of starts before the last event.
pub const STARTS_HOURS: i64 = 6;
/// Judgements of models: the newest.
pub const JUDGEMENTS_MAX: usize = 2_000;
/// Alerts: the newest.
pub const ALERTS_MAX: usize = 500;
/// Minutes before the last event that are counted by class.
pub const RECENT_MINUTES: i64 = 15;
/// Events that are shown one by one.
pub const LAST_MAX: usize = 20;
/// Names of a kind that are shown as usual, and as rare.
pub const HABITS_MAX: usize = 20;
/// What was seen so often at most is rare, where there is enough to tell.
pub const RARE_COUNT: u64 = 2;
/// With fewer events of a kind nothing is called rare.
pub const RARE_OF_AT_LEAST: u64 = 50;

/// What a model said of one window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    /// Of the window.
    pub id: Id128,
    /// Its end.
    pub end: Timestamp,
    /// What came of it.
    pub prediction: Prediction,
    /// 0 to 1; none where it is an error.
    pub score: Option<f64>,
    /// From which score on the model speaks of an attack.
    pub threshold: f64,
    /// How unusual the score is.
    pub p: Option<f64>,
    /// The endpoint had too little history of its own.
    pub cold: bool,
    /// What followed.
    pub outcome: Outcome,
    /// Events in the window.
    pub events: u64,
    /// Nodes of its graph.
    pub nodes: u64,
    /// Name and version of the model.
    pub model: String,
    /// How unusual it is, in words; or why there is no score.
    pub words: String,
}

impl Judgement {
    /// What a list of many keeps of a judgement.
    pub fn of(inference: &Inference) -> Judgement {
        Judgement {
            id: inference.id,
            end: inference.end,
            prediction: inference.prediction,
            score: inference.score,
            threshold: inference.threshold,
            p: inference.p,
            cold: inference.cold,
            outcome: inference.outcome,
            events: inference.events,
            nodes: inference.nodes,
            model: inference.model.clone(),
            words: match inference.score {
                Some(_) => inference.unusual(),
                None => inference.reason.clone(),
            },
        }
    }
}

/// Kinds of habits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HabitKind {
    /// `user.name`
    User,
    /// Programs that were started or did something.
    Binary,
    /// Who started whom.
    Parent,
    /// Where connections and questions for names went.
    Destination,
    /// Hours of the day, UTC.
    Hour,
}

impl HabitKind {
    /// All, in the order of the screen.
    pub const ALL: [HabitKind; 5] = [
        HabitKind::User,
        HabitKind::Binary,
        HabitKind::Parent,
        HabitKind::Destination,
        HabitKind::Hour,
    ];

    /// The word of machine formats.
    pub fn as_str(self) -> &'static str {
        match self {
            HabitKind::User => "user",
            HabitKind::Binary => "binary",
            HabitKind::Parent => "parent",
            HabitKind::Destination => "destination",
            HabitKind::Hour => "hour",
        }
    }

    /// Read the word.
    pub fn parse(text: &str) -> Option<HabitKind> {
        HabitKind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// For a heading.
    pub fn title(self) -> &'static str {
        match self {
            HabitKind::User => "users",
            HabitKind::Binary => "programs",
            HabitKind::Parent => "parent and child",
            HabitKind::Destination => "destinations",
            HabitKind::Hour => "hours of the day (UTC)",
        }
    }
}

/// A name with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Habit {
    /// The name.
    pub name: String,
    /// Events with it.
    pub count: u64,
    /// The first of them, of those looked at.
    pub first: Timestamp,
}

/// What is usual of a kind, and what is rare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Habits {
    /// Which kind.
    pub kind: HabitKind,
    /// Events that say something of it.
    pub events: u64,
    /// Different names.
    pub names: u64,
    /// The commonest, at most [`HABITS_MAX`]; hours in their order, all.
    pub usual: Vec<Habit>,
    /// Those seen at most [`RARE_COUNT`] times, the newest first, at most [`HABITS_MAX`].
    pub rare: Vec<Habit>,
    /// How many are rare.
    pub rare_names: u64,
}

/// How far the looking went; `more`: there is more behind the bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// Events looked at, without judgements.
    pub events: u64,
    /// There are older ones.
    pub events_more: bool,
    /// The oldest of them.
    pub oldest: Option<Timestamp>,
    /// Starts of processes looked at.
    pub starts: u64,
    /// There are older ones within the hours.
    pub starts_more: bool,
    /// There are older judgements.
    pub judgements_more: bool,
    /// Alerts of this endpoint, whether listed or not.
    pub alerts: u64,
}

/// Everything about one endpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EndpointView {
    /// Its name.
    pub host: String,
    /// When this was put together.
    pub at: Timestamp,
    /// Its row of the inventory.
    pub endpoint: Option<Endpoint>,
    /// What models said, the newest first.
    pub judgements: Vec<Judgement>,
    /// Its alerts, the newest first.
    pub alerts: Vec<Alert>,
    /// Events of the last [`RECENT_MINUTES`] before its last event, by class, the most first.
    pub recent: Vec<(Class, u64)>,
    /// The last events, the newest first.
    pub last: Vec<Event>,
    /// The tree of its processes.
    pub processes: Vec<Process>,
    /// What is usual.
    pub habits: Vec<Habits>,
    /// How far the looking went.
    pub looked: Looked,
}

impl EndpointView {
    /// The judgement of the newest window.
    pub fn newest(&self) -> Option<&Judgement> {
        self.judgements.first()
    }

    /// The highest score of the day before the newest judgement.
    pub fn highest(&self) -> Option<&Judgement> {
        let day = 24 * 3_600 * 1_000_000;
        let newest = self.newest()?.end;
        let of_day = self.judgements.iter().filter(|one| newest.micros_since(one.end) < day);
        let scored = of_day.filter(|one| one.score.is_some());
        scored.max_by(|one, two| one.score.unwrap_or(0.0).total_cmp(&two.score.unwrap_or(0.0)))
    }

    /// What was looked at for the usual, in words.
    pub fn looked_words(&self) -> String {
        let since = self
            .looked
            .oldest
            .map(|at| at.to_jiff().strftime(" since %Y-%m-%d %H:%M:%SZ").to_string());
        let since = since.unwrap_or_default();
        match (self.looked.events, self.looked.events_more) {
            (0, _) => "no stored event of this endpoint".to_owned(),
            (events, true) => format!("of the newest {events} events{since}; there are older ones"),
            (events, false) => format!("of all {events} stored events{since}"),
        }
    }

    /// What was looked at for the tree, in words.
    pub fn starts_words(&self) -> String {
        match (self.looked.starts, self.looked.starts_more) {
            (0, _) => {
                format!("no start of a process in the {STARTS_HOURS} hours before its last event")
            }
            (starts, true) => format!("the newest {starts} starts; there are older ones"),
            (starts, false) => {
                format!("all {starts} starts in the {STARTS_HOURS} hours before its last event")
            }
        }
    }
}

/// Events by class that are not older than so many minutes before the newest; `events` newest first.
pub fn recent(events: &[Event]) -> Vec<(Class, u64)> {
    let Some(newest) = events.first().map(|event| event.timestamp) else { return Vec::new() };
    let from = newest.plus_micros(-RECENT_MINUTES * 60 * 1_000_000);
    let mut counts: HashMap<Class, u64> = HashMap::new();
    for event in events.iter().filter(|event| event.timestamp >= from) {
        *counts.entry(event.class).or_default() += 1;
    }
    let mut rows: Vec<(Class, u64)> = counts.into_iter().collect();
    rows.sort_by_key(|(class, count)| (std::cmp::Reverse(*count), *class));
    rows
}

/// What is usual, by kind.
pub fn habits(events: &[Event]) -> Vec<Habits> {
    let of = |kind| {
        let mut counted = Counted::default();
        events.iter().for_each(|event| counted.take(event, &name(kind, event)));
        counted.habits(kind)
    };
    HabitKind::ALL.into_iter().map(of).collect()
}

fn first_text(event: &Event, fields: &[FieldId]) -> String {
    let found = fields.iter().find_map(|field| event.str(*field).filter(|text| !text.is_empty()));
    found.unwrap_or_default().to_owned()
}

fn base(path: &str) -> &str {
    path.rsplit(['\\', '/']).next().filter(|name| !name.is_empty()).unwrap_or(path)
}

/// What the event says of a kind; empty: nothing.
fn name(kind: HabitKind, event: &Event) -> String {
    match kind {
        HabitKind::User => first_text(event, &[field::USER_NAME]),
        HabitKind::Binary => first_text(event, &[field::PROCESS_EXECUTABLE, field::PROCESS_NAME]),
        HabitKind::Parent if event.class == Class::ProcessStart => {
            let parent =
                first_text(event, &[field::PROCESS_PARENT_NAME, field::PROCESS_PARENT_EXECUTABLE]);
            let child = first_text(event, &[field::PROCESS_NAME, field::PROCESS_EXECUTABLE]);
            if parent.is_empty() || child.is_empty() {
                return String::new();
            }
            format!("{} > {}", base(&parent), base(&child))
        }
        HabitKind::Parent => String::new(),
        HabitKind::Destination => destination(event),
        HabitKind::Hour => event.timestamp.to_jiff().strftime("%H").to_string(),
    }
}

fn destination(event: &Event) -> String {
    if let Some(name) = event.str(field::DNS_QUESTION_NAME).filter(|name| !name.is_empty()) {
        return name.to_ascii_lowercase();
    }
    let to = first_text(event, &[field::DESTINATION_DOMAIN, field::DESTINATION_IP]);
    match event.get(field::DESTINATION_PORT).and_then(Value::as_int) {
        Some(port) if !to.is_empty() => format!("{to} port {port}"),
        _ => to,
    }
}

#[derive(Default)]
struct Counted {
    names: HashMap<String, (u64, Timestamp)>,
    events: u64,
}

impl Counted {
    fn take(&mut self, event: &Event, name: &str) {
        if name.trim().is_empty() {
            return;
        }
        self.events += 1;
        let at = event.timestamp;
        let (count, first) = self.names.entry_ref(name).or_insert((0, at));
        *count += 1;
        *first = (*first).min(at);
    }

    fn habits(self, kind: HabitKind) -> Habits {
        let names = self.names.len() as u64;
        let mut all: Vec<Habit> = self
            .names
            .into_iter()
            .map(|(name, (count, first))| Habit { name, count, first })
            .collect();
        all.sort_by(|one, two| (two.count, &one.name).cmp(&(one.count, &two.name)));
        let enough = self.events >= RARE_OF_AT_LEAST;
        let is_rare = |habit: &&Habit| enough && habit.count <= RARE_COUNT;
        let mut rare: Vec<Habit> = all.iter().filter(is_rare).cloned().collect();
        let rare_names = rare.len() as u64;
        rare.sort_by(|one, two| (two.first, &one.name).cmp(&(one.first, &two.name)));
        let mut usual: Vec<Habit> =
            all.into_iter().filter(|habit| !is_rare(&habit) || kind == HabitKind::Hour).collect();
        if kind == HabitKind::Hour {
            usual.sort_by(|one, two| one.name.cmp(&two.name));
        }
        let most = if kind == HabitKind::Hour { 24 } else { HABITS_MAX };
        usual.truncate(most);
        rare.truncate(most);
        Habits { kind, events: self.events, names, usual, rare, rare_names }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(second: i64, user: &str, class: Class) -> Event {
        let mut event = Event::with_capacity(4, 64);
        event.timestamp = Timestamp::from_seconds(second);
        event.class = class;
        event.push_str(field::USER_NAME, user);
        event
    }

    #[test]
    fn what_was_seen_often_is_usual_and_what_was_seen_once_is_rare() {
        let mut events: Vec<Event> = (0..60).map(|at| event(at, "ana", Class::Logon)).collect();
        events.push(event(3_700, "eve\u{1b}[2J", Class::Logon));
        let users = habits(&events).remove(0);
        assert_eq!((users.kind, users.events, users.names), (HabitKind::User, 61, 2));
        assert_eq!((&*users.usual[0].name, users.usual[0].count), ("ana", 60));
        assert_eq!(users.usual[0].first, Timestamp::from_seconds(0));
        assert_eq!(users.usual.len(), 1);
        assert_eq!(users.rare[0].name, "eve\u{1b}[2J");
        let hours = habits(&events).pop().unwrap();
        assert_eq!((hours.usual.len(), hours.rare.len()), (2, 1), "01 is rare and stands in order");
    }

    #[test]
    fn of_few_events_nothing_is_called_rare() {
        let users = habits(&[event(1, "ana", Class::Logon), event(2, "eve", Class::Logon)]);
        assert!(users.iter().all(|habits| habits.rare.is_empty()));
        assert!(habits(&[]).iter().all(|habits| habits.names == 0));
    }

    #[test]
    fn the_last_minutes_are_those_before_the_last_event() {
        let events = [
            event(10_000, "a", Class::Dns),
            event(9_900, "a", Class::Logon),
            event(9_800, "a", Class::Logon),
            event(10, "a", Class::Dns),
        ];
        assert_eq!(recent(&events), [(Class::Logon, 2), (Class::Dns, 1)]);
        assert!(recent(&[]).is_empty());
    }

    #[test]
    fn the_highest_is_of_the_day_before_the_newest_judgement() {
        let judged = |second, score| Judgement {
            end: Timestamp::from_seconds(second),
            score: Some(score),
            ..Judgement::default()
        };
        let day = 24 * 3_600;
        let view = EndpointView {
            judgements: vec![judged(day + 100, 0.1), judged(day, 0.4), judged(50, 0.9)],
            ..EndpointView::default()
        };
        assert_eq!(view.highest().and_then(|one| one.score), Some(0.4));
        assert_eq!(EndpointView::default().highest(), None);
    }
}
