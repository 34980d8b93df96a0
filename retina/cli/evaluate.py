"""``retina evaluate``: how far a model can be trusted on a data folder, or in a clinic's use."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from retina.cli.exit_status import DONE
from retina.reporting.formatting import unit, with_interval

if TYPE_CHECKING:
    from retina.evaluation.evaluate import Evaluation

HELP = "Evaluate a model on labelled photographs, or on the verdicts that clinicians gave."


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("--model", required=True, metavar="NAME", help="as `retina models` lists them")
    add("--checkpoints", type=Path, metavar="DIR", help="the folder that holds the models")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--data",
        action="append",
        metavar="DIR|synthetic",
        help="photographs and their grades; repeatable: figures of each and of all together",
    )
    source.add_argument(
        "--audit-log",
        type=Path,
        metavar="FILE",
        help="in place of photographs the page's audit log, or its CSV: the answers, and what "
        "clinicians said of them, who agree too readily with an answer that they have seen",
    )
    add(
        "--split",
        choices=("train", "validation", "test", "all"),
        help="the part as the model's own split.csv has it (test), or all of the folder",
    )
    add(
        "--by-patient",
        action="store_true",
        help="one answer a patient: of several photographs, the worse counts",
    )
    add("--tta", action="store_true", help="average over flips and quarter turns; takes 8 times")
    add(
        "--prevalence",
        type=float,
        metavar="SHARE",
        help="of referable disease, 0 to 1, for the predictive values (the photographs' own)",
    )
    add("--predictions", type=Path, metavar="FILE", help="write every answer as CSV")
    add("--figures", type=Path, metavar="DIR", help="write confusion matrix, reliability and ROC")
    add("--json", action="store_true", help="JSON instead of a table")
    add("--device", default="auto", help="auto, cpu, cuda ... (auto)")
    add("--engine", choices=("torch", "onnxruntime"), default="torch", help="what computes (torch)")


def run(options: argparse.Namespace) -> int:
    """Print the figures of photographs or verdicts."""
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
    """Grade the part; its figures, and a title and note for their pictures."""
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
    part = "all" if split == "all" else f"{split} part"
    count = f"{evaluation.metrics['n']:,} {unit(evaluation.metrics)}"
    names = " + ".join(catalog.name for catalog in catalogs)
    return evaluation, f"{checkpoint.name}: {names}, {part}, {count}", None


def _of_verdicts(options: argparse.Namespace) -> "tuple[Evaluation, str, str | None]":
    """As ``_of_photographs``, for an audit log."""
    from retina.errors import SettingsError
    from retina.inference.agreement import REFERENCE, evaluate_verdicts
    from retina.inference.verdicts import read_log
    from retina.models.checkpoint_folder import find_checkpoint, read_config

    for name in ("split", "by_patient", "tta"):
        if getattr(options, name):
            flag = f"--{name.replace('_', '-')}"
            raise SettingsError(
                f"{flag} has no meaning with --audit-log, which knows neither photographs nor "
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
    """A line a figure: its name in 40 columns, then its value with the interval."""
    for name, value in metrics.items():
        if name == "confusion_matrix" and isinstance(value, list):
            yield "confusion matrix, a row a true grade:"
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
