"""Boosted trees on window aggregates as ONNX with the inputs of a graph member.

The aggregates of `aggregates.py` are computed inside the model and the trees are
compare, MatMul and sum, so that both runtimes need nothing beyond basic operations
and the product has one kind of model only.
"""

from __future__ import annotations

import numpy as np

from . import spec
from .onnx_graph import Graph

FAR = 1e6
"""Pushes values of other node kinds out of a maximum."""


def perfect(tree, depth: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A scikit-learn tree as a perfect one: features, thresholds and leaf values by level order."""
    inner, leaves = 2**depth - 1, 2**depth
    feature = np.zeros(inner, np.int64)
    threshold = np.full(inner, np.float32(3e38), np.float32)
    value = np.zeros(leaves, np.float32)

    def walk(node: int, place: int) -> None:
        leaf = tree.children_left[node] < 0
        if place >= inner:
            value[place - inner] = tree.value[node, 0, 0]
            return
        if leaf:
            walk(node, 2 * place + 1)
            walk(node, 2 * place + 2)
            return
        feature[place] = tree.feature[node]
        exact = tree.threshold[node]
        rounded = np.float32(exact)
        threshold[place] = np.nextafter(rounded, np.float32(-np.inf)) if rounded > exact else rounded
        walk(tree.children_left[node], 2 * place + 1)
        walk(tree.children_right[node], 2 * place + 2)

    walk(0, 0)
    return feature, threshold, value


class Trees:
    """A boosted model as arrays: what ONNX, numpy and the golden window use."""

    def __init__(self, model) -> None:
        self.depth = model.max_depth
        parts = [perfect(tree.tree_, self.depth) for tree in model.estimators_[:, 0]]
        self.feature = np.stack([p[0] for p in parts])
        self.threshold = np.stack([p[1] for p in parts])
        self.value = np.stack([p[2] for p in parts]) * np.float32(model.learning_rate)
        first = model.init_.class_prior_[1]
        self.start = float(np.log(first / (1 - first)))
        self.paths, self.offset = routes(self.depth)

    def logit(self, values: np.ndarray) -> float:
        """Log-odds of one window's aggregates."""
        left = (values.astype(np.float32)[self.feature] <= self.threshold).astype(float)
        reached = np.maximum(left @ self.paths + self.offset - (self.depth - 1), 0)
        return self.start + float((reached * self.value).sum())


def routes(depth: int) -> tuple[np.ndarray, np.ndarray]:
    """For every leaf: +1 for a left turn above it, -1 for a right turn, and the number of right turns."""
    inner, leaves = 2**depth - 1, 2**depth
    paths, offset = np.zeros((inner, leaves), np.float32), np.zeros(leaves, np.float32)
    for leaf in range(leaves):
        place = leaf + inner
        while place:
            parent = (place - 1) // 2
            right = place == 2 * parent + 2
            paths[parent, leaf] = -1 if right else 1
            offset[leaf] += right
            place = parent
    return paths, offset


def aggregate_nodes(g: Graph, features: int) -> list[str]:
    """Counts by kind, then mean and maximum by node kind, each as one row."""
    kinds, edges = len(spec.NODE_KINDS), len(spec.EDGE_KINDS)
    one = g.const("one", np.float32(1))
    which = g.op("Gather", g.const("node_eye", np.eye(kinds, dtype=np.float32)), "node_type", axis=0)
    forward = np.eye(2 * edges, dtype=np.float32)[:, :edges]
    sort = g.op("Gather", g.const("edge_eye", forward), "edge_type", axis=0)
    count = g.total(which, 0, 1)
    edge_count = g.total(sort, 0, 1)
    parts = [g.op("Log", g.op("Add", count, one)), g.op("Log", g.op("Add", edge_count, one))]
    for kind in range(kinds):
        pick = np.zeros((kinds, 1), np.float32)
        pick[kind] = 1
        mask = g.op("MatMul", which, g.const(f"pick{kind}", pick))
        size = g.total(mask, 0, 1)
        there = g.op("Min", size, one)
        mean = g.op("Div", g.total(g.op("Mul", "node_features", mask), 0, 1), g.op("Max", size, one))
        away = g.op("Mul", g.op("Sub", mask, one), g.const("far", np.float32(FAR)))
        high = g.op("ReduceMax", g.op("Add", "node_features", away), axes=[0], keepdims=1)
        parts += [mean, g.op("Mul", high, there)]
    del features
    return parts


def aggregate_edges(g: Graph, edge_features: int) -> list[str]:
    """Mean and maximum of the edge features; twins carry the same values."""
    one = g.const("one", np.float32(1))
    ones = g.const("edge_ones", np.zeros((edge_features, 1), np.float32))
    rows = g.op("Add", g.op("MatMul", "edge_features", ones), one)
    size = g.total(rows, 0, 1)
    mean = g.op("Div", g.total("edge_features", 0, 1), g.op("Max", size, one))
    low = g.const("edge_low", np.full((1, edge_features), -FAR, np.float32))
    high = g.op("ReduceMax", g.op("Concat", "edge_features", low, axis=0), axes=[0], keepdims=1)
    return [mean, g.op("Mul", high, g.op("Min", size, one))]


def attack_logit(g: Graph, trees: Trees, features: int, edge_features: int) -> str:
    """The log-odds as [1]."""
    parts = aggregate_nodes(g, features) + aggregate_edges(g, edge_features)
    values = g.op("Squeeze", g.op("Concat", *parts, axis=1), g.axes(0))
    asked = g.op("Gather", values, g.const("tree_feature", trees.feature), axis=0)
    left = g.op("LessOrEqual", asked, g.const("tree_threshold", trees.threshold))
    left = g.op("Cast", left, to=1)
    reached = g.op("MatMul", left, g.const("tree_paths", trees.paths))
    shift = g.const("tree_offset", trees.offset[None] - np.float32(trees.depth - 1))
    reached = g.op("Relu", g.op("Add", reached, shift))
    weighed = g.op("Mul", reached, g.const("tree_value", trees.value))
    total = g.total(g.total(weighed, 1, 0), 0, 1)
    return g.op("Add", total, g.const("tree_start", np.array([trees.start], np.float32)))
