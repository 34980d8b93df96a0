"""``docs/tour.ipynb`` runs from its first cell to its last, and prints what stands in it."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"
TOUR = DOCS / "tour.ipynb"
CELLS = json.loads(TOUR.read_text(encoding="utf-8"))["cells"]
NUMBER = re.compile(r"-?\d+\.\d+")


def printed(cell: dict[str, Any]) -> str:
    return "".join("".join(each["text"]) for each in cell["outputs"] if "text" in each)


def test_every_cell_prints_what_stands_below_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(DOCS)
    monkeypatch.setattr(sys, "path", [*sys.path])
    names: dict[str, Any] = {}
    for number, cell in enumerate(CELLS):
        if cell["cell_type"] != "code":
            continue
        exec(compile("".join(cell["source"]), f"cell {number} of {TOUR.name}", "exec"), names)
        shown, expected = capsys.readouterr().out, printed(cell)
        assert NUMBER.split(shown) == NUMBER.split(expected)
        figures = [[float(each) for each in NUMBER.findall(text)] for text in (shown, expected)]
        assert figures[0] == pytest.approx(figures[1], abs=0.02)


def test_it_is_small_and_was_run_in_order() -> None:
    assert TOUR.stat().st_size < 1_000_000
    code = [cell for cell in CELLS if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    pictures = [each for cell in code for each in cell["outputs"] if "data" in each]
    assert len(pictures) == 3
