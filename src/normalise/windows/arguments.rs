//! A Windows command line as the vector of arguments that the program gets.
//!
//! Windows hands a program one string; the C runtime splits it (`CommandLineToArgvW`): blanks divide, double quotes hold together,
//! backslashes are ordinary unless they stand before a quote.

/// Arguments of one command line that are kept.
pub const ARGUMENTS_MAX: usize = 128;

/// Split a command line. Of more than [`ARGUMENTS_MAX`] arguments the first are given.
pub fn split(line: &str) -> Vec<String> {
    let mut all = Vec::new();
    let line = line.trim_start_matches([' ', '\t']);
    let mut rest = program(line, &mut all);
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        if rest.is_empty() || all.len() >= ARGUMENTS_MAX {
            return all;
        }
        rest = argument(rest, &mut all);
    }
}

/// The program's name has no escapes: quotes hold it together, nothing more.
fn program<'a>(line: &'a str, all: &mut Vec<String>) -> &'a str {
    if line.is_empty() {
        return line;
    }
    let (name, rest) = match line.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
        None => {
            let end = line.find([' ', '\t']).unwrap_or(line.len());
            line.split_at_checked(end).unwrap_or((line, ""))
        }
    };
    all.push(name.to_owned());
    rest
}

fn argument<'a>(line: &'a str, all: &mut Vec<String>) -> &'a str {
    let mut text = String::new();
    let mut quoted = false;
    let mut backslashes = 0;
    let mut marks = line.char_indices().peekable();
    while let Some((at, mark)) = marks.next() {
        match mark {
            '\\' => backslashes += 1,
            '"' => {
                text.extend(std::iter::repeat_n('\\', backslashes / 2));
                if backslashes % 2 == 1 {
                    text.push('"');
                } else if quoted && marks.peek().is_some_and(|(_, next)| *next == '"') {
                    // Two quotes within quotes are one.
                    text.push('"');
                    marks.next();
                } else {
                    quoted = !quoted;
                }
                backslashes = 0;
            }
            ' ' | '\t' if !quoted => {
                text.extend(std::iter::repeat_n('\\', backslashes));
                all.push(text);
                return line.get(at..).unwrap_or_default();
            }
            other => {
                text.extend(std::iter::repeat_n('\\', backslashes));
                backslashes = 0;
                text.push(other);
            }
        }
    }
    text.extend(std::iter::repeat_n('\\', backslashes));
    all.push(text);
    ""
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_and_backslashes_go_by_the_runtimes_rules() {
        for (line, expected) in [
            (r#"cmd.exe /c dir"#, &["cmd.exe", "/c", "dir"][..]),
            (r#""C:\Program Files\a.exe" "b c"  d"#, &[r"C:\Program Files\a.exe", "b c", "d"]),
            (r#"x "a\\b" c\\d"#, &["x", r"a\\b", r"c\\d"]),
            (r#"x "a\"b" \\"c d""#, &["x", r#"a"b"#, r"\c d"]),
            (r#"x "say ""it""" ab"c d"e"#, &["x", r#"say "it""#, "abc de"]),
            (r#"x """#, &["x", ""]),
            (r"x \\server\share\", &["x", r"\\server\share\"]),
            ("", &[]),
        ] {
            assert_eq!(split(line), expected, "{line}");
        }
        assert_eq!(split(&"a ".repeat(1_000)).len(), ARGUMENTS_MAX);
    }

    proptest! {
        #[test]
        fn any_line_does_no_harm(line in "[a\\\\\" \t\\PC]{0,60}") {
            let all = split(&line);
            prop_assert!(all.iter().map(String::len).sum::<usize>() <= line.len());
        }
    }
}
