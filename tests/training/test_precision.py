from typing import Any

import pytest
import torch
from torch import nn

from retina.training.precision import Precision, choose_precision
from tests.training.runs import CPU


def model_and_optimizer() -> tuple[nn.Linear, torch.optim.SGD]:
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


@pytest.mark.parametrize(
    ("amp", "dtype"),
    [("off", None), ("float16", torch.float16), ("bfloat16", torch.bfloat16)],
)
def test_a_name_is_its_type(amp: Any, dtype: torch.dtype | None) -> None:
    precision = choose_precision(amp, CPU)
    assert precision.dtype == dtype
    with precision.autocast():
        assert nn.Linear(2, 2)(torch.ones(1, 2)).dtype == (dtype or torch.float32)
    assert precision.scaler.is_enabled() == (amp == "float16")


@pytest.mark.parametrize(
    ("capabilities", "dtype"), [({"amx_bf16": True}, torch.bfloat16), ({}, None)]
)
def test_auto_on_a_cpu_asks_for_its_matrix_unit(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], dtype: torch.dtype | None
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert choose_precision("auto", CPU).dtype == dtype


@pytest.mark.filterwarnings("ignore:.*GradScaler is enabled, but CUDA is not available")
def test_auto_on_cuda_is_float16_and_the_rest_tf32_while_it_trains(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen: list[str] = []
    monkeypatch.setattr(torch, "set_float32_matmul_precision", chosen.append)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    precision = choose_precision("auto", torch.device("cuda"))
    assert precision.dtype == torch.float16
    with precision.quick_kernels():
        assert chosen == ["high"]
        assert torch.backends.cudnn.benchmark
    assert chosen == ["high", "highest"]
    assert not torch.backends.cudnn.benchmark


@pytest.mark.parametrize("dtype", [None, torch.float16])
def test_a_step_is_the_optimizers(dtype: torch.dtype | None) -> None:
    plain, plain_optimizer = model_and_optimizer()
    pictures = torch.ones(2, 4)
    for _ in range(2):  # the second would go astray if gradients were not forgotten
        plain_optimizer.zero_grad()
        plain(pictures).square().mean().backward()
        plain_optimizer.step()
    model, optimizer = model_and_optimizer()
    precision = Precision(CPU, dtype)
    for _ in range(2):
        precision.step(model(pictures).square().mean(), optimizer)
    torch.testing.assert_close(model.weight, plain.weight)


@pytest.mark.parametrize("later", [None, torch.float16])
@pytest.mark.parametrize("before", [None, torch.float16])
def test_a_run_goes_on_in_another_precision(
    before: torch.dtype | None, later: torch.dtype | None
) -> None:
    # `--amp auto` is one on the CPU and another on the GPU on which the run is resumed.
    first, second = Precision(CPU, before), Precision(CPU, later)
    model, optimizer = model_and_optimizer()
    first.step(model(torch.full((1, 4), 1e38)).sum(), optimizer)
    second.restore_scaler(first.scaler.state_dict())
    if before == later:
        assert second.scaler.get_scale() == first.scaler.get_scale()


def test_a_step_that_overflows_float16_is_left_out() -> None:
    model, optimizer = model_and_optimizer()
    before = model.weight.detach().clone()
    precision = Precision(CPU, torch.float16)
    scale = precision.scaler.get_scale()
    precision.step(model(torch.full((1, 4), 1e38)).sum(), optimizer)
    torch.testing.assert_close(model.weight.detach(), before, rtol=0, atol=0)
    assert precision.scaler.get_scale() < scale
