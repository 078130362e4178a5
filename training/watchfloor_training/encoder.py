"""The graph attention network: shared encoder, attack head, self-supervised head.

Everything is rank 2 and written in basic operations, so that the exporter can
repeat it one for one in ONNX (`onnx_graph.py`) and in float64 (`reference.py`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from . import spec
from .spec import Shape


def segment_sum(values: Tensor, index: Tensor, size: int) -> Tensor:
    """Sum rows of `values` by `index` into `size` rows."""
    return values.new_zeros((size, values.shape[1])).index_add_(0, index, values)


def segment_max(values: Tensor, index: Tensor, size: int) -> Tensor:
    """Largest value by column and segment; every segment has at least one row."""
    wide = index.unsqueeze(1).expand_as(values)
    base = values.new_full((size, values.shape[1]), -1e9)
    return base.scatter_reduce(0, wide, values, "amax", include_self=True)


def soft_maximum(values: Tensor, batch: "Batch") -> Tensor:
    """Soft maximum over the nodes of each window: evidence of one node is enough."""
    high = segment_max(values, batch.window, batch.windows).detach()
    away = (spec.READOUT_SHARPNESS * (values - high[batch.window])).exp()
    return high + segment_sum(away, batch.window, batch.windows).log() / spec.READOUT_SHARPNESS


class GatLayer(nn.Module):
    """One GATv2 layer with typed, featured edges, residual and layer norm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        hidden, heads = shape.hidden, shape.heads
        width = hidden // heads
        self.source = nn.Parameter(torch.randn(hidden, hidden) / hidden**0.5)
        self.target = nn.Parameter(torch.randn(hidden, hidden) / hidden**0.5)
        self.kind = nn.Parameter(torch.randn(shape.edge_kinds, hidden) * 0.2)
        self.edge = nn.Parameter(torch.randn(shape.edge_features, hidden) * 0.2)
        self.attention = nn.Parameter(torch.randn(heads, width) / width**0.5)
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.norm_gain = nn.Parameter(torch.ones(hidden))
        self.norm_bias = nn.Parameter(torch.zeros(hidden))
        self.heads, self.width = heads, width

    def forward(self, nodes: Tensor, index: Tensor, kind: Tensor, edge: Tensor) -> Tensor:
        """Nodes after one round of messages."""
        count = nodes.shape[0]
        src, dst = index[0], index[1]
        described = self.kind[kind] + edge @ self.edge
        message = (nodes @ self.source)[src] + described
        scored = torch.nn.functional.leaky_relu(
            message + (nodes @ self.target)[dst], spec.NEGATIVE_SLOPE
        )
        heads = scored.view(-1, self.heads, self.width)
        logits = (heads * self.attention).sum(2).clamp(-spec.LOGIT_CLIP, spec.LOGIT_CLIP)
        weight = logits.exp()
        total = segment_sum(weight, dst, count) + spec.SOFTMAX_EPS
        share = weight.unsqueeze(2) * message.view(-1, self.heads, self.width)
        summed = segment_sum(share.reshape(-1, self.heads * self.width), dst, count)
        heard = summed.view(count, self.heads, self.width) / total.unsqueeze(2)
        mixed = nodes + torch.relu(heard.reshape(count, -1) + self.bias)
        return layer_norm(mixed, self.norm_gain, self.norm_bias)


class DenseLayer(nn.Module):
    """The same layer without edges: what a bag of nodes has instead."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        hidden = shape.hidden
        self.weight = nn.Parameter(torch.randn(hidden, hidden) / hidden**0.5)
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.norm_gain = nn.Parameter(torch.ones(hidden))
        self.norm_bias = nn.Parameter(torch.zeros(hidden))

    def forward(self, nodes: Tensor, index: Tensor, kind: Tensor, edge: Tensor) -> Tensor:
        """Each node by itself; the edges are not looked at."""
        del index, kind, edge
        mixed = nodes + torch.relu(nodes @ self.weight + self.bias)
        return layer_norm(mixed, self.norm_gain, self.norm_bias)


def layer_norm(values: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    """Layer norm over the last axis."""
    return nn.functional.layer_norm(values, (values.shape[1],), gain, bias, spec.NORM_EPS)


class GraphModel(nn.Module):
    """Encoder with both heads. `bag=True` swaps attention for dense layers."""

    def __init__(self, shape: Shape, bag: bool = False, dropout: float = 0.2) -> None:
        super().__init__()
        self.shape = shape
        self.bag = bag
        hidden, head = shape.hidden, spec.HEAD_DIM
        first = shape.node_features + spec.TYPE_DIM
        self.type_embedding = nn.Parameter(torch.randn(len(spec.NODE_KINDS), spec.TYPE_DIM) * 0.3)
        self.input_weight = nn.Parameter(torch.randn(first, hidden) / first**0.5)
        self.input_bias = nn.Parameter(torch.zeros(hidden))
        self.register_buffer("shift", torch.zeros(shape.node_features))
        self.register_buffer("scale", torch.ones(shape.node_features))
        self.register_buffer("limit", torch.tensor(1e3))
        layer = DenseLayer if bag else GatLayer
        self.layers = nn.ModuleList(layer(shape) for _ in range(shape.layers))
        self.attack_1 = nn.Linear((1 if shape.readout == "node" else 2) * hidden, head)
        self.attack_2 = nn.Linear(head, 1)
        self.query_1 = nn.Linear(3 * hidden, head)
        self.query_2 = nn.Linear(head, len(spec.EDGE_KINDS) + 1)
        self.dropout = nn.Dropout(dropout)

    def first(self, batch: "Batch") -> Tensor:
        """Node states before any message."""
        scaled = ((batch.features - self.shift) * self.scale).clamp(-self.limit, self.limit)
        typed = torch.cat([scaled, self.type_embedding[batch.kinds]], 1)
        return torch.relu(typed @ self.input_weight + self.input_bias)

    def spread(self, nodes: Tensor, batch: "Batch") -> Tensor:
        """Node states after all layers."""
        for layer in self.layers:
            nodes = layer(self.dropout(nodes), batch.index, batch.edge_kinds, batch.edges)
        return nodes

    def encode(self, batch: "Batch") -> Tensor:
        """Both in one."""
        return self.spread(self.first(batch), batch)

    def pool(self, nodes: Tensor, batch: "Batch") -> Tensor:
        """Mean and maximum of the node states of each window."""
        total = segment_sum(nodes, batch.window, batch.windows)
        mean = total / batch.sizes.unsqueeze(1)
        return torch.cat([mean, segment_max(nodes, batch.window, batch.windows)], 1)

    def attack(self, first: Tensor, nodes: Tensor, batch: "Batch") -> Tensor:
        """One logit a window."""
        by_node = self.shape.readout != "pool"
        if self.shape.readout == "skip":
            nodes = torch.cat([first, nodes], 1)
        read = nodes if by_node else self.pool(nodes, batch)
        hidden = torch.relu(self.attack_1(self.dropout(read)))
        logits = self.attack_2(self.dropout(hidden))
        return soft_maximum(logits, batch).squeeze(1) if by_node else logits.squeeze(1)

    def judge(self, batch: "Batch") -> Tensor:
        """One logit a window from its tensors."""
        first = self.first(batch)
        return self.attack(first, self.spread(first, batch), batch)

    def query(self, nodes: Tensor, pairs: Tensor) -> Tensor:
        """Log-probability of every edge kind, and of no edge, for each pair."""
        source, target = nodes[pairs[0]], nodes[pairs[1]]
        hidden = torch.relu(self.query_1(torch.cat([source, target, source * target], 1)))
        return torch.log_softmax(self.query_2(hidden), 1)


class Batch:
    """Several windows as one block-diagonal graph of torch tensors."""

    def __init__(self, features, kinds, index, edge_kinds, edges, sizes) -> None:
        self.features: Tensor = features
        self.kinds: Tensor = kinds
        self.index: Tensor = index
        self.edge_kinds: Tensor = edge_kinds
        self.edges: Tensor = edges
        self.sizes: Tensor = sizes.to(torch.float32)
        self.windows = len(sizes)
        self.window: Tensor = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
