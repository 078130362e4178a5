//! Everything about one endpoint, as JSON.

use serde::{Deserialize, Serialize};

use crate::model::alert as model_alert;
use crate::model::class::Class;
use crate::model::endpoint_view as model;
use crate::model::event as model_event;
use crate::model::inference::{Outcome, Prediction};
use crate::model::process_tree;
use crate::wire::alert_v1::Alert;
use crate::wire::desk_v1::Event;
use crate::wire::problem_v1::{WireError, id, time, time_or_none};
use crate::wire::status_v1::Endpoint;

/// Everything about one endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EndpointView {
    /// Its name.
    #[serde(rename = "host.name")]
    pub host: String,
    /// When this was put together.
    pub at: String,
    /// Its row of the inventory.
    pub endpoint: Option<Endpoint>,
    /// What models said, the newest first.
    pub judgements: Vec<Judgement>,
    /// Its alerts, the newest first.
    pub alerts: Vec<Alert>,
    /// Events of the minutes before its last event, by class.
    pub recent: Vec<(String, u64)>,
    /// How many minutes these are.
    pub recent_minutes: i64,
    /// The last events, the newest first.
    pub last: Vec<Event>,
    /// The tree of its processes: parents before their children.
    pub processes: Vec<Process>,
    /// What is usual.
    pub habits: Vec<Habits>,
    /// How far the looking went.
    pub looked: Looked,
}

/// What a model said of one window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Of the window.
    pub id: String,
    /// Its end.
    pub end: String,
    /// `attack`, `benign`, `error`.
    pub prediction: String,
    /// The score.
    pub attack_prob: Option<f64>,
    /// From which score on the model speaks of an attack.
    pub threshold: f64,
    /// How unusual the score is.
    pub p: Option<f64>,
    /// Too little history of its own.
    pub cold: bool,
    /// `none`, `alert`, `more`, `over_budget`, `watch`.
    pub outcome: String,
    /// Events in the window.
    pub events: u64,
    /// Nodes of its graph.
    pub nodes: u64,
    /// The model.
    pub model: String,
    /// How unusual it is, or why there is no score.
    pub words: String,
}

/// A line of the tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// The same whenever the tree is made.
    pub key: String,
    /// `process.pid`
    pub pid: Option<i64>,
    /// Its name.
    pub name: String,
    /// Its command line.
    pub command_line: String,
    /// Whose it is.
    pub user: String,
    /// When it started; `null`: before what is stored.
    pub started: Option<String>,
    /// The event of its start.
    pub event_id: Option<String>,
    /// How deep it stands.
    pub depth: usize,
    /// Processes that it started.
    pub children: usize,
}

/// What is usual of a kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Habits {
    /// `user`, `binary`, `parent`, `destination`, `hour`.
    pub kind: String,
    /// Events that say something of it.
    pub events: u64,
    /// Different names.
    pub names: u64,
    /// The commonest.
    pub usual: Vec<Habit>,
    /// The rare ones, the newest first.
    pub rare: Vec<Habit>,
    /// How many are rare.
    pub rare_names: u64,
}

/// A name with what is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Habit {
    /// The name.
    pub name: String,
    /// Events with it.
    pub count: u64,
    /// The first of them.
    pub first: String,
}

/// How far the looking went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Looked {
    /// Events looked at.
    pub events: u64,
    /// There are older ones.
    pub events_more: bool,
    /// The oldest of them.
    pub oldest: Option<String>,
    /// Starts of processes looked at.
    pub starts: u64,
    /// There are older ones.
    pub starts_more: bool,
    /// There are older judgements.
    pub judgements_more: bool,
    /// Alerts, listed or not.
    pub alerts: u64,
}

impl From<&model::EndpointView> for EndpointView {
    fn from(view: &model::EndpointView) -> EndpointView {
        EndpointView {
            host: view.host.clone(),
            at: view.at.to_string(),
            endpoint: view.endpoint.as_ref().map(Endpoint::from),
            judgements: view.judgements.iter().map(Judgement::from).collect(),
            alerts: view.alerts.iter().map(Alert::from).collect(),
            recent: view.recent.iter().map(|(class, n)| (class.as_str().to_owned(), *n)).collect(),
            recent_minutes: model::RECENT_MINUTES,
            last: Event::all(&view.last),
            processes: view.processes.iter().map(Process::from).collect(),
            habits: view.habits.iter().map(Habits::from).collect(),
            looked: view.looked.into(),
        }
    }
}

impl TryFrom<EndpointView> for model::EndpointView {
    type Error = WireError;

    fn try_from(wire: EndpointView) -> Result<model::EndpointView, WireError> {
        let classes = wire.recent.iter().map(|(class, count)| {
            Ok((Class::parse(class).ok_or_else(|| WireError::new("recent", class))?, *count))
        });
        let judgements: Result<_, _> =
            wire.judgements.into_iter().map(model::Judgement::try_from).collect();
        let alerts: Result<_, _> =
            wire.alerts.into_iter().map(model_alert::Alert::try_from).collect();
        let last: Result<_, _> = wire.last.into_iter().map(model_event::Event::try_from).collect();
        let processes: Result<_, _> =
            wire.processes.into_iter().map(process_tree::Process::try_from).collect();
        let habits: Result<_, _> = wire.habits.into_iter().map(model::Habits::try_from).collect();
        Ok(model::EndpointView {
            host: wire.host,
            at: time("at", &wire.at)?,
            endpoint: wire.endpoint.map(TryFrom::try_from).transpose()?,
            judgements: judgements?,
            alerts: alerts?,
            recent: classes.collect::<Result<_, WireError>>()?,
            last: last?,
            processes: processes?,
            habits: habits?,
            looked: wire.looked.try_into()?,
        })
    }
}

impl From<&model::Judgement> for Judgement {
    fn from(one: &model::Judgement) -> Judgement {
        Judgement {
            id: one.id.to_string(),
            end: one.end.to_string(),
            prediction: one.prediction.as_str().to_owned(),
            attack_prob: one.score,
            threshold: one.threshold,
            p: one.p,
            cold: one.cold,
            outcome: one.outcome.as_str().to_owned(),
            events: one.events,
            nodes: one.nodes,
            model: one.model.clone(),
            words: one.words.clone(),
        }
    }
}

impl TryFrom<Judgement> for model::Judgement {
    type Error = WireError;

    fn try_from(wire: Judgement) -> Result<model::Judgement, WireError> {
        let unknown = |field, text: &str| WireError::new(field, text);
        Ok(model::Judgement {
            id: id("id", &wire.id)?,
            end: time("end", &wire.end)?,
            prediction: Prediction::parse(&wire.prediction)
                .ok_or_else(|| unknown("prediction", &wire.prediction))?,
            score: wire.attack_prob,
            threshold: wire.threshold,
            p: wire.p,
            cold: wire.cold,
            outcome: Outcome::parse(&wire.outcome)
                .ok_or_else(|| unknown("outcome", &wire.outcome))?,
            events: wire.events,
            nodes: wire.nodes,
            model: wire.model,
            words: wire.words,
        })
    }
}

impl From<&process_tree::Process> for Process {
    fn from(one: &process_tree::Process) -> Process {
        Process {
            key: one.key.clone(),
            pid: one.pid,
            name: one.name.clone(),
            command_line: one.command_line.clone(),
            user: one.user.clone(),
            started: one.started.map(|at| at.to_string()),
            event_id: one.event.map(|id| id.to_string()),
            depth: one.depth,
            children: one.children,
        }
    }
}

impl TryFrom<Process> for process_tree::Process {
    type Error = WireError;

    fn try_from(wire: Process) -> Result<process_tree::Process, WireError> {
        Ok(process_tree::Process {
            key: wire.key,
            pid: wire.pid,
            name: wire.name,
            command_line: wire.command_line,
            user: wire.user,
            started: time_or_none("started", wire.started.as_deref())?,
            event: wire.event_id.map(|text| id("event_id", &text)).transpose()?,
            depth: wire.depth,
            children: wire.children,
            marked: 0,
        })
    }
}

impl From<&model::Habits> for Habits {
    fn from(habits: &model::Habits) -> Habits {
        let list = |habits: &[model::Habit]| {
            let wire = |habit: &model::Habit| Habit {
                name: habit.name.clone(),
                count: habit.count,
                first: habit.first.to_string(),
            };
            habits.iter().map(wire).collect()
        };
        Habits {
            kind: habits.kind.as_str().to_owned(),
            events: habits.events,
            names: habits.names,
            usual: list(&habits.usual),
            rare: list(&habits.rare),
            rare_names: habits.rare_names,
        }
    }
}

impl TryFrom<Habits> for model::Habits {
    type Error = WireError;

    fn try_from(wire: Habits) -> Result<model::Habits, WireError> {
        let list = |habits: Vec<Habit>| {
            let model = |habit: Habit| {
                let first = time("first", &habit.first)?;
                Ok(model::Habit { name: habit.name, count: habit.count, first })
            };
            habits.into_iter().map(model).collect::<Result<Vec<_>, WireError>>()
        };
        Ok(model::Habits {
            kind: model::HabitKind::parse(&wire.kind)
                .ok_or_else(|| WireError::new("kind", &wire.kind))?,
            events: wire.events,
            names: wire.names,
            usual: list(wire.usual)?,
            rare: list(wire.rare)?,
            rare_names: wire.rare_names,
        })
    }
}

impl From<model::Looked> for Looked {
    fn from(looked: model::Looked) -> Looked {
        Looked {
            events: looked.events,
            events_more: looked.events_more,
            oldest: looked.oldest.map(|at| at.to_string()),
            starts: looked.starts,
            starts_more: looked.starts_more,
            judgements_more: looked.judgements_more,
            alerts: looked.alerts,
        }
    }
}

impl TryFrom<Looked> for model::Looked {
    type Error = WireError;

    fn try_from(wire: Looked) -> Result<model::Looked, WireError> {
        Ok(model::Looked {
            events: wire.events,
            events_more: wire.events_more,
            oldest: time_or_none("oldest", wire.oldest.as_deref())?,
            starts: wire.starts,
            starts_more: wire.starts_more,
            judgements_more: wire.judgements_more,
            alerts: wire.alerts,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::endpoint_view::{Habit as H, HabitKind, Habits as Hs};
    use crate::model::field;
    use crate::stdx::id::Id128;
    use crate::stdx::time::Timestamp;

    const HOSTILE: &str = "a\u{1b}[2J\u{202e}\"\\\n";

    fn sample() -> model::EndpointView {
        let at = Timestamp::from_seconds(1_795_356_151);
        let mut event = model_event::Event::with_capacity(2, 16);
        event.id = Id128([3; 16]);
        event.timestamp = at;
        event.ingested = at;
        event.class = Class::Dns;
        event.push_str(field::HOST_NAME, HOSTILE);
        let habit = || H { name: HOSTILE.to_owned(), count: 3, first: at };
        model::EndpointView {
            host: HOSTILE.to_owned(),
            at,
            endpoint: None,
            judgements: vec![model::Judgement {
                id: Id128([1; 16]),
                end: at,
                prediction: Prediction::Attack,
                score: Some(0.75),
                threshold: 0.5,
                p: Some(0.01),
                cold: true,
                outcome: Outcome::OverBudget,
                events: 7,
                nodes: 5,
                model: "m 1".to_owned(),
                words: HOSTILE.to_owned(),
            }],
            alerts: Vec::new(),
            recent: vec![(Class::ProcessStart, 4)],
            last: vec![event],
            processes: vec![process_tree::Process {
                key: HOSTILE.to_owned(),
                pid: Some(7),
                name: HOSTILE.to_owned(),
                command_line: HOSTILE.to_owned(),
                user: String::new(),
                started: Some(at),
                event: Some(Id128([2; 16])),
                depth: 2,
                children: 1,
                marked: 0,
            }],
            habits: vec![Hs {
                kind: HabitKind::Parent,
                events: 60,
                names: 2,
                usual: vec![habit()],
                rare: vec![habit()],
                rare_names: 1,
            }],
            looked: model::Looked {
                events: 5_000,
                events_more: true,
                oldest: Some(at),
                starts: 1,
                starts_more: false,
                judgements_more: true,
                alerts: 501,
            },
        }
    }

    #[test]
    fn there_and_back() {
        let view = sample();
        let text = serde_json::to_string(&EndpointView::from(&view)).unwrap();
        let wire: EndpointView = serde_json::from_str(&text).unwrap();
        assert_eq!(model::EndpointView::try_from(wire).unwrap(), view);
    }

    #[test]
    fn words_that_say_nothing_are_refused_by_name() {
        let text = serde_json::to_string(&EndpointView::from(&sample())).unwrap();
        for (word, field) in
            [("over_budget", "outcome"), ("parent", "kind"), ("attack", "prediction")]
        {
            let bad = text.replacen(&format!("\"{word}\""), "\"nothing\"", 1);
            let wire: EndpointView = serde_json::from_str(&bad).unwrap();
            assert_eq!(model::EndpointView::try_from(wire).unwrap_err().field, field);
        }
    }
}
