//! The decoders against other people's parser tests: the bars that must hold, and the page that shows where we stand.

use std::fmt::Write;

use watchfloor::config::Config;
use watchfloor::scoreboard::{Board, Counts, Suite, Verdict};

use crate::support;

/// Files of fail2ban's filters that must be read…
const FAIL2BAN_FILES_MIN: usize = 40;
/// …each with at least this many right in a hundred annotated lines.
const FAIL2BAN_PERCENT_MIN: f64 = 98.0;
const CROWDSEC_PERCENT_MIN: f64 = 97.0;
/// Of crowdsec's asserted fields at most this many in a hundred may be accepted as differing.
const CROWDSEC_ACCEPTED_PERCENT_MAX: f64 = 10.0;
const WAZUH_PERCENT_MIN: f64 = 95.0;

fn suites() -> Option<Vec<Suite>> {
    let vectors = support::data("vectors")?;
    let board = Board::new(&Config::default(), None).unwrap();
    Some(board.run(&[vectors], None).unwrap())
}

fn percent(counts: Counts) -> f64 {
    counts.percent().unwrap_or(0.0)
}

#[test]
fn the_bars_hold() {
    let Some(suites) = suites() else { return };
    let of = |name: &str| suites.iter().find(|suite| suite.name == name).unwrap();
    let good = of("fail2ban")
        .files()
        .into_values()
        .filter(|counts| counts.covered() > 0 && percent(*counts) >= FAIL2BAN_PERCENT_MIN);
    let good = good.count();
    assert!(good >= FAIL2BAN_FILES_MIN, "fail2ban: {good} files");
    let crowdsec = of("crowdsec").counts();
    assert!(percent(crowdsec) >= CROWDSEC_PERCENT_MIN, "crowdsec: {crowdsec:?}");
    assert_eq!(crowdsec.not_covered, 0);
    let accepted = crowdsec.accepted as f64 * 100.0 / crowdsec.cases() as f64;
    assert!(accepted <= CROWDSEC_ACCEPTED_PERCENT_MAX, "crowdsec: {accepted} % accepted");
    let wazuh = of("wazuh").counts();
    assert!(percent(wazuh) >= WAZUH_PERCENT_MIN, "wazuh: {wazuh:?}");
    for name in ["ops-agent", "access", "kubernetes", "nginx"] {
        let counts = of(name).counts();
        assert_eq!(counts.agreed, counts.cases(), "{name}: {counts:?}");
    }
}

fn cell(text: &str) -> String {
    let safe: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    safe.replace('|', "\\|")
}

/// The lines of the tests are other people's and stay out of the page: a case is named by file and line.
fn page(suites: &[Suite]) -> String {
    let mut page = String::from(
        "# Scoreboard\n\nOur decoders against other people's parser tests. Generated: `WATCHFLOOR_BLESS=1 cargo test --test it scoreboard`; \
         `watchfloor formats test DIR` prints the same for any folder of such tests, `--list` with the lines.\n\n\
         *Accepted*: it differs for a reason that is written down in `config/scoreboard/`. *Not covered*: no decoder of ours claims it. \
         The percentage is of the covered cases. For auditd see [auditd-scoreboard.md](auditd-scoreboard.md), for event logs [evtx-records.md](evtx-records.md).\n\n\
         | suite | one case is | cases | agreed | accepted | differing | not covered | % |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let row = |counts: Counts| {
        format!(
            "{} | {} | {} | {} | {} | {}",
            counts.cases(),
            counts.agreed,
            counts.accepted,
            counts.differing,
            counts.not_covered,
            counts.percent().map_or("-".to_owned(), |percent| format!("{percent:.2}"))
        )
    };
    for suite in suites {
        let _ = writeln!(page, "| {} | {} | {} |", suite.name, suite.unit, row(suite.counts()));
    }
    for suite in suites {
        let _ = writeln!(
            page,
            "\n## {}\n\n| file | cases | agreed | accepted | differing | not covered | % |\n| --- | --- | --- | --- | --- | --- | --- |",
            suite.name
        );
        let files = suite.files();
        if files.len() == 1 || suite.name == "kubernetes" {
            let _ = writeln!(page, "| all {} files | {} |", files.len(), row(suite.counts()));
        } else {
            for (file, counts) in files {
                let _ = writeln!(page, "| {} | {} |", cell(file), row(counts));
            }
        }
    }
    page.push_str(
        "\n## What differs\n\n| suite | file | line | how |\n| --- | --- | --- | --- |\n",
    );
    for suite in suites {
        for case in &suite.cases {
            let (how, accepted) = match &case.verdict {
                Verdict::Differing(why) => (why, ""),
                Verdict::Accepted(why) if suite.name != "crowdsec" => (why, "accepted: "),
                _ => continue,
            };
            let short: String = how.chars().take(160).collect();
            let _ = writeln!(
                page,
                "| {} | {} | {} | {accepted}{} |",
                suite.name,
                cell(&case.file),
                case.line,
                cell(&short)
            );
        }
    }
    page
}

#[test]
fn the_scoreboard_page_is_what_the_decoders_do() {
    let Some(suites) = suites() else { return };
    let path = support::root().join("docs/scoreboard.md");
    let fresh = page(&suites);
    if std::env::var_os("WATCHFLOOR_BLESS").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    let old = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        old == fresh,
        "docs/scoreboard.md is old: WATCHFLOOR_BLESS=1 cargo test --test it scoreboard"
    );
}
