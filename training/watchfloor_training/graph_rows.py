"""The rows of the table that are graph networks, with fitted members kept on disk."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from . import aggregates, learn
from .batches import Windows
from .encoder import GraphModel
from .labels import Stream
from .learn import Plan
from .methods import Boosting, Data
from .metrics import LOWEST
from .spec import Shape

ANOMALIES = ("mean", "top10")


class Members:
    """Fits members once and keeps weights and scores under `work/members`."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        torch.set_num_threads(threads)
        self.folder = folder
        self.windows: dict[tuple, Windows] = {}

    def windows_of(self, data: Data, dropped: tuple[str, ...]) -> Windows:
        """Tensors of the tables, without the columns of dropped feature groups."""
        key = (str(data.tables.folder), dropped)
        if key not in self.windows:
            if dropped and not data.tables.columns("node", dropped):
                raise ValueError(f"no node feature is named like {dropped}")
            self.windows[key] = Windows(data.tables, dropped)
        return self.windows[key]

    def path(self, data: Data, train: list[Stream], plan: Plan, seed: int, dropped) -> Path:
        """Where a member lies: everything that decides its weights is in the name."""
        said = {"tables": data.tables.manifest.get("sha256", {}), "plan": asdict(plan), "seed": seed,
                "train": [(s.file, s.host, s.label) for s in train], "dropped": dropped}
        digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:20]
        return self.folder / f"{digest}.pt"

    def model(self, data: Data, train: list[Stream], plan: Plan, seed: int, dropped=()) -> tuple[GraphModel, Path]:
        """The trained member, from disk if it is there."""
        path = self.path(data, train, plan, seed, dropped)
        windows = self.windows_of(data, dropped)
        shape = Shape(data.tables.node_features, data.tables.edge_features, layers=plan.layers,
                      attack_head=plan.attack_weight > 0, readout=plan.readout)
        model = GraphModel(shape, plan.bag, plan.dropout)
        if path.exists():
            model.load_state_dict(torch.load(path, weights_only=True))
            return model.eval(), path
        model = learn.Trainer(windows, shape, plan, seed).fit(train, data.usable).eval()
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(model.state_dict(), path)
        return model, path

    def scores(self, data: Data, train, plan: Plan, seed: int, what: str, wanted: np.ndarray, dropped=()) -> np.ndarray:
        """Scores of the wanted windows; `what` is `attack`, `mean` or `top10`."""
        model, path = self.model(data, train, plan, seed, dropped)
        windows = self.windows_of(data, dropped)
        numbers = wanted[data.usable[wanted]]
        digest = hashlib.sha256(numbers.tobytes()).hexdigest()[:8]
        kept = path.with_name(f"{path.stem}-{what}-{digest}.npy")
        out = np.full(len(data.tables), LOWEST)
        if kept.exists():
            out[numbers] = np.load(kept)
            return out
        if what == "attack":
            out[numbers] = learn.attack_logits(model, windows, numbers)
            np.save(kept, out[numbers])
            return out
        for how, values in learn.surprises(model, windows, numbers, ANOMALIES).items():
            np.save(path.with_name(f"{path.stem}-{how}-{digest}.npy"), values)
        out[numbers] = np.load(kept)
        return out


class GraphRow:
    """A graph network as a row: attack probability or anomaly of its members."""

    seeds = (1, 2, 3, 4, 5)

    def __init__(self, members: Members, grid: tuple[Plan, ...], what: str = "attack", dropped=(), seeds=seeds) -> None:
        self.members, self.plans = members, {str(i): plan for i, plan in enumerate(grid)}
        self.grid = tuple({"plan": key, **changed(plan)} for key, plan in self.plans.items())
        self.what, self.dropped, self.seeds = what, tuple(dropped), seeds
        self.odds = self.chance = what == "attack"

    def member(self, data: Data, train: list[Stream], config: dict, seed: int):
        """The member as it ships, and its shape."""
        from .ship import plain_member

        model, _ = self.members.model(data, train, self.plans[config["plan"]], seed, self.dropped)
        return plain_member(model, seed), model.shape

    def fit(self, data: Data, train: list[Stream], config: dict, seed: int, wanted=None) -> np.ndarray:
        """Log-odds of an attack, or anomaly, of the wanted windows."""
        wanted = np.arange(len(data.tables)) if wanted is None else wanted
        plan = self.plans[config["plan"]]
        return self.members.scores(data, train, plan, seed, self.what, wanted, self.dropped)


def changed(plan: Plan) -> dict:
    """What a plan changes from the default, for result files."""
    plain = asdict(Plan())
    return {key: value for key, value in asdict(plan).items() if value != plain[key]}


def without_attack(plan: Plan) -> Plan:
    """The Linux plan: the self-supervised head only."""
    return replace(plan, attack_weight=0.0, surprise_weight=1.0)


class MixedRow:
    """Mean of the network's log-odds and of boosted trees on the same features."""

    odds = chance = True

    def __init__(self, graph: GraphRow, share: float = 0.5) -> None:
        self.graph, self.share, self.seeds = graph, share, graph.seeds
        self.grid = graph.grid
        self.trees = {"trees": 150, "depth": 3, "columns": 0.1, "mil": 0}

    def member(self, data: Data, train: list[Stream], config: dict, seed: int):
        """The member as it ships, and its shape."""
        from .ship import mixed_member

        plan = self.graph.plans[config.get("plan", "0")]
        model, _ = self.graph.members.model(data, train, plan, seed, self.graph.dropped)
        boosted = Boosting(graph=True)
        boosted.fit(data, train, config if "trees" in config else self.trees, seed)
        return mixed_member(model, boosted.model, aggregates.of_window, self.share, seed), model.shape

    def fit(self, data: Data, train: list[Stream], config: dict, seed: int, wanted=None) -> np.ndarray:
        """Log-odds of the wanted windows."""
        network = self.graph.fit(data, train, config, seed, wanted)
        boosted = Boosting(graph=True).fit(data, train, self.trees, seed)
        odds = (1 - self.share) * network + self.share * boosted
        scored = data.usable if wanted is None else data.usable & np.isin(np.arange(len(odds)), wanted)
        return np.where(scored, odds, LOWEST)
