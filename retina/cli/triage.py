"""``retina triage``: turn a folder of photographs into a worklist."""

import argparse
import sys
from contextlib import closing
from pathlib import Path

from retina.cli.exit_status import DONE
from retina.cli.flags import add_engine, add_model
from retina.reporting.formatting import counted

HELP = "Grade the photographs in a folder or ZIP archive into a worklist, most urgent first."


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("place", type=Path, metavar="DIR", help="folder, searched recursively, or ZIP archive")
    add_model(parser)
    add("--output", required=True, type=Path, metavar="FILE", help="worklist to write, as CSV")
    add_engine(parser)


def run(options: argparse.Namespace) -> int:
    """Grade and write; an interrupted run is continued from its journal."""
    from tqdm import tqdm

    from retina.errors import SettingsError
    from retina.files import write_text
    from retina.inference.grader import Grader
    from retina.inference.sources import photographs_in
    from retina.inference.triage import triage
    from retina.inference.worklist import (
        in_order,
        journal_of,
        read_journal,
        urgencies,
        worklist_csv,
        writing_journal,
    )

    output: Path = options.output
    if output.exists():
        raise SettingsError(f"--output {output} already exists: name another file, or move it away")
    grader = Grader.load(options.model, options.checkpoints, engine=options.engine)
    found = photographs_in(options.place)
    if found.left_out:
        print(found.left_out, file=sys.stderr)
    sources = found.sources
    journal = journal_of(output)
    with closing(found), writing_journal(journal) as add:
        done = {
            (row["image"], stamp): row
            for stamp, row in read_journal(journal)
            if row["model_sha256"] == grader.sha256 and not row["error"]
        }
        rows = [done[key] for each in sources if (key := (each.name, each.stamp)) in done]
        waiting = [each for each in sources if (each.name, each.stamp) not in done]
        if rows:
            print(f"{len(rows)} of {len(sources)} photographs were already graded", file=sys.stderr)
        with tqdm(
            total=len(sources), initial=len(rows), desc=grader.name, unit="photograph"
        ) as bar:
            for source, row in zip(waiting, triage(grader, waiting), strict=True):
                add(source, row)
                rows.append(row)
                bar.update()
    write_text(output, worklist_csv(in_order(rows)))
    journal.unlink()
    print(f"{counted(len(rows), 'photograph')}: {urgencies(rows)}", file=sys.stderr)
    return DONE
