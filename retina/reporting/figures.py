"""The figures of the lab report, on matplotlib's own ``Figure``: no pyplot, safe in a server."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from retina.atomic import replacing
from retina.scale import LABELS, NUM_GRADES

RUN_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


def row_shares(matrix: Sequence[Sequence[int]]) -> npt.NDArray[np.float64]:
    """Counts to shares of each row; a row without any count stays 0.

    Args:
        matrix: (5, 5) counts, rows are the truth.

    Returns:
        (5, 5), each row adding up to 1 or 0.
    """
    counts = np.asarray(matrix, dtype=np.float64)
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def confusion_matrix_figure(matrix: Sequence[Sequence[int]], title: str) -> Figure:
    """A row-normalised confusion matrix, darker blue for larger shares.

    Each cell shows the share of its row, and the count below it.

    Args:
        matrix: (5, 5) counts, rows are the truth, columns what the model answered.
        title: Above it.
    """
    counts = np.asarray(matrix)
    shares = row_shares(matrix)
    figure = Figure(figsize=(6.4, 5.8), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    for row in range(NUM_GRADES):
        for column in range(NUM_GRADES):
            axes.text(
                column,
                row,
                f"{shares[row, column]:.0%}\n({counts[row, column]})",
                ha="center",
                va="center",
                fontsize=9,
                color="white" if shares[row, column] > 0.5 else "#1a1a1a",
            )
    names = [label.replace(" DR", "\nDR") if len(label) > 8 else label for label in LABELS]
    axes.set_xticks(range(NUM_GRADES), names)
    axes.set_yticks(range(NUM_GRADES), names)
    axes.set_xlabel("The model's grade")
    axes.set_ylabel("True grade")
    axes.set_title(title)
    figure.colorbar(image, ax=axes, shrink=0.8, format="{x:.0%}", label="Share of the true grade")
    return figure


def accuracy_trend_figure(histories: Mapping[str, pd.DataFrame], title: str) -> Figure:
    """Accuracy by epoch, several runs in one figure.

    Args:
        histories: A run's name to its ``history.csv``; training accuracy is drawn dashed,
            validation accuracy solid.
        title: Above it.
    """
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axes = figure.add_subplot()
    for colour, (name, history) in zip(RUN_COLOURS, histories.items(), strict=False):
        for column, style, part in (
            ("train_accuracy", "--", "training"),
            ("validation_accuracy", "-", "validation"),
        ):
            axes.plot(
                history["epoch"],
                history[column],
                style,
                color=colour,
                marker="o",
                markersize=3,
                label=f"{name}, {part}",
            )
    axes.set_xlabel("Epoch")
    axes.set_ylabel("Accuracy")
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    axes.set_title(title)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, atomically."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)
