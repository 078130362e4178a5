//! The file of expected counts: a TOML line a rule, a number or a range.

use std::collections::BTreeMap;

/// How many findings are expected, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    least: u64,
    most: u64,
}

impl Range {
    pub fn holds(self, count: u64) -> bool {
        (self.least..=self.most).contains(&count)
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.least, self.most) {
            (least, most) if least == most => write!(out, "{least}"),
            (least, u64::MAX) => write!(out, "at least {least}"),
            (least, most) => write!(out, "{least} to {most}"),
        }
    }
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadExpect {
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    #[error("{0:?} = {1}: expected a count such as 3 or a range such as \"1..20\" or \"1..\"")]
    Value(String, String),
}

/// Read the text.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, Range>, BadExpect> {
    let table: toml::Table = text.parse()?;
    let mut out = BTreeMap::new();
    for (id, value) in table {
        let bad = || BadExpect::Value(id.clone(), value.to_string());
        let range = match &value {
            toml::Value::Integer(count) => {
                u64::try_from(*count).ok().map(|count| Range { least: count, most: count })
            }
            toml::Value::String(text) => range(text),
            _ => None,
        };
        out.insert(id.clone(), range.ok_or_else(bad)?);
    }
    Ok(out)
}

fn range(text: &str) -> Option<Range> {
    let (least, most) = text.split_once("..")?;
    let end = |text: &str, none: u64| {
        if text.trim().is_empty() { Some(none) } else { text.trim().parse().ok() }
    };
    let range = Range { least: end(least, 0)?, most: end(most, u64::MAX)? };
    (range.least <= range.most).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_ranges_are_read_and_other_values_named() {
        let all = parse("a = 3\nb = \"1..20\"\nc = \"5..\"\n").unwrap();
        let held = |id: &str| (0..30).filter(|count| all[id].holds(*count)).count();
        assert_eq!((held("a"), held("b"), held("c")), (1, 20, 25));
        for bad in ["a = -1", "a = \"x\"", "a = \"5..2\"", "a = true"] {
            assert!(parse(bad).unwrap_err().to_string().contains("\"a\""), "{bad}");
        }
    }
}
