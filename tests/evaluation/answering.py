"""Made-up truth and answers for the tests of this room."""

import numpy as np
import numpy.typing as npt

Grades = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def draw(count: int, seed: int, skill: float = 0.3) -> tuple[Grades, Floats]:
    """Grades, and probabilities that know something of them and hold ties."""
    random = np.random.default_rng(seed)
    grades = random.choice(5, count, p=[0.5, 0.1, 0.2, 0.1, 0.1])
    values = random.dirichlet(np.ones(5), count)
    values[np.arange(count), grades] += skill
    values = values.round(1) + 0.01
    return grades, values / values.sum(axis=1, keepdims=True)


def between_neighbours(expected: npt.ArrayLike) -> Floats:
    """(N,) grades with decimals, as a regression gives them, to (N, 5) between two neighbours."""
    return np.asarray(np.maximum(0.0, 1 - np.abs(np.asarray(expected)[:, None] - np.arange(5))))
