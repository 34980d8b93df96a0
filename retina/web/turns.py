"""Who runs a model for minutes, one after the other, in the order of coming."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOOK_SECONDS = 0.4
"""Between two looks at how far a triage is, or at one's place in the line."""


class Turns:
    """A line to wait in, of which everyone can see the place."""

    def __init__(self) -> None:
        self._line: list[object] = []

    @contextmanager
    def turn(self) -> Iterator[Callable[[], int]]:
        """Stand in line; gives what tells how many are before, 0 as long as it is one's turn."""
        place = object()
        self._line.append(place)
        try:
            yield lambda: self._line.index(place)
        finally:
            self._line.remove(place)
