//! The files of an export: arrays in NumPy's format, one line of JSON a window, and a manifest.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use npyz::WriterBuilder;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::infer::features::rarity::Snapshot;
use crate::infer::features::{EDGE_FEATURES, FEATURE_VERSION, NODE_FEATURES, names};
use crate::infer::graph::{EdgeKind, NodeKind};
use crate::infer::window::Timing;
use crate::model::severity::Severity;
use crate::pipeline::features::FeatureOptions;
use crate::pipeline::features::capture::Row;

/// The counts that a model brings along, see [`Snapshot::to_bytes`].
const HISTORY_FILE: &str = "history.bin";

/// Writes as windows come; arrays are kept until their length is known.
pub struct Writer {
    folder: PathBuf,
    windows: BufWriter<File>,
    node_features: Vec<f32>,
    node_type: Vec<i64>,
    sources: Vec<i64>,
    targets: Vec<i64>,
    edge_type: Vec<i64>,
    edge_features: Vec<f32>,
}

impl Writer {
    /// Make the folder.
    pub fn create(folder: &Path) -> anyhow::Result<Writer> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let path = folder.join("windows.ndjson");
        let file =
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Writer {
            folder: folder.to_path_buf(),
            windows: BufWriter::new(file),
            node_features: Vec::new(),
            node_type: Vec::new(),
            sources: Vec::new(),
            targets: Vec::new(),
            edge_type: Vec::new(),
            edge_features: Vec::new(),
        })
    }

    /// One window more.
    pub fn window(&mut self, file: &str, row: &Row) -> anyhow::Result<()> {
        let tensors = &row.tensors;
        let seconds = |ms: i64| ms as f64 / 1_000.0;
        let levels: serde_json::Map<String, serde_json::Value> = row
            .levels
            .iter()
            .map(|(level, count)| (level.as_str().to_owned(), json!(count)))
            .collect();
        let line = json!({
            "file": file,
            "host": row.host,
            "platform": row.platform.as_str(),
            "start": row.start_ms.div_euclid(1_000),
            "end": row.end_ms.div_euclid(1_000),
            "observed_s": seconds(row.observed_ms),
            "nodes": tensors.nodes,
            "edges": tensors.edges / 2,
            "node_offset": self.node_type.len(),
            "edge_offset": self.edge_type.len(),
            "events": row.events,
            "graph_events": row.graph_events,
            "nodes_dropped": row.dropped.0,
            "edges_dropped": row.dropped.1,
            "counts": row.counts,
            "classes": row.classes,
            "rule_level": row.levels.keys().max().map(|level: &Severity| level.as_str()),
            "rule_levels": levels,
            "error": (tensors.nodes < 2).then_some("too few nodes"),
        });
        writeln!(self.windows, "{line}")?;
        self.node_features.extend_from_slice(&tensors.node_features);
        self.node_type.extend_from_slice(&tensors.node_type);
        let (sources, targets) = tensors.edge_index.split_at(tensors.edges);
        self.sources.extend_from_slice(sources);
        self.targets.extend_from_slice(targets);
        self.edge_type.extend_from_slice(&tensors.edge_type);
        self.edge_features.extend_from_slice(&tensors.edge_features);
        Ok(())
    }

    /// Write the arrays, the counts of the whole history and the manifest.
    pub fn finish(
        mut self,
        options: &FeatureOptions,
        timing: Timing,
        history: Option<&Snapshot>,
    ) -> anyhow::Result<()> {
        self.windows.flush()?;
        let (nodes, edges) = (self.node_type.len() as u64, self.edge_type.len() as u64);
        self.array("node_features.npy", &[nodes, NODE_FEATURES as u64], &self.node_features)?;
        self.array("node_type.npy", &[nodes], &self.node_type)?;
        let index = [self.sources.as_slice(), self.targets.as_slice()].concat();
        self.array("edge_index.npy", &[2, edges], &index)?;
        self.array("edge_type.npy", &[edges], &self.edge_type)?;
        self.array("edge_features.npy", &[edges, EDGE_FEATURES as u64], &self.edge_features)?;
        let mut hashes = serde_json::Map::new();
        let mut files = vec![
            "windows.ndjson",
            "node_features.npy",
            "node_type.npy",
            "edge_index.npy",
            "edge_type.npy",
            "edge_features.npy",
        ];
        if let Some(history) = history {
            let path = self.folder.join(HISTORY_FILE);
            fs::write(&path, history.to_bytes())
                .with_context(|| format!("cannot write {}", path.display()))?;
            files.push(HISTORY_FILE);
        }
        for file in files {
            let mut hasher = Sha256::new();
            std::io::copy(&mut File::open(self.folder.join(file))?, &mut hasher)?;
            let text: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            hashes.insert(file.to_owned(), json!(text));
        }
        let columns = |list: Vec<(String, String)>| {
            list.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        let manifest = json!({
            "feature_version": FEATURE_VERSION,
            "node_features": columns(names::node()),
            "edge_features": columns(names::edge()),
            "node_kinds": NodeKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
            "edge_kinds": EdgeKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
            "window_s": timing.window_ms / 1_000,
            "interval_s": timing.interval_ms / 1_000,
            "track": options.track.as_str(),
            "history": options.history,
            "sha256": hashes,
        });
        let path = self.folder.join("manifest.json");
        fs::write(&path, format!("{manifest:#}\n"))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn array<T: npyz::AutoSerialize + Copy>(
        &self,
        name: &str,
        shape: &[u64],
        values: &[T],
    ) -> anyhow::Result<()> {
        let path = self.folder.join(name);
        let write = || -> std::io::Result<()> {
            let file = BufWriter::new(File::create(&path)?);
            let options = npyz::WriteOptions::<T>::new().default_dtype().shape(shape).writer(file);
            let mut writer = options.begin_nd()?;
            writer.extend(values.iter().copied())?;
            writer.finish()
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }
}
