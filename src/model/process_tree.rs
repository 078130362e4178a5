//! Which process started which, from the starts that are at hand: a tree as lines, and the part of it around an alert's
//! events. Data of real machines: process numbers come again, clocks go back, a process may name itself as its parent.

use hashbrown::{HashMap, HashSet};

use crate::model::class::Class;
use crate::model::event::{Event, EventId, Value};
use crate::model::field::{self, FieldId};
use crate::stdx::time::{SECOND_US, Timestamp};

/// Two logs tell of one start when they tell it so close together.
const SAME_START_US: i64 = 2 * SECOND_US;

/// A line of the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// The same for the same process whenever the tree is made.
    pub key: String,
    /// `process.pid`
    pub pid: Option<i64>,
    /// What it is called; empty where nothing says.
    pub name: String,
    /// Its command line.
    pub command_line: String,
    /// Whose it is.
    pub user: String,
    /// When it started; none where its start is not among the events.
    pub started: Option<Timestamp>,
    /// The event of its start.
    pub event: Option<EventId>,
    /// How deep it stands, from 0.
    pub depth: usize,
    /// Processes that it started, of those that are known.
    pub children: usize,
    /// Events of the alert that are its.
    pub marked: u64,
}

/// Processes and who started them.
#[derive(Debug, Default)]
struct Forest {
    nodes: Vec<Process>,
    parents: Vec<Option<usize>>,
    /// The sensor has given it an identity.
    identified: Vec<bool>,
    by_entity: HashMap<String, usize>,
    by_pid: HashMap<i64, Vec<usize>>,
}

/// Every process that the events tell of, parents before their children, in order of start. Each stands once: circles end.
pub fn all(events: &[Event]) -> Vec<Process> {
    let forest = Forest::of(events);
    let keep = vec![true; forest.nodes.len()];
    forest.lines(&keep)
}

/// The processes of `evidence`, what started them and what they started. `around` are events of the same endpoint.
pub fn lineage(around: &[Event], evidence: &[Event]) -> Vec<Process> {
    let mut starts: Vec<Event> = around.to_vec();
    let known: HashSet<EventId> = around.iter().map(|event| event.id).collect();
    starts.extend(evidence.iter().filter(|event| !known.contains(&event.id)).cloned());
    let mut forest = Forest::of(&starts);
    let marked: Vec<usize> = evidence.iter().filter_map(|event| forest.mark(event)).collect();
    let keep = forest.related(&marked);
    forest.lines(&keep)
}

fn text(event: &Event, fields: &[FieldId]) -> String {
    let found = fields.iter().find_map(|field| {
        let text = event.get(*field)?.to_text();
        (!text.trim().is_empty()).then(|| text.into_owned())
    });
    found.unwrap_or_default()
}

fn base(path: String) -> String {
    match path.rsplit(['\\', '/']).next() {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => path,
    }
}

fn number(event: &Event, field: FieldId) -> Option<i64> {
    event.get(field).and_then(Value::as_int)
}

fn of_event(event: &Event) -> Process {
    let own = [field::PROCESS_NAME, field::PROCESS_EXECUTABLE, field::PROCESS_TITLE];
    Process {
        pid: number(event, field::PROCESS_PID),
        name: base(text(event, &own)),
        command_line: text(event, &[field::PROCESS_COMMAND_LINE]),
        user: text(event, &[field::USER_NAME]),
        ..Process::default()
    }
}

impl Forest {
    fn of(events: &[Event]) -> Forest {
        let is_start = |event: &&Event| event.class == Class::ProcessStart;
        let mut starts: Vec<&Event> = events.iter().filter(is_start).collect();
        starts.sort_by_key(|event| event.arrival());
        let mut forest = Forest::default();
        let mut last = Vec::with_capacity(starts.len());
        for event in &starts {
            last.push(forest.take(event));
        }
        for (event, place) in starts.into_iter().zip(last) {
            forest.link(event, place);
        }
        forest
    }

    fn add(&mut self, node: Process, entity: &str) -> usize {
        let place = self.nodes.len();
        if !entity.is_empty() {
            self.by_entity.entry(entity.to_owned()).or_insert(place);
        }
        if let Some(pid) = node.pid {
            self.by_pid.entry(pid).or_default().push(place);
        }
        self.nodes.push(node);
        self.parents.push(None);
        self.identified.push(!entity.is_empty());
        place
    }

    /// A start: a new process, or one that another log told of.
    fn take(&mut self, event: &Event) -> usize {
        let entity = text(event, &[field::PROCESS_ENTITY_ID]);
        let mut node = of_event(event);
        if let Some(place) = self.told(&node, &entity, event.timestamp) {
            if let Some(known) = self.nodes.get_mut(place) {
                for (old, new) in
                    [(&mut known.command_line, node.command_line), (&mut known.user, node.user)]
                {
                    if old.is_empty() {
                        *old = new;
                    }
                }
            }
            if !entity.is_empty() {
                self.by_entity.entry(entity).or_insert(place);
                self.identified.get_mut(place).into_iter().for_each(|known| *known = true);
            }
            return place;
        }
        node.key = match entity.is_empty() {
            true => format!("{:?}@{}", node.pid, event.timestamp.micros()),
            false => entity.clone(),
        };
        node.started = Some(event.timestamp);
        node.event = Some(event.id);
        self.add(node, &entity)
    }

    fn told(&self, node: &Process, entity: &str, at: Timestamp) -> Option<usize> {
        if let Some(place) = self.by_entity.get(entity).filter(|_| !entity.is_empty()) {
            return Some(*place);
        }
        let place = *self.by_pid.get(&node.pid?)?.last()?;
        let known = self.nodes.get(place)?;
        let close = at.micros_since(known.started?).abs() <= SAME_START_US;
        let same_name = known.name.eq_ignore_ascii_case(&node.name);
        // With two identities of the sensor they are two processes.
        let identified = self.identified.get(place).copied().unwrap_or(false);
        let same_process = entity.is_empty() || !identified;
        (close && same_name && same_process).then_some(place)
    }

    /// Find out who started it; a parent whose start is not known stands there by its name.
    fn link(&mut self, event: &Event, place: usize) {
        if self.parents.get(place).is_none_or(Option::is_some) {
            return;
        }
        let entity = text(event, &[field::PROCESS_PARENT_ENTITY_ID]);
        let pid = number(event, field::PROCESS_PARENT_PID);
        let name =
            base(text(event, &[field::PROCESS_PARENT_NAME, field::PROCESS_PARENT_EXECUTABLE]));
        let found = match self.by_entity.get(&entity) {
            Some(known) if !entity.is_empty() => Some(*known),
            _ => pid.and_then(|pid| self.alive(pid, event.timestamp, Some(place))),
        };
        let parent = match found {
            Some(found) => found,
            None if entity.is_empty() && pid.is_none() && name.is_empty() => return,
            None => {
                let command_line = text(event, &[field::PROCESS_PARENT_COMMAND_LINE]);
                let key = format!("before {entity} {pid:?} {name}");
                let node =
                    Process { key: key.clone(), pid, name, command_line, ..Process::default() };
                // Under its key too, so that all its children find it.
                match self.by_entity.get(&key) {
                    Some(known) => *known,
                    None => {
                        let made = self.add(node, &key);
                        if !entity.is_empty() {
                            self.by_entity.insert(entity, made);
                        }
                        made
                    }
                }
            }
        };
        if parent != place
            && let Some(slot) = self.parents.get_mut(place)
        {
            *slot = Some(parent);
        }
    }

    /// The newest process with this number that had started by then: numbers come again.
    fn alive(&self, pid: i64, at: Timestamp, but: Option<usize>) -> Option<usize> {
        let places = self.by_pid.get(&pid)?.iter().copied().filter(|place| Some(*place) != but);
        let started = |place: &usize| self.nodes.get(*place).and_then(|node| node.started);
        let born = places.clone().filter(|place| started(place).is_some_and(|start| start <= at));
        let mut before = places.filter(|place| started(place).is_none());
        born.max_by_key(started).or_else(|| before.next_back())
    }

    /// The process of an event of the alert; one that is not known yet is taken in.
    fn mark(&mut self, event: &Event) -> Option<usize> {
        let entity = text(event, &[field::PROCESS_ENTITY_ID]);
        let pid = number(event, field::PROCESS_PID);
        let found = match self.by_entity.get(&entity) {
            Some(known) if !entity.is_empty() => Some(*known),
            _ => pid.and_then(|pid| self.alive(pid, event.timestamp, None)),
        };
        let place = match found {
            Some(place) => place,
            None => {
                let node = of_event(event);
                if pid.is_none() && entity.is_empty() && node.name.is_empty() {
                    return None;
                }
                let key = format!("seen {entity} {pid:?} {}", node.name);
                let place = self.add(Process { key, ..node }, &entity);
                self.link(event, place);
                place
            }
        };
        self.nodes.get_mut(place)?.marked += 1;
        Some(place)
    }

    /// What stands above and below these.
    fn related(&self, marked: &[usize]) -> Vec<bool> {
        let mut keep = vec![false; self.nodes.len()];
        let mut below = vec![false; self.nodes.len()];
        let children = self.children();
        let mut stack: Vec<usize> = marked.to_vec();
        while let Some(place) = stack.pop() {
            match below.get_mut(place) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            stack.extend(children.get(place).into_iter().flatten());
        }
        for place in marked {
            let mut at = Some(*place);
            while let Some(place) = at {
                match keep.get_mut(place) {
                    Some(seen) if !*seen => *seen = true,
                    _ => break,
                }
                at = self.parents.get(place).copied().flatten();
            }
        }
        keep.iter().zip(below).map(|(above, below)| *above || below).collect()
    }

    fn children(&self) -> Vec<Vec<usize>> {
        let mut children = vec![Vec::new(); self.nodes.len()];
        for (child, parent) in self.parents.iter().enumerate() {
            if let Some(list) = parent.and_then(|parent| children.get_mut(parent)) {
                list.push(child);
            }
        }
        children
    }

    /// Depth first from those that nobody started; what only a circle reaches begins with its oldest.
    fn lines(mut self, keep: &[bool]) -> Vec<Process> {
        let children = self.children();
        let kept = |place: &usize| keep.get(*place).copied().unwrap_or(false);
        let mut order: Vec<usize> = (0..self.nodes.len()).filter(kept).collect();
        let start = |place: &usize| self.nodes.get(*place).and_then(|node| node.started);
        order.sort_by_key(|place| (start(place), *place));
        let is_root = |place: &&usize| self.parents.get(**place).copied().flatten().is_none();
        let roots: Vec<usize> = order.iter().filter(is_root).chain(&order).copied().collect();
        let mut lines = Vec::with_capacity(order.len());
        let mut seen = vec![false; self.nodes.len()];
        for root in roots {
            let mut stack = vec![(root, 0_usize)];
            while let Some((place, depth)) = stack.pop() {
                match seen.get_mut(place) {
                    Some(seen) if !*seen && kept(&place) => *seen = true,
                    _ => continue,
                }
                let below = children.get(place).map(Vec::as_slice).unwrap_or_default();
                if let Some(node) = self.nodes.get_mut(place) {
                    let mut line = std::mem::take(node);
                    line.depth = depth;
                    line.children = below.len();
                    lines.push(line);
                }
                stack.extend(below.iter().rev().map(|child| (*child, depth + 1)));
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests;
