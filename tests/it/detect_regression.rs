//! The Sigma project's regression logs: the rule that each was recorded for must fire on it; and the index and our
//! walk over rules must say what the library alone says (the program's own `rules verify`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use watchfloor::config::Config;
use watchfloor::config::rules::RulesConfig;
use watchfloor::detect::RuleSet;
use watchfloor::detect::explain::judge::ROWS_MAX;
use watchfloor::detect::explain::plan::Plan as ExplainPlan;
use watchfloor::detect::load;
use watchfloor::detect::rules::Judge;
use watchfloor::model::event::Event;
use watchfloor::pipeline::inputs::{Inputs, Plan};

use crate::support;

/// Unpack `archive` of the test data into `folder`.
pub fn unpack(archive: &str, folder: &Path) -> Option<()> {
    let path = support::data(archive)?;
    let mut tar = Command::new("tar")
        .arg("-x")
        .current_dir(folder)
        .stdin(Stdio::piped())
        .spawn()
        .expect("tar runs");
    let mut pipe = tar.stdin.take().unwrap();
    zstd::stream::copy_decode(File::open(path).unwrap(), &mut pipe).unwrap();
    drop(pipe);
    assert!(tar.wait().unwrap().success());
    Some(())
}

fn files(folder: &Path, extension: &str, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, extension, out);
        } else if path.extension().is_some_and(|found| found == extension) {
            out.push(path);
        }
    }
    out.sort();
}

/// The ids under `rule_metadata` of an `info.yml`.
fn expected(info: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(info).unwrap();
    let (_, after) = text.split_once("rule_metadata").unwrap();
    let ids = after.lines().filter_map(|line| line.trim().strip_prefix("- id: "));
    ids.map(str::to_owned).collect()
}

#[test]
fn the_rule_of_every_regression_log_fires() {
    let folder = tempfile::tempdir().unwrap();
    let unpacked = unpack("windows/evtx/SigmaHQ__sigma.tar.zst", folder.path())
        .and_then(|()| unpack("rules/sigmahq_8eaafff1.tar.zst", folder.path()));
    if unpacked.is_none() {
        return;
    }
    let logs = folder.path().join("SigmaHQ__sigma");
    let output = support::watchfloor(folder.path())
        .arg("scan")
        .arg(&logs)
        .arg("--rules")
        .arg(folder.path().join("sigma"))
        .args(["--format", "ndjson", "--quiet"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut fired: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let finding: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| finding[key].as_str().unwrap().to_owned();
        fired.entry(text("source_path")).or_default().insert(text("rule.id"));
    }
    let mut evtx = Vec::new();
    files(&logs, "evtx", &mut evtx);
    assert_eq!(evtx.len(), 95);
    let missed: Vec<_> = evtx
        .iter()
        .filter(|path| {
            let wanted = expected(&path.with_file_name("info.yml"));
            let found = fired.get(&path.display().to_string());
            found.is_none_or(|found| found.is_disjoint(&wanted))
        })
        .collect();
    assert!(missed.is_empty(), "the named rule does not fire on {missed:#?}");
}

/// What explains a rule is built beside what runs; it must never say anything else.
#[test]
fn explanations_say_what_the_judgement_says() {
    let folder = tempfile::tempdir().unwrap();
    let unpacked = unpack("windows/evtx/SigmaHQ__sigma.tar.zst", folder.path())
        .and_then(|()| unpack("rules/sigmahq_8eaafff1.tar.zst", folder.path()));
    let (Some(()), Some(otrf)) = (unpacked, support::data("windows/otrf")) else { return };
    let full = std::env::var_os("WATCHFLOOR_TEST_FULL").is_some();
    let mut captures = Vec::new();
    files(&otrf, "zst", &mut captures);
    captures.sort_by_key(|path| fs::metadata(path).unwrap().len());
    let mut judged = events(captures.get(..8).unwrap(), 40);
    let mut evtx = Vec::new();
    files(&folder.path().join("SigmaHQ__sigma"), "evtx", &mut evtx);
    judged.extend(events(&evtx, 1));
    if let Some(linux) = support::data("linux/sysmon_for_linux") {
        judged.extend(events(&[linux], 40));
    }

    let paths = vec![folder.path().join("sigma/rules").display().to_string(), "builtin".to_owned()];
    let config = RulesConfig { paths: paths.clone(), ..RulesConfig::default() };
    let rules = RuleSet::load(&config, &BTreeSet::new()).rules;
    let mut judge = Judge::new(&rules);
    let mut fired: Vec<BTreeSet<String>> = Vec::new();
    for event in &judged {
        let mut matches = Vec::new();
        judge.judge(event, &mut matches);
        let ids = matches.iter().map(|hit| rules.rules()[hit.rule as usize].id.clone());
        fired.push(ids.collect());
    }
    let interesting: BTreeSet<&String> = fired.iter().flatten().collect();
    let parsed = load::read(&RulesConfig { paths, ..RulesConfig::default() }, &mut Vec::new());
    let (mut explained, mut matches) = (0, 0);
    for (number, (rule, _)) in parsed.rules.iter().enumerate() {
        let id = rule.id.clone().unwrap_or_else(|| load::id_of(&rule.title));
        if !interesting.contains(&id) && !full && number % 12 != 0 {
            continue;
        }
        let plan = ExplainPlan::new(rule, id.clone()).unwrap();
        for (event, fired) in judged.iter().zip(&fired) {
            let standing = plan.standing(event);
            let fires = standing.source_fits && standing.holds;
            assert_eq!(fires, fired.contains(&id), "{} on {event:?}", rule.title);
            assert_eq!(standing.holds, standing.short == 0, "{}", rule.title);
            if fires || standing.short == 1 && standing.source_fits {
                let told = plan.explain(event);
                assert_eq!((told.fires(), told.short), (fires, standing.short));
                assert_eq!(told.missing.len(), standing.short as usize, "{told:#?}");
                assert!(told.rows.len() <= ROWS_MAX);
                let root = told.rows.first().unwrap();
                assert_eq!(root.holds, told.holds);
            }
            explained += 1;
            matches += usize::from(fires);
        }
    }
    assert!(explained > 50_000 && matches > 90, "{explained} pairs, {matches} matches");
}

fn events(paths: &[PathBuf], every: usize) -> Vec<Event> {
    let paths = paths.iter().map(|path| path.display().to_string()).collect();
    let inputs = Inputs {
        paths,
        format: "auto".to_owned(),
        host: None,
        host_from_path: None,
        explain: false,
    };
    let plan = Plan::new(&Config::default(), &inputs, true).unwrap();
    let mut out = Vec::new();
    let mut number = 0;
    for input in &plan.inputs {
        plan.read(input, &mut |output| {
            for event in output.events.drain(..) {
                if number % every == 0 {
                    out.push(event);
                }
                number += 1;
            }
            ControlFlow::Continue(())
        });
    }
    out
}

/// A clever path is tested against the plain one, on real captures: every sixth event of all of them, or all.
#[test]
fn index_and_tree_say_what_the_library_says() {
    let folder = tempfile::tempdir().unwrap();
    let unpacked = unpack("windows/evtx/SigmaHQ__sigma.tar.zst", folder.path())
        .and_then(|()| unpack("rules/sigmahq_8eaafff1.tar.zst", folder.path()));
    let (Some(()), Some(otrf)) = (unpacked, support::data("windows/otrf")) else { return };
    let full = std::env::var_os("WATCHFLOOR_TEST_FULL").is_some();
    let rules = folder.path().join("sigma");
    let verified = |logs: &Path, every: &str| {
        let output = support::watchfloor(folder.path())
            .args(["rules", "verify", "--every", every, "--rules"])
            .args([&rules, logs])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains(" 0 differ"), "{said}");
        let first = |text: &str| text.split(' ').next().unwrap().parse::<u64>().unwrap();
        let matches = said.rsplit_once(": ").map(|(_, rest)| first(rest)).unwrap();
        (first(&said), matches)
    };
    let (events, matches) = verified(&otrf, if full { "1" } else { "6" });
    assert!(events >= 100_000 && matches >= 1_000, "{events} events, {matches} matches");
    let (events, matches) = verified(&folder.path().join("SigmaHQ__sigma"), "1");
    assert!(events >= 95 && matches >= 95, "{events} events, {matches} matches");
}
