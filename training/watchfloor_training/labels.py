"""Streams (one host of one capture) and their labels."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from .tables import Tables

ATTACK, BACKGROUND, IGNORE = "attack", "background", "ignore"


@dataclass(frozen=True)
class Stream:
    """One host of one capture: the unit of every metric."""

    file: str
    host: str
    label: str
    environment: str
    day: str
    windows: tuple[int, ...] = field(default=())

    @property
    def attack(self) -> bool:
        """Whether the stream holds an attack."""
        return self.label == ATTACK


def short(host: str) -> str:
    """Host names as the tables have them: lower case, first label unless an address."""
    host = host.lower()
    parts = host.split(".")
    if all(part.isdigit() for part in parts) or ":" in host:
        return host
    return parts[0]


def tail(file: str) -> str:
    """Folder and name: what the same file is called from any working directory."""
    return "/".join(file.replace("\\", "/").split("/")[-2:])


def recording_day(file: str) -> str:
    """The day in a capture's name (20190518T1820_…)."""
    return file.rsplit("/", 1)[-1][:8]


def environment(file: str) -> str:
    """The letter before the first dash of the capture's folder (A-shire.com is A)."""
    return tail(file).split("/")[0].split("-")[0]


def read(path: Path) -> list[dict]:
    """Label lines as they are."""
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def streams(tables: Tables, path: Path) -> tuple[list[Stream], dict[str, list[str]]]:
    """Streams of the label file with their windows, and what did not match.

    A labelled stream without a window stays: an attack that left no graph event
    cannot be found, and leaving it out would flatter every row.
    """
    found: dict[tuple[str, str], list[int]] = {}
    for number, window in enumerate(tables.windows):
        found.setdefault((tail(window["file"]), short(window["host"])), []).append(number)
    made, seen = [], set()
    empty: list[str] = []
    for line in read(path):
        key = (tail(line["file"]), short(line["host"]))
        seen.add(key)
        windows = tuple(found.get(key, ()))
        if not windows and line["label"] != IGNORE:
            empty.append(f"{key[0]} {key[1]} ({line['label']})")
        file = line["file"]
        made.append(Stream(key[0], key[1], line["label"], environment(file), recording_day(file), windows))
    unknown = sorted(f"{file} {host}" for file, host in found if (file, host) not in seen)
    return made, {"without_windows": empty, "without_label": unknown}


def chosen(all_streams: list[Stream], environments: str, labels: tuple[str, ...] = (ATTACK, BACKGROUND)) -> list[Stream]:
    """Streams of some environments; `ignore` is never among them."""
    return [s for s in all_streams if s.environment in environments and s.label in labels]
