"""What a run is asked for, and what its recipe makes of that."""

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
    """The checkpoint whose answers are a second target.

    Attributes:
        name: Of the checkpoint.
        sha256: Of its weights.
        weight: Of its answers in the loss, 0 to 1; the grades have the rest.
        temperature: That softens both answers, above 0.
    """

    name: str
    sha256: str
    weight: float = 0.7
    temperature: float = 2.0


@dataclass(frozen=True)
class RunSettings:
    """Everything that decides a run's weights but the pictures and the initial weights.

    Attributes:
        architecture: A name of ``retina.models.architectures.ARCHITECTURES``.
        start: ``scratch`` or ``pretrained``.
        recipe: ``lab`` or ``modern``; ``retina.training.settings`` says what they are.
        epochs: Passes over the training part.
        batch_size: Pictures a step, over all processes.
        lr: Learning rate; at its highest where it changes.
        image_size: Side of the prepared square, in pixels.
        seed: Of the split, the initial weights, the order and the augmentation.
        sampling: How often each grade is seen.
        loss: What is made small.
        amp: ``auto`` (float16 on CUDA, bfloat16 on a CPU with a matrix unit, else off), ``off``,
            ``float16`` or ``bfloat16``.
        augmentation: Whether training pictures are changed at random.
        normalisation: Whether mean and deviation of the training part are taken out.
        variant: What tells this run from its sisters in a study; empty for none.
        teacher: Whose answers are a second target; None for none.
        sensitivity: For referable disease, that the operating point must have on validation.
        left_out: Sources that are not trained on, in a study that leaves one out.

    Raises:
        SettingsError: a value lies outside its range.
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
        """The run's name and its folder's: ``resnet18-scratch``, with the variant behind it.

        A pretrained network with a teacher is ``resnet18-taught``.
        """
        start: tuple[str, ...] = (self.start,)
        if self.teacher is not None:
            start = ("taught",) if self.start == "pretrained" else (self.start, "taught")
        return "-".join(filter(None, (self.architecture, *start, self.variant)))

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON-ready values; ``teacher`` and ``left_out`` only where given."""
        values = asdict(self) | {"left_out": "+".join(self.left_out)}
        absent = [name for name in ("teacher", "left_out") if not values[name]]
        return {name: value for name, value in values.items() if name not in absent}


def _check_known(flag: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise SettingsError(f"{flag} {value} is not known: choose {' or '.join(known)}")


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
    """How a run is trained, beyond what its settings say.

    Attributes:
        adaptive: AdamW; otherwise stochastic gradient descent with momentum.
        weight_decay: Of the optimizer.
        decays_all: Whether weight decay also holds biases and batch-norm.
        head_factor: By how much the learning rate of the last layer exceeds that of the others.
        label_smoothing: The share of each target that is spread evenly over the grades.
        cosine: Whether the learning rate warms up and falls along half a cosine; else constant.
        growing: Whether the first epochs see smaller squares.
        augmentation: What training pictures go through.
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
        """What the learning rate is multiplied by at a step of ``steps``: 0 to 1."""
        if not self.cosine:
            return 1.0
        warm = max(1.0, WARM_UP * steps)
        if step < warm:
            return (step + 1) / (warm + 1)
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))

    def side(self, epoch: int, epochs: int, image_size: int) -> int:
        """The side in pixels of what the network sees in an epoch: 128, then 224, for 224.

        Most epochs so see a third of the pixels.
        """
        if not self.growing or epoch >= int(SMALL_UNTIL * epochs):
            return image_size
        return min(image_size, max(STRIDE, round(SMALL_SHARE * image_size / STRIDE) * STRIDE))

    def optimizer(self, model: nn.Module, lr: float) -> torch.optim.Optimizer:
        """The optimizer of a network whose last layer is ``fc``, at its highest learning rates."""
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
    """The recipe that a run's settings name."""
    return MODERN if run.recipe == "modern" else LAB
