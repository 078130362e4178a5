//! The compiled rules, and one event judged by all of them.

use std::sync::Arc;

use ahash::{AHashMap, AHashSet};
use rsigma_eval::compiler::CompiledRule;
use rsigma_eval::evaluate_rule;

use crate::detect::correlate::compile::Correlation;
use crate::detect::correlate::spread;
use crate::detect::explain;
use crate::detect::index::{self, Index};
use crate::detect::logsource::{Binding, Kind};
use crate::detect::memo::Memo;
use crate::detect::tree::Node;
use crate::detect::view::{Slot, SlotTable, View};
use crate::model::event::{Event, Value};
use crate::model::field::FieldId;
use crate::model::finding::RuleInfo;

/// A rule that an event fulfils.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The rule's place in [`RuleSet::rules`].
    pub rule: u32,
    /// Whether the match is a finding by itself; a rule that only serves correlations is not.
    pub alerts: bool,
    /// Field and value of what matched; empty when the match is no finding.
    pub matched: Vec<(String, String)>,
}

/// A compiled detection rule.
#[derive(Debug)]
pub struct Compiled {
    /// What must hold.
    pub node: Node,
    /// Which events it looks at.
    pub binding: Binding,
    /// Its matches are findings.
    pub alerts: bool,
    /// The library's form, kept only for comparison.
    pub library: Option<Box<CompiledRule>>,
}

/// Everything that was loaded. Never changed; shared by all threads.
#[derive(Debug, Default)]
pub struct RuleSet {
    infos: Vec<Arc<RuleInfo>>,
    unbound: Vec<Arc<RuleInfo>>,
    compiled: Vec<Compiled>,
    pub(crate) correlations: Vec<Correlation>,
    pub(crate) slots: SlotTable,
    buckets: Vec<Bucket>,
    by_channel: AHashMap<String, Vec<u32>>,
    by_dataset: AHashMap<&'static str, Vec<u32>>,
    elsewhere: Vec<u32>,
    code_slot: Option<Slot>,
    recommended: Arc<AHashSet<String>>,
}

/// The rules of one logsource.
#[derive(Debug)]
struct Bucket {
    binding: Binding,
    any_code: Index,
    by_code: AHashMap<u32, Index>,
}

/// What the loader has put together.
#[derive(Debug, Default)]
pub struct Parts {
    /// Rules that run: detection rules in the order of `compiled`, then correlations.
    pub infos: Vec<Arc<RuleInfo>>,
    /// Rules whose logsource means nothing that we read.
    pub unbound: Vec<Arc<RuleInfo>>,
    /// The detection rules.
    pub compiled: Vec<Compiled>,
    /// The correlations.
    pub correlations: Vec<Correlation>,
    /// Field names of all of them.
    pub slots: SlotTable,
    /// Ids of the rules that their pack recommends.
    pub recommended: AHashSet<String>,
}

impl RuleSet {
    /// Index what was loaded.
    pub fn new(parts: Parts) -> RuleSet {
        let Parts { infos, unbound, compiled, mut correlations, mut slots, recommended } = parts;
        spread::settle(&mut correlations, &slots);
        let code_slot = slots.slot("EventID");
        let mut grouped: Vec<(Binding, Vec<u32>)> = Vec::new();
        let mut places: AHashMap<Binding, usize> = AHashMap::new();
        for (number, rule) in compiled.iter().enumerate() {
            let place = *places.entry(rule.binding.clone()).or_insert_with(|| {
                grouped.push((rule.binding.clone(), Vec::new()));
                grouped.len() - 1
            });
            if let (Some((_, rules)), Ok(number)) = (grouped.get_mut(place), u32::try_from(number))
            {
                rules.push(number);
            }
        }
        let recommended = Arc::new(recommended);
        let mut set = RuleSet {
            infos,
            unbound,
            compiled,
            correlations,
            slots,
            recommended,
            code_slot,
            ..RuleSet::default()
        };
        for (binding, rules) in grouped {
            set.add_bucket(binding, &rules, code_slot);
        }
        set
    }

    fn add_bucket(&mut self, binding: Binding, rules: &[u32], code_slot: Option<u16>) {
        let mut any_code = Vec::new();
        let mut by_code: AHashMap<u32, Vec<u32>> = AHashMap::new();
        for number in rules {
            let Some(rule) = self.compiled.get(*number as usize) else { continue };
            match code_slot.and_then(|slot| index::codes(&rule.node, slot)) {
                Some(codes) => {
                    codes.iter().for_each(|code| by_code.entry(*code).or_default().push(*number))
                }
                None => any_code.push(*number),
            }
        }
        let (compiled, slots) = (&self.compiled, &mut self.slots);
        let mut build = |rules: &[u32]| {
            let with_nodes = rules
                .iter()
                .filter_map(|number| Some((*number, &compiled.get(*number as usize)?.node)));
            Index::build(with_nodes, slots)
        };
        let bucket = Bucket {
            any_code: build(&any_code),
            by_code: by_code.iter().map(|(code, rules)| (*code, build(rules))).collect(),
            binding,
        };
        let Ok(place) = u32::try_from(self.buckets.len()) else { return };
        let add = |buckets: &mut Vec<u32>| {
            if buckets.last() != Some(&place) {
                buckets.push(place);
            }
        };
        if let Some(channels) = bucket.binding.channels() {
            for channel in channels {
                add(self.by_channel.entry(channel.to_ascii_lowercase()).or_default());
            }
        } else if let Some(datasets) = bucket.binding.datasets() {
            for dataset in datasets {
                add(self.by_dataset.entry(dataset).or_default());
            }
        } else {
            self.elsewhere.push(place);
        }
        self.buckets.push(bucket);
    }

    /// Every rule that runs; a [`Match`] names its place here. Correlations come last.
    pub fn rules(&self) -> &[Arc<RuleInfo>] {
        &self.infos
    }

    /// Rules for logs that we do not read: they are loaded, checked and never run.
    pub fn unbound(&self) -> &[Arc<RuleInfo>] {
        &self.unbound
    }

    /// Ids of the rules that their pack recommends.
    pub fn recommended(&self) -> &Arc<AHashSet<String>> {
        &self.recommended
    }

    /// How many of [`RuleSet::rules`] are correlations.
    pub fn correlations(&self) -> usize {
        self.correlations.len()
    }

    /// The rules that read a field, under whatever name.
    pub fn reading(&self, field: FieldId) -> Vec<&Arc<RuleInfo>> {
        let slots = self.slots.fed_by(field);
        let reads = |rule: &&Compiled| slots.iter().any(|slot| rule.node.reads(*slot));
        let with_info = self.compiled.iter().zip(&self.infos);
        with_info.filter(|(rule, _)| reads(rule)).map(|(_, info)| info).collect()
    }

    /// Judge one event by every rule: the matches, in the order of the rules.
    pub fn judge(&self, event: &Event, out: &mut Vec<Match>) {
        Judge::new(self).judge(event, out);
    }

    /// The same without index and without our own evaluation, by the library alone: what the other is tested against.
    /// Empty unless loaded for comparison.
    pub fn judge_by_library(&self, event: &Event, out: &mut Vec<Match>) {
        let mut view = View::new(&self.slots);
        view.show(event);
        let kind = Kind::of(event);
        for (number, rule) in self.compiled.iter().enumerate() {
            let Some(library) = &rule.library else { continue };
            if rule.binding.fits(&kind) && evaluate_rule(library, &view).is_some() {
                out.push(self.matched(u32::try_from(number).unwrap_or(u32::MAX), rule, &view));
            }
        }
    }

    /// Does one rule's condition hold for the event that `view` shows, whatever its log source? For measuring.
    pub fn holds(&self, number: u32, view: &View<'_, '_>) -> bool {
        self.compiled.get(number as usize).is_some_and(|rule| rule.node.holds(view))
    }

    /// The whole numbers in the slot that rules ask for event codes.
    fn codes(&self, view: &View<'_, '_>, out: &mut Vec<u32>) {
        let Some(slot) = self.code_slot else { return };
        let mut add = |value: Value<'_>| {
            let number = match value {
                Value::Int(number) => number as f64,
                Value::Float(number) => number,
                Value::Str(text) => text.trim().parse().unwrap_or(f64::NAN),
                Value::Bool(_) | Value::Null => return,
            };
            // As near as the library takes for equal.
            let whole = number.round();
            if (number - whole).abs() < f64::EPSILON && (0.0..=f64::from(u32::MAX)).contains(&whole)
            {
                out.push(whole as u32);
            }
        };
        if view.many(slot) {
            view.all(slot).for_each(add);
        } else if let Some(value) = view.first(slot) {
            add(value);
        }
    }

    fn matched(&self, number: u32, rule: &Compiled, view: &View<'_, '_>) -> Match {
        let matched = if rule.alerts { explain::matched(&rule.node, view) } else { Vec::new() };
        Match { rule: number, alerts: rule.alerts, matched }
    }

    /// Sizes for `rules check`: buckets, and rules that no index narrows down.
    pub fn index_sizes(&self) -> (usize, usize) {
        let always = |bucket: &Bucket| {
            bucket.any_code.always() + bucket.by_code.values().map(Index::always).sum::<usize>()
        };
        (self.buckets.len(), self.buckets.iter().map(always).sum())
    }
}

/// Judges many events with the same scratch space.
pub struct Judge<'r, 'e> {
    rules: &'r RuleSet,
    view: View<'r, 'e>,
    channel: String,
    hits: Vec<u32>,
    /// The event's codes, as the rules read them: a record may have a field of that name itself, or several.
    codes: Vec<u32>,
}

impl<'r, 'e> Judge<'r, 'e> {
    /// A judge over `rules`.
    pub fn new(rules: &'r RuleSet) -> Judge<'r, 'e> {
        let view = View::new(&rules.slots);
        Judge { rules, view, channel: String::new(), hits: Vec::new(), codes: Vec::new() }
    }

    /// A judge that goes on with what another one of the same rules remembered.
    pub fn remembering(rules: &'r RuleSet, mut memo: Memo) -> Judge<'r, 'e> {
        memo.prepare();
        let mut judge = Judge::new(rules);
        judge.view.memo = memo;
        judge
    }

    /// What it remembers, for the next one.
    pub fn into_memo(self) -> Memo {
        self.view.memo
    }

    /// Judge one event: the matches, in the order of the rules, are added to `out`.
    pub fn judge(&mut self, event: &'e Event, out: &mut Vec<Match>) {
        let rules = self.rules;
        let kind = Kind::of(event);
        self.view.show(event);
        self.channel.clear();
        self.channel.push_str(kind.channel);
        self.channel.make_ascii_lowercase();
        let named = rules.by_channel.get(&self.channel).map(Vec::as_slice).unwrap_or_default();
        let data = rules.by_dataset.get(kind.dataset).map(Vec::as_slice).unwrap_or_default();
        self.hits.clear();
        self.codes.clear();
        rules.codes(&self.view, &mut self.codes);
        for place in named.iter().chain(data).chain(&rules.elsewhere) {
            let Some(bucket) = rules.buckets.get(*place as usize) else { continue };
            if !bucket.binding.fits(&kind) {
                continue;
            }
            let hits = &mut self.hits;
            bucket.any_code.candidates(&self.view, &mut |rule| hits.push(rule));
            for index in self.codes.iter().filter_map(|code| bucket.by_code.get(code)) {
                index.candidates(&self.view, &mut |rule| hits.push(rule));
            }
        }
        self.hits.sort_unstable();
        self.hits.dedup();
        for number in &self.hits {
            let Some(rule) = rules.compiled.get(*number as usize) else { continue };
            if rule.node.holds(&self.view) {
                out.push(rules.matched(*number, rule, &self.view));
            }
        }
    }

    /// The rules that were evaluated for the event judged last.
    pub fn evaluated(&self) -> &[u32] {
        &self.hits
    }

    /// The view of the event judged last.
    pub fn view(&self) -> &View<'r, 'e> {
        &self.view
    }
}
