"""The rows of the table that are no graph network: rules, counts and aggregates.

A method fits on training streams and then scores every window of the tables.
Labels of other streams are never handed to it. One that says `odds` gives log-odds; one that says `chance` too is
turned into chances.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier, IsolationForest
from sklearn.linear_model import LogisticRegression

from . import aggregates, counts
from .labels import Stream
from .metrics import LOWEST
from .tables import Tables


@dataclass
class Data:
    """Tables of one track and history, with what several methods compute from them."""

    tables: Tables
    streams: list[Stream]
    cache: dict = field(default_factory=dict)

    @cached_property
    def seconds(self) -> np.ndarray:
        """Observed seconds of every window."""
        return counts.observed(self.tables)

    @cached_property
    def aggregates(self) -> np.ndarray:
        """Aggregates of the graph features of every window."""
        return aggregates.table(self.tables)

    @cached_property
    def usable(self) -> np.ndarray:
        """Windows that a model may score."""
        return np.array([self.tables.usable(n) for n in range(len(self.tables))])


def training_rows(streams: list[Stream], usable: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Windows, labels and weights: every stream counts once, both classes alike."""
    rows, labels, weights = [], [], []
    for stream in streams:
        inside = [w for w in stream.windows if usable[w]]
        rows += inside
        labels += [stream.attack] * len(inside)
        weights += [1.0 / len(inside)] * len(inside)
    label, weight = np.array(labels, bool), np.array(weights)
    for side in (True, False):
        if (label == side).any():
            weight[label == side] /= weight[label == side].sum()
    return np.array(rows, int), label, weight * len(rows) / 2


def sharpen(streams: list[Stream], usable: np.ndarray, rows, label, weight, scores) -> np.ndarray:
    """Multiple instances: an attack stream's weight moves to its highest windows."""
    share = dict(zip(rows.tolist(), weight))
    for stream in streams:
        inside = [w for w in stream.windows if usable[w]]
        if stream.attack and inside:
            peak = np.exp(scores[inside] - scores[inside].max())
            total = sum(share[w] for w in inside)
            for number, part in zip(inside, peak / peak.sum()):
                share[number] = total * part
    return np.array([share[w] for w in rows.tolist()])


class Fixed:
    """A score that nothing is learnt for."""

    seeds = (0,)
    grid: tuple[dict, ...] = ({},)

    def __init__(self, score, threshold: float | None = None) -> None:
        self.score, self.threshold = score, threshold

    def fit(self, data: Data, train: list[Stream], config: dict, seed: int, wanted=None) -> np.ndarray:
        """The score of every window."""
        del train, config, seed, wanted
        return np.asarray(self.score(data), float)


class CountLr:
    """Logistic regression on event counts."""

    seeds = (0,)
    odds = True
    grid = tuple(
        {"transform": how, "scale": scale, "C": c, "mil": mil}
        for how in ("log", "binary", "rate", "both") for scale in (False, True)
        for c in (0.01, 0.1, 1.0) for mil in (0, 1)
    )

    def fit(self, data: Data, train: list[Stream], config: dict, seed: int, wanted=None) -> np.ndarray:
        """Fits on training windows and scores all."""
        del seed, wanted
        everything = np.ones(len(data.tables), bool)
        rows, label, weight = training_rows(train, everything)
        codes = counts.vocabulary(data.tables, rows.tolist())
        values = counts.transform(counts.matrix(data.tables, codes), data.seconds, config["transform"])
        if config["scale"]:
            mean, deviation = values[rows].mean(0), values[rows].std(0) + 1e-6
            values = np.clip((values - mean) / deviation, -4, 4)
        model = LogisticRegression(C=config["C"], solver="newton-cholesky", max_iter=200)
        model.fit(values[rows], label, sample_weight=weight)
        for _ in range(config["mil"]):
            scores = model.decision_function(values)
            weight = sharpen(train, everything, rows, label, weight, scores)
            model.fit(values[rows], label, sample_weight=weight)
        return model.decision_function(values)


class Boosting:
    """Gradient boosting on event counts, or on aggregates of the graph features."""

    seeds = (1, 2, 3, 4, 5)
    odds = chance = True

    def __init__(self, graph: bool) -> None:
        self.graph = graph
        extra = ({},) if graph else ({"transform": "log"}, {"transform": "rate"})
        self.grid = tuple(
            {"trees": trees, "depth": depth, "columns": 0.1 if graph else 0.5, "mil": mil, **more}
            for more in extra for trees, depth in ((60, 2), (150, 3)) for mil in (0, 1)
        )
        self.model: GradientBoostingClassifier | None = None

    def values(self, data: Data, rows: np.ndarray, config: dict) -> np.ndarray:
        """What the trees see."""
        if self.graph:
            return data.aggregates
        codes = counts.vocabulary(data.tables, rows.tolist())
        return counts.transform(counts.matrix(data.tables, codes), data.seconds, config["transform"])

    def fit(self, data: Data, train: list[Stream], config: dict, seed: int, wanted=None) -> np.ndarray:
        """Fits on training windows; the log-odds of all windows."""
        del wanted
        usable = data.usable if self.graph else np.ones(len(data.tables), bool)
        rows, label, weight = training_rows(train, usable)
        values = self.values(data, rows, config)
        for turn in range(config["mil"] + 1):
            model = GradientBoostingClassifier(
                n_estimators=config["trees"], max_depth=config["depth"], learning_rate=0.1,
                subsample=0.7, max_features=config["columns"], random_state=seed,
            )
            model.fit(aggregates.on_grid(values[rows]), label, sample_weight=weight)
            if turn < config["mil"]:
                weight = sharpen(train, usable, rows, label, weight, model.decision_function(values))
        self.model = model
        return np.where(usable, model.decision_function(values), LOWEST)


class Forest:
    """Isolation forest on background windows: of counts, or of graph aggregates."""

    seeds = (1, 2, 3, 4, 5)

    def __init__(self, graph: bool) -> None:
        self.graph = graph
        self.grid = ({},) if graph else ({"transform": "log"}, {"transform": "rate"})

    def fit(self, data: Data, train: list[Stream], config: dict, seed: int, wanted=None) -> np.ndarray:
        """Fits on the background of the training streams."""
        calm = [s for s in train if not s.attack]
        usable = data.usable if self.graph else np.ones(len(data.tables), bool)
        rows, _, _ = training_rows(calm, usable)
        if self.graph:
            values = data.aggregates
        else:
            codes = counts.vocabulary(data.tables, rows.tolist())
            values = counts.transform(counts.matrix(data.tables, codes), data.seconds, config["transform"])
        model = IsolationForest(n_estimators=200, random_state=seed).fit(values[rows])
        return np.where(usable, -model.score_samples(values), LOWEST)


def rows() -> dict[str, object]:
    """All rows that need no torch, in the order of the table."""
    def per_second(score):
        return lambda data: score(data.tables) / data.seconds
    return {
        "always-alarm": Fixed(lambda data: np.ones(len(data.tables)), threshold=0.5),
        "total-events": Fixed(lambda data: counts.total(data.tables)),
        "total-events-per-second": Fixed(per_second(counts.total)),
        "powershell-events": Fixed(lambda data: counts.powershell(data.tables)),
        "powershell-events-per-second": Fixed(per_second(counts.powershell)),
        "count-lr": CountLr(),
        "count-gb": Boosting(graph=False),
        "gb-same-features": Boosting(graph=True),
        "forest-counts": Forest(graph=False),
        "forest-same-features": Forest(graph=True),
        "sigma-level": Fixed(lambda data: counts.sigma_level(data.tables)),
        "sigma-sum": Fixed(lambda data: counts.sigma_sum(data.tables)),
    }
