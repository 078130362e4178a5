//! Standard output for results, standard error for everything else. Text from outside is made safe when
//! it goes to a terminal.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use clap::ValueEnum;

use crate::tui::paint::chars::{CharClass, classify};

/// Formats of lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// One JSON object a line.
    Ndjson,
    /// One JSON array.
    Json,
    /// Comma-separated values with a header.
    Csv,
}

/// Buffered standard output.
pub(crate) fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(64 << 10, io::stdout().lock())
}

/// One line on standard error; nothing can be done when that fails. Control characters are made visible,
/// because messages quote paths and log text.
pub(crate) fn complain(line: &str) {
    let safe: String = line.chars().map(visible).collect();
    let _ = writeln!(io::stderr(), "{safe}");
}

/// Is a person watching standard error?
pub(crate) fn progress_wanted() -> bool {
    io::stderr().is_terminal()
}

/// Text for a terminal: what could drive it is shown as a replacement character.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(visible).collect()
}

/// Text from outside with everything that is no plain character spelled out (`\u{1b}`).
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if visible(c) == c && !c.is_control() {
            out.push(c);
        } else {
            out.extend(c.escape_default());
        }
    }
    out
}

fn visible(c: char) -> char {
    match (c, classify(c)) {
        ('\n' | '\t', _) | (_, CharClass::Plain | CharClass::Combining) => c,
        _ => '\u{fffd}',
    }
}

/// A table without borders, as wide as its content.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_content_arrangement(comfy_table::ContentArrangement::Disabled);
    table.set_header(header.iter().map(|name| (*name).to_owned()));
    for row in rows {
        table.add_row(row.iter().map(|cell| plain(cell).replace('\n', " ")));
    }
    let text = table.to_string();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Flat records in one of the machine formats. `columns` are the header of CSV and its order.
pub(crate) fn records(
    out: &mut impl Write,
    format: Format,
    columns: &[&str],
    records: impl IntoIterator<Item = serde_json::Value>,
) -> anyhow::Result<()> {
    match format {
        Format::Ndjson => {
            for record in records {
                writeln!(out, "{record}")?;
            }
        }
        Format::Json => {
            let all: Vec<serde_json::Value> = records.into_iter().collect();
            serde_json::to_writer_pretty(&mut *out, &all)?;
            writeln!(out)?;
        }
        Format::Csv => {
            let mut csv = csv::Writer::from_writer(out);
            csv.write_record(columns)?;
            for record in records {
                csv.write_record(columns.iter().map(|name| cell(record.get(*name))))?;
            }
            csv.flush()?;
        }
        Format::Table => {
            let rows = records
                .into_iter()
                .map(|r| columns.iter().map(|name| cell(r.get(*name))).collect());
            writeln!(out, "{}", table(columns, rows))?;
        }
    }
    Ok(())
}

/// A value as one cell. A leading `=`, `+`, `-` or `@` of text from outside gets a `'` so that no
/// spreadsheet runs it.
fn cell(value: Option<&serde_json::Value>) -> String {
    let text = match value {
        None | Some(serde_json::Value::Null) => String::new(),
        Some(serde_json::Value::String(text)) => {
            if text.starts_with(['=', '+', '-', '@']) && text.len() > 1 {
                format!("'{text}")
            } else {
                text.clone()
            }
        }
        Some(serde_json::Value::Array(items)) => {
            items.iter().map(|item| cell(Some(item))).collect::<Vec<_>>().join(" ")
        }
        Some(other) => other.to_string(),
    };
    plain(&text)
}

/// One row of CSV, with the header before it when asked.
pub(crate) fn csv_row(
    out: &mut impl Write,
    columns: &[&str],
    record: &serde_json::Value,
    header: bool,
) -> anyhow::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    if header {
        csv.write_record(columns)?;
    }
    csv.write_record(columns.iter().map(|name| cell(record.get(*name))))?;
    csv.flush()?;
    Ok(())
}
