//! Why a rule held: the fields and values that its tests matched, for a person. [`plan`] and [`judge`] tell the whole
//! story on request, also of rules that did not hold.

pub mod judge;
pub mod plan;
#[cfg(test)]
mod tests;
pub mod words;

use rsigma_eval::matcher::CompiledMatcher;

use crate::detect::tree::Node;
use crate::detect::view::View;
use crate::model::event::Value;
use crate::model::explanation::cut;

/// More pairs than this are left out.
pub const PAIRS_MAX: usize = 16;

/// Field and value of every test that made `node` hold, in the rule's order, each field once.
pub fn matched(node: &Node, view: &View<'_, '_>) -> Vec<(String, String)> {
    let mut out = Vec::new();
    collect(node, view, &mut out);
    out
}

fn collect(node: &Node, view: &View<'_, '_>, out: &mut Vec<(String, String)>) {
    if out.len() >= PAIRS_MAX {
        return;
    }
    match node {
        Node::All(inner) | Node::AtLeast(_, inner) => {
            for child in inner.iter().filter(|child| child.holds(view)) {
                collect(child, view, out);
            }
        }
        Node::Item(item) => {
            let Some(field) = view.field(item.slot) else { return };
            let value = if view.many(item.slot) {
                view.all(item.slot).map(Value::to_text).collect::<Vec<_>>().join(", ").into()
            } else {
                view.first(item.slot).map(Value::to_text).unwrap_or_default()
            };
            push(field.name(), &value, out);
        }
        Node::Keywords(keywords) => keyword(&keywords.matcher, view, out),
        Node::Not(_) | Node::Library(_) => {}
    }
}

fn keyword(matcher: &CompiledMatcher, view: &View<'_, '_>, out: &mut Vec<(String, String)>) {
    let hit = view.texts().find(|(_, text)| {
        let value = rsigma_eval::EventValue::Str((*text).into());
        matcher.matches(&value, view)
    });
    if let Some((field, text)) = hit {
        push(field.name(), text, out);
    }
}

fn push(name: &str, value: &str, out: &mut Vec<(String, String)>) {
    if out.len() < PAIRS_MAX && !out.iter().any(|(known, _)| known == name) {
        out.push((name.to_owned(), cut(value)));
    }
}
