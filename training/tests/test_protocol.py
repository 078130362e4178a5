"""The protocol and the metrics do what docs/model.md says."""

import numpy as np
import pytest

from watchfloor_training import metrics, protocol
from watchfloor_training.labels import Stream, short, streams, tail
from watchfloor_training.tables import TableError, Tables


def stream(file, host, attack, windows=(), day="20200101"):
    return Stream(file, host, "attack" if attack else "background", "A", day, tuple(windows))


def test_a_recording_day_is_never_in_two_folds(data):
    train, _ = protocol.sides(data.streams, protocol.split("AB>CE"))
    folds = protocol.day_folds(train)
    assert sorted(i for fold in folds for i in fold) == list(range(len(train)))
    days = [{(train[i].environment, train[i].day) for i in fold} for fold in folds]
    for one in range(len(days)):
        for other in range(one):
            assert not days[one] & days[other]


def test_no_test_stream_is_trained_on(data):
    for split in protocol.SPLITS:
        train, test = protocol.sides(data.streams, split)
        assert train and test
        assert not {s.environment for s in train} & {s.environment for s in test}


def test_the_auroc_counts_ties_as_one_half():
    scores = np.array([3.0, 1.0, 1.0, 0.0])
    attack = np.array([True, True, False, False])
    assert metrics.auroc(scores, attack) == pytest.approx(3.5 / 4)


def test_one_class_has_no_auroc():
    assert np.isnan(metrics.auroc(np.array([1.0, 2.0]), np.array([True, True])))


def test_a_stream_without_a_window_scores_lowest_and_stays_in_the_count():
    some = [stream("f", "a", True), stream("f", "b", False, [0])]
    scores = metrics.stream_scores(some, np.array([0.2]))
    assert scores[0] == metrics.LOWEST
    assert metrics.detected(some, scores, 0.0) == ([], ["f"])


def test_the_poisson_interval_is_exact():
    low, high = metrics.poisson_interval(0, 4.2)
    assert low == 0 and high == pytest.approx(3.6889 / 4.2, abs=1e-3)
    low, high = metrics.poisson_interval(3, 1.0)
    assert (low, high) == (pytest.approx(0.6187, abs=1e-3), pytest.approx(8.7673, abs=1e-3))


def test_overlapping_alarms_are_one_episode_and_seconds_count_once():
    lines = [{"start": e - 180, "end": e, "observed_s": 60.0} for e in (180, 210, 360, 720)]
    got = metrics.alarms([stream("f", "a", False, range(4))], lines, np.array([1.0, 1.0, 0.0, 1.0]), 0.5)
    assert (got.episodes, got.windows_above, got.windows) == (2, 3, 4)
    assert got.hours == pytest.approx(180 / 3600)


def test_a_tie_with_a_background_host_is_not_a_first_rank():
    some = [stream("f", "a", True), stream("f", "b", False), stream("g", "a", True), stream("g", "b", False)]
    assert metrics.rank_in_capture(some, np.array([1.0, 1.0, 2.0, 1.0])) == (1, 2)


def test_paired_resamples_of_equal_scores_do_not_differ():
    some = [stream(f"f{i}", h, h == "a") for i in range(6) for h in "ab"]
    scores = np.arange(12.0)
    attack = np.array([s.attack for s in some])
    draw = metrics.Resampler(some, "capture")
    assert np.nanmax(np.abs(draw.aurocs(scores, attack) - draw.aurocs(2 * scores, attack))) == 0


def test_short_and_full_host_names_are_one_endpoint():
    assert short("WS1.Shire.com") == "ws1" and short("10.0.0.5") == "10.0.0.5"
    assert tail("windows/otrf/A-shire.com/x.json") == tail("/data/A-shire.com/x.json")


def test_streams_that_match_nothing_are_named(laboratory, tmp_path):
    labels = tmp_path / "labels.jsonl"
    labels.write_text('{"file": "windows/otrf/A-one/gone.json", "host": "x", "label": "attack"}\n')
    made, unmatched = streams(Tables(laboratory / "tables"), labels)
    assert len(made) == 1 and made[0].windows == ()
    assert unmatched["without_windows"] == ["A-one/gone.json x (attack)"]
    assert "A-one/20200101T0000_case.json.zst ws1" in unmatched["without_label"]


def test_a_changed_table_is_refused(laboratory, tmp_path):
    import shutil

    copy = tmp_path / "tables"
    shutil.copytree(laboratory / "tables", copy)
    (copy / "node_type.npy").write_bytes(b"no")
    with pytest.raises(TableError, match="not what the manifest says"):
        Tables(copy)
