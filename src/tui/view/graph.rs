//! The graph of a model's explanation as text: each node with what it did to which other.

use crate::model::event::Event;
use crate::model::inference::story::Story;
use crate::model::inference::{Ablation, Edge, Inference, NODES_SHOWN_MAX};
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;
use crate::tui::view::doc::Doc;
use crate::tui::view::story::drop_text;

/// The tab of an alert that has no explanation.
pub fn fill_none(doc: &mut Doc, of_model: bool) {
    let text = if of_model {
        "the window with the explanation is stored no more, or it goes on with one of before"
    } else {
        "a rule raised this alert: there is no graph to explain; 2 shows its conditions, 5 its processes"
    };
    doc.text(text, " ", Role::TextDim);
}

/// The graph of a judgement; `events` are the alert's.
pub fn fill(doc: &mut Doc, inference: &Inference, events: &[Event]) {
    let Some(ablation) = &inference.ablation else { return fill_none(doc, true) };
    let story = Story::new(inference, events);
    let edges = between(ablation).count();
    let head = format!(
        "{} of the {} nodes of the window, at most {NODES_SHOWN_MAX}; {edges} of its {} edges run between them; the number is how much lower the score is without the node",
        story.nodes.len().min(NODES_SHOWN_MAX),
        inference.nodes,
        inference.edges
    );
    doc.text(&head, " ", Role::TextDim);
    doc.blank();
    for (place, node) in story.nodes.iter().enumerate().take(NODES_SHOWN_MAX) {
        let role = if node.drop > 0.0 { Role::TextStrong } else { Role::Text };
        doc.spans(vec![
            (SafeText::line(&format!(" [{:>2}] ", place + 1)), Role::TextDim),
            (SafeText::line(&format!("{:<10}", node.kind)), Role::TextDim),
            (SafeText::line(&format!(" {}  ", drop_text(node.drop))), role),
            (SafeText::line(&node.name), role),
        ]);
        deeds(doc, ablation, place, &story);
    }
    doc.blank();
    let note = "edges to nodes that are not among these are not drawn";
    doc.text(note, " ", Role::TextDim);
}

/// Edges whose two ends are shown.
fn between(ablation: &Ablation) -> impl Iterator<Item = &Edge> {
    let shown = ablation.nodes.len().min(NODES_SHOWN_MAX);
    ablation.edges.iter().filter(move |edge| edge.source < shown && edge.target < shown)
}

fn deeds(doc: &mut Doc, ablation: &Ablation, place: usize, story: &Story) {
    let mut own: Vec<&Edge> = between(ablation).filter(|edge| edge.source == place).collect();
    own.sort_by_key(|edge| (edge.first_ms, edge.target));
    for edge in own {
        let Some(target) = story.nodes.get(edge.target) else { continue };
        let times = if edge.count > 1 { format!(" x{}", edge.count) } else { String::new() };
        let own = if edge.target == place { "itself" } else { &target.name };
        doc.spans(vec![
            (
                SafeText::line(&format!(
                    "      {:>8} ",
                    format!("+{:.1}s", f64::from(edge.first_ms) / 1_000.0)
                )),
                Role::TextDim,
            ),
            (SafeText::line(&format!("{}{times}", edge.kind.replace('_', " "))), Role::Text),
            (SafeText::line(&format!(" -> [{}] ", edge.target + 1)), Role::TextDim),
            (SafeText::line(own), Role::TextDim),
        ]);
    }
}
