"""What stands between the page and the network: headers, the log, and no errands."""

import logging
import re
import time
from contextlib import suppress
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

import gradio as gr
from gradio import processing_utils
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retina.errors import SettingsError
from retina.web import text

HEADERS = {
    # Gradio writes scripts and styles into its page and makes functions of strings, so these three
    # are allowed. What holds: all comes from the page's own address, nothing can be sent to
    # another, and no other page can frame this one.
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

PROGRAM = ("/assets/", "/static/")
"""Gradio's own scripts and styles: a browser may keep them, and the log leaves them out."""

_ADDRESS = re.compile(r"/file[=/]https?:", re.IGNORECASE)
_FORBIDDEN = PlainTextResponse(text.NO_ADDRESSES, status_code=403)

_log = logging.getLogger(__name__)


class Headers:
    """Send ``HEADERS`` with each answer, and let a browser keep nothing but the program."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                if not scope["path"].startswith(PROGRAM):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        await self.app(scope, receive, with_headers)


class RequestLog:
    """Log a line for each request: its method, its route, the status, how long it took.

    The route is the program's own name for the address (``/gradio_api/file={path_or_url:path}``),
    so that nothing a user typed, and no file's name, comes into the log.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"].startswith(PROGRAM):
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def with_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, with_status)
        finally:
            route = getattr(scope.get("route"), "path", "(no such address)")
            seconds = time.perf_counter() - began
            _log.info("%s %s %d in %.3f s", scope["method"], route, status, seconds)


class NoErrands:
    """Fetch nothing from other addresses.

    Gradio would fetch whatever address a caller names behind ``/file=``, or sends in place of a
    file, and asks a public resolver about hosts that it cannot find by itself.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        processing_utils.async_ssrf_protected_get = _refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        app = _FORBIDDEN if _ADDRESS.search(scope.get("path", "")) else self.app
        await app(scope, receive, send)


class Departures:
    """Let go who goes away in the middle of a request, which Gradio tells of with a traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        with suppress(ClientDisconnect):
            await self.app(scope, receive, send)


MIDDLEWARE = (Departures, RequestLog, Headers, NoErrands)
"""From the network inwards."""


def log_to(file: Path) -> None:
    """Append what the package logs to a file, each line behind its time.

    The file may be moved away meanwhile, as logrotate does: it is then begun anew.

    Raises:
        SettingsError: The file cannot be written.
    """
    try:
        handler = WatchedFileHandler(file, encoding="utf-8")
    except OSError:
        raise SettingsError(
            f"--log {file} cannot be written: name a file, new or old, in a folder that exists"
        ) from None
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%dT%H:%M:%S%z"))
    package = logging.getLogger("retina")
    package.setLevel(logging.INFO)
    package.addHandler(handler)


async def _refuse(url: str) -> Any:
    raise gr.Error(text.NO_ADDRESSES, title=text.ERROR_TITLE, print_exception=False)
