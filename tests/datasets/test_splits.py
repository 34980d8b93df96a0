from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from retina.datasets.catalog import patient_and_eye
from retina.datasets.leakage import familiar_test_share, shared_patients
from retina.datasets.lists import read_lab_lists
from retina.datasets.splits import PARTS, read_split, split, write_split
from retina.errors import DataError
from tests.datasets.pictures import table_of
from tests.shared_data import SHARED_DATA, needs_shared_data

SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}


def single_pictures(count: int = 1000) -> pd.DataFrame:
    grades = np.random.default_rng(0).choice(5, count, p=[0.73, 0.07, 0.15, 0.03, 0.02])
    return table_of({f"p{number}": int(grade) for number, grade in enumerate(grades)})


def pairs_of_eyes(patients: int = 1000) -> pd.DataFrame:
    random = np.random.default_rng(1)
    left = random.choice(5, patients, p=[0.73, 0.07, 0.15, 0.03, 0.02])
    right = np.where(random.random(patients) < 0.8, left, random.choice(5, patients))
    grades = {f"{patient}_left": int(grade) for patient, grade in enumerate(left)}
    grades |= {f"{patient}_right": int(grade) for patient, grade in enumerate(right)}
    return table_of(grades, {image_id: patient_and_eye(image_id)[0] for image_id in grades})


@pytest.mark.parametrize("table", [single_pictures(), pairs_of_eyes()], ids=["single", "pairs"])
def test_parts_have_their_shares_of_the_whole_and_of_each_grade(table: pd.DataFrame) -> None:
    parts = split(table)
    largest = table["patient"].value_counts().max()
    for part, share in SHARES.items():
        assert abs((parts == part).sum() - share * len(table)) <= largest
        for grade, rows in table.groupby("grade"):
            off = abs((parts[rows.index] == part).sum() - share * len(rows))
            assert off <= 3 * largest, (part, grade, off)


def test_no_patient_is_in_two_parts() -> None:
    table = pairs_of_eyes()
    assert shared_patients(table, split(table)) == 0


def test_seed_decides_and_the_order_of_rows_does_not() -> None:
    table = pairs_of_eyes(200)
    shuffled = table.sample(frac=1, random_state=3)
    pd.testing.assert_series_equal(split(shuffled, 5).loc[table.index], split(table, 5))
    assert (split(table, 5) != split(table, 6)).any()


@pytest.mark.parametrize("count", [6, 10, 23])
def test_tiny_sets_with_a_grade_of_one_picture(count: int) -> None:
    grades = {f"p{number}": 0 for number in range(count)} | {"rare": 4}
    parts = split(table_of(grades))
    assert set(parts) == set(PARTS)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_patients_are_refused(count: int) -> None:
    with pytest.raises(DataError, match=f"{count} patients are too few"):
        split(table_of({f"p{number}": 0 for number in range(count)}))


def test_a_given_test_part_stays_and_validation_is_an_eighth_of_the_training_list() -> None:
    table = pairs_of_eyes(400)
    given = pd.Series(["test", "train", "train", "train", "train"] * 160, index=table.index)
    kept = table.drop(index=[0, 1, 2])
    parts = split(kept, given_parts=given)
    assert parts.index.equals(kept.index)
    assert ((parts == "test") == (given[kept.index] == "test")).all()
    listed = int((given[kept.index] == "train").sum())
    assert abs((parts == "validation").sum() - listed / 8) <= 2
    assert shared_patients(kept[parts != "test"], parts[parts != "test"]) == 0


@needs_shared_data
def test_the_labs_own_split_shows_four_of_five_test_patients_in_training() -> None:
    lists = read_lab_lists(SHARED_DATA / "nctu_lab3").rename(columns={"image": "image_id"})
    table = lists.assign(patient=[patient_and_eye(name)[0] for name in lists["image_id"]])
    parts = split(table, given_parts=table["part"])
    assert parts.value_counts().to_dict() == {"train": 24588, "test": 7026, "validation": 3512}
    assert familiar_test_share(table, parts) == pytest.approx(0.80, abs=0.005)
    assert shared_patients(table, parts) == 5618
    ours = split(table)
    assert familiar_test_share(table, ours) == shared_patients(table, ours) == 0


def test_split_file_gives_back_what_was_written(tmp_path: Path) -> None:
    ids = [f"{number:03}" for number in range(20)] + ["NA", "1e5", "a,b"]
    table = table_of(dict.fromkeys(ids, 0))
    parts = split(table)
    write_split(tmp_path / "split.csv", table, parts)
    assert (tmp_path / "split.csv").read_text().startswith("image_id,part\n000,")
    again = read_split(tmp_path / "split.csv")
    assert again.to_dict() == dict(zip(table["image_id"], parts, strict=True))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read"),
        ("id,part\na,train\n", "two columns"),
        ("image_id,part\na,dev\n", "the part 'dev'"),
        ("image_id,part\na,train\na,test\n", "twice"),
    ],
)
def test_a_wrong_split_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "split.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_split(tmp_path / "split.csv")
    with pytest.raises(DataError, match="There is no"):
        read_split(tmp_path / "other.csv")
