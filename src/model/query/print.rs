//! The filter's shape → text that parses to the same shape.

use std::fmt::{self, Write as _};

use crate::model::query::{Expr, Query, Term, Value};

/// A value as it must be written in a filter to mean exactly this text.
///
/// ```
/// use watchfloor::model::query::quote;
/// assert_eq!(quote("web01"), "web01");
/// assert_eq!(quote("say \"hi\" *"), r#""say \"hi\" *""#);
/// ```
pub fn quote(text: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.');
    let keyword = ["and", "or", "not"].iter().any(|word| text.eq_ignore_ascii_case(word));
    let starts_well = text.chars().next().is_some_and(char::is_alphanumeric);
    if starts_well && !keyword && !text.contains("..") && text.chars().all(plain) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 2);
    write_quoted(text, &mut out);
    out
}

impl fmt::Display for Query {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        // `sort` binds to the whole filter, so it stands in front, where it joins as one more unit.
        if let Some(order) = &self.sort {
            let _ = write!(text, "sort:{order}");
            if self.root != Expr::All {
                text.push(' ');
                write_inside(&self.root, &mut text);
            }
        } else {
            write_expr(&self.root, &mut text);
        }
        out.write_str(&text)
    }
}

fn write_expr(expr: &Expr, out: &mut String) {
    match expr {
        Expr::All => {}
        Expr::And(parts) => write_joined(parts, " ", out),
        Expr::Or(parts) => write_joined(parts, " or ", out),
        Expr::Not(inner) => {
            out.push('-');
            write_inside(inner, out);
        }
        Expr::Term(term) => write_term(term, out),
    }
}

fn write_joined(parts: &[Expr], between: &str, out: &mut String) {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            out.push_str(between);
        }
        write_inside(part, out);
    }
}

/// A part of something bigger: groups keep their parentheses.
fn write_inside(expr: &Expr, out: &mut String) {
    if matches!(expr, Expr::And(_) | Expr::Or(_)) {
        out.push('(');
        write_expr(expr, out);
        out.push(')');
    } else {
        write_expr(expr, out);
    }
}

fn write_term(term: &Term, out: &mut String) {
    if let Some(field) = &term.field {
        out.push_str(field);
        out.push_str(term.op.as_str());
    }
    write_value(&term.value, out);
}

fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::Word(word) => out.push_str(word),
        Value::Quoted(text) => write_quoted(text, out),
        Value::Regex(pattern) => {
            let _ = write!(out, "/{pattern}/");
        }
        Value::Range(low, high) => {
            let _ = write!(out, "{low}..{high}");
        }
        Value::List(values) => {
            out.push('(');
            for (index, one) in values.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(one, out);
            }
            out.push(')');
        }
    }
}

fn write_quoted(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        if matches!(letter, '"' | '\\') {
            out.push('\\');
        }
        out.push(letter);
    }
    out.push('"');
}
