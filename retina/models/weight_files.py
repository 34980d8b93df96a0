"""Read a file of weights: tensors under our names, and the network that they fit."""

import functools
import hashlib
import io
import json
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from retina.errors import WeightsError
from retina.models.architectures import ARCHITECTURES, build

WEIGHT_SUFFIXES = (".safetensors", ".pth", ".pt")
HEAD = ("fc.weight", "fc.bias")

TensorShape = tuple[int, ...]

# Under which keys training scripts keep the tensors beside optimiser, epoch and the like.
_WRAPPERS = ("state_dict", "model", "model_state_dict")
_DEEPEST_NESTING = 3
_PARALLEL_PREFIX = "module."
_COUNTER = "num_batches_tracked"
# EfficientNet-Lite0's weights in circulation call the last layer so.
_HEAD_ELSEWHERE = "_fc."

DESCRIPTION = "description"
"""Under which key the metadata of a safetensors file say in words what it holds."""
_LONGEST_DESCRIPTION = 300


@dataclass(frozen=True)
class WeightsFile:
    """A file of weights that fits one of our networks, its last layer aside.

    Attributes:
        path: The file.
        sha256: SHA-256 of the bytes that the tensors were read from.
        architecture: The network that they fit, a name of ``retina.models.architectures``.
        state: The tensors under our names, which are torchvision's, in float32.
        description: What the file says of itself, on one line; empty where it says nothing.
    """

    path: Path
    sha256: str
    architecture: str
    state: dict[str, Tensor]
    description: str = ""


def read_weights_file(path: Path, sha256_prefix: str = "") -> WeightsFile:
    """Read a file of weights without running any code that it may hold.

    torchvision's, timm's and our own names for the tensors of a ResNet are the same, and those of
    ``efficientnet-lite-pytorch`` for EfficientNet-Lite0 but for its head; tensors kept beside other
    things (``{"state_dict": ...}``, ``{"model": ...}``) or saved from a parallel wrapper
    (``module.``) are found.

    Args:
        path: A file whose name ends in one of ``WEIGHT_SUFFIXES``.
        sha256_prefix: What its SHA-256 must begin with; checked before the file is parsed.

    Raises:
        WeightsError: The file cannot be read, is damaged, is not the one expected, holds more than
            tensors, or fits none of our networks.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror})") from error
    sha256 = hashlib.sha256(data).hexdigest()
    if not sha256.startswith(sha256_prefix):
        raise WeightsError(
            f"{path} is damaged: its SHA-256 begins with {sha256[: len(sha256_prefix)]} instead of "
            f"{sha256_prefix}; delete the file and try again"
        )
    is_safetensors = path.suffix.lower() == ".safetensors"
    content = _parse_safetensors(path, data) if is_safetensors else _parse_pickle(path, data)
    state = _tensors(path, content)
    description = _description(data) if is_safetensors else ""
    return WeightsFile(path, sha256, _recognise(path, state), state, description)


@functools.cache
def _shapes(architecture: str) -> dict[str, TensorShape]:
    """The shape of each tensor of a network, by name, in the order of its layers."""
    with torch.device("meta"):
        model = build(architecture)
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def misfit(expected: Mapping[str, TensorShape], state: Mapping[str, Tensor]) -> str | None:
    """Describe why tensors do not fit a network; None if they do.

    The last layer may be missing or of another size, and batch normalisation's counters may be
    missing.

    Args:
        expected: The shape of each of the network's tensors.
        state: The tensors.

    Returns:
        A phrase that follows the name of a file: ``it lacks bn1.bias``.
    """
    required = [name for name in expected if name not in HEAD and not name.endswith(_COUNTER)]
    if missing := [name for name in required if name not in state]:
        return f"it lacks {_first(missing)}"
    if extra := [name for name in state if name not in expected]:
        return f"it holds {_first(extra)} that the network does not have"
    for name in state:
        if name not in HEAD and tuple(state[name].shape) != expected[name]:
            shape = tuple(state[name].shape)
            return f"its {name} has the shape {shape} instead of {expected[name]}"
    return None


def _parse_safetensors(path: Path, data: bytes) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(data)
    except (safetensors.SafetensorError, KeyError) as error:
        raise WeightsError(f"{path} is not a whole safetensors file; fetch it again") from error


def _description(data: bytes) -> str:
    """The description in a safetensors file that was parsed; its header is JSON behind a length."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    text = (header.get("__metadata__") or {}).get(DESCRIPTION, "")
    return " ".join(text.split())[:_LONGEST_DESCRIPTION]


def _parse_pickle(path: Path, data: bytes) -> object:
    try:
        content: object = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} cannot be opened safely, because it holds more than tensors or is damaged; "
            "save its state_dict alone and give that file"
        ) from error
    except Exception as error:  # a damaged file can make the parser raise anything
        raise WeightsError(f"{path} is not a whole PyTorch file; fetch it again") from error
    return content


def _tensors(path: Path, content: object) -> dict[str, Tensor]:
    """Unwrap what a file held down to float32 tensors by name."""
    for _ in range(_DEEPEST_NESTING):
        content = _unwrap_once(content)
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path} holds no table of tensors; save a model's state_dict in it")
    state: dict[str, Tensor] = {}
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise WeightsError(
                f"{path} holds {name!r}, which is no tensor; save the model's state_dict alone"
            )
        is_counter = name.endswith(_COUNTER)
        if not is_counter and not value.is_floating_point():
            raise WeightsError(
                f"{path} holds {name} as {value.dtype}; give weights in floating-point numbers"
            )
        plain = value.detach()
        name = name.removeprefix(_PARALLEL_PREFIX)
        if name.startswith(_HEAD_ELSEWHERE):
            name = name.removeprefix("_")
        state[name] = plain if is_counter else plain.float()
    return state


def _unwrap_once(content: object) -> object:
    if not isinstance(content, Mapping):
        return content
    candidates = (content.get(key) for key in _WRAPPERS)
    return next((inner for inner in candidates if isinstance(inner, Mapping)), content)


def _recognise(path: Path, state: Mapping[str, Tensor]) -> str:
    """Return the network whose tensor names are nearest, if the tensors fit it."""

    def likeness(architecture: str) -> float:
        expected = _shapes(architecture).keys()
        return len(state.keys() & expected) / len(state.keys() | expected)

    nearest = max(ARCHITECTURES, key=likeness)
    if likeness(nearest) < 0.5:
        raise WeightsError(
            f"{path} fits none of the networks {', '.join(ARCHITECTURES)}; give weights of one"
        )
    if problem := misfit(_shapes(nearest), state):
        raise WeightsError(f"{path} comes nearest to {nearest} but does not fit: {problem}")
    return nearest


def _first(names: Iterable[str], count: int = 3) -> str:
    names = list(names)
    rest = len(names) - count
    return ", ".join(names[:count]) + (f" and {rest} more" if rest > 0 else "")
