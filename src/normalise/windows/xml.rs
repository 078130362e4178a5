//! A Windows event as XML to the leaves that an event log's record has as JSON (`{"Event": {"System": …}}`), so that
//! [`super::decode`] reads it unchanged: the event viewer's and `wevtutil`'s exports, Splunk's `XmlWinEventLog`, and
//! Sysmon for Linux.
//!
//! An event that was cut short (by a syslog server's longest line, for one) is read as far as it goes if its head is
//! whole, and marked with `winlog.truncated`: what it still says may matter.
//!
//! There is no document type: entities are the five with a name and numbers, anything else stays as it is written.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Error, Reader};

use super::embedded;
use crate::model::event::Value;
use crate::normalise::document::Document;
use crate::normalise::names::{Names, NodeId};
use crate::stdx::limits::JSON_DEPTH_MAX;

/// Why a record is no usable event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// Not well-formed.
    #[error("not XML: {0}")]
    NotXml(String),
    /// Nested deeper than we follow.
    #[error("nested deeper than {JSON_DEPTH_MAX} levels")]
    TooDeep,
    /// A document type could define anything.
    #[error("a document type is not read")]
    DocumentType,
    /// XML, but no `<Event>`.
    #[error("not an <Event> element")]
    NotEvent,
    /// The end is missing, and the head is not whole.
    #[error("the event is cut short within its head")]
    Cut,
    /// More after the event.
    #[error("something follows the event")]
    Trailing,
}

impl XmlError {
    /// The stable word it is counted by.
    pub fn reason(&self) -> &'static str {
        match self {
            XmlError::NotXml(_) | XmlError::Cut | XmlError::Trailing => "not_xml",
            XmlError::TooDeep => "too_deep",
            XmlError::DocumentType => "document_type",
            XmlError::NotEvent => "not_event",
        }
    }
}

/// Does this text begin with an event as XML?
pub fn begins_event(text: &str) -> bool {
    let rest = text.trim_start().strip_prefix("<Event");
    rest.is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_whitespace() || matches!(c, '>' | '/'))
    })
}

/// Read one `<Event …>…</Event>`, forgetting the document before.
///
/// # Errors
/// The text is no such element; leaves before the fault were added.
pub fn read(text: &str, document: &mut Document, names: &mut Names) -> Result<(), XmlError> {
    document.clear();
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    // A bare `&` is a mistake of the writer, and no reason to lose the event.
    reader.config_mut().allow_dangling_amp = true;
    let mut work = Work {
        document,
        names,
        open: Vec::new(),
        text: String::new(),
        has_head: false,
        done: false,
    };
    loop {
        let event = match reader.read_event() {
            Ok(event) => event,
            // In the middle of a tag.
            Err(Error::Syntax(_)) if work.has_head && !work.done => Event::Eof,
            Err(error) => return Err(XmlError::NotXml(error.to_string())),
        };
        match event {
            Event::Start(tag) => work.start(&tag)?,
            Event::Empty(tag) => {
                work.start(&tag)?;
                work.end();
            }
            Event::End(_) => work.end(),
            Event::Text(text) => work.text(&text)?,
            Event::CData(text) => work.text(&text)?,
            Event::GeneralRef(name) => match embedded::decode(&name) {
                Some(character) => work.text.push(character),
                None => {
                    work.text.push('&');
                    work.text.push_str(&name);
                    work.text.push(';');
                }
            },
            Event::DocType(_) => return Err(XmlError::DocumentType),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => {
                return match (work.done, work.open.is_empty()) {
                    (true, _) => Ok(()),
                    (false, false) => work.cut(),
                    (false, true) => Err(XmlError::NotEvent),
                };
            }
        }
    }
}

/// Where in the event an element stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// `Event`.
    Root,
    /// A child of it.
    Section,
    /// In `System`; true: a number.
    System(bool),
    /// Anywhere else.
    Other,
}

/// An element that is open.
struct Open {
    node: NodeId,
    place: Place,
    /// `System`, or below it.
    system: bool,
    /// It has no elements within.
    leaf: bool,
    /// Its text is one of several properties.
    beside: bool,
}

struct Work<'a> {
    document: &'a mut Document,
    names: &'a mut Names,
    open: Vec<Open>,
    /// Text of the innermost element since its last child.
    text: String,
    /// `System` was read to its end.
    has_head: bool,
    done: bool,
}

impl Work<'_> {
    fn start(&mut self, tag: &BytesStart<'_>) -> Result<(), XmlError> {
        if self.done {
            return Err(XmlError::Trailing);
        }
        if self.open.len() >= JSON_DEPTH_MAX {
            return Err(XmlError::TooDeep);
        }
        self.loose_text();
        let name = tag.local_name();
        let name = name.as_ref();
        let Some(parent) = self.open.last_mut() else {
            if name != "Event" {
                return Err(XmlError::NotEvent);
            }
            let node = self.names.child(NodeId::ROOT, name);
            self.open.push(Open {
                node,
                place: Place::Root,
                system: false,
                leaf: true,
                beside: false,
            });
            return Ok(());
        };
        parent.leaf = false;
        let (parent_node, parent_place) = (parent.node, parent.place);
        let system = parent.system || (parent_place == Place::Root && name == "System");
        let place = match parent_place {
            Place::Root => Place::Section,
            Place::Section if system => Place::System(is_number(name)),
            _ => Place::Other,
        };
        let named = if name == "Data" { data_name(tag) } else { None };
        let node = match &named {
            Some(name) => self.names.child(parent_node, name),
            None => self.names.child(parent_node, name),
        };
        let mut beside = name == "Data" && named.is_none();
        if name != "Data" {
            beside |= self.attributes(tag, node, place)?;
        }
        self.open.push(Open { node, place, system, leaf: true, beside });
        Ok(())
    }

    /// Add the attributes as leaves below `#attributes`; true if there are any.
    fn attributes(
        &mut self,
        tag: &BytesStart<'_>,
        node: NodeId,
        place: Place,
    ) -> Result<bool, XmlError> {
        let mut below = None;
        for attribute in tag.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| XmlError::NotXml(error.to_string()))?;
            let key: &str = attribute.key.as_ref();
            if key == "xmlns" || key.starts_with("xmlns:") {
                continue;
            }
            let names = &mut *self.names;
            let parent = *below.get_or_insert_with(|| names.child(node, "#attributes"));
            let child = names.child(parent, key);
            let value = embedded::unescape(&attribute.value);
            self.push(child, &value, place == Place::System(true));
        }
        Ok(below.is_some())
    }

    fn end(&mut self) {
        let Some(open) = self.open.pop() else { return };
        self.has_head |= open.system && open.place == Place::Section;
        if self.open.is_empty() {
            self.done = true;
        }
        if !open.leaf {
            self.open.push(open);
            self.loose_text();
            self.open.pop();
            return;
        }
        let text = std::mem::take(&mut self.text);
        // An empty property of the head says nothing; empty event data does.
        let says = match open.place {
            Place::Root | Place::Section => !text.trim().is_empty(),
            Place::System(_) => !text.trim().is_empty(),
            Place::Other => !(open.system && text.trim().is_empty()),
        };
        if says {
            let node = match open.beside {
                true => self.names.child(open.node, "#text"),
                false => open.node,
            };
            let kept = if open.system { text.trim() } else { &text };
            self.push(node, kept, open.place == Place::System(true));
        }
        self.text = text;
        self.text.clear();
    }

    /// The end is missing.
    fn cut(&mut self) -> Result<(), XmlError> {
        if !self.has_head {
            return Err(XmlError::Cut);
        }
        let event = self.names.child(NodeId::ROOT, "Event");
        while !self.open.is_empty() {
            self.end();
        }
        let system = self.names.child(event, "System");
        let mark = self.names.child(system, "Truncated");
        self.document.push_value(mark, Value::Bool(true));
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        if self.open.is_empty() {
            return match text.trim_matches(|c: char| c.is_whitespace() || c == '\0') {
                "" => Ok(()),
                _ if self.done => Err(XmlError::Trailing),
                _ => Err(XmlError::NotEvent),
            };
        }
        self.text.push_str(text);
        Ok(())
    }

    /// Text between elements: white space, or else kept beside them.
    fn loose_text(&mut self) {
        let text = std::mem::take(&mut self.text);
        if !text.trim().is_empty()
            && let Some(open) = self.open.last()
        {
            let node = self.names.child(open.node, "#text");
            self.document.push_text(node, text.trim());
        }
        self.text = text;
        self.text.clear();
    }

    fn push(&mut self, node: NodeId, text: &str, number: bool) {
        match text.parse::<i64>() {
            Ok(number_of) if number => self.document.push_value(node, Value::Int(number_of)),
            _ => self.document.push_text(node, text),
        }
    }
}

/// The properties of the head that are numbers in an event log.
fn is_number(name: &str) -> bool {
    matches!(
        name,
        "EventID" | "Version" | "Level" | "Task" | "Opcode" | "EventRecordID" | "Execution"
    )
}

/// The name of an element of event data.
fn data_name(tag: &BytesStart<'_>) -> Option<String> {
    let attribute = tag.try_get_attribute("Name").ok().flatten()?;
    let name = embedded::unescape(&attribute.value);
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EVENT: &str = "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='Microsoft-Windows-Sysmon' Guid=\"{1}\"/><EventID Qualifiers='0'>1</EventID><Version>5</Version><Level>4</Level><Keywords>0x8000000000000000</Keywords><TimeCreated SystemTime='2026-05-01T10:00:00.1236205Z'/><EventRecordID>77</EventRecordID><Correlation/><Execution ProcessID='10' ThreadID='11'/><Channel>Microsoft-Windows-Sysmon/Operational</Channel><Computer>ws1.example.org</Computer><Security UserID='S-1-5-18'/></System><EventData><Data Name='UtcTime'>2026-05-01 10:00:00.120</Data><Data Name='CommandLine'>cmd /c \"a &amp;&amp; b\" &lt;x&gt; &#x41; &amp &nope; </Data><Data Name='Empty'></Data><Data Name='None'/><Data>one</Data><Data>two</Data><Binary>00ff</Binary></EventData><RenderingInfo Culture='en-US'><Message>Process Create</Message></RenderingInfo></Event>";

    fn leaves(text: &str) -> Result<Vec<(String, String)>, XmlError> {
        let (mut document, mut names) = (Document::default(), Names::default());
        read(text, &mut document, &mut names)?;
        let leaf = |leaf: &crate::normalise::document::Leaf| {
            let name = names.plain_field(leaf.node).unwrap().name().to_owned();
            (name, document.value(*leaf).to_text().into_owned())
        };
        Ok(document.leaves().iter().map(leaf).collect())
    }

    #[test]
    fn the_leaves_are_those_of_an_event_log() {
        let seen = leaves(EVENT).unwrap();
        let expected = [
            ("Event.System.Provider.#attributes.Name", "Microsoft-Windows-Sysmon"),
            ("Event.System.Provider.#attributes.Guid", "{1}"),
            ("Event.System.EventID.#attributes.Qualifiers", "0"),
            ("Event.System.EventID.#text", "1"),
            ("Event.System.Version", "5"),
            ("Event.System.Level", "4"),
            ("Event.System.Keywords", "0x8000000000000000"),
            ("Event.System.TimeCreated.#attributes.SystemTime", "2026-05-01T10:00:00.1236205Z"),
            ("Event.System.EventRecordID", "77"),
            ("Event.System.Execution.#attributes.ProcessID", "10"),
            ("Event.System.Execution.#attributes.ThreadID", "11"),
            ("Event.System.Channel", "Microsoft-Windows-Sysmon/Operational"),
            ("Event.System.Computer", "ws1.example.org"),
            ("Event.System.Security.#attributes.UserID", "S-1-5-18"),
            ("Event.EventData.UtcTime", "2026-05-01 10:00:00.120"),
            ("Event.EventData.CommandLine", "cmd /c \"a && b\" <x> A &amp &nope; "),
            ("Event.EventData.Empty", ""),
            ("Event.EventData.None", ""),
            ("Event.EventData.Data.#text", "one"),
            ("Event.EventData.Data.#text", "two"),
            ("Event.EventData.Binary", "00ff"),
            ("Event.RenderingInfo.#attributes.Culture", "en-US"),
            ("Event.RenderingInfo.Message", "Process Create"),
        ];
        let seen: Vec<(&str, &str)> = seen.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn user_data_and_print_over_lines() {
        let text = "<?xml version='1.0'?>\n<Event>\n  <System>\n    <EventID>\n 1102 </EventID>\n  </System>\n  <UserData>\n    <LogFileCleared xmlns='x' a='1'>\n      <p:SubjectUserName>bob</p:SubjectUserName>\n      <Empty/>\n    </LogFileCleared>\n  </UserData>\n  <EventData/>\n</Event>\n\0";
        let seen = leaves(text).unwrap();
        let seen: Vec<(&str, &str)> = seen.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let expected = [
            ("Event.System.EventID", "1102"),
            ("Event.UserData.LogFileCleared.#attributes.a", "1"),
            ("Event.UserData.LogFileCleared.SubjectUserName", "bob"),
            ("Event.UserData.LogFileCleared.Empty", ""),
        ];
        assert_eq!(seen, expected);
        let texts =
            leaves("<Event><EventData>loose</EventData><A>x<B>y</B>z<![CDATA[<w>]]></A></Event>")
                .unwrap();
        let texts: Vec<&str> = texts.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["loose", "x", "y", "z<w>"]);
    }

    #[test]
    fn what_is_left_of_an_event_that_was_cut_short_is_read() {
        let head = "<Event><System><EventID>1</EventID></System><EventData><Data Name='A'>x</Data>";
        for (cut, last) in [
            ("<Data Name='B'>half of", Some("half of")),
            ("<Data Name='B'>half &am", Some("half &am")),
            ("<Data Na", None),
            ("</EventData", None),
        ] {
            let seen = leaves(&format!("{head}{cut}")).unwrap();
            let value = |name: &str| {
                seen.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
            };
            assert_eq!(value("Event.EventData.A"), Some("x"));
            assert_eq!(value("Event.EventData.B"), last, "{cut}");
            assert_eq!(value("Event.System.Truncated"), Some("true"));
        }
        assert_eq!(leaves("<Event><System><EventID>1</EventID>"), Err(XmlError::Cut));
    }

    #[test]
    fn what_is_no_event_says_why() {
        let deep = format!("<Event>{}", "<a>".repeat(70));
        for (text, reason) in [
            ("<Event><System></Event>", "not_xml"),
            ("<Event><System>", "not_xml"),
            ("<Event/><Event/>", "not_xml"),
            ("<Event/>text", "not_xml"),
            ("<Other/>", "not_event"),
            ("text", "not_event"),
            ("", "not_event"),
            ("<!DOCTYPE x [<!ENTITY a 'b'>]><Event>&a;</Event>", "document_type"),
            (&deep, "too_deep"),
        ] {
            assert_eq!(leaves(text).unwrap_err().reason(), reason, "{text}");
        }
        assert!(
            begins_event(" <Event>")
                && begins_event("<Event xmlns='x'")
                && !begins_event("<EventData>")
        );
    }

    proptest! {
        #[test]
        fn any_text_does_no_harm(parts in proptest::collection::vec(prop_oneof![
            Just("<Event>"), Just("</Event>"), Just("<System>"), Just("</System>"), Just("<Data Name='a"), Just("'>"),
            Just("</Data>"), Just("&#"), Just("x41;"), Just("&amp;"), Just("<![CDATA["), Just("]]>"), Just("é"), Just("<a b=c"), Just("/>"),
        ], 0..40), noise in "\\PC{0,20}") {
            let _ = leaves(&format!("{}{noise}", parts.concat()));
            let _ = leaves(&format!("<Event>{}{noise}</Event>", parts.concat()));
        }
    }
}
