//! Which rules can match an event at all: an index of texts that must be there.
//!
//! From a rule's tree follow groups of texts of which at least one must stand in one of some fields if the rule is
//! to hold. One group a rule is indexed, the one that ordinary events are least likely to have. An event's values
//! are searched once for all texts of a bucket together, and only the rules that were hit are evaluated. Rules
//! without such a group are always evaluated. The index only ever leaves out rules that cannot hold.

use std::collections::BTreeMap;

use ahash::AHashMap;
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use rsigma_eval::matcher::{CompiledMatcher, GroupMode};
use smallvec::SmallVec;

use crate::detect::memo::Question;
use crate::detect::tree::{Item, Node};
use crate::detect::view::{Slot, SlotTable, View};
use crate::model::event::Value;

/// Texts of which at least one stands, lower-cased, in its field whenever the rule holds.
type Group = Vec<(Slot, String)>;

/// A group with more texts than this is not worth indexing.
const GROUP_TEXTS_MAX: usize = 3_000;

/// Fields that hold whole scripts: the quicker automata are worth their room (ten times as much).
const LONG: &[&str] =
    &["ScriptBlockText", "Payload", "ContextInfo", "Data", "HostApplication", "Message"];

/// Texts that ordinary events are full of; a group that leans on them is a poor choice.
const COMMON: &[&str] = &[
    "powershell",
    "cmd.exe",
    "svchost",
    "explorer.exe",
    "rundll32",
    "c:\\windows",
    "c:\\users",
    "system32",
    "services",
    "wmiprvse",
    "hklm",
    "currentversion",
    "http",
    "microsoft",
    "program files",
    "appdata",
    "lsass",
    "/bin/",
    "/usr/",
    "bash",
    "nt authority",
    "system",
    "true",
    "false",
    "0x1",
    "tcp",
    "\\windows\\",
    "null",
];

/// Finds the rules of one bucket that an event may fulfil.
#[derive(Debug, Default)]
pub struct Index {
    always: Vec<u32>,
    fields: Vec<FieldIndex>,
}

#[derive(Debug)]
struct FieldIndex {
    slot: Slot,
    question: Question,
    automaton: AhoCorasick,
    /// By pattern: the rules whose group it is in.
    rules: Vec<Vec<u32>>,
}

impl Index {
    /// The index of `rules`: number and tree of each.
    pub fn build<'n>(rules: impl Iterator<Item = (u32, &'n Node)>, slots: &mut SlotTable) -> Index {
        let mut index = Index::default();
        let mut by_field: BTreeMap<Slot, AHashMap<String, Vec<u32>>> = BTreeMap::new();
        for (number, node) in rules {
            match best(groups(node)) {
                Some(group) => {
                    for (slot, text) in group {
                        by_field.entry(slot).or_default().entry(text).or_default().push(number);
                    }
                }
                None => index.always.push(number),
            }
        }
        for (slot, texts) in by_field {
            let long = slots.name(slot).is_some_and(|name| LONG.contains(&name));
            let kind = if long { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
            index.add_field(slot, texts, kind, slots.question());
        }
        index
    }

    fn add_field(
        &mut self,
        slot: Slot,
        texts: AHashMap<String, Vec<u32>>,
        kind: AhoCorasickKind,
        question: Question,
    ) {
        let mut texts: Vec<(String, Vec<u32>)> = texts.into_iter().collect();
        texts.sort();
        let built = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(kind))
            .build(texts.iter().map(|(text, _)| text));
        let rules: Vec<Vec<u32>> = texts.into_iter().map(|(_, rules)| rules).collect();
        match built {
            Ok(automaton) => {
                self.fields.push(FieldIndex { slot, question, automaton, rules });
            }
            // Too large for one automaton: evaluate these rules always.
            Err(_) => self.always.extend(rules.into_iter().flatten()),
        }
        self.always.sort_unstable();
        self.always.dedup();
    }

    /// Call `found` with every rule that the event may fulfil, some of them more than once.
    pub fn candidates(&self, view: &View<'_, '_>, found: &mut impl FnMut(u32)) {
        self.always.iter().for_each(|rule| found(*rule));
        for field in &self.fields {
            if view.many(field.slot) {
                for value in view.all(field.slot).filter(|value| !matches!(value, Value::Null)) {
                    let text = value.to_text();
                    field.search(&rsigma_eval::matcher::ascii_lowercase_cow(&text), found);
                }
            } else {
                field.search_known(view, found);
            }
        }
    }

    /// How many rules are always evaluated.
    pub fn always(&self) -> usize {
        self.always.len()
    }
}

impl FieldIndex {
    /// Search the only value of the slot, unless it is known what that finds.
    fn search_known(&self, view: &View<'_, '_>, found: &mut impl FnMut(u32)) {
        let number = view.number(self.slot);
        match view.memo.result(self.question, number) {
            Some(false) => return,
            Some(true) if view.memo.rules(self.question, number, found) => return,
            _ => {}
        }
        let Some(text) = view.lowered(self.slot) else { return };
        if number.is_none() {
            return self.search(text, found);
        }
        let mut rules: SmallVec<[u32; 16]> = SmallVec::new();
        self.search(text, &mut |rule| rules.push(rule));
        rules.sort_unstable();
        rules.dedup();
        view.memo.set_result(self.question, number, !rules.is_empty());
        if !rules.is_empty() {
            view.memo.set_rules(self.question, number, &rules);
            rules.into_iter().for_each(found);
        }
    }

    fn search(&self, text: &str, found: &mut impl FnMut(u32)) {
        for hit in self.automaton.find_overlapping_iter(text) {
            if let Some(rules) = self.rules.get(hit.pattern().as_usize()) {
                rules.iter().for_each(|rule| found(*rule));
            }
        }
    }
}

/// The event codes that a rule asks for in `slot`, if it holds for no other.
pub fn codes(node: &Node, slot: Slot) -> Option<Vec<u32>> {
    match node {
        Node::All(inner) => {
            inner.iter().filter_map(|inner| codes(inner, slot)).min_by_key(Vec::len)
        }
        Node::AtLeast(1.., inner) if !inner.is_empty() => {
            let all: Option<Vec<Vec<u32>>> = inner.iter().map(|inner| codes(inner, slot)).collect();
            all.map(|lists| {
                let mut list = lists.concat();
                list.sort_unstable();
                list.dedup();
                list
            })
        }
        Node::Item(item) if item.slot == slot && item.exists.is_none() => numbers(&item.matcher),
        _ => None,
    }
}

fn numbers(matcher: &CompiledMatcher) -> Option<Vec<u32>> {
    match matcher {
        CompiledMatcher::NumericEq(number)
            if number.fract() == 0.0 && (0.0..=4e9).contains(number) =>
        {
            Some(vec![*number as u32])
        }
        CompiledMatcher::AnyOf(inner) => {
            inner.iter().map(numbers).collect::<Option<Vec<_>>>().map(|lists| lists.concat())
        }
        _ => None,
    }
}

/// Every group of texts that `node` needs.
fn groups(node: &Node) -> Vec<Group> {
    match node {
        Node::All(inner) => inner.iter().flat_map(groups).collect(),
        Node::AtLeast(1.., inner) => {
            let all: Option<Vec<Group>> = inner.iter().map(|inner| best(groups(inner))).collect();
            all.map(|groups| groups.concat())
                .filter(|group| !group.is_empty())
                .into_iter()
                .collect()
        }
        Node::Item(item) => of_item(item),
        Node::AtLeast(0, _) | Node::Not(_) | Node::Keywords(_) | Node::Library(_) => Vec::new(),
    }
}

fn of_item(item: &Item) -> Vec<Group> {
    if item.exists.is_some() {
        return Vec::new();
    }
    let with_slot = |texts: Vec<String>| texts.into_iter().map(|text| (item.slot, text)).collect();
    texts(&item.matcher).into_iter().map(with_slot).collect()
}

/// Groups of texts of which one must stand in the lower-cased value for the matcher to hold.
fn texts(matcher: &CompiledMatcher) -> Vec<Vec<String>> {
    let one = |text: &str| must_have(text).map(|text| vec![text]).into_iter().collect();
    match matcher {
        CompiledMatcher::Exact { value, .. }
        | CompiledMatcher::Contains { value, .. }
        | CompiledMatcher::StartsWith { value, .. }
        | CompiledMatcher::EndsWith { value, .. } => one(value),
        CompiledMatcher::AhoCorasickSet { needles, .. } => {
            let all: Option<Vec<String>> = needles.iter().map(|needle| must_have(needle)).collect();
            all.into_iter().collect()
        }
        CompiledMatcher::AnyOf(inner)
        | CompiledMatcher::CaseInsensitiveGroup { children: inner, mode: GroupMode::Any } => {
            let all: Option<Vec<Vec<String>>> =
                inner.iter().map(|inner| rarest(texts(inner))).collect();
            all.map(|lists| lists.concat()).filter(|list| !list.is_empty()).into_iter().collect()
        }
        CompiledMatcher::AllOf(inner)
        | CompiledMatcher::CaseInsensitiveGroup { children: inner, mode: GroupMode::All } => {
            inner.iter().flat_map(texts).collect()
        }
        _ => Vec::new(),
    }
}

fn rarest(groups: Vec<Vec<String>>) -> Option<Vec<String>> {
    let weight = |group: &Vec<String>| group.iter().map(|text| commonness(text)).sum::<u64>();
    groups.into_iter().min_by_key(weight)
}

/// The longest run of ASCII in `text`, lower-cased: it stands in the lower-cased value whenever `text` stands in the value.
fn must_have(text: &str) -> Option<String> {
    let longest = text.split(|letter: char| !letter.is_ascii()).max_by_key(|run| run.len())?;
    (!longest.is_empty()).then(|| longest.to_ascii_lowercase())
}

fn best(groups: Vec<Group>) -> Option<Group> {
    let weight = |group: &Group| group.iter().map(|(_, text)| commonness(text)).sum::<u64>();
    groups.into_iter().filter(|group| group.len() <= GROUP_TEXTS_MAX).min_by_key(weight)
}

/// How often ordinary values have `text`, in parts of ten thousand; a guess that only moves speed.
fn commonness(text: &str) -> u64 {
    let by_length: u64 = match text.len() {
        0..=1 => 9_000,
        2 => 4_000,
        3 => 1_500,
        4 => 700,
        5..=6 => 200,
        7..=9 => 60,
        10..=14 => 20,
        _ => 8,
    };
    let common = COMMON.iter().any(|word| text.contains(word) && word.len() * 3 >= text.len());
    if common { by_length.max(1_500) } else { by_length }
}
