"""All that relies on parts of Gradio that it does not document, and may change.

``check_gradio`` and ``check_page`` name what a version lacks before anybody uses the page.
"""

import inspect
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr
from gradio import processing_utils, utils
from gradio.data_classes import FileData, ListFiles

from retina.errors import SettingsError
from retina.web.html import view_of

LAUNCH_SETTINGS: dict[str, Any] = {"_frontend": False}
"""For ``launch``: the page has answered Gradio's first question, which waits, when it asks a second
one, which waits 3 s at most: too short for a busy machine."""

_FETCH = "async_ssrf_protected_get"
_OF_QUEUE = ("pending_messages_per_session", "event_ids_to_events", "pending_event_ids_session")


def check_gradio(page: gr.Blocks) -> None:
    """Check that Gradio has what a page needs before it is served.

    Raises:
        SettingsError: This version lacks something.
    """
    queue = getattr(page, "_queue", None)
    _refuse_without(
        {
            f"processing_utils.{_FETCH}": hasattr(processing_utils, _FETCH),
            "utils.LRUCache": hasattr(utils, "LRUCache"),
            "Blocks.launch(_frontend=)": "_frontend" in inspect.signature(page.launch).parameters,
            "Blocks.temp_file_sets": hasattr(page, "temp_file_sets"),
            **{f"Blocks._queue.{name}": hasattr(queue, name) for name in _OF_QUEUE},
        }
    )


def check_page(page: gr.Blocks) -> None:
    """Check that Gradio has what a page needs that is being served.

    Raises:
        SettingsError: This version lacks something.
    """
    holder = getattr(page, "state_holder", None)
    _refuse_without(
        {
            **{f"App.{name}": hasattr(page.app, name) for name in ("tokens", "cookie_id")},
            **{
                f"Blocks.state_holder.{name}": hasattr(holder, name)
                for name in ("session_data", "time_last_used")
            },
        }
    )


def _refuse_without(parts: dict[str, bool]) -> None:
    if missing := [name for name, is_there in parts.items() if not is_there]:
        raise SettingsError(
            f"the page cannot be opened with Gradio {gr.__version__}, which lacks "
            f"{', '.join(missing)}: install a version that requirements.txt allows"
        )


def limit_remembered_calls(page: gr.Blocks, count: int) -> None:
    """Remember the events of so many pages and calls: Gradio would keep an empty set for each."""
    page._queue.pending_event_ids_session = utils.LRUCache(count)


def replace_fetch(instead: Callable[..., Any]) -> None:
    """Replace the function by which Gradio fetches addresses that a caller names."""
    setattr(processing_utils, _FETCH, instead)


def is_session(app: Any, cookies: Mapping[str, str]) -> bool:
    """Whether one of the cookies is what Gradio gave at a log-in."""
    names = (f"{kind}-{app.cookie_id}" for kind in ("access-token", "access-token-unsecure"))
    return any(cookies.get(name) in app.tokens for name in names if cookies.get(name))


def upload_folder(component: gr.File) -> Path:
    """The folder in which what is uploaded to a component lies."""
    return Path(component.GRADIO_CACHE)


def forget_temporary_files(page: gr.Blocks) -> None:
    """Clear the lists of files that Gradio keeps for a deletion of its own."""
    for names in page.temp_file_sets:
        names.clear()


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
