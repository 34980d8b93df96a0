"""The settings of a run, and the recipes that they name."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import torch
from torch import nn

from retina.datasets.dataset import Augmentation
from retina.errors import SettingsError
from retina.evaluation.calibration import MINIMUM_SENSITIVITY
from retina.models.architectures import ARCHITECTURES
from retina.reporting.formatting import joined
from retina.training.augmentation import CameraAugmentation, LabAugmentation
from retina.training.batches import SAMPLINGS, Sampling
from retina.training.losses import LOSSES, LossName

Start = Literal["scratch", "pretrained"]
RecipeName = Literal["lab", "modern"]
AmpName = Literal["auto", "off", "float16", "bfloat16"]
RECIPES: tuple[RecipeName, ...] = get_args(RecipeName)
PRECISIONS: tuple[AmpName, ...] = get_args(AmpName)

LEARNING_RATES: dict[RecipeName, float] = {"lab": 0.001, "modern": 0.0004}
RECIPE_SAMPLINGS: dict[RecipeName, Sampling] = {"lab": "none", "modern": "sqrt"}


@dataclass(frozen=True)
class TeacherSettings:
    """The checkpoint whose predictions are a second target.

    Attributes:
        name: The name of the checkpoint.
        sha256: The hash of its weights.
        weight: Weight of its predictions in the loss, 0 to 1; the grades have the rest.
        temperature: Temperature of both softmaxes, above 0.
    """

    name: str
    sha256: str
    weight: float = 0.7
    temperature: float = 2.0


@dataclass(frozen=True)
class RunSettings:
    """The settings of a run: all that decides its weights but the data and the initial weights.

    Attributes:
        architecture: A name in ``retina.models.architectures.ARCHITECTURES``.
        start: ``scratch`` or ``pretrained``.
        recipe: ``lab`` or ``modern``: see ``LAB`` and ``MODERN``.
        epochs: Number of epochs.
        batch_size: Images per step, over all processes.
        lr: Peak learning rate.
        image_size: Side of the square, in pixels.
        seed: Seed of the split, the initial weights, the order and the augmentation.
        sampling: How often each grade is drawn: see ``EpochBatches``.
        loss: The name of a loss: see ``build_loss``.
        amp: Mixed precision: see ``choose_precision``.
        augmentation: Whether training images are augmented.
        normalisation: Whether images are normalised by mean and standard deviation.
        variant: What distinguishes this run from the others of a study; empty if it is the only
            one.
        teacher: The teacher whose predictions are a second target.
        sensitivity: Lowest sensitivity to referable disease on validation, which sets the operating
            point; above 0, at most 1.
        left_out: Sources that are not trained on, in the leave-one-out study.

    Raises:
        SettingsError: A value is out of range.
    """

    architecture: str
    start: Start
    recipe: RecipeName = "lab"
    epochs: int = 10
    batch_size: int = 32
    lr: float = 0.001
    image_size: int = 512
    seed: int = 0
    sampling: Sampling = "none"
    loss: LossName = "cross-entropy"
    amp: AmpName = "auto"
    augmentation: bool = True
    normalisation: bool = True
    variant: str = ""
    teacher: TeacherSettings | None = None
    sensitivity: float = MINIMUM_SENSITIVITY
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_known("--model", self.architecture, ARCHITECTURES)
        _check_known("--recipe", self.recipe, RECIPES)
        _check_known("--sampling", self.sampling, SAMPLINGS)
        _check_known("--loss", self.loss, LOSSES)
        _check_known("--amp", self.amp, PRECISIONS)
        _check_range("--epochs", self.epochs, 1, 100_000)
        _check_range("--batch-size", self.batch_size, 1, 100_000)
        _check_range("--image-size", self.image_size, 32, 2048)
        _check_range("--seed", self.seed, 0, 2**63 - 1)
        _check_rate(self.lr, 100)
        if not 0 < self.sensitivity <= 1:
            raise SettingsError(
                f"--sensitivity is {self.sensitivity}: it must be above 0 and at most 1"
            )

    @property
    def name(self) -> str:
        """The name of the run and of its folder: architecture, start and variant.

        For example ``resnet18-scratch``; a pretrained network with a teacher is
        ``resnet18-taught``.
        """
        start: tuple[str, ...] = (self.start,)
        if self.teacher is not None:
            start = ("taught",) if self.start == "pretrained" else (self.start, "taught")
        return "-".join(filter(None, (self.architecture, *start, self.variant)))

    def to_json(self) -> dict[str, Any]:
        """Return JSON-serialisable values; ``teacher`` and ``left_out`` only if they are set."""
        values = asdict(self) | {"left_out": "+".join(self.left_out)}
        absent = [name for name in ("teacher", "left_out") if not values[name]]
        return {name: value for name, value in values.items() if name not in absent}


def _check_known(flag: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise SettingsError(f"{flag} {value} is not known: choose {joined(known, 'or')}")


def _check_range(flag: str, number: int, low: int, high: int) -> None:
    if not low <= number <= high:
        raise SettingsError(f"{flag} is {number}: it must lie between {low} and {high}")


def _check_rate(lr: float, limit: float) -> None:
    if not 0 < lr < limit:
        raise SettingsError(f"--lr is {lr}: it must be above 0 and below {limit:g}")


MOMENTUM = 0.9

WARM_UP = 0.05
SMALL_UNTIL = 0.65
SMALL_SHARE = 4 / 7
STRIDE = 32


@dataclass(frozen=True)
class Recipe:
    """How a run is trained, beyond its settings.

    Attributes:
        adaptive: Whether the optimizer is AdamW; otherwise SGD with momentum.
        weight_decay: Weight decay of the optimizer.
        decays_all: Whether weight decay applies to biases and batch normalisation too.
        head_factor: Learning rate of the last layer, relative to the others.
        label_smoothing: Share of each target that is spread evenly over the grades.
        cosine: Whether the learning rate warms up and decays along a half cosine; otherwise it is
            constant.
        growing: Whether the first epochs use smaller images.
        augmentation: The augmentation of training images.
    """

    adaptive: bool = False
    weight_decay: float = 0.0005
    decays_all: bool = True
    head_factor: float = 1.0
    label_smoothing: float = 0.0
    cosine: bool = False
    growing: bool = False
    augmentation: Callable[[], Augmentation] = LabAugmentation

    def lr_factor(self, step: int, steps: int) -> float:
        """The factor of the learning rate, 0 to 1, at a step of ``steps``."""
        if not self.cosine:
            return 1.0
        warm = max(1.0, WARM_UP * steps)
        if step < warm:
            return (step + 1) / (warm + 1)
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))

    def side(self, epoch: int, epochs: int, image_size: int) -> int:
        """The side of the images in an epoch: for 224 pixels, 128 at first, then 224.

        Most epochs so use a third of the pixels.
        """
        if not self.growing or epoch >= int(SMALL_UNTIL * epochs):
            return image_size
        return min(image_size, max(STRIDE, round(SMALL_SHARE * image_size / STRIDE) * STRIDE))

    def optimizer(self, model: nn.Module, lr: float) -> torch.optim.Optimizer:
        """Return the optimizer, at peak learning rates, of a network whose last layer is ``fc``."""
        parameters: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in model.named_parameters():
            decay = self.weight_decay if self.decays_all or parameter.dim() > 1 else 0.0
            peak = lr * (self.head_factor if name.startswith("fc.") else 1.0)
            parameters.setdefault((decay, peak), []).append(parameter)
        groups = [
            {"params": each, "weight_decay": decay, "lr": peak}
            for (decay, peak), each in parameters.items()
        ]
        if self.adaptive:
            return torch.optim.AdamW(groups, lr=lr)
        return torch.optim.SGD(groups, lr=lr, momentum=MOMENTUM)


LAB = Recipe()
MODERN = Recipe(
    adaptive=True,
    weight_decay=0.02,
    decays_all=False,
    head_factor=5.0,
    label_smoothing=0.05,
    cosine=True,
    growing=True,
    augmentation=CameraAugmentation,
)


def recipe_of(run: RunSettings) -> Recipe:
    """Return the recipe that the settings name."""
    return MODERN if run.recipe == "modern" else LAB
