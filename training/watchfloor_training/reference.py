"""The member once more in float64 numpy: an independent check of torch and ONNX."""

from __future__ import annotations

import numpy as np

from . import spec
from .spec import Shape


def _norm(values, gain, bias):
    mean = values.mean(1, keepdims=True)
    variance = ((values - mean) ** 2).mean(1, keepdims=True)
    return (values - mean) / np.sqrt(variance + spec.NORM_EPS) * gain + bias


def _gat(w, prefix, shape, nodes, window):
    src, dst = window["edge_index"]
    described = w[prefix + "kind"][window["edge_type"]] + window["edge_features"] @ w[prefix + "edge"]
    message = (nodes @ w[prefix + "source"])[src] + described
    scored = message + (nodes @ w[prefix + "target"])[dst]
    scored = np.where(scored > 0, scored, spec.NEGATIVE_SLOPE * scored)
    width = shape.hidden // shape.heads
    logits = (scored.reshape(-1, shape.heads, width) * w[prefix + "attention"]).sum(2)
    weight = np.exp(np.clip(logits, -spec.LOGIT_CLIP, spec.LOGIT_CLIP))
    total = np.zeros((len(nodes), shape.heads))
    np.add.at(total, dst, weight)
    summed = np.zeros_like(nodes)
    np.add.at(summed, dst, np.repeat(weight, width, axis=1) * message)
    heard = summed / np.repeat(total + spec.SOFTMAX_EPS, width, axis=1)
    mixed = nodes + np.maximum(heard + w[prefix + "bias"], 0)
    return _norm(mixed, w[prefix + "norm_gain"], w[prefix + "norm_bias"])


def _dense(w, prefix, nodes):
    mixed = nodes + np.maximum(nodes @ w[prefix + "weight"] + w[prefix + "bias"], 0)
    return _norm(mixed, w[prefix + "norm_gain"], w[prefix + "norm_bias"])


def _linear(w, name, values):
    return values @ w[name + ".weight"].T + w[name + ".bias"]


def run(weights, shape: Shape, window: dict[str, np.ndarray], bag: bool = False) -> dict[str, np.ndarray]:
    """All outputs of one member for one window."""
    w = {name: value.astype(np.float64) for name, value in weights.items()}
    window = {k: v.astype(np.float64) if v.dtype == np.float32 else v for k, v in window.items()}
    typed = w["type_embedding"][window["node_type"]]
    scaled = (window["node_features"] - w["shift"]) * w["scale"]
    scaled = np.clip(scaled, -w["limit"], w["limit"])
    nodes = np.concatenate([scaled, typed], 1) @ w["input_weight"] + w["input_bias"]
    nodes = np.maximum(nodes, 0)
    first = nodes
    for layer in range(shape.layers):
        prefix = f"layers.{layer}."
        nodes = _dense(w, prefix, nodes) if bag else _gat(w, prefix, shape, nodes, window)
    out = {"embedding": nodes.mean(0)}
    if shape.attack_head:
        by_node = shape.readout != "pool"
        told = np.concatenate([first, nodes], 1) if shape.readout == "skip" else nodes
        read = told if by_node else np.concatenate([nodes.mean(0), nodes.max(0)])[None]
        logits = _linear(w, "attack_2", np.maximum(_linear(w, "attack_1", read), 0))
        sharp = spec.READOUT_SHARPNESS
        high = logits.max(0)
        soft = high + np.log(np.exp(sharp * (logits - high)).sum(0)) / sharp
        out["attack_logit"] = soft if by_node else logits[0]
    source, target = nodes[window["query_index"][0]], nodes[window["query_index"][1]]
    pair = np.concatenate([source, target, source * target], 1)
    logits = _linear(w, "query_2", np.maximum(_linear(w, "query_1", pair), 0))
    shifted = logits - logits.max(1, keepdims=True)
    norm = np.log(np.exp(shifted).sum(1))
    out["query_nll"] = norm - shifted[np.arange(len(shifted)), window["query_type"]]
    return out
