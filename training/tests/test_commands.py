"""From tables to model folders with the commands a user types, on a made-up laboratory."""

import json
import tomllib

from watchfloor_training.__main__ import main


def test_train_evaluate_and_export_end_to_end(laboratory, tmp_path):
    work = tmp_path / "work"
    for history in ("A", "B", "AB"):
        (work / "features").mkdir(parents=True, exist_ok=True)
        (work / "features" / f"windows-reduced-{history}").symlink_to(laboratory / "tables")
    data = tmp_path / "data"
    (data / "windows/otrf").mkdir(parents=True)
    (data / "windows/otrf/labels.jsonl").write_bytes((laboratory / "labels.jsonl").read_bytes())
    common = ["--data", str(data), "--work", str(work), "--quick"]
    main([*common, "train", "--track", "reduced"])
    docs, results = tmp_path / "model.md", tmp_path / "results"
    main([*common, "evaluate", "--docs", str(docs), "--results", str(results)])
    page = docs.read_text()
    assert "Trained on A, tested on B" in page and "0.500" in page
    assert "GAT, try 4: mean of its log-odds and of gradient boosting on the same features − Event-count" in page
    only_attacks = page.split("### Trained on A and B, tested on C and E (attacks only)")[1].split("###")[0]
    assert "of 8" in only_attacks and "AUROC" not in only_attacks
    main([*common, "export", "--out", str(tmp_path / "models"), "--platform", "windows", "--results", str(results)])
    folder = tmp_path / "models/windows-reduced-20261127"
    manifest = tomllib.loads((folder / "manifest.toml").read_text())
    assert len(manifest["members"]) == 3 and manifest["track"] == "reduced"
    held = json.loads((work / "results/reduced/AB-CE" / f"{manifest['row']}.json").read_text())
    assert manifest["thresholds"]["attack"] == held["mean"]["threshold"]
    assert "What it cannot do" in (folder / "MODEL_CARD.md").read_text()
