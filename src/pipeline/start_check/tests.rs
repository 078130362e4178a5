//! Everything that a start would refuse, said under its key.

use std::fs;
use std::path::Path;

use super::*;
use crate::config::check::{Written, check};

fn config(text: &str) -> Config {
    let checked =
        check(&Written { file: Some(("w.toml".into(), text.to_owned())), ..Written::default() });
    assert_eq!(checked.problems, []);
    checked.config
}

fn keys(text: &str) -> Vec<String> {
    look(&config(text)).into_iter().map(|finding| finding.key).collect()
}

const HTTP: &str = "[[sources]]\nname='h'\ntype='http'\nlisten='127.0.0.1:1'\n";

#[test]
fn a_format_that_nobody_knows_is_named_with_the_nearest() {
    let source = |format: &str| format!("[[sources]]\nname='a'\npaths=['/x']\nformat='{format}'\n");
    assert_eq!(keys(&source("syslog")), [""; 0]);
    assert_eq!(keys(&source("apache")), [""; 0], "a mapping");
    assert_eq!(keys("[regroup]\nbrokers=['k:1']\n"), [""; 0], "what nodes hand each other");
    let found = look(&config(&source("sylog")));
    assert_eq!(found[0].key, "sources[0].format");
    assert_eq!(found[0].message, "no format is called \"sylog\"");
    assert_eq!(found[0].hint, "did you mean syslog");
    assert_eq!(found[0].weight, Weight::Stops);
    let found = look(&config(&source("qqqqqq")));
    assert_eq!(found[0].hint, "watchfloor formats list shows the names");
}

#[test]
fn mappings_of_the_configuration_are_formats_too_and_a_collector_leaves_them_to_analysers() {
    let folder = tempfile::tempdir().unwrap();
    let text = "title = \"our own\"\nprograms = [\"ours\"]\n";
    fs::write(folder.path().join("ours.toml"), text).unwrap();
    let library = Library::load(&[folder.path().display().to_string()]);
    assert_eq!(library.mappings.len(), 1, "{:?}", library.problems);
    let source = "[[sources]]\nname='a'\npaths=['/x']\nformat='ours'\n";
    let own = format!("[mappings]\npaths=['builtin', '{}']\n", folder.path().display());
    assert_eq!(keys(source), ["sources[0].format"]);
    assert_eq!(keys(&format!("{own}{source}")), [""; 0]);
    let collector = format!("roles=['collect']\n[collect]\nbrokers=['k:1']\n{source}");
    assert_eq!(keys(&collector), [""; 0]);
}

#[test]
fn two_that_listen_in_one_place_are_named() {
    let text = format!(
        "[metrics]\nlisten='127.0.0.1:7'\n{HTTP}grpc_listen='127.0.0.1:2'\n\
         [[sources]]\nname='u'\ntype='syslog'\nprotocol='udp'\nlisten='127.0.0.1:1'\n\
         [[sources]]\nname='s'\ntype='syslog'\nlisten='0.0.0.0:2'\n\
         [[sources]]\nname='r'\ntype='relp'\nlisten='127.0.0.1:3'\n\
         [[sources]]\nname='f'\ntype='forward'\nheartbeat=true\nlisten='127.0.0.1:1'\n"
    );
    let found: Vec<(String, String)> =
        look(&config(&text)).into_iter().map(|it| (it.key, it.message)).collect();
    let expected = [
        ("sources[2].listen", "0.0.0.0:2 is where sources[0].grpc_listen listens"),
        ("sources[4].listen", "127.0.0.1:1 is where sources[0].listen listens"),
        ("sources[4].listen", "127.0.0.1:1 is where sources[1].listen listens"),
    ];
    assert_eq!(found, expected.map(|(key, said)| (key.to_owned(), said.to_owned())));
    // What does not run here takes no address.
    let analyser = format!("roles=['analyse']\n{HTTP}{}", HTTP.replace("'h'", "'i'"));
    assert_eq!(keys(&analyser), [""; 0]);
}

#[test]
fn files_and_variables_that_are_not_there_are_named_by_their_keys() {
    let text = format!(
        "{HTTP}tls_cert='/nope/c'\ntls_key='/nope/k'\nhmac_secret={{ file='/nope/s' }}\n\
         [[sources]]\nname='f'\ntype='forward'\nshared_key={{ env='WATCHFLOOR_SURELY_NOT_SET' }}\n\
         [[sources]]\nname='m'\ntype='ssh'\nhosts=['a']\nkey_file='/nope/i'\nknown_hosts='/nope/h'\nuser='u'\npaths=['/x']\n\
         [[sources]]\nname='q'\ntype='amqp'\nurl='amqps://b:1'\nqueue='q'\npassword={{ file='/nope/p' }}\ntls_ca='/nope/a'\n\
         [[sources]]\nname='k'\ntype='kafka'\nbrokers=['b:1']\ntopics=['t']\ntls=true\ntls_ca='/nope/a'\ntls_cert='/nope/c'\ntls_key='/nope/k'\n\
         [[sinks]]\nname='o'\ntype='watchfloor'\nurl='https://o'\napi_key={{ file='/nope/y' }}\ntls_ca='/nope/a'\n"
    );
    assert_eq!(
        keys(&text),
        [
            "sources[0].tls_cert",
            "sources[0].tls_key",
            "sources[0].hmac_secret.file",
            "sources[1].shared_key.env",
            "sources[2].key_file",
            "sources[2].known_hosts",
            "sources[3].password.file",
            "sources[3].tls_ca",
            "sources[4].tls_ca",
            "sources[4].tls_cert",
            "sources[4].tls_key",
            "sinks[0].api_key.file",
            "sinks[0].tls_ca",
        ]
    );
    let first = &look(&config(&text))[0].message;
    assert_eq!(first, "/nope/c: No such file or directory (os error 2)");
}

#[test]
fn what_redaction_needs_is_said_once_and_under_its_key() {
    let text = "[redact]\nusers='pseudonym'\nkey={ env='WATCHFLOOR_SURELY_NOT_SET' }\n\
                [redact.patterns]\nbadge='B-([0-9]+)'\ncard='('\nplain='x'\n";
    let found: Vec<(String, String)> =
        look(&config(text)).into_iter().map(|it| (it.key, it.message)).collect();
    let expected = [
        ("redact.patterns.card", "the pattern is not usable: unclosed group"),
        ("redact.patterns.plain", "the pattern is not usable: it has no group around the secret"),
        ("redact.key.env", "the variable WATCHFLOOR_SURELY_NOT_SET is not set"),
    ];
    assert_eq!(found, expected.map(|(key, said)| (key.to_owned(), said.to_owned())));
    let error =
        Redactor::new(&config("[redact]\nusers='pseudonym'\nkey={ file='/nope' }\n").redact);
    let said = chain(&error.unwrap_err());
    assert_eq!(said, "redact.key: /nope: No such file or directory (os error 2)");
}

#[test]
fn places_that_are_not_there_are_told_from_what_stops_the_start() {
    let text = "[rules]\npaths=['builtin', 'pack:x', '/nope/r']\n[signals]\npaths=['/nope/s']\n\
                [mappings]\npaths=['/nope/m']\n[infer]\nmodels='/nope/i'\n";
    let found: Vec<(String, Weight)> =
        look(&config(text)).into_iter().map(|it| (it.key, it.weight)).collect();
    let expected = [
        ("infer.models", Weight::Stops),
        ("rules.paths", Weight::Missing),
        ("signals.paths", Weight::Missing),
        ("mappings.paths", Weight::Missing),
    ];
    assert_eq!(found, expected.map(|(key, weight)| (key.to_owned(), weight)));
    assert!(Path::new("/nope").metadata().is_err());
}
