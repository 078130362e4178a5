//! 200 hostile payloads in every text of every screen: nothing outside the vocabulary reaches the terminal, and every
//! altered text is visibly marked.

use std::collections::BTreeSet;

use crate::pty::desk;
use crate::support::pty::Session;
use crate::support::vocabulary;

/// How many there are.
pub const PAYLOADS: usize = 200;

/// Sequences and characters that terminals obey or that eyes do not see.
const SEEDS: [&str; 50] = [
    "\u{1b}[31m",
    "\u{1b}[2J",
    "\u{1b}]0;owned\u{7}",
    "\u{1b}]52;c;b3duZWQ=\u{7}",
    "\u{1b}]8;;http://evil.example/\u{1b}\\",
    "\u{1b}[6n",
    "\u{1b}[c",
    "\u{1b}P+q544e\u{1b}\\",
    "\u{1b}c",
    "\u{1b}[?1049l",
    "\u{1b}[?2004l",
    "\u{1b}[200~",
    "\u{1b}[201~vf",
    "\u{1b}[10;10H",
    "\u{1b}[3g",
    "\u{1b}#8",
    "\u{1b}(0",
    "\u{1b}_x\u{1b}\\",
    "\u{1b}^x\u{1b}\\",
    "\u{1b}[8;1;1t",
    "\u{9b}31m",
    "\u{9d}0;x\u{9c}",
    "\u{90}q\u{9c}",
    "\u{85}",
    "\u{0}",
    "\u{7}",
    "\u{8}\u{8}\u{8}",
    "\u{b}",
    "\u{c}",
    "\u{d}over",
    "\u{e}",
    "\u{f}",
    "\u{7f}\u{7f}",
    "\u{18}",
    "\u{1a}",
    "\u{202e}gpj.exe",
    "\u{202a}x\u{202c}",
    "\u{2066}x\u{2069}",
    "\u{200e}\u{200f}",
    "\u{61c}",
    "\u{200b}",
    "a\u{200d}b",
    "\u{2060}\u{2064}",
    "\u{feff}",
    "\u{ad}",
    "\u{e0041}\u{e007f}",
    "x\u{fe0f}",
    "\u{2028}",
    "\u{e000}",
    "\u{10fffd}",
];

/// Payload `n`: a seed alone, doubled, inside wide and combining characters, or far to the right.
pub fn payload(n: usize) -> String {
    let seed = SEEDS[n % SEEDS.len()];
    match n / SEEDS.len() % 4 {
        0 => seed.to_owned(),
        1 => format!("{seed}{seed}"),
        2 => format!("漢e\u{301}\u{302}\u{303}\u{304}{seed}字"),
        _ => format!("{}{seed}", "-".repeat(n % 90 + 1)),
    }
}

/// One cell of the emulated screen.
struct Cell {
    text: String,
    marked: bool,
}

fn cells(session: &Session) -> Vec<Vec<Cell>> {
    session.with_screen(|screen| {
        let (rows, columns) = screen.size();
        let cell = |row, column| {
            let cell = screen.cell(row, column).filter(|cell| !cell.is_wide_continuation())?;
            let text =
                if cell.has_contents() { cell.contents().to_owned() } else { " ".to_owned() };
            Some(Cell { text, marked: cell.inverse() })
        };
        (0..rows).map(|row| (0..columns).filter_map(|column| cell(row, column)).collect()).collect()
    })
}

/// Where a name stands on a row, not counting longer numbers: the places after it.
fn places(row: &[Cell], name: &str) -> Vec<usize> {
    let length = name.chars().count();
    let fits = |at: &usize| {
        let end = at + length;
        let same = row.get(*at..end).is_some_and(|cells| {
            cells.iter().zip(name.chars()).all(|(cell, wanted)| cell.text == wanted.to_string())
        });
        let longer =
            row.get(end).is_some_and(|cell| cell.text.starts_with(|c: char| c.is_ascii_digit()));
        same && !longer
    };
    (0..row.len()).filter(fits).map(|at| at + length).collect()
}

/// Does a mark (reversed cells) stand in the field that goes on at `at`? A field ends at two blanks; one that
/// reaches the edge goes on in the next row.
fn is_marked(rows: &[Vec<Cell>], row: usize, at: usize) -> bool {
    let ends =
        |cells: &[Cell]| cells.windows(2).position(|two| two.iter().all(|cell| cell.text == " "));
    let here = &rows[row][at..];
    let end = ends(here).unwrap_or(here.len());
    if here[..end].iter().any(|cell| cell.marked) {
        return true;
    }
    let edge = at + end + 6 >= rows[row].len();
    edge && rows.get(row + 1).is_some_and(|next| {
        let start = next.iter().position(|cell| cell.text != " ").unwrap_or(0);
        let next = &next[start..];
        next[..ends(next).unwrap_or(next.len())].iter().any(|cell| cell.marked)
    })
}

/// How often a name is on the screen, and how often without a mark.
pub fn count(session: &Session, name: &str) -> (usize, usize) {
    let rows = cells(session);
    let mut found = (0, 0);
    for (number, row) in rows.iter().enumerate() {
        for at in places(row, name) {
            found.0 += 1;
            found.1 += usize::from(!is_marked(&rows, number, at));
        }
    }
    found
}

/// The first name must come on the screen, and none may stand there unmarked.
fn check(session: &Session, screen: &str, names: &[String]) {
    session.wait_until(&format!("{screen}: {names:?}, each with a mark"), |session| {
        names.iter().enumerate().all(|(place, name)| {
            let (seen, unmarked) = count(session, name);
            unmarked == 0 && (place > 0 || seen > 0)
        })
    });
}

#[test]
fn the_payloads_are_two_hundred_and_differ() {
    let all: BTreeSet<String> = (0..PAYLOADS).map(payload).collect();
    assert_eq!(all.len(), PAYLOADS);
    for text in &all {
        let hostile = text.contains('\u{1b}') || vocabulary::check(text.as_bytes()).is_err();
        assert!(hostile, "{text:?} is harmless");
    }
}

/// Run a tour, leave, and read every byte that was sent.
fn tour(way: fn(&mut Session)) {
    let mut session = desk("hostile", 120, 40, &[]);
    session.wait_for("title0");
    way(&mut session);
    assert!(session.is_running(), "{}", session.text());
    session.press("Q");
    assert!(session.wait_end().success());
    vocabulary::check(vocabulary::inside(&session.bytes())).unwrap();
}

#[test]
fn the_queue_stays_inside_the_vocabulary_and_marks_what_it_altered() {
    tour(tour_queue);
}

#[test]
fn details_stay_inside_the_vocabulary_and_mark_what_they_altered() {
    tour(tour_details);
}

#[test]
fn endpoints_and_events_stay_inside_the_vocabulary_and_mark_what_they_altered() {
    tour(tour_lists);
}

#[test]
fn text_fields_stay_inside_the_vocabulary_and_mark_what_they_altered() {
    tour(tour_text_fields);
}

fn names(list: &[&str], n: usize) -> Vec<String> {
    list.iter().map(|name| format!("{name}{n}")).collect()
}

/// Every alert under the cursor, with its preview.
fn tour_queue(session: &mut Session) {
    for n in 0..PAYLOADS {
        session.keys(if n == 0 { "gg" } else { "j" });
        let all = [
            "part",
            "title",
            "host",
            "user",
            "owner",
            "matchvalue",
            "groupvalue",
            "rule",
            "reason",
        ];
        check(session, "queue", &names(&all, n));
    }
    session.press("gg");
}

/// Every alert's detail, all tabs.
fn tour_details(session: &mut Session) {
    for n in 0..PAYLOADS {
        session.keys("\r1");
        let all = [
            "description",
            "title",
            "host",
            "user",
            "owner",
            "matchfield",
            "matchvalue",
            "file",
            "benign",
            "verdictnote",
        ];
        check(session, "summary", &names(&all, n));
        session.keys("2");
        let why = ["title", "sourcewanted", "missing", "whyfield", "wanted", "actual", "value"];
        check(session, "why", &names(&why, n));
        session.keys("3");
        check(session, "raw", &names(&["command", "message", "user", "original", "custom"], n));
        session.keys("4");
        check(session, "history", &names(&["actor", "place", "note", "plain"], n));
        session.keys("qj");
    }
    session.press("gg");
}

/// Page through a list until every number was seen.
fn page_through(session: &mut Session, screen: &str, name: &str) {
    let mut missing: BTreeSet<usize> = (0..PAYLOADS).collect();
    for _ in 0..PAYLOADS {
        session.settle();
        missing.retain(|n| {
            let (seen, unmarked) = count(session, &format!("{name}{n}"));
            assert_eq!(unmarked, 0, "{screen}: {name}{n} is not marked on\n{}", session.text());
            seen == 0
        });
        if missing.is_empty() {
            return;
        }
        session.keys("\x04");
    }
    panic!("{screen}: never seen: {missing:?}");
}

fn tour_lists(session: &mut Session) {
    session.keys("ge");
    session.wait_for("ENDPOINTS");
    page_through(session, "endpoints", "host");
    session.press("gg");
    session.keys("e");
    session.wait_for("action");
    page_through(session, "events", "action");
    session.press("q");
    session.press("q");
    session.wait_for("TRIAGE");
}

/// Drafts, pastes into fields, filters, the verdict sheet, the workbench's refusals.
fn tour_text_fields(session: &mut Session) {
    for n in 0..PAYLOADS {
        session.keys("c");
        session.wait_until("the draft", |session| session.text().contains("draft "));
        session
            .keys(&format!("\x1b[200~PASTED{n}{}\x1b[201~", payload(n).replace("\x1b[201~", "")));
        session.wait_for(&format!("PASTED{n}"));
        session.settle();
        session.keys("\x1b");
        session.wait_for("keep draft");
        session.keys("q");
        session.wait_until("the queue", |session| !session.text().contains("PASTED"));
        session.keys("j");
    }
    session.press("gg");
    session.press("vv");
    session.press("q");
    session.press("/");
    session.keys("\x1b[200~rule:\u{202e}\u{200b}x\x1b[201~");
    session.wait_for("rule:<U+202E>");
    session.press("\x07");
    session.press(":");
    session.keys("\x1b[200~nope\u{202e}\x1b[201~");
    session.wait_for("nope<U+202E>");
    session.press("\r");
    session.press("\x07");
    session.press("u");
}
