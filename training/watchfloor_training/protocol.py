"""What is trained where, and the folds inside the training environments."""

from __future__ import annotations

from dataclasses import dataclass

from .labels import Stream, chosen

FOLDS = 3
SEEDS = (1, 2, 3, 4, 5)
SHIPPED_SEEDS = (1, 2, 3)
"""Fixed before any result: the mean of the members with these seeds is what ships."""


@dataclass(frozen=True)
class Split:
    """One direction of the protocol."""

    name: str
    train: str
    test: str

    @property
    def both_classes(self) -> bool:
        """Whether the test side holds background, so that an AUROC exists."""
        return self.test in ("A", "B")


SPLITS = (Split("A>B", "A", "B"), Split("B>A", "B", "A"), Split("AB>CE", "AB", "CE"))


def split(name: str) -> Split:
    """The split of a name."""
    return next(one for one in SPLITS if one.name == name)


def day_folds(streams: list[Stream], folds: int = FOLDS) -> list[list[int]]:
    """Positions of the held-out streams of each fold; a recording day is never cut.

    Days go, largest first, to the fold that holds the fewest streams so far.
    """
    days: dict[tuple[str, str], list[int]] = {}
    for position, stream in enumerate(streams):
        days.setdefault((stream.environment, stream.day), []).append(position)
    parts: list[list[int]] = [[] for _ in range(min(folds, len(days)))]
    for _, members in sorted(days.items(), key=lambda item: (-len(item[1]), item[0])):
        min(parts, key=len).extend(members)
    return [sorted(part) for part in parts if part]


def sides(all_streams: list[Stream], one: Split) -> tuple[list[Stream], list[Stream]]:
    """Training and test streams of a split."""
    return chosen(all_streams, one.train), chosen(all_streams, one.test)
