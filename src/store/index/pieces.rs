//! Texts that whatever passes a check must have in it, in order: cheap to look for in folded values, and what words can
//! be looked up by. Of a regular expression they are read from its syntax tree.

use memchr::memmem;
use regex_syntax::hir::{Hir, HirKind};

use crate::model::query::Shape;
use crate::store::index::fold;

/// A pattern with more alternatives than this is cut short where they begin.
const ALTERNATIVES_MAX: usize = 16;
/// A text that repeats is spelled out this often at most.
const REPEATS_MAX: u32 = 8;

/// Texts in order, folded, with anything between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pieces {
    pub texts: Vec<Vec<u8>>,
    /// The first begins the value.
    pub start: bool,
    /// The last ends it.
    pub end: bool,
}

/// What a check asks: one of these must be there. `None`: nothing is known.
pub(crate) fn of(shape: &Shape) -> Option<Vec<Pieces>> {
    match shape {
        Shape::Pieces { pieces, start, end, .. } => {
            let texts = pieces.iter().map(|piece| folded(piece)).collect();
            Some(vec![Pieces { texts, start: *start, end: *end }])
        }
        Shape::Regex(source) => of_regex(source),
    }
}

fn folded(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    fold::fold(text, &mut out);
    out
}

/// Looks for pieces in many values.
pub(crate) struct Finder {
    start: Vec<u8>,
    inside: Vec<memmem::Finder<'static>>,
    end: Vec<u8>,
}

impl Finder {
    pub(crate) fn new(pieces: &Pieces) -> Finder {
        let mut texts = pieces.texts.as_slice();
        let (mut start, mut end) = (Vec::new(), Vec::new());
        if pieces.start
            && let [first, rest @ ..] = texts
        {
            (start, texts) = (first.clone(), rest);
        }
        if pieces.end
            && let [rest @ .., last] = texts
        {
            (end, texts) = (last.clone(), rest);
        }
        let inside = texts.iter().filter(|text| !text.is_empty());
        let inside = inside.map(|text| memmem::Finder::new(text).into_owned()).collect();
        Finder { start, inside, end }
    }

    /// Has the value all of them, in order?
    pub(crate) fn finds(&self, value: &[u8]) -> bool {
        let Some(mut rest) = value.strip_prefix(self.start.as_slice()) else { return false };
        for finder in &self.inside {
            let Some(at) = finder.find(rest) else { return false };
            rest = rest.get(at + finder.needle().len()..).unwrap_or_default();
        }
        rest.ends_with(&self.end)
    }
}

/// A stretch of what a pattern matches.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// Anything.
    Gap,
}

fn of_regex(source: &str) -> Option<Vec<Pieces>> {
    let tree = regex_syntax::Parser::new().parse(source).ok()?;
    let found: Vec<Pieces> = alternatives(&tree)
        .into_iter()
        .map(|parts| {
            let texts = joined(parts).iter().map(|text| folded(text)).collect();
            Pieces { texts, start: false, end: false }
        })
        .collect();
    found.iter().all(|pieces| !pieces.texts.is_empty()).then_some(found)
}

/// Texts that stand side by side are one.
fn joined(parts: Vec<Part>) -> Vec<String> {
    let mut texts = vec![String::new()];
    for part in parts {
        match (part, texts.last_mut()) {
            (Part::Text(more), Some(text)) => text.push_str(&more),
            _ => texts.push(String::new()),
        }
    }
    texts.retain(|text| !text.is_empty());
    texts
}

/// Every way to match, as far as it is known.
fn alternatives(tree: &Hir) -> Vec<Vec<Part>> {
    let unknown = || vec![vec![Part::Gap]];
    match tree.kind() {
        // What takes no room stands between its neighbours unseen.
        HirKind::Empty | HirKind::Look(_) => vec![Vec::new()],
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) => vec![vec![Part::Text(text.to_owned())]],
            Err(_) => unknown(),
        },
        HirKind::Class(_) => one_letter(tree).map_or_else(unknown, |text| vec![vec![text]]),
        HirKind::Capture(capture) => alternatives(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min == 0 => unknown(),
        HirKind::Repetition(repetition) => {
            let exact = repetition.max == Some(repetition.min);
            let inner = alternatives(&repetition.sub);
            let [only] = inner.as_slice() else { return with_gap(inner) };
            let times = repetition.min.min(REPEATS_MAX);
            let parts = (0..times).flat_map(|_| only.iter().cloned()).collect();
            if exact && times == repetition.min { vec![parts] } else { with_gap(vec![parts]) }
        }
        HirKind::Concat(trees) => {
            let mut all: Vec<Vec<Part>> = vec![Vec::new()];
            for tree in trees {
                let mut next = alternatives(tree);
                if all.len() * next.len() > ALTERNATIVES_MAX {
                    next = unknown();
                }
                let both = |one: &Vec<Part>, other: &Vec<Part>| [one.as_slice(), other].concat();
                all = all
                    .iter()
                    .flat_map(|one| next.iter().map(move |other| both(one, other)))
                    .collect();
            }
            all
        }
        HirKind::Alternation(trees) => {
            let all: Vec<Vec<Part>> = trees.iter().flat_map(alternatives).collect();
            if all.len() > ALTERNATIVES_MAX { unknown() } else { all }
        }
    }
}

fn with_gap(mut all: Vec<Vec<Part>>) -> Vec<Vec<Part>> {
    all.iter_mut().for_each(|parts| parts.push(Part::Gap));
    all
}

/// A class whose letters all fold to the same byte, as `[aA]`.
fn one_letter(tree: &Hir) -> Option<Part> {
    let HirKind::Class(regex_syntax::hir::Class::Unicode(class)) = tree.kind() else { return None };
    let mut found: Option<Vec<u8>> = None;
    let mut letter = None;
    for range in class.ranges() {
        if range.len() > 2 {
            return None;
        }
        for one in [range.start(), range.end()] {
            let byte = folded(one.encode_utf8(&mut [0; 4]));
            if found.as_ref().is_some_and(|known| *known != byte) {
                return None;
            }
            (found, letter) = (Some(byte), Some(one));
        }
    }
    letter.map(|one| Part::Text(one.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str) -> Option<Vec<String>> {
        let shape = Shape::Regex(source.to_owned());
        let shown = |pieces: &Pieces| {
            let texts = pieces.texts.iter().map(|text| String::from_utf8_lossy(text));
            texts.collect::<Vec<_>>().join("|")
        };
        Some(of(&shape)?.iter().map(shown).collect())
    }

    #[test]
    fn what_must_be_there_is_read_from_a_pattern() {
        for (source, wanted) in [
            ("bypass", vec!["bypass"]),
            ("By.*Pass", vec!["by|pass"]),
            ("^-e(nc)? +x$", vec!["-e| |x"]),
            ("(?i)bypass", vec!["bypass"]),
            ("curl|wget", vec!["curl", "wget"]),
            ("run(32|dll) x", vec!["run32 x", "rundll x"]),
            ("(ab){2}c", vec!["ababc"]),
            ("(ab)+c", vec!["ab|c"]),
            (r"\bfoo\b", vec!["foo"]),
            ("a[bc]d", vec!["a|d"]),
        ] {
            let wanted = wanted.into_iter().map(str::to_owned).collect();
            assert_eq!(read(source), Some(wanted), "{source}");
        }
        for source in [".*", "a?", "x|", "[a-z]+", "(", ""] {
            assert_eq!(read(source), None, "{source}");
        }
    }

    #[test]
    fn pieces_are_found_in_order_and_at_the_ends() {
        let finder = |texts: &[&str], start, end| {
            let texts = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
            Finder::new(&Pieces { texts, start, end })
        };
        let inner = finder(&["", r"\run\", ""], true, true);
        assert!(inner.finds(br"hklm\software\run\x"));
        assert!(!inner.finds(br"hklm\software\runonce\x"));
        assert!(finder(&["ab", "ba"], false, false).finds(b"xabba"));
        assert!(!finder(&["ab", "ba"], false, false).finds(b"xaba"));
        assert!(finder(&["a", "c"], true, true).finds(b"abc"));
        assert!(!finder(&["a", "a"], true, true).finds(b"a"), "one letter cannot be both ends");
        assert!(finder(&["abc"], true, true).finds(b"abc"));
        assert!(finder(&["abc"], true, false).finds(b"abcd"));
    }

    proptest::proptest! {
        #[test]
        fn what_a_pattern_matches_has_one_of_its_pieces(
            source in "[abK(|)?*+.^$\\[\\]]{0,10}",
            text in "[abkKſ]{0,12}",
        ) {
            let regex = regex::RegexBuilder::new(&source).case_insensitive(true).dot_matches_new_line(true).build();
            if let (Ok(regex), Some(all)) = (regex, of(&Shape::Regex(source.clone())))
                && regex.is_match(&text)
            {
                let value = folded(&text);
                proptest::prop_assert!(all.iter().any(|one| Finder::new(one).finds(&value)), "{source} {text}");
            }
        }
    }
}
