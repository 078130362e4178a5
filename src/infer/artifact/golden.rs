//! `golden.json`: a window, and what every member said of it when the model was made. A model that no longer says so runs
//! on a runtime, or with a file, that is not what it was checked with.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::infer::Tensors;
use crate::infer::artifact::Fault;

/// A golden file longer than this is refused unread.
pub const GOLDEN_BYTES_MAX: u64 = 16 << 20;
/// How far outputs may be from what they were, where the file does not say.
pub const TOLERANCE_DEFAULT: f32 = 1e-4;
/// No file may ask for less care than this.
pub const TOLERANCE_MAX: f32 = 1e-2;
const AGAIN: &str = "copy the folder again from where it was made";

/// What a member said of the whole window.
pub const WHOLE: &str = "attack_logit_whole";
/// The surprise of the whole window, over all turns.
pub const ANOMALY: &str = "anomaly";

/// A window with the edges it is asked about, and what was said of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Golden {
    /// The window of one run.
    pub tensors: Tensors,
    /// The whole window that it was made from, if the file has it.
    pub window: Option<Tensors>,
    /// 2 × edges asked about.
    pub query_index: Vec<i64>,
    /// Their kinds.
    pub query_type: Vec<i64>,
    /// What each member said, by its file and the output's name.
    pub outputs: BTreeMap<String, BTreeMap<String, Vec<f32>>>,
    /// How far outputs may be from that.
    pub tolerance: f32,
}

impl Golden {
    /// Read the file. Lists may be nested (rows) or flat.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Golden, Fault> {
        let fault = |text: String| Fault::new(file, text, AGAIN);
        let json: Json =
            serde_json::from_slice(bytes).map_err(|error| fault(format!("is no JSON: {error}")))?;
        let inputs = json.get("inputs").unwrap_or(&Json::Null);
        let bad = |name: &str| fault(format!("{name} is no list of numbers, or of whole numbers"));
        let tensors = read_window(inputs).map_err(|name| bad(&format!("inputs.{name}")))?;
        let window = json.get("window").map(read_window).transpose();
        let window = window.map_err(|name| bad(&format!("window.{name}")))?;
        let given = json.get("tolerance").and_then(Json::as_f64).map(|tolerance| tolerance as f32);
        let tolerance = given.unwrap_or(TOLERANCE_DEFAULT);
        if !(tolerance > 0.0 && tolerance <= TOLERANCE_MAX) {
            return Err(fault(format!(
                "tolerance {tolerance} is not between 0 and {TOLERANCE_MAX}"
            )));
        }
        let outputs = outputs(json.get("outputs")).ok_or_else(|| {
            fault("outputs must hold, by member, lists of numbers by name".to_owned())
        })?;
        Ok(Golden {
            tensors,
            window,
            query_index: whole(inputs, "query_index").map_err(bad)?,
            query_type: whole(inputs, "query_type").map_err(bad)?,
            outputs,
            tolerance,
        })
    }
}

/// A window's lists; the name of one that is none.
fn read_window(json: &Json) -> Result<Tensors, &'static str> {
    let (node_type, edge_type) = (whole(json, "node_type")?, whole(json, "edge_type")?);
    Ok(Tensors {
        nodes: node_type.len(),
        edges: edge_type.len(),
        node_features: floats(json, "node_features")?,
        edge_features: floats(json, "edge_features")?,
        edge_index: whole(json, "edge_index")?,
        node_type,
        edge_type,
    })
}

/// What members said: a table by their files, or a list whose entries name them.
fn outputs(json: Option<&Json>) -> Option<BTreeMap<String, BTreeMap<String, Vec<f32>>>> {
    let list = |(name, value): (&String, &Json)| Some((name.clone(), numbers(value)?));
    let named = |said: &Json| {
        let lists = said.as_object()?.iter().filter(|(name, _)| *name != "file");
        lists.map(list).collect::<Option<BTreeMap<_, _>>>()
    };
    match json? {
        Json::Object(members) => {
            members.iter().map(|(member, said)| Some((member.clone(), named(said)?))).collect()
        }
        Json::Array(members) => members
            .iter()
            .map(|said| Some((said.get("file")?.as_str()?.to_owned(), named(said)?)))
            .collect(),
        _ => None,
    }
}

/// Numbers of a list of lists, one after the other; nothing where nothing stands.
fn floats(json: &Json, name: &'static str) -> Result<Vec<f32>, &'static str> {
    numbers(json.get(name).unwrap_or(&Json::Null)).ok_or(name)
}

fn numbers(json: &Json) -> Option<Vec<f32>> {
    let mut out = Vec::new();
    flatten(json, &mut |number| {
        out.push(number.as_f64()? as f32);
        Some(())
    })?;
    Some(out)
}

fn whole(json: &Json, name: &'static str) -> Result<Vec<i64>, &'static str> {
    let mut out = Vec::new();
    let read = flatten(json.get(name).unwrap_or(&Json::Null), &mut |number| {
        out.push(number.as_i64()?);
        Some(())
    });
    read.map(|()| out).ok_or(name)
}

fn flatten(json: &Json, take: &mut impl FnMut(&Json) -> Option<()>) -> Option<()> {
    match json {
        Json::Null => Some(()),
        Json::Array(items) => items.iter().try_for_each(|item| flatten(item, take)),
        number => take(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_flat_lists_are_the_same_and_nonsense_is_refused() {
        let text = br#"{"tolerance":1e-5,"inputs":{"node_features":[[1,2],[3,4]],"node_type":[0,1],
            "edge_index":[[0,1],[1,0]],"edge_type":[2,13],"edge_features":[0.5,0.5]},
            "outputs":{"a.onnx":{"attack_logit":[0.25]}}}"#;
        let golden = Golden::parse("g", text).unwrap();
        assert_eq!(golden.tensors.node_features, [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(golden.tensors.edge_index, [0, 1, 1, 0]);
        assert_eq!(golden.outputs["a.onnx"]["attack_logit"], [0.25]);
        assert!(golden.query_type.is_empty());
        let text =
            br#"{"inputs":{},"outputs":[{"file":"a.onnx","anomaly":2.5,"embedding":[1,2]}]}"#;
        assert_eq!(Golden::parse("g", text).unwrap().outputs["a.onnx"]["anomaly"], [2.5]);
        for bad in [
            &br#"{"inputs":{"node_type":["x"]},"outputs":{}}"#[..],
            br#"{"inputs":{},"outputs":{},"tolerance":7}"#,
            br#"{"inputs":{},"outputs":[{"embedding":[1]}]}"#,
            br#"{"inputs":{"node_type":[0,1"#,
        ] {
            let fault = Golden::parse("g", bad).unwrap_err();
            assert!(fault.to_string().starts_with("g: "), "{fault}");
        }
    }
}
