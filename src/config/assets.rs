//! `[[assets]]`: which endpoints matter more, and how much that adds to the risk of their alerts.

use globset::GlobBuilder;

use crate::config::reader::Reader;

/// Most points that one asset can add.
pub const WEIGHT_MAX: u64 = 50;

/// One kind of asset. An endpoint is one when its name or a label of its source matches; of several the heaviest counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetConfig {
    /// What it is, as the risk says it.
    pub name: String,
    /// Globs on host names.
    pub hosts: Vec<String>,
    /// `label=glob` on the labels of the source.
    pub labels: Vec<String>,
    /// Points.
    pub weight: u8,
}

/// Take the keys of every table.
pub fn read(reader: &mut Reader) -> Vec<AssetConfig> {
    (0..reader.tables("assets")).map(|index| one(reader, index)).collect()
}

fn one(reader: &mut Reader, index: usize) -> AssetConfig {
    let key = |name: &str| format!("assets[{index}].{name}");
    let asset = AssetConfig {
        name: reader.text(&key("name"), "asset", "What it is, as the risk of an alert says it."),
        hosts: reader.texts(&key("hosts"), &[], "Globs on host names, such as \"dc-*\"."),
        labels: reader.texts(
            &key("labels"),
            &[],
            "`label=glob` on the labels of the source, such as \"environment=prod\".",
        ),
        weight: weight(reader, &key("weight")),
    };
    if asset.hosts.is_empty() && asset.labels.is_empty() {
        let hint = "write hosts = [\"dc-*\"] or labels = [\"environment=prod\"]".to_owned();
        reader.complain(&key("hosts"), "no host and no label is named".to_owned(), hint);
    }
    for label in asset.labels.iter().filter(|label| !label.contains('=')) {
        let hint = "write \"environment=prod\"".to_owned();
        reader.complain(&key("labels"), format!("{label:?} has no ="), hint);
    }
    let values = asset.labels.iter().filter_map(|label| Some(label.split_once('=')?.1));
    let patterns = asset.hosts.iter().map(|host| ("hosts", host.as_str()));
    for (name, pattern) in patterns.chain(values.map(|value| ("labels", value))) {
        if let Err(error) = GlobBuilder::new(pattern).build() {
            reader.complain(
                &key(name),
                format!("{pattern:?} is no glob"),
                error.kind().to_string(),
            );
        }
    }
    asset
}

fn weight(reader: &mut Reader, key: &str) -> u8 {
    let weight = reader.number(key, 10, 1, "Points that it adds to the risk, 1 to 50.");
    if weight > WEIGHT_MAX {
        let message = format!("{weight} is more than {WEIGHT_MAX}");
        reader.complain(key, message, format!("write a number up to {WEIGHT_MAX}"));
    }
    u8::try_from(weight.min(WEIGHT_MAX)).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::reader::Origin;

    fn problems(values: &[(&str, &str)]) -> Vec<String> {
        let mut reader = Reader::default();
        for (key, value) in values {
            reader.set(&format!("assets[0].{key}"), value, Origin::Default);
        }
        read(&mut reader);
        reader.problems.iter().map(|problem| problem.message.clone()).collect()
    }

    #[test]
    fn what_cannot_work_is_named() {
        assert!(problems(&[("hosts", "[\"dc-*\"]"), ("weight", "15")]).is_empty());
        assert_eq!(problems(&[("weight", "15")]), ["no host and no label is named"]);
        assert_eq!(problems(&[("hosts", "[\"dc-[\"]")]), ["\"dc-[\" is no glob"]);
        assert_eq!(problems(&[("labels", "[\"prod\"]")]), ["\"prod\" has no ="]);
        assert_eq!(problems(&[("hosts", "[\"a\"]"), ("weight", "99")]), ["99 is more than 50"]);
    }
}
