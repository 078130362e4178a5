"""Block-diagonal batches of windows, with what training hides and asks about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from . import spec
from .encoder import Batch
from .tables import Tables

FORWARD = len(spec.EDGE_KINDS)


def ranges(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Concatenation of start..start+size."""
    total = int(sizes.sum())
    begin = np.repeat(starts - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes)
    return begin + np.arange(total)


@dataclass
class Queries:
    """Pairs of nodes and the kind of edge that was hidden between them (or none)."""

    pairs: torch.Tensor
    kinds: torch.Tensor
    window: np.ndarray


class Windows:
    """All windows of some tables, ready to be joined into batches."""

    def __init__(self, tables: Tables, dropped: tuple[str, ...] = ()) -> None:
        lines = tables.windows
        self.node_start = np.array([w["node_offset"] for w in lines], np.int64)
        self.node_count = np.array([w["nodes"] for w in lines], np.int64)
        self.edge_start = np.array([w["edge_offset"] for w in lines], np.int64)
        self.forward = np.array([w["edges"] for w in lines], np.int64)
        self.features = tables.arrays["node_features"].astype(np.float32, copy=True)
        self.features[:, tables.columns("node", dropped)] = 0
        self.kinds = tables.arrays["node_type"].astype(np.int64)
        self.index = tables.arrays["edge_index"].astype(np.int64)
        self.edge_kinds = tables.arrays["edge_type"].astype(np.int64)
        self.edges = tables.arrays["edge_features"].astype(np.float32, copy=True)
        self.edges[:, tables.columns("edge", dropped)] = 0

    def batch(self, numbers: np.ndarray, keep: np.ndarray | None = None) -> Batch:
        """Joins windows; `keep` says which forward edges stay (all without it)."""
        nodes = ranges(self.node_start[numbers], self.node_count[numbers])
        shift = np.concatenate([[0], np.cumsum(self.node_count[numbers])[:-1]])
        count = self.forward[numbers]
        first = ranges(self.edge_start[numbers], count)
        second = ranges(self.edge_start[numbers] + count, count)
        shifts = np.repeat(shift, count)
        if keep is not None:
            first, second, shifts = first[keep], second[keep], shifts[keep]
        edges = np.concatenate([first, second])
        index = self.index[:, edges] + np.concatenate([shifts, shifts])
        return Batch(
            torch.from_numpy(self.features[nodes]), torch.from_numpy(self.kinds[nodes]),
            torch.from_numpy(index), torch.from_numpy(self.edge_kinds[edges]),
            torch.from_numpy(self.edges[edges]), torch.from_numpy(self.node_count[numbers]),
        )

    def asked(self, numbers: np.ndarray, ask: np.ndarray) -> Queries:
        """The hidden forward edges of a batch as queries."""
        count = self.forward[numbers]
        shift = np.concatenate([[0], np.cumsum(self.node_count[numbers])[:-1]])
        edges = ranges(self.edge_start[numbers], count)[ask]
        pairs = self.index[:, edges] + np.repeat(shift, count)[ask]
        window = np.repeat(np.arange(len(numbers)), count)[ask]
        return Queries(torch.from_numpy(pairs), torch.from_numpy(self.edge_kinds[edges]), window)

    def pass_mask(self, numbers: np.ndarray, turn: int) -> np.ndarray:
        """Forward edges that self-supervised pass `turn` hides."""
        place = ranges(np.zeros(len(numbers), np.int64), self.forward[numbers])
        return place % spec.SELF_SUPERVISED_PASSES == turn


def corrupted(queries: Queries, batch: Batch, rng: np.random.Generator) -> Queries:
    """For every hidden edge a pair without one: its target becomes a like node of the window."""
    kinds = batch.kinds.numpy()
    window = batch.window.numpy()
    group = window * len(spec.NODE_KINDS) + kinds
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    target = queries.pairs[1].numpy()
    low = np.searchsorted(ordered, group[target], side="left")
    high = np.searchsorted(ordered, group[target], side="right")
    other = order[low + (rng.random(len(target)) * (high - low)).astype(np.int64)]
    differs = other != target
    pairs = np.stack([queries.pairs[0].numpy()[differs], other[differs]])
    none = np.full(int(differs.sum()), spec.NO_EDGE)
    return Queries(torch.from_numpy(pairs), torch.from_numpy(none), queries.window[differs])
