"""Writes a trained member as ONNX by hand: opset 17, basic operations, ScatterND-add.

Both runtimes of the product (tract and ONNX Runtime) run exactly these
operations with dynamic numbers of nodes, edges and queries.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from . import spec
from .spec import Shape

Weights = dict[str, np.ndarray]


class Graph:
    """Collects nodes and constants of one ONNX graph."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}

    def op(self, kind: str, *inputs: str, **attributes) -> str:
        """Adds one operation and returns the name of its output."""
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def const(self, name: str, value) -> str:
        """Adds a constant once and returns its name."""
        self.constants.setdefault(name, np.asarray(value))
        return name

    def axes(self, axis: int) -> str:
        """The axis constant of ReduceSum, Squeeze and Unsqueeze."""
        return self.const(f"axis{axis}", np.array([axis], np.int64))

    def total(self, value: str, axis: int, keep: int) -> str:
        """ReduceSum."""
        return self.op("ReduceSum", value, self.axes(axis), keepdims=keep)

    def linear(self, value: str, weight: str, bias: str) -> str:
        """value @ weight + bias."""
        return self.op("Add", self.op("MatMul", value, weight), bias)


def layer_norm(g: Graph, value: str, gain: str, bias: str) -> str:
    """Layer norm written out, as LayerNormalization is not safe on both runtimes."""
    mean = g.op("ReduceMean", value, axes=[1], keepdims=1)
    centred = g.op("Sub", value, mean)
    variance = g.op("ReduceMean", g.op("Mul", centred, centred), axes=[1], keepdims=1)
    spread = g.op("Sqrt", g.op("Add", variance, g.const("norm_eps", np.float32(spec.NORM_EPS))))
    return g.op("Add", g.op("Mul", g.op("Div", centred, spread), gain), bias)


def gat_layer(g: Graph, w, prefix: str, shape: Shape, nodes: str, src: str, dst: str) -> str:
    """One attention layer; heads go through block matrices, so no Reshape is needed."""
    width = shape.hidden // shape.heads
    attention = np.zeros((shape.hidden, shape.heads), np.float32)
    for head in range(shape.heads):
        rows = slice(head * width, (head + 1) * width)
        attention[rows, head] = w.raw[prefix + "attention"][head]
    repeat = np.kron(np.eye(shape.heads, dtype=np.float32), np.ones((1, width), np.float32))
    blocks = g.const(prefix + "blocks", attention)
    spread = g.const("repeat", repeat)
    described = g.op(
        "Add",
        g.op("Gather", w(prefix + "kind"), "edge_type", axis=0),
        g.op("MatMul", "edge_features", w(prefix + "edge")),
    )
    from_source = g.op("Gather", g.op("MatMul", nodes, w(prefix + "source")), src, axis=0)
    to_target = g.op("Gather", g.op("MatMul", nodes, w(prefix + "target")), dst, axis=0)
    message = g.op("Add", from_source, described)
    scored = g.op("LeakyRelu", g.op("Add", message, to_target), alpha=spec.NEGATIVE_SLOPE)
    logits = g.op("MatMul", scored, blocks)
    low = g.const("clip_low", np.float32(-spec.LOGIT_CLIP))
    high = g.const("clip_high", np.float32(spec.LOGIT_CLIP))
    weight = g.op("Exp", g.op("Min", g.op("Max", logits, low), high))
    share = g.op("Mul", g.op("MatMul", weight, spread), message)
    zeros = g.op("Mul", nodes, g.const("zero", np.float32(0)))
    narrow = g.op("MatMul", zeros, g.const("narrow", np.zeros((shape.hidden, shape.heads), np.float32)))
    column = g.op("Unsqueeze", dst, g.axes(1))
    total = g.op("ScatterND", narrow, column, weight, reduction="add")
    summed = g.op("ScatterND", zeros, column, share, reduction="add")
    total = g.op("Add", total, g.const("softmax_eps", np.float32(spec.SOFTMAX_EPS)))
    heard = g.op("Div", summed, g.op("MatMul", total, spread))
    heard = g.op("Relu", g.op("Add", heard, w(prefix + "bias")))
    return layer_norm(g, g.op("Add", nodes, heard), w(prefix + "norm_gain"), w(prefix + "norm_bias"))


def dense_layer(g: Graph, w, prefix: str, nodes: str) -> str:
    """The layer of a bag of nodes."""
    heard = g.op("Relu", g.linear(nodes, w(prefix + "weight"), w(prefix + "bias")))
    return layer_norm(g, g.op("Add", nodes, heard), w(prefix + "norm_gain"), w(prefix + "norm_bias"))


def query_head(g: Graph, w, nodes: str) -> str:
    """-log p of the asked kind for every query pair."""
    first = g.op("Gather", "query_index", g.const("first", np.int64(0)), axis=0)
    second = g.op("Gather", "query_index", g.const("second", np.int64(1)), axis=0)
    source = g.op("Gather", nodes, first, axis=0)
    target = g.op("Gather", nodes, second, axis=0)
    pair = g.op("Concat", source, target, g.op("Mul", source, target), axis=1)
    hidden = g.op("Relu", g.linear(pair, w("query_1.weight"), w("query_1.bias")))
    logits = g.linear(hidden, w("query_2.weight"), w("query_2.bias"))
    shifted = g.op("Sub", logits, g.op("ReduceMax", logits, axes=[1], keepdims=1))
    norm = g.op("Log", g.total(g.op("Exp", shifted), 1, 0))
    one_hot = np.eye(len(spec.EDGE_KINDS) + 1, dtype=np.float32)[: len(spec.EDGE_KINDS)]
    asked = g.op("Gather", g.const("one_hot", one_hot), "query_type", axis=0)
    return g.op("Sub", norm, g.total(g.op("Mul", shifted, asked), 1, 0))


def attack_head(g: Graph, w, shape: Shape, first: str, nodes: str) -> str:
    """The attack logit as [1], by either readout."""
    read = g.op("Concat", first, nodes, axis=1) if shape.readout == "skip" else nodes
    if shape.readout == "pool":
        tall = g.op("ReduceMean", nodes, axes=[0], keepdims=1)
        read = g.op("Concat", tall, g.op("ReduceMax", nodes, axes=[0], keepdims=1), axis=1)
    hidden = g.op("Relu", g.linear(read, w("attack_1.weight"), w("attack_1.bias")))
    logits = g.linear(hidden, w("attack_2.weight"), w("attack_2.bias"))
    if shape.readout == "pool":
        return g.op("Squeeze", logits, g.axes(0))
    sharp = g.const("readout", np.float32(spec.READOUT_SHARPNESS))
    high = g.op("ReduceMax", logits, axes=[0], keepdims=0)
    away = g.op("Exp", g.op("Mul", g.op("Sub", logits, high), sharp))
    return g.op("Add", high, g.op("Div", g.op("Log", g.total(away, 0, 0)), sharp))


class Named:
    """Gives weights to the graph by name, transposing nn.Linear weights."""

    def __init__(self, graph: Graph, raw: Weights) -> None:
        self.graph, self.raw = graph, raw

    def __call__(self, name: str) -> str:
        value = self.raw[name].astype(np.float32)
        if name.endswith(".weight") and not name.startswith("layers."):
            value = np.ascontiguousarray(value.T)
        return self.graph.const(name, value)


def inputs_of(shape: Shape) -> list[onnx.ValueInfoProto]:
    """The seven inputs of a graph member."""
    real, whole = TensorProto.FLOAT, TensorProto.INT64
    info = helper.make_tensor_value_info
    return [
        info("node_features", real, ["N", shape.node_features]),
        info("node_type", whole, ["N"]),
        info("edge_index", whole, [2, "E"]),
        info("edge_type", whole, ["E"]),
        info("edge_features", real, ["E", shape.edge_features]),
        info("query_index", whole, [2, "Q"]),
        info("query_type", whole, ["Q"]),
    ]


def build(weights: Weights, shape: Shape, bag: bool = False, other=None) -> onnx.ModelProto:
    """The whole member as an ONNX model.

    `other(graph, logit)` may replace the attack logit by one that it computes
    from the same inputs and from the network's own logit.
    """
    g = Graph()
    w = Named(g, weights)
    typed = g.op("Gather", w("type_embedding"), "node_type", axis=0)
    scaled = g.op("Mul", g.op("Sub", "node_features", w("shift")), w("scale"))
    low = g.const("input_low", -weights["limit"].astype(np.float32))
    scaled = g.op("Min", g.op("Max", scaled, low), w("limit"))
    joined = g.op("Concat", scaled, typed, axis=1)
    nodes = g.op("Relu", g.linear(joined, w("input_weight"), w("input_bias")))
    src = g.op("Gather", "edge_index", g.const("first", np.int64(0)), axis=0)
    dst = g.op("Gather", "edge_index", g.const("second", np.int64(1)), axis=0)
    before = nodes
    for layer in range(shape.layers):
        prefix = f"layers.{layer}."
        if bag:
            nodes = dense_layer(g, w, prefix, nodes)
        else:
            nodes = gat_layer(g, w, prefix, shape, nodes, src, dst)
    mean = g.op("ReduceMean", nodes, axes=[0], keepdims=0)
    outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [shape.hidden])]
    ends = [(mean, "embedding")]
    if shape.attack_head:
        logit = attack_head(g, w, shape, before, nodes)
        ends.insert(0, (other(g, logit) if other else logit, "attack_logit"))
        outputs.insert(0, helper.make_tensor_value_info("attack_logit", TensorProto.FLOAT, [1]))
    ends.append((query_head(g, w, nodes), "query_nll"))
    outputs.append(helper.make_tensor_value_info("query_nll", TensorProto.FLOAT, ["Q"]))
    for value, name in ends:
        g.nodes.append(helper.make_node("Identity", [value], [name]))
    return finish(g, inputs_of(shape), outputs, "watchfloor_member")


def finish(g: Graph, inputs, outputs, name: str) -> onnx.ModelProto:
    """Makes and checks the model; no shape inference is stored (tract trips over it)."""
    constants = [numpy_helper.from_array(value, key) for key, value in g.constants.items()]
    graph = helper.make_graph(g.nodes, name, inputs, outputs, constants)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", spec.OPSET)], ir_version=spec.IR_VERSION,
        producer_name="watchfloor_training",
    )
    onnx.checker.check_model(model, full_check=True)
    return model
