"""The commands, called in this process as a shell would call them."""

import os
from typing import Any, NamedTuple

import pytest

from retina.cli import main


class Answer(NamedTuple):
    """What a shell sees of a command that has ended."""

    status: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """What stands behind ``error:`` on stderr."""
        return [
            line.removeprefix("error: ")
            for line in self.err.splitlines()
            if line.startswith("error: ")
        ]


def retina(capsys: pytest.CaptureFixture[str], *arguments: str | os.PathLike[str]) -> Answer:
    """Run ``retina ARGUMENTS``; an exception that is no exit is left to fail the test."""
    capsys.readouterr()
    try:
        status: Any = main([os.fspath(argument) for argument in arguments])
    except SystemExit as end:
        status = end.code
    return Answer(status, *capsys.readouterr())
