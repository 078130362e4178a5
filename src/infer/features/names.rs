//! The columns: their names, their order, what they mean. `docs/model-features.md` is made from this list.

use crate::infer::graph::facts::SLOTS;
use crate::infer::graph::{EDGE_KINDS, EdgeFlag, EdgeKind, Flag, Slot};

/// Changes with any change of a column or its meaning; a model says which one it was trained on.
pub const FEATURE_VERSION: u32 = 3;

/// Columns of a node after facts and amounts.
pub const NODE_TAIL: &[(&str, &str)] = &[
    ("degree_out", "How many different things it did something to."),
    ("degree_in", "How many different things did something to it."),
    ("weight_out", "How often it did something."),
    ("weight_in", "How often something was done to it."),
    ("rate", "How often either, for each minute that was observed."),
    ("first_seen", "When in the window it was first in an edge: 0 at its start, 1 at its end."),
    ("last_seen", "When in the window it was last in an edge."),
    ("span", "From the first to the last time, as a share of the window."),
    ("panes", "In how many intervals its steadiest edge is, as a share."),
    ("burst", "Which share of its edges' times fell into their busiest interval."),
    ("alike", "How many nodes of its kind and label the window had before anything was left out."),
    ("depth", "How many ancestors of the process are known."),
    ("age", "How long ago the process started, at the window's end; 0: not seen."),
    ("lifetime", "How long the process lived; 0: it did not end."),
    (
        "known",
        "In how many pairs of day and endpoint of the history it was seen, on a logarithmic scale from 0 to 1.",
    ),
    ("never", "It was in none of them."),
    ("here", "In how many earlier intervals of this endpoint it was seen, from 0 to 1."),
    ("new_here", "The endpoint is known for some time, and it was in none of them."),
    ("text_known", "The same for the shape of its text."),
    ("text_never", "The shape of its text was never seen."),
    ("text_here", "In how many earlier intervals of this endpoint the shape was."),
    ("text_new_here", "The shape is new on this endpoint."),
    ("rarest_out", "1 less how known the least known of the things it did is."),
    ("rarest_in", "1 less how known the least known of the things done to it is."),
    ("never_out", "How many of the things it did were never seen."),
    ("never_in", "How many of the things done to it were never seen."),
];

/// Columns of an edge before its facts.
pub const EDGE_HEAD: &[(&str, &str)] = &[
    ("count", "How often."),
    ("first", "When in the window the first time was: 0 at its start, 1 at its end."),
    ("last", "When the last time was."),
    ("panes", "In how many intervals of the window, as a share."),
    ("burst", "Which share fell into the busiest interval."),
    (
        "known",
        "In how many pairs of day and endpoint of the history the same was done between things alike.",
    ),
    ("never", "It was in none of them."),
    ("here", "In how many earlier intervals of this endpoint it was."),
    ("new_here", "The endpoint is known for some time, and it was in none of them."),
];

/// Columns of a node.
pub const NODE_FEATURES: usize = Flag::ALL.len() + SLOTS + 2 * EDGE_KINDS + NODE_TAIL.len();
/// Columns of an edge.
pub const EDGE_FEATURES: usize = EDGE_HEAD.len() + EdgeFlag::ALL.len();

/// Every column of a node with what it means, in order.
pub fn node() -> Vec<(String, String)> {
    let mut out = Vec::with_capacity(NODE_FEATURES);
    out.extend(
        Flag::ALL.iter().map(|(_, name, what)| ((*name).to_owned(), (*what).trim().to_owned())),
    );
    out.extend(
        Slot::ALL.iter().map(|(_, name, what)| ((*name).to_owned(), (*what).trim().to_owned())),
    );
    for (way, what) in [("out", "to"), ("in", "by")] {
        for kind in EdgeKind::ALL {
            let word = kind.as_str();
            let meaning = match what {
                "to" => format!("How many different things it has an edge `{word}` to."),
                _ => format!("How many different things have an edge `{word}` to it."),
            };
            out.push((format!("{word}_{way}"), meaning));
        }
    }
    out.extend(NODE_TAIL.iter().map(|(name, what)| ((*name).to_owned(), (*what).to_owned())));
    out
}

/// Every column of an edge with what it means, in order.
pub fn edge() -> Vec<(String, String)> {
    let head = EDGE_HEAD.iter().map(|(name, what)| ((*name).to_owned(), (*what).to_owned()));
    let flags =
        EdgeFlag::ALL.iter().map(|(_, name, what)| ((*name).to_owned(), (*what).trim().to_owned()));
    head.chain(flags).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_are_as_many_as_the_constants_say_and_have_names_of_their_own() {
        for (columns, count) in [(node(), NODE_FEATURES), (edge(), EDGE_FEATURES)] {
            assert_eq!(columns.len(), count);
            let names: std::collections::BTreeSet<_> =
                columns.iter().map(|(name, _)| name).collect();
            assert_eq!(names.len(), count);
        }
        assert!(Flag::ALL.len() <= 128 && EdgeFlag::ALL.len() <= 32, "facts are bits of a number");
    }
}
