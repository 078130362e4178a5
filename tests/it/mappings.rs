//! The shipped mappings: each compiles with every expression, carries a test that holds, and stands in the reference.

use std::collections::BTreeSet;
use std::sync::Arc;

use watchfloor::config::Config;
use watchfloor::normalise::mapping::check;
use watchfloor::normalise::mapping::library::{self, BUILTIN, Library};
use watchfloor::normalise::{Settings, formats};

use crate::support;

#[test]
fn every_shipped_mapping_compiles_with_all_its_expressions() {
    let library = Library::check(&[BUILTIN.to_owned()]);
    let problems: Vec<String> = library.problems.iter().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(library.mappings.len() > 1);
}

#[test]
fn every_shipped_mapping_has_a_test_that_holds() {
    let settings = Arc::new(Settings::new(&Config::default()).unwrap());
    let tests = library::tests_of(&[BUILTIN.to_owned()]);
    let tested: BTreeSet<&str> = tests.iter().map(|(name, _)| stem(name)).collect();
    let files = library::shipped_files();
    let without: Vec<&str> = files
        .iter()
        .map(|(name, ..)| name.as_str())
        .filter(|name| !tested.contains(name))
        .collect();
    assert!(without.is_empty(), "no test beside: {without:?}");
    let names: BTreeSet<&str> = files.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names.len(), files.len(), "two shipped mappings have one name");
    let mut failures = Vec::new();
    for (name, text) in &tests {
        let tested = check::run(text, &settings);
        failures.extend(tested.failures.iter().map(|failure| format!("{name}:{failure}")));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.strip_suffix(".test").unwrap_or(name)
}

fn page() -> String {
    let library = Library::shipped();
    let mut page = String::from(
        "# Formats\n\nEvery format that is read. Generated from the code and the mappings: `WATCHFLOOR_BLESS=1 cargo test --test it mappings`.\n\n\
         ## Read by code\n\n| name for `--as` and `format =` | what |\n| --- | --- |\n",
    );
    for (name, what) in formats() {
        page.push_str(&format!("| `{name}` | {what} |\n"));
    }
    page.push_str(
        "\nSyslog programs whose messages code reads: sshd, sudo, doas, su, login, cron, at, the account tools (useradd, usermod, passwd, …), PAM of any program, the kernel, systemd and systemd-logind.\n\n\
         ## Mappings\n\nData in `config/mappings/`; `watchfloor formats show NAME` prints one, [adding-a-format.md](adding-a-format.md) explains them.\n\n\
         | name | what | claims | `event.dataset` |\n| --- | --- | --- | --- |\n",
    );
    for mapping in &library.mappings {
        let claim = &mapping.claim;
        let mut claims = Vec::new();
        if !claim.programs.is_empty() {
            let shown: Vec<&str> = claim.programs.iter().take(6).map(String::as_str).collect();
            let more = if claim.programs.len() > 6 { ", …" } else { "" };
            claims.push(format!("programs {}{more}", shown.join(", ")));
        }
        if !claim.lines.is_empty() {
            claims.push("lines by their look".to_owned());
        }
        if !claim.json.is_empty() {
            claims.push("JSON by its keys".to_owned());
        }
        if !claim.vendors.is_empty() {
            claims.push("CEF or LEEF of its vendor".to_owned());
        }
        if mapping.header.is_some() {
            claims.push("a header of columns".to_owned());
        }
        if claims.is_empty() {
            claims.push("only when forced".to_owned());
        }
        let title = mapping.title.replace('|', "\\|");
        page.push_str(&format!(
            "| `{}` | {title} | {} | `{}` |\n",
            mapping.name,
            claims.join("; "),
            mapping.dataset
        ));
    }
    page
}

#[test]
fn the_page_of_formats_is_what_the_program_reads() {
    let path = support::root().join("docs/formats.md");
    let fresh = page();
    if std::env::var_os("WATCHFLOOR_BLESS").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    let old = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        old == fresh,
        "docs/formats.md is old: WATCHFLOOR_BLESS=1 cargo test --test it mappings"
    );
}
