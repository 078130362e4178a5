//! Why a model speaks of an attack: what it said, how unusual that is, what rules say to it, who did what to whom, and what the
//! score would be without each part.

use crate::model::desk::AlertDetail;
use crate::model::event::Event;
use crate::model::inference::Inference;
use crate::model::inference::story::{self, Story};
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;
use crate::tui::view::doc::Doc;

/// Two columns a level.
const INDENT: &str = "                                ";
/// Columns of the numbers before a factor.
const NUMBER_COLUMNS: usize = 17;

/// The newest judgement among events that has an explanation, else the newest.
pub fn newest(events: &[Event]) -> Option<Inference> {
    let all = || events.iter().rev().filter_map(Inference::of_event);
    all().find(|inference| inference.ablation.is_some()).or_else(|| all().next())
}

/// The explanation of a judgement of an alert's.
pub fn fill(doc: &mut Doc, inference: &Inference, detail: &AlertDetail) {
    head(doc, inference);
    parts(doc, inference, &detail.events);
    if !detail.similar.is_empty() {
        doc.blank();
        doc.heading(" alerts like this one");
        for similar in &detail.similar {
            doc.text(&similar.line(), "  ", Role::Text);
        }
    }
}

/// What was said, how unusual that is, what rules say.
fn head(doc: &mut Doc, inference: &Inference) {
    doc.text(&inference.line(), " ", Role::TextStrong);
    let members: Vec<String> =
        inference.members.iter().map(|score| format!("{score:.3}")).collect();
    let columns = 8;
    let mut field = |label: &'static str, text: &str| {
        if !text.is_empty() {
            doc.field(&SafeText::label(label), columns, text);
        }
    };
    field("window", &format!("{} to {}", inference.start, inference.end));
    field("members", &format!("{} (spread {:.3})", members.join(", "), inference.spread));
    field("unusual", &inference.unusual());
    field("together", &inference.together());
    field("rules", &inference.rules_say());
    for hit in &inference.hits {
        let lineage = if hit.same_lineage { "same lineage" } else { "another lineage" };
        field("", &format!("{} ({}, {lineage})", hit.title, hit.level));
    }
    doc.blank();
}

/// What counts.
fn parts(doc: &mut Doc, inference: &Inference, events: &[Event]) {
    let Some(ablation) = &inference.ablation else {
        let text = "it goes on with a window of before, which says why";
        doc.text(text, " ", Role::TextDim);
        return;
    };
    let story = Story::new(inference, events);
    doc.text(&story.sentence, " ", Role::Text);
    doc.blank();
    doc.heading(" who did what");
    for line in &story.tree {
        let Some(node) = story.nodes.get(line.node) else { continue };
        let indent = INDENT.get(..(line.depth * 2 + 2).min(INDENT.len())).unwrap_or_default();
        let by = if line.by.is_empty() { String::new() } else { format!("{}: ", line.by) };
        doc.text(&format!("{by}{} [{}]", node.name, node.kind), indent, Role::Text);
    }
    doc.blank();
    doc.heading(" what counts: the score without it, and the drop");
    let score = inference.score.unwrap_or(0.0);
    for (what, drop) in story::factors(inference, &story) {
        let without = (score - f64::from(drop)).clamp(0.0, 1.0);
        let number = SafeText::line(&format!("{without:.3}  {drop:+.3}"));
        let role = if drop > 0.0 { Role::Text } else { Role::TextDim };
        doc.field_role(&number, NUMBER_COLUMNS, &what, role);
    }
    doc.blank();
    let text = format!(
        "{} of {} parts tried; taking the shown ones out leaves {:.3} on average, putting them back gives {:.3}",
        ablation.tried, ablation.of, ablation.deletion, ablation.insertion
    );
    doc.text(&text, " ", Role::TextDim);
}
