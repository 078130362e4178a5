"""Calls `watchfloor model features` for every track and history of the protocol."""

from __future__ import annotations

import subprocess
from pathlib import Path

WINDOWS = "windows/otrf"
FOLDERS = {"A": "A-shire.com", "B": "B-theshire"}
TRACKS = ("full", "reduced")
HISTORIES = ("A", "B", "AB")
"""Rarity counts come from the training environments of a split only."""


def windows_tables(work: Path, track: str, history: str) -> Path:
    """Where the tables of a track and history lie."""
    return work / "features" / f"windows-{track}-{history}"


def export(binary: Path, out: Path, *words: str) -> None:
    """One run of the command; tables that are complete are kept."""
    if (out / "manifest.json").exists():
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([str(binary), "model", "features", *words, "--out", str(out)], check=True)


def windows(binary: Path, data: Path, work: Path, rules: str) -> list[Path]:
    """Tables of all Windows captures: two tracks, three histories.

    A capture whose environment is in the history is featured by the days other than its own.
    """
    root = data / WINDOWS
    made = []
    for track in TRACKS:
        for history in HISTORIES:
            out = windows_tables(work, track, history)
            words = [str(root), "--track", track]
            for letter in history:
                words += ["--history", str(root / FOLDERS[letter])]
            export(binary, out, *words, "--rules", rules)
            made.append(out)
    return made


def linux(binary: Path, data: Path, work: Path, rules: str) -> list[Path]:
    """Linux tables: history of run 1, and of runs 1 and 2; a file is never its own history."""
    root = data / "linux/benign_lab"
    runs = {"1": root / "*/audit.log.zst", "2": root / "*/audit.run2.log.zst"}
    made = []
    for history in ("1", "12"):
        out = work / "features" / f"linux-{history}"
        words = [str(root / "*/audit*.log.zst"), "--host-from-path", "1", "--leave-out", "file"]
        for run in history:
            words += ["--history", str(runs[run])]
        export(binary, out, *words, "--rules", rules)
        made.append(out)
    return made
