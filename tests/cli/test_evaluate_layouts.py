import json
from pathlib import Path

import pytest

from tests.cli.shell import retina
from tests.datasets.layouts import WRITERS

SHIPPED = Path(__file__).resolve().parents[2] / "checkpoints"


@pytest.mark.parametrize("layout", WRITERS)
def test_any_data_set_can_be_evaluated_with_a_shipped_model(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, layout: str
) -> None:
    WRITERS[layout](tmp_path)
    flags = ("--model", "resnet18-scratch", "--checkpoints", SHIPPED, "--device", "cpu", "--json")
    answer = retina(capsys, "evaluate", *flags, "--data", tmp_path, "--split", "all")
    assert (answer.status, answer.errors) == (0, [])
    assert "warning:" not in answer.err
    metrics = json.loads(answer.out)
    assert metrics["n"] == 3
    assert [sum(row) for row in metrics["confusion_matrix"]] == [1, 0, 1, 0, 1]
