"""The report's plots, as SVG text that stands in the page."""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from uncia_training.comparison.compare import Result

# Okabe and Ito's colours, told apart by colour-blind readers as well; dashes tell the sixth and following apart.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
ROC_AXES = ("share of negatives called positive", "share of positives found (recall)")
PRECISION_AXES = ("share of positives found (recall)", "share of alarms that are true")
Span = tuple[float, float]
LEAST_IN_BIN = 5  # fewer pictures say nothing about a share
STYLES = {"svg.fonttype": "none", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False,
          "svg.hashsalt": "uncia", "font.family": "sans-serif"}  # fmt: skip


def curves(results: Sequence[Result]) -> str:
    """ROC and precision-recall curves of all systems' frames on one plot; below, the corners where good ones differ."""
    with mpl.rc_context(STYLES):
        figure = Figure(figsize=(11, 8.6), layout="constrained")
        (roc, precise), (roc_corner, precise_corner) = figure.subplots(2, 2)
        for index, result in enumerate(results):
            truth, scores = result.own.scored.truth, result.own.scored.scores
            style = {"color": COLOURS[index % len(COLOURS)], "linestyle": ("-", "--", ":")[index % 3], "linewidth": 1.8}
            false_alarms, recall, _ = roc_curve(truth, scores)
            for axes in (roc, roc_corner):
                axes.plot(false_alarms, recall, label=result.system.name, **style)
            precision, recall, _ = precision_recall_curve(truth, scores)
            for axes in (precise, precise_corner):
                axes.plot(recall, precision, **style)
        roc.plot([0, 1], [0, 1], color="#999", linewidth=0.8)
        _label(roc, "ROC", *ROC_AXES)
        _label(precise, "Precision and recall", *PRECISION_AXES)
        _label(roc_corner, "ROC, upper left corner", *ROC_AXES, (-0.002, 0.1), (0.9, 1.002))
        _label(precise_corner, "Precision and recall, upper right corner", *PRECISION_AXES, (0.8, 1.004), (0.8, 1.004))
        figure.legend(*roc.get_legend_handles_labels(), loc="outside upper center", ncols=7, frameon=False)
        return _svg(figure)


def calibration_plot(systems: Sequence[dict[str, Any]]) -> str:
    """What was said against what was true, a line a system, dots sized by their pictures; bins under five left out."""
    with mpl.rc_context(STYLES):
        figure = Figure(figsize=(5.4, 4.6), layout="constrained")
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color="#999", linewidth=0.8)
        for index, system in enumerate(systems):
            bins = [one for one in system["calibration"]["bins"] if one["n"] >= LEAST_IN_BIN]
            said, true = [one["said"] for one in bins], [one["true"] for one in bins]
            colour = COLOURS[index % len(COLOURS)]
            axes.plot(said, true, color=colour, linestyle=("-", "--", ":")[index % 3], label=system["name"])
            axes.scatter(said, true, color=colour, s=[4 + 3 * one["n"] ** 0.5 for one in bins])
        _label(axes, "Calibration", "probability that was given", "share that was positive")
        axes.legend(loc="upper left", frameon=False, fontsize=8)
        return _svg(figure)


def _label(axes: Any, title: str, x: str, y: str, across: Span = (-0.02, 1.02), up: Span = (-0.02, 1.02)) -> None:
    axes.set(title=title, xlabel=x, ylabel=y, xlim=across, ylim=up)
    axes.grid(color="#eee")
    axes.set_axisbelow(True)


def _svg(figure: Figure) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]
