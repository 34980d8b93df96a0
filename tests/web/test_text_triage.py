from typing import Any

import pytest

from retina.inference.worklist import URGENCIES, Row
from retina.web.text import triage as triage_text


def row(urgency: str = "rest", **values: object) -> Row:
    told: Row = {"urgency": urgency, "error": None, "reasons": "", "grade": 0, "label": "No DR"}
    probabilities = {f"p{grade}": 1.0 - grade / 5 for grade in range(5)}
    return told | {"referable": False} | probabilities | values


def test_progress_counts_what_was_found_and_guesses_what_is_left() -> None:
    rows = [row("referable"), row("sight-threatening"), row("referable"), row()]
    assert triage_text.triage_progress(rows, 24, seconds=8) == (
        "4 of 24 photographs are graded, about 40 s left. 1 sight-threatening, 2 referable."
    )
    assert "about 4 min left" in triage_text.triage_progress(rows, 104, seconds=10)
    assert triage_text.triage_progress([], 24, seconds=0) == "0 of 24 photographs are graded."


def test_the_summary_says_when_it_was_stopped() -> None:
    whole = triage_text.worklist_summary([row()], 1, "lite", "f" * 64)
    assert whole.strip() == "1 photograph graded by lite (weights ffffffffffff)."
    stopped = triage_text.worklist_summary([row("unsure")], 3, "lite", "f" * 64)
    assert stopped.startswith("Stopped: 1 of 3 photographs were graded by lite")
    assert stopped.endswith("1 unsure.")


def test_every_urgency_has_its_name_and_meaning() -> None:
    assert tuple(triage_text.URGENCY_NAMES) == tuple(triage_text.MEANINGS) == URGENCIES


@pytest.mark.parametrize(
    ("values", "note"),
    [
        ({"error": "notes.jpg is empty."}, "notes.jpg is empty."),
        ({"grade": None, "p0": None, "reasons": "Too dark."}, "Too dark."),
        ({}, ""),
        ({"p1": 0.95}, "No DR and Mild are almost equally likely."),
        ({"p1": 0.95, "reasons": "Soft."}, "Soft. No DR and Mild are almost equally likely."),
        (
            {"referable": True},
            "No DR is the likeliest grade, but grade 2 or above is likely enough to refer.",
        ),
        ({"referable": True, "grade": 2}, ""),
    ],
)
def test_notes(values: dict[str, Any], note: str) -> None:
    assert triage_text.notes(row(**values)) == note
