"""Checks of one or more data folders before training."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, count

import numpy as np
import numpy.typing as npt
import pandas as pd

from retina.datasets.catalog import LOOKED_FOR, Catalog, with_patients
from retina.datasets.duplicates import (
    FINGERPRINT_SIDE,
    Fingerprint,
    alike_rows,
    drop_identical,
    look_at,
    near_identical,
)
from retina.datasets.folder import DataFolder, scan
from retina.datasets.layouts import (
    NO_LABELS,
    NO_PICTURE,
    Layout,
    find_layout,
    without_labels,
)
from retina.datasets.parallel import Unreadable
from retina.datasets.sources import combine
from retina.datasets.splits import PARTS, TEST, familiar_test_share, shared_patients, split
from retina.errors import DataError
from retina.scale import NUM_GRADES


@dataclass(frozen=True)
class CheckedPhotograph:
    """A photograph in a finding; ``grade`` is None without a label, ``part`` without a split."""

    image_id: str
    grade: int | None
    part: str | None


@dataclass(frozen=True)
class Alike:
    """Photographs that are identical or nearly so.

    Attributes:
        pictures: Two or more photographs.
        conflicting: Whether their grades differ.
        correlation: 1 for identical ones; see ``near_identical``.
    """

    pictures: tuple[CheckedPhotograph, ...]
    conflicting: bool
    correlation: float = 1.0


@dataclass(frozen=True)
class SplitCheck:
    """The parts that training would use, on all folders together where there are several.

    Attributes:
        given: Whether the data set comes with them; otherwise they are this project's, by patient.
        sizes: Photographs of each part (rows, where no photograph is there).
        shared_patients: Patients who are in more than one part.
        shared_test_share: The share, 0 to 1, of test photographs whose patient is in another part.
    """

    given: bool
    sizes: Mapping[str, int]
    shared_patients: int
    shared_test_share: float


@dataclass(frozen=True)
class FolderCheck:
    """Findings in one folder.

    Attributes:
        name: The folder's name, as training on all of them would call it.
        format: As in ``Catalog.format``, or ``"no labels"``.
        rows: Rows of its tables or lists.
        pictures: Number of photographs checked: the labelled ones, or all without labels.
        grades: Usable labels by grade, 0 to 4.
        split: None where there are too few patients, or no labels.
        identical: Groups of photographs with the same pixels, conflicting ones first; without
            part, as training keeps one of a group, or none.
        near_identical: Pairs, most alike first; of identical ones, one stands for all.
        faults: Rows that label no photograph: ``image_id`` and the grade as written, by reason.
        unlabelled: Photographs that no row names, by path.
        unreadable: Why a photograph cannot be used, by ``image_id``.
        sizes: ``(width, height, photographs)``, in pixels, commonest first.
    """

    name: str
    format: str
    rows: int
    pictures: int
    grades: tuple[int, ...]
    split: SplitCheck | None
    identical: tuple[Alike, ...]
    near_identical: tuple[Alike, ...]
    faults: Mapping[str, tuple[tuple[str, str], ...]]
    unlabelled: tuple[str, ...]
    unreadable: Mapping[str, str]
    sizes: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class BothCheck:
    """Photographs that two folders share.

    Attributes:
        identical: Photographs with the same pixels, one group a photograph.
        near_identical: Pairs, most alike first.
        shared_patients: Patients by name; a number may be another person in another data set.
        shared_ids: Photographs by name.
    """

    identical: tuple[Alike, ...]
    near_identical: tuple[Alike, ...]
    shared_patients: tuple[str, ...]
    shared_ids: tuple[str, ...]


@dataclass(frozen=True)
class _Folder:
    """A folder whose photographs have been read.

    Attributes:
        name: As in ``FolderCheck``.
        found: Its files.
        layout: Its labels.
        used: The rows that label a photograph, or those of lists whose photographs are not there.
        looks: At the photograph of each row of ``used``; empty where they are not there.
    """

    name: str
    found: DataFolder
    layout: Layout
    used: pd.DataFrame
    looks: list[Fingerprint | Unreadable]

    @property
    def labelled(self) -> bool:
        return self.layout.format != NO_LABELS


@dataclass(frozen=True)
class _Checked:
    """A folder and the findings in it alone.

    ``table`` has a row a readable photograph: ``image_id, grade (float), digest, part``.
    """

    check: FolderCheck
    patients: frozenset[str]
    ids: frozenset[str]
    table: pd.DataFrame
    squares: npt.NDArray[np.uint8]


_Split = tuple["pd.Series[str] | None", SplitCheck | None]


def check_data(
    folders: Sequence[str | os.PathLike[str]],
) -> tuple[list[FolderCheck], list[BothCheck]]:
    """Check data folders, and what each two of them share.

    Every labelled photograph is decoded once (every photograph where there are no labels), in
    several processes; what was seen is remembered in the user's cache folder. Lists whose
    photographs are not there are checked by their rows.

    Raises:
        DataError: A folder is missing, holds neither labels nor photographs, or is given twice; a
            table is not well-formed.
    """
    found = [scan(folder) for folder in folders]
    for (one, first), (other, second) in combinations(zip(folders, found, strict=True), 2):
        if first.root == second.root:
            raise DataError(f"{one} and {other} are the same folder: give each folder once.")
    names: list[str] = []
    for each in found:
        name = each.root.name
        numbered = (f"{name}-{number}" if number > 1 else name for number in count(1))
        names.append(next(name for name in numbered if name not in names))
    seen = [_look_into(each, name) for each, name in zip(found, names, strict=True)]
    # Nobody can train on lists without photographs, so these are dealt alone.
    splits = _split([folder for folder in seen if folder.labelled and folder.looks])
    for folder in seen:
        if folder.labelled and not folder.looks:
            splits |= _split([folder])
    checked = [_check(folder, *splits.get(folder.name, (None, None))) for folder in seen]
    both = [_both(one, other) for one, other in combinations(checked, 2)]
    return [folder.check for folder in checked], both


def _look_into(found: DataFolder, name: str) -> _Folder:
    layout = find_layout(found) or without_labels(found)
    rows = layout.rows
    if rows.empty:
        raise DataError(
            f"{found.root} holds no photographs and no labels; looked for {LOOKED_FOR}."
        )
    used = rows[rows["fault"] == ""]
    if used.empty:
        used = rows[rows["fault"] == NO_PICTURE].drop_duplicates("image_id")
    used = with_patients(used.sort_values("image_id", ignore_index=True))
    looks = look_at([str(found.root / path) for path in used["path"] if path])
    return _Folder(name, found, layout, used, looks)


def _split(folders: Sequence[_Folder]) -> dict[str, _Split]:
    """The part of each row of each folder that training on all would use, and what parts share."""
    if not folders:
        return {}
    catalogs = [
        Catalog(
            each.name,
            each.layout.format,
            each.found.root,
            each.used,
            given_parts=each.used.get("part"),
        )
        for each in folders
    ]
    table, given = combine(catalogs)
    table["place"] = table.groupby("source").cumcount()  # the row of ``used``
    looks = [look for folder in folders for look in folder.looks]
    rows, alike = table, []
    if looks:
        digests = [look.digest if isinstance(look, Fingerprint) else look for look in looks]
        rows, _ = drop_identical(table, digests)
        alike = alike_rows(rows, dict(enumerate(looks)))
    try:
        parts = split(rows, given_parts=given, alike=alike)
    except DataError:  # too few patients for three parts
        if given is None:
            return {}
        parts = given.loc[rows.index]
    return {folder.name: _own_split(folder, rows, parts) for folder in folders}


def _own_split(folder: _Folder, rows: pd.DataFrame, parts: "pd.Series[str]") -> _Split:
    """What a folder has of the parts of all."""
    is_own = rows["source"] == folder.name
    own = parts[is_own]
    if own.isna().any():
        return None, None
    of_its_patients = rows["patient"].isin(rows.loc[is_own, "patient"])
    checked = SplitCheck(
        given="part" in folder.used,
        sizes={part: int((own == part).sum()) for part in PARTS},
        shared_patients=shared_patients(rows[of_its_patients], parts),
        # Of the other folders all but the test photographs: those are not the folder's to count.
        shared_test_share=familiar_test_share(rows[is_own | (parts != TEST)], parts),
    )
    return own.set_axis(rows.loc[is_own, "place"]), checked


def _check(folder: _Folder, parts: "pd.Series[str] | None", checked: SplitCheck | None) -> _Checked:
    used, looks, rows = folder.used, folder.looks, folder.layout.rows
    pictured = used.iloc[: len(looks)]
    seen = [look for look in looks if isinstance(look, Fingerprint)]
    table = pictured.loc[[isinstance(look, Fingerprint) for look in looks], ["image_id", "grade"]]
    table = table.assign(
        digest=[look.digest for look in seen],
        part=None if parts is None else parts.reindex(table.index),
    )
    squares = (
        np.stack([look.square for look in seen])
        if seen
        else np.empty((0, FINGERPRINT_SIDE, FINGERPRINT_SIDE), np.uint8)
    )
    faults = rows[rows["fault"] != ""]
    check = FolderCheck(
        name=folder.name,
        format=folder.layout.format,
        rows=len(rows) if folder.labelled else 0,
        pictures=len(looks),
        grades=tuple(int((used["grade"] == grade).sum()) for grade in range(NUM_GRADES)),
        split=checked,
        identical=_identical(table),
        near_identical=_near_identical(table, squares),
        faults={
            str(fault): tuple(zip(group["image_id"], group["written"], strict=True))
            for fault, group in faults.groupby("fault", sort=False)
        },
        unlabelled=tuple(sorted(set(folder.found.pictures) - set(rows["path"]))),
        unreadable={
            image_id: look.reason
            for image_id, look in zip(pictured["image_id"], looks, strict=True)
            if isinstance(look, Unreadable)
        },
        sizes=_sizes(seen),
    )
    return _Checked(check, frozenset(used["patient"]), frozenset(used["image_id"]), table, squares)


def _identical(table: pd.DataFrame) -> tuple[Alike, ...]:
    rows = table.assign(part=None)
    groups = [_alike(group) for _, group in rows.groupby("digest", sort=False) if len(group) > 1]
    return tuple(sorted(groups, key=lambda group: not group.conflicting))


def _near_identical(table: pd.DataFrame, squares: npt.NDArray[np.uint8]) -> tuple[Alike, ...]:
    # The photograph that training would keep stands for those that are identical to it.
    order = table["part"].isna().to_numpy().argsort(kind="stable")
    first = np.sort(order[(~table["digest"].iloc[order].duplicated()).to_numpy()])
    return tuple(
        _alike(table.iloc[[first[pair.first], first[pair.second]]], pair.correlation)
        for pair in near_identical(squares[first])
    )


def _both(one: _Checked, other: _Checked) -> BothCheck:
    common = set(one.table["digest"]) & set(other.table["digest"])
    joined = pd.concat([one.table, other.table])
    near = [
        (pd.concat([one.table.iloc[[pair.first]], other.table.iloc[[pair.second]]]), pair)
        for pair in near_identical(one.squares, other.squares)
    ]
    return BothCheck(
        identical=tuple(
            _alike(group)
            for _, group in joined[joined["digest"].isin(common)].groupby("digest", sort=False)
        ),
        near_identical=tuple(
            _alike(rows, pair.correlation) for rows, pair in near if rows["digest"].nunique() > 1
        ),
        shared_patients=tuple(sorted(one.patients & other.patients)),
        shared_ids=tuple(sorted(one.ids & other.ids)),
    )


def _alike(rows: pd.DataFrame, correlation: float = 1.0) -> Alike:
    pictures = tuple(
        CheckedPhotograph(
            image_id,
            None if pd.isna(grade) else int(grade),
            None if pd.isna(part) else str(part),
        )
        for image_id, grade, part in zip(rows["image_id"], rows["grade"], rows["part"], strict=True)
    )
    return Alike(pictures, rows["grade"].nunique() > 1, round(correlation, 4))


def _sizes(looks: Sequence[Fingerprint]) -> tuple[tuple[int, int, int], ...]:
    counts = Counter((look.width, look.height) for look in looks)
    return tuple((width, height, count) for (width, height), count in counts.most_common())
