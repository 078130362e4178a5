//! Which correlations count over all parts of a stream. A stream is read in parts, each with all records of its endpoints. A
//! correlation that groups by the endpoint sees all that concerns it in one part; the groups of the others are spread.

use crate::detect::correlate::compile::{Correlation, Input, Source};
use crate::detect::fields;
use crate::detect::view::SlotTable;
use crate::model::field;

/// Say of each correlation whether its groups are spread. What follows from one that is spread is too: it happens where
/// the groups are. Correlations stand behind those that go into them.
///
/// A correlation of correlations may ask for a field of the event that no group has. Then the event must be at hand, and the
/// whole chain is counted in each part for itself.
pub fn settle(correlations: &mut [Correlation], slots: &SlotTable) {
    let by_endpoint: Vec<bool> =
        endpoint_places(correlations, slots).iter().map(|places| places.contains(&true)).collect();
    let mut local = vec![false; correlations.len()];
    loop {
        let mut changed = false;
        for at in 0..correlations.len() {
            let children = children(correlations, at);
            let of_spread = children.iter().any(|(child, _)| is_spread(correlations, *child));
            let spread = !by_endpoint.get(at).copied().unwrap_or(true) || of_spread;
            let kept = local.get(at).copied().unwrap_or(true);
            // Who is kept keeps what goes into it, and so does who needs the event.
            for (child, needs_event) in children {
                if is_spread(correlations, child) && (kept || needs_event) {
                    for place in [at, child] {
                        let known = local.get_mut(place).map(|it| std::mem::replace(it, true));
                        changed |= known == Some(false);
                    }
                }
            }
            let kept = local.get(at).copied().unwrap_or(true);
            if let Some(correlation) = correlations.get_mut(at) {
                changed |= correlation.spread != (spread && !kept);
                correlation.spread = spread && !kept;
            }
        }
        if !changed {
            return;
        }
    }
}

fn is_spread(correlations: &[Correlation], at: usize) -> bool {
    correlations.get(at).is_some_and(|correlation| correlation.spread)
}

fn place_of(correlations: &[Correlation], rule: u32) -> Option<usize> {
    correlations.binary_search_by_key(&rule, |known| known.rule).ok()
}

/// The correlations that go into one, and whether it asks for more of them than their groups.
fn children(correlations: &[Correlation], at: usize) -> Vec<(usize, bool)> {
    let inputs = correlations.get(at).map(|it| it.inputs.as_slice()).unwrap_or_default();
    let field = |source: &Source| matches!(source, Source::Field(_));
    let needs = |input: &Input| input.group.iter().chain(&input.values).any(field);
    let child = |input: &Input| Some((place_of(correlations, input.rule)?, needs(input)));
    inputs.iter().filter_map(child).collect()
}

/// Of each correlation: which places of its groups name the endpoint of all events of the group.
fn endpoint_places(correlations: &[Correlation], slots: &SlotTable) -> Vec<Vec<bool>> {
    let mut known: Vec<Vec<bool>> = Vec::new();
    for correlation in correlations {
        let places = (0..correlation.group_names.len()).map(|place| {
            correlation.inputs.iter().all(|input| match input.group.get(place) {
                Some(Source::Field(slot)) => slots.name(*slot).is_some_and(is_endpoint),
                Some(Source::Child(inner)) => place_of(correlations, input.rule)
                    .and_then(|child| known.get(child)?.get(usize::from(*inner)))
                    .is_some_and(|is_endpoint| *is_endpoint),
                None => false,
            })
        });
        let places = places.collect();
        known.push(places);
    }
    known
}

/// Does a rule mean the endpoint by this name?
fn is_endpoint(name: &str) -> bool {
    fields::candidates(name).iter().any(|candidate| candidate == field::HOST_NAME.name())
}
