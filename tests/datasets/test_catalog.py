from pathlib import Path

import pytest

from retina.datasets.catalog import Catalog, patient_and_eye
from tests.datasets.pictures import table_of


@pytest.mark.parametrize(
    ("image_id", "expected"),
    [
        ("2576_right", ("2576", "right")),
        ("train/10_left", ("10", "left")),
        ("000c1434d8d7", ("000c1434d8d7", "")),
        ("IDRiD_006", ("IDRiD_006", "")),
        ("10_left_copy", ("10_left_copy", "")),
    ],
)
def test_patient_and_eye_come_from_eyepacs_names_only(
    image_id: str, expected: tuple[str, str]
) -> None:
    assert patient_and_eye(image_id) == expected


def test_fingerprint_depends_on_ids_and_grades_and_not_on_order() -> None:
    def fingerprint(grades: dict[str, int]) -> str:
        return Catalog("a", "APTOS", Path(), table_of(grades)).fingerprint

    reference = fingerprint({"a": 0, "b": 4})
    assert fingerprint({"b": 4, "a": 0}) == reference
    assert fingerprint({"a": 0, "b": 3}) != reference
    assert fingerprint({"a": 0, "c": 4}) != reference
