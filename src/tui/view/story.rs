//! Why a model speaks of an attack: what it said, how unusual that is, what rules say to it, who did what to whom, and what the
//! score would be without each part.

use crate::model::event::Event;
use crate::model::inference::Inference;
use crate::model::inference::similar::Similar;
use crate::model::inference::story::{self, Story};
use crate::tui::paint::format;
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;
use crate::tui::view::doc::Doc;
use crate::tui::view::what_if::WhatIf;

/// Two columns a level.
const INDENT: &str = "                                ";
/// Columns of the numbers before a factor.
const NUMBER_COLUMNS: usize = 19;

/// What an alert of a model is explained by: the judgement, its parts by name, the factors.
#[derive(Debug)]
pub struct Explained {
    /// The judgement.
    pub inference: Inference,
    /// Who did what.
    pub story: Story,
    /// What counts: name and drop, the largest first.
    pub factors: Vec<(String, f32)>,
}

impl Explained {
    /// By the newest judgement among an alert's events. `None`: none is stored any more.
    pub fn of(events: &[Event]) -> Option<Explained> {
        let inference = Inference::newest(events)?;
        let story = Story::new(&inference, events);
        let factors = story::factors(&inference, &story);
        Some(Explained { inference, story, factors })
    }
}

/// The explanation of a judgement. Gives the line of the factor under the cursor.
pub fn fill(doc: &mut Doc, explained: &Explained, what_if: &WhatIf) -> Option<usize> {
    let inference = &explained.inference;
    doc.text(&inference.line(), " ", Role::TextStrong);
    let members: Vec<String> =
        inference.members.iter().map(|score| format!("{score:.3}")).collect();
    let columns = 8;
    let mut field = |label: &'static str, text: &str| {
        if !text.is_empty() {
            doc.field(&SafeText::label(label), columns, text);
        }
    };
    let [start, end] = [inference.start, inference.end].map(format::date_time);
    field("window", &format!("{} to {}", start.as_str(), end.as_str()));
    field("members", &format!("{} (spread {:.3})", members.join(", "), inference.spread));
    field("unusual", &inference.unusual());
    field("together", &inference.together());
    field("rules", &inference.rules_say());
    for hit in &inference.hits {
        let lineage = if hit.same_lineage { "same lineage" } else { "another lineage" };
        field("", &format!("{} ({}, {lineage})", hit.title, hit.level));
    }
    doc.blank();
    let Some(ablation) = &inference.ablation else {
        let text = "it goes on with a window of before, which says why";
        doc.text(text, " ", Role::TextDim);
        return None;
    };
    let story = &explained.story;
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
    let line = factors(doc, explained, what_if);
    doc.blank();
    let text = format!(
        "{} of {} parts tried; taking out those that count most leaves {:.3} on average, putting them back gives {:.3}",
        ablation.tried, ablation.of, ablation.deletion, ablation.insertion
    );
    doc.text(&text, " ", Role::TextDim);
    line
}

/// Alerts like this one, with what people decided about them.
pub fn fill_similar(doc: &mut Doc, similar: &[Similar]) {
    if similar.is_empty() {
        return;
    }
    doc.blank();
    doc.heading(" alerts like this one");
    for one in similar {
        doc.text(&one.line(), "  ", Role::Text);
    }
}

/// How much lower the score is, with its sign; nearly nothing has none of the wrong kind.
pub(super) fn drop_text(drop: f32) -> String {
    format!("{drop:+.3}").replace("-0.000", "+0.000")
}

/// The factors, the one under the cursor and those struck out marked. Gives the line of the cursor.
fn factors(doc: &mut Doc, explained: &Explained, what_if: &WhatIf) -> Option<usize> {
    doc.heading(" what counts: score without it, drop (n and N choose, space strikes out)");
    let score = explained.inference.score.unwrap_or(0.0);
    let mut line = None;
    for (place, (what, drop)) in explained.factors.iter().enumerate() {
        let without = (score - f64::from(*drop)).clamp(0.0, 1.0);
        let at = if place == what_if.at() { ">" } else { " " };
        let struck = what_if.is_struck(place);
        let out = if struck { "x" } else { " " };
        let number = SafeText::line(&format!("{at} {out} {without:.3}  {}", drop_text(*drop)));
        let role = match (struck, *drop > 0.0) {
            (true, _) => Role::ChipOff,
            (false, true) => Role::Text,
            (false, false) => Role::TextDim,
        };
        if place == what_if.at() {
            line = Some(doc.len());
        }
        doc.field_role(&number, NUMBER_COLUMNS, what, role);
    }
    line
}
