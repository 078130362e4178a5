//! `manifest.toml`: what a model says about itself, and which of that would make no sense.

use serde::Deserialize;

use crate::infer::artifact::Fault;
use crate::infer::track::Track;
use crate::model::platform::Platform;

/// The file's name in a model's folder.
pub const MANIFEST_FILE: &str = "manifest.toml";
/// A manifest longer than this is refused unread.
pub const MANIFEST_BYTES_MAX: u64 = 1 << 20;
/// Models that are run together and averaged.
pub const MEMBERS_MAX: usize = 3;
/// ONNX operator sets that both runtimes are tested with.
pub const OPSETS: std::ops::RangeInclusive<i64> = 17..=18;
/// Points of the table from anomaly to score.
const QUANTILES_MAX: usize = 10_000;
const AGAIN: &str = "copy the folder again from where it was made";

/// A model's description of itself.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Manifest {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Text,
    /// `windows` or `linux`.
    pub platform: String,
    /// What its members read.
    #[serde(default)]
    pub kind: Kind,
    /// Which events it was trained with.
    #[serde(default)]
    pub track: Track,
    /// When it was made.
    #[serde(default)]
    pub created: Option<Text>,
    /// The version of the features it was trained with.
    pub feature_version: Text,
    /// Seconds of a window.
    pub window_s: u64,
    /// Seconds between windows.
    pub interval_s: u64,
    /// The ONNX operator set.
    pub opset: i64,
    /// May it speak where no rule hit, however sure it is? `false`: in an environment that it was not trained in, idle
    /// background was above [`Manifest::sure`] more often than rules and one alarm.
    #[serde(default = "yes")]
    pub alone: bool,
    /// The ONNX files that are averaged.
    pub members: Vec<MemberEntry>,
    /// Widths of what goes in.
    pub inputs: Inputs,
    /// What comes out.
    #[serde(default)]
    pub outputs: Outputs,
    /// What is common in its training environments: features are made with it.
    #[serde(default)]
    pub history: Option<FileEntry>,
    /// How outputs become scores.
    #[serde(default)]
    pub calibration: Calibration,
    /// How rules and the model become one score.
    #[serde(default)]
    pub fusion: Option<Fusion>,
    /// From which score on a window stands out.
    pub thresholds: Thresholds,
    /// Data, split, number of configurations tried; shown, never read.
    #[serde(default)]
    pub training: toml::Table,
    /// What it achieved; shown, never read.
    #[serde(default)]
    pub metrics: toml::Table,
    /// A window and what the model said of it when it was made.
    pub golden: GoldenEntry,
}

/// One ONNX file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct MemberEntry {
    /// Its name in the folder.
    pub file: String,
    /// Its hash.
    pub sha256: String,
    /// The seed it was trained with.
    #[serde(default)]
    pub seed: Option<i64>,
}

/// A further file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct FileEntry {
    /// Its name in the folder.
    pub file: String,
    /// Its hash.
    pub sha256: String,
}

/// Weights of rules and model, learnt on training environments: of the log-odds of the model's score, of the logarithm of
/// one plus the sum of rule levels (1, 5, 25, 100), and of whether a rule of level medium or above hit.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Fusion {
    /// Of the model.
    pub model: f64,
    /// Of the sum of levels.
    pub rules: f64,
    /// Of a rule of level medium or above.
    pub medium: f64,
    /// The constant.
    pub bias: f64,
}

/// Widths of what goes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Inputs {
    /// Features of a node.
    #[serde(default)]
    pub node_features: usize,
    /// Features of an edge.
    #[serde(default)]
    pub edge_features: usize,
    /// Kinds of nodes.
    #[serde(default)]
    pub node_kinds: usize,
    /// Kinds of edges, both directions.
    #[serde(default)]
    pub edge_kinds: usize,
}

/// What comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Outputs {
    /// Whether members say how much like an attack the window is.
    #[serde(default = "yes")]
    pub attack_logit: bool,
    /// Numbers that place the window among others.
    #[serde(default)]
    pub embedding: usize,
    /// Whether members say how surprising single edges are.
    #[serde(default = "yes")]
    pub query_nll: bool,
}

impl Default for Outputs {
    fn default() -> Outputs {
        Outputs { attack_logit: true, embedding: 0, query_nll: true }
    }
}

/// How outputs become scores.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Calibration {
    /// The logit of an attack is divided by this.
    #[serde(default = "one")]
    pub temperature: f32,
    /// How the surprise at single edges becomes that at a window.
    #[serde(default)]
    pub anomaly: Anomaly,
    /// From anomaly to a score of 0 to 1: pairs (share, anomaly) or anomalies at equal steps of share.
    #[serde(default)]
    pub quantiles: Option<Quantiles>,
}

impl Default for Calibration {
    fn default() -> Calibration {
        Calibration { temperature: 1.0, anomaly: Anomaly::default(), quantiles: None }
    }
}

/// From which score on a window stands out.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Thresholds {
    /// The score of an attack, for models with an attack head.
    #[serde(default)]
    pub attack: Option<f32>,
    /// From which score on it speaks of an attack where no rule hit: as sure as in half of the held-out attacks.
    #[serde(default)]
    pub sure: Option<f32>,
    /// The score of an anomaly, for models without one.
    #[serde(default)]
    pub anomaly: Option<f32>,
    /// The surprise alone (the mean over members of what `calibration.anomaly` makes of it), for models with an attack head.
    #[serde(default)]
    pub surprise: Option<f32>,
    /// The spread between members above which they disagree.
    #[serde(default)]
    pub disagreement: Option<f32>,
}

/// Where the golden window stands.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct GoldenEntry {
    /// Its name in the folder.
    pub file: String,
    /// Its hash, if it is given.
    #[serde(default)]
    pub sha256: Option<String>,
}

/// What members read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Nodes and edges.
    #[default]
    Graph,
}

/// How the surprise at single edges becomes that at a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Anomaly {
    /// The mean over all edges.
    #[default]
    Mean,
    /// The mean of the ten largest.
    Top10,
    /// None is worked out.
    None,
}

/// A version or a date, written as a number, a text or a date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(pub String);

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Text, D::Error> {
        Ok(Text(match toml::Value::deserialize(from)? {
            toml::Value::String(text) => text,
            other => other.to_string(),
        }))
    }
}

/// A growing table from anomaly to score.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Quantiles {
    /// Share and anomaly.
    Pairs(Vec<(f32, f32)>),
    /// Anomalies at equal steps of share, from 0 to 1.
    Steps(Vec<f32>),
}

impl Quantiles {
    /// The table as pairs of anomaly and score.
    pub fn points(&self) -> Vec<(f32, f32)> {
        match self {
            Quantiles::Pairs(pairs) => {
                pairs.iter().map(|(share, value)| (*value, *share)).collect()
            }
            Quantiles::Steps(values) => {
                let last = values.len().saturating_sub(1).max(1);
                let share = |at: usize| at as f32 / last as f32;
                values.iter().enumerate().map(|(at, value)| (*value, share(at))).collect()
            }
        }
    }
}

fn one() -> f32 {
    1.0
}

fn yes() -> bool {
    true
}

impl Manifest {
    /// Read a manifest's text. `file` is its name for people.
    pub fn parse(file: &str, text: &str) -> Result<Manifest, Fault> {
        let manifest: Manifest = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| {
                1 + text.bytes().take(span.start).filter(|byte| *byte == b'\n').count()
            });
            Fault::new(format!("{file}:{line}"), error.message().to_owned(), AGAIN)
        })?;
        manifest.complaint().map_or(Ok(manifest), |text| Err(Fault::new(file, text, AGAIN)))
    }

    /// Its name and version, as results name it.
    pub fn id(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    /// The score from which a window stands out where no rule hit in it; beyond every score: none does.
    pub fn sure(&self) -> f32 {
        if !self.alone {
            return f32::INFINITY;
        }
        self.thresholds.sure.unwrap_or(0.0).max(self.threshold())
    }

    /// From which score on a window stands out; it was checked that there is one.
    pub fn threshold(&self) -> f32 {
        self.given_threshold().unwrap_or(f32::INFINITY)
    }

    fn given_threshold(&self) -> Option<f32> {
        let Thresholds { attack, anomaly, .. } = self.thresholds;
        if self.outputs.attack_logit { attack } else { anomaly.or(attack) }
    }

    /// The platform, checked when it was read.
    pub fn platform(&self) -> Platform {
        Platform::parse(&self.platform).unwrap_or(Platform::Windows)
    }

    /// What makes no sense.
    fn complaint(&self) -> Option<String> {
        let Manifest { members, thresholds, calibration, .. } = self;
        let count = members.len();
        if Platform::parse(&self.platform).is_none() {
            return Some(format!("platform {:?} is none of windows, linux", self.platform));
        }
        if !(1..=MEMBERS_MAX).contains(&count) {
            return Some(format!("{count} members, and 1 to {MEMBERS_MAX} are possible"));
        }
        if !OPSETS.contains(&self.opset) {
            let (least, most) = (OPSETS.start(), OPSETS.end());
            return Some(format!("opset {} is none of {least} to {most}", self.opset));
        }
        let further = self.history.iter().map(|history| &history.file);
        let names = members.iter().map(|member| &member.file).chain([&self.golden.file]);
        let names = names.chain(further);
        if let Some(name) = names.into_iter().find(|name| !is_plain_name(name)) {
            return Some(format!("{name:?} is no name of a file in the model's folder"));
        }
        if !(calibration.temperature.is_finite() && calibration.temperature > 0.0) {
            return Some(format!("temperature {} is not above 0", calibration.temperature));
        }
        let finite = |threshold: Option<f32>| threshold.is_none_or(f32::is_finite);
        let Some(threshold) = self.given_threshold() else {
            return Some("thresholds say neither attack nor anomaly".to_owned());
        };
        if !(threshold.is_finite() && finite(thresholds.disagreement)) {
            return Some("a threshold is no number".to_owned());
        }
        if !self.outputs.attack_logit && calibration.quantiles.is_none() {
            return Some("without an attack head it needs calibration.quantiles".to_owned());
        }
        if self.window_s == 0
            || self.interval_s == 0
            || !self.window_s.is_multiple_of(self.interval_s)
        {
            let (window, interval) = (self.window_s, self.interval_s);
            return Some(format!("window_s {window} is no multiple of interval_s {interval}"));
        }
        self.calibration.quantiles.as_ref().and_then(bad_table)
    }
}

/// A table must rise, or two windows would change their order.
fn bad_table(quantiles: &Quantiles) -> Option<String> {
    let points = quantiles.points();
    if points.len() < 2 || points.len() > QUANTILES_MAX {
        return Some(format!("{} quantiles, and 2 to {QUANTILES_MAX} are possible", points.len()));
    }
    let rises = |pair: &[(f32, f32)]| match pair {
        [a, b] => a.0 <= b.0 && a.1 <= b.1,
        _ => true,
    };
    let finite =
        points.iter().all(|(value, share)| value.is_finite() && (0.0..=1.0).contains(share));
    (!finite || !points.windows(2).all(rises))
        .then(|| "quantiles must rise, with shares from 0 to 1".to_owned())
}

/// A name that stays inside the folder.
fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
name = "windows"
version = "2026-11-26"
platform = "windows"
kind = "graph"
created = 2026-11-26
feature_version = 3
window_s = 180
interval_s = 30
opset = 17
[[members]]
file = "member-1.onnx"
sha256 = "00"
seed = 1
[inputs]
node_features = 32
edge_features = 3
node_kinds = 7
edge_kinds = 22
[thresholds]
attack = 0.9
[calibration]
quantiles = [[0.0, 0.1], [1.0, 4.0]]
[golden]
file = "golden.json"
"#;

    #[test]
    fn a_manifest_is_read_and_versions_may_be_numbers_or_texts() {
        let manifest = Manifest::parse("m", GOOD).unwrap();
        assert_eq!(manifest.id(), "windows 2026-11-26");
        assert_eq!(manifest.feature_version.0, "3");
        assert_eq!(manifest.created.as_ref().unwrap().0, "2026-11-26");
        assert_eq!(manifest.calibration.temperature, 1.0);
        assert_eq!(manifest.calibration.quantiles.unwrap().points(), [(0.1, 0.0), (4.0, 1.0)]);
        assert_eq!(Quantiles::Steps(vec![1.0, 2.0, 5.0]).points()[1], (2.0, 0.5));
    }

    #[test]
    fn what_makes_no_sense_is_said_in_one_sentence() {
        for (old, new, said) in [
            ("platform = \"windows\"", "platform = \"macos\"", "none of windows, linux"),
            ("opset = 17", "opset = 21", "opset 21 is none of 17 to 18"),
            ("\"member-1.onnx\"", "\"../member-1.onnx\"", "is no name of a file"),
            ("attack = 0.9", "attack = nan", "a threshold is no number"),
            ("[1.0, 4.0]", "[1.0, 0.05]", "quantiles must rise"),
            ("interval_s = 30", "interval_s = 50", "no multiple"),
            ("[calibration]", "[calibration]\ntemperature = 0.0", "temperature 0 is not above 0"),
            ("name = \"windows\"", "", "missing field `name`"),
            ("opset = 17", "opset = seventeen", "m:10: "),
        ] {
            assert!(GOOD.contains(old), "{old}");
            let fault = Manifest::parse("m", &GOOD.replace(old, new)).unwrap_err().to_string();
            assert!(fault.contains(said), "{fault}");
            assert_eq!(fault.lines().count(), 1, "{fault}");
        }
    }
}
