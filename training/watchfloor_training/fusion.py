"""Rules and model together: a score, and the decision that ships.

The weights of the score come from held-out scores of training environments.
The decision has none: a window alarms when a rule of level medium or above hit,
or when the model is above its own threshold. `confirmed` is the same with a model that never
speaks alone: a rule of some level hit in the same window (`infer.alone = "never"`). `sure` lets it
speak alone too, where it is as sure as in half of the held-out attacks.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from . import counts, explain, metrics, protocol
from .experiment import CrossFit, one_seed
from .methods import Data, training_rows
from .protocol import Split


WEIGHTS = ("model", "rules", "medium", "bias")
"""What the manifest calls the weights, in the order of `columns`, and the constant."""


def columns(data: Data, model: np.ndarray) -> np.ndarray:
    """Log-odds of the model, log of the rule sum, and whether a rule of medium or above hit."""
    chance = np.clip(model, 1e-4, 1 - 1e-4)
    odds = np.log(chance / (1 - chance))
    rules = np.log1p(counts.sigma_sum(data.tables))
    medium = counts.sigma_level(data.tables) >= counts.SIGMA_MEDIUM
    return np.stack([odds, rules, medium.astype(float)], 1)


def as_chance(values: np.ndarray) -> np.ndarray:
    """Windows without a score are as sure benign as can be."""
    return np.where(values < metrics.LOWEST / 2, 0.0, values)


def run(model_row: str, data: Data, split: Split, work: Path) -> dict:
    """Both forms of fusion with one model row, whose results must be there."""
    folder = work / split.name.replace(">", "-")
    saved = np.load(folder / f"{model_row}.npz")
    model = json.loads((folder / f"{model_row}.json").read_text(encoding="utf-8"))
    held, tested = as_chance(saved["held"]), as_chance(saved["windows"])
    train, test = protocol.sides(data.streams, split)
    rows, label, weight = training_rows(train, data.usable)
    learnt = LogisticRegression(C=1.0, max_iter=1000)
    learnt.fit(columns(data, held)[rows], label, sample_weight=weight)
    held_scores = learnt.decision_function(columns(data, held))
    windows = learnt.decision_function(columns(data, tested))
    fit = CrossFit(metrics.stream_scores(train, held_scores), held_scores, float("nan"))
    weights = dict(zip(WEIGHTS, [*map(float, learnt.coef_[0]), float(learnt.intercept_[0])]))
    result = {"row": f"fusion-{model_row}", "split": split.name, "fusion": weights,
              "configuration": {name: round(value, 3) for name, value in weights.items()}, "tried": [], "seeds": {},
              "streams": model["streams"], "mean": one_seed(data, split, test, fit, train, windows)}
    limit = model["mean"]["threshold"]
    attacks = metrics.stream_scores([s for s in train if s.attack], held)
    result["decision"] = decision(data, split, test, tested, limit, max(limit, float(np.median(attacks))))
    if split.both_classes:
        either = np.maximum(counts.sigma_level(data.tables) >= counts.SIGMA_MEDIUM, tested > limit)
        result["explained"] = explain.alarms(explain.Explainer(data, train), test, either, tested, limit)
    (folder / f"fusion-{model_row}.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    return result


def decision(data: Data, split: Split, test, chance: np.ndarray, threshold: float, sure: float) -> dict:
    """Captures and background alarms of rules, of the model, of either, and of rules with a surer or a confirmed model."""
    rules = (counts.sigma_level(data.tables) >= counts.SIGMA_MEDIUM).astype(float)
    model = (chance > threshold).astype(float)
    out: dict = {"sure_threshold": sure}
    confirmed = np.maximum(rules, model * (counts.sigma_level(data.tables) > 0))
    surer = np.maximum(confirmed, chance > sure)
    ways = {"rules": rules, "model": model, "either": np.maximum(rules, model), "sure": surer, "confirmed": confirmed}
    for name, flags in ways.items():
        scores = metrics.stream_scores(test, flags)
        found, missed = metrics.detected(test, scores, 0.5)
        out[name] = {"detected": found, "missed": missed}
        if split.both_classes:
            calm = [s for s in test if not s.attack]
            out[name]["alarms"] = metrics.alarms(calm, data.tables.windows, flags, 0.5).line()
    out["only_model"] = sorted(set(out["model"]["detected"]) - set(out["rules"]["detected"]))
    out["only_rules"] = sorted(set(out["rules"]["detected"]) - set(out["model"]["detected"]))
    return out
