//! Does a model fit this program, and does an ONNX file hold what its manifest says? Known before any runtime sees it.

use prost::Message;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dim;
use tract_onnx::pb::type_proto::Value as Type;
use tract_onnx::pb::{GraphProto, ModelProto, ValueInfoProto};

use crate::infer::artifact::manifest::Manifest;
use crate::infer::artifact::{Expected, Fault};

/// ONNX's numbers for the two types that are used.
const FLOAT: i32 = 1;
const INT64: i32 = 7;
const OTHER_MODEL: &str =
    "use a model made for this version of the program, or infer.models = \"builtin\"";
const AGAIN: &str = "copy the folder again from where it was made";

/// A dimension of an input: a width, or however many there are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Fixed(usize),
    Any,
}

/// Compare a manifest with what the program makes of events.
pub fn program(file: &str, manifest: &Manifest, expected: &Expected) -> Result<(), Fault> {
    let fault = |text: String| Err(Fault::new(file, text, OTHER_MODEL));
    let (version, ours) = (&manifest.feature_version.0, &expected.feature_version);
    if version != ours {
        return fault(format!(
            "was trained on feature version {version}, and this program makes version {ours}"
        ));
    }
    let given = &manifest.inputs;
    let pairs = [
        ("node_features", given.node_features, expected.inputs.node_features),
        ("edge_features", given.edge_features, expected.inputs.edge_features),
        ("node_kinds", given.node_kinds, expected.inputs.node_kinds),
        ("edge_kinds", given.edge_kinds, expected.inputs.edge_kinds),
    ];
    if let Some((name, given, ours)) = pairs.into_iter().find(|(_, given, ours)| given != ours) {
        return fault(format!("inputs.{name} is {given}, and this program makes {ours}"));
    }
    let window = (manifest.window_s, manifest.interval_s);
    if window != (expected.window_s, expected.interval_s) {
        let text = format!(
            "was trained on windows of {} s every {} s, and infer.window and infer.interval say {} s every {} s",
            window.0, window.1, expected.window_s, expected.interval_s
        );
        let fix = format!(
            "set infer.window = \"{}s\" and infer.interval = \"{}s\", or use another model",
            window.0, window.1
        );
        return Err(Fault::new(file, text, fix));
    }
    Ok(())
}

/// Compare an ONNX file with its manifest.
pub fn onnx(file: &str, bytes: &[u8], manifest: &Manifest) -> Result<(), Fault> {
    complaint(bytes, manifest).map_or(Ok(()), |text| Err(Fault::new(file, text, AGAIN)))
}

fn complaint(bytes: &[u8], manifest: &Manifest) -> Option<String> {
    let model = match ModelProto::decode(bytes) {
        Ok(model) => model,
        Err(error) => return Some(format!("is no whole ONNX file: {error}")),
    };
    for import in &model.opset_import {
        if !(import.domain.is_empty() || import.domain == "ai.onnx") {
            return Some(format!(
                "needs operators of {:?}, which no runtime here has",
                import.domain
            ));
        }
        if import.version != manifest.opset {
            let (found, said) = (import.version, manifest.opset);
            return Some(format!("was written for opset {found}, and the manifest says {said}"));
        }
    }
    let Some(graph) = &model.graph else { return Some("holds no graph".to_owned()) };
    if model.opset_import.is_empty() {
        return Some("does not say its opset".to_owned());
    }
    if graph.initializer.iter().any(|tensor| !tensor.external_data.is_empty()) {
        return Some("keeps weights in another file".to_owned());
    }
    inputs(graph, manifest).or_else(|| outputs(graph, manifest))
}

fn wanted(manifest: &Manifest) -> Vec<(&'static str, i32, Vec<Wanted>)> {
    use Wanted::{Any, Fixed};
    let widths = &manifest.inputs;
    vec![
        ("node_features", FLOAT, vec![Any, Fixed(widths.node_features)]),
        ("node_type", INT64, vec![Any]),
        ("edge_index", INT64, vec![Fixed(2), Any]),
        ("edge_type", INT64, vec![Any]),
        ("edge_features", FLOAT, vec![Any, Fixed(widths.edge_features)]),
        ("query_index", INT64, vec![Fixed(2), Any]),
        ("query_type", INT64, vec![Any]),
    ]
}

fn inputs(graph: &GraphProto, manifest: &Manifest) -> Option<String> {
    let constant = |name: &str| graph.initializer.iter().any(|tensor| tensor.name == name);
    let given: Vec<&ValueInfoProto> =
        graph.input.iter().filter(|input| !constant(&input.name)).collect();
    let wanted = wanted(manifest);
    if let Some(strange) =
        given.iter().find(|input| wanted.iter().all(|(name, ..)| *name != input.name))
    {
        return Some(format!("wants an input {:?} that is not made", strange.name));
    }
    wanted.iter().find_map(|(name, kind, dims)| {
        // A model may leave out what it does not need.
        let input = given.iter().find(|input| input.name == *name)?;
        let Some((found, shape)) = shape(input) else {
            return Some(format!("does not say the shape of its input {name}"));
        };
        if found != *kind {
            return Some(format!("wants another type of number as {name}"));
        }
        let fits = shape.len() == dims.len()
            && shape.iter().zip(dims).all(|(given, wanted)| match wanted {
                Wanted::Any => given.is_none(),
                Wanted::Fixed(width) => *given == i64::try_from(*width).ok(),
            });
        (!fits).then(|| {
            let shown: Vec<String> = shape
                .iter()
                .map(|dim| dim.map_or_else(|| "any".to_owned(), |dim| dim.to_string()))
                .collect();
            let wanted: Vec<String> = dims.iter().map(show).collect();
            let (shown, wanted) = (shown.join(", "), wanted.join(", "));
            format!("takes {name} as [{shown}], and the manifest says [{wanted}]")
        })
    })
}

fn show(dim: &Wanted) -> String {
    match dim {
        Wanted::Fixed(width) => width.to_string(),
        Wanted::Any => "any".to_owned(),
    }
}

/// Type and dimensions; `None` is a dimension of any length.
fn shape(value: &ValueInfoProto) -> Option<(i32, Vec<Option<i64>>)> {
    let Some(Type::TensorType(tensor)) = value.r#type.as_ref()?.value.as_ref() else { return None };
    let dims = tensor.shape.as_ref()?.dim.iter();
    let dims = dims.map(|dim| match dim.value {
        Some(Dim::DimValue(length)) => Some(length),
        _ => None,
    });
    Some((tensor.elem_type, dims.collect()))
}

fn outputs(graph: &GraphProto, manifest: &Manifest) -> Option<String> {
    let promised = manifest.outputs;
    let wanted = [
        ("attack_logit", promised.attack_logit),
        ("embedding", promised.embedding > 0),
        ("query_nll", promised.query_nll),
    ];
    wanted
        .into_iter()
        .find(|(name, wanted)| *wanted && graph.output.iter().all(|out| out.name != *name))
        .map(|(name, _)| format!("has no output {name:?}, and the manifest says that it has"))
}
