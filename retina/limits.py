"""How large the files may be that are read whole."""

from pathlib import Path

from retina.errors import InputError

MAX_TABLE = 2**26
"""Bytes: a million rows and more, of which some 20 times as much memory is needed."""

MAX_JSON = 2**24
"""Bytes."""

MAX_WEIGHTS = 2**30
"""Bytes: four times the largest network in float32."""

MAX_LOG = 2**28
"""Bytes: about 250,000 lines of an audit log."""


def refuse_large(file: Path, most: int, error: type[InputError]) -> None:
    """Raise where a file has more bytes than ``most``; one that is not there is let pass.

    Raises:
        InputError: of the kind ``error``.
    """
    if file.exists() and file.stat().st_size > most:
        raise error(
            f"{file.name} is larger than {most // 2**20} MiB, which no such file is: take it away "
            "or give the right one"
        )
