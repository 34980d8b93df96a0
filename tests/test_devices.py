import pytest
import torch

from retina.devices import choose_device
from retina.errors import SettingsError


@pytest.mark.parametrize(("there", "expected"), [(True, "cuda"), (False, "cpu")])
def test_auto_is_cuda_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch, there: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert choose_device("auto") == torch.device(expected)


def test_the_cpu_is_always_to_be_had() -> None:
    assert choose_device("cpu") == torch.device("cpu")


# Each is refused by PyTorch in another way: not a name, no such number, not compiled in, a plug-in
# that is not installed, a device that computes nothing.
@pytest.mark.parametrize("name", ["", "gpu", "cpu:x", "cuda:99", "mtia", "xla", "hpu", "meta"])
def test_a_device_that_cannot_compute_here_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^--device {name} .*--device cpu"):
        choose_device(name)
