//! `watchfloor model check`: read models as the daemon would, run them on every runtime that can be had, compare.

use std::io::Write;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome, load};
use crate::config::infer::{InferConfig, Runtime};
use crate::infer::artifact::load::{Expected, Model, Source, load as load_models};
use crate::infer::scorer::choose::{self, Backend};
use crate::infer::scorer::compare::{Compared, compare};

const COLUMNS: [&str; 12] = [
    "model",
    "version",
    "platform",
    "track",
    "place",
    "members",
    "inputs",
    "threshold",
    "runtime",
    "golden_difference",
    "difference",
    "milliseconds_100_nodes",
];

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor model check
  watchfloor model check my-model/ --set infer.library=/opt/onnxruntime/lib
  watchfloor model check --format ndjson

One line for each model and runtime: how far the runtime is from the golden window and from tract over windows of 2 to 256
nodes, and the median time of one member for a window of 100 nodes.")]
pub(crate) struct Arguments {
    /// A folder with a model, or one of such folders [default: infer.models of the configuration]
    folder: Option<String>,
    /// How it is printed
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    load::logging(common, false);
    let config = load::config(common)?.infer;
    let source = Source::parse(arguments.folder.as_deref().unwrap_or(&config.models));
    let models = match load_models(&source, &Expected::of(&config)) {
        Ok(models) => models,
        Err(faults) => {
            for fault in faults {
                output::complain(&fault.to_string());
            }
            return Ok(Outcome::Failed);
        }
    };
    let (backends, wanted) = backends(&config);
    let mut failed = !wanted;
    let mut rows = Vec::new();
    for model in models.into_iter().map(Arc::new) {
        match compare(&model, &backends) {
            Ok(compared) => rows.extend(compared.iter().map(|compared| row(&model, compared))),
            Err(fault) => {
                output::complain(&fault.to_string());
                failed = true;
            }
        }
    }
    if rows.is_empty() && !failed {
        output::complain(&format!("{source}: there is no model"));
    }
    // A table without rows is only in the way of what was just said.
    if !(rows.is_empty() && arguments.format == Format::Table) {
        let mut out = output::stdout();
        output::records(&mut out, arguments.format, &COLUMNS, rows)?;
        out.flush()?;
    }
    Ok(if failed { Outcome::Failed } else { Outcome::Done })
}

/// tract, and ONNX Runtime where it can be had. `false`: the configuration wants what cannot be had.
fn backends(config: &InferConfig) -> (Vec<Backend>, bool) {
    let wanted = match choose::choose(config) {
        Ok(chosen) => {
            output::complain(&chosen.line);
            Some(chosen.backend)
        }
        Err(error) => {
            output::complain(&error.to_string());
            None
        }
    };
    let is_wanted = wanted.is_some();
    let library = match wanted {
        Some(Backend::OnnxRuntime(library)) => Some(Backend::OnnxRuntime(library)),
        // tract was named: the other runtime is compared with if it is there.
        Some(Backend::Tract) if config.runtime == Runtime::Tract => {
            let auto = InferConfig { runtime: Runtime::Auto, ..config.clone() };
            choose::choose(&auto).ok().map(|chosen| chosen.backend)
        }
        _ => None,
    };
    let library = library.filter(|backend| matches!(backend, Backend::OnnxRuntime(_)));
    (std::iter::once(Backend::Tract).chain(library).collect(), is_wanted)
}

fn row(model: &Model, compared: &Compared) -> serde_json::Value {
    let manifest = &model.manifest;
    let widths = &manifest.inputs;
    json!({
        "model": manifest.name,
        "version": manifest.version.0,
        "platform": manifest.platform,
        "track": manifest.track.as_str(),
        "place": model.place,
        "members": model.members.len(),
        "inputs": format!("{}x{}", widths.node_features, widths.edge_features),
        "threshold": round(manifest.threshold()),
        "runtime": compared.runtime,
        "golden_difference": format!("{:.1e}", compared.golden),
        "difference": format!("{:.1e}", compared.difference),
        "milliseconds_100_nodes": round(compared.milliseconds),
    })
}

/// Three digits behind the point.
fn round(number: f32) -> f64 {
    (f64::from(number) * 1_000.0).round() / 1_000.0
}
