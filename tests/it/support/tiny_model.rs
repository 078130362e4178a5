//! Models and windows for tests and benches, made from a seed: the same graph attention network that training writes (opset
//! 17, ScatterND-add, dynamic numbers of nodes, edges and queries), of any size. Written with the ONNX types that tract brings, so
//! that no binary file lies in the repository and no width can go stale.

use std::fmt::Write;
use std::path::Path;

use prost::Message;
use sha2::{Digest, Sha256};
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension::Value as Dim};
use tract_onnx::pb::type_proto::{Tensor as TensorType, Value as Type};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto,
};
use watchfloor::infer::Tensors;
use watchfloor::infer::artifact::Expected;
use watchfloor::infer::artifact::manifest::Inputs;
use watchfloor::infer::features::{EDGE_FEATURES, FEATURE_VERSION, NODE_FEATURES};
use watchfloor::infer::scorer::feed;
use watchfloor::infer::scorer::graph::OUTPUTS;
use watchfloor::infer::scorer::tract::TractSession;

const FLOAT: i32 = 1;
const INT64: i32 = 7;
const NODE_KINDS: usize = 7;
const EDGE_KINDS: usize = 11;
const TYPE_WIDTH: usize = 16;

/// What a model is like.
#[derive(Clone, Debug)]
pub struct Spec {
    pub node_features: usize,
    pub edge_features: usize,
    pub hidden: usize,
    pub heads: usize,
    pub layers: usize,
    pub attack: bool,
    pub members: u64,
    pub opset: i64,
    pub platform: &'static str,
    pub version: String,
    pub feature_version: String,
}

impl Default for Spec {
    fn default() -> Spec {
        Spec {
            node_features: 6,
            edge_features: 3,
            hidden: 8,
            heads: 2,
            layers: 2,
            attack: true,
            members: 2,
            opset: 17,
            platform: "windows",
            version: "1".to_owned(),
            feature_version: "test".to_owned(),
        }
    }
}

impl Spec {
    /// The size of the models that are shipped.
    pub fn full_size() -> Spec {
        Spec {
            node_features: 64,
            edge_features: 4,
            hidden: 128,
            heads: 4,
            layers: 3,
            ..Spec::default()
        }
    }

    /// A small model of just what this program makes of events.
    pub fn of_program() -> Spec {
        Spec {
            node_features: NODE_FEATURES,
            edge_features: EDGE_FEATURES,
            feature_version: FEATURE_VERSION.to_string(),
            ..Spec::default()
        }
    }

    pub fn inputs(&self) -> Inputs {
        Inputs {
            node_features: self.node_features,
            edge_features: self.edge_features,
            node_kinds: NODE_KINDS,
            edge_kinds: 2 * EDGE_KINDS,
        }
    }

    /// A program that makes just what this model takes.
    pub fn expected(&self) -> Expected {
        Expected {
            feature_version: self.feature_version.clone(),
            inputs: self.inputs(),
            window_s: 180,
            interval_s: 30,
        }
    }

    /// One member's file.
    pub fn onnx(&self, seed: u64) -> Vec<u8> {
        Writer { chance: Chance(seed), ..Writer::default() }.model(self).encode_to_vec()
    }

    /// A folder with everything.
    pub fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        let members: Vec<(String, Vec<u8>)> = (1..=self.members)
            .map(|seed| (format!("member-{seed}.onnx"), self.onnx(seed)))
            .collect();
        let golden = self.golden(&members);
        std::fs::write(folder.join("golden.json"), &golden).unwrap();
        let mut listed = String::new();
        for (file, bytes) in &members {
            std::fs::write(folder.join(file), bytes).unwrap();
            let hash = hash(bytes);
            write!(listed, "[[members]]\nfile = \"{file}\"\nsha256 = \"{hash}\"\n").unwrap();
        }
        let threshold = if self.attack { "attack" } else { "anomaly" };
        let manifest = format!(
            "name = \"tiny\"\nversion = \"{}\"\nplatform = \"{}\"\nfeature_version = \"{}\"\nwindow_s = 180\n\
             interval_s = 30\nopset = {}\n[inputs]\nnode_features = {}\nedge_features = {}\nnode_kinds = 7\n\
             edge_kinds = 22\n[outputs]\nattack_logit = {}\nembedding = {}\nquery_nll = true\n[calibration]\n\
             temperature = 1.5\nquantiles = [0.0, 1.0, 2.0, 4.0, 16.0]\n[thresholds]\n{threshold} = 0.5\n\
             disagreement = 0.2\n[golden]\nfile = \"golden.json\"\nsha256 = \"{}\"\n{listed}",
            self.version,
            self.platform,
            self.feature_version,
            self.opset,
            self.node_features,
            self.edge_features,
            self.attack,
            self.hidden,
            hash(golden.as_bytes()),
        );
        std::fs::write(folder.join("manifest.toml"), manifest).unwrap();
    }

    /// What tract says of a window: other runtimes must say the same.
    fn golden(&self, members: &[(String, Vec<u8>)]) -> String {
        let window = window(self, 12, 30, 1);
        let asked = feed::hidden(&window, &self.inputs(), 0).unwrap();
        let graph = &asked;
        let outputs: Vec<serde_json::Value> = members
            .iter()
            .map(|(file, bytes)| {
                let answer = TractSession::open(bytes).unwrap().run(&asked).unwrap();
                let mut said = serde_json::json!({ "file": file });
                for name in OUTPUTS.iter().filter(|name| !answer.get(name).is_empty()) {
                    said[*name] = serde_json::json!(answer.get(name));
                }
                said
            })
            .collect();
        serde_json::json!({
            "tolerance": 1e-4,
            "inputs": {
                "node_features": graph.node_features,
                "node_type": graph.node_type,
                "edge_index": graph.edge_index,
                "edge_type": graph.edge_type,
                "edge_features": graph.edge_features,
                "query_index": graph.query_index,
                "query_type": graph.query_type,
            },
            "window": {
                "node_features": window.node_features,
                "node_type": window.node_type,
                "edge_index": window.edge_index,
                "edge_type": window.edge_type,
                "edge_features": window.edge_features,
            },
            "outputs": outputs,
        })
        .to_string()
    }
}

pub fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A window of so many nodes and forward edges, with hubs as real ones have.
pub fn window(spec: &Spec, nodes: usize, forward: usize, seed: u64) -> Tensors {
    let mut chance = Chance(seed ^ 0x9E37);
    let node = |chance: &mut Chance| {
        let at = (nodes as f32 * chance.unit() * chance.unit()) as i64;
        at.min(nodes as i64 - 1)
    };
    let pairs: Vec<(i64, i64)> =
        (0..forward).map(|_| (node(&mut chance), node(&mut chance))).collect();
    let kinds: Vec<i64> = (0..forward).map(|_| chance.below(EDGE_KINDS) as i64).collect();
    let sources = pairs.iter().map(|pair| pair.0);
    let targets = pairs.iter().map(|pair| pair.1);
    let edge_features: Vec<f32> =
        (0..forward * spec.edge_features).map(|_| chance.normal()).collect();
    Tensors {
        nodes,
        edges: 2 * forward,
        node_features: (0..nodes * spec.node_features).map(|_| chance.normal()).collect(),
        node_type: (0..nodes).map(|_| chance.below(NODE_KINDS) as i64).collect(),
        edge_index: sources.clone().chain(targets.clone()).chain(targets).chain(sources).collect(),
        edge_type: kinds
            .iter()
            .copied()
            .chain(kinds.iter().map(|k| k + EDGE_KINDS as i64))
            .collect(),
        edge_features: [edge_features.clone(), edge_features].concat(),
    }
}

/// Numbers from a seed.
#[derive(Default)]
struct Chance(u64);

impl Chance {
    fn unit(&mut self) -> f32 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f32 / (1_u64 << 24) as f32
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.unit() * bound as f32) as usize
    }

    /// Nearly normal: the sum of twelve.
    fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.unit()).sum::<f32>() - 6.0
    }
}

#[derive(Default)]
struct Writer {
    chance: Chance,
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: kind as i32, ..AttributeProto::default() }
}

fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { i: value, ..attribute(name, AttributeType::Int) }
}

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { ints: values.to_vec(), ..attribute(name, AttributeType::Ints) }
}

impl Writer {
    fn op(&mut self, kind: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> String {
        let output = format!("t{}", self.nodes.len());
        self.named(kind, inputs, attributes, &output);
        output
    }

    fn named(&mut self, kind: &str, inputs: &[&str], attribute: Vec<AttributeProto>, output: &str) {
        self.nodes.push(NodeProto {
            op_type: kind.to_owned(),
            name: format!("n{}", self.nodes.len()),
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            output: vec![output.to_owned()],
            attribute,
            ..NodeProto::default()
        });
    }

    fn real(&mut self, dims: &[usize], values: Vec<f32>) -> String {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(dims, FLOAT, raw)
    }

    fn whole(&mut self, dims: &[usize], values: &[i64]) -> String {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(dims, INT64, raw)
    }

    fn constant(&mut self, dims: &[usize], data_type: i32, raw_data: Vec<u8>) -> String {
        let name = format!("c{}", self.constants.len());
        self.constants.push(TensorProto {
            name: name.clone(),
            dims: dims.iter().map(|dim| *dim as i64).collect(),
            data_type,
            raw_data,
            ..TensorProto::default()
        });
        name
    }

    fn weight(&mut self, rows: usize, columns: usize) -> String {
        let scale = 1.0 / (rows as f32).sqrt();
        let values = (0..rows * columns).map(|_| self.chance.normal() * scale).collect();
        self.real(&[rows, columns], values)
    }

    fn linear(&mut self, value: &str, rows: usize, columns: usize) -> String {
        let weight = self.weight(rows, columns);
        let bias = (0..columns).map(|_| self.chance.normal() * 0.1).collect();
        let bias = self.real(&[columns], bias);
        let product = self.op("MatMul", &[value, &weight], vec![]);
        self.op("Add", &[&product, &bias], vec![])
    }

    fn mean(&mut self, value: &str, axis: i64, keep: i64) -> String {
        self.reduce("ReduceMean", value, axis, keep)
    }

    fn reduce(&mut self, kind: &str, value: &str, axis: i64, keep: i64) -> String {
        self.op(kind, &[value], vec![ints("axes", &[axis]), int("keepdims", keep)])
    }

    fn sum(&mut self, value: &str, axis: i64) -> String {
        let axes = self.whole(&[1], &[axis]);
        self.op("ReduceSum", &[value, &axes], vec![int("keepdims", 0)])
    }

    fn row(&mut self, of: &str, row: i64) -> String {
        let at = self.whole(&[], &[row]);
        self.op("Gather", &[of, &at], vec![int("axis", 0)])
    }

    fn pick(&mut self, from: &str, at: &str) -> String {
        self.op("Gather", &[from, at], vec![int("axis", 0)])
    }

    fn layer(&mut self, spec: &Spec, nodes: &str, src: &str, dst: &str) -> String {
        let (hidden, heads) = (spec.hidden, spec.heads);
        let width = hidden / heads;
        let kind = self.weight(2 * EDGE_KINDS, hidden);
        let kind = self.pick(&kind, "edge_type");
        let edge = self.weight(spec.edge_features, hidden);
        let edge = self.op("MatMul", &["edge_features", &edge], vec![]);
        let described = self.op("Add", &[&kind, &edge], vec![]);
        let (from, to) = (self.weight(hidden, hidden), self.weight(hidden, hidden));
        let from = self.op("MatMul", &[nodes, &from], vec![]);
        let from = self.pick(&from, src);
        let to = self.op("MatMul", &[nodes, &to], vec![]);
        let to = self.pick(&to, dst);
        let message = self.op("Add", &[&from, &described], vec![]);
        let scored = self.op("Add", &[&message, &to], vec![]);
        let alpha = AttributeProto { f: 0.2, ..attribute("alpha", AttributeType::Float) };
        let scored = self.op("LeakyRelu", &[&scored], vec![alpha]);
        let mut blocks = vec![0.0; hidden * heads];
        let mut repeat = vec![0.0; heads * hidden];
        for at in 0..hidden {
            blocks[at * heads + at / width] = self.chance.normal() * 0.3;
            repeat[(at / width) * hidden + at] = 1.0;
        }
        let blocks = self.real(&[hidden, heads], blocks);
        let repeat = self.real(&[heads, hidden], repeat);
        let logits = self.op("MatMul", &[&scored, &blocks], vec![]);
        let (low, high) = (self.real(&[], vec![-30.0]), self.real(&[], vec![30.0]));
        let logits = self.op("Max", &[&logits, &low], vec![]);
        let logits = self.op("Min", &[&logits, &high], vec![]);
        let weight = self.op("Exp", &[&logits], vec![]);
        let spread = self.op("MatMul", &[&weight, &repeat], vec![]);
        let share = self.op("Mul", &[&spread, &message], vec![]);
        let zero = self.real(&[], vec![0.0]);
        let zeros = self.op("Mul", &[nodes, &zero], vec![]);
        let narrow = self.real(&[hidden, heads], vec![0.0; hidden * heads]);
        let narrow = self.op("MatMul", &[&zeros, &narrow], vec![]);
        let axes = self.whole(&[1], &[1]);
        let column = self.op("Unsqueeze", &[dst, &axes], vec![]);
        let add = || AttributeProto {
            s: b"add".to_vec(),
            ..attribute("reduction", AttributeType::String)
        };
        let total = self.op("ScatterND", &[&narrow, &column, &weight], vec![add()]);
        let summed = self.op("ScatterND", &[&zeros, &column, &share], vec![add()]);
        let tiny = self.real(&[], vec![1e-12]);
        let total = self.op("Add", &[&total, &tiny], vec![]);
        let total = self.op("MatMul", &[&total, &repeat], vec![]);
        let heard = self.op("Div", &[&summed, &total], vec![]);
        let heard = self.op("Relu", &[&heard], vec![]);
        let joined = self.op("Add", &[nodes, &heard], vec![]);
        self.norm(&joined)
    }

    fn norm(&mut self, value: &str) -> String {
        let mean = self.mean(value, 1, 1);
        let centred = self.op("Sub", &[value, &mean], vec![]);
        let squares = self.op("Mul", &[&centred, &centred], vec![]);
        let variance = self.mean(&squares, 1, 1);
        let least = self.real(&[], vec![1e-5]);
        let variance = self.op("Add", &[&variance, &least], vec![]);
        let spread = self.op("Sqrt", &[&variance], vec![]);
        self.op("Div", &[&centred, &spread], vec![])
    }

    fn queries(&mut self, hidden: usize, nodes: &str) {
        let (first, second) = (self.row("query_index", 0), self.row("query_index", 1));
        let (source, target) = (self.pick(nodes, &first), self.pick(nodes, &second));
        let product = self.op("Mul", &[&source, &target], vec![]);
        let pair = self.op("Concat", &[&source, &target, &product], vec![int("axis", 1)]);
        let logits = self.linear(&pair, 3 * hidden, EDGE_KINDS);
        let most = self.reduce("ReduceMax", &logits, 1, 1);
        let shifted = self.op("Sub", &[&logits, &most], vec![]);
        let exps = self.op("Exp", &[&shifted], vec![]);
        let total = self.sum(&exps, 1);
        let norm = self.op("Log", &[&total], vec![]);
        let mut one_hot = vec![0.0; EDGE_KINDS * EDGE_KINDS];
        (0..EDGE_KINDS).for_each(|at| one_hot[at * (EDGE_KINDS + 1)] = 1.0);
        let one_hot = self.real(&[EDGE_KINDS, EDGE_KINDS], one_hot);
        let asked = self.pick(&one_hot, "query_type");
        let said = self.op("Mul", &[&shifted, &asked], vec![]);
        let said = self.sum(&said, 1);
        self.named("Sub", &[&norm, &said], vec![], "query_nll");
    }

    fn model(mut self, spec: &Spec) -> ModelProto {
        let types = self.weight(NODE_KINDS, TYPE_WIDTH);
        let types = self.pick(&types, "node_type");
        let joined = self.op("Concat", &["node_features", &types], vec![int("axis", 1)]);
        let nodes = self.linear(&joined, spec.node_features + TYPE_WIDTH, spec.hidden);
        let mut nodes = self.op("Relu", &[&nodes], vec![]);
        let (src, dst) = (self.row("edge_index", 0), self.row("edge_index", 1));
        for _ in 0..spec.layers {
            nodes = self.layer(spec, &nodes, &src, &dst);
        }
        let embedding = self.mean(&nodes, 0, 0);
        self.named("Identity", &[&embedding], vec![], "embedding");
        let mut output = vec![info("embedding", FLOAT, &[Size::Fixed(spec.hidden)])];
        if spec.attack {
            let mean = self.mean(&nodes, 0, 1);
            let most = self.reduce("ReduceMax", &nodes, 0, 1);
            let pooled = self.op("Concat", &[&mean, &most], vec![int("axis", 1)]);
            let logit = self.linear(&pooled, 2 * spec.hidden, 1);
            let axes = self.whole(&[1], &[0]);
            self.named("Squeeze", &[&logit, &axes], vec![], "attack_logit");
            output.push(info("attack_logit", FLOAT, &[Size::Fixed(1)]));
        }
        self.queries(spec.hidden, &nodes);
        output.push(info("query_nll", FLOAT, &[Size::Any("Q")]));
        let (any, fixed) = (Size::Any, Size::Fixed);
        let input = vec![
            info("node_features", FLOAT, &[any("N"), fixed(spec.node_features)]),
            info("node_type", INT64, &[any("N")]),
            info("edge_index", INT64, &[fixed(2), any("E")]),
            info("edge_type", INT64, &[any("E")]),
            info("edge_features", FLOAT, &[any("E"), fixed(spec.edge_features)]),
            info("query_index", INT64, &[fixed(2), any("Q")]),
            info("query_type", INT64, &[any("Q")]),
        ];
        let opset = OperatorSetIdProto { domain: String::new(), version: spec.opset };
        ModelProto {
            ir_version: 8,
            opset_import: vec![opset],
            graph: Some(GraphProto {
                name: "tiny".to_owned(),
                node: self.nodes,
                initializer: self.constants,
                input,
                output,
                ..GraphProto::default()
            }),
            ..ModelProto::default()
        }
    }
}

enum Size {
    Fixed(usize),
    Any(&'static str),
}

fn info(name: &str, elem_type: i32, sizes: &[Size]) -> ValueInfoProto {
    let dim = sizes
        .iter()
        .map(|size| Dimension {
            denotation: String::new(),
            value: Some(match size {
                Size::Fixed(length) => Dim::DimValue(*length as i64),
                Size::Any(symbol) => Dim::DimParam((*symbol).to_owned()),
            }),
        })
        .collect();
    let tensor = TensorType { elem_type, shape: Some(TensorShapeProto { dim }) };
    let kind = TypeProto { denotation: String::new(), value: Some(Type::TensorType(tensor)) };
    ValueInfoProto { name: name.to_owned(), r#type: Some(kind), ..ValueInfoProto::default() }
}
