"""A folder that a camera fills becomes a worklist that grows."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from retina.errors import SettingsError, TooLarge
from retina.files import remove_unfinished, write_text
from retina.inference.grader import Grader
from retina.inference.journal import journal_of, read_journal, writing_journal
from retina.inference.sources import Source, in_folder
from retina.inference.triage import triage
from retina.inference.worklist import Row, in_order, to_csv

BATCH = 8
"""Photographs, after which the worklist is rewritten."""


def watch(grader: Grader, folder: Path, worklist: Path) -> Iterator[list[Row] | None]:
    """Look into a folder, again and again, and grade what is new; the caller waits in between.

    A photograph is graded once its size and time of change are what they were at the look before:
    cameras and networks write while we look. One that another takes the place of is graded again,
    and its row replaced; one that may not be opened is tried again at each look; one that is taken
    away keeps its row. The worklist is rewritten whole, after each batch and where the caller
    stops; the journal beside it keeps every row from when it is known, and the next call goes on
    from there.

    Args:
        grader: The model.
        folder: With the folders in it.
        worklist: The CSV file to write.

    Yields:
        After each look the rows that it added, often none; None where the folder is not to be
        found, as while a network is down.

    Raises:
        SettingsError: ``worklist`` is there already, and no watch or another model's wrote it; or
            another watch or triage is writing it.
        OSError: The journal or the worklist cannot be written.
    """
    journal = journal_of(worklist)
    if worklist.exists() and not journal.exists():
        raise SettingsError(f"{worklist} exists already, and no watch wrote it: name another")
    with writing_journal(journal) as add:
        records = read_journal(journal)
        if any(row["model_sha256"] != grader.sha256 for _, row in records):
            raise SettingsError(f"{worklist} is another model's worklist: name another")
        graded = {row["image"]: stamp for stamp, row in records}
        rows = {row["image"]: row for _, row in records}

        def write() -> None:
            write_text(worklist, to_csv(in_order(rows.values())))

        remove_unfinished(worklist.parent, worklist.name)
        write()
        before: dict[str, str] = {}
        while True:
            found = in_folder(folder).sources
            ready = [
                source
                for source in found
                if before.get(source.name) == source.stamp != graded.get(source.name)
            ]
            before = {source.name: source.stamp for source in found}
            added: list[Row] = []
            try:
                for source, row in zip(ready, triage(grader, ready), strict=True):
                    try:
                        stamp = "" if row["error"] and not _opens(source) else source.stamp
                    except FileNotFoundError:  # taken away while we looked
                        continue
                    if (graded.get(source.name), rows.get(source.name)) == (stamp, row):
                        continue
                    add(replace(source, stamp=stamp), row)
                    graded[source.name], rows[source.name] = stamp, row
                    added.append(row)
                    if len(added) % BATCH == 0:
                        write()
            finally:
                if len(added) % BATCH:
                    write()
            yield added if folder.is_dir() else None


def _opens(source: Source) -> bool:
    try:
        with suppress(TooLarge):  # which it still is at the next look
            source.open().close()
    except FileNotFoundError:
        raise
    except OSError:
        return False
    return True
