"""The configuration of a checkpoint, ``config.json``, readable without its network."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeVar, get_args

from retina.errors import CheckpointError, InputError
from retina.images.prepare import Preprocessing
from retina.scale import LABELS
from retina.version import __version__

FORMAT = 1
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
PREDICTIONS_FILE = "predictions.csv"
SPLIT_FILE = "split.csv"
HISTORY_FILE = "history.csv"


@dataclass(frozen=True)
class OperatingPoint:
    """The probability of grade 2 or above from which a photograph is referable.

    Attributes:
        threshold: 0 to 1.
        rule: How it was chosen, in words.
        chosen_on: The part that it was chosen on, never ``test``.
    """

    threshold: float = 0.5
    rule: str = "not chosen"
    chosen_on: str = "nothing"


Kind = Literal["random", "imagenet", "imagenet-compressed", "file"]


@dataclass(frozen=True)
class StartedFrom:
    """The weights that training started from.

    Attributes:
        kind: ``random``; ``imagenet``; ``imagenet-compressed`` for ImageNet weights that were
            compressed and rebuilt; ``file`` for any other weights.
        source: Where they came from, in words.
        sha256: Of their file; None for random ones.
        licence: Their terms, in words; empty where they are not known, or there are none.
    """

    kind: Kind = "random"
    source: str = "He initialisation"
    sha256: str | None = None
    licence: str = ""

    @property
    def words(self) -> str:
        """The start in a few words, such as ``ImageNet``."""
        known = {
            "random": "random weights",
            "imagenet": "ImageNet",
            "imagenet-compressed": "ImageNet (compressed, then rebuilt)",
        }
        return known.get(self.kind, f"{self.source}, not from ImageNet")

    def to_json(self) -> dict[str, str | None]:
        """The fields as JSON-ready values; ``licence`` only where there is one."""
        values = {"kind": self.kind, "source": self.source, "sha256": self.sha256}
        return values | ({"licence": self.licence} if self.licence else {})


@dataclass(frozen=True)
class DataSource:
    """The photographs that the model was trained on.

    Attributes:
        name: The data folder's name.
        rows: Photographs in the three parts together.
        fingerprint: SHA-256 over image names and grades.
        terms: Under which they may be used, in words.
        shared_patients: The share, 0 to 1, of test images whose patient also has an image in
            another part; 0 for a split by patient, 0.80 for the lab's own lists, None in a
            checkpoint that was made before this was written down.
        sources: Where there are several data folders, each of them; the other fields then hold
            for all of them together.
        public_set: The public data set that one of several sources was recognised as; empty where
            it is none, or where there is one source alone.
    """

    name: str
    rows: int
    fingerprint: str
    terms: str
    shared_patients: float | None = None
    sources: tuple["DataSource", ...] = ()
    public_set: str = ""

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values; ``sources`` and ``public_set`` only if there are any."""
        values = asdict(self) | {"sources": [source.to_json() for source in self.sources]}
        absent = [name for name in ("sources", "public_set") if not values[name]]
        return {name: value for name, value in values.items() if name not in absent}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "DataSource":
        """Read what ``to_json`` gave.

        Raises:
            KeyError, TypeError: a field is missing or has a value that cannot be.
        """
        if not isinstance(value, Mapping):
            raise TypeError(f"data is {value!r}")
        sources = tuple(cls.from_json(source) for source in value.get("sources", ()))
        return _read_all(
            cls, {"shared_patients": None, "public_set": "", **value, "sources": sources}
        )


@dataclass(frozen=True)
class CheckpointConfig:
    """All that a network's weights need to be used as they were trained.

    Attributes:
        name: The checkpoint's name, such as ``resnet18-scratch``.
        architecture: A name that ``retina.models.architectures.build`` knows.
        preprocessing: What every photograph goes through.
        temperature: Logits are divided by it before the softmax; fitted on validation.
        referable: The operating point.
        heatmap_scale: The value of the Grad-CAM that is shown in the strongest colour.
        initial_weights: What training started from.
        training: Recipe, settings and outcome of training, for the card.
        data: The photographs.
        code_version: Of this package, when the checkpoint was made.
        weights_sha256: Of ``model.safetensors``; filled in when it is saved.
        classes: The five labels.
    """

    name: str
    architecture: str
    preprocessing: Preprocessing
    data: DataSource
    temperature: float = 1.0
    referable: OperatingPoint = OperatingPoint()
    heatmap_scale: float = 1.0
    initial_weights: StartedFrom = StartedFrom()
    training: Mapping[str, Any] | None = None
    code_version: str = __version__
    weights_sha256: str = ""
    classes: tuple[str, ...] = LABELS

    def to_json(self) -> dict[str, Any]:
        """The configuration as JSON-ready values."""
        return {
            "format": FORMAT,
            "name": self.name,
            "architecture": self.architecture,
            "classes": list(self.classes),
            "preprocessing": self.preprocessing.to_json(),
            "temperature": self.temperature,
            "referable": asdict(self.referable),
            "heatmap_scale": self.heatmap_scale,
            "initial_weights": self.initial_weights.to_json(),
            "training": dict(self.training or {}),
            "data": self.data.to_json(),
            "code_version": self.code_version,
            "weights_sha256": self.weights_sha256,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "CheckpointConfig":
        """Read what ``to_json`` gave.

        Raises:
            CheckpointError: a field is missing or has a value that cannot be.
        """
        if value.get("format") != FORMAT:
            raise CheckpointError(
                f"its format is {value.get('format')!r}, this version reads format {FORMAT}"
            )
        try:
            config = cls(
                name=str(value["name"]),
                architecture=str(value["architecture"]),
                classes=tuple(value["classes"]),
                preprocessing=Preprocessing.from_json(value["preprocessing"]),
                temperature=float(value["temperature"]),
                referable=_read_all(OperatingPoint, value["referable"]),
                heatmap_scale=float(value["heatmap_scale"]),
                initial_weights=_read_all(StartedFrom, {"licence": "", **value["initial_weights"]}),
                training=dict(value["training"]),
                data=DataSource.from_json(value["data"]),
                code_version=str(value["code_version"]),
                weights_sha256=str(value["weights_sha256"]),
            )
        except KeyError as error:
            raise CheckpointError(f"the field {error} is missing") from None
        except (TypeError, ValueError, OverflowError, InputError) as error:
            raise CheckpointError(f"a field has a value that cannot be: {error}") from None
        if config.classes != LABELS:
            raise CheckpointError(f"its classes are {list(config.classes)}, not {list(LABELS)}")
        if not (0 < config.temperature < math.inf and 0 < config.heatmap_scale < math.inf):
            raise CheckpointError("temperature and heatmap_scale must be numbers above 0")
        if not (
            isinstance(config.referable.threshold, int | float)
            and 0 <= config.referable.threshold <= 1
        ):
            raise CheckpointError("referable.threshold must lie between 0 and 1")
        if wrong := _wrong(config):
            raise CheckpointError(f"{wrong} has a value that cannot be")
        return config


def _wrong(config: CheckpointConfig) -> str | None:
    """The first descriptive field of a wrong type or range; None if there is none."""
    start = config.initial_weights
    texts = {
        "referable.rule": config.referable.rule,
        "referable.chosen_on": config.referable.chosen_on,
        "initial_weights.source": start.source,
        "initial_weights.sha256": start.sha256 or "",
        "initial_weights.licence": start.licence,
    }
    possible = {name: isinstance(text, str) for name, text in texts.items()} | {
        "initial_weights.kind": start.kind in get_args(Kind),
    }
    for data in (config.data, *config.data.sources):
        shared = data.shared_patients
        possible |= {
            "data.name": isinstance(data.name, str),
            "data.fingerprint": isinstance(data.fingerprint, str),
            "data.terms": isinstance(data.terms, str),
            "data.public_set": isinstance(data.public_set, str),
            "data.rows": isinstance(data.rows, int) and 0 <= data.rows < 10**9,
            "data.shared_patients": shared is None
            or (isinstance(shared, int | float) and 0 <= shared <= 1),
        }
    return next((name for name, fine in possible.items() if not fine), None)


Section = TypeVar("Section", OperatingPoint, StartedFrom, DataSource)


def _read_all(kind: type[Section], value: Mapping[str, Any]) -> Section:
    """A section of the file; a field that is missing is an error, never a default."""
    return kind(**{field.name: value[field.name] for field in fields(kind)})
