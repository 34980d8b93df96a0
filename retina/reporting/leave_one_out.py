"""The table and figure of the leave-one-out study."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from retina.errors import CheckpointError
from retina.files import no_formula
from retina.models.checkpoint_folder import EVALUATIONS, read_figures
from retina.reporting.figures import GREY, INK, head, ink
from retina.reporting.formatting import interval, number
from retina.reporting.runs import FinishedRun

LEFT_OUT_WHOLE, LEFT_OUT_TEST, TEST_OF = "left-out", "left-out-test", "test-of-"
"""Names of the files in ``evaluations``, without their ending."""

_METRICS = {"kappa": "Quadratic weighted kappa", "auroc": "AUROC of referable disease"}
_POINTS: dict[str, tuple[str, dict[str, Any]]] = {
    "in_source": ("test photographs, trained there", {"marker": "o", "color": INK}),
    "left_out_test": ("the same, never seen", {"marker": "o", "color": GREY}),
    "left_out": ("all photographs, never seen", {"marker": "s", "color": GREY}),
}


@dataclass(frozen=True)
class LeftOut:
    """The metrics of a network on one hospital, trained with and without it.

    Attributes:
        name: The name of the run on all sources.
        hospital: The sources of the hospital, joined by ``+``.
        in_source: Metrics of the run on all sources on the test split of the hospital.
        left_out_test: Metrics of the run without the hospital on the same photographs.
        left_out: Metrics of the run without the hospital on all its photographs.
    """

    name: str
    hospital: str
    in_source: Mapping[str, Any]
    left_out_test: Mapping[str, Any]
    left_out: Mapping[str, Any]

    def metric(self, column: str, name: str) -> Any:
        """Return ``kappa`` or ``auroc`` of ``in_source``, ``left_out_test`` or ``left_out``."""
        figures: Mapping[str, Any] = getattr(self, column)
        if name == "kappa":
            return figures["quadratic_weighted_kappa"]
        return figures["referable"]["auroc"]


def on_all_sources(runs: Sequence[FinishedRun]) -> list[FinishedRun]:
    """Return the runs that left no source out."""
    return [run for run in runs if not run.left_out]


def left_out_rows(runs: Sequence[FinishedRun]) -> list[LeftOut]:
    """Return a row per run that left a hospital out, with the run on all sources.

    Raises:
        CheckpointError: The run on all sources or an evaluation is missing.
    """
    whole = {(run.config.architecture, run.start): run for run in on_all_sources(runs)}
    rows = []
    for run in runs:
        if not run.left_out:
            continue
        beside = whole.get((run.config.architecture, run.start))
        if beside is None:
            raise CheckpointError(
                f"{run.name} cannot be reported without the run on all sources: add its folder"
            )
        rows.append(
            LeftOut(
                beside.name,
                run.left_out,
                _figures(beside, f"{TEST_OF}{run.left_out}"),
                _figures(run, LEFT_OUT_TEST),
                _figures(run, LEFT_OUT_WHOLE),
            )
        )
    return rows


def left_out_table(rows: Sequence[LeftOut]) -> pd.DataFrame:
    """Return the table of ``leave-one-out.csv``: each metric with its interval."""
    records = []
    for row in rows:
        record: dict[str, Any] = {
            "model": no_formula(row.name),
            "hospital": no_formula(row.hospital),
            "n_test": row.in_source["n"],
            "n": row.left_out["n"],
        }
        for column in _POINTS:
            for name in _METRICS:
                metric = row.metric(column, name)
                low, high = interval(metric) or (None, None)
                values = {"": number(metric), "_low": low, "_high": high}
                record |= {f"{column}_{name}{end}": value for end, value in values.items()}
        records.append(record)
    return pd.DataFrame(records)


def left_out_figure(rows: Sequence[LeftOut]) -> Figure:
    """Draw metrics with 95 % intervals: a row per hospital and network, a panel per metric."""
    figure = Figure(figsize=(10, 1.9 + 0.62 * len(rows)), layout="constrained")
    panels = figure.subplots(1, len(_METRICS), sharey=True)
    names = {row.name for row in rows}
    labels = [row.hospital if len(names) == 1 else f"{row.name}\n{row.hospital}" for row in rows]
    for axes, (name, title) in zip(panels, _METRICS.items(), strict=True):
        for place, row in enumerate(rows):
            for shift, (column, (_, style)) in zip((-0.2, 0.0, 0.2), _POINTS.items(), strict=True):
                metric = row.metric(column, name)
                value, bounds = number(metric), interval(metric)
                if value is None:
                    continue
                if bounds:
                    line = {"color": style["color"], "linewidth": 1.4}
                    axes.plot(bounds, [place + shift] * 2, **line)
                axes.plot([value], [place + shift], linestyle="", markersize=6, **style)
        axes.set_xlabel(title)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x", alpha=0.3)
    panels[0].set_yticks(range(len(rows)), labels)
    panels[0].invert_yaxis()
    handles = [Line2D([], [], linestyle="", markersize=6, **style) for _, style in _POINTS.values()]
    figure.legend(
        handles,
        [label for label, _ in _POINTS.values()],
        loc="outside lower center",
        ncols=len(handles),
        frameon=False,
        fontsize=9,
    )
    head(figure, "Hospitals in training, and hospitals left out of it", None)
    ink(figure)
    return figure


def _figures(run: FinishedRun, name: str) -> dict[str, Any]:
    file = run.folder / EVALUATIONS / f"{name}.json"
    if not file.exists():
        raise CheckpointError(f"{file} is missing: continue with train.py --leave-one-out --resume")
    return read_figures(file, str(file))
