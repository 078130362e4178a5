//! JSON that is made to hurt: nested until a stack ends, lists of a hundred thousand things that are no records.

use crate::support::watchfloor;

/// What `normalise` says at its end.
fn said(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("in.log");
    std::fs::write(&file, text).unwrap();
    let output = watchfloor(folder.path()).arg("normalise").arg(&file).output().unwrap();
    assert!(output.status.success(), "{:?}: {}", output.status, text.len());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_would_use_up_a_stack_is_a_reject_and_the_lines_around_it_are_read() {
    let deep = "[".repeat(900_000);
    let braces = "{\"a\":".repeat(150_000);
    for line in [
        format!("[{{\"a\":{deep}"),
        format!("[{{\"a\":{braces}"),
        format!("{{\"__CURSOR\":1,\"x\":[1],\"y\":{deep}"),
        format!("{{\"Records\":[{{\"x\":{deep}"),
        format!("{{\"a\":{deep}"),
    ] {
        for before in ["", "{\"message\":\"before\"}\n"] {
            let said = said(&format!("{before}{line}\n{{\"message\":\"behind\"}}\n"));
            assert!(said.contains("rejected"), "{}: {said}", &line[..20]);
            assert!(!said.contains("= 0 stored") || before.is_empty(), "{said}");
        }
    }
}

#[test]
fn a_list_of_what_is_no_record_is_told_in_a_few_words() {
    let list = format!("{{\"a\":1}}\n[{{\"message\":\"one\"}},{}1]\n", "1,".repeat(90_000));
    let said = said(&list);
    let rejected = said.lines().find(|line| line.contains("not_object")).unwrap_or_default();
    assert!(said.contains("too_many"), "{said}");
    let count: u64 = rejected
        .split(|byte: char| !byte.is_ascii_digit())
        .filter_map(|word| word.parse().ok())
        .max()
        .unwrap_or(0);
    assert_eq!(count, 1_000, "{said}");
}
