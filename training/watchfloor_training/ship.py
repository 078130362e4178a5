"""Fits the shipped members and writes the model folders of the product."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from . import artifact, card, catalog, experiment, metrics, onnx_graph, protocol, reference, spec, synthetic
from .graph_rows import GraphRow, Members, MixedRow
from .methods import Data
from .sample import weights_of
from .trees_onnx import Trees, attack_logit

QUANTILES = [float(x) for x in np.round(np.concatenate([np.linspace(0, 0.95, 20), [0.98, 0.99, 0.995, 0.999, 1.0]]), 3)]
GOLDEN_NODES, GOLDEN_EDGES, GOLDEN_SHARE, GOLDEN_SEED = 40, 90, 0.3, 7
"""The golden window: its size, and which share of its features is not zero."""
HISTORY_FILE = "history.bin"
"""The counts of the training environments, written beside the tables."""


def mixed_member(model, boosted, aggregate, share: float, seed: int) -> artifact.Member:
    """A network whose attack logit is a weighted mean with boosted trees on the same features."""
    weights, shape, bag = weights_of(model), model.shape, model.bag
    trees = Trees(boosted)

    def other(graph, logit):
        ours = graph.op("Mul", logit, graph.const("share_graph", np.float32(1 - share)))
        theirs = attack_logit(graph, trees, shape.node_features, shape.edge_features)
        theirs = graph.op("Mul", theirs, graph.const("share_trees", np.float32(share)))
        return graph.op("Add", ours, theirs)

    def repeat(window: dict) -> dict:
        out = reference.run(weights, shape, window, bag)
        out["attack_logit"] = (1 - share) * out["attack_logit"] + share * trees.logit(aggregate(window))
        return out

    return artifact.Member(onnx_graph.build(weights, shape, bag, other), seed, repeat)


def plain_member(model, seed: int) -> artifact.Member:
    """A network as it is."""
    weights, shape, bag = weights_of(model), model.shape, model.bag
    return artifact.Member(onnx_graph.build(weights, shape, bag), seed,
                           lambda window: reference.run(weights, shape, window, bag))


def golden_window(data: Data) -> dict:
    """The window that the product scores at every start. It is made up: no tensor of a data set is shipped."""
    rng = np.random.default_rng(GOLDEN_SEED)
    window = synthetic.window(rng, GOLDEN_NODES, GOLDEN_EDGES, data.tables.node_features, data.tables.edge_features)
    there = rng.random(window["node_features"].shape) < GOLDEN_SHARE
    values = np.round(np.abs(window["node_features"]) * there, 4).astype(np.float32)
    return {**window, "node_features": values, "edge_features": np.round(window["edge_features"], 4)}


def spot_windows(data: Data, count: int = 12) -> list[dict]:
    """Some windows of all sizes, to compare ONNX Runtime with float64."""
    usable = np.flatnonzero(data.usable)
    sizes = np.array([data.tables.windows[i]["nodes"] for i in usable])
    picked = usable[np.argsort(sizes, kind="stable")][:: max(1, len(usable) // count)]
    return [data.tables.tensors(int(i)) for i in picked]


def head(platform: str, track: str, date: str, data: Data, shape, row: str) -> dict:
    """The first part of a manifest."""
    manifest = data.tables.manifest
    suffix = "" if track == "full" else f"-{track}"
    return {
        "name": f"watchfloor-{platform}{suffix}", "version": f"{date[:4]}.{int(date[4:6])}.{int(date[6:])}",
        "platform": platform, "track": track, "kind": "graph", "row": row,
        "created": f"{date[:4]}-{date[4:6]}-{date[6:]}", "feature_version": manifest["feature_version"],
        "window_s": manifest["window_s"], "interval_s": manifest["interval_s"], "opset": spec.OPSET,
        "inputs": {"node_features": data.tables.node_features, "edge_features": data.tables.edge_features,
                   "node_kinds": len(spec.NODE_KINDS), "edge_kinds": shape.edge_kinds},
        "outputs": {"attack_logit": shape.attack_head, "embedding": shape.hidden, "query_nll": True},
    }


def spread(values: np.ndarray, streams) -> float:
    """Member spread that 99 of 100 held-out background windows stay below."""
    calm = np.array([w for s in streams if not s.attack for w in s.windows])
    inside = values[:, calm]
    inside = inside[:, (inside > metrics.LOWEST / 2).all(0)]
    return float(np.quantile(inside.max(0) - inside.min(0), 0.99))


def surprises(shipped, data: Data, train, config: dict) -> np.ndarray:
    """Held-out surprise of the training windows, by the networks of the row that ships: the mean of the members."""
    graph = shipped.graph if isinstance(shipped, MixedRow) else shipped
    plan = graph.plans[config.get("plan", "0")]
    alike = GraphRow(graph.members, (plan,), what="mean", dropped=graph.dropped, seeds=protocol.SHIPPED_SEEDS)
    held = [experiment.cross_fit(alike, data, train, alike.grid[0], seed).windows for seed in alike.seeds]
    return np.mean(held, 0)


def table(values: np.ndarray) -> list[list[float]]:
    """Pairs of share and value."""
    return [[share, float(value)] for share, value in zip(QUANTILES, np.quantile(values, QUANTILES))]


def windows(args, track: str, data: Data, whole_summary: dict) -> None:
    """One Windows folder: members trained on the training side of a split (A and B, unless asked otherwise)."""
    split = protocol.split(args.split)
    results = args.work / "results" / track
    folder, row = catalog.folder_of(results, split.name), catalog.best(results)
    if row is None or not (folder / f"{row}.json").exists():
        print(f"{track} track: no candidate was run on {split.name}, A>B and B>A; run `train` first")
        return
    shipped = catalog.shippable(row, Members(args.work / "members", 1), args.quick)
    result = json.loads((folder / f"{row}.json").read_text(encoding="utf-8"))
    together = json.loads((folder / f"fusion-{row}.json").read_text(encoding="utf-8"))
    fused, sure = together["fusion"], together["decision"]["sure_threshold"]
    saved = np.load(folder / f"{row}.npz")
    train, _ = protocol.sides(data.streams, split)
    made, shape = [], None
    for seed in protocol.SHIPPED_SEEDS:
        member, shape = shipped.member(data, train, result["configuration"], seed)
        made.append(member)
    calm = np.array([w for s in train if not s.attack for w in s.windows if data.usable[w]])
    surprise = surprises(shipped, data, train, result["configuration"])[calm]
    manifest = head("windows", track, args.date, data, shape, row)
    manifest |= {
        "alone": catalog.may_speak_alone(results, row),
        "training": training_notes(train, result, split),
        "calibration": {"temperature": result["temperature"], "anomaly": "mean", "quantiles": table(surprise)},
        "fusion": fused,
        "thresholds": {"attack": result["mean"]["threshold"], "sure": sure, "surprise": float(surprise.max()),
                       "disagreement": spread(saved["members_held"], train)},
        "metrics": metric_notes(whole_summary["tracks"][track]["rows"][row]),
    }
    finish(args.out / f"windows{'' if track == 'full' else '-' + track}-{args.date}", made, manifest, data, whole_summary)


def training_notes(train, result: dict, split: protocol.Split) -> dict:
    """Data, split, seeds and how many configurations were tried."""
    return {
        "data": f"OTRF Security-Datasets, labels.jsonl, environments {' and '.join(split.train)} (idle lab background)",
        "split": f"{split.name}; hyperparameters and thresholds by {protocol.FOLDS} folds of whole recording days; "
                 "the row, and whether it may alarm alone, by leaving out A or B",
        "environments": list(split.train), "streams_attack": sum(s.attack for s in train),
        "streams_background": sum(not s.attack for s in train), "seeds": list(protocol.SHIPPED_SEEDS),
        "configurations_tried": max(len(result["tried"]), 1) + catalog.tried_by_hand(),
        "configuration": json.dumps(result["configuration"]), "history": f"frozen counts of {' and '.join(split.train)}",
    }


def metric_notes(row: dict) -> dict:
    """The counts of the shipped row by split."""
    out = {}
    for split, one in row.items():
        name = split.replace(">", "_to_")
        out[name] = {"detected": one["detected"], "captures": one["captures"]}
        if "alarms" in one:
            alarms = one["alarms"]
            out[name] |= {"alarms_k": alarms["k"], "windows_n": alarms["n"], "hours_T": alarms["T_hours"],
                          "alarms_per_hour_95": alarms["per_hour_95"], "auroc": one["auroc"],
                          "auroc_seeds": list(one["auroc_by_seed"].values())}
    return out


def linux(args, data: Data, whole_summary: dict) -> None:
    """The Linux folder: self-supervised members of runs 1 and 2.

    The score is the surprise by a straight table: one half is the highest held-out mean of the members.
    """
    from . import linux as lab

    members = Members(args.work / "members", 1)
    train = [s for s in lab.streams(data.tables) if s.environment in "12"]
    scores = lab.Scorers(data, members)
    made, shape = [], None
    for seed in lab.SEEDS:
        model, _ = members.model(data, train, scores.plan, seed)
        shape = model.shape
        made.append(plain_member(model, seed))
    held = lab.held_out_members(scores, lab.SHIPPED_ANOMALY, train, len(data.tables))
    highest = float(held.mean(0).max())
    shares = np.clip(held / (2 * highest), 0, 1)
    case = whole_summary["linux"][lab.SHIPPED_ROW]["run 3 after runs 1 and 2"]["highest"]
    manifest = head("linux", "full", args.date, data, shape, "anomaly")
    manifest |= {
        "training": {"data": "benign lab runs 1 and 2 (five endpoints)", "split": "run 3 is test only; held out by run",
                     "environments": ["benign_lab run 1", "benign_lab run 2"], "seeds": list(lab.SEEDS),
                     "configurations_tried": lab.CONFIGURATIONS_TRIED, "history": "frozen counts of runs 1 and 2"},
        "calibration": {"temperature": 1.0, "anomaly": lab.SHIPPED_ANOMALY,
                        "quantiles": [[0.0, 0.0], [0.5, highest], [1.0, 2 * highest]]},
        "thresholds": {"anomaly": 0.5, "disagreement": float(np.quantile(shares.max(0) - shares.min(0), 0.99))},
        "metrics": {"run3": {"episodes_found": len(case["found"]), "episodes": len(case["episodes"]),
                             "alarms_k": case["other"]["k"], "windows_n": case["other"]["n"],
                             "hours_T": case["other"]["T_hours"], "alarms_per_hour_95": case["other"]["per_hour_95"]}},
    }
    finish(args.out / f"linux-{args.date}", made, manifest, data, whole_summary)


def finish(folder: Path, made, manifest: dict, data: Data, whole_summary: dict) -> None:
    """Checks the members against float64, then writes members, manifest, golden and card."""
    worst = max(artifact.check(member, spot_windows(data)) for member in made)
    if worst > artifact.TOLERANCE:
        raise ValueError(f"{folder.name}: ONNX differs from float64 by {worst:.2e}")
    manifest["training"]["onnx_against_float64"] = worst
    history = data.tables.folder / HISTORY_FILE
    if history.exists():
        manifest["history"] = artifact.bring(folder, history)
    artifact.write(folder, made, manifest, golden_window(data), manifest["calibration"]["anomaly"])
    (folder / "MODEL_CARD.md").write_text(card.text(manifest, whole_summary), encoding="utf-8")
    print(f"{folder}: {len(made)} members, largest difference from float64 {worst:.1e}")


def run(args) -> None:
    """Writes all folders."""
    from .__main__ import data_of
    from .tables import Tables

    whole_summary = json.loads((args.results / "summary.json").read_text(encoding="utf-8"))
    if "windows" in (args.platform or ["windows"]):
        for track in whole_summary["tracks"]:
            windows(args, track, data_of(args, track, protocol.split(args.split).train), whole_summary)
    if "linux" in (args.platform or ["linux"]):
        linux(args, Data(Tables(args.work / "features" / "linux-12"), []), whole_summary)

