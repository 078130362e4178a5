//! A row of the archive as a line of PostgreSQL's COPY, in its text form: every type is read from it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Why a row is none: in the words of the sentence about a damaged archive.
pub(super) type BadRow = &'static str;

/// Add a row of `columns` values.
pub(super) fn line(line: &str, columns: usize, out: &mut Vec<u8>) -> Result<(), BadRow> {
    let row: Vec<Value> = serde_json::from_str(line).map_err(|_| "a row cannot be read")?;
    if row.len() != columns {
        return Err("a row has too few or too many values");
    }
    for (at, value) in row.iter().enumerate() {
        if at > 0 {
            out.push(b'\t');
        }
        put(value, out)?;
    }
    out.push(b'\n');
    Ok(())
}

fn put(value: &Value, out: &mut Vec<u8>) -> Result<(), BadRow> {
    match value {
        Value::Null => out.extend_from_slice(b"\\N"),
        Value::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::String(text) => put_text(text, out)?,
        Value::Object(object) => {
            let text =
                object.get("b").and_then(Value::as_str).ok_or("a value is of no known kind")?;
            let bytes = STANDARD.decode(text).map_err(|_| "bytes are no base64")?;
            out.extend_from_slice(b"\\\\x");
            out.extend(bytes.iter().flat_map(|byte| [hex(byte >> 4), hex(byte & 15)]));
        }
        Value::Bool(_) | Value::Array(_) => return Err("a value is of no known kind"),
    }
    Ok(())
}

fn hex(digit: u8) -> u8 {
    if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }
}

fn put_text(text: &str, out: &mut Vec<u8>) -> Result<(), BadRow> {
    for byte in text.bytes() {
        match byte {
            0 => return Err("a text holds NUL, which PostgreSQL cannot"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            byte => out.push(byte),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// As the server reads the text form: fields between tabs, backslashes taken away, `\N` for NULL.
    fn read(line: &[u8]) -> Vec<Option<Vec<u8>>> {
        let line = line.strip_suffix(b"\n").unwrap();
        let fields = line.split(|byte| *byte == b'\t');
        fields
            .map(|field| {
                if field == b"\\N" {
                    return None;
                }
                let mut bytes = field.iter();
                let mut out = Vec::new();
                while let Some(byte) = bytes.next() {
                    let byte = match byte {
                        b'\\' => match bytes.next().unwrap() {
                            b't' => b'\t',
                            b'n' => b'\n',
                            b'r' => b'\r',
                            other => *other,
                        },
                        other => *other,
                    };
                    out.push(byte);
                }
                Some(out)
            })
            .collect()
    }

    proptest! {
        #[test]
        fn every_row_survives_the_way_to_the_server(
            number in any::<Option<i64>>(),
            text in proptest::option::of("[\\\\\t\n\r\u{e000}0Nx.a\u{1f600}]{0,16}|\\PC{0,16}"),
            bytes in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..24)),
        ) {
            let row = json!([number, text, bytes.as_ref().map(|bytes| json!({"b": STANDARD.encode(bytes)}))]);
            let mut out = Vec::new();
            line(&row.to_string(), 3, &mut out).unwrap();
            prop_assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
            let hex = |bytes: &Vec<u8>| {
                let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("\\x{digits}").into_bytes()
            };
            let wanted = vec![
                number.map(|number| number.to_string().into_bytes()),
                text.map(String::into_bytes),
                bytes.as_ref().map(hex),
            ];
            prop_assert_eq!(read(&out), wanted);
        }

        #[test]
        fn no_line_is_taken_for_another(text in "\\PC{0,64}", columns in 0_usize..4) {
            let mut out = Vec::new();
            if line(&text, columns, &mut out).is_ok() {
                prop_assert_eq!(read(&out).len(), columns.max(1));
            }
        }
    }

    #[test]
    fn what_is_no_row_is_refused() {
        for bad in [
            "",
            "{}",
            "[1]",
            "[1,2,3]",
            "[true,1]",
            "[[],1]",
            "[{\"b\":\"?\"},1]",
            "[{},1]",
            "[\"\\u0000\",1]",
        ] {
            assert!(line(bad, 2, &mut Vec::new()).is_err(), "{bad}");
        }
    }
}
