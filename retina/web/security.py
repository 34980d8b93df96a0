"""Who may see the page, and what it sends with every answer."""

import asyncio
import logging
import re
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retina.errors import SettingsError
from retina.web import text
from retina.web.gradio_internals import is_session, replace_fetch

LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")

BEFORE_THE_PASSWORD = (
    *("/", "/login", "/login/", "/logout", "/theme.css", "/favicon.ico", "/manifest.json"),
    *("/gradio_api/login_check", "/gradio_api/startup-events", "/gradio_api/theme.css"),
)
"""What the page that asks for it is made of, beside ``PROGRAM``."""


SECONDS_A_WRONG_PASSWORD = 1.0
WAITING, WAITING_FROM_ONE = 20, 5
"""Log-ins that wait while a wrong one is paid for, and those of one address; more are sent away."""

_API = re.compile(rb"(window\.gradio_api_info = ).*?(;</script>)", re.DOTALL)

_NO_API = rb'\1{"named_endpoints": {}, "unnamed_endpoints": {}}\2'

_BUSY = PlainTextResponse(text.TOO_MANY_LOGINS, status_code=429)
_LOCKED = PlainTextResponse(text.NOT_LOGGED_IN, status_code=401)


class RequireLogin:
    """Answer nothing to who is not logged in but what the question for the password is made of.

    Gradio asks for it route by route, and leaves some open, among them those that cancel another's
    event or hold a connection for ever.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan" or _is_logged_in(scope):
            await self.app(scope, receive, send)
        elif scope["path"] == "/":
            await self._ask(scope, receive, send)
        else:
            is_open = scope["path"] in BEFORE_THE_PASSWORD or scope["path"].startswith(PROGRAM)
            await (self.app if is_open else _LOCKED)(scope, receive, send)

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The question, without the description of the API that Gradio writes beside it."""
        start: Message = {}
        page = b""

        async def held(message: Message) -> None:
            nonlocal start, page
            if message["type"] == "http.response.start":
                start = message
                return
            page += message.get("body", b"")
            if not message.get("more_body"):
                page = _API.sub(_NO_API, page)
                MutableHeaders(scope=start)["Content-Length"] = str(len(page))
                await send(start)
                await send({"type": "http.response.body", "body": page})

        await self.app(scope, receive, held)


class LoginThrottle:
    """Try one password at a time, and after a wrong one wait; it does not matter whose it was."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._turn = asyncio.Lock()
        self._waiting: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope.get("path", "").rstrip("/") != "/login":
            await self.app(scope, receive, send)
            return
        address, _ = scope["client"] or ("", 0)
        if self._waiting.total() >= WAITING or self._waiting[address] >= WAITING_FROM_ONE:
            await _BUSY(scope, receive, send)
            return

        async def after_a_while(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 400:
                await asyncio.sleep(SECONDS_A_WRONG_PASSWORD)
            await send(message)

        self._waiting[address] += 1
        try:
            async with self._turn:
                await self.app(scope, receive, after_a_while)
        finally:
            self._waiting -= Counter([address])  # which drops an address at 0


def _is_logged_in(scope: Scope) -> bool:
    """Whether a cookie is one that Gradio gave at a log-in."""
    return is_session(scope["app"], HTTPConnection(scope).cookies)


def guards(host: str, *, guarded: bool, insecure: bool, is_loopback: bool) -> Sequence[Middleware]:
    """What stands at the door.

    A page that listens at this machine only, without a password, answers to this machine's names
    only: else a page from elsewhere, whose name comes to mean 127.0.0.1 (DNS rebinding), could
    read it through the browser.

    Args:
        host: The address to listen at.
        guarded: Whether only those may enter whom ``--auth-file`` names.
        insecure: Whether everyone may, by ``--insecure``.
        is_loopback: Whether only this machine reaches ``host``.
    """
    if guarded:
        return (Middleware(LoginThrottle), Middleware(RequireLogin))
    if is_loopback and not insecure:
        hosts = [*LOOPBACK, host]
        return (Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False),)
    return ()


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


class BlockOutgoingFetches:
    """Fetch nothing from other addresses.

    Gradio would fetch whatever address a caller names behind ``/file=``, or sends in place of a
    file, and asks a public resolver about hosts that it cannot find by itself.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        replace_fetch(_refuse)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        app = _FORBIDDEN if _ADDRESS.search(scope.get("path", "")) else self.app
        await app(scope, receive, send)


class IgnoreDisconnects:
    """Let go who goes away in the middle of a request, which Gradio tells of with a traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        with suppress(ClientDisconnect):
            await self.app(scope, receive, send)


MIDDLEWARE = (IgnoreDisconnects, RequestLog, Headers, BlockOutgoingFetches)
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
