//! The expressions that find secrets. In each, the first group that took part is the secret.

use std::ops::Range;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use crate::normalise::redact::BadPattern;

/// Compiled size that a pattern of the configuration may have.
const OWN_PATTERN_BYTES_MAX: usize = 1 << 20;

/// A last look at what an expression found, for what expressions cannot say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Take it.
    None,
    /// Not another switch, a redirection or a reference to a variable.
    Argument,
    /// As [`Check::Argument`], and no path (`PWD=/root` is no password).
    Value,
    /// As [`Check::Value`], at least eight characters with a digit (`Elevated Token: Yes` is no token).
    Token,
}

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// The word in `<redacted:kind>`.
    pub kind: Arc<str>,
    check: Check,
    /// Bits of the words (numbered by [`words`]) of which one must be in the text; all bits: always tried.
    pub words: u128,
    expression: Regex,
}

/// Every word of [`BUILTIN`], each once: bit `n` of a set of words is the n-th. In lower case, at least four bytes
/// (the vector search of [`super::prefilter`] is fast with these) except the one of addresses.
pub fn words() -> Vec<&'static str> {
    let mut all: Vec<&str> =
        BUILTIN.iter().flat_map(|(_, _, words, _)| words.iter().copied()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// A value: quoted (the quotes themselves possibly escaped) or up to the next blank or delimiter.
macro_rules! value {
    () => {
        r#"(?:\\*"((?:[^"\\]|\\+[^"\\])+)\\*"|\\*'((?:[^'\\]|\\+[^'\\])+)\\*'|([^ \t\r\n"'&;,|<>]+))"#
    };
}

/// An argument: as a value, but only blanks and pipes end it.
macro_rules! argument {
    () => {
        r#"(?:\\*"((?:[^"\\]|\\+[^"\\])+)\\*"|\\*'((?:[^'\\]|\\+[^'\\])+)\\*'|([^ \t\r\n"'|<>]+))"#
    };
}

/// The rest of a command up to the switch in question.
macro_rules! within {
    () => {
        r#"(?:\.exe)?["']?(?:[ \t][^|;&\r\n]*?)?"#
    };
}

/// The ways to write `net user` and `net use`.
const NET: &[&str] = &["net use", "net1", "net.exe"];

/// (kind, check, words of which one must be near, expression); tried in this order, the first to claim a text has it.
pub const BUILTIN: &[(&str, Check, &[&str], &str)] = &[
    (
        "private_key",
        Check::None,
        &["private key-"],
        r"(?s)-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----(.+?)(?:-----END|\z)",
    ),
    (
        "jwt",
        Check::None,
        &["eyjh", "eyj0", "eyjr"],
        r"(?-u:\b)(eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)",
    ),
    (
        "token",
        Check::None,
        &["ghp_", "gho_", "glpat-", "xoxb"],
        r"(?-u:\b)((?:gh[pousr]_[A-Za-z0-9]{30,})|(?:glpat-[A-Za-z0-9_-]{20,})|(?:xox[baprs]-[A-Za-z0-9-]{10,}))",
    ),
    ("url_credentials", Check::None, &["://"], r#"://[^ \t\r\n/:@"'<>]+:([^ \t\r\n/@"'<>]+)@"#),
    (
        "token",
        Check::Argument,
        &["authorization"],
        r#"(?i)authorization\\*["']?[ \t]*[:=][ \t]*\\*["']?(?:(?:basic|bearer|token|digest|negotiate|ntlm)[ \t]+)?([^ \t\r\n"',;<>]+)"#,
    ),
    ("token", Check::Token, &["bearer "], r"(?i)(?-u:\b)bearer[ \t]+([A-Za-z0-9._~+/=-]{16,})"),
    ("token", Check::None, &["sig="], r#"(?i)[?&]sig=([^&\s"'<>]+)"#),
    (
        "aws_key",
        Check::Value,
        &["secret"],
        concat!(
            r#"(?i)(?:aws_?secret_?access_?key|secretaccesskey)\\*["']?[ \t]*[:= ][ \t]*"#,
            value!()
        ),
    ),
    (
        "key",
        Check::Value,
        &[
            "apikey",
            "api_key",
            "api-key",
            "accesskey",
            "access_key",
            "access-key",
            "accountkey",
            "secret",
        ],
        concat!(
            r#"(?i)(?:api[_-]?key|access[_-]?key|accountkey|shared[_-]?access[_-]?key|secret[_-]?key)\\*["']?(?:[ \t]*[:=][ \t]*|[ \t]+)"#,
            value!()
        ),
    ),
    // What credential dumpers print.
    (
        "password",
        Check::Argument,
        &["pass"],
        r"(?im)^[ \t]*\*[ \t]*password[ \t]*:[ \t]*([^\r\n]+?)[ \t]*\r?$",
    ),
    (
        "hash",
        Check::Argument,
        &["pass"],
        r"(?im)^[ \t]*\*[ \t]*(?:ntlm|lm|sha1)[ \t]*:[ \t]*([0-9a-f]{32,40})[ \t]*\r?$",
    ),
    (
        "password",
        Check::Value,
        &["pass", "pwd=", "pwd:", "pwd ", "pwd\"", "secret"],
        concat!(
            r#"(?i)[$a-z0-9_.]*(?:password|passwd|passphrase|pwd|secret)\\*["']?[ \t]*(?:=|:=)[ \t]*"#,
            value!()
        ),
    ),
    (
        "password",
        Check::Value,
        &["pass", "pwd=", "pwd:", "pwd ", "pwd\"", "secret"],
        concat!(
            r#"(?i)[$a-z0-9_.]*(?:password|passwd|passphrase|pwd|secret)\\*["']?[ \t]*:[ \t]*"#,
            argument!()
        ),
    ),
    (
        "token",
        Check::Token,
        &["token=", "token:", "token\"", "token\\"],
        concat!(
            r#"(?i)(?:^|[^a-z0-9])(?:[a-z0-9]+[_-])*token\\*["']?[ \t]*(?:=|:)[ \t]*"#,
            value!()
        ),
    ),
    (
        "password",
        Check::Argument,
        &["pass", "pwd=", "pwd:", "pwd ", "pwd\"", "secret"],
        concat!(
            r#"(?i)(?:^|[ \t"'(])(?:--?|/)(?:[a-z0-9]+[_-])*(?:[a-z]*password|passwd|passphrase|pwd|pass|secret|passin|passout|storepass|keypass)(?:[ \t]*[=:][ \t]*|[ \t]+)"#,
            argument!()
        ),
    ),
    (
        "token",
        Check::Argument,
        &["-token", "apikey", "api_key", "api-key"],
        concat!(
            r#"(?i)(?:^|[ \t"'(])--?(?:[a-z0-9]+[_-])*(?:token|api[_-]?key)(?:[ \t]*[=:][ \t]*|[ \t]+)"#,
            argument!()
        ),
    ),
    (
        "password",
        Check::Argument,
        NET,
        concat!(
            r#"(?i)(?-u:\b)net1?(?:\.exe)?["']?[ \t]+user[ \t]+(?:/[^ \t\r\n]+[ \t]+)*(?:"[^"\r\n]+"|[^ \t\r\n/"|<>&]+)[ \t]+"#,
            argument!()
        ),
    ),
    (
        "password",
        Check::Argument,
        NET,
        concat!(
            r#"(?i)(?-u:\b)net1?(?:\.exe)?["']?[ \t]+use[ \t]+(?:[a-z*]:?[ \t]+)?["']?\\\\[^ \t\r\n"']+["']?[ \t]+"#,
            argument!()
        ),
    ),
    (
        "password",
        Check::Argument,
        NET,
        concat!(
            r#"(?i)(?-u:\b)net1?(?:\.exe)?["']?[ \t]+use[ \t][^|&\r\n]*?/user:[^ \t\r\n]+[ \t]+"#,
            argument!()
        ),
    ),
    (
        "password",
        Check::None,
        &["mysql", "mariadb"],
        concat!(
            r#"(?i)(?-u:\b)(?:mysql[a-z]*|mariadb[a-z-]*)"#,
            within!(),
            r#"[ \t]-p((?:[^ \t\r\n"'|<>]+))"#
        ),
    ),
    (
        "password",
        Check::Argument,
        &[
            "sshpass",
            "psexec",
            "evil-winrm",
            "crackmap",
            "netexec",
            "winrs",
            " login",
            "useradd",
            "usermod",
            "schtasks",
        ],
        concat!(
            r#"(?i)(?-u:\b)(?:sshpass|psexec[0-9]*|evil-winrm|crackmapexec|netexec|winrs|docker[ \t]+login|podman[ \t]+login|useradd|usermod|schtasks)"#,
            within!(),
            r#"[ \t][-/]r?p(?:[ \t]*[:=][ \t]*|[ \t]+)"#,
            argument!()
        ),
    ),
    (
        "password",
        Check::Argument,
        &["sshpass"],
        concat!(r#"(?i)(?-u:\b)(?:sshpass)"#, within!(), r#"-p(?:[ \t]+)?"#, argument!()),
    ),
    (
        "password",
        Check::Argument,
        &["plink", "pscp", "putty"],
        concat!(r#"(?i)(?-u:\b)(?:plink|pscp|putty)"#, within!(), r#"[ \t]-pw[ \t]+"#, argument!()),
    ),
    (
        "password",
        Check::Argument,
        &["sqlcmd", "osql", "isql", "bcp ", "zip -"],
        concat!(
            r#"(?-u:\b)(?i:sqlcmd|osql|isql|bcp|zip|unzip)"#,
            within!(),
            r#"[ \t]-P[ \t]*"#,
            argument!()
        ),
    ),
    (
        "password",
        Check::Argument,
        &["7z a", "7z.e", "7za ", "rar.exe", "rar a"],
        concat!(r#"(?i)(?-u:\b)(?:7za?|rar|winrar|unrar)"#, within!(), r#"[ \t]-h?p"#, argument!()),
    ),
    (
        "password",
        Check::Argument,
        &["curl", "wget"],
        concat!(
            r#"(?-u:\b)(?i:curl|wget)"#,
            within!(),
            r#"[ \t](?:-u|-U|--user|--proxy-user)[ \t=]*["']?[^ \t\r\n:"']+:([^ \t\r\n"'|<>]+)"#
        ),
    ),
    (
        "password",
        Check::Argument,
        &["redis-cli"],
        concat!(r#"(?-u:\b)(?i:redis-cli)"#, within!(), r#"[ \t]-a[ \t]+"#, argument!()),
    ),
    (
        "password",
        Check::Argument,
        &["ldap"],
        concat!(
            r#"(?-u:\b)(?i:ldap(?:search|add|modify|delete|passwd|whoami))"#,
            within!(),
            r#"[ \t]-w[ \t]*"#,
            argument!()
        ),
    ),
    (
        "password",
        Check::Argument,
        &["smbclient", "rpcclient"],
        concat!(
            r#"(?-u:\b)(?i:smbclient|rpcclient)"#,
            within!(),
            r#"[ \t]-U[ \t]*["']?[^ \t\r\n%"']+%([^ \t\r\n"'|<>]+)"#
        ),
    ),
    (
        "password",
        Check::Argument,
        &["freerdp"],
        concat!(r#"(?i)(?-u:\b)[wx]?freerdp"#, within!(), r#"[ \t]/p:"#, argument!()),
    ),
    (
        "password",
        Check::Argument,
        &["sqlplus"],
        r#"(?i)(?-u:\b)sqlplus(?:\.exe)?["']?[ \t]+(?:-[a-z]+[ \t]+)*["']?[^ \t/"']+/([^ \t@"'|<>]+)"#,
    ),
    (
        "password",
        Check::Argument,
        &["securestring"],
        r#"(?i)convertto-securestring[ \t]+(?:-(?:string|asplaintext|force)[ \t]+)*["']([^"']+)["']"#,
    ),
    (
        "password",
        Check::Argument,
        &["securestring"],
        r#"(?i)["']([^"'|]+)["'][ \t]*\|[ \t]*convertto-securestring"#,
    ),
    (
        "password",
        Check::Argument,
        &["credential("],
        r#"(?i)(?:network|ps)credential[ \t]*\([ \t]*["'][^"']*["'][ \t]*,[ \t]*["']([^"']+)["']"#,
    ),
    (
        "password",
        Check::Argument,
        &["pass"],
        r#"(?i)(?-u:\b)echo[ \t]+(?:-[a-z]+[ \t]+)*["']?[a-z0-9_.-]+:([^ \t"'|<>]+)["']?[ \t]*\|[ \t]*(?:sudo[ \t]+)?chpasswd"#,
    ),
    (
        "password",
        Check::Argument,
        &["sudo -", "pass"],
        r#"(?i)(?-u:\b)echo[ \t]+(?:-[a-z]+[ \t]+)*["']?([^ \t"'|<>]+)["']?[ \t]*\|[ \t]*(?:sudo[ \t]+(?:-[a-z]+[ \t]+)*-S|passwd[ \t]+--stdin)"#,
    ),
];

impl Rule {
    /// One of ours.
    pub fn new(kind: &str, check: Check, near: &[&str], pattern: &str) -> Result<Rule, BadPattern> {
        let mut bits = 0_u128;
        for (bit, word) in words().iter().enumerate() {
            if near.contains(word) {
                bits |= 1 << bit;
            }
        }
        let expression = Regex::new(pattern)
            .map_err(|error| BadPattern { kind: kind.to_owned(), problem: error.to_string() })?;
        Ok(Rule { kind: kind.into(), check, words: bits, expression })
    }

    /// One of the configuration: it must have a group, and the kind must be a plain word.
    pub fn own(kind: &str, pattern: &str) -> Result<Rule, BadPattern> {
        let bad = |problem: String| BadPattern { kind: kind.to_owned(), problem };
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
        Ok(Rule { kind: kind.into(), check: Check::None, words: u128::MAX, expression })
    }

    /// Where the secrets are.
    pub fn secrets<'a>(&'a self, text: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
        self.expression.captures_iter(text).filter_map(|captures| {
            let secret = captures.iter().skip(1).flatten().next()?;
            let whole = captures.get(0)?;
            let name = text.get(whole.start()..secret.start()).unwrap_or_default();
            self.check.takes(name, secret.as_str()).then(|| secret.range())
        })
    }
}

impl Check {
    fn takes(self, name: &str, secret: &str) -> bool {
        match self {
            Check::None => true,
            Check::Argument => is_argument(name, secret),
            Check::Value => is_argument(name, secret) && !is_place(name, secret),
            Check::Token => {
                is_argument(name, secret)
                    && secret.len() >= 8
                    && secret.bytes().any(|byte| byte.is_ascii_digit())
                    && !secret.starts_with("%%")
            }
        }
    }
}

fn is_argument(name: &str, secret: &str) -> bool {
    let quoted = name.ends_with(['"', '\'']);
    // `Authorization: Bearer <redacted:token>`: the scheme is not the secret.
    let schemes = ["basic", "bearer", "token", "digest", "negotiate", "ntlm"];
    if schemes.iter().any(|scheme| secret.eq_ignore_ascii_case(scheme)) {
        return false;
    }
    // `$password = Get-Secret`: without quotes an expression, not a value.
    if (name.starts_with('$') && !quoted) || ["(null)", "null", "none"].contains(&secret) {
        return false;
    }
    let mut bytes = secret.bytes();
    match (bytes.next(), bytes.next()) {
        (None, _) => false,
        (Some(b'*'), None) => false,
        (Some(b'/' | b'-' | b'>' | b'|' | b'&'), _) if !quoted && !name.ends_with(['=', ':']) => {
            false
        }
        // An unquoted $name is a variable in every shell that logs.
        (Some(b'$'), Some(next)) if !quoted => {
            !matches!(next, b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'{' | b'(')
        }
        (Some(b'%'), Some(_)) if secret.ends_with('%') => false,
        _ => !secret.bytes().all(|byte| {
            matches!(byte, b'*' | b'\\' | b'(' | b')' | b'.' | b'[' | b']' | b'=' | b':')
        }),
    }
}

/// `PWD=/root`, `OLDPWD=~`, `pwd: C:\` say where somebody is.
fn is_place(name: &str, secret: &str) -> bool {
    let trimmed = name.trim_end_matches([' ', '\t', '=', ':', '"', '\'']).to_ascii_lowercase();
    trimmed.ends_with("pwd")
        && (secret.starts_with(['/', '~']) || secret.as_bytes().get(1) == Some(&b':'))
}
