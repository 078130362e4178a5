"""Names and sizes that the Rust side and the training side share."""

from __future__ import annotations

from dataclasses import dataclass

NODE_KINDS = ("process", "file", "script", "network", "registry", "user", "syscall")
EDGE_KINDS = (
    "spawned", "wrote", "read", "executed", "loaded", "connected_to",
    "resolved", "set", "accessed", "logged_on", "performed",
)
OPSET = 17
IR_VERSION = 8
HIDDEN = 128
HEADS = 4
LAYERS = 3
TYPE_DIM = 16
HEAD_DIM = 64
NEGATIVE_SLOPE = 0.2
LOGIT_CLIP = 30.0
NORM_EPS = 1e-5
SOFTMAX_EPS = 1e-12
INPUT_LIMIT = 3.0
"""Scaled inputs are cut here: a feature that another lab never showed must not decide alone."""
READOUT_SHARPNESS = 4.0
SELF_SUPERVISED_PASSES = 4
NO_EDGE = len(EDGE_KINDS)
"""Class of a query pair that has no edge: it is only ever a training negative."""


@dataclass(frozen=True)
class Shape:
    """Sizes that differ between feature versions and model variants."""

    node_features: int
    edge_features: int
    layers: int = LAYERS
    hidden: int = HIDDEN
    heads: int = HEADS
    attack_head: bool = True
    readout: str = "pool"
    """`pool`: from the mean and maximum of all nodes; `node`: the soft maximum of one logit a node;
    `skip`: the same, and each node also shows its state before any message."""

    @property
    def edge_kinds(self) -> int:
        """Both directions of every edge kind."""
        return 2 * len(EDGE_KINDS)
