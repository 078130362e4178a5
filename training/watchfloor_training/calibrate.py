"""From log-odds to chances: one temperature for all members of a row, from held-out scores only."""

from __future__ import annotations

import numpy as np

from .metrics import LOWEST

TEMPERATURES = np.geomspace(1.0, 16.0, 49)
"""Never below 1: held-out streams that are separated without a fault are no reason to be surer still."""
ODDS_LIMIT = 80.0


def chance(odds: np.ndarray, temperature: float) -> np.ndarray:
    """Chances in single precision, as the product has them; a window without a score keeps none."""
    scaled = np.clip(odds / temperature, -ODDS_LIMIT, ODDS_LIMIT)
    found = (1 / (1 + np.exp(-scaled))).astype(np.float32).astype(float)
    return np.where(odds > LOWEST / 2, found, LOWEST)


def loss(odds: np.ndarray, attack: np.ndarray, temperature: float) -> float:
    """Mean negative log-likelihood; both classes weigh the same."""
    scaled = odds / temperature
    said = np.logaddexp(0, np.where(attack, -scaled, scaled))
    return float(np.mean([said[attack == side].mean() for side in (True, False) if (attack == side).any()]))


def temperature(held: list[np.ndarray], attack: np.ndarray) -> float:
    """The temperature that fits the held-out log-odds of whole streams best; the lowest of equals."""
    odds = np.concatenate(held)
    side = np.tile(attack, len(held))
    there = odds > LOWEST / 2
    if not there.any():
        return 1.0
    losses = [loss(odds[there], side[there], value) for value in TEMPERATURES]
    return round(float(TEMPERATURES[int(np.argmin(losses))]), 4)


def held_out_loss(odds: np.ndarray, attack: np.ndarray) -> float:
    """Loss of whole held-out streams at the temperature that fits them best."""
    there = odds > LOWEST / 2
    return loss(odds[there], attack[there], temperature([odds], attack))
