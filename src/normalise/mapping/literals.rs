//! Which of many expressions can match a text at all: by a literal that every match of an expression must hold, all of
//! them looked for in one pass. One combined automaton of all expressions would be simpler and is many times slower:
//! with Unicode classes it outgrows its cache.

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex_syntax::hir::{Hir, HirKind};

/// A shorter literal is in too many texts to be worth looking for.
const LITERAL_BYTES_MIN: usize = 2;

/// Finds the expressions of a list that can match.
#[derive(Debug, Default)]
pub struct Candidates {
    search: Option<AhoCorasick>,
    /// By literal: the expressions that need it.
    owners: Vec<Vec<usize>>,
    /// Expressions without a literal.
    always: Vec<usize>,
}

impl Candidates {
    /// For these expressions, numbered from 0.
    pub fn new<'p>(sources: impl Iterator<Item = &'p str>) -> Candidates {
        let mut found = Candidates::default();
        let mut literals: Vec<Vec<u8>> = Vec::new();
        for (number, source) in sources.enumerate() {
            let parsed = regex_syntax::Parser::new().parse(source).ok();
            let literal = parsed.as_ref().and_then(required);
            match literal.filter(|literal| literal.len() >= LITERAL_BYTES_MIN) {
                None => found.always.push(number),
                Some(literal) => match literals.iter().position(|known| *known == literal) {
                    Some(at) => {
                        if let Some(owners) = found.owners.get_mut(at) {
                            owners.push(number);
                        }
                    }
                    None => {
                        literals.push(literal);
                        found.owners.push(vec![number]);
                    }
                },
            }
        }
        // The largest and fastest form: one is built for a group, and searched for every line.
        let kind = Some(AhoCorasickKind::DFA);
        found.search = AhoCorasick::builder().kind(kind).build(&literals).ok();
        if found.search.is_none() {
            found.always.extend(found.owners.drain(..).flatten());
            found.always.sort_unstable();
        }
        found
    }

    /// The expressions that can match the text, in order.
    pub fn of(&self, text: &str) -> Vec<usize> {
        let mut list = self.always.clone();
        if let Some(search) = &self.search {
            let mut seen = vec![false; self.owners.len()];
            for hit in search.find_overlapping_iter(text) {
                let at = hit.pattern().as_usize();
                if let (Some(seen), Some(owners)) = (seen.get_mut(at), self.owners.get(at))
                    && !*seen
                {
                    *seen = true;
                    list.extend(owners);
                }
            }
        }
        list.sort_unstable();
        list
    }
}

/// The longest literal that stands in every match.
fn required(hir: &Hir) -> Option<Vec<u8>> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(literal.0.to_vec()),
        HirKind::Capture(capture) => required(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min >= 1 => required(&repetition.sub),
        HirKind::Concat(parts) => {
            parts.iter().filter_map(required).max_by_key(|literal| rarity(literal))
        }
        _ => None,
    }
}

/// Longer is rarer; letters and words of protocols are rarer than marks and blanks.
fn rarity(literal: &[u8]) -> usize {
    literal.len() + 2 * literal.iter().filter(|byte| byte.is_ascii_alphabetic()).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn literals_are_those_of_every_match() {
        let of = |source: &str| {
            let hir = regex_syntax::Parser::new().parse(source).unwrap();
            required(&hir).map(|literal| String::from_utf8(literal).unwrap())
        };
        assert_eq!(of(r"^(?<a>\S+) failed for (?<b>\d+)$").as_deref(), Some(" failed for "));
        assert_eq!(of(r"(?:abc)+x?").as_deref(), Some("abc"));
        assert_eq!(of(r"(?:abc)*|x"), None);
        assert_eq!(of(r"(?i)abc"), None);
    }

    #[test]
    fn candidates_come_in_order_and_hold_those_without_literal() {
        let sources = ["^one (\\d+)", "^\\S+$", "two", "and one "];
        let candidates = Candidates::new(sources.into_iter());
        assert_eq!(candidates.of("and one 2"), [0, 1, 3]);
        assert_eq!(candidates.of(""), [1]);
    }

    proptest! {
        #[test]
        fn what_matches_is_a_candidate(text in "[a-c ]{0,12}") {
            let sources = ["ab", "^a.*c$", "(a|b)c", "(?:ab)+ c", "[ab]{2,}", "a?b", "^$"];
            let candidates = Candidates::new(sources.into_iter()).of(&text);
            for (number, source) in sources.iter().enumerate() {
                if regex::Regex::new(source).unwrap().is_match(&text) {
                    prop_assert!(candidates.contains(&number), "{source} on {text:?}");
                }
            }
        }
    }
}
