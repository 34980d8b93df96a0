"""A photograph with what its graders share, made once for all of them."""

from functools import cached_property

from PIL import Image

from retina.assessment import ImageFacts, Quality
from retina.images.decode import Photograph
from retina.images.field_of_view import FieldOfView, find_retina
from retina.images.prepare import Preprocessing, prepare_square
from retina.images.quality import assess_quality


class Sight:
    """What is to be seen in a photograph, whichever model looks; each part is made when needed.

    Args:
        photograph: Decoded no smaller than any of its graders needs.

    Attributes:
        photograph: As given.
    """

    def __init__(self, photograph: Photograph) -> None:
        self.photograph = photograph
        self._squares: dict[str, Image.Image] = {}

    @cached_property
    def retina(self) -> FieldOfView:
        """Where the retina lies."""
        return find_retina(self.photograph.image)

    @cached_property
    def quality(self) -> Quality:
        """What the gate says."""
        return assess_quality(self.photograph, self.retina)

    def square(self, settings: Preprocessing) -> Image.Image:
        """The square that a network is given, before normalisation: RGB, ``size`` x ``size``."""
        if settings.geometry not in self._squares:
            square = prepare_square(self.photograph.image, settings, self.retina)
            self._squares[settings.geometry] = square
        return self._squares[settings.geometry]

    def box(self, settings: Preprocessing) -> tuple[int, int, int, int]:
        """The part that the square is made of: left, top, right, bottom in the decoded picture."""
        return self.retina.box if settings.crop else (0, 0, *self.photograph.image.size)

    @property
    def facts(self) -> ImageFacts:
        """The file, as an assessment names it."""
        file = self.photograph
        return ImageFacts(file.name, file.sha256, file.width, file.height, file.patient, file.eye)
