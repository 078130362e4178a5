//! `watchfloor normalise --explain`: for every event which carrier, family and line of a mapping gave which field.

use std::io::{self, Write};

use crate::cli::output;
use crate::model::event::Event;
use crate::normalise::output::Trace;

/// Write the explanation of one event.
pub(crate) fn write(event: &Event, trace: &Trace, out: &mut impl Write) -> io::Result<()> {
    let text = |name: &str| {
        let field = crate::model::field::FieldId::lookup(name)?;
        event.get(field).map(|value| value.to_text().into_owned())
    };
    writeln!(
        out,
        "event {} at {} from {}:{}",
        event.id,
        event.timestamp,
        output::escaped(&text("log.file.path").unwrap_or_default()),
        text("log.offset").unwrap_or_default()
    )?;
    let carrier = trace.carrier.unwrap_or("lines");
    let mut path = vec![carrier.to_owned()];
    path.extend(trace.wrappers.iter().map(|name| format!("wrapper {name}")));
    path.push(match (&trace.family, &trace.file) {
        (Some(family), Some(file)) => format!("mapping {family} ({file})"),
        _ => format!("code ({})", text("event.dataset").unwrap_or_else(|| "json".to_owned())),
    });
    writeln!(out, "  read by {}", path.join(" > "))?;
    writeln!(out, "  class {}", event.class)?;
    for (field, value) in event.iter() {
        let line = trace.lines.iter().rev().find(|(known, _)| *known == field);
        let origin = match (line, &trace.file) {
            (Some((_, line)), Some(file)) => format!("{file}:{line}"),
            _ => "code".to_owned(),
        };
        let value = output::escaped(&value.to_text());
        let shown: String = value.chars().take(VALUE_CHARS_MAX).collect();
        writeln!(out, "  {:<34} {origin:<36} {shown}", field.name())?;
    }
    writeln!(out)
}

/// What is shown of a value.
const VALUE_CHARS_MAX: usize = 160;
