"""Training, validation and test splits: 70/10/20 %, by source and grade, grouped by patient."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from retina.errors import DataError
from retina.files import MAX_TABLE, refuse_large, write_text

TRAIN, VALIDATION, TEST = PARTS = ("train", "validation", "test")

SHARES: Mapping[str, int] = {TRAIN: 7, VALIDATION: 1, TEST: 2}
_OF_TRAINING: Mapping[str, int] = {TRAIN: 7, VALIDATION: 1}


def split(
    table: pd.DataFrame,
    seed: int = 0,
    given_parts: "pd.Series[str] | None" = None,
    alike: Iterable[tuple[int, int]] = (),
) -> "pd.Series[str]":
    """Assign the photographs of a table to the three parts, source by source.

    All photographs of a patient go to one part, and so do photographs that look alike with all
    those of their patients. In each source each part has its share of the whole, and of each grade,
    to within about one patient. The result depends on the seed and on the rows, not on their order.

    Args:
        table: ``image_id``, ``grade`` and ``patient``, as in ``Catalog.table``, and ``source``
            where there are several.
        seed: At least 0.
        given_parts: ``PARTS`` by the index of ``table`` (rows that ``table`` no longer holds are
            passed over), missing for sources without parts of their own. These stay as given; where
            a source has none for validation, an eighth of its training list becomes it, and
            patients are kept together inside that list only.
        alike: Pairs of photographs that must not be parted, by the index of ``table``. A photograph
            like one whose part is given goes to that part.

    Returns:
        ``"train"``, ``"validation"`` or ``"test"`` by the index of ``table``.

    Raises:
        DataError: There are too few patients for every part to get one.
    """
    sources = table["source"] if "source" in table else pd.Series("", table.index, dtype="str")
    given = pd.Series(pd.NA, table.index, dtype="str")
    if given_parts is not None:
        given = given_parts.reindex(table.index).astype("str")
    groups = _groups(table, [pair for pair in alike if given[[*pair]].isna().all()])
    parts = given.copy()
    for source in sources.unique():
        own = sources == source
        if not given[own].notna().any():
            continue
        listed = own & (given == TRAIN)
        if not (given[own] == VALIDATION).any():
            parts[listed] = _deal(table[listed], table.loc[listed, "patient"], _OF_TRAINING, seed)
    free = given.isna()
    # A group that reaches into several sources is dealt with the first of them.
    source_of = sources[free].groupby(groups[free]).first()
    for source in sources.unique():
        dealt = free & (groups.map(source_of) == source)
        if dealt.any():
            parts[dealt] = _deal(table[dealt], groups[dealt], SHARES, seed)
    _follow_given(parts, groups, given, alike)
    empty = [part for part in PARTS if not (parts == part).any()]
    if empty:
        raise DataError(
            f"{table['patient'].nunique()} patients are too few to split: no picture is left for "
            f"{' and '.join(empty)}; give more pictures."
        )
    return parts.astype("str").rename("part")


def _groups(table: pd.DataFrame, alike: Sequence[tuple[int, int]]) -> "pd.Series[str]":
    """The group of each row: its patient, joined with patients whose photographs are alike."""
    patients = table["patient"]
    joined = [{patients[first], patients[second]} for first, second in alike]
    leader = {
        patient: min(group) for group in connected(joined) if len(group) > 1 for patient in group
    }
    return patients.map(lambda patient: leader.get(patient, patient))


def connected(groups: Iterable[set[str]]) -> list[set[str]]:
    """Join sets until no two have anything in common."""
    apart: list[set[str]] = []
    for group in groups:
        touching = [other for other in apart if other & group]
        apart = [other for other in apart if not other & group]
        apart.append(group.union(*touching))
    return apart


def _follow_given(
    parts: "pd.Series[str]",
    groups: "pd.Series[str]",
    given: "pd.Series[str]",
    alike: Iterable[tuple[int, int]],
) -> None:
    """Move a patient with a photograph like one whose part is given to that part."""
    for pair in alike:
        for one, other in (pair, pair[::-1]):
            if pd.isna(given[one]) and pd.notna(given[other]):
                parts[(groups == groups[one]) & given.isna()] = parts[other]


def _deal(
    table: pd.DataFrame, groups: "pd.Series[str]", shares: Mapping[str, int], seed: int
) -> "pd.Series[str]":
    """Assign each group to the part that is furthest below its share.

    The groups stand in a row ordered by the grades of their photographs, worst first, and at random
    among those with the same grades. Every stretch of that row, and so every grade, is therefore
    dealt in the shares.
    """
    grades: dict[str, list[int]] = {}
    for group, grade in zip(groups, table["grade"], strict=True):
        grades.setdefault(group, []).append(grade)
    row = sorted(grades)
    np.random.default_rng(seed).shuffle(row)
    row.sort(key=lambda group: sorted(grades[group], reverse=True), reverse=True)

    # Counts are kept in units of 1/total of a photograph, which makes every comparison exact.
    total = sum(shares.values())
    owed = dict.fromkeys(shares, 0)
    part_of: dict[str, str] = {}
    for group in row:
        count = len(grades[group])
        for part, share in shares.items():
            owed[part] += share * count
        chosen = max(owed, key=lambda part: owed[part])
        owed[chosen] -= total * count
        part_of[group] = chosen
    return groups.map(part_of)


def write_split(file: str | os.PathLike[str], table: pd.DataFrame, parts: "pd.Series[str]") -> None:
    """Write ``split.csv``: ``image_id,part``, sorted by ``image_id``, atomically.

    Where ``table`` holds several sources, a third column ``source`` says which one.

    Raises:
        OSError: The disk refused.
    """
    rows = pd.DataFrame({"image_id": table["image_id"], "part": parts})
    if "source" in table and table["source"].nunique() > 1:
        rows["source"] = table["source"]
    rows = rows.sort_values(["image_id", *rows.columns[2:]])
    write_text(Path(file), rows.to_csv(index=False, lineterminator="\n"))


def read_split(file: str | os.PathLike[str]) -> pd.DataFrame:
    """Read ``split.csv``.

    Returns:
        ``image_id``, ``part`` (``PARTS``) and ``source`` (``""`` where there is one alone), all
        str, in the file's order; no source has an ``image_id`` twice.

    Raises:
        DataError: The file is missing or is not such a file.
    """
    refuse_large(Path(file), MAX_TABLE, DataError)
    try:
        rows = pd.read_csv(file, dtype="str", keep_default_na=False, encoding="utf-8")
    except FileNotFoundError as error:
        raise DataError(
            f"There is no {file}: it says which pictures belong to which part."
        ) from error
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise DataError(f"{file} cannot be read as a CSV file of image_id,part.") from error
    if list(rows.columns) not in (["image_id", "part"], ["image_id", "part", "source"]):
        raise DataError(
            f"{file} has to have the two columns image_id,part, and source if there are several."
        )
    unknown = sorted(set(rows["part"]) - set(PARTS))
    if unknown:
        raise DataError(f"{file} names the part {unknown[0]!r}; the parts are {', '.join(PARTS)}.")
    if rows.duplicated([column for column in rows if column != "part"]).any():
        raise DataError(f"{file} names a picture twice; each image_id may stand in it once.")
    return rows if "source" in rows else rows.assign(source="")


def shared_patients(table: pd.DataFrame, parts: "pd.Series[str]") -> int:
    """Count the patients who have photographs in more than one part.

    Args:
        table: ``patient``, as in ``Catalog.table``.
        parts: The part of each row, by the index of ``table``.
    """
    return int((parts.groupby(table["patient"]).nunique() > 1).sum())


def familiar_test_share(table: pd.DataFrame, parts: "pd.Series[str]") -> float:
    """The share, 0 to 1, of test photographs whose patient also has a photograph in another part.

    0 for a split by patient; 0.80 for the lab's own lists, which is to be said beside every figure
    that they give. 0 where there is no test photograph.
    """
    in_test = parts.loc[table.index] == TEST
    elsewhere = set(table.loc[~in_test, "patient"])
    familiar = table.loc[in_test, "patient"].isin(elsewhere)
    return float(familiar.mean()) if len(familiar) else 0.0
