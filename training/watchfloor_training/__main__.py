"""`python -m watchfloor_training features|train|evaluate|export|verify|speed`: one command each."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

TRACKS = ("full", "reduced")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="watchfloor_training", description=__doc__)
    top.add_argument("--data", type=Path, default=Path("../../shared/data"), help="the shared data folder")
    top.add_argument("--work", type=Path, default=Path("work"), help="tables, members and raw results (not committed)")
    top.add_argument("--quick", action="store_true", help="for tests: one epoch, and few rows")
    sub = top.add_subparsers(dest="command", required=True)
    one = sub.add_parser("features", help="write all tables with `watchfloor model features`")
    one.add_argument("--watchfloor", type=Path, required=True, help="the watchfloor binary")
    one.add_argument("--rules", default="builtin", help="Sigma rules, judged beside the features; as `model eval` without it")
    one = sub.add_parser("train", help="fit and score the rows of the table")
    one.add_argument("--track", action="append", choices=TRACKS)
    one.add_argument("--split", action="append")
    one.add_argument("--row", action="append", help="only these rows; `plain` is all without torch")
    one.add_argument("--linux", action="store_true", help="the Linux rows instead")
    one.add_argument("--threads", type=int, default=1)
    one = sub.add_parser("evaluate", help="gather results into training/results and docs/model.md")
    one.add_argument("--docs", type=Path, default=Path("../docs/model.md"))
    one.add_argument("--results", type=Path, default=Path("results"))
    one = sub.add_parser("export", help="fit the shipped members and write the model folders")
    one.add_argument("--out", type=Path, default=Path("../config/models"))
    one.add_argument("--date", default="20261127")
    one.add_argument("--split", default="AB>CE", help="train on this split's environments (the row stays the one that ships, which is AB>CE)")
    one.add_argument("--results", type=Path, default=Path("results"))
    one.add_argument("--platform", choices=("windows", "linux"), action="append")
    one = sub.add_parser("verify", help="run the shipped folders in the product, beside the tables")
    one.add_argument("--watchfloor", type=Path, required=True, help="the watchfloor binary")
    one.add_argument("--models", type=Path, default=Path("../config/models"))
    one = sub.add_parser("speed", help="one window of 100 nodes: the product's runtimes beside PyTorch")
    one.add_argument("--watchfloor", type=Path, required=True, help="the watchfloor binary")
    one.add_argument("--model", type=Path, default=Path("../config/models/windows-reduced-20261127"))
    one.add_argument("--library", help="ONNX Runtime's library, where it is not found by itself")
    one = sub.add_parser("sample", help="write untrained folders for tests of the loader")
    one.add_argument("--out", type=Path, required=True)
    return top


QUICK_ROWS = ("always-alarm", "count-lr", "count-gb", "gb-same-features", "sigma-level")


def data_of(args, track: str, history: str):
    """Tables and streams of one track and history."""
    from . import features, labels
    from .methods import Data
    from .tables import Tables

    tables = Tables(features.windows_tables(args.work, track, history))
    streams, unmatched = labels.streams(tables, args.data / "windows/otrf/labels.jsonl")
    for name, items in unmatched.items():
        if items:
            print(f"{track}, history {history}: {len(items)} streams {name.replace('_', ' ')}", file=sys.stderr)
    return Data(tables, streams)


def train(args) -> None:
    """Fits and scores rows; finished ones are kept."""
    from . import catalog, experiment, fusion, protocol
    from .graph_rows import Members

    members = Members(args.work / "members", args.threads)
    plain, graphs = catalog.plain_rows(), catalog.graph_rows(members, args.quick)
    wanted = args.row or ["plain", *graphs]
    if args.quick:
        plain = {name: plain[name] for name in QUICK_ROWS}
    names = [n for w in wanted for n in (plain if w == "plain" else [w])]
    for track in args.track or TRACKS:
        for split in protocol.SPLITS:
            if args.split and split.name not in args.split:
                continue
            data = data_of(args, track, split.train)
            judged = sum(w.get("rule_level") is not None for w in data.tables.windows)
            print(f"{track} {split.name}: {judged} of {len(data.tables)} windows hold a rule hit", flush=True)
            folder = args.work / "results" / track
            for name in names:
                result = experiment.run(name, plain.get(name) or graphs[name], data, split, folder)
                mean = result["mean"]
                print(track, split.name, name, f"{len(mean['detected'])} detected", mean.get("auroc"),
                      mean.get("alarms", {}).get("k"), f"{result['wall_s']} s", flush=True)
                if name in catalog.CANDIDATES:
                    fusion.run(name, data, split, folder)


def train_linux(args) -> None:
    """All Linux rows."""
    from . import linux
    from .graph_rows import Members
    from .methods import Data
    from .tables import Tables

    folder = args.work / "features"
    both, first = Data(Tables(folder / "linux-12"), []), Data(Tables(folder / "linux-1"), [])
    linux.run(both, first, Members(args.work / "members", args.threads),
              args.data / "linux/benign_lab", args.work / "results" / "linux.json")


def evaluate(args) -> None:
    """Writes results/summary.json and docs/model.md."""
    from . import catalog, linux, report, summary, verify

    results = args.work / "results"
    whole = {"tracks": {t: summary.track(results, t) for t in TRACKS if (results / t).exists()}}
    whole["features"] = {path.parent.name: json.loads(path.read_text(encoding="utf-8"))["sha256"]
                         for path in sorted((args.work / "features").glob("*/manifest.json"))}
    section = ""
    if (results / "linux.json").exists():
        whole["linux"] = json.loads((results / "linux.json").read_text(encoding="utf-8"))
        section = linux.markdown(whole["linux"])
    if (results / "product.json").exists():
        whole["product"] = json.loads((results / "product.json").read_text(encoding="utf-8"))
        section += "\n" + verify.markdown(whole["product"])
    args.results.mkdir(parents=True, exist_ok=True)
    (args.results / "summary.json").write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    intro = (Path(__file__).parent / "model_intro.md").read_text(encoding="utf-8")
    args.docs.write_text(report.text(whole, catalog.ATTEMPTS, intro, section), encoding="utf-8")


def main(words: list[str] | None = None) -> None:
    """Runs one command."""
    args = parser().parse_args(words)
    if args.command == "features":
        from . import features

        features.windows(args.watchfloor, args.data, args.work, args.rules)
        features.linux(args.watchfloor, args.data, args.work, args.rules)
    elif args.command == "train":
        train_linux(args) if args.linux else train(args)
    elif args.command == "evaluate":
        evaluate(args)
    elif args.command == "verify":
        from . import verify

        print(json.dumps(verify.run(args.watchfloor, args.models, args.data, args.work), indent=1))
    elif args.command == "speed":
        from . import speed

        print("\n".join(speed.compare(args.watchfloor, args.model, args.library)))
    elif args.command == "export":
        from . import ship

        ship.run(args)
    else:
        from . import sample

        for platform in ("windows", "linux"):
            print(platform, sample.write(args.out / platform, platform))


if __name__ == "__main__":
    main()
