"""Writes `report.html`: the comparison as one page that needs no other file.

Decides the order of the page: what was done and found, the table, single bursts, curves, calibration, where errors are,
and pictures of them. The sections are made by `sections`, `burst_sections`, `sequence_sections` and `summary`.
"""

from typing import Any

from uncia_training.comparison.compare import Comparison
from uncia_training.report.burst_sections import never_learnt_from, regions
from uncia_training.report.contact_sheet import ContactSheet
from uncia_training.report.plots import curves
from uncia_training.report.sections import (
    calibrations,
    differences,
    explained,
    failures,
    introduction,
    label_errors,
    leaks,
    lights,
    on_trap,
    places,
    systems,
    thresholds,
    warnings,
)
from uncia_training.report.sequence_sections import sequence_study
from uncia_training.report.summary import summary
from uncia_training.report.writer import speaker

STYLE = """body{font:15px/1.5 system-ui,sans-serif;color:#222;max-width:1120px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin-bottom:.2rem}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid #ddd}
h3{font-size:1rem;margin:1.4rem 0 .2rem}
table{border-collapse:collapse;font-size:13px;margin:.6rem 0;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .5rem;text-align:right;border-bottom:1px solid #eee;white-space:nowrap}
th{background:#f6f6f4;white-space:normal;min-width:3.2rem;vertical-align:bottom}
th:first-child,td:first-child{text-align:left}thead tr.over th{text-align:center;border-bottom:1px solid #ccc}
td small{color:#666;display:block;font-size:11px}td:first-child small{white-space:normal;max-width:11rem}
tr.ours td{background:#eef6ee}.wide{overflow-x:auto}
@media(max-width:1000px){th,td{padding:.25rem .3rem}td small{white-space:normal;max-width:4rem;margin-left:auto}
td:first-child small{max-width:7rem;margin-left:0}}
td.text,th.text{text-align:left;white-space:normal;overflow-wrap:anywhere}
.beside{display:flex;gap:2rem;flex-wrap:wrap;align-items:flex-start}
.sheet{display:flex;flex-wrap:wrap;gap:8px}.sheet figure{margin:0;border:2px solid #ddd}
.sheet figure.wrong{border-color:#c0392b}.sheet figure div{display:flex;align-items:flex-start}
.sheet img{display:block;width:178px}
figcaption{font-size:11px;line-height:1.35;padding:2px 5px;overflow:hidden}
.warn{background:#fff6e0;padding:.5rem .9rem;border-left:4px solid #e69f00}.note{color:#555;font-size:13px}
.short{background:#eef6ee;padding:.6rem 1rem .6rem 2.2rem}
svg{max-width:100%;height:auto}.plot svg{min-width:760px}"""


def page(content: dict[str, Any], comparison: Comparison) -> str:
    """The HTML page of a report's content."""
    best = speaker(comparison)
    name = best.system.name
    sheet = ContactSheet(comparison, best)
    maps = (
        " Beside each picture is the activation map of the head that scored it: red parts raise the score, blue parts "
        "lower it."
        if best.bundled
        else ""
    )
    parts = [
        introduction(content),
        summary(content, name),
        warnings(content),
        "<h2>The systems</h2>" + systems(content) + explained(content),
        on_trap(content),
        differences(content),
        leaks(content),
        regions(content),
        sequence_study(content),
        never_learnt_from(content),
        f'<h2>Curves of sequences</h2><div class="wide plot">{curves(comparison)}</div>',
        "<h2>Thresholds</h2>" + thresholds(content, name),
        "<h2>Calibration and confusion</h2>" + calibrations(content, name),
        "<h2>Day and infrared</h2>" + lights(content),
        "<h2>By source and place</h2>" + places(content, name),
        f"<h2>The worst errors of {name}</h2><p>A red frame is an error at the threshold; the box is the region that "
        f"was scored.{maps}</p><h3>Missed: positives with the lowest scores</h3>{sheet.missed()}"
        f"<h3>False alarms: negatives with the highest scores</h3>{sheet.false_alarms()}",
        "<h2>Likely label errors</h2>" + label_errors(content, name),
        "<h2>Pictures that could not be read</h2>" + failures(content),
    ]
    body = "\n".join(parts)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width"><title>uncia: systems compared</title><style>{STYLE}</style></head>'
        f"<body>{body}</body></html>\n"
    )
