//! A rule ready to be explained: its condition tree in the rule's own words, every test compiled for itself.
//!
//! Tests are compiled by the same two steps as the rules that run (the library's compiler, then [`tree`]), so that an
//! explanation cannot drift from the judgement. That it never does is tested on the regression logs.

use std::collections::HashMap;

use rsigma_parser::{
    ConditionExpr, Detection, DetectionItem, Detections, Modifier, Quantifier, SigmaRule,
    SigmaValue,
};

use crate::detect::explain::words;
use crate::detect::library;
use crate::detect::logsource::Binding;
use crate::detect::rewrite;
use crate::detect::tree::{self, Node};
use crate::detect::view::SlotTable;

/// Values of one rule that are compiled each for itself, to name the one that fits. The longest lists of the public
/// packs have a few hundred; beyond this the test still runs, only without a name for the value.
const SINGLE_VALUES_MAX: usize = 2_000;

/// A rule that can be explained.
#[derive(Debug)]
pub struct Plan {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The log source in words.
    pub(super) source: String,
    /// Which events it looks at; `None`: none that we read.
    pub(super) binding: Option<Binding>,
    pub(super) slots: SlotTable,
    pub(super) root: Part,
}

/// A rule cannot be explained because it cannot run.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The library refuses it.
    #[error("the rule does not run: {0}")]
    Compile(#[from] rsigma_eval::EvalError),
    /// Its condition names what is no detection.
    #[error("the rule does not run: the condition names {0}, which is no detection of the rule")]
    Missing(String),
    /// Too many field names.
    #[error("the rule names more than 65,535 different fields")]
    Fields,
}

/// A node of the condition.
#[derive(Debug)]
pub(super) enum Part {
    /// At least so many of these; `None`: all.
    Group { words: String, least: Option<u64>, parts: Vec<Part> },
    /// Not this.
    Not(Box<Part>),
    /// A detection by its name.
    Named(String, Box<Part>),
    /// A test.
    Leaf(Box<Leaf>),
}

/// One test.
#[derive(Debug)]
pub(super) struct Leaf {
    pub form: Form,
    pub wanted: String,
    pub node: Node,
    /// Every value for itself, with how the rule writes it.
    pub single: Vec<(String, Node)>,
    /// All values are wanted, not one of them.
    pub all: bool,
}

/// What a test looks at.
#[derive(Debug)]
pub(super) enum Form {
    Field(String),
    Keyword,
    Array(String),
}

impl Plan {
    /// Prepare a rule (with its filters joined).
    ///
    /// # Errors
    /// The rule as a whole does not run, whatever its parts would say.
    pub fn new(rule: &SigmaRule, id: String) -> Result<Plan, PlanError> {
        if let Some(name) = library::missing_detection(&rule.detection) {
            return Err(PlanError::Missing(name));
        }
        rewrite::compile(rule)?;
        let binding = Binding::of(&rule.logsource);
        let mut slots = SlotTable::default();
        slots.enter(binding.as_ref().map(Binding::namespaces).unwrap_or_default());
        let mut builder = Builder { shell: shell(rule), slots, singles: SINGLE_VALUES_MAX };
        let named = &rule.detection.named;
        let mut parts = Vec::new();
        for condition in &rule.detection.conditions {
            parts.push(builder.expression(condition, named)?);
        }
        let root = one_or("any of", Some(1), parts);
        Ok(Plan {
            id,
            title: rule.title.clone(),
            source: words::source(&rule.logsource),
            binding,
            slots: builder.slots,
            root,
        })
    }
}

fn one_or(words: &str, least: Option<u64>, mut parts: Vec<Part>) -> Part {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            Part::Group { words: words.to_owned(), least, parts }
        }
    }
}

/// The rule without its detections.
fn shell(rule: &SigmaRule) -> SigmaRule {
    let mut shell = rule.clone();
    shell.detection = Detections {
        named: HashMap::new(),
        conditions: vec![ConditionExpr::Identifier(ONLY.to_owned())],
        condition_strings: vec![ONLY.to_owned()],
        timeframe: None,
    };
    shell
}

const ONLY: &str = "only";

struct Builder {
    shell: SigmaRule,
    slots: SlotTable,
    singles: usize,
}

impl Builder {
    fn expression(
        &mut self,
        condition: &ConditionExpr,
        named: &HashMap<String, Detection>,
    ) -> Result<Part, PlanError> {
        let part = match condition {
            ConditionExpr::And(inner) => Part::Group {
                words: "all of".to_owned(),
                least: None,
                parts: self.expressions(inner, named)?,
            },
            ConditionExpr::Or(inner) => Part::Group {
                words: "any of".to_owned(),
                least: Some(1),
                parts: self.expressions(inner, named)?,
            },
            ConditionExpr::Not(inner) => Part::Not(Box::new(self.expression(inner, named)?)),
            ConditionExpr::Identifier(name) => match named.get(name) {
                Some(found) => self.named(name, found)?,
                None => nothing(name),
            },
            ConditionExpr::Selector { quantifier, pattern } => {
                let mut chosen: Vec<_> =
                    named.iter().filter(|(name, _)| pattern.matches_detection_name(name)).collect();
                chosen.sort_by_key(|(name, _)| name.as_str());
                let mut parts = Vec::new();
                for (name, found) in chosen {
                    parts.push(self.named(name, found)?);
                }
                let least = match quantifier {
                    Quantifier::Any => Some(1),
                    Quantifier::All => None,
                    Quantifier::Count(count) => Some(*count),
                };
                Part::Group { words: format!("{quantifier} of {pattern}"), least, parts }
            }
        };
        Ok(part)
    }

    fn expressions(
        &mut self,
        inner: &[ConditionExpr],
        named: &HashMap<String, Detection>,
    ) -> Result<Vec<Part>, PlanError> {
        inner.iter().map(|inner| self.expression(inner, named)).collect()
    }

    fn named(&mut self, name: &str, found: &Detection) -> Result<Part, PlanError> {
        Ok(Part::Named(name.to_owned(), Box::new(self.detection(found)?)))
    }

    fn detection(&mut self, found: &Detection) -> Result<Part, PlanError> {
        Ok(match found {
            Detection::AllOf(items) => {
                let parts: Result<_, _> = items.iter().map(|item| self.item(item)).collect();
                one_or("all of", None, parts?)
            }
            Detection::AnyOf(inner) => {
                let parts: Result<_, _> = inner.iter().map(|inner| self.detection(inner)).collect();
                one_or("any of", Some(1), parts?)
            }
            Detection::And(inner) => {
                let parts: Result<_, _> = inner.iter().map(|inner| self.detection(inner)).collect();
                one_or("all of", None, parts?)
            }
            Detection::Keywords(list) => {
                let single = self.singles(list, |value| Detection::Keywords(vec![value]));
                self.leaf(found, Form::Keyword, words::keywords(list), single, false)?
            }
            Detection::ArrayMatch { field, quantifier, .. } => {
                let wanted = format!("{quantifier} of its members fit the rule");
                self.leaf(found, Form::Array(field.clone()), wanted, Vec::new(), false)?
            }
            Detection::Conditional { .. } => {
                let wanted = "a condition over the members of a list".to_owned();
                self.leaf(found, Form::Array(String::new()), wanted, Vec::new(), false)?
            }
        })
    }

    fn item(&mut self, item: &DetectionItem) -> Result<Part, PlanError> {
        let all = item.field.has_modifier(Modifier::All);
        let mut field = item.field.clone();
        field.modifiers.retain(|modifier| *modifier != Modifier::All);
        let single = self.singles(&item.values, |value| {
            let item = DetectionItem { field: field.clone(), values: vec![value] };
            Detection::AllOf(vec![item])
        });
        let form = match &item.field.name {
            Some(name) => Form::Field(name.clone()),
            None => Form::Keyword,
        };
        let detection = Detection::AllOf(vec![item.clone()]);
        self.leaf(&detection, form, words::wanted(item), single, all)
    }

    fn leaf(
        &mut self,
        detection: &Detection,
        form: Form,
        wanted: String,
        single: Vec<(String, Node)>,
        all: bool,
    ) -> Result<Part, PlanError> {
        let node = self.compile(detection.clone())?;
        Ok(Part::Leaf(Box::new(Leaf { form, wanted, node, single, all })))
    }

    /// Every value of a list for itself. A value that does not compile alone is left without a name.
    fn singles(
        &mut self,
        values: &[SigmaValue],
        detection: impl Fn(SigmaValue) -> Detection,
    ) -> Vec<(String, Node)> {
        if values.len() < 2 || values.len() > self.singles {
            return Vec::new();
        }
        self.singles -= values.len();
        let mut out = Vec::with_capacity(values.len());
        for value in values {
            if let Ok(node) = self.compile(detection(value.clone())) {
                out.push((words::value(value), node));
            }
        }
        out
    }

    fn compile(&mut self, detection: Detection) -> Result<Node, PlanError> {
        self.shell.detection.named.clear();
        self.shell.detection.named.insert(ONLY.to_owned(), detection);
        let compiled = rewrite::compile(&self.shell)?;
        tree::compile(&compiled, &mut self.slots).ok_or(PlanError::Fields)
    }
}

/// A name that is no detection of the rule: it never holds.
fn nothing(name: &str) -> Part {
    Part::Group { words: format!("{name} (no such detection)"), least: Some(1), parts: Vec::new() }
}
