"""Metrics over streams: before budget, fusion and chaining."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from .labels import Stream

LOWEST = -1e9
"""Score of a stream that no window speaks for."""
BOOTSTRAP = 2000


def stream_scores(streams: list[Stream], window_scores: np.ndarray) -> np.ndarray:
    """The highest window of every stream."""
    return np.array([max((window_scores[w] for w in s.windows), default=LOWEST) for s in streams])


def wins(scores: np.ndarray, attack: np.ndarray) -> np.ndarray:
    """Attack x background: 1 where the attack is higher, one half where equal."""
    high, low = scores[attack][:, None], scores[~attack][None, :]
    return (high > low) + 0.5 * (high == low)


def auroc(scores: np.ndarray, attack: np.ndarray) -> float:
    """Area under the ROC curve; not a number when a class is missing."""
    return float(wins(scores, attack).mean()) if attack.any() and (~attack).any() else float("nan")


def rank_in_capture(streams: list[Stream], scores: np.ndarray) -> tuple[int, int]:
    """Captures whose attacked host is above every background host, of how many."""
    first = total = 0
    for file in sorted({s.file for s in streams}):
        inside = [i for i, s in enumerate(streams) if s.file == file]
        high = [scores[i] for i in inside if streams[i].attack]
        low = [scores[i] for i in inside if not streams[i].attack]
        if high and low:
            total += 1
            first += int(max(high) > max(low))
    return first, total


def detected(streams: list[Stream], scores: np.ndarray, threshold: float) -> tuple[list[str], list[str]]:
    """Captures with an attack stream above the threshold, and those without."""
    files = {s.file for s in streams if s.attack}
    hit = {s.file for s, score in zip(streams, scores) if s.attack and score > threshold}
    return sorted(hit), sorted(files - hit)


def poisson_interval(k: int, hours: float, level: float = 0.95) -> tuple[float, float]:
    """Exact interval of a rate an hour from k events in `hours`."""
    if hours <= 0:
        return 0.0, float("inf")
    edge = (1 - level) / 2
    low = 0.0 if k == 0 else chi2.ppf(edge, 2 * k) / 2
    return float(low / hours), float(chi2.ppf(1 - edge, 2 * k + 2) / 2 / hours)


@dataclass(frozen=True)
class Alarms:
    """Alarms on background: episodes, windows, and how long was looked at."""

    episodes: int
    windows_above: int
    windows: int
    hours: float
    where: tuple[str, ...]

    def line(self) -> dict:
        """As it is written in result files."""
        low, high = poisson_interval(self.episodes, self.hours)
        return {"k": self.episodes, "k_windows": self.windows_above, "n": self.windows,
                "T_hours": round(self.hours, 4), "per_hour_95": [round(low, 3), round(high, 3)],
                "where": list(self.where)}


def alarms(streams: list[Stream], windows: list[dict], scores: np.ndarray, threshold: float) -> Alarms:
    """Overlapping windows above the threshold are one episode.

    T adds the observed seconds of the windows on the disjoint grid (ends that are
    multiples of the window length), so that no second counts twice.
    """
    episodes = above = count = 0
    seconds, where = 0.0, []
    for stream in streams:
        last_end = None
        for number in sorted(stream.windows, key=lambda w: windows[w]["end"]):
            line = windows[number]
            count += 1
            length = round(line["end"] - line["start"])
            if round(line["end"]) % length == 0:
                seconds += line["observed_s"]
            if scores[number] > threshold:
                above += 1
                if last_end is None or line["start"] > last_end:
                    episodes += 1
                    where.append(f"{stream.file} {stream.host}")
                last_end = line["end"]
    return Alarms(episodes, above, count, seconds / 3600, tuple(where))


class Resampler:
    """Bootstrap weights of streams, by capture or by recording day."""

    def __init__(self, streams: list[Stream], by: str, seed: int = 20261126) -> None:
        keys = [s.file if by == "capture" else s.day for s in streams]
        names = sorted(set(keys))
        self.group = np.array([names.index(k) for k in keys])
        rng = np.random.default_rng(seed)
        drawn = rng.integers(0, len(names), (BOOTSTRAP, len(names)))
        self.weights = np.stack([np.bincount(row, minlength=len(names)) for row in drawn])

    def aurocs(self, scores: np.ndarray, attack: np.ndarray) -> np.ndarray:
        """AUROC of every resample; not a number where a class was not drawn."""
        table = wins(scores, attack)
        weight = self.weights[:, self.group].astype(float)
        high, low = weight[:, attack], weight[:, ~attack]
        total = high.sum(1) * low.sum(1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.einsum("bi,ij,bj->b", high, table, low, optimize=True) / total


def interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of bootstrap values."""
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return float("nan"), float("nan")
    edge = 100 * (1 - level) / 2
    low, high = np.percentile(values, [edge, 100 - edge])
    return float(low), float(high)
