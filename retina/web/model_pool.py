"""The models of the page, loaded once, and whose turn it is to use one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from retina.errors import CheckpointError
from retina.files import TRAIN
from retina.models.checkpoint_folder import (
    checkpoints_folder,
    describe_checkpoints,
    find_checkpoint,
    read_config,
)
from retina.models.config import CheckpointConfig

if TYPE_CHECKING:
    from retina.inference.grader import Grader


class ModelPool:
    """All checkpoints of one folder.

    Attributes:
        folder: Where they lie.
        names: Of those that can be used, sorted, as they were when the page was opened.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = checkpoints_folder(folder)
        self.names = [each["name"] for each in describe_checkpoints(self.folder)]
        self._loaded: dict[str, Grader] = {}
        self._locks = {name: Lock() for name in self.names}

    def get(self, name: str) -> "Grader":
        """The model called ``name``; its weights are read once.

        Raises:
            CheckpointError: There is none of that name in the folder, or it cannot be used.
        """
        if not self.names:
            raise CheckpointError(f"there is no model yet: train one with `{TRAIN}`")
        if name not in self.names:
            known = ", ".join(self.names)
            raise CheckpointError(f"there is no model called {name!r}: choose one of {known}")
        from retina.inference.grader import Grader  # slow to import, and the page opens without

        with self._locks[name]:
            if name not in self._loaded:
                self._loaded[name] = Grader.load(name, checkpoints=self.folder)
            return self._loaded[name]

    def config(self, name: str) -> CheckpointConfig:
        """What the model called ``name`` is, without loading its network.

        Raises:
            CheckpointError: There is none of that name in the folder, or it cannot be used.
        """
        return read_config(find_checkpoint(name, self.folder))

    def describe(self) -> list[dict[str, Any]]:
        """What ``/models`` says of each, without loading any network."""
        every = describe_checkpoints(self.folder)
        return [description for description in every if description["name"] in self.names]


LOOK_SECONDS = 0.4
"""Between two looks at how far a triage is, or at one's place in the line."""


class TriageQueue:
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
