"""What needs more of Gradio than it promises to keep."""

import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData, ListFiles

from retina.web.html import view_of


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
    for path in [*cache.rglob("*")]:
        with suppress(OSError):  # deleted meanwhile
            if path.is_file() and path not in kept and path.lstat().st_ctime < until:
                path.unlink()
                if path.parent != cache:
                    path.parent.rmdir()  # refused where something else lies there


def forget_visitors(page: gr.Blocks, met: dict[str, float], seconds: float) -> None:
    """Let go of pages and calls of the API that did nothing for so long, and of unread answers.

    Gradio keeps what each page shows, photographs and names included, and what was answered to
    somebody who had gone, until enough others have come. A page that is used again after it was
    forgotten is told to choose its photograph anew.

    Args:
        page: As it is served.
        met: When each was first met here, or last met at work, by ``time.time()``; the caller keeps
            it for the next time.
        seconds: Since a page or call was last used, or met.
    """
    holder, queue, now = page.state_holder, page._queue, time.time()
    unread = queue.pending_messages_per_session
    at_work = {event.session_hash for event in list(queue.event_ids_to_events.values())}
    known = {*list(holder.session_data), *list(unread)}
    for name in met.keys() - known:
        del met[name]
    for name in known:
        if name in at_work or name not in met:
            met[name] = now
        used = holder.time_last_used.get(name)
        if now - max(met[name], used.timestamp() if used else 0.0) >= seconds:
            for kept in (holder.session_data, holder.time_last_used, unread):
                kept.pop(name, None)
            queue.pending_event_ids_session.pop(name, None)
    view_of.cache_clear()


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
