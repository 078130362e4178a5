"""The four self-supervised passes, and how a window's anomaly comes from them."""

from __future__ import annotations

import numpy as np

from . import spec

Window = dict[str, np.ndarray]

TOP_SHARE = 10
"""`top10` is the mean of the ten largest edge surprises of a window."""


def left_out(edges: int, turn: int, passes: int = spec.SELF_SUPERVISED_PASSES) -> np.ndarray:
    """Forward edges that pass `turn` hides and asks about."""
    return np.arange(turn, edges, passes)


def hide(window: Window, turn: int) -> Window:
    """The window without the edges of pass `turn`, and with queries for them."""
    both = window["edge_index"].shape[1]
    forward = both // 2
    asked = left_out(forward, turn)
    keep = np.ones(both, bool)
    keep[asked] = False
    keep[asked + forward] = False
    return {
        **window,
        "edge_index": np.ascontiguousarray(window["edge_index"][:, keep]),
        "edge_type": window["edge_type"][keep],
        "edge_features": window["edge_features"][keep],
        "query_index": np.ascontiguousarray(window["edge_index"][:, asked]),
        "query_type": window["edge_type"][asked],
    }


def whole(window: Window) -> Window:
    """The window as the attack head sees it: all edges, no queries."""
    return {
        **window,
        "query_index": np.zeros((2, 0), np.int64),
        "query_type": np.zeros(0, np.int64),
    }


def reduce(surprise: np.ndarray, how: str) -> float:
    """One number a window from the surprises of its edges; no edge is no surprise."""
    if len(surprise) == 0:
        return 0.0
    if how == "mean":
        return float(np.mean(surprise))
    largest = np.sort(surprise)[::-1][:TOP_SHARE]
    return float(np.mean(largest))
