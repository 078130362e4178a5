//! What a text of a rule looks for, where the library looks for something else.
//!
//! - `startswith` and `endswith` of a text with wildcards hold at the beginning and at the end.
//! - `windash` stands for every dash, whichever of them the rule writes, and leaves wildcards what they are.
//! - `base64offset` keeps only those letters that nothing around the text can change.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use rsigma_eval::EvalError;
use rsigma_eval::compiler::optimizer::optimize_any_of;
use rsigma_eval::matcher::CompiledMatcher;
use rsigma_parser::value::{SpecialChar, StringPart};
use rsigma_parser::{DetectionItem, Modifier, SigmaValue};

/// What may stand for a dash.
const DASHES: [char; 5] = ['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'];
/// The same in an expression.
const DASH: &str = "[-/\u{2013}\u{2014}\u{2015}]";
/// Texts with more dashes become an expression, which the index cannot use, and not five to the power of that many
/// texts. The public rules have two at most.
const DASHES_WRITTEN_OUT: usize = 3;
/// The same for texts that are encoded, of which no expression can be made.
const DASHES_ENCODED: usize = 6;

/// Where a text must stand in the value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Whole,
    Anywhere,
    Start,
    End,
}

/// Is the test of an item compiled here and not by the library?
pub fn is_ours(item: &DetectionItem) -> bool {
    use Modifier::{Cidr, Exists, Expand, FieldRef, Gt, Gte, Lt, Lte, Re};
    use Modifier::{Day, Hour, Minute, Month, Week, Year};
    let has = |modifier: &Modifier| item.field.has_modifier(*modifier);
    let no_text = [Cidr, Exists, Expand, FieldRef, Gt, Gte, Lt, Lte, Re];
    if no_text.iter().chain(&[Day, Hour, Minute, Month, Week, Year]).any(has) {
        return false;
    }
    let placed = has(&Modifier::StartsWith) || has(&Modifier::EndsWith);
    has(&Modifier::WindAsh)
        || has(&Modifier::Base64Offset)
        || (placed && !has(&Modifier::Base64) && item.values.iter().any(is_wild))
}

fn is_wild(value: &SigmaValue) -> bool {
    matches!(value, SigmaValue::String(text) if text.contains_wildcards())
}

/// The test of an item of ours.
///
/// # Errors
/// A text that has too many forms.
pub fn compile(item: &DetectionItem) -> Result<CompiledMatcher, EvalError> {
    let form = Form::of(item);
    let all = item.field.has_modifier(Modifier::All);
    let mut tests = Vec::new();
    for value in &item.values {
        let forms = form.tests(value)?;
        if all {
            tests.push(optimize_any_of(forms));
        } else {
            tests.extend(forms);
        }
    }
    let whole = if all { CompiledMatcher::AllOf(tests) } else { optimize_any_of(tests) };
    let differs = item.field.has_modifier(Modifier::Neq);
    Ok(if differs { CompiledMatcher::Not(Box::new(whole)) } else { whole })
}

/// How the texts of an item are read.
struct Form<'i> {
    item: &'i DetectionItem,
    place: Place,
    cased: bool,
    dashes: bool,
}

impl Form<'_> {
    fn of(item: &DetectionItem) -> Form<'_> {
        let has = |modifier| item.field.has_modifier(modifier);
        let place = if has(Modifier::Contains) || has(Modifier::Base64Offset) {
            Place::Anywhere
        } else if has(Modifier::StartsWith) {
            Place::Start
        } else if has(Modifier::EndsWith) {
            Place::End
        } else {
            Place::Whole
        };
        Form { item, place, cased: has(Modifier::Cased), dashes: has(Modifier::WindAsh) }
    }

    /// Tests of which one must hold for the value to be found.
    fn tests(&self, value: &SigmaValue) -> Result<Vec<CompiledMatcher>, EvalError> {
        let (parts, written) = match value {
            SigmaValue::String(text) => (text.parts.clone(), text.original.clone()),
            SigmaValue::Integer(number) if self.place == Place::Whole => {
                return Ok(vec![CompiledMatcher::NumericEq(*number as f64)]);
            }
            SigmaValue::Float(number) if self.place == Place::Whole => {
                return Ok(vec![CompiledMatcher::NumericEq(*number)]);
            }
            SigmaValue::Integer(_) | SigmaValue::Float(_) => {
                let text = value.to_string();
                (vec![StringPart::Plain(text.clone())], text)
            }
            SigmaValue::Bool(truth) => return Ok(vec![CompiledMatcher::BoolEq(*truth)]),
            SigmaValue::Null => return Ok(vec![CompiledMatcher::Null]),
        };
        let parts = self.without_needless_stars(parts);
        let plain = plain(&parts);
        if self.is_encoded() {
            return self.encoded(&plain.unwrap_or(written));
        }
        match plain {
            Some(text) if !self.dashes => Ok(vec![self.literal(&text)]),
            Some(text) if dashes_in(&text) <= DASHES_WRITTEN_OUT => {
                Ok(with_every_dash(&text).iter().map(|text| self.literal(text)).collect())
            }
            _ => Ok(vec![self.expression(&parts)?]),
        }
    }

    fn is_encoded(&self) -> bool {
        let has = |modifier| self.item.field.has_modifier(modifier);
        has(Modifier::Base64) || has(Modifier::Base64Offset)
    }

    /// A star at an end that is open anyway says nothing.
    fn without_needless_stars(&self, mut parts: Vec<StringPart>) -> Vec<StringPart> {
        let star = |part: Option<&StringPart>| {
            matches!(part, Some(StringPart::Special(SpecialChar::WildcardMulti)))
        };
        if self.is_encoded() {
            return parts;
        }
        while matches!(self.place, Place::Start | Place::Anywhere) && star(parts.last()) {
            parts.pop();
        }
        if matches!(self.place, Place::End | Place::Anywhere) {
            let stars = parts.iter().take_while(|part| star(Some(part))).count();
            parts.drain(..stars);
        }
        parts
    }

    fn literal(&self, text: &str) -> CompiledMatcher {
        let case_insensitive = !self.cased;
        let value = if self.cased { text.to_owned() } else { text.to_lowercase() };
        match self.place {
            Place::Whole => CompiledMatcher::Exact { value, case_insensitive },
            Place::Anywhere => CompiledMatcher::Contains { value, case_insensitive },
            Place::Start => CompiledMatcher::StartsWith { value, case_insensitive },
            Place::End => CompiledMatcher::EndsWith { value, case_insensitive },
        }
    }

    fn expression(&self, parts: &[StringPart]) -> Result<CompiledMatcher, EvalError> {
        let mut out = String::from(if self.cased { "(?s)" } else { "(?is)" });
        if matches!(self.place, Place::Whole | Place::Start) {
            out.push('^');
        }
        for part in parts {
            match part {
                StringPart::Plain(text) => text.chars().for_each(|letter| {
                    if self.dashes && DASHES.contains(&letter) {
                        out.push_str(DASH);
                    } else {
                        out.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4])));
                    }
                }),
                StringPart::Special(SpecialChar::WildcardMulti) => out.push_str(".*"),
                StringPart::Special(SpecialChar::WildcardSingle) => out.push('.'),
            }
        }
        if matches!(self.place, Place::Whole | Place::End) {
            out.push('$');
        }
        Ok(CompiledMatcher::Regex(Regex::new(&out)?))
    }

    fn encoded(&self, text: &str) -> Result<Vec<CompiledMatcher>, EvalError> {
        let texts = if !self.dashes {
            vec![text.to_owned()]
        } else if dashes_in(text) <= DASHES_ENCODED {
            with_every_dash(text)
        } else {
            let reason = format!("windash: more than {DASHES_ENCODED} dashes in a text to encode");
            return Err(EvalError::InvalidModifiers(reason));
        };
        let mut out = Vec::new();
        for text in texts {
            let bytes = self.bytes(&text);
            if self.item.field.has_modifier(Modifier::Base64Offset) {
                out.extend(at_every_offset(&bytes).iter().map(|text| self.literal(text)));
            } else {
                out.push(self.literal(&STANDARD.encode(&bytes)));
            }
        }
        Ok(out)
    }

    fn bytes(&self, text: &str) -> Vec<u8> {
        let has = |modifier| self.item.field.has_modifier(modifier);
        let little = || text.encode_utf16().flat_map(u16::to_le_bytes);
        if has(Modifier::Wide) {
            little().collect()
        } else if has(Modifier::Utf16) {
            [0xff, 0xfe].into_iter().chain(little()).collect()
        } else if has(Modifier::Utf16be) {
            text.encode_utf16().flat_map(u16::to_be_bytes).collect()
        } else {
            text.as_bytes().to_vec()
        }
    }
}

/// The text, if it has no wildcard.
fn plain(parts: &[StringPart]) -> Option<String> {
    let text = |part: &StringPart| match part {
        StringPart::Plain(text) => Some(text.clone()),
        StringPart::Special(_) => None,
    };
    parts.iter().map(text).collect()
}

fn dashes_in(text: &str) -> usize {
    text.chars().filter(|letter| DASHES.contains(letter)).count()
}

/// The text with each dash as each of them.
fn with_every_dash(text: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    for letter in text.chars() {
        if DASHES.contains(&letter) {
            let longer = |start: &String| DASHES.map(|dash| format!("{start}{dash}"));
            out = out.iter().flat_map(longer).collect();
        } else {
            out.iter_mut().for_each(|start| start.push(letter));
        }
    }
    out
}

/// What of the encoded text is the same whatever stands before and after it, at each of the three places that a byte
/// can have in a group of three. A letter that shares bits with what stands around is left out.
fn at_every_offset(bytes: &[u8]) -> Vec<String> {
    let mut out = Vec::new();
    for offset in 0..3_usize {
        let padded = [vec![0; offset], bytes.to_vec()].concat();
        let encoded = STANDARD.encode(&padded);
        let start = (offset * 4).div_ceil(3);
        // Letters hold six bits each; the whole ones are those that the text's own bits fill.
        let end = padded.len() * 8 / 6;
        if let Some(known) = encoded.get(start..end).filter(|known| !known.is_empty()) {
            out.push(known.to_owned());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dash_stands_for_every_other() {
        assert_eq!(with_every_dash("a").len(), 1);
        assert_eq!(with_every_dash("\u{2013}a/").len(), 25);
        assert!(with_every_dash("/x").contains(&"\u{2015}x".to_owned()));
    }

    #[test]
    fn an_offset_keeps_what_any_text_around_it_leaves() {
        for text in ["foobar", "fooba", "foob", "foo", "fo", "f"] {
            let known = at_every_offset(text.as_bytes());
            for before in ["", "a", "ab", "abc", "abcd"] {
                for after in ["", "x", "xy", "xyz"] {
                    let encoded = STANDARD.encode(format!("{before}{text}{after}"));
                    assert!(known.iter().any(|known| encoded.contains(known)) || text == "f");
                }
            }
        }
        // One byte in the middle of a group fills no letter.
        assert_eq!(at_every_offset(b"f").len(), 2);
    }
}
