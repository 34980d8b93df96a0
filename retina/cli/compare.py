"""``retina compare``: compare two models on the same photographs."""

import argparse
import json
import sys

from retina.cli.evaluate import table
from retina.cli.exit_status import DONE
from retina.cli.flags import add_by_patient, add_checkpoints, add_device
from retina.reporting.formatting import unit

HELP = "Compare two models on photographs that neither was trained on."


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("first", metavar="A", help="name of the first model; `retina models` lists them")
    add("second", metavar="B", help="name of the second model")
    add_checkpoints(parser)
    add(
        "--data",
        required=True,
        action="append",
        metavar="DIR|synthetic",
        help="labelled photographs; repeatable",
    )
    add(
        "--split",
        choices=("test", "all"),
        default="test",
        help="photographs in the test split of either model and in no other split of the two, or "
        "all photographs (default: test)",
    )
    add_by_patient(parser)
    add("--json", action="store_true", help="print JSON instead of a table")
    add_device(parser)


def run(options: argparse.Namespace) -> int:
    """Grade the photographs with both models and print the differences."""
    from retina.datasets.cache import PreparedCache
    from retina.datasets.sources import read_sources
    from retina.devices import choose_device
    from retina.errors import SettingsError
    from retina.evaluation.compare import compare_answers, conclusion
    from retina.evaluation.evaluate import grade_rows, readable_rows
    from retina.evaluation.held_out import choose_unseen_rows, only_names_known
    from retina.models.checkpoint import load_checkpoint

    names = [options.first, options.second]
    if names[0] == names[1]:
        raise SettingsError(f"{names[0]} cannot be compared with itself: name another model")
    models = [load_checkpoint(name, options.checkpoints) for name in names]
    device = choose_device(options.device)
    catalogs = read_sources(options.data)
    warnings = [warning for model in models for warning in only_names_known(catalogs, model)]
    rows, too_good = choose_unseen_rows(catalogs, models, options.split)
    for warning in warnings + too_good:
        print(f"warning: {warning}", file=sys.stderr)
    cache = PreparedCache()
    for model in models:
        rows, unreadable = readable_rows(model, rows, cache)
        for picture in unreadable:
            print(f"left out: {picture.reason}", file=sys.stderr)
    answers = [grade_rows(model, rows, cache, device) for model in models]
    if options.by_patient:
        answers = [each.by_patient() for each in answers]
    first, second = (model.config.referable.threshold for model in models)
    comparison = compare_answers(answers[0], answers[1], (first, second))
    counted = unit({"by_patient": options.by_patient})
    sentence = conclusion(names[0], names[1], comparison, counted)
    if options.json:
        record = {
            "models": names,
            "photographs": len(rows),
            "by_patient": options.by_patient,
            **comparison,
            "conclusion": sentence,
        }
        json.dump(record, sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
        print()
    else:
        print("\n".join(table({"photographs": len(rows), **comparison})))
        print(f"\nfirst: {names[0]}, second: {names[1]}, difference: first minus second")
        print(sentence)
    return DONE
