import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score

from retina.evaluation.trust import precision_of, recall_of

MATRIX = [[50, 4, 1, 0, 0], [6, 9, 5, 0, 0], [3, 6, 30, 0, 2], [0, 0, 5, 0, 1], [0, 0, 0, 0, 0]]
PAIRS = [(t, p) for t, row in enumerate(MATRIX) for p, n in enumerate(row) for _ in range(n)]


@pytest.mark.parametrize("grade", range(5))
def test_shares_are_scikit_learns(grade: int) -> None:
    true, answers = zip(*PAIRS, strict=True)
    for share, score in ((precision_of, precision_score), (recall_of, recall_score)):
        expected = score(true, answers, labels=[grade], average=None, zero_division=np.nan)[0]
        found = share(MATRIX, grade)
        value = np.nan if found is None else found.value
        assert value == pytest.approx(expected, nan_ok=True)


def test_the_interval_is_wilsons() -> None:
    # Newcombe, Statistics in Medicine 1998;17:857-872, table I: 81 of 263, and 0 of 20.
    matrix = [[81, 182], [0, 0]]
    found = recall_of(matrix, 0)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    none = recall_of([[0, 20], [0, 0]], 0)
    assert none is not None
    assert (none.low, none.high) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_what_never_came_up_has_no_share() -> None:
    assert precision_of(MATRIX, 3) is None
    assert recall_of(MATRIX, 4) is None
