import numpy as np
import pandas as pd
import pytest

from retina.datasets.synthetic import draw_fundus
from retina.images.quality import REJECT_BELOW
from scripts.fit_quality import APTOS, BAD, GOOD, OTHER, OUTLIER, fit_gate, rates
from scripts.quality_pictures import MILD, SEVERE, no_fundus, variants

CENTRES = {GOOD: (3, 3), APTOS: (3, 3), BAD: (-3, 3), OUTLIER: (3, -3), OTHER: (3, -3)}


def measures(noise: float = 1.0) -> pd.DataFrame:
    """Two measures: one tells the gradable, one the fundus; "elsewhere" is like the bad ones."""
    rng = np.random.default_rng(0)
    rows = [
        {"set": name, "source": f"{name} {number}", "sharp": x, "round": y}
        for name, centre in (CENTRES | {"elsewhere": (-3, 3)}).items()
        for number, (x, y) in enumerate(rng.normal(centre, noise, (40, 2)))
    ]
    return pd.DataFrame(rows)


def test_what_is_apart_is_told_apart() -> None:
    table = measures()
    numbers, scores = fit_gate(table)
    rejected = (scores < REJECT_BELOW).groupby(table["set"]).mean()
    assert rejected[[GOOD, APTOS]].max() <= 0.05
    assert rejected[[BAD, OUTLIER, OTHER, "elsewhere"]].min() >= 0.9
    assert numbers["gradable"]["weights"]["sharp"] > abs(numbers["gradable"]["weights"]["round"])
    assert numbers["fundus"]["weights"]["round"] > abs(numbers["fundus"]["weights"]["sharp"])


def test_a_picture_is_scored_by_models_that_have_not_seen_its_source() -> None:
    table = measures()
    odd = table["set"].eq(OUTLIER) & (table.groupby("set").cumcount() < 4)
    table.loc[odd, "source"] = "one source"
    # Of use only to a model that has seen these rows.
    table["telltale"] = np.random.default_rng(1).normal(size=len(table)) - 30 * odd
    table.loc[odd, "round"] = 3.0
    _, scores = fit_gate(table)
    assert (scores[odd] >= REJECT_BELOW).all()


def test_the_table_has_a_row_a_set_with_the_shares_of_the_verdicts() -> None:
    table = pd.DataFrame({"set": ["b", "b", "a", "b", "b"], "source": list("12345")})
    lines = rates(table, pd.Series([0.1, 0.55, 0.9, 0.9, 0.9]), good_from=0.6).splitlines()
    assert lines[2:] == ["| b | 4 | 25.0% | 25.0% | 50.0% |", "| a | 1 | 0.0% | 0.0% | 100.0% |"]


@pytest.mark.parametrize("name", SEVERE | MILD)
def test_degrading_changes_a_photograph_the_same_way_each_time(name: str) -> None:
    image = draw_fundus(1, seed=5, size=96)
    first, second = ((SEVERE | MILD)[name](image, np.random.default_rng(1)) for _ in range(2))
    assert first.tobytes() == second.tobytes()
    assert first.mode == "RGB"
    assert (first.size, first.tobytes()) != (image.size, image.tobytes())


def test_there_are_many_pictures_of_something_else() -> None:
    pictures = dict(no_fundus())
    assert len(pictures) >= 25
    assert {image.mode for image in pictures.values()} == {"RGB"}
    kinds = dict(variants(pictures["china.jpg"]))
    assert len({image.tobytes() for image in kinds.values()}) == len(kinds) == 6
