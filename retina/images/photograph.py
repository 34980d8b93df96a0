"""A decoded photograph, and what its graders share of it."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from PIL import Image

from retina.assessment import ImageFacts, Quality
from retina.images.field_of_view import FieldOfView, find_retina
from retina.images.prepare import Preprocessing, prepare_square
from retina.images.quality import assess_quality


@dataclass(frozen=True, eq=False)
class Photograph:
    """A decoded photograph; what is derived from it is computed once, when it is first needed.

    Attributes:
        name: The file's name without folders, since those may name a patient.
        sha256: SHA-256 of the file's bytes, in hexadecimal.
        width: Upright width of the image in the file, in pixels.
        height: Its upright height.
        image: Upright RGB, 8 bits a channel; smaller than ``width`` x ``height`` where it was
            decoded at a reduced scale.
        patient: A pseudonym, where the file says whose eye it shows (DICOM only); else empty.
        eye: ``"left"`` or ``"right"``, where the file says so; else empty.
    """

    name: str
    sha256: str
    width: int
    height: int
    image: Image.Image
    patient: str = ""
    eye: str = ""
    _squares: dict[str, Image.Image] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def field_of_view(self) -> FieldOfView:
        """Where the retina lies in ``image``."""
        return find_retina(self.image)

    @cached_property
    def quality(self) -> Quality:
        """The verdict of the quality gate."""
        return assess_quality(self.image, self.field_of_view)

    def square(self, settings: Preprocessing) -> Image.Image:
        """The network's input before normalisation: RGB, ``size`` x ``size``."""
        if settings.geometry not in self._squares:
            square = prepare_square(self.image, settings, self.field_of_view)
            self._squares[settings.geometry] = square
        return self._squares[settings.geometry]

    def box(self, settings: Preprocessing) -> tuple[int, int, int, int]:
        """The part of ``image`` that the square shows: left, top, right, bottom, in pixels."""
        return self.field_of_view.box if settings.crop else (0, 0, *self.image.size)

    @property
    def facts(self) -> ImageFacts:
        """The file, as an assessment names it."""
        return ImageFacts(self.name, self.sha256, self.width, self.height, self.patient, self.eye)


@dataclass(frozen=True)
class NetworkInput:
    """All that a network needs of a photograph, so that its pixels can be freed.

    Attributes:
        facts: The file.
        quality: The verdict of the quality gate.
        square: (3, size, size) float32, normalised; None where the gate refused the photograph.
        seconds: The time spent on it so far.
    """

    facts: ImageFacts
    quality: Quality
    square: npt.NDArray[np.float32] | None
    seconds: float
