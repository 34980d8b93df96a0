"""What computes a checkpoint's answers; whoever grades or evaluates asks here."""

from typing import Literal, get_args

from torch import nn

from retina.errors import SettingsError
from retina.models.checkpoint import Checkpoint
from retina.models.folding import folded
from retina.models.onnx_runtime import OnnxRuntimeNetwork

Engine = Literal["torch", "onnxruntime"]


def network_for_grading(checkpoint: Checkpoint, engine: Engine = "torch") -> nn.Module:
    """The network that grades and that is evaluated: ``model``, up to rounding.

    Args:
        checkpoint: Its ``model`` is left as it is.
        engine: ``torch`` folds batch normalisation into the convolutions. ``onnxruntime`` lets ONNX
            Runtime compute the features, on the CPU wherever the photographs are; it needs the
            extra ``onnx``.

    Returns:
        In evaluation mode, with ``features`` and ``fc``, as ``retina.explain.forward_with_cam``
        asks for.

    Raises:
        SettingsError: There is no such engine, or it is not installed.
        OSError: The user's cache folder cannot be written to.
    """
    if engine not in get_args(Engine):
        raise SettingsError(
            f"there is no engine {engine!r}; the known ones are {', '.join(get_args(Engine))}"
        )
    if engine == "onnxruntime":
        return OnnxRuntimeNetwork(checkpoint).eval()
    return folded(checkpoint.model)
