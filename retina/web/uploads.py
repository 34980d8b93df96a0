"""Files that keep the names, and the folders, that they had where they came from."""

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
