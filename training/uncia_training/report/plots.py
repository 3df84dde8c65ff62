"""Draws the report's plots as SVG text to embed in the page.

Decides that each system has its own panel, with the others in grey, because the curves of good systems overlap.
"""

import io
from collections.abc import Sequence
from math import ceil
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from uncia_training.comparison.compare import Comparison, Result
from uncia_training.comparison.figures import sequences
from uncia_training.fitting.resampling import FALSE_POSITIVE_RATE, Dealt

OWN, OTHERS, COLUMNS = "#0072B2", "#c4c4c4", 5
POINTS = 120  # points of a curve, for any number of pictures
READ = {"frames": ("#999999", "-"), "maximum": ("#D55E00", "--"), "mean": (OWN, "-")}
Curve = tuple[NDArray[np.float64], NDArray[np.float64]]
LEAST_IN_BIN = 5  # a share of fewer pictures means nothing
STYLES = {"svg.fonttype": "none", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
          "svg.hashsalt": "uncia", "font.family": "sans-serif"}  # fmt: skip


def curves(comparison: Comparison) -> str:
    """SVG with two panels for each system: recall of sequences by false alarms, and below it precision by recall.

    Each deal is a line; the other systems are grey.
    """
    dealt = {one.system.name: _held_out(one, comparison) for one in comparison.results}
    rows = ceil(len(dealt) / COLUMNS)
    with mpl.rc_context(STYLES):
        figure = Figure(figsize=(11, 4.6 * rows + 0.4), layout="constrained")
        above, below = figure.subfigures(2, 1, squeeze=False).flat
        least = 0.5 / max(1, *(int((~one.truth).sum()) for one in dealt.values()))
        alarms = {name: recalls(one, np.geomspace(least, 1, POINTS)) for name, one in dealt.items()}
        _panels(above, alarms, "Recall at each share of false alarms (dotted: 1 %)", "false alarms", "recall")
        for axes in above.axes:
            axes.set(xscale="log", xlim=(least, 1))
            axes.set_xticks([rate for rate in (0.001, 0.01, 0.1, 1) if rate >= least])
            axes.xaxis.set_major_formatter(lambda rate, _: f"{rate:.3g}")
            axes.minorticks_off()
            axes.axvline(FALSE_POSITIVE_RATE, color="#666", linewidth=0.8, linestyle=":")
        precise = {name: _precisions(one) for name, one in dealt.items()}
        _panels(below, precise, "Precision at each recall", "recall", "true alarms")
        return _svg(figure)


def _held_out(result: Result, comparison: Comparison) -> Dealt:
    return sequences(result.own.repeats, ~comparison.unseen_sequences)


def recalls(dealt: Dealt, rates: NDArray[np.float64]) -> list[Curve]:
    """For each deal the curve of the highest recall with at most each of these shares of false alarms."""
    found = []
    for scores in dealt.scores:
        alarms, recall, _ = roc_curve(dealt.truth, scores, drop_intermediate=False)
        found.append((rates, recall[np.searchsorted(alarms, rates, side="right") - 1]))
    return found


def sequence_curves(systems: Sequence[dict[str, Any]]) -> str:
    """SVG with a panel for each system of a study (`sequence_study`): the recall of its three readings."""
    with mpl.rc_context(STYLES):
        return _svg(sequence_figure(systems))


def sequence_figure(systems: Sequence[dict[str, Any]]) -> Figure:
    """The same as a figure; all panels have the same axes."""
    columns = min(4, len(systems))
    figure = Figure(figsize=(2.75 * columns, 2.6 * ceil(len(systems) / columns) + 0.7), layout="constrained")
    grid = figure.subplots(ceil(len(systems) / columns), columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(systems) :]:
        axes.remove()
    for axes, one in zip(grid.flat, systems, strict=False):
        for name, (colour, style) in READ.items():
            curve = one[name]["curve"]
            axes.plot(curve["false_alarms"], curve["recall"], style, color=colour, linewidth=1.6, label=name)
        axes.set_title(one["name"], fontsize=10, fontweight="bold")
        axes.set(xscale="log", ylim=(-0.02, 1.02), xlabel="false alarms")
        axes.xaxis.set_major_formatter(lambda rate, _: f"{rate:.3g}")
        axes.tick_params(labelbottom=True)
        axes.grid(color="#eee")
        axes.set_axisbelow(True)
    for axes in grid[:, 0]:
        axes.set_ylabel("recall")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    return figure


def _precisions(dealt: Dealt) -> list[Curve]:
    """For each deal the curve of the precision at the highest threshold that reaches each recall."""
    wanted = np.linspace(1 / POINTS, 1, POINTS)
    found = []
    for scores in dealt.scores:
        precision, recall, _ = precision_recall_curve(dealt.truth, scores)
        precision, recall = precision[-2::-1], recall[-2::-1]  # from the highest threshold on
        found.append((wanted, precision[np.minimum(np.searchsorted(recall, wanted - 1e-12), len(recall) - 1)]))
    return found


def calibration_plot(systems: Sequence[dict[str, Any]]) -> str:
    """SVG of the share of positives by probability, a panel for each system.

    The size of a dot is by its number of pictures; bins of fewer than five pictures are left out.
    """
    bins = {one["name"]: [some for some in one["calibration"]["bins"] if some["n"] >= LEAST_IN_BIN] for one in systems}
    lines = {
        name: [(np.array([one["said"] for one in own]), np.array([one["true"] for one in own]))]
        for name, own in bins.items()
    }
    with mpl.rc_context(STYLES):
        figure = Figure(figsize=(11, 2.4 * ceil(len(lines) / COLUMNS) + 0.4), layout="constrained")
        _panels(figure, lines, "Share of positives at each probability", "probability", "share of positives")
        for axes, (name, own) in zip(figure.axes, bins.items(), strict=True):
            axes.plot([0, 1], [0, 1], color="#666", linewidth=0.8, linestyle=":")
            axes.scatter(*lines[name][0], color=OWN, s=[4 + 3 * one["n"] ** 0.5 for one in own])
        return _svg(figure)


def _panels(figure: Any, curves: dict[str, list[Curve]], title: str, x: str, y: str) -> None:
    """Draws a panel for each system: its own deals in colour over the first deal of all others in grey."""
    figure.suptitle(title, fontsize=11)
    grid = figure.subplots(ceil(len(curves) / COLUMNS), COLUMNS, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(curves) :]:
        axes.remove()
    for axes, (name, own) in zip(grid.flat, curves.items(), strict=False):
        for other, deals in curves.items():
            if other != name:
                axes.plot(*deals[0], color=OTHERS, linewidth=0.7)
        for deal in own:
            axes.plot(*deal, color=OWN, linewidth=1.5, alpha=0.8)
        axes.set_title(name, fontsize=10, fontweight="bold")
        axes.set(xlabel=x, ylim=(-0.02, 1.02))
        axes.tick_params(labelbottom=True)
        axes.grid(color="#eee")
        axes.set_axisbelow(True)
    for axes in grid[:, 0]:
        axes.set_ylabel(y)


def _svg(figure: Figure) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]
