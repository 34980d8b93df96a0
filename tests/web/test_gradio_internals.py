import re
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import gradio as gr
import httpx
import pytest

from retina.errors import SettingsError
from retina.web import gradio_internals
from retina.web.gradio_internals import (
    check_gradio,
    check_page,
    forget_uploads,
    forget_visitors,
)
from tests.web.conftest import free_port

HOUR = 3600.0


READY = threading.Event()


def shown_when_ready(name: str) -> str:
    """What the page shows of a name; ``READY`` says when."""
    READY.wait(10)
    return f"<p>{name}</p>"


@pytest.fixture(scope="module")
def page() -> Iterator[gr.Blocks]:
    with gr.Blocks() as blocks:
        name, shown = gr.Textbox(), gr.HTML()
        name.change(shown_when_ready, name, shown)
    blocks.launch(
        server_port=free_port(),
        ssr_mode=False,
        prevent_thread_lock=True,
        quiet=True,
        _frontend=False,
    )
    yield blocks
    blocks.close(verbose=False)


@pytest.fixture(autouse=True)
def nobody(page: gr.Blocks) -> None:
    READY.set()
    forget_visitors(page, {}, 0)


def ask(page: gr.Blocks, session: str) -> None:
    """Have the page show a name to somebody who does not wait for it."""
    asked = {"data": ["Ada Lovelace"], "fn_index": 0, "session_hash": session}
    httpx.post(f"{page.local_url}gradio_api/queue/join", json=asked).raise_for_status()
    while session not in page.state_holder:
        time.sleep(0.02)
    if READY.is_set():
        finish(page)


def finish(page: gr.Blocks) -> None:
    READY.set()
    while page._queue.event_ids_to_events:
        time.sleep(0.02)


def long_unused(page: gr.Blocks, session: str, met: dict[str, float]) -> None:
    met[session] = time.time() - 2 * HOUR
    if session in page.state_holder:
        page.state_holder.time_last_used[session] = datetime.now() - timedelta(hours=2)


def test_who_did_nothing_for_an_hour_is_forgotten_with_what_was_shown(page: gr.Blocks) -> None:
    ask(page, "old")
    ask(page, "new")
    holder, queue = page.state_holder, page._queue
    met: dict[str, float] = {}
    forget_visitors(page, met, HOUR)
    assert {*holder.session_data} == {*queue.pending_messages_per_session} == {"old", "new"}
    long_unused(page, "old", met)
    forget_visitors(page, met, HOUR)
    assert {*holder.session_data} == {*queue.pending_messages_per_session} == {"new"}
    assert {*holder.time_last_used} == {"new"}
    assert "old" not in queue.pending_event_ids_session


def test_an_answer_that_nobody_read_goes_where_its_page_has_gone_before(page: gr.Blocks) -> None:
    ask(page, "left")
    for kept in (page.state_holder.session_data, page.state_holder.time_last_used):
        kept.clear()  # as Gradio does once enough others have come
    met: dict[str, float] = {}
    forget_visitors(page, met, HOUR)
    assert "left" in page._queue.pending_messages_per_session
    long_unused(page, "left", met)
    forget_visitors(page, met, HOUR)
    assert "left" not in page._queue.pending_messages_per_session
    forget_visitors(page, met, HOUR)
    assert met == {}


def test_a_page_that_was_forgotten_can_be_used_again(page: gr.Blocks) -> None:
    ask(page, "back")
    forget_visitors(page, {}, 0)
    assert "back" not in page.state_holder
    ask(page, "back")


def test_who_waits_for_an_answer_is_not_forgotten(page: gr.Blocks) -> None:
    READY.clear()
    ask(page, "waits")
    met: dict[str, float] = {}
    long_unused(page, "waits", met)
    forget_visitors(page, met, HOUR)
    assert "waits" in page.state_holder
    finish(page)
    page.state_holder.time_last_used["waits"] = datetime.now() - timedelta(hours=2)
    forget_visitors(page, met, HOUR)
    assert "waits" in page.state_holder
    long_unused(page, "waits", met)
    forget_visitors(page, met, HOUR)
    assert "waits" not in page.state_holder


def test_an_old_upload_goes_with_its_folder(tmp_path: Path) -> None:
    old, kept, shared = (tmp_path / name / "eye.jpg" for name in ("old", "kept", "shared"))
    other = shared.with_name("young.jpg")
    for file in (old, kept, shared):
        file.parent.mkdir()
        file.write_bytes(b"x")
    time.sleep(1.2)
    other.write_bytes(b"x")
    forget_uploads(tmp_path, 1.0, {kept})
    assert sorted(file.name for file in tmp_path.rglob("*")) == [
        "eye.jpg",
        "kept",
        "shared",
        "young.jpg",
    ]


def test_this_version_of_gradio_has_what_the_page_needs(page: gr.Blocks) -> None:
    check_gradio(page)
    check_page(page)


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("gradio.processing_utils.async_ssrf_protected_get", "processing_utils.async_ssrf"),
        ("gradio.utils.LRUCache", "utils.LRUCache"),
    ],
)
def test_a_gradio_that_lacks_something_is_named(
    page: gr.Blocks, monkeypatch: pytest.MonkeyPatch, part: str, name: str
) -> None:
    monkeypatch.delattr(part)
    with pytest.raises(
        SettingsError, match=rf"Gradio {gr.__version__}, which lacks {name}.*: install"
    ):
        check_gradio(page)


def test_a_page_that_lacks_something_is_named(
    page: gr.Blocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(page.app, "tokens")
    monkeypatch.delattr(page.state_holder, "time_last_used")
    missing = r"lacks App\.tokens, Blocks\.state_holder\.time_last_used: install"
    with pytest.raises(SettingsError, match=missing):
        check_page(page)


def test_no_other_file_relies_on_what_gradio_does_not_document() -> None:
    names = (
        "_queue|_frontend|LRUCache|GRADIO_CACHE|async_ssrf_protected_get|state_holder|cookie_id|"
        r"temp_file_sets|event_ids_to_events|pending_\w+_session|app\.tokens|\.preprocess\b"
    )
    web = Path(gradio_internals.__file__).parent
    found = {
        file.name: sorted(set(re.findall(names, file.read_text(encoding="utf-8"))))
        for file in web.rglob("*.py")
        if file.name != "gradio_internals.py"
    }
    assert {name: words for name, words in found.items() if words} == {}
