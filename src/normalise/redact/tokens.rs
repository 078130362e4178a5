//! Secrets that show by their look, whatever stands around them: keys, tokens, and credentials in addresses.

use crate::normalise::redact::rules::{Check, Spec};

/// The rules.
pub const SPECS: &[Spec] = &[
    // Line ends may be written as `\n`; the end may be cut off.
    (
        "private_key",
        Check::None,
        &["private key-", "private key block-"],
        r"(?s)-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----(.+?)(?:-----END|\z)",
    ),
    // The beginning is cut off.
    (
        "private_key",
        Check::None,
        &["private key-", "private key block-"],
        r"([A-Za-z0-9+/=]{16,}(?:(?:\\+[rn]|[\r\n\t ])+[A-Za-z0-9+/=]+)*(?:\\+[rn]|[\r\n\t ])*)-----END [A-Z0-9 ]{0,30}PRIVATE KEY",
    ),
    // Only the body: how every unencrypted PKCS #8 RSA key and every OpenSSH key begins.
    (
        "private_key",
        Check::None,
        &["ibadanbgkqhkig9w0baqefaasc", "b3blbnnzac1rzxktdje"],
        r"(?-u:\b)((?:[A-Za-z0-9+/]{2,10}IBADANBgkqhkiG9w0BAQEFAASC|b3BlbnNzaC1rZXktdjE)(?:[A-Za-z0-9+/=]|\\+[rn]|[\r\n])*)",
    ),
    ("private_key", Check::None, &["age-secret-key-1"], r"(?i)(age-secret-key-1[a-z0-9]{50,})"),
    (
        "jwt",
        Check::None,
        &["eyjh", "eyj0", "eyjr", "eyjl", "eyj4", "eyjj"],
        r"(?-u:\b)(eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,3})",
    ),
    (
        "token",
        Check::None,
        &[
            "ghp_",
            "gho_",
            "ghu_",
            "ghs_",
            "ghr_",
            "github_pat_",
            "glpat-",
            "glrt-",
            "gldt-",
            "glptt-",
            "glcbt-",
        ],
        r"(?-u:\b)((?:gh[pousr]_[A-Za-z0-9]{30,})|(?:github_pat_[A-Za-z0-9_]{30,})|(?:gl(?:pat|rt|dt|ptt|cbt)-[A-Za-z0-9_.-]{20,}))",
    ),
    (
        "token",
        Check::None,
        &["xoxa", "xoxb", "xoxe", "xoxo", "xoxp", "xoxr", "xoxs", "xapp-"],
        r"(?-u:\b)((?:xox[abeoprs][.-][A-Za-z0-9.-]{10,})|(?:xapp-[0-9]-[A-Za-z0-9-]{10,}))",
    ),
    (
        "webhook",
        Check::None,
        &["hooks.slack", "api/webhooks/", "webhook.office", "api.telegram"],
        r"(?i)(?:hooks\.slack\.com/(?:services|workflows|triggers)/|discord(?:app)?\.com/api/webhooks/[0-9]+/|webhook\.office\.com/webhookb2/|api\.telegram\.org/bot)([A-Za-z0-9/_@:-]{20,})",
    ),
    (
        "token",
        Check::None,
        &["k_live_", "k_test_", "whsec_"],
        r"(?-u:\b)((?:[sr]k_(?:live|test)|whsec)_[A-Za-z0-9+/=]{16,})",
    ),
    (
        "token",
        Check::None,
        &[
            "npm_",
            "pypi-",
            "dckr_",
            "dop_v1_",
            "doo_v1_",
            "dor_v1_",
            "glsa_",
            "sntrys_",
            "shpat_",
            "lin_api_",
            "nrak-",
            "pmak-",
            "tskey-",
            ".atlasv1.",
            "dapi",
            "hvs.",
            "hvb.",
            "hvr.",
        ],
        r"(?-u:\b)((?:npm_[A-Za-z0-9]{36,})|(?:pypi-[A-Za-z0-9_-]{40,})|(?:dckr_[po]at_[A-Za-z0-9_-]{20,})|(?:do[opr]_v1_[0-9a-f]{64})|(?:glsa_[A-Za-z0-9_]{32,})|(?:sntrys_[A-Za-z0-9+/=_]{30,})|(?:shpat_[0-9a-f]{32})|(?:lin_api_[A-Za-z0-9]{32,})|(?:NRAK-[A-Z0-9]{27})|(?:PMAK-[0-9a-f]{24}-[0-9a-f]{34})|(?:tskey-[a-z]+-[A-Za-z0-9-]{16,})|(?:[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{40,})|(?:dapi[0-9a-f]{32})|(?:hv[sbr]\.[A-Za-z0-9_-]{20,}))",
    ),
    (
        "token",
        Check::Opaque,
        &["vault", "client_token", "openbao"],
        r"(?-u:\b)([sbr]\.[A-Za-z0-9]{24})(?-u:\b)",
    ),
    (
        "token",
        Check::None,
        &["sk-ant-", "sk-proj-", "sk-svcacct-", "sk-admin-", "sk-or-", "t3blbkfj"],
        r"(?-u:\b)(sk-(?:(?:ant|proj|svcacct|admin|or)-[A-Za-z0-9_-]{20,}|[A-Za-z0-9]{16,}T3BlbkFJ[A-Za-z0-9]{16,}))",
    ),
    (
        "token",
        Check::None,
        &["aiza", "ya29.", "gocspx-", "1//0"],
        r"(?-u:\b)((?:AIza[A-Za-z0-9_-]{35})|(?:ya29\.[A-Za-z0-9_-]{20,})|(?:GOCSPX-[A-Za-z0-9_-]{20,})|(?:1//0[A-Za-z0-9_-]{40,}))",
    ),
    // The id of an AWS key is no secret, and tells whose it was; what stands beside it is one.
    (
        "aws_key",
        Check::Opaque,
        &["akia", "asia"],
        r#"(?-u:\b)(?:AKIA|ASIA)[A-Z0-9]{16}(?-u:\b)[^A-Za-z0-9+/\r\n]{1,8}(?:[A-Za-z_ -]{0,30}[=:"' \t]{1,8})?([A-Za-z0-9+/]{40})(?:[^A-Za-z0-9+/=]|\z)"#,
    ),
    ("url_credentials", Check::None, &[], r#"://[^ \t\r\n/:@"'<>]*:([^ \t\r\n/@"'<>]+)@"#),
    ("url_credentials", Check::Opaque, &[], r#"://([^ \t\r\n/:@"'<>.,;]{20,})@"#),
];
