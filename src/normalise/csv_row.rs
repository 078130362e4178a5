//! A row of a table together with the row that names its columns, to leaves: one a cell that says something, under the
//! name of its column.

use csv::{ReaderBuilder, StringRecord};

use crate::carrier::csv_rows;
use crate::normalise::document::Document;
use crate::normalise::names::{Names, NodeId};

/// Why a record is no usable row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CsvError {
    /// There is no row of column names before it.
    #[error("a row without a row of column names")]
    NoHeader,
    /// Quotes or text that cannot be read.
    #[error("not CSV: {0}")]
    NotCsv(String),
    /// Nothing in it.
    #[error("a row without values")]
    Empty,
}

impl CsvError {
    /// The stable word it is counted by.
    pub fn reason(&self) -> &'static str {
        match self {
            CsvError::NoHeader | CsvError::NotCsv(_) => "not_csv",
            CsvError::Empty => "empty_row",
        }
    }
}

/// Reads the rows of one stream; the names of columns are worked out once.
#[derive(Debug, Default)]
pub struct CsvReader {
    header: Vec<u8>,
    delimiter: u8,
    columns: Vec<String>,
}

impl CsvReader {
    /// Read one record (`header`, line end, `row`), forgetting the document before.
    ///
    /// # Errors
    /// The bytes are no row.
    pub fn read(
        &mut self,
        record: &[u8],
        document: &mut Document,
        names: &mut Names,
    ) -> Result<(), CsvError> {
        document.clear();
        let (header, row) = csv_rows::parts(record).ok_or(CsvError::NoHeader)?;
        if self.columns.is_empty() || self.header != header {
            self.use_header(header)?;
        }
        let cells = cells(row, self.delimiter)?;
        let mut any = false;
        for (number, cell) in cells.iter().enumerate() {
            if cell.trim().is_empty() {
                continue;
            }
            any = true;
            let node = match self.columns.get(number) {
                Some(name) => names.child(NodeId::ROOT, name),
                None => names.child(NodeId::ROOT, &unnamed(number)),
            };
            document.push_text(node, cell);
        }
        if any { Ok(()) } else { Err(CsvError::Empty) }
    }

    fn use_header(&mut self, header: &[u8]) -> Result<(), CsvError> {
        let delimiter = csv_rows::delimiter(header);
        let cells = cells(header, delimiter)?;
        let name = |(number, cell): (usize, &str)| match cell.trim() {
            "" => unnamed(number),
            name => name.to_owned(),
        };
        let columns: Vec<String> = cells.iter().enumerate().map(name).collect();
        if columns.is_empty() {
            return Err(CsvError::NoHeader);
        }
        (self.delimiter, self.columns) = (delimiter, columns);
        self.header.clear();
        self.header.extend_from_slice(header);
        Ok(())
    }
}

/// The name of a column that has none.
fn unnamed(number: usize) -> String {
    format!("column_{}", number + 1)
}

fn cells(row: &[u8], delimiter: u8) -> Result<StringRecord, CsvError> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .buffer_capacity(row.len().max(1))
        .from_reader(row);
    let mut cells = StringRecord::new();
    match reader.read_record(&mut cells) {
        Ok(_) => Ok(cells),
        Err(error) => Err(CsvError::NotCsv(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leaves(record: &[u8]) -> Result<Vec<(String, String)>, CsvError> {
        let (mut document, mut names) = (Document::default(), Names::default());
        let mut reader = CsvReader::default();
        reader.read(record, &mut document, &mut names)?;
        let leaf = |leaf: &crate::normalise::document::Leaf| {
            let name = names.plain_field(leaf.node).unwrap().name().to_owned();
            (name, document.value(*leaf).to_text().into_owned())
        };
        Ok(document.leaves().iter().map(leaf).collect())
    }

    #[test]
    fn cells_have_the_names_of_their_columns() {
        let seen =
            leaves(b"\"Event; Id\"; user.name ;;d\n7;\"bob;\r\nx \"\"y\"\"\";z;;extra\n").unwrap();
        let seen: Vec<(&str, &str)> = seen.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(
            seen,
            [
                ("Event; Id", "7"),
                ("user.name", "bob;\r\nx \"y\""),
                ("column_3", "z"),
                ("column_5", "extra")
            ]
        );
    }

    #[test]
    fn what_is_no_row_says_why() {
        assert_eq!(leaves(b"no header"), Err(CsvError::NoHeader));
        assert_eq!(leaves(b"\n1,2"), Err(CsvError::NoHeader));
        assert_eq!(leaves(b"a,b\n,"), Err(CsvError::Empty));
        assert_eq!(leaves(b"a,b\n\xff,1").unwrap_err().reason(), "not_csv");
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(record in proptest::collection::vec(any::<u8>(), 0..200), text in "[ab,\"\n]{0,60}") {
            let _ = leaves(&record);
            let _ = leaves(text.as_bytes());
        }
    }
}
