"""The figures of an evaluation: confusion matrix, reliability diagram, ROC curve."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from retina.evaluation.calibration import confidence_bins, referable_probability
from retina.evaluation.intervals import wilson
from retina.evaluation.predictions import Predictions
from retina.reporting.figures import FAINT, GREY, RUN_COLOURS, confusion_matrix_figure, head, ink
from retina.reporting.formatting import bounds, decimal, number, with_interval
from retina.scale import REFERABLE_FROM

_AFTER, _BEFORE = RUN_COLOURS[:2]


def evaluation_figures(
    answers: Predictions, metrics: Mapping[str, Any], title: str, note: str | None = None
) -> dict[str, Figure]:
    """Draw the figures of an evaluation.

    Args:
        answers: The predictions.
        metrics: Their metrics, as ``evaluate`` returns them.
        title: The title of each figure.
        note: A second line, such as what the run started from.

    Returns:
        ``confusion-matrix``, ``reliability`` and, unless all photographs are referable or none is,
        ``roc``.
    """
    figures = {
        "confusion-matrix": confusion_matrix_figure(metrics["confusion_matrix"], title, note),
        "reliability": reliability_figure(answers, metrics, title, note),
    }
    if number(metrics["referable"]["auroc"]) is not None:
        figures["roc"] = roc_figure(answers, metrics, title, note)
    return figures


def reliability_figure(
    answers: Predictions, metrics: Mapping[str, Any], title: str, note: str | None = None
) -> Figure:
    """Draw a reliability diagram: accuracy by confidence, before and after temperature scaling.

    The 15 bins are those of the calibration error. Error bars are 95 % intervals (Wilson, 1927);
    the lower panel shows the share of predictions in each bin.

    Args:
        answers: The predictions.
        metrics: Their metrics, with ``ece`` and ``before_temperature``.
        title: The title.
        note: A second line.
    """
    figure = Figure(figsize=(6.4, 6.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    upper.plot([0, 1], [0, 1], color=GREY, linewidth=1.2, linestyle=(0, (4, 3)))
    upper.text(0.13, 0.1, "perfect calibration", color=GREY, fontsize=8.5, va="top")
    before, after = _Bins(answers, answers.uncalibrated), _Bins(answers, answers.probability)
    error = number(metrics["before_temperature"]["ece"])
    upper.plot(
        before.confidence,
        before.right,
        "s--",
        color=_BEFORE,
        markerfacecolor="none",
        markersize=6,
        linewidth=1.2,
        label=f"before temperature scaling: error {decimal(error)}",
    )
    reach = np.abs(after.bounds() - after.right)
    upper.errorbar(
        after.confidence,
        after.right,
        yerr=reach,
        fmt="o-",
        color=_AFTER,
        markersize=6,
        linewidth=1.6,
        elinewidth=1,
        label=f"after temperature scaling: error {with_interval(metrics['ece'])}",
    )
    upper.set_ylim(-0.02, 1.02)
    upper.set_ylabel("Accuracy")
    upper.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    figure.legend(loc="outside lower center", frameon=False, fontsize=8.5)
    lower.bar(after.middle, after.count / after.count.sum(), width=after.width, color=_AFTER)
    lower.set_xlim(0, 1)
    lower.set_ylabel("Share of\npredictions")
    lower.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    lower.set_xlabel("Confidence: the probability of the predicted grade")
    lower.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    for axes in (upper, lower):
        _plain(axes)
    head(figure, title, note)
    ink(figure)
    return figure


def roc_figure(
    answers: Predictions, metrics: Mapping[str, Any], title: str, note: str | None = None
) -> Figure:
    """Draw the ROC curve of referable disease, with the operating point.

    Args:
        answers: The predictions, of which some but not all are referable.
        metrics: Their metrics, with ``referable``.
        title: The title.
        note: A second line.
    """
    from sklearn.metrics import roc_curve  # slow to import, and the page opens without

    referable = metrics["referable"]
    alarms, found, _ = roc_curve(
        answers.grades >= REFERABLE_FROM, referable_probability(answers.probability)
    )
    figure = Figure(figsize=(6.4, 6.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.text(0.62, 0.59, "chance", color=GREY, fontsize=8.5, va="top")
    axes.plot(
        alarms,
        found,
        color=_AFTER,
        linewidth=2,
        label=f"referable disease: AUROC {with_interval(referable['auroc'])}",
    )
    specificity, sensitivity = number(referable["specificity"]), number(referable["sensitivity"])
    assert specificity is not None
    assert sensitivity is not None
    axes.errorbar(
        1 - specificity,
        sensitivity,
        xerr=_reach(referable["specificity"], turned=True),
        yerr=_reach(referable["sensitivity"]),
        fmt="D",
        color=_BEFORE,
        markersize=9,
        elinewidth=1.2,
        capsize=3,
        label=(
            f"operating point: probability of {referable['threshold']:.3f} or more\n"
            f"sensitivity {with_interval(referable['sensitivity'])}\n"
            f"specificity {with_interval(referable['specificity'])}"
        ),
    )
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    axes.set_aspect("equal")
    axes.set_xlabel("Not referable, but referred (1 − specificity)")
    axes.set_ylabel("Referable, and referred (sensitivity)")
    axes.legend(loc="lower right", frameon=False, fontsize=9)
    _plain(axes)
    head(figure, title, note)
    ink(figure)
    return figure


class _Bins:
    """The bins of confidence that hold a prediction."""

    def __init__(self, answers: Predictions, probability: npt.NDArray[np.float64]) -> None:
        bins = 15
        place, gap = confidence_bins(answers.grades, probability, bins, answers.predicted)
        right = answers.grades == answers.predicted
        count = np.bincount(place, minlength=bins)
        held = count > 0
        self.count = count[held]
        self.hits = np.bincount(place, weights=right, minlength=bins)[held].astype(int)
        self.right = self.hits / self.count
        sure = np.bincount(place, weights=right - gap, minlength=bins)[held]
        self.confidence = sure / self.count
        self.middle = (np.flatnonzero(held) + 0.5) / bins
        self.width = 0.9 / bins

    def bounds(self) -> npt.NDArray[np.float64]:
        """Return the Wilson interval of the accuracy in each bin: (2, bins)."""
        pairs = zip(self.hits.tolist(), self.count.tolist(), strict=True)
        return np.array([wilson(hits, count) for hits, count in pairs]).T


def _plain(axes: Axes) -> None:
    axes.grid(color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(GREY)
    axes.tick_params(length=0)


def _reach(metric: Any, turned: bool = False) -> npt.NDArray[np.float64]:
    """Return the lengths of the two error bars of a metric: (2, 1)."""
    value = number(metric)
    assert value is not None
    low, high = bounds(metric)
    reach = np.array([[value - low], [high - value]])
    return reach[::-1] if turned else reach
