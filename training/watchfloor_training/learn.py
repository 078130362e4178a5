"""Training and scoring of one graph member on the CPU."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy
from torch.nn.functional import nll_loss, softplus

from . import passes, spec
from .batches import Windows, corrupted
from .encoder import GraphModel
from .labels import Stream
from .spec import Shape

SMALLEST_DEVIATION = 0.1
SCORE_NODES = 6000
"""Nodes of one scoring batch; bounds memory."""


@dataclass(frozen=True)
class Plan:
    """How a member is trained; every field is part of a configuration."""

    bag: bool = False
    layers: int = spec.LAYERS
    readout: str = "pool"
    epochs: int = 10
    rate: float = 2e-3
    decay: float = 0.02
    dropout: float = 0.2
    column_dropout: float = 0.1
    edge_cap: int = 150
    hidden_edges: float = 0.25
    no_edges: float = 0.0
    scaled: bool = False
    streams_a_batch: int = 12
    windows_a_stream: int = 2
    sharpness: float = 1.0
    surprise_weight: float = 0.3
    attack_weight: float = 1.0
    average: float = 0.98


class Trainer:
    """One member: a model, its running average, and the random numbers of its seed."""

    def __init__(self, windows: Windows, shape: Shape, plan: Plan, seed: int) -> None:
        torch.manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        self.windows, self.plan = windows, plan
        self.model = GraphModel(shape, plan.bag, plan.dropout)
        self.mean = copy.deepcopy(self.model).eval()
        self.optimiser = torch.optim.AdamW(self.model.parameters(), plan.rate, weight_decay=plan.decay)
        self.steps = 0

    def fit(self, train: list[Stream], usable: np.ndarray) -> GraphModel:
        """Trains for all epochs and returns the running average of the weights."""
        inside = [(s.attack, [w for w in s.windows if usable[w]]) for s in train]
        inside = [(attack, numbers) for attack, numbers in inside if numbers]
        if self.plan.scaled:
            self.scale(np.array(sorted(n for _, numbers in inside for n in numbers)))
        for epoch in range(self.plan.epochs):
            for group in self.optimiser.param_groups:
                group["lr"] = self.plan.rate * min(1.0, (epoch + 1) / 2)
            for batch in self.batches_of(inside):
                self.step(batch)
        return self.mean

    def scale(self, numbers: np.ndarray) -> None:
        """Centres and scales the inputs by the training nodes, once and for all."""
        values = self.windows.batch(numbers[::3]).features
        for model in (self.model, self.mean):
            model.shift.copy_(values.mean(0))
            model.scale.copy_(1 / values.std(0).clamp_min(SMALLEST_DEVIATION))
            model.limit.fill_(spec.INPUT_LIMIT)

    def batches_of(self, inside: list) -> list[list]:
        """Streams in random order, as many attack as background in every batch."""
        half = self.plan.streams_a_batch // 2
        sides = [[one for one in inside if one[0] is side] for side in (True, False)]
        sides = [side for side in sides if side]
        count = -(-max(len(side) for side in sides) // half)
        batches: list[list] = [[] for _ in range(count)]
        for side in sides:
            order = np.concatenate([self.rng.permutation(len(side)) for _ in range(-(-count * half // len(side)))])
            for place, number in enumerate(order[: count * half]):
                batches[place // half].append(side[number])
        return batches

    def draw(self, streams: list) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Window numbers, the stream place of each, and the streams' labels."""
        numbers, places = [], []
        for place, (_, inside) in enumerate(streams):
            take = min(self.plan.windows_a_stream, len(inside))
            numbers += self.rng.choice(inside, take, replace=False).tolist()
            places += [place] * take
        return np.array(numbers), np.array(places), np.array([attack for attack, _ in streams])

    def step(self, streams: list) -> None:
        """One update by both losses; hidden edges are also what drops edges at random."""
        numbers, places, labels = self.draw(streams)
        count = self.windows.forward[numbers]
        chance = self.rng.random(int(count.sum()))
        share = np.repeat(np.minimum(1.0, self.plan.edge_cap / np.maximum(count, 1)), count)
        kept = chance < share * (1 - self.plan.hidden_edges)
        ask = (chance >= share * (1 - self.plan.hidden_edges)) & (chance < share)
        if self.plan.no_edges:
            kept &= np.repeat(self.rng.random(len(numbers)) >= self.plan.no_edges, count)
        batch = self.windows.batch(numbers, kept)
        if self.plan.column_dropout:
            shape = (len(numbers), batch.features.shape[1])
            mask = (self.rng.random(shape) >= self.plan.column_dropout).astype(np.float32)
            batch.features = batch.features * torch.from_numpy(mask)[batch.window]
        self.model.train()
        first = self.model.first(batch)
        nodes = self.model.spread(first, batch)
        loss = torch.zeros(())
        if self.plan.attack_weight:
            logits = self.model.attack(first, nodes, batch)
            loss = self.plan.attack_weight * attack_loss(logits, places, labels, self.plan.sharpness)
        calm = ~labels[places]
        if self.plan.surprise_weight and not self.plan.bag:
            loss = loss + self.plan.surprise_weight * self.surprise_loss(nodes, batch, numbers, ask, calm)
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 2.0)
        self.optimiser.step()
        self.follow()

    def surprise_loss(self, nodes, batch, numbers, ask, calm) -> torch.Tensor:
        """Masked edge kinds of background windows, against pairs without an edge."""
        asked = self.windows.asked(numbers, ask)
        background = torch.from_numpy(calm[asked.window])
        if not background.any():
            return torch.zeros(())
        asked.pairs, asked.kinds = asked.pairs[:, background], asked.kinds[background]
        asked.window = asked.window[background.numpy()]
        none = corrupted(asked, batch, self.rng)
        pairs = torch.cat([asked.pairs, none.pairs], 1)
        return nll_loss(self.model.query(nodes, pairs), torch.cat([asked.kinds, none.kinds]))

    def follow(self) -> None:
        """Moves the running average."""
        self.steps += 1
        keep = min(self.plan.average, self.steps / (self.steps + 10))
        with torch.no_grad():
            for slow, fast in zip(self.mean.parameters(), self.model.parameters()):
                slow.lerp_(fast, 1 - keep)


def attack_loss(logits: torch.Tensor, places: np.ndarray, labels: np.ndarray, sharpness: float) -> torch.Tensor:
    """Background: every window is benign. Attack: the stream's soft maximum is attack."""
    place = torch.from_numpy(places)
    attack = torch.from_numpy(labels)
    calm = ~attack[place]
    parts = []
    if calm.any():
        parts.append(softplus(logits[calm]).mean())
    for number in np.flatnonzero(labels):
        inside = logits[place == int(number)]
        soft = (torch.logsumexp(sharpness * inside, 0) - np.log(len(inside))) / sharpness
        parts.append(cross_entropy(soft, torch.ones(())) / max(int(labels.sum()), 1))
    return torch.stack(parts).sum()


def groups(windows: Windows, numbers: np.ndarray) -> list[np.ndarray]:
    """Windows in batches of a bounded number of nodes."""
    out, current, nodes = [], [], 0
    for number in numbers:
        size = int(windows.node_count[number] + windows.forward[number])
        if current and nodes + size > SCORE_NODES:
            out.append(np.array(current))
            current, nodes = [], 0
        current.append(number)
        nodes += size
    return out + [np.array(current)] if current else out


@torch.no_grad()
def attack_logits(model: GraphModel, windows: Windows, numbers: np.ndarray) -> np.ndarray:
    """Attack logits of some windows, in their order."""
    out = []
    for group in groups(windows, numbers):
        batch = windows.batch(group)
        out.append(model.judge(batch).numpy())
    return np.concatenate(out) if out else np.zeros(0)


@torch.no_grad()
def surprises(model: GraphModel, windows: Windows, numbers: np.ndarray, hows: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Anomaly of some windows by the four passes, for each way to make one number of them."""
    out: dict[str, list[float]] = {how: [] for how in hows}
    for group in groups(windows, numbers):
        lists: list[list[np.ndarray]] = [[] for _ in group]
        for turn in range(spec.SELF_SUPERVISED_PASSES):
            hidden = windows.pass_mask(group, turn)
            batch = windows.batch(group, ~hidden)
            asked = windows.asked(group, hidden)
            kinds = asked.kinds.unsqueeze(1)
            said = -model.query(model.encode(batch), asked.pairs).gather(1, kinds).squeeze(1).numpy()
            for place in np.unique(asked.window):
                lists[place].append(said[asked.window == place])
        for parts in lists:
            inside = np.concatenate(parts) if parts else np.zeros(0)
            for how in hows:
                out[how].append(passes.reduce(inside, how))
    return {how: np.array(values) for how, values in out.items()}
