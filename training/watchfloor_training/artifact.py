"""The model folder that the product loads: members, manifest.toml, golden.json."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime

from . import passes, spec

MAX_MEMBERS = 3
MAX_MEMBER_BYTES = 1_000_000
TOLERANCE = 1e-4
"""How far a runtime may be from the float64 reference on the golden window."""


@dataclass
class Member:
    """One ONNX file and the function that repeats it in float64."""

    model: object
    seed: int
    reference: object
    file: str = ""
    sha256: str = ""
    checked: dict[str, float] = field(default_factory=dict)


def session(data: bytes) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def check(member: Member, windows: list[dict]) -> float:
    """Largest difference between ONNX Runtime and the float64 reference."""
    run = session(member.model.SerializeToString())
    names = [output.name for output in run.get_outputs()]
    worst = 0.0
    for window in windows:
        for asked in (passes.whole(window), passes.hide(window, 0)):
            got = dict(zip(names, run.run(None, asked)))
            expected = member.reference(asked)
            for name in names:
                if got[name].size:
                    worst = max(worst, float(np.abs(got[name] - expected[name]).max()))
    return worst


def short(values) -> list:
    """A flat list; numbers of single precision with as few digits as give them back."""
    flat = np.asarray(values).reshape(-1)
    return [float(str(value)) for value in flat] if flat.dtype == np.float32 else flat.tolist()


def golden(members: list[Member], window: dict, how: str) -> dict:
    """The golden window and what every member says about it, from float64."""
    asked = passes.hide(window, 0)
    flat = {k: short(v) for k, v in asked.items()}
    inputs = {"nodes": len(asked["node_type"]), "edges": len(asked["edge_type"]),
              "queries": len(asked["query_type"]), **flat}
    full = {k: short(v) for k, v in window.items()}
    outputs = []
    for member in members:
        said = member.reference(asked)
        line = {k: [float(x) for x in np.asarray(v).reshape(-1)] for k, v in said.items()}
        turns = [passes.hide(window, turn) for turn in range(spec.SELF_SUPERVISED_PASSES)]
        surprise = [member.reference(turn)["query_nll"] for turn in turns]
        line["anomaly"] = passes.reduce(np.concatenate(surprise), how)
        entire = member.reference(passes.whole(window))
        if "attack_logit" in entire:
            line["attack_logit_whole"] = float(entire["attack_logit"][0])
        outputs.append({"file": member.file, **line})
    return {
        "about": "`inputs` is pass 0 of `window` (every fourth forward edge hidden and asked about); "
                 "arrays are row-major. `attack_logit_whole` and `anomaly` are for the whole window.",
        "tolerance": TOLERANCE,
        "inputs": inputs,
        "window": {"nodes": len(window["node_type"]), "edges": len(window["edge_type"]), **full},
        "outputs": outputs,
    }


def toml_value(value) -> str:
    """A TOML value of the few kinds that a manifest holds."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        text = repr(float(value))
        return text if any(c in text for c in ".en") else text + ".0"
    if isinstance(value, (list, tuple, np.ndarray)):
        return "[" + ", ".join(toml_value(v) for v in value) + "]"
    return json.dumps(str(value), ensure_ascii=False)


def toml(tables: dict) -> str:
    """TOML text: plain keys first, then tables, lists of tables last; one level of nesting."""
    lines: list[str] = []

    def walk(prefix: str, table: dict) -> None:
        for key, value in table.items():
            if not isinstance(value, dict) and not is_tables(value):
                lines.append(f"{key} = {toml_value(value)}")
        for key, value in table.items():
            name = f"{prefix}{key}"
            if isinstance(value, dict):
                lines.extend(["", f"[{name}]"])
                walk(name + ".", value)
            elif is_tables(value):
                for row in value:
                    lines.extend(["", f"[[{name}]]"])
                    walk(name + ".", row)

    walk("", tables)
    return "\n".join(lines) + "\n"


def is_tables(value) -> bool:
    """Whether a value is written as an array of tables."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def bring(folder: Path, file: Path) -> dict:
    """Copies a file into the model's folder: its name and hash, as the manifest says them."""
    folder.mkdir(parents=True, exist_ok=True)
    data = file.read_bytes()
    (folder / file.name).write_bytes(data)
    return {"file": file.name, "sha256": hashlib.sha256(data).hexdigest()}


def write(folder: Path, members: list[Member], manifest: dict, window: dict, how: str) -> None:
    """Writes the folder; `manifest` is everything but members and golden."""
    if len(members) > MAX_MEMBERS:
        raise ValueError(f"{len(members)} members; at most {MAX_MEMBERS} are shipped")
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, member in enumerate(members, 1):
        member.file = member.file or f"member-{number}.onnx"
        data = member.model.SerializeToString()
        if len(data) > MAX_MEMBER_BYTES:
            raise ValueError(f"{member.file} has {len(data)} bytes; at most {MAX_MEMBER_BYTES} are allowed")
        (folder / member.file).write_bytes(data)
        member.sha256 = hashlib.sha256(data).hexdigest()
        rows.append({"file": member.file, "sha256": member.sha256, "seed": member.seed})
    text = json.dumps(golden(members, window, how))
    (folder / "golden.json").write_text(text + "\n", encoding="utf-8")
    sha256 = hashlib.sha256((text + "\n").encode()).hexdigest()
    tables = {**manifest, "golden": {"file": "golden.json", "sha256": sha256}, "members": rows}
    (folder / "manifest.toml").write_text(toml(tables), encoding="utf-8")
