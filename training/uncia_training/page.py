"""`report.html`: the comparison for people, one file that opens anywhere.

Decides the page's order: what was done, the table, curves, calibration, where errors lie, and pictures of them.
"""

import html
from collections.abc import Iterable, Sequence
from typing import Any

from uncia_training.compare import Comparison
from uncia_training.contact_sheet import contact_sheet, worst
from uncia_training.plots import calibration_plot, curves
from uncia_training.report import figure, speaker

STYLE = """body{font:15px/1.5 system-ui,sans-serif;color:#222;max-width:1120px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin-bottom:.2rem}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid #ddd}
table{border-collapse:collapse;font-size:13px;margin:.6rem 0;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid #eee;white-space:nowrap}
th{background:#f6f6f4;white-space:normal;min-width:3.2rem;vertical-align:bottom}th:first-child,td:first-child{text-align:left}
td small{color:#777;display:block;font-size:11px}td:first-child small{white-space:normal;max-width:11rem}
th,td{padding:.25rem .4rem}tr.best td{background:#eef6ee}.wide{overflow-x:auto}
td.text{text-align:left;white-space:normal;overflow-wrap:anywhere}
.sheet{display:flex;flex-wrap:wrap;gap:8px}.sheet figure{margin:0;width:180px;border:2px solid #ddd}
.sheet figure.wrong{border-color:#c0392b}.sheet img{display:block;width:100%}
figcaption{font-size:11px;line-height:1.35;padding:2px 5px;overflow:hidden}
.warn{background:#fff6e0;padding:.5rem .9rem;border-left:4px solid #e69f00}.note{color:#555;font-size:13px}
svg{max-width:100%;height:auto}"""


def page(content: dict[str, Any], comparison: Comparison) -> str:
    """The page of a report's content."""
    best = speaker(comparison)
    sections = [
        _head(content),
        _warnings(content),
        "<h2>The systems</h2>" + _systems(content) + _explained(content),
        "<h2>Curves</h2>" + curves(comparison.results),
        "<h2>Calibration and confusion</h2>" + _calibration(content, best.system.name),
        "<h2>Day and infrared</h2>" + _lights(content),
        "<h2>By place and source</h2>" + _places(content, best.system.name),
        f"<h2>The worst errors of {best.system.name}</h2>"
        "<p>Missed: positives with the lowest scores. A red frame is an error at the threshold.</p>"
        + contact_sheet(comparison, best, worst(best, True))
        + "<p>False alarms: negatives with the highest scores.</p>"
        + contact_sheet(comparison, best, worst(best, False)),
        "<h2>Likely label errors</h2>" + _label_errors(content, best.system.name),
        "<h2>Pictures that could not be read</h2>" + _failures(content),
    ]
    body = "\n".join(sections)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width"><title>uncia: systems compared</title><style>{STYLE}</style></head>'
        f"<body>{body}</body></html>\n"
    )


def _head(content: dict[str, Any]) -> str:
    data, settings = content["data"], content["settings"]
    network = settings["backbone"] + (f", cut after {settings['cut']}" if settings["cut"] else "")
    labels = ", ".join(f"{_text(name)} {count}" for name, count in data["labels"].items())
    return (
        f"<h1>Finding {_text(', '.join(settings['positive']))}: systems compared</h1>"
        f"<p>{data['pictures']} pictures ({labels}) in {data['sequences']} sequences, {data['positive_sequences']} of "
        f"them positive; {data['infrared']} by infrared; {data['with_regions']} with a region found by their burst. "
        f"Network: {_text(network)}.</p>"
        f"<p>Every figure is of pictures that the fit did not see: {_times(settings['repeats'])} the data were dealt "
        f"into folds by {_text(settings['split'])} ({data['units']} units that are never torn), and each fold was "
        f"scored by a fit on the others. {data['never_learnt_from']} pictures of split <i>test</i> were "
        "never learnt from. Figures in parentheses are 95 % intervals from 1,000 draws of whole sequences.</p>"
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _warnings(content: dict[str, Any]) -> str:
    if not content["warnings"]:
        return ""
    items = "".join(f"<li>{_text(line)}</li>" for line in content["warnings"][:20])
    more = len(content["warnings"]) - 20
    return f'<div class="warn"><ul>{items}</ul>{f"and {more} more in report.json" if more > 0 else ""}</div>'


COLUMNS = (
    ("accuracy", "frames", "frame accuracy"),
    ("roc_auc", "frames", "frame ROC AUC"),
    ("average_precision", "frames", "frame average precision"),
    ("recall_at_1_percent_false_positives", "frames", "frame recall at 1 % false positives"),
    ("accuracy", "sequences", "sequence accuracy"),
    ("roc_auc", "sequences", "sequence ROC AUC"),
    ("average_precision", "sequences", "sequence average precision"),
    ("recall_at_1_percent_false_positives", "sequences", "sequence recall at 1 % false positives"),
    ("false_alarms_per_day", "sequences", "false alarms a day"),
)


def _systems(content: dict[str, Any]) -> str:
    random = any("random_split" in system for system in content["systems"])
    titles = ["system", *[title for _, _, title in COLUMNS]] + (["random split: frame accuracy"] if random else [])
    rows = []
    for system in content["systems"]:
        cells = [f"<b>{_text(system['name'])}</b><small>{_text(system['text'])}</small>"]
        cells += [_cell(system[part], name) for name, part, _ in COLUMNS]
        if random:
            cells.append(_cell(system["random_split"]["frames"], "accuracy"))
        rows.append(cells)
    return _table(titles, rows)


def _explained(content: dict[str, Any]) -> str:
    settings = content["settings"]
    prior = f"{settings['prevalence']:.0%} positives" if settings["prevalence"] else "equal classes"
    leak = (
        " The last column is what a split that tears sequences and places apart would have claimed: do not believe it."
        if settings["random_split_beside"]
        else ""
    )
    return (
        f'<p class="note">Threshold {settings["threshold"]}, probabilities for {prior}. A system without +E raises an '
        "alarm for a sequence as soon as one frame does; +E and uncia by the mean of its frames. False alarms a day at "
        f"{settings['negatives_per_day']:.3g} negative sequences a day and trap "
        f"({_text(settings['negatives_per_day_from'])}).{leak}</p>"
    )


def _calibration(content: dict[str, Any], name: str) -> str:
    system = next(one for one in content["systems"] if one["name"] == name)
    classes = system["confusion"]["classes"]
    rows = [
        [f"is {_text(label)}", *[str(count) for count in counts]]
        for label, counts in zip(classes, system["confusion"]["counts"], strict=True)
    ]
    gaps = [
        [_text(one["name"]), f"{one['calibration']['expected_calibration_error']:.3f}"] for one in content["systems"]
    ]
    return (
        '<div style="display:flex;gap:2rem;flex-wrap:wrap;align-items:flex-start">'
        f"<div style='flex:1 1 460px'>{calibration_plot(content['systems'])}</div><div><p>Confusion of {_text(name)} "
        f"(frames)</p>{_table(['', *[f'called {_text(label)}' for label in classes]], rows)}"
        f"<p>Mean gap between said and true</p>{_table(['system', 'gap'], gaps)}</div></div>"
    )


def _lights(content: dict[str, Any]) -> str:
    rows = []
    for system in content["systems"]:
        for light, figures in system["light"].items():
            counts = [str(figures["n"]), str(figures["positives"])]
            measures = [_cell(figures, key) for key in ("accuracy", "roc_auc", "average_precision")]
            rows.append([_text(system["name"]), light, *counts, *measures])
    return _table(["system", "light", "frames", "positive", "accuracy", "ROC AUC", "average precision"], rows)


def _places(content: dict[str, Any], name: str) -> str:
    system = next(one for one in content["systems"] if one["name"] == name)
    titles = ["frames", "positive", "found", "false alarms", "accuracy", "ROC AUC"]
    return (
        f"<p>Of {_text(name)}. A ROC AUC needs both classes in one place.</p>"
        + _table(["source", *titles], _place_rows(system["sources"]))
        + _table(["place", *titles], _place_rows(system["locations"]))
    )


def _place_rows(table: dict[str, dict[str, Any]]) -> Iterable[list[str]]:
    for name, one in table.items():
        counts = [str(one[key]) for key in ("n", "positives", "found", "false_alarms")]
        yield [
            _text(name),
            *counts,
            f"{one['accuracy']:.3f}",
            "–" if one["roc_auc"] is None else f"{one['roc_auc']:.3f}",
        ]


def _label_errors(content: dict[str, Any], name: str) -> str:
    if not content["label_errors"]:
        return "<p>None: no label is contradicted with 0.9 or more, no near-duplicates differ in their labels.</p>"
    rows = [
        [_text(one["file"]), _text(one["label"]), f"{one['score']:.3f}", _text(one["reason"])]
        for one in content["label_errors"]
    ]
    return f"<p>Scores of {_text(name)}, which never saw these pictures. Look at them first.</p>" + _table(
        ["file", "label", "score", "why"], rows
    )


def _failures(content: dict[str, Any]) -> str:
    if not content["failures"]:
        return "<p>None.</p>"
    return _table(["file", "reason"], [[_text(one["file"]), _text(one["reason"])] for one in content["failures"]])


def _cell(figures: dict[str, Any], name: str) -> str:
    value, _, spread = figure(figures, name).partition(" ")
    return value + (f"<small>{spread}</small>" if spread else "")


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{title}</th>" for title in titles)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _text(value: object) -> str:
    return html.escape(str(value))
