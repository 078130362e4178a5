"""MODEL_CARD.md from a manifest and the summary: what a model cannot do comes first."""

from __future__ import annotations

WINDOWS_LIMITS = """
- Trained and tested on two small labs of 2019 and 2020 in which one operator ran one technique at a time, mostly with
  the same two tool sets. Nothing here says how it does on an office network.
- Every background stream is **idle lab background**: no user works there. A model that only knows idle hosts may
  alarm on ordinary administration. That is why alarms come from a budget and from calibration on an endpoint's own
  history, and not from the threshold below.
- All background together is a few observed hours. No alarm in that time would only prove fewer than about 17 a day,
  so no rate per endpoint-day is stated.
- The threshold does not travel. Without PowerShell's records, learnt on A it was so low that many idle hosts of B were above
  it, and learnt on B so high that few attacks of A were. In the order of streams it is not better than counting events.
- Endpoints without Sysmon give a graph with few processes, files and loads: expect the worse of the numbers below.
- A window with fewer than two nodes gets no verdict (`error`).
""".strip()

LINUX_LIMITS = """
- An anomaly model: it says that a window is unlike benign lab work of five endpoints, never that it is an attack.
- Trained on 42 minutes of scripted work. Work that these endpoints never did is surprising too.
- The attack episodes were scripted by the same hand as the ordinary work, and there are eight: read the counts as counts.
- Another sensor (Sysmon for Linux, cloud audit agents) gives other graphs; what it says there is anecdotal.
- No rate per day is stated.
- At its threshold it finds few of the episodes or none: it orders windows, and an endpoint's own history has to say what is much.
""".strip()


def windows_rows(manifest: dict, summary: dict) -> list[str]:
    """The shipped row's counts by split."""
    from .report import SPLIT_TITLES, alarm_text

    out = []
    for split, one in summary["tracks"][manifest["track"]]["rows"][manifest["row"]].items():
        text = f"- {SPLIT_TITLES[split]}: {one['detected']} of {one['captures']} captures detected"
        if "alarms" in one:
            seeds = ", ".join(f"{v:.3f}" for v in one["auroc_by_seed"].values())
            text += (f"; background alarms k / n / T {alarm_text(one['alarms'])}; first in its capture {one['rank'][0]} of "
                     f"{one['rank'][1]}; stream AUROC {one['auroc']:.3f} (seeds {seeds})")
        if one["missed"]:
            text += f". Missed: {', '.join(one['missed'])}"
        out.append(text + ".")
    return out


def linux_rows(summary: dict) -> list[str]:
    """All cases of the shipped Linux row."""
    from .linux import SHIPPED_ROW
    from .report import alarm_text

    out = []
    for name, limits in summary["linux"][SHIPPED_ROW].items():
        one = limits["highest"]
        found = f" ({', '.join(one['found'])})" if one["found"] else ""
        text = f"- {name}: "
        if one["episodes"]:
            below = ", ".join(f"{100 * share:.0f} %" for share in one["others_below"])
            text += f"{len(one['found'])} of {len(one['episodes'])} episodes found{found}, other windows below each {below}; "
        text += f"alarms on other windows k / n / T {alarm_text(one['other'])}"
        if one["control"]["n"]:
            text += f"; on control sessions {alarm_text(one['control'])}"
        out.append(text + ".")
    return out


def text(manifest: dict, summary: dict) -> str:
    """The whole card."""
    windows = manifest["platform"] == "windows"
    alone = [] if manifest.get("alone", True) else [
        "- It never raises an alert by itself (`alone = false`): tested on an environment that it had not seen, idle hosts were",
        "  above even the score of half of the attacks. It confirms rules, orders endpoints and fills the watch list."]
    training, limits = manifest["training"], WINDOWS_LIMITS if windows else LINUX_LIMITS
    what = ("Attack probability and surprise of one endpoint window" if windows
            else "Surprise of one endpoint window (anomaly model)")
    head = [
        f"# {manifest['name']} {manifest['version']}", "",
        f"{what}, track `{manifest['track']}`, row `{manifest['row']}` of docs/model.md.", "",
        "## What it cannot do, and where it fails", "", limits, *alone, "",
        "## What was measured", "", *(windows_rows(manifest, summary) if windows else linux_rows(summary)), "",
        "The lines above are from members that never saw the environment they are tested on. The row is the best of several by "
        "its AUROC in the first two, so it is optimistic." if windows else
        "The lines above are from members that never saw the run (or the endpoint) they are tested on.", "",
        "## How it was made", "",
    ]
    facts = [f"- {key.replace('_', ' ')}: {value}" for key, value in training.items()]
    shape = manifest["inputs"]
    facts.append(f"- feature version {manifest['feature_version']}, {shape['node_features']} node and "
                 f"{shape['edge_features']} edge features, opset {manifest['opset']}")
    facts.append(f"- thresholds: {', '.join(f'{k} {v:.4f}' for k, v in manifest['thresholds'].items())} "
                 "(the highest held-out score on training background; disagreement: 99 of 100 of its windows are below)")
    return "\n".join(head + facts) + "\n"
