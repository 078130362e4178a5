//! What a person decided about the suites, as data: `config/scoreboard/*.toml`. Embedded, and replaceable by a folder
//! for those who work on them.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::scoreboard::ScoreError;

/// The tables of all suites.
#[derive(Clone, Debug)]
pub struct Tables {
    /// `fail2ban.toml`
    pub fail2ban: Fail2ban,
    /// `crowdsec.toml`
    pub crowdsec: Crowdsec,
    /// `wazuh.toml`
    pub wazuh: Wazuh,
    /// `golden.toml`
    pub golden: Golden,
}

impl Tables {
    /// The embedded tables, or those of a folder.
    pub fn load(folder: Option<&Path>) -> Result<Tables, ScoreError> {
        let fail2ban = include_str!("../../config/scoreboard/fail2ban.toml");
        let crowdsec = include_str!("../../config/scoreboard/crowdsec.toml");
        let wazuh = include_str!("../../config/scoreboard/wazuh.toml");
        let golden = include_str!("../../config/scoreboard/golden.toml");
        Ok(Tables {
            fail2ban: table(folder, "fail2ban.toml", fail2ban)?,
            crowdsec: table(folder, "crowdsec.toml", crowdsec)?,
            wazuh: table(folder, "wazuh.toml", wazuh)?,
            golden: table(folder, "golden.toml", golden)?,
        })
    }
}

fn table<T: DeserializeOwned>(
    folder: Option<&Path>,
    name: &str,
    embedded: &str,
) -> Result<T, ScoreError> {
    let (file, text) = match folder.map(|folder| folder.join(name)) {
        Some(path) => (path.display().to_string(), super::read(&path)?),
        None => (name.to_owned(), embedded.to_owned()),
    };
    toml::from_str(&text).map_err(|source| ScoreError::Table { file, source })
}

/// Names of the Ops Agent's output.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// Names that end otherwise than ours.
    #[serde(default)]
    pub field: Vec<GoldenField>,
}

/// One name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenField {
    /// The last part of the path.
    pub name: String,
    /// Fields of ours that hold the value.
    #[serde(default)]
    pub ecs: Vec<String>,
    /// Why it is not compared.
    pub skip: Option<String>,
}

/// A difference that is right, with the reason.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accept {
    /// The base name of the test file.
    pub file: String,
    /// A part of the input; empty for every line of the file.
    #[serde(default)]
    pub contains: String,
    /// Why the difference is right.
    pub reason: String,
}

fn accepted<'a>(list: &'a [Accept], file: &str, input: &str) -> Option<&'a str> {
    list.iter()
        .find(|accept| accept.file == file && input.contains(&accept.contains))
        .map(|accept| accept.reason.as_str())
}

/// For fail2ban's sample logs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fail2ban {
    /// File → the format to read it as, where an administrator has to say it, too.
    #[serde(default)]
    pub format: BTreeMap<String, String>,
    /// Differences that are right.
    #[serde(default)]
    pub accept: Vec<Accept>,
}

impl Fail2ban {
    /// The reason why a difference is right.
    pub fn accepted(&self, file: &str, input: &str) -> Option<&str> {
        accepted(&self.accept, file, input)
    }
}

/// For crowdsec's parser tests.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crowdsec {
    /// Test → the format to read it as, where an administrator has to say it, too.
    #[serde(default)]
    pub format: BTreeMap<String, String>,
    /// Which of our fields say what a field of theirs says.
    pub twin: Vec<Twin>,
    /// What a word of theirs means in our fields.
    #[serde(default)]
    pub word: Vec<Word>,
    /// Fields that cannot have a twin: at most a tenth of all asserted ones.
    pub reviewed: Vec<Reviewed>,
    /// Differences that are right.
    #[serde(default)]
    pub accept: Vec<Accept>,
}

impl Crowdsec {
    /// The reason why a difference is right.
    pub fn accepted(&self, file: &str, input: &str) -> Option<&str> {
        accepted(&self.accept, file, input)
    }
}

/// A field of theirs and those of ours that say the same.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Twin {
    /// `Parsed.x` or `Meta.x`; several may share the twins.
    pub fields: Vec<String>,
    /// Only for this parser of theirs; empty for all.
    #[serde(default)]
    pub parser: String,
    /// One of these fields must hold the value.
    pub ecs: Vec<String>,
    /// How the values are compared.
    #[serde(default)]
    pub how: How,
}

/// How a value of theirs is compared with one of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Equal as text or as number, without regard to case; nothing and `-` are one.
    #[default]
    Equal,
    /// As [`How::Equal`], and one of ours may be the end of a path that is theirs, or the other way round.
    Base,
    /// Theirs is a part of ours.
    Contains,
    /// Ours is a time; theirs says it as a log does.
    Time,
    /// Theirs is the length of ours.
    Length,
    /// Theirs in milliseconds, ours in nanoseconds.
    Millis,
    /// One peer: an address or a name.
    Peer,
}

/// What a word of theirs means in our fields.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Word {
    /// `Parsed.x` or `Meta.x`.
    pub field: String,
    /// The word.
    pub value: String,
    /// `field=value`, `field=value|value`: every one must hold for one event.
    pub needs: Vec<String>,
}

/// A field without twin, reviewed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reviewed {
    /// `Parsed.x` or `Meta.x`.
    pub field: String,
    /// Why it has none.
    pub reason: String,
}

/// For wazuh's rule tests.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wazuh {
    /// By the base name of the ini file.
    pub family: BTreeMap<String, Family>,
    /// Ini file → why its lines are not ours to read.
    pub other: BTreeMap<String, String>,
    /// Differences that are right.
    #[serde(default)]
    pub accept: Vec<Accept>,
}

impl Wazuh {
    /// The reason why a difference is right.
    pub fn accepted(&self, file: &str, input: &str) -> Option<&str> {
        accepted(&self.accept, file, input)
    }
}

/// What the lines of an ini file are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// `event.module`, `event.provider`, or the first part of `event.dataset` must be one of these.
    pub names: Vec<String>,
    /// Decoder of theirs → the names for it, where one file mixes families.
    #[serde(default)]
    pub decoder: BTreeMap<String, Vec<String>>,
    /// The format to read it as, where an administrator has to say it, too.
    #[serde(default)]
    pub format: String,
}
