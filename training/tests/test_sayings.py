"""Chances, sentences about alarms, and what was asked of the models."""

import numpy as np

from watchfloor_training import calibrate, explain, metrics, protocol, verdicts


def test_held_out_streams_that_are_too_sure_are_cooled_and_perfect_ones_are_left():
    attack = np.array([True] * 10 + [False] * 10)
    sure = np.where(attack, 9.0, -9.0)
    wrong = sure.copy()
    wrong[[0, 1, 10, 11]] *= -1
    assert calibrate.temperature([sure], attack) == 1.0
    assert calibrate.temperature([wrong], attack) > 3.0


def test_a_chance_keeps_the_order_and_a_window_without_a_score_has_none():
    odds = np.array([metrics.LOWEST, -500.0, -2.0, 0.0, 2.0, 500.0])
    said = calibrate.chance(odds, 2.0)
    assert said[0] == metrics.LOWEST and said[3] == 0.5
    assert (np.diff(said) > 0).all() and said[1] >= 0 and said[-1] <= 1


def test_every_background_alarm_has_a_sentence_with_counts_and_reason(data):
    train, test = protocol.sides(data.streams, protocol.split("A>B"))
    flags, scores = np.ones(len(data.tables)), np.full(len(data.tables), 0.75)
    scores[::2] = 0.25
    said = explain.alarms(explain.Explainer(data, train), test, flags, scores, 0.5)
    counted = metrics.alarms([s for s in test if not s.attack], data.tables.windows, flags, 0.5)
    assert len(said) == counted.episodes > 0
    for sentence in said:
        assert "the model at 0.750 above 0.500" in sentence and " events in " in sentence and sentence.endswith(".")


def test_a_floor_that_is_not_reached_is_said_so():
    rows = {"count-lr": {"B>A": {"auroc": 0.97}, "A>B": {"auroc": 0.93}}}
    low, high = verdicts.floors({"full": {"rows": rows}})
    assert low.endswith("wanted 0.98: **does not hold**.") and high.endswith("wanted 0.89: holds.")
