//! What a rule wants, in words: its own values, not the form that the matchers work with.

use rsigma_parser::{DetectionItem, LogSource, Modifier, SigmaValue};

use crate::detect::logsource::{Kind, Product};
use crate::model::class::Class;
use crate::model::event::Event;
use crate::model::explanation::cut;
use crate::model::field;

/// Values of a list that are written out; the rest is counted.
const VALUES_SHOWN: usize = 4;
/// Characters of one value of a list.
const LIST_VALUE_CHARS: usize = 60;

/// `contains one of 3: "a", "b", "c"`.
pub fn wanted(item: &DetectionItem) -> String {
    let has = |modifier| item.field.has_modifier(modifier);
    if has(Modifier::Exists) {
        let wanted = !matches!(item.values.first(), Some(SigmaValue::Bool(false)));
        return if wanted { "is there" } else { "is not there" }.to_owned();
    }
    let mut test = test(item);
    let list = values(&item.values, has(Modifier::Re));
    if let [SigmaValue::Null] = item.values.as_slice() {
        return "is empty or not there".to_owned();
    }
    if has(Modifier::Neq) {
        test = format!("not: {test}");
    }
    match item.values.len() {
        1 => format!("{test} {list}"),
        count if has(Modifier::All) => format!("{test} all of {count}: {list}"),
        count => format!("{test} one of {count}: {list}"),
    }
}

/// The words for keywords.
pub fn keywords(list: &[SigmaValue]) -> String {
    let written = values(list, false);
    match list.len() {
        1 => format!("any text contains {written}"),
        count => format!("any text contains one of {count}: {written}"),
    }
}

fn values(list: &[SigmaValue], regex: bool) -> String {
    let mut words: Vec<String> =
        list.iter().take(VALUES_SHOWN).map(|value| one(value, regex)).collect();
    if list.len() > VALUES_SHOWN {
        words.push("…".to_owned());
    }
    words.join(", ")
}

fn one(value: &SigmaValue, regex: bool) -> String {
    match value {
        SigmaValue::String(text) => {
            let short = match text.original.char_indices().nth(LIST_VALUE_CHARS) {
                Some((at, _)) => format!("{}…", text.original.get(..at).unwrap_or_default()),
                None => text.original.clone(),
            };
            if regex { format!("/{short}/") } else { format!("\"{short}\"") }
        }
        other => other.to_string(),
    }
}

/// A value of a rule as it is written, cut.
pub fn value(value: &SigmaValue) -> String {
    cut(&value.to_string())
}

fn test(item: &DetectionItem) -> String {
    let mut encodings = Vec::new();
    let mut test = "is";
    let mut notes = Vec::new();
    for modifier in &item.field.modifiers {
        match modifier {
            Modifier::Contains => test = "contains",
            Modifier::StartsWith => test = "starts with",
            Modifier::EndsWith => test = "ends with",
            Modifier::Re => test = "matches",
            Modifier::Cidr => test = "is in",
            Modifier::Gt => test = "is above",
            Modifier::Gte => test = "is at least",
            Modifier::Lt => test = "is below",
            Modifier::Lte => test = "is at most",
            Modifier::FieldRef => test = "is the same as the field",
            Modifier::Base64 => encodings.push("in base64"),
            Modifier::Base64Offset => encodings.push("in base64 at any offset"),
            Modifier::Wide | Modifier::Utf16 => encodings.push("as UTF-16"),
            Modifier::Utf16be => encodings.push("as UTF-16 BE"),
            Modifier::WindAsh => notes.push("any dash"),
            Modifier::Cased => notes.push("case matters"),
            Modifier::Minute => encodings.push("minute"),
            Modifier::Hour => encodings.push("hour"),
            Modifier::Day => encodings.push("day"),
            Modifier::Week => encodings.push("week"),
            Modifier::Month => encodings.push("month"),
            Modifier::Year => encodings.push("year"),
            Modifier::All
            | Modifier::Exists
            | Modifier::Expand
            | Modifier::Neq
            | Modifier::IgnoreCase
            | Modifier::Multiline
            | Modifier::DotAll => {}
        }
    }
    let mut out = test.to_owned();
    for word in encodings {
        out = format!("{out} ({word})");
    }
    if !notes.is_empty() {
        out = format!("{out} ({})", notes.join(", "));
    }
    out
}

/// What a rule is for: `windows/process_creation`.
pub fn source(source: &LogSource) -> String {
    let parts = [&source.product, &source.category, &source.service];
    let words: Vec<&str> = parts.into_iter().filter_map(|part| part.as_deref()).collect();
    if words.is_empty() { "no log source".to_owned() } else { words.join("/") }
}

/// What an event is, in words like those of a log source: `windows/Security 4688 (process_start)`.
pub fn kind(kind: &Kind<'_>, event: &Event) -> String {
    let product = match kind.product {
        Some(Product::Windows) => "windows/",
        Some(Product::Linux) => "linux/",
        None => "",
    };
    let what = if !kind.channel.is_empty() {
        let code = kind.code.map(|code| format!(" {code}")).unwrap_or_default();
        format!("{}{code}", kind.channel)
    } else if kind.audit {
        "auditd".to_owned()
    } else if !kind.program.is_empty() {
        kind.program.to_owned()
    } else {
        let named = event.str(field::EVENT_DATASET).or(event.str(field::EVENT_PROVIDER));
        named.unwrap_or("unnamed").to_owned()
    };
    match kind.class {
        Class::Other => format!("{product}{what}"),
        class => format!("{product}{what} ({})", class.as_str()),
    }
}
