"""Files that keep the names, and the folders, that they had where they came from."""

import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData, ListFiles

Upload = tuple[str, Path]
"""A file's name in the browser, with its folders and ``/``, and where it lies now.

The name is only ever shown: whoever sends it chooses it.
"""


def uploads(**settings: Any) -> gr.File:
    """Where many files are chosen; handlers get a list of ``Upload``, or None.

    ``triage.js`` sends folders as files that are called by their paths.

    Args:
        settings: Of ``gr.File``.
    """
    files = gr.File(file_count="multiple", **settings)
    # On the instance: beside the file of a class of components Gradio writes another.
    files.preprocess = _named  # type: ignore[method-assign, assignment]
    return files


def _named(payload: ListFiles | FileData | None) -> list[Upload] | None:
    files = payload if isinstance(payload, ListFiles) else [payload] if payload else []
    return [(file.orig_name or Path(file.path).name, Path(file.path)) for file in files] or None


def forget_uploads(cache: Path, seconds: float, kept: Collection[Path] = ()) -> None:
    """Delete what has lain in Gradio's cache for so long.

    Gradio's own ``delete_cache`` leaves halves of uploads, and everything once somebody has named a
    folder as an upload.

    Args:
        cache: Gradio's.
        seconds: Since what is deleted was written, or last given out.
        kept: What is not deleted.
    """
    until = time.time() - seconds
    for path in cache.rglob("*"):
        with suppress(OSError):  # deleted meanwhile
            if path.is_file() and path not in kept and path.lstat().st_ctime < until:
                path.unlink()
