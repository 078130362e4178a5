//! Secrets that their name tells: headers, parameters of addresses, environment variables, keys of configuration and of
//! JSON within texts, long switches of programs, and what credential dumpers print.

use crate::normalise::redact::rules::{Check, Spec, argument, value};

/// Words near a password.
const PASSWORD: &[&str] = &["pass", "pwd=", "pwd:", "pwd ", "pwd\"", "pwd\\", "pwd>", "secret"];

/// The rules.
pub const SPECS: &[Spec] = &[
    (
        "token",
        Check::Argument,
        &["authorization"],
        r#"(?i)authorization\\*["']?[ \t]*[:=][ \t]*\\*["']?(?:(?:basic|bearer|token|digest|negotiate|ntlm|apikey|splunk|sharedkey)[ \t]+)?([^ \t\r\n"',;<>]+)"#,
    ),
    (
        "token",
        Check::None,
        &["authorization"],
        r#"(?i)authorization[^\r\n]{0,20}(?:digest)[ \t][^\r\n]{0,600}?[ ,]response=\\*["']?([0-9a-f]{32,64})"#,
    ),
    ("token", Check::Token, &["bearer "], r"(?i)(?-u:\b)bearer[ \t]+([A-Za-z0-9._~+/=-]{16,})"),
    // `name=value` pairs as RFC 6265 writes them, so that a line's rest is not taken for a cookie.
    (
        "cookie",
        Check::Argument,
        &["cookie:", "cookie\"", "cookie=", "cookie\\", "cookie'"],
        r#"(?i)(?:set-)?cookie\\*["']?[ \t]*[:=][ \t]*\\*["']?([!#$%&'*+.^_`|~a-z0-9-]+=[^;,\s"'\\<>]*(?:;[ \t]*[!#$%&'*+.^_`|~a-z0-9-]+=[^;,\s"'\\<>]*)*)"#,
    ),
    // Parameters of an address, also of one that is written within another.
    (
        "token",
        Check::Argument,
        &[
            "token=",
            "token%3d",
            "?sig=",
            "&sig=",
            ";sig=",
            "sig%3d",
            "signature=",
            "apikey=",
            "api_key=",
            "api-key=",
            "?auth=",
            "&auth=",
            "authkey=",
            "?key=",
            "&key=",
            "sessionid=",
            "session_id=",
            "sessid=",
            "?sid=",
            "&sid=",
            "secret=",
            "?ticket=",
            "&ticket=",
            "?otp=",
            "&otp=",
        ],
        r#"(?i)(?:[?&]|%3f|%26|&amp;|;j)(?:[a-z0-9]+[_.-])*(?:(?:[a-z]*)token|sig|signature|api[_-]?key|auth|authkey|key|sessionid|session_id|phpsessid|sid|client_secret|secret|ticket|otp)(?:=|%3d)([^&?\s"'<>#;%\\]+(?:%[0-9a-f]{2}[^&?\s"'<>#;%\\]*)*)"#,
    ),
    ("token", Check::Opaque, &["?code=", "&code="], r#"(?i)[?&]code=([a-z0-9/_.=%-]{40,})"#),
    (
        "token",
        Check::None,
        &["signature="],
        r#"(?i)(?-u:\b)signature=\\*["']?([0-9a-f]{64}(?-u:\b))"#,
    ),
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
            "functions-key",
            "signing_key",
            "encryption_key",
            "master_key",
            "private_key",
        ],
        concat!(
            r#"(?i)(?:api[_-]?key|access[_-]?key|accountkey|shared[_-]?access[_-]?key|secret[_-]?key(?:_base)?|functions-key|(?:signing|encryption|master|private)_key)\\*["']?(?:[ \t]*\\?[:=][ \t]*|[ \t]+)"#,
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
        &["pass", "* ntlm", "* sha1"],
        r"(?im)^[ \t]*\*[ \t]*(?:ntlm|lm|sha1)[ \t]*:[ \t]*([0-9a-f]{32,40})[ \t]*\r?$",
    ),
    (
        "password",
        Check::Value,
        PASSWORD,
        concat!(
            r#"(?i)[$a-z0-9_.-]*(?:password|passwd|passphrase|passcode|pwd|secret|[a-z0-9][_-]pass)\\*["']?[ \t]*(?:=|:=)[ \t]*"#,
            value!()
        ),
    ),
    (
        "password",
        Check::Value,
        PASSWORD,
        concat!(
            r#"(?i)[$a-z0-9_.-]*(?:password|passwd|passphrase|passcode|pwd|secret|[a-z0-9][_-]pass)\\*["']?[ \t]*:[ \t]*"#,
            argument!()
        ),
    ),
    (
        "password",
        Check::Value,
        PASSWORD,
        r#"(?i)(?:name=\\*["'][a-z0-9_. -]*|<[a-z0-9_.:-]*)(?:password|passwd|passphrase|pwd|secret)(?:\\*["'])?>([^<]+)<"#,
    ),
    (
        "password",
        Check::Argument,
        &["machine "],
        r"(?i)machine[ \t]+\S+\s+login[ \t]+\S+\s+password[ \t]+(\S+)",
    ),
    (
        "token",
        Check::Token,
        &["token=", "token:", "token\"", "token\\", "token'"],
        concat!(
            r#"(?i)(?:^|[^a-z0-9])(?:[a-z0-9]+[_-])*token\\*["']?[ \t]*\\?(?:=|:)[ \t]*"#,
            value!()
        ),
    ),
    (
        "token",
        Check::Opaque,
        &["\"auth\"", "auth\\\""],
        r#"\\*"auth\\*"[ \t]*:[ \t]*\\*"([A-Za-z0-9+/=]{16,})"#,
    ),
    (
        "password",
        Check::Argument,
        PASSWORD,
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
];
