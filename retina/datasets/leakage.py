"""What would let a test part be known beforehand: identical pictures, and patients in two parts."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import PIL

from retina.atomic import write_text
from retina.datasets.cache import user_cache_folder
from retina.datasets.parallel import Unreadable, map_pictures
from retina.datasets.splits import TEST
from retina.images.decode import load_fundus


@dataclass(frozen=True)
class IdenticalReport:
    """What ``drop_identical`` found and left.

    Attributes:
        groups: Groups of two or more pictures with the same pixels.
        files: Pictures in those groups.
        conflicting_groups: Groups whose pictures carry different grades; dropped whole.
        dropped: Pictures dropped from the table, for whatever reason.
        left: Pictures left.
        unreadable: Pictures that could not be decoded, each with its reason; dropped.
    """

    groups: int
    files: int
    conflicting_groups: int
    dropped: int
    left: int
    unreadable: tuple[Unreadable, ...]


def drop_identical(
    table: pd.DataFrame, digests: Sequence[str | Unreadable]
) -> tuple[pd.DataFrame, IdenticalReport]:
    """Leave one picture of each group of identical ones, and none where their grades conflict.

    Args:
        table: ``image_id`` and ``grade``, as in ``Catalog.table``.
        digests: Of each row's pixels, as ``pixel_digests(table["path"])`` gives them; a picture
            that is unreadable is dropped.

    Returns:
        The rows left, with the index they had, and what was found. Of identical pictures the one
        whose ``image_id`` sorts first is left.
    """
    unreadable = tuple(digest for digest in digests if isinstance(digest, Unreadable))
    of_row = pd.Series(
        [None if isinstance(digest, Unreadable) else digest for digest in digests],
        index=table.index,
        dtype="object",
    )
    rows = table.assign(digest=of_row)[of_row.notna()]
    by_digest = rows.groupby("digest")
    sizes, opinions = by_digest.size(), by_digest["grade"].nunique()
    conflicting = opinions.index[opinions > 1]
    agreed = rows[~rows["digest"].isin(conflicting)]
    first = agreed.sort_values("image_id").drop_duplicates("digest").index
    left = table[table.index.isin(first)]
    report = IdenticalReport(
        groups=int((sizes > 1).sum()),
        files=int(sizes[sizes > 1].sum()),
        conflicting_groups=len(conflicting),
        dropped=len(table) - len(left),
        left=len(left),
        unreadable=unreadable,
    )
    return left, report


def pixel_digest(path: str | os.PathLike[str]) -> str:
    """SHA-256, in hex, of a picture's size and of its upright RGB pixels at full size.

    Raises:
        ImageError: The file cannot be used as a photograph.
    """
    image = load_fundus(path)
    digest = hashlib.sha256(f"{image.width}x{image.height}:".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()


def pixel_digests(paths: Sequence[str]) -> list[str | Unreadable]:
    """Digest many pictures, in several processes, with a progress bar on stderr.

    Digests are remembered in the user's cache folder for as long as the file's size and time of
    change stay the same, also when the work is interrupted. A memory that is damaged or cannot be
    written only costs time.

    Returns:
        A digest for each path, in their order, or why there is none.
    """
    memory = user_cache_folder() / f"pixel-digests-pillow-{PIL.__version__}.json"
    known = _recall(memory)
    keys = {path: _key(path) for path in paths}
    unknown = [path for path, key in keys.items() if key not in known]
    found: dict[str, str | Unreadable] = {}
    try:
        for path, digest in zip(unknown, _digests(unknown), strict=True):
            found[path] = digest
    finally:
        fresh = {keys[path]: value for path, value in found.items() if isinstance(value, str)}
        if fresh:
            # Read again: another process may have added to it meanwhile.
            with suppress(OSError):
                write_text(memory, json.dumps(_recall(memory) | fresh))
    return [found[path] if path in found else known[keys[path]] for path in paths]


def shared_patients(table: pd.DataFrame, parts: "pd.Series[str]") -> int:
    """Count the patients who have pictures in more than one part.

    Args:
        table: ``patient``, as in ``Catalog.table``.
        parts: The part of each row, by the index of ``table``.
    """
    return int((parts.groupby(table["patient"]).nunique() > 1).sum())


def familiar_test_share(table: pd.DataFrame, parts: "pd.Series[str]") -> float:
    """The share, 0 to 1, of test pictures whose patient also has a picture in another part.

    0 for a split by patient; 0.80 for the lab's own lists, which is to be said beside every figure
    that they give. 0 where there is no test picture.
    """
    in_test = parts.loc[table.index] == TEST
    elsewhere = set(table.loc[~in_test, "patient"])
    familiar = table.loc[in_test, "patient"].isin(elsewhere)
    return float(familiar.mean()) if len(familiar) else 0.0


def _digests(paths: Sequence[str]) -> Iterator[str | Unreadable]:
    return map_pictures(pixel_digest, paths, "Looking for identical pictures")


def _key(path: str) -> str:
    """What a digest is remembered by: the absolute path, and what changes with the file."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return path
    return f"{os.path.abspath(path)}\n{status.st_size}\n{status.st_mtime_ns}"  # noqa: PTH100


def _recall(memory: Path) -> dict[str, str]:
    try:
        remembered = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(remembered, dict):
        return {}
    return {key: digest for key, digest in remembered.items() if isinstance(digest, str)}
