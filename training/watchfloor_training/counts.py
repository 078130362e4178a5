"""Event counts by channel and code: what the count baselines see."""

from __future__ import annotations

import numpy as np

from .tables import Tables

POWERSHELL = ("4103", "4104", "400", "403", "600", "800")


def vocabulary(tables: Tables, numbers: list[int]) -> list[str]:
    """Event codes of the training windows, in name order."""
    return sorted({code for n in numbers for code in tables.windows[n]["counts"]})


def matrix(tables: Tables, codes: list[str]) -> np.ndarray:
    """Windows x codes; a code that training never saw is not counted."""
    place = {code: i for i, code in enumerate(codes)}
    out = np.zeros((len(tables), len(codes)))
    for row, window in enumerate(tables.windows):
        for code, count in window["counts"].items():
            if code in place:
                out[row, place[code]] = count
    return out


def observed(tables: Tables) -> np.ndarray:
    """Observed seconds of every window; one second at least."""
    return np.array([max(w["observed_s"], 1.0) for w in tables.windows])


def total(tables: Tables) -> np.ndarray:
    """All events of the endpoint in the window."""
    return np.array([float(sum(w["counts"].values())) for w in tables.windows])


def powershell(tables: Tables) -> np.ndarray:
    """PowerShell engine, module and script block events."""
    def one(window: dict) -> float:
        return float(sum(n for code, n in window["counts"].items()
                         if "powershell" in code.lower() and code.rsplit(":", 1)[-1] in POWERSHELL))
    return np.array([one(w) for w in tables.windows])


def transform(values: np.ndarray, seconds: np.ndarray, how: str) -> np.ndarray:
    """`log`, `binary`, `rate` (a minute, logged) or `both` (log and binary)."""
    if how == "log":
        return np.log1p(values)
    if how == "binary":
        return (values > 0).astype(float)
    if how == "rate":
        return np.log1p(60 * values / seconds[:, None])
    return np.concatenate([np.log1p(values), values > 0], 1).astype(float)


SIGMA_WEIGHTS = {"low": 1, "medium": 5, "high": 25, "critical": 100}
SIGMA_LEVELS = {None: 0, "info": 1, "low": 2, "medium": 3, "high": 4, "critical": 5}
SIGMA_MEDIUM = SIGMA_LEVELS["medium"]


def sigma_level(tables: Tables) -> np.ndarray:
    """Highest rule level of the window."""
    return np.array([float(SIGMA_LEVELS.get(w.get("rule_level"), 0)) for w in tables.windows])


def sigma_sum(tables: Tables) -> np.ndarray:
    """Rule hits weighted 1, 5, 25, 100."""
    def one(window: dict) -> float:
        return float(sum(SIGMA_WEIGHTS.get(level, 0) * n for level, n in (window.get("rule_levels") or {}).items()))
    return np.array([one(w) for w in tables.windows])
