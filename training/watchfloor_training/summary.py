"""Gathers result files into one small table, with intervals and paired differences."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from . import catalog, metrics, protocol
from .labels import Stream

TESTED = catalog.HELD_OUT_ENVIRONMENTS


def load(results: Path, track: str) -> dict[str, dict[str, dict]]:
    """Row -> split -> result of one track."""
    out: dict[str, dict[str, dict]] = {}
    for split in protocol.SPLITS:
        for path in sorted((results / track / split.name.replace(">", "-")).glob("*.json")):
            result = json.loads(path.read_text(encoding="utf-8"))
            out.setdefault(result["row"], {})[split.name] = result
    return out


def streams_of(result: dict) -> list[Stream]:
    """The test streams of a result."""
    return [Stream(s["file"], s["host"], "attack" if s["attack"] else "background", "", s["day"])
            for s in result["streams"]]


def resampled(result: dict, by: str) -> np.ndarray:
    """Bootstrap AUROCs of a row's mean score; the same resamples for every row."""
    some = streams_of(result)
    attack = np.array([s.attack for s in some])
    return metrics.Resampler(some, by).aurocs(np.array(result["mean"]["scores"]), attack)


def line(result: dict, both: bool) -> dict:
    """One row on one split, counts first."""
    mean = result["mean"]
    captures = len(mean["detected"]) + len(mean["missed"])
    out = {"detected": len(mean["detected"]), "captures": captures, "missed": mean["missed"],
           "configuration": result["configuration"], "configurations_tried": max(len(result["tried"]), 1),
           "wall_s": result.get("wall_s"), "peak_mib": result.get("peak_mib"),
           "threshold": mean["threshold"],
           "detected_by_seed": {s: len(r["detected"]) for s, r in result["seeds"].items()}}
    for key in ("decision", "explained", "fusion", "temperature"):
        if result.get(key) is not None:
            out[key] = result[key]
    if "decision" in result:
        out["found"] = mean["detected"]
    if both:
        out |= {"alarms": mean["alarms"], "rank": mean["rank"], "auroc": round(mean["auroc"], 4),
                "auroc_by_seed": {s: round(r["auroc"], 4) for s, r in result["seeds"].items()},
                "alarms_by_seed": {s: r["alarms"]["k"] for s, r in result["seeds"].items()}}
        for by in ("capture", "day"):
            out[f"interval_{by}"] = [round(x, 4) for x in metrics.interval(resampled(result, by))]
    return out


def difference(rows: dict, one: str, other: str) -> dict | None:
    """Paired difference of two rows by split and averaged over both directions."""
    if any(split not in rows.get(name, {}) for name in (one, other) for split in TESTED):
        return None
    out: dict = {"one": one, "other": other}
    for by in ("capture", "day"):
        draws = {s: resampled(rows[one][s], by) - resampled(rows[other][s], by) for s in TESTED}
        both = (draws["A>B"] + draws["B>A"]) / 2
        for name, values in {**draws, "average": both}.items():
            out.setdefault(name, {})[f"interval_{by}"] = [round(x, 4) for x in metrics.interval(values)]
    points = {s: rows[one][s]["mean"]["auroc"] - rows[other][s]["mean"]["auroc"] for s in TESTED}
    for name, value in {**points, "average": sum(points.values()) / 2}.items():
        out[name]["difference"] = round(value, 4)
    return out


def better(rows: dict, names: tuple[str, ...]) -> str | None:
    """The row with the higher test AUROC averaged over both directions: the harder rival."""
    def area(name: str) -> float:
        return sum(rows[name][s]["mean"]["auroc"] for s in TESTED) / 2
    there = [n for n in names if all(s in rows.get(n, {}) for s in TESTED)]
    return max(there, key=area) if there else None


def shorten(one: dict) -> None:
    """Leaves the counts of a row that does not ship: the raw results say where each alarm was."""
    decision = one.get("decision", {})
    for name in ("only_model", "only_rules"):
        decision.pop(name, None)
    for part in (one, *(p for p in decision.values() if isinstance(p, dict))):
        if "alarms" in part:
            part["alarms"] = {key: value for key, value in part["alarms"].items() if key != "where"}
        if part is not one:
            part["detected"], part["missed"] = len(part["detected"]), len(part["missed"])
    one.pop("found", None)


def track(results: Path, name: str, champion: str = "gat") -> dict:
    """Everything that is said about one track."""
    rows = load(results, name)
    order = [r for r in catalog.TITLES if r in rows] + sorted(r for r in rows if r not in catalog.TITLES)
    out: dict = {"rows": {}, "differences": []}
    for row in order:
        out["rows"][row] = {s.name: line(rows[row][s.name], s.both_classes)
                            for s in protocol.SPLITS if s.name in rows[row]}
    rival = better(rows, ("count-lr", "count-gb"))
    attempts = [r for r in order if r in catalog.ATTEMPTS]
    rivals = [o for o in dict.fromkeys((rival, "count-lr", "gb-same-features", "bag")) if o]
    pairs = [(row, o) for row in (champion, *attempts) for o in rivals]
    pairs += [("attempt-node", o) for o in ("gat-no-rarity", "gat-no-command-line")]
    pairs += [("gb-same-features", o) for o in rivals if o != "gb-same-features"]
    out["better_of_counts"] = rival
    held = {row: catalog.held_out(results / name, row) for row in (*catalog.CANDIDATES, "count-lr")}
    out["held_out"] = {row: round(value, 4) for row, value in held.items() if value is not None}
    out["ships"] = catalog.best(results / name)
    out["alone"] = out["ships"] is not None and catalog.may_speak_alone(results / name, out["ships"])
    pairs += [(f"fusion-{out['ships']}", o) for o in (out["ships"], "sigma-level")]
    out["differences"] = [d for one, other in pairs if (d := difference(rows, one, other))]
    for row, splits in out["rows"].items():
        for one in splits.values():
            if row != f"fusion-{out['ships']}":
                one.pop("explained", None)
                shorten(one)
    return out
