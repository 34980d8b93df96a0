"""The assessment of a photograph, and its JSON."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Verdict = Literal["good", "usable", "reject"]


@dataclass(frozen=True)
class Quality:
    """The verdict of the quality gate on a photograph.

    Attributes:
        verdict: ``good``, ``usable`` or ``reject``.
        score: 0 (useless) to 1 (faultless).
        reasons: One sentence each; they tell how to retake the photograph.
    """

    verdict: Verdict
    score: float
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageFacts:
    """The file that was graded: its name without folders, its SHA-256, its upright size.

    Where the file says whose eye it shows, ``patient`` is a pseudonym and ``eye`` is ``"left"`` or
    ``"right"``, for the worklist to pair eyes by. They are no part of an assessment's JSON.
    """

    name: str
    sha256: str
    width: int
    height: int
    patient: str = ""
    eye: str = ""


@dataclass(frozen=True)
class Assessment:
    """One photograph, graded by one model.

    Everything from ``grade`` to ``sight_threatening_probability`` is None where the quality gate
    rejected the photograph and nobody asked to grade it anyway.

    Attributes:
        model: The checkpoint's name.
        model_sha256: SHA-256 of its weights file.
        grade: 0 to 4, the grade of the highest probability.
        label: Its name.
        probabilities: Five calibrated probabilities that add up to 1.
        confidence: The probability of ``grade``.
        referable: Whether ``referable_probability`` reaches the checkpoint's operating point.
        referable_probability: Probability of grade 2 or above.
        sight_threatening_probability: Probability of grade 3 or above.
        quality: The gate's verdict.
        image: The file.
        warnings: Sentences that a reader of the grade should know.
        seconds: From file to assessment.
        heatmap: (h, w) float32, the unscaled Grad-CAM of ``grade`` over the prepared square, at
            the resolution of the network's last feature map. Not part of the JSON.
    """

    model: str
    model_sha256: str
    grade: int | None
    label: str | None
    probabilities: tuple[float, ...] | None
    confidence: float | None
    referable: bool | None
    referable_probability: float | None
    sight_threatening_probability: float | None
    quality: Quality
    image: ImageFacts
    warnings: tuple[str, ...]
    seconds: float
    heatmap: npt.NDArray[np.float32] | None = field(default=None, compare=False, repr=False)

    def to_json(self) -> dict[str, Any]:
        """The assessment as JSON-ready values, in the order of the attributes."""
        return {
            "model": self.model,
            "model_sha256": self.model_sha256,
            "grade": self.grade,
            "label": self.label,
            "probabilities": None if self.probabilities is None else list(self.probabilities),
            "confidence": self.confidence,
            "referable": self.referable,
            "referable_probability": self.referable_probability,
            "sight_threatening_probability": self.sight_threatening_probability,
            "quality": {
                "verdict": self.quality.verdict,
                "score": self.quality.score,
                "reasons": list(self.quality.reasons),
            },
            "image": {
                "name": self.image.name,
                "sha256": self.image.sha256,
                "width": self.image.width,
                "height": self.image.height,
            },
            "warnings": list(self.warnings),
            "seconds": self.seconds,
        }
