"""``retina evaluate``: measure a model on labelled photographs or on an audit log."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from retina.cli.exit_status import DONE
from retina.cli.flags import add_by_patient, add_device, add_engine, add_model
from retina.reporting.formatting import unit, with_interval

if TYPE_CHECKING:
    from retina.evaluation.evaluate import Evaluation

HELP = "Evaluate a model on labelled photographs, or against the verdicts of clinicians."


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add_model(parser)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--data",
        action="append",
        metavar="DIR|synthetic",
        help="labelled photographs; repeatable: metrics of each source and of all together",
    )
    source.add_argument(
        "--audit-log",
        type=Path,
        metavar="FILE",
        help="audit log of the page, or its CSV: compares predictions with the verdicts of "
        "clinicians, who agree more readily once they have seen a prediction",
    )
    add(
        "--split",
        choices=("train", "validation", "test", "all"),
        help="split of the model's split.csv to evaluate on, or all photographs (default: test)",
    )
    add_by_patient(parser)
    add("--tta", action="store_true", help="average over flips and quarter turns; 8 times slower")
    add(
        "--prevalence",
        type=float,
        metavar="SHARE",
        help="prevalence of referable disease, 0 to 1, for the predictive values (default: that "
        "of the photographs)",
    )
    add("--predictions", type=Path, metavar="FILE", help="write every prediction, as CSV")
    add(
        "--figures",
        type=Path,
        metavar="DIR",
        help="write the confusion matrix, reliability diagram and ROC curve, as PNG",
    )
    add("--json", action="store_true", help="print JSON instead of a table")
    add_device(parser)
    add_engine(parser)


def run(options: argparse.Namespace) -> int:
    """Print the metrics."""
    from retina.errors import SettingsError
    from retina.evaluation.metrics import check_prevalence
    from retina.evaluation.predictions import write_predictions

    if options.predictions and options.predictions.is_dir():
        raise SettingsError(f"--predictions {options.predictions} is a folder: name a file")
    if options.figures and options.figures.is_file():
        raise SettingsError(f"--figures {options.figures} is a file: name a folder")
    check_prevalence(options.prevalence)
    judge = _of_verdicts if options.audit_log else _of_photographs
    evaluation, title, note = judge(options)
    if options.predictions:
        write_predictions(options.predictions, evaluation.predictions)
    if options.figures:
        from retina.reporting.evaluation_figures import evaluation_figures
        from retina.reporting.figures import save_figure

        figures = evaluation_figures(evaluation.answers, evaluation.metrics, title, note)
        for name, figure in figures.items():
            save_figure(figure, options.figures / f"{name}.png")
    if options.json:
        json.dump(evaluation.metrics, sys.stdout, indent=2, allow_nan=False)
        print()
    else:
        print("\n".join(table(evaluation.metrics)))
    return DONE


def _of_photographs(options: argparse.Namespace) -> "tuple[Evaluation, str, str | None]":
    """Evaluate on a split; also return a title and a note for the figures."""
    from retina.datasets.cache import PreparedCache
    from retina.datasets.sources import read_sources
    from retina.devices import choose_device
    from retina.evaluation.evaluate import evaluate
    from retina.evaluation.held_out import Part, choose_rows, only_names_known
    from retina.models.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(options.model, options.checkpoints)
    device = choose_device(options.device)
    catalogs = read_sources(options.data)
    split: Part = options.split or "test"
    _warn(only_names_known(catalogs, checkpoint))
    rows, warnings = choose_rows(catalogs, checkpoint, split)
    if options.by_patient and rows["patient"].is_unique:
        warnings.append("no patient has two photographs here: --by-patient changes nothing")
    _warn(warnings)
    evaluation = evaluate(
        checkpoint,
        rows,
        PreparedCache(),
        device,
        prevalence=options.prevalence,
        tta=options.tta,
        by_patient=options.by_patient,
        engine=options.engine,
    )
    for picture in evaluation.unreadable:
        print(f"left out: {picture.reason}", file=sys.stderr)
    name = "all" if split == "all" else f"{split} split"
    count = f"{evaluation.metrics['n']:,} {unit(evaluation.metrics)}"
    names = " + ".join(catalog.name for catalog in catalogs)
    return evaluation, f"{checkpoint.name}: {names}, {name}, {count}", None


def _of_verdicts(options: argparse.Namespace) -> "tuple[Evaluation, str, str | None]":
    """Evaluate on an audit log; also return a title and a note for the figures."""
    from retina.errors import SettingsError
    from retina.inference.agreement import REFERENCE, evaluate_verdicts
    from retina.inference.verdicts import read_log
    from retina.models.checkpoint_folder import find_checkpoint, read_config

    for name in ("split", "by_patient", "tta"):
        if getattr(options, name):
            flag = f"--{name.replace('_', '-')}"
            raise SettingsError(
                f"{flag} cannot be used with --audit-log, which records neither splits nor "
                f"patients: leave {flag} out, or give --data"
            )
    folder = find_checkpoint(options.model, options.checkpoints)
    log = read_log(options.audit_log)
    evaluation, warnings = evaluate_verdicts(
        log, folder.name, read_config(folder), options.prevalence
    )
    _warn(warnings)
    count = f"{evaluation.metrics['n']:,} photographs"
    return evaluation, f"{folder.name}: {options.audit_log.name}, {count}", f"Truth: {REFERENCE}"


def _warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)


def table(metrics: dict[str, object], prefix: str = "") -> Iterator[str]:
    """Format metrics, one a line: the name in 40 columns, then the value with its interval."""
    for name, value in metrics.items():
        if name == "confusion_matrix" and isinstance(value, list):
            yield "confusion matrix, one row per true grade:"
            yield from ("".join(f"{count:>7}" for count in row) for row in value)
        elif isinstance(value, dict) and "low" not in value:
            yield from table(value, f"{prefix}{name} ")
        elif isinstance(value, list):
            for grade, figure in enumerate(value):
                yield f"{f'{prefix}{name} {grade}':<39} {_text(figure)}"
        else:
            yield f"{prefix + name:<39} {_text(value)}"


def _text(value: object) -> str:
    if isinstance(value, int | str):
        return str(value)
    return with_interval(value, "{:.4f}".format, "undefined")
