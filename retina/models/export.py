"""A checkpoint as one ONNX file, for other engines and other languages.

The graph gives the logits and the last feature map, so that whoever runs it has the heatmap at no
cost, as ``retina.explain.cam`` makes it. What is needed to use the answers rightly travels in the
file's metadata.
"""

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from retina.errors import SettingsError
from retina.files import replacing
from retina.models.checkpoint import Checkpoint

INPUT = "photographs"
OUTPUTS = ("logits", "features")
EVIDENCE = "evidence"
METADATA_PREFIX = "retina."
ENDING = ".onnx"
OPSET = 18
_TRACED_BATCH = 2  # of one, the exporter would take the batch for a constant


class _WithFeatures(nn.Module):
    """A network that returns ``OUTPUTS``: the logits and the last feature map."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = cast(Tensor, self.network.features(x))  # type: ignore[operator]
        return self.network.fc(features.mean(dim=(2, 3))), features  # type: ignore[operator]


class _Evidence(nn.Module):
    """A network whose last layer, being linear, is applied before the pooling: ``EVIDENCE``."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        weight = cast(nn.Linear, self.network.fc).weight
        features = cast(Tensor, self.network.features(x))  # type: ignore[operator]
        return F.conv2d(features, weight[:, :, None, None])


def export_onnx(checkpoint: Checkpoint, file: Path) -> None:
    """Write a checkpoint's network as ONNX, atomically.

    Args:
        checkpoint: To be written; its network is left as it is.
        file: Ends in ``.onnx``, in a folder that is there, and is not there itself.

    Raises:
        SettingsError: The file cannot be written there, or a library for it is missing.
    """
    _check_place(file)
    content = as_onnx(checkpoint)
    with replacing(file) as temporary:
        temporary.write_bytes(content)


def as_onnx(checkpoint: Checkpoint) -> bytes:
    """A checkpoint's network as the content of an ONNX file.

    Its input ``photographs`` is (N, 3, size, size) float32, normalised as the metadata says, for
    any N. Its outputs are ``logits`` (N, 5), not yet divided by the temperature, and ``features``
    (N, C, h, w).

    Raises:
        SettingsError: A library for it is missing.
    """
    return _exported(checkpoint, _WithFeatures(checkpoint.model), OUTPUTS)


def evidence_as_onnx(checkpoint: Checkpoint) -> bytes:
    """As ``as_onnx``, with one output in place of both.

    ``evidence`` (N, 5, h, w) is what each place adds to each logit, times h * w: the mean of its
    map and ``fc``'s bias are a logit, and its positive part over h * w is that class's heatmap.

    Raises:
        SettingsError: A library for it is missing.
    """
    return _exported(checkpoint, _Evidence(checkpoint.model), (EVIDENCE,))


def _exported(checkpoint: Checkpoint, network: nn.Module, outputs: Sequence[str]) -> bytes:
    try:
        import onnx
        import onnxscript  # noqa: F401  (torch.onnx fails late, and at length, without it)
    except ImportError as error:
        raise SettingsError(
            f"exporting needs {error.name}, which is not installed: "
            "pip install onnx onnxscript, or this package with its extra `onnx`"
        ) from None
    size = checkpoint.config.preprocessing.size
    photographs = torch.zeros(_TRACED_BATCH, 3, size, size)
    with _quietly():
        program = torch.onnx.export(
            network.eval(),
            (photographs,),
            input_names=[INPUT],
            output_names=outputs,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    onnx.helper.set_model_props(model, metadata(checkpoint))
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def metadata(checkpoint: Checkpoint) -> dict[str, str]:
    """The metadata of an exported file: JSON values under keys that begin with ``retina.``.

    ``probabilities = softmax(logits / temperature)``; an eye is to be referred where those from
    grade 2 on add up to ``referable.threshold`` or more. The heatmap of grade ``c`` is
    ``relu(sum_k fc_weight[c, k] * features[k] / (h * w))``, on the scale ``heatmap_scale``.
    """
    config = checkpoint.config.to_json()
    chosen = (
        "name",
        "architecture",
        "classes",
        "preprocessing",
        "temperature",
        "referable",
        "heatmap_scale",
        "initial_weights",
        "data",
        "code_version",
        "weights_sha256",
    )
    values = {key: config[key] for key in chosen}
    fc = cast(nn.Linear, checkpoint.model.fc)
    values["fc_weight"] = fc.weight.detach().cpu().tolist()
    return {METADATA_PREFIX + key: json.dumps(value) for key, value in values.items()}


def _check_place(file: Path) -> None:
    if file.is_dir():
        raise SettingsError(f"{file} is a folder: name a file in it that ends in {ENDING}")
    if file.suffix.lower() != ENDING:
        raise SettingsError(f"{file} does not end in {ENDING}: name a file that does")
    if file.exists():
        raise SettingsError(f"{file} is there already: name another file, or remove that one")
    if not file.parent.is_dir():
        raise SettingsError(f"{file.parent} is no folder: make it first, or name another file")


@contextmanager
def _quietly() -> Iterator[None]:
    """Suppress the exporter's warnings about its own deprecations."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
