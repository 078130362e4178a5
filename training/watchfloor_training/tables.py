"""Reads the tables that `watchfloor model features` wrote."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

ARRAYS = ("node_features", "node_type", "edge_index", "edge_type", "edge_features")
MIN_NODES = 2
"""Fewer nodes than this is `error`: no model sees the window."""


class TableError(Exception):
    """A table that cannot be used, with what to do about it."""


class Tables:
    """All windows of one export: lines of `windows.ndjson` and the tensors."""

    def __init__(self, folder: Path, verify: bool = True) -> None:
        self.folder = Path(folder)
        path = self.folder / "manifest.json"
        if not path.exists():
            raise TableError(f"{path} does not exist: run `watchfloor model features` first")
        self.manifest = json.loads(path.read_text(encoding="utf-8"))
        if verify:
            self.verify()
        with open(self.folder / "windows.ndjson", encoding="utf-8") as lines:
            self.windows = [json.loads(line) for line in lines]
        self.arrays = {name: np.load(self.folder / f"{name}.npy") for name in ARRAYS}
        self.check()

    def verify(self) -> None:
        """Compares every file with its hash in the manifest."""
        for name, expected in self.manifest.get("sha256", {}).items():
            found = hashlib.sha256((self.folder / name).read_bytes()).hexdigest()
            if found != expected:
                raise TableError(f"{self.folder / name} is not what the manifest says ({found}): export it again")

    def check(self) -> None:
        """Sizes agree and every value is finite."""
        nodes = len(self.arrays["node_type"])
        edges = len(self.arrays["edge_type"])
        if self.arrays["node_features"].shape[0] != nodes or self.arrays["edge_index"].shape[1] != edges:
            raise TableError(f"{self.folder}: tensors disagree about the number of nodes or edges")
        said = sum(w["nodes"] for w in self.windows), sum(2 * w["edges"] for w in self.windows)
        if said != (nodes, edges):
            raise TableError(f"{self.folder}: windows.ndjson names {said} nodes and edges, tensors hold {(nodes, edges)}")
        for name in ("node_features", "edge_features"):
            if not np.isfinite(self.arrays[name]).all():
                raise TableError(f"{self.folder}/{name}.npy holds a value that is not finite")

    def __len__(self) -> int:
        return len(self.windows)

    @property
    def node_features(self) -> int:
        """Width of the node features."""
        return self.arrays["node_features"].shape[1]

    @property
    def edge_features(self) -> int:
        """Width of the edge features."""
        return self.arrays["edge_features"].shape[1]

    def usable(self, number: int) -> bool:
        """Whether a model may score this window."""
        return self.windows[number]["nodes"] >= MIN_NODES

    def tensors(self, number: int) -> dict[str, np.ndarray]:
        """The five tensors of one window."""
        line = self.windows[number]
        nodes = slice(line["node_offset"], line["node_offset"] + line["nodes"])
        edges = slice(line["edge_offset"], line["edge_offset"] + 2 * line["edges"])
        return {
            "node_features": self.arrays["node_features"][nodes],
            "node_type": self.arrays["node_type"][nodes].astype(np.int64),
            "edge_index": np.ascontiguousarray(self.arrays["edge_index"][:, edges]).astype(np.int64),
            "edge_type": self.arrays["edge_type"][edges].astype(np.int64),
            "edge_features": self.arrays["edge_features"][edges],
        }

    def columns(self, side: str, wanted: tuple[str, ...]) -> list[int]:
        """Numbers of the `node` or `edge` features of these names; `text_*` is all that begin so."""
        names = self.manifest[f"{side}_features"]
        def hit(name: str) -> bool:
            return any(name == one or one.endswith("*") and name.startswith(one[:-1]) for one in wanted)
        return [number for number, name in enumerate(names) if hit(name)]
