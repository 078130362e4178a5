"""How long one window takes: the product's runtimes beside PyTorch, one core, one member, in one run."""

from __future__ import annotations

import json
import subprocess
import time
import tomllib
from pathlib import Path

import numpy as np
import torch

from . import synthetic
from .encoder import Batch, GraphModel
from .spec import Shape

NODES, EDGES = 100, 150
ROUNDS, WARM = 300, 30


def torch_milliseconds(shape: Shape) -> float:
    """Median time of a single window in eager PyTorch on one thread; weights do not matter to it."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    model = GraphModel(shape).eval()
    made = synthetic.window(np.random.default_rng(7), NODES, EDGES, shape.node_features, shape.edge_features)
    names = ("node_features", "node_type", "edge_index", "edge_type", "edge_features")
    batch = Batch(*(torch.from_numpy(made[name]) for name in names), torch.tensor([NODES]))
    took = []
    with torch.inference_mode():
        for number in range(WARM + ROUNDS):
            begun = time.perf_counter()
            model.judge(batch)
            if number >= WARM:
                took.append(1_000 * (time.perf_counter() - begun))
    return float(np.median(took))


def product(binary: Path, folder: Path, library: str | None) -> dict[str, float]:
    """Milliseconds by runtime, as `model check` says them, on one core."""
    words = ["taskset", "-c", "0", str(binary), "model", "check", str(folder), "--format", "ndjson"]
    if library:
        words += ["--set", f"infer.library={library}"]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    rows = [json.loads(line) for line in said.splitlines()]
    return {row["runtime"]: row["milliseconds_100_nodes"] for row in rows}


def compare(binary: Path, folder: Path, library: str | None) -> list[str]:
    """Lines for people: each runtime's time, PyTorch's, and their ratio; in turn, three times."""
    with open(folder / "manifest.toml", "rb") as file:
        inputs = tomllib.load(file)["inputs"]
    shape = Shape(inputs["node_features"], inputs["edge_features"])
    lines = []
    for turn in range(1, 4):
        eager = torch_milliseconds(shape)
        for runtime, took in product(binary, folder, library).items():
            lines.append(f"turn {turn}: {runtime} {took:.3f} ms, PyTorch {torch.__version__} {eager:.3f} ms, {eager / took:.1f} times")
    return lines
