"""``retina triage``: a folder of photographs becomes a worklist."""

import argparse
import sys
from contextlib import closing
from pathlib import Path

from retina.cli.exit_status import DONE
from retina.reporting.formatting import counted

HELP = "Grade all photographs of a folder or ZIP archive into a worklist, the most urgent first."


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("place", type=Path, metavar="DIR", help="a folder, with the folders in it, or a ZIP")
    add("--model", required=True, metavar="NAME", help="as `retina models` lists them")
    add("--output", required=True, type=Path, metavar="FILE", help="the worklist, as CSV")
    add("--checkpoints", type=Path, metavar="DIR", help="the folder that holds the models")
    add("--engine", choices=("torch", "onnxruntime"), default="torch", help="what computes (torch)")


def run(options: argparse.Namespace) -> int:
    """Grade and write; what was graded before a kill is not graded again."""
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
        raise SettingsError(f"--output {output} exists already: name another, or move it away")
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
            print(f"{len(rows)} of {len(sources)} were graded before", file=sys.stderr)
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
