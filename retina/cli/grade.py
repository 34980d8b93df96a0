"""``retina grade``: grade photographs."""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from retina.cli.exit_status import DONE, USER, say
from retina.cli.flags import add_engine, add_model

HELP = "Grade photographs."

_NAME_BYTES = 120  # File systems allow 255, of which the rest of an output's name needs some.


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("images", nargs="+", metavar="IMAGE", help="fundus photographs")
    add_model(parser)
    add_engine(parser)
    add("--json", action="store_true", help="print a JSON list, in the order given")
    add("--heatmaps", type=Path, metavar="DIR", help="write a heatmap of each photograph, as PNG")
    add(
        "--report",
        type=Path,
        metavar="DIR",
        help="write a case report for each photograph, as PDF and HTML",
    )
    add("--anyway", action="store_true", help="also grade photographs of too poor a quality")


def run(options: argparse.Namespace) -> int:
    """Grade every photograph; one that fails does not stop the rest."""
    from retina.errors import InputError
    from retina.inference.grader import Grader

    grader = Grader.load(options.model, options.checkpoints, engine=options.engine)
    for folder in filter(None, (options.heatmaps, options.report)):
        folder.mkdir(parents=True, exist_ok=True)
    answers: list[dict[str, Any]] = []
    for image in options.images:
        try:
            answer = _grade(grader, image, options)
        except InputError as error:
            say(str(error))
            answer = {"image": {"name": Path(image).name}, "error": str(error)}
        answers.append(answer)
        if not options.json and "error" not in answer:
            print(_line(answer), flush=True)
    if options.json:
        json.dump(answers, sys.stdout, indent=2, allow_nan=False)
        print()
    return USER if any("error" in answer for answer in answers) else DONE


def _grade(grader: Any, image: str, options: argparse.Namespace) -> dict[str, Any]:
    began = time.perf_counter()
    photograph = grader.read(image)
    assessment = grader.assess(photograph, anyway=options.anyway, began=began)
    name = Path(image).stem.encode(errors="surrogateescape")[:_NAME_BYTES]
    stem = f"{name.decode(errors='ignore')}-{photograph.sha256[:8]}"
    wanted = options.heatmaps or options.report
    overlay = grader.overlay(photograph, assessment) if wanted else None
    if options.heatmaps and overlay is not None:
        overlay.save(options.heatmaps / f"{stem}.png")
    if options.report:
        from retina.reporting.case_report import CaseReport

        report = CaseReport(assessment, grader.checkpoint, photograph.image, overlay)
        report.write(options.report, stem)
    return dict(assessment.to_json())


def _line(answer: dict[str, Any]) -> str:
    name = answer["image"]["name"]
    if answer["grade"] is None:
        return f"{name}: not graded, {' '.join(answer['quality']['reasons'])}"
    refer = "refer" if answer["referable"] else "no referral"
    notes = "".join(f" {warning}" for warning in answer["warnings"])
    return (
        f"{name}: {answer['grade']} {answer['label']} ({answer['confidence']:.0%}), {refer} "
        f"(probability of referable disease {answer['referable_probability']:.0%}).{notes}"
    )
