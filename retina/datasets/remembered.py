"""What was found out about photographs, remembered for as long as their files stay the same."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import PIL

from retina.datasets.parallel import Unreadable, map_pictures
from retina.files import user_cache_folder, write_text

Fact = TypeVar("Fact", str, list[object])


def remembered(
    find_out: Callable[[str], Fact], paths: Sequence[str], kind: type[Fact], name: str, doing: str
) -> list[Fact | Unreadable]:
    """Find out something about many photographs, in several processes, with a progress bar.

    It is remembered in the user's cache folder for as long as a file's size and time of change stay
    the same, also when the work is interrupted. A memory that is damaged or cannot be written only
    costs time. Unreadable photographs are tried again each time.

    Args:
        find_out: Given a path, a value for JSON; a function of a module.
        paths: The photographs.
        kind: The type of the values.
        name: Of the memory; to be changed where ``find_out`` comes to answer otherwise.
        doing: What the progress bar says.

    Returns:
        A value for each path, in their order, or why there is none.
    """
    memory = user_cache_folder() / f"{name}-of-pillow-{PIL.__version__}.json"
    known = _recall(memory, kind)
    keys = {path: _key(path) for path in paths}
    unknown = [path for path, key in keys.items() if key not in known]
    found: dict[str, Fact | Unreadable] = {}
    try:
        for path, fact in zip(unknown, map_pictures(find_out, unknown, doing), strict=True):
            found[path] = fact
    finally:
        fresh = {keys[path]: fact for path, fact in found.items() if isinstance(fact, kind)}
        if fresh:
            # Read again: another process may have added to it meanwhile.
            with suppress(OSError):
                write_text(memory, json.dumps(_recall(memory, kind) | fresh))
    return [found[path] if path in found else known[keys[path]] for path in paths]


def _key(path: str) -> str:
    """What a fact is remembered by: the absolute path, and what changes with the file.

    It is hashed, because a file may be called by a patient's name.
    """
    try:
        status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return path
    told = [os.path.abspath(path), status.st_size, status.st_mtime_ns]  # noqa: PTH100
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _recall(memory: Path, kind: type[Fact]) -> dict[str, Fact]:
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {key: fact for key, fact in known.items() if isinstance(fact, kind)}
