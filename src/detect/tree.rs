//! A compiled rule as a tree of tests over slots.
//!
//! What a value must look like is the library's compiled matcher; this walks conditions, selects values by slot
//! and answers the common case-insensitive tests on text that was lower-cased once. The differential tests hold
//! it against the library's own evaluation of the same rules.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, packed};
use rsigma_eval::compiler::{CompiledDetection, CompiledDetectionItem, CompiledRule};
use rsigma_eval::matcher::{CompiledMatcher, GroupMode};
use rsigma_eval::{EventValue, evaluate_rule};
use rsigma_parser::{ConditionExpr, Quantifier};

use crate::detect::memo::Question;
use crate::detect::view::{self, Slot, SlotTable, View};
use crate::model::event::Value;

/// One node.
#[derive(Debug)]
pub enum Node {
    /// Every child.
    All(Vec<Node>),
    /// At least this many children.
    AtLeast(u64, Vec<Node>),
    /// Not the child.
    Not(Box<Node>),
    /// A test of one field.
    Item(Item),
    /// A test of any text of the event.
    Keywords(Keywords),
    /// Something only the library evaluates (array quantifiers): the whole rule.
    Library(Box<CompiledRule>),
}

/// A test of one field.
#[derive(Debug)]
pub struct Item {
    /// The field.
    pub slot: Slot,
    /// The test.
    pub matcher: CompiledMatcher,
    /// `exists: true` or `exists: false` instead of the test.
    pub exists: Option<bool>,
    /// What the memo keeps its results by; none where looking it up is no quicker, or the value is not all that counts.
    question: Option<Question>,
}

/// A test of any text of the event.
#[derive(Debug)]
pub struct Keywords {
    /// The test.
    pub matcher: CompiledMatcher,
    /// It only asks whether some word stands anywhere without regard to case: all texts are searched as one.
    pub anywhere: Option<Anywhere>,
}

/// A search for any of some words.
#[derive(Debug)]
pub enum Anywhere {
    /// Few words: by vector instructions.
    Few(packed::Searcher),
    /// Many words, or a machine without such instructions.
    Many(Box<AhoCorasick>),
}

impl Keywords {
    fn new(matcher: CompiledMatcher) -> Keywords {
        let mut words = Vec::new();
        let anywhere = only_contains(&matcher, &mut words).then(|| Anywhere::new(&words)).flatten();
        Keywords { anywhere, matcher }
    }

    fn holds(&self, view: &View<'_, '_>) -> bool {
        match &self.anywhere {
            Some(Anywhere::Few(searcher)) => searcher.find(view.all_lowered()).is_some(),
            Some(Anywhere::Many(automaton)) => automaton.is_match(view.all_lowered()),
            None => self.matcher.matches_keyword(view),
        }
    }
}

impl Anywhere {
    fn new(words: &[String]) -> Option<Anywhere> {
        if let Some(searcher) = packed::Searcher::new(words) {
            return Some(Anywhere::Few(searcher));
        }
        AhoCorasick::new(words).ok().map(|automaton| Anywhere::Many(Box::new(automaton)))
    }
}

/// Does the test only look for words, whatever their case? The words, in lower case, are added to `words`.
fn only_contains(matcher: &CompiledMatcher, words: &mut Vec<String>) -> bool {
    let mut plain = |word: &str| {
        words.push(word.to_owned());
        !word.is_empty() && !word.contains(view::TEXT_END)
    };
    match matcher {
        CompiledMatcher::Contains { value, case_insensitive: true } => plain(value),
        CompiledMatcher::AhoCorasickSet { needles, case_insensitive: true, .. } => {
            needles.iter().all(|word| plain(word))
        }
        CompiledMatcher::AnyOf(inner)
        | CompiledMatcher::CaseInsensitiveGroup { children: inner, mode: GroupMode::Any } => {
            inner.iter().all(|inner| only_contains(inner, words))
        }
        _ => false,
    }
}

/// Turn the library's rule into a tree. `None` when there are more field names than slots.
pub fn compile(rule: &CompiledRule, slots: &mut SlotTable) -> Option<Node> {
    if rule.detections.values().any(needs_library) {
        register(rule, slots)?;
        return Some(Node::Library(Box::new(rule.clone())));
    }
    let conditions: Option<Vec<Node>> = rule
        .conditions
        .iter()
        .map(|condition| expression(condition, &rule.detections, slots))
        .collect();
    Some(any(conditions?))
}

fn any(mut nodes: Vec<Node>) -> Node {
    match nodes.pop() {
        Some(only) if nodes.is_empty() => only,
        Some(last) => {
            nodes.push(last);
            Node::AtLeast(1, nodes)
        }
        None => Node::AtLeast(1, nodes),
    }
}

fn all(mut nodes: Vec<Node>) -> Node {
    match nodes.pop() {
        Some(only) if nodes.is_empty() => only,
        Some(last) => {
            nodes.push(last);
            Node::All(nodes)
        }
        None => Node::All(nodes),
    }
}

fn needs_library(detection: &CompiledDetection) -> bool {
    match detection {
        CompiledDetection::AllOf(_) | CompiledDetection::Keywords(_) => false,
        CompiledDetection::AnyOf(inner) | CompiledDetection::And(inner) => {
            inner.iter().any(needs_library)
        }
        CompiledDetection::ArrayMatch { .. } | CompiledDetection::Conditional { .. } => true,
    }
}

/// Give every field name of a rule that stays with the library a slot, so that the view can answer for it.
fn register(rule: &CompiledRule, slots: &mut SlotTable) -> Option<()> {
    fn walk(detection: &CompiledDetection, slots: &mut SlotTable) -> Option<()> {
        match detection {
            CompiledDetection::AllOf(items) => items
                .iter()
                .filter_map(|item| item.field.as_deref())
                .try_for_each(|name| slots.slot(name).map(drop)),
            CompiledDetection::Keywords(_) => Some(()),
            CompiledDetection::AnyOf(inner) | CompiledDetection::And(inner) => {
                inner.iter().try_for_each(|inner| walk(inner, slots))
            }
            CompiledDetection::ArrayMatch { field, .. } => slots.slot(field).map(drop),
            CompiledDetection::Conditional { named, .. } => {
                named.values().try_for_each(|inner| walk(inner, slots))
            }
        }
    }
    rule.detections.values().try_for_each(|detection| walk(detection, slots))
}

fn expression(
    condition: &ConditionExpr,
    named: &HashMap<String, CompiledDetection>,
    slots: &mut SlotTable,
) -> Option<Node> {
    let node = match condition {
        ConditionExpr::And(inner) => {
            all(inner.iter().map(|inner| expression(inner, named, slots)).collect::<Option<_>>()?)
        }
        ConditionExpr::Or(inner) => {
            any(inner.iter().map(|inner| expression(inner, named, slots)).collect::<Option<_>>()?)
        }
        ConditionExpr::Not(inner) => Node::Not(Box::new(expression(inner, named, slots)?)),
        ConditionExpr::Identifier(name) => match named.get(name) {
            Some(found) => detection(found, slots)?,
            None => Node::AtLeast(1, Vec::new()),
        },
        ConditionExpr::Selector { quantifier, pattern } => {
            let mut chosen: Vec<_> =
                named.iter().filter(|(name, _)| pattern.matches_detection_name(name)).collect();
            chosen.sort_by_key(|(name, _)| name.as_str());
            let nodes: Vec<Node> = chosen
                .into_iter()
                .map(|(_, found)| detection(found, slots))
                .collect::<Option<_>>()?;
            match quantifier {
                Quantifier::Any => any(nodes),
                Quantifier::All => all(nodes),
                Quantifier::Count(count) => Node::AtLeast(*count, nodes),
            }
        }
    };
    Some(node)
}

fn detection(found: &CompiledDetection, slots: &mut SlotTable) -> Option<Node> {
    let node = match found {
        CompiledDetection::AllOf(items) => {
            all(items.iter().map(|found| item(found, slots)).collect::<Option<_>>()?)
        }
        CompiledDetection::AnyOf(inner) => {
            any(inner.iter().map(|inner| detection(inner, slots)).collect::<Option<_>>()?)
        }
        CompiledDetection::And(inner) => {
            all(inner.iter().map(|inner| detection(inner, slots)).collect::<Option<_>>()?)
        }
        CompiledDetection::Keywords(matcher) => Node::Keywords(Keywords::new(matcher.clone())),
        CompiledDetection::ArrayMatch { .. } | CompiledDetection::Conditional { .. } => {
            return None;
        }
    };
    Some(node)
}

fn item(found: &CompiledDetectionItem, slots: &mut SlotTable) -> Option<Node> {
    refer(&found.matcher, slots)?;
    Some(match (&found.field, found.exists) {
        (Some(name), exists) => {
            let slot = slots.slot(name)?;
            let question = is_worth_remembering(&found.matcher).then(|| slots.question());
            Node::Item(Item { slot, matcher: found.matcher.clone(), exists, question })
        }
        // Without a field name nothing exists.
        (None, Some(expected)) => {
            if expected {
                Node::AtLeast(1, Vec::new())
            } else {
                Node::All(Vec::new())
            }
        }
        (None, None) => Node::Keywords(Keywords::new(found.matcher.clone())),
    })
}

/// Does a test take longer than looking up what it said of the same value, and depend on nothing but that value?
fn is_worth_remembering(matcher: &CompiledMatcher) -> bool {
    let quick = matches!(
        matcher,
        CompiledMatcher::Exact { .. }
            | CompiledMatcher::StartsWith { .. }
            | CompiledMatcher::EndsWith { .. }
            | CompiledMatcher::NumericEq(_)
            | CompiledMatcher::Null
    );
    !quick && depends_on_value(matcher)
}

fn depends_on_value(matcher: &CompiledMatcher) -> bool {
    match matcher {
        CompiledMatcher::FieldRef { .. } | CompiledMatcher::Expand { .. } => false,
        CompiledMatcher::Not(inner) | CompiledMatcher::TimestampPart { inner, .. } => {
            depends_on_value(inner)
        }
        CompiledMatcher::AnyOf(inner)
        | CompiledMatcher::AllOf(inner)
        | CompiledMatcher::CaseInsensitiveGroup { children: inner, .. } => {
            inner.iter().all(depends_on_value)
        }
        _ => true,
    }
}

/// Give slots to the fields that a matcher compares with.
fn refer(matcher: &CompiledMatcher, slots: &mut SlotTable) -> Option<()> {
    match matcher {
        CompiledMatcher::FieldRef { field, .. } => slots.slot(field).map(drop),
        CompiledMatcher::Expand { template, .. } => {
            template.iter().try_for_each(|part| match part {
                rsigma_eval::matcher::ExpandPart::Placeholder(name) => slots.slot(name).map(drop),
                rsigma_eval::matcher::ExpandPart::Literal(_) => Some(()),
            })
        }
        CompiledMatcher::Not(inner) => refer(inner, slots),
        CompiledMatcher::TimestampPart { inner, .. } => refer(inner, slots),
        CompiledMatcher::AnyOf(inner) | CompiledMatcher::AllOf(inner) => {
            inner.iter().try_for_each(|inner| refer(inner, slots))
        }
        _ => Some(()),
    }
}

impl Node {
    /// Does some test in it read a slot?
    pub fn reads(&self, slot: Slot) -> bool {
        match self {
            Node::All(inner) | Node::AtLeast(_, inner) => inner.iter().any(|node| node.reads(slot)),
            Node::Not(inner) => inner.reads(slot),
            Node::Item(item) => item.slot == slot,
            Node::Keywords(_) | Node::Library(_) => false,
        }
    }

    /// Does the event in `view` fulfil it?
    pub fn holds(&self, view: &View<'_, '_>) -> bool {
        match self {
            Node::All(inner) => inner.iter().all(|inner| inner.holds(view)),
            Node::AtLeast(1, inner) => inner.iter().any(|inner| inner.holds(view)),
            Node::AtLeast(count, inner) => {
                let mut wanted = *count;
                wanted == 0
                    || inner.iter().any(|inner| {
                        wanted -= u64::from(inner.holds(view));
                        wanted == 0
                    })
            }
            Node::Not(inner) => !inner.holds(view),
            Node::Item(item) => item.holds(view),
            Node::Keywords(keywords) => keywords.holds(view),
            Node::Library(rule) => evaluate_rule(rule, view).is_some(),
        }
    }
}

impl Item {
    /// Does the event in `view` fulfil it?
    pub fn holds(&self, view: &View<'_, '_>) -> bool {
        let first = view.first(self.slot);
        if let Some(expected) = self.exists {
            let exists =
                view.many(self.slot) || first.is_some_and(|value| !matches!(value, Value::Null));
            return exists == expected;
        }
        match first {
            None => matches!(self.matcher, CompiledMatcher::Null),
            Some(_) if view.many(self.slot) => self.by_library(&self.matcher, view),
            Some(Value::Null) => self.matcher.matches(&EventValue::Null, view),
            Some(_) => self.remembered(view),
        }
    }

    /// The test, unless the value's result is known.
    fn remembered(&self, view: &View<'_, '_>) -> bool {
        let Some(question) = self.question else { return self.test(&self.matcher, view) };
        let number = view.number(self.slot);
        if let Some(known) = view.memo.result(question, number) {
            return known;
        }
        let result = self.test(&self.matcher, view);
        view.memo.set_result(question, number, result);
        result
    }

    fn by_library(&self, matcher: &CompiledMatcher, view: &View<'_, '_>) -> bool {
        view.library_value(self.slot).is_some_and(|value| matcher.matches(&value, view))
    }

    /// A test of a single value that is not null.
    fn test(&self, matcher: &CompiledMatcher, view: &View<'_, '_>) -> bool {
        let lowered = || view.lowered(self.slot).unwrap_or_default();
        match matcher {
            CompiledMatcher::Exact { value, case_insensitive: true } => lowered() == value,
            CompiledMatcher::Contains { value, case_insensitive: true } => {
                lowered().contains(value.as_str())
            }
            CompiledMatcher::StartsWith { value, case_insensitive: true } => {
                lowered().starts_with(value.as_str())
            }
            CompiledMatcher::EndsWith { value, case_insensitive: true } => {
                lowered().ends_with(value.as_str())
            }
            CompiledMatcher::AhoCorasickSet { automaton, case_insensitive: true, .. } => {
                automaton.is_match(lowered())
            }
            CompiledMatcher::CaseInsensitiveGroup { children, mode } => {
                group(children, *mode, lowered())
            }
            CompiledMatcher::Not(inner) => !self.test(inner, view),
            CompiledMatcher::AnyOf(inner) => inner.iter().any(|inner| self.test(inner, view)),
            CompiledMatcher::AllOf(inner) => inner.iter().all(|inner| self.test(inner, view)),
            other => self.by_library(other, view),
        }
    }
}

fn group(children: &[CompiledMatcher], mode: GroupMode, text: &str) -> bool {
    match mode {
        GroupMode::Any => children.iter().any(|child| on_lowered(child, text)),
        GroupMode::All => children.iter().all(|child| on_lowered(child, text)),
    }
}

/// The library's test of text that is lower case already; only the matchers that its optimiser puts in groups.
fn on_lowered(matcher: &CompiledMatcher, text: &str) -> bool {
    match matcher {
        CompiledMatcher::Exact { value, .. } => text == value,
        CompiledMatcher::Contains { value, .. } => text.contains(value.as_str()),
        CompiledMatcher::StartsWith { value, .. } => text.starts_with(value.as_str()),
        CompiledMatcher::EndsWith { value, .. } => text.ends_with(value.as_str()),
        CompiledMatcher::Regex(regex) => regex.is_match(text),
        CompiledMatcher::AhoCorasickSet { automaton, .. } => automaton.is_match(text),
        CompiledMatcher::RegexSetMatch { set, mode } => match mode {
            GroupMode::Any => set.is_match(text),
            GroupMode::All => set.matches(text).iter().count() == set.len(),
        },
        CompiledMatcher::Not(inner) => !on_lowered(inner, text),
        CompiledMatcher::AnyOf(inner) => inner.iter().any(|inner| on_lowered(inner, text)),
        CompiledMatcher::AllOf(inner) => inner.iter().all(|inner| on_lowered(inner, text)),
        CompiledMatcher::CaseInsensitiveGroup { children, mode } => group(children, *mode, text),
        // The optimiser never puts others into a group.
        _ => false,
    }
}
