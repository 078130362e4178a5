"""The Linux anomaly model: trained on benign runs 1 and 2, tested on run 3 only."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.ensemble import IsolationForest

from . import counts, metrics
from .graph_rows import Members, without_attack
from .labels import Stream, read
from .learn import Plan
from .methods import Data
from .metrics import LOWEST

SEEDS = (1, 2, 3)
PLAN = without_attack(Plan(epochs=25, windows_a_stream=6, streams_a_batch=10, edge_cap=200))
QUANTILE = 0.99
SHIPPED_ANOMALY = "mean"
SHIPPED_ROW = "Anomaly head, mean"
"""Fixed before run 3 was scored: the mean is what the contract names first."""
CONFIGURATIONS_TRIED = 2
"""This one, and the same on the first feature version; run 3 was scored by both."""


@dataclass(frozen=True)
class Times:
    """A labelled span of an endpoint."""

    endpoint: str
    name: str
    start: float
    end: float
    role: str = ""

    def overlaps(self, window: dict) -> bool:
        """Whether the window saw a part of it."""
        return window["start"] < self.end and self.start < window["end"]


def endpoint(window: dict) -> str:
    """The folder is the host: audit records do not name one."""
    return window["file"].replace("\\", "/").split("/")[-2]


def run_of(window: dict) -> str:
    """1, 2 or 3 from the file's name."""
    name = window["file"].rsplit("/", 1)[-1]
    return next((run for run in ("2", "3") if f".run{run}." in name), "1")


def spans(folder: Path) -> tuple[list[Times], list[Times]]:
    """Episodes (and the operator's probe) and ordinary control sessions of run 3."""
    episodes = [Times(d["endpoint"], d["episode"], d["start"], d["end"], d["role"])
                for d in read(folder / "episodes.run3.jsonl")]
    control = [Times(d["endpoint"], d["session"], d["start"], d["end"]) for d in read(folder / "control_sessions.run3.jsonl")]
    return episodes, control


def streams(tables) -> list[Stream]:
    """One stream an endpoint and run; all of runs 1 and 2 is background."""
    found: dict[tuple[str, str], list[int]] = {}
    for number, window in enumerate(tables.windows):
        found.setdefault((endpoint(window), run_of(window)), []).append(number)
    return [Stream(f"run{run}", host, "background", run, f"run{run}", tuple(numbers))
            for (host, run), numbers in sorted(found.items())]


class Scorers:
    """Every Linux row as a function from training streams to window scores."""

    def __init__(self, data: Data, members: Members, plan: Plan = PLAN, seeds: tuple[int, ...] = SEEDS) -> None:
        self.data, self.members, self.plan, self.seeds = data, members, plan, seeds

    def head(self, how: str):
        """The anomaly head: mean of the members."""
        def fit(train: list[Stream], wanted: np.ndarray) -> np.ndarray:
            scores = [self.members.scores(self.data, train, self.plan, seed, how, wanted) for seed in self.seeds]
            return np.mean(scores, 0)
        return fit

    def forest(self, graph: bool):
        """Isolation forest on counts or on aggregates of the same features."""
        def fit(train: list[Stream], wanted: np.ndarray) -> np.ndarray:
            rows = np.array([w for s in train for w in s.windows])
            if graph:
                values = self.data.aggregates
            else:
                codes = counts.vocabulary(self.data.tables, rows.tolist())
                values = np.log1p(counts.matrix(self.data.tables, codes))
            model = IsolationForest(n_estimators=200, random_state=1).fit(values[rows])
            del wanted
            return -model.score_samples(values)
        return fit

    def rows(self) -> dict:
        """Names and fits."""
        def sigma(train, wanted):
            del train, wanted
            return counts.sigma_level(self.data.tables)
        return {"Anomaly head, mean": self.head("mean"), "Anomaly head, ten largest": self.head("top10"),
                "Isolation forest on counts": self.forest(False),
                "Isolation forest, same features": self.forest(True), "Sigma, highest level": sigma}


def held_out(fit, train: list[Stream], count: int) -> np.ndarray:
    """Scores of the training windows by models of the other run (of other endpoints with one run)."""
    runs = sorted({s.environment for s in train})
    key = (lambda s: s.environment) if len(runs) > 1 else (lambda s: s.host)
    out = np.full(count, LOWEST)
    for part in sorted({key(s) for s in train}):
        inside = [s for s in train if key(s) == part]
        wanted = np.array(sorted(w for s in inside for w in s.windows))
        out[wanted] = fit([s for s in train if key(s) != part], wanted)[wanted]
    return out


def held_out_members(scorers: Scorers, how: str, train: list[Stream], count: int) -> np.ndarray:
    """Held-out surprise of every training window, a line a member."""
    inside = np.array(sorted(w for s in train for w in s.windows if scorers.data.usable[w]))
    lines = []
    for seed in scorers.seeds:
        one = Scorers(scorers.data, scorers.members, scorers.plan, (seed,))
        lines.append(held_out(one.head(how), train, count)[inside])
    return np.stack(lines)


def case(data: Data, fit, train, test, episodes: list[Times], control: list[Times], fixed: float | None) -> dict:
    """Episodes found and alarms elsewhere, at the highest held-out score and at its 99th percentile."""
    windows = data.tables.windows
    wanted = np.array(sorted(w for s in test for w in s.windows))
    scores = fit(train, wanted)
    inside = np.array(sorted(w for s in train for w in s.windows))
    held = held_out(fit, train, len(windows))[inside]
    limits = {"highest": float(held.max()), "p99": float(np.quantile(held, QUANTILE))}
    if fixed is not None:
        limits = {"medium and above": fixed}
    return {name: at_limit(windows, scores, test, episodes, control, limit) for name, limit in limits.items()}


def at_limit(windows, scores, test, episodes, control, limit: float) -> dict:
    """Counts at one threshold."""
    tested = {(s.host, s.environment) for s in test}
    victims = [e for e in episodes if e.role == "victim" and (e.endpoint, "3") in tested]
    touched = {w for s in test for w in s.windows for e in episodes
               if e.endpoint == s.host and s.environment == "3" and e.overlaps(windows[w])}
    found, highest = [], []
    for one in victims:
        seen = [w for s in test if s.host == one.endpoint and s.environment == "3"
                for w in s.windows if one.overlaps(windows[w])]
        highest.append(max((scores[w] for w in seen), default=LOWEST))
        if highest[-1] > limit:
            found.append(one.name)
    calm = [Stream(s.file, s.host, s.label, s.environment, s.day, tuple(w for w in s.windows if w not in touched)) for s in test]
    in_control = [Stream(s.file, s.host, s.label, s.environment, s.day, tuple(
        w for w in s.windows if any(c.endpoint == s.host and c.overlaps(windows[w]) for c in control)))
        for s in calm if s.environment == "3"]
    rest = np.array([scores[w] for s in calm for w in s.windows])
    below = [round(float((rest < score).mean()), 3) for score in highest]
    return {"threshold": limit, "found": found, "others_below": below, "episodes": [v.name for v in victims],
            "other": metrics.alarms(calm, windows, scores, limit).line(),
            "control": metrics.alarms(in_control, windows, scores, limit).line()}


def cases(data_12: Data, data_1: Data, members: Members):
    """Name, data, scorers, training and test streams of every case; one seed where many models are needed."""
    every = streams(data_12.tables)
    train = [s for s in every if s.environment in "12"]
    yield ("run 3 after runs 1 and 2", data_12, Scorers(data_12, members), train, [s for s in every if s.environment == "3"])
    early = streams(data_1.tables)
    first, second = ([s for s in early if s.environment == run] for run in "12")
    yield "run 2 after run 1", data_1, Scorers(data_1, members, seeds=SEEDS[:1]), first, second
    for host in sorted({s.host for s in every}):
        rest, here = [s for s in train if s.host != host], [s for s in every if s.host == host]
        yield f"{host} left out", data_12, Scorers(data_12, members, seeds=SEEDS[:1]), rest, here


def run(data_12: Data, data_1: Data, members: Members, folder: Path, out: Path) -> dict:
    """All Linux cases of all rows; `out` is written after every one."""
    episodes, control = spans(folder)
    result: dict = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    for name, data, scorers, train, test in cases(data_12, data_1, members):
        for row, fit in scorers.rows().items():
            if name in result.get(row, {}):
                continue
            fixed = counts.SIGMA_MEDIUM - 0.5 if row.startswith("Sigma") else None
            result.setdefault(row, {})[name] = case(data, fit, train, test, episodes, control, fixed)
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps(result, indent=1), encoding="utf-8")
            print(name, row, {k: (len(v["found"]), v["other"]["k"]) for k, v in result[row][name].items()}, flush=True)
    return result


def markdown(result: dict) -> str:
    """The Linux section of docs/model.md."""
    from .report import alarm_text

    out = ["## Linux: an anomaly model", "",
           "Trained on benign runs 1 and 2, tested on run 3 with its eight scripted episodes; windows that an episode touches are in "
           "no alarm count. *highest* and *p99*: the threshold is the highest, or the 99th percentile, of held-out training windows. "
           "*Others below*: which share of the other windows is below an episode's highest window, in the order of the label file. "
           "The records are the lab's own, and rules were tried on them. No rate per day is stated.", "",
           "| Row | Case | Threshold | Episodes found | Others below | Other windows: k / n / T [per hour, 95 %] "
           "| Control sessions: k / n / T |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for row, cases in result.items():
        for name, limits in cases.items():
            for limit, one in limits.items():
                shown = f"{len(one['found'])} of {len(one['episodes'])}" if one["episodes"] else "no episode in it"
                if one["found"]:
                    shown += f" ({', '.join(one['found'])})"
                below = ", ".join(f"{100 * share:.0f} %" for share in one["others_below"]) or "none"
                control = alarm_text(one["control"]) if one["control"]["n"] else "none"
                out.append(f"| {row} | {name} | {limit} | {shown} | {below} | {alarm_text(one['other'])} | {control} |")
    return "\n".join(out) + "\n"
