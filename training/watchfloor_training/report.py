"""Writes docs/model.md from the summary; nothing in it is typed by hand."""

from __future__ import annotations

from . import catalog, protocol, verdicts

SPLIT_TITLES = {
    "A>B": "Trained on A, tested on B", "B>A": "Trained on B, tested on A",
    "AB>CE": "Trained on A and B, tested on C and E (attacks only)",
}


def title(row: str, attempts: dict[str, str]) -> str:
    """What a row is called."""
    return catalog.TITLES.get(row) or attempts.get(row, row)


def alarm_text(alarms: dict) -> str:
    """k, n, T and the exact Poisson interval."""
    low, high = alarms["per_hour_95"]
    return f"{alarms['k']} / {alarms['n']} / {alarms['T_hours']:.2f} h [{low:.2f}, {high:.2f}]"


def span(values: list[float]) -> str:
    """An interval."""
    return f"[{values[0]:.3f}, {values[1]:.3f}]"


def split_table(rows: dict, split: protocol.Split, attempts: dict[str, str]) -> list[str]:
    """The table of one split."""
    if not split.both_classes:
        out = ["| Row | Captures detected | By seed |", "| --- | --- | --- |"]
        for row, splits in rows.items():
            if split.name in splits:
                one = splits[split.name]
                seeds = ", ".join(str(v) for v in one["detected_by_seed"].values())
                out.append(f"| {title(row, attempts)} | {one['detected']} of {one['captures']} | {seeds} |")
        return out
    out = ["| Row | Captures detected | Background alarms: k / n / T [per hour, 95 %] | First in its capture "
           "| AUROC | by captures | by days | AUROC of each seed | Detected, alarms of each seed |",
           "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    for row, splits in rows.items():
        if split.name not in splits:
            continue
        one = splits[split.name]
        seeds = ", ".join(f"{v:.3f}" for v in one["auroc_by_seed"].values())
        each = ", ".join(f"{one['detected_by_seed'][s]}/{one['alarms_by_seed'][s]}" for s in one["auroc_by_seed"])
        out.append(
            f"| {title(row, attempts)} | {one['detected']} of {one['captures']} | {alarm_text(one['alarms'])} "
            f"| {one['rank'][0]} of {one['rank'][1]} | {one['auroc']:.3f} | {span(one['interval_capture'])} "
            f"| {span(one['interval_day'])} | {seeds} | {each} |")
    return out


def difference_table(differences: list[dict], attempts: dict[str, str]) -> list[str]:
    """Paired differences."""
    out = ["| Difference in stream AUROC | A to B | B to A | Average | by captures | by days |",
           "| --- | --- | --- | --- | --- | --- |"]
    for one in differences:
        name = f"{title(one['one'], attempts)} − {title(one['other'], attempts)}"
        cells = [f"{one[s]['difference']:+.3f} {span(one[s]['interval_capture'])}" for s in ("A>B", "B>A")]
        mean = one["average"]
        out.append(f"| {name} | {cells[0]} | {cells[1]} | {mean['difference']:+.3f} "
                   f"| {span(mean['interval_capture'])} | {span(mean['interval_day'])} |")
    return out


COST = ("One core of a shared two-core machine. Memory is the most that the process ever held up to the row's end. "
        "Fitted members are kept, so a row that comes after one with the same members is cheap.")
WHO = {"rules": "rules", "model": "model", "either": "either",
       "sure": "either, the model only where it is as sure as in half of the held-out attacks",
       "confirmed": "either, the model only where a rule of any level hit beside it"}


def explained_lines(part: dict) -> list[str]:
    """A sentence for every background alarm of rules together with the model that ships."""
    out: list[str] = []
    for split, one in part["rows"].get(f"fusion-{part.get('ships')}", {}).items():
        if "explained" in one:
            out += [f"**{SPLIT_TITLES[split]}**", "", *([f"- {text}" for text in one["explained"]] or ["- none"]), ""]
    head = ["### Background alarms of rules and the model that ships, each explained", "",
            "A sentence is made from the columns of the tables: nobody looked at the host and said why.", ""]
    return head + out if out else []


def fusion_lines(rows: dict, ships: str | None) -> list[str]:
    """Rules and model by counts; captures that only one of them finds by name, for the model that ships."""
    out: list[str] = []
    for row, splits in rows.items():
        for split, one in splits.items():
            if "decision" not in one:
                continue
            said = one["decision"]
            out += ["", f"**{catalog.TITLES.get(row, row)}, {SPLIT_TITLES[split]}** (alarm on a rule of medium and "
                    "above, or on the model above its threshold)", ""]
            for who in WHO:
                part = said[who]
                found, missed = (n if isinstance(n, int) else len(n) for n in (part["detected"], part["missed"]))
                alarm = f"; background alarms {alarm_text(part['alarms'])}" if "alarms" in part else ""
                out.append(f"- {WHO[who]}: {found} of {found + missed} captures{alarm}")
            if row != f"fusion-{ships}":
                continue
            for key, text in (("only_model", "found by the model, missed by rules"),
                              ("only_rules", "found by rules, missed by the model")):
                names = ", ".join(f"`{n}`" for n in said[key]) or "none"
                out.append(f"- {text}: {names}")
    return out


def missing_lines(tracks: dict, attempts: dict[str, str]) -> list[str]:
    """Rows that no result file is there for: a table with gaps says so."""
    out = []
    for track in ("full", "reduced"):
        rows = tracks.get(track, {}).get("rows", {})
        for split in protocol.SPLITS:
            gone = [title(r, attempts) for r in [*catalog.TITLES, *attempts] if split.name not in rows.get(r, {})]
            if gone:
                out.append(f"- {track} track, {SPLIT_TITLES[split.name].lower()}: {'; '.join(gone)}")
    return ["## Not run yet", "", *out, ""] if out else []


def cost_lines(tracks: dict, attempts: dict[str, str]) -> list[str]:
    """Wall time, memory and configurations."""
    out = ["| Row | Configurations tried (per split and track) | Wall time of all splits and tracks, s | Peak memory, MiB |",
           "| --- | --- | --- | --- |"]
    names = dict.fromkeys(row for t in tracks.values() for row in t["rows"])
    for row in names:
        lines = [one for t in tracks.values() for one in t["rows"].get(row, {}).values()]
        wall = sum(one["wall_s"] or 0 for one in lines)
        peak = max((one["peak_mib"] or 0) for one in lines)
        tried = max(one["configurations_tried"] for one in lines)
        out.append(f"| {title(row, attempts)} | {tried} | {wall:.0f} | {peak} |")
    return out


def text(summary: dict, attempts: dict[str, str], intro: str, linux: str) -> str:
    """The whole page."""
    out = [intro.rstrip(), "", *verdicts.lines(summary)]
    for track, part in summary["tracks"].items():
        out += [f"## Windows, {track} track", ""]
        for split in protocol.SPLITS:
            out += [f"### {SPLIT_TITLES[split.name]}", "", *split_table(part["rows"], split, attempts), ""]
        out += ["### Paired differences", "", *difference_table(part["differences"], attempts), "",
                "### Rules and model", *fusion_lines(part["rows"], part.get("ships")), "", *explained_lines(part)]
    out += [linux.rstrip(), "", *missing_lines(summary["tracks"], attempts), "## Cost", "", COST, "", *cost_lines(summary["tracks"], attempts), ""]
    return "\n".join(out)
