"""One sentence for a background alarm, from the columns of the tables alone."""

from __future__ import annotations

import numpy as np

from . import aggregates, spec
from .labels import Stream
from .methods import Data

PLACES = {
    "path_system": "the system's program folders", "path_system_other": "the system's own folders",
    "path_program": "a folder for installed programs", "path_data": "a folder of shared program data",
    "path_profile": "an account's profile", "path_temp": "a temporary folder", "path_share": "a network share",
}
ACCOUNTS = {
    "account_system": "the system", "account_service": "a service account", "account_machine": "the machine's account",
    "account_admin": "the built-in administrator", "account_user": "an ordinary account",
}
COMMON_SHARE = 0.15
"""An event kind is named when it makes up at least so much of a window."""
UNLIKE = 3
"""So many columns are named by which a window is unlike training background."""


def role(host: str) -> str:
    """What kind of machine a lab host is."""
    return "a domain controller" if "dc" in host else "a workstation"


class Explainer:
    """What training background looks like, to say by what a window differs from it."""

    def __init__(self, data: Data, train: list[Stream]) -> None:
        self.data = data
        calm = np.array([w for s in train if not s.attack for w in s.windows if data.usable[w]], int)
        values = data.aggregates[calm]
        self.high = np.quantile(values, 0.99, axis=0)
        self.width = values.std(0) + 0.05
        self.names = aggregates.names_of(data.tables)

    def unlike(self, number: int) -> list[str]:
        """The columns that are furthest above the 99th percentile of training background."""
        above = (self.data.aggregates[number] - self.high) / self.width
        order = [int(i) for i in np.argsort(-above, kind="stable")[:UNLIKE] if above[i] > 0]
        return [self.names[i].replace("_", " ") for i in order]

    def flags(self, row: np.ndarray, words: dict[str, str]) -> list[str]:
        """What the columns of a node say, in words."""
        names = self.data.tables.manifest["node_features"]
        return [text for name, text in words.items() if name in names and row[names.index(name)] > 0.5]

    def busiest(self, number: int) -> str:
        """The process with the most edges, without its name."""
        window = self.data.tables.tensors(number)
        forward = len(window["edge_type"]) // 2
        sources = window["edge_index"][0][:forward]
        mine = sources[window["node_type"][sources] == 0]
        if not len(mine):
            return ""
        node = int(np.bincount(mine).argmax())
        kinds = window["edge_type"][:forward][sources == node]
        kind = spec.EDGE_KINDS[int(np.bincount(kinds).argmax())]
        where = self.flags(window["node_features"][node], PLACES)[:1]
        who = self.flags(window["node_features"][node], ACCOUNTS)[:1]
        text = f"its busiest process has {len(kinds)} edges, most of kind {kind.replace('_', ' ')}"
        return text + "".join(f", lies in {w}" for w in where) + "".join(f", runs as {w}" for w in who)

    def sentence(self, stream: Stream, number: int, score: float | None, threshold: float) -> str:
        """The whole sentence; `score` is the model's, where it is above its threshold."""
        line = self.data.tables.windows[number]
        total = max(sum(line["counts"].values()), 1)
        common = sorted(line["counts"].items(), key=lambda item: (-item[1], item[0]))
        named = [f"{code} {100 * n / total:.0f} %" for code, n in common if n >= COMMON_SHARE * total] or \
            [f"{code} {100 * n / total:.0f} %" for code, n in common[:1]]
        why = [f"a rule of level {line['rule_level']}"] if line.get("rule_level") in ("medium", "high", "critical") else []
        if score is not None:
            why.append(f"the model at {score:.3f} above {threshold:.3f}")
        unlike = self.unlike(number)
        parts = [f"{total} events in {line['observed_s']:.0f} s ({', '.join(named)})",
                 f"{line['nodes']} nodes and {line['edges']} edges"]
        parts += [text for text in (self.busiest(number),) if text]
        parts += [f"furthest above training background in {', '.join(unlike)}"] if unlike else \
            ["in no column above what training background shows"]
        return f"`{stream.file}`, {role(stream.host)}: {' and '.join(why) or 'the score alone'}; {'; '.join(parts)}."


def alarms(explainer: Explainer, streams: list[Stream], flags: np.ndarray, scores: np.ndarray, threshold: float) -> list[str]:
    """A sentence for every episode of flagged windows, by its window with the highest score."""
    windows, out = explainer.data.tables.windows, []
    for stream in streams:
        if stream.attack:
            continue
        episodes: list[list[int]] = []
        for number in sorted((w for w in stream.windows if flags[w] > 0.5), key=lambda w: windows[w]["end"]):
            if episodes and windows[number]["start"] <= windows[episodes[-1][-1]]["end"]:
                episodes[-1].append(number)
            else:
                episodes.append([number])
        for episode in episodes:
            best = max(episode, key=lambda w: scores[w])
            out.append(explainer.sentence(stream, best, scores[best] if scores[best] > threshold else None, threshold))
    return out
