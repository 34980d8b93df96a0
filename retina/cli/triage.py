"""``retina triage``: a folder of photographs becomes a worklist."""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from retina.cli.exits import DONE

HELP = "Grade all photographs of a folder or ZIP archive into a worklist, the most urgent first."


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("place", type=Path, metavar="DIR", help="a folder, with the folders in it, or a ZIP")
    add("--model", required=True, metavar="NAME", help="a checkpoint's name, or its folder")
    add("--output", required=True, type=Path, metavar="FILE", help="the worklist, as CSV")
    add("--checkpoints", type=Path, metavar="DIR", help="the folder that holds the models")


def run(options: argparse.Namespace) -> int:
    """Grade and write; what was done before a kill is not done again."""
    from tqdm import tqdm

    from retina.atomic import write_text
    from retina.errors import SettingsError
    from retina.inference.grader import Grader
    from retina.inference.triage import photographs_in, triage
    from retina.inference.worklist import URGENCIES, in_order, to_csv

    output: Path = options.output
    if output.exists():
        raise SettingsError(f"--output {output} exists already: name another, or move it away")
    grader = Grader.load(options.model, options.checkpoints)
    sources = photographs_in(options.place)
    kept = output.with_name(f".{output.name}.unfinished")
    done = _read(kept, grader.sha256)
    rows = [done[key] for source in sources if (key := _key(source)) in done]
    waiting = [source for source in sources if _key(source) not in done]
    if rows:
        print(f"{len(rows)} of {len(sources)} were graded before", file=sys.stderr)
    output.parent.mkdir(parents=True, exist_ok=True)
    with kept.open("a", encoding="utf-8") as file:
        bar = tqdm(total=len(sources), initial=len(rows), desc=grader.name, unit="photograph")
        for source, row in zip(waiting, triage(grader, waiting), strict=True):
            file.write(json.dumps({"key": _key(source), "row": row}, allow_nan=False) + "\n")
            file.flush()
            rows.append(row)
            bar.update()
        bar.close()
    write_text(output, to_csv(in_order(rows)))
    kept.unlink()
    counts = Counter(row["urgency"] for row in rows)
    told = ", ".join(f"{counts[urgency]} {urgency}" for urgency in URGENCIES)
    print(f"{len(rows)} photographs: {told}", file=sys.stderr)
    return DONE


def _key(source: Any) -> str:
    return f"{source.name} {source.stamp}"


def _read(kept: Path, model_sha256: str) -> dict[str, dict[str, Any]]:
    """What an earlier, unfinished run of the same model has done, by ``_key``."""
    try:
        lines = kept.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    done = {}
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue  # the line that a kill cut off
        if record["row"]["model_sha256"] == model_sha256:
            done[record["key"]] = record["row"]
    return done
