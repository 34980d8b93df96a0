"""Files: atomic writes, size limits, locks, CSV without formulas, and folders of the user."""

import csv
import io
import json
import os
import re
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs

from retina.errors import InputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; rename it to ``path`` if the block succeeds.

    A reader sees the old file or the new one, never half of one, also after a kill or a full disk;
    two writers each leave a whole file.

    Raises:
        OSError: the file system refused; ``path`` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_unfinished(folder: Path, name: str = "*") -> None:
    """Remove what killed writers of ``name`` left in ``folder``; nobody may be writing it now."""
    for unfinished in folder.glob(f".{name}.*.part"):
        unfinished.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented UTF-8 JSON, atomically.

    Raises:
        ValueError: it holds NaN or infinity, which are not JSON.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_text(path, text)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, atomically, with line ends as they are in ``text``."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


CLONE = Path(__file__).resolve().parents[1]
"""Where the package lies: a clone of the repository, or what a wheel was installed into."""

_IN_A_CLONE = (CLONE / "train.py").is_file()
TRAIN = "python train.py" if _IN_A_CLONE else "retina train"
"""How one trains here, for sentences that say so."""
DEMO = "python app.py" if _IN_A_CLONE else "retina demo"
"""How one opens the page here."""


def user_cache_folder() -> Path:
    """The folder of what can be computed again: ``RETINA_CACHE``, or the platform's."""
    return _chosen("RETINA_CACHE") or platformdirs.user_cache_path("retina", appauthor=False)


def user_data_folder() -> Path:
    """The folder of what cannot be computed again: ``RETINA_DATA``, or the platform's."""
    return _chosen("RETINA_DATA") or platformdirs.user_data_path("retina", appauthor=False)


def _chosen(variable: str) -> Path | None:
    folder = os.environ.get(variable)
    return Path(folder).expanduser().absolute() if folder else None


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


# At the start, or after what a spreadsheet of another country takes for the end of a cell.
_FORMULA = re.compile(r"(^|[;\t\n])(?=\s*[=+\-@＝＋－＠]|[\t\r])")
_APOSTROPHE = re.compile(_FORMULA.pattern.replace(")(?=", ")'(?=", 1))


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as CSV, in which no cell can run as a formula.

    A carriage return, which Python's writer leaves unquoted and its reader then refuses, becomes a
    space.

    Args:
        columns: The header, in order.
        rows: Each with a value for every column; None is an empty cell.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _safe(row[name]) for name in columns})
    return text.getvalue()


def no_formula(text: str) -> str:
    """A text in which no formula begins (OWASP, "CSV Injection").

    What would begin one gets an apostrophe before it, also after a semicolon or tab, where
    spreadsheets of some countries begin a cell.
    """
    return _FORMULA.sub(r"\1'", text)


def with_formulas(text: str) -> str:
    """A text as it was before ``no_formula``."""
    return _APOSTROPHE.sub(r"\1", text)


def _safe(value: object) -> object:
    return no_formula(value).replace("\r", " ") if isinstance(value, str) else value


if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_BYTE = 1 << 40
"""What Windows locks: a byte that is never written, since locked ones cannot be read either."""

_LOOK_SECONDS = 0.02


def lock(descriptor: int, *, wait: bool) -> bool:
    """Lock an open file until it is closed, which the system does however this process ends.

    The file itself is locked, not another beside it as filelock does, which would leave litter
    next to a user's worklist or audit log.

    Args:
        descriptor: Descriptor of the file, whose position is not changed.
        wait: Until another process has closed it.

    Returns:
        Whether it is locked now: not, if another process holds it and there is no waiting.

    Raises:
        OSError: The file system knows no locks.
    """
    while not _locked(descriptor):
        if not wait:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def _locked(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            place = os.lseek(descriptor, 0, os.SEEK_CUR)
            os.lseek(descriptor, _BYTE, os.SEEK_SET)
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            finally:
                os.lseek(descriptor, place, os.SEEK_SET)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
