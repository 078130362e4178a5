"""All rows of the table by name: what they are, and how they are fitted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from . import methods, protocol
from .graph_rows import GraphRow, Members, MixedRow
from .learn import Plan

RARITY = (
    "known", "never", "here", "new_here", "text_known", "text_never", "text_here", "text_new_here",
    "rarest_out", "rarest_in", "never_out", "never_in",
)
"""Columns, of nodes and of edges, that say how often something was seen before."""
COMMAND_LINE = ("text_*",)
"""Columns of command lines and of script text, their rarity among them."""

TITLES = {
    "always-alarm": "Always alarm",
    "total-events": "Total events",
    "total-events-per-second": "Total events per observed second",
    "powershell-events": "PowerShell events",
    "powershell-events-per-second": "PowerShell events per observed second",
    "count-lr": "Event-count logistic regression",
    "count-gb": "Event-count gradient boosting",
    "gb-same-features": "Gradient boosting, same features as the GAT",
    "forest-counts": "Isolation forest on counts",
    "forest-same-features": "Isolation forest, same features as the GAT",
    "bag": "Bag of nodes (GAT without edges)",
    "anomaly": "Anomaly head",
    "gat": "GAT",
    "sigma-level": "Sigma, highest level",
    "sigma-sum": "Sigma, sum 1/5/25/100",
    "fusion-gat": "Fusion of Sigma and GAT",
    "fusion-gb-same-features": "Fusion of Sigma and gradient boosting",
    "fusion-attempt-mixed": "Fusion of Sigma and the mean of GAT and boosting",
    "fusion-attempt-chosen": "Fusion of Sigma and GAT, try 5",
    "fusion-attempt-pool": "Fusion of Sigma and GAT, try 1",
    "fusion-attempt-node": "Fusion of Sigma and GAT, try 2",
    "fusion-attempt-skip": "Fusion of Sigma and GAT, try 3",
    "gat-no-rarity": "GAT, try 2, without rarity",
    "gat-no-command-line": "GAT, try 2, without command line",
}

ATTEMPTS = {
    "attempt-pool": "GAT, try 1: mean and maximum of all nodes, features as they are",
    "attempt-node": "GAT, try 2: soft maximum of one logit a node, 3 of 10 training windows without edges",
    "attempt-skip": "GAT, try 3: as try 2, inputs scaled and cut, nodes keep their state before any message",
    "attempt-mixed": "GAT, try 4: mean of its log-odds and of gradient boosting on the same features",
    "attempt-chosen": "GAT, try 5: as try 4, the network's configuration chosen by held-out days",
}
"""Tries to make the graph earn its place: row name and what was tried."""

POOL = Plan()
NODE = Plan(readout="node", no_edges=0.3)
SKIP = Plan(readout="skip", no_edges=0.3, scaled=True)
GRID = (
    POOL, NODE, SKIP,
    Plan(scaled=True, no_edges=0.3),
    Plan(scaled=True, column_dropout=0.3, dropout=0.4),
    Plan(scaled=True, no_edges=0.3, epochs=20, decay=0.1),
    Plan(readout="node", scaled=True, column_dropout=0.3, no_edges=0.3),
    Plan(readout="skip", scaled=True, column_dropout=0.3, no_edges=0.3, epochs=20),
)
BAG_GRID = (
    Plan(bag=True, surprise_weight=0.0),
    Plan(bag=True, surprise_weight=0.0, readout="node"),
    Plan(bag=True, surprise_weight=0.0, readout="node", scaled=True),
    Plan(bag=True, surprise_weight=0.0, scaled=True),
    Plan(bag=True, surprise_weight=0.0, scaled=True, column_dropout=0.3, dropout=0.4),
)
CANDIDATES = ("attempt-chosen", "attempt-mixed", "gb-same-features", "gat", "attempt-node", "attempt-pool", "attempt-skip")
"""Rows that may ship: the one that is best where an environment is held out does; the first of equals."""
HELD_OUT_ENVIRONMENTS = ("A>B", "B>A")
"""What ships is trained on A and B. To leave one of them out whole is what a new environment is like; held-out days are not."""


def folder_of(results: Path, split: str) -> Path:
    """Where the results of a split lie, in the folder of a track."""
    return results / split.replace(">", "-")


def held_out(results: Path, name: str) -> float | None:
    """AUROC of a row over the environment that was held out, averaged over both; `None`: it was not run on both."""
    paths = [folder_of(results, split) / f"{name}.json" for split in HELD_OUT_ENVIRONMENTS]
    if not all(path.exists() for path in paths):
        return None
    areas = [json.loads(path.read_text(encoding="utf-8"))["mean"]["auroc"] for path in paths]
    return sum(areas) / len(areas)


def best(results: Path) -> str | None:
    """The candidate of a track that is best on held-out environments; `None`: none was run on both."""
    areas = {name: held_out(results, name) for name in CANDIDATES}
    return max((name for name, area in areas.items() if area is not None), key=lambda name: round(areas[name], 3), default=None)


def may_speak_alone(results: Path, name: str) -> bool:
    """May the row alarm where no rule hit? Only if where it is sure it adds no more than one background alarm in either
    environment that was held out."""
    for split in HELD_OUT_ENVIRONMENTS:
        path = folder_of(results, split) / f"fusion-{name}.json"
        decision = json.loads(path.read_text(encoding="utf-8"))["decision"]
        if decision["sure"]["alarms"]["k"] > decision["rules"]["alarms"]["k"] + 1:
            return False
    return True


def tried_by_hand() -> int:
    """Configurations of the network that were looked at on the test side while it was designed, on feature version 1."""
    return 35


def graph_rows(members: Members, quick: bool = False) -> dict[str, object]:
    """Rows that need torch; `quick` is for tests: one epoch, one configuration, three seeds."""
    few = protocol.SHIPPED_SEEDS
    if quick:
        row = GraphRow(members, (replace(NODE, epochs=1),), seeds=few)
        return {"attempt-node": row, "attempt-mixed": MixedRow(row),
                "anomaly": GraphRow(members, (replace(NODE, epochs=1),), what="mean", seeds=few)}
    return {
        "gat": GraphRow(members, GRID),
        "bag": GraphRow(members, BAG_GRID),
        "attempt-pool": GraphRow(members, (POOL,), seeds=few),
        "attempt-node": GraphRow(members, (NODE,), seeds=few),
        "attempt-skip": GraphRow(members, (SKIP,), seeds=few),
        "attempt-mixed": MixedRow(GraphRow(members, (NODE,), seeds=few)),
        "attempt-chosen": MixedRow(GraphRow(members, GRID, seeds=few)),
        "anomaly": GraphRow(members, (NODE,), what="mean", seeds=few),
        "gat-no-rarity": GraphRow(members, (NODE,), dropped=RARITY, seeds=few),
        "gat-no-command-line": GraphRow(members, (NODE,), dropped=COMMAND_LINE, seeds=few),
    }


def shippable(name: str, members: Members, quick: bool = False):
    """The row as something that gives members; trees ship with a network beside them, for surprise and embedding."""
    if name == "gb-same-features":
        return MixedRow(GraphRow(members, (NODE,), seeds=protocol.SHIPPED_SEEDS), share=1.0)
    return graph_rows(members, quick)[name]


def plain_rows() -> dict[str, object]:
    """Rows that need no torch."""
    return methods.rows()
