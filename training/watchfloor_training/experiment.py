"""Runs one row on one split: choice by inner folds, cross-fit, threshold, test."""

from __future__ import annotations

import json
import resource
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import calibrate, metrics, protocol
from .labels import Stream
from .methods import Data
from .protocol import Split


@dataclass
class CrossFit:
    """Held-out scores of the training streams of one configuration and seed."""

    streams: np.ndarray
    windows: np.ndarray
    auroc: float


def wanted_of(streams: list[Stream]) -> np.ndarray:
    """The windows of some streams: a slow method scores no others."""
    return np.array(sorted(w for s in streams for w in s.windows), int)


def cross_fit(method, data: Data, train: list[Stream], config: dict, seed: int) -> CrossFit:
    """Scores every training stream by a model that did not see its recording day.

    The AUROC is the mean over folds, weighted by attack x background pairs, since
    scores of different folds' models need not be comparable.
    """
    held = np.full(len(train), metrics.LOWEST)
    windows = np.full(len(data.tables), metrics.LOWEST)
    attack = np.array([s.attack for s in train])
    areas, pairs = [], []
    for fold in protocol.day_folds(train):
        rest = [s for i, s in enumerate(train) if i not in set(fold)]
        inside = [train[i] for i in fold]
        scores = method.fit(data, rest, config, seed, wanted_of(inside))
        held[fold] = metrics.stream_scores(inside, scores)
        for stream in inside:
            windows[list(stream.windows)] = scores[list(stream.windows)]
        side = attack[fold]
        if side.any() and (~side).any():
            areas.append(metrics.auroc(held[fold], side))
            pairs.append(int(side.sum() * (~side).sum()))
    return CrossFit(held, windows, float(np.average(areas, weights=pairs)) if areas else float("nan"))


def choose(method, data: Data, train: list[Stream]) -> tuple[dict, list[dict]]:
    """The configuration with the highest held-out AUROC; of equals the one that is surest of held-out streams.

    Within one laboratory many configurations separate held-out days without a fault, and an AUROC of 1 says no more.
    Rows whose scores are log-odds are then told apart by their held-out loss; the first of equals is taken elsewhere.
    """
    if len(method.grid) == 1:
        return method.grid[0], [{"config": method.grid[0], "held_out_auroc": None}]
    attack = np.array([s.attack for s in train])
    tried = []
    for config in method.grid:
        held = cross_fit(method, data, train, config, method.seeds[0])
        one = {"config": config, "held_out_auroc": round(held.auroc, 4)}
        if getattr(method, "odds", False):
            one["held_out_loss"] = round(calibrate.held_out_loss(held.streams, attack), 5)
        tried.append(one)
    best = min(range(len(tried)), key=lambda i: (-tried[i]["held_out_auroc"], tried[i].get("held_out_loss", 0.0), i))
    return tried[best]["config"], tried


def listed(streams: list[Stream]) -> list[dict]:
    """The test streams, in the order of every list of scores."""
    return [{"file": s.file, "host": s.host, "day": s.day, "attack": s.attack} for s in streams]


def one_seed(data: Data, split: Split, test, held: CrossFit, train, windows: np.ndarray, fixed=None) -> dict:
    """Everything that is measured for one fitted model."""
    attack = np.array([s.attack for s in train])
    threshold = float(held.streams[~attack].max()) if (~attack).any() else float("inf")
    threshold = threshold if fixed is None else fixed
    scores = metrics.stream_scores(test, windows)
    side = np.array([s.attack for s in test])
    found, missed = metrics.detected(test, scores, threshold)
    out = {"threshold": threshold, "held_out_auroc": held.auroc,
           "detected": found, "missed": missed, "scores": [float(x) for x in scores]}
    if split.both_classes:
        calm = [s for s in test if not s.attack]
        out["auroc"] = metrics.auroc(scores, side)
        out["rank"] = metrics.rank_in_capture(test, scores)
        out["alarms"] = metrics.alarms(calm, data.tables.windows, windows, threshold).line()
    return out


def combined(runs: list[tuple[CrossFit, np.ndarray]]) -> tuple[CrossFit, np.ndarray]:
    """Mean of members, held out and on all windows."""
    held = CrossFit(
        np.mean([h.streams for h, _ in runs], 0), np.mean([h.windows for h, _ in runs], 0),
        float(np.mean([h.auroc for h, _ in runs])),
    )
    return held, np.mean([w for _, w in runs], 0)


def as_chances(runs: dict, train: list[Stream]) -> tuple[dict, float]:
    """Members that gave log-odds as chances, by one temperature from the held-out scores of the shipped seeds."""
    attack = np.array([s.attack for s in train])
    counted = [held.streams for seed, (held, _) in runs.items() if seed in protocol.SHIPPED_SEEDS]
    heat = calibrate.temperature(counted or [held.streams for held, _ in runs.values()], attack)
    out = {}
    for seed, (held, windows) in runs.items():
        said = CrossFit(calibrate.chance(held.streams, heat), calibrate.chance(held.windows, heat), held.auroc)
        out[seed] = (said, calibrate.chance(windows, heat))
    return out, heat


def run(name: str, method, data: Data, split: Split, work: Path) -> dict:
    """Runs a row and writes its result file; an existing one is kept."""
    path = work / split.name.replace(">", "-") / f"{name}.json"
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    started = time.monotonic()
    train, test = protocol.sides(data.streams, split)
    config, tried = choose(method, data, train)
    fixed = getattr(method, "threshold", None)
    runs, heat = {}, None
    for seed in method.seeds:
        held = cross_fit(method, data, train, config, seed)
        runs[seed] = (held, method.fit(data, train, config, seed, wanted_of(test)))
    if getattr(method, "chance", False):
        runs, heat = as_chances(runs, train)
    seeds = {str(seed): one_seed(data, split, test, held, train, windows, fixed) for seed, (held, windows) in runs.items()}
    shipped = [run for seed, run in runs.items() if seed in protocol.SHIPPED_SEEDS] or list(runs.values())
    held, windows = combined(shipped)
    result = {
        "row": name, "split": split.name, "configuration": config, "tried": tried, "temperature": heat,
        "streams": listed(test), "seeds": seeds, "mean": one_seed(data, split, test, held, train, windows, fixed),
        "wall_s": round(time.monotonic() - started, 1),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path.with_suffix(".npz"), held=held.windows, windows=windows,
                        members=np.stack([w for _, w in shipped]),
                        members_held=np.stack([h.windows for h, _ in shipped]))
    path.write_text(json.dumps(result, indent=1), encoding="utf-8")
    return result
