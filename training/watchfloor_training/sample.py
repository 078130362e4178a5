"""Untrained artifacts for tests of the loader and the runtimes; never shipped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from . import artifact, onnx_graph, reference, spec, synthetic
from .encoder import GraphModel
from .spec import Shape


def weights_of(model: GraphModel) -> dict[str, np.ndarray]:
    """Trained weights as numpy arrays by name."""
    return {name: value.detach().numpy() for name, value in model.state_dict().items()}


def member(model: GraphModel, seed: int) -> artifact.Member:
    """One artifact member of a torch model."""
    weights, shape, bag = weights_of(model), model.shape, model.bag

    def repeat(window: dict) -> dict:
        return reference.run(weights, shape, window, bag)

    return artifact.Member(onnx_graph.build(weights, shape, bag), seed, repeat)


def write(folder: Path, platform: str, members: int = 2, features: int = 64, edge_features: int = 4) -> float:
    """Writes an untrained folder and returns the largest ONNX difference seen."""
    attack = platform == "windows"
    shape = Shape(features, edge_features, attack_head=attack)
    made = []
    for seed in range(1, members + 1):
        torch.manual_seed(seed)
        made.append(member(GraphModel(shape).eval(), seed))
    rng = np.random.default_rng(7)
    sizes = ((12, 20), (100, 300), (2, 1), (1, 0))
    windows = [synthetic.window(rng, n, e, features, edge_features) for n, e in sizes]
    worst = max(artifact.check(one, windows) for one in made)
    quantiles = [float(x) for x in np.linspace(0.5, 6.0, 21)]
    manifest = {
        "name": f"watchfloor-{platform}-sample", "version": "0.0.0-sample", "platform": platform,
        "kind": "graph", "track": "full", "created": "2026-11-26", "feature_version": "sample", "window_s": 180,
        "interval_s": 30, "opset": spec.OPSET,
        "inputs": {"node_features": features, "edge_features": edge_features,
                   "node_kinds": len(spec.NODE_KINDS), "edge_kinds": shape.edge_kinds},
        "outputs": {"attack_logit": attack, "embedding": shape.hidden, "query_nll": True},
        "training": {"data": "none: random weights for tests", "split": "none",
                     "environments": [], "configurations_tried": 0, "seeds": [1, 2][:members]},
        "calibration": {"temperature": 1.0, "anomaly": "mean", "quantiles": quantiles},
        "thresholds": {"attack": 0.5, "disagreement": 0.3, "anomaly": 0.99},
    }
    artifact.write(folder, made, manifest, windows[0], "mean")
    return worst
