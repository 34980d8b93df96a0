"""A photograph made ready for the network, which need not be kept itself."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retina.assessment import ImageFacts, Quality


@dataclass(frozen=True)
class Prepared:
    """All that a network needs of a photograph, without the photograph.

    Attributes:
        facts: The file.
        quality: What the gate says of it.
        square: (3, size, size) float32, normalised; None where the gate lets nothing be graded.
        seconds: That it took to come here.
    """

    facts: ImageFacts
    quality: Quality
    square: npt.NDArray[np.float32] | None
    seconds: float
