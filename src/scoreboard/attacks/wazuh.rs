//! wazuh's rule tests: a section names the level of the rule that its lines must give. What a section is about stands in
//! `attacks.toml`: an attack by itself (lines as they stand), or one try of many (each line as often as wazuh's rules
//! that count wait for). Sections of a level at which wazuh only notes something expect nobody accused.

use std::borrow::Cow;

use crate::scoreboard::TestFile;
use crate::scoreboard::attacks::judge::{ANCHOR, case, nobody, skipped};
use crate::scoreboard::attacks::map::Section as Wanted;
use crate::scoreboard::attacks::{Case, Expected, Judge, Map, NO_ATTACK};
use crate::scoreboard::feed::Line;
use crate::scoreboard::tables::Tables;
use crate::scoreboard::wazuh::{Section, sections};
use crate::scoreboard::wazuh_line;

/// The cases of an ini file.
pub fn cases(file: &TestFile<'_>, judge: &Judge, map: &Map) -> Vec<Case> {
    let base = file.path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let tables = Tables::load(None).map(|tables| tables.wazuh);
    let family = tables.as_ref().ok().and_then(|table| table.family.get(base.as_ref()));
    let other = tables.as_ref().ok().and_then(|table| table.other.get(base.as_ref()));
    let format = family.map_or("auto", |family| family.format.as_str());
    let mut cases = Vec::new();
    for section in sections(file.text) {
        let name = format!("{base}: {}", section.title);
        let fits = |wanted: &&Wanted| wanted.file == base && wanted.title == section.title;
        let wanted = map.wazuh.section.iter().find(fits);
        let why = match (wanted, other) {
            (Some(wanted), _) => wanted.skip.clone(),
            (None, Some(why)) => Some(why.clone()),
            (None, None) => left_out(map, &base, &section),
        };
        if let Some(why) = why {
            cases.push(skipped("wazuh", name, &why));
            continue;
        }
        match wanted.filter(|wanted| wanted.class != NO_ATTACK) {
            Some(wanted) => cases.extend(attack(map, judge, (&name, format), &section, wanted)),
            None => {
                let lines: Vec<(u64, &str)> =
                    section.logs.iter().map(|(number, _, text)| (*number, *text)).collect();
                let (class, expected) = nobody();
                let all = judge.lines(&base, format, ANCHOR, &repeated(&lines, 1));
                cases.push(case(map, ("wazuh", name, class), expected, &all));
            }
        }
    }
    cases
}

/// Why a section without an entry is not compared.
fn left_out(map: &Map, base: &str, section: &Section<'_>) -> Option<String> {
    if let Some(why) = map.wazuh.skip.get(base) {
        return Some(why.clone());
    }
    match section.level {
        Some(level) if level <= map.wazuh.quiet_level => None,
        Some(level) => {
            Some(format!("level {level}: a rule about something else than these classes"))
        }
        None => Some("the section states no level".to_owned()),
    }
}

/// A case for each line that comes many times, and one for a section whose lines belong together as they stand; of the
/// second kind every address is a case.
fn attack(
    map: &Map,
    judge: &Judge,
    (name, format): (&str, &str),
    section: &Section<'_>,
    wanted: &Wanted,
) -> Vec<Case> {
    let passing: Vec<(u64, &str)> = section
        .logs
        .iter()
        .filter(|(_, pass, _)| *pass)
        .map(|(number, _, text)| (*number, *text))
        .collect();
    let peer = |text: &str| wazuh_line::facts(text).address;
    if wanted.many {
        let one = |(number, text): &(u64, &str)| {
            let expected = peer(text).map_or(Expected::Somebody, Expected::By);
            let lines = repeated(&[(*number, *text)], map.wazuh.tries);
            let all = judge.lines(name, format, ANCHOR, &lines);
            case(map, ("wazuh", format!("{name}:{number}"), &wanted.class), expected, &all)
        };
        return passing.iter().map(one).collect();
    }
    let all = judge.lines(name, format, ANCHOR, &repeated(&passing, 1));
    let mut expected: Vec<Expected> =
        passing.iter().filter_map(|(_, text)| peer(text)).map(Expected::By).collect();
    expected.dedup();
    if expected.is_empty() {
        expected.push(Expected::Somebody);
    }
    let one = |expected| case(map, ("wazuh", name.to_owned(), &wanted.class), expected, &all);
    expected.into_iter().map(one).collect()
}

fn repeated<'a>(lines: &[(u64, &'a str)], tries: u64) -> Vec<Line<'a>> {
    let all = (0..tries).flat_map(|_| lines.iter());
    (1_u64..)
        .zip(all)
        .map(|(number, (_, text))| Line { number, text: Cow::Borrowed(text) })
        .collect()
}
