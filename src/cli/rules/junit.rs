//! Results of rule tests in JUnit's XML, which every build server shows: a suite a rule file, a case a section.

use std::io::Write;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use crate::pipeline::workshop::test::{TestReport, TestedFile};

/// The document.
pub(crate) fn document(report: &TestReport, required: bool) -> anyhow::Result<Vec<u8>> {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let (passed, mut failed) = report.counts();
    let untested = report.untested().count();
    if required {
        failed += untested;
    }
    let mut root = BytesStart::new("testsuites");
    root.push_attribute(("tests", number(passed + failed).as_str()));
    root.push_attribute(("failures", number(failed).as_str()));
    xml.write_event(Event::Start(root))?;
    for file in &report.files {
        suite(&mut xml, file, required)?;
    }
    xml.write_event(Event::End(BytesEnd::new("testsuites")))?;
    let mut bytes = xml.into_inner();
    bytes.push(b'\n');
    Ok(bytes)
}

fn number(count: usize) -> String {
    count.to_string()
}

fn suite(xml: &mut Writer<impl Write>, file: &TestedFile, required: bool) -> anyhow::Result<()> {
    let mut suite = BytesStart::new("testsuite");
    suite.push_attribute(("name", clean(&file.file).as_str()));
    let failures = file.cases.iter().filter(|case| !case.failure.is_empty()).count();
    let alone = file.problem.is_some() || !file.tested;
    let wrong = file.problem.is_some() || (!file.tested && required);
    suite.push_attribute(("tests", number(file.cases.len() + usize::from(alone)).as_str()));
    suite.push_attribute(("failures", number(failures + usize::from(wrong)).as_str()));
    xml.write_event(Event::Start(suite))?;
    if let Some(problem) = &file.problem {
        case(xml, &file.file, "the tests can run", 0.0, Told::Failed(problem))?;
    } else if !file.tested {
        let told = if required { Told::Failed("no test beside it") } else { Told::Skipped };
        case(xml, &file.file, "has a test", 0.0, told)?;
    }
    for tested in &file.cases {
        let name = format!("{} (line {})", tested.name, tested.line);
        let told =
            if tested.failure.is_empty() { Told::Passed } else { Told::Failed(&tested.failure) };
        case(xml, &file.file, &name, tested.took.as_secs_f64(), told)?;
    }
    xml.write_event(Event::End(BytesEnd::new("testsuite")))?;
    Ok(())
}

enum Told<'a> {
    Passed,
    Skipped,
    Failed(&'a str),
}

fn case(
    xml: &mut Writer<impl Write>,
    class: &str,
    name: &str,
    seconds: f64,
    told: Told<'_>,
) -> anyhow::Result<()> {
    let mut start = BytesStart::new("testcase");
    start.push_attribute(("classname", clean(class).as_str()));
    start.push_attribute(("name", clean(name).as_str()));
    start.push_attribute(("time", format!("{seconds:.4}").as_str()));
    match told {
        Told::Passed => xml.write_event(Event::Empty(start))?,
        Told::Skipped => {
            xml.write_event(Event::Start(start))?;
            xml.write_event(Event::Empty(BytesStart::new("skipped")))?;
            xml.write_event(Event::End(BytesEnd::new("testcase")))?;
        }
        Told::Failed(message) => {
            xml.write_event(Event::Start(start))?;
            let message = clean(message);
            let mut failure = BytesStart::new("failure");
            failure.push_attribute(("message", message.as_str()));
            xml.write_event(Event::Start(failure))?;
            xml.write_event(Event::Text(BytesText::new(&message)))?;
            xml.write_event(Event::End(BytesEnd::new("failure")))?;
            xml.write_event(Event::End(BytesEnd::new("testcase")))?;
        }
    }
    Ok(())
}

/// Text without the characters that XML 1.0 forbids; records may hold any.
fn clean(text: &str) -> String {
    let good = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if good(c) { c } else { '\u{fffd}' }).collect()
}
