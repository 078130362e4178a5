"""Made-up tensors in the format of `watchfloor model features`, for tests only."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from . import spec


def window(rng: np.random.Generator, nodes: int, forward: int, features: int, edge_features: int,
           attack: bool = False) -> dict[str, np.ndarray]:
    """One window. An attack has one process that wrote, set and connected."""
    kinds = rng.integers(0, len(spec.NODE_KINDS), nodes).astype(np.int64)
    kinds[0] = 0
    source = np.minimum((nodes * rng.random(forward) ** 2).astype(np.int64), nodes - 1)
    target = rng.integers(0, nodes, forward)
    kind = rng.integers(0, len(spec.EDGE_KINDS), forward).astype(np.int64)
    order = np.lexsort((target, source, kind))
    source, target, kind = source[order], target[order], kind[order]
    values = rng.normal(0, 1, (nodes, features)).astype(np.float32)
    if attack:
        values[0, :3] += 2.5
    edge = rng.random((forward, edge_features)).astype(np.float32)
    return {
        "node_features": values,
        "node_type": kinds,
        "edge_index": np.stack([np.concatenate([source, target]), np.concatenate([target, source])]),
        "edge_type": np.concatenate([kind, kind + len(spec.EDGE_KINDS)]),
        "edge_features": np.concatenate([edge, edge]),
    }


def stream(rng, file: str, host: str, label: str, windows: int, features: int, edge_features: int):
    """Lines and tensors of one capture and host; only some attack windows hold the attack."""
    lines, tensors = [], []
    for number in range(windows):
        attack = label == "attack" and number >= windows // 2
        nodes, forward = int(rng.integers(2, 20)), int(rng.integers(1, 40))
        tensors.append(window(rng, nodes, forward, features, edge_features, attack))
        counts = {f"sysmon:{code}": int(rng.poisson(3)) for code in (1, 3, 11)}
        if attack:
            counts["powershell:4104"] = int(rng.poisson(20)) + 1
        start = 1_600_000_000 + 30 * number
        lines.append({
            "file": file, "host": host, "platform": "windows", "start": start, "end": start + 180,
            "observed_s": float(rng.uniform(30, 180)), "nodes": nodes, "edges": forward,
            "events": sum(counts.values()), "graph_events": forward, "counts": counts,
            "classes": {}, "rule_level": "high" if attack and rng.random() < 0.7 else None,
            "rule_levels": {"high": 1} if attack else {}, "error": None,
        })
    return lines, tensors


def write(folder: Path, lines: list[dict], tensors: list[dict], track: str = "full") -> None:
    """Writes tables exactly as the Rust exporter lays them out."""
    folder.mkdir(parents=True, exist_ok=True)
    node_offset = edge_offset = 0
    with open(folder / "windows.ndjson", "w", encoding="utf-8") as out:
        for line, tensor in zip(lines, tensors):
            line = {**line, "node_offset": node_offset, "edge_offset": edge_offset}
            out.write(json.dumps(line) + "\n")
            node_offset += len(tensor["node_type"])
            edge_offset += len(tensor["edge_type"])
    for name in ("node_features", "node_type", "edge_type", "edge_features"):
        np.save(folder / f"{name}.npy", np.concatenate([t[name] for t in tensors]))
    np.save(folder / "edge_index.npy", np.concatenate([t["edge_index"] for t in tensors], 1))
    sums = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.glob("*.n*"))}
    first = tensors[0]
    manifest = {
        "feature_version": "synthetic", "window_s": 180, "interval_s": 30, "track": track,
        "node_features": [f"f{i}" for i in range(first["node_features"].shape[1])],
        "edge_features": [f"e{i}" for i in range(first["edge_features"].shape[1])],
        "node_kinds": list(spec.NODE_KINDS), "edge_kinds": list(spec.EDGE_KINDS),
        "history": None, "sha256": sums,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def laboratory(folder: Path, seed: int = 7, captures: int = 8, features: int = 12,
               edge_features: int = 4) -> Path:
    """Two environments with both classes and one with attacks only, and their labels."""
    rng = np.random.default_rng(seed)
    lines, tensors, labels = [], [], []
    for env in ("A-one", "B-two", "C-three"):
        for number in range(captures):
            file = f"windows/otrf/{env}/2020010{1 + number % 4}T0{number}00_case.json.zst"
            hosts = [("ws1", "attack")] if env[0] == "C" else [("ws1", "attack"), ("ws2", "background")]
            for host, label in hosts:
                some, more = stream(rng, file, host, label, 4, features, edge_features)
                lines += some
                tensors += more
                labels.append({"file": file, "host": host, "label": label})
    write(folder / "tables", lines, tensors)
    text = "".join(json.dumps(label) + "\n" for label in labels)
    (folder / "labels.jsonl").write_text(text, encoding="utf-8")
    return folder
