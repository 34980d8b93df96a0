import json
import shutil
from pathlib import Path

import pytest

from retina.models.checkpoint_folder import METRICS_FILE, describe_checkpoints
from tests.checkpoints import METRICS
from tests.cli.shell import retina

Shell = pytest.CaptureFixture[str]


@pytest.fixture
def models(checkpoints: Path, tmp_path: Path) -> Path:
    """Two models, one of them evaluated; without weights, which need not be read."""
    for name in ("small", "evaluated"):
        (tmp_path / name).mkdir()
        shutil.copy(checkpoints / "small" / "config.json", tmp_path / name)
    metrics = METRICS | {"quadratic_weighted_kappa": {"value": 0.8125, "low": 0.7, "high": 0.9}}
    (tmp_path / "evaluated" / METRICS_FILE).write_text(json.dumps(metrics))
    return tmp_path


def test_json_is_the_description_of_each(capsys: Shell, models: Path) -> None:
    answer = retina(capsys, "models", "--checkpoints", models, "--json")
    assert (answer.status, answer.err) == (0, "")
    described = json.loads(answer.out)
    assert described == describe_checkpoints(models)
    assert [each["name"] for each in described] == ["evaluated", "small"]
    fields = {"name", "sha256", "architecture", "initial_weights", "image_size", "metrics"}
    assert all(set(each) == fields for each in described)


def test_a_line_each_says_kappa_and_what_training_started_from(capsys: Shell, models: Path) -> None:
    answer = retina(capsys, "models", "--checkpoints", models)
    assert (answer.status, answer.err) == (0, "")
    evaluated, small = answer.out.splitlines()
    assert evaluated.split()[:4] == ["evaluated", "resnet18", "64", "px"]
    assert "started from He initialisation" in evaluated
    assert evaluated.endswith("0.812")
    assert small.endswith("unknown")


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_no_model_is_an_empty_answer(capsys: Shell, tmp_path: Path, flags: list[str]) -> None:
    answer = retina(capsys, "models", "--checkpoints", tmp_path, *flags)
    assert answer.status == 0
    assert answer.out == ("[]\n" if flags else "")
    assert flags or "train.py" in answer.err


@pytest.mark.parametrize("file", ["config.json", "metrics.json"])
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_broken_one_is_named_and_hides_no_other(
    capsys: Shell, models: Path, flags: list[str], file: str
) -> None:
    (models / "small" / file).write_text("{}")
    answer = retina(capsys, "models", "--checkpoints", models, *flags)
    assert answer.status == 2
    assert answer.err.count("\n") == len(answer.errors) == 1
    assert "small" in answer.errors[0]
    assert "evaluated" in answer.out
    assert "small" not in answer.out
