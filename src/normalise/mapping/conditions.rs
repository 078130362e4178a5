//! The parts of a mapping file that test facts: `[[json]]`, `[[when]]`, `[remember]`, `[header]`.

use crate::model::field::FieldId;
use crate::normalise::mapping::compile::{Vars, names, pattern, substitute, then};
use crate::normalise::mapping::rules::{Header, Matcher, Pattern, Remember, Then, When};
use crate::normalise::mapping::written::{File, Item, Keys, texts};

pub(super) fn whens(keys: &mut Keys<'_, '_>, vars: &Vars, file: &mut File<'_>) -> Vec<When> {
    let mut list = Vec::new();
    for mut table in keys.tables("when", file) {
        let then = then(&mut table, file);
        let part = |found: Option<Keys<'_, '_>>, file: &mut File<'_>| {
            found.map(|keys| matchers(&keys, vars, file)).unwrap_or_default()
        };
        let all = table.table("if", file);
        let all = part(all, file);
        let any = table.table("any", file);
        let any = part(any, file);
        if all.is_empty() && any.is_empty() {
            file.complain(table.at(), &table.path("if"), "a condition is missing".to_owned());
        }
        list.push(When { all, any, then });
        table.finish(file);
    }
    list
}

pub(super) fn matchers(
    keys: &Keys<'_, '_>,
    vars: &Vars,
    file: &mut File<'_>,
) -> Vec<(FieldId, Matcher)> {
    let mut list = Vec::new();
    for (name, item) in keys.all() {
        let path = keys.path(name);
        if let (Some(field), Some(matcher)) =
            (FieldId::intern(name), matcher(item, &path, vars, file))
        {
            list.push((field, matcher));
        }
    }
    list
}

fn matcher(item: Item<'_, '_>, path: &str, vars: &Vars, file: &mut File<'_>) -> Option<Matcher> {
    let words = |list: Vec<&str>| list.into_iter().map(Box::from).collect::<Vec<Box<str>>>();
    if let Some(truth) = item.value.as_bool() {
        return Some(Matcher::Equals(vec![if truth { "true" } else { "false" }.into()]));
    }
    if let Some(number) = item.value.as_integer() {
        return Some(Matcher::Equals(vec![number.as_str().into()]));
    }
    let Some(table) = item.value.as_table() else {
        return Some(Matcher::Equals(words(texts(item, path, file))));
    };
    let mut keys = Keys::new(table, item.at, path);
    let found = if let Some(inner) = keys.item("not") {
        matcher(inner, &keys.path("not"), vars, file).map(|inner| Matcher::Not(Box::new(inner)))
    } else if let Some(source) = keys.text("regex", file) {
        let line = file.line(item.at);
        let pattern = Pattern::new(substitute(source, vars), Then::default(), false, line);
        Some(Matcher::Regex(Box::new(pattern)))
    } else if let Some(exists) = keys.item("exists") {
        exists.value.as_bool().map(Matcher::Exists)
    } else if let Some(limit) = keys.item("at_least").and_then(number_of) {
        Some(Matcher::AtLeast(limit))
    } else if let Some(limit) = keys.item("below").and_then(number_of) {
        Some(Matcher::Below(limit))
    } else {
        let (prefix, suffix) = (keys.texts("prefix", file), keys.texts("suffix", file));
        let contains = keys.texts("contains", file);
        match (prefix.is_empty(), suffix.is_empty(), contains.is_empty()) {
            (false, true, true) => Some(Matcher::Prefix(words(prefix))),
            (true, false, true) => Some(Matcher::Suffix(words(suffix))),
            (true, true, false) => Some(Matcher::Contains(words(contains))),
            _ => None,
        }
    };
    if found.is_none() {
        let kinds = "expected one of prefix, suffix, contains, regex, exists, at_least, below, not";
        file.complain(item.at, path, kinds.to_owned());
    }
    keys.finish(file);
    found
}

pub(super) fn remember(
    keys: &mut Keys<'_, '_>,
    vars: &Vars,
    file: &mut File<'_>,
) -> Option<Remember> {
    let mut table = keys.table("remember", file)?;
    let key = names(&table.texts("key", file));
    let mut part = |name: &'static str, file: &mut File<'_>| {
        let found = table.table(name, file);
        let list = found.map(|keys| matchers(&keys, vars, file)).unwrap_or_default();
        if list.is_empty() {
            file.complain(table.at(), &table.path(name), "a condition is missing".to_owned());
        }
        list
    };
    let keep = part("keep", file);
    let take = part("take", file);
    if key.is_empty() {
        file.complain(table.at(), &table.path("key"), "names of facts are missing".to_owned());
    }
    table.finish(file);
    Some(Remember { key, keep, take })
}

pub(super) fn header(keys: &mut Keys<'_, '_>, vars: &Vars, file: &mut File<'_>) -> Option<Header> {
    let mut table = keys.table("header", file)?;
    let between = table.text("between", file).and_then(|text| text.chars().next()).unwrap_or(' ');
    let pattern = pattern(&mut table, vars, file);
    table.finish(file);
    let pattern = pattern?;
    if !pattern.source.contains("(?<columns>") && !pattern.source.contains("(?P<columns>") {
        file.complain(keys.at(), "header.match", "the capture `columns` is missing".to_owned());
    }
    Some(Header { pattern, between })
}

pub(super) fn number_of(item: Item<'_, '_>) -> Option<f64> {
    let text = item
        .value
        .as_integer()
        .map(|number| number.as_str())
        .or_else(|| item.value.as_float().map(|number| number.as_str()))?;
    text.replace('_', "").parse().ok()
}
