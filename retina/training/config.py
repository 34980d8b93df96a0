"""The settings of one training run and of an experiment of several, which check themselves."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from retina.errors import SettingsError
from retina.models.architectures import NAMES

Start = Literal["scratch", "pretrained"]
Recipe = Literal["lab"]
RECIPES: tuple[Recipe, ...] = ("lab",)


@dataclass(frozen=True)
class RunSettings:
    """Everything that decides a run's weights but the pictures and the initial weights.

    The lab's recipe: stochastic gradient descent with momentum 0.9 and weight decay 0.0005, a
    constant learning rate, flips and rotation.

    Attributes:
        architecture: A name of ``retina.models.architectures.NAMES``.
        start: ``scratch`` or ``pretrained``.
        recipe: ``lab``.
        epochs: Passes over the training part.
        batch_size: Pictures a step.
        lr: Learning rate.
        image_size: Side of the prepared square, in pixels.
        seed: Of the split, the initial weights, the order and the augmentation.

    Raises:
        SettingsError: a value lies outside its range.
    """

    architecture: str
    start: Start
    recipe: Recipe = "lab"
    epochs: int = 10
    batch_size: int = 32
    lr: float = 0.001
    image_size: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        if self.architecture not in NAMES:
            raise SettingsError(
                f"there is no model called {self.architecture!r}: choose one of {', '.join(NAMES)}"
            )
        if self.recipe not in RECIPES:
            raise SettingsError(f"there is no recipe called {self.recipe!r}: {', '.join(RECIPES)}")
        for flag, value, low, high in (
            ("--epochs", self.epochs, 1, 100_000),
            ("--batch-size", self.batch_size, 1, 100_000),
            ("--image-size", self.image_size, 32, 2048),
            ("--seed", self.seed, 0, 2**63 - 1),
        ):
            if not low <= value <= high:
                raise SettingsError(f"{flag} is {value}: it must lie between {low} and {high}")
        if not 0 < self.lr < 100:
            raise SettingsError(f"--lr is {self.lr}: it must be above 0 and below 100")

    @property
    def name(self) -> str:
        """The run's name and its folder's: ``resnet18-scratch``."""
        return f"{self.architecture}-{self.start}"

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON-ready values."""
        return asdict(self)
