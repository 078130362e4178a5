//! Windows events as XML: single, in a row, in exports, damaged.

use proptest::prelude::*;

use super::*;
use crate::model::record::Framing;

type Seen = Vec<(String, u64, Framing, Shape)>;

fn split_by(text: &[u8], piece: usize, bounds: Bounds) -> Seen {
    let mut chunks = Vec::new();
    let mut events = XmlEvents::new(bounds);
    let mut sink = |chunk| {
        chunks.push(chunk);
        ControlFlow::Continue(())
    };
    for piece in text.chunks(piece) {
        let _ = events.feed(piece, &mut sink);
    }
    let _ = events.finish(&mut sink);
    assert_eq!(events.offset(), text.len() as u64);
    let record = |chunk: &Chunk| -> Seen {
        let one = |record: &crate::model::record::Record| {
            let text = String::from_utf8_lossy(chunk.bytes(record)).into_owned();
            (text, record.offset, record.framing, record.shape)
        };
        chunk.records.iter().map(one).collect()
    };
    chunks.iter().flat_map(record).collect()
}

fn texts(text: &str) -> Vec<String> {
    split_by(text.as_bytes(), 5, Bounds::default()).into_iter().map(|(text, ..)| text).collect()
}

const PRETTY: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<Events>\r\n  <Event xmlns='x'>\r\n    <System>\r\n      <EventID>1</EventID>\r\n    </System>\r\n  </Event><Event>\n<System/></Event>\n</Events>\n";

#[test]
fn an_export_and_bare_events() {
    let seen = split_by(PRETTY.as_bytes(), 3, Bounds::default());
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert!(seen[0].0.starts_with("<Event xmlns='x'>\r\n"), "{seen:?}");
    assert!(seen[0].0.ends_with("</Event>"));
    assert_eq!(seen[0].1, PRETTY.find("<Event xmlns").unwrap() as u64);
    assert_eq!(seen[1].0, "<Event>\n<System/></Event>");
    assert_eq!(
        texts("<Event a='>'>x</Event><Event/><Event />"),
        ["<Event a='>'>x</Event>", "<Event/>", "<Event />"]
    );
    assert_eq!(texts("<Events/>\n<Events></Events>"), [""; 0]);
}

#[test]
fn utf16_of_both_kinds_has_places_in_bytes() {
    for big in [false, true] {
        let bytes: Vec<u8> = format!("\u{feff}{PRETTY}")
            .encode_utf16()
            .flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() })
            .collect();
        assert!(recognise(&bytes));
        let seen = split_by(&bytes, 5, Bounds::default());
        let plain = split_by(PRETTY.as_bytes(), 5, Bounds::default());
        assert_eq!(seen.len(), 2);
        for (wide, plain) in seen.iter().zip(&plain) {
            assert_eq!((&wide.0, wide.1), (&plain.0, 2 + 2 * plain.1));
        }
    }
}

#[test]
fn other_lines_are_records_of_their_own() {
    let seen = split_by(
        b"# comment\r\n<Event>a</Event>\n07/20/2022 Log\n<!-- x -->\nend<Event>b</Event>",
        4,
        Bounds::default(),
    );
    let all: Vec<(&str, Shape)> = seen.iter().map(|it| (it.0.as_str(), it.3)).collect();
    assert_eq!(
        all,
        [
            ("# comment", Shape::Line),
            ("<Event>a</Event>", Shape::Xml),
            ("07/20/2022 Log", Shape::Line),
            ("end", Shape::Line),
            ("<Event>b</Event>", Shape::Xml),
        ]
    );
}

#[test]
fn markup_within_does_not_end_an_event() {
    let cdata = "<Event><![CDATA[</Event>]]><!-- </Event> --><?x </Event>?></Event>";
    assert_eq!(texts(cdata), [cdata]);
    let nested = "<Event><UserData><Event a='1'><x/></Event><Event/></UserData></Event>";
    assert_eq!(texts(nested), [nested]);
    let named = "<Event><EventData>x</EventData><EventID>1</EventID></Event>";
    assert_eq!(texts(named), [named]);
}

#[test]
fn an_event_that_was_cut_short_ends_where_the_next_begins() {
    let next = "<Event xmlns='x'> <System><EventID>2</EventID></System></Event>";
    for cut in [
        "<Event><System><EventID>1</Event",
        "<Event><Data Name='x",
        "<Event><Data>text",
        "<Event",
        "<Event ",
    ] {
        let seen = texts(&format!("{cut}\n{next}"));
        assert_eq!(seen.last().map(String::as_str), Some(next), "{cut} {seen:?}");
        assert_eq!(seen.len(), 2, "{cut} {seen:?}");
    }
    assert_eq!(
        texts("<Events><Event><System></Events>\n<Event>b</Event>"),
        ["<Event><System>", "<Event>b</Event>"]
    );
}

#[test]
fn an_event_over_the_limit_keeps_its_head() {
    let bounds = Bounds { record_bytes_max: 30, ..Bounds::default() };
    let text = "<Event><Data>0123456789 0123456789</Data></Event><Event>b</Event>";
    for piece in [1, 7, 100] {
        let seen = split_by(text.as_bytes(), piece, bounds);
        assert_eq!(seen[0].0, text[..31]);
        assert_eq!(seen[0].2, Framing::TooLong);
        assert_eq!(seen[1].0, "<Event>b</Event>");
    }
}

#[test]
fn recognises_events_and_nothing_else() {
    for yes in
        ["<Event>", "<Event xmlns", "\u{feff}<?xml version", " \n<Events>", "# x\n<Event><System>"]
    {
        assert!(recognise(yes.as_bytes()), "{yes}");
    }
    for no in ["<34>1 2026", "<EventData>", "text <Event>", "{}", "", "a\n<Event>b"] {
        assert!(!recognise(no.as_bytes()), "{no}");
    }
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_records(
        parts in proptest::collection::vec(prop_oneof![
            Just("<Event>"), Just("<Event a='1'>"), Just("</Event>"), Just("<Event/>"), Just("<System>"),
            Just("</Events>"), Just("<Events>"), Just("<!--"), Just("-->"), Just("<![CDATA["), Just("]]>"),
            Just("\n"), Just(" "), Just("text"), Just("'"), Just("<"), Just(">"), Just("/"), Just("é"),
        ], 0..60),
        piece in 1_usize..50, limit in 10_usize..200,
    ) {
        let text = parts.concat();
        let bounds = Bounds { record_bytes_max: limit, chunk_records_max: 2, ..Bounds::default() };
        prop_assert_eq!(split_by(text.as_bytes(), piece, bounds), split_by(text.as_bytes(), 10_000, bounds));
    }

    #[test]
    fn any_bytes_do_no_harm(text in proptest::collection::vec(any::<u8>(), 0..2000), wide in any::<bool>()) {
        let mut all = if wide { b"\xff\xfe".to_vec() } else { b"<Event>".to_vec() };
        all.extend(text);
        let _ = split_by(&all, 100, Bounds::default());
        let _ = recognise(&all);
    }
}
