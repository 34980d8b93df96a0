"""What would let a test part be known beforehand: identical pictures, and patients in two parts."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from PIL import Image

from retina.datasets.parallel import Unreadable
from retina.datasets.splits import TEST


@dataclass(frozen=True)
class IdenticalReport:
    """What ``drop_identical`` found and left.

    Attributes:
        groups: Groups of two or more pictures with the same pixels.
        files: Pictures in those groups.
        conflicting_groups: Groups whose pictures carry different grades; dropped whole.
        left: Pictures left.
        unreadable: Pictures that could not be decoded, each with its reason; dropped.
    """

    groups: int
    files: int
    conflicting_groups: int
    left: int
    unreadable: tuple[Unreadable, ...]


def drop_identical(
    table: pd.DataFrame, digests: Sequence[str | Unreadable]
) -> tuple[pd.DataFrame, IdenticalReport]:
    """Leave one picture of each group of identical ones, and none where their grades conflict.

    Args:
        table: ``image_id`` and ``grade``, as in ``Catalog.table``.
        digests: Of each row's pixels, as ``digest_of`` gives them at full size; a picture that is
            unreadable is dropped.

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
    order = ["image_id", *(["source"] if "source" in agreed else [])]
    first = agreed.sort_values(order).drop_duplicates("digest").index
    left = table[table.index.isin(first)]
    report = IdenticalReport(
        groups=int((sizes > 1).sum()),
        files=int(sizes[sizes > 1].sum()),
        conflicting_groups=len(conflicting),
        left=len(left),
        unreadable=unreadable,
    )
    return left, report


def digest_of(image: Image.Image) -> str:
    """SHA-256, in hex, of an upright RGB picture's size and of its pixels."""
    digest = hashlib.sha256(f"{image.width}x{image.height}:".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()


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
