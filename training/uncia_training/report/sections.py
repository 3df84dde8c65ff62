"""The sections of the report's page: HTML made only from the content of `report.json`.

Decides the words and tables of each section; pictures and plots are made elsewhere.
"""

from collections.abc import Iterable, Sequence

from uncia_training.comparison.systems import OURS
from uncia_training.fitting.resampling import AT_1_PERCENT
from uncia_training.report.tables import Content, cell, count, figure, table, text

MEASURES = (
    ("accuracy", "accuracy"),
    ("roc_auc", "ROC AUC"),
    ("average_precision", "average precision"),
    (AT_1_PERCENT, "recall at 1 % false positives"),
)
MOST_WARNINGS, MOST_PLACES = 20, 60


def introduction(content: Content) -> str:
    """HTML: the data, the network, and how the figures were made."""
    data, settings = content["data"], content["settings"]
    network = settings["backbone"] + (f", cut after {settings['cut']}" if settings["cut"] else "")
    weights = " with random weights: no accuracy is claimed from it" if _is_random(settings) else ""
    labels = ", ".join(f"{text(name)} {count}" for name, count in data["labels"].items())
    never = data["never_learnt_from"]
    test = f" {never} pictures of split <i>test</i> were not used for training." if never else ""
    return (
        f"<h1>Finding {text(', '.join(settings['positive']))}: systems compared</h1>"
        f"<p>{data['pictures']} pictures ({labels}) in {data['sequences']} sequences, {data['positive_sequences']} of "
        f"them positive; {data['infrared']} infrared pictures; {data['with_regions']} with a region found in their "
        "burst. "
        f"Network: {text(network)}{weights}.</p>"
        f"<p>Every figure is of held-out pictures: {_times(settings['repeats'])} the data were split into folds by "
        f"{text(settings['split'])} ({data['units']} units that stay whole), and each fold was scored by a fit on the "
        f"others, with a penalty chosen by grouped cross-validation among them.{test} A figure is the mean of the "
        "figures of all deals (one deal is one such split). In parentheses are 95 % intervals: they include the spread "
        "between these units and between deals; without any error they are exact (Clopper and Pearson), with one trial "
        "per unit.</p>"
    )


def _is_random(settings: Content) -> bool:
    return str(settings["weights"] or "").startswith("random:")


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def warnings(content: Content) -> str:
    """HTML of the warnings; empty if there are none."""
    if not content["warnings"]:
        return ""
    items = "".join(f"<li>{text(line)}</li>" for line in content["warnings"][:MOST_WARNINGS])
    more = len(content["warnings"]) - MOST_WARNINGS
    return f'<div class="warn"><ul>{items}</ul>{f"and {more} more in report.json" if more > 0 else ""}</div>'


def systems(content: Content) -> str:
    """HTML of the table of the systems."""
    rows = [(_named(one), one) for one in content["systems"]]
    named = "<b>always no</b><small>raises no alarm: the accuracy to exceed</small>"
    always_no = [(named, _always_no(content["systems"][0]))]
    return figures_table(always_no + rows, [False, *[one["name"] == OURS for one in content["systems"]]])


def _always_no(system: Content) -> Content:
    """The figures of a system that never raises an alarm, on the same pictures."""
    parts = {}
    for part in ("frames", "sequences"):
        share = system[part]["prevalence"]
        ranked = {"roc_auc": 0.5, "average_precision": share, AT_1_PERCENT: 0.0}
        parts[part] = {"accuracy": system[part]["always_no_accuracy"], **ranked, "false_alarms_per_day": 0.0}
    return parts


def _named(system: Content) -> str:
    return f"<b>{text(system['name'])}</b><small>{text(system['text'])}</small>"


def figures_table(rows: Sequence[tuple[str, Content]], ours: Sequence[bool] | None = None) -> str:
    """HTML of a table of figures of frames and sequences, and false alarms a day; `ours` marks rows."""
    over = (
        f'<tr class="over"><th></th><th colspan="{len(MEASURES)}">frames</th>'
        f'<th colspan="{len(MEASURES) + 1}">sequences</th></tr>'
    )
    titles = ["system", *[title for _, title in MEASURES] * 2, "false alarms a day"]
    body = []
    for name, one in rows:
        cells = [cell(one[part], key) for part in ("frames", "sequences") for key, _ in MEASURES]
        body.append([name, *cells, cell(one["sequences"], "false_alarms_per_day", 2)])
    return table(titles, body, over, ours)


def explained(content: Content) -> str:
    """HTML of a note that explains the figures of the table."""
    settings = content["settings"]
    prior = f"{settings['prevalence']:.0%} positives" if settings["prevalence"] else "equal classes"
    shares = [f"{content['systems'][0][part]['prevalence']:.1%} of the {part}" for part in ("frames", "sequences")]
    origins = {(round(one["threshold"], 3), one["threshold_from"]) for one in content["systems"]}
    shown = "; ".join(f"{value} ({text(origin)})" for value, origin in sorted(origins))
    return (
        f'<p class="note">{" and ".join(shares)} are positive: a system that always says no is right in all others, '
        f"and this share is the average precision of a random order. Figures are {text(settings['figures'])}. "
        f"Thresholds: {shown}. Probabilities are for {prior}. "
        "A system without +E raises an alarm for a sequence if one of its frames reaches the threshold; +E and uncia "
        "if the mean of its frames does. Training and scoring use the regions of pictures of bursts. Training uses "
        "whole stills; scoring uses the part of a held-out still that differs from other pictures of its location, or "
        "else the whole still. uncia-no-regions uses whole frames. uncia's figures are of int8 bundles, one for each "
        "fold, run by the trap's own code. False alarms a day are for "
        f"{settings['negatives_per_day']:.3g} negative sequences a day and trap "
        f"({text(settings['negatives_per_day_from'])}).</p>"
    )


def on_trap(content: Content) -> str:
    """HTML of the figures of the pooled systems as int8 bundles; empty if there are none."""
    rows = [(f"<b>{text(one['name'])}</b>, int8", one["int8"]) for one in content["systems"] if "int8" in one]
    if not rows:
        return ""
    return (
        "<h3>The same systems in int8, as bundles on the trap</h3>"
        + figures_table(rows)
        + '<p class="note">Fitted on the features of the integer network, packed, and run by the trap\'s own code.</p>'
    )


def differences(content: Content) -> str:
    """HTML of the differences between uncia and each other system, in paired draws; empty if there are none."""
    rows = []
    named = [(one["name"], one) for one in content["systems"]]
    for name, one in [*named, *[(f"{name}, int8", one["int8"]) for name, one in named if "int8" in one]]:
        gap = one.get("uncia_exceeds_by")
        if gap:
            cells = [cell(gap[part], key, signed=True) for part in ("frames", "sequences") for key, _ in MEASURES]
            rows.append([text(name), *cells])
    if not rows:
        return ""
    over = '<tr class="over"><th></th><th colspan="4">frames</th><th colspan="4">sequences</th></tr>'
    return (
        "<h3>By how much uncia exceeds each</h3>"
        + table(["system", *[title for _, title in MEASURES] * 2], rows, over)
        + '<p class="note">The draws of both systems have the same units and deals. If an interval contains 0, these '
        "pictures show no difference.</p>"
    )


def leaks(content: Content) -> str:
    """HTML of the figures of a split that does not keep sequences and places whole; empty if there are none."""
    pairs = [(one, one["random_split"]) for one in content["systems"] if "random_split" in one]
    if not pairs:
        return ""
    rows = [
        [
            text(one["name"]),
            *[cell(side["frames"], key) for key in ("accuracy", "roc_auc") for side in (one, leaking)],
        ]
        for one, leaking in pairs
    ]
    titles = ["system", "accuracy", "with a random split", "ROC AUC", "with a random split"]
    return (
        "<h3>Figures with leakage</h3>"
        + table(titles, rows)
        + '<p class="note">Frames. A random split puts pictures of one sequence, place and near-duplicate on both '
        "sides, so its figures are too high.</p>"
    )


def calibrations(content: Content, name: str) -> str:
    """HTML of calibration and confusion."""
    from uncia_training.report.plots import calibration_plot

    system = _system(content, name)
    keys = ("expected_calibration_error", "brier")
    gaps = [[text(one["name"]), *[cell(one["calibration"], key) for key in keys]] for one in content["systems"]]
    prior = system["calibration"]["prior"]
    return (
        f'<div class="wide plot">{calibration_plot(content["systems"])}</div><div class="beside"><div>'
        f"<h3>Confusion of {text(name)}, frames</h3>{_confusion(system['confusion'])}"
        f"<h3>Sequences</h3>{_confusion(system['sequence_confusion'])}{_labels(content)}"
        "</div><div><h3>Calibration error</h3>"
        f"{table(['system', 'error beyond chance', 'Brier score'], gaps)}</div></div>"
        f'<p class="note">For data with {prior:.0%} positives, as all these probabilities are; counts are means of the '
        "deals. The error is the root mean square of the difference between probability and share of positives, over "
        "tenths of probability, minus the part that chance adds: right probabilities have an error of about 0, which "
        "can also be negative. A larger dot has more pictures; small dots are uncertain.</p>"
    )


def _confusion(found: Content) -> str:
    rows = [
        [f"is {text(label)}", *[count(many) for many in counts]]
        for label, counts in zip(found["classes"], found["counts"], strict=True)
    ]
    return table(["", *[f"called {text(label)}" for label in found["classes"]]], rows)


def _labels(content: Content) -> str:
    """HTML of each system's figures of each positive label; empty if there is only one label."""
    if len(content["settings"]["positive"]) == 1:
        return ""
    rows = [
        [text(one["name"]), text(label), str(found["n"]), cell(found, "precision"), cell(found, "recall")]
        for one in content["systems"]
        for label, found in ((label, parts["sequences"]) for label, parts in one["labels"].items())
    ]
    titles = ["system", "label", "sequences", "precision", "recall"]
    return (
        "<h3>Each label</h3>"
        + table(titles, rows)
        + '<p class="note">If one label is called another, it is an error of both.</p>'
    )


def lights(content: Content) -> str:
    """HTML of the figures of day and infrared pictures."""
    rows = []
    for system in content["systems"]:
        for light, figures in system["light"].items():
            counts = [str(figures["n"]), str(figures["positives"])]
            measures = [cell(figures, key) for key in ("accuracy", "roc_auc", "average_precision", "recall")]
            rows.append([text(system["name"]), light, *counts, *measures])
    return table(["system", "light", "frames", "positive", "accuracy", "ROC AUC", "average precision", "recall"], rows)


def places(content: Content, name: str) -> str:
    """HTML of the figures by source and by location."""
    system = _system(content, name)
    titles = ["frames", "positive", "found", "false alarms", "accuracy", "ROC AUC"]
    parts = [
        f"<p>Figures of {text(name)}. A ROC AUC needs both classes in one place. Intervals within one unit of the "
        "split draw its sequences: they are valid for that place only.</p>"
    ]
    for title, found in (("source", system["sources"]), ("place", system["locations"])):
        if title == "source" or len(found) > 1:
            parts.append(table([title, *titles], _place_rows(found)))
        else:
            parts.append(f"<p>There is only one place: all pictures are of {text(next(iter(found)))}.</p>")
    return "".join(parts)


def _place_rows(found: dict[str, Content]) -> Iterable[list[str]]:
    """Rows of the largest places, in the order of their names, and one with the number of the others."""
    largest = sorted(found, key=lambda name: -int(found[name]["n"]))[:MOST_PLACES]
    for name in sorted(largest):
        counts = [count(found[name][key]) for key in ("n", "positives", "found", "false_alarms")]
        yield [text(name), *counts, cell(found[name], "accuracy"), cell(found[name], "roc_auc")]
    if len(found) > MOST_PLACES:
        yield [f"and {len(found) - MOST_PLACES} more in report.json", *[""] * 6]


def thresholds(content: Content, name: str) -> str:
    """HTML of the table of thresholds, for sequences."""
    titles = ["threshold", "recall", "false alarm rate", "false alarms a day", "pictures to look at", "share"]
    system = _system(content, name)
    rows = [
        [
            f"{one['threshold']:.3g}",
            *(figure(one, key) for key in ("recall", "false_positive_rate")),
            figure(one, "false_alarms_per_day", 2),
            count(one["pictures_to_look_at"]),
            f"{one['share_to_look_at']:.1%}",
        ]
        for one in system["thresholds"]
    ]
    note = (
        f"<p>For held-out sequences, scored by {text(name)}; the marked row is the threshold in use. Pictures to look "
        "at are those of sequences called positive. To use another threshold: <code>uncia-convert bundle "
        "--threshold</code>.</p>"
    )
    return note + table(titles, rows, ours=[one["in_use"] for one in system["thresholds"]])


def label_errors(content: Content, name: str) -> str:
    """HTML of the labels that differ from held-out scores or from near-duplicates."""
    if not content["label_errors"]:
        return (
            "<p>None: no held-out score of 0.9 or more is for another class than the label, and no near-duplicates "
            "have different classes.</p>"
        )
    rows = [
        [text(one["file"]), text(one["label"]), f"{one['score']:.3f}", text(one["reason"])]
        for one in content["label_errors"]
    ]
    return f"<p>Held-out scores of {text(name)}. Check these labels first.</p>" + table(
        ["file", "label", "score", "reason"], rows, wordy=3
    )


def failures(content: Content) -> str:
    """HTML of the pictures that could not be read."""
    if not content["failures"]:
        return "<p>None.</p>"
    rows = [[text(one["file"]), text(one["reason"])] for one in content["failures"]]
    return table(["file", "reason"], rows, wordy=1)


def _system(content: Content, name: str) -> Content:
    found: Content = next(one for one in content["systems"] if one["name"] == name)
    return found
