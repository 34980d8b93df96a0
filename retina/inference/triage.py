"""Grading of many photographs into a worklist: prepared in threads, graded in batches."""

import io
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from joblib import cpu_count  # type: ignore[import-untyped]

from retina.errors import ImageError, SettingsError, TooLarge
from retina.files import remove_unfinished, write_text
from retina.images.photograph import NetworkInput, Photograph
from retina.inference.sources import Source, in_folder, read_source
from retina.inference.worklist import (
    Row,
    failed_row,
    graded_row,
    in_order,
    journal_of,
    read_journal,
    worklist_csv,
    writing_journal,
)

if TYPE_CHECKING:
    from retina.inference.grader import Grader


MOST_AT_ONCE, PIXELS_AT_ONCE = 16, 8 * 224 * 224
"""Of the squares in one forward pass: beyond this a CPU takes longer for each, not less long."""


def triage(
    grader: "Grader",
    sources: Iterable[Source],
    seen: Callable[[Source, Photograph], None] | None = None,
) -> Iterator[Row]:
    """Grade photographs one after the other; one that cannot be read has its reason in its row.

    At most a few photographs are in memory at a time, however many there are. Whoever stops
    taking rows stops the work.

    Args:
        grader: The model.
        sources: The photographs.
        seen: Called, in some thread, with each photograph that could be read, before its row.

    Yields:
        A row for each, in the order of ``sources``.
    """
    config = grader.checkpoint.config
    at_once = min(MOST_AT_ONCE, max(1, PIXELS_AT_ONCE // config.preprocessing.size**2))
    waiting: deque[tuple[Source, Future[NetworkInput | str]]] = deque()
    sources = iter(sources)
    workers = cpu_count()
    # On a CPU the network takes every core, and its threads wait for each other where another
    # thread prepares photographs meanwhile: there both take turns.
    by_turns = grader.device.type == "cpu"
    ahead = MOST_AT_ONCE if by_turns else at_once + 2 * workers
    with ThreadPoolExecutor(workers) as pool:
        try:
            while True:
                if not (by_turns and waiting):
                    for source in islice(sources, ahead - len(waiting)):
                        waiting.append((source, pool.submit(_prepare, grader, source, seen)))
                if not waiting:
                    return
                if by_turns:
                    wait([future for _, future in waiting])
                batch = [waiting.popleft() for _ in range(min(at_once, len(waiting)))]
                ready = [(source.name, future.result()) for source, future in batch]
                answers = iter(
                    grader.answer([each for _, each in ready if isinstance(each, NetworkInput)])
                )
                for name, each in ready:
                    if isinstance(each, str):
                        yield failed_row(name, each, grader.name, grader.sha256)
                    else:
                        yield graded_row(name, next(answers), config.referable.threshold)
        finally:
            for _, future in waiting:
                future.cancel()


def _prepare(
    grader: "Grader", source: Source, seen: Callable[[Source, Photograph], None] | None
) -> NetworkInput | str:
    began = time.perf_counter()
    try:
        photograph = grader.read(io.BytesIO(read_source(source)), name=source.name)
        if seen is not None:
            seen(source, photograph)
        return grader.prepared(photograph, began)
    except ImageError as error:
        return str(error)


BATCH = 8
"""Photographs, after which the worklist is rewritten."""


def watch(grader: "Grader", folder: Path, worklist: Path) -> Iterator[list[Row] | None]:
    """Grade what is new in a folder, again and again; the caller waits in between.

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
            write_text(worklist, worklist_csv(in_order(rows.values())))

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
