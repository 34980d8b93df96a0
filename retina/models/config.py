"""The configuration of a checkpoint, ``config.json``, readable without its network."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from retina.errors import CheckpointError
from retina.images.prepare import Preprocessing
from retina.scale import LABELS
from retina.version import __version__

FORMAT = 1
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
PREDICTIONS_FILE = "predictions.csv"
SPLIT_FILE = "split.csv"
HISTORY_FILE = "history.csv"

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class OperatingPoint:
    """The probability of grade 2 or above from which a photograph is referable.

    Attributes:
        threshold: 0 to 1.
        rule: How it was chosen, in words.
        chosen_on: The part that it was chosen on, never ``test``.
    """

    threshold: Share = 0.5
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
    rows: Annotated[int, Field(ge=0, lt=10**9)]
    fingerprint: str
    terms: str
    shared_patients: Share | None = None
    sources: tuple["DataSource", ...] = ()
    public_set: str = ""

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values; ``sources`` and ``public_set`` only if there are any."""
        values = asdict(self) | {"sources": [source.to_json() for source in self.sources]}
        absent = [name for name in ("sources", "public_set") if not values[name]]
        return {name: value for name, value in values.items() if name not in absent}


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
    preprocessing: Annotated[Preprocessing, BeforeValidator(Preprocessing.from_json)]
    data: DataSource
    temperature: Positive = 1.0
    referable: OperatingPoint = OperatingPoint()
    heatmap_scale: Positive = 1.0
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
            config: CheckpointConfig = _adapter().validate_json(json.dumps(value), strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            if first["type"] == "missing":
                raise CheckpointError(f"the field {field!r} is missing") from None
            raise CheckpointError(f"{field} has a value that cannot be: {first['msg']}") from None
        for kind, section in config._sections(value):
            if missing := [name for name in _required(kind) if name not in section]:
                raise CheckpointError(f"the field {missing[0]!r} is missing")
        if config.classes != LABELS:
            raise CheckpointError(f"its classes are {list(config.classes)}, not {list(LABELS)}")
        return config

    def _sections(self, value: Mapping[str, Any]) -> Iterator[tuple[type, Mapping[str, Any]]]:
        yield CheckpointConfig, value
        yield OperatingPoint, value["referable"]
        yield StartedFrom, value["initial_weights"]
        for source in (value["data"], *value["data"].get("sources", ())):
            yield DataSource, source


_NEWER = {"licence", "shared_patients", "sources", "public_set"}
"""Fields that older files lack."""


def _required(kind: type) -> list[str]:
    return [field.name for field in fields(kind) if field.name not in _NEWER]


@cache
def _adapter() -> "TypeAdapter[CheckpointConfig]":
    return TypeAdapter(CheckpointConfig)
