"""What was graded, a line a photograph as it is done, so that a kill costs no more than a batch."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from retina.inference.triage import Source
from retina.inference.worklist import COLUMNS, Row


def journal_of(worklist: Path) -> Path:
    """The journal that lies beside a worklist while it is not finished."""
    return worklist.with_name(f".{worklist.name}.unfinished")


def read_journal(journal: Path) -> list[tuple[str, Row]]:
    """The stamp and row of each photograph that was graded, in that order; none if no journal.

    A line that a kill cut off, or whose row has other columns than today's, is passed over.
    """
    try:
        lines = journal.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    records = [record for line in lines if (record := _record(line))]
    return [(record["stamp"], record["row"]) for record in records]


@contextmanager
def writing_journal(journal: Path) -> Iterator[Callable[[Source, Row], None]]:
    """Open a journal to add to, and give what adds a photograph and its row."""
    journal.parent.mkdir(parents=True, exist_ok=True)
    with journal.open("a+b") as file:

        def add(source: Source, row: Row) -> None:
            line = json.dumps({"stamp": source.stamp, "row": row}, allow_nan=False)
            file.write(f"{line}\n".encode())
            file.flush()

        if file.tell():
            file.seek(-1, 2)
            if file.read() != b"\n":
                file.write(b"\n")  # after the line that a kill cut off
        yield add


def _record(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
        return record if tuple(record["row"]) == COLUMNS and record["stamp"] else None
    except (ValueError, KeyError, TypeError):
        return None
