"""Made-up assessments, as a grader would give them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from retina.assessment import Assessment, ImageFacts, Quality
from retina.scale import LABELS

NAME = "Maria_Muster_1950_left.jpg"
THRESHOLD = 0.35


def assessed(
    probabilities: Sequence[float], image: int = 0, model: str = "small", sha256: str = "a" * 64
) -> Assessment:
    """What ``model`` of the weights ``sha256`` answered to the photograph number ``image``."""
    grade = int(np.argmax(probabilities))
    referable = sum(probabilities[2:])
    return Assessment(
        model=model,
        model_sha256=sha256,
        grade=grade,
        label=LABELS[grade],
        probabilities=tuple(probabilities),
        confidence=probabilities[grade],
        referable=referable >= THRESHOLD,
        referable_probability=referable,
        sight_threatening_probability=sum(probabilities[3:]),
        quality=Quality("good", 1.0),
        image=ImageFacts(NAME, f"{image:064x}", 640, 480),
        warnings=(f"{NAME} is large.",),
        seconds=0.1,
    )


def refused(image: int = 0, sha256: str = "a" * 64) -> Assessment:
    """What the gate leaves of one."""
    return replace(
        assessed([1.0, 0, 0, 0, 0], image, sha256=sha256),
        grade=None,
        label=None,
        probabilities=None,
        confidence=None,
        referable=None,
        referable_probability=None,
        sight_threatening_probability=None,
        quality=Quality("reject", 0.1, ("Too dark.",)),
        warnings=(),
    )


def drawn(count: int, seed: int = 0, sha256: str = "a" * 64) -> list[Assessment]:
    """Of ``count`` photographs."""
    random = np.random.default_rng(seed)
    return [
        assessed(random.dirichlet([2, 1, 1, 0.5, 0.5]).tolist(), image, sha256=sha256)
        for image in range(count)
    ]
