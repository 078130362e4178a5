//! The filter language: `is:open sev>=high host:fin-* -owner:me "exact words" cmd~/enc/`.
//!
//! One grammar for alerts and for events; what differs are the fields. A space means *and*. Parsing
//! checks everything (fields, words, numbers, patterns), so that matching cannot fail. Printing a parsed
//! filter gives text that parses to the same filter. Nothing here reads a store or a clock.
//!
//! ```text
//! expr    = and { "or" and }
//! and     = unit { ["and"] unit }
//! unit    = ["-" | "not"] ( "(" expr ")" | term )
//! term    = field op value | value
//! op      = ":" | "=" | "!=" | ">" | ">=" | "<" | "<=" | "~"
//! value   = word | "quoted" | /regex/ | a..b | (v1,v2,…)
//! ```

mod alert;
mod event;
mod needs;
mod parse;
mod print;
mod scalar;
#[cfg(test)]
mod tests;

use std::ops::Range;

pub use alert::{AlertFilter, FIELDS as ALERT_FIELDS, Viewpoint};
pub use event::{EventFilter, FIELDS as EVENT_FIELDS, Narrow};
pub use needs::{Need, ValueTest};
pub use print::quote;
pub use scalar::Shape;

/// A longer filter text is refused.
pub const TEXT_BYTES_MAX: usize = 8 << 10;
/// More terms (list entries count) are refused.
pub const TERMS_MAX: usize = 256;
/// Parentheses and negations may be nested this deep.
pub const DEPTH_MAX: usize = 32;
/// Memory of one compiled pattern, bytes.
pub const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Why a filter text was refused, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct QueryError {
    /// What is wrong, for a person.
    pub message: String,
    /// Where in the text, in bytes, for a caret.
    pub span: Range<usize>,
    /// The nearest valid name, or what to write instead; may be empty.
    pub hint: String,
}

impl QueryError {
    fn new(message: impl Into<String>, span: Range<usize>) -> QueryError {
        QueryError { message: message.into(), span, hint: String::new() }
    }

    fn hint(mut self, hint: impl Into<String>) -> QueryError {
        self.hint = hint.into();
        self
    }
}

/// A parsed filter: its shape, before fields have a meaning.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    root: Expr,
    sort: Option<String>,
}

impl Query {
    /// Read a filter's shape. Field names and values are checked by [`AlertFilter`] and [`EventFilter`].
    pub fn parse(text: &str) -> Result<Query, QueryError> {
        parse::parse(text)
    }

    /// The `sort:` part, if the text has one (`-risk,last_seen`).
    pub fn sort(&self) -> Option<&str> {
        self.sort.as_deref()
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Expr {
    /// The empty filter.
    All,
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Term(Term),
}

/// `field op value`; without a field it is bare text.
#[derive(Clone, Debug)]
struct Term {
    field: Option<String>,
    op: Op,
    value: Value,
    /// Where the field's name stands.
    field_span: Range<usize>,
    /// Where the value stands.
    value_span: Range<usize>,
}

impl PartialEq for Term {
    /// Two terms are equal when they mean the same, wherever they stand.
    fn eq(&self, other: &Term) -> bool {
        self.field == other.field && self.op == other.op && self.value == other.value
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    /// `:`, natural to the field: whole for names, containing for prose.
    Is,
    /// `=`, the whole value.
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    /// `~`, containing, or a pattern.
    Like,
}

impl Op {
    fn as_str(self) -> &'static str {
        match self {
            Op::Is => ":",
            Op::Equal => "=",
            Op::NotEqual => "!=",
            Op::Greater => ">",
            Op::GreaterEqual => ">=",
            Op::Less => "<",
            Op::LessEqual => "<=",
            Op::Like => "~",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    /// Unquoted: `*` and `?` are wild.
    Word(String),
    /// Quoted: nothing is special.
    Quoted(String),
    /// The pattern between the slashes, as written.
    Regex(String),
    /// Both ends included.
    Range(String, String),
    /// Any of them.
    List(Vec<Value>),
}

/// A filter whose terms have become checks of one kind of row.
#[derive(Clone, Debug)]
enum Node<C> {
    All,
    And(Vec<Node<C>>),
    Or(Vec<Node<C>>),
    Not(Box<Node<C>>),
    Check(C),
}

impl<C> Node<C> {
    /// Give every term of `expr` its meaning. Lists become alternatives, `!=` becomes *not* `=`.
    fn build(
        expr: &Expr,
        check: &mut dyn FnMut(&Term) -> Result<C, QueryError>,
    ) -> Result<Node<C>, QueryError> {
        Ok(match expr {
            Expr::All => Node::All,
            Expr::And(parts) => Node::And(Node::build_all(parts, check)?),
            Expr::Or(parts) => Node::Or(Node::build_all(parts, check)?),
            Expr::Not(inner) => Node::Not(Box::new(Node::build(inner, check)?)),
            Expr::Term(term) => Node::build_term(term, check)?,
        })
    }

    /// Look at every check.
    fn each<'n>(&'n self, look: &mut dyn FnMut(&'n C)) {
        match self {
            Node::All => {}
            Node::And(parts) | Node::Or(parts) => parts.iter().for_each(|part| part.each(look)),
            Node::Not(inner) => inner.each(look),
            Node::Check(check) => look(check),
        }
    }

    fn build_all(
        parts: &[Expr],
        check: &mut dyn FnMut(&Term) -> Result<C, QueryError>,
    ) -> Result<Vec<Node<C>>, QueryError> {
        parts.iter().map(|part| Node::build(part, check)).collect()
    }

    fn build_term(
        term: &Term,
        check: &mut dyn FnMut(&Term) -> Result<C, QueryError>,
    ) -> Result<Node<C>, QueryError> {
        if term.op == Op::NotEqual {
            let equal = Term { op: Op::Equal, ..term.clone() };
            return Ok(Node::Not(Box::new(Node::build_term(&equal, check)?)));
        }
        let Value::List(values) = &term.value else {
            return Ok(Node::Check(check(term)?));
        };
        let mut parts = Vec::with_capacity(values.len());
        for value in values {
            let one = Term { value: value.clone(), ..term.clone() };
            parts.push(Node::Check(check(&one)?));
        }
        Ok(Node::Or(parts))
    }

    fn matches(&self, check: &dyn Fn(&C) -> bool) -> bool {
        match self {
            Node::All => true,
            Node::And(parts) => parts.iter().all(|part| part.matches(check)),
            Node::Or(parts) => parts.iter().any(|part| part.matches(check)),
            Node::Not(inner) => !inner.matches(check),
            Node::Check(one) => check(one),
        }
    }

    fn any(&self, of: &dyn Fn(&C) -> bool) -> bool {
        let mut found = false;
        self.each(&mut |check| found |= of(check));
        found
    }
}

/// How like a name must be to one of few to be what was meant.
const NEAR: f64 = 0.7;

/// The nearest of `names` to a mistyped one, if any is so near (Jaro-Winkler).
fn nearest<'a>(word: &str, near: f64, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(word, name), name))
        .filter(|(similarity, _)| *similarity >= near)
        .max_by(|one, two| one.0.total_cmp(&two.0).then(two.1.cmp(one.1)))
        .map(|(_, name)| name)
}

fn unknown_field(term: &Term, name: &str, fields: &[(&str, &str)]) -> QueryError {
    let names = fields.iter().map(|(known, _)| *known);
    let hint = match nearest(name, NEAR, names) {
        Some(near) => format!("did you mean {near}? to search for the text, quote it"),
        None => "to search for the text, quote it".to_owned(),
    };
    QueryError::new(format!("there is no field {name}"), term.field_span.clone()).hint(hint)
}
