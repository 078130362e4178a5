//! Text → the filter's shape. Recursive descent over bytes; spans point into the text as given.

use std::ops::Range;

use crate::model::query::{
    DEPTH_MAX, Expr, Op, Query, QueryError, TERMS_MAX, TEXT_BYTES_MAX, Term, Value, scalar,
};

pub(super) fn parse(text: &str) -> Result<Query, QueryError> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("the filter is longer than {TEXT_BYTES_MAX} bytes");
        return Err(QueryError::new(message, 0..text.len()));
    }
    let mut parser = Parser { text, at: 0, terms: 0, depth: 0, sort: None };
    parser.skip_space();
    let root = if parser.rest().is_empty() { Expr::All } else { parser.either()? };
    parser.skip_space();
    if !parser.rest().is_empty() {
        return Err(parser.error_here("this closes nothing"));
    }
    Ok(Query { root, sort: parser.sort })
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    terms: usize,
    depth: usize,
    sort: Option<String>,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn take(&mut self, prefix: &str) -> bool {
        let found = self.rest().starts_with(prefix);
        if found {
            self.at += prefix.len();
        }
        found
    }

    /// The span of the next character (or of the end), for an error about it.
    fn error_here(&self, message: impl Into<String>) -> QueryError {
        let end = self.at + self.peek().map_or(0, char::len_utf8);
        QueryError::new(message, self.at..end)
    }

    /// Is the next word this keyword? It must stand alone.
    fn keyword(&self, word: &str) -> bool {
        let rest = self.rest();
        let Some(head) = rest.get(..word.len()) else {
            return false;
        };
        let after = rest.get(word.len()..).and_then(|tail| tail.chars().next());
        head.eq_ignore_ascii_case(word)
            && after.is_none_or(|next| next.is_whitespace() || matches!(next, '(' | ')' | '"'))
    }

    fn enter(&mut self) -> Result<(), QueryError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error_here(format!("nested deeper than {DEPTH_MAX} levels")));
        }
        Ok(())
    }

    fn either(&mut self) -> Result<Expr, QueryError> {
        let mut parts = vec![self.all()?];
        loop {
            self.skip_space();
            if !self.keyword("or") {
                break;
            }
            self.at += "or".len();
            parts.push(self.all()?);
        }
        if parts.len() > 1 && parts.contains(&Expr::All) {
            let message = "sort belongs to the whole filter, not to one side of or";
            return Err(QueryError::new(message, 0..self.at));
        }
        Ok(one_or(parts, Expr::Or))
    }

    fn all(&mut self) -> Result<Expr, QueryError> {
        let mut parts = Vec::new();
        self.skip_space();
        loop {
            if let Some(part) = self.unit()? {
                parts.push(part);
            }
            self.skip_space();
            if self.keyword("and") {
                self.at += "and".len();
                self.skip_space();
            } else if self.rest().is_empty() || self.peek() == Some(')') || self.keyword("or") {
                break;
            }
        }
        Ok(one_or(parts, Expr::And))
    }

    /// One unit; `None` for a `sort:` part, which says nothing about which rows match.
    fn unit(&mut self) -> Result<Option<Expr>, QueryError> {
        self.skip_space();
        if self.rest().is_empty() || self.peek() == Some(')') {
            return Err(self.error_here("a term is missing here"));
        }
        let negated = if self.keyword("not") {
            self.at += "not".len();
            true
        } else {
            let next = self.rest().chars().nth(1);
            next.is_some_and(|next| !next.is_whitespace() && next != ')') && self.take("-")
        };
        if negated {
            self.enter()?;
            let start = self.at;
            let Some(inner) = self.unit()? else {
                return Err(QueryError::new("sort cannot be negated", start..self.at));
            };
            self.depth -= 1;
            return Ok(Some(Expr::Not(Box::new(inner))));
        }
        if self.peek() == Some('(') {
            return self.group().map(Some);
        }
        for word in ["and", "or"] {
            if self.keyword(word) {
                let span = self.at..self.at + word.len();
                let error = QueryError::new(format!("a term is missing before {word}"), span);
                return Err(error.hint("to search for the word, quote it"));
            }
        }
        self.term()
    }

    fn group(&mut self) -> Result<Expr, QueryError> {
        let start = self.at;
        self.enter()?;
        self.at += 1;
        let inner = self.either()?;
        self.skip_space();
        if !self.take(")") {
            return Err(QueryError::new("this parenthesis is not closed", start..start + 1));
        }
        self.depth -= 1;
        Ok(inner)
    }

    fn term(&mut self) -> Result<Option<Expr>, QueryError> {
        let start = self.at;
        if self.peek() == Some('@') {
            let error = self.error_here("saved filters are not available here");
            return Err(error.hint("to search for the text, quote it"));
        }
        let (field, op) = self.field_and_op();
        let field_span = start..start + field.as_ref().map_or(0, String::len);
        let value_start = self.at;
        let value = match self.peek() {
            Some('(') if field.is_some() => self.list(op)?,
            _ => self.value(op, false, field.as_deref())?,
        };
        let value_span = value_start..self.at;
        if field.as_deref() == Some("sort") {
            let (Value::Word(order), Op::Is, None) = (&value, op, &self.sort) else {
                let error = QueryError::new("sort is given once, as a plain list", start..self.at);
                return Err(error.hint("sort:-risk,last_seen"));
            };
            if self.depth > 0 {
                let message = "sort stands outside parentheses";
                return Err(QueryError::new(message, start..self.at));
            }
            self.sort = Some(order.clone());
            return Ok(None);
        }
        self.count_term(&value_span)?;
        Ok(Some(Expr::Term(Term { field, op, value, field_span, value_span })))
    }

    fn count_term(&mut self, span: &Range<usize>) -> Result<(), QueryError> {
        self.terms += 1;
        if self.terms > TERMS_MAX {
            return Err(QueryError::new(format!("more than {TERMS_MAX} terms"), span.clone()));
        }
        Ok(())
    }

    /// A name with an operator right behind it; otherwise nothing is taken and the term is bare text.
    fn field_and_op(&mut self) -> (Option<String>, Op) {
        const OPS: [(&str, Op); 8] = [
            ("!=", Op::NotEqual),
            (">=", Op::GreaterEqual),
            ("<=", Op::LessEqual),
            (">", Op::Greater),
            ("<", Op::Less),
            (":", Op::Is),
            ("=", Op::Equal),
            ("~", Op::Like),
        ];
        let rest = self.rest();
        let len = rest
            .find(|letter: char| !(letter.is_alphanumeric() || matches!(letter, '_' | '.' | '-')))
            .unwrap_or(rest.len());
        let (name, tail) = rest.split_at(len);
        let starts_well =
            name.chars().next().is_some_and(|first| first.is_alphabetic() || first == '_');
        let found = OPS.into_iter().find(|(text, _)| tail.starts_with(text));
        match found {
            Some((text, op)) if starts_well => {
                self.at += len + text.len();
                (Some(name.to_owned()), op)
            }
            _ => (None, Op::Is),
        }
    }

    fn list(&mut self, op: Op) -> Result<Value, QueryError> {
        let start = self.at;
        self.at += 1;
        let mut values = Vec::new();
        loop {
            self.skip_space();
            let value_start = self.at;
            values.push(self.value(op, true, Some("the list"))?);
            self.count_term(&(value_start..self.at))?;
            self.skip_space();
            if self.take(")") {
                return Ok(Value::List(values));
            }
            if !self.take(",") {
                return Err(QueryError::new("this list is not closed", start..start + 1));
            }
        }
    }

    /// One value; `of` names what needs it and is `None` for bare text.
    fn value(&mut self, op: Op, listed: bool, of: Option<&str>) -> Result<Value, QueryError> {
        if self.peek() == Some('"') {
            return self.quoted();
        }
        if let Some(pattern) = self.regex(op, listed)? {
            return Ok(pattern);
        }
        let rest = self.rest();
        let ends_word = |letter: char| {
            letter.is_whitespace() || matches!(letter, '(' | ')' | '"') || (listed && letter == ',')
        };
        let len = rest.find(ends_word).unwrap_or(rest.len());
        let (word, _) = rest.split_at(len);
        if word.is_empty() {
            let what = of.unwrap_or("the term");
            return Err(self.error_here(format!("{what} needs a value")));
        }
        self.at += len;
        if let Some((low, high)) = word.split_once("..")
            && of.is_some()
            && scalar::is_ordered(low)
            && scalar::is_ordered(high)
        {
            return Ok(Value::Range(low.to_owned(), high.to_owned()));
        }
        Ok(Value::Word(word.to_owned()))
    }

    fn quoted(&mut self) -> Result<Value, QueryError> {
        let start = self.at;
        let mut text = String::new();
        let mut letters = self.rest().char_indices().skip(1).peekable();
        while let Some((index, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.at += index + 1;
                    return Ok(Value::Quoted(text));
                }
                // Only a quote and a backslash need escaping, so that Windows paths can be typed as they are.
                '\\' => match letters.next_if(|(_, next)| matches!(next, '"' | '\\')) {
                    Some((_, escaped)) => text.push(escaped),
                    None => text.push('\\'),
                },
                other => text.push(other),
            }
        }
        Err(QueryError::new("this quote is not closed", start..start + 1))
    }

    /// `/…/`. After `~` a slash always opens a pattern. Elsewhere it does so only when the pattern has no
    /// space and its closing slash ends the value, so that a path such as `/etc/passwd` is a word.
    fn regex(&mut self, op: Op, listed: bool) -> Result<Option<Value>, QueryError> {
        let Some(rest) = self.rest().strip_prefix('/') else {
            return Ok(None);
        };
        let always = op == Op::Like;
        let mut escaped = false;
        let mut end = None;
        for (index, letter) in rest.char_indices() {
            if !always && (letter.is_whitespace() || (listed && letter == ',')) {
                break;
            }
            match letter {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '/' => {
                    end = Some(index);
                    break;
                }
                _ => {}
            }
        }
        if let Some((pattern, tail)) = end.map(|index| rest.split_at(index)) {
            let ends_here = tail
                .chars()
                .nth(1)
                .is_none_or(|next| next.is_whitespace() || next == ')' || (listed && next == ','));
            if ends_here && !pattern.is_empty() {
                self.at += pattern.len() + 2;
                return Ok(Some(Value::Regex(pattern.to_owned())));
            }
        }
        if always {
            let error = self.error_here("this pattern is not closed, or something follows it");
            return Err(error.hint("/pattern/ ends with a slash; to search for the text, quote it"));
        }
        Ok(None)
    }
}

fn one_or(mut parts: Vec<Expr>, many: fn(Vec<Expr>) -> Expr) -> Expr {
    match parts.len() {
        0 => Expr::All,
        1 => parts.pop().unwrap_or(Expr::All),
        _ => many(parts),
    }
}
