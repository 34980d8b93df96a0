import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from retina import distributed
from retina.errors import SettingsError
from tests.training import two_processes
from tests.training.runs import CPU, STEPS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def single(
    photographs: Path, finished: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("single")
    two_processes.main(photographs, finished, folder)
    found: dict[str, Any] = torch.load(folder / "0.pt", weights_only=False)
    return found


@pytest.fixture(scope="module")
def pair(
    photographs: Path, finished: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("pair")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "-m", "tests.training.two_processes"]
    command += [str(photographs), str(finished), str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]


def test_there_are_two_that_know_of_each_other(
    single: dict[str, Any], pair: list[dict[str, Any]]
) -> None:
    assert (single["processes"], single["gathered"]) == (1, [0])
    assert [found["processes"] for found in pair] == [2, 2]
    assert [found["gathered"] for found in pair] == [[0, 1], [0, 1]]


@pytest.mark.parametrize("count", [1, 11, 12])
def test_every_picture_is_answered_once_and_in_order(
    single: dict[str, Any], pair: list[dict[str, Any]], count: int
) -> None:
    for found in pair:
        for answer, expected in zip(found["answers"][count], single["answers"][count], strict=True):
            assert len(answer) == count
            torch.testing.assert_close(answer, expected, rtol=1e-5, atol=1e-5)
        assert torch.equal(found["answers"][count][0], pair[0]["answers"][count][0])


def test_the_figures_are_the_same(single: dict[str, Any], pair: list[dict[str, Any]]) -> None:
    assert pair[0]["metrics"] == pair[1]["metrics"]
    assert rounded(pair[0]["metrics"]) == rounded(single["metrics"])


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: rounded(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    return round(value, 6) if isinstance(value, float) else value


def test_a_step_averages_to_one_processs_gradients(
    single: dict[str, Any], pair: list[dict[str, Any]]
) -> None:
    for found in pair:
        assert found["gradients"].keys() == single["gradients"].keys()
        assert len(found["gradients"]) == 6
        for name, gradient in found["gradients"].items():
            torch.testing.assert_close(
                gradient, single["gradients"][name], rtol=1e-5, atol=1e-5, msg=name
            )
            assert gradient.any()


def test_both_train_the_same_network(pair: list[dict[str, Any]]) -> None:
    first, second = (found["weights"] for found in pair)
    for name in first:
        assert torch.equal(first[name], second[name]), name
    ignored = {"seconds", "waiting_seconds"}
    histories = [
        {name: value for name, value in found["history"].items() if name not in ignored}
        for found in pair
    ]
    assert histories[0] == histories[1]


def test_each_draws_random_numbers_of_its_own(
    single: dict[str, Any], pair: list[dict[str, Any]]
) -> None:
    first, second = (found["masks"] for found in pair)
    assert len(single["masks"]) == len(first) == len(second) == STEPS
    for step, (one, other) in enumerate(zip(first, second, strict=True)):
        assert not torch.equal(one, other), f"step {step}: the same dropout"


def test_one_writes(single: dict[str, Any], pair: list[dict[str, Any]]) -> None:
    assert single["wrote"]
    assert [found["wrote"] for found in pair] == [True, False]


def test_all_stop_where_one_is_told_to_and_resume_to_the_same_weights(
    single: dict[str, Any], pair: list[dict[str, Any]]
) -> None:
    for found in (single, *pair):
        batch, weights, masks = found["stopped"]
        assert batch == 2
        assert all(map(torch.equal, masks, found["masks"]))
        for name, value in weights.items():
            assert torch.equal(value, found["weights"][name]), name


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with (
        pytest.raises(SettingsError, match="2 GPUs, too few"),
        distributed.process_group(torch.device("cuda")),
    ):
        pass


def test_a_single_process_needs_no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    with distributed.process_group(CPU) as device:
        assert device == CPU
        assert (distributed.rank(), distributed.processes()) == (0, 1)
        assert distributed.processes_here() == 1
        assert distributed.is_writer()
        assert distributed.gather("part") == ["part"]
        distributed.wait_for_all()
        with distributed.first_process_first():
            pass
