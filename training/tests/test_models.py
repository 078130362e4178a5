"""The network, its ONNX twin, its float64 twin and the learning loop agree."""

import json

import numpy as np
import onnxruntime
import pytest
import torch

from watchfloor_training import artifact, experiment, graph_rows, learn, methods, passes, protocol, sample, synthetic
from watchfloor_training.batches import Windows
from watchfloor_training.encoder import GraphModel
from watchfloor_training.learn import Plan
from watchfloor_training.spec import Shape

SMALL = Plan(epochs=4, streams_a_batch=4)


@pytest.mark.parametrize("bag", [False, True])
@pytest.mark.parametrize("attack, readout", [(True, "pool"), (True, "node"), (True, "skip"), (False, "pool")])
def test_onnx_and_float64_agree_also_without_edges(bag, attack, readout):
    torch.manual_seed(3)
    model = GraphModel(Shape(9, 3, attack_head=attack, readout=readout), bag).eval()
    rng = np.random.default_rng(1)
    windows = [synthetic.window(rng, n, e, 9, 3) for n, e in ((40, 90), (2, 1), (1, 0))]
    assert artifact.check(sample.member(model, 3), windows) < 2e-5


@pytest.mark.parametrize("readout", ["pool", "node", "skip"])
def test_a_batch_gives_what_single_windows_give(data, readout):
    torch.manual_seed(3)
    model = GraphModel(Shape(12, 4, readout=readout)).eval()
    model.shift.fill_(0.3)
    model.scale.fill_(1.7)
    model.limit.fill_(1.5)
    member = sample.member(model, 3)
    windows = Windows(data.tables)
    numbers = np.arange(6)
    batched = learn.attack_logits(model, windows, numbers)
    surprise = learn.surprises(model, windows, numbers, ("mean",))["mean"]
    for number in numbers:
        window = data.tables.tensors(number)
        alone = member.reference(passes.whole(window))["attack_logit"][0]
        assert batched[number] == pytest.approx(alone, abs=1e-4)
        asked = [member.reference(passes.hide(window, turn))["query_nll"] for turn in range(4)]
        assert surprise[number] == pytest.approx(np.concatenate(asked).mean(), abs=1e-4)


def test_an_edge_and_its_twin_are_hidden_together():
    window = synthetic.window(np.random.default_rng(2), 8, 11, 5, 2)
    seen = np.concatenate([passes.hide(window, turn)["query_index"].T for turn in range(4)])
    assert len(seen) == 11
    for turn in range(4):
        hidden = passes.hide(window, turn)
        half = hidden["edge_index"].shape[1] // 2
        assert (hidden["edge_index"][0, :half] == hidden["edge_index"][1, half:]).all()


def test_the_network_learns_a_planted_attack_and_the_run_is_repeatable(data, tmp_path):
    split = protocol.split("A>B")
    train, test = protocol.sides(data.streams, split)
    row = graph_rows.GraphRow(graph_rows.Members(tmp_path / "one"), (Plan(epochs=30, streams_a_batch=4),), seeds=(1,))
    wanted = experiment.wanted_of(test)
    scores = row.fit(data, train, row.grid[0], 1, wanted)
    attack = np.array([s.attack for s in test])
    from watchfloor_training.metrics import auroc, stream_scores

    assert auroc(stream_scores(test, scores), attack) > 0.9
    again = graph_rows.GraphRow(graph_rows.Members(tmp_path / "two"), (Plan(epochs=30, streams_a_batch=4),), seeds=(1,))
    assert (again.fit(data, train, again.grid[0], 1, wanted) == scores).all()


def test_labels_of_test_streams_do_not_reach_a_score(data, tmp_path):
    import dataclasses

    split = protocol.split("A>B")
    train, test = protocol.sides(data.streams, split)
    turned = [dataclasses.replace(s, label="background" if s.attack else "attack") if s in test else s for s in data.streams]
    other = methods.Data(data.tables, turned)
    for name in ("count-lr", "gb-same-features"):
        method = methods.rows()[name]
        assert (method.fit(data, train, method.grid[0], 1) == method.fit(other, train, method.grid[0], 1)).all()


def test_every_plain_row_runs_and_writes_its_counts_first(data, tmp_path):
    for name in ("always-alarm", "powershell-events", "forest-counts", "sigma-sum"):
        result = experiment.run(name, methods.rows()[name], data, protocol.split("A>B"), tmp_path)
        assert result["mean"]["alarms"]["n"] > 0
        assert len(result["mean"]["scores"]) == len(result["streams"]) == 16
    kept = experiment.run("always-alarm", None, data, protocol.split("A>B"), tmp_path)
    assert kept["mean"]["auroc"] == 0.5


def test_an_artifact_folder_says_what_its_files_are(tmp_path):
    assert sample.write(tmp_path, "windows", features=6, edge_features=2) < 2e-5
    import hashlib
    import tomllib

    manifest = tomllib.loads((tmp_path / "manifest.toml").read_text())
    golden = json.loads((tmp_path / "golden.json").read_text())
    for member, said in zip(manifest["members"], golden["outputs"]):
        data = (tmp_path / member["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == member["sha256"]
        inputs = golden["inputs"]
        n, e, q = inputs["nodes"], inputs["edges"], inputs["queries"]
        feed = {
            "node_features": np.array(inputs["node_features"], np.float32).reshape(n, 6),
            "node_type": np.array(inputs["node_type"]), "edge_index": np.array(inputs["edge_index"]).reshape(2, e),
            "edge_type": np.array(inputs["edge_type"]),
            "edge_features": np.array(inputs["edge_features"], np.float32).reshape(e, 2),
            "query_index": np.array(inputs["query_index"]).reshape(2, q), "query_type": np.array(inputs["query_type"]),
        }
        run = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        got = dict(zip((o.name for o in run.get_outputs()), run.run(None, feed)))
        for name, value in got.items():
            assert np.abs(value - np.array(said[name])).max() < golden["tolerance"]


def test_trees_in_onnx_say_what_scikit_learn_says(data):
    from watchfloor_training import aggregates, ship

    train, _ = protocol.sides(data.streams, protocol.split("A>B"))
    boosted = methods.Boosting(graph=True)
    config = {"trees": 30, "depth": 3, "columns": 0.5, "mil": 0}
    scores = boosted.fit(data, train, config, 1)
    torch.manual_seed(1)
    model = GraphModel(Shape(12, 4)).eval()
    member = ship.mixed_member(model, boosted.model, aggregates.of_window, 1.0, 1)
    windows = [data.tables.tensors(n) for n in range(8)]
    assert artifact.check(member, windows) < 1e-4
    for number, window in enumerate(windows):
        assert member.reference(passes.whole(window))["attack_logit"][0] == pytest.approx(scores[number], abs=1e-4)
    empty = {**windows[0], "edge_index": np.zeros((2, 0), np.int64), "edge_type": np.zeros(0, np.int64),
             "edge_features": np.zeros((0, 4), np.float32)}
    assert artifact.check(member, [empty]) < 1e-4
