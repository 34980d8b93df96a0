"""Who may enter: nobody without the password, nobody who tries many, no page under another name."""

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retina.web import text
from retina.web.middleware import PROGRAM

LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")

BEFORE_THE_PASSWORD = (
    *("/", "/login", "/login/", "/logout", "/theme.css", "/favicon.ico", "/manifest.json"),
    *("/gradio_api/login_check", "/gradio_api/startup-events", "/gradio_api/theme.css"),
)
"""What the page that asks for it is made of, beside ``PROGRAM``."""

_COOKIES = ("access-token", "access-token-unsecure")

SECONDS_A_WRONG_PASSWORD = 1.0
WAITING, WAITING_FROM_ONE = 20, 5
"""Log-ins that wait while a wrong one is paid for, and those of one address; more are sent away."""

_API = re.compile(rb"(window\.gradio_api_info = ).*?(;</script>)", re.DOTALL)

_NO_API = rb'\1{"named_endpoints": {}, "unnamed_endpoints": {}}\2'

_BUSY = PlainTextResponse(text.TOO_MANY_LOGINS, status_code=429)
_LOCKED = PlainTextResponse(text.NOT_LOGGED_IN, status_code=401)


class Guard:
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


class Patience:
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
    app: Any = scope["app"]
    cookies = HTTPConnection(scope).cookies
    given = (cookies.get(f"{name}-{app.cookie_id}") for name in _COOKIES)
    return any(token in app.tokens for token in given if token)


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
        return (Middleware(Patience), Middleware(Guard))
    if is_loopback and not insecure:
        hosts = [*LOOPBACK, host]
        return (Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False),)
    return ()
