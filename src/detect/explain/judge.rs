//! One event held against a [`Plan`]: what holds, what is missing, and all of it as rows.

use crate::detect::explain::plan::{Form, Leaf, Part, Plan};
use crate::detect::explain::words;
use crate::detect::fields;
use crate::detect::logsource::Kind;
use crate::detect::view::View;
use crate::model::event::{Event, Value};
use crate::model::explanation::{Explanation, Row, RowKind, cut};

/// Rows of one explanation; the rest is counted.
pub const ROWS_MAX: usize = 300;
/// Missing conditions that are named.
const MISSING_MAX: usize = 8;
/// Names of our fields that are offered where an event has none of them.
const NAMES_OFFERED: usize = 3;
/// So many different conditions cannot be.
const NEVER: u32 = u32::MAX;

/// How an event stands to a rule, without the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The rule looks at events of this kind.
    pub source_fits: bool,
    /// The conditions hold.
    pub holds: bool,
    /// How many single conditions would have to be different.
    pub short: u32,
}

/// What came of a part, in the shape of the parts.
struct Judged {
    holds: bool,
    /// Conditions to change for it to hold, and for it not to hold.
    up: u32,
    down: u32,
    inner: Vec<Judged>,
}

impl Judged {
    fn leaf(holds: bool) -> Judged {
        Judged { holds, up: u32::from(!holds), down: u32::from(holds), inner: Vec::new() }
    }
}

impl Plan {
    /// How the event stands to the rule.
    pub fn standing(&self, event: &Event) -> Standing {
        let mut view = View::new(&self.slots);
        view.show(event);
        let judged = judge(&self.root, &view);
        Standing { source_fits: self.fits(event), holds: judged.holds, short: judged.up }
    }

    fn fits(&self, event: &Event) -> bool {
        let kind = Kind::of(event);
        self.binding.as_ref().is_some_and(|binding| binding.fits(&kind))
    }

    /// Everything about the event and the rule.
    pub fn explain(&self, event: &Event) -> Explanation {
        let mut view = View::new(&self.slots);
        view.show(event);
        let judged = judge(&self.root, &view);
        let mut missing = Vec::new();
        lacking(&self.root, &judged, true, &mut missing);
        missing.truncate(MISSING_MAX);
        let mut rows = Rows { out: Vec::new(), left_out: 0 };
        rows.part(&self.root, &judged, &view, 0);
        let kind = Kind::of(event);
        Explanation {
            rule_id: self.id.clone(),
            rule_title: self.title.clone(),
            event: event.id,
            timestamp: event.timestamp,
            host: event.host().to_owned(),
            source_fits: self.fits(event),
            source_wanted: self.source.clone(),
            source_is: words::kind(&kind, event),
            holds: judged.holds,
            short: judged.up,
            missing,
            rows: rows.out,
            rows_left_out: rows.left_out,
        }
    }
}

fn judge(part: &Part, view: &View<'_, '_>) -> Judged {
    match part {
        Part::Leaf(leaf) => Judged::leaf(leaf.node.holds(view)),
        Part::Named(_, inner) => {
            let inner = judge(inner, view);
            Judged { holds: inner.holds, up: inner.up, down: inner.down, inner: vec![inner] }
        }
        Part::Not(inner) => {
            let inner = judge(inner, view);
            Judged { holds: !inner.holds, up: inner.down, down: inner.up, inner: vec![inner] }
        }
        Part::Group { least, parts, .. } => {
            let inner: Vec<Judged> = parts.iter().map(|part| judge(part, view)).collect();
            let count = inner.len();
            let least = least.map_or(count, |least| usize::try_from(least).unwrap_or(usize::MAX));
            let up = cheapest(inner.iter().map(|one| one.up), least);
            let down = match (count + 1).checked_sub(least) {
                Some(false_ones) if least > 0 => {
                    cheapest(inner.iter().map(|one| one.down), false_ones)
                }
                Some(_) => NEVER,
                None => 0,
            };
            Judged { holds: up == 0, up, down, inner }
        }
    }
}

/// The sum of the `wanted` smallest.
fn cheapest(costs: impl Iterator<Item = u32>, wanted: usize) -> u32 {
    let mut costs: Vec<u32> = costs.collect();
    if wanted > costs.len() {
        return NEVER;
    }
    costs.sort_unstable();
    costs.iter().take(wanted).fold(0_u32, |sum, cost| sum.saturating_add(*cost))
}

/// The fewest tests that would have to be different for the part to hold (or, with `to` false, not to).
fn lacking(part: &Part, judged: &Judged, to: bool, out: &mut Vec<String>) {
    if judged.holds == to || out.len() >= MISSING_MAX {
        return;
    }
    match part {
        Part::Leaf(leaf) => out.push(short_words(leaf, to)),
        Part::Named(_, inner) => {
            if let Some(judged) = judged.inner.first() {
                lacking(inner, judged, to, out);
            }
        }
        Part::Not(inner) => {
            if let Some(judged) = judged.inner.first() {
                lacking(inner, judged, !to, out);
            }
        }
        Part::Group { least, parts, words } => {
            let cost = |judged: &Judged| if to { judged.up } else { judged.down };
            let all = judged.inner.len();
            let least = least.map_or(all, |least| usize::try_from(least).unwrap_or(usize::MAX));
            let wanted = if to { least } else { (all + 1).saturating_sub(least) };
            if wanted > all {
                out.push(format!("{words}: nothing can fulfil it"));
                return;
            }
            let mut both: Vec<(&Part, &Judged)> = parts.iter().zip(&judged.inner).collect();
            both.sort_by_key(|(_, judged)| cost(judged));
            for (part, judged) in both.into_iter().take(wanted) {
                lacking(part, judged, to, out);
            }
        }
    }
}

fn short_words(leaf: &Leaf, to: bool) -> String {
    let field = match &leaf.form {
        Form::Field(name) | Form::Array(name) => format!("{name} "),
        Form::Keyword => String::new(),
    };
    let not = if to { "" } else { "not: " };
    format!("{not}{field}{}", leaf.wanted)
}

struct Rows {
    out: Vec<Row>,
    left_out: u32,
}

impl Rows {
    fn push(&mut self, row: Row) {
        if self.out.len() < ROWS_MAX {
            self.out.push(row);
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
    }

    fn part(&mut self, part: &Part, judged: &Judged, view: &View<'_, '_>, depth: u8) {
        let below = depth.saturating_add(1);
        let head = |kind, name: &str, wanted: &str| Row {
            depth,
            kind,
            holds: judged.holds,
            name: name.to_owned(),
            ours: String::new(),
            actual: None,
            wanted: wanted.to_owned(),
            value: String::new(),
        };
        match part {
            Part::Leaf(leaf) => self.leaf(leaf, judged.holds, view, depth),
            Part::Not(inner) => {
                self.push(head(RowKind::Not, "not", ""));
                self.inner(std::slice::from_ref(&**inner), judged, view, below);
            }
            Part::Named(name, inner) => match &**inner {
                // `selection: all of` on one line.
                Part::Group { words, parts, .. } => {
                    self.push(head(RowKind::Named, name, words));
                    if let Some(judged) = judged.inner.first() {
                        self.inner(parts, judged, view, below);
                    }
                }
                other => {
                    self.push(head(RowKind::Named, name, ""));
                    self.inner(std::slice::from_ref(other), judged, view, below);
                }
            },
            Part::Group { words, parts, .. } => {
                self.push(head(RowKind::Group, words, ""));
                self.inner(parts, judged, view, below);
            }
        }
    }

    fn inner(&mut self, parts: &[Part], judged: &Judged, view: &View<'_, '_>, depth: u8) {
        for (part, judged) in parts.iter().zip(&judged.inner) {
            self.part(part, judged, view, depth);
        }
    }

    fn leaf(&mut self, leaf: &Leaf, holds: bool, view: &View<'_, '_>, depth: u8) {
        // Where all are wanted, the first that is missing tells more than one that is there.
        let told = leaf.single.iter().find(|(_, node)| node.holds(view) != (leaf.all && !holds));
        let told = told.filter(|_| holds || leaf.all).map(|(value, _)| value.clone());
        let (kind, name, ours, actual) = match &leaf.form {
            Form::Field(name) => {
                let (ours, actual) = value_of(name, view);
                (RowKind::Field, name.clone(), ours, actual)
            }
            Form::Array(name) => {
                let (ours, actual) = value_of(name, view);
                (RowKind::Array, name.clone(), ours, actual)
            }
            Form::Keyword => {
                let (ours, actual) = text_with(told.as_deref(), view);
                (RowKind::Keyword, "any text".to_owned(), ours, actual)
            }
        };
        self.push(Row {
            depth,
            kind,
            holds,
            name,
            ours,
            actual,
            wanted: leaf.wanted.clone(),
            value: told.unwrap_or_default(),
        });
    }
}

/// The field of ours that stands for a rule's field, and what is in it; or the names under which it was looked for.
fn value_of(name: &str, view: &View<'_, '_>) -> (String, Option<String>) {
    let Some(slot) = view.slot(name) else { return (String::new(), None) };
    let Some(field) = view.field(slot) else {
        let names: Vec<String> = fields::candidates(name).into_iter().rev().collect();
        let offered: Vec<String> = names.into_iter().take(NAMES_OFFERED).collect();
        return (offered.join(" or "), None);
    };
    let text = if view.many(slot) {
        view.all(slot).map(Value::to_text).collect::<Vec<_>>().join(", ")
    } else {
        match view.first(slot) {
            Some(Value::Null) => "null".to_owned(),
            Some(value) => value.to_text().into_owned(),
            None => return (field.name().to_owned(), None),
        }
    };
    (field.name().to_owned(), Some(cut(&text)))
}

/// A text of the event in which a value stands as it is written.
fn text_with(value: Option<&str>, view: &View<'_, '_>) -> (String, Option<String>) {
    let Some(value) = value.map(|value| value.trim_matches('*').to_lowercase()) else {
        return (String::new(), None);
    };
    let found = view.texts().find(|(_, text)| text.to_lowercase().contains(&value));
    found.map_or((String::new(), None), |(field, text)| (field.name().to_owned(), Some(cut(text))))
}
