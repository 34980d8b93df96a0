"""Every file is read as what it shows, or refused in one sentence, soon."""

import io
import time
from collections import Counter

import numpy as np
import pytest

from retina.errors import ImageError
from retina.images.decode import read_photograph
from tests.reliability.bombs import small_bombs
from tests.reliability.pictures import Case, corpus

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow's; in a shell, readers.py mutes them

SECONDS = 10
"""That a file may take."""


def outcome(case: Case) -> str:
    """``read`` or the kind of error; an exception of another kind is left to fail the test."""
    began = time.perf_counter()
    refusal: ImageError | None = None
    try:
        photograph = read_photograph(io.BytesIO(case.data), name=case.name)
    except ImageError as error:
        refusal = error
    assert time.perf_counter() - began < SECONDS, case.name
    if refusal is not None:
        assert case.shows is None, f"{case.name!r}: {refusal}"
        assert is_sentence(str(refusal)), str(refusal)
        return type(refusal).__name__
    assert case.spoilt or case.shows is not None, f"{case.name!r} was read"
    assert photograph.image.mode == "RGB"
    if case.shows is not None:
        assert photograph.image.size == case.shows.size, case.name
        read, shown = (np.asarray(each).astype(int) for each in (photograph.image, case.shows))
        assert np.abs(read - shown).mean() <= case.tolerance, case.name
    return "read"


def is_sentence(text: str) -> bool:
    return text.endswith(".") and "\n" not in text and "Traceback" not in text


def test_each_is_read_rightly_or_refused_in_a_sentence() -> None:
    outcomes = Counter(outcome(case) for case in corpus())
    assert outcomes.total() > 300
    assert outcomes["read"] > 70


def test_small_bombs_are_refused_at_once() -> None:
    assert {outcome(case) for case in small_bombs() if not case.spoilt} <= {
        "TooLarge",
        "Truncated",
        "Unsupported",
    }


def test_tags_that_are_absurd_harm_nothing() -> None:
    assert {outcome(case) for case in small_bombs() if case.spoilt} == {
        "read",
        "Truncated",
        "TooLarge",
    }
