"""Inference backends: PyTorch with folded batch normalisation, or ONNX Runtime."""

import copy
import hashlib
from itertools import pairwise
from typing import Literal, TypeVar, cast, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from retina.errors import SettingsError
from retina.files import replacing, user_cache_folder
from retina.models.checkpoint import Checkpoint
from retina.models.export import EVIDENCE, INPUT, evidence_as_onnx
from retina.version import __version__

_DIGEST_BYTES = hashlib.sha256().digest_size


class OnnxRuntimeNetwork(nn.Module):
    """A checkpoint's network on the CPU, with as many threads as PyTorch has.

    Exporting takes seconds, so what comes of it is kept, in ``onnx`` in the user's cache folder,
    which may be deleted at any time. Several threads may share a network.

    Nothing that PyTorch does here is large enough for its threads: ONNX Runtime's wait busily for a
    while, and so do PyTorch's, and each would keep the other's from the cores.

    Args:
        checkpoint: Its ``model`` gives the last layer.

    Attributes:
        fc: The last layer for ``features`` that the trained one was applied to: its bias alone.

    Raises:
        SettingsError: A library is missing.
        OSError: The cache folder cannot be written to.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise SettingsError(
                "the engine onnxruntime is not installed: "
                "pip install onnxruntime onnx onnxscript, or this package with its extra `onnx`"
            ) from None
        super().__init__()
        trained = cast(nn.Linear, checkpoint.model.fc)
        self.fc = nn.Linear(trained.out_features, trained.out_features)
        self.fc.weight = nn.Parameter(torch.eye(trained.out_features), requires_grad=False)
        self.fc.bias = nn.Parameter(trained.bias.detach().clone(), requires_grad=False)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = torch.get_num_threads()
        self._session = onnxruntime.InferenceSession(
            _kept(checkpoint), settings, providers=["CPUExecutionProvider"]
        )

    def features(self, x: Tensor) -> Tensor:
        """What each place adds to each logit, times their number: (N, 5, h, w).

        Args:
            x: (N, 3, size, size) normalised photographs.
        """
        photographs = np.ascontiguousarray(x.cpu().numpy())  # not PyTorch's, which takes threads
        (evidence,) = self._session.run([EVIDENCE], {INPUT: photographs})
        return torch.from_numpy(evidence).to(x.device)

    def forward(self, x: Tensor) -> Tensor:
        """From (N, 3, size, size) normalised photographs to (N, 5) logits."""
        logits: Tensor = self.fc(self.features(x).mean(dim=(2, 3)))
        return logits


def _kept(checkpoint: Checkpoint) -> bytes:
    """``evidence_as_onnx`` of a checkpoint, from the cache if it is there and undamaged."""
    config = checkpoint.config
    name = f"{EVIDENCE}-v{__version__}-{config.architecture}-{config.preprocessing.size}"
    file = user_cache_folder() / "onnx" / name / config.weights_sha256
    data = file.read_bytes() if file.exists() else b""
    digest, content = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    if digest != hashlib.sha256(content).digest():
        content = evidence_as_onnx(checkpoint)
        with replacing(file) as temporary:
            temporary.write_bytes(hashlib.sha256(content).digest() + content)
    return content


Network = TypeVar("Network", bound=nn.Module)


def folded(model: Network) -> Network:
    """Copy a network with each batch normalisation folded into its convolution.

    Once trained, batch normalisation is a product and a sum for each channel; both fit into the
    weights and the bias of the convolution in front. The logits are the same up to rounding.

    Args:
        model: Whose modules name each convolution right before its batch normalisation, as all of
            ``retina.models.architectures`` do; left as it is.

    Returns:
        In evaluation mode, where it has to stay; in place of normalisations, identities.
    """
    merged = copy.deepcopy(model).eval()
    for module in list(merged.modules()):
        for (conv_name, conv), (norm_name, norm) in pairwise(list(module.named_children())):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, conv_name, fuse_conv_bn_eval(conv, norm))
                setattr(module, norm_name, nn.Identity())
    return merged


Engine = Literal["torch", "onnxruntime"]


def network_for_grading(checkpoint: Checkpoint, engine: Engine = "torch") -> nn.Module:
    """Return the network that grades and is evaluated: ``model``, up to rounding.

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
