from pathlib import Path

import pytest

from retina.errors import SettingsError
from retina.models.checkpoint import load_checkpoint
from retina.models.engines import network_for_grading


def test_an_unknown_engine_is_named_with_the_known_ones(checkpoints: Path) -> None:
    with pytest.raises(SettingsError, match=r"no engine 'steam'.*torch, onnxruntime"):
        network_for_grading(load_checkpoint("small", checkpoints), "steam")  # type: ignore[arg-type]
