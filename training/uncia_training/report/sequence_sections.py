"""The section of the report's page that compares frames with sequences: curves, stations, and false alarms by label.

Decides the words and tables; the figures are made by `sequence_study`.
"""

from uncia_training.report.plots import sequence_curves
from uncia_training.report.sequence_study import READINGS
from uncia_training.report.tables import Content, cell, count, table, text

SHOWN = (("roc_auc", "ROC AUC"), ("recall", "recall"), ("false_positive_rate", "false alarms"))


def sequence_study(content: Content) -> str:
    """HTML of the figures of frames, their maximum and their mean; empty if there is no study."""
    study = content["study"]
    if study is None:
        return ""
    others = study["sequences"] - study["positives"]
    return (
        "<h2>Frames against sequences</h2>"
        f"<p>{study['pictures']} pictures in {study['sequences']} sequences of two or more pictures that were not used "
        f"for training, {study['positives']} positive and {others} negative. The scores of each system are read in "
        f"three ways, all with a threshold of {study['threshold']:g}: every frame alone, the highest frame of a "
        'sequence, and the mean of its frames. Every frame is scored.</p><div class="wide plot">'
        f"{sequence_curves(study['systems'])}</div>{_figures(study)}<h3>By station</h3>{_stations(study)}"
        f"<h3>False alarms by source and label</h3>{_kinds(study)}"
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
    """A table of the recall by the mean at each station, with its interval."""
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
    rows = [[_named(one), _size(one), *[_false_alarms(one, name) for name in names]] for one in study["kinds"]]
    return table(["source and label", "pictures", *map(text, names)], rows) + (
        '<p class="note">Number of false alarms: frames / sequences by their highest frame / sequences by their mean; '
        "for single pictures one number. Pictures that were used for training have their held-out scores.</p>"
    )


def _named(kind: Content) -> str:
    held = "not used for training" if kind["never_learnt"] else "held out"
    return f"{text(kind['source'] or '(no source)')}: {text(kind['label'])}<small>{held}</small>"


def _size(kind: Content) -> str:
    """The number of pictures, and below it how many sequences are bursts."""
    bursts = f"{kind['bursts']} of {kind['sequences']} sequences are bursts" if kind["bursts"] else "single pictures"
    return f"{kind['pictures']}<small>{bursts}</small>"


def _false_alarms(kind: Content, name: str) -> str:
    counts = [count(kind["systems"][name][reading]) for reading in READINGS]
    return " / ".join(counts) if kind["bursts"] else counts[0]
