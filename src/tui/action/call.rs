//! One call of an action: its id and checked arguments, read from keymap values and from the command line.

use std::fmt;

use crate::tui::action::{ActionId, ActionSpec, Kind, by_name, nearest};

/// An action with arguments that the registry has checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionCall {
    /// Which action.
    pub id: ActionId,
    /// Its arguments by parameter name, in the order of the registry.
    args: Vec<(&'static str, String)>,
}

/// Why a call cannot be read. The message names the word and the nearest right one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CallError {
    message: String,
}

impl ActionCall {
    /// A call without arguments.
    pub fn new(id: ActionId) -> ActionCall {
        ActionCall { id, args: Vec::new() }
    }

    /// The same call with one more argument. Unknown parameters and wrong values are left out.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> ActionCall {
        if let Some(param) = self.id.spec().params.iter().find(|param| param.name == name)
            && check_value(param.kind, value).is_ok()
        {
            self.args.retain(|(known, _)| *known != param.name);
            self.args.push((param.name, value.to_owned()));
        }
        self
    }

    /// Read `alert.snooze for=4h`. A value with spaces stands in double quotes; the first word without `=` fills
    /// the first parameter that is still empty, and a last text parameter takes the rest of the line.
    pub fn parse(text: &str) -> Result<ActionCall, CallError> {
        let words = split_words(text);
        let Some((name, rest)) = words.split_first() else {
            return Err(error("nothing to do: name an action".to_owned()));
        };
        let Some(spec) = by_name(name) else {
            return Err(error(match nearest(name).first() {
                Some(near) => format!("unknown action {name}: did you mean {near}?"),
                None => format!("unknown action {name}: `watchfloor keymap list` shows them"),
            }));
        };
        let mut call = ActionCall::new(spec.id);
        for word in rest {
            call.argument(spec, word)?;
        }
        let missing = spec.params.iter().find(|p| p.required && call.text(p.name).is_none());
        match missing {
            Some(param) => Err(error(format!("{} needs {}={}", spec.name, param.name, param.kind))),
            None => Ok(call),
        }
    }

    /// An argument as it was written.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.args.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// A number argument.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// A duration argument in seconds.
    pub fn duration_s(&self, name: &str) -> Option<i64> {
        duration_s(self.text(name)?)
    }

    /// The call's title for menus, hints and the palette: the action's title and what distinguishes this call.
    pub fn title(&self) -> String {
        let spec = self.id.spec();
        if self.args.is_empty() {
            return spec.title.to_owned();
        }
        let values: Vec<String> =
            self.args.iter().map(|(_, value)| value.replace('_', " ")).collect();
        format!("{}: {}", spec.title, values.join(" "))
    }

    fn argument(&mut self, spec: &'static ActionSpec, word: &str) -> Result<(), CallError> {
        let named = word.split_once('=').and_then(|(name, value)| {
            spec.params.iter().find(|param| param.name == name).map(|param| (param, value))
        });
        let empty = || spec.params.iter().find(|param| self.text(param.name).is_none());
        let (param, value) = match named {
            Some(found) => found,
            None => match (empty(), spec.params.last()) {
                (Some(param), _) => (param, word),
                (None, Some(last)) if last.kind == Kind::Text => {
                    self.extend_last(last.name, word);
                    return Ok(());
                }
                _ => return Err(error(format!("{} does not take {word}", spec.name))),
            },
        };
        check_value(param.kind, value)
            .map_err(|reason| error(format!("{} {}: {reason}", spec.name, param.name)))?;
        self.args.retain(|(known, _)| *known != param.name);
        self.args.push((param.name, value.to_owned()));
        Ok(())
    }

    fn extend_last(&mut self, name: &str, word: &str) {
        if let Some((_, value)) = self.args.iter_mut().find(|(known, _)| *known == name) {
            value.push(' ');
            value.push_str(word);
        }
    }
}

impl fmt::Display for ActionCall {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.id.spec().name)?;
        for (name, value) in &self.args {
            if value.contains([' ', '"']) || value.is_empty() {
                write!(out, " {name}=\"{}\"", value.replace('"', "'"))?;
            } else {
                write!(out, " {name}={value}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Word(words) => out.write_str(&words.join("|")),
            Kind::Number => out.write_str("NUMBER"),
            Kind::Duration => out.write_str("DURATION"),
            Kind::Text => out.write_str("TEXT"),
        }
    }
}

/// Seconds of `90s`, `30m`, `4h`, `7d`.
pub fn duration_s(text: &str) -> Option<i64> {
    let unit = text.chars().last()?;
    let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).filter(|seconds| *seconds > 0)
}

fn check_value(kind: Kind, value: &str) -> Result<(), CallError> {
    let good = match kind {
        Kind::Word(words) => words.contains(&value),
        Kind::Number => value.parse::<u64>().is_ok(),
        Kind::Duration => duration_s(value).is_some(),
        Kind::Text => true,
    };
    if good {
        return Ok(());
    }
    if let Kind::Word(words) = kind
        && let Some(near) = words.iter().find(|word| strsim::damerau_levenshtein(value, word) <= 3)
    {
        return Err(error(format!("{value} is not one of {kind}: did you mean {near}?")));
    }
    Err(error(format!("{value} is not {kind}")))
}

fn error(message: String) -> CallError {
    CallError { message }
}

/// Words separated by spaces; double quotes keep spaces.
fn split_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    let mut started = false;
    for character in text.chars() {
        match character {
            '"' => {
                quoted = !quoted;
                started = true;
            }
            _ if character.is_whitespace() && !quoted => {
                if started {
                    words.push(std::mem::take(&mut word));
                }
                started = false;
            }
            _ => {
                word.push(character);
                started = true;
            }
        }
    }
    if started {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn calls_are_read_and_checked() {
        let call = ActionCall::parse("alert.snooze for=4h").unwrap();
        assert_eq!((call.id, call.duration_s("for")), (ActionId::AlertSnooze, Some(14_400)));
        assert_eq!(call.to_string(), "alert.snooze for=4h");
        let error = ActionCall::parse("alert.verdict kind=false_positve").unwrap_err();
        assert!(error.to_string().contains("did you mean false_positive?"), "{error}");
        let error = ActionCall::parse("alert.verdit").unwrap_err();
        assert_eq!(error.to_string(), "unknown action alert.verdit: did you mean alert.verdict?");
        assert!(ActionCall::parse("alert.verdict").is_err());
        assert!(ActionCall::parse("cursor.next 3").is_err());
        let call = ActionCall::parse("filter.add host:a sev>=high").unwrap();
        assert_eq!(call.text("text"), Some("host:a sev>=high"));
    }

    proptest! {
        #[test]
        fn reading_never_panics_and_prints_back(text in "\\PC{0,60}") {
            if let Ok(call) = ActionCall::parse(&text) {
                prop_assert_eq!(ActionCall::parse(&call.to_string()).map(|c| c.id), Ok(call.id));
            }
        }
    }
}
