from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from retina.datasets.catalog import patient_and_eye
from retina.datasets.label_tables import read_lab_lists
from retina.datasets.splits import (
    PARTS,
    familiar_test_share,
    read_split,
    shared_patients,
    split,
    write_split,
)
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


def with_source(table: pd.DataFrame, source: str) -> pd.DataFrame:
    return table.assign(source=source, patient=source + "/" + table["patient"])


def two_sources() -> pd.DataFrame:
    return pd.concat(
        [with_source(pairs_of_eyes(300), "a"), with_source(single_pictures(200), "b")],
        ignore_index=True,
    )


def test_each_source_has_its_shares_of_each_grade() -> None:
    table = two_sources()
    parts = split(table)
    assert shared_patients(table, parts) == 0
    for source, rows in table.groupby("source"):
        for grade, own in rows.groupby("grade"):
            for part, share in SHARES.items():
                off = abs((parts[own.index] == part).sum() - share * len(own))
                assert off <= 6, (source, grade, part, off)


def test_a_source_beside_others_is_split_as_it_is_alone() -> None:
    table = two_sources()
    alone = table[table["source"] == "b"]
    pd.testing.assert_series_equal(split(table)[alone.index], split(alone))


def test_photographs_that_look_alike_stay_together_with_their_patients() -> None:
    table = two_sources()
    random = np.random.default_rng(0)
    alike = [tuple(pair) for pair in random.choice(len(table), (60, 2), replace=False).tolist()]
    apart, together = split(table), split(table, alike=alike)
    assert any(apart[one] != apart[other] for one, other in alike)
    assert all(together[one] == together[other] for one, other in alike)
    assert shared_patients(table, together) == 0
    for part, share in SHARES.items():
        assert (together == part).mean() == pytest.approx(share, abs=0.02)


def test_a_photograph_like_one_with_a_given_part_follows_it() -> None:
    table = two_sources()
    given = pd.Series(pd.NA, table.index, dtype="str")
    listed = table.index[table["source"] == "a"]
    given[listed] = ["train", "train", "test"] * (len(listed) // 3)
    stranger = int(table.index[table["source"] == "b"][0])
    for like in (int(listed[1]), int(listed[2])):
        parts = split(table, given_parts=given, alike=[(like, stranger)])
        assert parts[stranger] == parts[like]
        assert (parts[listed][given[listed] == "test"] == "test").all()
    free = split(table, given_parts=given)[table["source"] == "b"]
    assert free.value_counts(normalize=True)["train"] == pytest.approx(0.7, abs=0.02)


def test_split_file_gives_back_what_was_written(tmp_path: Path) -> None:
    ids = [f"{number:03}" for number in range(20)] + ["NA", "1e5", "a,b"]
    table = table_of(dict.fromkeys(ids, 0))
    parts = split(table)
    write_split(tmp_path / "split.csv", table, parts)
    assert (tmp_path / "split.csv").read_text().startswith("image_id,part\n000,")
    again = read_split(tmp_path / "split.csv")
    assert dict(zip(again["image_id"], again["part"], strict=True)) == dict(
        zip(table["image_id"], parts, strict=True)
    )
    assert set(again["source"]) == {""}


def test_split_file_of_several_sources_says_whose_name_it_is(tmp_path: Path) -> None:
    table = pd.concat([table_of({"1_left": 0}).assign(source=source) for source in "ab"])
    table = table.reset_index(drop=True)
    write_split(tmp_path / "split.csv", table, pd.Series(["train", "test"]))
    text = (tmp_path / "split.csv").read_text()
    assert text == "image_id,part,source\n1_left,train,a\n1_left,test,b\n"
    again = read_split(tmp_path / "split.csv")
    assert again.to_dict("list") == {
        "image_id": ["1_left"] * 2,
        "part": ["train", "test"],
        "source": ["a", "b"],
    }


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
