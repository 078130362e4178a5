//! Which rules are meant, and at which endpoints: how it is written, which of two is more specific, what it is about.

use std::fmt;

use crate::model::severity::Severity;

/// Bytes of one term of a selector.
pub const TERM_BYTES_MAX: usize = 512;

/// Which rules, and where. Every part that is set must hold; nothing set means all rules everywhere.
///
/// Where several selectors match, the most specific decides. They are compared part by part, in this order: the
/// rule's id, its tag (more letters beside `*` win), its pack, `recommended`, its level, the endpoint. So a selector
/// with a rule beats every one without, and among two that say the same, the one that names an endpoint wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// The rule's id.
    pub rule: Option<String>,
    /// A tag; `*` stands for any letters.
    pub tag: Option<String>,
    /// The pack the rule comes from; `builtin` is the shipped one.
    pub pack: Option<String>,
    /// Only rules that their pack recommends.
    pub recommended: bool,
    /// The rule's level.
    pub level: Option<Severity>,
    /// The endpoint; `*` stands for any letters.
    pub host: Option<String>,
}

/// What selectors look at in a rule.
#[derive(Clone, Copy, Debug)]
pub struct Traits<'a> {
    /// The rule's id.
    pub id: &'a str,
    /// Its tags.
    pub tags: &'a [String],
    /// Its pack, if it is of one.
    pub pack: Option<&'a str>,
    /// Its level.
    pub level: Severity,
    /// Its pack recommends it.
    pub recommended: bool,
}

/// A selector that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadSelector(String);

/// How specific a selector is; compared from left to right.
pub(crate) type Rank = (bool, usize, bool, bool, bool, usize);

impl Selector {
    /// The selector of one rule.
    pub fn of_rule(id: &str) -> Selector {
        Selector { rule: Some(id.to_owned()), ..Selector::default() }
    }

    /// The selector of one pack.
    pub fn of_pack(name: &str) -> Selector {
        Selector { pack: Some(name.to_owned()), ..Selector::default() }
    }

    /// Read terms: `rule:ID`, `tag:PATTERN`, `pack:NAME`, `level:LEVEL`, `host:PATTERN`, `recommended`, `all`. A term
    /// without a known word before a colon is a rule's id.
    pub fn parse<'t>(terms: impl IntoIterator<Item = &'t str>) -> Result<Selector, BadSelector> {
        let mut selector = Selector::default();
        let mut all = false;
        let mut any = false;
        for term in terms {
            any = true;
            if term.is_empty() || term.len() > TERM_BYTES_MAX {
                let text = format!("a part of a selector has 1 to {TERM_BYTES_MAX} bytes");
                return Err(BadSelector(text));
            }
            match term {
                "all" => all = true,
                "recommended" => selector.recommended = true,
                _ => selector.take(term)?,
            }
        }
        if !any {
            return Err(BadSelector("no selector: write all, a rule's id, pack:NAME, tag:PATTERN, level:LEVEL or recommended".to_owned()));
        }
        let narrowed = selector != Selector { host: selector.host.clone(), ..Selector::default() };
        if all && narrowed {
            return Err(BadSelector("all stands alone: leave it out".to_owned()));
        }
        Ok(selector)
    }

    fn take(&mut self, term: &str) -> Result<(), BadSelector> {
        let (slot, value) = match term.split_once(':') {
            Some(("tag", value)) => (&mut self.tag, value),
            Some(("pack", value)) => (&mut self.pack, value),
            Some(("host", value)) => (&mut self.host, value),
            Some(("rule", value)) => (&mut self.rule, value),
            Some(("level", value)) => {
                let level = Severity::parse(value).ok_or_else(|| {
                    BadSelector(format!(
                        "{value:?} is no level: write critical, high, medium, low or info"
                    ))
                })?;
                if self.level.replace(level).is_some() {
                    return Err(BadSelector("a selector names one level".to_owned()));
                }
                return Ok(());
            }
            Some((word, _)) => {
                let text = format!(
                    "{word:?} is no kind of selector: write rule:ID, pack:NAME, tag:PATTERN, level:LEVEL or host:HOST"
                );
                return Err(BadSelector(text));
            }
            None => (&mut self.rule, term),
        };
        if value.is_empty() {
            return Err(BadSelector(format!("nothing stands behind the colon of {term:?}")));
        }
        if slot.replace(value.to_owned()).is_some() {
            let text = format!("a selector has one part of a kind, {term:?} is the second");
            return Err(BadSelector(text));
        }
        Ok(())
    }

    /// How specific it is.
    pub(crate) fn rank(&self) -> Rank {
        let letters = |pattern: &Option<String>| {
            pattern.as_ref().map_or(0, |text| 1 + text.chars().filter(|c| *c != '*').count())
        };
        (
            self.rule.is_some(),
            letters(&self.tag),
            self.pack.is_some(),
            self.recommended,
            self.level.is_some(),
            letters(&self.host),
        )
    }

    /// Is it about this rule (at some endpoint)?
    pub fn is_about(&self, rule: &Traits<'_>) -> bool {
        self.rule.as_ref().is_none_or(|id| id == rule.id)
            && self.tag.as_ref().is_none_or(|tag| rule.tags.iter().any(|one| matches(tag, one)))
            && self.pack.as_ref().is_none_or(|pack| rule.pack == Some(pack.as_str()))
            && (!self.recommended || rule.recommended)
            && self.level.is_none_or(|level| level == rule.level)
    }

    /// Is it about this endpoint?
    pub fn is_at(&self, host: &str) -> bool {
        self.host.as_ref().is_none_or(|pattern| matches(pattern, host))
    }

    /// Is it about this pack as a whole, everywhere?
    pub fn is_pack(&self, name: &str) -> bool {
        *self == Selector::of_pack(name)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut terms = Vec::new();
        for (word, value) in [("rule", &self.rule), ("tag", &self.tag), ("pack", &self.pack)] {
            terms.extend(value.as_ref().map(|value| format!("{word}:{value}")));
        }
        if self.recommended {
            terms.push("recommended".to_owned());
        }
        terms.extend(self.level.map(|level| format!("level:{level}")));
        if terms.is_empty() {
            terms.push("all".to_owned());
        }
        terms.extend(self.host.as_ref().map(|host| format!("host:{host}")));
        out.write_str(&terms.join(" "))
    }
}

/// Does a text fit a pattern in which `*` stands for any letters? In either case.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut last: Option<&str> = None;
    for piece in pieces {
        if let Some(before) = last.replace(piece) {
            let Some(at) = rest.find(before) else { return false };
            rest = rest.get(at + before.len()..).unwrap_or_default();
        }
    }
    match last {
        Some(end) => rest.ends_with(end),
        None => rest.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_printed_as_they_are_read() {
        for text in [
            "all",
            "all host:lab*",
            "rule:r1 host:web01",
            "tag:attack.t1059* pack:sigma recommended level:low",
        ] {
            assert_eq!(Selector::parse(text.split(' ')).unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "levl:low",
            "tagg:x",
            "level:loud",
            "pack:",
            "pack:a pack:b",
            "all pack:a",
            "r1 r2",
        ] {
            assert!(Selector::parse(wrong.split(' ')).is_err(), "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_read_as_a_selector_is_printed_as_one_that_means_the_same(text in "[a-z:* ]{0,40}|\\PC{0,40}") {
            if let Ok(selector) = Selector::parse(text.split_whitespace()) {
                let shown = selector.to_string();
                assert_eq!(Selector::parse(shown.split_whitespace()), Ok(selector), "{text} {shown}");
            }
        }
    }

    #[test]
    fn patterns_match_as_a_person_thinks() {
        for (pattern, text, wanted) in [
            ("attack.t1059*", "attack.T1059.001", true),
            ("attack.t1059*", "attack.t1058", false),
            ("*", "", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "xxaxxbxx", false),
            ("ab*ba", "aba", false),
            ("plain", "plainer", false),
        ] {
            assert_eq!(matches(pattern, text), wanted, "{pattern} {text}");
        }
    }
}
