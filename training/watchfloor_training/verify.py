"""What the product says with the shipped folders: beside the tables, and on records of other sensors."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from . import counts, protocol
from .labels import short, tail
from .tables import Tables

OTHER_SENSORS = {
    "LinPEAS, Sysmon for Linux": "linux/sysmon_for_linux/linpeas.sysmon-linux.xml.txt",
    "Log4Shell, Sysmon for Linux": "linux/otrf_log4shell/20220511T1810_syslog_sysmon_log4shell_cve2021_44228_jndi_reference.json.zst",
    "Log4Shell, cloud audit agent": "linux/otrf_log4shell/syslog_auoms_auditd_log4shell_cve2021_44228_jndi_reference_2022-05-11181020.json",
}
SCORERS = "gat,fusion,sigma-level"
TEST_FOLDERS = ("C-tamper-vm", "E-other")


def scored(binary: Path, models: Path, paths: list[Path], track: str = "full") -> list[dict]:
    """The lines of `model eval`: the model, fusion, and rules."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "scores.ndjson"
        words = ["model", "eval", *map(str, paths), "--scores", str(out), "--scorer", SCORERS, "--track", track, "--quiet"]
        subprocess.run([str(binary), *words, "--set", f"infer.models={models}"], check=True, stdout=subprocess.DEVNULL)
        with open(out, encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]


def beside_tables(binary: Path, models: Path, data: Path, work: Path, track: str, row: str) -> dict:
    """Largest difference between the product's scores on C and E and those of the tables."""
    tables = Tables(work / "features" / f"windows-{track}-AB", verify=False)
    split = protocol.SPLITS[-1]
    saved = np.load(work / "results" / track / split.name.replace(">", "-") / f"{row}.npz")["windows"]
    place = {(tail(w["file"]), short(w["host"]), round(w["end"])): n for n, w in enumerate(tables.windows)}
    levels = counts.sigma_level(tables)
    worst, windows, rules = 0.0, 0, 0
    for line in scored(binary, models, [data / "windows/otrf" / folder for folder in TEST_FOLDERS], track):
        number = place.get((tail(line["file"]), short(line["host"]), round(line["end"])))
        if number is None or line["score"] is None:
            continue
        if line["scorer"] == "gat" and saved[number] > -1:
            windows += 1
            worst = max(worst, abs(line["score"] - float(saved[number])))
        if line["scorer"] == "sigma-level":
            rules += int(line["score"] != levels[number])
    return {"windows": windows, "largest_difference": worst, "other_rule_levels": rules}


def anecdotes(binary: Path, models: Path, data: Path) -> dict:
    """The highest window of each file of another sensor."""
    out = {}
    for name, file in OTHER_SENSORS.items():
        lines = scored(binary, models, [data / file])
        said: dict = {"windows": sum(line["scorer"] == "sigma-level" for line in lines)}
        for scorer in ("gat", "sigma-level"):
            mine = [line for line in lines if line["scorer"] == scorer and line["score"] is not None]
            if mine:
                best = max(mine, key=lambda line: line["score"])
                said[scorer] = {"score": round(best["score"], 4), "above": sum(bool(m["above_threshold"]) for m in mine),
                                "of": len(mine), "rule_level": best["rule_level"]}
        out[name] = said
    return out


def run(binary: Path, models: Path, data: Path, work: Path) -> dict:
    """Both, written to the results."""
    from . import catalog

    result: dict = {"beside_tables": {}, "anecdotes": anecdotes(binary, models, data)}
    for track in ("full", "reduced"):
        results = work / "results" / track
        folder, row = catalog.folder_of(results, protocol.SPLITS[-1].name), catalog.best(results)
        if row and (folder / f"{row}.npz").exists():
            result["beside_tables"][track] = beside_tables(binary, models, data, work, track, row)
    (work / "results" / "product.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    return result


def markdown(result: dict) -> str:
    """Two sections of docs/model.md."""
    out = []
    if result["anecdotes"]:
        out += ["### Other sensors, anecdotal", "",
                "The shipped Linux model was made from audit records of five endpoints. What it says on other sensors is no "
                "measure of anything.", "",
                "| Recording | Windows | Highest score (threshold 0.5) | Windows above | Rules, windows of medium and above |",
                "| --- | --- | --- | --- | --- |"]
        for name, said in result["anecdotes"].items():
            model, sigma = said.get("gat"), said.get("sigma-level")
            cells = [f"{model['score']:.3f}", f"{model['above']} of {model['of']}"] if model else ["none: too few nodes", "0"]
            out.append(f"| {name} | {said['windows']} | {cells[0]} | {cells[1]} | {sigma['above'] if sigma else 0} |")
        out.append("")
    out += ["## The product beside these tables", "",
            "The shipped folders, run by `watchfloor model eval` on environments C and E:", ""]
    for track, said in result["beside_tables"].items():
        out.append(f"- {track} track: {said['windows']} windows, largest difference of a score {said['largest_difference']:.1e}, "
                   f"{said['other_rule_levels']} windows with another rule level")
    return "\n".join(out) + "\n"
