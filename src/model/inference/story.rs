//! The explanation of a window in words: its nodes get their names from the events that show them, since graphs hold none.

use crate::model::event::{Event, Value};
use crate::model::field::{self, FieldId};
use crate::model::inference::{Ablation, Edge, Inference, counted};
use crate::stdx::id::Id128;

/// Letters of a name at most.
const NAME_CHARS_MAX: usize = 80;
/// Edges that the sentence tells of one process.
const DEEDS_MAX: usize = 4;
/// Processes that the sentence tells of.
const DOERS_MAX: usize = 3;

/// A node with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// `process`, `file`, …
    pub kind: String,
    /// As an analyst knows it; its kind where no stored event names it.
    pub name: String,
    /// How much lower the score is without it.
    pub drop: f32,
}

/// A line of the drawn graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How deep it stands, from 0.
    pub depth: usize,
    /// The node's place in [`Story::nodes`].
    pub node: usize,
    /// What its parent in the drawing did to it, with the count; empty for roots.
    pub by: String,
}

/// What is told of a window.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    /// The nodes shown.
    pub nodes: Vec<Named>,
    /// The same as a tree: who did what to whom.
    pub tree: Vec<Line>,
    /// The sentence.
    pub sentence: String,
}

impl Story {
    /// Of a window whose contributing events are at hand; those that are gone leave kinds instead of names.
    pub fn new(inference: &Inference, events: &[Event]) -> Story {
        let empty = Ablation::default();
        let ablation = inference.ablation.as_ref().unwrap_or(&empty);
        let nodes: Vec<Named> = ablation
            .nodes
            .iter()
            .enumerate()
            .map(|(place, node)| Named {
                kind: node.kind.clone(),
                name: name_of(place, ablation, events)
                    .unwrap_or_else(|| format!("a {} whose events are gone", node.kind)),
                drop: node.drop,
            })
            .collect();
        let tree = tree(ablation);
        let sentence = sentence(ablation, &nodes);
        Story { nodes, tree, sentence }
    }
}

impl Story {
    /// The same with other names.
    #[must_use]
    pub fn renamed(mut self, inference: &Inference, name: impl Fn(&Named) -> String) -> Story {
        for node in &mut self.nodes {
            node.name = name(node);
        }
        if let Some(ablation) = &inference.ablation {
            self.sentence = sentence(ablation, &self.nodes);
        }
        self
    }
}

/// The name of a node by the first edge whose event says it.
fn name_of(place: usize, ablation: &Ablation, events: &[Event]) -> Option<String> {
    let touching =
        ablation.edges.iter().filter(|edge| edge.source == place || edge.target == place);
    let kind = &ablation.nodes.get(place)?.kind;
    touching
        .filter_map(|edge| {
            let id = Id128::parse(&edge.event)?;
            let event = events.iter().find(|event| event.id == id)?;
            name_in(event, edge, edge.source == place, kind)
        })
        .next()
}

fn name_in(event: &Event, edge: &Edge, doer: bool, kind: &str) -> Option<String> {
    let own = [field::PROCESS_NAME, field::PROCESS_EXECUTABLE, field::PROCESS_TITLE];
    let fields: &[FieldId] = match (kind, &*edge.kind, doer) {
        ("process", "spawned", true) => {
            &[field::PROCESS_PARENT_NAME, field::PROCESS_PARENT_EXECUTABLE]
        }
        ("process", "accessed", false) => return target_process(event),
        ("process", ..) => &own,
        ("file", ..) => {
            &[field::FILE_PATH, field::DLL_PATH, field::FILE_NAME, field::PROCESS_EXECUTABLE]
        }
        ("script", ..) => {
            &[field::POWERSHELL_COMMAND_NAME, field::POWERSHELL_SCRIPT_BLOCK_TEXT, field::FILE_PATH]
        }
        ("network", ..) => return address(event),
        ("registry", ..) => &[field::REGISTRY_PATH, field::REGISTRY_KEY],
        ("user", _, _) => &[field::USER_NAME, field::USER_TARGET_NAME],
        _ => &[field::EVENT_ACTION, field::AUDITD_SYSCALL, field::EVENT_CODE],
    };
    let found = fields.iter().find_map(|field| {
        let text = event.get(*field)?.to_text();
        (!text.trim().is_empty()).then(|| text.into_owned())
    });
    found.map(|text| short(&text))
}

fn target_process(event: &Event) -> Option<String> {
    let image = FieldId::lookup("winlog.event_data.TargetImage").and_then(|id| event.str(id))?;
    image.rsplit(['\\', '/']).next().map(short)
}

fn address(event: &Event) -> Option<String> {
    if let Some(name) = event.str(field::DNS_QUESTION_NAME) {
        return Some(short(name));
    }
    let ends =
        [(field::DESTINATION_IP, field::DESTINATION_PORT), (field::SOURCE_IP, field::SOURCE_PORT)];
    ends.into_iter().find_map(|(ip, port)| {
        let ip = event.str(ip)?;
        Some(match event.get(port).and_then(Value::as_int) {
            Some(port) if ip.contains(':') => format!("[{ip}]:{port}"),
            Some(port) => format!("{ip}:{port}"),
            None => ip.to_owned(),
        })
    })
}

/// One line, not too long. What stands in it comes from outside and is still to be made safe for the terminal.
fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= NAME_CHARS_MAX {
        return line;
    }
    let kept: String = line.chars().take(NAME_CHARS_MAX - 1).collect();
    format!("{kept}…")
}

/// Depth first from nodes that nothing shown did anything to; each node once, so that circles end.
fn tree(ablation: &Ablation) -> Vec<Line> {
    let count = ablation.nodes.len();
    let mut lines: Vec<Line> = Vec::with_capacity(count);
    let mut seen = vec![false; count];
    let is_target = |place: usize| {
        ablation.edges.iter().any(|edge| edge.target == place && edge.source != place)
    };
    let roots = (0..count).filter(|place| !is_target(*place)).chain(0..count);
    for root in roots {
        let mut stack = vec![(root, 0_usize, String::new())];
        while let Some((node, depth, by)) = stack.pop() {
            match seen.get_mut(node) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            lines.push(Line { depth, node, by });
            let mut below: Vec<&Edge> =
                ablation.edges.iter().filter(|edge| edge.source == node).collect();
            below.sort_by_key(|edge| std::cmp::Reverse((edge.first_ms, edge.target)));
            stack.extend(below.into_iter().map(|edge| (edge.target, depth + 1, deed(edge))));
        }
    }
    lines
}

fn deed(edge: &Edge) -> String {
    let words = edge.kind.replace('_', " ");
    if edge.count > 1 { format!("{words} x{}", edge.count) } else { words }
}

/// "a.exe, started by b.exe, wrote c, then connected to d": the doers with the largest drops, each with its first deeds.
fn sentence(ablation: &Ablation, nodes: &[Named]) -> String {
    let mut told = Vec::new();
    let by_drop = (0..nodes.len()).filter(|place| {
        ablation.edges.iter().any(|edge| edge.source == *place && edge.target != *place)
    });
    for doer in by_drop.take(DOERS_MAX) {
        let Some(name) = nodes.get(doer).map(|node| &node.name) else { continue };
        let others = || ablation.edges.iter().filter(|edge| edge.source != edge.target);
        let parent = others().find(|edge| edge.kind == "spawned" && edge.target == doer);
        let parent = parent.and_then(|edge| nodes.get(edge.source));
        let parent = parent.map(|parent| format!(", started by {},", parent.name));
        let mut deeds: Vec<&Edge> = others().filter(|edge| edge.source == doer).collect();
        deeds.sort_by_key(|edge| (edge.first_ms, edge.target));
        let more = deeds.len().saturating_sub(DEEDS_MAX);
        let words: Vec<String> = deeds
            .iter()
            .take(DEEDS_MAX)
            .filter_map(|edge| Some(format!("{} {}", deed(edge), nodes.get(edge.target)?.name)))
            .collect();
        let mut text = format!("{name}{} {}", parent.unwrap_or_default(), words.join(", then "));
        if more > 0 {
            text.push_str(&format!(" and did {more} more"));
        }
        told.push(text);
    }
    if told.is_empty() {
        return match nodes.first() {
            Some(node) => format!("what counts most is {} {}", node.kind, node.name),
            None => "no part of the window was worth more than the others".to_owned(),
        };
    }
    told.join("; ")
}

/// The factors as lines: name, drop.
pub fn factors(inference: &Inference, story: &Story) -> Vec<(String, f32)> {
    let Some(ablation) = &inference.ablation else { return Vec::new() };
    let nodes = story.nodes.iter().map(|node| (format!("{} {}", node.kind, node.name), node.drop));
    let groups = ablation.groups.iter().filter_map(|group| {
        let doer = &story.nodes.get(group.source)?.name;
        let what =
            format!("{doer}: {} ({})", group.kind.replace('_', " "), counted(group.edges, "edge"));
        Some((what, group.drop))
    });
    let mut all: Vec<(String, f32)> = nodes.chain(groups).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::inference::{Group, Node};

    fn event(number: u8, fields: &[(FieldId, &str)]) -> Event {
        let mut event = Event::with_capacity(4, 64);
        event.id = Id128([number; 16]);
        fields.iter().for_each(|(field, text)| event.push_str(*field, text));
        event
    }

    fn window() -> (Inference, Vec<Event>) {
        let node = |kind: &str, drop| Node { kind: kind.to_owned(), drop };
        let edge = |kind: &str, source, target, first_ms, event: u8| Edge {
            kind: kind.to_owned(),
            source,
            target,
            count: 1,
            first_ms,
            event: Id128([event; 16]).to_string(),
        };
        let ablation = Ablation {
            nodes: vec![
                node("process", 0.5),
                node("process", 0.3),
                node("file", 0.2),
                node("network", 0.1),
            ],
            edges: vec![
                edge("spawned", 1, 0, 0, 1),
                edge("wrote", 0, 2, 5, 2),
                edge("connected_to", 0, 3, 9, 3),
                // A process that is its own parent.
                edge("spawned", 1, 1, 0, 1),
            ],
            groups: vec![Group { source: 0, kind: "wrote".to_owned(), edges: 1, drop: 0.25 }],
            ..Ablation::default()
        };
        let events = vec![
            event(
                1,
                &[
                    (field::PROCESS_NAME, "powershell.exe"),
                    (field::PROCESS_PARENT_NAME, "winword.exe"),
                ],
            ),
            event(
                2,
                &[(field::PROCESS_NAME, "powershell.exe"), (field::FILE_PATH, "C:\\t\\a.ps1")],
            ),
            event(
                3,
                &[(field::PROCESS_NAME, "powershell.exe"), (field::DESTINATION_IP, "10.0.0.9")],
            ),
        ];
        (Inference { ablation: Some(ablation), ..Inference::default() }, events)
    }

    #[test]
    fn the_sentence_tells_who_started_whom_and_what_it_did_in_order() {
        let (inference, events) = window();
        let story = Story::new(&inference, &events);
        assert_eq!(
            story.sentence,
            "powershell.exe, started by winword.exe, wrote C:\\t\\a.ps1, then connected to 10.0.0.9; \
             winword.exe spawned powershell.exe"
        );
        let drawn: Vec<(usize, &str, &str)> = story
            .tree
            .iter()
            .map(|line| (line.depth, &*story.nodes[line.node].name, &*line.by))
            .collect();
        assert_eq!(
            drawn,
            [
                (0, "winword.exe", ""),
                (1, "powershell.exe", "spawned"),
                (2, "C:\\t\\a.ps1", "wrote"),
                (2, "10.0.0.9", "connected to"),
            ]
        );
        let factors = factors(&inference, &story);
        assert_eq!(factors[2], ("powershell.exe: wrote (1 edge)".to_owned(), 0.25));
    }

    #[test]
    fn what_is_gone_or_makes_no_sense_leaves_kinds_instead_of_names() {
        let (mut inference, _) = window();
        let story = Story::new(&inference, &[]);
        assert_eq!(story.nodes[0].name, "a process whose events are gone");
        let ablation = inference.ablation.as_mut().unwrap();
        ablation.edges[0].source = 99;
        ablation.edges[1].event = "no id".to_owned();
        assert_eq!(Story::new(&inference, &[]).tree.len(), 4, "each node stands there once");
        let none = Story::new(&Inference::default(), &[]);
        assert!(none.nodes.is_empty() && none.sentence.starts_with("no part"));
    }
}
