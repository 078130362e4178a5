"""Window aggregates of exactly the features that the graph network gets."""

from __future__ import annotations

import numpy as np

from . import spec
from .tables import Tables

KINDS = len(spec.NODE_KINDS)
EDGES = len(spec.EDGE_KINDS)


GRID = 1021
"""Trees are fitted on values rounded to parts of this prime."""


def on_grid(values: np.ndarray) -> np.ndarray:
    """Rounded values, to fit trees on and never to score.

    Two sums of the same numbers differ in the last bit by their order. Without the grid a tree
    would cut between such twins, and runtimes would disagree. A mean k/n of a small window never
    falls on a cut between two parts of a prime.
    """
    return np.round(values * GRID) / GRID


def names(node_features: list[str], edge_features: list[str]) -> list[str]:
    """Names of the aggregates, in order."""
    out = [f"nodes {kind}" for kind in spec.NODE_KINDS]
    out += [f"edges {kind}" for kind in spec.EDGE_KINDS]
    for kind in spec.NODE_KINDS:
        out += [f"mean {kind} {name}" for name in node_features]
        out += [f"max {kind} {name}" for name in node_features]
    out += [f"mean edge {name}" for name in edge_features]
    out += [f"max edge {name}" for name in edge_features]
    return out


def of_window(window: dict[str, np.ndarray]) -> np.ndarray:
    """Counts by kind, and mean and maximum of every feature by node kind."""
    kinds, values = window["node_type"], window["node_features"]
    forward = len(window["edge_type"]) // 2
    parts = [
        np.log1p(np.bincount(kinds, minlength=KINDS)),
        np.log1p(np.bincount(window["edge_type"][:forward], minlength=EDGES)),
    ]
    for kind in range(KINDS):
        rows = values[kinds == kind]
        if len(rows):
            parts += [rows.mean(0), rows.max(0)]
        else:
            parts += [np.zeros(values.shape[1])] * 2
    edges = window["edge_features"][:forward]
    parts += [edges.mean(0), edges.max(0)] if forward else [np.zeros(edges.shape[1])] * 2
    return np.concatenate(parts).astype(np.float32)


def table(tables: Tables) -> np.ndarray:
    """Aggregates of all windows."""
    return np.stack([of_window(tables.tensors(number)) for number in range(len(tables))])


def names_of(tables: Tables) -> list[str]:
    """Names of the aggregates of these tables."""
    return names(tables.manifest["node_features"], tables.manifest["edge_features"])
