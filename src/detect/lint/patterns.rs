//! Values and regexes that match too much, too little, or cost too much.

use regex_syntax::hir::{Hir, HirKind};
use rsigma_parser::{DetectionItem, Modifier, SigmaString, SigmaValue, SpecialChar, StringPart};

use crate::detect::lint::Weight;

/// Texts that stand in most values, so that a search for one of them says little.
const COMMON: [&str; 16] = [
    "exe",
    ".exe",
    "cmd",
    "http",
    "https",
    "www",
    "com",
    ".com",
    "windows",
    "system32",
    "c:\\",
    "program files",
    "users",
    "bin",
    "/bin/",
    "/usr/",
];
/// Text shorter than this stands in nearly every value.
const SHORT_TEXT: usize = 3;
/// A regex longer than this cannot be reviewed.
const REGEX_CHARS_MAX: usize = 512;
/// A counted repetition above this makes a big automaton.
const REPEAT_MAX: u32 = 250;

/// What is said of one value: id, weight, sentence.
pub(super) type Said = (&'static str, Weight, String);

/// Does a test hold for every value of its field?
pub(super) fn matches_all(item: &DetectionItem, value: &SigmaValue) -> bool {
    let SigmaValue::String(text) = value else { return false };
    let has = |modifier| item.field.has_modifier(modifier);
    if has(Modifier::Re) {
        return matches!(text.original.as_str(), ".*" | "^.*$" | ".*?" | "");
    }
    let part = has(Modifier::Contains) || has(Modifier::StartsWith) || has(Modifier::EndsWith);
    let only_stars =
        text.parts.iter().all(|part| *part == StringPart::Special(SpecialChar::WildcardMulti));
    only_stars && (part || !text.parts.is_empty())
}

/// Everything about the values of one test; `alone` when its selection has no other test.
pub(super) fn values(item: &DetectionItem, alone: bool) -> Vec<(Said, String)> {
    let has = |modifier| item.field.has_modifier(modifier);
    let mut out = Vec::new();
    for value in &item.values {
        let SigmaValue::String(text) = value else { continue };
        let found =
            if has(Modifier::Re) { regex(&text.original) } else { text_value(item, text, alone) };
        out.extend(found.into_iter().map(|said| (said, text.original.clone())));
    }
    out
}

fn text_value(item: &DetectionItem, text: &SigmaString, alone: bool) -> Vec<Said> {
    let mut out = Vec::new();
    let star =
        |part: Option<&StringPart>| part == Some(&StringPart::Special(SpecialChar::WildcardMulti));
    let both_ends = star(text.parts.first()) && star(text.parts.last()) && text.parts.len() > 1;
    let contains = item.field.has_modifier(Modifier::Contains);
    let plain: String = text
        .parts
        .iter()
        .filter_map(|part| match part {
            StringPart::Plain(text) => Some(text.as_str()),
            StringPart::Special(_) => None,
        })
        .collect();
    let lower = plain.to_lowercase();
    if (contains || both_ends) && !lower.is_empty() {
        let short = lower.chars().count() < SHORT_TEXT;
        if alone && (short || COMMON.contains(&lower.as_str())) {
            let text =
                format!("\"{plain}\" stands in most values, and the selection has no other test");
            out.push(("wildcard_common", Weight::Warning, text));
        } else if short {
            let text = format!("\"{plain}\" is short; many values contain it by chance");
            out.push(("wildcard_short", Weight::Hint, text));
        }
    }
    if both_ends && text.parts.len() == 3 && item.field.name.is_some() && !contains {
        let text = "written with * at both ends; |contains says the same more clearly".to_owned();
        out.push(("wildcard_contains", Weight::Hint, text));
    }
    out
}

/// Everything about one regex.
pub(super) fn regex(text: &str) -> Vec<Said> {
    let mut out = Vec::new();
    if text.chars().count() > REGEX_CHARS_MAX {
        let said = format!("the regex has more than {REGEX_CHARS_MAX} characters; split it");
        out.push(("regex_long", Weight::Warning, said));
    }
    let hir = match regex_syntax::parse(text) {
        Ok(hir) => hir,
        Err(error) => {
            let said = format!("the regex cannot be read: {}", one_line(&error.to_string()));
            out.push(("regex_broken", Weight::Error, said));
            return out;
        }
    };
    let mut shape = Shape::default();
    shape.walk(&hir);
    if shape.nested {
        let said = "a repetition in a repetition: slow here, and exponential in engines that \
                    backtrack";
        out.push(("regex_nested", Weight::Warning, said.to_owned()));
    }
    if shape.repeat > REPEAT_MAX {
        let said = format!("repeats something {} times; the automaton gets big", shape.repeat);
        out.push(("regex_repeat", Weight::Warning, said));
    }
    let leading = text.trim_start_matches('^').starts_with(".*");
    let trailing = text.ends_with(".*") && !text.ends_with("\\.*");
    if leading || (trailing && !text.contains('$')) {
        let said = ".* at an end matches nothing more: a regex is searched anywhere in the value";
        out.push(("regex_dot_star", Weight::Hint, said.to_owned()));
    }
    out
}

fn one_line(text: &str) -> String {
    text.lines().last().unwrap_or_default().trim().to_owned()
}

#[derive(Default)]
struct Shape {
    nested: bool,
    repeat: u32,
}

impl Shape {
    fn walk(&mut self, hir: &Hir) {
        match hir.kind() {
            HirKind::Repetition(repetition) => {
                self.nested |= repetition.max.is_none() && splits(&repetition.sub);
                self.repeat = self.repeat.max(repetition.max.unwrap_or(repetition.min));
                self.walk(&repetition.sub);
            }
            HirKind::Capture(capture) => self.walk(&capture.sub),
            HirKind::Concat(inner) | HirKind::Alternation(inner) => {
                inner.iter().for_each(|one| self.walk(one));
            }
            HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => {}
        }
    }
}

/// Can a text of this be cut into several of it in more than one way? Then a repetition of it is ambiguous.
fn splits(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Repetition(repetition) => repetition.max.is_none(),
        HirKind::Capture(capture) => splits(&capture.sub),
        HirKind::Alternation(inner) => inner.iter().any(splits),
        HirKind::Concat(inner) => {
            let rest_may_be_empty = || {
                let fixed = inner.iter().filter(|one| !splits(one));
                fixed.into_iter().all(|one| one.properties().minimum_len() == Some(0))
            };
            inner.iter().any(splits) && (rest_may_be_empty() || inner.iter().any(is_any))
        }
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => false,
    }
}

/// `.*`: whatever stands beside it, it can take that too.
fn is_any(hir: &Hir) -> bool {
    let dot = |hir: &Hir| *hir == Hir::dot(regex_syntax::hir::Dot::AnyCharExceptLF);
    matches!(hir.kind(), HirKind::Repetition(one) if one.max.is_none() && dot(&one.sub))
}
