"""The table of a data set: which photograph carries which grade, of whose eye."""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

COLUMNS = ("image_id", "path", "grade", "patient", "eye")

_PATIENT_AND_EYE = re.compile(r"(\d+)_(left|right)")


@dataclass(frozen=True, eq=False)
class Catalog:
    """The labelled photographs of one data folder.

    Attributes:
        name: The folder's name.
        format: How it was recognised: ``"EyePACS"``, ``"APTOS"``, ``"IDRiD"``, ``"Messidor-2"``,
            ``"DDR"``, ``"class folders"``, ``"plain CSV"`` or ``"lab lists"``; ``"synthetic"``
            where it was drawn.
        root: The folder, absolute.
        table: One row a photograph, sorted by ``image_id``, indexed 0, 1, 2, ...: ``image_id``
            (str, unique), ``path`` (str, absolute), ``grade`` (int64, 0 to 4), ``patient`` (str)
            and ``eye`` (``"left"``, ``"right"`` or ``""``).
        labels_without_picture: Usable rows of the tables whose photograph is not in the folder.
        pictures_without_label: Photographs in the folder that ``table`` does not hold.
        unusable_rows: Rows without a name, without a grade of the scale, with a name that several
            photographs share, or that contradict another row on the same photograph.
        given_parts: ``"train"``, ``"validation"`` or ``"test"`` for every row of ``table``, by its
            index, where the data set comes with a split of its own (the lab's lists, which have no
            validation, and DDR's); otherwise None.
    """

    name: str
    format: str
    root: Path
    table: pd.DataFrame
    labels_without_picture: int = 0
    pictures_without_label: int = 0
    unusable_rows: int = 0
    given_parts: "pd.Series[str] | None" = None

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hex, over the sorted pairs of ``image_id`` and ``grade``."""
        pairs = sorted(zip(self.table["image_id"], self.table["grade"], strict=True))
        lines = "".join(f"{image_id},{grade}\n" for image_id, grade in pairs)
        return hashlib.sha256(lines.encode()).hexdigest()


def patient_and_eye(image_id: str) -> tuple[str, str]:
    """Read patient and eye from an EyePACS name such as ``2576_right``.

    Any other name is a patient of its own, and the eye is unknown (``""``).
    """
    match = _PATIENT_AND_EYE.fullmatch(image_id.rpartition("/")[2])
    return (match[1], match[2]) if match else (image_id, "")
