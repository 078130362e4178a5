//! The rules that find secrets: words that must be near, an expression whose first group that took part is the secret,
//! and a last look at it. The tables: [`super::tokens`] (what shows by its look), [`super::pairs`] (what its name tells)
//! and [`super::commands`] (arguments of programs).

use std::ops::Range;
use std::sync::{Arc, LazyLock, OnceLock};

use regex::{Regex, RegexBuilder};

use crate::normalise::redact::prefilter::Words;
use crate::normalise::redact::{MARK, RedactError, commands, pairs, tokens};

/// Compiled size that a pattern of the configuration may have.
const OWN_PATTERN_BYTES_MAX: usize = 1 << 20;
/// A name before a secret is looked at this far back.
const NAME_BYTES_MAX: usize = 64;

/// (kind, check, words of which one must be near, expression); the first to claim a text has it.
pub type Spec = (&'static str, Check, &'static [&'static str], &'static str);

/// A value: quoted (the quotes themselves possibly escaped, the last one possibly cut off) or up to the next blank or
/// delimiter.
macro_rules! value {
    () => {
        r#"(?:\\*"((?:[^"\\]|\\+[^"\\])+)(?:\\*"|\z)|\\*'((?:[^'\\]|\\+[^'\\])+)(?:\\*'|\z)|([^ \t\r\n"'&;,|<>]+))"#
    };
}

/// An argument: as a value, but only blanks and pipes end it.
macro_rules! argument {
    () => {
        r#"(?:\\*"((?:[^"\\]|\\+[^"\\])+)(?:\\*"|\z)|\\*'((?:[^'\\]|\\+[^'\\])+)(?:\\*'|\z)|([^ \t\r\n"'|<>]+))"#
    };
}

/// The rest of a command up to the switch in question.
macro_rules! within {
    () => {
        r#"(?:\.exe)?["']?(?:[ \t][^|;&\r\n]*?)?"#
    };
}

pub(crate) use {argument, value, within};

/// A last look at what an expression found, for what expressions cannot say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Take it.
    None,
    /// Not another switch, a redirection, a reference to a variable or a word like `yes`.
    Argument,
    /// As [`Check::Argument`], and no path (`PWD=/root` is no password).
    Value,
    /// As [`Check::Value`], at least eight characters with a digit (`Elevated Token: Yes` is no token).
    Token,
    /// As [`Check::Value`], at least 16 characters, letters and digits mixed.
    Opaque,
}

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// The word in `<redacted:kind>`.
    pub kind: Arc<str>,
    check: Check,
    /// Words of which one must be in the text.
    pub words: Words,
    /// It looks at addresses: no word announces these.
    pub of_addresses: bool,
    pattern: &'static str,
    /// Compiled when a text is near for the first time: most are never needed.
    expression: OnceLock<Option<Regex>>,
}

/// Every spec of ours.
pub fn specs() -> impl Iterator<Item = &'static Spec> {
    tokens::SPECS.iter().chain(pairs::SPECS).chain(commands::SPECS)
}

/// Every word of [`specs`], each once: the n-th has the number n. In lower case, at least four bytes.
pub fn words() -> Vec<&'static str> {
    let mut all: Vec<&str> = specs().flat_map(|(_, _, words, _)| words.iter().copied()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

static BUILTIN: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let words = words();
    specs().map(|spec| Rule::of(spec, &words)).collect()
});

/// The rules of the program.
pub fn builtin() -> &'static [Rule] {
    &BUILTIN
}

impl Rule {
    fn of((kind, check, near, pattern): &'static Spec, all: &[&str]) -> Rule {
        let mut words = Words::default();
        for number in near.iter().filter_map(|word| all.binary_search(word).ok()) {
            words.add(number);
        }
        Rule {
            kind: (*kind).into(),
            check: *check,
            words,
            of_addresses: near.is_empty(),
            pattern,
            expression: OnceLock::new(),
        }
    }

    /// One of the configuration: it must have a group, and the kind must be a plain word.
    pub fn own(kind: &str, pattern: &str) -> Result<Rule, RedactError> {
        let bad = |problem: String| RedactError::Pattern { kind: kind.to_owned(), problem };
        let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if kind.is_empty() || !kind.bytes().all(word) {
            return Err(bad("the kind must consist of a-z, 0-9 and _".to_owned()));
        }
        let expression = RegexBuilder::new(pattern)
            .size_limit(OWN_PATTERN_BYTES_MAX)
            .build()
            .map_err(|error| bad(error.to_string()))?;
        if expression.captures_len() < 2 {
            return Err(bad("it has no group around the secret".to_owned()));
        }
        Ok(Rule {
            kind: kind.into(),
            check: Check::None,
            words: Words::ALL,
            of_addresses: false,
            pattern: "",
            expression: OnceLock::from(Some(expression)),
        })
    }

    /// Where the secrets are.
    pub fn secrets(&self, text: &str) -> Vec<Range<usize>> {
        // The patterns are constants, and a test compiles every one.
        let Some(expression) = self.expression.get_or_init(|| Regex::new(self.pattern).ok()) else {
            return Vec::new();
        };
        let found = expression.captures_iter(text).filter_map(|captures| {
            let secret = captures.iter().skip(1).flatten().next()?;
            let whole = captures.get(0)?;
            let name = text.get(whole.start()..secret.start()).unwrap_or_default();
            // `<redacted:password>…<` is no element of XML.
            if name.starts_with(MARK) {
                return None;
            }
            // Before a quote a backslash is no part of the value.
            let quoted = text.get(secret.end()..).is_some_and(|rest| rest.starts_with(['"', '\'']));
            let value = secret.as_str();
            let value = if quoted { value.trim_end_matches('\\') } else { value };
            let takes = self.check.takes(name, value);
            takes.then(|| secret.start()..secret.start() + value.len())
        });
        found.collect()
    }
}

impl Check {
    fn takes(self, name: &str, secret: &str) -> bool {
        let digit = || secret.bytes().any(|byte| byte.is_ascii_digit());
        match self {
            Check::None => true,
            Check::Argument => is_argument(name, secret),
            Check::Value => is_argument(name, secret) && !is_place(name, secret),
            Check::Token => {
                is_argument(name, secret)
                    && secret.len() >= 8
                    && digit()
                    && !secret.starts_with("%%")
            }
            Check::Opaque => {
                is_argument(name, secret)
                    && secret.len() >= 16
                    && digit()
                    && secret.bytes().any(|byte| byte.is_ascii_alphabetic())
            }
        }
    }
}

/// Values that are no secret wherever they stand: nothing, yes or no, hidden already, opaque by Vault's own doing.
pub fn says_nothing(secret: &str) -> bool {
    const WORDS: [&str; 18] = [
        "null",
        "none",
        "nil",
        "true",
        "false",
        "yes",
        "no",
        "required",
        "optional",
        "redacted",
        "filtered",
        "masked",
        "hidden",
        "removed",
        "omitted",
        "undefined",
        "string",
        "n/a",
    ];
    let bare = secret.trim_matches(|c: char| matches!(c, '[' | ']' | '(' | ')' | '*' | '<' | '>'));
    WORDS.iter().any(|word| bare.eq_ignore_ascii_case(word))
        || is_hmac(secret)
        // What a remote desktop is asked for: a user's name.
        || secret.starts_with("mstshash=")
        || !secret.bytes().any(|byte| byte.is_ascii_alphanumeric() || byte >= 0x80)
            && secret.bytes().all(|byte| {
                matches!(
                    byte,
                    b'*' | b'\\' | b'(' | b')' | b'.' | b'[' | b']' | b'=' | b':' | b'-' | b'?'
                        | b'"' | b'\''
                )
            })
}

/// What Vault and OpenBao write instead of a secret.
pub fn is_hmac(secret: &str) -> bool {
    secret.strip_prefix("hmac-sha256:").is_some_and(|rest| {
        rest.len() >= 64 && rest.bytes().take(64).all(|byte| byte.is_ascii_hexdigit())
    })
}

fn is_argument(name: &str, secret: &str) -> bool {
    let quoted = name.ends_with(['"', '\'']);
    // `Authorization: Bearer <redacted:token>`: the scheme is not the secret.
    let schemes = [
        "basic",
        "bearer",
        "token",
        "digest",
        "negotiate",
        "ntlm",
        "aws4-hmac-sha256",
        "sharedkey",
    ];
    if schemes.iter().any(|scheme| secret.eq_ignore_ascii_case(scheme)) {
        return false;
    }
    // `$password = Get-Secret`: without quotes an expression, not a value.
    if (name.starts_with('$') && !quoted)
        || says_nothing(secret)
        || is_pam_step(name, secret)
        || is_handle(name)
    {
        return false;
    }
    // Tables, lists and types of PowerShell; templates.
    let code = ["@{", "@(", "{{", "[string]", "[securestring]", "(get-", "(read-"];
    let head = secret.get(..13.min(secret.len())).unwrap_or(secret).to_ascii_lowercase();
    if code.iter().any(|code| head.starts_with(code)) {
        return false;
    }
    let mut bytes = secret.bytes();
    match (bytes.next(), bytes.next()) {
        (None, _) => false,
        (Some(b'/' | b'-' | b'>' | b'|' | b'&'), _) if !quoted && !name.ends_with(['=', ':']) => {
            false
        }
        // An unquoted $name is a variable in every shell that logs.
        (Some(b'$'), Some(next)) if !quoted => {
            !matches!(next, b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'{' | b'(')
        }
        (Some(b'%'), Some(_)) if secret.ends_with('%') => false,
        _ => true,
    }
}

/// `pam_unix(passwd:chauthtok): password changed`: the name is a program's.
fn is_pam_step(name: &str, secret: &str) -> bool {
    name.to_ascii_lowercase().ends_with("passwd:")
        && ["chauthtok)", "auth)", "account)", "session)", "setcred)"]
            .iter()
            .any(|step| secret.starts_with(step))
}

/// `PWD=/root`, `OLDPWD=~`, `pwd: C:\` say where somebody is.
fn is_place(name: &str, secret: &str) -> bool {
    let trimmed = name.trim_end_matches([' ', '\t', '=', ':', '"', '\'']).to_ascii_lowercase();
    trimmed.ends_with("pwd")
        && (secret.starts_with(['/', '~']) || secret.as_bytes().get(1) == Some(&b':'))
}

/// Names that end in `token` and are none: strong names of libraries, pipes between a browser's processes.
fn is_handle(name: &str) -> bool {
    let from = name.len().saturating_sub(NAME_BYTES_MAX);
    let tail = name.get(from..).unwrap_or(name).to_ascii_lowercase();
    let tail = tail.trim_end_matches([' ', '\t', '=', ':', '"', '\'', '\\']);
    ["publickeytoken", "pipe-token", "channel-token", "page-token", "pagetoken", "nexttoken"]
        .iter()
        .any(|word| tail.ends_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles_and_has_a_group() {
        for (kind, _, near, pattern) in specs() {
            let expression = Regex::new(pattern).unwrap_or_else(|error| panic!("{kind}: {error}"));
            assert!(expression.captures_len() > 1, "{pattern}");
            let addresses = pattern.starts_with("://");
            assert_eq!(near.is_empty(), addresses, "{pattern}: announced by nothing");
        }
    }

    #[test]
    fn words_that_say_nothing() {
        for text in ["", "***", "YES", "[FILTERED]", "(null)", "none", "...", "\\\""] {
            assert!(says_nothing(text), "{text}");
        }
        let hmac = format!("hmac-sha256:{}", "0a".repeat(32));
        assert!(says_nothing(&hmac));
        for text in ["yes1", "hmac-sha256:12", "!$&", "é", "x"] {
            assert!(!says_nothing(text), "{text}");
        }
    }
}
