//! fail2ban: a jail bans a host when a filter's failure lines name it often enough (`maxretry`, five by default, within
//! ten minutes). So a case is one annotated line of a filter, coming that often: a line that must match expects its host
//! accused, one that must not match expects nobody accused of the filter's class.

use std::borrow::Cow;

use crate::scoreboard::TestFile;
use crate::scoreboard::attacks::judge::{Accusation, case, skipped};
use crate::scoreboard::attacks::map::LineClass;
use crate::scoreboard::attacks::{Case, Expected, Judge, Map, Verdict};
use crate::scoreboard::fail2ban::{CLOCK, Sample, expected_both_ways, samples};
use crate::scoreboard::feed::Line;

/// How many lines before a line may hold what it belongs to.
const CONTEXT_LINES_MAX: usize = 8;

/// The cases of a filter's file.
pub fn cases(file: &TestFile<'_>, judge: &Judge, map: &Map) -> Vec<Case> {
    let filter = file.path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let samples = samples(file.text);
    let both = expected_both_ways(&samples);
    let mut cases = Vec::new();
    for (index, sample) in samples.iter().enumerate() {
        let Some(expected) = &sample.expected else { continue };
        let name = format!("{filter}:{}", sample.line.number);
        let line = map
            .fail2ban
            .line
            .iter()
            .find(|line| line.filter == filter && sample.line.text.contains(&line.contains));
        let class = match of(map, &filter, line) {
            Of::Class(class) => class,
            Of::None(why) => {
                cases.push(skipped("fail2ban", name, why));
                continue;
            }
        };
        if !expected.matches && both.contains(sample.line.text.as_ref()) {
            let why = "the same line must match under other options of the filter";
            cases.push(skipped("fail2ban", name, why));
            continue;
        }
        let wanted = match (&expected.host, expected.matches) {
            (Some(host), true) => Expected::By(host.clone()),
            (None, true) => Expected::Somebody,
            (_, false) => Expected::NobodyBut(Vec::new()),
        };
        let run = |unit| repeated(judge, &filter, unit, map.fail2ban.tries);
        let judged =
            |all: &[Accusation]| case(map, ("fail2ban", name.clone(), class), wanted.clone(), all);
        let mut all = run(vec![sample]);
        // Their filters name hosts: a failure without one is none for them.
        all.retain(|one| expected.matches || !one.peers.is_empty());
        let alone = judged(&all);
        // What lacks its address alone may have it from the lines before.
        let with_context = expected.matches && alone.verdict != Verdict::Agreed;
        cases.push(match with_context {
            true => judged(&run(before(&samples, index))),
            false => alone,
        });
    }
    cases
}

/// The class of a line.
enum Of<'a> {
    Class(&'a str),
    /// Why there is none.
    None(&'a str),
}

fn of<'a>(map: &'a Map, filter: &str, line: Option<&'a LineClass>) -> Of<'a> {
    if let Some(line) = line {
        return match (&line.class, &line.skip) {
            (Some(class), _) => Of::Class(class),
            (None, why) => Of::None(why.as_deref().unwrap_or_default()),
        };
    }
    if let Some(why) = map.fail2ban.skip.get(filter) {
        return Of::None(why);
    }
    let class = map.fail2ban.class.iter().find(|(_, filters)| filters.contains(filter));
    match class {
        Some((class, _)) => Of::Class(class),
        None => Of::None("the filter is not in attacks.toml"),
    }
}

/// A line with those just before it that need not match themselves: they may hold what it belongs to.
fn before<'a>(samples: &'a [Sample<'a>], index: usize) -> Vec<&'a Sample<'a>> {
    let Some(own) = samples.get(index) else { return Vec::new() };
    let free = |other: &&Sample<'_>| other.expected.as_ref().is_none_or(|one| !one.matches);
    let lines = samples.iter().take(index).rev().take(CONTEXT_LINES_MAX).take_while(free);
    let mut unit: Vec<&Sample<'_>> = lines.collect();
    unit.reverse();
    unit.push(own);
    unit
}

fn repeated(judge: &Judge, filter: &str, unit: Vec<&Sample<'_>>, tries: u64) -> Vec<Accusation> {
    let all = (0..tries).flat_map(|_| unit.iter());
    let lines: Vec<Line<'_>> = (1_u64..)
        .zip(all)
        .map(|(number, sample)| Line { number, text: Cow::Borrowed(sample.line.text.as_ref()) })
        .collect();
    judge.lines(filter, "auto", CLOCK, &lines)
}
