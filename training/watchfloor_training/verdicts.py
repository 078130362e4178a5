"""What was asked of the models before they were made, and whether the tables show it."""

from __future__ import annotations

from . import catalog

FLOORS = {"full": {"B>A": 0.98, "A>B": 0.89}, "reduced": {"B>A": 0.88, "A>B": 0.83}}
"""Stream AUROC that the event-count logistic regression must reach, so that nobody beats a starved baseline."""
TEST_SIDE = {"B>A": "test A", "A>B": "test B"}
NOT_BELOW = -0.03
"""How far below the counts a graph may be on the full track, at the lower end of the interval."""


def said(holds: bool) -> str:
    """The word for it."""
    return "holds" if holds else "**does not hold**"


def title(row: str) -> str:
    """What a row is called."""
    return catalog.TITLES.get(row) or catalog.ATTEMPTS.get(row, row)


def floors(tracks: dict) -> list[str]:
    """Whether the count baseline was fed."""
    out = []
    for track, wanted in FLOORS.items():
        rows = tracks.get(track, {}).get("rows", {}).get("count-lr", {})
        for split, floor in wanted.items():
            if split in rows:
                area = rows[split]["auroc"]
                out.append(f"- Floor of the event-count logistic regression, {track} track, {TEST_SIDE[split]}: {area:.3f}, "
                           f"wanted {floor:.2f}: {said(round(area, 3) >= floor)}.")
    return out


def graphs(tracks: dict) -> list[str]:
    """Whether a graph earns its place on the reduced track, and costs nothing on the full one."""
    out = []
    reduced, full = tracks.get("reduced", {}), tracks.get("full", {})
    rivals = (reduced.get("better_of_counts"), "gb-same-features", "bag")
    for one in reduced.get("differences", []):
        if one["other"] in rivals and (one["one"] == "gat" or one["one"] in catalog.ATTEMPTS):
            mean = one["average"]
            low, high = mean["interval_capture"]
            out.append(f"- Reduced track, {title(one['one'])} − {title(one['other'])}, wanted above 0: {mean['difference']:+.3f} "
                       f"[{low:.3f}, {high:.3f}]: {said(low > 0)}.")
    for one in full.get("differences", []):
        if one["other"] == "count-lr" and (one["one"] == "gat" or one["one"] in catalog.ATTEMPTS):
            mean = one["average"]
            low, high = mean["interval_capture"]
            ships = ", which ships" if one["one"] == full.get("ships") else ""
            out.append(f"- Full track, {title(one['one'])}{ships} − {title('count-lr')}, lower end wanted at or above {NOT_BELOW}: "
                       f"{mean['difference']:+.3f} [{low:.3f}, {high:.3f}]: {said(low >= NOT_BELOW)}.")
    return out


def together(tracks: dict) -> list[str]:
    """Whether rules and the model that ships find what rules find, at the price of one alarm more."""
    out = []
    for track, part in tracks.items():
        row = f"fusion-{part.get('ships')}"
        for split, one in part["rows"].get(row, {}).items():
            decision = one["decision"]
            rules = set(decision["rules"]["detected"])
            sure = "alarm on either, the model only where a rule hit beside it or where it is sure"
            never = "alarm on either, the model only where a rule hit beside it"
            shipped = " (**as shipped**)"
            ways = {"alarm on either": decision["either"],
                    sure + shipped * part["alone"]: decision["sure"],
                    never + shipped * (not part["alone"]): decision["confirmed"],
                    "the learnt score": {"detected": one["found"], **({"alarms": one["alarms"]} if "alarms" in one else {})}}
            for way, found in ways.items():
                text = f"- {track} track, {split}, {title(row)}, {way}: {len(rules & set(found['detected']))} of the {len(rules)} " \
                       f"captures that rules find"
                holds = rules <= set(found["detected"])
                if "alarms" in found:
                    ours, theirs = found["alarms"]["k"], decision["rules"]["alarms"]["k"]
                    text += f", {ours} background alarms beside {theirs} of rules (wanted at most {theirs + 1})"
                    holds = holds and ours <= theirs + 1
                out.append(f"{text}: {said(holds)}.")
    return out


def lines(summary: dict) -> list[str]:
    """The section of the page."""
    tracks = summary["tracks"]
    ships = [f"- {track} track: {title(part['ships'])} ships, since its AUROC over held-out environments (A to B and B to A, "
             "averaged) is the highest of those that can (counts cannot: the product has no model of that kind): "
             + ", ".join(f"{title(name)} {value:.4f}" for name, value in part["held_out"].items())
             + (". Where it is sure it may alarm alone." if part["alone"] else ". It never alarms alone: in a held-out "
                "environment that would add more than one background alarm.")
             for track, part in tracks.items() if part.get("ships")]
    return ["## What was asked, and what holds", "", *ships, *floors(tracks), *graphs(tracks), *together(tracks), ""]
