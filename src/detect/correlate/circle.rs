//! Why correlations that refer to correlations could not be put in an order.

use ahash::AHashMap;

/// A circle is followed and shown up to this many rules.
const SHOWN_MAX: usize = 16;

/// A correlation that waits for what it refers to.
#[derive(Debug)]
pub struct Waiting<'w> {
    /// Its id, and its name if it has one.
    pub names: Vec<&'w str>,
    /// What it refers to and is not loaded.
    pub missing: Vec<&'w str>,
    /// Where it stands, as `file:line`.
    pub place: String,
}

/// For each of `waiting` why it does not run; `absent` says it of rules that wait for nothing.
pub fn reasons<'w>(
    waiting: &[Waiting<'w>],
    absent: impl Fn(&str) -> Option<&'static str>,
) -> Vec<String> {
    let mut places: AHashMap<&'w str, usize> = AHashMap::new();
    for (at, one) in waiting.iter().enumerate() {
        for name in &one.names {
            places.entry(name).or_insert(at);
        }
    }
    let next = |at: usize| {
        let missing = &waiting.get(at)?.missing;
        missing.iter().find_map(|name| Some((*name, *places.get(name)?)))
    };
    let reason = |start: usize| {
        let one = waiting.get(start)?;
        let elsewhere = one.missing.iter().find(|name| !places.contains_key(*name));
        if let Some(name) = elsewhere {
            let why = absent(name).unwrap_or("is not loaded");
            return Some(format!("refers to the rule {name}, which {why}"));
        }
        let (name, mut at) = next(start)?;
        let shown = |at: usize, name: &str| {
            format!("{name} ({})", waiting.get(at).map_or("", |one| one.place.as_str()))
        };
        let mut path = vec![shown(at, name)];
        while at != start && path.len() < SHOWN_MAX {
            let Some((name, place)) = next(at) else { break };
            path.push(shown(place, name));
            at = place;
        }
        if at == start {
            let path = path.join(" -> ");
            return Some(format!("refers to itself by way of {path}; break the circle"));
        }
        Some(format!("refers to the correlation {}, which does not run", path.first()?))
    };
    (0..waiting.len()).map(|at| reason(at).unwrap_or_default()).collect()
}
