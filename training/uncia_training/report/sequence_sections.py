"""The section of the report's page that sets frames against sequences: the curves, by station, and what fools them.

Decides the words and tables; what is told is `sequence_study`.
"""

from uncia_training.report.plots import sequence_curves
from uncia_training.report.sequence_study import READINGS
from uncia_training.report.tables import Content, cell, count, table, text

SHOWN = (("roc_auc", "ROC AUC"), ("recall", "recall"), ("false_positive_rate", "false alarms"))


def sequence_study(content: Content) -> str:
    """Frames, their maximum and their mean side by side; nothing where there is no study."""
    study = content["study"]
    if study is None:
        return ""
    others = study["sequences"] - study["positives"]
    return (
        "<h2>Frames against sequences</h2>"
        f"<p>{study['pictures']} pictures in {study['sequences']} sequences of two and more that no head learnt from, "
        f"{study['positives']} with what is looked for and {others} without. Each system is read in three ways, all at "
        f"{study['threshold']:g}: every frame alone, the highest frame of a sequence, the mean of its frames. Every "
        'frame is scored.</p><div class="wide plot">'
        f"{sequence_curves(study['systems'])}</div>{_figures(study)}<h3>By station</h3>{_stations(study)}"
        f"<h3>What fools them</h3>{_kinds(study)}"
    )


def _figures(study: Content) -> str:
    over = "".join(f'<th colspan="{len(SHOWN)}">{name}</th>' for name in READINGS)
    rows = [
        [text(one["name"]), *[cell(one[reading], key, 2) for reading in READINGS for key, _ in SHOWN]]
        for one in study["systems"]
    ]
    titles = ["system", *[title for _, title in SHOWN] * len(READINGS)]
    return table(titles, rows, f'<tr class="over"><th></th>{over}</tr>')


def _stations(study: Content) -> str:
    """Recall by the mean, with its interval."""
    names = [one["name"] for one in study["systems"]]
    rows = [
        [
            text(one["station"]),
            str(one["sequences"]),
            *[cell(one["systems"][name]["mean"], "recall", 2) for name in names],
        ]
        for one in study["stations"]
    ]
    return table(["station", "sequences", *map(text, names)], rows) + (
        '<p class="note">Recall of sequences by the mean; a sequence of one picture counts as well.</p>'
    )


def _kinds(study: Content) -> str:
    names = [one["name"] for one in study["systems"]]
    rows = [[_named(one), _size(one), *[_fooled(one, name) for name in names]] for one in study["kinds"]]
    return table(["source and label", "pictures", *map(text, names)], rows) + (
        '<p class="note">How many are taken for what is looked for: frames / sequences by their highest frame / by '
        "their mean; of single pictures one number. Of what heads learnt from, held-out folds speak.</p>"
    )


def _named(kind: Content) -> str:
    held = "never learnt from" if kind["never_learnt"] else "held out"
    return f"{text(kind['source'] or '(no source)')}: {text(kind['label'])}<small>{held}</small>"


def _size(kind: Content) -> str:
    """Such as `224` and below it `29 bursts`."""
    bursts = f"{kind['bursts']} of {kind['sequences']} sequences are bursts" if kind["bursts"] else "single pictures"
    return f"{kind['pictures']}<small>{bursts}</small>"


def _fooled(kind: Content, name: str) -> str:
    counts = [count(kind["systems"][name][reading]) for reading in READINGS]
    return " / ".join(counts) if kind["bursts"] else counts[0]
