"""Figures drawn with matplotlib, for light and dark pages."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, MaxNLocator

from retina.files import replacing
from retina.reporting.formatting import hundredths
from retina.scale import LABELS, NUM_GRADES

INK, GREY, FAINT, PAPER = "#1a1a1a", "#6b7480", "#d9dde2", "#ffffff"
RUN_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")

# The colours on a dark page. Text on the cells of a matrix keeps its colours.
DARK = {
    INK: "#e8eaed",
    GREY: "#a3acb7",
    FAINT: "#3d444d",
    PAPER: "#1a1e23",
    "#0072b2": "#56b4e9",
    "#d55e00": "#f08c4a",
    "#009e73": "#3cc79c",
    "#cc79a7": "#e3a3c6",
}
CELL_INK, CELL_PAPER = "#16202b", "#fdfdfd"
_BLACK, _WHITE = "#000000", "#ffffff"


def in_the_dark(figure: Figure) -> Figure:
    """Recolour a figure of this module in place, for a dark page, with a transparent background."""
    figure.set_layout_engine("none")  # Keep the layout.
    figure.patch.set_alpha(0.0)
    for axes in figure.axes:
        axes.patch.set_alpha(0.0)
        axes.tick_params(labelcolor=DARK[INK])
        for image in axes.images:
            image.set_alpha(0.88)
        for bar in axes.patches:
            bar.set_facecolor(_dark(bar.get_facecolor()))
    for artist in figure.findobj(_has_colour):
        if isinstance(artist, LineCollection):
            artist.set_color([_dark(colour) for colour in artist.get_color()])
        elif isinstance(artist, Text | Line2D):
            artist.set_color(_dark(artist.get_color()))
        if isinstance(artist, Line2D):
            artist.set_markeredgecolor(_dark(artist.get_markeredgecolor()))
    return figure


def text_on(background: str) -> str:
    """Return black or white, whichever contrasts more with ``#rrggbb``; at least 4.5 : 1."""
    luminance = relative_luminance(background)
    black_contrast = (luminance + 0.05) / 0.05
    white_contrast = 1.05 / (luminance + 0.05)
    return _BLACK if black_contrast >= white_contrast else _WHITE


def relative_luminance(colour: str) -> float:
    """Return the relative luminance (WCAG 2.2), 0 to 1, of an sRGB colour ``#rrggbb``."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _dark(colour: Any) -> str:
    return DARK.get(to_hex(colour), to_hex(colour))


def _has_colour(artist: Artist) -> bool:
    return isinstance(artist, Text | Line2D | LineCollection)


_DPI = 150
_HALF = (6.4, 5.3)
_TOGETHER = len(RUN_COLOURS)
_BASELINE: dict[str, Any] = {"color": GREY, "linewidth": 1.3, "linestyle": (0, (1, 2))}


def row_shares(matrix: Sequence[Sequence[int]]) -> npt.NDArray[np.float64]:
    """Normalise the rows of a (5, 5) matrix of counts; an empty row stays 0."""
    counts = np.asarray(matrix, dtype=np.float64)
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def confusion_matrix_figure(
    matrix: Sequence[Sequence[int]], title: str, note: str | None = None
) -> Figure:
    """Draw a confusion matrix; each cell shows the share of its row and the count.

    Args:
        matrix: (5, 5) counts; rows are true grades, columns predicted ones.
        title: The title.
        note: A second line, such as what the run started from.
    """
    counts = np.asarray(matrix)
    shares = row_shares(matrix)
    figure = Figure(figsize=_HALF, layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    for row in range(NUM_GRADES):
        empty = counts[row].sum() == 0
        for column in range(NUM_GRADES):
            colour = CELL_PAPER if shares[row, column] > 0.62 else CELL_INK
            place: dict[str, Any] = {"ha": "center", "color": colour}
            share = "–" if empty else f"{shares[row, column]:.0%}"
            axes.text(column, row, share, va="bottom", fontsize=12, **place)
            axes.text(column, row + 0.06, f"{counts[row, column]}", va="top", fontsize=8.5, **place)
    names = [label.replace(" DR", "\nDR") if len(label) > 8 else label for label in LABELS]
    axes.set_xticks(range(NUM_GRADES), names)
    axes.set_yticks(range(NUM_GRADES), names)
    axes.set_xticks(np.arange(0.5, NUM_GRADES - 1), minor=True)
    axes.set_yticks(np.arange(0.5, NUM_GRADES - 1), minor=True)
    axes.grid(which="minor", color=PAPER, linewidth=2)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("Predicted grade", labelpad=8)
    axes.set_ylabel("True grade", labelpad=8)
    head(figure, title, note)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, aspect=30, format="{x:.0%}")
    bar.set_label("Share of the true grade")
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0)
    ink(figure)
    return figure


def accuracy_trend_figure(
    histories: Mapping[str, pd.DataFrame],
    title: str,
    best_epochs: Mapping[str, int] | None = None,
    baseline: float | None = None,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Draw accuracy by epoch, dashed for training and solid for validation.

    Up to four runs share one pair of axes; more have one each, with common limits.

    Args:
        histories: The ``history.csv`` of each run, by label.
        title: The title.
        best_epochs: The chosen epoch of each run, by label; marked by a ring.
        baseline: Accuracy, 0 to 1, of always predicting the most frequent grade.
        limits: Limits of the accuracy axis.
    """
    together = len(histories) <= _TOGETHER
    columns = 1 if together else 3
    rows = 1 if together else -(-len(histories) // columns)
    wide = (10.2, 5.4) if together else (10.2, 2.5 * rows + 1.2)
    figure = Figure(figsize=_HALF if len(histories) <= 2 else wide, layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for index, (label, history) in enumerate(histories.items()):
        axes = grid[0 if together else index]
        colour = RUN_COLOURS[index if together else 0]
        _trend(axes, history, colour, (best_epochs or {}).get(label))
        if not together:
            axes.set_title(label, fontsize=9, loc="left")
    panels = 1 if together else len(histories)
    for index, axes in enumerate(grid):
        axes.set_visible(index < panels)
        if baseline is not None:
            axes.axhline(baseline, **_BASELINE)
        axes.grid(color=FAINT, linewidth=0.7)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color(GREY)
        lowest = index + columns >= panels
        axes.tick_params(length=0, labelbottom=lowest)
        axes.set_xlabel("Epoch" if lowest else "")
    grid[0].set_ylim(limits)
    grid[0].yaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10]))
    grid[0].yaxis.set_major_formatter(FuncFormatter(_percent))
    grid[0].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    figure.supylabel("Accuracy", fontsize=10)
    head(figure, title, None)
    _trend_legend(figure, [*histories] if together else [], bool(best_epochs), baseline is not None)
    ink(figure)
    return figure


def imbalance_figure(
    table: pd.DataFrame, title: str, plain: str | None = None, baseline: float | None = None
) -> Figure:
    """Draw a dot plot of metrics: a row per variant, a panel per metric.

    Args:
        table: A row per variant, indexed by label, and a column per metric, the first of them
            accuracy. NaN is undefined.
        title: The title.
        plain: The label of the variant that the others are compared with, by lines.
        baseline: Accuracy, 0 to 1, of always predicting the most frequent grade.
    """
    figure = Figure(figsize=(11, 0.36 * len(table) + 1.7), layout="constrained")
    panels = figure.subplots(1, len(table.columns), sharey=True, squeeze=False).ravel()
    rows = np.arange(len(table))
    low = min(0.0, float(np.nan_to_num(table.to_numpy(dtype=float)).min()))
    for axes, (name, values) in zip(panels, table.items(), strict=True):
        axes.set_xlim(low - 0.45, 1.45)
        axes.set_title(str(name), fontsize=9.5)
        axes.vlines([0, 1], -0.5, len(table) - 0.5, color=FAINT, linewidth=0.8)
        reference = values.get(plain, np.nan)
        if np.isfinite(reference):
            axes.axvline(reference, color=GREY, linewidth=1)
            axes.hlines(rows, reference, values, color=RUN_COLOURS[0], linewidth=2.5)
        axes.plot(values, rows, "o", color=RUN_COLOURS[0], markersize=7)
        for row, value in enumerate(values):
            undefined = not np.isfinite(value)
            side = -1 if value < reference else 1
            axes.annotate(
                "undefined" if undefined else hundredths(value),
                (low if undefined else value, row),
                xytext=(0 if undefined else 7 * side, 0),
                textcoords="offset points",
                ha="right" if side < 0 else "left",
                va="center",
                fontsize=8.5,
            )
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    if baseline is not None:
        panels[0].axvline(baseline, **_BASELINE)
    panels[0].set_yticks(rows, [str(label) for label in table.index])
    panels[0].set_ylim(len(table) - 0.5, -0.5)
    notes = [
        *(["Line: the plain run."] if plain is not None else []),
        *(["Dotted: always the most frequent grade."] if baseline is not None else []),
    ]
    head(figure, title, " ".join(notes) or None)
    ink(figure)
    return figure


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(png(figure))


def _trend(axes: Axes, history: pd.DataFrame, colour: str, best_epoch: int | None) -> None:
    line = {"color": colour, "linewidth": 1.8, "marker": "o", "markersize": 3.5}
    axes.plot(history["epoch"], history["train_accuracy"], linestyle="--", **line)  # type: ignore[arg-type]
    axes.plot(history["epoch"], history["validation_accuracy"], linestyle="-", **line)  # type: ignore[arg-type]
    chosen = history[history["epoch"] == best_epoch]
    ring = {"markersize": 10, "markerfacecolor": "none", "markeredgewidth": 1.5}
    axes.plot(chosen["epoch"], chosen["validation_accuracy"], "o", color=colour, **ring)  # type: ignore[arg-type]


def _percent(share: float, _: int | None) -> str:
    return f"{100 * share:.4g}%"


def _trend_legend(figure: Figure, runs: Sequence[str], chosen: bool, baseline: bool) -> None:
    """Add a legend: one column for the colours of runs, one for the line styles."""
    entries = [
        ("training", Line2D([], [], color=GREY, linestyle="--")),
        ("validation", Line2D([], [], color=GREY)),
    ]
    if chosen:
        ring = Line2D([], [], color=GREY, linestyle="", marker="o", markersize=8)
        ring.set_markerfacecolor("none")
        entries.append(("chosen epoch", ring))
    if baseline:
        entries.append(("most frequent grade, test split", Line2D([], [], **_BASELINE)))
    columns = len(entries)
    if runs:
        columns = 2
        colours = [
            (label, Line2D([], [], color=colour, linewidth=4))
            for label, colour in zip(runs, RUN_COLOURS, strict=False)
        ]
        nothing = [("", Line2D([], [], linestyle=""))]
        height = max(len(colours), len(entries))
        entries = [
            *colours,
            *nothing * (height - len(colours)),
            *entries,
            *nothing * (height - len(entries)),
        ]
    figure.legend(
        [line for _, line in entries],
        [label for label, _ in entries],
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=8.5,
    )


def head(figure: Figure, title: str, note: str | None) -> None:
    """Set the title of a figure, and a note below it."""
    width = int(10 * figure.get_figwidth())
    lines = fill(title, width) if note is None else f"{fill(title, width)}\n{fill(note, width + 8)}"
    figure.suptitle(lines, fontsize=12 if note is None else 11)


def ink(figure: Figure) -> None:
    """Set the colour of all black text, and disable the parsing of mathematics."""
    for axes in figure.axes:
        axes.tick_params(labelcolor=INK)
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_parse_math(False)
        if to_hex(text.get_color()) == "#000000":
            text.set_color(INK)
