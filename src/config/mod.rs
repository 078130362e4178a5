//! Layer 2: what was written becomes what is meant. One file a section; every problem is reported at
//! once, with its key path, its place and the nearest valid name.
//!
//! Values come in four layers, later ones win: defaults, the TOML file, `WATCHFLOOR_SECTION__KEY`,
//! flags. Only [`check::check`] makes a [`Config`].

pub mod alert;
pub mod alert_store;
pub mod api;
pub mod assets;
pub mod backup;
pub mod brokers;
pub mod check;
pub mod collect;
pub mod gaps;
pub mod infer;
pub mod infer_llm;
pub mod limits;
pub mod listen;
pub mod mappings;
pub mod metrics;
pub mod noise;
pub mod places;
pub mod reader;
pub mod redact;
pub mod regroup;
pub mod retention;
pub mod rules;
pub mod secret;
pub mod signals;
pub mod sinks;
pub mod sources;
pub mod store;
pub mod tls;
pub mod ui;
pub mod units;

use std::path::PathBuf;

/// The checked configuration. Built only by `config::check`; the default is that of an empty file.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The file it was read from, if there was one.
    pub file: Option<PathBuf>,
    /// Stores, positions, audit; owner-only. Empty until the places are resolved.
    pub data_dir: PathBuf,
    /// Which parts of the path run here.
    pub roles: collect::Roles,
    /// Where a collector writes what it takes.
    pub collect: collect::CollectConfig,
    /// Where nodes count together what no partition holds alone.
    pub regroup: Option<regroup::RegroupConfig>,
    /// Where records come from.
    pub sources: Vec<sources::SourceConfig>,
    /// Where our own stream goes.
    pub sinks: Vec<sinks::SinkConfig>,
    /// Which rules run.
    pub rules: rules::RulesConfig,
    /// Which signals run.
    pub signals: signals::SignalsConfig,
    /// Which models judge endpoints.
    pub infer: infer::InferConfig,
    /// Who may read the counters.
    pub metrics: metrics::MetricsConfig,
    /// Log formats as data.
    pub mappings: mappings::MappingsConfig,
    /// What is stored and how.
    pub store: store::StoreConfig,
    /// How findings become alerts.
    pub alert: alert::AlertConfig,
    /// Which endpoints matter more.
    pub assets: Vec<assets::AssetConfig>,
    /// Who may talk to us.
    pub api: api::ApiConfig,
    /// What is removed before anything is stored.
    pub redact: redact::RedactConfig,
    /// How long what is kept.
    pub retention: retention::RetentionConfig,
    /// When everything is saved.
    pub backup: backup::BackupConfig,
    /// When missing numbers are called a gap.
    pub gaps: gaps::GapsConfig,
    /// Bounds.
    pub limits: limits::LimitsConfig,
    /// The desk.
    pub ui: ui::UiConfig,
}
